// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "family.h"

/* A datagram of a dump has at most this size, and is smaller for a smaller receive buffer. */
#define DUMP_ROOM 32768

static struct datagram *out(const struct rcx_session *s)
{
	return (struct datagram *)rcx_datagram_out(s);
}

/* ---- received datagrams ------------------------------------------------ */

/*
 * Whether @answer is an answer of our family that has exactly one attribute, of @type, and
 * lies within @got bytes.
 */
static inline bool is_whole(const struct rcx_session *s, const struct datagram *answer, size_t got,
			    unsigned int command, uint16_t type)
{
	return got >= MESSAGE_OFFSET && answer->header.nlmsg_type == out(s)->header.nlmsg_type &&
	       answer->header.nlmsg_len <= got && answer->command.cmd == command &&
	       answer->attr.nla_type == type && answer->attr.nla_len >= NLA_HDRLEN &&
	       HEADERS_LEN + NLA_ALIGN(answer->attr.nla_len) ==
		       NLMSG_ALIGN(answer->header.nlmsg_len);
}

/* Attributes are padded to four bytes, so the message's length is that of the attribute. */
static inline size_t attr_len(const struct datagram *answer)
{
	return answer->attr.nla_len - NLA_HDRLEN;
}

static inline const struct rcx_msg *message(const struct rcx_session *s, ssize_t got,
					    unsigned int command, size_t *len)
{
	const struct datagram *answer = s->map;

	if (got <= 0 || !is_whole(s, answer, (size_t)got, command, RCX_GENETLINK_A_MESSAGE))
		return NULL;
	*len = attr_len(answer);
	return &answer->msg;
}

/* ---- open --------------------------------------------------------------- */

static int open_socket(struct rcx_session *s, struct family *family)
{
	size_t len = MESSAGE_OFFSET + rcx_len(s);

	if (rcx_datagram_get(s, len < DUMP_ROOM ? DUMP_ROOM : len, MESSAGE_OFFSET))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "socket AF_NETLINK");
	if (family_find(s->fd, s->map, rcx_datagram_room(s), family))
		return rcx_fail_errno(s, "cannot find the family " RCX_GENETLINK_FAMILY);
	out(s)->header.nlmsg_type = family->id;
	return 0;
}

static int prepare(struct rcx_session *s, uint8_t command, uint16_t flags)
{
	struct datagram *request = out(s);

	request->command = (struct genlmsghdr){ .cmd = command, .version = RCX_GENETLINK_VERSION };
	request->header.nlmsg_flags = NLM_F_REQUEST | flags;
	request->header.nlmsg_len = HEADERS_LEN;
	if (command == RCX_GENETLINK_PULL)
		return 0;
	if (s->size > RCX_GENETLINK_BODY_MAX)
		return rcx_fail(s, "an attribute cannot hold %zu bytes", rcx_len(s));
	request->attr.nla_type = RCX_GENETLINK_A_MESSAGE;
	request->attr.nla_len = (uint16_t)(NLA_HDRLEN + rcx_len(s));
	request->header.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + rcx_len(s));
	return 0;
}

static int do_open(struct rcx_session *s)
{
	static const uint8_t commands[RCX_OPS] = {
		[RCX_PUSH] = RCX_GENETLINK_PUSH,
		[RCX_PULL] = RCX_GENETLINK_PULL,
		[RCX_CALL] = RCX_GENETLINK_CALL,
	};
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, commands[s->op], 0);
}

static int ack_open(struct rcx_session *s)
{
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, RCX_GENETLINK_PUSH, NLM_F_ACK);
}

static int dump_open(struct rcx_session *s)
{
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, RCX_GENETLINK_PULL, NLM_F_DUMP);
}

static int multicast_open(struct rcx_session *s)
{
	struct family family;

	if (open_socket(s, &family) || rcx_datagram_set_queue(s))
		return -1;
	if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.group,
		       sizeof(family.group)))
		return rcx_fail_errno(s, "cannot join the group");
	return 0;
}

/* ---- operations --------------------------------------------------------- */

/* As in netlink, with this folder's message() and commands: each folder is readable alone. */

static int genetlink_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_pull(s, n, message, RCX_GENETLINK_PULL);
}

static int genetlink_call(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_call(s, n, message, RCX_GENETLINK_CALL);
}

