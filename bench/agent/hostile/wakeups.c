// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel half that leaves out wake-ups must never leave out the one that is needed.
 *
 * The reader sleeps whenever there is nothing to read, while the producer emits on another CPU,
 * where there is one.  After a lost wake-up there are messages, and the sleep goes on: no later
 * event wakes a reader whose queue is not empty.  A sleep that ends by its time limit may look
 * at the queue once more, and then reports the messages.  So only its length shows that nobody
 * woke the reader.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "hostile.h"

#define EVENTS	 4000
#define SLEEP_MS 2000 /* of a reader that is not woken: much longer than all events take */

struct flow {
	enum rcx_context context;
	uint32_t burst;
	uint32_t interval; /* nanoseconds */
};

/* Most wake-ups race with an event where the reader is about as fast as the producer. */
static const struct flow flows[] = {
	{ RCX_PROCESS, 1, 0 },	   { RCX_PROCESS, 3, 0 },     { RCX_PROCESS, 1, 20000 },
	{ RCX_SOFTIRQ, 1, 10000 }, { RCX_SOFTIRQ, 2, 40000 }, { RCX_HARDIRQ, 1, 10000 },
	{ RCX_HARDIRQ, 2, 40000 },
};

static bool start(struct rcx_hostile *h, const struct flow *flow)
{
	struct rcx_emission emit = {
		.context = flow->context,
		.burst = flow->burst,
		.interval = flow->interval,
		.count = EVENTS,
		.cpu = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), /* the last one */
	};

	return rcx_expect(h, "start", ioctl(h->core, RCX_CORE_EMIT, &emit), 0);
}

static uint64_t now_ms(void)
{
	return rcx_read_clock(CLOCK_MONOTONIC) / 1000000;
}

/* Sleep; returns how many events there are although nobody woke the reader. */
static uint64_t sleep_once(const struct rcx_sleepy_reader *reader)
{
	uint64_t start = now_ms();

	reader->sleep(reader->arg, SLEEP_MS);
	return now_ms() - start < SLEEP_MS * 9 / 10 ? 0 : reader->drain(reader->arg);
}

static void try_flow(struct rcx_hostile *h, const struct rcx_sleepy_reader *reader,
		     const struct flow *flow)
{
	uint64_t refused = rcx_core_counts(h).refused, read = 0, lost = 0;
	char name[64];

	if (!start(h, flow))
		return;
	while (!lost) {
		bool over = h->page->done;

		read += reader->drain(reader->arg);
		if (over)
			break;
		lost = sleep_once(reader);
	}
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	snprintf(name, sizeof(name), "events that woke nobody, %s, %u every %u ns",
		 rcx_context_names[flow->context], flow->burst, flow->interval);
	rcx_expect_value(h, name, (long)lost, 0);
	if (!lost)
		rcx_expect_value(h, "read or refused",
				 (long)(read + rcx_core_counts(h).refused - refused), EVENTS);
}

void rcx_try_wakeups(struct rcx_hostile *h, const struct rcx_sleepy_reader *reader)
{
	for (size_t i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
		try_flow(h, reader, &flows[i]);
}
