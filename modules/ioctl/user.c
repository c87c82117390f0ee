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
	const char *path = s->op == RCX_UPCALL ? RCX_IOCTL_UPCALL_DEVICE : RCX_IOCTL_DEVICE;

	s->fd = open(path, O_RDWR | O_CLOEXEC | nonblock);
	return s->fd < 0 ? rcx_fail_errno(s, path) : 0;
}

/*
 * The loops of both modes.  The modes differ in the command and in the object that its
 * argument points to.  Both are the same for every message, so they are made before the
 * loop.
 */

static inline int push(struct rcx_session *s, uint64_t n, unsigned long cmd, const void *arg)
{
	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, cmd, arg))
			return rcx_fail_errno(s, "ioctl push");
	}
	return 0;
}

static inline int pull(struct rcx_session *s, uint64_t n, unsigned long cmd, void *arg)
{
	while (n--) {
		if (ioctl(s->fd, cmd, arg))
			return rcx_fail_errno(s, "ioctl pull");
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

/* The reply replaces the request in the same buffer. */
static inline int call(struct rcx_session *s, uint64_t n, unsigned long cmd, void *arg)
{
	while (n--) {
		rcx_tx(s);
		if (ioctl(s->fd, cmd, arg))
			return rcx_fail_errno(s, "ioctl call");
		if (rcx_rx_reply(s, s->tx, rcx_len(s)))
			return -1;
	}
	return 0;
}

static inline int notify(struct rcx_session *s, uint64_t n, unsigned long cmd, void *arg)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		int err;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			err = ioctl(s->fd, cmd, arg);
		} while (err && errno == EAGAIN);
		if (err)
			return rcx_fail_errno(s, "ioctl next");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, rcx_len(s)))
			return -1;
	}
	return 0;
}

/* Sleep in ioctl() until the producer has ended. */
static inline int stream_block(struct rcx_session *s, unsigned long cmd, void *arg)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		int err = ioctl(s->fd, cmd, arg);

		if (err && errno != EINTR)
			return rcx_fail_errno(s, "ioctl next");
		if (!err && rcx_streamed(s, s->rx, rcx_len(s)))
			return -1;
	}
	return rcx_stream_unblock_fd(s);
}

static inline int stream(struct rcx_session *s, unsigned long cmd, void *arg)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	if (rcx_stream_blocks(s) && stream_block(s, cmd, arg))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (ioctl(s->fd, cmd, arg) == 0)
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

static inline int serve(struct rcx_session *s, bool polls, unsigned long take, unsigned long answer,
			void *arg)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int err;

	do {
		if (polls)
			poll(&pfd, 1, -1);
		err = ioctl(s->fd, take, arg);
	} while (err && errno == EAGAIN);
	if (err)
		return rcx_fail_errno(s, "ioctl take");
	if (rcx_rx(s, s->rx, rcx_len(s)))
		return -1;
	rcx_tx_reply(s, s->rx);
	return ioctl(s->fd, answer, arg) ? rcx_fail_errno(s, "ioctl answer") : 0;
}

static inline int upcall(struct rcx_session *s, uint64_t n, unsigned long take,
			 unsigned long answer, void *arg)
{
	uint64_t first = s->seen;
	bool polls = rcx_polls(s);

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (serve(s, polls, take, answer, arg))
			return -1;
	return rcx_asked(s, first, n);
}

static inline int dump(struct rcx_session *s, uint64_t n, unsigned long cmd, void *arg)
{
	while (n--) {
		int count = ioctl(s->fd, cmd, arg);

		if (count < 0)
			return rcx_fail_errno(s, "ioctl dump");
		if (rcx_dumped_table(s, (size_t)count))
			return -1;
	}
	return 0;
}

/* ---- direct: the argument is the message ------------------------------- */

static int direct_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, RCX_IOCTL_PUSH(rcx_len(s)), s->tx);
}

static int direct_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, RCX_IOCTL_PULL(rcx_len(s)), s->rx);
}

static int direct_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, RCX_IOCTL_CALL(rcx_len(s)), s->tx);
}

