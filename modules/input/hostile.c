// SPDX-License-Identifier: GPL-2.0-only
/* Everything that evdev lets a user do to the device and to its other users. */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"
#include "node.h"

#define HOLDS 31 /* packets of the kernel half that the buffer of a file holds */

static char node[64];

static int open_node(int flags)
{
	return open(node, flags | O_CLOEXEC);
}

static long send_event(int fd, unsigned int type, unsigned int code, uint32_t value)
{
	const struct input_event event = {
		.type = (uint16_t)type,
		.code = (uint16_t)code,
		.value = (int)value,
	};

	return write(fd, &event, sizeof(event)) == sizeof(event) ? 0 : -1;
}

static long push(int fd, uint32_t seq)
{
	return send_event(fd, EV_MSC, RCX_INPUT_PUSH, seq);
}

/* Result of draining a file. */
struct drained {
	long events;	      /* events of the kernel half */
	long dropped;	      /* events SYN_DROPPED */
	uint32_t first, last; /* sequence numbers */
};

static struct drained drain(int fd)
{
	struct drained result = { 0 };
	struct input_event event;

	while (read(fd, &event, sizeof(event)) == sizeof(event)) {
		result.dropped += event.type == EV_SYN && event.code == SYN_DROPPED;
		if (event.type != EV_MSC || event.code != RCX_INPUT_EVENT)
			continue;
		result.last = (uint32_t)event.value;
		if (!result.events++)
			result.first = result.last;
	}
	return result;
}

/* ---- writing ------------------------------------------------------------ */

static long write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, sizeof(struct input_event));
}

static long read_at(void *arg, void *at)
{
	return read(*(int *)arg, at, sizeof(struct input_event));
}

static void try_lengths(struct rcx_hostile *h, int fd)
{
	struct input_event two[2] = {
		{ .type = EV_MSC, .code = RCX_INPUT_PUSH, .value = 1 },
		{ .type = EV_MSC, .code = RCX_INPUT_PUSH, .value = 2 },
	};

	rcx_expect_value(h, "nothing", write(fd, two, 0), 0);
	rcx_expect(h, "a byte", write(fd, two, 1), EINVAL);
	rcx_expect(h, "a byte less than an event", write(fd, two, sizeof(two[0]) - 1), EINVAL);
	rcx_expect_value(h, "a byte less than two events", write(fd, two, sizeof(two) - 1),
			 sizeof(two[0]));
	rcx_expect_value(h, "its second event alone", write(fd, two + 1, sizeof(two[1])),
			 sizeof(two[1]));
	rcx_expect_value(h, "consumed by then", (long)rcx_core_counts(h).consumed, 3);
}

/* The input core drops events that the device does not have; the hook checks the others. */
static void try_kinds(struct rcx_hostile *h, int fd)
{
	static const unsigned int codes[] = { 0, 1, 2, 4, 5, 63, 255, 0x2ff, 0x300, 0xffff };
	struct rcx_counts before = rcx_core_counts(h), after;
	struct rcx_outcomes outcomes = { 0 };

	for (unsigned int type = 0; type < 0x10000; type += type < 0x24 ? 1 : 0x3fd)
		for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
			if (type != EV_MSC || codes[i] != RCX_INPUT_PUSH)
				rcx_note(&outcomes, send_event(fd, type, codes[i], 0x12345678), 0);
	after = rcx_core_counts(h);
	rcx_expect_outcomes(h, "events of other kinds", &outcomes);
	rcx_expect_value(h, "of these consumed", (long)(after.consumed - before.consumed), 0);
	rcx_expect_value(h, "of these refused", (long)(after.bad - before.bad), 0);
}

static void try_numbers(struct rcx_hostile *h, int fd)
{
	static const uint32_t wrong[] = { 0, 2, 4, 1u << 31, UINT32_MAX };
	struct rcx_counts before = rcx_core_counts(h), after;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rcx_expect(h, "a wrong number is no error to the writer", push(fd, wrong[i]), 0);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "wrong numbers counted", (long)(after.bad - before.bad), 5);
	rcx_expect_value(h, "wrong numbers consumed", (long)(after.consumed - before.consumed), 0);
	rcx_expect(h, "the right one after these", push(fd, 3), 0);
	rcx_expect_value(h, "consumed", (long)(rcx_core_counts(h).consumed - before.consumed), 1);
}

