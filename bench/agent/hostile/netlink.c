// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of netlink and generic netlink: requests, and queues that nobody reads. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "hostile.h"

#define BUFFER (8 << 20)
#define ANSWER_MAX (1 << 15)

int rcx_netlink_socket(int protocol)
{
	const struct timeval second = { .tv_sec = 1 };
	const int size = BUFFER, one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	/* A refusal need not bring back all that was refused. */
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return fd;
}

long rcx_netlink_verdict(int fd, void *answer, size_t room)
{
	union {
		struct {
			struct nlmsghdr header;
			struct nlmsgerr error;
		};
		char room[ANSWER_MAX];
	} came;

	for (;;) {
		ssize_t got = recv(fd, &came, sizeof(came), 0);

		if (got < 0)
			return -1;
		if (came.header.nlmsg_type == NLMSG_ERROR)
			break;
		memcpy(answer, &came, (size_t)got < room ? (size_t)got : room);
	}
	errno = -came.error.error;
	return came.error.error ? -1 : 0;
}

/* Take all that is queued: how many messages there were. */
static long empty_queue(int fd)
{
	char room[4096];
	long got = 0;

	while (recv(fd, room, sizeof(room), MSG_DONTWAIT) > 0)
		got++;
	return got;
}

void rcx_try_unread_events(struct rcx_hostile *h, int fd)
{
	const int least = 1;
	char room[4096];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	rcx_core_start(h, RCX_HARDIRQ, 4000, 4000, 0);
	rcx_expect_true(h, "4000 events end", rcx_core_ended(h, 1000));
	rcx_expect_true(h, "most of them refused", rcx_core_counts(h).refused > 3900);
	rcx_expect(h, "the reader is told", recv(fd, room, sizeof(room), 0), ENOBUFS);
	rcx_expect_value(h, "delivered and refused are all",
			empty_queue(fd) + (long)rcx_core_counts(h).refused, 4000);
}

void rcx_try_unread_answers(struct rcx_hostile *h, int fd, void (*ask)(void *arg), void *arg)
{
	char room[4096];

	for (int i = 0; i < 2000; i++)
		ask(arg);
	rcx_expect(h, "2000 answers that nobody reads", recv(fd, room, sizeof(room), 0), ENOBUFS);
	empty_queue(fd);
}
