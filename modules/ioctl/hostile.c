// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)

/* One open file, and whether its commands use the indirect form. */
struct target {
	struct rcx_hostile *h;
	int fd;
	bool indirect;
};

static bool known(unsigned int cmd)
{
	unsigned int len = _IOC_SIZE(cmd);

	return cmd == RCX_IOCTL_PUSH(len) || cmd == RCX_IOCTL_PULL(len) ||
	       cmd == RCX_IOCTL_CALL(len) || cmd == RCX_IOCTL_NEXT(len) ||
	       cmd == RCX_IOCTL_DUMP(len) || cmd == RCX_IOCTL_DUMP_AT || cmd == RCX_IOCTL_PUSH_AT ||
	       cmd == RCX_IOCTL_PULL_AT || cmd == RCX_IOCTL_CALL_AT || cmd == RCX_IOCTL_NEXT_AT;
}

/* Command @nr for @len bytes at @at. */
static long command(const struct target *target, unsigned int nr, const void *at, size_t len)
{
	static const unsigned int directions[] = { _IOC_WRITE, _IOC_READ, _IOC_READ | _IOC_WRITE,
						   _IOC_READ };
	static const unsigned long indirect[] = { RCX_IOCTL_PUSH_AT, RCX_IOCTL_PULL_AT,
						  RCX_IOCTL_CALL_AT, RCX_IOCTL_NEXT_AT };
	struct rcx_ioctl_buffer buffer = { .address = (uintptr_t)at, .len = (uint32_t)len };

	if (target->indirect)
		return ioctl(target->fd, indirect[nr - RCX_IOCTL_NR_PUSH], &buffer);
	return ioctl(target->fd, _IOC(directions[nr - RCX_IOCTL_NR_PUSH], 'x', nr, len), at);
}

static long push(void *arg, const struct rcx_msg *msg, size_t len)
{
	return command(arg, RCX_IOCTL_NR_PUSH, msg, len);
}

static long call(void *arg, const struct rcx_msg *msg, size_t len)
{
	return command(arg, RCX_IOCTL_NR_CALL, msg, len);
}

static long push_at(void *arg, void *at)
{
	return command(arg, RCX_IOCTL_NR_PUSH, at, WHOLE);
}

static long pull_at(void *arg, void *at)
{
	return command(arg, RCX_IOCTL_NR_PULL, at, WHOLE);
}

static long call_at(void *arg, void *at)
{
	return command(arg, RCX_IOCTL_NR_CALL, at, WHOLE);
}

static long next(const struct target *target)
{
	return command(target, RCX_IOCTL_NR_NEXT, target->h->message, WHOLE);
}

/* Emit a new event each time, because a failed fetch loses its event. */
static long next_at(void *arg, void *at)
{
	const struct target *target = arg;

	while (!next(target))
		;
	if (!rcx_core_start(target->h, RCX_HARDIRQ, 1, 1, 0) || !rcx_core_ended(target->h, 1000))
		return 0;
	return command(target, RCX_IOCTL_NR_NEXT, at, WHOLE);
}

/* ---- messages ----------------------------------------------------------- */

/* A length that needs more than 14 bits is encoded as 0. */
static struct rcx_sender sender(struct target *target,
				long (*send)(void *, const struct rcx_msg *, size_t))
{
	return (struct rcx_sender){
		.send = send,
		.arg = target,
		.body_max = target->indirect ? RCX_BODY_MAX : RCX_IOCTL_DIRECT_MAX - RCX_HEADER,
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EINVAL,
	};
}

static void try_messages(struct rcx_hostile *h, struct target *target, bool validate)
{
	struct rcx_sender pushes = sender(target, push), calls = sender(target, call);

	rcx_topic(h, "%s push%s", target->indirect ? "indirect" : "direct",
		  validate ? " in validation" : "");
	rcx_try_messages(h, &pushes, validate);
	rcx_try_overwritten(h, &pushes, BODY, 200);
	rcx_try_overwritten(h, &pushes, target->indirect ? RCX_BODY_MAX : 8192, 20);
	rcx_try_addresses(h, "message", RCX_KERNEL_READS, push_at, target);

	rcx_topic(h, "%s call%s", target->indirect ? "indirect" : "direct",
		  validate ? " in validation" : "");
	calls.seq = pushes.seq;
	rcx_try_messages(h, &calls, validate);
	rcx_try_overwritten(h, &calls, BODY, 200);
	rcx_try_addresses(h, "message", RCX_KERNEL_READS, call_at, target);
	rcx_try_request(h, &calls, h->message, validate);
	rcx_expect(h, "a reply as a request", call(target, h->message, WHOLE), EBADMSG);
}

