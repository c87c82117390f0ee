// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PATH(name) "/proc/" RCX_SEQFILE_DIR "/" name
#define BODY	   200u /* several records; the last one is not full */
#define WHOLE	   (RCX_HEADER + BODY)
#define BUFFER	   4096 /* the initial buffer of seq_file */

/* One file, and the most bytes that one read returns. */
struct print {
	struct rcx_hostile *h;
	const char *path, *name;
	size_t most;
	int fd;
};

static long read_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, WHOLE);
}

/* ---- reads and seeks ---------------------------------------------------- */

static void try_reads(struct rcx_hostile *h, int fd)
{
	char *to = (char *)h->message;
	uint64_t seq;

	rcx_expect_value(h, "read of a message", read(fd, to, WHOLE), WHOLE);
	rcx_expect_true(h, "it is complete", rcx_is_whole(h->message, BODY, true));
	seq = h->message->seq;
	rcx_expect_value(h, "read behind it", read(fd, to, WHOLE), 0);
	rcx_expect_value(h, "pread of 2 GiB", pread(fd, to, INT32_MAX, 0), WHOLE);
	rcx_expect_true(h, "it is the next message",
			rcx_is_whole(h->message, BODY, true) && h->message->seq == seq + 1);
	rcx_expect_value(h, "pread of nothing", pread(fd, to, 0, 0), 0);

	rcx_expect_value(h, "pread of its start", pread(fd, to, 10, 0), 10);
	for (size_t at = 10; at < WHOLE; at += 7)
		if (pread(fd, to + at, 7, (off_t)at) <= 0)
			break;
	rcx_expect_true(h, "start and rest, by 7 bytes, make one message",
			rcx_is_whole(h->message, BODY, true));
	rcx_expect_value(h, "pread at its end", pread(fd, to, WHOLE, WHOLE), 0);
	rcx_try_addresses(h, "pread", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_expect_value(h, "pread after these", pread(fd, to, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "that one is complete", rcx_is_whole(h->message, BODY, true));
}

/* A seek walks to the offset, through a message whose start is not returned. */
static void try_seeks(struct rcx_hostile *h, int fd)
{
	char *to = (char *)h->message;

	rcx_expect_value(h, "pread in the middle", pread(fd, to, WHOLE, 70), WHOLE - 70);
	rcx_expect_value(h, "pread of the last byte", pread(fd, to, WHOLE, WHOLE - 1), 1);
	rcx_expect_value(h, "pread far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rcx_expect_value(h, "pread at the largest offset", pread(fd, to, WHOLE, INT64_MAX - 4096),
			 0);
	rcx_expect(h, "pread before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rcx_expect_value(h, "lseek to the middle", lseek(fd, 65, SEEK_SET), 65);
	rcx_expect_value(h, "read there", read(fd, to, WHOLE), WHOLE - 65);
	rcx_expect_value(h, "lseek back by a byte", lseek(fd, -1, SEEK_CUR), WHOLE - 1);
	rcx_expect_value(h, "read there", read(fd, to, WHOLE), 1);
	rcx_expect(h, "lseek before the start", lseek(fd, -1, SEEK_SET), EINVAL);
	rcx_expect(h, "lseek from the end", lseek(fd, 0, SEEK_END), EINVAL);
	rcx_expect(h, "lseek to data", lseek(fd, 0, SEEK_DATA), EINVAL);
	rcx_expect_value(h, "lseek far behind the end", lseek(fd, 1 << 20, SEEK_SET), 1 << 20);
	rcx_expect_value(h, "read there", read(fd, to, WHOLE), 0);
	rcx_expect_value(h, "lseek to the start", lseek(fd, 0, SEEK_SET), 0);
	rcx_expect_value(h, "read there", read(fd, to, WHOLE), WHOLE);
	rcx_expect_true(h, "it is complete", rcx_is_whole(h->message, BODY, true));
}

/* ---- sizes -------------------------------------------------------------- */

/* The rest of a message whose first @at bytes have been read. */
static size_t read_rest(const struct print *print, size_t at, size_t len)
{
	ssize_t got = 1;

	for (; at < len && got > 0; at += (size_t)got) {
		got = pread(print->fd, (char *)print->h->message + at, len - at, (off_t)at);
		if (got < 0)
			break;
	}
	return at;
}

/* Sizes just below and at each buffer size that seq_file may allocate. */
static void try_sizes(struct rcx_hostile *h, const struct print *print)
{
	for (uint32_t whole = BUFFER; whole <= RCX_BODY_MAX; whole *= 2)
		for (uint32_t size = whole - RCX_HEADER - 1; size <= whole - RCX_HEADER; size++) {
			rcx_core_bind(h, "", size, true);
			if (read_rest(print, 0, RCX_HEADER + size) == RCX_HEADER + size &&
			    rcx_is_whole(h->message, size, true))
				continue;
			rcx_expect_value(h, "a complete message of this size", 0, size);
		}
	rcx_core_bind(h, "", RCX_BODY_MAX, true);
	rcx_expect_value(h, "read of the largest",
			 pread(print->fd, h->message, RCX_HEADER + RCX_BODY_MAX, 0),
			 (long)print->most);
	read_rest(print, print->most, RCX_HEADER + RCX_BODY_MAX);
	rcx_expect_true(h, "with its rest it is complete",
			rcx_is_whole(h->message, RCX_BODY_MAX, true));
}

/* A reader in the middle of a message gets the rest of the same message. */
static void try_other_binding(struct rcx_hostile *h, const struct print *print)
{
	const uint32_t large = 10000;

	rcx_core_bind(h, "", large, true);
	rcx_expect_value(h, "start of a large one", pread(print->fd, h->message, 100, 0), 100);
	rcx_core_bind(h, "", BODY, true);
	read_rest(print, 100, RCX_HEADER + large);
	rcx_expect_true(h, "its rest in the next binding", rcx_is_whole(h->message, large, true));
	rcx_expect_value(h, "then a small one", pread(print->fd, h->message, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "it is complete", rcx_is_whole(h->message, BODY, true));
}

/* ---- other ways in ------------------------------------------------------ */

static void try_ways(struct rcx_hostile *h, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), ends[2] = { -1, -1 };
	loff_t at = 0;

	rcx_expect(h, "open for writing", fd, 0);
	rcx_expect(h, "write", write(fd, h->message, WHOLE), EIO);
	rcx_expect(h, "truncate", ftruncate(fd, 0), 0);
	rcx_expect_value(h, "pread after that", pread(fd, h->message, WHOLE, 0), WHOLE);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, NULL);
	rcx_expect(h, "pipe", pipe(ends), 0);
	rcx_expect_value(h, "splice to a pipe", splice(fd, &at, ends[1], NULL, WHOLE, 0), WHOLE);
	rcx_expect_value(h, "out of the pipe", read(ends[0], h->message, WHOLE), WHOLE);
	rcx_expect_true(h, "it is complete", rcx_is_whole(h->message, BODY, true));
	at = 0;
	rcx_expect_value(h, "sendfile to a pipe", sendfile(ends[1], fd, &at, WHOLE), WHOLE);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rcx_expect(h, "read of a file opened for writing", read(fd, h->message, WHOLE), EBADF);
	close(fd);
	rcx_expect(h, "create an existing file", open(path, O_WRONLY | O_CREAT | O_EXCL, 0600),
		   EEXIST);
}

struct reader {
	int fd;
	bool stop;
};

/* Reads at offset 0 and inside the message until @stop is set; returns broken reads. */
static long read_on(void *arg)
{
	struct reader *reader = arg;
	struct {
		struct rcx_msg msg;
		uint8_t body[BODY];
	} buffer;
	char rest[WHOLE];
	long broken = 0;

	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		if (pread(reader->fd, &buffer, WHOLE, 0) != WHOLE)
			return -1;
		broken += rcx_body_check(buffer.msg.body, BODY, buffer.msg.seq, 0) != BODY;
		broken += pread(reader->fd, rest, WHOLE, 90) != WHOLE - 90;
		sched_yield();
	}
	return broken;
}

/* Each read is complete although another thread reads the same open file. */
static void try_two(struct rcx_hostile *h, int fd)
{
	struct reader reader = { .fd = fd };
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_sleeper thread;

	rcx_sleep_in(h, &thread, read_on, &reader);
	for (int i = 0; i < 500; i++) {
		bool whole = pread(fd, h->message, WHOLE, 0) == WHOLE &&
			     rcx_is_whole(h->message, BODY, true);

		rcx_note(&outcomes, whole ? 0 : -1, 0);
		lseek(fd, i % 300, SEEK_SET);
		sched_yield();
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	rcx_expect_outcomes(h, "reads while another reads", &outcomes);
	rcx_expect_value(h, "broken reads of the other", rcx_sleeper_end(&thread), 0);

	reader.stop = false;
	rcx_sleep_in(h, &thread, read_on, &reader);
	close(fd);
	rcx_expect(h, "closed while another reads", rcx_sleeper_end(&thread), EBADF);
}

static void try_print(struct rcx_hostile *h, struct print *print)
{
	rcx_topic(h, "%s", print->name);
	rcx_core_bind(h, "", BODY, true);
	print->fd = rcx_expect_open(h, print->path, O_RDONLY);
	try_reads(h, print->fd);
	try_seeks(h, print->fd);
	try_sizes(h, print);
	try_other_binding(h, print);
	try_ways(h, print->path);
	try_two(h, print->fd);
	rcx_try_nobody_opens(h, print->path);
}

/* A second open has its own sequence, or shares it. */
static void try_second(struct rcx_hostile *h, const char *path, uint64_t first, uint64_t second)
{
	int fd = rcx_expect_open(h, path, O_RDONLY), other = rcx_expect_open(h, path, O_RDONLY);

	pread(fd, h->message, WHOLE, 0);
	rcx_expect_value(h, "number of the first open", (long)h->message->seq, (long)first);
	pread(other, h->message, WHOLE, 0);
	rcx_expect_value(h, "number of the second open", (long)h->message->seq, (long)second);
	close(fd);
	close(other);
}

static void seqfile_hostile(struct rcx_hostile *h)
{
	struct print prints[] = {
		{ h, PATH(RCX_SEQFILE_RECORDS), RCX_SEQFILE_RECORDS, BUFFER - 64, -1 },
		{ h, PATH(RCX_SEQFILE_SINGLE), RCX_SEQFILE_SINGLE, RCX_HEADER + RCX_BODY_MAX, -1 },
		{ h, PATH(RCX_SEQFILE_SHARED), RCX_SEQFILE_SHARED, RCX_HEADER + RCX_BODY_MAX, -1 },
	};

	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++)
		try_print(h, &prints[i]);
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		rcx_topic(h, "%s", prints[i].name);
		rcx_core_bind(h, "", BODY, true);
		try_second(h, prints[i].path, 0, i == 2);
	}
	rcx_try_table_file(h, PATH(RCX_SEQFILE_TABLE), false);
	rcx_try_table_file(h, PATH(RCX_SEQFILE_TEXT), true);
}
RCX_HOSTILE(seqfile, seqfile_hostile);
