// SPDX-License-Identifier: GPL-2.0-only
/* Datagrams carry two headers that can lie; and anybody may open a socket. */
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

#define BODY 64u
#define WHOLE (RC_HEADER + BODY)
#define BUFFER (8 << 20)
#define DATAGRAM (NLMSG_HDRLEN + RC_HEADER + RC_BODY_MAX + 4096)
#define FLAGS (NLM_F_REQUEST | NLM_F_ACK)

/* One socket; what it sends is put together in @out, what comes lies in @in. */
struct peer {
	struct rc_hostile *h;
	int fd;
	struct nlmsghdr *out;
	struct {
		struct nlmsghdr header;
		union {
			struct nlmsgerr error;
			struct rc_msg msg;
			char room[4096];
		};
	} in;
};

/* ---- sockets and requests ----------------------------------------------- */

static void open_peer(struct rc_hostile *h, struct peer *peer)
{
	const struct timeval second = { .tv_sec = 1 };
	const int size = BUFFER, one = 1;

	memset(peer, 0, sizeof(*peer));
	peer->h = h;
	peer->out = calloc(1, DATAGRAM);
	peer->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, RC_NETLINK_PROTOCOL);
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	/* A refusal need not bring back all that was refused. */
	setsockopt(peer->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
}

static void close_peer(struct peer *peer)
{
	close(peer->fd);
	free(peer->out);
}

static size_t put(struct peer *peer, uint16_t type, uint16_t flags, const void *payload,
		  size_t len)
{
	*peer->out = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
	};
	memcpy(NLMSG_DATA(peer->out), payload, len);
	return NLMSG_HDRLEN + len;
}

/* The verdict on what was sent; an answer that comes before it is left in @in. */
static long verdict(struct peer *peer)
{
	struct nlmsgerr error;
	char buffer[NLMSG_HDRLEN + sizeof(peer->in.room)];

	for (;;) {
		ssize_t got = recv(peer->fd, buffer, sizeof(buffer), 0);

		if (got < 0)
			return -1;
		if (((struct nlmsghdr *)buffer)->nlmsg_type == NLMSG_ERROR)
			break;
		memcpy(&peer->in, buffer, sizeof(buffer));
	}
	memcpy(&error, buffer + NLMSG_HDRLEN, sizeof(error));
	errno = -error.error;
	return error.error ? -1 : 0;
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
	const struct rc_netlink_join join = { .flags = flags };

	return request(peer, RC_NETLINK_JOIN, FLAGS, &join, sizeof(join));
}

static long push(void *arg, const struct rc_msg *msg, size_t len)
{
	return request(arg, RC_NETLINK_PUSH, FLAGS, msg, len);
}

static long call(void *arg, const struct rc_msg *msg, size_t len)
{
	return request(arg, RC_NETLINK_CALL, FLAGS, msg, len);
}

static void join_new(struct rc_hostile *h, struct peer *peer, uint32_t flags)
{
	open_peer(h, peer);
	rc_expect(h, "join", join(peer, flags), 0);
}

/* ---- joining ------------------------------------------------------------ */

static void try_join(struct rc_hostile *h)
{
	const uint32_t words[] = { 0, 1, 0 };
	struct rc_netlink_join wrong = { .flags = 2 };
	struct peer peer;

	rc_topic(h, "join");
	open_peer(h, &peer);
	rc_good_message(h, BODY, 0);
	rc_expect(h, "push before it", push(&peer, h->message, WHOLE), ENOTCONN);
	rc_expect(h, "call before it", call(&peer, h->message, WHOLE), ENOTCONN);
	rc_expect(h, "pull before it", request(&peer, RC_NETLINK_PULL, FLAGS, words, 0), ENOTCONN);
	rc_expect(h, "an unknown flag", join(&peer, 2), EINVAL);
	rc_expect(h, "all flags", join(&peer, UINT32_MAX), EINVAL);
	wrong.flags = 0;
	wrong.pad = 1;
	rc_expect(h, "padding", request(&peer, RC_NETLINK_JOIN, FLAGS, &wrong, sizeof(wrong)),
		  EINVAL);
	rc_expect(h, "too short", request(&peer, RC_NETLINK_JOIN, FLAGS, words, 4), EINVAL);
	rc_expect(h, "empty", request(&peer, RC_NETLINK_JOIN, FLAGS, words, 0), EINVAL);
	rc_expect(h, "too long", request(&peer, RC_NETLINK_JOIN, FLAGS, words, 12), EINVAL);
	rc_expect(h, "a good one", join(&peer, 0), 0);
	rc_expect(h, "a second one", join(&peer, RC_NETLINK_EVENTS), EEXIST);
	rc_expect(h, "push after it", push(&peer, h->message, WHOLE), 0);
	close_peer(&peer);
}