static void try_writes(struct rcx_hostile *h)
{
	int fd, blind, reader;
	struct stat status;

	rcx_topic(h, "write");
	fd = open_node(O_RDWR | O_NONBLOCK);
	rcx_expect(h, "open", fd, 0);
	rcx_expect_true(h, "the node is for its owner alone",
			!fstat(fd, &status) && !(status.st_mode & 077) && !status.st_uid);
	rcx_expect(h, "a good event", push(fd, 0), 0);
	rcx_expect_value(h, "consumed", (long)rcx_core_counts(h).consumed, 1);
	try_lengths(h, fd);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, write_at, &fd);
	try_numbers(h, fd);
	try_kinds(h, fd);

	reader = open_node(O_RDONLY | O_NONBLOCK);
	rcx_expect(h, "write on a file to read", push(reader, 4), EBADF);
	blind = open_node(O_WRONLY);
	rcx_expect(h, "read on a file to write", read_at(&blind, h->message), EBADF);
	rcx_expect(h, "an event with the kernel's code",
		   send_event(blind, EV_MSC, RCX_INPUT_EVENT, 7), 0);
	rcx_expect(h, "the end of its packet", send_event(blind, EV_SYN, SYN_REPORT, 0), 0);
	rcx_expect_value(h, "readers see it as one of the kernel's", drain(reader).last, 7);
	rcx_expect_value(h, "the kernel half does not", (long)rcx_core_counts(h).consumed, 4);
	close(blind);
	close(reader);
	close(fd);
}

/* ---- reading ------------------------------------------------------------ */

static void try_reads(struct rcx_hostile *h)
{
	int fd = open_node(O_RDONLY | O_NONBLOCK);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char small[sizeof(struct input_event)];

	rcx_topic(h, "read");
	rcx_expect(h, "nothing there", read_at(&fd, h->message), EAGAIN);
	rcx_expect_value(h, "poll with nothing there", poll(&pfd, 1, 0), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "poll", poll(&pfd, 1, 1000), 1);
	rcx_expect(h, "room for half an event", read(fd, small, sizeof(small) / 2), EINVAL);
	rcx_expect_value(h, "room for nothing", read(fd, small, 0), 0);
	rcx_expect_value(h, "events", drain(fd).events, 2);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	close(fd);

	/* evdev takes an event from the buffer before it copies it, so a fault loses it. */
	fd = open_node(O_RDONLY | O_NONBLOCK);
	rcx_core_emit(h, RCX_SOFTIRQ, 20);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_core_emit(h, RCX_SOFTIRQ, 1);
	rcx_expect_true(h, "events after these", drain(fd).events > 0);
	close(fd);
	rcx_expect_value(h, "refused where nobody has it open", rcx_core_emit(h, RCX_HARDIRQ, 1),
			 1);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
}

static void try_full(struct rcx_hostile *h)
{
	int fd = open_node(O_RDONLY | O_NONBLOCK), other;
	struct drained drained;
	uint32_t last;

	rcx_topic(h, "full buffer");
	rcx_core_emit(h, RCX_PROCESS, HOLDS);
	drained = drain(fd);
	last = drained.last;
	rcx_expect_value(h, "it holds", drained.events, HOLDS);
	rcx_expect_value(h, "nothing dropped", drained.dropped, 0);
	rcx_expect_value(h, "refused of one more", rcx_core_emit(h, RCX_HARDIRQ, HOLDS + 1), 0);
	drained = drain(fd);
	rcx_expect_value(h, "events left after one more", drained.events, 0);
	rcx_expect_value(h, "and SYN_DROPPED", drained.dropped, 1);
	rcx_expect_value(h, "refused of 1000", rcx_core_emit(h, RCX_HARDIRQ, 1000), 0);
	other = open_node(O_RDONLY | O_NONBLOCK);
	drained = drain(fd);
	rcx_expect_value(h, "SYN_DROPPED once", drained.dropped, 1);
	rcx_expect_value(h, "events left of 1000", drained.events, (1000 - HOLDS - 1) % HOLDS);
	rcx_expect_value(h, "the last of them", drained.last, last + HOLDS + 1 + 1000);
	rcx_expect_value(h, "a later reader has none", drain(other).events, 0);
	close(other);
	close(fd);
}

