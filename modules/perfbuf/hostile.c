// SPDX-License-Identifier: GPL-2.0-only
/* A program can ask perf for any combination of settings, and it can write to its own ring. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "hostile.h"
#include "ring.h"

#define PAGE   4096ul
#define DATA   (4 * PAGE) /* of a ring */
#define LEN    (PAGE + DATA)
#define BODY   64
#define ENABLE "/sys/kernel/tracing/events/" RCX_PERFBUF_NAME "/enable"

static uint64_t id;

/* An attached reader on the first CPU, which emits all events here. */
struct ring {
	int fd;
	struct perf_event_mmap_page *head;
	const unsigned char *data;
};

static int open_event(struct perf_event_attr attr)
{
	return rcx_perfbuf_open(&attr, -1, 0);
}

static void *map_ring(int fd, size_t len, size_t offset)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
}

static bool open_ring(struct rcx_hostile *h, struct ring *ring)
{
	ring->fd = open_event(rcx_perfbuf_attr(id));
	ring->head = map_ring(ring->fd, LEN, 0);
	ring->data = (const unsigned char *)ring->head + PAGE;
	return rcx_expect(h, "open", ring->fd, 0) &&
	       rcx_expect(h, "map", ring->head == MAP_FAILED ? -1 : 0, 0);
}

static void close_ring(struct ring *ring)
{
	munmap(ring->head, LEN);
	close(ring->fd);
}

/* Emit @count events: the number of them that were refused. */
static long emit(struct rcx_hostile *h, uint32_t count)
{
	uint64_t before = rcx_core_counts(h).refused;

	rcx_core_start(h, RCX_HARDIRQ, count, count, 0);
	rcx_core_ended(h, 2000);
	return (long)(rcx_core_counts(h).refused - before);
}

/* What a drain found. */
struct drained {
	long whole, broken, lost;
};

static void look_at(const unsigned char *record, struct drained *result)
{
	const struct perf_event_header *header = (const void *)record;
	const struct rcx_sample *sample = (const void *)record;
	const struct rcx_msg *msg = (const void *)((const char *)&sample->type + sample->offset);

	if (header->type == PERF_RECORD_LOST)
		result->lost += (long)((const struct rcx_lost *)(const void *)record)->lost;
	else if (header->type == PERF_RECORD_SAMPLE && sample->type == id &&
		 sample->len == RCX_HEADER + BODY && rcx_is_whole(msg, BODY, true))
		result->whole++;
	else
		result->broken++;
}

static struct drained drain(struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->head->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->head->data_tail;
	struct drained result = { 0 };
	static unsigned char record[65536];

	while (tail < head) {
		const struct perf_event_header *header = (const void *)(ring->data + tail % DATA);

		if (!header->size || header->size > head - tail) {
			result.broken++;
			break;
		}
		for (size_t i = 0; i < header->size; i++)
			record[i] = ring->data[(tail + i) % DATA];
		look_at(record, &result);
		tail += header->size;
	}
	__atomic_store_n(&ring->head->data_tail, head, __ATOMIC_RELEASE);
	return result;
}

static void expect_drained(struct rcx_hostile *h, const char *name, struct ring *ring, long whole)
{
	struct drained result = drain(ring);

	rcx_expect_value(h, name, result.whole, whole);
	rcx_expect_value(h, "broken", result.broken, 0);
}

/* ---- settings ----------------------------------------------------------- */

