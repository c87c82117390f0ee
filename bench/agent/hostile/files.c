// SPDX-License-Identifier: GPL-2.0-only
/* What hostile users do to files, and to the message files of core/file.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostile.h"

#define BODY 64u
#define WHOLE (RC_HEADER + BODY)
#define QUEUE 256	/* what a reader's queue in the kernel holds */

/* ---- what a file has not ------------------------------------------------ */

void rc_try_commands(struct rc_hostile *h, int fd, bool (*known)(unsigned int cmd))
{
	static const unsigned int letters[] = { 'x', 'y', 0 };
	static const unsigned int sizes[] = { 0, 1, 4, 8, 16, 24, 32, 72, 88, _IOC_SIZEMASK };
	struct rc_outcomes outcomes = { 0 };

	for (unsigned int nr = 0; nr < 256; nr++)
		for (unsigned int i = 0; i < 4 * 10 * 3; i++) {
			unsigned int cmd = _IOC(i % 4, letters[i / 40], nr, sizes[i / 4 % 10]);

			/* 0 to 2 with no letter are the file system's own. */
			if ((known && known(cmd)) || (cmd & 0xffff) < 3)
				continue;
			rc_note(&outcomes, ioctl(fd, cmd, h->edge), ENOTTY);
		}
	rc_expect_outcomes(h, "unknown commands", &outcomes);
	rc_expect_value(h, "unknown commands that did something", (long)outcomes.fine, 0);
}

void rc_try_no_io(struct rc_hostile *h, int fd)
{
	rc_expect(h, "read", read(fd, h->message, WHOLE), EINVAL);
	rc_expect(h, "write", write(fd, h->message, WHOLE), EINVAL);
}

void rc_try_no_seek(struct rc_hostile *h, int fd)
{
	rc_expect(h, "lseek", lseek(fd, 1, SEEK_SET), ESPIPE);
	rc_expect(h, "pread", pread(fd, h->message, WHOLE, 1), ESPIPE);
	rc_expect(h, "pwrite", pwrite(fd, h->message, WHOLE, 1), ESPIPE);
}

void rc_try_no_map(struct rc_hostile *h, int fd)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	rc_expect_either(h, "mmap", map == MAP_FAILED ? -1 : 0, ENODEV, EIO);
}

/* The part of @path that names the file among the channel's. */
static const char *file_name(const char *path)
{
	const char *dir = strstr(path, "/ringcross/");

	return dir ? dir + strlen("/ringcross/") : path;
}

static int open_file(struct rc_hostile *h, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	rc_expect(h, "open", fd, 0);
	return fd;
}

/* ---- writing messages --------------------------------------------------- */

static long write_message(void *arg, const struct rc_msg *msg, size_t len)
{
	return write(*(int *)arg, msg, len);
}

static long write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, WHOLE);
}

/* What could be copied may come; the next read would then tell of the fault. */
static long read_at(void *arg, void *at)
{
	ssize_t got = pread(*(int *)arg, at, WHOLE, 0);

	if (got <= 0 || got == WHOLE)
		return got;
	errno = EFAULT;
	return -1;
}

static void try_write_lengths(struct rc_hostile *h, int fd)
{
	rc_expect(h, "write of 2 GiB", write(fd, h->message, INT32_MAX), EMSGSIZE);
	/* Not by write(): the compiler knows better than to let us. */
	rc_expect_either(h, "write of all there is",
			 syscall(SYS_write, fd, h->message, SIZE_MAX), EFAULT, EINVAL);
}

/* A message has no place in a file, so any position will do that is one. */
static void try_write_positions(struct rc_hostile *h, int fd, struct rc_taker *taker)
{
	static const off_t positions[] = { 1, RC_HEADER, 4095, INT32_MAX, 1ll << 40 };
	struct rc_outcomes outcomes = { 0 };

	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		const struct rc_msg *msg = rc_good_message(h, BODY, taker->seq++);

		rc_note(&outcomes, pwrite(fd, msg, WHOLE, positions[i]), 0);
	}
	rc_expect_outcomes(h, "pwrite at odd positions", &outcomes);
	rc_expect(h, "pwrite before the start", pwrite(fd, h->message, WHOLE, -1), EINVAL);
	rc_expect(h, "lseek before the start", lseek(fd, -1, SEEK_SET), EINVAL);
	rc_expect_either(h, "lseek behind the end", lseek(fd, 1 << 20, SEEK_END), 0, EINVAL);
}