static void try_pull(struct rcx_hostile *h, struct target *target)
{
	rcx_topic(h, "%s pull", target->indirect ? "indirect" : "direct");
	rcx_expect(h, "a good one", pull_at(target, h->message), 0);
	rcx_expect_true(h, "it is whole", h->message->size == BODY);
	rcx_expect(h, "of no bytes", command(target, RCX_IOCTL_NR_PULL, h->message, 0), EINVAL);
	rcx_expect(h, "a byte less than a header",
		   command(target, RCX_IOCTL_NR_PULL, h->message, RCX_HEADER - 1), EINVAL);
	rcx_try_addresses(h, "room", RCX_KERNEL_WRITES, pull_at, target);
}

/* ---- events ------------------------------------------------------------- */

static void try_events(struct rcx_hostile *h, struct target *target)
{
	rcx_topic(h, "%s next", target->indirect ? "indirect" : "direct");
	rcx_core_bind(h, target->indirect ? "indirect" : "direct", BODY, true);
	while (!next(target))
		;
	rcx_expect(h, "no event", next(target), EAGAIN);
	rcx_expect(h, "an event", next_at(target, h->message), 0);
	rcx_expect_true(h, "it is whole", rcx_is_whole(h->message, BODY, true));
	rcx_try_addresses(h, "room", RCX_KERNEL_WRITES, next_at, target);
	rcx_core_start(h, RCX_SOFTIRQ, 2, 2, 0);
	rcx_core_ended(h, 1000);
	rcx_expect(h, "room for a byte less",
		   command(target, RCX_IOCTL_NR_NEXT, h->message, WHOLE - 1), EMSGSIZE);
	rcx_expect(h, "no room", command(target, RCX_IOCTL_NR_NEXT, h->message, 0), EINVAL);
	rcx_core_start(h, RCX_PROCESS, 1000, 1000, 0);
	rcx_core_ended(h, 1000);
	rcx_expect_true(h, "events are refused when the queue is full",
			rcx_core_counts(h).refused >= 744);
	rcx_expect(h, "and the oldest is there", next(target), 0);
}

static long sleep_for_next(void *arg)
{
	return next(arg);
}

static void try_sleep(struct rcx_hostile *h)
{
	struct target target = { h, open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC), false };
	struct rcx_sleeper sleeper;

	rcx_topic(h, "asleep");
	rcx_sleep_in(h, &sleeper, sleep_for_next, &target);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "killed", sleep_for_next, &target);

	rcx_sleep_in(h, &sleeper, sleep_for_next, &target);
	rcx_good_message(h, BODY, 0);
	rcx_expect(h, "a push on the same file", push(&target, h->message, WHOLE), 0);
	close(target.fd);
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_expect(h, "closed, it still gets the event", rcx_sleeper_end(&sleeper), 0);
}

static long push_message(void *arg)
{
	const struct target *target = arg;

	return push_at(arg, target->h->message);
}

/* A push whose message lies in a page that is missing at first. */
struct late_push {
	struct target *target;
	void *page;
};

static long push_late(void *arg)
{
	const struct late_push *push = arg;

	return push_at(push->target, push->page);
}

/*
 * One thread is stuck in the copy and holds the lock of the file.  A signal interrupts a
 * thread that waits for the lock, but not if the thread has already taken an event.
 */
static void try_stuck(struct rcx_hostile *h)
{
	struct target target = { h, open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC), false };
	struct late_push push = { .target = &target };
	struct rcx_sleeper stuck, behind;
	struct rcx_late_page late;

	rcx_topic(h, "behind a stuck thread");
	rcx_core_bind(h, "direct", BODY, true);
	push.page = rcx_late_page(h, &late);
	rcx_good_message(h, BODY, 0);
	rcx_sleep_in(h, &stuck, push_late, &push);
	rcx_sleep_in(h, &behind, push_message, &target);
	rcx_sleeper_interrupt(&behind);
	rcx_expect(h, "another is interrupted", rcx_sleeper_end(&behind), EINTR);
	rcx_try_kill(h, "another is killed", push_message, &target);

	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_core_ended(h, 1000);
	rcx_sleep_in(h, &behind, sleep_for_next, &target);
	rcx_sleeper_interrupt(&behind);
	rcx_late_page_provide(h, &late);
	rcx_expect(h, "the stuck one has no message", rcx_sleeper_end(&stuck), EBADMSG);
	rcx_expect(h, "an event is not lost to a signal", rcx_sleeper_end(&behind), 0);
	close(target.fd);
}

/* Files are opened and closed while events are emitted. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		struct target target = { h, open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC), i & 1 };

		rcx_note(&outcomes, next(&target), 0);
		close(target.fd);
	}
	rcx_expect_outcomes(h, "opened and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

/* ---- dumps --------------------------------------------------------------- */

