// SPDX-License-Identifier: GPL-2.0-only
/* Requests of the device, and everything that a program can send to a socket of the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define DEVICE	 "/dev/" RCX_SOCKETS_DEVICE
#define BODY	 64u
#define WHOLE	 (RCX_HEADER + BODY)
#define UDP_BODY (RCX_SOCKETS_DATAGRAM - RCX_HEADER)
#define FLOOD	 3000
#define FIFO	 "/tmp/ringcross-sockets-fifo"

/* One conversation: the device, and the program's socket or its end of the pipe. */
struct talk {
	struct rcx_hostile *h;
	int device, fd;
	uint32_t port; /* of the kernel half */
};

static struct sockaddr_in loopback(uint32_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
}

static long start(int device, uint32_t kind, uint32_t flags, uint32_t number, uint32_t pad)
{
	struct rcx_sockets_connect request = { kind, flags, number, pad };

	return ioctl(device, RCX_SOCKETS_CONNECT, &request) ? -1 : (long)request.number;
}

static long wait_for(int device, uint64_t count)
{
	return ioctl(device, RCX_SOCKETS_WAIT, &count);
}

/* A receive that gets nothing ends, so that no case waits for ever. */
static void limit_wait(int fd, int ms)
{
	const struct timeval limit = { .tv_usec = ms * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void hang_up(struct talk *talk)
{
	close(talk->fd);
	close(talk->device);
}

/* ---- the device --------------------------------------------------------- */

static bool is_command(unsigned int cmd)
{
	return cmd == RCX_SOCKETS_CONNECT || cmd == RCX_SOCKETS_WAIT || cmd == RCX_SOCKETS_SENT;
}

static long start_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_SOCKETS_CONNECT, at);
}

static long wait_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_SOCKETS_WAIT, at);
}

static long sent_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_SOCKETS_SENT, at);
}

static void try_requests(struct rcx_hostile *h, int device)
{
	const uint32_t kinds[] = { 0, 5, 1u << 16, UINT32_MAX };
	const uint32_t flags[] = { 3, 4, 1u << 31, UINT32_MAX };
	struct rcx_outcomes outcomes = { 0 };

	for (int i = 0; i < 4; i++) {
		rcx_note(&outcomes, start(device, kinds[i], 0, 1, 0), EINVAL);
		rcx_note(&outcomes, start(device, RCX_SOCKETS_UDP, flags[i], 1, 0), EINVAL);
		rcx_note(&outcomes, start(device, RCX_SOCKETS_VSOCK, flags[i], 1, 0), EINVAL);
	}
	rcx_expect_outcomes(h, "unknown kinds and flags", &outcomes);
	rcx_expect_value(h, "of these were refused", (long)outcomes.refused, 12);
	rcx_expect(h, "padding", start(device, RCX_SOCKETS_UDP, 0, 1, 1), EINVAL);
	rcx_expect(h, "UDP, port 0", start(device, RCX_SOCKETS_UDP, 0, 0, 0), EADDRNOTAVAIL);
	rcx_expect(h, "UDP, port 65536", start(device, RCX_SOCKETS_UDP, 0, 65536, 0),
		   EADDRNOTAVAIL);
	rcx_expect(h, "UDP, the last port and 1", start(device, RCX_SOCKETS_UDP, 0, UINT32_MAX, 0),
		   EADDRNOTAVAIL);
	rcx_expect(h, "a wait before the start", wait_for(device, 0), ENOTCONN);
}

static void try_device(struct rcx_hostile *h)
{
	int device;

	rcx_topic(h, "device");
	rcx_core_bind(h, "", BODY, true);
	device = rcx_expect_open(h, DEVICE, O_RDWR);
	try_requests(h, device);
	rcx_try_addresses(h, "connect", RCX_KERNEL_READS, start_at, &device);
	rcx_try_addresses(h, "sent", RCX_KERNEL_WRITES, sent_at, &device);
	rcx_try_addresses(h, "wait", RCX_KERNEL_READS, wait_at, &device);
	rcx_try_commands(h, device, is_command);
	rcx_try_no_io(h, device);
	rcx_try_no_seek(h, device);
	rcx_try_no_map(h, device);
	close(device);
	rcx_try_nobody_opens(h, DEVICE);
}

