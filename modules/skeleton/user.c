// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user half of a channel: the comments say for each hook whether it is required and
 * what it must guarantee.  The agent links every modules/<folder>/user.c.  The
 * registration at the end of the file is enough to add the channel; ringcross_agent
 * --list checks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/*
 * The open hook: required, not timed.  It prepares everything that the loops need, so
 * that they do not allocate or open anything.  It returns 0, or -1 after rcx_fail() with the
 * sentence that the report prints.
 *
 * s->tx and s->rx already exist; they are page-aligned, touched and large enough.
 * s->fd, s->fd2 and s->map are for the channel; the agent closes and unmaps them.
 */
static int skeleton_open(struct rcx_session *s)
{
	int nonblock = rcx_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC | nonblock);
	return s->fd < 0 ? rcx_fail_errno(s, "open " RCX_SKELETON_DEVICE) : 0;
}

/*
 * The close hook: optional, not timed.  It releases what the agent does not: memory
 * behind s->priv, mounts, threads.  It is also called if open failed half-way.
 */
static void skeleton_close(struct rcx_session *s)
{
	(void)s;
}

/*
 * A loop: required for each operation in the table below.  It does exactly @n
 * operations; @n may be 1.  A stream ignores @n and ends after rcx_stream_over()
 * returns true.  The loop is what is timed, so it contains nothing else: no allocation,
 * no formatting, no switch per message.  But it checks every return value and
 * every message.  It runs many times in one session and must leave the session ready
 * for the next run.
 *
 * Push: rcx_tx() makes s->tx the next message.  The push is complete when the kernel
 * half has consumed the message.
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
 * Pull, which this channel lacks, receives into s->rx and checks it with rcx_rx().  Call
 * sends s->tx and checks the reply with rcx_rx_reply().
 *
 * Notify: rcx_arm() requests an event after a delay.  Then the loop waits as s->wait
 * demands: it sleeps in the channel's own wait, sleeps in poll(), or, only for
 * RCX_WAIT_BUSY, tries repeatedly.  It calls rcx_arrived() as soon as the event is
 * received, before it checks the event.
 *
 * This loop and the next one are the same as in loops/message_file.h.  They are written
 * out so that the skeleton is readable on its own.
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
 * Stream: the kernel half already emits.  The loop drains all messages, then waits with
 * a time limit.  It calls rcx_stream_over() before the drain; otherwise the last messages
 * could arrive between the two and stay in the queue.  A gap in the sequence is a loss,
 * not a failure.  If the channel itself reports a loss to its reader, the loop counts
 * that in s->overruns.  A loop that also supports RCX_WAIT_BLOCK first sleeps in read()
 * between rcx_stream_block() and rcx_stream_unblock(), see loops/message_file.h.
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
 * Sizes are bytes of body.  .limit is one sentence, required if .max is below 1 MiB.  A
 * channel too narrow for the header has .min == .max.  It carries the sequence number
 * alone and checks it with rcx_seen_narrow() or rcx_streamed_narrow().  A channel that
 * carries only how many events there were, as an eventfd, has .count = true and no size.
 * It passes the count to rcx_seen_count() or rcx_streamed_count().
 */
#define ROOM                                            \
	.min = 0, .max = RCX_SKELETON_MAX - RCX_HEADER, \
	.limit = "The kernel half keeps one buffer of 4 KiB per open file."

/*
 * Required: at least one mode, and an entry without a name at the end.  Each channel
 * writes out its table, even if the table of another channel looks alike, so that each
 * folder is readable on its own.
 *
 * Optional: .single_threaded_reason says why two threads cannot use a mode at once.  The
 * .queue of a stream is set if open can set the length of the queue to s->queue.
 * .counterpart names the mode of the baseline stock that does the same work.  .peer is
 * for a reference between two processes, see peer.h.  An operation has .excludes, or
 * .batch, when its figure lacks what others contain: a copy of the body, a wake-up or a
 * call for each message.  A mode that carries one value when
 * the module is loaded has .one_shot_reason and .received instead of operations, see
 * channel.h.
 */
static const struct rcx_mode skeleton_modes[] = {
	{
		.name = "file",			/* required; also the name of its emitter */
		.summary = "write() sends, read() waits",	/* required */
		.open = skeleton_open,		/* required */
		.close = skeleton_close,	/* optional */
		/*
		 * Optional, for modes with notify or stream: claims about poll(),
		 * several readers and a full queue.  A probe tests each claim, and
		 * the test suite fails if it is wrong.
		 */
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = skeleton_push, ROOM },
			/* .waits is optional: the values of s->wait that the loop supports. */
			[RCX_NOTIFY] = { .run = skeleton_notify, ROOM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = skeleton_stream, ROOM, .waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel skeleton = {
	.name = "skeleton",			/* required: the folder's name */
	.summary = "A channel to copy",		/* required: half a line */
	.module = "ringcross_skeleton",		/* NULL without a kernel half */
	.needs = NULL,				/* optional: kernel modules to load first */
	.boot = NULL,				/* optional: words of the kernel's command line */
	.since = "1.0: a character device",	/* optional: first kernel, colon, mechanism */
	.flags = RCX_UNMEASURED,		/* remove this line in a measured channel */
	.modes = skeleton_modes,
	/* Required for each operation that no mode has: the reason, in one sentence. */
	.unsupported_reason = {
		[RCX_PULL] = "Its read() returns events of the kernel and makes no message on request.",
		[RCX_CALL] = "Its write() gets no reply.",
		[RCX_UPCALL] = "Its events get no reply.",
		[RCX_DUMP] = "Its read() returns events of the kernel and makes nothing on request.",
	},
	/* Optional: cost classes of functions on its path that x-rays show as unclassified. */
	.classes = NULL,
};
RCX_CHANNEL(skeleton);
