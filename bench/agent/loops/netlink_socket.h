/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over a netlink socket, for families that differ only in where a datagram has the
 * message.
 *
 * s->fd is the socket.  The first half of s->map is for the received datagram, the second half
 * has the one to send.  The loops are in a header, so that each user half has its own copy and
 * nothing is dispatched.
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
 * A family's function that returns the message in the @got bytes at s->map, and sets @len to its
 * length.  NULL when the bytes are not a datagram of @kind.
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

/* ---- received datagrams ------------------------------------------------ */

/* Fail because the @got bytes at s->map are not the expected datagram.  Always returns -1. */
static inline int rcx_datagram_broken(struct rcx_session *s, ssize_t got)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *refusal = NLMSG_DATA(header);

	if (got < 0)
		return rcx_fail_errno(s, "recv");
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*refusal)) || header->nlmsg_type != NLMSG_ERROR)
		return rcx_fail(s, "a datagram of %zd bytes is not from the kernel half", got);
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

/* Allocate two datagrams of @room bytes.  Until rcx_datagram_close(), s->tx is the message at
 * offset @ahead in the one to send.
 */
static inline int rcx_datagram_get(struct rcx_session *s, size_t room, size_t ahead)
{
	size_t len = (room + 4095) / 4096 * 4096;
	struct rcx_msg *message;

	s->map = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get memory for two datagrams");
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

#define RCX_DATAGRAM_QUEUE                                  \
	{                                                   \
		.what = "bytes of SO_RCVBUF",               \
		.min = 2304, /* the kernel's minimum */     \
		.max = 1u << 28,                            \
		.values = { 1u << 14, 1u << 16, 1u << 20 }, \
	}

/* Set the queue of the socket.  The kernel doubles the number, for its own overhead. */
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

/* Send the request and receive its answer.  Returns the message, of @len bytes, or NULL after
 * rcx_fail().
 */
static inline const struct rcx_msg *rcx_datagram_exchange(struct rcx_session *s,
							  const struct nlmsghdr *request,
							  rcx_datagram_open message,
							  unsigned int kind, size_t *len)
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

/* ---- dumps ---------------------------------------------------------------- */

/* A datagram of a dump has at most this size, and is smaller for a smaller receive buffer. */
#define RCX_DUMP_ROOM 32768

/* A family's function that checks one record of a dump: 0, or -1 after rcx_fail(). */
typedef int (*rcx_datagram_record)(struct rcx_session *s, const struct nlmsghdr *header);

/* The end mark carries the result of the last call of the kernel half's dump function. */
static inline int rcx_datagram_ended(struct rcx_session *s, const struct nlmsghdr *end)
{
	int error = 0;

	if (end->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(end), sizeof(error));
	if (error < 0)
		return rcx_fail(s, "the kernel half ended a dump with an error: %s",
				strerror(-error));
	return 0;
}

/* Check the records in the @got bytes at s->map.  1 when the end mark was among them, 0, or -1. */
static inline int rcx_datagram_records(struct rcx_session *s, ssize_t got,
				       rcx_datagram_record record)
{
	const struct nlmsghdr *header = s->map;
	unsigned int left = (unsigned int)got;

	if (got <= 0)
		return rcx_datagram_broken(s, got);
	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		if (header->nlmsg_type == NLMSG_DONE)
			return rcx_datagram_ended(s, header) ? -1 : 1;
		if (record(s, header))
			return -1;
	}
	return 0;
}

static inline int rcx_datagram_dump(struct rcx_session *s, uint64_t n, rcx_datagram_record record)
{
	const struct nlmsghdr *request = rcx_datagram_out(s);

	while (n--) {
		int end = 0;

		if (send(s->fd, request, request->nlmsg_len, 0) != (ssize_t)request->nlmsg_len)
			return rcx_fail_errno(s, "send");
		while (!end)
			end = rcx_datagram_records(s, recv(s->fd, s->map, rcx_datagram_room(s), 0),
						   record);
		if (end < 0 || rcx_dumped(s))
			return -1;
	}
	return 0;
}

/* ---- events, to a port or to a group ----------------------------------- */

/* Both loops wait as those of message_file.h and fd_pair.h.  A timed loop is not shared further. */

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
 * Answer requests of the kernel.  A request becomes its reply in place: @turn changes the headers
 * around the message.
 */
static inline int rcx_datagram_serve(struct rcx_session *s, rcx_datagram_open message,
				     unsigned int kind, void (*turn)(struct nlmsghdr *header),
				     bool polls, int flags)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct nlmsghdr *header = s->map;
	const struct rcx_msg *msg;
	size_t whole;
	ssize_t got;

	do {
		if (polls)
			poll(&pfd, 1, -1);
		got = recv(s->fd, s->map, rcx_datagram_room(s), flags);
	} while (got < 0 && errno == EAGAIN);
	msg = message(s, got, kind, &whole);
	if (!msg)
		return rcx_datagram_broken(s, got);
	if (rcx_rx(s, msg, whole))
		return -1;
	rcx_tx_reply(s, (struct rcx_msg *)((char *)s->map + ((const char *)msg - (char *)s->map)));
	turn(header);
	if (send(s->fd, header, header->nlmsg_len, 0) != (ssize_t)header->nlmsg_len)
		return rcx_fail_errno(s, "send a reply");
	return 0;
}

static inline int rcx_datagram_upcall(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				      unsigned int kind, void (*turn)(struct nlmsghdr *header))
{
	int flags = rcx_nonblocking(s) ? MSG_DONTWAIT : 0;
	uint64_t first = s->seen;
	bool polls = rcx_polls(s);

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (rcx_datagram_serve(s, message, kind, turn, polls, flags))
			return -1;
	return rcx_asked(s, first, n);
}

/*
 * Count what recv() has returned during a stream: @got bytes, or ENOBUFS.  The channel reports
 * a loss with ENOBUFS, once per overrun and before the messages that are still queued.  Sequence
 * numbers show how many messages are lost.
 */
static inline int rcx_datagram_streamed(struct rcx_session *s, ssize_t got,
					rcx_datagram_open message, unsigned int kind)
{
	const struct rcx_msg *msg;
	size_t whole;

	if (got < 0) {
		s->overruns++;
		return 0;
	}
	msg = message(s, got, kind, &whole);
	return msg ? rcx_streamed(s, msg, whole) : rcx_datagram_broken(s, got);
}

/* Sleep in recv() until the producer has ended. */
static inline int rcx_datagram_stream_block(struct rcx_session *s, rcx_datagram_open message,
					    unsigned int kind)
{
	size_t most = rcx_datagram_room(s);

	if (rcx_stream_block(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = recv(s->fd, s->map, most, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != ENOBUFS)
			return rcx_fail_errno(s, "recv");
		if (rcx_datagram_streamed(s, got, message, kind))
			return -1;
	}
	return rcx_stream_unblock(s);
}

static inline int rcx_datagram_stream(struct rcx_session *s, uint64_t n, rcx_datagram_open message,
				      unsigned int kind)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t most = rcx_datagram_room(s);

	(void)n;
	if (rcx_stream_blocks(s) && rcx_datagram_stream_block(s, message, kind))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = recv(s->fd, s->map, most, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS)
			if (rcx_datagram_streamed(s, got, message, kind))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "recv");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

#endif /* RCX_NETLINK_SOCKET_H */