/* ---- udp ---------------------------------------------------------------- */

static int udp_socket(uint32_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	bind(fd, (struct sockaddr *)&address, len);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*port = ntohs(address.sin_port);
	limit_wait(fd, 100);
	return fd;
}

static void aim(int fd, uint32_t port)
{
	const struct sockaddr_in address = loopback(port);

	connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static void udp_talk(struct rcx_hostile *h, struct talk *talk, uint32_t flags)
{
	uint32_t port;
	long found;

	*talk = (struct talk){ .h = h };
	talk->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	talk->fd = udp_socket(&port);
	found = start(talk->device, RCX_SOCKETS_UDP, flags, port, 0);
	rcx_expect_true(h, "the kernel half connects", found > 0);
	talk->port = (uint32_t)found;
	aim(talk->fd, talk->port);
}

/*
 * The sender gets no verdict, but the kernel half counts what it consumes and what it refuses.
 * It has usually done so when send() returns, unless the softirq was left to ksoftirqd.
 */
static long udp_push(void *arg, const struct rcx_msg *msg, size_t len)
{
	struct talk *talk = arg;
	struct rcx_counts before = rcx_core_counts(talk->h), after;
	long sent = send(talk->fd, msg, len, 0);

	for (int i = 0; sent >= 0 && i < 1000; i++) {
		after = rcx_core_counts(talk->h);
		if (after.consumed != before.consumed)
			return sent;
		if (after.bad != before.bad) {
			errno = EBADMSG;
			return -1;
		}
		usleep(100);
	}
	return -1;
}

static long udp_call(void *arg, const struct rcx_msg *msg, size_t len)
{
	struct talk *talk = arg;
	long sent = send(talk->fd, msg, len, 0);

	if (sent < 0)
		return sent;
	/* The overwriter of a case may overwrite the reply, too. */
	if (recv(talk->fd, talk->h->message, RCX_SOCKETS_DATAGRAM, 0) >= 0)
		return sent;
	errno = errno == EAGAIN ? EBADMSG : errno;
	return -1;
}

static void try_udp_messages(struct rcx_hostile *h, bool validate)
{
	struct rcx_sender sender = {
		.send = udp_push,
		.body_max = UDP_BODY,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EMSGSIZE,
	};
	struct talk talk;

	rcx_bind_topic(h, "udp", BODY, validate);
	udp_talk(h, &talk, 0);
	sender.arg = &talk;
	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, BODY, 200);
	rcx_try_overwritten(h, &sender, UDP_BODY, 10);
	rcx_expect(h, "a wait for these", wait_for(talk.device, sender.seq), 0);
	rcx_expect(h, "a second start", start(talk.device, RCX_SOCKETS_UDP, 0, 1, 0), EISCONN);
	rcx_expect(h, "a second start as a pipe",
		   start(talk.device, RCX_SOCKETS_PIPE, RCX_SOCKETS_EVENTS, 1, 0), EISCONN);
	hang_up(&talk);

	rcx_bind_topic(h, "udp replies", BODY, validate);
	udp_talk(h, &talk, RCX_SOCKETS_REPLIES);
	sender = (struct rcx_sender){
		.send = udp_call,
		.arg = &talk,
		.body_max = UDP_BODY,
		.nothing = EBADMSG,
		.too_short = EBADMSG,
		.too_long = EMSGSIZE,
	};
	rcx_try_messages(h, &sender, validate);
	rcx_try_request(h, &sender, h->message, validate);
	hang_up(&talk);
}

