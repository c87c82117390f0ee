// SPDX-License-Identifier: GPL-2.0-only
/* Programs that must not be loaded or attached, and rings whose positions are wrong. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "hostile.h"
#include "bpf.h"

#define PAGE   4096ul
#define SIZE   (4 * PAGE) /* of a ring */
#define BODY   64
#define WHOLE  (RCX_HEADER + BODY)
#define ENABLE "/sys/kernel/tracing/events/ringcross_bpfring/enable"

/* A reader: an attached program and its ring. */
struct ring {
	int fd, lost, program, link;
	struct rcx_bpf_position *reader;
	const struct rcx_bpf_position *writer;
	const unsigned char *data;
	const volatile uint64_t *losses;
};

static void *map_at(int fd, size_t len, int access, size_t offset)
{
	return mmap(NULL, len, access, MAP_SHARED, fd, (off_t)offset);
}

static long mapped(void *map)
{
	return map == MAP_FAILED ? -1 : 0;
}

static bool open_ring(struct rcx_hostile *h, struct ring *ring)
{
	ring->fd = rcx_bpf_ring(SIZE, 0);
	ring->lost = rcx_bpf_counter();
	ring->reader = map_at(ring->fd, PAGE, PROT_READ | PROT_WRITE, 0);
	ring->writer = map_at(ring->fd, PAGE + 2 * SIZE, PROT_READ, PAGE);
	ring->losses = map_at(ring->lost, PAGE, PROT_READ, 0);
	ring->data = (const unsigned char *)ring->writer + PAGE;
	ring->program = rcx_bpf_load(ring->fd, ring->lost, WHOLE, RCX_BPF_ADAPTIVE);
	ring->link = rcx_bpf_attach(ring->program, RCX_BPFRING_TRACEPOINT);
	return rcx_expect(h, "map a ring", mapped(ring->reader), 0) &&
	       rcx_expect(h, "map its data", mapped((void *)(uintptr_t)ring->writer), 0) &&
	       rcx_expect(h, "load a program", ring->program, 0) &&
	       rcx_expect(h, "attach it", ring->link, 0);
}

static void close_ring(struct ring *ring)
{
	munmap(ring->reader, PAGE);
	munmap((void *)(uintptr_t)ring->writer, PAGE + 2 * SIZE);
	munmap((void *)(uintptr_t)ring->losses, PAGE);
	close(ring->link);
	close(ring->program);
	close(ring->lost);
	close(ring->fd);
}

/* Emit @count events: the number of them that were refused. */
static long emit(struct rcx_hostile *h, uint32_t count)
{
	uint64_t before = rcx_core_counts(h).refused;

	rcx_core_start(h, RCX_SOFTIRQ, count, count, 0);
	rcx_core_ended(h, 2000);
	return (long)(rcx_core_counts(h).refused - before);
}

/* What a drain found. */
struct drained {
	long whole, broken;
};

static struct drained drain(struct ring *ring)
{
	uint64_t end = __atomic_load_n(&ring->writer->position, __ATOMIC_ACQUIRE);
	uint64_t at = ring->reader->position;
	struct drained result = { 0 };

	while (at < end) {
		const uint32_t *head = (const void *)(ring->data + at % SIZE);
		const struct rcx_msg *msg = (const void *)(ring->data + at % SIZE + RCX_BPF_HEADER);

		if (*head == WHOLE && rcx_is_whole(msg, BODY, true))
			result.whole++;
		else if (!(*head & RCX_BPF_DISCARD))
			result.broken++;
		at += rcx_bpf_stride(*head);
	}
	__atomic_store_n(&ring->reader->position, at, __ATOMIC_RELEASE);
	return result;
}

static void expect_drained(struct rcx_hostile *h, const char *name, struct ring *ring, long whole)
{
	struct drained result = drain(ring);

	rcx_expect_value(h, name, result.whole, whole);
	rcx_expect_value(h, "broken", result.broken, 0);
}

/* ---- programs ----------------------------------------------------------- */

static long load(const struct bpf_insn *code, size_t bytes)
{
	return rcx_bpf_load_program(code, (uint32_t)(bytes / sizeof(*code)), NULL, 0);
}

