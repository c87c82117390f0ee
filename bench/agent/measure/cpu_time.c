// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processor time of both sides, under the clock of time: this process's own, and
 * what all else on the machine has used meanwhile, the producer, its interrupts
 * and whoever wakes whom.
 *
 * The kernel counts by the tick what it runs, which is far too coarse, but by the
 * nanosecond how long each processor has idled, interrupts taken off.  What is
 * not idle is busy, and what of it is not ours is the other side's.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

static uint64_t now_by(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static bool visit(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

/*
 * A sleep that goes on is not counted yet, and it may go on for seconds: so wake
 * each processor by a visit.  Home comes last, since one tends to stay there.
 */
static bool wake_all(cpu_set_t *visited)
{
	int home = sched_getcpu();
	cpu_set_t before;

	CPU_ZERO(visited);
	if (home < 0 || sched_getaffinity(0, sizeof(before), &before))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE && cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		if (cpu != home && visit(cpu))
			CPU_SET(cpu, visited);
	if (visit(home))
		CPU_SET(home, visited);
	return !sched_setaffinity(0, sizeof(before), &before);
}

/* "  .idle_sleeptime : 2893465 nsecs", and the same for who waits for a disk. */
static bool read_idle(const char *line, uint64_t *ns)
{
	unsigned long long value;

	if (sscanf(line, " .idle_sleeptime : %llu nsecs", &value) != 1 &&
	    sscanf(line, " .iowait_sleeptime: %llu nsecs", &value) != 1)
		return false;
	*ns = value;
	return true;
}

static bool sum_idle(const cpu_set_t *visited, uint64_t *sum)
{
	FILE *file = fopen("/proc/timer_list", "re");
	bool found = false;
	char *line = NULL;
	size_t room = 0;
	uint64_t idle;
	int cpu = -1;

	*sum = 0;
	while (file && getline(&line, &room, file) > 0) {
		if (sscanf(line, "cpu: %d", &cpu) == 1 || cpu < 0 || cpu >= CPU_SETSIZE ||
		    !CPU_ISSET(cpu, visited) || !read_idle(line, &idle))
			continue;
		*sum += idle;
		found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static void look(struct rcx_cpu_reading *look)
{
	cpu_set_t visited;

	look->own_before = now_by(CLOCK_PROCESS_CPUTIME_ID);
	look->known = wake_all(&visited) && sum_idle(&visited, &look->idle);
	look->cpus = (uint32_t)CPU_COUNT(&visited);
	look->wall = now_by(CLOCK_MONOTONIC);
	look->own = now_by(CLOCK_PROCESS_CPUTIME_ID);
}

void rcx_cpu_begin(struct rcx_cpu_reading *begin, uint32_t clock)
{
	begin->cpus = 0;
	if (clock == RCX_CLOCK_TIME)
		look(begin);
}

/* The looks themselves are ours, and no part of the rounds. */
void rcx_cpu_end(const struct rcx_cpu_reading *begin, uint32_t clock, struct rcx_cpu_use *use)
{
	struct rcx_cpu_reading end;
	uint64_t all, rest;

	memset(use, 0, sizeof(*use));
	if (clock != RCX_CLOCK_TIME)
		return;
	look(&end);
	use->known = true;
	use->wall = end.wall - begin->wall;
	use->own = end.own_before - begin->own;
	use->other_known = begin->known && end.known && begin->cpus == end.cpus;
	all = end.cpus * use->wall;
	rest = end.idle - begin->idle + end.own - begin->own;
	use->other = use->other_known && all > rest ? all - rest : 0;
}
