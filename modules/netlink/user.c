// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define PAGE 4096

/* A datagram is the header and, right behind it, the message. */
struct datagram {
	struct nlmsghdr header;
	struct rc_msg msg;
};

/* In s->map lie the datagram to receive and, at @out, the one to send. */
static struct datagram *in(const struct rc_session *s)
{
	return s->map;
}

static struct datagram *out(const struct rc_session *s)
{
	return (struct datagram *)((char *)s->map + s->map_len / 2);
}

static size_t room(const struct rc_session *s)
{
	return NLMSG_SPACE(rc_len(s));
}

/* ---- what came --------------------------------------------------------- */

static int broken(struct rc_session *s, ssize_t got) __attribute__((cold));

static int broken(struct rc_session *s, ssize_t got)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *refusal = NLMSG_DATA(header);

	if (got < 0)
		return rc_fail_errno(s, "recv");
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*refusal)) || header->nlmsg_type != NLMSG_ERROR)
		return rc_fail(s, "a datagram of %zd bytes is none of ours", got);
	return rc_fail(s, "the kernel half refused a request: %s", strerror(-refusal->error));
}

/* The datagram just received is one whole message of @type. */
static inline bool is_whole(const struct rc_session *s, ssize_t got, uint16_t type)
{
	const struct nlmsghdr *header = &in(s)->header;

	return got >= (ssize_t)NLMSG_HDRLEN && header->nlmsg_type == type &&
	       header->nlmsg_len >= NLMSG_HDRLEN && header->nlmsg_len <= (size_t)got;
}

/* Datagrams are padded to four bytes, so only the header knows the length. */
static inline size_t msg_len(const struct rc_session *s)
{
	return in(s)->header.nlmsg_len - NLMSG_HDRLEN;
}

static int wait_for_ack(struct rc_session *s)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *ack = NLMSG_DATA(header);
	ssize_t got = recv(s->fd, s->map, room(s), 0);

	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*ack)) || header->nlmsg_type != NLMSG_ERROR ||
	    ack->error)
		return broken(s, got);
	return 0;
}

/* ---- open and close ---------------------------------------------------- */

/* Room for both datagrams; s->tx becomes the message inside the one to send. */
static int get_datagrams(struct rc_session *s)
{
	size_t len = (room(s) + PAGE - 1) / PAGE * PAGE;

	s->map = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rc_fail_errno(s, "cannot get room for two datagrams");
	}
	s->map_len = 2 * len;
	out(s)->msg = *s->tx;
	s->priv = s->tx;
	s->tx = &out(s)->msg;
	return 0;
}

/* A datagram must fit the send buffer, of which netlink keeps 32 bytes. */
static int widen(struct rc_session *s)
{
	int size, need = (int)NLMSG_LENGTH(rc_len(s)) + 32;
	socklen_t len = sizeof(size);

	if (getsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, &len))
		return rc_fail_errno(s, "getsockopt SO_SNDBUF");
	if (size >= need)
		return 0;
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &need, sizeof(need)))
		return rc_fail_errno(s, "setsockopt SO_SNDBUFFORCE");
	return 0;
}

/* What the socket may queue of events; the kernel doubles it, for its own part. */
static int set_queue(struct rc_session *s)
{
	int bytes = (int)s->queue;

	if (bytes && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return rc_fail_errno(s, "setsockopt SO_RCVBUFFORCE");
	return 0;
}

static int open_socket(struct rc_session *s)
{
	if (get_datagrams(s))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, RC_NETLINK_PROTOCOL);
	if (s->fd < 0)
		return rc_fail_errno(s, "socket AF_NETLINK");
	return widen(s) || set_queue(s) ? -1 : 0;
}

static int join(struct rc_session *s, uint32_t flags)
{
	struct {
		struct nlmsghdr header;
		struct rc_netlink_join join;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RC_NETLINK_JOIN,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.join.flags = flags,
	};

	if (send(s->fd, &request, sizeof(request), 0) != sizeof(request))
		return rc_fail_errno(s, "send");
	return wait_for_ack(s);
}

static void prepare(struct rc_session *s, uint16_t type, uint16_t flags)
{
	out(s)->header = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(type == RC_NETLINK_PULL ? 0 : rc_len(s)),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
	};
}

static int unicast_open(struct rc_session *s)
{
	static const uint16_t types[RC_OPS] = {
		[RC_PUSH] = RC_NETLINK_PUSH,
		[RC_PULL] = RC_NETLINK_PULL,
		[RC_CALL] = RC_NETLINK_CALL,
	};
	bool events = s->op == RC_NOTIFY || s->op == RC_STREAM;

	if (open_socket(s) || join(s, events ? RC_NETLINK_EVENTS : 0))
		return -1;
	prepare(s, types[s->op], 0);
	return 0;
}

static int ack_open(struct rc_session *s)
{
	if (open_socket(s) || join(s, 0))
		return -1;
	prepare(s, RC_NETLINK_PUSH, NLM_F_ACK);
	return 0;
}

/*
 * bind() and not NETLINK_ADD_MEMBERSHIP alone: a socket that has never sent
 * nor bound has port 0, and a multicast leaves out its sender, the kernel,
 * whose port is 0 as well.
 */
