// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: unixsock
 *
 * Sockets between two processes of one machine: a reference, for scale.
 *
 * What it is.  socketpair(2) of the family AF_UNIX.  Here another process is at the
 * far end, not the kernel: the peer.  It consumes, checks and counts messages, replies
 * and emits events as a kernel half does.  A socket of AF_NETLINK is built from the
 * same parts, with the kernel at its far end.  So the difference between the two numbers
 * is mainly the switch to another process.
 *
 * The path of one message.  write() enters the kernel, which allocates a socket
 * buffer (struct sk_buff), charges it to the sender, copies the message in and
 * puts it on the receiver's queue.  The kernel wakes the receiver and switches to it.  Its
 * read() copies the message out and frees the buffer.  There are two copies, as in a
 * pipe.  But a pipe fills up a page that it has begun, and a socket allocates a buffer
 * for each message.
 *
 * - seqpacket: one message is one buffer.  It is queued as a whole or not at all.  The
 *   part of a message that does not fit into the buffer of a read() is discarded.
 * - stream: bytes.  A large message is split into buffers of about 36 KiB, and the
 *   reader reassembles it.  When SO_SNDBUF is used up, the rest waits in write()
 *   while the reader already has the beginning.
 *
 * Three more modes push only.  trunc: the peer receives each packet with MSG_TRUNC and room
 * for the header alone.  recv() returns the length of the whole packet and discards the
 * body, so the figure has no copy out: it is for a receiver that needs only a length.
 * batch: a stream of which the peer takes up to 64 KiB by one read(), so many messages
 * share a system call.  splice: vmsplice() and splice() hand the sender's own pages to a
 * stream, and the peer moves them on to /dev/null, unread.  Its figure has no copy of the
 * body at all: it is the cost of forwarding, not of receiving.  There is no mode with
 * sendmmsg() and recvmmsg(), which save the entries into the kernel and nothing else: with
 * 16 packets of 64 bytes each, a push of seqpacket took 4,530 instructions on 6.1, instead
 * of 4,798.
 *
 * When to choose it.  Between processes that find each other by a path, with replies,
 * descriptors (SCM_RIGHTS) and the sender's identity (SO_PEERCRED).  Most services on one
 * machine communicate this way.
 *
 * Its pitfall.  The sender's SO_SNDBUF limits how much may be queued, and a message is
 * charged with its bookkeeping, too: a small one takes several hundred bytes.  A
 * seqpacket message must fit into SO_SNDBUF as a whole; raising SO_SNDBUF above
 * net.core.wmem_max needs CAP_NET_ADMIN.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "channel.h"
#include "loops/fd_batch.h"
#include "loops/fd_pair.h"
#include "loops/fd_splice.h"

#define LEFT_FREE 32 /* bytes of the send buffer that the kernel reserves */

/*
 * Set the send buffer to @bytes as the kernel counts, which is twice the requested size.
 * With CAP_NET_ADMIN any size is allowed, otherwise up to net.core.wmem_max.
 */
static int set_buffer(struct rcx_session *s, int fd, int bytes)
{
	socklen_t len = sizeof(bytes);
	int half = bytes / 2, got;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)) &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half)))
		return rcx_fail_errno(s, "setsockopt SO_SNDBUF");
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &len))
		return rcx_fail_errno(s, "getsockopt SO_SNDBUF");
	if (got < bytes - 1)
		return rcx_skip(s, "A send buffer above net.core.wmem_max needs CAP_NET_ADMIN.");
	return 0;
}

/* Enlarge the send buffer of @fd to hold a message of this cell, if needed. */
static int widen_for_packet(struct rcx_session *s, int fd)
{
	int need = (int)rcx_len(s) + LEFT_FREE, size;
	socklen_t len = sizeof(size);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len))
		return rcx_fail_errno(s, "getsockopt SO_SNDBUF");
	return size < need ? set_buffer(s, fd, need + 1) : 0;
}

