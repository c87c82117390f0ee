// SPDX-License-Identifier: GPL-2.0-only
/* Files with relay's operations, which can outlive the open device that made them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PAGE  4096u
#define BODY  64u
#define WHOLE (RCX_HEADER + BODY) /* a multiple of 8 already */
#define COUNT 8u
#define HEAD  ((uint32_t)sizeof(struct rcx_relay_head))

/* One open device, and the file of CPU 0, on which the cases run. */
struct log {
	struct rcx_hostile *h;
	int fd, file;
	struct rcx_relay_setup setup;
	char path[64];
};

/* Events are emitted on the CPU that requests them, so their records go to its buffer. */
static void run_on(unsigned long cpus)
{
	sched_setaffinity(0, sizeof(cpus), (const cpu_set_t *)&cpus);
}

static size_t map_len(const struct log *log)
{
	return (log->setup.size * log->setup.count + PAGE - 1) / PAGE * PAGE;
}

static bool open_log(struct rcx_hostile *h, struct log *log, uint32_t records, uint32_t flags)
{
	uint32_t ahead = flags & RCX_RELAY_HEADS ? HEAD : 0;

	*log = (struct log){
		.h = h,
		.fd = open(RCX_RELAY_DEVICE, O_RDWR | O_CLOEXEC),
		.file = -1,
		.setup = { .size = ahead + records * WHOLE, .count = COUNT, .flags = flags },
	};
	if (!rcx_expect(h, "set up", ioctl(log->fd, RCX_RELAY_SETUP, &log->setup), 0))
		return false;
	snprintf(log->path, sizeof(log->path),
		 RCX_RELAY_MOUNT "/" RCX_RELAY_DIR "/%u/" RCX_RELAY_FILE "0", log->setup.id);
	log->file = open(log->path, O_RDWR | O_CLOEXEC);
	return rcx_expect(h, "open its file", log->file, 0);
}

static void close_log(struct log *log)
{
	close(log->file);
	close(log->fd);
}

static bool emit_events(struct rcx_hostile *h, uint32_t count)
{
	return rcx_core_start(h, RCX_HARDIRQ, count, count, 0) && rcx_core_ended(h, 1000);
}

/* Number of complete records read; -1 after anything else. */
static long drain(const struct log *log)
{
	long records = 0;
	ssize_t got;

	while ((got = read(log->file, log->h->message, WHOLE)) == (ssize_t)WHOLE)
		records++;
	return got ? -1 : records;
}

static bool is_whole(const struct rcx_msg *msg)
{
	return msg->magic == RCX_MAGIC && msg->size == BODY &&
	       rcx_body_check(msg->body, BODY, msg->seq, 0) == BODY;
}

/* ---- the device --------------------------------------------------------- */

static long setup_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_RELAY_SETUP, at);
}

static long consumed_at(void *arg, void *at)
{
	return ioctl(((const struct log *)arg)->fd, RCX_RELAY_CONSUMED, at);
}

static void try_invalid(struct rcx_hostile *h, int fd)
{
	const struct rcx_relay_setup good = { .size = WHOLE, .count = COUNT };
	struct rcx_relay_setup wrong;

#define WRONG(name, field, value, want) \
	wrong = good;                   \
	wrong.field = value;            \
	rcx_expect(h, name, setup_at(&fd, &wrong), want)
	WRONG("no size", size, 0, EINVAL);
	WRONG("no room for a header", size, RCX_HEADER - 8, EINVAL);
	WRONG("no whole words", size, WHOLE + 4, EINVAL);
	WRONG("4 GiB", size, UINT32_MAX, EINVAL);
	WRONG("nearly 4 GiB", size, UINT32_MAX - 7, E2BIG);
	WRONG("no sub-buffer", count, 0, EINVAL);
	WRONG("a single sub-buffer", count, 1, EINVAL);
	WRONG("too many", count, RCX_RELAY_COUNT_MAX + 1, EINVAL);
	WRONG("4 billion", count, UINT32_MAX, EINVAL);
	WRONG("an unknown flag", flags, 4, EINVAL);
	WRONG("all flags", flags, UINT32_MAX, EINVAL);
	WRONG("a directory chosen by the caller", id, 1, EINVAL);
	WRONG("a byte too much", size, RCX_RELAY_BYTES_MAX / COUNT + 8, E2BIG);
#undef WRONG
	wrong = (struct rcx_relay_setup){ 1u << 31, 2, 0, 0 };
	rcx_expect(h, "4 GiB in two", setup_at(&fd, &wrong), E2BIG);
	wrong = (struct rcx_relay_setup){ RCX_HEADER, COUNT, RCX_RELAY_HEADS, 0 };
	rcx_expect(h, "no room for a header behind a head", setup_at(&fd, &wrong), EINVAL);
}

