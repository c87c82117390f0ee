// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half reads memory that user space can write at any time, with lengths and indexes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
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
	struct rcx_mmap_setup setup;
	unsigned char *map;
	unsigned long doorbell; /* the command that sends a message */
};

static volatile struct rcx_mmap_ends *ends(const struct area *area)
{
	return (volatile struct rcx_mmap_ends *)area->map;
}

static struct rcx_mmap_slot *slot(const struct area *area, uint32_t position)
{
	return (struct rcx_mmap_slot *)(area->map + RCX_MMAP_SLOTS +
					(size_t)(position & (area->setup.slots - 1)) *
						area->setup.stride);
}

static bool open_area(struct rcx_hostile *h, struct area *area, uint32_t kind, uint32_t room,
		      uint32_t slots)
{
	*area = (struct area){
		.h = h,
		.fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC),
		.setup = { .kind = kind, .room = room, .slots = slots },
		.doorbell = RCX_MMAP_PUSH,
	};
	if (!rcx_expect(h, "set up", ioctl(area->fd, RCX_MMAP_SETUP, &area->setup), 0))
		return false;
	area->map = mmap(NULL, area->setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, area->fd, 0);
	return rcx_expect_true(h, "map", area->map != MAP_FAILED);
}

static void close_area(struct area *area)
{
	munmap(area->map, area->setup.len);
	close(area->fd);
}

/* ---- tables -------------------------------------------------------------- */

#define RECORDS 200u

static const struct rcx_record *records(const struct area *area)
{
	return (const struct rcx_record *)slot(area, 0)->message;
}

/* Overwrites the table until it is closed: that harms only its own reader. */
static long overwrite_table(void *arg)
{
	const struct area *area = arg;

	while (ioctl(area->fd, RCX_MMAP_DUMP) >= 0) {
		memset(slot(area, 0)->message, 0xff, RECORDS * RCX_RECORD);
		ends(area)->head = 0xffffffff;
	}
	return errno == EBADF ? 0 : -1;
}

static void try_tables(struct rcx_hostile *h)
{
	static const uint32_t wrong[] = {
		0, 1, RCX_RECORD - 1, RCX_RECORD + 1, (RCX_RECORDS_MAX + 1) * RCX_RECORD, UINT32_MAX
	};
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_sleeper thread;
	struct area area, other;
	int fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC);

	rcx_topic(h, "table");
	rcx_core_bind_table(h, RECORDS);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rcx_mmap_setup setup = {
			.kind = RCX_MMAP_TABLE, .room = wrong[i], .slots = 1
		};

		rcx_note(&outcomes, ioctl(fd, RCX_MMAP_SETUP, &setup), EINVAL);
	}
	rcx_expect_outcomes(h, "rooms that are no records", &outcomes);
	rcx_expect_value(h, "of which none was set up", (long)outcomes.fine, 0);
	rcx_expect(h, "dump without an area", ioctl(fd, RCX_MMAP_DUMP), ENXIO);
	close(fd);
	if (!open_area(h, &area, RCX_MMAP_TABLE, RECORDS * RCX_RECORD, 1))
		return;
	rcx_expect_value(h, "dump", ioctl(area.fd, RCX_MMAP_DUMP), RECORDS);
	rcx_expect_true(h, "it is whole", rcx_is_table(records(&area), RECORDS, 0));
	rcx_expect(h, "push", ioctl(area.fd, RCX_MMAP_PUSH), EINVAL);
	rcx_expect(h, "pull", ioctl(area.fd, RCX_MMAP_PULL, WHOLE), EINVAL);
	rcx_expect(h, "kick", ioctl(area.fd, RCX_MMAP_KICK), EINVAL);
	rcx_core_bind_table(h, RECORDS + 1);
	rcx_expect(h, "a table that is longer than the area", ioctl(area.fd, RCX_MMAP_DUMP),
		   ENOSPC);
	rcx_core_bind_table(h, 1);
	rcx_expect_value(h, "a shorter one", ioctl(area.fd, RCX_MMAP_DUMP), 1);
	rcx_core_bind_table(h, RECORDS);
	if (open_area(h, &other, RCX_MMAP_PAGE, WHOLE, 1)) {
		rcx_expect(h, "dump to a page", ioctl(other.fd, RCX_MMAP_DUMP), EINVAL);
		close_area(&other);
	}
	rcx_sleep_in(h, &thread, overwrite_table, &area);
	for (int i = 0; i < 200; i++)
		ioctl(area.fd, RCX_MMAP_DUMP);
	close(area.fd);
	rcx_expect(h, "closed while another overwrites it", rcx_sleeper_end(&thread), 0);
	munmap(area.map, area.setup.len);
}

/* ---- setup -------------------------------------------------------------- */

static long setup_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_MMAP_SETUP, at);
}

