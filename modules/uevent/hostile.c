// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half only sends; other programs can trigger events, or not read them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY	       64u
#define WHOLE	       (RCX_HEADER + BODY)
#define DEVICE	       "/dev/" RCX_UEVENT_NAME
#define FILE_OF_DEVICE "/sys" RCX_UEVENT_PATH "/uevent"
#define SMALL	       2304 /* bytes, the shortest possible queue */

static int listen_in(struct rcx_hostile *h, uint32_t groups, int queue)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	const struct timeval second = { .tv_sec = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	rcx_expect(h, "socket", fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (queue)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
	rcx_expect(h, "bind", bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The next event of our device, terminated by a NUL: its length, -1 without one. */
static ssize_t hear(int fd, char *text, size_t room)
{
	ssize_t got;

	do {
		got = recv(fd, text, room - 1, 0);
		if (got < 0)
			return -1;
		text[got] = '\0';
	} while (!strstr(text, "@" RCX_UEVENT_PATH));
	return got;
}

/* The string in a datagram that starts with @key, or NULL. */
static const char *find(const char *text, ssize_t len, const char *key)
{
	for (const char *at = text; at < text + len; at += strlen(at) + 1)
		if (!strncmp(at, key, strlen(key)))
			return at;
	return NULL;
}

static void try_text(struct rcx_hostile *h)
{
	static const uint32_t sizes[] = { 0, 1, 7, BODY, RCX_UEVENT_MAX };
	int fd = listen_in(h, RCX_UEVENT_GROUP, 0);
	char text[4096];

	rcx_topic(h, "text");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *body;
		ssize_t got;

		rcx_core_bind(h, "device", sizes[i], true);
		rcx_core_start(h, RCX_PROCESS, 1, 1, 0);
		got = hear(fd, text, sizeof(text));
		rcx_expect(h, "heard", got, 0);
		rcx_expect_true(h, "its head", !strcmp(text, RCX_UEVENT_HEAD));
		rcx_expect_true(h, "its number",
				find(text, got, RCX_UEVENT_SEQ "0") &&
					find(text, got, RCX_UEVENT_TIMESTAMP));
		body = find(text, got, RCX_UEVENT_BODY);
		rcx_expect_true(h, "its body",
				body && strlen(body) == strlen(RCX_UEVENT_BODY) + 2 * sizes[i]);
	}
	close(fd);
}

/* With one byte more the kernel would warn, so the kernel half must not call it. */
static void try_sizes(struct rcx_hostile *h)
{
	static const uint32_t sizes[] = { RCX_UEVENT_MAX + 1, 1024, 2048, 4096, RCX_BODY_MAX };
	int fd = listen_in(h, RCX_UEVENT_GROUP, 0);
	char text[4096];

	rcx_topic(h, "too large");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rcx_core_bind(h, "device", sizes[i], true);
		rcx_core_start(h, RCX_PROCESS, 3, 1, 0);
		rcx_core_ended(h, 1000);
		rcx_expect_value(h, "refused", (long)rcx_core_counts(h).refused, 3);
		rcx_expect_value(h, "the reason", (long)rcx_core_counts(h).refused_errno, EMSGSIZE);
	}
	rcx_expect(h, "nothing was sent", hear(fd, text, sizeof(text)), EAGAIN);
	close(fd);
}

static void try_contexts(struct rcx_hostile *h)
{
	struct rcx_emission emit = { .context = RCX_SOFTIRQ, .burst = 1, .count = 1 };

	rcx_topic(h, "context");
	rcx_core_bind(h, "device", BODY, true);
	rcx_expect(h, "a soft interrupt", ioctl(h->core, RCX_CORE_EMIT, &emit), EOPNOTSUPP);
	emit.context = RCX_HARDIRQ;
	rcx_expect(h, "a hard interrupt", ioctl(h->core, RCX_CORE_EMIT, &emit), EOPNOTSUPP);
	emit.context = RCX_PROCESS;
	rcx_expect(h, "a process", ioctl(h->core, RCX_CORE_EMIT, &emit), 0);
	rcx_expect_true(h, "it ends", rcx_core_ended(h, 1000));
}

/* A write to the device's uevent file makes it send events without our strings. */
static void try_others(struct rcx_hostile *h)
{
	static const char *const orders[] = {
		"change",
		"change\n",
		"add",
		"remove",
		"move",
		"online",
		"offline",
		"bind",
		"unbind",
		"change 12345678-1234-1234-1234-123456789abc",
		"change 12345678-1234-1234-1234-123456789abc RC=1 SEQ=2",
	};
	int file = open(FILE_OF_DEVICE, O_RDWR | O_CLOEXEC);
	int fd = listen_in(h, RCX_UEVENT_GROUP, 0);
	struct rcx_outcomes outcomes = { 0 };
	char text[4096];
	long ours = 0;

	rcx_topic(h, "its file in sysfs");
	rcx_expect(h, "open", file, 0);
	rcx_expect_true(h, "read", read(file, text, sizeof(text)) > 0);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		size_t len = strlen(orders[i]);
		ssize_t got;

		rcx_note(&outcomes, pwrite(file, orders[i], len, 0), 0);
		got = hear(fd, text, sizeof(text));
		rcx_expect(h, "heard", got, 0);
		ours += got >= 0 && find(text, got, RCX_UEVENT_SEQ);
	}
	rcx_expect_outcomes(h, "writes", &outcomes);
	rcx_expect_value(h, "events that look like ours", ours, 0);
	close(fd);
	close(file);
}