static bool is_known(unsigned int cmd)
{
	return cmd == RCX_RELAY_SETUP || cmd == RCX_RELAY_CONSUMED || cmd == RCX_RELAY_FLUSH;
}

static void try_setup(struct rcx_hostile *h)
{
	struct rcx_relay_setup *readonly = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rcx_relay_setup good = { .size = WHOLE, .count = COUNT };
	struct log log = { .h = h, .fd = open(RCX_RELAY_DEVICE, O_RDWR | O_CLOEXEC) };
	struct rcx_relay_consumed consumed = { 0 };

	rcx_topic(h, "before the setup");
	rcx_expect(h, "consumed", consumed_at(&log, &consumed), ENXIO);
	rcx_expect(h, "flush", ioctl(log.fd, RCX_RELAY_FLUSH), ENXIO);

	rcx_topic(h, "setup");
	try_invalid(h, log.fd);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, setup_at, &log.fd);
	*readonly = good;
	mprotect(readonly, PAGE, PROT_READ);
	rcx_expect(h, "an argument that cannot be answered", setup_at(&log.fd, readonly), EFAULT);
	rcx_expect(h, "a good one after all these", setup_at(&log.fd, &good), 0);
	rcx_expect(h, "a second one", setup_at(&log.fd, &good), EBUSY);

	rcx_topic(h, "device");
	rcx_try_commands(h, log.fd, is_known);
	rcx_try_no_io(h, log.fd);
	rcx_try_no_seek(h, log.fd);
	rcx_try_no_map(h, log.fd);
	rcx_try_nobody_opens(h, RCX_RELAY_DEVICE);
	close(log.fd);
}

static void try_consumed(struct rcx_hostile *h)
{
	struct rcx_relay_consumed consumed = { 0 };
	struct log log;

	rcx_topic(h, "consumed");
	if (!rcx_core_bind(h, "single", BODY, true) || !open_log(h, &log, 1, 0))
		return;
	emit_events(h, 3);
	consumed.count = 1;
	rcx_expect(h, "one of three", consumed_at(&log, &consumed), 0);
	rcx_expect_value(h, "which leaves two", drain(&log), 2);
	consumed.count = COUNT;
	rcx_expect(h, "more than there is", consumed_at(&log, &consumed), 0);
	consumed.count = COUNT + 1;
	rcx_expect(h, "more than there could be", consumed_at(&log, &consumed), EINVAL);
	consumed.count = UINT32_MAX;
	rcx_expect(h, "4 billion", consumed_at(&log, &consumed), EINVAL);
	consumed.count = 1;
	for (uint32_t bit = 13; bit < 32; bit++) {
		consumed.cpu = 1u << bit;
		rcx_expect(h, "of a CPU that does not exist", consumed_at(&log, &consumed), EINVAL);
	}
	consumed.cpu = UINT32_MAX;
	rcx_expect(h, "of the largest CPU number", consumed_at(&log, &consumed), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, consumed_at, &log);
	emit_events(h, COUNT);
	rcx_expect_value(h, "all are there after all these", drain(&log), COUNT);
	close_log(&log);
}

/* ---- reading ------------------------------------------------------------ */

/* A read that meets a fault returns the bytes that were copied before it, if any. */
static long read_at(void *arg, void *at)
{
	const struct log *log = arg;
	ssize_t got = read(log->file, at, WHOLE);

	if (got == (ssize_t)WHOLE || got < 0)
		return got;
	errno = EFAULT;
	return -1;
}

