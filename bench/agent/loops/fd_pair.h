/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over file descriptors that lead to another process: one write() for each message, and
 * as many read() calls as needed, because a byte stream does not keep message boundaries.
 *
 * The loops of both halves are here, for channels that differ only in how the descriptors are
 * made.  They are in a header, so that each channel has its own copy and nothing is dispatched.
 *
 * In both processes, s->fd is to read from and s->fd2 to write to.
 */
#ifndef RCX_FD_PAIR_H
#define RCX_FD_PAIR_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"
#include "peer.h"

/* The directions that an operation needs. */
static inline bool rcx_fd_to_peer(const struct rcx_session *s)
{
	return s->op == RCX_PUSH || s->op == RCX_CALL;
}

static inline bool rcx_fd_to_user(const struct rcx_session *s)
{
	return s->op != RCX_PUSH;
}

/* Set O_NONBLOCK for a peer that emits, and for a user half that does not wait in read(). */
static inline int rcx_fd_unblock(struct rcx_session *s)
{
	bool starts = rcx_kernel_initiated(s->op);

	if (starts && fcntl(s->peer_end[1], F_SETFL, O_NONBLOCK))
		return rcx_fail_errno(s, "cannot set O_NONBLOCK");
	if (starts && rcx_nonblocking(s) && fcntl(s->user_end[0], F_SETFL, O_NONBLOCK))
		return rcx_fail_errno(s, "cannot set O_NONBLOCK");
	return 0;
}

/* ---- one message, in either process ------------------------------------- */

/*
 * Read until s->rx holds a message, of which *@have bytes are already there.  Returns its
 * length, 0 at the end of the channel, or -1 with errno.  In the last two cases *@have is
 * updated for the next call.
 */
static inline ssize_t rcx_fd_take(struct rcx_session *s, size_t *have)
{
	size_t len = rcx_len(s), at = *have;

	do {
		ssize_t got = read(s->fd, (char *)s->rx + at, len - at);

		if (got <= 0) {
			*have = at;
			return got;
		}
		at += (size_t)got;
	} while (at < len && (at < RCX_HEADER || at - RCX_HEADER < s->rx->size));
	*have = 0;
	return (ssize_t)at;
}

/* Write all of @msg: a blocking write() waits for room, but a signal can interrupt it. */
static inline int rcx_fd_put(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	ssize_t put = write(s->fd2, msg, len);

	while (put >= 0 && (size_t)put < len) {
		ssize_t more = write(s->fd2, (const char *)msg + put, len - (size_t)put);

		put = more < 0 ? more : put + more;
	}
	return put < 0 ? -1 : 0;
}

/* ---- user half ---------------------------------------------------------- */

static inline int rcx_fd_broken(struct rcx_session *s, const char *what, ssize_t got)
{
	bool exited = !got || errno == EPIPE || errno == ECONNRESET;

	return exited ? rcx_peer_exited(s, what) : rcx_fail_errno(s, what);
}

static inline int rcx_fd_push(struct rcx_session *s, uint64_t n)
{
	rcx_peer_expect(s, n);
	while (n--) {
		rcx_tx(s);
		if (rcx_fd_put(s, s->tx, rcx_len(s)))
			return rcx_fd_broken(s, "write", -1);
	}
	return rcx_peer_wait(s);
}

static inline int rcx_fd_call(struct rcx_session *s, uint64_t n)
{
	size_t have = 0;

	while (n--) {
		ssize_t got;

		rcx_tx(s);
		if (rcx_fd_put(s, s->tx, rcx_len(s)))
			return rcx_fd_broken(s, "write a request", -1);
		got = rcx_fd_take(s, &have);
		if (got <= 0)
			return rcx_fd_broken(s, "read a reply", got);
		if (rcx_rx_reply(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static inline int rcx_fd_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);
	size_t have = 0;

	while (n--) {
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = rcx_fd_take(s, &have);
		} while (got < 0 && errno == EAGAIN);
		if (got <= 0)
			return rcx_fd_broken(s, "read an event", got);
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

/* Sleep in read() until the peer has emitted all.  Of a message, *@have bytes may be left. */
static inline int rcx_fd_stream_block(struct rcx_session *s, size_t *have)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = rcx_fd_take(s, have);

		if (!got || (got < 0 && errno != EINTR))
			return rcx_fd_broken(s, "read a stream", got);
		if (got > 0 && rcx_streamed(s, s->rx, (size_t)got))
			return -1;
	}
	return rcx_stream_unblock_fd(s);
}

static inline int rcx_fd_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t have = 0;

	(void)n;
	if (rcx_stream_blocks(s) && rcx_fd_stream_block(s, &have))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = rcx_fd_take(s, &have)) > 0)
			if (rcx_streamed(s, s->rx, (size_t)got))
				return -1;
		if (!got || errno != EAGAIN)
			return rcx_fd_broken(s, "read a stream", got);
		/* Of a message that has begun, the rest is still on its way. */
		if (over && !have)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- peer half ---------------------------------------------------------- */

static inline int rcx_fd_serve(struct rcx_session *s)
{
	bool answers = s->op == RCX_CALL;
	size_t have = 0;

	for (;;) {
		ssize_t got = rcx_fd_take(s, &have);

		if (got <= 0)
			return got ? rcx_fail_errno(s, "read") :
				     rcx_fail(s, "the user half has closed its end");
		if (rcx_peer_consume(s, s->rx, (size_t)got))
			return -1;
		if (!answers)
			continue;
		rcx_peer_reply(s, s->rx, (size_t)got);
		if (rcx_fd_put(s, s->rx, (size_t)got))
			return rcx_fail_errno(s, "write a reply");
	}
}

/* A message that is partly written cannot be withdrawn, so wait for room for the rest. */
static inline int rcx_fd_emit(struct rcx_session *s, const struct rcx_event *event)
{
	size_t len = rcx_peer_event(s, event, s->tx);
	ssize_t put = write(s->fd2, s->tx, len);

	while (put >= 0 && (size_t)put < len) {
		struct pollfd pfd = { .fd = s->fd2, .events = POLLOUT };
		ssize_t more;

		poll(&pfd, 1, -1);
		more = write(s->fd2, (const char *)s->tx + put, len - (size_t)put);
		if (more < 0 && errno == EAGAIN)
			continue;
		put = more < 0 ? more : put + more;
	}
	return put < 0 ? -errno : 0;
}

#endif /* RCX_FD_PAIR_H */
