/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over a netlink socket, for families that differ in how a message lies in
 * a datagram and not in what is done with one.  s->fd is the socket; s->map holds
 * the datagram to receive and, half-way, the one to send.  In a header, so that
 * each user half has the loop in itself and nothing is dispatched.
 */
#ifndef RC_DATAGRAMS_H
#define RC_DATAGRAMS_H

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "channel.h"

/*
 * How a family finds the message in the @got bytes at s->map: NULL when they are no
 * datagram of @kind, else @len is the message's length.
 */
typedef const struct rc_msg *(*rc_datagram_open)(const struct rc_session *s, ssize_t got,
						 unsigned int kind, size_t *len);

static inline size_t rc_datagram_room(const struct rc_session *s)
{
	return s->map_len / 2;
}

static inline struct nlmsghdr *rc_datagram_out(const struct rc_session *s)
{
	return (struct nlmsghdr *)((char *)s->map + rc_datagram_room(s));
}

/* ---- what came --------------------------------------------------------- */

/* Why the @got bytes at s->map are not what was due.  Always -1. */
static inline int rc_datagram_broken(struct rc_session *s, ssize_t got)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *refusal = NLMSG_DATA(header);

	if (got < 0)
		return rc_fail_errno(s, "recv");
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*refusal)) || header->nlmsg_type != NLMSG_ERROR)
		return rc_fail(s, "a datagram of %zd bytes is none of ours", got);
	return rc_fail(s, "the kernel half refused a request: %s", strerror(-refusal->error));
}

static inline int rc_datagram_wait_for_ack(struct rc_session *s)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *ack = NLMSG_DATA(header);
	ssize_t got = recv(s->fd, s->map, rc_datagram_room(s), 0);

	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*ack)) || header->nlmsg_type != NLMSG_ERROR ||
	    ack->error)
		return rc_datagram_broken(s, got);
	return 0;
}

/* ---- open and close ---------------------------------------------------- */

/* Room for two datagrams of @room bytes; s->tx becomes the message @ahead bytes into the
 * one to send, until rc_datagram_close().
 */
static inline int rc_datagram_get(struct rc_session *s, size_t room, size_t ahead)
{
	size_t len = (room + 4095) / 4096 * 4096;
	struct rc_msg *message;

	s->map = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rc_fail_errno(s, "cannot get room for two datagrams");
	}
	s->map_len = 2 * len;
	message = (struct rc_msg *)((char *)rc_datagram_out(s) + ahead);
	*message = *s->tx;
	s->priv = s->tx;
	s->tx = message;
	return 0;
}

static inline void rc_datagram_close(struct rc_session *s)
{
	if (s->priv)
		s->tx = s->priv;
}

#define RC_DATAGRAM_QUEUE {						\
	.what = "bytes of SO_RCVBUF",					\
	.min = 2304,	/* the kernel lets none have less */		\
	.max = 1u << 28,						\
	.values = { 1u << 14, 1u << 16, 1u << 20 },			\
}

/* What the socket may queue of events; the kernel doubles it, for its own part. */
static inline int rc_datagram_set_queue(struct rc_session *s)
{
	int bytes = (int)s->queue;

	if (bytes && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return rc_fail_errno(s, "setsockopt SO_RCVBUFFORCE");
	return 0;
}

/* ---- requests ---------------------------------------------------------- */

static inline int rc_datagram_push(struct rc_session *s, uint64_t n)
{
	const struct nlmsghdr *request = rc_datagram_out(s);
	size_t len = request->nlmsg_len;

	while (n--) {
		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
	}
	return 0;
}

static inline int rc_datagram_push_ack(struct rc_session *s, uint64_t n)
{
	while (n--)
		if (rc_datagram_push(s, 1) || rc_datagram_wait_for_ack(s))
			return -1;
	return 0;
}

static inline int rc_datagram_pull(struct rc_session *s, uint64_t n, rc_datagram_open message,
				   unsigned int kind)
{
	const struct nlmsghdr *request = rc_datagram_out(s);
	size_t len = request->nlmsg_len, most = rc_datagram_room(s), whole;

	while (n--) {
		const struct rc_msg *msg;
		ssize_t got;

		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, s->map, most, 0);
		msg = message(s, got, kind, &whole);
		if (!msg)
			return rc_datagram_broken(s, got);
		if (rc_rx(s, msg, whole))
			return -1;
	}
	return 0;
}

static inline int rc_datagram_call(struct rc_session *s, uint64_t n, rc_datagram_open message,
				   unsigned int kind)
{
	const struct nlmsghdr *request = rc_datagram_out(s);
	size_t len = request->nlmsg_len, most = rc_datagram_room(s), whole;

	while (n--) {
		const struct rc_msg *msg;
		ssize_t got;

		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, s->map, most, 0);
		msg = message(s, got, kind, &whole);
		if (!msg)
			return rc_datagram_broken(s, got);
		if (rc_rx_reply(s, msg, whole))
			return -1;
	}
	return 0;
}

/* ---- events: the same from a port and from a group --------------------- */

static inline int rc_datagram_notify(struct rc_session *s, uint64_t n, rc_datagram_open message,
				     unsigned int kind)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int flags = rc_nonblocking(s) ? MSG_DONTWAIT : 0;
	size_t most = rc_datagram_room(s), whole;
	bool polls = rc_polls(s);

	while (n--) {
		const struct rc_msg *msg;
		ssize_t got;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = recv(s->fd, s->map, most, flags);
		} while (got < 0 && errno == EAGAIN);
		rc_arrived(s);
		msg = message(s, got, kind, &whole);
		if (!msg)
			return rc_datagram_broken(s, got);
		if (rc_rx(s, msg, whole))
			return -1;
	}
	return 0;
}

/*
 * ENOBUFS is how the channel says that it has lost something.  It says so once
 * per overrun and ahead of what is still queued; the sequence tells how much.
 */
static inline int rc_datagram_stream(struct rc_session *s, uint64_t n, rc_datagram_open message,
				     unsigned int kind)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t most = rc_datagram_room(s), whole;

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		ssize_t got;

		while ((got = recv(s->fd, s->map, most, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
			const struct rc_msg *msg;

			if (got < 0) {
				s->overruns++;
				continue;
			}
			msg = message(s, got, kind, &whole);
			if (!msg)
				return rc_datagram_broken(s, got);
			if (rc_streamed(s, msg, whole))
				return -1;
		}
		if (errno != EAGAIN)
			return rc_fail_errno(s, "recv");
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

#endif /* RC_DATAGRAMS_H */
