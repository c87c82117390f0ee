// SPDX-License-Identifier: GPL-2.0-only
/* Any user may open a socket, and the length of a get is in memory that its owner writes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY	64u
#define WHOLE	(RCX_HEADER + BODY)
#define LARGEST (RCX_HEADER + RCX_BODY_MAX)

static int open_socket(struct rcx_hostile *h)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	rcx_expect(h, "socket", fd, 0);
	return fd;
}

static long set(void *arg, const struct rcx_msg *msg, size_t len)
{
	return setsockopt(*(int *)arg, IPPROTO_IP, RCX_SOCKOPT_PUSH, msg, (socklen_t)len);
}

static long get(int fd, int option, void *at, uint32_t len)
{
	socklen_t in_out = len;

	return getsockopt(fd, IPPROTO_IP, option, at, &in_out) ? -1 : (long)in_out;
}

/* A call overwrites its buffer, so send a copy: @msg must not change. */
static long call(void *arg, const struct rcx_msg *msg, size_t len)
{
	static struct rcx_msg *copy;
	static unsigned char room[LARGEST + 4096] __attribute__((aligned(8)));

	copy = (struct rcx_msg *)room;
	memcpy(copy, msg, len);
	return get(*(int *)arg, RCX_SOCKOPT_CALL, copy, (uint32_t)len);
}

/* ---- numbers and levels -------------------------------------------------- */

static void try_numbers(struct rcx_hostile *h)
{
	static const int near[] = { RCX_SOCKOPT_BASE - 1, RCX_SOCKOPT_GET_MAX + 1, INT_MAX,
				    INT_MIN };
	struct rcx_outcomes outcomes = { 0 };
	int fd = open_socket(h);

	rcx_topic(h, "options");
	rcx_core_bind(h, "", BODY, true);
	rcx_good_message(h, BODY, 0);
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		rcx_note(&outcomes, setsockopt(fd, IPPROTO_IP, near[i], h->message, WHOLE),
			 ENOPROTOOPT);
		rcx_note(&outcomes, get(fd, near[i], h->message, WHOLE), ENOPROTOOPT);
	}
	rcx_note(&outcomes, setsockopt(fd, IPPROTO_IP, RCX_SOCKOPT_CALL, h->message, WHOLE),
		 ENOPROTOOPT);
	rcx_expect_outcomes(h, "unknown ones", &outcomes);
	rcx_expect_value(h, "unknown ones refused", (long)outcomes.refused, 9);
	rcx_expect(h, "at the level of sockets",
		   setsockopt(fd, SOL_SOCKET, RCX_SOCKOPT_PUSH, h->message, WHOLE), ENOPROTOOPT);
	rcx_expect(h, "at the level of UDP",
		   setsockopt(fd, IPPROTO_UDP, RCX_SOCKOPT_PUSH, h->message, WHOLE), ENOPROTOOPT);
	rcx_expect(h, "at an unknown level",
		   setsockopt(fd, 4711, RCX_SOCKOPT_PUSH, h->message, WHOLE), ENOPROTOOPT);
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);
	close(fd);
}

/* Every kind of socket that uses IPv4 reaches the handlers, and no other kind. */
static void try_sockets(struct rcx_hostile *h)
{
	static const struct {
		const char *name;
		int domain, type, protocol, want;
	} kinds[] = {
		{ "UDP", AF_INET, SOCK_DGRAM, 0, 0 },
		{ "TCP", AF_INET, SOCK_STREAM, 0, 0 },
		{ "raw", AF_INET, SOCK_RAW, IPPROTO_ICMP, 0 },
		{ "UDP over IPv6", AF_INET6, SOCK_DGRAM, 0, 0 },
		{ "local", AF_UNIX, SOCK_DGRAM, 0, EOPNOTSUPP },
		{ "netlink", AF_NETLINK, SOCK_RAW, 0, ENOPROTOOPT },
	};
	uint64_t seq = 0;

	rcx_topic(h, "sockets");
	rcx_core_bind(h, "", BODY, true);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int fd = socket(kinds[i].domain, kinds[i].type | SOCK_CLOEXEC, kinds[i].protocol);

		rcx_expect(h, kinds[i].name, set(&fd, rcx_good_message(h, BODY, seq), WHOLE),
			   kinds[i].want);
		seq += !kinds[i].want;
		close(fd);
	}
}

/* ---- lengths ------------------------------------------------------------- */

