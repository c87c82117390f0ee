/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Seccomp user notification: a filter stops a system call of a process, and the holder of the
 * listener decides what it returns.  getppid() is stopped; its first argument, which it ignores,
 * is the number of the request.
 */
#ifndef RCX_STOCK_SECCOMP_H
#define RCX_STOCK_SECCOMP_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include "asker.h"

/* Since 6.6; older headers do not have it. */
#define SECCOMP_SET_FLAGS _IOW('!', 4, __u64)
#define SECCOMP_SYNC	  1ull

/* What a request returns: its number, changed, and above 0 so that it is no errno. */
static inline long seccomp_reply(uint64_t number)
{
	return (long)((~number & 0x3fffffff) + 1);
}

static int seccomp_begin(struct asker *asker)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	asker->fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				 SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return asker->fd < 0 ? -1 : 0;
}

static int seccomp_ask(struct asker *asker, uint64_t number)
{
	long reply = syscall(SYS_getppid, number);

	asker->error = reply == seccomp_reply(number) ? 0 : EBADMSG;
	return reply < 0 ? -1 : 0;
}

static bool seccomp_check(struct asker *asker, uint64_t number)
{
	(void)number;
	return !asker->error;
}

static int seccomp_open(struct rcx_session *s)
{
	static const struct asker hooks = {
		.begin = seccomp_begin,
		.ask = seccomp_ask,
		.check = seccomp_check,
		.shares_files = true, /* so that its listener is also ours */
		.fd = -1,
	};
	struct asker *asker;

	if (asker_start(s, &hooks))
		return -1;
	asker = s->priv;
	while (asker_state(asker) == ASKER_BUSY)
		asker_sleep(&asker->state, ASKER_BUSY);
	s->fd = asker->fd;
	if (s->fd < 0 && (asker->error == EINVAL || asker->error == ENOSYS))
		return rcx_skip(s, "This kernel has no seccomp filter (CONFIG_SECCOMP_FILTER).");
	return asker_wait(s);
}

static int seccomp_sync_open(struct rcx_session *s)
{
	if (seccomp_open(s))
		return -1;
	return ioctl(s->fd, SECCOMP_SET_FLAGS, SECCOMP_SYNC) ?
		       rcx_fail_errno(s, "set the flags of the listener") :
		       0;
}

/* Without its listener, a stopped system call fails with ENOSYS. */
static void seccomp_close(struct rcx_session *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	asker_stop(s);
}

static inline int seccomp_serve(struct rcx_session *s, bool polls)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct seccomp_notif request;
	struct seccomp_notif_resp reply = { 0 };
	uint64_t number = s->seen++;

	if (polls)
		poll(&pfd, 1, -1);
	memset(&request, 0, sizeof(request)); /* the kernel requires it */
	if (ioctl(s->fd, SECCOMP_IOCTL_NOTIF_RECV, &request))
		return rcx_fail_errno(s, "receive a notification");
	if (request.data.nr != SYS_getppid || request.data.args[0] != number)
		return rcx_fail(s, "request %llu arrived where %llu was expected",
				(unsigned long long)request.data.args[0],
				(unsigned long long)number);
	reply.id = request.id;
	reply.val = seccomp_reply(number);
	s->sent++;
	return ioctl(s->fd, SECCOMP_IOCTL_NOTIF_SEND, &reply) ?
		       rcx_fail_errno(s, "send a reply") :
		       0;
}

static int seccomp_upcall(struct rcx_session *s, uint64_t n)
{
	bool polls = rcx_polls(s);

	if (asker_go(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (seccomp_serve(s, polls))
			return -1;
	return asker_asked(s, n);
}

#endif /* RCX_STOCK_SECCOMP_H */
