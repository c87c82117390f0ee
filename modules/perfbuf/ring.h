/* SPDX-License-Identifier: GPL-2.0-only */
/* The trace event's number, and one ring of perf.  Also for hostile.c. */
#ifndef RCX_PERFBUF_RING_H
#define RCX_PERFBUF_RING_H

#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "abi.h"

#define RCX_PERFBUF_ID "/sys/kernel/tracing/events/" RCX_PERFBUF_NAME "/" RCX_PERFBUF_EVENT "/id"

/* A sample: the size of the fields of the event, and then the fields. */
struct rcx_sample {
	struct perf_event_header header;
	uint32_t raw;
	uint16_t type; /* the number of the event */
	uint8_t flags, preempt_count;
	int32_t pid;
	uint16_t offset, len; /* of the message, from @type on */
};

struct rcx_lost {
	struct perf_event_header header;
	uint64_t id, lost;
};

/* 0 with errno when the event cannot be found. */
static inline uint64_t rcx_perfbuf_id(void)
{
	int fd = open(RCX_PERFBUF_ID, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoul(text, NULL, 10);
}

static inline struct perf_event_attr rcx_perfbuf_attr(uint64_t id)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(struct perf_event_attr),
		.config = id,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW,
		.wakeup_events = 1,
	};
}

static inline int rcx_perfbuf_open(struct perf_event_attr *attr, int pid, int cpu)
{
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

#endif
