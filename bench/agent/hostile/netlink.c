// SPDX-License-Identifier: GPL-2.0-only
/* Hostile cases for netlink and generic netlink sockets: requests, queues that fill up, and
 * sockets that are closed while they are used.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
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

/* A socket that another thread closes. */
struct used_socket {
	int fd;
	const void *out;
	size_t len;
};

static long receive(void *arg)
{
	const struct used_socket *used = arg;
	char room[4096];

	return recv(used->fd, room, sizeof(room), 0);
}

static long send_until_closed(void *arg)
{
	const struct used_socket *used = arg;
	long turns = 0;

	while (send(used->fd, used->out, used->len, 0) == (ssize_t)used->len)
		turns++;
	return errno == EBADF ? turns : -1;
}

void rcx_try_closing(struct rcx_hostile *h, int reader, size_t len, int sender, const void *out,
		     size_t out_len)
{
	struct used_socket reads = { .fd = reader }, sends = { sender, out, out_len };
	const struct timeval never = { 0 };
	struct rcx_sleeper thread;

	setsockopt(reader, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	rcx_try_kill(h, "killed in recv", receive, &reads);
	rcx_sleep_in(h, &thread, receive, &reads);
	rcx_sleeper_interrupt(&thread);
	rcx_expect(h, "interrupted in recv", rcx_sleeper_end(&thread), EINTR);
	rcx_sleep_in(h, &thread, receive, &reads);
	close(reader);
	rcx_core_start(h, RCX_SOFTIRQ, 1, 1, 0);
	rcx_expect_value(h, "closed in recv, it still gets the event", rcx_sleeper_end(&thread),
			 (long)len);

	rcx_sleep_in(h, &thread, send_until_closed, &sends);
	close(sender);
	rcx_expect(h, "closed while another sends", rcx_sleeper_end(&thread), 0);
}