/* ---- grab: one exclusive reader ----------------------------------------- */

static long grab(void *arg)
{
	return ioctl(*(int *)arg, EVIOCGRAB, 1);
}

static void grab_and_end(struct rcx_hostile *h, void *arg)
{
	int fd = open_node(O_RDONLY);

	(void)arg;
	rcx_expect(h, "a child takes it, and ends", grab(&fd), 0);
}

static void try_grab(struct rcx_hostile *h)
{
	int first = open_node(O_RDONLY | O_NONBLOCK), other = open_node(O_RDWR | O_NONBLOCK);
	long before = (long)rcx_core_counts(h).consumed;

	rcx_topic(h, "grab");
	rcx_core_emit(h, RCX_HARDIRQ, 3);
	rcx_expect_value(h, "two readers: the first", drain(first).events, 3);
	rcx_expect_value(h, "two readers: the other", drain(other).events, 3);
	rcx_expect(h, "take it", grab(&first), 0);
	rcx_expect(h, "take it twice", grab(&first), EBUSY);
	rcx_expect(h, "another takes it", grab(&other), EBUSY);
	rcx_expect(h, "another gives it back", ioctl(other, EVIOCGRAB, 0), EINVAL);
	rcx_core_emit(h, RCX_HARDIRQ, 3);
	rcx_expect_value(h, "its holder reads", drain(first).events, 3);
	rcx_expect_value(h, "another reads", drain(other).events, 0);
	rcx_expect(h, "another writes", push(other, (uint32_t)before), 0);
	rcx_expect_value(h, "consumed", (long)rcx_core_counts(h).consumed, before + 1);
	close(first);
	rcx_expect(h, "another takes it after the close", grab(&other), 0);
	rcx_expect(h, "and gives it back", ioctl(other, EVIOCGRAB, 0), 0);
	rcx_in_other(h, "a child ends well", grab_and_end, NULL);
	rcx_expect(h, "take it after the child's end", grab(&other), 0);
	close(other);
}

/* ---- the other ioctls of the node --------------------------------------- */

static void try_ioctls(struct rcx_hostile *h)
{
	int fd = open_node(O_RDWR | O_NONBLOCK), clock = 77, number;
	struct input_keymap_entry key = { .len = 4 };
	struct ff_effect effect = { .type = FF_RUMBLE, .id = -1 };
	unsigned int repeat[2] = { 1, 1 };
	struct input_absinfo abs;
	char name[64] = "";

	rcx_topic(h, "ioctl");
	rcx_expect(h, "its version", ioctl(fd, EVIOCGVERSION, &number), 0);
	rcx_expect(h, "its name", ioctl(fd, EVIOCGNAME(sizeof(name)), name), 0);
	rcx_expect_true(h, "the name is ours", !strcmp(name, RCX_INPUT_NAME));
	rcx_expect(h, "another clock", ioctl(fd, EVIOCSCLOCKID, &clock), EINVAL);
	rcx_expect(h, "an effect", ioctl(fd, EVIOCSFF, &effect), ENOSYS);
	rcx_expect(h, "an effect's end", ioctl(fd, EVIOCRMFF, 0), ENOSYS);
	rcx_expect(h, "repetition", ioctl(fd, EVIOCSREP, repeat), ENOSYS);
	rcx_expect(h, "an axis", ioctl(fd, EVIOCGABS(0), &abs), EINVAL);
	rcx_expect(h, "a key's code", ioctl(fd, EVIOCGKEYCODE_V2, &key), EINVAL);
	rcx_expect(h, "another code for a key", ioctl(fd, EVIOCSKEYCODE_V2, &key), EINVAL);
	rcx_expect(h, "revoke with an argument", ioctl(fd, EVIOCREVOKE, 1), EINVAL);
	/* Any other ioctl, on a file that is closed afterwards. */
	for (unsigned int nr = 0; nr < 256; nr++)
		for (unsigned int i = 0; i < 4 * 5; i++) {
			static const unsigned int sizes[] = { 0, 1, 8, 48, _IOC_SIZEMASK };

			ioctl(fd, _IOC(i % 4, 'E', nr, sizes[i / 4]), h->edge);
		}
	close(fd);
	fd = open_node(O_RDWR | O_NONBLOCK);
	rcx_expect_value(h, "refused after all commands", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "events after all commands", drain(fd).events, 1);
	rcx_expect(h, "revoke", ioctl(fd, EVIOCREVOKE, 0), 0);
	rcx_expect(h, "read after it", read_at(&fd, h->message), ENODEV);
	rcx_expect(h, "write after it", push(fd, 0), ENODEV);
	rcx_expect(h, "an ioctl after it", ioctl(fd, EVIOCGVERSION, &number), ENODEV);
	close(fd);
}

