// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "datagram.h"
#include "abi.h"

/* Datagrams are padded to four bytes; the exact length is in the header. */
static inline const struct rcx_msg *message(const struct rcx_session *s, ssize_t got,
					    unsigned int kind, size_t *len)
{
	struct nlmsghdr *header = s->map;

	if (!datagram_is(header, got, kind))
		return NULL;
	*len = header->nlmsg_len - DATAGRAM_HEAD;
	return (const struct rcx_msg *)((const char *)header + DATAGRAM_HEAD);
}

/* ---- open --------------------------------------------------------------- */

static int open_socket(struct rcx_session *s)
{
	if (rcx_datagram_get(s, NLMSG_ALIGN(DATAGRAM_HEAD + rcx_len(s)), DATAGRAM_HEAD))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	if (s->fd < 0)
		return rcx_fail_errno(s, "socket AF_NETLINK");
	return rcx_datagram_set_queue(s);
}

/* The callback acknowledges before send() returns, or ignores us. */
static int wait_for_ack(struct rcx_session *s)
{
	ssize_t got = recv(s->fd, s->map, rcx_datagram_room(s), MSG_DONTWAIT);

	if (got < 0)
		return rcx_fail_errno(s, "no acknowledgement");
	if (!datagram_is(s->map, got, RCX_CONNECTOR_ACK))
		return rcx_datagram_broken(s, got);
	if (datagram_head(s->map)->value)
		return rcx_fail(s, "the kernel half refused a request: %s",
				strerror(datagram_head(s->map)->value));
	return 0;
}

static int join(struct rcx_session *s, uint16_t flags)
{
	struct nlmsghdr *header = rcx_datagram_out(s);
	size_t len = datagram_prepare(header, RCX_CONNECTOR_JOIN, RCX_CONNECTOR_ACKED, 0);

	datagram_head(header)->value = flags;
	if (send(s->fd, header, len, 0) != (ssize_t)len)
		return rcx_fail_errno(s, "send");
	return wait_for_ack(s);
}

static int unicast_open(struct rcx_session *s)
{
	/* clang-format off */
	static const uint16_t kinds[RCX_OPS] = {
		[RCX_PUSH] = RCX_CONNECTOR_PUSH,
		[RCX_PULL] = RCX_CONNECTOR_PULL,
		[RCX_CALL] = RCX_CONNECTOR_CALL,
	};
	/* clang-format on */
	uint16_t flags = s->op == RCX_UPCALL	     ? RCX_CONNECTOR_SERVES :
			 rcx_kernel_initiated(s->op) ? RCX_CONNECTOR_EVENTS :
						       0;

	if (open_socket(s) || join(s, flags))
		return -1;
	datagram_prepare(rcx_datagram_out(s), kinds[s->op], 0,
			 s->op == RCX_PUSH || s->op == RCX_CALL ? rcx_len(s) : 0);
	return 0;
}

static int ack_open(struct rcx_session *s)
{
	if (open_socket(s) || join(s, 0))
		return -1;
	datagram_prepare(rcx_datagram_out(s), RCX_CONNECTOR_PUSH, RCX_CONNECTOR_ACKED, rcx_len(s));
	return 0;
}

/* As in netlink, a socket has to bind to the group, or it has no port. */
static int multicast_open(struct rcx_session *s)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (RCX_CONNECTOR_GROUP - 1),
	};

	if (open_socket(s))
		return -1;
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)))
		return rcx_fail_errno(s, "cannot join the group");
	return 0;
}

/* ---- operations --------------------------------------------------------- */

/* As in netlink, with this folder's message() and kinds: each folder is readable alone. */

static int ack_push(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (rcx_datagram_push(s, 1) || wait_for_ack(s))
			return -1;
	return 0;
}

static int connector_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_pull(s, n, message, RCX_CONNECTOR_PULL);
}

static int connector_call(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_call(s, n, message, RCX_CONNECTOR_CALL);
}

static int connector_notify(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_notify(s, n, message, RCX_CONNECTOR_EVENT);
}

static int connector_stream(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_stream(s, n, message, RCX_CONNECTOR_EVENT);
}

/* Make the datagram of a request that of its reply. */
static void turn(struct nlmsghdr *header)
{
	datagram_head(header)->kind = RCX_CONNECTOR_ANSWER;
}

static int connector_upcall(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_upcall(s, n, message, RCX_CONNECTOR_ASK, turn);
}

/* ---- registration ------------------------------------------------------ */

#define DATAGRAM                               \
	.max = RCX_CONNECTOR_MAX - RCX_HEADER, \
	.limit = "A datagram has at most 16 KiB, CONNECTOR_MAX_MSG_SIZE, for its heads and the message; the kernel drops longer ones without an error."

static const struct rcx_queue connector_queue = RCX_DATAGRAM_QUEUE;

static const struct rcx_mode connector_modes[] = {
	{
		.name = "unicast",
		.summary = "requests to a callback; answers and events to one port",
		.open = unicast_open,
		.close = rcx_datagram_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = rcx_datagram_push, DATAGRAM },
			[RCX_PULL] = { .run = connector_pull, DATAGRAM },
			[RCX_CALL] = { .run = connector_call, DATAGRAM },
			[RCX_NOTIFY] = { .run = connector_notify, DATAGRAM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = connector_stream, DATAGRAM, .waits = RCX_WAIT_ANY,
					.queue = &connector_queue },
			[RCX_UPCALL] = { .run = connector_upcall, DATAGRAM, .waits = RCX_WAIT_ANY },
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
			[RCX_NOTIFY] = { .run = connector_notify, DATAGRAM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = connector_stream, DATAGRAM, .waits = RCX_WAIT_ANY,
					.queue = &connector_queue },
		},
	},
	{
		.name = "ack",
		.summary = "a push that waits for an acknowledgement of the driver",
		.open = ack_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PUSH] = { .run = ack_push, DATAGRAM },
		},
	},
	{ }
};

static const struct rcx_channel connector_channel = {
	.name = "connector",
	.summary = "Netlink for drivers: one protocol, and a callback for each address",
	.module = "ringcross_connector",
	.since = "2.6.14: CONFIG_CONNECTOR",
	.modes = connector_modes,
	.unsupported_reason = {
		[RCX_DUMP] = "The connector has no dump that continues when the reader has made room, as netlink has, and a message of at most 16 KiB holds no table.",
	},
	.classes = (const char *const[]){ "connector: cn_*", NULL },
};
RCX_CHANNEL(connector_channel);