static int connect_pair(struct rcx_session *s, int type)
{
	int fds[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds))
		return rcx_fail_errno(s, "socketpair");
	s->user_end[0] = fds[0];
	s->peer_end[0] = fds[1];
	/* A socket is one descriptor for both directions; the loops use one per direction. */
	s->user_end[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	s->peer_end[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, 0);
	if (s->user_end[1] < 0 || s->peer_end[1] < 0)
		return rcx_fail_errno(s, "cannot copy a file descriptor");
	if (s->queue && set_buffer(s, fds[1], (int)s->queue))
		return -1;
	return rcx_fd_unblock(s);
}

static int seqpacket_connect(struct rcx_session *s)
{
	if (connect_pair(s, SOCK_SEQPACKET) || widen_for_packet(s, s->user_end[0]))
		return -1;
	/* Keep a requested length, since the stream measures it. */
	return s->queue ? 0 : widen_for_packet(s, s->peer_end[0]);
}

static int stream_connect(struct rcx_session *s)
{
	return connect_pair(s, SOCK_STREAM);
}

/* ---- trunc: only the header and the length of a packet ------------------ */

/*
 * With MSG_TRUNC, recv() returns the length of the packet, also of the part for which there was
 * no room and which it discards.  The body is not in the memory of the peer, so the validation
 * pass looks at the whole packet before, in the queue.
 */
static int take_header(struct rcx_session *s, struct rcx_msg *header, ssize_t *len)
{
	*len = s->validate ? recv(s->fd, s->rx, rcx_len(s), MSG_PEEK | MSG_TRUNC) : 0;
	if (*len < 0)
		return rcx_fail_errno(s, "recv with MSG_PEEK");
	*len = recv(s->fd, header, sizeof(*header), MSG_TRUNC);
	if (*len <= 0)
		return *len ? rcx_fail_errno(s, "recv") :
			      rcx_fail(s, "the user half has closed its end");
	if (*len > (ssize_t)rcx_len(s))
		return rcx_fail(s, "a packet is larger than the peer's buffer");
	if (s->validate && memcmp(s->rx, header, sizeof(*header)))
		return rcx_fail(s, "a packet changed between two looks at it");
	return 0;
}

static int trunc_serve(struct rcx_session *s)
{
	struct rcx_msg header;
	ssize_t len;

	while (!take_header(s, &header, &len))
		if (rcx_peer_consume(s, s->validate ? s->rx : &header, (size_t)len))
			return -1;
	return -1;
}

/* ---- splice: the sender's own pages ------------------------------------- */

/* A pipe takes the pages, and hands them to the socket. */
static int splice_open(struct rcx_session *s)
{
	int fds[2];

	if (rcx_peer_open(s))
		return -1;
	if (pipe2(fds, O_CLOEXEC))
		return rcx_fail_errno(s, "pipe");
	/* A push needs s->fd for nothing else: the pipe to read from.  It is closed with it. */
	if (dup3(fds[0], s->fd, O_CLOEXEC) < 0)
		return rcx_fail_errno(s, "dup3");
	close(fds[0]);
	close(s->user_end[0]);
	s->user_end[0] = fds[1];
	return rcx_splice_get_buffers(s, fds[1]);
}

static int splice_message(struct rcx_session *s)
{
	struct iovec left = { s->tx, rcx_len(s) };

	while (left.iov_len) {
		ssize_t put = vmsplice(s->user_end[0], &left, 1, 0);

		if (put <= 0)
			return rcx_fail_errno(s, "vmsplice");
		left.iov_base = (char *)left.iov_base + put;
		left.iov_len -= (size_t)put;
		while (put) {
			ssize_t moved = splice(s->fd, NULL, s->fd2, NULL, (size_t)put, 0);

			if (moved <= 0)
				return rcx_fd_broken(s, "splice", moved);
			put -= moved;
		}
	}
	return 0;
}

static int splice_push(struct rcx_session *s, uint64_t n)
{
	rcx_peer_expect(s, n);
	while (n--) {
		rcx_splice_tx(s);
		if (splice_message(s))
			return -1;
	}
	return rcx_peer_wait(s);
}

