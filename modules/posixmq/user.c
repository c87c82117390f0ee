// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: posixmq
 *
 * POSIX message queues between two processes: a reference, for scale.
 *
 * What it is.  mq_open(3) and its family: named queues.  Messages keep their
 * boundaries and may have priorities; ours all have priority 0.  Here another process is
 * at the far end, not the kernel: the peer.  It consumes, checks and counts messages,
 * replies and emits events as a kernel half does.
 *
 * The path of one message.  mq_send() enters the kernel, allocates memory for the
 * message in pieces of up to a page and copies the message in.  Then it takes the
 * queue's spinlock and checks for waiting receivers.  A receiver that sleeps gets the
 * message directly, past the queue, and is woken.  Otherwise the message is sorted into
 * a tree by priority.  mq_receive() in the peer copies the message out and frees it.
 * So a message takes two copies and an allocation, and a switch if the peer sleeps.  A
 * call takes two queues, since a queue has no direction: a process that sends and
 * receives on the same queue may get back its own message.
 *
 * When to choose it.  When messages have priorities, or when sender and receiver
 * do not run at the same time: a queue exists until it is unlinked.
 *
 * Its pitfall.  The limits are small: 10 messages of 8 KiB.  fs.mqueue.msg_max and
 * msgsize_max change them, and CAP_SYS_RESOURCE exempts from both.  In addition, all
 * queues of one user, each counted as if it were full, must fit into RLIMIT_MSGQUEUE,
 * which is 800 KiB.  That limit also applies to root, who may raise it, as is done here.
 * The receiver's buffer must have room for the largest message of the queue, not only
 * for the message received.
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

/* On Linux a queue's descriptor is a file descriptor, so poll() and dup() work. */
_Static_assert(sizeof(mqd_t) == sizeof(int), "mqd_t is not a file descriptor");

#define MESSAGES 10 /* the default of fs.mqueue.msg_max */

/* Raise RLIMIT_MSGQUEUE as far as permitted.  If that is not enough, mq_open() fails. */
static void raise_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (!setrlimit(RLIMIT_MSGQUEUE, &limit) || getrlimit(RLIMIT_MSGQUEUE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MSGQUEUE, &limit);
}

/* Report the errno of mq_open(). */
static int queue_refused(struct rcx_session *s)
{
	if (errno == ENOSYS)
		return rcx_skip(s, "This kernel was built without CONFIG_POSIX_MQUEUE.");
	if (errno == EINVAL)
		return rcx_skip(s, "A queue beyond fs.mqueue.msg_max or msgsize_max needs "
				   "CAP_SYS_RESOURCE.");
	if (errno == EMFILE)
		return rcx_skip(s, "The queue would exceed RLIMIT_MSGQUEUE.");
	return rcx_fail_errno(s, "mq_open");
}

/* Make a queue and open its ends.  It is unlinked at once, so that it cannot outlive this
 * process.
 */
static int connect_queue(struct rcx_session *s, int *to, int *from)
{
	bool starts = rcx_kernel_initiated(s->op);
	bool drains = starts && rcx_nonblocking(s);
	struct mq_attr attr = {
		.mq_maxmsg = s->queue ? (long)s->queue : MESSAGES,
		.mq_msgsize = (long)rcx_len(s),
	};
	char name[64];

	/* The pid makes it unique: threads of one process connect one after the other. */
	snprintf(name, sizeof(name), "/ringcross-%d", (int)getpid());
	raise_limit();
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

/* Like the loops in loops/fd_pair.h; each timed loop stays in its channel's folder. */
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

/* Sleep in mq_receive() until the peer has emitted all. */
static int stream_block(struct rcx_session *s)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = mq_receive(s->fd, (char *)s->rx, rcx_len(s), NULL);

		if (got < 0 && errno != EINTR)
			return rcx_fail_errno(s, "mq_receive a stream");
		if (got >= 0 && rcx_streamed(s, s->rx, (size_t)got))
			return -1;
	}
	return rcx_stream_unblock_fd(s);
}

static int posixmq_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	if (rcx_stream_blocks(s) && stream_block(s))
		return -1;
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

#define MESSAGE              \
	.max = RCX_BODY_MAX, \
	.limit = "fs.mqueue.msgsize_max allows 8 KiB; larger messages need CAP_SYS_RESOURCE."

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
		.summary = "a queue of 10 messages, and a second one for replies",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &posixmq_peer,
		.operations = {
			[RCX_PUSH] = { .run = posixmq_push, MESSAGE },
			[RCX_CALL] = { .run = posixmq_call, MESSAGE },
			[RCX_NOTIFY] = { .run = posixmq_notify, MESSAGE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = posixmq_stream, MESSAGE, .waits = RCX_WAIT_ANY,
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
		[RCX_PULL] = "The peer makes a message only on request, and a request with a reply is a call.",
		[RCX_UPCALL] = "Only the kernel asks here: a request to another process, with its reply, is a call.",
		[RCX_DUMP] = "A table is kept by the kernel, and the peer is a process: its dump would be a series of messages, which stream measures.",
	},
};
RCX_CHANNEL(posixmq_channel);
