// SPDX-License-Identifier: GPL-2.0-only
/* Either kernfs or our attribute refuses; a program sees no difference. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"
#include "loops/table_file.h"
#include "abi.h"

#define PATH(name) "/sys/kernel/" RCX_SYSFS_DIR "/" name
#define BODY	   64u
#define WHOLE	   (RCX_HEADER + BODY)
#define FILE_SIZE  (RCX_HEADER + RCX_BODY_MAX) /* of a binary attribute */

static long write_at(void *arg, void *at)
{
	return pwrite(*(int *)arg, at, WHOLE, 0);
}

static long read_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, WHOLE);
}

/* ---- attributes --------------------------------------------------------- */

static long store(void *arg, const struct rcx_msg *msg, size_t len)
{
	return pwrite(*(int *)arg, msg, len, 0);
}

static struct rcx_sender attribute_sender(int *fd, bool transaction)
{
	return (struct rcx_sender){
		.send = store,
		.arg = fd,
		.body_max = (transaction ? RCX_SYSFS_SHOW_MAX : RCX_SYSFS_STORE_MAX) - RCX_HEADER,
		.nothing = 0, /* never reaches the attribute */
		.too_short = EBADMSG,
		/* A store is cut to a page, so only a part of the message arrives. */
		.too_long = transaction ? EMSGSIZE : EBADMSG,
	};
}

static void try_attribute_writes(struct rcx_hostile *h, int fd, struct rcx_sender *sender,
				 bool validate)
{
	rcx_try_messages(h, sender, validate);
	rcx_try_addresses(h, "store", RCX_KERNEL_READS, write_at, &fd);
	rcx_try_overwritten(h, sender, BODY, 200);
	rcx_good_message(h, RCX_BODY_MAX, sender->seq);
	rcx_expect_either(h, "store of 1 MiB", write(fd, h->message, FILE_SIZE), EBADMSG, EMSGSIZE);
	rcx_expect_either(h, "store of 2 GiB", write(fd, h->message, INT32_MAX), EBADMSG, EMSGSIZE);
	rcx_good_message(h, BODY, sender->seq++);
	rcx_expect_value(h, "store at an odd position", pwrite(fd, h->message, WHOLE, 4711), WHOLE);
	rcx_expect(h, "store before the start", pwrite(fd, h->message, WHOLE, -1), EINVAL);
}

static void try_message(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_SYSFS_MESSAGE), O_RDWR);
	struct rcx_sender sender = attribute_sender(&fd, false);
	char *to = (char *)h->message;

	try_attribute_writes(h, fd, &sender, validate);
	rcx_expect_value(h, "show", pread(fd, to, INT32_MAX, 0), WHOLE);
	rcx_expect_true(h, "the message is complete", rcx_is_whole(h->message, BODY, validate));
	rcx_expect_value(h, "show of nothing", pread(fd, to, 0, 0), 0);
	rcx_expect_value(h, "show at the end", pread(fd, to, WHOLE, WHOLE), 0);
	rcx_expect_value(h, "show far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rcx_expect(h, "show before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rcx_try_addresses(h, "show", RCX_KERNEL_WRITES, read_at, &fd);

	rcx_core_bind(h, "", RCX_SYSFS_SHOW_MAX - RCX_HEADER, validate);
	rcx_expect_value(h, "show of the largest", pread(fd, to, 8192, 0), RCX_SYSFS_SHOW_MAX);
	rcx_core_bind(h, "", RCX_SYSFS_SHOW_MAX - RCX_HEADER + 1, validate);
	rcx_expect(h, "show of a byte more", pread(fd, to, 8192, 0), EMSGSIZE);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	rcx_expect(h, "show of 1 MiB", pread(fd, to, 8192, 0), EMSGSIZE);
	close(fd);
}

