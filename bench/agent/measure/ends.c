// SPDX-License-Identifier: GPL-2.0-only
/* Where the two ends of a cell run: before it is measured, and as found afterwards. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include "agent.h"

bool rcx_run_at_home(const struct rcx_cell *cell, char *reason, size_t len)
{
	struct rcx_cpu_pair pair = { -1, -1 };
	int err;

	if (cell->clock != RCX_CLOCK_TIME)
		return true;
	err = rcx_find_cpus(cell->placement, &pair) ? rcx_pin(pair.user) : -ENODEV;
	if (err)
		snprintf(reason, len, "the agent cannot run on CPU %d: %s", pair.user,
			 strerror(-err));
	return !err;
}

int rcx_check_placement(const struct rcx_cell *cell, struct rcx_session *s,
			struct rcx_result *result)
{
	bool two_ends = rcx_has_two_ends(cell->mode, cell->op);
	int home;

	result->user_cpu = result->other_cpu = -1;
	if (cell->clock != RCX_CLOCK_TIME)
		return 0;
	home = rcx_pinned_cpu();
	result->user_cpu = sched_getcpu();
	if (result->user_cpu != home)
		return rcx_fail(s, "the user half ran on CPU %d instead of CPU %d",
				result->user_cpu, home);
	/* Without an endpoint, the thread that asks has pinned itself. */
	if (two_ends && !s->endpoint)
		result->other_cpu = s->other_cpu;
	if (!two_ends || !s->endpoint)
		return 0;
	result->other_cpu = s->endpoint->cpu(s);
	if (result->other_cpu != s->other_cpu)
		return rcx_fail(s, "%s ran on CPU %d instead of CPU %d", s->endpoint->name,
				result->other_cpu, s->other_cpu);
	return 0;
}
