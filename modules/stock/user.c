// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: stock
 *
 * Existing interfaces of the kernel: the counterparts of our channels.
 *
 * What it is.  Files, options and messages that a distribution's kernel serves
 * without a module of ours, by code that the kernel's maintainers wrote.  If a channel
 * of ours does the same work, its page shows both side by side.  A channel of ours
 * that cost much more than its counterpart would measure our own code and not the
 * mechanism.
 *
 * The path of one operation.
 *
 * - proc: pread() of /proc/version, a seq_file with one record.
 * - debugfs: a number that is formatted and copied, through debugfs' proxy.
 * - sysfs: a number in an attribute of the kernel's object, read and written.
 * - binary: n bytes of /sys/kernel/btf/vmlinux, at most a page per call.
 * - sysctl: a number under /proc/sys, read and written by proc_dointvec().
 * - param: a number among the kernel's parameters, read and written.
 * - ioctl: RNDGETENTCNT of /dev/urandom, which returns one number by put_user().
 * - sockopt: IP_TTL of a socket, read and written.
 * - rtnetlink: RTM_GETLINK of the loopback device, a request and its reply.
 * - genetlink: CTRL_CMD_GETFAMILY of the controller, a request and its reply through a
 *   generic netlink family.
 * - multicast: RTM_SETLINK sets the alias that a device already has.  The kernel reports
 *   every change of a device to a group, and the reader receives that report.
 * - seccomp, seccomp-sync: a filter stops getppid() of a process, and another process decides
 *   what it returns.  With synchronous wake-ups the kernel tells the scheduler that the
 *   process that wakes the other one is about to sleep.
 * - fuse: an ioctl on a file that this process serves through /dev/fuse, with a message of
 *   n bytes in each direction.
 *
 * In the last three the kernel asks and waits.  It takes no timestamp there, so the process
 * whose system call waits takes them: entry and exit of that call are included.
 *
 * When to choose it.  Whenever the kernel already provides the data.
 *
 * Its pitfall.  The content is fixed: for example a number as text, where our channels
 * carry a message of n bytes.  Format and length differ, so expect the same path, not
 * the same cost.  The call trees show the differences.
 *
 * In the validation pass, a text is compared with its earlier content, and an option
 * with the value that was set.  For all others, and for all timed operations, the check
 * is that an answer of the right kind arrived.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "fuse.h"
#include "seccomp.h"

/* ---- files with a short text -------------------------------------------- */

#define TEXT_MAX 256

/* Stored in s->priv. */
struct text {
	char before[TEXT_MAX], now[TEXT_MAX];
	ssize_t len;
};

static int text_open(struct rcx_session *s, const char *path, int flags)
{
	struct text *text = calloc(1, sizeof(*text));

	s->priv = text;
	if (!text)
		return rcx_fail_errno(s, "calloc");
	s->fd = open(path, flags | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return rcx_skip(s, "This kernel has no %s.", path);
	if (s->fd < 0)
		return rcx_fail_errno(s, path);
	text->len = pread(s->fd, text->before, sizeof(text->before), 0);
	return text->len > 0 ? 0 : rcx_fail_errno(s, path);
}

static void text_close(struct rcx_session *s)
{
	free(s->priv);
	s->priv = NULL;
}

static int text_pull(struct rcx_session *s, uint64_t n)
{
	struct text *text = s->priv;

	while (n--) {
		if (pread(s->fd, text->now, sizeof(text->now), 0) != text->len)
			return rcx_fail_errno(s, "read");
		if (__builtin_expect(s->validate, 0) &&
		    memcmp(text->now, text->before, (size_t)text->len))
			return rcx_fail(s, "the text has changed");
	}
	return 0;
}

/* Writes the value that was read, so nothing changes. */
static int text_push(struct rcx_session *s, uint64_t n)
{
	const struct text *text = s->priv;

	while (n--) {
		if (pwrite(s->fd, text->before, (size_t)text->len, 0) != text->len)
			return rcx_fail_errno(s, "write");
		if (__builtin_expect(s->validate, 0) && text_pull(s, 1))
			return -1;
	}
	return 0;
}

static int proc_open(struct rcx_session *s)
{
	return text_open(s, "/proc/version", O_RDONLY);
}

static int debugfs_open(struct rcx_session *s)
{
	return text_open(s, "/sys/kernel/debug/x86/tlb_single_page_flush_ceiling", O_RDWR);
}

static int sysfs_open(struct rcx_session *s)
{
	return text_open(s, "/sys/kernel/rcu_expedited", O_RDWR);
}

static int sysctl_open(struct rcx_session *s)
{
	return text_open(s, "/proc/sys/kernel/printk_ratelimit_burst", O_RDWR);
}

static int param_open(struct rcx_session *s)
{
	return text_open(s, "/sys/module/kernel/parameters/panic", O_RDWR);
}

/* ---- binary: many bytes of a file in sysfs ------------------------------ */

static int binary_open(struct rcx_session *s)
{
	s->fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return rcx_skip(s, "This kernel has no BTF (CONFIG_DEBUG_INFO_BTF).");
	return s->fd < 0 ? rcx_fail_errno(s, "open /sys/kernel/btf/vmlinux") : 0;
}

static inline int binary_read(struct rcx_session *s)
{
	for (size_t at = 0; at < s->size;) {
		ssize_t got = pread(s->fd, (char *)s->rx + at, s->size - at, (off_t)at);

		if (got <= 0)
			return rcx_fail_errno(s, "read BTF");
		at += (size_t)got;
	}
	return 0;
}

static int binary_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (__builtin_expect(s->validate, 0))
			memset(s->rx, 0, s->size);
		if (binary_read(s))
			return -1;
		/* The magic of BTF, little-endian as on all supported architectures. */
		if (__builtin_expect(s->validate, 0) && memcmp(s->rx, "\x9f\xeb", 2))
			return rcx_fail(s, "the content is not BTF");
	}
	return 0;
}