static void try_pieces(struct rc_hostile *h, int fd, struct rc_taker *taker)
{
	struct rc_msg *msg = rc_good_message(h, BODY, taker->seq);
	const struct iovec halves[] = {
		{ msg, RC_HEADER - 4 },
		{ (char *)msg + RC_HEADER - 4, WHOLE - RC_HEADER + 4 },
	};
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	rc_expect(h, "writev of a message in two", writev(fd, halves, 2), EINVAL);
	rc_expect(h, "sendfile", sendfile(fd, zero, NULL, WHOLE), EINVAL);
	close(zero);
}

static void try_writes(struct rc_hostile *h, int fd, struct rc_taker *taker, bool proof)
{
	lseek(fd, 0, SEEK_SET);
	rc_try_messages(h, taker, proof);
	rc_try_addresses(h, "write", RC_KERNEL_READS, write_at, &fd);
	try_write_lengths(h, fd);
	try_write_positions(h, fd, taker);
	try_pieces(h, fd, taker);
	rc_try_scribbled(h, taker, BODY, 200);
	rc_try_scribbled(h, taker, RC_BODY_MAX, proof ? 20 : 10);
}

/* ---- reading messages --------------------------------------------------- */

/* In @h->message lies a whole one: the next, in the proof with its body. */
static bool is_whole(const struct rc_hostile *h, bool proof)
{
	const struct rc_msg *msg = h->message;

	return msg->magic == RC_MAGIC && msg->size == BODY &&
	       (!proof || rc_body_check(msg->body, BODY, msg->seq, 0) == BODY);
}

static void try_reads(struct rc_hostile *h, int fd, bool proof)
{
	char *to = (char *)h->message;

	rc_expect_value(h, "pread of a message", pread(fd, to, WHOLE, 0), WHOLE);
	rc_expect_true(h, "it is whole", is_whole(h, proof));
	rc_expect_value(h, "pread of its start", pread(fd, to, 10, 0), 10);
	rc_expect_value(h, "pread of its rest", pread(fd, to + 10, WHOLE, 10), WHOLE - 10);
	rc_expect_true(h, "start and rest are one", is_whole(h, proof));
	rc_expect_value(h, "pread of 2 GiB", pread(fd, to, INT32_MAX, 0), WHOLE);
	rc_expect_value(h, "pread of nothing", pread(fd, to, 0, 0), 0);
	rc_expect_value(h, "pread at the end", pread(fd, to, WHOLE, WHOLE), 0);
	rc_expect_value(h, "pread far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rc_expect(h, "pread before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rc_try_addresses(h, "pread", RC_KERNEL_WRITES, read_at, &fd);
	rc_expect_value(h, "pread after all these", pread(fd, to, WHOLE, 0), WHOLE);
	rc_expect_true(h, "it is whole too", is_whole(h, proof));
}

/* ---- two at a time ------------------------------------------------------ */

struct puller {
	int fd;
	bool stop;
};

/* Pull until told to stop, or until there is an error; how many were broken. */
static long pull_on(void *arg)
{
	struct puller *puller = arg;
	struct { struct rc_msg msg; uint8_t body[BODY]; } buffer;
	long broken = 0;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		if (pread(puller->fd, &buffer, WHOLE, 0) != WHOLE)
			return -1;
		broken += rc_body_check(buffer.msg.body, BODY, buffer.msg.seq, 0) != BODY;
		sched_yield();
	}
	return broken;
}

/* Push on the file that another thread pulls from; then close it under its hands. */
static void try_two(struct rc_hostile *h, int fd, struct rc_taker *taker)
{
	struct puller puller = { .fd = fd };
	struct rc_outcomes outcomes = { 0 };
	struct rc_sleeper thread;

	rc_sleep_in(h, &thread, pull_on, &puller);
	for (int i = 0; i < 500; i++) {
		const struct rc_msg *msg = rc_good_message(h, (uint32_t)i % 200, taker->seq++);

		rc_note(&outcomes, write(fd, msg, RC_HEADER + msg->size), 0);
		sched_yield();
	}
	__atomic_store_n(&puller.stop, true, __ATOMIC_RELAXED);
	rc_expect_outcomes(h, "writes while another reads", &outcomes);
	rc_expect_value(h, "broken reads while another writes", rc_sleeper_end(&thread), 0);

	puller.stop = false;
	rc_sleep_in(h, &thread, pull_on, &puller);
	close(fd);
	rc_expect(h, "closed while another reads", rc_sleeper_end(&thread), EBADF);
}