/* Datagrams of another socket: of no interest to the kernel half, however many there are. */
static void try_udp_strangers(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct rcx_outcomes outcomes = { 0 };
	struct talk talk;
	uint32_t port;
	int stranger = udp_socket(&port);
	struct sockaddr_in address;

	rcx_topic(h, "udp strangers");
	rcx_core_bind(h, "", BODY, true);
	udp_talk(h, &talk, 0);
	address = loopback(talk.port);
	rcx_good_message(h, BODY, 0);
	before = rcx_core_counts(h);
	for (int i = 0; i < FLOOD; i++)
		rcx_note(&outcomes,
			 sendto(stranger, h->message, WHOLE, 0, (struct sockaddr *)&address,
				sizeof(address)),
			 ECONNREFUSED);
	usleep(10000);
	after = rcx_core_counts(h);
	rcx_expect_outcomes(h, "a flood from another port", &outcomes);
	rcx_expect_value(h, "of it the kernel consumed", (long)(after.consumed - before.consumed),
			 0);
	rcx_expect_value(h, "and counted as bad", (long)(after.bad - before.bad), 0);
	rcx_expect_value(h, "the right sender afterwards", udp_push(&talk, h->message, WHOLE),
			 WHOLE);

	memset(h->message, 0xff, WHOLE);
	before = rcx_core_counts(h);
	for (int i = 0; i < FLOOD; i++)
		send(talk.fd, h->message, (size_t)i % WHOLE, 0);
	usleep(10000);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "a flood of garbage, counted as bad", (long)(after.bad - before.bad),
			 FLOOD);
	rcx_good_message(h, BODY, 1);
	rcx_expect_value(h, "a good message after it", udp_push(&talk, h->message, WHOLE), WHOLE);
	close(stranger);
	hang_up(&talk);
}

/* Replies that nobody reads fill the program's socket, and not the kernel. */
static void try_udp_unread(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct talk talk;
	long got = 0;

	rcx_topic(h, "udp unread");
	rcx_core_bind(h, "", BODY, true);
	udp_talk(h, &talk, RCX_SOCKETS_REPLIES);
	before = rcx_core_counts(h);
	for (uint64_t seq = 0; seq < FLOOD; seq++)
		send(talk.fd, rcx_good_message(h, BODY, seq), WHOLE, 0);
	rcx_expect(h, "all were consumed", wait_for(talk.device, FLOOD), 0);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "they are counted", (long)(after.consumed - before.consumed), FLOOD);
	while (recv(talk.fd, h->message, WHOLE, 0) == WHOLE)
		got++;
	rcx_expect_true(h, "replies were queued, and others dropped", got > 10 && got < FLOOD);
	rcx_good_message(h, BODY, FLOOD);
	rcx_expect_value(h, "a request after these", udp_call(&talk, h->message, WHOLE), WHOLE);
	rcx_expect_true(h, "its reply", rcx_is_reply(h->message, BODY, FLOOD, true));

	/* The worker is busy or asleep when the file is closed. */
	for (uint64_t seq = 0; seq < 200; seq++)
		send(talk.fd, rcx_good_message(h, BODY, seq), WHOLE, 0);
	close(talk.device);
	rcx_expect(h, "the kernel's socket is gone", send(talk.fd, h->message, WHOLE, 0), 0);
	rcx_expect(h, "and says so", send(talk.fd, h->message, WHOLE, 0), ECONNREFUSED);
	close(talk.fd);
}

/* ---- waits -------------------------------------------------------------- */

static long wait_for_one(void *arg)
{
	return wait_for(((const struct talk *)arg)->device, 1);
}