static void try_invalid(struct rcx_hostile *h, int fd)
{
	const struct rcx_mmap_setup good = { .kind = RCX_MMAP_TO_USER, .room = WHOLE, .slots = 8 };
	struct rcx_mmap_setup wrong;

#define WRONG(name, field, value, want) \
	wrong = good;                   \
	wrong.field = value;            \
	rcx_expect(h, name, setup_at(&fd, &wrong), want)
	WRONG("an unknown kind", kind, RCX_MMAP_KINDS, EINVAL);
	WRONG("a kind of all bits", kind, UINT32_MAX, EINVAL);
	WRONG("no room", room, 0, EINVAL);
	WRONG("no room for a header", room, RCX_HEADER - 1, EINVAL);
	WRONG("a byte too much room", room, RCX_HEADER + RCX_BODY_MAX + 1, EINVAL);
	WRONG("4 GiB of room", room, UINT32_MAX, EINVAL);
	WRONG("no slots", slots, 0, EINVAL);
	WRONG("slots of no power of two", slots, 3, EINVAL);
	WRONG("too many slots", slots, 2 * RCX_MMAP_SLOTS_MAX, EINVAL);
	WRONG("2 billion slots", slots, 1u << 31, EINVAL);
	WRONG("slots of all bits", slots, UINT32_MAX, EINVAL);
	WRONG("a page of two slots", kind, RCX_MMAP_PAGE, EINVAL);
	WRONG("a table of two slots", kind, RCX_MMAP_TABLE, EINVAL);
	WRONG("stride set by the caller", stride, 64, EINVAL);
	WRONG("length set by the caller", len, 4096, EINVAL);
#undef WRONG
	wrong = (struct rcx_mmap_setup){ RCX_MMAP_TO_USER, RCX_HEADER + RCX_BODY_MAX, 8, 0, 0 };
	rcx_expect(h, "more than an area may have", setup_at(&fd, &wrong), E2BIG);
	wrong.slots = RCX_MMAP_SLOTS_MAX;
	rcx_expect(h, "a GiB", setup_at(&fd, &wrong), E2BIG);
}

static void try_setup(struct rcx_hostile *h)
{
	struct rcx_mmap_setup *readonly = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rcx_mmap_setup good = { .kind = RCX_MMAP_PAGE, .room = WHOLE, .slots = 1 };
	int fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	rcx_topic(h, "before the setup");
	rcx_expect(h, "push", ioctl(fd, RCX_MMAP_PUSH), ENXIO);
	rcx_expect(h, "pull", ioctl(fd, RCX_MMAP_PULL, WHOLE), ENXIO);
	rcx_expect(h, "call", ioctl(fd, RCX_MMAP_CALL), ENXIO);
	rcx_expect(h, "kick", ioctl(fd, RCX_MMAP_KICK), ENXIO);
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
	good = (struct rcx_mmap_setup){ .kind = RCX_MMAP_PAGE, .room = WHOLE, .slots = 1 };
	rcx_expect(h, "a second one", setup_at(&fd, &good), EBUSY);
	close(fd);
}

/* ---- the mapping -------------------------------------------------------- */

static void try_map(struct rcx_hostile *h)
{
	struct area area;
	void *map;
	int readonly;

	rcx_topic(h, "mmap");
	if (!open_area(h, &area, RCX_MMAP_PAGE, WHOLE, 1))
		return;
	rcx_try_mapping(h, area.fd, area.map, area.setup.len);
	rcx_expect(h, "push what cannot be read here", ioctl(area.fd, RCX_MMAP_PUSH), EBADMSG);
	close_area(&area);

	readonly = open(RCX_MMAP_DEVICE, O_RDONLY | O_CLOEXEC);
	area.setup = (struct rcx_mmap_setup){ .kind = RCX_MMAP_PAGE, .room = WHOLE, .slots = 1 };
	rcx_expect(h, "set up, opened to read", ioctl(readonly, RCX_MMAP_SETUP, &area.setup), 0);
	map = mmap(NULL, area.setup.len, PROT_READ | PROT_WRITE, MAP_SHARED, readonly, 0);
	rcx_expect(h, "to write, opened to read", map == MAP_FAILED ? -1 : 0, EACCES);
	close(readonly);
}

static void try_outlive(struct rcx_hostile *h)
{
	struct area area;

	rcx_topic(h, "mapping without its file");
	if (!open_area(h, &area, RCX_MMAP_PAGE, RCX_HEADER + RCX_BODY_MAX, 1))
		return;
	close(area.fd);
	rcx_try_mapping_alone(h, area.map, area.setup.len);
}

/* ---- page --------------------------------------------------------------- */

/* Write as much of @msg as fits into the slot, and @slot_len as its length. */
static void put(struct area *area, const struct rcx_msg *msg, size_t len, uint32_t slot_len)
{
	struct rcx_mmap_slot *at = slot(area, 0);
	size_t most = area->setup.room < len ? area->setup.room : len;

	memcpy(at->message, msg, most > RCX_HEADER ? most : RCX_HEADER);
	*(volatile uint32_t *)&at->len = slot_len;
}