#define RECORDS 200u /* four pages, and within the 14 bits of a direct command */
#define ROOM	(RECORDS * RCX_RECORD)

static long dump(const struct target *target, void *at, uint32_t len)
{
	struct rcx_ioctl_buffer buffer = { .address = (uintptr_t)at, .len = len };

	if (target->indirect)
		return ioctl(target->fd, RCX_IOCTL_DUMP_AT, &buffer);
	return ioctl(target->fd, RCX_IOCTL_DUMP(len), at);
}

static long dump_at(void *arg, void *at)
{
	return dump(arg, at, ROOM) == RECORDS ? 0 : -1;
}

static long dump_late(void *arg)
{
	const struct late_push *late = arg;

	return dump(late->target, late->page, RCX_RECORD);
}

/* A dump whose array is not there yet holds the lock of its file, but no other. */
static void try_dump_behind(struct rcx_hostile *h, struct target *target, struct rcx_record *table)
{
	struct target other = { h, open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC), target->indirect };
	struct late_push late = { .target = target };
	struct rcx_late_page page;
	struct rcx_sleeper stuck;

	rcx_core_bind_table(h, 1);
	late.page = rcx_late_page(h, &page);
	rcx_sleep_in(h, &stuck, dump_late, &late);
	rcx_expect_value(h, "a dump of another open", dump(&other, table, RCX_RECORD), 1);
	rcx_expect_true(h, "bind a longer table", rcx_core_bind_table(h, RECORDS));
	rcx_late_page_provide(h, &page);
	rcx_expect_value(h, "the stuck one has the old length", rcx_sleeper_end(&stuck), 1);
	close(other.fd);
}

static void try_dump(struct rcx_hostile *h, bool indirect)
{
	struct target target = { h, open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC), indirect };
	struct rcx_record *table = (struct rcx_record *)h->message;

	rcx_topic(h, "%s dump", indirect ? "indirect" : "direct");
	rcx_core_bind_table(h, RECORDS);
	rcx_expect_value(h, "a good one", dump(&target, table, ROOM), RECORDS);
	rcx_expect_true(h, "it is whole", rcx_is_table(table, RECORDS, 0));
	table[RECORDS].index = 0x5a5a;
	rcx_expect_value(h, "with room for one more", dump(&target, table, ROOM + RCX_RECORD),
			 RECORDS);
	rcx_expect_true(h, "which is not written", table[RECORDS].index == 0x5a5a);
	rcx_expect_true(h, "and it is the next dump", rcx_is_table(table, RECORDS, 1));
	rcx_expect(h, "room for one less", dump(&target, table, ROOM - RCX_RECORD), ENOSPC);
	rcx_expect(h, "no room", dump(&target, table, 0), ENOSPC);
	rcx_expect(h, "a byte more", dump(&target, table, ROOM + 1), EINVAL);
	rcx_expect(h, "half a record", dump(&target, table, RCX_RECORD / 2), EINVAL);
	rcx_try_addresses(h, "array", RCX_KERNEL_WRITES, dump_at, &target);
	rcx_core_bind_table(h, 0);
	rcx_expect_value(h, "without a table", dump(&target, table, ROOM), 0);
	if (indirect) {
		rcx_core_bind_table(h, 1);
		rcx_expect(h, "4 GiB", dump(&target, table, UINT32_MAX), EINVAL);
		rcx_expect_value(h, "a table of 1 in 4 GiB",
				 dump(&target, table, UINT32_MAX - (RCX_RECORD - 1)), 1);
	}
	try_dump_behind(h, &target, table);
	close(target.fd);
}

/* ---- the argument of the indirect commands ------------------------------ */

static long argument_at(void *arg, void *at)
{
	return ioctl(((const struct target *)arg)->fd, RCX_IOCTL_PUSH_AT, at);
}

static void try_argument(struct rcx_hostile *h, struct target *target)
{
	struct rcx_ioctl_buffer buffer = { (uintptr_t)h->message, WHOLE, 0 };

	rcx_topic(h, "indirect argument");
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, argument_at, target);
	for (unsigned int bit = 0; bit < 32; bit += 31) {
		buffer.flags = 1u << bit;
		rcx_expect(h, "an unknown flag", argument_at(target, &buffer), EINVAL);
	}
	buffer.flags = 0;
	buffer.len = UINT32_MAX;
	rcx_expect(h, "4 GiB", argument_at(target, &buffer), EINVAL);
	buffer.len = INT32_MAX;
	rcx_expect(h, "2 GiB", argument_at(target, &buffer), EINVAL);
	buffer.len = 0x10000 + WHOLE;
	rcx_expect(h, "a length that 16 bits would cut to a good one", argument_at(target, &buffer),
		   EBADMSG);
}