/* Datagrams to the kernel's socket, with correct and with false lengths. */
static void try_sending(struct rcx_hostile *h, void *arg)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct rcx_outcomes outcomes = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	const int want = *(const int *)arg;

	memset(h->message, 0x5a, 4096);
	for (uint32_t len = 4; len < 2200; len += 50) {
		struct nlmsghdr *header = (void *)h->message;

		*header = (struct nlmsghdr){
			.nlmsg_len = len % 100 > 50 ? UINT32_MAX : len,
			.nlmsg_type = (uint16_t)len,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		};
		rcx_note(&outcomes,
			 sendto(fd, h->message, len, 0, (const struct sockaddr *)&kernel,
				sizeof(kernel)),
			 want);
	}
	rcx_expect_outcomes(h, "invalid datagrams sent to the kernel", &outcomes);
	close(fd);
}

static void try_groups(struct rcx_hostile *h)
{
	int all = listen_in(h, UINT32_MAX, 0), none = listen_in(h, 0, 0);
	char text[4096];

	rcx_topic(h, "groups");
	rcx_core_bind(h, "device", BODY, true);
	rcx_core_start(h, RCX_PROCESS, 1, 1, 0);
	rcx_expect(h, "of all, heard", hear(all, text, sizeof(text)), 0);
	rcx_expect(h, "of all, once", hear(all, text, sizeof(text)), EAGAIN);
	rcx_expect(h, "of none", hear(none, text, sizeof(text)), EAGAIN);
	close(all);
	close(none);
}

/* A listener that does not read loses events; other listeners do not. */
static void try_slow_listener(struct rcx_hostile *h)
{
	int slow = listen_in(h, RCX_UEVENT_GROUP, SMALL), fd = listen_in(h, RCX_UEVENT_GROUP, 0);
	long heard = 0, slow_heard = 0;
	char text[4096];

	rcx_topic(h, "not listening");
	rcx_core_bind(h, "device", RCX_UEVENT_MAX, true);
	rcx_core_start(h, RCX_PROCESS, 20, 20, 0);
	rcx_core_ended(h, 1000);
	rcx_expect(h, "gets an error", recv(slow, text, sizeof(text), MSG_DONTWAIT), ENOBUFS);
	while (recv(slow, text, sizeof(text), MSG_DONTWAIT) > 0)
		slow_heard++;
	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		heard++;
	rcx_expect_true(h, "and has lost most", slow_heard > 0 && slow_heard < 5);
	rcx_expect_value(h, "the other listener has all", heard, 20);
	rcx_expect_value(h, "refused of these", (long)rcx_core_counts(h).refused, 0);
	close(slow);
	close(fd);
	rcx_core_start(h, RCX_PROCESS, 20, 20, 0);
	rcx_core_ended(h, 1000);
	rcx_expect_value(h, "refused without a listener", (long)rcx_core_counts(h).refused, 0);
}

static long hear_on(void *arg)
{
	char text[4096];

	return recv(*(int *)arg, text, sizeof(text), 0);
}

static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	int fd = listen_in(h, RCX_UEVENT_GROUP, 0);
	const struct timeval never = { 0 };
	struct rcx_sleeper sleeper;
	char text[4096];

	rcx_topic(h, "in a stream");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	rcx_try_kill(h, "killed in its sleep", hear_on, &fd);
	rcx_sleep_in(h, &sleeper, hear_on, &fd);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);
	close(fd);

	rcx_core_bind(h, "device", BODY, true);
	rcx_core_start(h, RCX_PROCESS, 1u << 30, 4, 100000);
	for (int i = 0; i < 20; i++) {
		struct sockaddr_nl address = { .nl_family = AF_NETLINK,
					       .nl_groups = RCX_UEVENT_GROUP };

		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
		bind(fd, (const struct sockaddr *)&address, sizeof(address));
		rcx_note(&outcomes, hear(fd, text, sizeof(text)), 0);
		close(fd);
	}
	rcx_expect_outcomes(h, "opened and closed", &outcomes);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void try_node(struct rcx_hostile *h)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	rcx_topic(h, "node");
	rcx_expect(h, "open", fd, 0);
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_nobody_opens(h, DEVICE);
	close(fd);
}

static void uevent_hostile(struct rcx_hostile *h)
{
	int fine = 0;

	try_text(h);
	try_sizes(h);
	try_contexts(h);
	try_others(h);
	rcx_topic(h, "root");
	try_sending(h, &fine);
	rcx_topic(h, "another user");
	rcx_as_nobody(h, try_sending, &fine);
	try_groups(h);
	try_slow_listener(h);
	try_leaving(h);
	try_node(h);
	rcx_core_unbind(h);
}
RCX_HOSTILE(uevent, uevent_hostile);
