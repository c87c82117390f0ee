// SPDX-License-Identifier: GPL-2.0-only
/*
 * A datagram has three heads, each with a length or a type, and the connector drops what it does
 * not understand.  The cases request acknowledgements, which our kernel half sends before send()
 * returns.
 */
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
#include "datagram.h"

#define BODY	 64u
#define WHOLE	 (RCX_HEADER + BODY)
#define BODY_MAX ((uint32_t)(RCX_CONNECTOR_MAX - RCX_HEADER))
#define ACKED	 RCX_CONNECTOR_ACKED

/* One socket: datagrams to send are built in @out, received ones are stored in @in. */
struct peer {
	struct rcx_hostile *h;
	int fd;
	struct nlmsghdr *out;
	union {
		struct nlmsghdr header;
		char room[2 * CONNECTOR_MAX_MSG_SIZE];
	} in;
};

/* ---- sockets and requests ----------------------------------------------- */

static void open_peer(struct rcx_hostile *h, struct peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->h = h;
	peer->out = calloc(1, DATAGRAM_HEAD + RCX_HEADER + RCX_BODY_MAX + 4096);
	peer->fd = rcx_netlink_socket(NETLINK_CONNECTOR);
}

static void close_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer->out);
}

static void *payload(struct nlmsghdr *header)
{
	return (char *)header + DATAGRAM_HEAD;
}

static size_t put(struct peer *peer, uint16_t kind, uint16_t flags, const void *from, size_t len)
{
	memcpy(payload(peer->out), from, len);
	return datagram_prepare(peer->out, kind, flags, len);
}

/*
 * The errno in the acknowledgement, or EAGAIN when there is none.  An answer received before it
 * stays in @in.
 */
static long verdict(struct peer *peer)
{
	union {
		struct nlmsghdr header;
		char room[2 * CONNECTOR_MAX_MSG_SIZE];
	} in;
	ssize_t got;

	while ((got = recv(peer->fd, &in, sizeof(in), MSG_DONTWAIT)) >= 0) {
		if (!datagram_is(&in.header, got, RCX_CONNECTOR_ACK)) {
			memcpy(&peer->in, &in, (size_t)got);
			continue;
		}
		errno = datagram_head(&in.header)->value;
		return errno ? -1 : 0;
	}
	return -1;
}

static long request(struct peer *peer, uint16_t kind, const void *from, size_t len)
{
	if (send(peer->fd, peer->out, put(peer, kind, ACKED, from, len), 0) < 0)
		return -1;
	return verdict(peer);
}

static long join(struct peer *peer, uint16_t flags)
{
	size_t len = put(peer, RCX_CONNECTOR_JOIN, ACKED, "", 0);

	datagram_head(peer->out)->value = flags;
	return send(peer->fd, peer->out, len, 0) < 0 ? -1 : verdict(peer);
}

static long push(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_CONNECTOR_PUSH, msg, len);
}

static long call(void *arg, const struct rcx_msg *msg, size_t len)
{
	return request(arg, RCX_CONNECTOR_CALL, msg, len);
}

static long pull(void *arg)
{
	return request(arg, RCX_CONNECTOR_PULL, "", 0);
}

static void join_new(struct rcx_hostile *h, struct peer *peer, uint16_t flags)
{
	open_peer(h, peer);
	rcx_expect(h, "join", join(peer, flags), 0);
}

/* ---- joining ------------------------------------------------------------ */

static void try_join(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "join");
	open_peer(h, &peer);
	rcx_good_message(h, BODY, 0);
	rcx_expect(h, "push before it", push(&peer, h->message, WHOLE), ENOTCONN);
	rcx_expect(h, "call before it", call(&peer, h->message, WHOLE), ENOTCONN);
	rcx_expect(h, "pull before it", pull(&peer), ENOTCONN);
	rcx_expect(h, "an unknown flag", join(&peer, 4), EINVAL);
	rcx_expect(h, "all flags", join(&peer, UINT16_MAX), EINVAL);
	rcx_expect(h, "with a message", request(&peer, RCX_CONNECTOR_JOIN, h->message, 1), EINVAL);
	rcx_expect(h, "a good one", join(&peer, 0), 0);
	rcx_expect(h, "a second one", join(&peer, RCX_CONNECTOR_EVENTS), EEXIST);
	rcx_expect(h, "push after it", push(&peer, h->message, WHOLE), 0);
	close_peer(&peer);
}

/* ---- heads -------------------------------------------------------------- */

