// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processor time of both sides, under the time clock: that of this process, and that of
 * everything else on the machine, such as the producer, its interrupts and wake-ups.
 *
 * The kernel accounts running time by the tick, which is far too coarse.  But it accounts the
 * idle time of each processor in nanoseconds, and idle time does not include interrupts.  Time
 * that is not idle is busy, and busy time that is not ours belongs to the other side.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

static bool run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

/*
 * The kernel accounts an idle period when it ends, which may take seconds.  So wake each
 * processor by running on it.  The present processor comes last, because the thread tends to
 * stay on the last one.
 */
static bool wake_all_cpus(cpu_set_t *visited)
{
	int home = sched_getcpu();
	cpu_set_t before;

	CPU_ZERO(visited);
	if (home < 0 || sched_getaffinity(0, sizeof(before), &before))
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE && cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++)
		if (cpu != home && run_on(cpu))
			CPU_SET(cpu, visited);
	if (run_on(home))
		CPU_SET(home, visited);
	return !sched_setaffinity(0, sizeof(before), &before);
}

/* "  .idle_sleeptime : 2893465 nsecs", and the same for idle time during disk I/O. */
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

static void take_reading(struct rcx_cpu_reading *reading)
{
	cpu_set_t visited;

	reading->own_before = rcx_read_clock(CLOCK_PROCESS_CPUTIME_ID);
	reading->known = wake_all_cpus(&visited) && sum_idle(&visited, &reading->idle);
	reading->cpus = (uint32_t)CPU_COUNT(&visited);
	reading->wall = rcx_read_clock(CLOCK_MONOTONIC);
	reading->own = rcx_read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void rcx_cpu_begin(struct rcx_cpu_reading *begin, uint32_t clock)
{
	begin->cpus = 0;
	if (clock == RCX_CLOCK_TIME)
		take_reading(begin);
}

/* Taking the readings uses processor time of this process, which is not part of the rounds. */
void rcx_cpu_end(const struct rcx_cpu_reading *begin, uint32_t clock, uint64_t controls,
		 struct rcx_cpu_use *use)
{
	struct rcx_cpu_reading end;
	uint64_t all, rest;

	memset(use, 0, sizeof(*use));
	if (clock != RCX_CLOCK_TIME)
		return;
	take_reading(&end);
	use->known = true;
	use->wall = end.wall - begin->wall;
	use->own = end.own_before - begin->own;
	use->own -= use->own > controls ? controls : use->own;
	use->other_known = begin->known && end.known && begin->cpus == end.cpus;
	all = end.cpus * use->wall;
	rest = end.idle - begin->idle + end.own - begin->own;
	use->other = use->other_known && all > rest ? all - rest : 0;
}