static int splice_begin(struct rcx_session *s)
{
	static struct rcx_splice_ends ends;

	return rcx_splice_begin(s, &ends, false);
}

/* ---- registration ------------------------------------------------------ */

#define BYTES .max = RCX_BODY_MAX
#define PACKET               \
	.max = RCX_BODY_MAX, \
	.limit = "A packet must fit into SO_SNDBUF; raising it to this size needs CAP_NET_ADMIN."

static const struct rcx_peer_half seqpacket_peer = {
	.connect = seqpacket_connect,
	.serve = rcx_fd_serve,
	.emit = rcx_fd_emit,
};

static const struct rcx_peer_half stream_peer = {
	.connect = stream_connect,
	.serve = rcx_fd_serve,
	.emit = rcx_fd_emit,
};

static const struct rcx_peer_half trunc_peer = {
	.connect = seqpacket_connect,
	.serve = trunc_serve,
};

static const struct rcx_peer_half batch_peer = {
	.connect = stream_connect,
	.begin = rcx_fd_batch_begin,
	.serve = rcx_fd_batch_serve,
};

static const struct rcx_peer_half splice_peer = {
	.connect = stream_connect,
	.begin = splice_begin,
	.serve = rcx_splice_serve,
};

static const struct rcx_queue unixsock_queue = {
	.what = "bytes of SO_SNDBUF, as the kernel counts",
	.min = 4608, /* the kernel's minimum */
	.max = 1u << 28,
	.values = { 1u << 14, 1u << 18, 1u << 21 },
};

static const struct rcx_mode unixsock_modes[] = {
	{
		.name = "seqpacket",
		.summary = "one buffer per message, which keeps its boundaries",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &seqpacket_peer,
		.operations = {
			[RCX_PUSH] = { .run = rcx_fd_push, PACKET },
			[RCX_CALL] = { .run = rcx_fd_call, PACKET },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, PACKET, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_stream, PACKET, .waits = RCX_WAIT_ANY,
					.queue = &unixsock_queue },
		},
	},
	{
		.name = "stream",
		.summary = "bytes, as in a pipe, in both directions",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &stream_peer,
		.operations = {
			[RCX_PUSH] = { .run = rcx_fd_push, BYTES },
			[RCX_CALL] = { .run = rcx_fd_call, BYTES },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_stream, BYTES, .waits = RCX_WAIT_ANY,
					.queue = &unixsock_queue },
		},
	},
	{
		.name = "trunc",
		.summary = "MSG_TRUNC: header and length; the figure has no copy of the body out",
		.open = rcx_peer_open,
		.peer = &trunc_peer,
		.operations = { [RCX_PUSH] = { .run = rcx_fd_push, PACKET } },
	},
	{
		.name = "batch",
		.summary = "a stream of which the peer takes up to 64 KiB by one read",
		.open = rcx_peer_open,
		.peer = &batch_peer,
		.operations = { [RCX_PUSH] = { .run = rcx_fd_push_padded, BYTES } },
	},
	{
		.name = "splice",
		.summary = "the sender's pages, moved on unread: the figure has no copy of the body",
		.open = splice_open,
		.close = rcx_splice_close,
		.peer = &splice_peer,
		.operations = { [RCX_PUSH] = { .run = splice_push, BYTES } },
	},
	{ }
};

static const struct rcx_channel unixsock_channel = {
	.name = "unixsock",
	.summary = "Sockets to another process, for scale",
	.flags = RCX_REFERENCE,
	.since = "2.6.4: SOCK_SEQPACKET of AF_UNIX; streams since 1.0, see unix(7)",
	.modes = unixsock_modes,
	.unsupported_reason = {
		[RCX_PULL] = "The peer makes a message only on request, and a request with a reply is a call.",
		[RCX_UPCALL] = "Only the kernel asks here: a request to another process, with its reply, is a call.",
		[RCX_DUMP] = "A table is kept by the kernel, and the peer is a process: its dump would be a series of messages, which stream measures.",
	},
};
RCX_CHANNEL(unixsock_channel);