static void try_kinds(struct rcx_hostile *h, struct peer *peer)
{
	struct rcx_outcomes outcomes = { 0 };
	uint64_t before = rcx_core_counts(h).consumed;
	size_t len;

	rcx_good_message(h, BODY, 0);
	for (uint32_t kind = 0; kind <= UINT16_MAX; kind += kind < 64 ? 1 : 331)
		if (!kind || kind == RCX_CONNECTOR_EVENT || kind == RCX_CONNECTOR_ASK ||
		    kind > RCX_CONNECTOR_ANSWER)
			rcx_note(&outcomes, request(peer, (uint16_t)kind, h->message, WHOLE),
				 EOPNOTSUPP);
	rcx_expect_outcomes(h, "unknown kinds", &outcomes);
	rcx_expect_value(h, "unknown kinds that did something", (long)outcomes.fine, 0);

	len = put(peer, RCX_CONNECTOR_PUSH, ACKED, h->message, WHOLE);
	datagram_head(peer->out)->value = 1;
	send(peer->fd, peer->out, len, 0);
	rcx_expect(h, "a push with a value", verdict(peer), EINVAL);
	len = put(peer, RCX_CONNECTOR_PUSH, ACKED, h->message, WHOLE);
	datagram_cn(peer->out)->ack = 1;
	send(peer->fd, peer->out, len, 0);
	rcx_expect(h, "an acknowledgement of what was not sent", verdict(peer), EINVAL);
	rcx_expect_value(h, "messages consumed", (long)(rcx_core_counts(h).consumed - before), 0);
}

/* Datagrams that the connector or our callback drops: no answer and no effect. */
static void try_dropped(struct rcx_hostile *h, struct peer *peer)
{
	static const struct {
		const char *name;
		uint32_t nlmsg_len, sent;
		uint16_t cn_len, flags;
		uint32_t idx, val;
	} dropped[] = {
#define GOOD_LEN (sizeof(struct rcx_connector_head) + WHOLE)
#define ALL	 (DATAGRAM_HEAD + WHOLE)
#define OURS	 RCX_CONNECTOR_IDX, RCX_CONNECTOR_VAL
		    { "one byte", ALL, 1, GOOD_LEN, 1, OURS },
		    { "a byte less than nlmsghdr", ALL, NLMSG_HDRLEN - 1, GOOD_LEN, 1, OURS },
		    { "nlmsghdr alone", NLMSG_HDRLEN, NLMSG_HDRLEN, GOOD_LEN, 1, OURS },
		    { "a byte less than cn_msg", NLMSG_HDRLEN + 19, NLMSG_HDRLEN + 19, 0, 1, OURS },
		    { "cn_msg alone", NLMSG_HDRLEN + 20, NLMSG_HDRLEN + 20, 0, 1, OURS },
		    { "a part of our head", DATAGRAM_HEAD - 1, DATAGRAM_HEAD - 1, 3, 1, OURS },
		    { "nlmsg_len 0", 0, ALL, GOOD_LEN, 1, OURS },
		    { "nlmsg_len less than a header", NLMSG_HDRLEN - 1, ALL, GOOD_LEN, 1, OURS },
		    { "nlmsg_len a byte too large", ALL + 1, ALL, GOOD_LEN, 1, OURS },
		    { "nlmsg_len 2 GiB", INT32_MAX, ALL, GOOD_LEN, 1, OURS },
		    { "nlmsg_len 4 GiB", UINT32_MAX, ALL, GOOD_LEN, 1, OURS },
		    { "cn_msg.len a byte too large", ALL, ALL, GOOD_LEN + 1, 1, OURS },
		    { "cn_msg.len 64 KiB", ALL, ALL, UINT16_MAX, 1, OURS },
		    { "cn_msg.len 0", ALL, ALL, 0, 1, OURS },
		    { "an unknown flag", ALL, ALL, GOOD_LEN, 2 | ACKED, OURS },
		    { "all flags", ALL, ALL, GOOD_LEN, UINT16_MAX, OURS },
		    { "another value", ALL, ALL, GOOD_LEN, 1, RCX_CONNECTOR_IDX, 2 },
		    { "another index", ALL, ALL, GOOD_LEN, 1, RCX_CONNECTOR_IDX + 1, 1 },
		    { "the largest address", ALL, ALL, GOOD_LEN, 1, UINT32_MAX, UINT32_MAX },
	};
	struct rcx_counts before = rcx_core_counts(h), after;

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		put(peer, RCX_CONNECTOR_PUSH, ACKED, rcx_good_message(h, BODY, 0), WHOLE);
		peer->out->nlmsg_len = dropped[i].nlmsg_len;
		datagram_cn(peer->out)->len = dropped[i].cn_len;
		datagram_cn(peer->out)->flags = dropped[i].flags;
		datagram_cn(peer->out)->id = (struct cb_id){ dropped[i].idx, dropped[i].val };
		rcx_expect_value(h, dropped[i].name, send(peer->fd, peer->out, dropped[i].sent, 0),
				 dropped[i].sent);
	}
	rcx_expect(h, "no answer to any of these", verdict(peer), EAGAIN);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "messages consumed", (long)(after.consumed - before.consumed), 0);
	rcx_expect_value(h, "messages refused", (long)(after.bad - before.bad), 0);
}

