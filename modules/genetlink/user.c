// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/socket.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "family.h"

#define ALL_MEMBERS                                                       \
	(1u << RCX_GENETLINK_A_INDEX | 1u << RCX_GENETLINK_A_GENERATION | \
	 1u << RCX_GENETLINK_A_BODY)

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

	if (rcx_datagram_get(s, len < RCX_DUMP_ROOM ? RCX_DUMP_ROOM : len, MESSAGE_OFFSET))
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
	if (command == RCX_GENETLINK_PULL || command == RCX_GENETLINK_TABLE)
		return 0;
	if (s->size > RCX_GENETLINK_BODY_MAX)
		return rcx_fail(s, "an attribute cannot hold %zu bytes", rcx_len(s));
	request->attr.nla_type = RCX_GENETLINK_A_MESSAGE;
	request->attr.nla_len = (uint16_t)(NLA_HDRLEN + rcx_len(s));
	request->header.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + rcx_len(s));
	return 0;
}

static int begin_to_serve(struct rcx_session *s)
{
	struct datagram *request = out(s);

	request->command = (struct genlmsghdr){
		.cmd = RCX_GENETLINK_SERVE,
		.version = RCX_GENETLINK_VERSION,
	};
	request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request->header.nlmsg_len = HEADERS_LEN;
	if (send(s->fd, request, HEADERS_LEN, 0) != (ssize_t)HEADERS_LEN)
		return rcx_fail_errno(s, "send");
	return rcx_datagram_wait_for_ack(s);
}

static int do_open(struct rcx_session *s)
{
	static const uint8_t commands[RCX_OPS] = {
		[RCX_PUSH] = RCX_GENETLINK_PUSH,
		[RCX_PULL] = RCX_GENETLINK_PULL,
		[RCX_CALL] = RCX_GENETLINK_CALL,
	};
	struct family family;

	if (open_socket(s, &family))
		return -1;
	return s->op == RCX_UPCALL ? begin_to_serve(s) : prepare(s, commands[s->op], 0);
}

static int ack_open(struct rcx_session *s)
{
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, RCX_GENETLINK_PUSH, NLM_F_ACK);
}

static int dump_open(struct rcx_session *s)
{
	struct family family;

	if (open_socket(s, &family))
		return -1;
	return prepare(s, s->op == RCX_DUMP ? RCX_GENETLINK_TABLE : RCX_GENETLINK_PULL, NLM_F_DUMP);
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

/* Make the datagram of a request that of its reply. */
static void turn(struct nlmsghdr *header)
{
	struct datagram *datagram = (struct datagram *)header;

	header->nlmsg_flags = NLM_F_REQUEST;
	datagram->command.cmd = RCX_GENETLINK_ANSWER;
}

static int genetlink_upcall(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_upcall(s, n, message, RCX_GENETLINK_ASK, turn);
}

/* ---- dump: records until the end mark ----------------------------------- */

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
			*end = true;
			return rcx_datagram_ended(s, header) ? -1 : (ssize_t)at;
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

/* ---- dump: a table ------------------------------------------------------- */

/* Copy the value of @attr, which must have @size bytes; false if it has not. */
static inline bool take(const struct nlattr *attr, void *to, size_t size)
{
	if (attr->nla_len != NLA_HDRLEN + size)
		return false;
	memcpy(to, (const char *)attr + NLA_HDRLEN, size);
	return true;
}

/* Collect a record from its attributes, in any order; false unless all are there. */
static inline bool collect(const struct nlmsghdr *header, struct rcx_record *to)
{
	const char *at = (const char *)header + HEADERS_LEN;
	const char *end = (const char *)header + header->nlmsg_len;
	unsigned int found = 0;

	while (end - at >= NLA_HDRLEN) {
		const struct nlattr *attr = (const struct nlattr *)at;
		bool good = true;

		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > end - at)
			return false;
		switch (attr->nla_type) {
		case RCX_GENETLINK_A_INDEX:
			good = take(attr, &to->index, sizeof(to->index));
			break;
		case RCX_GENETLINK_A_GENERATION:
			good = take(attr, &to->generation, sizeof(to->generation));
			break;
		case RCX_GENETLINK_A_BODY:
			good = take(attr, to->body, sizeof(to->body));
			break;
		}
		if (!good)
			return false;
		found |= 1u << attr->nla_type;
		at += NLA_ALIGN(attr->nla_len);
	}
	return (found & ALL_MEMBERS) == ALL_MEMBERS;
}

static inline int record(struct rcx_session *s, const struct nlmsghdr *header)
{
	struct rcx_record record;

	if (header->nlmsg_type != out(s)->header.nlmsg_type || header->nlmsg_len < HEADERS_LEN ||
	    !collect(header, &record))
		return rcx_datagram_broken(s, header == s->map ? (ssize_t)header->nlmsg_len : 0);
	return rcx_record(s, &record);
}

static int genetlink_table(struct rcx_session *s, uint64_t n)
{
	return rcx_datagram_dump(s, n, record);
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
			[RCX_UPCALL] = { .run = genetlink_upcall, ATTRIBUTE, .waits = RCX_WAIT_ANY },
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
		.summary = "a pull in records of 1 KiB, or a table with three attributes per record; up to 32 KiB at a time",
		.open = dump_open,
		.close = rcx_datagram_close,
		.operations = {
			[RCX_PULL] = { .run = genetlink_dump, .max = RCX_BODY_MAX },
			[RCX_DUMP] = { .run = genetlink_table, RCX_TABLE },
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
					.waits = RCX_WAIT_ANY, .queue = &genetlink_queue },
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
};
RCX_CHANNEL(genetlink_channel);
