// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half reads indexes, sizes and messages that user space can write at any time. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PAGE  4096u
#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)
#define SLOTS 8u

/* One open file with its area. */
struct area {
	struct rcx_hostile *h;
	int fd;
	struct rcx_ring_setup setup;
	unsigned char *map;
	unsigned long doorbell; /* the command that sends a message */
};

static volatile struct rcx_ring_control *control(const struct area *area)
{
	return (volatile struct rcx_ring_control *)area->map;
}

static volatile struct rcx_ring_ends *out(const struct area *area)
{
	return &control(area)->to_kernel;
}

static volatile struct rcx_ring_ends *in(const struct area *area)
{
	return &control(area)->to_user;
}

static struct rcx_msg *slot(const struct area *area, bool to_user, uint32_t position)
{
	uint32_t slots = area->setup.slots;
	size_t number = (position & (slots - 1)) + (to_user ? slots : 0);

	return (struct rcx_msg *)(area->map + RCX_RING_SLOTS + number * area->setup.stride);
}

static bool open_area(struct rcx_hostile *h, struct area *area, uint32_t room, uint32_t slots,
		      uint32_t batch)
{
	*area = (struct area){
		.h = h,
		.fd = open(RCX_RING_DEVICE, O_RDWR | O_CLOEXEC),
		.setup = { .room = room, .slots = slots, .batch = batch },
		.doorbell = RCX_RING_KICK,
	};
	if (!rcx_expect(h, "set up", ioctl(area->fd, RCX_RING_SETUP, &area->setup), 0))
		return false;
	area->map = mmap(NULL, area->setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, area->fd, 0);
	return rcx_expect_true(h, "map", area->map != MAP_FAILED);
}

static void close_area(struct area *area)
{
	munmap(area->map, area->setup.len);
	close(area->fd);
}

/* ---- setup -------------------------------------------------------------- */

static long setup_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_RING_SETUP, at);
}

static void try_invalid(struct rcx_hostile *h, int fd)
{
	const struct rcx_ring_setup good = { .room = WHOLE, .slots = 8, .batch = 1 };
	struct rcx_ring_setup wrong;

#define WRONG(name, field, value, want) \
	wrong = good;                   \
	wrong.field = value;            \
	rcx_expect(h, name, setup_at(&fd, &wrong), want)
	WRONG("no room", room, 0, EINVAL);
	WRONG("no room for a header", room, RCX_HEADER - 1, EINVAL);
	WRONG("a byte too much room", room, RCX_HEADER + RCX_BODY_MAX + 1, EINVAL);
	WRONG("4 GiB of room", room, UINT32_MAX, EINVAL);
	WRONG("no slots", slots, 0, EINVAL);
	WRONG("slots of no power of two", slots, 3, EINVAL);
	WRONG("too many slots", slots, 2 * RCX_RING_SLOTS_MAX, EINVAL);
	WRONG("2 billion slots", slots, 1u << 31, EINVAL);
	WRONG("slots of all bits", slots, UINT32_MAX, EINVAL);
	WRONG("a batch larger than the ring", batch, 9, EINVAL);
	WRONG("a batch of all bits", batch, UINT32_MAX, EINVAL);
	WRONG("stride set by the caller", stride, 64, EINVAL);
	WRONG("length set by the caller", len, 4096, EINVAL);
#undef WRONG
	wrong = (struct rcx_ring_setup){ RCX_HEADER + RCX_BODY_MAX, 8, 0, 0, 0 };
	rcx_expect(h, "more than a ring may have", setup_at(&fd, &wrong), E2BIG);
	wrong.slots = RCX_RING_SLOTS_MAX;
	rcx_expect(h, "a GiB", setup_at(&fd, &wrong), E2BIG);
}