/* Each of them would give a program more than the arguments of the tracepoint. */
static void try_programs(struct rcx_hostile *h)
{
	const struct bpf_insn good[] = { RCX_BPF_SET(BPF_REG_0, 0), RCX_BPF_EXIT() };
	const struct bpf_insn follows[] = { RCX_BPF_LOAD(BPF_REG_2, BPF_REG_1, 0),
					    RCX_BPF_LOAD(BPF_REG_0, BPF_REG_2, 0), RCX_BPF_EXIT() };
	const struct bpf_insn writes[] = {
		RCX_BPF_INSN(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_1, 0, 0, 1),
		RCX_BPF_SET(BPF_REG_0, 0),
		RCX_BPF_EXIT(),
	};
	const struct bpf_insn before[] = { RCX_BPF_LOAD(BPF_REG_0, BPF_REG_1, -8), RCX_BPF_EXIT() };
	const struct bpf_insn beyond[] = { RCX_BPF_LOAD(BPF_REG_0, BPF_REG_1, 24), RCX_BPF_EXIT() };
	const struct bpf_insn endless[] = { RCX_BPF_SET(BPF_REG_0, 0) };
	long program;

	rcx_topic(h, "programs");
	program = load(good, sizeof(good));
	rcx_expect(h, "one that does nothing", program, 0);
	rcx_expect(h, "at no tracepoint", rcx_bpf_attach((int)program, "rcx_nothing"), ENOENT);
	rcx_expect(h, "at a name that is nowhere",
		   rcx_bpf_attach((int)program, (char *)h->forbidden), EFAULT);
	rcx_expect(h, "a program that is no file", rcx_bpf_attach(12345, RCX_BPFRING_TRACEPOINT),
		   EBADF);
	close((int)program);
	rcx_expect(h, "one that follows an argument", load(follows, sizeof(follows)), EACCES);
	rcx_expect(h, "one that writes an argument", load(writes, sizeof(writes)), EACCES);
	rcx_expect(h, "one that reads before the arguments", load(before, sizeof(before)), EACCES);
	rcx_expect(h, "one without an end", load(endless, sizeof(endless)), EINVAL);
	program = load(beyond, sizeof(beyond));
	rcx_expect(h, "one with a fourth argument", program, 0);
	rcx_expect(h, "it is not attached", rcx_bpf_attach((int)program, RCX_BPFRING_TRACEPOINT),
		   EINVAL);
	close((int)program);
}

static void try_copies(struct rcx_hostile *h)
{
	int ring = rcx_bpf_ring(SIZE, 0);
	const struct bpf_insn unbounded[] = {
		RCX_BPF_MOV(BPF_REG_6, BPF_REG_1),
		RCX_BPF_ADDRESS(BPF_REG_1, BPF_PSEUDO_MAP_FD, ring),
		RCX_BPF_ADDRESS_END(),
		RCX_BPF_SET(BPF_REG_2, 64),
		RCX_BPF_SET(BPF_REG_3, 0),
		RCX_BPF_CALL(BPF_FUNC_ringbuf_reserve),
		RCX_BPF_IF(BPF_JNE, BPF_REG_0, 0, 2),
		RCX_BPF_SET(BPF_REG_0, 0),
		RCX_BPF_EXIT(),
		RCX_BPF_MOV(BPF_REG_7, BPF_REG_0),
		RCX_BPF_MOV(BPF_REG_1, BPF_REG_0),
		RCX_BPF_LOAD(BPF_REG_2, BPF_REG_6, 8), /* any length */
		RCX_BPF_LOAD(BPF_REG_3, BPF_REG_6, 0),
		RCX_BPF_CALL(BPF_FUNC_probe_read_kernel),
		RCX_BPF_MOV(BPF_REG_1, BPF_REG_7),
		RCX_BPF_SET(BPF_REG_2, 0),
		RCX_BPF_CALL(BPF_FUNC_ringbuf_submit),
		RCX_BPF_SET(BPF_REG_0, 0),
		RCX_BPF_EXIT(),
	};
	const struct bpf_insn keeps[] = {
		RCX_BPF_ADDRESS(BPF_REG_1, BPF_PSEUDO_MAP_FD, ring),
		RCX_BPF_ADDRESS_END(),
		RCX_BPF_SET(BPF_REG_2, 64),
		RCX_BPF_SET(BPF_REG_3, 0),
		RCX_BPF_CALL(BPF_FUNC_ringbuf_reserve),
		RCX_BPF_SET(BPF_REG_0, 0),
		RCX_BPF_EXIT(),
	};

	rcx_topic(h, "copies");
	rcx_expect(h, "more than the record holds", load(unbounded, sizeof(unbounded)), EACCES);
	rcx_expect(h, "a record that is never submitted", load(keeps, sizeof(keeps)), EINVAL);
	close(ring);
}

/* ---- rings -------------------------------------------------------------- */

