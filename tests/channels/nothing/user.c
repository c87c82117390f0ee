// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

static int nothing_open(struct rcx_session *s)
{
	s->rx->size = s->size;
	s->rx->magic = RCX_MAGIC;
	s->fd = open(RCX_NOTHING_DEVICE, O_RDWR | O_CLOEXEC);
	return s->fd < 0 ? rcx_fail_errno(s, "open " RCX_NOTHING_DEVICE) : 0;
}

/* The producer cannot run between the two calls of a round, so each emission is waited for. */
static int nothing_stream(struct rcx_session *s, uint64_t n)
{
	size_t len = rcx_len(s);

	if (n && ioctl(s->fd, RCX_NOTHING_WAIT))
		return rcx_fail_errno(s, "ioctl");
	for (uint64_t seq = s->seen; seq < s->page->emitted; seq++) {
		s->rx->seq = seq;
		if (s->validate)
			rcx_body_fill(s->rx->body, s->size, seq);
		if (rcx_streamed(s, s->rx, len))
			return -1;
	}
	return 0;
}

static const struct rcx_mode nothing_modes[] = {
	{
		.name = "stream",
		.summary = "checks messages that the reader has made",
		.open = nothing_open,
		.operations = {
			[RCX_STREAM] = { .run = nothing_stream, .max = 4096,
					.limit = "The limit is that of the test." },
		},
	},
	{ }
};

static const struct rcx_channel nothing = {
	.name = "nothing",
	.summary = "Nothing, for the tests",
	.module = "ringcross_nothing",
	.modes = nothing_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "It carries nothing.",
		[RCX_PULL] = "It carries nothing.",
		[RCX_CALL] = "It carries nothing.",
		[RCX_NOTIFY] = "It carries nothing.",
		[RCX_UPCALL] = "It carries nothing.",
		[RCX_DUMP] = "It carries nothing.",
	},
};
RCX_CHANNEL(nothing);