static void try_no_splice(const struct log *log)
{
	int pipes[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (!rcx_expect(log->h, "pipe", pipe(pipes), 0))
		return;
	rcx_expect(log->h, "splice", splice(log->file, NULL, pipes[1], NULL, WHOLE, 0), EINVAL);
	rcx_expect(log->h, "sendfile", sendfile(null, log->file, NULL, WHOLE), EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	close(null);
}

static void try_reads(struct rcx_hostile *h)
{
	struct pollfd pfd = { .events = POLLIN };
	char *to = (char *)h->message;
	struct log log;

	rcx_topic(h, "file");
	if (!rcx_core_bind(h, "batch", BODY, true) || !open_log(h, &log, 4, 0))
		return;
	pfd.fd = log.file;
	rcx_expect_value(h, "read of nothing", read(log.file, to, WHOLE), 0);
	rcx_expect_value(h, "nothing to poll", poll(&pfd, 1, 0), 0);
	emit_events(h, 1);
	rcx_expect_value(h, "poll", poll(&pfd, 1, 1000), 1);
	rcx_expect_value(h, "read", read(log.file, to, WHOLE), WHOLE);
	rcx_expect_true(h, "the message is complete", is_whole(h->message));
	emit_events(h, 2);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &log);
	while (drain(&log) > 0)
		;
	emit_events(h, 2);
	rcx_expect_value(h, "read of the first bytes", read(log.file, to, 10), 10);
	rcx_expect_value(h, "read of the rest", read(log.file, to + 10, WHOLE - 10), WHOLE - 10);
	rcx_expect_true(h, "both parts make one message", is_whole(h->message));
	rcx_expect_value(h, "read of 2 GiB", read(log.file, to, INT32_MAX), WHOLE);
	rcx_expect(h, "write", write(log.file, to, WHOLE), EINVAL);
	rcx_expect(h, "ioctl", ioctl(log.file, RCX_RELAY_FLUSH), ENOTTY);
	rcx_try_no_seek(h, log.file);
	emit_events(h, 2);
	try_no_splice(&log);
	rcx_expect_value(h, "both are there after all these", drain(&log), 2);
	rcx_try_nobody_opens(h, log.path);
	close_log(&log);
}

/* One third of the events has room. */
static void try_full(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct log log;

	rcx_topic(h, "full");
	if (!rcx_core_bind(h, "single", BODY, true) || !open_log(h, &log, 1, 0))
		return;
	for (int turn = 0; turn < 2; turn++) {
		before = rcx_core_counts(h);
		emit_events(h, 3 * COUNT);
		after = rcx_core_counts(h);
		rcx_expect_value(h, "refused", (long)(after.refused - before.refused), 2 * COUNT);
		rcx_expect_value(h, "the reason", (long)after.refused_errno, ENOSPC);
		rcx_expect(h, "flush", ioctl(log.fd, RCX_RELAY_FLUSH), 0);
		rcx_expect_value(h, "kept", drain(&log), COUNT);
	}
	rcx_core_bind(h, "single", BODY + 1, true);
	emit_events(h, 1);
	rcx_expect_value(h, "a byte too large", (long)rcx_core_counts(h).refused_errno, EMSGSIZE);
	rcx_core_bind(h, "single", RCX_BODY_MAX, true);
	emit_events(h, 1);
	rcx_expect_value(h, "a MiB too large", (long)rcx_core_counts(h).refused_errno, EMSGSIZE);
	rcx_expect_value(h, "records of these", drain(&log), 0);
	close_log(&log);
	emit_events(h, 1);
	rcx_expect_value(h, "the reason without a reader", (long)rcx_core_counts(h).refused_errno,
			 ENOTCONN);
}

static void try_overwrite(struct rcx_hostile *h)
{
	struct log log;

	rcx_topic(h, "overwrite");
	if (!rcx_core_bind(h, "overwrite", BODY, true) ||
	    !open_log(h, &log, 2, RCX_RELAY_OVERWRITE))
		return;
	for (int turn = 0; turn < 3; turn++) {
		emit_events(h, 10 * COUNT);
		rcx_expect_value(h, "kept", drain(&log), 2 * (COUNT - 1));
		rcx_expect_true(h, "the last one is the newest",
				is_whole(h->message) && h->message->seq == h->page->emitted - 1);
	}
	rcx_expect_value(h, "refused", (long)rcx_core_counts(h).refused, 0);
	close_log(&log);
}

/* ---- mapping ------------------------------------------------------------ */

static long map(const struct log *log, size_t len, int protection, off_t at)
{
	void *where = mmap(NULL, len, protection, MAP_SHARED, log->file, at);

	if (where == MAP_FAILED)
		return -1;
	munmap(where, len);
	return 0;
}

static void try_maps(struct rcx_hostile *h, const struct log *log)
{
	size_t len = map_len(log);

	rcx_expect(h, "all", map(log, len, PROT_READ, 0), 0);
	rcx_expect(h, "a page less", map(log, len - PAGE, PROT_READ, 0), EINVAL);
	rcx_expect(h, "a page more", map(log, len + PAGE, PROT_READ, 0), EINVAL);
	rcx_expect(h, "1 GiB", map(log, 1ul << 30, PROT_READ, 0), EINVAL);
	rcx_expect(h, "a page on", map(log, len, PROT_READ, PAGE), EINVAL);
	rcx_expect(h, "behind the end", map(log, len, PROT_READ, (off_t)len), EINVAL);
	rcx_expect(h, "far behind", map(log, len, PROT_READ, 1ll << 40), EINVAL);
	rcx_expect_either(h, "before the start", map(log, len, PROT_READ, -(off_t)PAGE), EINVAL,
			  EOVERFLOW);
	rcx_expect(h, "nothing", map(log, 0, PROT_READ, 0), EINVAL);
}

/* A writable mapping can only corrupt what its own reader sees. */
static void try_overwritten_map(struct rcx_hostile *h, struct log *log)
{
	struct rcx_relay_consumed consumed = { .count = 1 };
	struct rcx_overwriter overwriter;
	size_t len = map_len(log);
	struct rcx_counts counts;
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, log->file, 0);

	if (!rcx_expect_true(h, "map writable", at != MAP_FAILED))
		return;
	rcx_expect_true(h, "mremap to more",
			mremap(at, len, 2 * len, MREMAP_MAYMOVE) == MAP_FAILED);
	memset(at, 0xff, len);
	rcx_overwrite(h, &overwriter, at, (uint32_t)(len / 4));
	for (int i = 0; i < 50; i++) {
		emit_events(h, COUNT);
		consumed_at(log, &consumed);
		ioctl(log->fd, RCX_RELAY_FLUSH);
		read(log->file, h->message, WHOLE);
	}
	rcx_overwrite_end(&overwriter);
	counts = rcx_core_counts(h);
	rcx_expect_true(h, "events go on over an overwritten buffer",
			counts.refused < counts.emitted);
	close_log(log);
	memset(at, 0xff, len);
	rcx_expect(h, "unmap when all else is closed", munmap(at, len), 0);
}

