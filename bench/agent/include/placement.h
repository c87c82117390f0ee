/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the two ends of a conversation run.  Under the time clock the agent runs on one CPU, its
 * home, and the other end (the kernel's producer of events, or a peer) on a CPU that a placement
 * selects.  Under the instructions clock nothing is pinned: the machine has one CPU.
 */
#ifndef RCX_PLACEMENT_H
#define RCX_PLACEMENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From near to far. */
enum rcx_placement {
	RCX_SAME_CPU,	  /* both ends on one CPU */
	RCX_SMT_SIBLING,  /* on two threads of one core */
	RCX_SAME_LLC,	  /* on two cores that share a last-level cache */
	RCX_SAME_SOCKET,  /* on two cores of one socket that share no last-level cache */
	RCX_CROSS_SOCKET, /* on cores of two sockets */
	RCX_PLACEMENTS,
};

extern const char *const rcx_placement_names[RCX_PLACEMENTS];

/* The CPUs of both ends. */
struct rcx_cpu_pair {
	int user, other;
};

/* Set @pair to the first two CPUs that lie so.  False when this machine has none, or when this
 * process may not run on them.
 */
bool rcx_find_cpus(enum rcx_placement placement, struct rcx_cpu_pair *pair);
/* Write to @reason, in one sentence, that this machine has no CPUs that lie so. */
void rcx_explain_placement(enum rcx_placement placement, char *reason, size_t len);

/* The CPU of thread @number when several threads do the same operation: each has another CPU, as
 * long as there are CPUs.
 */
int rcx_thread_cpu(uint32_t number);
/* The number of CPUs that the agent may use. */
uint32_t rcx_cpu_count(void);

/* Run this thread on @cpu only.  0 or -errno. */
int rcx_pin(int cpu);
/* Let this thread run where the agent could when it was started. */
void rcx_unpin(void);
/* The only CPU on which this thread may run, or -1 when there are several. */
int rcx_pinned_cpu(void);

/* The placements that this machine has, for ringcross_agent --placements. */
json_object *rcx_list_placements(void);

#endif /* RCX_PLACEMENT_H */
