// SPDX-License-Identifier: GPL-2.0-only
/* Wrong values in three headers, nested attributes, unfinished dumps. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "hostile.h"
#include "family.h"

/* Some cases are the same as in netlink: each folder is readable on its own. */

#define BODY	 64u
#define WHOLE	 (RCX_HEADER + BODY)
#define DATAGRAM (MESSAGE_OFFSET + (1u << 16) + 4096)
#define FLAGS	 (NLM_F_REQUEST | NLM_F_ACK)
#define NONE	 0xffff /* in place of an attribute's type: no attribute */

/* One socket; a request is built in @out, and the last answer is in @in. */
struct peer {
	struct rcx_hostile *h;
	int fd;
	struct family family;
	struct datagram *out;
	union {
		struct datagram in;
		char room[32768];
	};
};

/* ---- sockets and requests ----------------------------------------------- */

static void open_socket(struct rcx_hostile *h, struct peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->h = h;
	peer->out = calloc(1, DATAGRAM);
	peer->fd = rcx_netlink_socket(NETLINK_GENERIC);
}

static long find(struct peer *peer)
{
	return family_find(peer->fd, peer->room, sizeof(peer->room), &peer->family);
}

static void open_peer(struct rcx_hostile *h, struct peer *peer)
{
	open_socket(h, peer);
	rcx_expect(h, "find the family", find(peer), 0);
}

static void close_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer->out);
}

/* Build a request, with @len bytes at @payload in an attribute of @type. */
static struct datagram *put(struct peer *peer, uint8_t command, uint16_t flags, uint16_t type,
			    const void *payload, size_t len)
{
	struct datagram *out = peer->out;

	*out = (struct datagram){
		.header = {
			.nlmsg_len = HEADERS_LEN,
			.nlmsg_type = peer->family.id,
			.nlmsg_flags = flags,
		},
		.command = { .cmd = command, .version = RCX_GENETLINK_VERSION },
	};
	if (type == NONE)
		return out;
	/* A length of more than 16 bits is truncated, so the attribute states less. */
	out->attr = (struct nlattr){ (uint16_t)(NLA_HDRLEN + len), type };
	out->header.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + len);
	memcpy(&out->msg, payload, len);
	return out;
}

static ssize_t send_out(struct peer *peer)
{
	return send(peer->fd, peer->out, peer->out->header.nlmsg_len, 0);
}

/* Receive up to the acknowledgement; an answer that comes before it is left in @in. */
static long receive_ack(struct peer *peer)
{
	return rcx_netlink_verdict(peer->fd, peer->room, sizeof(peer->room));
}

static long exchange(struct peer *peer)
{
	return send_out(peer) < 0 ? -1 : receive_ack(peer);
}

static long request(struct peer *peer, uint8_t command, uint16_t type, const void *payload,
		    size_t len)
{
	put(peer, command, FLAGS, type, payload, len);
	return exchange(peer);
}

static long push(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_GENETLINK_PUSH, RCX_GENETLINK_A_MESSAGE, msg, len);
}

static long call(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_GENETLINK_CALL, RCX_GENETLINK_A_MESSAGE, msg, len);
}

static long pull(void *arg)
{
	return request(arg, RCX_GENETLINK_PULL, NONE, NULL, 0);
}

/* Build a push of a good message in @out, for the caller to change. */
static struct datagram *good(struct peer *peer, uint64_t seq)
{
	return put(peer, RCX_GENETLINK_PUSH, FLAGS, RCX_GENETLINK_A_MESSAGE,
		   rcx_good_message(peer->h, BODY, seq), WHOLE);
}

/* ---- headers ------------------------------------------------------------ */

