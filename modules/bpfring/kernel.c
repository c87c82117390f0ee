// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: bpfring
 *
 * A ring that a BPF program fills, and that another program maps.
 *
 * What it is.  A map of the type BPF_MAP_TYPE_RINGBUF is one ring for all CPUs.  Only a
 * BPF program can write to it.  So the driver declares a tracepoint, and the reader loads a
 * program of a few instructions, attaches it to the tracepoint, and maps the ring.  The program
 * decides which events are copied, which parts of them, and when the reader is woken.
 *
 * The path of one message.  The kernel half makes the message once, for all readers.  The
 * tracepoint calls each attached program with the address of the message.
 * bpf_ringbuf_reserve() takes the ring's spinlock with interrupts off and moves the
 * writer's position.  bpf_probe_read_kernel() copies the message into the ring, in steps of 8
 * bytes.  bpf_ringbuf_submit() marks the record as complete and queues an irq_work that
 * wakes the reader, if it is due.  The reader finds the record in place, since the pages of the
 * ring are mapped twice in a row, and stores its position, without a call.
 *
 * When to choose it.  To get data from a place in the kernel that has a tracepoint or can be
 * probed, filtered and shortened before they are copied.  A driver that has data of its own for a
 * program would rather map memory of its own: it cannot write to the ring itself.
 *
 * Its pitfall.  A record that finds no room is lost; only the program knows, and the driver
 * never does.  Our program counts the losses in a map that the reader maps as well.  A record
 * must be reserved with a size that is known when the program is loaded, so the reader
 * makes the program for the largest message that it expects.  One ring for all CPUs keeps the
 * order of all events, but the CPUs share its lock.  On PREEMPT_RT this lock may sleep in older
 * kernels, so the program is not run in a hard interrupt there.
 *
 * An attached program holds a reference to the module, until its file descriptor is closed.
 * The program makes the policy of wake-ups, which is the mode:
 *
 * - each: each record wakes the reader (BPF_RB_FORCE_WAKEUP).
 * - batch: every 16th record does, and the last one; the others have BPF_RB_NO_WAKEUP.
 * - none: no record does; the reader looks by itself.
 * - adaptive: a record wakes the reader if it had read all others (no flag).
 * - overwrite: like batch, but the newest record replaces the oldest (BPF_F_RB_OVERWRITE,
 *   since Linux 6.19).  The reader checks after each copy whether the record was overwritten.
 */
#include <linux/module.h>
#include <linux/trace_events.h>
#include <linux/vmalloc.h>
#include "rcx_core.h"
#include "abi.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* The message to write.  The core emits one event at a time, so one is enough. */
static struct rcx_msg *bpfring_message;

/* Any context: the ring's lock is taken with interrupts off, and the wake-up is an irq_work. */
static int bpfring_emit(const struct rcx_event *event)
{
	if (!trace_rcx_bpfring_enabled())
		return -ENOTCONN;
	rcx_event(event, bpfring_message);
	trace_rcx_bpfring(bpfring_message, RCX_HEADER + event->size, event->last);
	return 0;
}

static struct rcx_channel bpfring_channel = {
	.name = "bpfring",
	.owner = THIS_MODULE,
	/* The same function for all modes; they differ in the program of the reader. */
	.emitters = (const struct rcx_emitter[]){ { "each", RCX_IN_ANY, bpfring_emit },
						  { "batch", RCX_IN_ANY, bpfring_emit },
						  { "none", RCX_IN_ANY, bpfring_emit },
						  { "adaptive", RCX_IN_ANY, bpfring_emit },
						  { "overwrite", RCX_IN_ANY, bpfring_emit },
						  { } },
};

static int __init bpfring_init(void)
{
	int err;

	bpfring_message = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	if (!bpfring_message)
		return -ENOMEM;
	err = rcx_channel_register(&bpfring_channel);
	if (err)
		vfree(bpfring_message);
	return err;
}

static void __exit bpfring_exit(void)
{
	rcx_channel_unregister(&bpfring_channel);
	vfree(bpfring_message);
}

module_init(bpfring_init);
module_exit(bpfring_exit);
MODULE_DESCRIPTION("ringcross: a tracepoint for BPF programs that fill a ring");
MODULE_LICENSE("GPL");