static void try_waits(struct rcx_hostile *h)
{
	struct rcx_sleeper sleeper;
	struct talk talk;

	rcx_topic(h, "wait");
	rcx_core_bind(h, "", BODY, true);
	udp_talk(h, &talk, 0);
	rcx_expect(h, "for nothing", wait_for(talk.device, 0), 0);
	rcx_sleep_in(h, &sleeper, wait_for_one, &talk);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "killed", wait_for_one, &talk);

	rcx_sleep_in(h, &sleeper, wait_for_one, &talk);
	send(talk.fd, rcx_good_message(h, BODY, 7), WHOLE, 0);
	rcx_expect_true(h, "a wrong message does not end it", sleeper.result == 0);
	send(talk.fd, rcx_good_message(h, BODY, 0), WHOLE, 0);
	rcx_expect(h, "the right one does", rcx_sleeper_end(&sleeper), 0);
	hang_up(&talk);

	udp_talk(h, &talk, 0);
	rcx_sleep_in(h, &sleeper, wait_for_one, &talk);
	close(talk.device);
	send(talk.fd, rcx_good_message(h, BODY, 0), WHOLE, 0);
	rcx_expect(h, "closed during the wait", rcx_sleeper_end(&sleeper), 0);
	close(talk.fd);
}

/* ---- vsock -------------------------------------------------------------- */

static bool vsock_talk(struct rcx_hostile *h, struct talk *talk, uint32_t flags)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	struct sockaddr *at = (struct sockaddr *)&address;
	socklen_t len = sizeof(address);
	int listening = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long port;

	*talk = (struct talk){ .h = h };
	talk->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	rcx_expect(h, "listen", bind(listening, at, len) || listen(listening, 1) ? -1 : 0, 0);
	getsockname(listening, at, &len);
	port = start(talk->device, RCX_SOCKETS_VSOCK, flags, address.svm_port, 0);
	rcx_expect_true(h, "the kernel half connects", port > 0);
	talk->fd = accept(listening, NULL, NULL);
	limit_wait(talk->fd, 500);
	close(listening);
	return talk->fd >= 0;
}

/* Send a header that is not one: the stream ends, because nobody knows where it goes on. */
static void try_vsock_broken(struct rcx_hostile *h, const char *name, uint32_t magic, uint32_t size)
{
	struct rcx_counts before = rcx_core_counts(h), after;
	struct talk talk;

	if (!vsock_talk(h, &talk, 0))
		return;
	rcx_good_message(h, BODY, 0);
	h->message->magic = magic;
	h->message->size = size;
	send(talk.fd, h->message, WHOLE, MSG_NOSIGNAL);
	rcx_expect(h, name, wait_for(talk.device, 1), EBADMSG);
	rcx_expect_either(h, "the stream has ended", recv(talk.fd, h->message, WHOLE, 0), 0,
			  ECONNRESET);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "it was counted as bad", (long)(after.bad - before.bad), 1);
	hang_up(&talk);
}

/* Messages in pieces, messages out of turn, and a stream that ends in the middle of one. */
static void try_vsock_stream(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct rcx_sleeper sleeper;
	struct talk talk;

	if (!vsock_talk(h, &talk, 0))
		return;
	rcx_good_message(h, BODY, 0);
	for (size_t at = 0; at < WHOLE; at++)
		send(talk.fd, (char *)h->message + at, 1, 0);
	rcx_expect(h, "a message in single bytes", wait_for(talk.device, 1), 0);
	before = rcx_core_counts(h);
	rcx_good_message(h, BODY, 5);
	send(talk.fd, h->message, WHOLE, 0);
	rcx_good_message(h, BODY, 1);
	send(talk.fd, h->message, WHOLE, 0);
	rcx_expect(h, "one out of turn, then the right one", wait_for(talk.device, 2), 0);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "the first was refused", (long)(after.bad - before.bad), 1);
	rcx_good_message(h, RCX_BODY_MAX, 2);
	rcx_expect_value(h, "the largest message",
			 send(talk.fd, h->message, RCX_HEADER + RCX_BODY_MAX, 0),
			 RCX_HEADER + RCX_BODY_MAX);
	rcx_expect(h, "it was consumed", wait_for(talk.device, 3), 0);
	send(talk.fd, rcx_good_message(h, BODY, 3), WHOLE / 2, 0);
	rcx_sleep_in(h, &sleeper, wait_for_one, &talk);
	rcx_expect(h, "a wait for an earlier one", rcx_sleeper_end(&sleeper), 0);
	close(talk.fd);
	rcx_expect(h, "an end in the middle of a message", wait_for(talk.device, 4), ECONNRESET);
	close(talk.device);
}