static void try_commands(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };

	for (unsigned int command = 0; command <= 255; command++) {
		if ((command && command < RCX_GENETLINK_EVENT) || command == RCX_GENETLINK_SERVE ||
		    command == RCX_GENETLINK_ANSWER)
			continue;
		good(peer, 0)->command.cmd = (uint8_t)command;
		rcx_note(&outcomes, exchange(peer), EOPNOTSUPP);
	}
	rcx_expect_outcomes(h, "unknown commands", &outcomes);
	rcx_expect_value(h, "unknown commands refused", (long)outcomes.refused, 251);
	good(peer, 0)->header.nlmsg_flags |= NLM_F_DUMP;
	rcx_expect(h, "a dump of a command without one", exchange(peer), EOPNOTSUPP);
}

/* Every field is checked except the version: a family grows by attributes. */
static void try_fields(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };

	for (uint32_t bit = 1; bit <= 0x8000; bit <<= 1) {
		if (bit & (FLAGS | NLM_F_ECHO))
			continue;
		good(peer, 0)->header.nlmsg_flags |= (uint16_t)bit;
		rcx_note(&outcomes, exchange(peer), EINVAL);
	}
	rcx_expect_outcomes(h, "unknown flags", &outcomes);
	rcx_expect_value(h, "unknown flags refused", (long)outcomes.refused, 13);
	good(peer, 0)->command.reserved = 1;
	rcx_expect(h, "a reserved field", exchange(peer), EINVAL);
	good(peer, 0)->header.nlmsg_flags = NLM_F_ACK;
	rcx_expect(h, "no request", exchange(peer), 0);
	good(peer, 0)->header.nlmsg_len = NLMSG_HDRLEN;
	rcx_expect(h, "no header of the family", exchange(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN - 1;
	rcx_expect(h, "a part of it", exchange(peer), EINVAL);
	good(peer, 0)->header.nlmsg_type = 0xfff0;
	rcx_expect(h, "a family that is not there", exchange(peer), ENOENT);
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);
	good(peer, 0)->command.version = 77;
	rcx_expect(h, "another version", exchange(peer), 0);
}

static void try_headers(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "headers");
	rcx_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	try_commands(h, &peer);
	try_fields(h, &peer);
	close_peer(&peer);
}

/* ---- attributes --------------------------------------------------------- */

static void try_types(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };

	for (unsigned int type = 0; type < NLA_F_NET_BYTEORDER; type += type < 64 ? 1 : 331) {
		if (type == RCX_GENETLINK_A_MESSAGE)
			continue;
		good(peer, 0)->attr.nla_type = (uint16_t)type;
		rcx_note(&outcomes, exchange(peer), EINVAL);
	}
	rcx_expect_outcomes(h, "unknown ones", &outcomes);
	rcx_expect_value(h, "unknown ones accepted", (long)outcomes.fine, 0);
	good(peer, 0)->attr.nla_type |= NLA_F_NESTED;
	rcx_expect(h, "a message marked as nested", exchange(peer), EINVAL);
	rcx_expect(h, "none", request(peer, RCX_GENETLINK_PUSH, NONE, NULL, 0), EINVAL);
	rcx_expect(h, "none of a call", request(peer, RCX_GENETLINK_CALL, NONE, NULL, 0), EINVAL);
	good(peer, 0)->command.cmd = RCX_GENETLINK_PULL;
	rcx_expect(h, "a message with a pull", exchange(peer), EINVAL);
	good(peer, 0)->command.cmd = RCX_GENETLINK_PULL;
	peer->out->header.nlmsg_flags |= NLM_F_DUMP;
	rcx_expect(h, "a message with a dump", exchange(peer), EINVAL);
	rcx_expect(h, "a part with a pull",
		   request(peer, RCX_GENETLINK_PULL, RCX_GENETLINK_A_PART, h->message, WHOLE),
		   EINVAL);
}

