// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <sys/socket.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "abi.h"

/* A datagram is the header, directly followed by the message. */
struct datagram {
	struct nlmsghdr header;
	struct rcx_msg msg;
};

/* Datagrams are padded to four bytes; the exact length is in the header. */
static inline const struct rcx_msg *message(const struct rcx_session *s, ssize_t got,
					    unsigned int type, size_t *len)
{
	const struct datagram *datagram = s->map;

	if (got < (ssize_t)NLMSG_HDRLEN || datagram->header.nlmsg_type != type ||
	    datagram->header.nlmsg_len < NLMSG_HDRLEN || datagram->header.nlmsg_len > (size_t)got)
		return NULL;
	*len = datagram->header.nlmsg_len - NLMSG_HDRLEN;
	return &datagram->msg;
}

/* ---- open --------------------------------------------------------------- */

/* A datagram must fit into the send buffer, of which netlink reserves 32 bytes. */
static int grow_send_buffer(struct rcx_session *s)
{
	int size, need = (int)NLMSG_LENGTH(rcx_len(s)) + 32;
	socklen_t len = sizeof(size);

	if (getsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, &len))
		return rcx_fail_errno(s, "getsockopt SO_SNDBUF");
	if (size >= need)
		return 0;
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &need, sizeof(need)))
		return rcx_fail_errno(s, "setsockopt SO_SNDBUFFORCE");
	return 0;
}

static int open_socket(struct rcx_session *s)
{
	size_t room = s->op == RCX_DUMP ? RCX_DUMP_ROOM : NLMSG_SPACE(rcx_len(s));

	if (rcx_datagram_get(s, room, offsetof(struct datagram, msg)))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, RCX_NETLINK_PROTOCOL);
	if (s->fd < 0)
		return rcx_fail_errno(s, "socket AF_NETLINK");
	return grow_send_buffer(s) || rcx_datagram_set_queue(s) ? -1 : 0;
}

static int join(struct rcx_session *s, uint32_t flags)
{
	struct {
		struct nlmsghdr header;
		struct rcx_netlink_join join;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RCX_NETLINK_JOIN,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.join.flags = flags,
	};

	if (send(s->fd, &request, sizeof(request), 0) != sizeof(request))
		return rcx_fail_errno(s, "send");
	return rcx_datagram_wait_for_ack(s);
}

static void prepare(struct rcx_session *s, uint16_t type, uint16_t flags)
{
	bool has_message = type == RCX_NETLINK_PUSH || type == RCX_NETLINK_CALL;

	*rcx_datagram_out(s) = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)NLMSG_LENGTH(has_message ? rcx_len(s) : 0),
		.nlmsg_type = type,
		.nlmsg_flags = NLM_F_REQUEST | flags,
	};
}

static int unicast_open(struct rcx_session *s)
{
	/* clang-format off */
	static const uint16_t types[RCX_OPS] = {
		[RCX_PUSH] = RCX_NETLINK_PUSH,
		[RCX_PULL] = RCX_NETLINK_PULL,
		[RCX_CALL] = RCX_NETLINK_CALL,
		[RCX_DUMP] = RCX_NETLINK_DUMP,
	};
	/* clang-format on */
	uint32_t flags = s->op == RCX_UPCALL	     ? RCX_NETLINK_SERVES :
			 rcx_kernel_initiated(s->op) ? RCX_NETLINK_EVENTS :
						       0;

	if (open_socket(s) || join(s, flags))
		return -1;
	prepare(s, types[s->op], s->op == RCX_DUMP ? NLM_F_DUMP : 0);
	return 0;
}

static int ack_open(struct rcx_session *s)
{
	if (open_socket(s) || join(s, 0))
		return -1;
	prepare(s, RCX_NETLINK_PUSH, NLM_F_ACK);
	return 0;
}

/*
 * Use bind(), since NETLINK_ADD_MEMBERSHIP alone is not enough: a socket that has neither
 * sent nor bound has port 0.  A multicast skips its sender, which is the kernel with
 * port 0, and would skip such a socket as well.
 */