static void try_transaction(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_SYSFS_TRANSACTION), O_RDWR);
	struct rcx_sender sender = attribute_sender(&fd, true);
	char *to = (char *)h->message;

	rcx_expect_value(h, "a reply before any request", pread(fd, to, WHOLE, 0), 0);
	try_attribute_writes(h, fd, &sender, validate);
	rcx_expect_value(h, "show of the reply", pread(fd, to, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "it is the reply",
			rcx_is_reply(h->message, BODY, sender.seq - 1, validate));
	rcx_expect(h, "a reply as a request", write(fd, to, WHOLE), EBADMSG);
	rcx_expect_value(h, "no reply after that", pread(fd, to, WHOLE, 0), 0);
	close(fd);
}

/* ---- binary attributes -------------------------------------------------- */

/* Write all of it, in pieces as large as accepted, up to the first refusal. */
static long write_pieces(void *arg, const struct rcx_msg *msg, size_t len)
{
	size_t at = 0;

	do {
		ssize_t done = pwrite(*(int *)arg, (const char *)msg + at, len - at, (off_t)at);

		if (done < 0)
			return -1;
		if (!done)
			break;
		at += (size_t)done;
	} while (at < len);
	return (long)at;
}

static long piece(int fd, const struct rcx_hostile *h, size_t from, size_t len)
{
	return pwrite(fd, (const char *)h->message + from, len, (off_t)from);
}

static void try_pieces(struct rcx_hostile *h, int fd, uint64_t *seq)
{
	rcx_good_message(h, BODY, *seq);
	rcx_expect_value(h, "a first byte", piece(fd, h, 0, 1), 1);
	rcx_expect_value(h, "up to the end of its header", piece(fd, h, 1, RCX_HEADER - 1),
			 RCX_HEADER - 1);
	rcx_expect(h, "a gap", piece(fd, h, RCX_HEADER + 1, 1), EINVAL);
	rcx_expect(h, "the same again", piece(fd, h, 1, RCX_HEADER - 1), EINVAL);
	rcx_expect_value(h, "its body", piece(fd, h, RCX_HEADER, BODY), BODY);
	(*seq)++;
	rcx_expect(h, "more of it", piece(fd, h, WHOLE, 1), EINVAL);
	rcx_expect(h, "a middle without a start", piece(fd, h, RCX_HEADER, BODY), EINVAL);

	rcx_good_message(h, BODY, *seq);
	piece(fd, h, 0, RCX_HEADER + 8);
	rcx_expect(h, "a last piece that is too long", piece(fd, h, RCX_HEADER + 8, BODY), EBADMSG);
	rcx_expect(h, "a piece before the start", pwrite(fd, h->message, WHOLE, -1), EINVAL);
	rcx_expect(h, "a piece behind the end", pwrite(fd, h->message, 1, FILE_SIZE), EFBIG);
	rcx_expect_value(h, "no piece", pwrite(fd, h->message, 0, 0), 0);
}

/* Headers with a size larger than any message, and as many bytes as can be written. */
static void try_large_sizes(struct rcx_hostile *h, int fd)
{
	static const uint32_t sizes[] = { RCX_BODY_MAX + 1, INT32_MAX, UINT32_MAX - 23,
					  UINT32_MAX };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rcx_good_message(h, RCX_BODY_MAX, 0)->size = sizes[i];
		rcx_expect_value(h, "size larger than any message",
				 write_pieces(&fd, h->message, FILE_SIZE), FILE_SIZE);
		rcx_expect(h, "and a byte more", piece(fd, h, FILE_SIZE, 1), EFBIG);
	}
}

