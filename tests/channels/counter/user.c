// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

static int counter_open(struct rcx_session *s)
{
	struct rcx_counter_register request = { 0 };

	s->fd2 = eventfd(0, EFD_CLOEXEC | (rcx_nonblocking(s) ? EFD_NONBLOCK : 0));
	if (s->fd2 < 0)
		return rcx_fail_errno(s, "eventfd");
	request.fd = s->fd2;
	s->fd = open(RCX_COUNTER_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_COUNTER_DEVICE);
	if (ioctl(s->fd, RCX_COUNTER_REGISTER, &request))
		return rcx_fail_errno(s, "cannot register the eventfd");
	return 0;
}

static int counter_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	bool polls = rcx_polls(s);
	uint64_t count;

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			len = read(s->fd2, &count, sizeof(count));
		} while (len < 0 && errno == EAGAIN);
		if (len != sizeof(count))
			return rcx_fail_errno(s, "read an eventfd");
		rcx_arrived(s);
		if (rcx_seen_count(s, count))
			return -1;
	}
	return 0;
}

static int counter_stream(struct rcx_session *s, uint64_t n)
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

/* As a program that only wants to be woken: it ignores how many events there were. */
static int flag_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	uint64_t count;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (read(s->fd2, &count, sizeof(count)) == sizeof(count))
			if (rcx_streamed_count(s, 1))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read an eventfd");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

static const struct rcx_mode counter_modes[] = {
	{
		.name = "count",
		.summary = "read() returns the number of events",
		.open = counter_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_ADDS,
		.operations = {
			[RCX_NOTIFY] = { .run = counter_notify, .count = true,
					.waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = counter_stream, .count = true,
					.waits = RCX_WAIT_DRAIN },
		},
	},
	{
		.name = "flag",
		.summary = "the same, for a reader that ignores the number",
		.open = counter_open,
		.claims = RCX_POLLABLE | RCX_FULL_COALESCES,
		.operations = {
			[RCX_NOTIFY] = { .run = counter_notify, .count = true,
					.waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = flag_stream, .count = true,
					.waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel counter = {
	.name = "counter",
	.summary = "An eventfd, for the tests",
	.module = "ringcross_counter",
	.since = "2.6.22: eventfd",
	.modes = counter_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "Our kernel half does not read the eventfd.",
		[RCX_PULL] = "A count is not made on request.",
		[RCX_CALL] = "A count is no reply.",
		[RCX_UPCALL] = "A count carries no request.",
		[RCX_DUMP] = "A count is no table.",
	},
	.classes = (const char *const[]){ "event counter: eventfd_*", NULL },
};
RCX_CHANNEL(counter);
