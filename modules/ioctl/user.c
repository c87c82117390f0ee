// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include "channel.h"
#include "abi.h"

static int ioctl_open(struct rc_session *s)
{
	int nonblock = rc_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(RC_IOCTL_DEVICE, O_RDWR | O_CLOEXEC | nonblock);
	return s->fd < 0 ? rc_fail_errno(s, "open " RC_IOCTL_DEVICE) : 0;
}

/* ---- direct: the argument is the message ------------------------------- */

static int direct_push(struct rc_session *s, uint64_t n)
{
	unsigned long cmd = RC_IOCTL_PUSH(rc_len(s));

	while (n--) {
		rc_tx(s);
		if (ioctl(s->fd, cmd, s->tx))
			return rc_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int direct_pull(struct rc_session *s, uint64_t n)
{
	unsigned long cmd = RC_IOCTL_PULL(rc_len(s));

	while (n--) {
		if (ioctl(s->fd, cmd, s->rx))
			return rc_fail_errno(s, "ioctl pull");
		if (rc_rx(s, s->rx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int direct_call(struct rc_session *s, uint64_t n)
{
	unsigned long cmd = RC_IOCTL_CALL(rc_len(s));

	while (n--) {
		rc_tx(s);
		if (ioctl(s->fd, cmd, s->tx))
			return rc_fail_errno(s, "ioctl call");
		if (rc_rx_reply(s, s->tx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int direct_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	unsigned long cmd = RC_IOCTL_NEXT(rc_len(s));
	bool polls = rc_polls(s);

	while (n--) {
		int err;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			err = ioctl(s->fd, cmd, s->rx);
		} while (err && errno == EAGAIN);
		if (err)
			return rc_fail_errno(s, "ioctl next");
		rc_arrived(s);
		if (rc_rx(s, s->rx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int direct_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	unsigned long cmd = RC_IOCTL_NEXT(rc_len(s));

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);

		while (ioctl(s->fd, cmd, s->rx) == 0)
			if (rc_streamed(s, s->rx, rc_len(s)))
				return -1;
		if (errno != EAGAIN)
			return rc_fail_errno(s, "ioctl next");
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- indirect: the argument says where the message is ------------------ */

static struct rc_ioctl_buffer at(struct rc_session *s, const void *message)
{
	return (struct rc_ioctl_buffer){
		.address = (uintptr_t)message,
		.len = (uint32_t)rc_len(s),
	};
}

static int indirect_push(struct rc_session *s, uint64_t n)
{
	struct rc_ioctl_buffer buffer = at(s, s->tx);

	while (n--) {
		rc_tx(s);
		if (ioctl(s->fd, RC_IOCTL_PUSH_AT, &buffer))
			return rc_fail_errno(s, "ioctl push");
	}
	return 0;
}

static int indirect_pull(struct rc_session *s, uint64_t n)
{
	struct rc_ioctl_buffer buffer = at(s, s->rx);

	while (n--) {
		if (ioctl(s->fd, RC_IOCTL_PULL_AT, &buffer))
			return rc_fail_errno(s, "ioctl pull");
		if (rc_rx(s, s->rx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_call(struct rc_session *s, uint64_t n)
{
	struct rc_ioctl_buffer buffer = at(s, s->tx);

	while (n--) {
		rc_tx(s);
		if (ioctl(s->fd, RC_IOCTL_CALL_AT, &buffer))
			return rc_fail_errno(s, "ioctl call");
		if (rc_rx_reply(s, s->tx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct rc_ioctl_buffer buffer = at(s, s->rx);
	bool polls = rc_polls(s);

	while (n--) {
		int err;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			err = ioctl(s->fd, RC_IOCTL_NEXT_AT, &buffer);
		} while (err && errno == EAGAIN);
		if (err)
			return rc_fail_errno(s, "ioctl next");
		rc_arrived(s);
		if (rc_rx(s, s->rx, rc_len(s)))
			return -1;
	}
	return 0;
}

static int indirect_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct rc_ioctl_buffer buffer = at(s, s->rx);

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);

		while (ioctl(s->fd, RC_IOCTL_NEXT_AT, &buffer) == 0)
			if (rc_streamed(s, s->rx, rc_len(s)))
				return -1;
		if (errno != EAGAIN)
			return rc_fail_errno(s, "ioctl next");
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define DIRECT .max = RC_IOCTL_DIRECT_MAX - RC_HEADER, \
	.limit = "A command number has 14 bits for the size of its argument."
#define INDIRECT .max = RC_BODY_MAX, \
	.limit = "The kernel half's buffer, one per open file, grows up to a body of 1 MiB."

static const struct rc_mode ioctl_modes[] = {
	{
		.name = "direct",
		.summary = "the argument is the message",
		.stock = "ioctl",
		.open = ioctl_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = direct_push, DIRECT },
			[RC_PULL] = { .run = direct_pull, DIRECT },
			[RC_CALL] = { .run = direct_call, DIRECT },
			[RC_NOTIFY] = { .run = direct_notify, DIRECT, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = direct_stream, DIRECT, .waits = RC_WAIT_DRAIN },
		},
	},
	{
		.name = "indirect",
		.summary = "the argument holds address and length of the message",
		.open = ioctl_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = indirect_push, INDIRECT },
			[RC_PULL] = { .run = indirect_pull, INDIRECT },
			[RC_CALL] = { .run = indirect_call, INDIRECT },
			[RC_NOTIFY] = { .run = indirect_notify, INDIRECT, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = indirect_stream, INDIRECT, .waits = RC_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rc_channel ioctl_channel = {
	.name = "ioctl",
	.summary = "A command and its argument on a device",
	.module = "rc_ioctl",
	.since = "1.0: as old as devices; without the big lock (unlocked_ioctl) since 2.6.11",
	.modes = ioctl_modes,
};
RC_CHANNEL(ioctl_channel);