static void try_lengths(struct rcx_hostile *h, struct peer *peer)
{
	static const struct {
		const char *name;
		uint16_t len;
		int want;
	} lengths[] = {
		{ "that states length 0", 0, EINVAL },
		{ "that states less than its header", NLA_HDRLEN - 1, EINVAL },
		{ "that states its header only", NLA_HDRLEN, ERANGE },
		{ "that states a word less", NLA_HDRLEN + WHOLE - 4, EINVAL },
		{ "that states a byte more", NLA_HDRLEN + WHOLE + 1, EINVAL },
		{ "that states 64 KiB", UINT16_MAX, EINVAL },
	};

	rcx_topic(h, "an attribute");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		good(peer, 0)->attr.nla_len = lengths[i].len;
		rcx_expect(h, lengths[i].name, exchange(peer), lengths[i].want);
	}
	good(peer, 0)->header.nlmsg_len = HEADERS_LEN + 1;
	rcx_expect(h, "of one byte", exchange(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len -= 4;
	rcx_expect(h, "that the header cuts", exchange(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len += 4;
	rcx_expect(h, "and a word behind it", exchange(peer), EINVAL);
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);
}

/* Of several attributes of a type the last one is used, and all are validated. */
static void try_several(struct rcx_hostile *h, struct peer *peer)
{
	struct datagram *out = good(peer, 0);
	size_t one = NLA_HDRLEN + WHOLE;
	char *behind = (char *)&out->attr + one;

	rcx_topic(h, "attributes");
	memcpy(behind, &out->attr, one);
	out->msg.magic = 0;
	out->header.nlmsg_len += (uint32_t)one;
	rcx_expect(h, "a wrong message and a good one", exchange(peer), 0);
	good(peer, 1);
	memcpy(behind, &out->attr, one);
	out->attr.nla_len = NLA_HDRLEN + RCX_HEADER - 1;
	memmove((char *)&out->attr + NLA_ALIGN(out->attr.nla_len), behind, one);
	out->header.nlmsg_len += NLA_ALIGN(out->attr.nla_len);
	rcx_expect(h, "one too short and a good one", exchange(peer), ERANGE);
	good(peer, 1);
	for (uint16_t i = 0; i < 1000; i++)
		((struct nlattr *)behind)[i] = (struct nlattr){ NLA_HDRLEN, NLA_F_NESTED | 1 };
	out->header.nlmsg_len += 1000 * NLA_HDRLEN;
	rcx_expect(h, "a good one and 1000 empty nested ones", exchange(peer), EINVAL);
	/* 1000 levels: each attribute states that the whole rest is nested in it. */
	out = put(peer, RCX_GENETLINK_PUSH, FLAGS, RCX_GENETLINK_A_MESSAGE | NLA_F_NESTED, "", 0);
	for (uint16_t i = 0; i < 1000; i++)
		(&out->attr)[i] = (struct nlattr){ (uint16_t)(4000 - 4 * i), NLA_F_NESTED | 1 };
	out->header.nlmsg_len = HEADERS_LEN + 4000;
	rcx_expect(h, "1000 levels of nesting", exchange(peer), EINVAL);
	rcx_expect(h, "a good one after all these", push(peer, rcx_good_message(h, BODY, 1), WHOLE),
		   0);
}

static void try_attributes(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "attributes");
	rcx_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	try_types(h, &peer);
	try_lengths(h, &peer);
	try_several(h, &peer);
	close_peer(&peer);
}

/* ---- messages ----------------------------------------------------------- */

static long send_at(void *arg, void *at)
{
	return send(((struct peer *)arg)->fd, at, MESSAGE_OFFSET + WHOLE, 0);
}

static long receive_at(void *arg, void *at)
{
	struct peer *peer = arg;

	put(peer, RCX_GENETLINK_PULL, NLM_F_REQUEST, NONE, NULL, 0);
	return send_out(peer) < 0 ? 0 : recv(peer->fd, at, MESSAGE_OFFSET + WHOLE, 0);
}

static struct rcx_sender sender(struct peer *peer,
				long (*send)(void *, const struct rcx_msg *, size_t))
{
	return (struct rcx_sender){
		.send = send,
		.arg = peer,
		.body_max = RCX_GENETLINK_BODY_MAX,
		/* Refused by the policy, or for the attribute's own length. */
		.nothing = ERANGE,
		.too_short = ERANGE,
		.too_long = EINVAL,
	};
}

static void try_messages(struct rcx_hostile *h, bool validate)
{
	struct rcx_sender pushes, calls;
	struct peer peer;

	rcx_bind_topic(h, "push", BODY, validate);
	open_peer(h, &peer);
	pushes = sender(&peer, push);
	rcx_try_messages(h, &pushes, validate);
	rcx_try_overwritten(h, &pushes, BODY, 200);
	rcx_try_addresses(h, "send", RCX_KERNEL_READS, send_at, &peer);

	rcx_topic(h, "call%s", validate ? " in validation" : "");
	calls = sender(&peer, call);
	calls.seq = pushes.seq;
	rcx_try_messages(h, &calls, validate);
	rcx_try_request(h, &calls, &peer.in.msg, validate);

	rcx_topic(h, "pull%s", validate ? " in validation" : "");
	rcx_expect(h, "a good one", pull(&peer), 0);
	rcx_expect_true(h, "it is whole", peer.in.msg.size == BODY);
	rcx_try_addresses(h, "receive", RCX_KERNEL_WRITES, receive_at, &peer);
	rcx_core_bind(h, "", RCX_GENETLINK_BODY_MAX + 1, validate);
	rcx_expect(h, "larger than an attribute", pull(&peer), EMSGSIZE);
	close_peer(&peer);
}

/* The first header is not overwritten: its family number could become that of another family. */
static void try_overwritten(struct rcx_hostile *h, bool validate)
{
	struct rcx_overwriter overwriter;
	struct peer peer;
	long done = 0;

	rcx_topic(h, "headers overwritten%s", validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	open_peer(h, &peer);
	rcx_overwrite(h, &overwriter, &peer.out->command,
		      (MESSAGE_OFFSET - NLMSG_HDRLEN + RCX_HEADER) / 4);
	for (int i = 0; i < 500; i++) {
		put(&peer, (uint8_t)(RCX_GENETLINK_PUSH + i % 3), NLM_F_REQUEST,
		    RCX_GENETLINK_A_MESSAGE, rcx_good_message(h, BODY, (uint64_t)i), WHOLE);
		usleep(1);
		done += send_out(&peer) > 0;
	}
	rcx_overwrite_end(&overwriter);
	rcx_expect_value(h, "sent", done, 500);
	close_peer(&peer);
	open_peer(h, &peer);
	rcx_expect(h, "another one pushes", push(&peer, rcx_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

/* ---- dumps -------------------------------------------------------------- */

static long start_dump(struct peer *peer)
{
	put(peer, RCX_GENETLINK_PULL, NLM_F_REQUEST | NLM_F_DUMP, NONE, NULL, 0);
	return send_out(peer);
}

/* Receive a part of a dump with room for @len bytes: bytes of the message in it, or -1. */
static long receive_part(struct peer *peer, size_t len, bool *end)
{
	ssize_t left = recv(peer->fd, peer->room, len, 0);
	const struct nlmsghdr *header = &peer->in.header;
	long received = 0;

	if (left < 0)
		return -1;
	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
			errno = -*(const int *)NLMSG_DATA(header);
			*end = true;
			return errno ? -1 : received;
		}
		received += ((const struct datagram *)header)->attr.nla_len - NLA_HDRLEN;
	}
	return received;
}

/* Receive a whole dump: bytes of the message, or -1 at the first failure. */
static long receive_dump(struct peer *peer, size_t len)
{
	bool end = false;
	long all = 0;

	while (!end) {
		long received = receive_part(peer, len, &end);

		if (received < 0)
			return -1;
		all += received;
	}
	return all;
}

static void try_two_dumps(struct rcx_hostile *h, struct peer *peer)
{
	const long all = RCX_HEADER + RCX_BODY_MAX;
	struct peer other;
	bool end = false;
	long received;

	open_peer(h, &other);
	start_dump(peer);
	received = receive_part(peer, sizeof(peer->room), &end);
	rcx_expect_true(h, "the first part", received > 0);
	rcx_expect_value(h, "another's meanwhile, whole",
			 start_dump(&other) < 0 ? -1 : receive_dump(&other, sizeof(peer->room)),
			 all);
	close_peer(&other);
	put(peer, RCX_GENETLINK_PULL, FLAGS | NLM_F_DUMP, NONE, NULL, 0);
	send_out(peer);
	do {
		long more = receive_part(peer, sizeof(peer->room), &end);

		if (more < 0)
			break;
		received += more;
	} while (!end);
	rcx_expect(h, "a second one of the same socket", end ? -1 : 0, EBUSY);
	end = false;
	rcx_expect_value(h, "the first one continues to its end",
			 received + receive_dump(peer, sizeof(peer->room)), all);
}

static void try_dumps(struct rcx_hostile *h, bool validate)
{
	const long all = RCX_HEADER + RCX_BODY_MAX;
	const int least = 1;
	struct peer peer;

	rcx_bind_topic(h, "dump", RCX_BODY_MAX, validate);
	open_peer(h, &peer);
	rcx_expect_value(h, "a good one",
			 start_dump(&peer) < 0 ? -1 : receive_dump(&peer, sizeof(peer.room)), all);
	try_two_dumps(h, &peer);
	/* Bytes that do not fit the receive buffer are lost, and the end mark with them. */
	start_dump(&peer);
	while (recv(peer.fd, peer.room, 100, MSG_DONTWAIT) > 0)
		;
	rcx_expect_value(h, "after one that was read with room for 100 bytes",
			 start_dump(&peer) < 0 ? -1 : receive_dump(&peer, sizeof(peer.room)), all);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	rcx_expect_value(h, "with the smallest queue",
			 start_dump(&peer) < 0 ? -1 : receive_dump(&peer, sizeof(peer.room)), all);
	start_dump(&peer);
	rcx_core_bind(h, "", BODY, validate);
	rcx_expect_value(h, "begun before a bind to a smaller size",
			 receive_dump(&peer, sizeof(peer.room)), all);
	rcx_expect_value(h, "begun after it",
			 start_dump(&peer) < 0 ? -1 : receive_dump(&peer, sizeof(peer.room)),
			 WHOLE);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	start_dump(&peer);
	close_peer(&peer);
	rcx_expect_true(h, "closed half-way", true);
}

static long dump_for_ever(void *arg)
{
	struct peer *peer = arg;

	while (start_dump(peer) > 0 && receive_dump(peer, sizeof(peer->room)) >= 0)
		;
	return -1;
}

static void try_dump_killed(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "dump");
	rcx_core_bind(h, "", RCX_BODY_MAX, true);
	open_peer(h, &peer);
	rcx_try_kill(h, "killed half-way", dump_for_ever, &peer);
	close_peer(&peer);
	open_peer(h, &peer);
	rcx_expect_value(h, "another one after it",
			 start_dump(&peer) < 0 ? -1 : receive_dump(&peer, sizeof(peer.room)),
			 RCX_HEADER + RCX_BODY_MAX);
	close_peer(&peer);
}

/* ---- sizes that change --------------------------------------------------- */

/* ---- dumps of the table --------------------------------------------------- */

#define RECORDS 1000u /* several datagrams */

static long start_table(struct peer *peer)
{
	put(peer, RCX_GENETLINK_TABLE, NLM_F_REQUEST | NLM_F_DUMP, NONE, NULL, 0);
	return send_out(peer);
}

/* Receive one datagram: the number of records so far, or -1. */
static long receive_records(struct peer *peer, long count, bool *end)
{
	ssize_t left = recv(peer->fd, peer->room, sizeof(peer->room), 0);
	const struct nlmsghdr *header = &peer->in.header;

	*end = left < 0;
	if (left < 0)
		return -1;
	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		uint64_t index;

		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
			errno = -*(const int *)NLMSG_DATA(header);
			*end = true;
			return errno ? -1 : count;
		}
		if (attr_value(find_attr((const char *)header + HEADERS_LEN,
					 header->nlmsg_len - HEADERS_LEN, RCX_GENETLINK_A_INDEX),
			       &index, sizeof(index)) ||
		    index != (uint64_t)count++)
			return -2;
	}
	return count;
}