/* ---- headers ------------------------------------------------------------ */

static void try_types(struct rc_hostile *h, struct peer *peer)
{
	struct rc_outcomes outcomes = { 0 };
	uint64_t before = rc_core_counts(h).consumed;

	rc_good_message(h, BODY, 0);
	for (uint32_t type = RC_NETLINK_EVENT; type <= UINT16_MAX; type += type < 64 ? 1 : 331)
		rc_note(&outcomes, request(peer, (uint16_t)type, FLAGS, h->message, WHOLE),
			EOPNOTSUPP);
	rc_expect_outcomes(h, "unknown types", &outcomes);
	rc_expect_value(h, "unknown types that did something", (long)outcomes.fine, 0);

	/* Control messages are netlink's own; it acknowledges and drops them. */
	outcomes = (struct rc_outcomes){ 0 };
	for (uint16_t type = 0; type < NLMSG_MIN_TYPE; type++)
		rc_note(&outcomes, request(peer, type, FLAGS, h->message, WHOLE), 0);
	rc_expect_outcomes(h, "control messages", &outcomes);
	rc_expect_value(h, "which the kernel half never saw",
			(long)(rc_core_counts(h).consumed - before), 0);
}

static void try_flags(struct rc_hostile *h, struct peer *peer)
{
	struct rc_outcomes outcomes = { 0 };
	uint64_t before = rc_core_counts(h).consumed;

	rc_good_message(h, BODY, 0);
	for (uint32_t bit = 1; bit <= 0x8000; bit <<= 1)
		if (!(bit & FLAGS))
			rc_note(&outcomes, request(peer, RC_NETLINK_PUSH, (uint16_t)(FLAGS | bit),
						   h->message, WHOLE), EINVAL);
	rc_expect_outcomes(h, "unknown flags", &outcomes);
	rc_expect_value(h, "unknown flags refused", (long)outcomes.refused, 14);
	rc_expect(h, "no request", request(peer, RC_NETLINK_PUSH, NLM_F_ACK, h->message, WHOLE), 0);
	rc_expect_value(h, "which the kernel half never saw",
			(long)(rc_core_counts(h).consumed - before), 0);
}

/* Datagrams that are no messages: nobody answers, and nothing happens. */
static void try_torn(struct rc_hostile *h, struct peer *peer)
{
	static const struct {
		const char *name;
		uint32_t told, sent;
	} torn[] = {
		{ "one byte", NLMSG_HDRLEN, 1 },
		{ "a byte less than a header", NLMSG_HDRLEN, NLMSG_HDRLEN - 1 },
		{ "a header that says less than a header", NLMSG_HDRLEN - 1, NLMSG_HDRLEN + WHOLE },
		{ "a header that says nothing", 0, NLMSG_HDRLEN + WHOLE },
		{ "a header that says a byte more", NLMSG_HDRLEN + WHOLE + 1, NLMSG_HDRLEN + WHOLE },
		{ "a header that says 2 GiB", INT32_MAX, NLMSG_HDRLEN + WHOLE },
		{ "a header that says 4 GiB", UINT32_MAX, NLMSG_HDRLEN + WHOLE },
	};
	uint64_t before = rc_core_counts(h).consumed;
	char none;

	for (size_t i = 0; i < sizeof(torn) / sizeof(torn[0]); i++) {
		put(peer, RC_NETLINK_PUSH, FLAGS, rc_good_message(h, BODY, 0), WHOLE);
		peer->out->nlmsg_len = torn[i].told;
		rc_expect_value(h, torn[i].name, send(peer->fd, peer->out, torn[i].sent, 0),
				torn[i].sent);
	}
	rc_expect(h, "no answer to any of these", recv(peer->fd, &none, 1, MSG_DONTWAIT), EAGAIN);
	rc_expect_value(h, "and nothing consumed", (long)(rc_core_counts(h).consumed - before), 0);
}