static void try_setup(struct rcx_hostile *h)
{
	struct rcx_ring_setup *readonly = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct rcx_ring_setup wanted = { .room = WHOLE, .slots = SLOTS };
	struct rcx_ring_setup good = wanted;
	int fd = open(RCX_RING_DEVICE, O_RDWR | O_CLOEXEC);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	rcx_topic(h, "before the setup");
	rcx_expect(h, "kick", ioctl(fd, RCX_RING_KICK), ENXIO);
	rcx_expect(h, "pull", ioctl(fd, RCX_RING_PULL, 1ul), ENXIO);
	rcx_expect(h, "call", ioctl(fd, RCX_RING_CALL), ENXIO);
	rcx_expect(h, "wait", ioctl(fd, RCX_RING_WAIT, 1ul), ENXIO);
	rcx_expect_true(h, "mmap",
			mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED &&
				errno == ENXIO);
	rcx_expect_true(h, "poll", poll(&pfd, 1, 0) == 1 && pfd.revents == POLLERR);

	rcx_topic(h, "setup");
	try_invalid(h, fd);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, setup_at, &fd);
	*readonly = good;
	mprotect(readonly, PAGE, PROT_READ);
	rcx_expect(h, "a read-only argument", setup_at(&fd, readonly), EFAULT);
	rcx_expect(h, "a good one after all these", setup_at(&fd, &good), 0);
	good = wanted;
	rcx_expect(h, "a second one", setup_at(&fd, &good), EBUSY);
	rcx_expect(h, "wait without events", ioctl(fd, RCX_RING_WAIT, 1ul), EINVAL);
	rcx_expect_true(h, "poll without events", poll(&pfd, 1, 0) == 1 && pfd.revents == POLLERR);
	close(fd);
}

/* ---- the mapping -------------------------------------------------------- */

static void try_map(struct rcx_hostile *h)
{
	struct area area;

	rcx_topic(h, "mmap");
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	rcx_try_mapping(h, area.fd, area.map, area.setup.len);
	rcx_expect_value(h, "kick what cannot be read here", ioctl(area.fd, RCX_RING_KICK), 0);
	close_area(&area);
}

static void try_outlive(struct rcx_hostile *h)
{
	struct area area;

	rcx_topic(h, "mapping without its file");
	if (!open_area(h, &area, RCX_HEADER + RCX_BODY_MAX, 1, 1))
		return;
	close(area.fd);
	rcx_try_mapping_alone(h, area.map, area.setup.len);
}

/* ---- messages to the kernel --------------------------------------------- */

/* Put a message at the kernel's position; only as much as the slot has room for. */
static void put(const struct area *area, uint32_t position, const struct rcx_msg *msg)
{
	uint32_t most = area->setup.room - RCX_HEADER;

	memcpy(slot(area, false, position), msg,
	       RCX_HEADER + (msg->size < most ? msg->size : most));
}

static void fill(const struct area *area, uint32_t position, uint64_t seq)
{
	put(area, position, rcx_good_message(area->h, BODY, seq));
}

static long ring_with(const struct area *area, uint32_t head)
{
	long result;

	out(area)->head = head;
	result = ioctl(area->fd, area->doorbell);
	/* Replies are not read here. */
	in(area)->tail = in(area)->head;
	return result;
}

/* Send one message, at the next place of the ring. */
static long send_one(const struct area *area, const struct rcx_msg *msg)
{
	uint32_t position = out(area)->tail;

	put(area, position, msg);
	return ring_with(area, position + 1);
}

static void try_sizes(struct rcx_hostile *h, const struct area *area, uint64_t *seq)
{
	static const uint32_t wrong[] = {
		BODY + 1, RCX_BODY_MAX + 1,	   INT32_MAX,
		1u << 31, UINT32_MAX - RCX_HEADER, UINT32_MAX,
	};
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_msg *msg;

	rcx_expect_value(h, "a header alone", send_one(area, rcx_good_message(h, 0, (*seq)++)), 1);
	rcx_expect_value(h, "seven bytes", send_one(area, rcx_good_message(h, 7, (*seq)++)), 1);
	rcx_expect_value(h, "the largest body", send_one(area, rcx_good_message(h, BODY, (*seq)++)),
			 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		msg = rcx_good_message(h, BODY, *seq);
		msg->size = wrong[i];
		rcx_note(&outcomes, send_one(area, msg), EBADMSG);
	}
	rcx_expect_outcomes(h, "sizes that have no room", &outcomes);
	rcx_expect_value(h, "of these the kernel accepted", (long)outcomes.fine, 0);
}