/* cn_msg.len decides, whatever follows; a second datagram in the same buffer is not looked at. */
static void try_several(struct rcx_hostile *h, struct peer *peer)
{
	uint64_t before = rcx_core_counts(h).consumed;
	size_t len = put(peer, RCX_CONNECTOR_PUSH, ACKED, rcx_good_message(h, BODY, 0), WHOLE);
	char *second = (char *)peer->out + NLMSG_ALIGN(len);

	memcpy(second, peer->out, DATAGRAM_HEAD);
	memcpy(second + DATAGRAM_HEAD, rcx_good_message(h, BODY, 1), WHOLE);
	send(peer->fd, peer->out, 2 * NLMSG_ALIGN(len), 0);
	rcx_expect(h, "the first of two datagrams", verdict(peer), 0);
	rcx_expect(h, "the second of two datagrams", verdict(peer), EAGAIN);
	memcpy(payload(peer->out), rcx_good_message(h, BODY, 1), WHOLE);
	peer->out->nlmsg_len += 64;
	send(peer->fd, peer->out, len + 64, 0);
	rcx_expect(h, "64 bytes behind the message", verdict(peer), 0);
	rcx_expect_value(h, "consumed of these", (long)(rcx_core_counts(h).consumed - before), 2);
}

static void try_heads(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "heads");
	rcx_core_bind(h, "", BODY, true);
	join_new(h, &peer, 0);
	try_kinds(h, &peer);
	try_dropped(h, &peer);
	try_several(h, &peer);
	close_peer(&peer);
}

/* ---- messages ----------------------------------------------------------- */

static long send_at(void *arg, void *at)
{
	return send(((struct peer *)arg)->fd, at, DATAGRAM_HEAD + WHOLE, 0);
}

static long receive_at(void *arg, void *at)
{
	struct peer *peer = arg;

	if (send(peer->fd, peer->out, put(peer, RCX_CONNECTOR_PULL, 0, "", 0), 0) < 0)
		return 0;
	return recv(peer->fd, at, DATAGRAM_HEAD + WHOLE, 0);
}

