// SPDX-License-Identifier: GPL-2.0-only
/* Both headers of a datagram can have wrong lengths or types, and any user can open a socket. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY	 64u
#define WHOLE	 (RCX_HEADER + BODY)
#define DATAGRAM (NLMSG_HDRLEN + RCX_HEADER + RCX_BODY_MAX + 4096)
#define FLAGS	 (NLM_F_REQUEST | NLM_F_ACK)

/* One socket: datagrams to send are built in @out, received ones are stored in @in. */
struct peer {
	struct rcx_hostile *h;
	int fd;
	struct nlmsghdr *out;
	struct {
		struct nlmsghdr header;
		union {
			struct nlmsgerr error;
			struct rcx_msg msg;
			char room[4096];
		};
	} in;
};

/* ---- sockets and requests ----------------------------------------------- */

static void open_peer(struct rcx_hostile *h, struct peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->h = h;
	peer->out = calloc(1, DATAGRAM);
	peer->fd = rcx_netlink_socket(RCX_NETLINK_PROTOCOL);
}

static void close_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer->out);
}

static size_t put(struct peer *peer, uint16_t type, uint16_t flags, const void *payload, size_t len)
{
	*peer->out = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
	};
	memcpy(NLMSG_DATA(peer->out), payload, len);
	return NLMSG_HDRLEN + len;
}

/* The errno in the acknowledgement.  An answer received before it stays in @in. */
static long verdict(struct peer *peer)
{
	return rcx_netlink_verdict(peer->fd, &peer->in, sizeof(peer->in));
}

static long request(struct peer *peer, uint16_t type, uint16_t flags, const void *payload,
		    size_t len)
{
	if (send(peer->fd, peer->out, put(peer, type, flags, payload, len), 0) < 0)
		return -1;
	return verdict(peer);
}

static long join(struct peer *peer, uint32_t flags)
{
	const struct rcx_netlink_join join = { .flags = flags };

	return request(peer, RCX_NETLINK_JOIN, FLAGS, &join, sizeof(join));
}

static long push(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_NETLINK_PUSH, FLAGS, msg, len);
}

static long call(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_NETLINK_CALL, FLAGS, msg, len);
}

static void join_new(struct rcx_hostile *h, struct peer *peer, uint32_t flags)
{
	open_peer(h, peer);
	rcx_expect(h, "join", join(peer, flags), 0);
}

/* ---- joining ------------------------------------------------------------ */

static void try_join(struct rcx_hostile *h)
{
	const uint32_t words[] = { 0, 1, 0 };
	struct rcx_netlink_join wrong = { .flags = 4 };
	struct peer peer;

	rcx_topic(h, "join");
	open_peer(h, &peer);
	rcx_good_message(h, BODY, 0);
	rcx_expect(h, "push before it", push(&peer, h->message, WHOLE), ENOTCONN);
	rcx_expect(h, "call before it", call(&peer, h->message, WHOLE), ENOTCONN);
	rcx_expect(h, "pull before it", request(&peer, RCX_NETLINK_PULL, FLAGS, words, 0),
		   ENOTCONN);
	rcx_expect(h, "an unknown flag", join(&peer, 4), EINVAL);
	rcx_expect(h, "all flags", join(&peer, UINT32_MAX), EINVAL);
	wrong.flags = 0;
	wrong.pad = 1;
	rcx_expect(h, "padding", request(&peer, RCX_NETLINK_JOIN, FLAGS, &wrong, sizeof(wrong)),
		   EINVAL);
	rcx_expect(h, "too short", request(&peer, RCX_NETLINK_JOIN, FLAGS, words, 4), EINVAL);
	rcx_expect(h, "empty", request(&peer, RCX_NETLINK_JOIN, FLAGS, words, 0), EINVAL);
	rcx_expect(h, "too long", request(&peer, RCX_NETLINK_JOIN, FLAGS, words, 12), EINVAL);
	rcx_expect(h, "a good one", join(&peer, 0), 0);
	rcx_expect(h, "a second one", join(&peer, RCX_NETLINK_EVENTS), EEXIST);
	rcx_expect(h, "push after it", push(&peer, h->message, WHOLE), 0);
	close_peer(&peer);
}

/* ---- headers ------------------------------------------------------------ */

