// SPDX-License-Identifier: GPL-2.0-only
/* Hostile cases for files, and for the message files of modules/core/file.c. */
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

#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)
#define QUEUE 256 /* messages that a reader's queue in the kernel holds */

/* ---- what a file does not support --------------------------------------- */

void rcx_try_commands(struct rcx_hostile *h, int fd, bool (*known)(unsigned int cmd))
{
	static const unsigned int letters[] = { 'x', 'y', 0 };
	static const unsigned int sizes[] = { 0, 1, 4, 8, 16, 24, 32, 72, 88, _IOC_SIZEMASK };
	struct rcx_outcomes outcomes = { 0 };

	for (unsigned int nr = 0; nr < 256; nr++)
		for (unsigned int i = 0; i < 4 * 10 * 3; i++) {
			unsigned int cmd = _IOC(i % 4, letters[i / 40], nr, sizes[i / 4 % 10]);

			/* Commands 0 to 2 without a letter belong to the file system. */
			if ((known && known(cmd)) || (cmd & 0xffff) < 3)
				continue;
			rcx_note(&outcomes, ioctl(fd, cmd, h->edge), ENOTTY);
		}
	rcx_expect_outcomes(h, "unknown commands", &outcomes);
	rcx_expect_value(h, "unknown commands that were accepted", (long)outcomes.fine, 0);
}

void rcx_try_no_io(struct rcx_hostile *h, int fd)
{
	rcx_expect(h, "read", read(fd, h->message, WHOLE), EINVAL);
	rcx_expect(h, "write", write(fd, h->message, WHOLE), EINVAL);
}

void rcx_try_no_seek(struct rcx_hostile *h, int fd)
{
	rcx_expect(h, "lseek", lseek(fd, 1, SEEK_SET), ESPIPE);
	rcx_expect(h, "pread", pread(fd, h->message, WHOLE, 1), ESPIPE);
	rcx_expect(h, "pwrite", pwrite(fd, h->message, WHOLE, 1), ESPIPE);
}

void rcx_try_no_map(struct rcx_hostile *h, int fd)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	rcx_expect_either(h, "mmap", map == MAP_FAILED ? -1 : 0, ENODEV, EIO);
}

/* The part of @path after "/ringcross/". */
static const char *file_name(const char *path)
{
	const char *dir = strstr(path, "/ringcross/");

	return dir ? dir + strlen("/ringcross/") : path;
}

/* ---- writing messages --------------------------------------------------- */

static long write_message(void *arg, const struct rcx_msg *msg, size_t len)
{
	return write(*(int *)arg, msg, len);
}

static long write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, WHOLE);
}

long rcx_pread_whole(int fd, void *at, size_t len)
{
	ssize_t got = pread(fd, at, len, 0);

	if (got <= 0 || (size_t)got == len)
		return got;
	errno = EFAULT;
	return -1;
}

static long read_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, WHOLE);
}

static struct rcx_sender message_sender(int *fd)
{
	return (struct rcx_sender){
		.send = write_message,
		.arg = fd,
		.body_max = RCX_BODY_MAX,
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EMSGSIZE,
	};
}

static void try_write_lengths(struct rcx_hostile *h, int fd)
{
	rcx_expect(h, "write of 2 GiB", write(fd, h->message, INT32_MAX), EMSGSIZE);
	/* Not write(): the compiler would reject the length. */
	rcx_expect_either(h, "write of SIZE_MAX bytes",
			  syscall(SYS_write, fd, h->message, SIZE_MAX), EFAULT, EINVAL);
}

