/* SPDX-License-Identifier: GPL-2.0-only */
/* Hardware events of the thread that measures: cycles and instructions per operation. */
#ifndef RCX_HW_EVENTS_H
#define RCX_HW_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rcx_hw_event {
	RCX_CYCLES_USER,
	RCX_CYCLES_KERNEL,
	RCX_INSTRUCTIONS_USER,
	RCX_INSTRUCTIONS_KERNEL,
	RCX_HW_EVENTS,
};

/* Which counters are used: none, those of the processor, or a stand-in for tests. */
enum rcx_hw_kind { RCX_HW_NONE, RCX_HW_HARDWARE, RCX_HW_SOFTWARE };

#define RCX_HW_ROUNDS 11 /* rounds that are counted, at most */

extern const char *const rcx_hw_event_names[RCX_HW_EVENTS];

/**
 * struct rcx_hw_counters - the open counters of one cell
 * @fd: the events; the first one leads the group
 * @before: their values at the begin of a round
 * @overhead: what a round without the operation counts
 * @lost: a reading was not possible
 */
struct rcx_hw_counters {
	int fd[RCX_HW_EVENTS];
	uint64_t before[RCX_HW_EVENTS];
	double overhead[RCX_HW_EVENTS];
	bool lost;
};

/* Open and calibrate the counters, for rounds whose harness loops @n times.  False after @reason
 * was written, in one sentence; then nothing remains open.
 */
bool rcx_hw_begin(struct rcx_hw_counters *counters, enum rcx_hw_kind kind, uint64_t n, char *reason,
		  size_t len);
void rcx_hw_round_begin(struct rcx_hw_counters *counters);
/* @events becomes what one of @operations has counted since the begin of the round. */
void rcx_hw_round_end(struct rcx_hw_counters *counters, uint64_t operations,
		      double events[RCX_HW_EVENTS]);
/* False when a reading was not possible, so the rounds must not be used. */
bool rcx_hw_end(struct rcx_hw_counters *counters);

#endif /* RCX_HW_EVENTS_H */