static long receive_table(struct peer *peer, long count)
{
	bool end = false;

	while (!end && count >= 0)
		count = receive_records(peer, count, &end);
	return count;
}

static long dump_table(struct peer *peer)
{
	return start_table(peer) < 0 ? -1 : receive_table(peer, 0);
}

static long dump_tables(void *arg)
{
	while (dump_table(arg) >= 0)
		;
	return -1;
}

static void try_table(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	struct peer peer, other;
	bool end;
	long count;

	rcx_topic(h, "table");
	rcx_core_bind_table(h, RECORDS);
	open_peer(h, &peer);
	rcx_expect_value(h, "a good dump", dump_table(&peer), RECORDS);
	rcx_expect(h, "no dump", request(&peer, RCX_GENETLINK_TABLE, NONE, NULL, 0), EOPNOTSUPP);
	put(&peer, RCX_GENETLINK_TABLE, NLM_F_REQUEST | NLM_F_DUMP, RCX_GENETLINK_A_MESSAGE,
	    rcx_good_message(h, BODY, 0), WHOLE);
	send_out(&peer);
	rcx_expect(h, "with an attribute", receive_table(&peer, 0), EINVAL);

	start_table(&peer);
	count = receive_records(&peer, 0, &end);
	rcx_expect_true(h, "the first datagram is not all", count > 0 && !end);
	start_table(&peer);
	open_peer(h, &other);
	rcx_expect_value(h, "one of another socket meanwhile", dump_table(&other), RECORDS);
	close_peer(&other);
	close_peer(&peer);

	open_peer(h, &peer);
	start_table(&peer);
	count = receive_records(&peer, 0, &end);
	rcx_core_bind_table(h, 1);
	rcx_expect_value(h, "the rest after a bind", receive_table(&peer, count), RECORDS);
	rcx_expect_value(h, "the next has the new length", dump_table(&peer), 1);
	rcx_core_bind_table(h, RECORDS);
	rcx_try_kill(h, "killed half-way", dump_tables, &peer);
	close_peer(&peer);
	for (int i = 0; i < 20; i++) {
		open_peer(h, &peer);
		start_table(&peer);
		rcx_note(&outcomes, i % 2 ? receive_records(&peer, 0, &end) : 0, 0);
		close_peer(&peer);
	}
	rcx_expect_outcomes(h, "closed half-way", &outcomes);
}

