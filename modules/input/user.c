// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"
#include "node.h"

#define BATCH 64 /* events that one read returns at most: the buffer of a file */

/* A message, in either direction: an event and the end of its packet. */
struct packet {
	struct input_event value, end;
};

/* ---- open -------------------------------------------------------------- */

static int event_open(struct rcx_session *s)
{
	int flags = s->op == RCX_PUSH  ? O_WRONLY :
		    rcx_nonblocking(s) ? O_RDONLY | O_NONBLOCK :
					 O_RDONLY;
	char path[64];

	if (rcx_input_node(path, sizeof(path)))
		return rcx_fail_errno(s, "cannot find the input device in sysfs");
	s->fd = open(path, flags | O_CLOEXEC);
	return s->fd < 0 ? rcx_fail_errno(s, path) : 0;
}

static int grab_open(struct rcx_session *s)
{
	if (event_open(s))
		return -1;
	return ioctl(s->fd, EVIOCGRAB, 1) ? rcx_fail_errno(s, "EVIOCGRAB") : 0;
}

/* ---- push -------------------------------------------------------------- */

static int event_push(struct rcx_session *s, uint64_t n)
{
	struct packet packet = {
		.value = { .type = EV_MSC, .code = RCX_INPUT_PUSH },
		.end = { .type = EV_SYN, .code = SYN_REPORT },
	};

	while (n--) {
		rcx_tx(s);
		packet.value.value = (int)s->tx->seq;
		if (write(s->fd, &packet, sizeof(packet)) != sizeof(packet))
			return rcx_fail_errno(s, "write an event");
	}
	return 0;
}

/* ---- notify ------------------------------------------------------------ */

static bool is_event(const struct input_event *event)
{
	return event->type == EV_MSC && event->code == RCX_INPUT_EVENT;
}

/* The waits are those of loops/message_file.h; a timed loop is in its channel's own file. */
static int event_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);
	struct packet packet;

	while (n--) {
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = read(s->fd, &packet, sizeof(packet));
		} while (got < 0 && errno == EAGAIN);
		if (got < 0)
			return rcx_fail_errno(s, "read an event");
		rcx_arrived(s);
		if (got != sizeof(packet) || !is_event(&packet.value))
			return rcx_fail(s,
					"expected a packet of one event, and received something else");
		if (rcx_seen_narrow(s, (uint32_t)packet.value.value, RCX_INPUT_MASK))
			return -1;
	}
	return 0;
}

/* ---- stream ------------------------------------------------------------ */

/*
 * Events before SYN_DROPPED are lost, and the events between it and the next SYN_REPORT are
 * the rest of a packet.  @broken is set between the two.
 */
static int take_streamed(struct rcx_session *s, const struct input_event *event, bool *broken)
{
	if (event->type == EV_SYN) {
		*broken = event->code == SYN_DROPPED;
		s->overruns += *broken;
		return 0;
	}
	if (*broken || !is_event(event))
		return 0;
	return rcx_streamed_narrow(s, (uint32_t)event->value, RCX_INPUT_MASK);
}

/* One read(): the number of bytes, 0 after rcx_fail(), or -1 with errno. */
static inline ssize_t read_streamed(struct rcx_session *s, bool *broken)
{
	struct input_event batch[BATCH];
	ssize_t got = read(s->fd, batch, sizeof(batch));

	for (ssize_t i = 0; i < got / (ssize_t)sizeof(batch[0]); i++)
		if (take_streamed(s, &batch[i], broken))
			return 0;
	return got;
}

/* Sleep in read() until the producer has ended. */
static int stream_block(struct rcx_session *s, bool *broken)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = read_streamed(s, broken);

		if (!got || (got < 0 && errno != EINTR))
			return rcx_fail_errno(s, "read a stream");
	}
	return rcx_stream_unblock_fd(s);
}

static int event_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool broken = false;

	(void)n;
	if (rcx_stream_blocks(s) && stream_block(s, &broken))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = read_streamed(s, &broken)) > 0)
			;
		if (!got || errno != EAGAIN)
			return rcx_fail_errno(s, "read a stream");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define VALUE \
	.min = 4, .max = 4, .limit = "An event has one value of 32 bits, here the sequence number."

static const struct rcx_mode input_modes[] = {
	{
		.name = "event",
		.summary = "events of a device; each reader gets all of them",
		.open = event_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_EMPTIES,
		.single_threaded_reason = "The driver does not learn which file wrote an event, so there is one sequence for all.",
		.operations = {
			[RCX_PUSH] = { .run = event_push, VALUE },
			[RCX_NOTIFY] = { .run = event_notify, VALUE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = event_stream, VALUE, .waits = RCX_WAIT_ANY },
		},
	},
	{
		.name = "grab",
		.summary = "EVIOCGRAB: one reader has exclusive use of the device",
		.open = grab_open,
		.claims = RCX_POLLABLE | RCX_FULL_EMPTIES,
		.operations = {
			[RCX_NOTIFY] = { .run = event_notify, VALUE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = event_stream, VALUE, .waits = RCX_WAIT_ANY },
		},
	},
	{ }
};

static const struct rcx_channel input_channel = {
	.name = "input",
	.summary = "Events of an input device, through evdev",
	.module = "ringcross_input",
	.needs = "evdev",
	.since = "2.4: evdev with CONFIG_INPUT_EVDEV; SYN_DROPPED since 2.6.39",
	/* The kernel mixes the time of each event into its random numbers. */
	.classes = (const char *const[]){ "input: blake2s_*", NULL },
	.modes = input_modes,
	.unsupported_reason = {
		[RCX_PULL] = "A reader gets events that the driver reports, and ioctls return state "
			    "that the input core keeps; neither calls the driver for a value.",
		[RCX_CALL] = "An event that is written to a device has no reply.",
		[RCX_UPCALL] = "The input core has no request that waits for a reply; uinput takes the replies to its force-feedback requests by ioctls, which channel ioctl measures.",
		[RCX_DUMP] = "An evdev device returns events and the state of keys and axes, and has no table of the driver's own.",
	},
};
RCX_CHANNEL(input_channel);
