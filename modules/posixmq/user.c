// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: posixmq
 *
 * POSIX message queues between two processes: a reference, for scale.
 *
 * What it is.  mq_open(3) and its family: queues with a name, whose messages keep
 * their boundaries and may have priorities (ours all have 0).  The other side here
 * is *a process, not the kernel*: the peer, which takes, checks, counts, replies
 * and starts events as a kernel half does.
 *
 * The path of one message.  mq_send() enters the kernel, allocates room for the
 * message in pieces of up to a page, copies it in, and then looks, under the
 * queue's spinlock, who waits: a receiver that sleeps is handed the message past
 * the queue and woken; else it is sorted into a tree by priority.  mq_receive() in
 * the peer copies it out and frees it.  So that is two copies and an allocation,
 * and for a peer that sleeps a switch.  A call takes two queues, since a queue has
 * no direction: who sends and receives on the same one may get back its own.
 *
 * When to choose it.  Where messages have priorities, or where sender and receiver
 * need not live at the same time: a queue stays until it is unlinked.
 *
 * Its trap.  It is small: 10 messages of 8 KiB, unless fs.mqueue.msg_max and
 * msgsize_max say otherwise, or CAP_SYS_RESOURCE passes over both; and all queues
 * of one user together, each counted as if it were full, must fit
 * RLIMIT_MSGQUEUE, 800 KiB, which binds even root until he raises it, as is done
 * here.  The receiver's buffer must have room for the largest message the queue
 * could hold, not for the one that comes.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include "channel.h"
#include "peer.h"

/* On Linux a queue's descriptor is a file descriptor: it may be polled, and copied. */
_Static_assert(sizeof(mqd_t) == sizeof(int), "mqd_t is no file descriptor");

#define MESSAGES 10		/* the default of fs.mqueue.msg_max */

/* As far as one may.  Where that is not enough for the queue, mq_open() tells. */
static void emit_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MSGQUEUE, &limit) || getrlimit(RLIMIT_MSGQUEUE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MSGQUEUE, &limit);
}

/* Why mq_open() has made no queue, by its errno. */
static int queue_refused(struct rcx_session *s)
{
	if (errno == ENOSYS)
		return rcx_skip(s, "This kernel was built without CONFIG_POSIX_MQUEUE.");
	if (errno == EINVAL)
		return rcx_skip(s, "More than fs.mqueue.msg_max messages, or larger ones than "
			       "msgsize_max, need CAP_SYS_RESOURCE.");
	if (errno == EMFILE)
		return rcx_skip(s, "The queue would exceed RLIMIT_MSGQUEUE.");
	return rcx_fail_errno(s, "mq_open");
}

/* A queue between @to and @from.  It loses its name at once, so that nothing of it
 * stays however this process ends.
 */
static int connect_queue(struct rcx_session *s, int *to, int *from)
{
	bool starts = rcx_kernel_initiated(s->op);
	bool drains = s->op == RCX_STREAM || (starts && rcx_nonblocking(s));
	struct mq_attr attr = {
		.mq_maxmsg = s->queue ? (long)s->queue : MESSAGES,
		.mq_msgsize = (long)rcx_len(s),
	};
	char name[64];

	/* Only the process's own number: threads connect one after the other. */
	snprintf(name, sizeof(name), "/ringcross-%d", (int)getpid());
	emit_limit();
	*to = mq_open(name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | (drains ? O_NONBLOCK : 0),
		      0600, &attr);
	if (*to < 0)
		return queue_refused(s);
	*from = mq_open(name, O_WRONLY | O_CLOEXEC | (starts ? O_NONBLOCK : 0));
	mq_unlink(name);
	return *from < 0 ? rcx_fail_errno(s, "mq_open to write") : 0;
}

static int posixmq_connect(struct rcx_session *s)
{
	bool pushes = s->op == RCX_PUSH || s->op == RCX_CALL;

	if (pushes && connect_queue(s, &s->peer_end[0], &s->user_end[1]))
		return -1;
	return s->op == RCX_PUSH ? 0 : connect_queue(s, &s->user_end[0], &s->peer_end[1]);
}