static long pull_dump(void *arg)
{
	return start_dump(arg) < 0 ? -1 : receive_dump(arg, 32768);
}

static void try_sizes(struct rcx_hostile *h, const char *topic, long (*pull)(void *))
{
	static const uint32_t sizes[2] = { 60000, 3000 };
	struct peer peer;

	rcx_topic(h, "%s", topic);
	rcx_core_bind(h, "", 0, true);
	open_peer(h, &peer);
	rcx_try_size_changes(h, pull, &peer, 50, sizes);
	close_peer(&peer);
}

/* ---- events ------------------------------------------------------------- */

static long join(struct peer *peer)
{
	return setsockopt(peer->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &peer->family.group,
			  sizeof(peer->family.group));
}

static long receive(void *arg)
{
	struct peer *peer = arg;

	return recv(peer->fd, peer->room, sizeof(peer->room), 0);
}

static void send_pull(void *arg)
{
	put(arg, RCX_GENETLINK_PULL, NLM_F_REQUEST, NONE, NULL, 0);
	send_out(arg);
}

static void try_unread(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "unread");
	rcx_core_bind(h, "multicast", BODY, true);
	open_peer(h, &peer);
	rcx_expect(h, "join", join(&peer), 0);
	rcx_try_unread_events(h, peer.fd);
	rcx_try_unread_answers(h, peer.fd, send_pull, &peer);
	rcx_expect(h, "pull after all these", pull(&peer), 0);
	rcx_core_start(h, RCX_SOFTIRQ, 4000, 4000, 0);
	close_peer(&peer);
	rcx_expect_true(h, "closed with a full queue", rcx_core_ended(h, 1000));
}