/* Requests whose replies are not read: the program cannot send more, and nothing is lost. */
static void try_vsock_unread(struct rcx_hostile *h)
{
	const size_t len = RCX_HEADER + 4096;
	struct rcx_outcomes replies = { 0 };
	uint64_t sent = 0, got = 0;
	struct talk talk;
	size_t rest = 0;

	if (!vsock_talk(h, &talk, RCX_SOCKETS_REPLIES))
		return;
	while (sent < FLOOD) {
		struct pollfd pfd = { .fd = talk.fd, .events = POLLOUT };
		ssize_t put;

		rcx_good_message(h, 4096, sent);
		put = send(talk.fd, h->message, len, MSG_DONTWAIT);
		if (put < 0 && poll(&pfd, 1, 100) == 1)
			continue;
		if (put < 0)
			break;
		sent++;
		rest = len - (size_t)put;
		if (rest)
			break;
	}
	rcx_expect_true(h, "the sender cannot go on", sent < FLOOD);
	for (; got < sent - !!rest; got++) {
		bool whole = recv(talk.fd, h->message, len, MSG_WAITALL) == (ssize_t)len;

		rcx_note(&replies, whole && rcx_is_reply(h->message, 4096, got, true) ? 0 : -1, 0);
	}
	rcx_expect_outcomes(h, "the replies, read late", &replies);
	rcx_expect_true(h, "there were many", got > 50);
	hang_up(&talk);
}

static void try_vsock_closed(struct rcx_hostile *h)
{
	struct talk talk;

	if (!vsock_talk(h, &talk, 0))
		return;
	close(talk.device);
	rcx_good_message(h, BODY, 0);
	usleep(10000);
	rcx_expect_either(h, "send to a closed device",
			  send(talk.fd, h->message, WHOLE, MSG_NOSIGNAL), EPIPE, ECONNRESET);
	close(talk.fd);
}

static void try_vsock(struct rcx_hostile *h)
{
	int device;

	rcx_topic(h, "vsock");
	rcx_core_bind(h, "", BODY, true);
	device = rcx_expect_open(h, DEVICE, O_RDWR);
	rcx_expect(h, "port 0", start(device, RCX_SOCKETS_VSOCK, 0, 0, 0), EADDRNOTAVAIL);
	rcx_expect(h, "a port on which nobody listens",
		   start(device, RCX_SOCKETS_VSOCK, 0, 12345678, 0), ECONNRESET);
	rcx_expect(h, "the port that means any",
		   start(device, RCX_SOCKETS_VSOCK, 0, VMADDR_PORT_ANY, 0), ECONNRESET);
	rcx_expect_true(h, "after these, a start still works",
			start(device, RCX_SOCKETS_UDP, 0, 9, 0) > 0);
	close(device);
	try_vsock_broken(h, "no magic", 0, BODY);
	try_vsock_broken(h, "a body of 1 MiB and a byte", RCX_MAGIC, RCX_BODY_MAX + 1);
	try_vsock_broken(h, "a body of 4 GiB", RCX_MAGIC, UINT32_MAX);
	try_vsock_stream(h);
	try_vsock_unread(h);
	try_vsock_closed(h);
}

/* ---- events ------------------------------------------------------------- */