static void try_types(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };
	uint64_t before = rcx_core_counts(h).consumed;

	rcx_good_message(h, BODY, 0);
	for (uint32_t type = RCX_NETLINK_EVENT; type <= UINT16_MAX; type += type < 64 ? 1 : 331)
		if (type != RCX_NETLINK_ANSWER)
			rcx_note(&outcomes, request(peer, (uint16_t)type, FLAGS, h->message, WHOLE),
				 type == RCX_NETLINK_DUMP ? EINVAL : EOPNOTSUPP);
	rcx_expect_outcomes(h, "unknown types", &outcomes);
	rcx_expect_value(h, "unknown types that did something", (long)outcomes.fine, 0);

	/* Netlink itself acknowledges and drops control messages. */
	outcomes = (struct rcx_outcomes){ 0 };
	for (uint16_t type = 0; type < NLMSG_MIN_TYPE; type++)
		rcx_note(&outcomes, request(peer, type, FLAGS, h->message, WHOLE), 0);
	rcx_expect_outcomes(h, "control messages", &outcomes);
	rcx_expect_value(h, "control messages that reached the kernel half",
			 (long)(rcx_core_counts(h).consumed - before), 0);
}

static void try_flags(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };
	uint64_t before = rcx_core_counts(h).consumed;

	rcx_good_message(h, BODY, 0);
	for (uint32_t bit = 1; bit <= 0x8000; bit <<= 1)
		if (!(bit & FLAGS))
			rcx_note(&outcomes,
				 request(peer, RCX_NETLINK_PUSH, (uint16_t)(FLAGS | bit),
					 h->message, WHOLE),
				 EINVAL);
	rcx_expect_outcomes(h, "unknown flags", &outcomes);
	rcx_expect_value(h, "unknown flags refused", (long)outcomes.refused, 14);
	rcx_expect(h, "no request", request(peer, RCX_NETLINK_PUSH, NLM_F_ACK, h->message, WHOLE),
		   0);
	rcx_expect_value(h, "non-requests that reached the kernel half",
			 (long)(rcx_core_counts(h).consumed - before), 0);
}

/* Malformed datagrams get no answer and have no effect. */
static void try_malformed(struct rcx_hostile *h, struct peer *peer)
{
	static const struct {
		const char *name;
		uint32_t nlmsg_len, sent;
	} malformed[] = {
		{ "one byte", NLMSG_HDRLEN, 1 },
		{ "a byte less than a header", NLMSG_HDRLEN, NLMSG_HDRLEN - 1 },
		{ "nlmsg_len less than a header", NLMSG_HDRLEN - 1, NLMSG_HDRLEN + WHOLE },
		{ "nlmsg_len 0", 0, NLMSG_HDRLEN + WHOLE },
		{ "nlmsg_len a byte too large", NLMSG_HDRLEN + WHOLE + 1, NLMSG_HDRLEN + WHOLE },
		{ "nlmsg_len 2 GiB", INT32_MAX, NLMSG_HDRLEN + WHOLE },
		{ "nlmsg_len 4 GiB", UINT32_MAX, NLMSG_HDRLEN + WHOLE },
	};
	uint64_t before = rcx_core_counts(h).consumed;
	char none;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		put(peer, RCX_NETLINK_PUSH, FLAGS, rcx_good_message(h, BODY, 0), WHOLE);
		peer->out->nlmsg_len = malformed[i].nlmsg_len;
		rcx_expect_value(h, malformed[i].name,
				 send(peer->fd, peer->out, malformed[i].sent, 0),
				 malformed[i].sent);
	}
	rcx_expect(h, "no answer to any of these", recv(peer->fd, &none, 1, MSG_DONTWAIT), EAGAIN);
	rcx_expect_value(h, "messages consumed", (long)(rcx_core_counts(h).consumed - before), 0);
}

