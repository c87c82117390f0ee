/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process that makes the kernel ask: each of its system calls waits until the measuring process,
 * which serves, has answered the kernel.
 *
 * The kernel's own facilities take no timestamp, so the asker takes them around its system call.
 * Like the producer of ringcross_core it has the lowest priority, and pauses before each request.
 *
 * It is not a thread: a thread that waits for a reply of FUSE cannot be killed, and would keep the
 * files of the process open, so that FUSE would not notice the death of the server.
 */
#ifndef RCX_STOCK_ASKER_H
#define RCX_STOCK_ASKER_H

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "channel.h"

#define ASKS_MAX 256 /* of one loop; the agent requests fewer */

/**
 * struct asker - the asking process, in memory that both share; stored in s->priv
 * @s: the session; the asker has a copy of it from the start
 * @begin: in the asker, before the first request.  0, or -1 with errno
 * @ask: make the kernel ask; returns when it has got the reply.  0, or -1 with errno
 * @check: check the reply, untimed: true if it is right
 * @shares_files: it shares the table of open files
 * @error: errno of @begin or @ask
 * @number: of the next request
 * @count: requests of this loop
 * @took: units that each of them took
 * @started: clock when the first of them began
 * @delay: pause before each request, in ns
 * @turn: a futex, incremented by the session for each loop, and at the end
 * @state: a futex: ASKER_*
 */
struct asker {
	struct rcx_session *s;
	int (*begin)(struct asker *asker);
	int (*ask)(struct asker *asker, uint64_t number);
	bool (*check)(struct asker *asker, uint64_t number);
	bool shares_files;
	pid_t pid;
	bool stop;
	int error;
	uint64_t delay;
	uint64_t number, count;
	uint64_t took[ASKS_MAX];
	uint64_t started;
	uint32_t turn, state;
	int fd;
	struct rcx_msg *message;
};

enum { ASKER_BUSY, ASKER_READY, ASKER_FAILED };

static inline void asker_sleep(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static inline void asker_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static inline uint32_t asker_state(struct asker *asker)
{
	return __atomic_load_n(&asker->state, __ATOMIC_ACQUIRE);
}

static inline int asker_ask(struct asker *asker, uint64_t i)
{
	const struct timespec pause = { .tv_nsec = (long)asker->delay };
	uint64_t number = asker->number++, start;

	nanosleep(&pause, NULL);
	start = rcx_now(asker->s);
	if (asker->ask(asker, number))
		return errno ? errno : EIO;
	asker->took[i] = rcx_now(asker->s) - start;
	if (!i)
		asker->started = start;
	return asker->check(asker, number) ? 0 : EBADMSG;
}

static inline int asker_begin(struct asker *asker)
{
	cpu_set_t cpu;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 19);
	CPU_ZERO(&cpu);
	if (asker->s->other_cpu >= 0) {
		CPU_SET((size_t)asker->s->other_cpu, &cpu);
		sched_setaffinity(0, sizeof(cpu), &cpu);
	}
	return asker->begin(asker) ? errno : 0;
}

static inline void asker_main(struct asker *asker) __attribute__((noreturn));

static inline void asker_main(struct asker *asker)
{
	uint32_t turn = 0;

	asker->error = asker_begin(asker);
	for (;;) {
		asker_set(&asker->state, asker->error ? ASKER_FAILED : ASKER_READY);
		while (__atomic_load_n(&asker->turn, __ATOMIC_ACQUIRE) == turn)
			asker_sleep(&asker->turn, turn);
		turn++;
		if (asker->stop)
			_exit(0);
		for (uint64_t i = 0; i < asker->count && !asker->error; i++)
			asker->error = asker_ask(asker, i);
	}
}

/* Start the asker, with the hooks of @hooks.  It sends no signal when it ends. */
static inline int asker_start(struct rcx_session *s, const struct asker *hooks)
{
	struct asker *asker = mmap(NULL, sizeof(*asker), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long pid;

	if (asker == MAP_FAILED)
		return rcx_fail_errno(s, "mmap");
	*asker = *hooks;
	asker->s = s;
	s->priv = asker;
	pid = syscall(SYS_clone, hooks->shares_files ? CLONE_FILES : 0, NULL, NULL, NULL, NULL);
	if (!pid)
		asker_main(asker);
	if (pid < 0)
		return rcx_fail_errno(s, "cannot start the process that asks");
	asker->pid = (pid_t)pid;
	return 0;
}

/* The asker must not wait for a reply any more. */
static inline void asker_stop(struct rcx_session *s)
{
	struct asker *asker = s->priv;

	if (!asker)
		return;
	asker->stop = true;
	asker_set(&asker->turn, asker->turn + 1);
	if (asker->pid > 0)
		waitpid(asker->pid, NULL, __WALL);
	munmap(asker, sizeof(*asker));
	s->priv = NULL;
}

/* As rcx_ask() and rcx_asked(). */
static inline int asker_go(struct rcx_session *s, uint64_t count)
{
	struct asker *asker = s->priv;

	if (count > ASKS_MAX)
		return rcx_fail(s, "a loop of more than %d requests", ASKS_MAX);
	asker->count = count;
	asker->delay = s->delay;
	asker->state = ASKER_BUSY;
	asker_set(&asker->turn, asker->turn + 1);
	return 0;
}

static inline int asker_wait(struct rcx_session *s)
{
	struct asker *asker = s->priv;

	while (asker_state(asker) == ASKER_BUSY)
		asker_sleep(&asker->state, ASKER_BUSY);
	if (asker_state(asker) == ASKER_READY)
		return 0;
	return rcx_fail(s, "the process that asks failed: %s", strerror(asker->error));
}

static inline int asker_asked(struct rcx_session *s, uint64_t n)
{
	const struct asker *asker = s->priv;

	if (asker_wait(s))
		return -1;
	s->armed = asker->started;
	for (uint64_t i = 0; i < n && s->latencies < s->latency_max; i++)
		s->latency[s->latencies++] = asker->took[i];
	return 0;
}

#endif /* RCX_STOCK_ASKER_H */