/* Two messages in a datagram, and one and a half. */
static void try_several(struct rc_hostile *h, struct peer *peer)
{
	struct nlmsghdr *first = peer->out;
	size_t len = put(peer, RC_NETLINK_PUSH, FLAGS, rc_good_message(h, BODY, 0), WHOLE);
	char *second = (char *)first + NLMSG_ALIGN(len);
	uint64_t before = rc_core_counts(h).consumed;

	memcpy(second, first, NLMSG_HDRLEN);
	memcpy(second + NLMSG_HDRLEN, rc_good_message(h, BODY, 1), WHOLE);
	send(peer->fd, first, 2 * NLMSG_ALIGN(len), 0);
	rc_expect(h, "the first of two", verdict(peer), 0);
	rc_expect(h, "the second of two", verdict(peer), 0);
	memcpy((char *)first + NLMSG_HDRLEN, rc_good_message(h, BODY, 2), WHOLE);
	send(peer->fd, first, NLMSG_ALIGN(len) + len / 2, 0);
	rc_expect(h, "one of one and a half", verdict(peer), 0);
	rc_expect(h, "the half", recv(peer->fd, second, 1, MSG_DONTWAIT), EAGAIN);
	rc_expect_value(h, "consumed of these", (long)(rc_core_counts(h).consumed - before), 3);
}

static void try_headers(struct rc_hostile *h)
{
	struct peer peer;

	rc_topic(h, "headers");
	rc_core_bind(h, "", BODY, true);
	join_new(h, &peer, 0);
	try_types(h, &peer);
	try_flags(h, &peer);
	try_torn(h, &peer);
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

	put(peer, RC_NETLINK_PULL, NLM_F_REQUEST, "", 0);
	if (send(peer->fd, peer->out, NLMSG_HDRLEN, 0) < 0)
		return 0;
	return recv(peer->fd, at, NLMSG_HDRLEN + WHOLE, 0);
}

static struct rc_taker taker(struct peer *peer,
			     long (*send)(void *, const struct rc_msg *, size_t))
{
	return (struct rc_taker){
		.send = send,
		.arg = peer,
		.body_max = RC_BODY_MAX,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EMSGSIZE,
	};
}

static void try_messages(struct rc_hostile *h, bool proof)
{
	struct rc_taker pushes, calls;
	struct peer peer;

	rc_topic(h, "push%s", proof ? " in proof" : "");
	rc_core_bind(h, "", BODY, proof);
	join_new(h, &peer, 0);
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
	rc_expect(h, "a good one", request(&peer, RC_NETLINK_PULL, FLAGS, "", 0), 0);
	rc_expect_true(h, "it is whole", peer.in.msg.size == BODY);
	rc_expect(h, "with a payload", request(&peer, RC_NETLINK_PULL, FLAGS, "x", 1), EINVAL);
	rc_try_addresses(h, "receive", RC_KERNEL_WRITES, receive_at, &peer);
	close_peer(&peer);
}

/* Both headers are overwritten while they are sent; whatever they then say. */
static void try_scribbled(struct rc_hostile *h, bool proof)
{
	struct rc_scribbler scribbler;
	struct peer peer;
	long sent = 0;

	rc_topic(h, "both headers overwritten%s", proof ? ", in proof" : "");
	rc_core_bind(h, "", BODY, proof);
	join_new(h, &peer, 0);
	rc_scribble(h, &scribbler, peer.out, (NLMSG_HDRLEN + RC_HEADER) / 4);
	for (int i = 0; i < 500; i++) {
		size_t len = put(&peer, (uint16_t)(RC_NETLINK_JOIN + i % 4), NLM_F_REQUEST,
				 rc_good_message(h, BODY, (uint64_t)i), WHOLE);

		usleep(1);
		sent += send(peer.fd, peer.out, len, 0) == (ssize_t)len;
	}
	rc_scribble_end(&scribbler);
	rc_expect_value(h, "sent", sent, 500);
	close_peer(&peer);
	join_new(h, &peer, 0);
	rc_expect(h, "another one pushes", push(&peer, rc_good_message(h, BODY, 0), WHOLE), 0);
	close_peer(&peer);
}

struct puller {
	struct peer *peer;
	long pulled;
	bool stop;
};