static void try_headers(struct rcx_hostile *h, const struct area *area, uint64_t *seq,
			bool validate)
{
	struct rcx_msg *msg = rcx_good_message(h, BODY, *seq);

	msg->magic++;
	rcx_expect(h, "a wrong magic", send_one(area, msg), EBADMSG);
	msg = rcx_good_message(h, BODY, *seq);
	msg->magic = 0;
	rcx_expect(h, "no magic", send_one(area, msg), EBADMSG);
	rcx_expect(h, "the last number again", send_one(area, rcx_good_message(h, BODY, *seq - 1)),
		   EBADMSG);
	rcx_expect(h, "a number left out", send_one(area, rcx_good_message(h, BODY, *seq + 1)),
		   EBADMSG);
	rcx_expect(h, "a number far away",
		   send_one(area, rcx_good_message(h, BODY, *seq + (1ull << 63))), EBADMSG);
	msg = rcx_good_message(h, BODY, *seq);
	msg->body[BODY - 1] ^= 1;
	if (validate)
		rcx_expect(h, "a wrong last byte", send_one(area, msg), EBADMSG);
	rcx_expect_value(h, "a good one after all these",
			 send_one(area, rcx_good_message(h, BODY, (*seq)++)), 1);
}

static void try_sent(struct rcx_hostile *h, unsigned long doorbell, const char *name, bool validate)
{
	struct rcx_counts before, after;
	struct area area;
	uint64_t seq = 0;

	rcx_topic(h, "%s%s", name, validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	area.doorbell = doorbell;
	before = rcx_core_counts(h);
	try_sizes(h, &area, &seq);
	try_headers(h, &area, &seq, validate);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "messages the kernel consumed",
			 (long)(after.consumed - before.consumed), (long)seq);
	close_area(&area);
}

