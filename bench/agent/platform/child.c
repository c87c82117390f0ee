// SPDX-License-Identifier: GPL-2.0-only
/* Do work in a child, which may crash, hang or be killed without harm to the agent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "agent.h"

/* A killed child that has not exited after this time is in an uninterruptible sleep. */
#define REAP_MS 2000

static bool was_late;

bool rcx_was_late(void)
{
	return was_late;
}

static int64_t now_ms(void)
{
	return (int64_t)(rcx_read_clock(CLOCK_MONOTONIC) / 1000000);
}

/* Wait for @pid at most @ms.  True when it has exited, with its @status. */
static bool wait_for_exit(pid_t pid, int *status, uint32_t ms)
{
	int64_t end = now_ms() + ms;
	sigset_t chld;
	pid_t got;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		/* Another child's SIGCHLD wakes this wait too, so the rest is counted anew. */
		int64_t left = end > now_ms() ? end - now_ms() : 0;
		struct timespec rest = { .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 };

		got = waitpid(pid, status, WNOHANG);
		if (got == pid)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (sigtimedwait(&chld, NULL, &rest) < 0 && errno == EAGAIN)
			return waitpid(pid, status, WNOHANG) == pid;
	}
}

bool rcx_in_child(void (*work)(void *), void *arg, uint32_t deadline_ms, char *reason, size_t len)
{
	sigset_t chld, before;
	bool ended;
	int status;
	pid_t pid;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &before);

	was_late = false;
	pid = fork();
	if (pid < 0) {
		snprintf(reason, len, "cannot fork: %s", strerror(errno));
		goto out_mask;
	}
	if (!pid) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rcx_answer_release_port();
		work(arg);
		_exit(0);
	}
	ended = wait_for_exit(pid, &status, deadline_ms);
	was_late = !ended;
	if (!ended) {
		kill(pid, SIGKILL);
		snprintf(reason, len, "did not end within %u ms%s", deadline_ms,
			 wait_for_exit(pid, &status, REAP_MS) ? "" : " and cannot be killed");
	} else if (WIFSIGNALED(status)) {
		snprintf(reason, len, "the user half was killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
		ended = false;
	} else if (WEXITSTATUS(status)) {
		snprintf(reason, len, "ended with status %d", WEXITSTATUS(status));
		ended = false;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ended;

out_mask:
	sigprocmask(SIG_SETMASK, &before, NULL);
	return false;
}