/* ---- ioctl and sockopt: one number -------------------------------------- */

static int ioctl_open(struct rcx_session *s)
{
	s->fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	return s->fd < 0 ? rcx_fail_errno(s, "open /dev/urandom") : 0;
}

static int ioctl_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		int bits = -1;

		if (ioctl(s->fd, RNDGETENTCNT, &bits) || bits < 0)
			return rcx_fail_errno(s, "RNDGETENTCNT");
	}
	return 0;
}

static int sockopt_open(struct rcx_session *s)
{
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return s->fd < 0 ? rcx_fail_errno(s, "socket") : 0;
}

static inline int get_ttl(const struct rcx_session *s)
{
	int ttl = 0;
	socklen_t len = sizeof(ttl);

	return getsockopt(s->fd, IPPROTO_IP, IP_TTL, &ttl, &len) ? -1 : ttl;
}

static int sockopt_push(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		int ttl = 1 + (int)(n & 63);

		if (setsockopt(s->fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)))
			return rcx_fail_errno(s, "set IP_TTL");
		if (__builtin_expect(s->validate, 0) && get_ttl(s) != ttl)
			return rcx_fail(s, "IP_TTL is not %d, the value that was set", ttl);
	}
	return 0;
}

static int sockopt_pull(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (get_ttl(s) < 1)
			return rcx_fail_errno(s, "get IP_TTL");
	return 0;
}

/* ---- netlink ------------------------------------------------------------ */

/* A request and its reply.  Stored in s->priv, so that threads do not share it. */
struct exchange {
	struct nlmsghdr header;
	union {
		struct {
			struct ifinfomsg link;
			struct nlattr attr;
			char alias[8];
		};
		struct {
			struct genlmsghdr genl;
			struct nlattr id;
			uint16_t family, pad;
		};
	};
	char reply[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static int netlink_open(struct rcx_session *s, int protocol, uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };

	s->priv = calloc(1, sizeof(struct exchange));
	if (!s->priv)
		return rcx_fail_errno(s, "calloc");
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&address, sizeof(address)))
		return rcx_fail_errno(s, "netlink socket");
	return 0;
}

static void netlink_close(struct rcx_session *s)
{
	free(s->priv);
	s->priv = NULL;
}

static int rtnetlink_open(struct rcx_session *s)
{
	struct exchange *exchange;

	if (netlink_open(s, NETLINK_ROUTE, 0))
		return -1;
	exchange = s->priv;
	exchange->header = (struct nlmsghdr){
		.nlmsg_len = NLMSG_LENGTH(sizeof(exchange->link)),
		.nlmsg_type = RTM_GETLINK,
		.nlmsg_flags = NLM_F_REQUEST,
	};
	exchange->link.ifi_index = 1; /* the loopback device is always the first one */
	return 0;
}