/* Emit until the channel refuses, or @most events.  Returns the number of refused ones. */
static long fill(struct rcx_hostile *h, uint64_t most)
{
	struct rcx_counts before = rcx_core_counts(h), after;

	rcx_core_start(h, RCX_PROCESS, most, 16, 0);
	rcx_expect_true(h, "the producer is not held up", rcx_core_ended(h, 5000));
	after = rcx_core_counts(h);
	return (long)(after.refused - before.refused);
}

/* Read whole messages until there is none for a while.  False when one is wrong. */
static bool read_rest(const struct talk *talk, uint64_t *next)
{
	struct pollfd pfd = { .fd = talk->fd, .events = POLLIN };
	struct rcx_msg *msg = talk->h->message;

	while (poll(&pfd, 1, 100) == 1) {
		size_t at = 0;

		while (at < WHOLE) {
			ssize_t got = read(talk->fd, (char *)msg + at, WHOLE - at);

			if (got <= 0)
				return got == 0 && at == 0;
			at += (size_t)got;
		}
		if (!rcx_is_whole(msg, BODY, true) || msg->seq < *next)
			return false;
		*next = msg->seq + 1;
	}
	return true;
}

static void try_unread_events(struct rcx_hostile *h, struct talk *talk)
{
	uint64_t next = 0;

	rcx_expect_true(h, "some events were refused", fill(h, 20000) > 0);
	rcx_expect_true(h, "the others are whole and in order", read_rest(talk, &next));
	rcx_expect_true(h, "they were many", next > 50);
	rcx_expect_value(h, "refused after that", fill(h, 10), 0);
	rcx_expect_true(h, "they arrive", read_rest(talk, &next));
}

static void try_vsock_events(struct rcx_hostile *h)
{
	struct talk talk;

	rcx_topic(h, "vsock events");
	rcx_core_bind(h, "vsock", BODY, true);
	rcx_expect_value(h, "refused without a reader", fill(h, 5), 5);
	if (!vsock_talk(h, &talk, RCX_SOCKETS_EVENTS))
		return;
	try_unread_events(h, &talk);
	rcx_expect_value(h, "data in the wrong direction", send(talk.fd, h->message, 4096, 0),
			 4096);
	fill(h, 20000);
	close(talk.fd);
	usleep(10000);
	rcx_expect_value(h, "refused when the reader has closed", fill(h, 5), 5);
	close(talk.device);

	/* The work still has a part of a message to send. */
	if (!vsock_talk(h, &talk, RCX_SOCKETS_EVENTS))
		return;
	fill(h, 20000);
	close(talk.device);
	rcx_expect_value(h, "refused when the device is closed", fill(h, 5), 5);
	close(talk.fd);
}

static void try_udp_events(struct rcx_hostile *h)
{
	uint64_t next = 0;
	struct talk talk;

	rcx_topic(h, "udp events");
	rcx_core_bind(h, "udp", BODY, true);
	udp_talk(h, &talk, RCX_SOCKETS_EVENTS);
	fill(h, 20000);
	rcx_expect_true(h, "what was kept is whole and in order", read_rest(&talk, &next));
	rcx_expect_true(h, "it is the beginning", next > 50 && next < 20000);
	fill(h, 10);
	rcx_expect_true(h, "later ones arrive", read_rest(&talk, &next) && next == 20010);
	for (int i = 0; i < FLOOD; i++)
		send(talk.fd, h->message, WHOLE, 0);
	rcx_expect_value(h, "refused after data in the wrong direction", fill(h, 10), 0);
	close(talk.fd);
	rcx_expect_true(h, "some are refused when the reader has closed", fill(h, 10) > 0);
	close(talk.device);
}

/* ---- pipe --------------------------------------------------------------- */

static void refuse(struct rcx_hostile *h, int device, const char *name, int fd, int want)
{
	rcx_expect(h, name, start(device, RCX_SOCKETS_PIPE, RCX_SOCKETS_EVENTS, (uint32_t)fd, 0),
		   want);
	if (fd >= 0)
		close(fd);
}