static void try_binary(struct rcx_hostile *h, const char *path, bool transaction, bool validate)
{
	int fd = rcx_expect_open(h, path, O_RDWR);
	struct rcx_sender sender = { .send = write_pieces, .arg = &fd, .body_max = RCX_BODY_MAX };
	char *to = (char *)h->message;
	struct rcx_outcomes outcomes = { 0 };

	for (uint32_t size = 0; size <= RCX_BODY_MAX; size = size * 2 + 4063) {
		rcx_good_message(h, size, sender.seq++);
		rcx_note(&outcomes, write_pieces(&fd, h->message, RCX_HEADER + size), 0);
	}
	rcx_expect_outcomes(h, "good ones", &outcomes);
	try_pieces(h, fd, &sender.seq);
	try_large_sizes(h, fd);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, write_at, &fd);
	rcx_good_message(h, BODY, sender.seq + 1);
	rcx_expect(h, "a skipped number", piece(fd, h, 0, WHOLE), EBADMSG);
	rcx_good_message(h, BODY, sender.seq)->magic ^= 1;
	rcx_expect(h, "wrong magic", piece(fd, h, 0, WHOLE), EBADMSG);
	rcx_good_message(h, BODY, sender.seq++);
	rcx_expect_value(h, "a good one after all these", piece(fd, h, 0, WHOLE), WHOLE);

	rcx_expect_value(h, "read from the middle", pread(fd, to, WHOLE, RCX_HEADER),
			 transaction ? BODY : 0);
	rcx_expect_value(h, "read", pread(fd, to, WHOLE, 0), WHOLE);
	if (transaction)
		rcx_expect_true(h, "the reply",
				rcx_is_reply(h->message, BODY, sender.seq - 1, validate));
	rcx_expect_value(h, "read far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rcx_expect(h, "read before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_try_no_map(h, fd);
	close(fd);
}

/* ---- two callers, with the state that all opens share ------------------- */

struct other {
	const char *path;
	bool stop;
	struct rcx_outcomes outcomes;
};

/* Write partial headers and read, which corrupts the other thread's messages at random. */
static long spoil(void *arg)
{
	struct other *other = arg;
	int fd = open(other->path, O_RDWR | O_CLOEXEC);
	char some[WHOLE] = { 0 };

	while (!__atomic_load_n(&other->stop, __ATOMIC_RELAXED)) {
		long done;

		rcx_note(&other->outcomes, pwrite(fd, some, RCX_HEADER - 1, 0), 0);
		rcx_note(&other->outcomes, pread(fd, some, WHOLE, 0), 0);
		/* Continues, or completes, a message of the other thread. */
		done = pwrite(fd, some, 8, RCX_HEADER - 1);
		rcx_note(&other->outcomes, done, errno == EBADMSG ? EBADMSG : EINVAL);
		usleep(1);
	}
	close(fd);
	return 0;
}

static void try_two(struct rcx_hostile *h, const char *path)
{
	struct other other = { .path = path };
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_sleeper thread;
	int fd = rcx_expect_open(h, path, O_RDWR);
	uint64_t seq = 0;

	rcx_sleep_in(h, &thread, spoil, &other);
	for (int i = 0; i < 300; i++) {
		long done;

		rcx_good_message(h, 12000, seq);
		done = write_pieces(&fd, h->message, RCX_HEADER + 12000);
		/* EBADMSG if the message starts with the other thread's header. */
		rcx_note(&outcomes, done, errno == EBADMSG ? EBADMSG : EINVAL);
		seq += done >= 0;
		if (i % 8 == 0)
			usleep(1);
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	rcx_expect(h, "the other ends", rcx_sleeper_end(&thread), 0);
	rcx_expect_outcomes(h, "errnos of this thread", &outcomes);
	rcx_expect_outcomes(h, "errnos of the other thread", &other.outcomes);
	close(fd);
}

/* ---- notify ------------------------------------------------------------- */

static long wait_for_change(void *arg)
{
	struct pollfd pfd = { .fd = *(int *)arg, .events = POLLPRI };

	return poll(&pfd, 1, -1);
}

static void try_event(struct rcx_hostile *h)
{
	int fd = rcx_expect_open(h, PATH(RCX_SYSFS_EVENT), O_RDONLY);
	struct rcx_sleeper sleeper;
	char text[32] = "";

	rcx_core_bind(h, "notify", BODY, true);
	rcx_expect_value(h, "before the first", pread(fd, text, sizeof(text), 0), 3);
	rcx_expect_true(h, "is -1", !strcmp(text, "-1\n"));
	rcx_expect(h, "open for writing", open(PATH(RCX_SYSFS_EVENT), O_WRONLY), EACCES);
	rcx_expect(h, "open for reading and writing", open(PATH(RCX_SYSFS_EVENT), O_RDWR), EACCES);
	rcx_expect(h, "write", write(fd, "1", 1), EBADF);
	rcx_try_no_map(h, fd);

	rcx_sleep_in(h, &sleeper, wait_for_change, &fd);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "poll, interrupted", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "poll, killed", wait_for_change, &fd);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 100; i++) {
		int other = open(PATH(RCX_SYSFS_EVENT), O_RDONLY | O_CLOEXEC);

		wait_for_change(&other);
		close(other);
	}
	rcx_expect_value(h, "poll in a flood", wait_for_change(&fd), 1);
	rcx_core_unbind(h);
	rcx_core_bind(h, "notify", BODY, true);
	close(fd);
}

