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
 * When to choose it.  Between processes that find each other by a path, with replies,
 * descriptors (SCM_RIGHTS) and the sender's identity (SO_PEERCRED).  Most services on one
 * machine communicate this way.
 *
 * Its pitfall.  The sender's SO_SNDBUF limits how much may be queued, and a message is
 * charged with its bookkeeping, too: a small one takes several hundred bytes.  A
 * seqpacket message must fit into SO_SNDBUF as a whole; raising SO_SNDBUF above
 * net.core.wmem_max needs CAP_NET_ADMIN.
 */
#include <sys/socket.h>
#include "channel.h"
#include "loops/fd_pair.h"

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
