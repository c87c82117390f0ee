// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "channel.h"
#include "abi.h"

static int ioctl_open(struct rcx_session *s)
{
	int nonblock = rcx_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC | nonblock);
	return s->fd < 0 ? rcx_fail_errno(s, "open " RCX_IOCTL_DEVICE) : 0;
}

/* ---- direct: the argument is the message ------------------------------- */

static int direct_push(struct rcx_session *s, uint64_t n)
{
	unsigned long cmd = RCX_IOCTL_PUSH(rcx_len(s));

	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, cmd, s->tx))
			return rcx_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int direct_pull(struct rcx_session *s, uint64_t n)
{
	unsigned long cmd = RCX_IOCTL_PULL(rcx_len(s));

	while (n--) {
		if (ioctl(s->fd, cmd, s->rx))
			return rcx_fail_errno(s, "ioctl pull");
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int direct_call(struct rcx_session *s, uint64_t n)
{
	unsigned long cmd = RCX_IOCTL_CALL(rcx_len(s));

	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, cmd, s->tx))
			return rcx_fail_errno(s, "ioctl call");
		if (rcx_rx_reply(s, s->tx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int direct_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	unsigned long cmd = RCX_IOCTL_NEXT(rcx_len(s));
	bool polls = rcx_polls(s);

	while (n--) {
		int err;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			err = ioctl(s->fd, cmd, s->rx);
		} while (err && errno == EAGAIN);
		if (err)
			return rcx_fail_errno(s, "ioctl next");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int direct_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	unsigned long cmd = RCX_IOCTL_NEXT(rcx_len(s));

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (ioctl(s->fd, cmd, s->rx) == 0)
			if (rcx_streamed(s, s->rx, rcx_len(s)))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "ioctl next");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- indirect: the argument says where the message is ------------------ */

static struct rcx_ioctl_buffer at(struct rcx_session *s, const void *message)
{
	return (struct rcx_ioctl_buffer){
		.address = (uintptr_t)message,
		.len = (uint32_t)rcx_len(s),
	};
}

static int indirect_push(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = at(s, s->tx);

	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, RCX_IOCTL_PUSH_AT, &buffer))
			return rcx_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int indirect_pull(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = at(s, s->rx);

	while (n--) {
		if (ioctl(s->fd, RCX_IOCTL_PULL_AT, &buffer))
			return rcx_fail_errno(s, "ioctl pull");
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_call(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = at(s, s->tx);

	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, RCX_IOCTL_CALL_AT, &buffer))
			return rcx_fail_errno(s, "ioctl call");
		if (rcx_rx_reply(s, s->tx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct rcx_ioctl_buffer buffer = at(s, s->rx);
	bool polls = rcx_polls(s);

	while (n--) {
		int err;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			err = ioctl(s->fd, RCX_IOCTL_NEXT_AT, &buffer);
		} while (err && errno == EAGAIN);
		if (err)
			return rcx_fail_errno(s, "ioctl next");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct rcx_ioctl_buffer buffer = at(s, s->rx);

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (ioctl(s->fd, RCX_IOCTL_NEXT_AT, &buffer) == 0)
			if (rcx_streamed(s, s->rx, rcx_len(s)))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "ioctl next");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define DIRECT .max = RCX_IOCTL_DIRECT_MAX - RCX_HEADER, \
	.limit = "A command number has 14 bits for the size of its argument."
#define INDIRECT .max = RCX_BODY_MAX, \
	.limit = "The kernel half's buffer, one per open file, grows up to a body of 1 MiB."

static const struct rcx_mode ioctl_modes[] = {
	{
		.name = "direct",
		.summary = "the argument is the message",
		.counterpart = "ioctl",
		.open = ioctl_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = direct_push, DIRECT },
			[RCX_PULL] = { .run = direct_pull, DIRECT },
			[RCX_CALL] = { .run = direct_call, DIRECT },
			[RCX_NOTIFY] = { .run = direct_notify, DIRECT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = direct_stream, DIRECT, .waits = RCX_WAIT_DRAIN },
		},
	},
	{
		.name = "indirect",
		.summary = "the argument holds address and length of the message",
		.open = ioctl_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = indirect_push, INDIRECT },
			[RCX_PULL] = { .run = indirect_pull, INDIRECT },
			[RCX_CALL] = { .run = indirect_call, INDIRECT },
			[RCX_NOTIFY] = { .run = indirect_notify, INDIRECT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = indirect_stream, INDIRECT, .waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel ioctl_channel = {
	.name = "ioctl",
	.summary = "A command and its argument on a device",
	.module = "ringcross_ioctl",
	.since = "1.0: as old as devices; without the big lock (unlocked_ioctl) since 2.6.11",
	.modes = ioctl_modes,
};
RCX_CHANNEL(ioctl_channel);