static void try_settings(struct rcx_hostile *h)
{
	struct perf_event_attr attr = rcx_perfbuf_attr(id);

	rcx_topic(h, "settings");
	rcx_expect_either(h, "no event", open_event(rcx_perfbuf_attr(UINT64_MAX)), EINVAL, ENOENT);
	attr.size = 3;
	rcx_expect(h, "a short size", open_event(attr), E2BIG);
	attr = rcx_perfbuf_attr(id);
	attr.sample_type = 1ull << 40;
	rcx_expect(h, "an unknown part of samples", open_event(attr), EINVAL);
	attr = rcx_perfbuf_attr(id);
	attr.sample_period = 1ull << 63;
	rcx_expect(h, "a period without end", open_event(attr), EINVAL);
	attr = rcx_perfbuf_attr(id);
	rcx_expect(h, "all processes on all CPUs", rcx_perfbuf_open(&attr, -1, -1), EINVAL);
	rcx_expect_either(h, "a CPU that does not exist", rcx_perfbuf_open(&attr, -1, 1 << 20),
			  EINVAL, ENODEV);
	rcx_expect(h, "a process that does not exist", rcx_perfbuf_open(&attr, 1 << 30, -1), ESRCH);
	rcx_expect(h, "a group that is no file",
		   syscall(SYS_perf_event_open, &attr, -1, 0, 12345, 0), EBADF);
	rcx_expect(h, "unknown flags", syscall(SYS_perf_event_open, &attr, -1, 0, -1, ~0ul),
		   EINVAL);
	rcx_expect(h, "no settings", syscall(SYS_perf_event_open, h->forbidden, -1, 0, -1, 0),
		   EFAULT);
}

static void try_file(struct rcx_hostile *h)
{
	int fd = open_event(rcx_perfbuf_attr(id));
	uint64_t count[4] = { 0 };

	rcx_topic(h, "file");
	rcx_expect(h, "open", fd, 0);
	rcx_expect(h, "stop the output without a ring", ioctl(fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 1),
		   EINVAL);
	rcx_expect(h, "its own output", ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, fd), EINVAL);
	rcx_expect(h, "a filter without sense",
		   ioctl(fd, PERF_EVENT_IOC_SET_FILTER, "nothing == 1"), EINVAL);
	rcx_expect(h, "a filter that is nowhere",
		   ioctl(fd, PERF_EVENT_IOC_SET_FILTER, h->forbidden), EFAULT);
	rcx_expect(h, "unknown command", ioctl(fd, _IO('x', 0xff)), ENOTTY);
	rcx_expect(h, "write", write(fd, count, sizeof(count)), EINVAL);
	rcx_expect(h, "no room for the count", read(fd, count, 1), ENOSPC);
	rcx_expect_value(h, "the count", read(fd, count, sizeof(count)), sizeof(count[0]));
	rcx_expect_value(h, "no event by now", (long)count[0], 0);
	close(fd);
}

/* ---- mappings ----------------------------------------------------------- */

static void expect_no_map(struct rcx_hostile *h, const char *name, int fd, size_t len,
			  size_t offset, int want)
{
	rcx_expect(h, name, map_ring(fd, len, offset) == MAP_FAILED ? -1 : 0, want);
}

static void try_maps(struct rcx_hostile *h)
{
	int fd = open_event(rcx_perfbuf_attr(id));
	void *map, *again;

	rcx_topic(h, "maps");
	expect_no_map(h, "three pages of data", fd, 4 * PAGE, 0, EINVAL);
	expect_no_map(h, "a ring at an offset", fd, LEN, PAGE, EINVAL);
	rcx_expect(h, "a private one",
		   mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0, EINVAL);
	map = map_ring(fd, LEN, 0);
	rcx_expect(h, "four pages", map == MAP_FAILED ? -1 : 0, 0);
	expect_no_map(h, "another size", fd, PAGE + 2 * DATA, 0, EINVAL);
	again = map_ring(fd, LEN, 0);
	rcx_expect(h, "the same again", again == MAP_FAILED ? -1 : 0, 0);
	munmap(again, LEN);
	munmap(map, LEN);
	close(fd);
}

/* ---- events ------------------------------------------------------------- */