static long send_page(void *arg, const struct rcx_msg *msg, size_t len)
{
	struct area *area = arg;

	put(area, msg, len, (uint32_t)len);
	return ioctl(area->fd, area->doorbell);
}

static void try_lengths(struct rcx_hostile *h, struct area *area, struct rcx_sender *sender)
{
	/* clang-format off */
	static const uint32_t lengths[] = {
		0, 1, RCX_HEADER - 1, RCX_HEADER, WHOLE - 1, WHOLE + 1, RCX_HEADER + RCX_BODY_MAX + 1,
		INT32_MAX, 1u << 31, UINT32_MAX - RCX_HEADER, UINT32_MAX,
	};
	/* clang-format on */
	struct rcx_outcomes outcomes = { 0 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int agree = 0; agree < 2; agree++) {
			struct rcx_msg *msg = rcx_good_message(h, BODY, sender->seq);

			/* Wrong in the slot only, and in the header as well. */
			if (agree && lengths[i] >= RCX_HEADER && lengths[i] <= WHOLE)
				continue;
			if (agree)
				msg->size = lengths[i] - RCX_HEADER;
			put(area, msg, WHOLE, lengths[i]);
			rcx_note(&outcomes, ioctl(area->fd, area->doorbell), EBADMSG);
		}
	rcx_expect_outcomes(h, "wrong lengths", &outcomes);
	rcx_expect_value(h, "of these the kernel accepted", (long)outcomes.fine, 0);
}

