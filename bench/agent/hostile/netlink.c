// SPDX-License-Identifier: GPL-2.0-only
/* Hostile cases for netlink and generic netlink sockets: requests, and queues that fill up. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "hostile.h"

#define BUFFER	   (8 << 20)
#define ANSWER_MAX (1 << 15)

int rcx_netlink_socket(int protocol)
{
	const struct timeval second = { .tv_sec = 1 };
	const int size = BUFFER, one = 1;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	/* A refusal need not include the whole request. */
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
	} received;

	for (;;) {
		ssize_t got = recv(fd, &received, sizeof(received), 0);

		if (got < 0)
			return -1;
		if (received.header.nlmsg_type == NLMSG_ERROR)
			break;
		memcpy(answer, &received, (size_t)got < room ? (size_t)got : room);
	}
	errno = -received.error.error;
	return received.error.error ? -1 : 0;
}

/* Receive all queued messages.  Returns their number. */
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
	const int smallest = 1;
	char room[4096];

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest));
	rcx_core_start(h, RCX_HARDIRQ, 4000, 4000, 0);
	rcx_expect_true(h, "a burst of 4000 events ends", rcx_core_ended(h, 1000));
	rcx_expect_true(h, "most of the events are refused", rcx_core_counts(h).refused > 3900);
	rcx_expect(h, "the reader gets ENOBUFS", recv(fd, room, sizeof(room), 0), ENOBUFS);
	rcx_expect_value(h, "delivered plus refused events",
			 empty_queue(fd) + (long)rcx_core_counts(h).refused, 4000);
}

void rcx_try_unread_answers(struct rcx_hostile *h, int fd, void (*request)(void *arg), void *arg)
{
	char room[4096];

	for (int i = 0; i < 2000; i++)
		request(arg);
	rcx_expect(h, "2000 unread answers", recv(fd, room, sizeof(room), 0), ENOBUFS);
	empty_queue(fd);
}