static void try_wrong_descriptors(struct rcx_hostile *h)
{
	int device = rcx_expect_open(h, DEVICE, O_RDWR), fds[2];

	rcx_expect(h, "without the flag for events", start(device, RCX_SOCKETS_PIPE, 0, 1, 0),
		   EINVAL);
	rcx_expect(h, "with replies", start(device, RCX_SOCKETS_PIPE, RCX_SOCKETS_REPLIES, 1, 0),
		   EINVAL);
	refuse(h, device, "no descriptor", -1, EBADF);
	rcx_expect(h, "one that is not open",
		   start(device, RCX_SOCKETS_PIPE, RCX_SOCKETS_EVENTS, 1000, 0), EBADF);
	refuse(h, device, "a file", open("/tmp", O_TMPFILE | O_RDWR, 0600), EINVAL);
	refuse(h, device, "a directory", open("/", O_RDONLY), EBADF);
	refuse(h, device, "a path only", open("/", O_PATH), EBADF);
	refuse(h, device, "a device", open("/dev/null", O_WRONLY), EINVAL);
	refuse(h, device, "a socket", socket(AF_INET, SOCK_DGRAM, 0), EINVAL);
	refuse(h, device, "an eventfd", eventfd(0, 0), EINVAL);
	refuse(h, device, "an epoll", epoll_create1(0), EINVAL);
	refuse(h, device, "our own device", open(DEVICE, O_RDWR), EINVAL);
	rcx_expect(h, "the device itself",
		   start(device, RCX_SOCKETS_PIPE, RCX_SOCKETS_EVENTS, (uint32_t)device, 0),
		   EINVAL);
	rcx_expect(h, "make a pipe", pipe(fds), 0);
	refuse(h, device, "the end to read from", fds[0], EBADF);
	close(fds[1]);
	unlink(FIFO);
	rcx_expect(h, "make a FIFO", mkfifo(FIFO, 0600), 0);
	fds[0] = open(FIFO, O_RDONLY | O_NONBLOCK);
	fds[1] = open(FIFO, O_WRONLY);
	close(fds[0]);
	refuse(h, device, "a FIFO without a reader", fds[1], ENXIO);
	unlink(FIFO);
	close(device);
}

/* The program keeps its own end to write to, as @mine, or closes it if that is NULL. */
static void pipe_talk(struct rcx_hostile *h, struct talk *talk, uint32_t kind, int *mine)
{
	int fds[2] = { -1, -1 };

	*talk = (struct talk){ .h = h };
	talk->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	rcx_expect(h, "make a pipe", pipe(fds), 0);
	rcx_expect_true(h, "the kernel half takes it",
			start(talk->device, kind, RCX_SOCKETS_EVENTS, (uint32_t)fds[1], 0) >= 0);
	talk->fd = fds[0];
	if (mine)
		*mine = fds[1];
	else
		close(fds[1]);
}

/* Other writers fill the pipe, or leave it so little room that no message fits as a whole. */
static void try_shared_pipe(struct rcx_hostile *h)
{
	static char junk[60000];
	struct talk talk;
	int mine;

	pipe_talk(h, &talk, RCX_SOCKETS_PIPE, &mine);
	fcntl(mine, F_SETFL, O_NONBLOCK);
	while (write(mine, junk, sizeof(junk)) > 0)
		;
	fcntl(mine, F_SETFL, 0);
	rcx_expect_true(h, "refused in a pipe that another writer has filled", fill(h, 5) > 0);
	rcx_expect(h, "wait for the end of a stream after O_NONBLOCK was cleared",
		   ioctl(h->core, RCX_CORE_STOP), 0);
	while (fcntl(talk.fd, F_SETFL, O_NONBLOCK) == 0 && read(talk.fd, junk, sizeof(junk)) > 0)
		;
	rcx_expect_value(h, "refused when it is empty again", fill(h, 5), 0);
	close(talk.fd);
	rcx_expect_value(h, "refused when the reader has closed", fill(h, 5), 5);
	close(mine);
	rcx_expect_value(h, "refused when the program has closed both ends", fill(h, 5), 5);
	close(talk.device);

	rcx_core_bind(h, "pipe", 1u << 16, true);
	pipe_talk(h, &talk, RCX_SOCKETS_PIPE, NULL);
	rcx_expect_value(h, "messages larger than the pipe are refused", fill(h, 3), 3);
	fcntl(talk.fd, F_SETPIPE_SZ, 1 << 17);
	rcx_expect_value(h, "one fits into a larger pipe", fill(h, 1), 0);
	rcx_expect(h, "make it smaller again", fcntl(talk.fd, F_SETPIPE_SZ, 4096), EBUSY);
	rcx_expect_value(h, "refused with the first one unread", fill(h, 3), 3);
	hang_up(&talk);
}

