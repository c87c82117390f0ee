// SPDX-License-Identifier: GPL-2.0-only
/* Three headers that can lie, attributes within one another, dumps left half-way. */
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

#define BODY 64u
#define WHOLE (RC_HEADER + BODY)
#define BUFFER (8 << 20)
#define DATAGRAM (AHEAD + (1u << 16) + 4096)
#define FLAGS (NLM_F_REQUEST | NLM_F_ACK)
#define NONE 0xffff	/* instead of an attribute's type */

/* One socket; what it sends is put together in @out, the last answer lies in @in. */
struct peer {
	struct rc_hostile *h;
	int fd;
	struct family family;
	struct datagram *out;
	union {
		struct datagram in;
		char room[32768];
	};
};

/* ---- sockets and requests ----------------------------------------------- */

static void open_socket(struct rc_hostile *h, struct peer *peer)
{
	const struct timeval second = { .tv_sec = 1 };
	const int size = BUFFER, one = 1;

	memset(peer, 0, sizeof(*peer));
	peer->h = h;
	peer->out = calloc(1, DATAGRAM);
	peer->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	/* A refusal need not bring back all that was refused. */
	setsockopt(peer->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
}

static long find(struct peer *peer)
{
	return family_find(peer->fd, peer->room, sizeof(peer->room), &peer->family);
}

static void open_peer(struct rc_hostile *h, struct peer *peer)
{
	open_socket(h, peer);
	rc_expect(h, "find the family", find(peer), 0);
}

static void close_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer->out);
}

/* Put a request together, with @len bytes at @payload in an attribute of @type. */
static struct datagram *put(struct peer *peer, uint8_t command, uint16_t flags, uint16_t type,
			    const void *payload, size_t len)
{
	struct datagram *out = peer->out;

	*out = (struct datagram){
		.header = {
			.nlmsg_len = BARE,
			.nlmsg_type = peer->family.id,
			.nlmsg_flags = flags,
		},
		.command = { .cmd = command, .version = RC_GENETLINK_VERSION },
	};
	if (type == NONE)
		return out;
	/* Longer ones than an attribute can tell of: it then tells less. */
	out->attr = (struct nlattr){ (uint16_t)(NLA_HDRLEN + len), type };
	out->header.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + len);
	memcpy(&out->msg, payload, len);
	return out;
}

static ssize_t send_out(struct peer *peer)
{
	return send(peer->fd, peer->out, peer->out->header.nlmsg_len, 0);
}

/* The verdict on what was sent; an answer that comes before it is left in @in. */
static long verdict(struct peer *peer)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char room[sizeof(peer->room)];
	} came;

	for (;;) {
		if (recv(peer->fd, &came, sizeof(came), 0) < 0)
			return -1;
		if (came.header.nlmsg_type == NLMSG_ERROR)
			break;
		memcpy(peer->room, &came, sizeof(peer->room));
	}
	errno = -came.error.error;
	return came.error.error ? -1 : 0;
}

static long sent(struct peer *peer)
{
	return send_out(peer) < 0 ? -1 : verdict(peer);
}

static long request(struct peer *peer, uint8_t command, uint16_t type, const void *payload,
		    size_t len)
{
	put(peer, command, FLAGS, type, payload, len);
	return sent(peer);
}

static long push(void *arg, const struct rc_msg *msg, size_t len)
{
	return request(arg, RC_GENETLINK_PUSH, RC_GENETLINK_A_MESSAGE, msg, len);
}

static long call(void *arg, const struct rc_msg *msg, size_t len)
{
	return request(arg, RC_GENETLINK_CALL, RC_GENETLINK_A_MESSAGE, msg, len);
}

static long pull(struct peer *peer)
{
	return request(peer, RC_GENETLINK_PULL, NONE, NULL, 0);
}

/* A push of a good message, left in @out to be spoilt. */
static struct datagram *good(struct peer *peer, uint64_t seq)
{
	return put(peer, RC_GENETLINK_PUSH, FLAGS, RC_GENETLINK_A_MESSAGE,
		   rc_good_message(peer->h, BODY, seq), WHOLE);
}

