// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user half of a channel, each hook with what it must guarantee.  The agent
 * links every modules/<folder>/user.c; the registration at the end is all that
 * makes it known.  ringcross_agent --list checks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/*
 * open, required, untimed.  Get ready all that the loops need, so that they
 * allocate and open nothing.  0, or -1 after rcx_fail() has told why: its
 * sentence is what the report prints.
 *
 * s->tx and s->rx are there already, page-aligned, touched and large enough.
 * s->fd, s->fd2 and s->map are for the channel and are given back by the agent.
 */
static int skeleton_open(struct rcx_session *s)
{
	int nonblock = rcx_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC | nonblock);
	return s->fd < 0 ? rcx_fail_errno(s, "open " RCX_SKELETON_DEVICE) : 0;
}

/*
 * close, optional, untimed.  Give back what the agent does not: memory behind
 * s->priv, mounts, threads.  Also called when open failed half-way.
 */
static void skeleton_close(struct rcx_session *s)
{
	(void)s;
}

/*
 * A loop, required for each operation in the table below: exactly @n
 * operations, which may be one; a stream has no number and ends when
 * rcx_stream_over() says so.  It is what is timed, so nothing else is in it:
 * no allocation, no formatting, no switch per message; but every return value
 * is checked, and every message.  It runs many times in one session and must
 * leave it ready for the next time.
 *
 * push: rcx_tx() makes s->tx the next message; it counts when the kernel has it.
 */
static int skeleton_push(struct rcx_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rcx_len(s);

	while (n--) {
		rcx_tx(s);
		if (write(s->fd, s->tx, (size_t)len) != len)
			return rcx_fail_errno(s, "write");
	}
	return 0;
}

/*
 * pull would fetch into s->rx and check by rcx_rx(); call sends s->tx and checks
 * the reply by rcx_rx_reply().
 *
 * notify: rcx_arm() asks for an event some time from now.  Then wait as s->wait
 * says: asleep in the channel's own wait, asleep in poll(), or, only when it is
 * RCX_WAIT_BUSY, by trying again and again.  Call rcx_arrived() as soon as the
 * event is in hand, before it is checked.
 *
 * This loop and the next are those of loops/message_file.h, written out: the
 * skeleton stays readable on its own.
 */
static int skeleton_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			len = read(s->fd, s->rx, rcx_len(s));
		} while (len < 0 && errno == EAGAIN);
		if (len < 0)
			return rcx_fail_errno(s, "read");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/*
 * stream: the kernel already emits.  Drain all there is, then wait with a limit.
 * Whether it is over is asked before the drain, else the last messages could
 * come in between and stay behind.  A gap is a loss, not a failure; where the
 * channel itself tells its reader of one, count that in s->overruns.
 */
static int skeleton_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	ssize_t len;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while ((len = read(s->fd, s->rx, rcx_len(s))) >= 0)
			if (rcx_streamed(s, s->rx, (size_t)len))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/*
 * Sizes are of the body.  limit is one sentence and required below 1 MiB.  A
 * channel too narrow for the header has min == max, carries the sequence number
 * alone, and checks it by rcx_seen_narrow() or rcx_streamed_narrow().
 */
#define ROOM .min = 0, .max = RCX_SKELETON_MAX - RCX_HEADER, \
	.limit = "The kernel half keeps one buffer of 4 KiB per open file."

/*
 * Required: at least one mode, and an entry without a name behind the last.  Each
 * channel writes its table out, even where another's looks alike: the folder stays
 * readable on its own.
 * Optional: .alone says why two threads cannot use a mode at once; a stream's
 * .queue is there when open can set the queue's length to s->queue.  A mode that
 * carries one value at load has .once and .received instead of operations, see
 * channel.h.  .stock names the mode of channel stock that does the same work; .peer
 * is for a reference between two processes, see peer.h.
 */
static const struct rcx_mode skeleton_modes[] = {
	{
		.name = "file",			/* also the name of its emitter */
		.summary = "write() to send, read() to wait",
		.open = skeleton_open,
		.close = skeleton_close,
		/*
		 * Optional: what a mode that the kernel starts claims of poll(), of
		 * several readers and of a full queue.  A probe tries each, and
		 * tests fail where it is wrong.
		 */
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = skeleton_push, ROOM },
			/* waits, optional: what the loop makes of s->wait, see channel.h. */
			[RCX_NOTIFY] = { .run = skeleton_notify, ROOM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = skeleton_stream, ROOM, .waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel skeleton = {
	.name = "skeleton",			/* required: the folder's name */
	.summary = "A channel to copy",		/* required: half a line */
	.module = "ringcross_skeleton",		/* NULL: needs no kernel half */
	.needs = NULL,				/* optional: modules to load before */
	.boot = NULL,				/* optional: words for the command line */
	.since = "1.0: a character device",	/* required: first kernel, a colon, what came */
	.flags = RCX_UNMEASURED,			/* a channel has 0 here */
	.modes = skeleton_modes,
	/* Required for each operation no mode has: why, in one sentence. */
	.unsupported_reason = {
		[RCX_PULL] = "Its read() returns what the kernel started, nothing on request.",
		[RCX_CALL] = "Its write() is not answered.",
	},
};
RCX_CHANNEL(skeleton);