static void try_indexes(struct rcx_hostile *h, unsigned long doorbell, const char *name)
{
	struct area area;

	rcx_topic(h, "%s, indexes", name);
	rcx_core_bind(h, "", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	area.doorbell = doorbell;
	fill(&area, 0, 0);
	rcx_expect_value(h, "one message", ring_with(&area, 1), 1);
	rcx_expect_value(h, "none", ring_with(&area, 1), 0);
	rcx_expect(h, "a head that went back", ring_with(&area, 0), EINVAL);
	rcx_expect(h, "a head beyond the ring", ring_with(&area, 1 + SLOTS + 1), EINVAL);
	rcx_expect(h, "a head far away", ring_with(&area, 1u << 31), EINVAL);
	rcx_expect(h, "a head of all bits", ring_with(&area, UINT32_MAX), EINVAL);
	for (uint32_t i = 1; i <= SLOTS; i++)
		fill(&area, i, i);
	out(&area)->tail = 12345;
	rcx_expect_value(h, "a full ring, with an impossible tail", ring_with(&area, 1 + SLOTS),
			 SLOTS);
	rcx_expect_value(h, "the tail is the kernel's again", out(&area)->tail, 1 + SLOTS);

	for (uint32_t i = 0; i < 3; i++)
		fill(&area, 9 + i, 9 + i);
	slot(&area, false, 10)->size = UINT32_MAX;
	rcx_expect(h, "a bad message among three", ring_with(&area, 12), EBADMSG);
	rcx_expect_value(h, "is skipped", out(&area)->tail, 11);
	rcx_expect(h, "and the next is out of order", ioctl(area.fd, doorbell), EBADMSG);
	fill(&area, 12, 10);
	rcx_expect_value(h, "until it is sent again", ring_with(&area, 13), 1);
	close_area(&area);
}

/* Messages of different sizes in one batch, without the validation pass. */
static void try_mixed(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct area area;

	rcx_topic(h, "kick, mixed sizes");
	rcx_core_bind(h, "", BODY, false);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	before = rcx_core_counts(h);
	for (uint32_t i = 0; i < SLOTS; i++)
		put(&area, i, rcx_good_message(h, i * 8 % (BODY + 8), i));
	rcx_expect_value(h, "eight messages of eight sizes", ring_with(&area, SLOTS), SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		fill(&area, SLOTS + i, SLOTS + i);
	slot(&area, false, SLOTS + 5)->seq = 0;
	rcx_expect(h, "a bad sixth among eight", ring_with(&area, 2 * SLOTS), EBADMSG);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "consumed before it", (long)(after.consumed - before.consumed),
			 SLOTS + 5);
	rcx_expect_value(h, "bad", (long)(after.bad - before.bad), 1);
	close_area(&area);
}

/* Other threads overwrite indexes and headers while the kernel consumes messages. */
static void try_overwritten(struct rcx_hostile *h, unsigned long doorbell, const char *name,
			    bool validate)
{
	struct rcx_overwriter indexes, headers, size;
	struct rcx_outcomes outcomes = { 0 };
	struct area area;

	rcx_topic(h, "%s, overwritten%s", name, validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	if (!open_area(h, &area, 65536, SLOTS, 0))
		return;
	area.doorbell = doorbell;
	rcx_overwrite(h, &indexes, area.map, sizeof(struct rcx_ring_control) / 4);
	rcx_overwrite(h, &headers, slot(&area, false, 0), 6);
	rcx_overwrite(h, &size, slot(&area, false, 0), 1);
	for (int i = 0; i < 500; i++) {
		uint32_t position = out(&area)->tail;
		long result;

		fill(&area, position, position);
		out(&area)->head = position + 1;
		usleep(1);
		result = ioctl(area.fd, doorbell);
		rcx_note(&outcomes, result, errno == EINVAL || errno == EAGAIN ? errno : EBADMSG);
	}
	rcx_overwrite_end(&indexes);
	rcx_overwrite_end(&headers);
	rcx_overwrite_end(&size);
	rcx_expect_outcomes(h, "nothing but fine or refused", &outcomes);
	close_area(&area);
}

/* The size of a long message changes while the kernel copies it. */
static void try_size_race(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_counts before, after;
	struct rcx_overwriter size;
	struct area area;
	uint64_t seq = 0;

	rcx_topic(h, "kick of 1 MiB, its size overwritten");
	rcx_core_bind(h, "", RCX_BODY_MAX, true);
	if (!open_area(h, &area, RCX_HEADER + RCX_BODY_MAX, 1, 0))
		return;
	before = rcx_core_counts(h);
	rcx_overwrite(h, &size, slot(&area, false, 0), 1);
	for (int i = 0; i < 40; i++) {
		long result = send_one(&area, rcx_good_message(h, RCX_BODY_MAX, seq));

		rcx_note(&outcomes, result, EBADMSG);
		seq += result > 0;
	}
	rcx_overwrite_end(&size);
	after = rcx_core_counts(h);
	rcx_expect_outcomes(h, "nothing but fine or refused", &outcomes);
	rcx_expect_value(h, "consumed", (long)(after.consumed - before.consumed),
			 (long)outcomes.fine);
	close_area(&area);
}

/* ---- messages and replies to the user ------------------------------------ */

static void try_pull(struct rcx_hostile *h)
{
	struct area area;

	rcx_topic(h, "pull");
	rcx_core_bind(h, "", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	rcx_expect_value(h, "three", ioctl(area.fd, RCX_RING_PULL, 3ul), 3);
	rcx_expect_value(h, "head", in(&area)->head, 3);
	rcx_expect_true(h, "the third is whole",
			rcx_is_whole(slot(&area, true, 2), BODY, true) &&
				slot(&area, true, 2)->seq == 2);
	rcx_expect(h, "none", ioctl(area.fd, RCX_RING_PULL, 0ul), EINVAL);
	rcx_expect(h, "more than slots", ioctl(area.fd, RCX_RING_PULL, SLOTS + 1ul), EINVAL);
	rcx_expect(h, "4 billion and one", ioctl(area.fd, RCX_RING_PULL, (1ul << 32) + 1), EINVAL);
	rcx_expect(h, "a number of all bits", ioctl(area.fd, RCX_RING_PULL, ULONG_MAX), EINVAL);
	rcx_expect_value(h, "as many as slots, 5 free", ioctl(area.fd, RCX_RING_PULL, SLOTS + 0ul),
			 SLOTS - 3);
	rcx_expect(h, "one, none free", ioctl(area.fd, RCX_RING_PULL, 1ul), EAGAIN);
	in(&area)->tail = SLOTS + 1;
	rcx_expect(h, "with a tail before the head", ioctl(area.fd, RCX_RING_PULL, 1ul), EAGAIN);
	in(&area)->tail = UINT32_MAX;
	rcx_expect(h, "with a tail of all bits", ioctl(area.fd, RCX_RING_PULL, 1ul), EAGAIN);
	in(&area)->tail = SLOTS;
	in(&area)->head = 4711;
	memset(slot(&area, true, 0), 0xff, area.setup.stride * SLOTS);
	rcx_expect_value(h, "one after all these", ioctl(area.fd, RCX_RING_PULL, 1ul), 1);
	rcx_expect_value(h, "head is the kernel's again", in(&area)->head, SLOTS + 1);
	rcx_expect_value(h, "and the message has its number", (long)slot(&area, true, SLOTS)->seq,
			 SLOTS);
	rcx_core_bind(h, "", BODY + 1, true);
	in(&area)->tail = in(&area)->head;
	rcx_expect(h, "a message without room", ioctl(area.fd, RCX_RING_PULL, 1ul), EMSGSIZE);
	close_area(&area);
}

static void try_replies(struct rcx_hostile *h, bool validate)
{
	struct area area;

	rcx_topic(h, "replies%s", validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	for (uint32_t i = 0; i < SLOTS; i++)
		fill(&area, i, i);
	out(&area)->head = SLOTS;
	rcx_expect_value(h, "of a full ring", ioctl(area.fd, RCX_RING_CALL), SLOTS);
	rcx_expect_true(h, "the last one",
			rcx_is_reply(slot(&area, true, SLOTS - 1), BODY, SLOTS - 1, validate));
	fill(&area, SLOTS, SLOTS);
	out(&area)->head = SLOTS + 1;
	rcx_expect(h, "none read yet", ioctl(area.fd, RCX_RING_CALL), EAGAIN);
	in(&area)->tail = UINT32_MAX - 1;
	rcx_expect(h, "an impossible tail", ioctl(area.fd, RCX_RING_CALL), EAGAIN);
	in(&area)->tail = 1;
	rcx_expect_value(h, "one read", ioctl(area.fd, RCX_RING_CALL), 1);
	close_area(&area);
}

/* ---- events ------------------------------------------------------------- */

static void try_events(struct rcx_hostile *h, uint32_t batch)
{
	struct area area;
	struct pollfd pfd = { .events = POLLIN };

	rcx_topic(h, "events in batches of %u", batch);
	rcx_core_bind(h, "each", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, batch))
		return;
	pfd.fd = area.fd;
	rcx_expect_value(h, "poll without an event", poll(&pfd, 1, 0), 0);
	rcx_expect(h, "wait without an event", ioctl(area.fd, RCX_RING_WAIT, 1ul), ETIME);
	rcx_expect(h, "a wait too long", ioctl(area.fd, RCX_RING_WAIT, RCX_RING_WAIT_MAX + 1ul),
		   EINVAL);
	rcx_expect(h, "a wait of all bits", ioctl(area.fd, RCX_RING_WAIT, ULONG_MAX), EINVAL);
	rcx_expect(h, "pull", ioctl(area.fd, RCX_RING_PULL, 1ul), EINVAL);
	rcx_expect(h, "call", ioctl(area.fd, RCX_RING_CALL), EINVAL);
	rcx_expect_value(h, "refused of three", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "head", in(&area)->head, 3);
	rcx_expect_value(h, "poll with events", poll(&pfd, 1, 0), 1);
	rcx_expect(h, "wait with events", ioctl(area.fd, RCX_RING_WAIT, 0ul), 0);
	rcx_expect_value(h, "refused of as many as slots, 5 free",
			 rcx_core_emit(h, RCX_SOFTIRQ, SLOTS), 3);

	/* Impossible tails: the ring counts as full, without any other effect. */
	in(&area)->tail = SLOTS + 1;
	rcx_expect_value(h, "refused, with a tail before the head",
			 rcx_core_emit(h, RCX_HARDIRQ, 5), 5);
	in(&area)->tail = UINT32_MAX;
	rcx_expect_value(h, "refused, with a tail of all bits", rcx_core_emit(h, RCX_HARDIRQ, 5),
			 5);
	in(&area)->tail = 1u << 31;
	rcx_expect_value(h, "refused, with a tail far away", rcx_core_emit(h, RCX_PROCESS, 5), 5);
	rcx_expect_value(h, "poll with such a tail", poll(&pfd, 1, 0), 1);

	/* The kernel reads neither head nor a message back, whatever they hold. */
	in(&area)->tail = SLOTS;
	in(&area)->head = 4711;
	in(&area)->wake_at = 4711;
	memset(slot(&area, true, 0), 0xff, area.setup.stride * SLOTS);
	rcx_expect_value(h, "refused after all these", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "head is the kernel's again", in(&area)->head, SLOTS + 1);
	rcx_expect_true(h, "and the message is at its place",
			rcx_is_whole(slot(&area, true, SLOTS), BODY, true));
	fill(&area, 0, 0);
	rcx_expect_value(h, "a message to the kernel on the same file", ring_with(&area, 1), 1);
	close_area(&area);
	rcx_expect_value(h, "refused without a ring", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
}

static long sleep_in_poll(void *arg)
{
	const struct area *area = arg;
	struct pollfd pfd = { .fd = area->fd, .events = POLLIN };

	return poll(&pfd, 1, -1);
}

static long sleep_in_wait(void *arg)
{
	const struct area *area = arg;

	return ioctl(area->fd, RCX_RING_WAIT, 0ul);
}

/* A reader that announces nothing itself, or something wrong, before it sleeps. */
static void try_announcements(struct rcx_hostile *h)
{
	static const uint32_t wrong[] = { 1, 1u << 31, UINT32_MAX };
	struct rcx_sleeper thread;
	struct area area;

	rcx_topic(h, "announcements");
	rcx_core_bind(h, "each", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, 4))
		return;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		in(&area)->wake_at = wrong[i];
		rcx_sleep_in(h, &thread, sleep_in_wait, &area);
		rcx_expect_value(h, "the kernel announced its sleeper", in(&area)->wake_at,
				 in(&area)->head);
		rcx_core_emit(h, RCX_HARDIRQ, 2);
		rcx_expect(h, "woken in spite of a wrong one", rcx_sleeper_end(&thread), 0);
		in(&area)->tail = in(&area)->head;
	}
	/* Overwritten while asleep: only this reader misses its wake-up. */
	rcx_sleep_in(h, &thread, sleep_in_wait, &area);
	in(&area)->wake_at = UINT32_MAX;
	rcx_core_emit(h, RCX_SOFTIRQ, 1);
	rcx_sleeper_interrupt(&thread);
	rcx_expect_either(h, "its announcement overwritten, it sleeps until a signal",
			  rcx_sleeper_end(&thread), EINTR, 0);
	rcx_expect(h, "and finds its message then", ioctl(area.fd, RCX_RING_WAIT, 0ul), 0);
	close_area(&area);
}

static void wait_for_events(void *arg, int ms)
{
	const struct area *area = arg;

	ioctl(area->fd, RCX_RING_WAIT, (unsigned long)ms);
}

static void poll_for_events(void *arg, int ms)
{
	const struct area *area = arg;
	struct pollfd pfd = { .fd = area->fd, .events = POLLIN };

	poll(&pfd, 1, ms);
}

static uint64_t drain(void *arg)
{
	const struct area *area = arg;
	uint32_t count = __atomic_load_n(&in(area)->head, __ATOMIC_ACQUIRE) - in(area)->tail;

	__atomic_store_n(&in(area)->tail, in(area)->tail + count, __ATOMIC_RELEASE);
	return count;
}

static void try_wakeups(struct rcx_hostile *h, void (*sleep)(void *arg, int ms), const char *name,
			uint32_t slots, uint32_t batch)
{
	struct area area;
	const struct rcx_sleepy_reader reader = { sleep, drain, &area };

	rcx_topic(h, "%s, %u slots, batches of %u", name, slots, batch);
	rcx_core_bind(h, "each", BODY, false);
	if (!open_area(h, &area, WHOLE, slots, batch))
		return;
	rcx_try_wakeups(h, &reader);
	close_area(&area);
}

/* An edge-triggered epoll makes no call to the device, so the user announces the sleep. */
static void try_edges(struct rcx_hostile *h)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct area area;

	rcx_topic(h, "edges");
	rcx_core_bind(h, "each", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, 1))
		return;
	rcx_expect(h, "add", epoll_ctl(epoll, EPOLL_CTL_ADD, area.fd, &event), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		rcx_core_emit(h, RCX_HARDIRQ, 2);
		rcx_expect_value(h, "an edge", epoll_wait(epoll, &event, 1, 0), 1);
		rcx_expect_value(h, "no second one", epoll_wait(epoll, &event, 1, 0), 0);
		in(&area)->tail = in(&area)->head;
		in(&area)->wake_at = in(&area)->tail;
	}
	close(epoll);
	close_area(&area);
}