static void try_mapping(struct rcx_hostile *h)
{
	volatile const struct rcx_relay_head *head;
	struct log log;
	void *at;

	rcx_topic(h, "mmap");
	if (!rcx_core_bind(h, "mmap", BODY, true) || !open_log(h, &log, 2, RCX_RELAY_HEADS))
		return;
	try_maps(h, &log);
	head = at = mmap(NULL, map_len(&log), PROT_READ, MAP_SHARED, log.file, 0);
	rcx_expect_true(h, "nothing is handed over yet", at != MAP_FAILED && !head->number);
	rcx_expect(h, "read", read(log.file, h->message, WHOLE), EINVAL);
	rcx_expect(h, "flush of nothing", ioctl(log.fd, RCX_RELAY_FLUSH), 0);
	rcx_expect_true(h, "still nothing after that", !head->number);
	emit_events(h, 1);
	rcx_expect_true(h, "a record is handed over",
			head->number == 1 && head->fill == HEAD + WHOLE);
	munmap(at, map_len(&log));
	try_overwritten_map(h, &log);
}

/* ---- opens and closes ------------------------------------------------- */

static long sleep_for(void *arg)
{
	struct pollfd pfd = { .fd = ((const struct log *)arg)->file, .events = POLLIN };

	return poll(&pfd, 1, 20000);
}