/* ---- sleepers and others ------------------------------------------------ */

static long read_here(void *arg)
{
	struct input_event event;

	return read(*(int *)arg, &event, sizeof(event));
}

static void try_sleepers(struct rcx_hostile *h)
{
	int fd = open_node(O_RDONLY);
	struct rcx_sleeper reader;

	rcx_topic(h, "sleeping reader");
	rcx_sleep_in(h, &reader, read_here, &fd);
	rcx_sleeper_interrupt(&reader);
	rcx_expect(h, "interrupted", rcx_sleeper_end(&reader), EINTR);
	rcx_sleep_in(h, &reader, read_here, &fd);
	rcx_core_emit(h, RCX_HARDIRQ, 1);
	rcx_expect_value(h, "woken", rcx_sleeper_end(&reader), sizeof(struct input_event));
	close(fd);
	fd = open_node(O_RDONLY);
	rcx_try_kill(h, "killed", read_here, &fd);
	rcx_sleep_in(h, &reader, read_here, &fd);
	rcx_expect(h, "revoke", ioctl(fd, EVIOCREVOKE, 0), 0);
	rcx_expect(h, "its file is revoked", rcx_sleeper_end(&reader), ENODEV);
	close(fd);
}

static void with_file_of_root(struct rcx_hostile *h, void *arg)
{
	uint32_t seq = (uint32_t)rcx_core_counts(h).consumed;

	rcx_expect(h, "push on a file of root", push(*(int *)arg, seq), 0);
	rcx_expect_value(h, "consumed", (long)rcx_core_counts(h).consumed, (long)seq + 1);
}

/* All threads write the same numbers: each event is either consumed or counted as bad. */
static long push_race(void *arg)
{
	long done = 0;

	for (uint32_t seq = 0; seq < 500; seq++)
		done += !push(*(int *)arg, seq);
	return done;
}

static void try_others(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	long written;
	int fd = open_node(O_RDWR | O_NONBLOCK);

	rcx_topic(h, "another user");
	rcx_as_nobody(h, with_file_of_root, &fd);
	rcx_try_nobody_opens(h, node);

	rcx_topic(h, "three threads");
	before = rcx_core_counts(h);
	written = rcx_in_three_threads(h, push_race, &fd);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "written", written, 1500);
	rcx_expect_value(h, "consumed or refused",
			 (long)(after.consumed - before.consumed + after.bad - before.bad), 1500);
	close(fd);
}

/* Files are opened, grab the device and are closed while events are emitted. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 50; i++) {
		int fd = open_node(O_RDWR | O_NONBLOCK);

		rcx_note(&outcomes, fd, 0);
		rcx_note(&outcomes, i % 2 ? grab(&fd) : 0, 0);
		usleep(200);
		drain(fd);
		rcx_note(&outcomes, push(fd, UINT32_MAX), 0);
		if (i % 3 == 0)
			rcx_note(&outcomes, ioctl(fd, EVIOCREVOKE, 0), 0);
		close(fd);
	}
	rcx_expect_outcomes(h, "opened, grabbed, revoked and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void input_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "event", 4, true);
	rcx_expect(h, "find the node", rcx_input_node(node, sizeof(node)), 0);
	try_writes(h);
	try_reads(h);
	try_full(h);
	try_grab(h);
	try_ioctls(h);
	try_sleepers(h);
	try_others(h);
	try_leaving(h);
}
RCX_HOSTILE(input, input_hostile);
