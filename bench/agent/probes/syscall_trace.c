// SPDX-License-Identifier: GPL-2.0-only
/* Trace the system calls of a session process between a command and its report, with ptrace. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "probe.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* Continue @pid with @request and deliver @sig.  Returns the status of its next stop, or -1. */
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

/* Continue to the next entry or exit of a system call; deliver signals on the way. */
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

static bool is_report(const struct rcx_process *process, const struct rcx_syscall *call)
{
	return call->number == SYS_sendto && (int)call->first == process->child_fd;
}

/* The recv() that received the command; it does not belong to the operation. */
static bool is_order(const struct rcx_process *process, const struct rcx_syscall *call)
{
	return call->number == SYS_recvfrom && (int)call->first == process->child_fd;
}

static int attach(struct rcx_process *process)
{
	int status;

	if (ptrace(PTRACE_SEIZE, process->pid, 0L, (long)PTRACE_O_TRACESYSGOOD) ||
	    ptrace(PTRACE_INTERRUPT, process->pid, 0L, 0L))
		return -1;
	return waitpid(process->pid, &status, __WALL) == process->pid && WIFSTOPPED(status) ?
		       0 :
		       -1;
}

const struct rcx_syscalls *rcx_process_trace(struct rcx_process *process, enum rcx_command order,
					     uint64_t n, uint32_t most)
{
	static struct rcx_syscalls calls;
	struct __ptrace_syscall_info info;
	struct rcx_syscall call = { .number = SYS_recvfrom, .first = (uint64_t)process->child_fd };

	calls.count = 0;
	if (attach(process))
		return NULL;
	rcx_process_send(process, order, n);
	while (calls.count < most && calls.count < RCX_SYSCALLS_MAX) {
		if (next_stop(process->pid, &info))
			return NULL;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
			call = (struct rcx_syscall){
				.number = info.entry.nr,
				.first = info.entry.args[0],
				.third = info.entry.args[2],
			};
			if (is_report(process, &call))
				break;
		} else if (info.op == PTRACE_SYSCALL_INFO_EXIT && !is_order(process, &call)) {
			call.result = info.exit.rval;
			calls.call[calls.count++] = call;
		}
	}
	return ptrace(PTRACE_DETACH, process->pid, 0L, 0L) ? NULL : &calls;
}