static void try_outlive(struct rcx_hostile *h)
{
	struct pollfd pfd = { .events = POLLIN };
	struct rcx_sleeper sleeper;
	struct log log;
	int late;

	rcx_topic(h, "file without its device");
	if (!rcx_core_bind(h, "single", BODY, true) || !open_log(h, &log, 1, 0))
		return;
	rcx_try_kill(h, "killed in its sleep", sleep_for, &log);
	rcx_sleep_in(h, &sleeper, sleep_for, &log);
	emit_events(h, 3);
	rcx_expect_value(h, "woken in its sleep", rcx_sleeper_end(&sleeper), 1);
	drain(&log);
	rcx_sleep_in(h, &sleeper, sleep_for, &log);
	emit_events(h, 3);
	close(log.fd);
	rcx_expect_value(h, "closed before its sleeper runs", rcx_sleeper_end(&sleeper), 1);
	rcx_expect_value(h, "records kept after that", drain(&log), 3);
	pfd.fd = log.file;
	rcx_expect_true(h, "it polls as broken", poll(&pfd, 1, 0) == 1 && pfd.revents == POLLERR);
	emit_events(h, 1);
	rcx_expect_value(h, "records after that", drain(&log), 0);
	rcx_expect(h, "map it", map(&log, map_len(&log), PROT_READ, 0), 0);
	late = open(log.path, O_RDONLY | O_CLOEXEC);
	rcx_expect(h, "open it again", late, ENOENT);
	close(log.file);
}

static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "in a stream");
	rcx_core_bind(h, "batch", BODY, true);
	rcx_core_start(h, RCX_SOFTIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		struct rcx_relay_setup setup = {
			.size = 2 * WHOLE, .count = COUNT, .flags = (uint32_t)i % 4
		};
		int fd = open(RCX_RELAY_DEVICE, O_RDWR | O_CLOEXEC);

		setup.size += setup.flags & RCX_RELAY_HEADS ? HEAD : 0;
		rcx_note(&outcomes, ioctl(fd, RCX_RELAY_SETUP, &setup), 0);
		rcx_note(&outcomes, ioctl(fd, RCX_RELAY_FLUSH), 0);
		close(fd);
	}
	rcx_expect_outcomes(h, "opened and closed", &outcomes);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
}

struct flusher {
	int fd;
	unsigned long cpus;
	bool stop;
};

static long flush_on(void *arg)
{
	struct flusher *flusher = arg;
	const struct rcx_relay_consumed consumed = { .count = 1 };

	run_on(flusher->cpus);
	while (!__atomic_load_n(&flusher->stop, __ATOMIC_RELAXED))
		if (ioctl(flusher->fd, RCX_RELAY_FLUSH) ||
		    ioctl(flusher->fd, RCX_RELAY_CONSUMED, &consumed))
			return -1;
	return 0;
}

/* One thread reads; another one, on any CPU, flushes and reports consumed sub-buffers. */
static void try_two(struct rcx_hostile *h)
{
	struct flusher flusher = { .cpus = ~0ul };
	struct rcx_sleeper thread;
	struct log log;

	if (!open_log(h, &log, 2, 0))
		return;
	flusher.fd = log.fd;
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	rcx_sleep_in(h, &thread, flush_on, &flusher);
	for (int i = 0; i < 2000; i++)
		read(log.file, h->message, (size_t)i);
	__atomic_store_n(&flusher.stop, true, __ATOMIC_RELAXED);
	rcx_expect_value(h, "read, flushed and consumed at once", rcx_sleeper_end(&thread), 0);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
	close_log(&log);
}

/* ---- a reader on another CPU than the writer ---------------------------- */

