// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware events of the user side: cycles and instructions, in user space and in the kernel.
 *
 * The counters belong to the thread that measures.  They count its own work and the interrupts
 * that it takes, but not a peer or the kernel's producer.  Counters that run make each switch
 * between tasks more expensive, so the rounds that are counted are not those that are timed.
 * What a round of the empty loop counts is the cost of the harness, and is subtracted.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"

#define CALIBRATION_ROUNDS 51
#define PARANOID	   "/proc/sys/kernel/perf_event_paranoid"

const char *const rcx_hw_event_names[RCX_HW_EVENTS] = {
	"cycles_user",
	"cycles_kernel",
	"instructions_user",
	"instructions_kernel",
};

/* How the kernel answers a read of the group. */
struct reading {
	uint64_t count, enabled, running;
	uint64_t value[RCX_HW_EVENTS];
};

/* What each event is, in the order of enum rcx_hw_event.  The software events stand in for the
 * hardware's where a test runs without: all of them are the processor time of the thread.
 */
static const struct {
	uint32_t type;
	uint64_t config[RCX_HW_EVENTS];
} sources[] = {
	[RCX_HW_HARDWARE] = { PERF_TYPE_HARDWARE,
			      { PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_CPU_CYCLES,
				PERF_COUNT_HW_INSTRUCTIONS, PERF_COUNT_HW_INSTRUCTIONS } },
	[RCX_HW_SOFTWARE] = { PERF_TYPE_SOFTWARE,
			      { PERF_COUNT_SW_TASK_CLOCK, PERF_COUNT_SW_TASK_CLOCK,
				PERF_COUNT_SW_TASK_CLOCK, PERF_COUNT_SW_TASK_CLOCK } },
};

static int open_event(enum rcx_hw_kind kind, int event, int leader)
{
	bool kernel = event == RCX_CYCLES_KERNEL || event == RCX_INSTRUCTIONS_KERNEL;
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = sources[kind].type,
		.config = sources[kind].config[event],
		.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
			       PERF_FORMAT_TOTAL_TIME_RUNNING,
		.disabled = leader < 0,
		/* Else other users of the counters would make it count a part of the time. */
		.pinned = leader < 0,
		.exclude_user = kernel,
		.exclude_kernel = !kernel,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
}

static int paranoid(void)
{
	FILE *file = fopen(PARANOID, "re");
	int level = 0;

	if (!file || fscanf(file, "%d", &level) != 1)
		level = 0;
	if (file)
		fclose(file);
	return level;
}

static void explain(int err, char *reason, size_t len)
{
	if (err == EACCES || err == EPERM)
		snprintf(reason, len,
			 "The kernel does not permit it: run as root, or set "
			 "kernel.perf_event_paranoid, which is %d, to 1 (sysctl).",
			 paranoid());
	else if (err == ENOENT || err == ENODEV || err == EOPNOTSUPP)
		snprintf(reason, len,
			 "The machine has no hardware counters, like most virtual machines (%s).",
			 strerror(err));
	else if (err == ENOSYS)
		snprintf(reason, len, "The kernel is built without CONFIG_PERF_EVENTS.");
	else if (err == EINVAL || err == ENOSPC || err == EBUSY)
		snprintf(reason, len, "The machine has too few free hardware counters (%s).",
			 strerror(err));
	else
		snprintf(reason, len, "perf_event_open() failed: %s.", strerror(err));
}

static void close_all(struct rcx_hw_counters *counters)
{
	for (int i = 0; i < RCX_HW_EVENTS; i++)
		if (counters->fd[i] >= 0)
			close(counters->fd[i]);
}

/* Start to count in this thread.  False after @reason was written. */
static bool open_all(struct rcx_hw_counters *counters, enum rcx_hw_kind kind, char *reason,
		     size_t len)
{
	*counters = (struct rcx_hw_counters){ .fd = { -1, -1, -1, -1 } };
	for (int i = 0; i < RCX_HW_EVENTS; i++) {
		counters->fd[i] = open_event(kind, i, counters->fd[0]);
		if (counters->fd[i] < 0) {
			explain(errno, reason, len);
			close_all(counters);
			return false;
		}
	}
	if (!ioctl(counters->fd[0], PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP))
		return true;
	explain(errno, reason, len);
	close_all(counters);
	return false;
}

static bool read_all(const struct rcx_hw_counters *counters, uint64_t value[RCX_HW_EVENTS])
{
	struct reading reading;

	/* An end of file, or less time than enabled: the group did not have its counters. */
	if (read(counters->fd[0], &reading, sizeof(reading)) != sizeof(reading) ||
	    reading.running != reading.enabled)
		return false;
	memcpy(value, reading.value, sizeof(reading.value));
	return true;
}

void rcx_hw_round_begin(struct rcx_hw_counters *counters)
{
	counters->lost |= !read_all(counters, counters->before);
}

static void count_round(struct rcx_hw_counters *counters, double counted[RCX_HW_EVENTS])
{
	uint64_t after[RCX_HW_EVENTS] = { 0 };

	counters->lost |= !read_all(counters, after);
	for (int i = 0; i < RCX_HW_EVENTS; i++)
		counted[i] = (double)(after[i] - counters->before[i]);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The medians of what rounds of the empty loop count. */
static void calibrate(struct rcx_hw_counters *counters, uint64_t n)
{
	double counted[RCX_HW_EVENTS][CALIBRATION_ROUNDS];

	for (int round = 0; round < CALIBRATION_ROUNDS; round++) {
		double one[RCX_HW_EVENTS];

		rcx_hw_round_begin(counters);
		rcx_time_empty_loop(RCX_CLOCK_TIME, n);
		count_round(counters, one);
		for (int i = 0; i < RCX_HW_EVENTS; i++)
			counted[i][round] = one[i];
	}
	for (int i = 0; i < RCX_HW_EVENTS; i++) {
		qsort(counted[i], CALIBRATION_ROUNDS, sizeof(counted[i][0]), by_value);
		counters->overhead[i] = counted[i][CALIBRATION_ROUNDS / 2];
	}
}

bool rcx_hw_begin(struct rcx_hw_counters *counters, enum rcx_hw_kind kind, uint64_t n, char *reason,
		  size_t len)
{
	reason[0] = '\0';
	if (!open_all(counters, kind, reason, len))
		return false;
	calibrate(counters, n);
	if (!counters->lost)
		return true;
	snprintf(reason, len, "Another program uses the hardware counters.");
	close_all(counters);
	return false;
}

void rcx_hw_round_end(struct rcx_hw_counters *counters, uint64_t operations,
		      double events[RCX_HW_EVENTS])
{
	double counted[RCX_HW_EVENTS];

	count_round(counters, counted);
	for (int i = 0; i < RCX_HW_EVENTS; i++)
		events[i] = (counted[i] - counters->overhead[i]) / (double)operations;
}

bool rcx_hw_end(struct rcx_hw_counters *counters)
{
	close_all(counters);
	return !counters->lost;
}