/* Two messages in a datagram, then one and a half. */
static void try_several(struct rcx_hostile *h, struct peer *peer)
{
	struct nlmsghdr *first = peer->out;
	size_t len = put(peer, RCX_NETLINK_PUSH, FLAGS, rcx_good_message(h, BODY, 0), WHOLE);
	char *second = (char *)first + NLMSG_ALIGN(len);
	uint64_t before = rcx_core_counts(h).consumed;

	memcpy(second, first, NLMSG_HDRLEN);
	memcpy(second + NLMSG_HDRLEN, rcx_good_message(h, BODY, 1), WHOLE);
	send(peer->fd, first, 2 * NLMSG_ALIGN(len), 0);
	rcx_expect(h, "the first of two", verdict(peer), 0);
	rcx_expect(h, "the second of two", verdict(peer), 0);
	memcpy((char *)first + NLMSG_HDRLEN, rcx_good_message(h, BODY, 2), WHOLE);
	send(peer->fd, first, NLMSG_ALIGN(len) + len / 2, 0);
	rcx_expect(h, "the complete one of one and a half", verdict(peer), 0);
	rcx_expect(h, "the half", recv(peer->fd, second, 1, MSG_DONTWAIT), EAGAIN);
	rcx_expect_value(h, "consumed of these", (long)(rcx_core_counts(h).consumed - before), 3);
}

static void try_headers(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "headers");
	rcx_core_bind(h, "", BODY, true);
	join_new(h, &peer, 0);
	try_types(h, &peer);
	try_flags(h, &peer);
	try_malformed(h, &peer);
	try_several(h, &peer);
	close_peer(&peer);
}

/* ---- messages ----------------------------------------------------------- */

static long send_at(void *arg, void *at)
{
	return send(((struct peer *)arg)->fd, at, NLMSG_HDRLEN + WHOLE, 0);
}

static long receive_at(void *arg, void *at)
{
	struct peer *peer = arg;

	put(peer, RCX_NETLINK_PULL, NLM_F_REQUEST, "", 0);
	if (send(peer->fd, peer->out, NLMSG_HDRLEN, 0) < 0)
		return 0;
	return recv(peer->fd, at, NLMSG_HDRLEN + WHOLE, 0);
}

static struct rcx_sender sender(struct peer *peer,
				long (*send)(void *, const struct rcx_msg *, size_t))
{
	return (struct rcx_sender){
		.send = send,
		.arg = peer,
		.body_max = RCX_BODY_MAX,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EMSGSIZE,
	};
}

static void try_messages(struct rcx_hostile *h, bool validate)
{
	struct rcx_sender pushes, calls;
	struct peer peer;

	rcx_bind_topic(h, "push", BODY, validate);
	join_new(h, &peer, 0);
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
	rcx_expect(h, "a good one", request(&peer, RCX_NETLINK_PULL, FLAGS, "", 0), 0);
	rcx_expect_true(h, "the message is complete", peer.in.msg.size == BODY);
	rcx_expect(h, "with a payload", request(&peer, RCX_NETLINK_PULL, FLAGS, "x", 1), EINVAL);
	rcx_try_addresses(h, "receive", RCX_KERNEL_WRITES, receive_at, &peer);
	close_peer(&peer);
}