static void try_rings(struct rcx_hostile *h)
{
	int fd = rcx_bpf_ring(SIZE, 0);

	rcx_topic(h, "rings");
	rcx_expect(h, "of no bytes", rcx_bpf_ring(0, 0), EINVAL);
	rcx_expect(h, "of half a page", rcx_bpf_ring(PAGE / 2, 0), EINVAL);
	rcx_expect(h, "of three pages", rcx_bpf_ring(3 * PAGE, 0), EINVAL);
	rcx_expect(h, "with unknown flags", rcx_bpf_ring(SIZE, 1u << 31), EINVAL);
	rcx_expect(h, "a writable page of the reader",
		   mapped(map_at(fd, PAGE, PROT_READ | PROT_WRITE, 0)), 0);
	rcx_expect(h, "a writable page of the writer",
		   mapped(map_at(fd, PAGE, PROT_READ | PROT_WRITE, PAGE)), EPERM);
	rcx_expect(h, "writable data", mapped(map_at(fd, PAGE, PROT_READ | PROT_WRITE, 2 * PAGE)),
		   EPERM);
	rcx_expect(h, "two writable pages", mapped(map_at(fd, 2 * PAGE, PROT_READ | PROT_WRITE, 0)),
		   EPERM);
	rcx_expect(h, "beyond its end", mapped(map_at(fd, PAGE, PROT_READ, 3 * SIZE)), EINVAL);
	close(fd);
}

static void try_positions(struct rcx_hostile *h)
{
	static const uint64_t positions[] = { 1,	  7,	      SIZE,	  SIZE + 1,
					      1ull << 31, 1ull << 32, 1ull << 63, UINT64_MAX };
	struct ring ring;

	rcx_topic(h, "positions");
	if (!rcx_core_bind(h, "adaptive", BODY, true) || !open_ring(h, &ring))
		return;
	for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
		ring.reader->position = positions[i];
		rcx_expect_value(h, "a wrong position: refused", emit(h, 500), 0);
	}
	close_ring(&ring);
	if (!open_ring(h, &ring))
		return;
	emit(h, 5);
	expect_drained(h, "the next reader", &ring, 5);
	close_ring(&ring);
}

/* ---- events ------------------------------------------------------------- */

static void try_sizes(struct rcx_hostile *h)
{
	struct ring ring;

	rcx_topic(h, "sizes");
	if (!rcx_core_bind(h, "adaptive", BODY, true))
		return;
	rcx_expect_value(h, "without a program: refused", emit(h, 3), 3);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	if (!open_ring(h, &ring))
		return;
	rcx_expect_value(h, "with a program: refused", emit(h, 3), 0);
	expect_drained(h, "with a program: read", &ring, 3);
	rcx_core_bind(h, "adaptive", BODY + 1, true);
	emit(h, 3);
	expect_drained(h, "too large for the program: read", &ring, 0);
	rcx_expect_value(h, "lost", (long)*ring.losses, 3);
	rcx_core_bind(h, "adaptive", RCX_BODY_MAX, true);
	emit(h, 1);
	expect_drained(h, "the largest: read", &ring, 0);
	rcx_expect_value(h, "lost", (long)*ring.losses, 4);
	rcx_core_bind(h, "adaptive", 0, true);
	emit(h, 1);
	rcx_expect_value(h, "an empty one: a record",
			 (long)(ring.writer->position - ring.reader->position),
			 (long)rcx_bpf_stride(WHOLE));
	close_ring(&ring);
}

static void try_full(struct rcx_hostile *h)
{
	struct drained result;
	struct ring ring;

	rcx_topic(h, "full");
	if (!rcx_core_bind(h, "adaptive", BODY, true) || !open_ring(h, &ring))
		return;
	rcx_expect_value(h, "refused", emit(h, 1000), 0);
	result = drain(&ring);
	rcx_expect_true(h, "some are whole", result.whole > 50 && result.whole < 1000);
	rcx_expect_value(h, "broken", result.broken, 0);
	rcx_expect_value(h, "the others are counted", (long)*ring.losses, 1000 - result.whole);
	close_ring(&ring);
}

static void try_many(struct rcx_hostile *h)
{
	struct ring ring[20];
	int fine = 0;

	rcx_topic(h, "20 readers");
	if (!rcx_core_bind(h, "adaptive", BODY, true))
		return;
	for (int i = 0; i < 20; i++)
		if (!open_ring(h, &ring[i]))
			return;
	emit(h, 5);
	for (int i = 0; i < 20; i++)
		fine += drain(&ring[i]).whole == 5;
	rcx_expect_value(h, "each got all", fine, 20);
	for (int i = 0; i < 20; i++)
		close_ring(&ring[i]);
	rcx_expect_value(h, "after they left: refused", emit(h, 2), 2);
}

