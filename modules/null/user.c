// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

static int null_open(struct rcx_session *s)
{
	s->fd = open(RCX_NULL_DEVICE, O_RDWR | O_CLOEXEC);
	return s->fd < 0 ? rcx_fail_errno(s, "open " RCX_NULL_DEVICE) : 0;
}

static int null_push(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (write(s->fd, s->tx, 1) != 1)
			return rcx_fail_errno(s, "write");
	return 0;
}

static int null_pull(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (read(s->fd, s->rx, 1) != 0)
			return rcx_fail_errno(s, "read");
	return 0;
}

static int null_call(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (ioctl(s->fd, RCX_NULL_NOTHING) != RCX_NULL_ANSWER)
			return rcx_fail_errno(s, "ioctl");
	return 0;
}

static int null_notify(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		__u64 events = s->seen;

		if (rcx_arm(s))
			return -1;
		if (ioctl(s->fd, RCX_NULL_WAIT, &events))
			return rcx_fail_errno(s, "ioctl");
		rcx_arrived(s);
		if (rcx_seen_narrow(s, events - 1, UINT64_MAX))
			return -1;
	}
	return 0;
}

static int null_upcall(struct rcx_session *s, uint64_t n)
{
	uint64_t first = s->seen;

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++) {
		if (ioctl(s->fd, RCX_NULL_TAKE))
			return rcx_fail_errno(s, "ioctl take");
		s->seen++;
		if (ioctl(s->fd, RCX_NULL_REPLY))
			return rcx_fail_errno(s, "ioctl reply");
	}
	return rcx_asked(s, first, n);
}

#define NOTHING .min = 0, .max = 0, .limit = "The baseline carries no message."

static const struct rcx_mode null_modes[] = {
	{
		.name = "handler",
		.summary = "read, write and ioctl to empty handlers",
		.open = null_open,
		.operations = {
			[RCX_PUSH] = { .run = null_push, NOTHING },
			[RCX_PULL] = { .run = null_pull, NOTHING },
			[RCX_CALL] = { .run = null_call, NOTHING },
		},
	},
	{
		.name = "wake",
		.summary = "sleep until an event, without a message",
		.open = null_open,
		.claims = RCX_READERS_EACH | RCX_FULL_COALESCES,
		.operations = {
			[RCX_NOTIFY] = { .run = null_notify, NOTHING },
			[RCX_UPCALL] = { .run = null_upcall, NOTHING },
		},
	},
	{ }
};

static const struct rcx_channel null = {
	.name = "null",
	.summary = "The baseline: handlers that do nothing",
	.module = "ringcross_null",
	.flags = RCX_BASELINE,
	.since = "1.0: a character device",
	.modes = null_modes,
	.unsupported_reason = {
		[RCX_STREAM] = "The baseline carries no message, so there is nothing to stream.",
		[RCX_DUMP] = "The baseline carries no message, so it has no table.",
	},
};
RCX_CHANNEL(null);