/* ---- user half ---------------------------------------------------------- */

static int posixmq_push(struct rcx_session *s, uint64_t n)
{
	rcx_peer_expect(s, n);
	while (n--) {
		rcx_tx(s);
		if (mq_send(s->fd2, (const char *)s->tx, rcx_len(s), 0))
			return rcx_fail_errno(s, "mq_send");
	}
	return rcx_peer_wait(s);
}

static int posixmq_call(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t got;

		rcx_tx(s);
		if (mq_send(s->fd2, (const char *)s->tx, rcx_len(s), 0))
			return rcx_fail_errno(s, "mq_send");
		got = mq_receive(s->fd, (char *)s->rx, rcx_len(s), NULL);
		if (got < 0)
			return rcx_fail_errno(s, "mq_receive a reply");
		if (rcx_rx_reply(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

/* Waits as loops/fd_pair.h does, as does the stream: a timed loop stays in its channel. */
static int posixmq_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = mq_receive(s->fd, (char *)s->rx, rcx_len(s), NULL);
		} while (got < 0 && errno == EAGAIN);
		if (got < 0)
			return rcx_fail_errno(s, "mq_receive an event");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static int posixmq_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = mq_receive(s->fd, (char *)s->rx, rcx_len(s), NULL)) >= 0)
			if (rcx_streamed(s, s->rx, (size_t)got))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "mq_receive a stream");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- peer half ---------------------------------------------------------- */

static int posixmq_serve(struct rcx_session *s)
{
	for (;;) {
		ssize_t got = mq_receive(s->fd, (char *)s->rx, rcx_len(s), NULL);

		if (got < 0)
			return rcx_fail_errno(s, "mq_receive");
		if (rcx_peer_consume(s, s->rx, (size_t)got))
			return -1;
		if (s->op != RCX_CALL)
			continue;
		rcx_peer_reply(s, s->rx, (size_t)got);
		if (mq_send(s->fd2, (const char *)s->rx, (size_t)got, 0))
			return rcx_fail_errno(s, "mq_send a reply");
	}
}

static int posixmq_emit(struct rcx_session *s, const struct rcx_event *event)
{
	size_t len = rcx_peer_event(s, event, s->tx);

	return mq_send(s->fd2, (const char *)s->tx, len, 0) ? -errno : 0;
}

/* ---- registration ------------------------------------------------------ */

#define MESSAGE .max = RCX_BODY_MAX, \
	.limit = "fs.mqueue.msgsize_max allows 8 KiB, and only CAP_SYS_RESOURCE more."

static const struct rcx_peer_half posixmq_peer = {
	.connect = posixmq_connect,
	.serve = posixmq_serve,
	.emit = posixmq_emit,
};

static const struct rcx_queue posixmq_queue = {
	.what = "messages",
	.min = 1,
	.max = 1u << 16,
	.values = { 1, 10, 100, 1000 },
};

static const struct rcx_mode posixmq_modes[] = {
	{
		.name = "queue",
		.summary = "a queue of 10 messages, and one back for replies",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &posixmq_peer,
		.operations = {
			[RCX_PUSH] = { .run = posixmq_push, MESSAGE },
			[RCX_CALL] = { .run = posixmq_call, MESSAGE },
			[RCX_NOTIFY] = { .run = posixmq_notify, MESSAGE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = posixmq_stream, MESSAGE, .waits = RCX_WAIT_DRAIN,
					.queue = &posixmq_queue },
		},
	},
	{ }
};

static const struct rcx_channel posixmq_channel = {
	.name = "posixmq",
	.summary = "Message queues to another process, for scale",
	.flags = RCX_REFERENCE,
	.since = "2.6.6: mq_open() with CONFIG_POSIX_MQUEUE",
	.modes = posixmq_modes,
	.unsupported_reason = {
		[RCX_PULL] = "Another process makes a message only when one asks for it, and that is a call.",
	},
};
RCX_CHANNEL(posixmq_channel);