static long pull_on(void *arg)
{
	struct puller *puller = arg;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		if (request(puller->peer, RC_NETLINK_PULL, FLAGS, "", 0))
			return -1;
		__atomic_add_fetch(&puller->pulled, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/* Binds change the size while messages of that size are made. */
static void try_sizes(struct rc_hostile *h)
{
	struct peer peer;
	struct puller puller = { .peer = &peer };
	struct rc_sleeper thread;
	uint32_t binds = 0;

	rc_topic(h, "pull");
	rc_core_bind(h, "", 0, true);
	join_new(h, &peer, 0);
	rc_sleep_in(h, &thread, pull_on, &puller);
	for (puller.pulled = 0; __atomic_load_n(&puller.pulled, __ATOMIC_RELAXED) < 100 &&
	     binds < 100000; binds++) {
		rc_core_bind(h, "", binds & 1 ? 60000 : 200000, true);
		sched_yield();
	}
	__atomic_store_n(&puller.stop, true, __ATOMIC_RELAXED);
	rc_expect(h, "while the size changes", rc_sleeper_end(&thread), 0);
	rc_expect_true(h, "which it did", binds > 1);
	close_peer(&peer);
}

/* ---- who does not read -------------------------------------------------- */

static void try_unread(struct rc_hostile *h)
{
	const int least = 1;
	struct peer peer;
	long got = 0;

	rc_topic(h, "unread");
	rc_core_bind(h, "unicast", BODY, true);
	join_new(h, &peer, RC_NETLINK_EVENTS);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	rc_core_start(h, RC_HARDIRQ, 4000, 4000, 0);
	rc_expect_true(h, "4000 events end", rc_core_ended(h, 1000));
	rc_expect_true(h, "most of them refused", rc_core_counts(h).refused > 3900);
	rc_expect(h, "the reader is told", recv(peer.fd, &peer.in, sizeof(peer.in), 0), ENOBUFS);
	while (recv(peer.fd, &peer.in, sizeof(peer.in), MSG_DONTWAIT) > 0)
		got++;
	rc_expect_value(h, "delivered and refused are all",
			got + (long)rc_core_counts(h).refused, 4000);

	for (int i = 0; i < 2000; i++) {
		put(&peer, RC_NETLINK_PULL, NLM_F_REQUEST, "", 0);
		send(peer.fd, peer.out, NLMSG_HDRLEN, 0);
	}
	rc_expect(h, "2000 answers that nobody reads",
		  recv(peer.fd, &peer.in, sizeof(peer.in), 0), ENOBUFS);
	while (recv(peer.fd, &peer.in, sizeof(peer.in), MSG_DONTWAIT) > 0)
		;
	rc_expect(h, "pull after all these", request(&peer, RC_NETLINK_PULL, FLAGS, "", 0), 0);
	rc_core_start(h, RC_SOFTIRQ, 4000, 4000, 0);
	close_peer(&peer);
	rc_expect_true(h, "closed with a full queue", rc_core_ended(h, 1000));
}

static long receive(void *arg)
{
	struct peer *peer = arg;

	return recv(peer->fd, &peer->in, sizeof(peer->in), 0);
}

static long send_until_closed(void *arg)
{
	struct peer *peer = arg;
	size_t len = put(peer, RC_NETLINK_PUSH, NLM_F_REQUEST, "", 0);
	long turns = 0;

	while (send(peer->fd, peer->out, len, 0) == (ssize_t)len)
		turns++;
	return errno == EBADF ? turns : -1;
}

static void try_closing(struct rc_hostile *h)
{
	const struct timeval never = { 0 };
	struct rc_sleeper thread;
	struct peer peer;

	rc_topic(h, "closing");
	rc_core_bind(h, "unicast", BODY, true);
	join_new(h, &peer, RC_NETLINK_EVENTS);
	setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	rc_try_kill(h, "killed in recv", receive, &peer);
	rc_sleep_in(h, &thread, receive, &peer);
	rc_sleeper_interrupt(&thread);
	rc_expect(h, "interrupted in recv", rc_sleeper_end(&thread), EINTR);
	rc_sleep_in(h, &thread, receive, &peer);
	close(peer.fd);
	rc_core_start(h, RC_SOFTIRQ, 1, 1, 0);
	rc_expect_value(h, "closed in recv, it still gets the event", rc_sleeper_end(&thread),
			(long)NLMSG_SPACE(WHOLE));
	free(peer.out);

	join_new(h, &peer, 0);
	rc_sleep_in(h, &thread, send_until_closed, &peer);
	close(peer.fd);
	rc_expect(h, "closed while another sends", rc_sleeper_end(&thread), 0);
	free(peer.out);
}

/* Sockets come and go while events are sent to them. */
static void try_leaving(struct rc_hostile *h, const char *mode)
{
	const struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct rc_outcomes outcomes = { 0 };

	rc_topic(h, "%s in a stream", mode);
	rc_core_bind(h, mode, BODY, true);
	rc_core_start(h, RC_HARDIRQ, 1u << 30, 4, 1000000);
	for (int i = 0; i < 20; i++) {
		struct peer peer;

		open_peer(h, &peer);
		bind(peer.fd, (const struct sockaddr *)&group, sizeof(group));
		join(&peer, RC_NETLINK_EVENTS);
		rc_note(&outcomes, receive(&peer), 0);
		close_peer(&peer);
	}
	rc_expect_outcomes(h, "joined and closed", &outcomes);
	rc_expect(h, "stop", ioctl(h->core, RC_CORE_STOP), 0);
}

/* ---- others ------------------------------------------------------------- */

static void without_right(struct rc_hostile *h, void *arg)
{
	const struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	struct peer *rights = arg, own;
	const int number = 1;

	rc_expect(h, "push on a socket of root", push(rights, rc_good_message(h, BODY, 0), WHOLE),
		  EPERM);
	open_peer(h, &own);
	rc_expect(h, "open", own.fd, 0);
	rc_expect(h, "join", join(&own, RC_NETLINK_EVENTS), EPERM);
	rc_expect(h, "push", push(&own, h->message, WHOLE), EPERM);
	rc_expect(h, "call", call(&own, h->message, WHOLE), EPERM);
	rc_expect(h, "pull", request(&own, RC_NETLINK_PULL, FLAGS, "", 0), EPERM);
	rc_expect(h, "an unknown type", request(&own, 999, FLAGS, "", 0), EPERM);
	rc_expect(h, "bind to the group", bind(own.fd, (const struct sockaddr *)&group,
					       sizeof(group)), EPERM);
	rc_expect(h, "join the group", setsockopt(own.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
						  &number, sizeof(number)), EPERM);
	rc_expect(h, "as root of a user namespace",
		  unshare(CLONE_NEWUSER) ? -1 : join(&own, RC_NETLINK_EVENTS), EPERM);
	close_peer(&own);
}

static void elsewhere(struct rc_hostile *h, void *arg)
{
	struct sockaddr_nl *same = arg;
	struct peer peer;

	rc_expect(h, "leave the namespace", unshare(CLONE_NEWNET), 0);
	open_peer(h, &peer);
	rc_expect(h, "take the same port", bind(peer.fd, (struct sockaddr *)same, sizeof(*same)),
		  0);
	rc_expect(h, "join", join(&peer, 0), ECONNREFUSED);
	close_peer(&peer);
}

static void try_others(struct rc_hostile *h)
{
	struct sockaddr_nl address;
	socklen_t len = sizeof(address);
	struct peer peer, second;

	rc_topic(h, "another user");
	rc_core_bind(h, "", BODY, true);
	join_new(h, &peer, 0);
	rc_as_nobody(h, without_right, &peer);
	rc_expect_value(h, "consumed of all these", (long)rc_core_counts(h).consumed, 0);

	rc_topic(h, "another namespace");
	getsockname(peer.fd, (struct sockaddr *)&address, &len);
	rc_in_other(h, "a process there ends well", elsewhere, &address);
	rc_expect(h, "it did not take our port with it",
		  push(&peer, rc_good_message(h, BODY, 0), WHOLE), 0);

	rc_topic(h, "another socket");
	open_peer(h, &second);
	rc_expect(h, "takes the same port", bind(second.fd, (struct sockaddr *)&address, len),
		  EADDRINUSE);
	close_peer(&second);
	rc_expect(h, "and ours goes on", push(&peer, rc_good_message(h, BODY, 1), WHOLE), 0);
	close_peer(&peer);
}

static void netlink_hostile(struct rc_hostile *h)
{
	rc_core_bind(h, "", BODY, true);
	try_join(h);
	try_headers(h);
	for (int proof = 0; proof < 2; proof++) {
		try_messages(h, proof);
		try_scribbled(h, proof);
	}
	try_sizes(h);
	try_unread(h);
	try_closing(h);
	try_leaving(h, "unicast");
	try_leaving(h, "multicast");
	try_others(h);
}
RC_HOSTILE(netlink, netlink_hostile);