static void try_two_rings(struct rcx_hostile *h)
{
	struct area small, large;

	rcx_topic(h, "two files");
	rcx_core_bind(h, "each", 4096, true);
	if (!open_area(h, &small, WHOLE, SLOTS, 1) ||
	    !open_area(h, &large, RCX_HEADER + 4096, SLOTS, SLOTS))
		return;
	rcx_expect_value(h, "refused by both", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "head of the small one", in(&small)->head, 0);
	rcx_expect_value(h, "head of the large one", in(&large)->head, 2);
	close_area(&small);
	close_area(&large);
}

static void try_events_overwritten(struct rcx_hostile *h, enum rcx_context context, bool validate)
{
	struct rcx_overwriter indexes, slots;
	struct area area;

	rcx_topic(h, "events overwritten, %s%s", rcx_context_names[context],
		  validate ? " in validation" : "");
	rcx_core_bind(h, "batch16", BODY, validate);
	if (!open_area(h, &area, WHOLE, SLOTS, 4))
		return;
	rcx_core_start(h, context, 1u << 30, 6, 1000);
	rcx_overwrite(h, &indexes, area.map, sizeof(struct rcx_ring_control) / 4);
	rcx_overwrite(h, &slots, slot(&area, true, 0), 6);
	for (int i = 0; i < 200; i++) {
		in(&area)->tail = in(&area)->head;
		ioctl(area.fd, RCX_RING_KICK);
		usleep(20);
	}
	rcx_overwrite_end(&indexes);
	rcx_overwrite_end(&slots);
	close_area(&area);
	rcx_expect(h, "closed in the stream, then stopped", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_true(h, "some were emitted", h->page->emitted > 0);
}

/* ---- files that are closed ---------------------------------------------- */

static long kick_until_closed(void *arg)
{
	const struct area *area = arg;
	long turns = 0;

	while (ioctl(area->fd, RCX_RING_KICK) == 0)
		turns++;
	return errno == EBADF ? turns : -1;
}

static void try_closing(struct rcx_hostile *h)
{
	struct rcx_sleeper thread;
	struct area area;

	rcx_topic(h, "closing");
	rcx_core_bind(h, "each", BODY, true);
	if (!open_area(h, &area, WHOLE, SLOTS, 0))
		return;
	rcx_sleep_in(h, &thread, kick_until_closed, &area);
	munmap(area.map, area.setup.len);
	close(area.fd);
	rcx_expect(h, "unmapped and closed while another kicks", rcx_sleeper_end(&thread), 0);

	if (!open_area(h, &area, WHOLE, SLOTS, 1))
		return;
	rcx_try_kill(h, "killed in poll", sleep_in_poll, &area);
	rcx_try_kill(h, "killed in wait", sleep_in_wait, &area);
	rcx_sleep_in(h, &thread, sleep_in_poll, &area);
	rcx_sleeper_interrupt(&thread);
	rcx_expect(h, "interrupted in poll", rcx_sleeper_end(&thread), EINTR);
	rcx_sleep_in(h, &thread, sleep_in_wait, &area);
	rcx_sleeper_interrupt(&thread);
	rcx_expect(h, "interrupted in wait", rcx_sleeper_end(&thread), EINTR);
	rcx_sleep_in(h, &thread, sleep_in_wait, &area);
	close(area.fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect(h, "closed in wait, it is still woken", rcx_sleeper_end(&thread), 0);
	munmap(area.map, area.setup.len);
}

static bool known(unsigned int cmd)
{
	return cmd == RCX_RING_SETUP || (cmd >= RCX_RING_KICK && cmd <= RCX_RING_WAIT);
}

static void try_device(struct rcx_hostile *h)
{
	int fd = open(RCX_RING_DEVICE, O_RDWR | O_CLOEXEC);

	rcx_topic(h, "device");
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_commands(h, fd, known);
	close(fd);
	rcx_try_nobody_opens(h, RCX_RING_DEVICE);
}

static void ring_hostile(struct rcx_hostile *h)
{
	try_setup(h);
	try_map(h);
	try_outlive(h);
	for (int validate = 0; validate < 2; validate++) {
		try_sent(h, RCX_RING_KICK, "kick", validate);
		try_sent(h, RCX_RING_CALL, "call", validate);
		try_overwritten(h, RCX_RING_KICK, "kick", validate);
		try_overwritten(h, RCX_RING_CALL, "call", validate);
		try_replies(h, validate);
		for (int context = 0; context < RCX_CONTEXTS; context++)
			try_events_overwritten(h, (enum rcx_context)context, validate);
	}
	try_indexes(h, RCX_RING_KICK, "kick");
	try_indexes(h, RCX_RING_CALL, "call");
	try_mixed(h);
	try_size_race(h);
	try_pull(h);
	try_events(h, 1);
	try_events(h, SLOTS);
	try_announcements(h);
	try_edges(h);
	try_wakeups(h, wait_for_events, "wait", SLOTS, 1);
	try_wakeups(h, wait_for_events, "wait", 2, 2);
	try_wakeups(h, poll_for_events, "poll", SLOTS, 4);
	try_two_rings(h);
	try_closing(h);
	try_device(h);
}
RCX_HOSTILE(ring, ring_hostile);