static struct rcx_sender sender(struct peer *peer,
				long (*send)(void *, const struct rcx_msg *, size_t))
{
	return (struct rcx_sender){
		.send = send,
		.arg = peer,
		.body_max = BODY_MAX,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EAGAIN, /* the connector drops it */
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
	rcx_expect(h, "1 MiB", push(&peer, rcx_good_message(h, RCX_BODY_MAX, pushes.seq), 1u << 20),
		   EAGAIN);

	rcx_topic(h, "call%s", validate ? " in validation" : "");
	calls = sender(&peer, call);
	calls.seq = pushes.seq;
	rcx_try_messages(h, &calls, validate);
	rcx_try_request(h, &calls, payload(&peer.in.header), validate);

	rcx_topic(h, "pull%s", validate ? " in validation" : "");
	rcx_expect(h, "a good one", pull(&peer), 0);
	rcx_expect_true(h, "the message is complete",
			rcx_is_whole(payload(&peer.in.header), BODY, validate));
	rcx_expect(h, "with a message", request(&peer, RCX_CONNECTOR_PULL, "x", 1), EINVAL);
	rcx_try_addresses(h, "receive", RCX_KERNEL_WRITES, receive_at, &peer);
	rcx_core_bind(h, "", BODY_MAX, validate);
	rcx_expect(h, "the largest", pull(&peer), 0);
	rcx_expect_true(h, "the largest is complete",
			rcx_is_whole(payload(&peer.in.header), BODY_MAX, validate));
	rcx_core_bind(h, "", BODY_MAX + 1, validate);
	rcx_expect(h, "one byte more", pull(&peer), EMSGSIZE);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	rcx_expect(h, "a body of 1 MiB", pull(&peer), EMSGSIZE);
	close_peer(&peer);
}

/* Another thread overwrites all heads while they are sent. */
static void try_overwritten(struct rcx_hostile *h, bool validate)
{
	struct rcx_overwriter overwriter;
	struct peer peer;
	long sent = 0;

	rcx_topic(h, "all heads overwritten%s", validate ? " in validation" : "");
	rcx_core_bind(h, "", BODY, validate);
	join_new(h, &peer, 0);
	rcx_overwrite(h, &overwriter, peer.out, (DATAGRAM_HEAD + RCX_HEADER) / 4);
	for (int i = 0; i < 500; i++) {
		size_t len = put(&peer, (uint16_t)(RCX_CONNECTOR_JOIN + i % 4), 0,
				 rcx_good_message(h, BODY, (uint64_t)i), WHOLE);

		usleep(1);
		sent += send(peer.fd, peer.out, DATAGRAM_HEAD + WHOLE, 0) == (ssize_t)len;
	}
	rcx_overwrite_end(&overwriter);
	rcx_expect_true(h, "sent", sent > 0);
	close_peer(&peer);
	join_new(h, &peer, 0);
	rcx_expect(h, "another one pushes", push(&peer, rcx_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

static void try_sizes(struct rcx_hostile *h)
{
	static const uint32_t sizes[2] = { 16000, 6000 };
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

	send(peer->fd, peer->out, put(peer, RCX_CONNECTOR_PULL, 0, "", 0), 0);
}

/* The callback must not wait for room in the queue of the socket that calls it. */
static void try_unread(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "unread");
	rcx_core_bind(h, "unicast", BODY, true);
	join_new(h, &peer, RCX_CONNECTOR_EVENTS);
	rcx_try_unread_events(h, peer.fd);
	rcx_try_unread_answers(h, peer.fd, request_pull, &peer);
	rcx_expect(h, "pull after all these", pull(&peer), 0);
	rcx_core_start(h, RCX_SOFTIRQ, 4000, 4000, 0);
	close_peer(&peer);
	rcx_expect_true(h, "closed with a full queue", rcx_core_ended(h, 1000));
}

/* ---- sockets that go ---------------------------------------------------- */

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
	join_new(h, &reader, RCX_CONNECTOR_EVENTS);
	join_new(h, &sender, 0);
	len = put(&sender, RCX_CONNECTOR_PUSH, 0, "", 0);
	rcx_try_closing(h, reader.fd, NLMSG_ALIGN(DATAGRAM_HEAD + WHOLE), sender.fd, sender.out,
			len);
	free(reader.out);
	free(sender.out);
}

static struct sockaddr_nl group(void)
{
	return (struct sockaddr_nl){
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (RCX_CONNECTOR_GROUP - 1),
	};
}

/* Open and close sockets while events are sent to them. */
static void try_leaving(struct rcx_hostile *h, const char *mode)
{
	struct sockaddr_nl address = group();
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "%s in a stream", mode);
	rcx_core_bind(h, mode, BODY, true);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 1000000);
	for (int i = 0; i < 20; i++) {
		struct peer peer;

		open_peer(h, &peer);
		bind(peer.fd, (const struct sockaddr *)&address, sizeof(address));
		join(&peer, RCX_CONNECTOR_EVENTS);
		rcx_note(&outcomes, receive(&peer), 0);
		close_peer(&peer);
	}
	rcx_expect_outcomes(h, "joined and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void try_events(struct rcx_hostile *h)
{
	struct sockaddr_nl address = group();
	struct peer peer;

	rcx_topic(h, "events");
	rcx_core_bind(h, "multicast", BODY, true);
	rcx_expect_value(h, "refused without a member", rcx_core_emit(h, RCX_HARDIRQ, 3), 3);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	open_peer(h, &peer);
	rcx_expect(h, "join the group",
		   bind(peer.fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	rcx_expect_value(h, "refused with a member", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect(h, "receive", receive(&peer), 0);
	rcx_expect_true(h, "the event is complete",
			rcx_is_whole(payload(&peer.in.header), BODY, true));
	rcx_core_bind(h, "multicast", BODY_MAX + 1, true);
	rcx_expect_value(h, "refused events that are too large", rcx_core_emit(h, RCX_SOFTIRQ, 2),
			 2);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EMSGSIZE);
	close_peer(&peer);
}

/* ---- others ------------------------------------------------------------- */

static void without_right(struct rcx_hostile *h, void *arg)
{
	struct sockaddr_nl address = group();
	socklen_t len = sizeof(address);
	struct peer *rights = arg, own;
	const int number = RCX_CONNECTOR_GROUP;

	rcx_expect(h, "push on a socket of root", push(rights, rcx_good_message(h, BODY, 0), WHOLE),
		   EPERM);
	open_peer(h, &own);
	rcx_expect(h, "open", own.fd, 0);
	rcx_expect(h, "join", join(&own, RCX_CONNECTOR_EVENTS), EPERM);
	rcx_expect(h, "push", push(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "call", call(&own, h->message, WHOLE), EPERM);
	rcx_expect(h, "pull", pull(&own), EPERM);
	rcx_expect(h, "an unknown kind", request(&own, 999, "", 0), EPERM);
	/* A socket that has sent has a port, and keeps it. */
	getsockname(own.fd, (struct sockaddr *)&address, &len);
	address.nl_groups = group().nl_groups;
	rcx_expect(h, "bind to the group",
		   bind(own.fd, (const struct sockaddr *)&address, sizeof(address)), EPERM);
	rcx_expect(h, "join the group",
		   setsockopt(own.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof(number)),
		   EPERM);
	rcx_expect(h, "as root of a user namespace",
		   unshare(CLONE_NEWUSER) ? -1 : join(&own, RCX_CONNECTOR_EVENTS), EPERM);
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

/* To the port of another program, which any program may send to, as the kernel does. */
static void forge(struct rcx_hostile *h, void *arg)
{
	struct sockaddr_nl *address = arg;
	struct peer peer;
	size_t len;

	open_peer(h, &peer);
	len = put(&peer, RCX_CONNECTOR_EVENT, 0, rcx_good_message(h, BODY, 0), WHOLE);
	rcx_expect(h, "send to a socket of root",
		   sendto(peer.fd, peer.out, len, 0, (struct sockaddr *)address, sizeof(*address)),
		   EPERM);
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
	getsockname(peer.fd, (struct sockaddr *)&address, &len);
	rcx_as_nobody(h, forge, &address);

	rcx_topic(h, "another namespace");
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

static long three_joins(void *arg)
{
	const struct peer *shared = arg;
	struct peer own = { .fd = shared->fd, .out = calloc(1, DATAGRAM_HEAD) };
	size_t len = put(&own, RCX_CONNECTOR_JOIN, 0, "", 0);

	for (int i = 0; i < 100; i++)
		send(own.fd, own.out, len, 0);
	free(own.out);
	return 0;
}

static void try_contended(struct rcx_hostile *h)
{
	struct peer peer;

	rcx_topic(h, "three threads");
	open_peer(h, &peer);
	rcx_in_three_threads(h, three_joins, &peer);
	rcx_expect(h, "all have joined one socket", join(&peer, 0), EEXIST);
	rcx_expect(h, "it works", push(&peer, rcx_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

/* ---- upcalls --------------------------------------------------------------- */

static int server_open(struct rcx_hostile *h)
{
	struct peer peer;

	open_peer(h, &peer);
	if (join(&peer, RCX_CONNECTOR_SERVES))
		return -1;
	free(peer.out);
	return peer.fd;
}

static long server_take(int fd, void *to, size_t len)
{
	union {
		struct nlmsghdr header;
		char room[4096];
	} in;
	ssize_t got = recv(fd, &in, sizeof(in), 0);

	if (!datagram_is(&in.header, got, RCX_CONNECTOR_ASK) ||
	    in.header.nlmsg_len - DATAGRAM_HEAD > len)
		return -1;
	memcpy(to, payload(&in.header), in.header.nlmsg_len - DATAGRAM_HEAD);
	return (long)(in.header.nlmsg_len - DATAGRAM_HEAD);
}

/* The socket is all that a server is, so each reply builds its datagram anew. */
static long server_answer(int fd, const void *from, size_t len)
{
	struct peer peer = { .fd = fd, .out = calloc(1, DATAGRAM_HEAD + len) };
	long result = request(&peer, RCX_CONNECTOR_ANSWER, from, len);

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
		   request(&peer, RCX_CONNECTOR_ANSWER, rcx_good_message(h, BODY, 0), WHOLE),
		   ESRCH);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "it is no server", ENOTCONN);
	close_peer(&peer);
	rcx_core_bind(h, "unicast", BODY_MAX + 1, true);
	join_new(h, &peer, RCX_CONNECTOR_SERVES);
	rcx_core_ask(h, 1, 1000);
	rcx_expect_asked(h, "a request that is too large", EMSGSIZE);
	close_peer(&peer);
}

static void connector_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "", BODY, true);
	try_join(h);
	try_heads(h);
	for (int validate = 0; validate < 2; validate++) {
		try_messages(h, validate);
		try_overwritten(h, validate);
	}
	try_sizes(h);
	try_events(h);
	try_unread(h);
	try_closing(h);
	try_leaving(h, "unicast");
	try_leaving(h, "multicast");
	rcx_core_bind(h, "", BODY, true);
	try_others(h);
	try_contended(h);
	try_serving(h);
}
RCX_HOSTILE(connector, connector_hostile);