static void try_sizes(struct rcx_hostile *h)
{
	static const uint32_t refused[] = { RCX_PERFBUF_MAX + 1, 65536, RCX_BODY_MAX };
	struct ring ring;

	rcx_topic(h, "sizes");
	if (!rcx_core_bind(h, "each", BODY, true))
		return;
	rcx_expect_value(h, "without a reader: refused", emit(h, 3), 3);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	if (!open_ring(h, &ring))
		return;
	rcx_expect_value(h, "with a reader: refused", emit(h, 3), 0);
	expect_drained(h, "with a reader: read", &ring, 3);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		rcx_core_bind(h, "each", refused[i], true);
		rcx_expect_value(h, "too large: refused", emit(h, 1), 1);
		rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EMSGSIZE);
	}
	close_ring(&ring);
}

static void try_full(struct rcx_hostile *h)
{
	struct drained result;
	struct ring ring;
	uint64_t count;

	rcx_topic(h, "full");
	if (!rcx_core_bind(h, "each", BODY, true) || !open_ring(h, &ring))
		return;
	rcx_expect_value(h, "refused", emit(h, 1000), 0);
	result = drain(&ring);
	rcx_expect_true(h, "some are whole", result.whole > 50 && result.whole < 1000);
	rcx_expect_value(h, "broken", result.broken, 0);
	emit(h, 1);
	rcx_expect_value(h, "the others are reported", drain(&ring).lost, 1000 - result.whole);
	rcx_expect_value(h, "the count", read(ring.fd, &count, sizeof(count)), sizeof(count));
	rcx_expect_value(h, "has all events", (long)count, 1001);
	close_ring(&ring);
}

static void try_two(struct rcx_hostile *h)
{
	struct ring first, second;

	rcx_topic(h, "two readers");
	if (!rcx_core_bind(h, "each", BODY, true) || !open_ring(h, &first) ||
	    !open_ring(h, &second))
		return;
	emit(h, 5);
	expect_drained(h, "the first", &first, 5);
	close_ring(&first);
	emit(h, 5);
	expect_drained(h, "the second, after the first left", &second, 10);
	close_ring(&second);
}

/* The reader's position is in memory that it can write: perf must believe it only so far. */
static void try_positions(struct rcx_hostile *h)
{
	static const uint64_t tails[] = { 1, 7, DATA, DATA + 1, 1ull << 31, 1ull << 63, UINT64_MAX };
	struct ring ring;

	rcx_topic(h, "positions");
	if (!rcx_core_bind(h, "each", BODY, true) || !open_ring(h, &ring))
		return;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		ring.head->data_tail = tails[i];
		rcx_expect_value(h, "a wrong tail: refused", emit(h, 500), 0);
	}
	ring.head->data_head = 12345;
	ring.head->data_offset = UINT64_MAX;
	ring.head->data_size = UINT64_MAX;
	rcx_expect_value(h, "a wrong head: refused", emit(h, 500), 0);
	memset(ring.head, 0xff, PAGE);
	rcx_expect_value(h, "all of the page is wrong: refused", emit(h, 500), 0);
	close_ring(&ring);
	if (!open_ring(h, &ring))
		return;
	emit(h, 5);
	expect_drained(h, "the next reader", &ring, 5);
	close_ring(&ring);
}

static void try_states(struct rcx_hostile *h)
{
	struct ring ring;

	rcx_topic(h, "states");
	if (!rcx_core_bind(h, "each", BODY, true) || !open_ring(h, &ring))
		return;
	rcx_expect(h, "disable", ioctl(ring.fd, PERF_EVENT_IOC_DISABLE, 0), 0);
	emit(h, 3);
	expect_drained(h, "disabled: read", &ring, 0);
	rcx_expect(h, "enable", ioctl(ring.fd, PERF_EVENT_IOC_ENABLE, 0), 0);
	rcx_expect(h, "a filter that nothing passes",
		   ioctl(ring.fd, PERF_EVENT_IOC_SET_FILTER, "common_pid < 0"), 0);
	emit(h, 3);
	expect_drained(h, "filtered: read", &ring, 0);
	close_ring(&ring);
	if (!open_ring(h, &ring))
		return;
	rcx_expect(h, "stop the output", ioctl(ring.fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 1), 0);
	emit(h, 3);
	expect_drained(h, "stopped: read", &ring, 0);
	rcx_expect(h, "start the output", ioctl(ring.fd, PERF_EVENT_IOC_PAUSE_OUTPUT, 0), 0);
	emit(h, 3);
	expect_drained(h, "started: read", &ring, 3);
	close(ring.fd);
	rcx_expect_value(h, "closed, but mapped: refused", emit(h, 3), 0);
	expect_drained(h, "closed, but mapped: read", &ring, 3);
	munmap(ring.head, LEN);
	rcx_expect_value(h, "unmapped: refused", emit(h, 3), 3);
}

