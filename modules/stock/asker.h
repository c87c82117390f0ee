/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that makes the kernel ask: each of its system calls waits until this process, which
 * serves, has answered the kernel.
 *
 * The kernel's own facilities take no timestamp, so the thread takes them around its system call.
 * Like the producer of ringcross_core it has the lowest priority, and pauses before each request.
 */
#ifndef RCX_STOCK_ASKER_H
#define RCX_STOCK_ASKER_H

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"

#define ASKS_MAX 256 /* of one loop; the agent requests fewer */

/**
 * struct asker - the thread; stored in s->priv
 * @begin: in the thread, before the first request.  0, or -1 with errno
 * @ask: make the kernel ask; returns when it has got the reply.  0, or -1 with errno
 * @check: check the reply, untimed: true if it is right
 * @end: in the thread, after the last request; NULL for nothing
 * @error: errno of @begin or @ask
 * @number: of the next request
 * @count: requests of this loop
 * @took: units that each of them took
 * @started: clock when the first of them began
 * @turn: a futex, incremented by the session for each loop, and at the end
 * @state: a futex: ASKER_*
 */
struct asker {
	struct rcx_session *s;
	int (*begin)(struct asker *asker);
	int (*ask)(struct asker *asker, uint64_t number);
	bool (*check)(struct asker *asker, uint64_t number);
	void (*end)(struct asker *asker);
	pthread_t thread;
	bool running, stop;
	int error;
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
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static inline void asker_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static inline uint32_t asker_state(struct asker *asker)
{
	return __atomic_load_n(&asker->state, __ATOMIC_ACQUIRE);
}

static inline int asker_ask(struct asker *asker, uint64_t i)
{
	const struct timespec pause = { .tv_nsec = (long)asker->s->delay };
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

	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	CPU_ZERO(&cpu);
	if (asker->s->other_cpu >= 0) {
		CPU_SET((size_t)asker->s->other_cpu, &cpu);
		sched_setaffinity(0, sizeof(cpu), &cpu);
	}
	return asker->begin(asker) ? errno : 0;
}

static inline void *asker_main(void *arg)
{
	struct asker *asker = arg;
	uint32_t turn = 0;

	asker->error = asker_begin(asker);
	for (;;) {
		asker_set(&asker->state, asker->error ? ASKER_FAILED : ASKER_READY);
		while (__atomic_load_n(&asker->turn, __ATOMIC_ACQUIRE) == turn)
			asker_sleep(&asker->turn, turn);
		turn++;
		if (asker->stop)
			break;
		for (uint64_t i = 0; i < asker->count && !asker->error; i++)
			asker->error = asker_ask(asker, i);
	}
	if (asker->end)
		asker->end(asker);
	return NULL;
}

/* Start the thread; s->priv is its struct asker, with the hooks of @hooks. */
static inline int asker_start(struct rcx_session *s, const struct asker *hooks)
{
	struct asker *asker = malloc(sizeof(*asker));

	if (!asker)
		return rcx_fail_errno(s, "malloc");
	*asker = *hooks;
	asker->s = s;
	s->priv = asker;
	asker->running = !pthread_create(&asker->thread, NULL, asker_main, asker);
	return asker->running ? 0 : rcx_fail(s, "cannot start the thread that asks");
}

/* The thread must not wait for a reply any more. */
static inline void asker_stop(struct rcx_session *s)
{
	struct asker *asker = s->priv;

	if (!asker)
		return;
	asker->stop = true;
	asker_set(&asker->turn, asker->turn + 1);
	if (asker->running)
		pthread_join(asker->thread, NULL);
	free(asker);
	s->priv = NULL;
}

/* As rcx_ask() and rcx_asked(). */
static inline int asker_go(struct rcx_session *s, uint64_t count)
{
	struct asker *asker = s->priv;

	if (count > ASKS_MAX)
		return rcx_fail(s, "a loop of more than %d requests", ASKS_MAX);
	asker->count = count;
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
	return rcx_fail(s, "the thread that asks failed: %s", strerror(asker->error));
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