static void try_pipe(struct rcx_hostile *h)
{
	struct talk talk;

	rcx_topic(h, "pipe");
	rcx_core_bind(h, "pipe", BODY, true);
	try_wrong_descriptors(h);
	pipe_talk(h, &talk, RCX_SOCKETS_PIPE, NULL);
	try_unread_events(h, &talk);
	rcx_expect(h, "a wait for messages to the kernel", wait_for(talk.device, 0), 0);
	fill(h, 20000);
	hang_up(&talk);
	rcx_expect_value(h, "refused when all is closed", fill(h, 5), 5);
	try_shared_pipe(h);
}

/* ---- batch -------------------------------------------------------------- */

static void try_batch(struct rcx_hostile *h)
{
	static char junk[4096];
	struct talk talk;
	uint64_t next = 0;
	int mine, device;

	rcx_topic(h, "batch");
	rcx_core_bind(h, "batch", BODY, true);
	device = rcx_expect_open(h, DEVICE, O_RDWR);
	rcx_expect(h, "without the flag for events", start(device, RCX_SOCKETS_BATCH, 0, 1, 0),
		   EINVAL);
	rcx_expect(h, "the device itself",
		   start(device, RCX_SOCKETS_BATCH, RCX_SOCKETS_EVENTS, (uint32_t)device, 0),
		   EINVAL);
	close(device);
	pipe_talk(h, &talk, RCX_SOCKETS_BATCH, NULL);
	try_unread_events(h, &talk);
	hang_up(&talk);

	pipe_talk(h, &talk, RCX_SOCKETS_BATCH, &mine);
	fcntl(mine, F_SETFL, O_NONBLOCK);
	while (write(mine, junk, sizeof(junk)) > 0)
		;
	rcx_expect_value(h, "all are refused in a pipe that another writer has filled", fill(h, 40),
			 40);
	fcntl(talk.fd, F_SETFL, O_NONBLOCK);
	while (read(talk.fd, junk, sizeof(junk)) > 0)
		;
	rcx_expect_value(h, "none is refused when it is empty again", fill(h, 40), 0);
	rcx_expect_true(h, "and all arrive", read_rest(&talk, &next));
	close(talk.fd);
	rcx_expect_value(h, "refused when the reader has closed", fill(h, 40), 40);
	close(mine);
	close(talk.device);

	rcx_core_bind(h, "batch", RCX_BODY_MAX, true);
	pipe_talk(h, &talk, RCX_SOCKETS_BATCH, NULL);
	rcx_expect_value(h, "messages larger than the pipe are refused", fill(h, 3), 3);
	hang_up(&talk);
}

static void sockets_hostile(struct rcx_hostile *h)
{
	try_device(h);
	for (int validate = 0; validate < 2; validate++)
		try_udp_messages(h, validate);
	try_udp_strangers(h);
	try_udp_unread(h);
	try_waits(h);
	try_udp_events(h);
	try_vsock(h);
	try_vsock_events(h);
	try_pipe(h);
	try_batch(h);
}
RCX_HOSTILE(sockets, sockets_hostile);