static void try_lengths(struct rcx_hostile *h, int fd)
{
	rcx_topic(h, "lengths");
	rcx_core_bind(h, "", BODY, true);
	rcx_good_message(h, BODY, 0);
	rcx_expect(h, "set, below 0", set(&fd, h->message, (size_t)-1), EINVAL);
	rcx_expect(h, "set, the smallest int", set(&fd, h->message, 1ul << 31), EINVAL);
	rcx_expect(h, "set, 2 GiB", set(&fd, h->message, INT_MAX), EMSGSIZE);
	rcx_expect(h, "call, below 0", get(fd, RCX_SOCKOPT_CALL, h->message, UINT32_MAX), EINVAL);
	rcx_expect(h, "call, 2 GiB", get(fd, RCX_SOCKOPT_CALL, h->message, INT_MAX), EMSGSIZE);
	rcx_expect(h, "pull, below 0", get(fd, RCX_SOCKOPT_PULL, h->message, UINT32_MAX), EINVAL);
	rcx_expect(h, "pull, nothing", get(fd, RCX_SOCKOPT_PULL, h->message, 0), EINVAL);
	rcx_expect(h, "pull, a byte less than a header",
		   get(fd, RCX_SOCKOPT_PULL, h->message, RCX_HEADER - 1), EINVAL);
	rcx_expect(h, "pull, a byte less than the message",
		   get(fd, RCX_SOCKOPT_PULL, h->message, WHOLE - 1), EMSGSIZE);
	rcx_expect_value(h, "made of all these", (long)rcx_core_counts(h).made, 0);
	rcx_expect_value(h, "pull, room for 2 GiB", get(fd, RCX_SOCKOPT_PULL, h->message, INT_MAX),
			 WHOLE);
	rcx_expect_true(h, "the message is complete",
			!h->message->seq && rcx_is_whole(h->message, BODY, true));
	rcx_core_bind(h, "", RCX_BODY_MAX, true);
	rcx_expect_value(h, "pull, the largest", get(fd, RCX_SOCKOPT_PULL, h->message, LARGEST),
			 LARGEST);
}

/* Another thread overwrites the length while the kernel reads it twice. */
static void try_changing_length(struct rcx_hostile *h, int fd, int option)
{
	struct rcx_overwriter overwriter;
	static volatile uint32_t len;
	long wrong = 0, fine = 0;

	rcx_topic(h, "a length overwritten meanwhile");
	rcx_core_bind(h, "", BODY, true);
	rcx_overwrite(h, &overwriter, &len, 1);
	for (int i = 0; i < 500; i++) {
		rcx_good_message(h, BODY, (uint64_t)fine);
		len = WHOLE;
		usleep(1);
		if (!getsockopt(fd, IPPROTO_IP, option, h->message, (socklen_t *)(uintptr_t)&len))
			fine++;
		else if (errno != EINVAL && errno != EMSGSIZE && errno != EBADMSG &&
			 errno != EFAULT)
			wrong++;
	}
	rcx_overwrite_end(&overwriter);
	rcx_expect_value(h,
			 option == RCX_SOCKOPT_CALL ? "call, other errors" : "pull, other errors",
			 wrong, 0);
	rcx_core_bind(h, "", BODY, true);
	rcx_expect(h, "a good one after it", set(&fd, rcx_good_message(h, BODY, 0), WHOLE), 0);
}

/* ---- messages ------------------------------------------------------------ */

static long set_at(void *arg, void *at)
{
	return setsockopt(*(int *)arg, IPPROTO_IP, RCX_SOCKOPT_PUSH, at, WHOLE);
}

static long call_at(void *arg, void *at)
{
	return get(*(int *)arg, RCX_SOCKOPT_CALL, at, WHOLE);
}

static long pull_at(void *arg, void *at)
{
	return get(*(int *)arg, RCX_SOCKOPT_PULL, at, WHOLE);
}

/* One byte further: at the edge of a mapping there is room for exactly one length. */
static long len_at(void *arg, void *at)
{
	static char room[WHOLE];

	return getsockopt(*(int *)arg, IPPROTO_IP, RCX_SOCKOPT_PULL, room,
			  (socklen_t *)((uintptr_t)at + 1));
}

static struct rcx_sender sender(int *fd, long (*send)(void *, const struct rcx_msg *, size_t))
{
	return (struct rcx_sender){
		.send = send,
		.arg = fd,
		.body_max = RCX_BODY_MAX,
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EMSGSIZE,
	};
}

static void try_reply(struct rcx_hostile *h, int fd, uint64_t seq, bool validate)
{
	rcx_good_message(h, BODY, seq);
	rcx_expect_value(h, "a request", get(fd, RCX_SOCKOPT_CALL, h->message, WHOLE), WHOLE);
	rcx_expect_true(h, "its reply", rcx_is_reply(h->message, BODY, seq, validate));
	rcx_expect(h, "the reply as a request", get(fd, RCX_SOCKOPT_CALL, h->message, WHOLE),
		   EBADMSG);
}

