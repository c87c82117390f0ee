// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "loops/netlink_socket.h"
#include "abi.h"

/* The longest datagram is an action and a path, followed by the kernel's 2048 bytes of
 * strings.  A key is compared in full length, even with a shorter string at the end:
 * SPARE bytes after the datagram keep that within the buffer.
 */
#define ROOM  8192u
#define SPARE 16u

#define HELPER "/sys/kernel/uevent_helper"

/* ---- open --------------------------------------------------------------- */

/* If the file exists and contains a path, the kernel starts that program for each event. */
static bool starts_helper(void)
{
	int fd = open(HELPER, O_RDONLY | O_CLOEXEC);
	char first = '\n';
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, &first, 1);
	close(fd);
	return got == 1 && first != '\n';
}

static int device_open(struct rcx_session *s)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (RCX_UEVENT_GROUP - 1),
	};

	if (starts_helper())
		return rcx_skip(s,
				"This kernel starts a program for each uevent; clear " HELPER ".");
	s->map = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot allocate a buffer for a datagram");
	}
	s->map_len = ROOM;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (s->fd < 0)
		return rcx_fail_errno(s, "socket NETLINK_KOBJECT_UEVENT");
	if (rcx_datagram_set_queue(s))
		return -1;
	if (bind(s->fd, (const struct sockaddr *)&address, sizeof(address)))
		return rcx_fail_errno(s, "cannot join the group");
	return 0;
}

/* ---- text to message ---------------------------------------------------- */

/* The text after @key if @string starts with it, else NULL. */
static inline const char *value(const char *string, const char *key, size_t len)
{
	return memcmp(string, key, len) ? NULL : string + len;
}

#define VALUE(string, key) value(string, key, sizeof(key) - 1)

static inline uint64_t number(const char *digits)
{
	uint64_t sum = 0;

	while (*digits >= '0' && *digits <= '9')
		sum = 10 * sum + (uint64_t)(*digits++ - '0');
	return sum;
}

static inline uint8_t digit(char c)
{
	return (uint8_t)((c & 15) + 9 * (c >> 6 & 1));
}

/* Convert @digits into the body of s->rx, up to s->size bytes; returns their full length. */
static inline uint32_t bytes(const struct rcx_session *s, const char *digits)
{
	uint32_t len = (uint32_t)(strlen(digits) / 2);
	uint32_t most = len < s->size ? len : s->size;

	for (uint32_t i = 0; i < most; i++)
		s->rx->body[i] = (uint8_t)(digit(digits[2 * i]) << 4 | digit(digits[2 * i + 1]));
	return len;
}

/*
 * Convert the datagram of @got bytes to a message in s->rx.  Returns false if it is not
 * ours: the socket also receives events of other devices, and events of our device
 * that a program requested by writing to its uevent file in sysfs.
 */
static inline bool parse(const struct rcx_session *s, ssize_t got)
{
	const char *at = s->map, *end = at + got, *found;
	int missing = 3;

	if (got < (ssize_t)sizeof(RCX_UEVENT_HEAD) ||
	    memcmp(at, RCX_UEVENT_HEAD, sizeof(RCX_UEVENT_HEAD)))
		return false;
	for (at += sizeof(RCX_UEVENT_HEAD); at < end; at += strlen(at) + 1) {
		if ((found = VALUE(at, RCX_UEVENT_SEQ)))
			s->rx->seq = number(found);
		else if ((found = VALUE(at, RCX_UEVENT_TIMESTAMP)))
			s->rx->timestamp = number(found);
		else if ((found = VALUE(at, RCX_UEVENT_BODY)))
			s->rx->size = bytes(s, found);
		missing -= found != NULL;
	}
	s->rx->magic = RCX_MAGIC; /* not sent: the path identifies our events */
	return !missing;
}

/* Receive the next event of ours: its length, or -1. */
static inline ssize_t receive(struct rcx_session *s, int flags)
{
	ssize_t got;

	do {
		got = recv(s->fd, s->map, ROOM - SPARE, flags);
		if (got < 0)
			return -1;
		((char *)s->map)[got] = '\0';
	} while (!parse(s, got));
	return (ssize_t)RCX_HEADER + s->rx->size;
}

/* ---- operations --------------------------------------------------------- */

/* Like the loops in loops/message_file.h; each timed loop stays in its channel's folder. */

static int device_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int flags = rcx_nonblocking(s) ? MSG_DONTWAIT : 0;
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			len = receive(s, flags);
		} while (len < 0 && errno == EAGAIN);
		if (len < 0)
			return rcx_fail_errno(s, "recv");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* Sleep in recv() until the producer has ended. */
static int stream_block(struct rcx_session *s)
{
	if (rcx_stream_block(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t len = receive(s, 0);

		if (len >= 0 && rcx_streamed(s, s->rx, (size_t)len))
			return -1;
		if (len < 0 && errno == ENOBUFS)
			s->overruns++;
		else if (len < 0 && errno != EINTR)
			return rcx_fail_errno(s, "recv");
	}
	return rcx_stream_unblock(s);
}

/* ENOBUFS: something was lost, possibly only events of other devices. */
static int device_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	if (rcx_stream_blocks(s) && stream_block(s))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t len;

		while ((len = receive(s, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
			if (len < 0)
				s->overruns++;
			else if (rcx_streamed(s, s->rx, (size_t)len))
				return -1;
		}
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "recv");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define TEXT                   \
	.max = RCX_UEVENT_MAX, \
	.limit = "All strings of a uevent, including the kernel's own, share 2048 bytes, and a byte takes two digits."

static const struct rcx_queue uevent_queue = RCX_DATAGRAM_QUEUE;

static const struct rcx_mode uevent_modes[] = {
	{
		.name = "device",
		.summary = "\"change\" of a device, with the message in strings",
		.open = device_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_NOTIFY] = { .run = device_notify, TEXT, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = device_stream, TEXT, .waits = RCX_WAIT_ANY,
					.queue = &uevent_queue },
		},
	},
	{ }
};

static const struct rcx_channel uevent_channel = {
	.name = "uevent",
	.summary = "Notifications about a device, in text, to all listeners",
	.module = "ringcross_uevent",
	.since = "2.6.10: kobject_uevent() over netlink",
	.modes = uevent_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A message that a program sends to the socket goes to the programs that listen, and to no driver.",
		[RCX_PULL] = "Its socket accepts no requests; a write to a device's uevent file makes the kernel send an event, but that request uses sysfs.",
		[RCX_CALL] = "Its socket accepts no requests, and a write to a device's uevent file uses sysfs.",
		[RCX_UPCALL] = "An event has no reply; where the kernel waits for one, as for firmware, the program writes it to a sysfs attribute.",
		[RCX_DUMP] = "Its socket accepts no requests; a program that wants all devices walks /sys.",
	},
};
RCX_CHANNEL(uevent_channel);
