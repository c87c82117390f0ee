// SPDX-License-Identifier: GPL-2.0-only
/* What a peer asks of the kernel between an order and its report, by ptrace. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "probe.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* The next stop of @pid after @request, with @sig handed on; its status or -1. */
static int go_on(pid_t pid, enum __ptrace_request request, int sig)
{
	int status;

	if (ptrace(request, pid, 0L, (long)sig))
		return -1;
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -1;
	return WIFSTOPPED(status) ? status : -1;
}

/* The next entry or exit of a system call; signals on the way are delivered. */
static int next_stop(pid_t pid, struct __ptrace_syscall_info *info)
{
	int sig = 0;

	for (;;) {
		int status = go_on(pid, PTRACE_SYSCALL, sig);

		if (status < 0)
			return -1;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			break;
		sig = status >> 16 ? 0 : WSTOPSIG(status);
	}
	return ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(*info), info) > 0 ? 0 : -1;
}

static bool is_report(const struct rcx_peer *peer, const struct rcx_call *call)
{
	return call->number == SYS_sendto && (int)call->first == peer->far;
}

/* What the order itself takes: the end of the recv() that brought it. */
static bool is_order(const struct rcx_peer *peer, const struct rcx_call *call)
{
	return call->number == SYS_recvfrom && (int)call->first == peer->far;
}

static int attach(struct rcx_peer *peer)
{
	int status;

	if (ptrace(PTRACE_SEIZE, peer->pid, 0L, (long)PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, peer->pid, 0L, 0L))
		return -1;
	return waitpid(peer->pid, &status, __WALL) == peer->pid && WIFSTOPPED(status) ? 0 : -1;
}

const struct rcx_calls *rcx_peer_trace(struct rcx_peer *peer, enum rcx_order order, uint64_t n,
				     uint32_t most)
{
	static struct rcx_calls calls;
	struct __ptrace_syscall_info info;
	struct rcx_call call = { .number = SYS_recvfrom, .first = (uint64_t)peer->far };

	calls.count = 0;
	if (attach(peer))
		return NULL;
	rcx_peer_order(peer, order, n);
	while (calls.count < most && calls.count < RCX_CALLS_MAX) {
		if (next_stop(peer->pid, &info))
			return NULL;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			call = (struct rcx_call){
				.number = info.entry.nr,
				.first = info.entry.args[0],
				.third = info.entry.args[2],
			};
			if (is_report(peer, &call))
				break;
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && !is_order(peer, &call)) {
			call.result = info.exit.rval;
			calls.call[calls.count++] = call;
		}
	}
	return ptrace(PTRACE_DETACH, peer->pid, 0L, 0L) ? NULL : &calls;
}