/* Another thread overwrites both headers while they are sent. */
static void try_overwritten(struct rcx_hostile *h, bool validate)
{
	struct rcx_overwriter overwriter;
	struct peer peer;
	long sent = 0;

	rcx_topic(h, "both headers overwritten%s", validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	join_new(h, &peer, 0);
	rcx_overwrite(h, &overwriter, peer.out, (NLMSG_HDRLEN + RCX_HEADER) / 4);
	for (int i = 0; i < 500; i++) {
		size_t len = put(&peer, (uint16_t)(RCX_NETLINK_JOIN + i % 4), NLM_F_REQUEST,
				 rcx_good_message(h, BODY, (uint64_t)i), WHOLE);

		usleep(1);
		sent += send(peer.fd, peer.out, len, 0) == (ssize_t)len;
	}
	rcx_overwrite_end(&overwriter);
	rcx_expect_value(h, "sent", sent, 500);
	close_peer(&peer);
	join_new(h, &peer, 0);
	rcx_expect(h, "another one pushes", push(&peer, rcx_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

static long pull(void *arg)
{
	return request(arg, RCX_NETLINK_PULL, FLAGS, "", 0);
}

static void try_sizes(struct rcx_hostile *h)
{
	static const uint32_t sizes[2] = { 200000, 60000 };
	struct peer peer;

	rcx_topic(h, "pull");
	rcx_core_bind(h, "", 0, true);
	join_new(h, &peer, 0);
	rcx_try_size_changes(h, pull, &peer, 100, sizes);
	close_peer(&peer);
}

/* ---- queues without a reader ------------------------------------------- */

static void request_pull(void *arg)
{
	struct peer *peer = arg;

	put(peer, RCX_NETLINK_PULL, NLM_F_REQUEST, "", 0);
	send(peer->fd, peer->out, NLMSG_HDRLEN, 0);
}

static void try_unread(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "unread");
	rcx_core_bind(h, "unicast", BODY, true);
	join_new(h, &peer, RCX_NETLINK_EVENTS);
	rcx_try_unread_events(h, peer.fd);
	rcx_try_unread_answers(h, peer.fd, request_pull, &peer);
	rcx_expect(h, "pull after all these", pull(&peer), 0);
	rcx_core_start(h, RCX_SOFTIRQ, 4000, 4000, 0);
	close_peer(&peer);
	rcx_expect_true(h, "closed with a full queue", rcx_core_ended(h, 1000));
}

static long receive(void *arg)
{
	struct peer *peer = arg;

	return recv(peer->fd, &peer->in, sizeof(peer->in), 0);
}

static void try_closing(struct rcx_hostile *h)
{
	struct peer reader, sender;
	size_t len;

	rcx_topic(h, "closing");
	rcx_core_bind(h, "unicast", BODY, true);
	join_new(h, &reader, RCX_NETLINK_EVENTS);
	join_new(h, &sender, 0);
	len = put(&sender, RCX_NETLINK_PUSH, NLM_F_REQUEST, "", 0);
	rcx_try_closing(h, reader.fd, NLMSG_SPACE(WHOLE), sender.fd, sender.out, len);
	free(reader.out);
	free(sender.out);
}

/* Open and close sockets while events are sent to them. */
static void try_leaving(struct rcx_hostile *h, const char *mode)
{
	const struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "%s in a stream", mode);
	rcx_core_bind(h, mode, BODY, true);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 1000000);
	for (int i = 0; i < 20; i++) {
		struct peer peer;

		open_peer(h, &peer);
		bind(peer.fd, (const struct sockaddr *)&group, sizeof(group));
		join(&peer, RCX_NETLINK_EVENTS);
		rcx_note(&outcomes, receive(&peer), 0);
		close_peer(&peer);
	}
	rcx_expect_outcomes(h, "joined and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

/* ---- dumps -------------------------------------------------------------- */

#define RECORDS 1000u /* several datagrams */

static long start_dump(struct peer *peer)
{
	size_t len = put(peer, RCX_NETLINK_DUMP, NLM_F_REQUEST | NLM_F_DUMP, "", 0);

	return send(peer->fd, peer->out, len, 0) < 0 ? -1 : 0;
}

/* Receive one datagram of a dump, whose first record is @next: the number of the next one, or -1.
 * The end mark, or an error, sets @end.
 */
static long receive_records(struct peer *peer, long next, bool *end)
{
	/* Netlink fills datagrams up to the longest recv() of the socket so far. */
	static union {
		struct nlmsghdr header;
		char room[32768];
	} in;
	ssize_t left = recv(peer->fd, &in, sizeof(in), 0);
	const struct nlmsghdr *header = &in.header;

	*end = left < 0;
	if (left < 0)
		return -1;
	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		const struct rcx_record *record = NLMSG_DATA(header);

		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
			errno = -*(const int *)NLMSG_DATA(header);
			*end = true;
			return errno ? -1 : next;
		}
		if (header->nlmsg_type != RCX_NETLINK_RECORD || record->index != (uint64_t)next++)
			return -2;
	}
	return next;
}

/* Receive the rest of a dump from record @next on: the number of records in it, or -1. */
static long receive_dump(struct peer *peer, long next)
{
	bool end = false;

	while (!end && next >= 0)
		next = receive_records(peer, next, &end);
	return next;
}

static long dump(struct peer *peer)
{
	return start_dump(peer) ? -1 : receive_dump(peer, 0);
}

static void try_dump_requests(struct rcx_hostile *h, struct peer *peer)
{
	const uint16_t request_ack = NLM_F_REQUEST | NLM_F_ACK;

	rcx_expect(h, "without the flags of a dump",
		   request(peer, RCX_NETLINK_DUMP, request_ack, "", 0), EINVAL);
	rcx_expect(h, "with one of both flags",
		   request(peer, RCX_NETLINK_DUMP, request_ack | NLM_F_ROOT, "", 0), EINVAL);
	rcx_expect(h, "with a payload",
		   request(peer, RCX_NETLINK_DUMP, request_ack | NLM_F_DUMP, "12345678", 8),
		   EINVAL);
	rcx_expect(h, "of a push",
		   request(peer, RCX_NETLINK_PUSH, request_ack | NLM_F_DUMP,
			   rcx_good_message(h, BODY, 0), WHOLE),
		   EINVAL);
}

/* A dump keeps its length and its place, whatever happens between two datagrams. */
static void try_dump_meanwhile(struct rcx_hostile *h, struct peer *peer)
{
	struct peer other;
	bool end;
	long next;

	/* The wait for the verdict also takes a datagram of the first dump, so it is left there. */
	join_new(h, &other, 0);
	start_dump(&other);
	rcx_expect(h, "a second one on the same socket",
		   request(&other, RCX_NETLINK_DUMP, FLAGS | NLM_F_DUMP, "", 0), EBUSY);
	close_peer(&other);

	start_dump(peer);
	next = receive_records(peer, 0, &end);
	rcx_expect_true(h, "the first datagram is not all", next > 0 && !end);
	join_new(h, &other, 0);
	rcx_expect_value(h, "one on another socket", dump(&other), RECORDS);
	close_peer(&other);
	rcx_core_bind_table(h, 1);
	rcx_expect_value(h, "its rest after a bind", receive_dump(peer, next), RECORDS);
	rcx_expect_value(h, "the next has the new length", dump(peer), 1);
	rcx_core_bind_table(h, 0);
	rcx_expect_value(h, "without a table", dump(peer), 0);
	rcx_core_bind_table(h, RECORDS);
}

static long dump_on(void *arg)
{
	while (dump(arg) >= 0)
		;
	return -1;
}

static void try_dumps(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	struct peer peer;

	rcx_topic(h, "dump");
	rcx_core_bind_table(h, RECORDS);
	open_peer(h, &peer);
	rcx_expect(h, "before the join",
		   request(&peer, RCX_NETLINK_DUMP, FLAGS | NLM_F_DUMP, "", 0), ENOTCONN);
	rcx_expect(h, "join", join(&peer, 0), 0);
	rcx_expect_value(h, "a good one", dump(&peer), RECORDS);
	try_dump_requests(h, &peer);
	try_dump_meanwhile(h, &peer);
	rcx_expect_value(h, "one after these", dump(&peer), RECORDS);
	rcx_try_kill(h, "killed half-way", dump_on, &peer);
	close_peer(&peer);
	for (int i = 0; i < 20; i++) {
		bool end;

		open_peer(h, &peer);
		join(&peer, 0);
		start_dump(&peer);
		rcx_note(&outcomes, i % 2 ? receive_records(&peer, 0, &end) : 0, 0);
		close_peer(&peer);
	}
	rcx_expect_outcomes(h, "closed half-way", &outcomes);
}

/* ---- others ------------------------------------------------------------- */

static void without_right(struct rcx_hostile *h, void *arg)
{
	const struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct peer *rights = arg, own;
	const int number = 1;

	rcx_expect(h, "push on a socket of root", push(rights, rcx_good_message(h, BODY, 0), WHOLE),
		   EPERM);
	open_peer(h, &own);
	rcx_expect(h, "open", own.fd, 0);
	rcx_expect(h, "join", join(&own, RCX_NETLINK_EVENTS), EPERM);
	rcx_expect(h, "push", push(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "call", call(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "pull", request(&own, RCX_NETLINK_PULL, FLAGS, "", 0), EPERM);
	rcx_expect(h, "dump", request(&own, RCX_NETLINK_DUMP, FLAGS | NLM_F_DUMP, "", 0), EPERM);
	rcx_expect(h, "an unknown type", request(&own, 999, FLAGS, "", 0), EPERM);
	rcx_expect(h, "bind to the group",
		   bind(own.fd, (const struct sockaddr *)&group, sizeof(group)), EPERM);
	rcx_expect(h, "join the group",
		   setsockopt(own.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof(number)),
		   EPERM);
	rcx_expect(h, "as root of a user namespace",
		   unshare(CLONE_NEWUSER) ? -1 : join(&own, RCX_NETLINK_EVENTS), EPERM);
	close_peer(&own);
}

static void elsewhere(struct rcx_hostile *h, void *arg)
{
	struct sockaddr_nl *same = arg;
	struct peer peer;

	rcx_expect(h, "leave the namespace", unshare(CLONE_NEWNET), 0);
	open_peer(h, &peer);
	rcx_expect(h, "bind to the same port in there",
		   bind(peer.fd, (struct sockaddr *)same, sizeof(*same)), 0);
	rcx_expect(h, "join", join(&peer, 0), ECONNREFUSED);
	close_peer(&peer);
}

static void try_others(struct rcx_hostile *h)
{
	struct sockaddr_nl address;
	socklen_t len = sizeof(address);
	struct peer peer, second;

	rcx_topic(h, "another user");
	rcx_core_bind(h, "", BODY, true);
	join_new(h, &peer, 0);
	rcx_as_nobody(h, without_right, &peer);
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);

	rcx_topic(h, "another namespace");
	getsockname(peer.fd, (struct sockaddr *)&address, &len);
	rcx_in_other(h, "a process there ends well", elsewhere, &address);
	rcx_expect(h, "our socket still works", push(&peer, rcx_good_message(h, BODY, 0), WHOLE),
		   0);

	rcx_topic(h, "another socket");
	open_peer(h, &second);
	rcx_expect(h, "bind to the same port", bind(second.fd, (struct sockaddr *)&address, len),
		   EADDRINUSE);
	close_peer(&second);
	rcx_expect(h, "our socket still works after that",
		   push(&peer, rcx_good_message(h, BODY, 1), WHOLE), 0);
	close_peer(&peer);
}

/* ---- upcalls --------------------------------------------------------------- */

/* The socket is all that a server is, so each call builds its datagrams anew. */
static struct peer peer_of(int fd)
{
	return (struct peer){ .fd = fd, .out = calloc(1, DATAGRAM) };
}

static int server_open(struct rcx_hostile *h)
{
	struct peer peer;

	open_peer(h, &peer);
	if (join(&peer, RCX_NETLINK_SERVES))
		return -1;
	free(peer.out);
	return peer.fd;
}

static long server_take(int fd, void *to, size_t len)
{
	struct {
		struct nlmsghdr header;
		char payload[4096];
	} in;
	ssize_t got = recv(fd, &in, sizeof(in), 0);

	if (got < (ssize_t)NLMSG_HDRLEN || in.header.nlmsg_type != RCX_NETLINK_ASK ||
	    in.header.nlmsg_len - NLMSG_HDRLEN > len)
		return -1;
	memcpy(to, in.payload, in.header.nlmsg_len - NLMSG_HDRLEN);
	return in.header.nlmsg_len - (long)NLMSG_HDRLEN;
}

static long server_answer(int fd, const void *from, size_t len)
{
	struct peer peer = peer_of(fd);
	long result = request(&peer, RCX_NETLINK_ANSWER, FLAGS, from, len);

	free(peer.out);
	return result;
}

static void try_serving(struct rcx_hostile *h)
{
	static const struct rcx_server server = {
		.mode = "unicast",
		.open = server_open,
		.take = server_take,
		.answer = server_answer,
		.too_short = EINVAL,
	};
	struct peer peer;

	rcx_try_upcalls(h, &server);
	rcx_topic(h, "upcall");
	rcx_core_bind(h, "unicast", BODY, true);
	join_new(h, &peer, 0);
	rcx_expect(h, "a reply of a socket that does not serve",
		   request(&peer, RCX_NETLINK_ANSWER, FLAGS, rcx_good_message(h, BODY, 0), WHOLE),
		   ESRCH);
	rcx_expect(h, "a request of the kernel's type",
		   request(&peer, RCX_NETLINK_ASK, FLAGS, h->message, WHOLE), EOPNOTSUPP);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "it is no server", ENOTCONN);
	close_peer(&peer);
}

static void netlink_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "", BODY, true);
	try_join(h);
	try_headers(h);
	for (int validate = 0; validate < 2; validate++) {
		try_messages(h, validate);
		try_overwritten(h, validate);
	}
	try_sizes(h);
	try_unread(h);
	try_dumps(h);
	try_closing(h);
	try_leaving(h, "unicast");
	try_leaving(h, "multicast");
	try_others(h);
	try_serving(h);
}
RCX_HOSTILE(netlink, netlink_hostile);