void rc_try_message_file(struct rc_hostile *h, const char *path, bool shared)
{
	for (int proof = 0; proof < 2; proof++) {
		struct rc_taker taker = {
			.send = write_message,
			.body_max = RC_BODY_MAX,
			.nothing = EINVAL,
			.too_short = EINVAL,
			.too_long = EMSGSIZE,
		};
		int fd, other;

		rc_topic(h, "%s%s", file_name(path), proof ? " in proof" : "");
		rc_core_bind(h, "", BODY, proof);
		fd = open_file(h, path, O_RDWR);
		taker.arg = &fd;
		rc_expect_value(h, "pread where nothing was read yet",
				pread(fd, h->message, WHOLE, 1), 0);
		try_writes(h, fd, &taker, proof);
		try_reads(h, fd, proof);

		other = open_file(h, path, O_RDWR);
		rc_good_message(h, BODY, shared ? taker.seq++ : 0);
		rc_expect_value(h, "a second open has its own sequence, or shares it",
				write(other, h->message, WHOLE), WHOLE);
		close(other);
		if (proof)
			try_two(h, fd, &taker);
		else
			close(fd);
	}
	rc_topic(h, "%s", file_name(path));
	{
		int fd = open_file(h, path, O_RDWR);

		rc_try_commands(h, fd, NULL);
		rc_try_no_map(h, fd);
		close(fd);
	}
	rc_try_nobody_opens(h, path);
}

/* ---- requests and replies ----------------------------------------------- */

void rc_try_transaction_file(struct rc_hostile *h, const char *path)
{
	for (int proof = 0; proof < 2; proof++) {
		struct rc_taker taker = {
			.send = write_message,
			.body_max = RC_BODY_MAX,
			.nothing = EINVAL,
			.too_short = EINVAL,
			.too_long = EMSGSIZE,
		};
		char *to = (char *)h->message;
		int fd;

		rc_topic(h, "%s%s", file_name(path), proof ? " in proof" : "");
		rc_core_bind(h, "", BODY, proof);
		fd = open_file(h, path, O_RDWR);
		taker.arg = &fd;
		rc_expect_value(h, "a reply before any request", pread(fd, to, WHOLE, 0), 0);
		try_writes(h, fd, &taker, proof);

		rc_good_message(h, BODY, taker.seq);
		rc_expect_value(h, "a request", write(fd, to, WHOLE), WHOLE);
		rc_try_addresses(h, "reply", RC_KERNEL_WRITES, read_at, &fd);
		rc_expect_value(h, "start of the reply", pread(fd, to, 7, 0), 7);
		rc_expect_value(h, "rest of the reply", pread(fd, to + 7, INT32_MAX, 7), WHOLE - 7);
		rc_expect_true(h, "it is the reply", h->message->seq == ~taker.seq &&
			       rc_body_check(h->message->body, BODY, taker.seq,
					     proof ? 0xff : 0) == BODY);
		taker.seq++;
		rc_expect(h, "a request refused", write(fd, to, WHOLE), EBADMSG);
		rc_expect_value(h, "and so without a reply", pread(fd, to, WHOLE, 0), 0);
		close(fd);
	}
	rc_topic(h, "%s", file_name(path));
	rc_try_nobody_opens(h, path);
}

/* ---- events ------------------------------------------------------------- */

struct reader {
	struct rc_hostile *h;
	int fd;
};

/* Take what is queued; how many there were. */
static long drain(const struct reader *reader)
{
	long got = 0;

	while (read(reader->fd, reader->h->message, WHOLE) == WHOLE)
		got++;
	return got;
}

/* A new event, since a read that is refused may have taken its own with it or not. */
static long read_event_at(void *arg, void *at)
{
	const struct reader *reader = arg;

	drain(reader);
	if (!rc_core_start(reader->h, RC_HARDIRQ, 1, 1, 0) || !rc_core_ended(reader->h, 1000))
		return 0;
	return read(reader->fd, at, WHOLE);
}

static long read_event(void *arg)
{
	const struct reader *reader = arg;

	return read(reader->fd, reader->h->message, WHOLE);
}