/* A message has no position in a file, so every valid position is accepted. */
static void try_write_positions(struct rcx_hostile *h, int fd, struct rcx_sender *sender)
{
	static const off_t positions[] = { 1, RCX_HEADER, 4095, INT32_MAX, 1ll << 40 };
	struct rcx_outcomes outcomes = { 0 };

	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		const struct rcx_msg *msg = rcx_good_message(h, BODY, sender->seq++);

		rcx_note(&outcomes, pwrite(fd, msg, WHOLE, positions[i]), 0);
	}
	rcx_expect_outcomes(h, "pwrite at odd positions", &outcomes);
	rcx_expect(h, "pwrite before the start", pwrite(fd, h->message, WHOLE, -1), EINVAL);
	rcx_expect(h, "lseek before the start", lseek(fd, -1, SEEK_SET), EINVAL);
	rcx_expect_either(h, "lseek behind the end", lseek(fd, 1 << 20, SEEK_END), 0, EINVAL);
}

static void try_pieces(struct rcx_hostile *h, int fd, struct rcx_sender *sender)
{
	struct rcx_msg *msg = rcx_good_message(h, BODY, sender->seq);
	const struct iovec halves[] = {
		{ msg, RCX_HEADER - 4 },
		{ (char *)msg + RCX_HEADER - 4, WHOLE - RCX_HEADER + 4 },
	};
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	rcx_expect(h, "writev of a message in two", writev(fd, halves, 2), EINVAL);
	rcx_expect(h, "sendfile", sendfile(fd, zero, NULL, WHOLE), EINVAL);
	close(zero);
}

static void try_writes(struct rcx_hostile *h, int fd, struct rcx_sender *sender, bool validate)
{
	lseek(fd, 0, SEEK_SET);
	rcx_try_messages(h, sender, validate);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, write_at, &fd);
	try_write_lengths(h, fd);
	try_write_positions(h, fd, sender);
	try_pieces(h, fd, sender);
	rcx_try_overwritten(h, sender, BODY, 200);
	rcx_try_overwritten(h, sender, RCX_BODY_MAX, validate ? 20 : 10);
}

/* ---- reading messages --------------------------------------------------- */