static void try_page_messages(struct rcx_hostile *h, unsigned long doorbell, const char *name,
			      bool validate)
{
	struct area area;
	struct rcx_sender sender = {
		.send = send_page,
		.arg = &area,
		.body_max = BODY,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EBADMSG,
	};

	rcx_topic(h, "page %s%s", name, validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	if (!open_area(h, &area, RCX_MMAP_PAGE, WHOLE, 1))
		return;
	area.doorbell = doorbell;
	rcx_try_messages(h, &sender, validate);
	try_lengths(h, &area, &sender);
	close_area(&area);
}

/* Another thread overwrites length and header in place. */
static void try_page_overwritten(struct rcx_hostile *h, unsigned long doorbell, const char *name,
				 uint32_t size, bool validate, uint32_t turns)
{
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_overwriter header, length;
	struct rcx_counts before, after;
	struct area area;
	uint64_t seq = 0;

	rcx_topic(h, "page %s of %u, overwritten%s", name, size, validate ? " in validation" : "");
	rcx_core_bind(h, "", size, validate);
	if (!open_area(h, &area, RCX_MMAP_PAGE, RCX_HEADER + size, 1))
		return;
	area.doorbell = doorbell;
	before = rcx_core_counts(h);
	/*
	 * Overwrite len and pad of the slot and the header except its timestamp.  A second
	 * thread overwrites the size alone, which would do the most harm.
	 */
	rcx_overwrite(h, &header, slot(&area, 0), 6);
	rcx_overwrite(h, &length, slot(&area, 0)->message, 1);
	for (uint32_t i = 0; i < turns; i++) {
		long result;

		put(&area, rcx_good_message(h, size, seq), RCX_HEADER + size, RCX_HEADER + size);
		/* Let the others run; they overwrite a long message while the kernel reads it. */
		if (size < RCX_BODY_MAX)
			usleep(1);
		result = ioctl(area.fd, area.doorbell);
		rcx_note(&outcomes, result, EBADMSG);
		seq += result >= 0;
	}
	rcx_overwrite_end(&header);
	rcx_overwrite_end(&length);
	after = rcx_core_counts(h);
	rcx_expect_outcomes(h, "nothing but fine or refused", &outcomes);
	rcx_expect_value(h, "consumed", (long)(after.consumed - before.consumed),
			 (long)outcomes.fine);
	close_area(&area);
}

static void try_pull(struct rcx_hostile *h)
{
	struct area area;
	struct rcx_mmap_slot *at;

	rcx_topic(h, "page pull");
	rcx_core_bind(h, "", BODY, true);
	if (!open_area(h, &area, RCX_MMAP_PAGE, WHOLE, 1))
		return;
	at = slot(&area, 0);
	rcx_expect(h, "a good one", ioctl(area.fd, RCX_MMAP_PULL, WHOLE), 0);
	rcx_expect_true(h, "it is whole",
			at->len == WHOLE &&
				rcx_body_check(at->message + RCX_HEADER, BODY, 0, 0) == BODY);
	rcx_expect(h, "nothing", ioctl(area.fd, RCX_MMAP_PULL, 0), EMSGSIZE);
	rcx_expect(h, "less than a header", ioctl(area.fd, RCX_MMAP_PULL, RCX_HEADER - 1),
		   EMSGSIZE);
	rcx_expect(h, "a byte above the room", ioctl(area.fd, RCX_MMAP_PULL, WHOLE + 1), EMSGSIZE);
	rcx_expect(h, "4 GiB and a good one", ioctl(area.fd, RCX_MMAP_PULL, (1ul << 32) + WHOLE),
		   EMSGSIZE);
	rcx_expect(h, "a length of all bits", ioctl(area.fd, RCX_MMAP_PULL, ULONG_MAX), EMSGSIZE);
	rcx_expect(h, "kick", ioctl(area.fd, RCX_MMAP_KICK), EINVAL);
	close_area(&area);
}

/* ---- ring to the kernel ------------------------------------------------- */

static void fill(const struct area *area, uint32_t position, uint64_t seq)
{
	struct rcx_mmap_slot *at = slot(area, position);

	memcpy(at->message, rcx_good_message(area->h, BODY, seq), WHOLE);
	at->len = WHOLE;
}

static long kick_with(const struct area *area, uint32_t head)
{
	ends(area)->head = head;
	return ioctl(area->fd, RCX_MMAP_KICK);
}

static void try_kick(struct rcx_hostile *h)
{
	struct area area;

	rcx_topic(h, "ring to the kernel");
	rcx_core_bind(h, "", BODY, true);
	if (!open_area(h, &area, RCX_MMAP_TO_KERNEL, WHOLE, SLOTS))
		return;
	fill(&area, 0, 0);
	rcx_expect_value(h, "one message", kick_with(&area, 1), 1);
	rcx_expect_value(h, "none", kick_with(&area, 1), 0);
	rcx_expect(h, "a head that went back", kick_with(&area, 0), EINVAL);
	rcx_expect(h, "a head beyond the ring", kick_with(&area, 1 + SLOTS + 1), EINVAL);
	rcx_expect(h, "a head far away", kick_with(&area, 1u << 31), EINVAL);
	rcx_expect(h, "a head of all bits", kick_with(&area, UINT32_MAX), EINVAL);
	for (uint32_t i = 1; i <= SLOTS; i++)
		fill(&area, i, i);
	ends(&area)->tail = 12345;
	rcx_expect_value(h, "a full ring, with an impossible tail", kick_with(&area, 1 + SLOTS),
			 SLOTS);
	rcx_expect_value(h, "the tail is the kernel's again", ends(&area)->tail, 1 + SLOTS);

	for (uint32_t i = 0; i < 3; i++)
		fill(&area, 9 + i, 9 + i);
	slot(&area, 10)->len = UINT32_MAX;
	rcx_expect(h, "a bad message among three", kick_with(&area, 12), EBADMSG);
	rcx_expect_value(h, "is skipped", ends(&area)->tail, 11);
	rcx_expect(h, "and the next is out of order", ioctl(area.fd, RCX_MMAP_KICK), EBADMSG);
	fill(&area, 12, 10);
	rcx_expect_value(h, "until it is sent again", kick_with(&area, 13), 1);
	rcx_expect(h, "push", ioctl(area.fd, RCX_MMAP_PUSH), EINVAL);
	rcx_expect(h, "pull", ioctl(area.fd, RCX_MMAP_PULL, WHOLE), EINVAL);
	rcx_expect(h, "call", ioctl(area.fd, RCX_MMAP_CALL), EINVAL);
	close_area(&area);
}

/* Other threads overwrite the ring while the kernel consumes messages from it. */
static void try_kick_overwritten(struct rcx_hostile *h, bool validate)
{
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_overwriter head, slots;
	struct area area;

	rcx_topic(h, "ring to the kernel, overwritten%s", validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	if (!open_area(h, &area, RCX_MMAP_TO_KERNEL, 65536, SLOTS))
		return;
	rcx_overwrite(h, &head, (void *)(uintptr_t)ends(&area), sizeof(struct rcx_mmap_ends) / 4);
	rcx_overwrite(h, &slots, slot(&area, 0), 6);
	for (int i = 0; i < 500; i++) {
		uint32_t position = ends(&area)->tail;
		long result;

		fill(&area, position, position);
		ends(&area)->head = position + 1;
		usleep(1);
		result = ioctl(area.fd, RCX_MMAP_KICK);
		rcx_note(&outcomes, result, errno == EINVAL ? EINVAL : EBADMSG);
	}
	rcx_overwrite_end(&head);
	rcx_overwrite_end(&slots);
	rcx_expect_outcomes(h, "nothing but fine or refused", &outcomes);
	close_area(&area);
}

/* ---- ring to the user --------------------------------------------------- */

static void try_offer(struct rcx_hostile *h)
{
	struct area area;
	struct pollfd pfd = { .events = POLLIN };

	rcx_topic(h, "ring to the user");
	rcx_core_bind(h, "ring", BODY, true);
	if (!open_area(h, &area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	pfd.fd = area.fd;
	rcx_expect_value(h, "poll without an event", poll(&pfd, 1, 0), 0);
	rcx_expect_value(h, "refused of three", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "head", ends(&area)->head, 3);
	rcx_expect_value(h, "poll with events", poll(&pfd, 1, 0), 1);
	rcx_expect_value(h, "refused of as many as slots, 5 free",
			 rcx_core_emit(h, RCX_SOFTIRQ, SLOTS), 3);

	/* Impossible tails: the ring counts as full, without any other effect. */
	ends(&area)->tail = SLOTS + 1;
	rcx_expect_value(h, "refused, with a tail before the head",
			 rcx_core_emit(h, RCX_HARDIRQ, 5), 5);
	ends(&area)->tail = UINT32_MAX;
	rcx_expect_value(h, "refused, with a tail of all bits", rcx_core_emit(h, RCX_HARDIRQ, 5),
			 5);
	ends(&area)->tail = 1u << 31;
	rcx_expect_value(h, "refused, with a tail far away", rcx_core_emit(h, RCX_PROCESS, 5), 5);
	rcx_expect_value(h, "poll with such a tail", poll(&pfd, 1, 0), 1);

	/* The kernel does not read head back, whatever its value. */
	ends(&area)->tail = SLOTS;
	ends(&area)->head = 4711;
	memset(slot(&area, 0), 0xff, area.setup.stride * SLOTS);
	rcx_expect_value(h, "refused after all these", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "head is the kernel's again", ends(&area)->head, SLOTS + 1);
	rcx_expect_value(h, "and the message is at its place", slot(&area, SLOTS)->len, WHOLE);
	rcx_expect(h, "kick", ioctl(area.fd, RCX_MMAP_KICK), EINVAL);
	close_area(&area);
	rcx_expect_value(h, "refused without a ring", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
}

static void sleep_until_event(void *arg, int ms)
{
	const struct area *area = arg;
	struct pollfd pfd = { .fd = area->fd, .events = POLLIN };

	poll(&pfd, 1, ms);
}

static uint64_t drain(void *arg)
{
	const struct area *area = arg;
	uint32_t count = __atomic_load_n(&ends(area)->head, __ATOMIC_ACQUIRE) - ends(area)->tail;

	__atomic_store_n(&ends(area)->tail, ends(area)->tail + count, __ATOMIC_RELEASE);
	return count;
}

static void try_wakeups(struct rcx_hostile *h, uint32_t slots)
{
	struct area area;
	const struct rcx_sleepy_reader reader = { sleep_until_event, drain, &area };

	rcx_topic(h, "ring to the user, %u slots", slots);
	rcx_core_bind(h, "ring", BODY, false);
	if (!open_area(h, &area, RCX_MMAP_TO_USER, WHOLE, slots))
		return;
	rcx_try_wakeups(h, &reader);
	close_area(&area);
}

/* Events that are too large for one ring and fit another. */
static void try_two_rings(struct rcx_hostile *h)
{
	struct area small, large;

	rcx_topic(h, "two rings");
	rcx_core_bind(h, "ring", 4096, true);
	if (!open_area(h, &small, RCX_MMAP_TO_USER, WHOLE, SLOTS) ||
	    !open_area(h, &large, RCX_MMAP_TO_USER, RCX_HEADER + 4096, SLOTS))
		return;
	rcx_expect_value(h, "refused by both", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "head of the small one", ends(&small)->head, 0);
	rcx_expect_value(h, "head of the large one", ends(&large)->head, 1);
	close_area(&small);
	close_area(&large);
}

static void try_offer_overwritten(struct rcx_hostile *h, enum rcx_context context, bool validate)
{
	struct rcx_overwriter index, slots;
	struct area area;

	rcx_topic(h, "ring to user overwritten, %s%s", rcx_context_names[context],
		  validate ? " in validation" : "");
	rcx_core_bind(h, "ring", BODY, validate);
	if (!open_area(h, &area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	rcx_core_start(h, context, 1u << 30, 4, 1000);
	rcx_overwrite(h, &index, (void *)(uintptr_t)ends(&area), sizeof(struct rcx_mmap_ends) / 4);
	rcx_overwrite(h, &slots, slot(&area, 0), 6);
	for (int i = 0; i < 200; i++) {
		ends(&area)->tail = ends(&area)->head;
		usleep(20);
	}
	rcx_overwrite_end(&index);
	rcx_overwrite_end(&slots);
	close_area(&area);
	rcx_expect(h, "closed in the stream, then stopped", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_true(h, "some were emitted", h->page->emitted > 0);
}

/* ---- an eventfd as doorbell ---------------------------------------------- */

/* A ring to this process, and the eventfd that it sleeps in. */
struct bell {
	struct area area;
	int counter;
};

static long bell_at(void *arg, void *at)
{
	return ioctl(((struct area *)arg)->fd, RCX_MMAP_BELL, at);
}

static long set_bell(struct area *area, int counter)
{
	struct rcx_mmap_bell request = { .fd = counter };

	return bell_at(area, &request);
}

static int new_counter(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* The count of @counter, which becomes 0; 0 when there is none. */
static long take_count(int counter)
{
	uint64_t count;

	return read(counter, &count, sizeof(count)) == sizeof(count) ? (long)count : 0;
}

static void try_set_bell(struct rcx_hostile *h)
{
	struct rcx_mmap_bell request = { .flags = 1 };
	struct area area = { 0 };
	int counter = new_counter(), epoll = epoll_create1(EPOLL_CLOEXEC);

	rcx_topic(h, "set bell");
	area.fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC);
	rcx_expect(h, "before the setup", set_bell(&area, counter), ENXIO);
	close(area.fd);
	for (uint32_t kind = 0; kind < RCX_MMAP_KINDS; kind++) {
		if (kind == RCX_MMAP_TO_USER ||
		    !open_area(h, &area, kind, kind == RCX_MMAP_TABLE ? RCX_RECORD : WHOLE, 1))
			continue;
		rcx_expect(h, "another kind of area", set_bell(&area, counter), EINVAL);
		close_area(&area);
	}
	if (!open_area(h, &area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	request.fd = counter;
	rcx_expect(h, "an unknown flag", bell_at(&area, &request), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, bell_at, &area);
	rcx_expect(h, "a descriptor that is not open", set_bell(&area, 1 << 20), EBADF);
	rcx_expect(h, "a negative descriptor", set_bell(&area, -1), EBADF);
	rcx_expect(h, "the device itself", set_bell(&area, area.fd), EINVAL);
	rcx_expect(h, "an epoll instance", set_bell(&area, epoll), EINVAL);
	rcx_expect(h, "a good one after all these", set_bell(&area, counter), 0);
	rcx_expect(h, "a second one", set_bell(&area, counter), EBUSY);
	close_area(&area);
	close(epoll);
	close(counter);
}

/* What this process writes into asleep decides about its own wake-ups, and about nothing else. */
static void try_asleep(struct rcx_hostile *h)
{
	struct bell bell = { .counter = new_counter() };
	struct area *area = &bell.area;

	rcx_topic(h, "asleep");
	rcx_core_bind(h, "ring-eventfd", BODY, true);
	if (!open_area(h, area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	rcx_expect(h, "set the eventfd", set_bell(area, bell.counter), 0);
	rcx_expect_value(h, "refused while awake", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals while awake", take_count(bell.counter), 0);
	ends(area)->asleep = 1;
	rcx_expect_value(h, "refused while asleep", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "signals while asleep", take_count(bell.counter), 1);
	rcx_expect_value(h, "the kernel has woken it", ends(area)->asleep, 0);
	ends(area)->tail = ends(area)->head;
	ends(area)->asleep = UINT32_MAX;
	rcx_expect_value(h, "refused with another value", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect_value(h, "signals with another value", take_count(bell.counter), 1);
	ends(area)->tail = ends(area)->head;
	ends(area)->asleep = 1;
	rcx_expect_value(h, "refused of more than the slots",
			 rcx_core_emit(h, RCX_SOFTIRQ, SLOTS + 3), 3);
	rcx_expect_value(h, "signals for all of them", take_count(bell.counter), 1);
	ends(area)->asleep = 1;
	rcx_expect_value(h, "refused when full", rcx_core_emit(h, RCX_HARDIRQ, 2), 2);
	rcx_expect_value(h, "signals when full", take_count(bell.counter), 0);
	close(bell.counter);
	ends(area)->tail = ends(area)->head;
	ends(area)->asleep = 1;
	rcx_expect_value(h, "refused with a closed eventfd", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	close_area(area);
}

/* Another thread writes asleep and tail while events are emitted. */
static void try_asleep_overwritten(struct rcx_hostile *h, enum rcx_context context)
{
	struct rcx_overwriter overwriter;
	struct bell bell = { .counter = new_counter() };

	rcx_topic(h, "asleep overwritten");
	rcx_core_bind(h, "ring-eventfd", BODY, true);
	if (!open_area(h, &bell.area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	set_bell(&bell.area, bell.counter);
	rcx_overwrite(h, &overwriter, &ends(&bell.area)->tail, 2);
	rcx_core_start(h, context, 2000, 4, 20000);
	rcx_expect_true(h, "the producer ends", rcx_core_ended(h, 10000));
	rcx_overwrite_end(&overwriter);
	close_area(&bell.area);
	close(bell.counter);
}

static void bell_sleep(void *arg, int ms)
{
	struct bell *bell = arg;
	struct pollfd pfd = { .fd = bell->counter, .events = POLLIN };

	__atomic_store_n(&ends(&bell->area)->asleep, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&ends(&bell->area)->head, __ATOMIC_ACQUIRE) == ends(&bell->area)->tail)
		poll(&pfd, 1, ms);
	ends(&bell->area)->asleep = 0;
	take_count(bell->counter);
}

static uint64_t bell_drain(void *arg)
{
	return drain(&((struct bell *)arg)->area);
}

static void try_bell_wakeups(struct rcx_hostile *h, uint32_t slots)
{
	struct bell bell = { .counter = new_counter() };
	const struct rcx_sleepy_reader reader = { bell_sleep, bell_drain, &bell };

	rcx_topic(h, "wake-ups by an eventfd, %u slots", slots);
	rcx_core_bind(h, "ring-eventfd", BODY, true);
	if (!open_area(h, &bell.area, RCX_MMAP_TO_USER, WHOLE, slots))
		return;
	rcx_expect(h, "set the eventfd", set_bell(&bell.area, bell.counter), 0);
	rcx_try_wakeups(h, &reader);
	close_area(&bell.area);
	close(bell.counter);
}

static long sleep_in_bell(void *arg)
{
	struct bell *bell = arg;
	struct pollfd pfd = { .fd = bell->counter, .events = POLLIN };

	ends(&bell->area)->asleep = 1;
	return poll(&pfd, 1, -1);
}

static void try_bell_closing(struct rcx_hostile *h)
{
	struct bell bell = { .counter = new_counter() };
	struct rcx_outcomes outcomes = { 0 };
	struct rcx_sleeper thread;

	rcx_topic(h, "bell that goes");
	rcx_core_bind(h, "ring-eventfd", BODY, true);
	if (!open_area(h, &bell.area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	rcx_expect(h, "set the eventfd", set_bell(&bell.area, bell.counter), 0);
	rcx_try_kill(h, "killed in its sleep", sleep_in_bell, &bell);
	rcx_sleep_in(h, &thread, sleep_in_bell, &bell);
	rcx_sleeper_interrupt(&thread);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&thread), EINTR);
	rcx_sleep_in(h, &thread, sleep_in_bell, &bell);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect_value(h, "woken by the event", rcx_sleeper_end(&thread), 1);
	close_area(&bell.area);
	close(bell.counter);

	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		bell.counter = new_counter();
		if (!open_area(h, &bell.area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
			break;
		rcx_note(&outcomes, set_bell(&bell.area, bell.counter), 0);
		bell_drain(&bell); /* events before the registration */
		bell_sleep(&bell, 1000);
		errno = ETIMEDOUT;
		rcx_note(&outcomes, bell_drain(&bell) ? 0 : -1, 0);
		if (i % 2)
			close(bell.counter);
		close_area(&bell.area);
		if (i % 2 == 0)
			close(bell.counter);
	}
	rcx_expect_outcomes(h, "set and closed in a stream", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void try_bells(struct rcx_hostile *h)
{
	try_set_bell(h);
	try_asleep(h);
	for (int context = 0; context < RCX_CONTEXTS; context++)
		try_asleep_overwritten(h, (enum rcx_context)context);
	try_bell_wakeups(h, SLOTS);
	try_bell_wakeups(h, 1);
	try_bell_closing(h);
}

/* ---- files that are closed ---------------------------------------------- */

static long ring_until_closed(void *arg)
{
	const struct area *area = arg;
	long turns = 0;

	while (ioctl(area->fd, RCX_MMAP_PUSH) == 0 || errno == EBADMSG)
		turns++;
	return errno == EBADF ? turns : -1;
}

static long sleep_in_poll(void *arg)
{
	const struct area *area = arg;
	struct pollfd pfd = { .fd = area->fd, .events = POLLIN };

	return poll(&pfd, 1, -1);
}

static void try_closing(struct rcx_hostile *h)
{
	struct rcx_sleeper thread;
	struct area area;

	rcx_topic(h, "closing");
	rcx_core_bind(h, "ring", BODY, true);
	if (!open_area(h, &area, RCX_MMAP_PAGE, WHOLE, 1))
		return;
	rcx_sleep_in(h, &thread, ring_until_closed, &area);
	munmap(area.map, area.setup.len);
	close(area.fd);
	rcx_expect(h, "unmapped and closed while another rings", rcx_sleeper_end(&thread), 0);

	if (!open_area(h, &area, RCX_MMAP_TO_USER, WHOLE, SLOTS))
		return;
	rcx_try_kill(h, "killed in poll", sleep_in_poll, &area);
	rcx_sleep_in(h, &thread, sleep_in_poll, &area);
	rcx_sleeper_interrupt(&thread);
	rcx_expect(h, "interrupted in poll", rcx_sleeper_end(&thread), EINTR);
	rcx_sleep_in(h, &thread, sleep_in_poll, &area);
	close(area.fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect_value(h, "closed in poll, it is still woken", rcx_sleeper_end(&thread), 1);
	munmap(area.map, area.setup.len);
}

static bool known(unsigned int cmd)
{
	return cmd == RCX_MMAP_SETUP || cmd == RCX_MMAP_BELL ||
	       (cmd >= RCX_MMAP_PUSH && cmd <= RCX_MMAP_DUMP);
}

static void try_device(struct rcx_hostile *h)
{
	int fd = open(RCX_MMAP_DEVICE, O_RDWR | O_CLOEXEC);

	rcx_topic(h, "device");
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_commands(h, fd, known);
	close(fd);
	rcx_try_nobody_opens(h, RCX_MMAP_DEVICE);
}

/* ---- upcalls --------------------------------------------------------------- */

#define FDS 64

static struct area serving[FDS]; /* by file descriptor */

static int server_open(struct rcx_hostile *h)
{
	struct area area;

	if (!open_area(h, &area, RCX_MMAP_UPCALL, WHOLE + BODY, 1) || area.fd >= FDS)
		return -1;
	serving[area.fd] = area;
	return area.fd;
}

static long server_take(int fd, void *to, size_t len)
{
	const struct area *area = &serving[fd];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, 2000) != 1 || slot(area, 0)->len != len)
		return -1;
	memcpy(to, slot(area, 0)->message, len);
	ends(area)->tail = ends(area)->head;
	return (long)len;
}

/* The slot has no more room than this, so a longer reply only states its length. */
static long server_answer(int fd, const void *from, size_t len)
{
	const struct area *area = &serving[fd];

	memcpy(slot(area, 0)->message, from, len < WHOLE + BODY ? len : WHOLE + BODY);
	slot(area, 0)->len = (uint32_t)len;
	return ioctl(fd, RCX_MMAP_ANSWER);
}

/* A mapping holds the file. */
static void server_close(int fd)
{
	close_area(&serving[fd]);
}

/* The header and length of a reply change while the kernel reads them: a good reply or none. */
static void try_answer_overwritten(struct rcx_hostile *h)
{
	struct rcx_outcomes replies = { 0 };
	int fd = server_open(h);

	for (int turn = 0; turn < 100 && fd >= 0; turn++) {
		struct rcx_mmap_slot *reply = slot(&serving[fd], 0);
		struct rcx_msg *msg = (struct rcx_msg *)reply->message;
		struct rcx_overwriter other;

		rcx_core_bind(h, "page", BODY, false);
		rcx_core_ask(h, 1, 10000);
		server_take(fd, h->message, WHOLE);
		msg->seq = UINT64_MAX;
		rcx_overwrite(h, &other, turn & 1 ? &reply->len : &msg->size, turn & 1 ? 1 : 4);
		for (int i = 0; i < 20; i++)
			if (!ioctl(fd, RCX_MMAP_ANSWER))
				break;
		rcx_overwrite_end(&other);
		ioctl(h->core, RCX_CORE_STOP);
		rcx_note(&replies, h->page->done ? 0 : -1, 0);
	}
	rcx_expect_outcomes(h, "waits for a reply that changes", &replies);
	close_area(&serving[fd]);
}

static void try_serving(struct rcx_hostile *h)
{
	static const struct rcx_server server = {
		.mode = "page",
		.open = server_open,
		.close = server_close,
		.take = server_take,
		.answer = server_answer,
		.too_short = EINVAL,
	};
	struct area area;

	rcx_try_upcalls(h, &server);
	rcx_topic(h, "upcall");
	rcx_core_bind(h, "page", BODY, true);
	open_area(h, &area, RCX_MMAP_UPCALL, WHOLE - 1, 1);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "an area without room for the request", EMSGSIZE);
	rcx_expect(h, "the doorbell of a page", ioctl(area.fd, RCX_MMAP_PUSH), EINVAL);
	rcx_expect(h, "the doorbell of a ring", ioctl(area.fd, RCX_MMAP_KICK), EINVAL);
	close_area(&area);
	open_area(h, &area, RCX_MMAP_PAGE, WHOLE, 1);
	rcx_expect(h, "a reply in a page", ioctl(area.fd, RCX_MMAP_ANSWER), EINVAL);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "a page is no server", ENOTCONN);
	close_area(&area);
	try_answer_overwritten(h);
}

static void mmap_hostile(struct rcx_hostile *h)
{
	try_setup(h);
	try_map(h);
	try_outlive(h);
	try_tables(h);
	for (int validate = 0; validate < 2; validate++) {
		try_page_messages(h, RCX_MMAP_PUSH, "push", validate);
		try_page_messages(h, RCX_MMAP_CALL, "call", validate);
		try_page_overwritten(h, RCX_MMAP_PUSH, "push", BODY, validate, 500);
		try_page_overwritten(h, RCX_MMAP_CALL, "call", BODY, validate, 500);
		try_kick_overwritten(h, validate);
		for (int context = 0; context < RCX_CONTEXTS; context++)
			try_offer_overwritten(h, (enum rcx_context)context, validate);
	}
	/* Long enough for the other thread to write between two reads of the kernel. */
	try_page_overwritten(h, RCX_MMAP_PUSH, "push", RCX_BODY_MAX, true, 40);
	try_page_overwritten(h, RCX_MMAP_CALL, "call", RCX_BODY_MAX, true, 40);
	try_pull(h);
	try_kick(h);
	try_offer(h);
	try_wakeups(h, SLOTS);
	try_wakeups(h, 1);
	try_two_rings(h);
	try_bells(h);
	try_closing(h);
	try_device(h);
	try_serving(h);
}
RCX_HOSTILE(mmap, mmap_hostile);
