// SPDX-License-Identifier: GPL-2.0-only
/*
 * A session in a process of its own, which does what it is told: a second reader,
 * one that is killed, one that is somebody else, one that is watched.
 *
 * Only one process may hold ringcross_core's device, so the probe binds it and the process
 * inherits that; the mode itself is opened by the process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "probe.h"

struct command {
	enum rcx_command order;
	uint64_t n;
};

static void fill_report(struct rcx_report *report, const struct rcx_session *s, int err)
{
	*report = (struct rcx_report){
		.err = err,
		.code = s->code,
		.delivered = s->delivered,
		.overruns = s->overruns,
	};
	memcpy(report->error, s->error, sizeof(report->error));
}

/* A hook may be called again after it failed: that is what a probe wants to see. */
static void forget(struct rcx_session *s)
{
	s->error[0] = '\0';
	s->code = 0;
	s->delivered = s->lost = s->reordered = s->duplicated = s->overruns = 0;
	s->latencies = 0;
}

static int obey(struct rcx_session *s, const struct command *command)
{
	s->silent = command->order == RCX_DO_WAIT;
	/* Whatever comes next is the one that is due; to a log, all are. */
	if (s->silent && !s->log)
		s->seen = s->page ? s->page->emitted : 0;
	return s->mode->operations[s->op].run(s, command->n);
}

static void serve(struct rcx_session *s, int fd) __attribute__((noreturn));

static void serve(struct rcx_session *s, int fd)
{
	struct command command;
	struct rcx_report report;

	fill_report(&report, s, s->mode->open(s));
	/* Nothing between recv() and send() but the hook: calls are counted there. */
	while (send(fd, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report) &&
	       recv(fd, &command, sizeof(command), 0) == sizeof(command)) {
		forget(s);
		fill_report(&report, s, obey(s, &command));
	}
	_exit(0);
}

int rcx_process_start(struct rcx_process *process, const struct rcx_session *bound,
		  void (*before)(void *), void *arg, struct rcx_report *report)
{
	struct rcx_session s = *bound;
	int fds[2];

	memset(report, 0, sizeof(*report));
	report->err = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		snprintf(report->error, sizeof(report->error), "socketpair: %s", strerror(errno));
		process->pid = process->fd = -1;
		return -1;
	}
	process->pid = fork();
	if (!process->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		if (before)
			before(arg);
		serve(&s, fds[1]);
	}
	close(fds[1]);
	process->fd = fds[0];
	process->child_fd = fds[1];
	if (process->pid < 0 || rcx_process_report(process, report, RCX_WAIT_MS) != 1) {
		if (!report->error[0])
			snprintf(report->error, sizeof(report->error), "open did not return");
		return -1;
	}
	return report->err;
}

void rcx_process_send(struct rcx_process *process, enum rcx_command order, uint64_t n)
{
	const struct command command = { order, n };

	send(process->fd, &command, sizeof(command), MSG_NOSIGNAL);
}

int rcx_process_report(struct rcx_process *process, struct rcx_report *report, int ms)
{
	struct pollfd pfd = { .fd = process->fd, .events = POLLIN };

	if (poll(&pfd, 1, ms) != 1)
		return 0;
	return recv(process->fd, report, sizeof(*report), 0) == sizeof(*report) ? 1 : -1;
}

int rcx_process_do(struct rcx_process *process, enum rcx_command order, uint64_t n,
	       struct rcx_report *report, int ms)
{
	rcx_process_send(process, order, n);
	return rcx_process_report(process, report, ms);
}

void rcx_process_kill(struct rcx_process *process)
{
	if (process->pid > 0) {
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
	}
	if (process->fd >= 0)
		close(process->fd);
	process->pid = process->fd = -1;
}