static void try_reads(struct rcx_hostile *h, int fd, bool validate)
{
	char *to = (char *)h->message;

	rcx_expect_value(h, "pread of a message", pread(fd, to, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "it is whole", rcx_is_whole(h->message, BODY, validate));
	rcx_expect_value(h, "pread of its start", pread(fd, to, 10, 0), 10);
	rcx_expect_value(h, "pread of its rest", pread(fd, to + 10, WHOLE, 10), WHOLE - 10);
	rcx_expect_true(h, "start and rest are one", rcx_is_whole(h->message, BODY, validate));
	rcx_expect_value(h, "pread of 2 GiB", pread(fd, to, INT32_MAX, 0), WHOLE);
	rcx_expect_value(h, "pread of nothing", pread(fd, to, 0, 0), 0);
	rcx_expect_value(h, "pread at the end", pread(fd, to, WHOLE, WHOLE), 0);
	rcx_expect_value(h, "pread far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rcx_expect(h, "pread before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rcx_try_addresses(h, "pread", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_expect_value(h, "pread after all these", pread(fd, to, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "it is whole too", rcx_is_whole(h->message, BODY, validate));
}

/* ---- two threads at the same time --------------------------------------- */

struct puller {
	int fd;
	bool stop;
};

/* Pull until @stop is set or a read fails.  Returns the number of broken messages, or -1. */
static long pull_on(void *arg)
{
	struct puller *puller = arg;
	struct {
		struct rcx_msg msg;
		uint8_t body[BODY];
	} buffer;
	long broken = 0;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		if (pread(puller->fd, &buffer, WHOLE, 0) != WHOLE)
			return -1;
		broken += rcx_body_check(buffer.msg.body, BODY, buffer.msg.seq, 0) != BODY;
		sched_yield();
	}
	return broken;
}

/* Push to the file that another thread pulls from, then close it during the pulls. */
static void try_two(struct rcx_hostile *h, int fd, struct rcx_sender *sender)
{
	struct puller puller = { .fd = fd };
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_sleeper thread;

	rcx_sleep_in(h, &thread, pull_on, &puller);
	for (int i = 0; i < 500; i++) {
		const struct rcx_msg *msg = rcx_good_message(h, (uint32_t)i % 200, sender->seq++);

		rcx_note(&outcomes, write(fd, msg, RCX_HEADER + msg->size), 0);
		sched_yield();
	}
	__atomic_store_n(&puller.stop, true, __ATOMIC_RELAXED);
	rcx_expect_outcomes(h, "writes while another reads", &outcomes);
	rcx_expect_value(h, "broken reads while another writes", rcx_sleeper_end(&thread), 0);

	puller.stop = false;
	rcx_sleep_in(h, &thread, pull_on, &puller);
	close(fd);
	rcx_expect(h, "closed while another reads", rcx_sleeper_end(&thread), EBADF);
}

void rcx_try_message_file(struct rcx_hostile *h, const char *path, bool shared)
{
	for (int validate = 0; validate < 2; validate++) {
		int fd, other;
		struct rcx_sender sender = message_sender(&fd);

		rcx_bind_topic(h, file_name(path), BODY, validate);
		fd = rcx_expect_open(h, path, O_RDWR);
		rcx_expect_value(h, "pread where nothing was read yet",
				 pread(fd, h->message, WHOLE, 1), 0);
		try_writes(h, fd, &sender, validate);
		try_reads(h, fd, validate);

		other = rcx_expect_open(h, path, O_RDWR);
		rcx_good_message(h, BODY, shared ? sender.seq++ : 0);
		rcx_expect_value(h, "a second open has its own sequence, or shares the first",
				 write(other, h->message, WHOLE), WHOLE);
		close(other);
		if (validate)
			try_two(h, fd, &sender);
		else
			close(fd);
	}
	rcx_topic(h, "%s", file_name(path));
	{
		int fd = rcx_expect_open(h, path, O_RDWR);

		rcx_try_commands(h, fd, NULL);
		rcx_try_no_map(h, fd);
		close(fd);
	}
	rcx_try_nobody_opens(h, path);
}

/* ---- requests and replies ----------------------------------------------- */

void rcx_try_transaction_file(struct rcx_hostile *h, const char *path)
{
	for (int validate = 0; validate < 2; validate++) {
		int fd;
		struct rcx_sender sender = message_sender(&fd);
		char *to = (char *)h->message;

		rcx_bind_topic(h, file_name(path), BODY, validate);
		fd = rcx_expect_open(h, path, O_RDWR);
		rcx_expect_value(h, "a reply before any request", pread(fd, to, WHOLE, 0), 0);
		try_writes(h, fd, &sender, validate);

		rcx_good_message(h, BODY, sender.seq);
		rcx_expect_value(h, "a request", write(fd, to, WHOLE), WHOLE);
		rcx_try_addresses(h, "reply", RCX_KERNEL_WRITES, read_at, &fd);
		rcx_expect_value(h, "start of the reply", pread(fd, to, 7, 0), 7);
		rcx_expect_value(h, "rest of the reply", pread(fd, to + 7, INT32_MAX, 7),
				 WHOLE - 7);
		rcx_expect_true(h, "it is the reply",
				rcx_is_reply(h->message, BODY, sender.seq, validate));
		sender.seq++;
		rcx_expect(h, "a request that is refused", write(fd, to, WHOLE), EBADMSG);
		rcx_expect_value(h, "a refused request has no reply", pread(fd, to, WHOLE, 0), 0);
		close(fd);
	}
	rcx_topic(h, "%s", file_name(path));
	rcx_try_nobody_opens(h, path);
}

/* ---- one reply for all opens ---------------------------------------------- */

#define REPLY_ROOM 1024

struct other {
	const struct rcx_shared_reply *file;
	bool stop;
	struct rcx_outcomes outcomes;
};

/* Read the reply to the other thread's request, and write requests that are refused. */
static long disturb(void *arg)
{
	struct other *other = arg;
	const struct rcx_shared_reply *file = other->file;
	int fd = open(file->path, O_RDWR | O_CLOEXEC);
	char reply[REPLY_ROOM];

	while (!__atomic_load_n(&other->stop, __ATOMIC_RELAXED)) {
		rcx_note(&other->outcomes, pread(fd, reply, file->reply_len, 0), 0);
		rcx_note(&other->outcomes, pwrite(fd, file->wrong, file->wrong_len, 0), EBADMSG);
		usleep(1);
	}
	close(fd);
	return 0;
}

void rcx_try_shared_reply(struct rcx_hostile *h, const struct rcx_shared_reply *file)
{
	struct rcx_outcomes requests = { 0 }, replies = { 0 };
	struct other other = { .file = file };
	char reply[REPLY_ROOM] __attribute__((aligned(8)));
	struct rcx_sleeper thread;
	int fd = rcx_expect_open(h, file->path, O_RDWR);

	rcx_sleep_in(h, &thread, disturb, &other);
	for (uint64_t seq = 0; seq < 300; seq++) {
		ssize_t got;
		bool fine;

		rcx_note(&requests, file->request(&fd, rcx_good_message(h, BODY, seq), WHOLE), 0);
		got = pread(fd, reply, sizeof(reply), 0);
		/* A whole reply, or none, because the other thread has written meanwhile. */
		fine = !got || ((size_t)got == file->reply_len && file->is_reply(h, reply, seq));
		rcx_note(&replies, fine ? 0 : -1, 0);
		if (seq % 8 == 0)
			usleep(1);
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	rcx_expect(h, "the other thread ends", rcx_sleeper_end(&thread), 0);
	rcx_expect_outcomes(h, "requests of the first thread", &requests);
	rcx_expect_outcomes(h, "replies to the first thread", &replies);
	rcx_expect_outcomes(h, "results of the other thread", &other.outcomes);
	close(fd);
}

/* ---- events ------------------------------------------------------------- */

struct reader {
	struct rcx_hostile *h;
	int fd;
};

/* Read all queued messages.  Returns their number. */
static long drain(const struct reader *reader)
{
	long got = 0;

	while (read(reader->fd, reader->h->message, WHOLE) == WHOLE)
		got++;
	return got;
}

/* Read a new event: a read that fails may or may not have consumed its event. */
static long read_event_at(void *arg, void *at)
{
	const struct reader *reader = arg;

	drain(reader);
	if (!rcx_core_start(reader->h, RCX_HARDIRQ, 1, 1, 0) || !rcx_core_ended(reader->h, 1000))
		return 0;
	return read(reader->fd, at, WHOLE);
}

static long read_event(void *arg)
{
	const struct reader *reader = arg;

	return read(reader->fd, reader->h->message, WHOLE);
}

static void try_event_reads(struct rcx_hostile *h, struct reader *reader)
{
	char *to = (char *)h->message;

	rcx_expect(h, "read of no event", read(reader->fd, to, WHOLE), EAGAIN);
	rcx_expect_value(h, "read of an event", read_event_at(reader, to), WHOLE);
	rcx_expect_true(h, "it is whole", rcx_is_whole(h->message, BODY, true));
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_event_at, reader);
	drain(reader);
	rcx_core_start(h, RCX_PROCESS, 3, 3, 0);
	rcx_core_ended(h, 1000);
	rcx_expect(h, "a buffer one byte too short", read(reader->fd, to, WHOLE - 1), EMSGSIZE);
	rcx_expect(h, "a buffer of no bytes", read(reader->fd, to, 0), EMSGSIZE);
	rcx_expect_value(h, "a buffer of 2 GiB", read(reader->fd, to, INT32_MAX), WHOLE);
	rcx_expect(h, "read after the last event", read(reader->fd, to, WHOLE), EAGAIN);
	rcx_expect(h, "write", write(reader->fd, to, WHOLE), EBADF);
	rcx_expect(h, "pread", pread(reader->fd, to, WHOLE, 0), ESPIPE);
	rcx_expect_either(h, "lseek", lseek(reader->fd, 1, SEEK_SET), ESPIPE, 0);
}

/* Emit more events than the queue holds, while the reader does not read. */
static void try_overrun(struct rcx_hostile *h, const struct reader *reader)
{
	struct rcx_counts before = rcx_core_counts(h), after;

	drain(reader);
	rcx_core_start(h, RCX_SOFTIRQ, 3 * QUEUE, 3 * QUEUE, 0);
	rcx_core_ended(h, 1000);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "refused when the queue is full",
			 (long)(after.refused - before.refused), 2 * QUEUE);
	rcx_expect_value(h, "still queued", drain(reader), QUEUE);
}

static void try_event_sleep(struct rcx_hostile *h, const char *path)
{
	struct reader reader = { .h = h, .fd = rcx_expect_open(h, path, O_RDONLY) };
	struct rcx_sleeper sleeper;

	rcx_sleep_in(h, &sleeper, read_event, &reader);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);

	rcx_try_kill(h, "killed in its sleep", read_event, &reader);

	rcx_sleep_in(h, &sleeper, read_event, &reader);
	close(reader.fd);
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_expect_value(h, "closed in its sleep, it still gets the event",
			 rcx_sleeper_end(&sleeper), WHOLE);
}

static void sleep_until_event(void *arg, int ms)
{
	const struct reader *reader = arg;
	struct pollfd pfd = { .fd = reader->fd, .events = POLLIN };

	poll(&pfd, 1, ms);
}

static uint64_t drain_events(void *arg)
{
	return (uint64_t)drain(arg);
}

static void try_wakeups(struct rcx_hostile *h, struct reader *reader)
{
	const struct rcx_sleepy_reader sleepy = { sleep_until_event, drain_events, reader };

	drain(reader);
	rcx_try_wakeups(h, &sleepy);
}

/* Readers open and close the file during a stream. */
static void try_leaving(struct rcx_hostile *h, const char *path)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_core_start(h, RCX_SOFTIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		rcx_note(&outcomes, read(fd, h->message, WHOLE) == WHOLE ? 0 : -1, 0);
		close(fd);
	}
	rcx_expect_outcomes(h, "opened and closed in a stream", &outcomes);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_true(h, "it has stopped", h->page->done);
}