/* ---- upcalls --------------------------------------------------------------- */

static bool known_upcall(unsigned int cmd)
{
	unsigned int len = _IOC_SIZE(cmd);

	return cmd == RCX_IOCTL_TAKE(len) || cmd == RCX_IOCTL_ANSWER(len) ||
	       cmd == RCX_IOCTL_TAKE_AT || cmd == RCX_IOCTL_ANSWER_AT;
}

static int upcall_open(struct rcx_hostile *h)
{
	(void)h;
	return open(RCX_IOCTL_UPCALL_DEVICE, O_RDWR | O_CLOEXEC);
}

/* An ioctl returns no length. */
static long direct_take(int fd, void *to, size_t len)
{
	return ioctl(fd, RCX_IOCTL_TAKE(len), to) ? -1 : (long)len;
}

static long direct_answer(int fd, const void *from, size_t len)
{
	return ioctl(fd, RCX_IOCTL_ANSWER(len), from);
}

static long indirect_take(int fd, void *to, size_t len)
{
	struct rcx_ioctl_buffer buffer = { .address = (uintptr_t)to, .len = (uint32_t)len };

	return ioctl(fd, RCX_IOCTL_TAKE_AT, &buffer) ? -1 : (long)len;
}

static long indirect_answer(int fd, const void *from, size_t len)
{
	struct rcx_ioctl_buffer buffer = { .address = (uintptr_t)from, .len = (uint32_t)len };

	return ioctl(fd, RCX_IOCTL_ANSWER_AT, &buffer);
}

static long take_at(void *arg, void *at)
{
	return direct_take(*(int *)arg, at, WHOLE);
}

static long take_buffer_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_IOCTL_TAKE_AT, at);
}

static void try_upcall_device(struct rcx_hostile *h)
{
	struct rcx_ioctl_buffer buffer = { .len = WHOLE, .flags = 1 };
	int fd = open(RCX_IOCTL_UPCALL_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	rcx_topic(h, "upcall device");
	rcx_core_bind(h, "direct", BODY, true);
	rcx_expect(h, "no request", direct_take(fd, h->message, WHOLE), EAGAIN);
	rcx_core_ask(h, 1, 1000);
	usleep(20000);
	rcx_expect(h, "a size one byte too short", direct_take(fd, h->message, WHOLE - 1),
		   EMSGSIZE);
	rcx_expect(h, "an unknown flag", ioctl(fd, RCX_IOCTL_TAKE_AT, &buffer), EINVAL);
	rcx_expect(h, "the same for a reply", ioctl(fd, RCX_IOCTL_ANSWER_AT, &buffer), EINVAL);
	rcx_try_addresses(h, "take", RCX_KERNEL_WRITES, take_at, &fd);
	rcx_try_addresses(h, "buffer", RCX_KERNEL_READS, take_buffer_at, &fd);
	rcx_expect(h, "it is not lost", direct_take(fd, h->message, WHOLE), 0);
	rcx_try_no_io(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known_upcall);
	close(fd);
	rcx_try_nobody_opens(h, RCX_IOCTL_UPCALL_DEVICE);
}

static void try_upcalls(struct rcx_hostile *h)
{
	static const struct rcx_server servers[] = {
		{
			.mode = "direct",
			.open = upcall_open,
			.take = direct_take,
			.answer = direct_answer,
			.too_short = EINVAL,
		},
		{
			.mode = "indirect",
			.open = upcall_open,
			.take = indirect_take,
			.answer = indirect_answer,
			.too_short = EINVAL,
		},
	};

	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		rcx_try_upcalls(h, &servers[i]);
	try_upcall_device(h);
}

static void ioctl_hostile(struct rcx_hostile *h)
{
	struct target target = { .h = h };

	for (int validate = 0; validate < 2; validate++)
		for (int indirect = 0; indirect < 2; indirect++) {
			rcx_core_bind(h, "direct", BODY, validate);
			target.indirect = indirect;
			target.fd = open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
			rcx_expect(h, "open", target.fd, 0);
			try_messages(h, &target, validate);
			try_pull(h, &target);
			try_events(h, &target);
			close(target.fd);
		}

	target.fd = open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	try_argument(h, &target);
	rcx_topic(h, "device");
	rcx_try_no_io(h, target.fd);
	rcx_try_no_seek(h, target.fd);
	rcx_try_no_map(h, target.fd);
	rcx_try_commands(h, target.fd, known);
	close(target.fd);
	rcx_try_nobody_opens(h, RCX_IOCTL_DEVICE);
	try_sleep(h);
	try_stuck(h);
	try_leaving(h);
	try_upcalls(h);
	try_dump(h, false);
	try_dump(h, true);
}
RCX_HOSTILE(ioctl, ioctl_hostile);
