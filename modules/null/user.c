// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

static int null_open(struct rc_session *s)
{
	s->fd = open(RC_NULL_DEVICE, O_RDWR | O_CLOEXEC);
	return s->fd < 0 ? rc_fail_errno(s, "open " RC_NULL_DEVICE) : 0;
}

static int null_push(struct rc_session *s, uint64_t n)
{
	while (n--)
		if (write(s->fd, s->tx, 1) != 1)
			return rc_fail_errno(s, "write");
	return 0;
}

static int null_pull(struct rc_session *s, uint64_t n)
{
	while (n--)
		if (read(s->fd, s->rx, 1) != 0)
			return rc_fail_errno(s, "read");
	return 0;
}

static int null_call(struct rc_session *s, uint64_t n)
{
	while (n--)
		if (ioctl(s->fd, RC_NULL_NOTHING) != RC_NULL_ANSWER)
			return rc_fail_errno(s, "ioctl");
	return 0;
}

static int null_notify(struct rc_session *s, uint64_t n)
{
	while (n--) {
		__u64 events = s->seen;

		if (rc_arm(s))
			return -1;
		if (ioctl(s->fd, RC_NULL_WAIT, &events))
			return rc_fail_errno(s, "ioctl");
		rc_arrived(s);
		if (rc_seen_narrow(s, events - 1, UINT64_MAX))
			return -1;
	}
	return 0;
}

#define NOTHING .min = 0, .max = 0, .limit = "The floor carries no message."

static const struct rc_mode null_modes[] = {
	{
		.name = "handler",
		.summary = "read, write and ioctl to empty handlers",
		.open = null_open,
		.operations = {
			[RC_PUSH] = { .run = null_push, NOTHING },
			[RC_PULL] = { .run = null_pull, NOTHING },
			[RC_CALL] = { .run = null_call, NOTHING },
		},
	},
	{
		.name = "wake",
		.summary = "sleep on a bare wait queue",
		.open = null_open,
		.claims = RC_READERS_EACH | RC_FULL_COALESCES,
		.operations = {
			[RC_NOTIFY] = { .run = null_notify, NOTHING },
		},
	},
	{ }
};

static const struct rc_channel null = {
	.name = "null",
	.summary = "The floor: handlers that do nothing",
	.module = "rc_null",
	.flags = RC_BASELINE,
	.since = "1.0: a character device",
	.modes = null_modes,
	.cannot = {
		[RC_STREAM] = "The floor carries no message, so there is nothing to stream.",
	},
};
RC_CHANNEL(null);