/* ---- other users -------------------------------------------------------- */

static long enable_in_tracefs(const char *text)
{
	int fd = open(ENABLE, O_WRONLY | O_CLOEXEC);
	long written = write(fd, text, 1);

	close(fd);
	return written;
}

/* A page of the trace buffer is smaller than the largest record of perf. */
static void try_tracefs(struct rcx_hostile *h)
{
	rcx_topic(h, "tracefs");
	rcx_expect(h, "enable the event", enable_in_tracefs("1"), 0);
	rcx_core_bind(h, "each", BODY, true);
	rcx_expect_value(h, "a small message: refused", emit(h, 3), 0);
	rcx_core_bind(h, "each", RCX_PERFBUF_MAX, true);
	rcx_expect_true(h, "the largest message", emit(h, 3) <= 3);
	rcx_expect(h, "disable the event", enable_in_tracefs("0"), 0);
	rcx_expect_value(h, "disabled: refused", emit(h, 3), 3);
}

static long sleep_in_poll(void *arg)
{
	struct pollfd pfd = { .fd = open_event(rcx_perfbuf_attr(id)), .events = POLLIN };

	(void)arg;
	map_ring(pfd.fd, LEN, 0);
	return poll(&pfd, 1, -1);
}

static void try_killed(struct rcx_hostile *h)
{
	rcx_topic(h, "a killed reader");
	if (!rcx_core_bind(h, "each", BODY, true))
		return;
	rcx_try_kill(h, "killed in poll()", sleep_in_poll, NULL);
	rcx_expect_value(h, "refused", emit(h, 1), 1);
}

static long open_and_close(void *arg)
{
	long failed = 0;

	(void)arg;
	for (int i = 0; i < 50; i++) {
		int fd = open_event(rcx_perfbuf_attr(id));
		void *map = map_ring(fd, LEN, 0);

		failed += fd < 0 || map == MAP_FAILED;
		close(fd);
		munmap(map, LEN);
	}
	return failed;
}

static void try_busy(struct rcx_hostile *h)
{
	struct ring ring;

	rcx_topic(h, "during a stream");
	if (!rcx_core_bind(h, "each", BODY, true) || !open_ring(h, &ring))
		return;
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 8, 200000);
	rcx_expect_value(h, "others open and close", rcx_in_three_threads(h, open_and_close, NULL),
			 0);
	rcx_expect_true(h, "events arrive", drain(&ring).whole > 0);
	close_ring(&ring);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void open_as_nobody(struct rcx_hostile *h, void *arg)
{
	(void)arg;
	rcx_expect_either(h, "attach", open_event(rcx_perfbuf_attr(id)), EACCES, EPERM);
	rcx_expect(h, "find the event", open(RCX_PERFBUF_ID, O_RDONLY | O_CLOEXEC), EACCES);
}

static void perfbuf_hostile(struct rcx_hostile *h)
{
	id = rcx_perfbuf_id();
	rcx_expect_true(h, "the event has a number", id);
	try_settings(h);
	try_file(h);
	try_maps(h);
	try_sizes(h);
	try_full(h);
	try_two(h);
	try_positions(h);
	try_states(h);
	try_tracefs(h);
	try_killed(h);
	try_busy(h);
	rcx_topic(h, "nobody");
	rcx_as_nobody(h, open_as_nobody, NULL);
	rcx_core_unbind(h);
}
RCX_HOSTILE(perfbuf, perfbuf_hostile);