static int multicast_open(struct rc_session *s)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (RC_NETLINK_GROUP - 1),
	};

	if (open_socket(s))
		return -1;
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)))
		return rc_fail_errno(s, "cannot join the group");
	return 0;
}

static void netlink_close(struct rc_session *s)
{
	if (s->priv)
		s->tx = s->priv;
}

/* ---- requests ---------------------------------------------------------- */

static int netlink_push(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s);
	size_t len = request->header.nlmsg_len;

	while (n--) {
		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
	}
	return 0;
}

static int netlink_push_ack(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s);
	size_t len = request->header.nlmsg_len;

	while (n--) {
		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		if (wait_for_ack(s))
			return -1;
	}
	return 0;
}

static int netlink_pull(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s), *answer = in(s);
	size_t most = room(s);

	while (n--) {
		ssize_t got;

		if (send(s->fd, request, NLMSG_HDRLEN, 0) != NLMSG_HDRLEN)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, answer, most, 0);
		if (!is_whole(s, got, RC_NETLINK_PULL))
			return broken(s, got);
		if (rc_rx(s, &answer->msg, msg_len(s)))
			return -1;
	}
	return 0;
}

static int netlink_call(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s), *answer = in(s);
	size_t len = request->header.nlmsg_len, most = room(s);

	while (n--) {
		ssize_t got;

		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, answer, most, 0);
		if (!is_whole(s, got, RC_NETLINK_CALL))
			return broken(s, got);
		if (rc_rx_reply(s, &answer->msg, msg_len(s)))
			return -1;
	}
	return 0;
}

/* ---- events: the same from a port and from a group --------------------- */

static int netlink_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int flags = rc_nonblocking(s) ? MSG_DONTWAIT : 0;
	struct datagram *event = in(s);
	size_t most = room(s);
	bool polls = rc_polls(s);

	while (n--) {
		ssize_t got;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = recv(s->fd, event, most, flags);
		} while (got < 0 && errno == EAGAIN);
		rc_arrived(s);
		if (!is_whole(s, got, RC_NETLINK_EVENT))
			return broken(s, got);
		if (rc_rx(s, &event->msg, msg_len(s)))
			return -1;
	}
	return 0;
}

/*
 * ENOBUFS is how the channel says that it has lost something.  It says so once
 * per overrun and ahead of what is still queued; the sequence tells how much.
 */
static int netlink_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct datagram *event = in(s);
	size_t most = room(s);

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		ssize_t got;

		while ((got = recv(s->fd, event, most, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
			if (got < 0) {
				s->overruns++;
				continue;
			}
			if (!is_whole(s, got, RC_NETLINK_EVENT))
				return broken(s, got);
			if (rc_streamed(s, &event->msg, msg_len(s)))
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

/* ---- registration ------------------------------------------------------ */

#define SENT .max = RC_BODY_MAX, \
	.limit = "A datagram must fit SO_SNDBUF, which only CAP_NET_ADMIN can raise this far."
#define ANSWERED .max = RC_BODY_MAX, \
	.limit = "The answer takes one piece of kernel memory, and larger ones are hard to find."
#define EVENT .max = 1u << 16, \
	.limit = "An interrupt cannot wait for memory, and a larger piece may not be at hand."

static const struct rc_queue netlink_queue = {
	.what = "bytes of SO_RCVBUF",
	.min = 2304,		/* the kernel lets none have less */
	.max = 1u << 28,
	.values = { 1u << 14, 1u << 16, 1u << 20 },
};

static const struct rc_mode netlink_modes[] = {
	{
		.name = "unicast",
		.summary = "requests to the kernel, answers and events to one port",
		.stock = "rtnetlink",
		.open = unicast_open,
		.close = netlink_close,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = netlink_push, SENT },
			[RC_PULL] = { .run = netlink_pull, ANSWERED },
			[RC_CALL] = { .run = netlink_call, ANSWERED },
			[RC_NOTIFY] = { .run = netlink_notify, EVENT, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = netlink_stream, EVENT, .waits = RC_WAIT_DRAIN,
					.queue = &netlink_queue },
		},
	},
	{
		.name = "multicast",
		.summary = "events to a group",
		.stock = "multicast",
		.open = multicast_open,
		.close = netlink_close,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_NOTIFY] = { .run = netlink_notify, EVENT, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = netlink_stream, EVENT, .waits = RC_WAIT_DRAIN,
					.queue = &netlink_queue },
		},
	},
	{
		.name = "ack",
		.summary = "a push that waits for its acknowledgement",
		.open = ack_open,
		.close = netlink_close,
		.operations = {
			[RC_PUSH] = { .run = netlink_push_ack, SENT },
		},
	},
	{ }
};

static const struct rc_channel netlink_channel = {
	.name = "netlink",
	.summary = "Datagrams on a socket family made for the kernel",
	.module = "rc_netlink",
	.since = "2.2: sockets of the family AF_NETLINK, see netlink(7)",
	.modes = netlink_modes,
};
RC_CHANNEL(netlink_channel);