static int multicast_open(struct rcx_session *s)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (RCX_NETLINK_GROUP - 1),
	};

	if (open_socket(s))
		return -1;
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)))
		return rcx_fail_errno(s, "cannot join the group");
	return 0;
}

/* ---- operations --------------------------------------------------------- */

static int netlink_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_pull(s, n, message, RCX_NETLINK_PULL);
}

static int netlink_call(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_call(s, n, message, RCX_NETLINK_CALL);
}

static int netlink_notify(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_notify(s, n, message, RCX_NETLINK_EVENT);
}

static int netlink_stream(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_stream(s, n, message, RCX_NETLINK_EVENT);
}

/* Make the datagram of a request that of its reply. */
static void turn(struct nlmsghdr *header)
{
	header->nlmsg_type = RCX_NETLINK_ANSWER;
	header->nlmsg_flags = NLM_F_REQUEST;
}

static int netlink_upcall(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_upcall(s, n, message, RCX_NETLINK_ASK, turn);
}

/* A record in a datagram of a dump, in place. */
static inline int record(struct rcx_session *s, const struct nlmsghdr *header)
{
	if (header->nlmsg_type != RCX_NETLINK_RECORD ||
	    header->nlmsg_len != NLMSG_LENGTH(RCX_RECORD))
		return rcx_datagram_broken(s, header == s->map ? (ssize_t)header->nlmsg_len : 0);
	return rcx_record(s, NLMSG_DATA(header));
}

static int netlink_dump(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_dump(s, n, record);
}

/* ---- registration ------------------------------------------------------ */

#define SENT                 \
	.max = RCX_BODY_MAX, \
	.limit = "A datagram must fit into SO_SNDBUF; raising it to this size needs CAP_NET_ADMIN."
#define ANSWERED             \
	.max = RCX_BODY_MAX, \
	.limit = "The answer is one contiguous allocation in the kernel, and larger ones may fail."
#define EVENT            \
	.max = 1u << 16, \
	.limit = "The limit is ours: events are allocated with GFP_ATOMIC, where larger allocations may fail."

static const struct rcx_queue netlink_queue = RCX_DATAGRAM_QUEUE;

static const struct rcx_mode netlink_modes[] = {
	{
		.name = "unicast",
		.summary = "requests to the kernel; answers and events to one port",
		.counterpart = "rtnetlink",
		.open = unicast_open,
		.close = rcx_datagram_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = rcx_datagram_push, SENT },
			[RCX_PULL] = { .run = netlink_pull, ANSWERED },
			[RCX_CALL] = { .run = netlink_call, ANSWERED },
			[RCX_NOTIFY] = { .run = netlink_notify, EVENT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = netlink_stream, EVENT, .waits = RCX_WAIT_ANY,
					.queue = &netlink_queue },
			[RCX_UPCALL] = { .run = netlink_upcall, ANSWERED, .waits = RCX_WAIT_ANY },
			[RCX_DUMP] = { .run = netlink_dump, RCX_TABLE },
		},
	},
	{
		.name = "multicast",
		.summary = "events to a group",
		.counterpart = "multicast",
		.open = multicast_open,
		.close = rcx_datagram_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = netlink_notify, EVENT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = netlink_stream, EVENT, .waits = RCX_WAIT_ANY,
					.queue = &netlink_queue },
		},
	},
	{
		.name = "ack",
		.summary = "a push that waits for its acknowledgement",
		.open = ack_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PUSH] = { .run = rcx_datagram_push_ack, SENT },
		},
	},
	{ }
};

static const struct rcx_channel netlink_channel = {
	.name = "netlink",
	.summary = "Datagrams between the kernel and AF_NETLINK sockets",
	.module = "ringcross_netlink",
	.since = "2.2: sockets of the family AF_NETLINK, see netlink(7)",
	.modes = netlink_modes,
};
RCX_CHANNEL(netlink_channel);