/* ---- upcalls --------------------------------------------------------------- */

static int request_open(struct rcx_hostile *h)
{
	(void)h;
	return open(PATH(RCX_SYSFS_REQUEST), O_RDWR | O_CLOEXEC);
}

/* A show does not sleep, and poll() also reports an earlier request that has ended. */
static long request_take(int fd, void *to, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLPRI };
	long got;

	do {
		got = pread(fd, to, len, 0);
	} while (got < 0 && errno == EAGAIN && poll(&pfd, 1, 2000) == 1);
	return got;
}

static long request_answer(int fd, const void *from, size_t len)
{
	return pwrite(fd, from, len, 0);
}

static void try_request(struct rcx_hostile *h)
{
	/* An attribute does not see opens, so nobody notices that its reader dies. */
	static const struct rcx_server server = {
		.mode = "notify",
		.open = request_open,
		.take = request_take,
		.answer = request_answer,
		.too_short = EINVAL,
		.unnoticed = true,
	};
	int fd = request_open(h);

	rcx_try_upcalls(h, &server);
	rcx_topic(h, RCX_SYSFS_REQUEST);
	rcx_core_bind(h, "notify", RCX_SYSFS_SHOW_MAX - RCX_HEADER + 1, true);
	rcx_expect(h, "no request", pread(fd, h->message, 8192, 0), EAGAIN);
	rcx_core_ask(h, 1, 500);
	usleep(20000);
	rcx_expect(h, "a request larger than a page", pread(fd, h->message, 8192, 0), EMSGSIZE);
	rcx_expect_asked(h, "nobody can take it", ETIMEDOUT);
	close(fd);
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_REQUEST));
}

/* ---- dumps -------------------------------------------------------------- */

#define RECORDS 200u

/* Read the file of record @name: 0 if it is a line of a record, or -1. */
static long read_record(const char *name)
{
	char path[128], text[RCX_RECORD_LINE];
	struct rcx_record record;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", PATH(RCX_SYSFS_TABLE), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return -1;
	text[len] = '\0';
	return rcx_line(text, &record) == text + len ? 0 : 1;
}

static void try_record_files(struct rcx_hostile *h)
{
	rcx_expect(h, "the first record", read_record("0"), 0);
	rcx_expect(h, "the last record", read_record("199"), 0);
	rcx_expect(h, "a file beyond the limit", read_record("4096"), ENOENT);
	rcx_expect(h, "no number", read_record("-1"), ENOENT);
	rcx_core_bind_table(h, 2);
	rcx_expect(h, "the first of a shorter table", read_record("0"), 0);
	rcx_expect(h, "a file that is left over", read_record("199"), ENODATA);
	rcx_core_bind_table(h, 0);
	rcx_expect(h, "the first without a table", read_record("0"), ENODATA);
	rcx_core_bind_table(h, RCX_RECORDS_MAX);
	rcx_expect(h, "the first of the longest table", read_record("0"), 0);
	rcx_expect(h, "the last of all files", read_record("4095"), 0);
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_TABLE) "/0");
	rcx_core_bind_table(h, RECORDS);
}

