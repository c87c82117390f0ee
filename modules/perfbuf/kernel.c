// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: perfbuf
 *
 * A trace event of a driver, delivered by perf into rings that a program maps.
 *
 * What it is.  perf_event_open() attaches to a trace event by its number and returns a file
 * descriptor for one CPU.  mmap() of it makes a ring: a page with the positions of writer and
 * reader, and pages of records.  Each event is a record PERF_RECORD_SAMPLE; with
 * PERF_SAMPLE_RAW it contains the fields of the event.
 *
 * The path of one message.  The kernel half makes the message once, for all readers.  The
 * tracepoint copies it into a buffer of this CPU, one for each kind of context.  For each
 * attached file, perf reserves room in its ring without a lock, copies the record there, and
 * publishes the position.  If a wake-up is due, it queues an irq_work, which wakes the reader.
 * The reader parses the records in place and stores its own position, both without a call.
 *
 * When to choose it.  For samples of events that exist already: a tracepoint, a counter, a
 * probe, together with registers, stacks or the name of the process.  The format of the ring
 * is a stable interface; the names and fields of a module's event are not.  For records of one's
 * own format, the ring of BPF needs one copy less, and has one ring for all CPUs.
 *
 * Its pitfall.  The producer is not told whether a record found room.  The next record that does
 * is preceded by PERF_RECORD_LOST with the number of the lost ones; after the last event
 * there is no next one.  So the reader also compares the count of events, which read()
 * returns, with the number of samples.  A record may continue at the start of the ring; then it
 * must be copied together.  There is one ring per CPU, so order is kept per CPU only.
 *
 * An open file descriptor holds a reference to the module.  The policy of wake-ups is a setting of
 * the file descriptor, and is the mode:
 *
 * - each: each event wakes the reader (wakeup_events is 1).
 * - batch: every 16th event does.
 * - none: no event does, as long as the ring does not become full; the reader looks by itself.
 * - overwrite: like batch, but perf writes backward and overwrites the oldest records.  The
 *   reader stops the output, reads from the newest record to the oldest, and starts it again.
 *   Events between the two are lost as well, even the newest.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/trace_events.h>
#include "rcx_core.h"
#include "abi.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* Perf warns about a record that is too large for its buffer. */
#define PERFBUF_BODY_MAX \
	min_t(u32, RCX_PERFBUF_MAX, PERF_MAX_TRACE_SIZE - RCX_HEADER - RCX_PERFBUF_AROUND)

/* The message to write.  The core emits one event at a time, so one is enough. */
static struct rcx_msg *perfbuf_message;

/*
 * Any context: perf reserves without a lock, and wakes from an irq_work.  An event whose record
 * finds no room is lost without an error.
 */
static int perfbuf_emit(const struct rcx_event *event)
{
	if (!trace_rcx_perfbuf_enabled())
		return -ENOTCONN;
	if (event->size > PERFBUF_BODY_MAX)
		return -EMSGSIZE;
	rcx_event(event, perfbuf_message);
	trace_rcx_perfbuf(perfbuf_message, RCX_HEADER + event->size);
	return 0;
}

/* Perf takes no lock that may sleep, also on PREEMPT_RT. */
#define PERFBUF_CONTEXTS (RCX_IN_ANY | RCX_IN_RT_HARDIRQ)

static struct rcx_channel perfbuf_channel = {
	.name = "perfbuf",
	.owner = THIS_MODULE,
	/* The same function for all modes; they differ in the settings of the reader. */
	.emitters = (const struct rcx_emitter[]){ { "each", PERFBUF_CONTEXTS, perfbuf_emit },
						  { "batch", PERFBUF_CONTEXTS, perfbuf_emit },
						  { "none", PERFBUF_CONTEXTS, perfbuf_emit },
						  { "overwrite", PERFBUF_CONTEXTS, perfbuf_emit },
						  { } },
};

static int __init perfbuf_init(void)
{
	int err;

	perfbuf_message = kzalloc(RCX_HEADER + RCX_PERFBUF_MAX, GFP_KERNEL);
	if (!perfbuf_message)
		return -ENOMEM;
	err = rcx_channel_register(&perfbuf_channel);
	if (err)
		kfree(perfbuf_message);
	return err;
}

static void __exit perfbuf_exit(void)
{
	rcx_channel_unregister(&perfbuf_channel);
	kfree(perfbuf_message);
}

module_init(perfbuf_init);
module_exit(perfbuf_exit);
MODULE_DESCRIPTION("ringcross: a trace event, read from the rings of perf");
MODULE_LICENSE("GPL");