static int direct_notify(struct rcx_session *s, uint64_t n)
{
	return notify(s, n, RCX_IOCTL_NEXT(rcx_len(s)), s->rx);
}

static int direct_stream(struct rcx_session *s, uint64_t n)
{
	(void)n;
	return stream(s, RCX_IOCTL_NEXT(rcx_len(s)), s->rx);
}

static int direct_upcall(struct rcx_session *s, uint64_t n)
{
	return upcall(s, n, RCX_IOCTL_TAKE(rcx_len(s)), RCX_IOCTL_ANSWER(rcx_len(s)), s->rx);
}

static int direct_dump(struct rcx_session *s, uint64_t n)
{
	return dump(s, n, RCX_IOCTL_DUMP(s->records * RCX_RECORD), s->table);
}

/* ---- indirect: the argument holds address and length ------------------- */

static struct rcx_ioctl_buffer buffer_for(struct rcx_session *s, const void *message)
{
	return (struct rcx_ioctl_buffer){
		.address = (uintptr_t)message,
		.len = (uint32_t)rcx_len(s),
	};
}

static int indirect_push(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->tx);

	return push(s, n, RCX_IOCTL_PUSH_AT, &buffer);
}

static int indirect_pull(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->rx);

	return pull(s, n, RCX_IOCTL_PULL_AT, &buffer);
}

static int indirect_call(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->tx);

	return call(s, n, RCX_IOCTL_CALL_AT, &buffer);
}

static int indirect_notify(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->rx);

	return notify(s, n, RCX_IOCTL_NEXT_AT, &buffer);
}

static int indirect_stream(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->rx);

	(void)n;
	return stream(s, RCX_IOCTL_NEXT_AT, &buffer);
}

static int indirect_upcall(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = buffer_for(s, s->rx);

	return upcall(s, n, RCX_IOCTL_TAKE_AT, RCX_IOCTL_ANSWER_AT, &buffer);
}

static int indirect_dump(struct rcx_session *s, uint64_t n)
{
	struct rcx_ioctl_buffer buffer = {
		.address = (uintptr_t)s->table,
		.len = s->records * RCX_RECORD,
	};

	return dump(s, n, RCX_IOCTL_DUMP_AT, &buffer);
}

/* ---- registration ------------------------------------------------------ */

#define DIRECT                                    \
	.max = RCX_IOCTL_DIRECT_MAX - RCX_HEADER, \
	.limit = "A command number has 14 bits for the size of its argument."
#define DIRECT_TABLE                                     \
	RCX_TABLE_OF(RCX_IOCTL_DIRECT_MAX / RCX_RECORD), \
		.limit = "A command number has 14 bits for the size of its argument, an array of at most 255 records."
#define INDIRECT             \
	.max = RCX_BODY_MAX, \
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
			[RCX_STREAM] = { .run = direct_stream, DIRECT, .waits = RCX_WAIT_ANY },
			[RCX_UPCALL] = { .run = direct_upcall, DIRECT, .waits = RCX_WAIT_ANY },
			[RCX_DUMP] = { .run = direct_dump, DIRECT_TABLE },
		},
	},
	{
		.name = "indirect",
		.summary = "the argument holds the address and length of the message",
		.counterpart = "seccomp",
		.open = ioctl_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = indirect_push, INDIRECT },
			[RCX_PULL] = { .run = indirect_pull, INDIRECT },
			[RCX_CALL] = { .run = indirect_call, INDIRECT },
			[RCX_NOTIFY] = { .run = indirect_notify, INDIRECT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = indirect_stream, INDIRECT, .waits = RCX_WAIT_ANY },
			[RCX_UPCALL] = { .run = indirect_upcall, INDIRECT, .waits = RCX_WAIT_ANY },
			[RCX_DUMP] = { .run = indirect_dump, RCX_TABLE },
		},
	},
	{ }
};

static const struct rcx_channel ioctl_channel = {
	.name = "ioctl",
	.summary = "A command and its argument on a device",
	.module = "ringcross_ioctl",
	.since = "1.0: ioctl(); without the big kernel lock (unlocked_ioctl) since 2.6.11",
	.modes = ioctl_modes,
};
RCX_CHANNEL(ioctl_channel);