/* Sockets are opened and closed while events are sent to them. */
static void try_leaving(struct rcx_hostile *h)
{
	const struct timeval never = { 0 };
	struct rcx_outcomes outcomes = { 0 };
	struct peer peer;

	rcx_topic(h, "group");
	rcx_core_bind(h, "multicast", BODY, true);
	open_peer(h, &peer);
	join(&peer);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	rcx_try_kill(h, "killed in recv", receive, &peer);
	close_peer(&peer);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 1000000);
	for (int i = 0; i < 20; i++) {
		open_socket(h, &peer);
		rcx_note(&outcomes, find(&peer), 0);
		rcx_note(&outcomes, join(&peer), 0);
		rcx_note(&outcomes, receive(&peer), 0);
		close_peer(&peer);
	}
	rcx_expect_outcomes(h, "joined and closed in a stream", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

/* ---- others ------------------------------------------------------------- */

static void without_right(struct rcx_hostile *h, void *arg)
{
	struct peer *rights = arg, own;

	rcx_expect(h, "push on a socket of root", push(rights, rcx_good_message(h, BODY, 0), WHOLE),
		   EPERM);
	open_peer(h, &own);
	rcx_expect(h, "push", push(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "call", call(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "pull", pull(&own), EPERM);
	start_dump(&own);
	rcx_expect(h, "dump", receive_dump(&own, sizeof(own.room)), EPERM);
	rcx_expect(h, "an unknown command", request(&own, 99, NONE, NULL, 0), EOPNOTSUPP);
	rcx_expect(h, "join the group", join(&own), EPERM);
	rcx_expect(h, "as root of a user namespace",
		   unshare(CLONE_NEWUSER) ? -1 : push(&own, h->message, WHOLE), EPERM);
	close_peer(&own);
}

static void elsewhere(struct rcx_hostile *h, void *arg)
{
	const struct peer *ours = arg;
	struct peer peer;

	rcx_expect(h, "leave the namespace", unshare(CLONE_NEWNET), 0);
	open_socket(h, &peer);
	rcx_expect(h, "the family is not there", find(&peer), ENOENT);
	peer.family = ours->family;
	rcx_expect(h, "nor by its number", push(&peer, rcx_good_message(h, BODY, 0), WHOLE),
		   ENOENT);
	rcx_expect(h, "nor is there a dump", start_dump(&peer) < 0 ? 0 : receive_dump(&peer, 32768),
		   ENOENT);
	close_peer(&peer);
}

/* As in netlink: a socket that takes the port of a closed one gets none of its state. */
static void try_others(struct rcx_hostile *h)
{
	struct sockaddr_nl address;
	socklen_t len = sizeof(address);
	struct peer peer, second;

	rcx_topic(h, "another user");
	rcx_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	rcx_as_nobody(h, without_right, &peer);
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);

	rcx_topic(h, "another namespace");
	rcx_in_other(h, "a process there ends well", elsewhere, &peer);
	rcx_expect(h, "ours still works", push(&peer, rcx_good_message(h, BODY, 0), WHOLE), 0);

	rcx_topic(h, "another socket");
	getsockname(peer.fd, (struct sockaddr *)&address, &len);
	open_socket(h, &second);
	rcx_expect(h, "takes the same port", bind(second.fd, (struct sockaddr *)&address, len),
		   EADDRINUSE);
	close_peer(&peer);
	rcx_expect(h, "takes it when it is free", bind(second.fd, (struct sockaddr *)&address, len),
		   0);
	rcx_expect(h, "finds the family", find(&second), 0);
	rcx_expect(h, "and starts a new sequence",
		   push(&second, rcx_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&second);
}

/* ---- upcalls --------------------------------------------------------------- */

static struct family serving; /* the same for all sockets */

static int server_open(struct rcx_hostile *h)
{
	struct peer peer;

	open_socket(h, &peer);
	if (find(&peer) || request(&peer, RCX_GENETLINK_SERVE, NONE, NULL, 0))
		return -1;
	serving = peer.family;
	free(peer.out);
	return peer.fd;
}

static long server_take(int fd, void *to, size_t len)
{
	union {
		struct datagram in;
		char room[4096];
	} datagram;
	ssize_t got = recv(fd, &datagram, sizeof(datagram), 0);
	size_t whole;

	if (got < (ssize_t)MESSAGE_OFFSET || datagram.in.command.cmd != RCX_GENETLINK_ASK)
		return -1;
	whole = datagram.in.attr.nla_len - NLA_HDRLEN;
	if (whole > len)
		return -1;
	memcpy(to, &datagram.in.msg, whole);
	return (long)whole;
}

static long server_answer(int fd, const void *from, size_t len)
{
	struct peer peer = { .fd = fd, .family = serving, .out = calloc(1, DATAGRAM) };
	long result = request(&peer, RCX_GENETLINK_ANSWER, RCX_GENETLINK_A_MESSAGE, from, len);

	free(peer.out);
	return result;
}

static void try_serving(struct rcx_hostile *h)
{
	static const struct rcx_server server = {
		.mode = "do",
		.open = server_open,
		.take = server_take,
		.answer = server_answer,
		.too_short = ERANGE,
	};
	struct peer peer;

	rcx_try_upcalls(h, &server);
	rcx_topic(h, "upcall");
	rcx_core_bind(h, "do", BODY, true);
	open_peer(h, &peer);
	rcx_expect(h, "a reply of a socket that does not serve",
		   request(&peer, RCX_GENETLINK_ANSWER, RCX_GENETLINK_A_MESSAGE,
			   rcx_good_message(h, BODY, 0), WHOLE),
		   ESRCH);
	rcx_expect(h, "a reply without a message",
		   request(&peer, RCX_GENETLINK_ANSWER, NONE, NULL, 0), EINVAL);
	rcx_expect(h, "serve with a message",
		   request(&peer, RCX_GENETLINK_SERVE, RCX_GENETLINK_A_MESSAGE, h->message, WHOLE),
		   EINVAL);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "it is no server", ENOTCONN);
	rcx_expect(h, "serve", request(&peer, RCX_GENETLINK_SERVE, NONE, NULL, 0), 0);
	rcx_expect(h, "serve again", request(&peer, RCX_GENETLINK_SERVE, NONE, NULL, 0), EEXIST);
	close_peer(&peer);
}

static void genetlink_hostile(struct rcx_hostile *h)
{
	try_headers(h);
	try_attributes(h);
	for (int validate = 0; validate < 2; validate++) {
		try_messages(h, validate);
		try_overwritten(h, validate);
		try_dumps(h, validate);
	}
	try_dump_killed(h);
	try_table(h);
	try_sizes(h, "pull", pull);
	try_sizes(h, "dump", pull_dump);
	try_unread(h);
	try_leaving(h);
	try_others(h);
	try_serving(h);
}
RCX_HOSTILE(genetlink, genetlink_hostile);