static void try_event_reads(struct rc_hostile *h, struct reader *reader)
{
	char *to = (char *)h->message;

	rc_expect(h, "read of no event", read(reader->fd, to, WHOLE), EAGAIN);
	rc_expect_value(h, "read of an event", read_event_at(reader, to), WHOLE);
	rc_expect_true(h, "it is whole", is_whole(h, true));
	rc_try_addresses(h, "read", RC_KERNEL_WRITES, read_event_at, reader);
	drain(reader);
	rc_core_start(h, RC_PROCESS, 3, 3, 0);
	rc_core_ended(h, 1000);
	rc_expect(h, "a byte too little room", read(reader->fd, to, WHOLE - 1), EMSGSIZE);
	rc_expect(h, "no room", read(reader->fd, to, 0), EMSGSIZE);
	rc_expect_value(h, "room of 2 GiB", read(reader->fd, to, INT32_MAX), WHOLE);
	rc_expect(h, "read of no event more", read(reader->fd, to, WHOLE), EAGAIN);
	rc_expect(h, "write", write(reader->fd, to, WHOLE), EBADF);
	rc_expect(h, "pread", pread(reader->fd, to, WHOLE, 0), ESPIPE);
	rc_expect_either(h, "lseek", lseek(reader->fd, 1, SEEK_SET), ESPIPE, 0);
}

/* More than a queue holds, by a reader that does not read. */
static void try_overrun(struct rc_hostile *h, const struct reader *reader)
{
	struct rc_counts before = rc_core_counts(h), after;

	drain(reader);
	rc_core_start(h, RC_SOFTIRQ, 3 * QUEUE, 3 * QUEUE, 0);
	rc_core_ended(h, 1000);
	after = rc_core_counts(h);
	rc_expect_value(h, "refused when the queue is full",
			(long)(after.refused - before.refused), 2 * QUEUE);
	rc_expect_value(h, "still queued", drain(reader), QUEUE);
}

static void try_event_sleep(struct rc_hostile *h, const char *path)
{
	struct reader reader = { .h = h, .fd = open_file(h, path, O_RDONLY) };
	struct rc_sleeper sleeper;

	rc_sleep_in(h, &sleeper, read_event, &reader);
	rc_sleeper_interrupt(&sleeper);
	rc_expect(h, "interrupted in its sleep", rc_sleeper_end(&sleeper), EINTR);

	rc_try_kill(h, "killed in its sleep", read_event, &reader);

	rc_sleep_in(h, &sleeper, read_event, &reader);
	close(reader.fd);
	rc_core_start(h, RC_HARDIRQ, 1, 1, 0);
	rc_expect_value(h, "closed in its sleep, it still gets the event",
			rc_sleeper_end(&sleeper), WHOLE);
}

/* The reader goes and comes while events go on. */
static void try_leaving(struct rc_hostile *h, const char *path)
{
	struct rc_outcomes outcomes = { 0 };

	rc_core_start(h, RC_SOFTIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		rc_note(&outcomes, read(fd, h->message, WHOLE) == WHOLE ? 0 : -1, 0);
		close(fd);
	}
	rc_expect_outcomes(h, "opened and closed in a stream", &outcomes);
	rc_expect(h, "stop the stream", ioctl(h->core, RC_CORE_STOP), 0);
	rc_expect_true(h, "it has stopped", h->page->done);
}

void rc_try_events_file(struct rc_hostile *h, const char *path, const char *mode)
{
	struct reader reader = { .h = h };
	int other;

	rc_topic(h, "%s", file_name(path));
	rc_core_bind(h, mode, BODY, true);
	reader.fd = open_file(h, path, O_RDONLY | O_NONBLOCK);
	try_event_reads(h, &reader);
	try_overrun(h, &reader);

	/* An event of a binding that has ended keeps its own size. */
	rc_core_start(h, RC_HARDIRQ, 1, 1, 0);
	rc_core_ended(h, 1000);
	rc_core_bind(h, mode, RC_BODY_MAX, true);
	rc_expect_value(h, "an event of the last binding",
			read(reader.fd, h->message, WHOLE), WHOLE);
	rc_expect(h, "an event too large for its reader", read_event_at(&reader, h->message),
		  EMSGSIZE);

	rc_core_bind(h, mode, BODY, true);
	other = open_file(h, path, O_RDONLY | O_NONBLOCK);
	rc_expect_value(h, "two readers, the one", read_event_at(&reader, h->message), WHOLE);
	rc_expect_value(h, "two readers, the other", read(other, h->message, WHOLE), WHOLE);
	close(other);
	try_event_sleep(h, path);
	try_leaving(h, path);
	rc_try_no_map(h, reader.fd);
	close(reader.fd);
	rc_try_nobody_opens(h, path);
}