#define MANY  4000
#define TURNS 50000000 /* a limit, in case they do not arrive */
#define PAIR  (2 * WHOLE)

/* What a reader has received of a stream, in order of arrival. */
struct received {
	uint64_t complete, broken, late;
	uint64_t next; /* lowest number that may arrive */
	uint64_t due;  /* next sub-buffer of a mapping */
};

static void look_at(struct received *received, const unsigned char *at, size_t len)
{
	for (; len >= WHOLE; at += WHOLE, len -= WHOLE) {
		const struct rcx_msg *msg = (const void *)at;

		if (!is_whole(msg)) {
			received->broken++;
		} else if (msg->seq < received->next) {
			received->late++;
		} else {
			received->complete++;
			received->next = msg->seq + 1;
		}
	}
	if (len)
		received->broken++;
}

static bool look_at_read(const struct log *log, struct received *received)
{
	ssize_t got = read(log->file, log->h->message, PAIR);

	if (got < 0)
		received->broken++;
	else
		look_at(received, (const void *)log->h->message, (size_t)got);
	return got > 0;
}

static bool look_at_map(struct log *log, const unsigned char *map, struct received *received)
{
	const unsigned char *at = map + received->due % COUNT * log->setup.size;
	const struct rcx_relay_head *head = (const void *)at;
	struct rcx_relay_consumed consumed = { .count = 1 };

	if (__atomic_load_n(&head->number, __ATOMIC_ACQUIRE) != received->due + 1)
		return false;
	look_at(received, at + HEAD, head->fill - HEAD);
	if (consumed_at(log, &consumed))
		received->broken++;
	received->due++;
	return true;
}

/* Bursts are longer than the buffer, so that the reader runs while the writer works on a
 * full one.  With one CPU, the writer runs only between two steps of the reader.
 */
static void try_other_cpu(struct rcx_hostile *h, const char *mode, uint32_t records, uint32_t flags)
{
	void *map = MAP_FAILED;
	struct received received = { 0 };
	struct rcx_counts counts;
	struct log log;
	int turn = 0;

	rcx_topic(h, "%s from another CPU", mode);
	if (!rcx_core_bind(h, mode, BODY, true) || !open_log(h, &log, records, flags))
		return;
	if (flags & RCX_RELAY_HEADS)
		map = mmap(NULL, map_len(&log), PROT_READ, MAP_SHARED, log.file, 0);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4 * COUNT, 100000);
	run_on(~1ul);
	while (received.complete < MANY && turn++ < TURNS)
		map == MAP_FAILED ? look_at_read(&log, &received) :
				    look_at_map(&log, map, &received);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect(h, "flush", ioctl(log.fd, RCX_RELAY_FLUSH), 0);
	while (map == MAP_FAILED ? look_at_read(&log, &received) :
				   look_at_map(&log, map, &received))
		;
	run_on(1);
	counts = rcx_core_counts(h);
	rcx_expect_value(h, "broken", (long)received.broken, 0);
	rcx_expect_value(h, "duplicated or late", (long)received.late, 0);
	rcx_expect_true(h, "many received", received.complete >= MANY);
	if (flags & RCX_RELAY_OVERWRITE)
		rcx_expect_value(h, "the newest", (long)received.next, (long)counts.emitted);
	else
		rcx_expect_value(h, "all that was not refused", (long)received.complete,
				 (long)(counts.emitted - counts.refused));
	close_log(&log);
}

static void relay_hostile(struct rcx_hostile *h)
{
	run_on(1);
	try_setup(h);
	try_consumed(h);
	try_reads(h);
	try_full(h);
	try_overwrite(h);
	try_mapping(h);
	try_outlive(h);
	try_leaving(h);
	try_two(h);
	try_other_cpu(h, "single", 1, 0);
	try_other_cpu(h, "batch", 2, 0);
	try_other_cpu(h, "overwrite", 2, RCX_RELAY_OVERWRITE);
	try_other_cpu(h, "mmap", 2, RCX_RELAY_HEADS);
	rcx_core_unbind(h);
}
RCX_HOSTILE(relay, relay_hostile);
