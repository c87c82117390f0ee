/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over file descriptors that lead to another process: a write() for each
 * message, and as many read() as it takes, since a stream of bytes keeps no
 * boundaries.  Both halves, for channels that differ in who makes the
 * descriptors and not in what is done with them.  In a header, so that each
 * channel has the loop in itself and nothing is dispatched.
 *
 * s->fd is to read from and s->fd2 to write to, in both processes.
 */
#ifndef RC_ENDS_H
#define RC_ENDS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"
#include "peer.h"

/* Which directions an operation needs. */
static inline bool rc_ends_to_peer(const struct rc_session *s)
{
	return s->op == RC_PUSH || s->op == RC_CALL;
}

static inline bool rc_ends_to_user(const struct rc_session *s)
{
	return s->op != RC_PUSH;
}

/* What must not block: a peer that emits, and a user half that drains or does not wait
 * in read().
 */
static inline int rc_ends_unblock(struct rc_session *s)
{
	bool starts = rc_started(s->op);

	if (starts && fcntl(s->peer_end[1], F_SETFL, O_NONBLOCK))
		return rc_fail_errno(s, "cannot set O_NONBLOCK");
	if ((s->op == RC_STREAM || (starts && rc_nonblocking(s))) &&
	    fcntl(s->user_end[0], F_SETFL, O_NONBLOCK))
		return rc_fail_errno(s, "cannot set O_NONBLOCK");
	return 0;
}

/* ---- one message, in either process ------------------------------------- */

/*
 * Read on until s->rx holds a message; *@have bytes of it are there already.  Its
 * length, 0 at the end of the channel, or -1 with errno; *@have is then kept for
 * the next try.
 */
static inline ssize_t rc_ends_take(struct rc_session *s, size_t *have)
{
	size_t len = rc_len(s), at = *have;

	do {
		ssize_t got = read(s->fd, (char *)s->rx + at, len - at);

		if (got <= 0) {
			*have = at;
			return got;
		}
		at += (size_t)got;
	} while (at < len && (at < RC_HEADER || at - RC_HEADER < s->rx->size));
	*have = 0;
	return (ssize_t)at;
}

/* Write all of @msg: a blocking write() waits for room, but a signal may cut it short. */
static inline int rc_ends_put(struct rc_session *s, const struct rc_msg *msg, size_t len)
{
	ssize_t put = write(s->fd2, msg, len);

	while (put >= 0 && (size_t)put < len) {
		ssize_t more = write(s->fd2, (const char *)msg + put, len - (size_t)put);

		put = more < 0 ? more : put + more;
	}
	return put < 0 ? -1 : 0;
}

/* ---- user half ---------------------------------------------------------- */

static inline int rc_ends_broken(struct rc_session *s, const char *what, ssize_t got)
{
	bool gone = !got || errno == EPIPE || errno == ECONNRESET;

	return gone ? rc_peer_gone(s, what) : rc_fail_errno(s, what);
}

static inline int rc_ends_push(struct rc_session *s, uint64_t n)
{
	rc_peer_expect(s, n);
	while (n--) {
		rc_tx(s);
		if (rc_ends_put(s, s->tx, rc_len(s)))
			return rc_ends_broken(s, "write", -1);
	}
	return rc_peer_wait(s);
}

static inline int rc_ends_call(struct rc_session *s, uint64_t n)
{
	size_t have = 0;

	while (n--) {
		ssize_t got;

		rc_tx(s);
		if (rc_ends_put(s, s->tx, rc_len(s)))
			return rc_ends_broken(s, "write a request", -1);
		got = rc_ends_take(s, &have);
		if (got <= 0)
			return rc_ends_broken(s, "read a reply", got);
		if (rc_rx_reply(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static inline int rc_ends_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rc_polls(s);
	size_t have = 0;

	while (n--) {
		ssize_t got;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = rc_ends_take(s, &have);
		} while (got < 0 && errno == EAGAIN);
		if (got <= 0)
			return rc_ends_broken(s, "read an event", got);
		rc_arrived(s);
		if (rc_rx(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static inline int rc_ends_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t have = 0;

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		ssize_t got;

		while ((got = rc_ends_take(s, &have)) > 0)
			if (rc_streamed(s, s->rx, (size_t)got))
				return -1;
		if (!got || errno != EAGAIN)
			return rc_ends_broken(s, "read a stream", got);
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- peer half ---------------------------------------------------------- */

static inline int rc_ends_serve(struct rc_session *s)
{
	bool answers = s->op == RC_CALL;
	size_t have = 0;

	for (;;) {
		ssize_t got = rc_ends_take(s, &have);

		if (got <= 0)
			return got ? rc_fail_errno(s, "read") : rc_fail(s, "the user hung up");
		if (rc_peer_consume(s, s->rx, (size_t)got))
			return -1;
		if (!answers)
			continue;
		rc_peer_reply(s, s->rx, (size_t)got);
		if (rc_ends_put(s, s->rx, (size_t)got))
			return rc_fail_errno(s, "write a reply");
	}
}

/* A message that went half-way cannot be taken back: wait for room for the rest. */
static inline int rc_ends_emit(struct rc_session *s, const struct rc_shot *shot)
{
	size_t len = rc_peer_event(s, shot, s->tx);
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

#endif /* RC_ENDS_H */
