// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/* ---- open and close ---------------------------------------------------- */

static int open_as(struct rcx_session *s, int flags)
{
	struct rcx_eventfd_register request = { 0 };

	s->fd2 = eventfd(0, EFD_CLOEXEC | flags | (rcx_nonblocking(s) ? EFD_NONBLOCK : 0));
	if (s->fd2 < 0)
		return rcx_fail_errno(s, "eventfd");
	request.fd = s->fd2;
	s->fd = open(RCX_EVENTFD_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_EVENTFD_DEVICE);
	if (ioctl(s->fd, RCX_EVENTFD_REGISTER, &request))
		return rcx_fail_errno(s, "cannot register the eventfd");
	return 0;
}

static int count_open(struct rcx_session *s)
{
	return open_as(s, 0);
}

static int semaphore_open(struct rcx_session *s)
{
	return open_as(s, EFD_SEMAPHORE);
}

/* The epoll instance is the descriptor at s->priv. */
static int epoll_open(struct rcx_session *s)
{
	struct epoll_event event = { .events = EPOLLIN };
	int *epoll;

	if (open_as(s, 0))
		return -1;
	epoll = malloc(sizeof(*epoll));
	if (!epoll)
		return rcx_fail_errno(s, "malloc");
	s->priv = epoll;
	*epoll = epoll_create1(EPOLL_CLOEXEC);
	if (*epoll < 0)
		return rcx_fail_errno(s, "epoll_create1");
	if (epoll_ctl(*epoll, EPOLL_CTL_ADD, s->fd2, &event))
		return rcx_fail_errno(s, "epoll_ctl");
	return 0;
}

static void epoll_close(struct rcx_session *s)
{
	int *epoll = s->priv;

	if (epoll && *epoll >= 0)
		close(*epoll);
	free(epoll);
	s->priv = NULL;
}

/* ---- count and semaphore: read, with or without poll -------------------- */

static int read_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	bool polls = rcx_polls(s);
	uint64_t count;

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls && poll(&pfd, 1, -1) != 1)
				return rcx_fail_errno(s, "poll");
			len = read(s->fd2, &count, sizeof(count));
		} while (len < 0 && errno == EAGAIN);
		rcx_arrived(s);
		if (len != sizeof(count))
			return rcx_fail_errno(s, "read an eventfd");
		if (rcx_seen_count(s, count))
			return -1;
	}
	return 0;
}

static int read_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	uint64_t count;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (read(s->fd2, &count, sizeof(count)) == sizeof(count))
			if (rcx_streamed_count(s, count))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read an eventfd");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- epoll ------------------------------------------------------------- */

static int epoll_notify(struct rcx_session *s, uint64_t n)
{
	int epoll = *(const int *)s->priv;
	struct epoll_event event;
	uint64_t count;

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			return rcx_fail_errno(s, "epoll_wait");
		len = read(s->fd2, &count, sizeof(count));
		rcx_arrived(s);
		if (len != sizeof(count))
			return rcx_fail_errno(s, "read an eventfd");
		if (rcx_seen_count(s, count))
			return -1;
	}
	return 0;
}

/* The level-triggered epoll_wait() returns as long as there is a count to read. */
static int epoll_stream(struct rcx_session *s, uint64_t n)
{
	int epoll = *(const int *)s->priv;
	struct epoll_event event;
	uint64_t count;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		int ready = epoll_wait(epoll, &event, 1, over ? 0 : RCX_STREAM_WAIT);

		if (ready < 0)
			return rcx_fail_errno(s, "epoll_wait");
		if (!ready && over)
			return 0;
		if (!ready)
			continue;
		if (read(s->fd2, &count, sizeof(count)) != sizeof(count))
			return rcx_fail_errno(s, "read an eventfd");
		if (rcx_streamed_count(s, count))
			return -1;
	}
}

/* ---- registration ------------------------------------------------------ */

static const struct rcx_mode eventfd_modes[] = {
	{
		.name = "count",
		.summary = "read() returns the number of events since the last one",
		.open = count_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_ADDS,
		.operations = {
			[RCX_NOTIFY] = { .run = read_notify, .count = true,
					.waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = read_stream, .count = true,
					.waits = RCX_WAIT_DRAIN },
		},
	},
	{
		.name = "epoll",
		.summary = "epoll_wait(), then read(), as in an event loop",
		.open = epoll_open,
		.close = epoll_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_ADDS,
		.operations = {
			[RCX_NOTIFY] = { .run = epoll_notify, .count = true,
					.waits = RCX_WAIT_POLL },
			[RCX_STREAM] = { .run = epoll_stream, .count = true,
					.waits = RCX_WAIT_POLL },
		},
	},
	{
		.name = "semaphore",
		.summary = "each read() takes one event from the counter",
		.open = semaphore_open,
		/* No claim about a full queue: each event has its own notice, and 2^64 fit. */
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = read_notify, .count = true,
					.waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = read_stream, .count = true,
					.waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel eventfd_channel = {
	.name = "eventfd",
	.summary = "A counter that the kernel raises and a program waits for",
	.module = "ringcross_eventfd",
	.since = "2.6.22: eventfd() with CONFIG_EVENTFD; EFD_SEMAPHORE since 2.6.30",
	.modes = eventfd_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A write adds to the counter and notifies no driver, unless the driver hooks into the wait queue of the counter, as KVM does; our kernel half only signals.",
		[RCX_PULL] = "A read returns the events that the kernel has counted; it does not call the kernel half.",
		[RCX_CALL] = "A write to an eventfd carries no request to the kernel half, and a count is no reply.",
		[RCX_UPCALL] = "Our kernel half only signals, so it does not see a reply.",
		[RCX_DUMP] = "An eventfd carries a count and no records.",
	},
	.classes = (const char *const[]){ "event counter: eventfd_* __x64_sys_eventfd*", NULL },
};
RCX_CHANNEL(eventfd_channel);
