// SPDX-License-Identifier: GPL-2.0-only
/* Threads that interfere, children that are killed, and the user nobody. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "hostile.h"

#define NOBODY	  65534
#define SETTLE_MS 50	/* until another thread or process sleeps */
#define END_MS	  2000	/* until another thread or process ends */
#define OTHER_MS  10000 /* deadline for the work of a child */

static void pause_ms(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* ---- a thread that overwrites memory ----------------------------------- */

/* Values for a kernel half that checks a word in user memory and then reads it again. */
/* clang-format off */
static const uint32_t wrong_values[] = {
	0, 1, 7, RCX_HEADER, RCX_HEADER + 64, 4096, RCX_BODY_MAX, RCX_BODY_MAX + 1,
	1u << 24, INT32_MAX, 1u << 31, UINT32_MAX - 63, UINT32_MAX,
};
/* clang-format on */
#define WRONG_VALUES (sizeof(wrong_values) / sizeof(wrong_values[0]))

/*
 * Each word is restored, so that some messages are accepted.  Most turns are quick, to hit the
 * short time between two reads on another CPU.  In some turns the thread yields while the word
 * is wrong, or right, for a reader on the same CPU.
 */
static void *overwrite_words(void *arg)
{
	struct rcx_overwriter *s = arg;
	uint32_t random = 1;

	for (uint32_t turn = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); turn++) {
		volatile uint32_t *word = &s->words[(random >> 16) % s->count];
		uint32_t was = *word;

		random = random * 1664525 + 1013904223;
		*word = wrong_values[(random >> 8) % WRONG_VALUES];
		if (turn % 32 == 15)
			sched_yield();
		*word = was;
		if (turn % 32 == 31)
			sched_yield();
	}
	return NULL;
}

void rcx_overwrite(struct rcx_hostile *h, struct rcx_overwriter *s, volatile void *words,
		   uint32_t count)
{
	*s = (struct rcx_overwriter){ .words = words, .count = count };
	s->running = !pthread_create(&s->thread, NULL, overwrite_words, s);
	if (!s->running)
		rcx_expect_true(h, "start a thread", false);
}

void rcx_overwrite_end(struct rcx_overwriter *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	if (s->running)
		pthread_join(s->thread, NULL);
}

/* ---- a thread that sleeps ---------------------------------------------- */

static void on_interrupt(int signo)
{
	(void)signo;
}

static void *sleep_in(void *arg)
{
	struct rcx_sleeper *s = arg;

	s->result = s->call(s->arg);
	s->error = errno;
	return NULL;
}

void rcx_sleep_in(struct rcx_hostile *h, struct rcx_sleeper *s, long (*call)(void *arg), void *arg)
{
	*s = (struct rcx_sleeper){ .call = call, .arg = arg };
	s->running = !pthread_create(&s->thread, NULL, sleep_in, s);
	if (!s->running)
		rcx_expect_true(h, "start a thread", false);
	pause_ms(SETTLE_MS);
}

void rcx_sleeper_interrupt(struct rcx_sleeper *s)
{
	/* Without SA_RESTART, so that the call returns EINTR. */
	const struct sigaction action = { .sa_handler = on_interrupt };

	sigaction(SIGUSR2, &action, NULL);
	if (s->running)
		pthread_kill(s->thread, SIGUSR2);
}

long rcx_sleeper_end(struct rcx_sleeper *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_MS / 1000;
	if (!s->running || pthread_timedjoin_np(s->thread, NULL, &until)) {
		errno = ETIMEDOUT;
		return -1;
	}
	errno = s->error;
	return s->result;
}

long rcx_in_three_threads(struct rcx_hostile *h, long (*call)(void *arg), void *arg)
{
	struct rcx_sleeper threads[3];
	long sum = 0;

	for (int i = 0; i < 3; i++)
		rcx_sleep_in(h, &threads[i], call, arg);
	for (int i = 0; i < 3; i++)
		sum += rcx_sleeper_end(&threads[i]);
	return sum;
}

/* ---- children ---------------------------------------------------------- */

/* Wait for @pid at most @ms.  1 when it has ended, with its @status, else 0. */
static int wait_for_exit(pid_t pid, int *status, int ms)
{
	while (ms--) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return 1;
		pause_ms(1);
	}
	return 0;
}

void rcx_try_kill(struct rcx_hostile *h, const char *name, long (*call)(void *arg), void *arg)
{
	pid_t pid = fork();
	int status = 0;
	bool stays;

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		call(arg);
		_exit(0);
	}
	stays = pid > 0 && !wait_for_exit(pid, &status, SETTLE_MS);
	if (stays)
		kill(pid, SIGKILL);
	rcx_expect_true(h, name,
			stays && wait_for_exit(pid, &status, END_MS) && WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGKILL);
}

struct job {
	struct rcx_hostile *h;
	void (*work)(struct rcx_hostile *h, void *arg);
	void *arg;
};

static void do_job(void *arg)
{
	const struct job *job = arg;

	job->work(job->h, job->arg);
}

void rcx_in_other(struct rcx_hostile *h, const char *name,
		  void (*work)(struct rcx_hostile *h, void *arg), void *arg)
{
	struct job job = { h, work, arg };
	char reason[128];

	rcx_expect_true(h, name, rcx_in_child(do_job, &job, OTHER_MS, reason, sizeof(reason)));
}

static void as_nobody(void *arg)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
	/* Changing the user has cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	do_job(arg);
}

void rcx_as_nobody(struct rcx_hostile *h, void (*work)(struct rcx_hostile *h, void *arg), void *arg)
{
	struct job job = { h, work, arg };
	char reason[128];

	rcx_expect_true(h, "the other user's process ends by itself",
			rcx_in_child(as_nobody, &job, OTHER_MS, reason, sizeof(reason)));
}

static void open_as_nobody(struct rcx_hostile *h, void *arg)
{
	const char *path = arg;

	rcx_expect_either(h, "another user opens for reading", open(path, O_RDONLY), EACCES, EPERM);
	rcx_expect_either(h, "another user opens for writing", open(path, O_WRONLY), EACCES, EPERM);
	rcx_expect_either(h, "another user opens for both", open(path, O_RDWR), EACCES, EPERM);
}

void rcx_try_nobody_opens(struct rcx_hostile *h, const char *path)
{
	rcx_as_nobody(h, open_as_nobody, (void *)(uintptr_t)path);
}