static int genetlink_notify(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_notify(s, n, message, RCX_GENETLINK_EVENT);
}

static int genetlink_stream(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_stream(s, n, message, RCX_GENETLINK_EVENT);
}

/* ---- dump: records until the end mark ----------------------------------- */

/* The end mark carries the result of the last call of the kernel half's dump function. */
static inline int dump_error(const struct nlmsghdr *end)
{
	int error = 0;

	if (end->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(end), sizeof(error));
	return error;
}

/*
 * Append the records in @left bytes of the buffer to the @at bytes in s->rx: the number of
 * bytes in s->rx, or -1.  The end mark sets @end.
 */
static inline ssize_t append_records(struct rcx_session *s, size_t at, ssize_t left, bool *end)
{
	const struct nlmsghdr *header = s->map;

	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		const struct datagram *record = (const struct datagram *)header;

		if (header->nlmsg_type == NLMSG_DONE) {
			int error = dump_error(header);

			*end = true;
			return error < 0 ?
				       rcx_fail(s, "the kernel half ended a dump with an error: %s",
						strerror(-error)) :
				       (ssize_t)at;
		}
		if (!is_whole(s, record, (size_t)left, RCX_GENETLINK_PULL, RCX_GENETLINK_A_PART))
			return rcx_datagram_broken(s, header == s->map ? left : 0);
		if (attr_len(record) > rcx_len(s) - at)
			return rcx_fail(s, "a dump has more than %zu bytes", rcx_len(s));
		memcpy((char *)s->rx + at, &record->msg, attr_len(record));
		at += attr_len(record);
	}
	return (ssize_t)at;
}

static int genetlink_dump(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		bool end = false;
		ssize_t at = 0;

		if (send(s->fd, out(s), HEADERS_LEN, 0) != (ssize_t)HEADERS_LEN)
			return rcx_fail_errno(s, "send");
		while (!end) {
			ssize_t got = recv(s->fd, s->map, rcx_datagram_room(s), 0);

			if (got <= 0)
				return rcx_datagram_broken(s, got);
			at = append_records(s, (size_t)at, got, &end);
			if (at < 0)
				return -1;
		}
		if (rcx_rx(s, s->rx, (size_t)at))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define ATTRIBUTE                      \
	.max = RCX_GENETLINK_BODY_MAX, \
	.limit = "The length of an attribute has 16 bits and includes its header of 4 bytes."

static const struct rcx_queue genetlink_queue = RCX_DATAGRAM_QUEUE;

static const struct rcx_mode genetlink_modes[] = {
	{
		.name = "do",
		.summary = "one request, and one answer if it has one",
		.counterpart = "genetlink",
		.open = do_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PUSH] = { .run = rcx_datagram_push, ATTRIBUTE },
			[RCX_PULL] = { .run = genetlink_pull, ATTRIBUTE },
			[RCX_CALL] = { .run = genetlink_call, ATTRIBUTE },
		},
	},
	{
		.name = "ack",
		.summary = "a push that waits for its acknowledgement",
		.open = ack_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PUSH] = { .run = rcx_datagram_push_ack, ATTRIBUTE },
		},
	},
	{
		.name = "dump",
		.summary = "a pull in records of 1 KiB, up to 32 KiB at a time",
		.open = dump_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PULL] = { .run = genetlink_dump, .max = RCX_BODY_MAX },
		},
	},
	{
		.name = "multicast",
		.summary = "events to a group",
		.open = multicast_open,
		.close = rcx_datagram_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = genetlink_notify, ATTRIBUTE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = genetlink_stream, ATTRIBUTE,
					.waits = RCX_WAIT_DRAIN, .queue = &genetlink_queue },
		},
	},
	{ }
};

static const struct rcx_channel genetlink_channel = {
	.name = "genetlink",
	.summary = "Named netlink families: commands, typed attributes, dumps, groups",
	.module = "ringcross_genetlink",
	.since = "2.6.15: genl_register_family(), named families over NETLINK_GENERIC",
	.modes = genetlink_modes,
	.unsupported_reason = {
		[RCX_UPCALL] = "Not measured yet.",
		[RCX_DUMP] = "It could deliver a table, but ringcross does not measure that here yet.",
	},
};
RCX_CHANNEL(genetlink_channel);