/* The ring and the program are separate from the attachment. */
static void try_parts(struct rcx_hostile *h)
{
	struct ring ring;
	int again;

	rcx_topic(h, "parts");
	if (!rcx_core_bind(h, "adaptive", BODY, true) || !open_ring(h, &ring))
		return;
	emit(h, 3);
	close(ring.link);
	rcx_expect_value(h, "detached: refused", emit(h, 3), 3);
	expect_drained(h, "detached: read", &ring, 3);
	ring.link = rcx_bpf_attach(ring.program, RCX_BPFRING_TRACEPOINT);
	rcx_expect(h, "attach again", ring.link, 0);
	again = rcx_bpf_attach(ring.program, RCX_BPFRING_TRACEPOINT);
	rcx_expect_either(h, "attach twice", again, 0, EEXIST);
	emit(h, 3);
	expect_drained(h, "attached again: read", &ring, again < 0 ? 3 : 6);
	if (again >= 0)
		close(again);
	close_ring(&ring);
}

/* ---- other users -------------------------------------------------------- */

static long enable_in_tracefs(const char *text)
{
	int fd = open(ENABLE, O_WRONLY | O_CLOEXEC);
	long written = write(fd, text, 1);

	close(fd);
	return written;
}

static void try_tracefs(struct rcx_hostile *h)
{
	rcx_topic(h, "tracefs");
	rcx_expect(h, "enable the event", enable_in_tracefs("1"), 0);
	rcx_core_bind(h, "adaptive", RCX_BODY_MAX, true);
	rcx_expect_value(h, "the largest message: refused", emit(h, 3), 0);
	rcx_expect(h, "disable the event", enable_in_tracefs("0"), 0);
	rcx_expect_value(h, "disabled: refused", emit(h, 3), 3);
}

static long sleep_in_poll(void *arg)
{
	struct pollfd pfd = { .fd = rcx_bpf_ring(SIZE, 0), .events = POLLIN };
	int program = rcx_bpf_load(pfd.fd, rcx_bpf_counter(), WHOLE, RCX_BPF_EACH);

	(void)arg;
	rcx_bpf_attach(program, RCX_BPFRING_TRACEPOINT);
	return poll(&pfd, 1, -1);
}

static void try_killed(struct rcx_hostile *h)
{
	long refused = 0;

	rcx_topic(h, "a killed reader");
	if (!rcx_core_bind(h, "adaptive", BODY, true))
		return;
	rcx_try_kill(h, "killed in poll()", sleep_in_poll, NULL);
	for (int i = 0; i < 100 && !refused; i++) {
		refused = emit(h, 1);
		usleep(10000);
	}
	rcx_expect_value(h, "refused", refused, 1);
}

static long attach_and_detach(void *arg)
{
	long failed = 0;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		int ring = rcx_bpf_ring(SIZE, 0), lost = rcx_bpf_counter();
		int program = rcx_bpf_load(ring, lost, WHOLE, RCX_BPF_BATCH);
		int link = rcx_bpf_attach(program, RCX_BPFRING_TRACEPOINT);

		failed += ring < 0 || lost < 0 || program < 0 || link < 0;
		close(ring);
		close(lost);
		close(program);
		close(link);
	}
	return failed;
}

static void try_busy(struct rcx_hostile *h)
{
	struct ring ring;

	rcx_topic(h, "during a stream");
	if (!rcx_core_bind(h, "adaptive", BODY, true) || !open_ring(h, &ring))
		return;
	rcx_core_start(h, RCX_SOFTIRQ, 1u << 30, 8, 200000);
	rcx_expect_value(h, "others attach and detach",
			 rcx_in_three_threads(h, attach_and_detach, NULL), 0);
	rcx_expect_true(h, "events arrive", drain(&ring).whole > 0);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
	close_ring(&ring);
}

static void load_as_nobody(struct rcx_hostile *h, void *arg)
{
	const struct bpf_insn code[] = { RCX_BPF_SET(BPF_REG_0, 0), RCX_BPF_EXIT() };

	(void)arg;
	rcx_expect(h, "a ring", rcx_bpf_ring(SIZE, 0), EPERM);
	rcx_expect(h, "a program", load(code, sizeof(code)), EPERM);
}

static void bpfring_hostile(struct rcx_hostile *h)
{
	try_programs(h);
	try_copies(h);
	try_rings(h);
	try_positions(h);
	try_sizes(h);
	try_full(h);
	try_many(h);
	try_parts(h);
	try_tracefs(h);
	try_killed(h);
	try_busy(h);
	rcx_topic(h, "nobody");
	rcx_as_nobody(h, load_as_nobody, NULL);
	rcx_core_unbind(h);
}
RCX_HOSTILE(bpfring, bpfring_hostile);