static int genetlink_open(struct rcx_session *s)
{
	struct exchange *exchange;

	if (netlink_open(s, NETLINK_GENERIC, 0))
		return -1;
	exchange = s->priv;
	exchange->header = (struct nlmsghdr){
		.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN + NLA_HDRLEN + NLA_ALIGN(sizeof(uint16_t))),
		.nlmsg_type = GENL_ID_CTRL,
		.nlmsg_flags = NLM_F_REQUEST,
	};
	exchange->genl = (struct genlmsghdr){ .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	exchange->id = (struct nlattr){ NLA_HDRLEN + sizeof(uint16_t), CTRL_ATTR_FAMILY_ID };
	exchange->family = GENL_ID_CTRL;
	return 0;
}

/* The kernel does not report changes of a device that is down. */
static int bring_up(struct rcx_session *s)
{
	struct ifreq device = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &device);

	if (err)
		rcx_fail_errno(s, "cannot bring up the loopback device");
	if (fd >= 0)
		close(fd);
	return err ? -1 : 0;
}

/*
 * Uses a network namespace of its own, whose devices no other program uses.  Each call
 * sets the same alias again: the kernel reports it whether it is new or not.
 */
static int multicast_open(struct rcx_session *s)
{
	struct exchange *exchange;

	if (unshare(CLONE_NEWNET))
		return rcx_skip(s, "A separate network namespace needs root and CONFIG_NET_NS.");
	if (bring_up(s) || netlink_open(s, NETLINK_ROUTE, RTMGRP_LINK))
		return -1;
	exchange = s->priv;
	exchange->header = (struct nlmsghdr){
		.nlmsg_len = NLMSG_LENGTH(sizeof(exchange->link) + NLA_HDRLEN +
					  sizeof(exchange->alias)),
		.nlmsg_type = RTM_SETLINK,
		.nlmsg_flags = NLM_F_REQUEST,
	};
	exchange->link.ifi_index = 1;
	exchange->attr = (struct nlattr){ NLA_HDRLEN + sizeof(exchange->alias), IFLA_IFALIAS };
	memcpy(exchange->alias, "ringcros", sizeof(exchange->alias));
	return 0;
}

/* Send the request and receive a message of @type; the kernel answers within the send. */
static inline int request(struct rcx_session *s, uint16_t type)
{
	struct exchange *exchange = s->priv;
	const struct nlmsghdr *header = (const struct nlmsghdr *)exchange->reply;
	ssize_t len;

	if (send(s->fd, exchange, exchange->header.nlmsg_len, 0) < 0)
		return rcx_fail_errno(s, "netlink send");
	len = recv(s->fd, exchange->reply, sizeof(exchange->reply), 0);
	if (len < 0)
		return rcx_fail_errno(s, "netlink receive");
	if (len < (ssize_t)sizeof(*header))
		return rcx_fail(s, "received a netlink message of only %zd bytes", len);
	if (header->nlmsg_type != type)
		return rcx_fail(s, "received a netlink message of the wrong type %u",
				header->nlmsg_type);
	return 0;
}

static int rtnetlink_call(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (request(s, RTM_NEWLINK))
			return -1;
	return 0;
}