void rcx_try_events_file(struct rcx_hostile *h, const char *path, const char *mode)
{
	struct reader reader = { .h = h };
	int other;

	rcx_topic(h, "%s", file_name(path));
	rcx_core_bind(h, mode, BODY, true);
	reader.fd = rcx_expect_open(h, path, O_RDONLY | O_NONBLOCK);
	try_event_reads(h, &reader);
	try_overrun(h, &reader);

	/* An event keeps the size of the bind under which it was emitted. */
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_core_ended(h, 1000);
	rcx_core_bind(h, mode, RCX_BODY_MAX, true);
	rcx_expect_value(h, "an event of the previous bind", read(reader.fd, h->message, WHOLE),
			 WHOLE);
	rcx_expect(h, "an event too large for its reader", read_event_at(&reader, h->message),
		   EMSGSIZE);

	rcx_core_bind(h, mode, BODY, true);
	other = rcx_expect_open(h, path, O_RDONLY | O_NONBLOCK);
	rcx_expect_value(h, "first of two readers", read_event_at(&reader, h->message), WHOLE);
	rcx_expect_value(h, "second of two readers", read(other, h->message, WHOLE), WHOLE);
	close(other);
	try_wakeups(h, &reader);
	try_event_sleep(h, path);
	try_leaving(h, path);
	rcx_try_no_map(h, reader.fd);
	close(reader.fd);
	rcx_try_nobody_opens(h, path);
}
