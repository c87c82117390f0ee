// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <sys/socket.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "abi.h"

/* A datagram is the header and, right behind it, the message. */
struct datagram {
	struct nlmsghdr header;
	struct rc_msg msg;
};

/* Datagrams are padded to four bytes, so only the header knows the length. */
static inline const struct rc_msg *message(const struct rc_session *s, ssize_t got,
					   unsigned int type, size_t *len)
{
	const struct datagram *came = s->map;

	if (got < (ssize_t)NLMSG_HDRLEN || came->header.nlmsg_type != type ||
	    came->header.nlmsg_len < NLMSG_HDRLEN || came->header.nlmsg_len > (size_t)got)
		return NULL;
	*len = came->header.nlmsg_len - NLMSG_HDRLEN;
	return &came->msg;
}

/* ---- open --------------------------------------------------------------- */

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

static int open_socket(struct rc_session *s)
{
	if (rc_datagram_get(s, NLMSG_SPACE(rc_len(s)), offsetof(struct datagram, msg)))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, RC_NETLINK_PROTOCOL);
	if (s->fd < 0)
		return rc_fail_errno(s, "socket AF_NETLINK");
	return widen(s) || rc_datagram_set_queue(s) ? -1 : 0;
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
	return rc_datagram_wait_for_ack(s);
}

static void prepare(struct rc_session *s, uint16_t type, uint16_t flags)
{
	*rc_datagram_out(s) = (struct nlmsghdr){
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
	bool events = rc_started(s->op);

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

/* ---- operations --------------------------------------------------------- */

static int netlink_pull(struct rc_session *s, uint64_t n)
{
	return rc_datagram_pull(s, n, message, RC_NETLINK_PULL);
}

static int netlink_call(struct rc_session *s, uint64_t n)
{
	return rc_datagram_call(s, n, message, RC_NETLINK_CALL);
}

static int netlink_notify(struct rc_session *s, uint64_t n)
{
	return rc_datagram_notify(s, n, message, RC_NETLINK_EVENT);
}

static int netlink_stream(struct rc_session *s, uint64_t n)
{
	return rc_datagram_stream(s, n, message, RC_NETLINK_EVENT);
}

/* ---- registration ------------------------------------------------------ */

#define SENT .max = RC_BODY_MAX, \
	.limit = "A datagram must fit SO_SNDBUF, which only CAP_NET_ADMIN can raise this far."
#define ANSWERED .max = RC_BODY_MAX, \
	.limit = "The answer takes one piece of kernel memory, and larger ones are hard to find."
#define EVENT .max = 1u << 16, \
	.limit = "An interrupt cannot wait for memory, and a larger piece may not be at hand."

static const struct rc_queue netlink_queue = RC_DATAGRAM_QUEUE;

static const struct rc_mode netlink_modes[] = {
	{
		.name = "unicast",
		.summary = "requests to the kernel, answers and events to one port",
		.stock = "rtnetlink",
		.open = unicast_open,
		.close = rc_datagram_close,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = rc_datagram_push, SENT },
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
		.close = rc_datagram_close,
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
		.close = rc_datagram_close,
		.operations = {
			[RC_PUSH] = { .run = rc_datagram_push_ack, SENT },
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