static int genetlink_call(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (request(s, GENL_ID_CTRL))
			return -1;
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define FIXED .min = 0, .max = 0, .limit = "The kernel determines the size."
#define NOTIFICATION                                                                                \
	.min = 8, .max = 8,                                                                         \
	.limit = "A notification carries the arguments of a system call, and its reply one value.", \
	.waits = RCX_WAIT_BLOCK | RCX_WAIT_POLL
#define SHARED .single_threaded_reason = "All users share one value of the kernel."
#define TEXT   .close = text_close, SHARED

/* Resembles syscall's table: each folder is readable on its own. */
static const struct rcx_mode stock_modes[] = {
	{
		.name = "proc",
		.summary = "/proc/version",
		.open = proc_open,
		TEXT,
		.operations = { [RCX_PULL] = { .run = text_pull, FIXED } },
	},
	{
		.name = "debugfs",
		.summary = "a number in debugfs",
		.open = debugfs_open,
		TEXT,
		.operations = {
			[RCX_PUSH] = { .run = text_push, FIXED },
			[RCX_PULL] = { .run = text_pull, FIXED },
		},
	},
	{
		.name = "sysfs",
		.summary = "a number in an attribute of sysfs",
		.open = sysfs_open,
		TEXT,
		.operations = {
			[RCX_PUSH] = { .run = text_push, FIXED },
			[RCX_PULL] = { .run = text_pull, FIXED },
		},
	},
	{
		.name = "binary",
		.summary = "n bytes of the kernel's type information in sysfs",
		.open = binary_open,
		.operations = {
			[RCX_PULL] = { .run = binary_pull, .min = 2, .max = RCX_BODY_MAX },
		},
	},
	{
		.name = "sysctl",
		.summary = "a number under /proc/sys",
		.open = sysctl_open,
		TEXT,
		.operations = {
			[RCX_PUSH] = { .run = text_push, FIXED },
			[RCX_PULL] = { .run = text_pull, FIXED },
		},
	},
	{
		.name = "param",
		.summary = "a number among the kernel's parameters",
		.open = param_open,
		TEXT,
		.operations = {
			[RCX_PUSH] = { .run = text_push, FIXED },
			[RCX_PULL] = { .run = text_pull, FIXED },
		},
	},
	{
		.name = "ioctl",
		.summary = "the entropy count, by RNDGETENTCNT",
		.open = ioctl_open,
		.operations = { [RCX_PULL] = { .run = ioctl_pull, FIXED } },
	},
	{
		.name = "sockopt",
		.summary = "IP_TTL of a socket",
		.open = sockopt_open,
		.operations = {
			[RCX_PUSH] = { .run = sockopt_push, FIXED },
			[RCX_PULL] = { .run = sockopt_pull, FIXED },
		},
	},
	{
		.name = "rtnetlink",
		.summary = "the loopback device's properties, by RTM_GETLINK",
		.open = rtnetlink_open,
		.close = netlink_close,
		.operations = { [RCX_CALL] = { .run = rtnetlink_call, FIXED } },
	},
	{
		.name = "genetlink",
		.summary = "the controller's family, by CTRL_CMD_GETFAMILY",
		.open = genetlink_open,
		.close = netlink_close,
		.operations = { [RCX_CALL] = { .run = genetlink_call, FIXED } },
	},
	{
		.name = "multicast",
		.summary = "set a device's alias, receive the report in its group",
		.open = multicast_open,
		.close = netlink_close,
		.single_threaded_reason = "All members of the group receive each other's changes.",
		.operations = { [RCX_CALL] = { .run = rtnetlink_call, FIXED } },
	},
	{
		.name = "seccomp",
		.summary = "a system call of a process, answered by the holder of a listener",
		.open = seccomp_open,
		.close = seccomp_close,
		.operations = { [RCX_UPCALL] = { .run = seccomp_upcall, NOTIFICATION } },
	},
	{
		.name = "seccomp-sync",
		.summary = "the same with synchronous wake-ups",
		.since = RCX_KERNEL(6, 6),
		.open = seccomp_sync_open,
		.close = seccomp_close,
		.operations = { [RCX_UPCALL] = { .run = seccomp_upcall, NOTIFICATION } },
	},
	{
		.name = "fuse",
		.summary = "an ioctl on a file of a file system that this process serves",
		.open = fuse_open,
		.close = fuse_close,
		.operations = {
			[RCX_UPCALL] = { .run = fuse_upcall, .max = FUSE_IOCTL_MAX - RCX_HEADER,
					.limit = "A command number has 14 bits for the size of its argument.",
					.waits = RCX_WAIT_ANY },
		},
	},
	{ }
};

static const struct rcx_channel stock_channel = {
	.name = "stock",
	.summary = "Existing interfaces of the kernel, for comparison",
	.needs = "?fuse",
	.flags = RCX_BASELINE,
	.since = "2.2: /proc, options and rtnetlink; sysfs since 2.6.0, debugfs since 2.6.11, "
		 "FUSE since 2.6.14, generic netlink since 2.6.15, seccomp's notifications since "
		 "5.0, BTF in sysfs since 5.4",
	.modes = stock_modes,
	.classes = (const char *const[]){ "FUSE: fuse_* __fuse_*", NULL },
	.unsupported_reason = {
		[RCX_NOTIFY] = "A message that the kernel itself starts has no timestamp of ringcross.",
		[RCX_STREAM] = "The kernel does not emit its own messages at a given rate.",
		[RCX_DUMP] = "The records of the kernel's own tables have other lengths and contents, and their number cannot be set.",
	},
};
RCX_CHANNEL(stock_channel);
