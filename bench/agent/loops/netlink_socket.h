/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over a netlink socket, for families that differ in how a message lies in
 * a datagram and not in what is done with one.  s->fd is the socket; s->map holds
 * the datagram to receive and, half-way, the one to send.  In a header, so that
 * each user half has the loop in itself and nothing is dispatched.
 */
#ifndef RCX_NETLINK_SOCKET_H
#define RCX_NETLINK_SOCKET_H

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
typedef const struct rcx_msg *(*rcx_datagram_open)(const struct rcx_session *s, ssize_t got,
						 unsigned int kind, size_t *len);

static inline size_t rcx_datagram_room(const struct rcx_session *s)
{
	return s->map_len / 2;
}

static inline struct nlmsghdr *rcx_datagram_out(const struct rcx_session *s)
{
	return (struct nlmsghdr *)((char *)s->map + rcx_datagram_room(s));
}

/* ---- what came --------------------------------------------------------- */

/* Why the @got bytes at s->map are not what was due.  Always -1. */
static inline int rcx_datagram_broken(struct rcx_session *s, ssize_t got)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *refusal = NLMSG_DATA(header);

	if (got < 0)
		return rcx_fail_errno(s, "recv");
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*refusal)) || header->nlmsg_type != NLMSG_ERROR)
		return rcx_fail(s, "a datagram of %zd bytes is none of ours", got);
	return rcx_fail(s, "the kernel half refused a request: %s", strerror(-refusal->error));
}

static inline int rcx_datagram_wait_for_ack(struct rcx_session *s)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *ack = NLMSG_DATA(header);
	ssize_t got = recv(s->fd, s->map, rcx_datagram_room(s), 0);

	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*ack)) || header->nlmsg_type != NLMSG_ERROR ||
	    ack->error)
		return rcx_datagram_broken(s, got);
	return 0;
}

/* ---- open and close ---------------------------------------------------- */

/* Room for two datagrams of @room bytes; s->tx becomes the message @ahead bytes into the
 * one to send, until rcx_datagram_close().
 */
static inline int rcx_datagram_get(struct rcx_session *s, size_t room, size_t ahead)
{
	size_t len = (room + 4095) / 4096 * 4096;
	struct rcx_msg *message;

	s->map = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get room for two datagrams");
	}
	s->map_len = 2 * len;
	message = (struct rcx_msg *)((char *)rcx_datagram_out(s) + ahead);
	*message = *s->tx;
	s->priv = s->tx;
	s->tx = message;
	return 0;
}

static inline void rcx_datagram_close(struct rcx_session *s)
{
	if (s->priv)
		s->tx = s->priv;
}

#define RCX_DATAGRAM_QUEUE {						\
	.what = "bytes of SO_RCVBUF",					\
	.min = 2304,	/* the kernel lets none have less */		\
	.max = 1u << 28,						\
	.values = { 1u << 14, 1u << 16, 1u << 20 },			\
}

/* What the socket may queue of events; the kernel doubles it, for its own part. */
static inline int rcx_datagram_set_queue(struct rcx_session *s)
{
	int bytes = (int)s->queue;

	if (bytes && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return rcx_fail_errno(s, "setsockopt SO_RCVBUFFORCE");
	return 0;
}

/* ---- requests ---------------------------------------------------------- */

static inline int rcx_datagram_push(struct rcx_session *s, uint64_t n)
{
	const struct nlmsghdr *request = rcx_datagram_out(s);
	size_t len = request->nlmsg_len;

	while (n--) {
		rcx_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rcx_fail_errno(s, "send");
	}
	return 0;
}

static inline int rcx_datagram_push_ack(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (rcx_datagram_push(s, 1) || rcx_datagram_wait_for_ack(s))
			return -1;
	return 0;
}

/* Send the request and receive its answer: the message, of @len bytes, or NULL after rcx_fail(). */
static inline const struct rcx_msg *
rcx_datagram_exchange(struct rcx_session *s, const struct nlmsghdr *request,
		     rcx_datagram_open message, unsigned int kind, size_t *len)
{
	const struct rcx_msg *msg;
	ssize_t got;

	if (send(s->fd, request, request->nlmsg_len, 0) != (ssize_t)request->nlmsg_len) {
		rcx_fail_errno(s, "send");
		return NULL;
	}
	got = recv(s->fd, s->map, rcx_datagram_room(s), 0);
	msg = message(s, got, kind, len);
	if (!msg)
		rcx_datagram_broken(s, got);
	return msg;
}

static inline int rcx_datagram_pull(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				   unsigned int kind)
{
	const struct nlmsghdr *request = rcx_datagram_out(s);

	while (n--) {
		size_t len;
		const struct rcx_msg *msg = rcx_datagram_exchange(s, request, message, kind, &len);

		if (!msg || rcx_rx(s, msg, len))
			return -1;
	}
	return 0;
}

static inline int rcx_datagram_call(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				   unsigned int kind)
{
	const struct nlmsghdr *request = rcx_datagram_out(s);

	while (n--) {
		const struct rcx_msg *msg;
		size_t len;

		rcx_tx(s);
		msg = rcx_datagram_exchange(s, request, message, kind, &len);
		if (!msg || rcx_rx_reply(s, msg, len))
			return -1;
	}
	return 0;
}

/* ---- events: the same from a port and from a group --------------------- */

/* Both wait as message_file.h and fd_pair.h do: a timed loop is written out where it is timed. */

static inline int rcx_datagram_notify(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				     unsigned int kind)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int flags = rcx_nonblocking(s) ? MSG_DONTWAIT : 0;
	size_t most = rcx_datagram_room(s), whole;
	bool polls = rcx_polls(s);

	while (n--) {
		const struct rcx_msg *msg;
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = recv(s->fd, s->map, most, flags);
		} while (got < 0 && errno == EAGAIN);
		rcx_arrived(s);
		msg = message(s, got, kind, &whole);
		if (!msg)
			return rcx_datagram_broken(s, got);
		if (rcx_rx(s, msg, whole))
			return -1;
	}
	return 0;
}

/*
 * ENOBUFS is how the channel says that it has lost something.  It says so once
 * per overrun and ahead of what is still queued; the sequence tells how much.
 */
static inline int rcx_datagram_stream(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				     unsigned int kind)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t most = rcx_datagram_room(s), whole;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = recv(s->fd, s->map, most, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
			const struct rcx_msg *msg;

			if (got < 0) {
				s->overruns++;
				continue;
			}
			msg = message(s, got, kind, &whole);
			if (!msg)
				return rcx_datagram_broken(s, got);
			if (rcx_streamed(s, msg, whole))
				return -1;
		}
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "recv");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

#endif /* RCX_NETLINK_SOCKET_H */