static void try_messages(struct rcx_hostile *h, int fd, bool validate)
{
	struct rcx_sender sets = sender(&fd, set), calls = sender(&fd, call);

	rcx_bind_topic(h, "set", BODY, validate);
	rcx_try_messages(h, &sets, validate);
	rcx_try_overwritten(h, &sets, BODY, 200);
	rcx_try_addresses(h, "a message", RCX_KERNEL_READS, set_at, &fd);

	rcx_topic(h, "call%s", validate ? " in validation" : "");
	calls.seq = sets.seq;
	rcx_try_messages(h, &calls, validate);
	try_reply(h, fd, calls.seq, validate);
	rcx_try_addresses(h, "a message", RCX_KERNEL_READS, call_at, &fd);

	rcx_topic(h, "pull%s", validate ? " in validation" : "");
	rcx_try_addresses(h, "room", RCX_KERNEL_WRITES, pull_at, &fd);
	rcx_try_addresses(h, "a length", RCX_KERNEL_READS, len_at, &fd);
}

/* ---- several at once ----------------------------------------------------- */

struct puller {
	int fd;
	long pulled;
	bool stop;
	unsigned char room[70000];
};

/* Sequence numbers need not be in order here: another thread pulls as well. */
static long pull_on(void *arg)
{
	struct puller *puller = arg;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		long len = get(puller->fd, RCX_SOCKOPT_PULL, puller->room, sizeof(puller->room));
		struct rcx_msg *msg = (struct rcx_msg *)puller->room;

		if (len < 0 || (uint32_t)len != RCX_HEADER + msg->size ||
		    rcx_body_check(msg->body, msg->size, msg->seq, 0) != msg->size)
			return -1;
		__atomic_add_fetch(&puller->pulled, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/* Two threads share the buffer while binds change its size: each message is complete. */
static void try_sharing(struct rcx_hostile *h)
{
	static struct puller pullers[2];
	struct rcx_sleeper threads[2];
	uint32_t binds = 0;

	rcx_topic(h, "two at once");
	rcx_core_bind(h, "", BODY, true);
	for (int i = 0; i < 2; i++) {
		pullers[i].fd = open_socket(h);
		rcx_sleep_in(h, &threads[i], pull_on, &pullers[i]);
	}
	/* At least some binds, even if the threads are fast, but not endless ones if they hang. */
	for (pullers[0].pulled = 0;
	     binds < 10 ||
	     (__atomic_load_n(&pullers[0].pulled, __ATOMIC_RELAXED) < 50 && binds < 100000);
	     binds++) {
		rcx_core_bind(h, "", binds & 1 ? 3000 : 60000, true);
		sched_yield();
	}
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&pullers[i].stop, true, __ATOMIC_RELAXED);
	rcx_expect(h, "the first thread gets complete messages", rcx_sleeper_end(&threads[0]), 0);
	rcx_expect(h, "the second thread gets complete messages", rcx_sleeper_end(&threads[1]), 0);
	rcx_expect_true(h, "while the size changed", binds > 1);
	for (int i = 0; i < 2; i++)
		close(pullers[i].fd);
}

/* A set of the message at @page. */
struct setter {
	int fd;
	void *page;
};

static long set_page(void *arg)
{
	const struct setter *setter = arg;

	return setsockopt(setter->fd, IPPROTO_IP, RCX_SOCKOPT_PUSH, setter->page, WHOLE);
}

static long bind_again(void *arg)
{
	return rcx_core_bind(arg, "", BODY, true) ? 0 : -1;
}

/* One caller is stuck in the copy and holds the lock; others can stop waiting for it. */
static void try_stuck(struct rcx_hostile *h, int fd)
{
	struct setter stuck = { .fd = fd }, behind = { fd, h->message };
	struct rcx_late_page late;
	struct rcx_sleeper threads[2];

	rcx_topic(h, "behind a stuck caller");
	rcx_core_bind(h, "", BODY, true);
	stuck.page = rcx_late_page(h, &late);
	rcx_good_message(h, BODY, 0);
	rcx_sleep_in(h, &threads[0], set_page, &stuck);
	rcx_sleep_in(h, &threads[1], set_page, &behind);
	rcx_sleeper_interrupt(&threads[1]);
	rcx_expect(h, "another caller is interrupted", rcx_sleeper_end(&threads[1]), EINTR);
	rcx_try_kill(h, "another caller is killed", set_page, &behind);
	rcx_try_kill(h, "a bind is killed", bind_again, h);
	rcx_late_page_provide(h, &late);
	rcx_expect(h, "the stuck one is no message", rcx_sleeper_end(&threads[0]), EBADMSG);
	rcx_expect(h, "a good one after it", set_page(&behind), 0);
}

/* ---- others -------------------------------------------------------------- */

static void refused(struct rcx_hostile *h, int fd, const char *caller)
{
	rcx_topic(h, "%s", caller);
	rcx_expect(h, "set", set(&fd, rcx_good_message(h, BODY, 0), WHOLE), EPERM);
	rcx_expect(h, "call", get(fd, RCX_SOCKOPT_CALL, h->message, WHOLE), EPERM);
	rcx_expect(h, "pull", get(fd, RCX_SOCKOPT_PULL, h->message, WHOLE), EPERM);
	rcx_expect(h, "dump", get(fd, RCX_SOCKOPT_DUMP, h->message, WHOLE), EPERM);
	rcx_expect(h, "set of nothing", set(&fd, h->message, 0), EPERM);
}

static void without_right(struct rcx_hostile *h, void *arg)
{
	int fd = *(int *)arg, own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	refused(h, fd, "another user, on a socket of root");
	refused(h, own, "another user");
	rcx_expect(h, "become root of namespaces", unshare(CLONE_NEWUSER | CLONE_NEWNET), 0);
	refused(h, own, "another user, root of a namespace");
	refused(h, socket(AF_INET, SOCK_DGRAM, 0), "another user, on a socket in it");
}

/* The state is shared: root continues the sequence from any namespace. */
static void elsewhere(struct rcx_hostile *h, void *arg)
{
	int fd;

	(void)arg;
	rcx_expect(h, "leave the namespace", unshare(CLONE_NEWNET), 0);
	fd = open_socket(h);
	rcx_expect(h, "number 1 after number 0", set(&fd, rcx_good_message(h, BODY, 1), WHOLE), 0);
}

static void try_others(struct rcx_hostile *h, int fd)
{
	rcx_topic(h, "others");
	rcx_core_bind(h, "", BODY, true);
	rcx_as_nobody(h, without_right, &fd);
	rcx_topic(h, "others");
	rcx_expect_value(h, "consumed of all these", (long)rcx_core_counts(h).consumed, 0);
	rcx_expect_value(h, "made of all these", (long)rcx_core_counts(h).made, 0);
	rcx_expect(h, "our socket still works", set(&fd, rcx_good_message(h, BODY, 0), WHOLE), 0);
	rcx_topic(h, "another network namespace");
	rcx_in_other(h, "a process there ends well", elsewhere, NULL);
}

/* ---- dumps ------------------------------------------------------------------- */

#define RECORDS 200u /* four pages */
#define TABLE	(RECORDS * RCX_RECORD)

static long dump_at(void *arg, void *at)
{
	return get(*(int *)arg, RCX_SOCKOPT_DUMP, at, TABLE) == TABLE ? 0 : -1;
}

static void try_dump(struct rcx_hostile *h, int fd)
{
	struct rcx_record *table = (struct rcx_record *)h->message;

	rcx_topic(h, "dump");
	rcx_core_bind_table(h, RECORDS);
	rcx_expect_value(h, "a good one", get(fd, RCX_SOCKOPT_DUMP, table, TABLE), TABLE);
	rcx_expect_true(h, "it is whole", rcx_is_table(table, RECORDS, 0));
	rcx_expect_value(h, "with more room", get(fd, RCX_SOCKOPT_DUMP, table, TABLE + 999), TABLE);
	rcx_expect_true(h, "is the next", rcx_is_table(table, RECORDS, 1));
	rcx_expect(h, "a byte too short", get(fd, RCX_SOCKOPT_DUMP, table, TABLE - 1), ENOSPC);
	rcx_expect(h, "no room", get(fd, RCX_SOCKOPT_DUMP, table, 0), ENOSPC);
	rcx_expect(h, "less than no room", get(fd, RCX_SOCKOPT_DUMP, table, UINT32_MAX), EINVAL);
	rcx_try_addresses(h, "array", RCX_KERNEL_WRITES, dump_at, &fd);
	rcx_expect(h, "set", setsockopt(fd, IPPROTO_IP, RCX_SOCKOPT_DUMP, table, TABLE),
		   ENOPROTOOPT);
	rcx_core_bind_table(h, 0);
	rcx_expect_value(h, "without a table", get(fd, RCX_SOCKOPT_DUMP, table, TABLE), 0);
}

static void sockopt_hostile(struct rcx_hostile *h)
{
	int fd = open_socket(h);

	try_numbers(h);
	try_sockets(h);
	try_lengths(h, fd);
	try_changing_length(h, fd, RCX_SOCKOPT_PULL);
	try_changing_length(h, fd, RCX_SOCKOPT_CALL);
	for (int validate = 0; validate < 2; validate++)
		try_messages(h, fd, validate);
	try_sharing(h);
	try_stuck(h, fd);
	try_dump(h, fd);
	try_others(h, fd);
	close(fd);
}
RCX_HOSTILE(sockopt, sockopt_hostile);
