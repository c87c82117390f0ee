// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that do the same operation at once, each with an open and a sequence
 * of its own.  A round is n operations by each:
 *
 *	first		others
 *	clock
 *	start		start
 *	n operations	n operations
 *	end		end
 *	clock
 *
 * On one CPU they take turns, and what is seen is the price of sharing: locks and
 * reference counts that are contended or only guarded, and the switches between.
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
	struct rcx_team *team;
	pthread_t thread;
	bool running;
	int err;
};

struct rcx_team {
	pthread_barrier_t start, end;
	uint64_t n;
	bool over;
	double idle;		/* the median round of no operation */
	uint32_t count;		/* of @member: all but the first thread */
	struct member member[];
};

static void *work(void *arg)
{
	struct member *member = arg;
	struct rcx_team *team = member->team;
	rcx_loop *run = member->s.mode->operations[member->s.op].run;

	for (;;) {
		pthread_barrier_wait(&team->start);
		if (team->over)
			return NULL;
		member->err = run(&member->s, team->n);
		pthread_barrier_wait(&team->end);
	}
}

/* The session's own error becomes that of the whole team. */
static int take_error(struct rcx_session *s, const struct rcx_session *from)
{
	s->skip = from->skip;
	return rcx_fail(s, "%s", from->error[0] ? from->error : "a thread failed");
}

int rcx_team_round(struct rcx_session *s, uint64_t n, uint64_t *total)
{
	struct rcx_team *team = s->team;
	uint64_t start;
	int err;

	team->n = n;
	start = rcx_now(s);
	pthread_barrier_wait(&team->start);
	err = s->mode->operations[s->op].run(s, n);
	pthread_barrier_wait(&team->end);
	*total = rcx_now(s) - start;
	for (uint32_t i = 0; i < team->count && !err; i++)
		if (team->member[i].err)
			err = take_error(s, &team->member[i].s);
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
		if (rcx_team_round(s, 0, &total[i]))
			return -1;
	qsort(total, IDLE_ROUNDS, sizeof(total[0]), by_value);
	s->team->idle = (double)total[IDLE_ROUNDS / 2];
	return 0;
}

/* As many loops as there are CPUs turn at the same time. */
double rcx_team_overhead(const struct rcx_session *s, uint64_t n, double loop)
{
	double threads = s->team->count + 1, cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);

	return s->team->idle + loop * (double)n * (threads > cpus ? threads / cpus : 1);
}

static int start_member(struct rcx_session *s, const struct rcx_cell *cell, struct member *member)
{
	int err;

	member->team = s->team;
	if (rcx_session_join(&member->s, cell, s, s->team->count))
		return take_error(s, &member->s);
	err = pthread_create(&member->thread, NULL, work, member);
	if (err)
		return rcx_fail(s, "cannot start a thread: %s", strerror(err));
	member->running = true;
	return 0;
}

int rcx_team_start(struct rcx_session *s, const struct rcx_cell *cell)
{
	uint32_t others = cell->threads - 1;
	struct rcx_team *team = calloc(1, sizeof(*team) + others * sizeof(team->member[0]));

	if (!team)
		return rcx_fail_errno(s, "cannot get room for threads");
	pthread_barrier_init(&team->start, NULL, cell->threads);
	pthread_barrier_init(&team->end, NULL, cell->threads);
	s->team = team;
	for (uint32_t i = 0; i < others; i++) {
		team->count = i + 1;
		if (start_member(s, cell, &team->member[i]))
			return -1;
	}
	return find_idle(s);
}

/* A team that never was complete cannot meet any more: its threads end with the
 * child that runs the cell.
 */
void rcx_team_end(struct rcx_session *s)
{
	struct rcx_team *team = s->team;

	s->team = NULL;
	for (uint32_t i = 0; i < team->count; i++)
		if (!team->member[i].running)
			return;
	team->over = true;
	pthread_barrier_wait(&team->start);
	for (uint32_t i = 0; i < team->count; i++) {
		struct member *member = &team->member[i];

		pthread_join(member->thread, NULL);
		s->sent += member->s.sent;
		s->seen += member->s.seen;
		rcx_session_close(&member->s);
	}
	pthread_barrier_destroy(&team->start);
	pthread_barrier_destroy(&team->end);
	free(team);
}