/* ---- headers ------------------------------------------------------------ */

static void try_commands(struct rc_hostile *h, struct peer *peer)
{
	struct rc_outcomes outcomes = { 0 };

	for (unsigned int command = 0; command <= 255; command++) {
		if (command && command < RC_GENETLINK_EVENT)
			continue;
		good(peer, 0)->command.cmd = (uint8_t)command;
		rc_note(&outcomes, sent(peer), EOPNOTSUPP);
	}
	rc_expect_outcomes(h, "unknown commands", &outcomes);
	rc_expect_value(h, "unknown commands refused", (long)outcomes.refused, 253);
	good(peer, 0)->header.nlmsg_flags |= NLM_F_DUMP;
	rc_expect(h, "a dump of what has none", sent(peer), EOPNOTSUPP);
}

/* All but the version, at which nobody looks: a family grows by attributes. */
static void try_fields(struct rc_hostile *h, struct peer *peer)
{
	struct rc_outcomes outcomes = { 0 };

	for (uint32_t bit = 1; bit <= 0x8000; bit <<= 1) {
		if (bit & (FLAGS | NLM_F_ECHO))
			continue;
		good(peer, 0)->header.nlmsg_flags |= (uint16_t)bit;
		rc_note(&outcomes, sent(peer), EINVAL);
	}
	rc_expect_outcomes(h, "unknown flags", &outcomes);
	rc_expect_value(h, "unknown flags refused", (long)outcomes.refused, 13);
	good(peer, 0)->command.reserved = 1;
	rc_expect(h, "what is reserved", sent(peer), EINVAL);
	good(peer, 0)->header.nlmsg_flags = NLM_F_ACK;
	rc_expect(h, "no request", sent(peer), 0);
	good(peer, 0)->header.nlmsg_len = NLMSG_HDRLEN;
	rc_expect(h, "no header of the family", sent(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN - 1;
	rc_expect(h, "a part of it", sent(peer), EINVAL);
	good(peer, 0)->header.nlmsg_type = 0xfff0;
	rc_expect(h, "a family that is not there", sent(peer), ENOENT);
	rc_expect_value(h, "consumed of all these", (long)rc_core_counts(h).consumed, 0);
	good(peer, 0)->command.version = 77;
	rc_expect(h, "another version", sent(peer), 0);
}

static void try_headers(struct rc_hostile *h)
{
	struct peer peer;

	rc_topic(h, "headers");
	rc_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	try_commands(h, &peer);
	try_fields(h, &peer);
	close_peer(&peer);
}

/* ---- attributes --------------------------------------------------------- */

static void try_types(struct rc_hostile *h, struct peer *peer)
{
	struct rc_outcomes outcomes = { 0 };

	for (unsigned int type = 0; type < NLA_F_NET_BYTEORDER; type += type < 64 ? 1 : 331) {
		if (type == RC_GENETLINK_A_MESSAGE)
			continue;
		good(peer, 0)->attr.nla_type = (uint16_t)type;
		rc_note(&outcomes, sent(peer), EINVAL);
	}
	rc_expect_outcomes(h, "unknown ones", &outcomes);
	rc_expect_value(h, "unknown ones that did something", (long)outcomes.fine, 0);
	good(peer, 0)->attr.nla_type |= NLA_F_NESTED;
	rc_expect(h, "a message that is a nest", sent(peer), EINVAL);
	rc_expect(h, "none", request(peer, RC_GENETLINK_PUSH, NONE, NULL, 0), EINVAL);
	rc_expect(h, "none of a call", request(peer, RC_GENETLINK_CALL, NONE, NULL, 0), EINVAL);
	good(peer, 0)->command.cmd = RC_GENETLINK_PULL;
	rc_expect(h, "a message with a pull", sent(peer), EINVAL);
	good(peer, 0)->command.cmd = RC_GENETLINK_PULL;
	peer->out->header.nlmsg_flags |= NLM_F_DUMP;
	rc_expect(h, "a message with a dump", sent(peer), EINVAL);
	rc_expect(h, "a part with a pull", request(peer, RC_GENETLINK_PULL, RC_GENETLINK_A_PART,
						   h->message, WHOLE), EINVAL);
}

static void try_lengths(struct rc_hostile *h, struct peer *peer)
{
	static const struct {
		const char *name;
		uint16_t told;
		int want;
	} lengths[] = {
		{ "that says nothing", 0, EINVAL },
		{ "that says less than its header", NLA_HDRLEN - 1, EINVAL },
		{ "that says its header", NLA_HDRLEN, ERANGE },
		{ "that says a word less", NLA_HDRLEN + WHOLE - 4, EINVAL },
		{ "that says a byte more", NLA_HDRLEN + WHOLE + 1, EINVAL },
		{ "that says 64 KiB", UINT16_MAX, EINVAL },
	};

	rc_topic(h, "an attribute");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		good(peer, 0)->attr.nla_len = lengths[i].told;
		rc_expect(h, lengths[i].name, sent(peer), lengths[i].want);
	}
	good(peer, 0)->header.nlmsg_len = BARE + 1;
	rc_expect(h, "of one byte", sent(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len -= 4;
	rc_expect(h, "that the header cuts", sent(peer), EINVAL);
	good(peer, 0)->header.nlmsg_len += 4;
	rc_expect(h, "and a word behind it", sent(peer), EINVAL);
	rc_expect_value(h, "consumed of all these", (long)rc_core_counts(h).consumed, 0);
}

/* The last one of several counts, and all of them are looked at. */
static void try_several(struct rc_hostile *h, struct peer *peer)
{
	struct datagram *out = good(peer, 0);
	size_t one = NLA_HDRLEN + WHOLE;
	char *behind = (char *)&out->attr + one;

	rc_topic(h, "attributes");
	memcpy(behind, &out->attr, one);
	out->msg.magic = 0;
	out->header.nlmsg_len += (uint32_t)one;
	rc_expect(h, "a wrong message and a good one", sent(peer), 0);
	good(peer, 1);
	memcpy(behind, &out->attr, one);
	out->attr.nla_len = NLA_HDRLEN + RC_HEADER - 1;
	memmove((char *)&out->attr + NLA_ALIGN(out->attr.nla_len), behind, one);
	out->header.nlmsg_len += NLA_ALIGN(out->attr.nla_len);
	rc_expect(h, "one too short and a good one", sent(peer), ERANGE);
	good(peer, 1);
	for (uint16_t i = 0; i < 1000; i++)
		((struct nlattr *)behind)[i] = (struct nlattr){ NLA_HDRLEN, NLA_F_NESTED | 1 };
	out->header.nlmsg_len += 1000 * NLA_HDRLEN;
	rc_expect(h, "a good one and 1000 empty nests", sent(peer), EINVAL);
	/* A nest in a nest in a nest: each says that all the rest is in it. */
	out = put(peer, RC_GENETLINK_PUSH, FLAGS, RC_GENETLINK_A_MESSAGE | NLA_F_NESTED, "", 0);
	for (uint16_t i = 0; i < 1000; i++)
		(&out->attr)[i] = (struct nlattr){ (uint16_t)(4000 - 4 * i), NLA_F_NESTED | 1 };
	out->header.nlmsg_len = BARE + 4000;
	rc_expect(h, "1000 nests in one another", sent(peer), EINVAL);
	rc_expect(h, "a good one after all these", push(peer, rc_good_message(h, BODY, 1), WHOLE),
		  0);
}

static void try_attributes(struct rc_hostile *h)
{
	struct peer peer;

	rc_topic(h, "attributes");
	rc_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	try_types(h, &peer);
	try_lengths(h, &peer);
	try_several(h, &peer);
	close_peer(&peer);
}

/* ---- messages ----------------------------------------------------------- */

static long send_at(void *arg, void *at)
{
	return send(((struct peer *)arg)->fd, at, AHEAD + WHOLE, 0);
}

static long receive_at(void *arg, void *at)
{
	struct peer *peer = arg;

	put(peer, RC_GENETLINK_PULL, NLM_F_REQUEST, NONE, NULL, 0);
	return send_out(peer) < 0 ? 0 : recv(peer->fd, at, AHEAD + WHOLE, 0);
}

static struct rc_taker taker(struct peer *peer,
			     long (*send)(void *, const struct rc_msg *, size_t))
{
	return (struct rc_taker){
		.send = send,
		.arg = peer,
		.body_max = RC_GENETLINK_BODY_MAX,
		/* By the policy, or the attribute's own length. */
		.nothing = ERANGE,
		.too_short = ERANGE,
		.too_long = EINVAL,
	};
}

static void try_messages(struct rc_hostile *h, bool proof)
{
	struct rc_taker pushes, calls;
	struct peer peer;

	rc_topic(h, "push%s", proof ? " in proof" : "");
	rc_core_bind(h, "", BODY, proof);
	open_peer(h, &peer);
	pushes = taker(&peer, push);
	rc_try_messages(h, &pushes, proof);
	rc_try_scribbled(h, &pushes, BODY, 200);
	rc_try_addresses(h, "send", RC_KERNEL_READS, send_at, &peer);

	rc_topic(h, "call%s", proof ? " in proof" : "");
	calls = taker(&peer, call);
	calls.seq = pushes.seq;
	rc_try_messages(h, &calls, proof);
	rc_good_message(h, BODY, calls.seq);
	rc_expect(h, "a request", call(&peer, h->message, WHOLE), 0);
	rc_expect_true(h, "its reply", peer.in.msg.seq == ~calls.seq &&
		       rc_body_check(peer.in.msg.body, BODY, calls.seq, proof ? 0xff : 0) == BODY);

	rc_topic(h, "pull%s", proof ? " in proof" : "");
	rc_expect(h, "a good one", pull(&peer), 0);
	rc_expect_true(h, "it is whole", peer.in.msg.size == BODY);
	rc_try_addresses(h, "receive", RC_KERNEL_WRITES, receive_at, &peer);
	rc_core_bind(h, "", RC_GENETLINK_BODY_MAX + 1, proof);
	rc_expect(h, "larger than an attribute", pull(&peer), EMSGSIZE);
	close_peer(&peer);
}

/* The first header stays: it tells whose family this is for, and others could do harm. */
static void try_scribbled(struct rc_hostile *h, bool proof)
{
	struct rc_scribbler scribbler;
	struct peer peer;
	long done = 0;

	rc_topic(h, "headers overwritten%s", proof ? ", in proof" : "");
	rc_core_bind(h, "", BODY, proof);
	open_peer(h, &peer);
	rc_scribble(h, &scribbler, &peer.out->command, (AHEAD - NLMSG_HDRLEN + RC_HEADER) / 4);
	for (int i = 0; i < 500; i++) {
		put(&peer, (uint8_t)(RC_GENETLINK_PUSH + i % 3), NLM_F_REQUEST,
		    RC_GENETLINK_A_MESSAGE, rc_good_message(h, BODY, (uint64_t)i), WHOLE);
		usleep(1);
		done += send_out(&peer) > 0;
	}
	rc_scribble_end(&scribbler);
	rc_expect_value(h, "sent", done, 500);
	close_peer(&peer);
	open_peer(h, &peer);
	rc_expect(h, "another one pushes", push(&peer, rc_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

/* ---- dumps -------------------------------------------------------------- */

static long start_dump(struct peer *peer)
{
	put(peer, RC_GENETLINK_PULL, NLM_F_REQUEST | NLM_F_DUMP, NONE, NULL, 0);
	return send_out(peer);
}

/* Receive a piece with room for @len: bytes of the message that came, or -1. */
static long take_piece(struct peer *peer, size_t len, bool *end)
{
	ssize_t left = recv(peer->fd, peer->room, len, 0);
	const struct nlmsghdr *header = &peer->in.header;
	long came = 0;

	if (left < 0)
		return -1;
	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
			errno = -*(const int *)NLMSG_DATA(header);
			*end = true;
			return errno ? -1 : came;
		}
		came += ((const struct datagram *)header)->attr.nla_len - NLA_HDRLEN;
	}
	return came;
}

/* All there is to a dump, or its first failure. */
static long take_dump(struct peer *peer, size_t len)
{
	bool end = false;
	long all = 0;

	while (!end) {
		long came = take_piece(peer, len, &end);

		if (came < 0)
			return -1;
		all += came;
	}
	return all;
}

static void try_two_dumps(struct rc_hostile *h, struct peer *peer)
{
	const long all = RC_HEADER + RC_BODY_MAX;
	struct peer other;
	bool end = false;
	long came;

	open_peer(h, &other);
	start_dump(peer);
	rc_expect_true(h, "the first piece", (came = take_piece(peer, sizeof(peer->room), &end)) > 0);
	rc_expect_value(h, "another's meanwhile, whole",
			start_dump(&other) < 0 ? -1 : take_dump(&other, sizeof(peer->room)), all);
	close_peer(&other);
	put(peer, RC_GENETLINK_PULL, FLAGS | NLM_F_DUMP, NONE, NULL, 0);
	send_out(peer);
	do {
		long more = take_piece(peer, sizeof(peer->room), &end);

		if (more < 0)
			break;
		came += more;
	} while (!end);
	rc_expect(h, "a second one of the same socket", end ? -1 : 0, EBUSY);
	end = false;
	rc_expect_value(h, "the first one goes on to its end",
			came + take_dump(peer, sizeof(peer->room)), all);
}

static void try_dumps(struct rc_hostile *h, bool proof)
{
	const long all = RC_HEADER + RC_BODY_MAX;
	const int least = 1;
	struct peer peer;

	rc_topic(h, "dump%s", proof ? " in proof" : "");
	rc_core_bind(h, "", RC_BODY_MAX, proof);
	open_peer(h, &peer);
	rc_expect_value(h, "a good one",
			start_dump(&peer) < 0 ? -1 : take_dump(&peer, sizeof(peer.room)), all);
	try_two_dumps(h, &peer);
	/* What is cut from a piece is gone, and the end mark with it. */
	start_dump(&peer);
	while (recv(peer.fd, peer.room, 100, MSG_DONTWAIT) > 0)
		;
	rc_expect_value(h, "after one that was read with room for 100 bytes",
			start_dump(&peer) < 0 ? -1 : take_dump(&peer, sizeof(peer.room)), all);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	rc_expect_value(h, "with the least queue there is",
			start_dump(&peer) < 0 ? -1 : take_dump(&peer, sizeof(peer.room)), all);
	start_dump(&peer);
	rc_core_bind(h, "", BODY, proof);
	rc_expect_value(h, "begun before a bind to a smaller size",
			take_dump(&peer, sizeof(peer.room)), all);
	rc_expect_value(h, "begun after it",
			start_dump(&peer) < 0 ? -1 : take_dump(&peer, sizeof(peer.room)), WHOLE);
	rc_core_bind(h, "", RC_BODY_MAX, proof);
	start_dump(&peer);
	close_peer(&peer);
	rc_expect_true(h, "closed half-way", true);
}

static long dump_for_ever(void *arg)
{
	struct peer *peer = arg;

	while (start_dump(peer) > 0 && take_dump(peer, sizeof(peer->room)) >= 0)
		;
	return -1;
}

static void try_dump_killed(struct rc_hostile *h)
{
	struct peer peer;

	rc_topic(h, "dump");
	rc_core_bind(h, "", RC_BODY_MAX, true);
	open_peer(h, &peer);
	rc_try_kill(h, "killed half-way", dump_for_ever, &peer);
	close_peer(&peer);
	open_peer(h, &peer);
	rc_expect_value(h, "another one after it",
			start_dump(&peer) < 0 ? -1 : take_dump(&peer, sizeof(peer.room)),
			RC_HEADER + RC_BODY_MAX);
	close_peer(&peer);
}

/* ---- sizes that change --------------------------------------------------- */

struct puller {
	struct peer *peer;
	bool dumps;
	long pulled;
	bool stop;
};

static long pull_on(void *arg)
{
	struct puller *puller = arg;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		long got = puller->dumps ? start_dump(puller->peer) : pull(puller->peer);

		if (got < 0 || (puller->dumps && take_dump(puller->peer, 32768) < 0))
			return -1;
		__atomic_add_fetch(&puller->pulled, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/* Binds change the size while messages of that size are made. */
static void try_sizes(struct rc_hostile *h, bool dumps)
{
	struct peer peer;
	struct puller puller = { .peer = &peer, .dumps = dumps };
	struct rc_sleeper thread;
	uint32_t binds = 0;

	rc_topic(h, dumps ? "dump" : "pull");
	rc_core_bind(h, "", 0, true);
	open_peer(h, &peer);
	rc_sleep_in(h, &thread, pull_on, &puller);
	for (puller.pulled = 0; __atomic_load_n(&puller.pulled, __ATOMIC_RELAXED) < 50 &&
	     binds < 100000; binds++) {
		rc_core_bind(h, "", binds & 1 ? 3000 : 60000, true);
		sched_yield();
	}
	__atomic_store_n(&puller.stop, true, __ATOMIC_RELAXED);
	rc_expect(h, "while the size changes", rc_sleeper_end(&thread), 0);
	rc_expect_true(h, "which it did", binds > 1);
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

static void try_unread(struct rc_hostile *h)
{
	const int least = 1;
	struct peer peer;
	long got = 0;

	rc_topic(h, "unread");
	rc_core_bind(h, "multicast", BODY, true);
	open_peer(h, &peer);
	rc_expect(h, "join", join(&peer), 0);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	rc_core_start(h, RC_HARDIRQ, 4000, 4000, 0);
	rc_expect_true(h, "4000 events end", rc_core_ended(h, 1000));
	rc_expect_true(h, "most of them refused", rc_core_counts(h).refused > 3900);
	rc_expect(h, "the reader is told", receive(&peer), ENOBUFS);
	while (recv(peer.fd, peer.room, sizeof(peer.room), MSG_DONTWAIT) > 0)
		got++;
	rc_expect_value(h, "delivered and refused are all",
			got + (long)rc_core_counts(h).refused, 4000);
	for (int i = 0; i < 2000; i++) {
		put(&peer, RC_GENETLINK_PULL, NLM_F_REQUEST, NONE, NULL, 0);
		send_out(&peer);
	}
	rc_expect(h, "2000 answers that nobody reads", receive(&peer), ENOBUFS);
	while (recv(peer.fd, peer.room, sizeof(peer.room), MSG_DONTWAIT) > 0)
		;
	rc_expect(h, "pull after all these", pull(&peer), 0);
	rc_core_start(h, RC_SOFTIRQ, 4000, 4000, 0);
	close_peer(&peer);
	rc_expect_true(h, "closed with a full queue", rc_core_ended(h, 1000));
}

/* Sockets come and go while events are sent to them. */
static void try_leaving(struct rc_hostile *h)
{
	const struct timeval never = { 0 };
	struct rc_outcomes outcomes = { 0 };
	struct peer peer;

	rc_topic(h, "group");
	rc_core_bind(h, "multicast", BODY, true);
	open_peer(h, &peer);
	join(&peer);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	rc_try_kill(h, "killed in recv", receive, &peer);
	close_peer(&peer);
	rc_core_start(h, RC_HARDIRQ, 1u << 30, 4, 1000000);
	for (int i = 0; i < 20; i++) {
		open_socket(h, &peer);
		rc_note(&outcomes, find(&peer), 0);
		rc_note(&outcomes, join(&peer), 0);
		rc_note(&outcomes, receive(&peer), 0);
		close_peer(&peer);
	}
	rc_expect_outcomes(h, "joined and closed in a stream", &outcomes);
	rc_expect(h, "stop", ioctl(h->core, RC_CORE_STOP), 0);
}

/* ---- others ------------------------------------------------------------- */

static void without_right(struct rc_hostile *h, void *arg)
{
	struct peer *rights = arg, own;

	rc_expect(h, "push on a socket of root", push(rights, rc_good_message(h, BODY, 0), WHOLE),
		  EPERM);
	open_peer(h, &own);
	rc_expect(h, "push", push(&own, h->message, WHOLE), EPERM);
	rc_expect(h, "call", call(&own, h->message, WHOLE), EPERM);
	rc_expect(h, "pull", pull(&own), EPERM);
	start_dump(&own);
	rc_expect(h, "dump", take_dump(&own, sizeof(own.room)), EPERM);
	rc_expect(h, "an unknown command", request(&own, 99, NONE, NULL, 0), EOPNOTSUPP);
	rc_expect(h, "join the group", join(&own), EPERM);
	rc_expect(h, "as root of a user namespace",
		  unshare(CLONE_NEWUSER) ? -1 : push(&own, h->message, WHOLE), EPERM);
	close_peer(&own);
}

static void elsewhere(struct rc_hostile *h, void *arg)
{
	const struct peer *ours = arg;
	struct peer peer;

	rc_expect(h, "leave the namespace", unshare(CLONE_NEWNET), 0);
	open_socket(h, &peer);
	rc_expect(h, "the family is not there", find(&peer), ENOENT);
	peer.family = ours->family;
	rc_expect(h, "nor by its number", push(&peer, rc_good_message(h, BODY, 0), WHOLE), ENOENT);
	rc_expect(h, "nor is there a dump", start_dump(&peer) < 0 ? 0 : take_dump(&peer, 32768),
		  ENOENT);
	close_peer(&peer);
}

/* As in netlink: who takes the port of another takes none of its state. */
static void try_others(struct rc_hostile *h)
{
	struct sockaddr_nl address;
	socklen_t len = sizeof(address);
	struct peer peer, second;

	rc_topic(h, "another user");
	rc_core_bind(h, "", BODY, true);
	open_peer(h, &peer);
	rc_as_nobody(h, without_right, &peer);
	rc_expect_value(h, "consumed of all these", (long)rc_core_counts(h).consumed, 0);

	rc_topic(h, "another namespace");
	rc_in_other(h, "a process there ends well", elsewhere, &peer);
	rc_expect(h, "ours goes on", push(&peer, rc_good_message(h, BODY, 0), WHOLE), 0);

	rc_topic(h, "another socket");
	getsockname(peer.fd, (struct sockaddr *)&address, &len);
	open_socket(h, &second);
	rc_expect(h, "takes the same port", bind(second.fd, (struct sockaddr *)&address, len),
		  EADDRINUSE);
	close_peer(&peer);
	rc_expect(h, "takes it when it is free", bind(second.fd, (struct sockaddr *)&address, len),
		  0);
	rc_expect(h, "finds the family", find(&second), 0);
	rc_expect(h, "and starts anew", push(&second, rc_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&second);
}

static void genetlink_hostile(struct rc_hostile *h)
{
	try_headers(h);
	try_attributes(h);
	for (int proof = 0; proof < 2; proof++) {
		try_messages(h, proof);
		try_scribbled(h, proof);
		try_dumps(h, proof);
	}
	try_dump_killed(h);
	try_sizes(h, false);
	try_sizes(h, true);
	try_unread(h);
	try_leaving(h);
	try_others(h);
}
RC_HOSTILE(genetlink, genetlink_hostile);
