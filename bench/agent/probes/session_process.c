// SPDX-License-Identifier: GPL-2.0-only
/*
 * A session in a process of its own, which a probe commands: a second reader, a reader that is
 * killed, a process of another user, a process whose system calls are traced.
 *
 * Only one process may have ringcross_core's device open.  So the probe binds it, and the
 * process inherits the descriptor.  The process opens the mode itself.
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

/* A probe may call a hook again after it has failed. */
static void reset_session(struct rcx_session *s)
{
	s->error[0] = '\0';
	s->code = 0;
	s->delivered = s->lost = s->reordered = s->duplicated = s->overruns = 0;
	s->latencies = 0;
}

static int run_command(struct rcx_session *s, const struct command *command)
{
	s->silent = command->order == RCX_DO_WAIT;
	/* The next event is the expected one, whatever its number; a log accepts all anyway. */
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
	/* Only the hook may make system calls between recv() and send(): they are counted there. */
	while (send(fd, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report) &&
	       recv(fd, &command, sizeof(command), 0) == sizeof(command)) {
		reset_session(s);
		fill_report(&report, s, run_command(s, &command));
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