static long read_table_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, RCX_RECORD);
}

static void try_table_bin(struct rcx_hostile *h)
{
	static const size_t pieces[] = { 1 << 16, 4096, 1000, 64, 63, 7 };
	struct rcx_record *table = (struct rcx_record *)h->message;
	const size_t all = RECORDS * sizeof(*table);
	int fd = rcx_expect_open(h, PATH(RCX_SYSFS_TABLE_BIN), O_RDONLY);
	char name[48];

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t at = 0;
		ssize_t len;

		while ((len = pread(fd, (char *)table + at, pieces[i], (off_t)at)) > 0)
			at += (size_t)len;
		snprintf(name, sizeof(name), "a dump by pieces of %zu bytes", pieces[i]);
		rcx_expect_true(h, name,
				at == all && rcx_is_table(table, RECORDS, table[0].generation));
	}
	rcx_expect_value(h, "far behind the end", pread(fd, table, 64, 1ll << 40), 0);
	rcx_expect(h, "before the start", pread(fd, table, 64, -1), EINVAL);
	rcx_expect(h, "write", write(fd, table, 64), EBADF);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_table_at, &fd);
	close(fd);
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_TABLE_BIN));
}

/* All readers share a dump, so a second one changes the records of the first: only the memory and
 * the lock are tried.
 */
static long read_table_on(void *arg)
{
	char room[8192];

	for (int i = 0; i < 100; i++)
		for (off_t at = 0; pread(*(int *)arg, room, sizeof(room), at) > 0;)
			at += 4096;
	return 0;
}

static void try_tables(struct rcx_hostile *h)
{
	struct rcx_sleeper thread;
	int fd;

	rcx_topic(h, "table");
	rcx_core_bind_table(h, RECORDS);
	try_record_files(h);
	try_table_bin(h);
	fd = rcx_expect_open(h, PATH(RCX_SYSFS_TABLE_BIN), O_RDONLY);
	rcx_sleep_in(h, &thread, read_table_on, &fd);
	for (int i = 0; i < 100; i++) {
		read_record("0");
		rcx_core_bind_table(h, i % 2 ? RECORDS : 1);
	}
	rcx_expect(h, "binds and reads while another reads", rcx_sleeper_end(&thread), 0);
	close(fd);
}

static void sysfs_hostile(struct rcx_hostile *h)
{
	static const struct {
		const char *path;
		bool transaction;
	} binaries[] = {
		{ PATH(RCX_SYSFS_MESSAGE_BIN), false },
		{ PATH(RCX_SYSFS_TRANSACTION_BIN), true },
	};

	for (int validate = 0; validate < 2; validate++) {
		rcx_bind_topic(h, RCX_SYSFS_MESSAGE, BODY, validate);
		try_message(h, validate);
		rcx_bind_topic(h, RCX_SYSFS_TRANSACTION, BODY, validate);
		try_transaction(h, validate);
		for (int i = 0; i < 2; i++) {
			rcx_bind_topic(h, strrchr(binaries[i].path, '/') + 1, BODY, validate);
			try_binary(h, binaries[i].path, binaries[i].transaction, validate);
			rcx_core_bind(h, "", BODY, validate);
			try_two(h, binaries[i].path);
		}
	}
	try_tables(h);
	rcx_topic(h, RCX_SYSFS_EVENT);
	try_event(h);
	try_request(h);
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_MESSAGE));
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_TRANSACTION));
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_MESSAGE_BIN));
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_TRANSACTION_BIN));
	rcx_try_nobody_opens(h, PATH(RCX_SYSFS_EVENT));
}
RCX_HOSTILE(sysfs, sysfs_hostile);
