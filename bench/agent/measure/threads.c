// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that do the same operation at the same time, each with its own open and sequence.  In
 * a round, each of them does n operations:
 *
 *	first		others
 *	clock
 *	start		start
 *	n operations	n operations
 *	end		end
 *	clock
 *
 * Under the time clock each is pinned to a CPU of its own, as long as there are CPUs.  On one CPU
 * they take turns.  The figure then shows the cost of sharing: locks and reference
 * counts, whether contended or not, and the switches between the threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

#define IDLE_ROUNDS 51

struct member {
	struct rcx_session s;
	struct rcx_threads *threads;
	pthread_t thread;
	bool running;
	int cpu; /* that it runs on, or -1 */
	int err;
};

struct rcx_threads {
	pthread_barrier_t start, end;
	uint64_t n;
	bool stopping;
	double idle;	/* median of rounds without an operation */
	uint32_t count; /* entries of @member: all threads except the first */
	struct member member[];
};

static void *work(void *arg)
{
	struct member *member = arg;
	struct rcx_threads *threads = member->threads;
	rcx_loop *run = member->s.mode->operations[member->s.op].run;

	if (member->cpu >= 0)
		rcx_pin(member->cpu);
	for (;;) {
		pthread_barrier_wait(&threads->start);
		if (threads->stopping)
			return NULL;
		member->err = run(&member->s, threads->n);
		pthread_barrier_wait(&threads->end);
	}
}

/* The error of one thread's session becomes the error of the first thread's. */
static int take_error(struct rcx_session *s, const struct rcx_session *from)
{
	s->skip = from->skip;
	return rcx_fail(s, "%s", from->error[0] ? from->error : "a thread failed");
}

int rcx_threads_round(struct rcx_session *s, uint64_t n, uint64_t *total)
{
	struct rcx_threads *threads = s->threads;
	uint64_t start;
	int err;

	threads->n = n;
	start = rcx_now(s);
	pthread_barrier_wait(&threads->start);
	err = s->mode->operations[s->op].run(s, n);
	pthread_barrier_wait(&threads->end);
	*total = rcx_now(s) - start;
	for (uint32_t i = 0; i < threads->count && !err; i++)
		if (threads->member[i].err)
			err = take_error(s, &threads->member[i].s);
	return err;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int find_idle(struct rcx_session *s)
{
	uint64_t total[IDLE_ROUNDS];

	for (int i = 0; i < IDLE_ROUNDS; i++)
		if (rcx_threads_round(s, 0, &total[i]))
			return -1;
	qsort(total, IDLE_ROUNDS, sizeof(total[0]), by_value);
	s->threads->idle = (double)total[IDLE_ROUNDS / 2];
	return 0;
}

/* At most as many loops as there are CPUs run at the same time; the others take turns. */
double rcx_threads_overhead(const struct rcx_session *s, uint64_t n, double loop)
{
	double count = s->threads->count + 1, cpus = rcx_cpu_count();

	return s->threads->idle + loop * (double)n * (count > cpus ? count / cpus : 1);
}

static int start_member(struct rcx_session *s, const struct rcx_cell *cell, struct member *member)
{
	int err;

	member->threads = s->threads;
	member->cpu = s->other_cpu < 0 ? -1 : rcx_thread_cpu(s->threads->count);
	if (rcx_session_join(&member->s, cell, s, s->threads->count))
		return take_error(s, &member->s);
	err = pthread_create(&member->thread, NULL, work, member);
	if (err)
		return rcx_fail(s, "cannot start a thread: %s", strerror(err));
	member->running = true;
	return 0;
}

int rcx_threads_start(struct rcx_session *s, const struct rcx_cell *cell)
{
	uint32_t others = cell->threads - 1;
	struct rcx_threads *threads;

	threads = calloc(1, sizeof(*threads) + others * sizeof(threads->member[0]));
	if (!threads)
		return rcx_fail_errno(s, "cannot get memory for threads");
	pthread_barrier_init(&threads->start, NULL, cell->threads);
	pthread_barrier_init(&threads->end, NULL, cell->threads);
	s->threads = threads;
	for (uint32_t i = 0; i < others; i++) {
		threads->count = i + 1;
		if (start_member(s, cell, &threads->member[i]))
			return -1;
	}
	return find_idle(s);
}

/* When not all threads were started, the barriers never open: the waiting threads end with the
 * child process that runs the cell.
 */
void rcx_threads_end(struct rcx_session *s)
{
	struct rcx_threads *threads = s->threads;

	s->threads = NULL;
	for (uint32_t i = 0; i < threads->count; i++)
		if (!threads->member[i].running)
			return;
	threads->stopping = true;
	pthread_barrier_wait(&threads->start);
	for (uint32_t i = 0; i < threads->count; i++) {
		struct member *member = &threads->member[i];

		pthread_join(member->thread, NULL);
		s->sent += member->s.sent;
		s->seen += member->s.seen;
		rcx_session_close(&member->s);
	}
	pthread_barrier_destroy(&threads->start);
	pthread_barrier_destroy(&threads->end);
	free(threads);
}
