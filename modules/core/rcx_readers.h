/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue of events per open file, for channels whose mechanism can wait but has no
 * queue (ioctl, read, poll).  Channels with a queue of their own (netlink, relay,
 * input, ...) must use that queue, because it is part of what is measured.
 */
#ifndef RCX_READERS_H
#define RCX_READERS_H

#include <linux/list.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "rcx_core.h"

#define RCX_QUEUE 256 /* a power of two; a full queue refuses the newest event */

/* All readers of one channel; @lock covers @list and the queue of every reader on it. */
struct rcx_readers {
	spinlock_t lock;
	struct list_head list;
};

#define DEFINE_RCX_READERS(name)                           \
	struct rcx_readers name = {                        \
		.lock = __SPIN_LOCK_UNLOCKED((name).lock), \
		.list = LIST_HEAD_INIT((name).list),       \
	}

/* One reader; embed it in the state of an open file. */
struct rcx_reader {
	struct list_head node;
	wait_queue_head_t wait;
	u32 head;
	u32 tail;
	struct rcx_event ring[RCX_QUEUE];
};

void rcx_reader_join(struct rcx_readers *readers, struct rcx_reader *reader);
void rcx_reader_leave(struct rcx_readers *readers, struct rcx_reader *reader);

/*
 * Queue @event for every reader, and wake those whose queue was empty; callable from any
 * context.  0 when at least one reader took it, -EAGAIN when all queues are full, -ENOTCONN
 * when there is no reader.
 */
int rcx_readers_emit(struct rcx_readers *readers, const struct rcx_event *event);

/*
 * The same, but wake a reader only when RCX_BATCH events are queued for it, or when the
 * producer stops after @event.  For readers that take many events at a time.
 */
int rcx_readers_emit_batched(struct rcx_readers *readers, const struct rcx_event *event);

/*
 * Take the oldest event and wait for one when there is none: 0, -EAGAIN when there is
 * none and @nonblock is set, or -ERESTARTSYS after a signal.
 */
int rcx_reader_next(struct rcx_readers *readers, struct rcx_reader *reader, struct rcx_event *event,
		    bool nonblock);

/*
 * Take up to @count of the oldest events whose messages, each padded to RCX_ALIGN bytes, fit
 * into @room bytes together; an event that does not fit stays queued.  Wait for the first one
 * unless @nonblock is set.  The number of events, or -EMSGSIZE when the first one does not
 * fit, or as rcx_reader_next().
 */
int rcx_reader_take(struct rcx_readers *readers, struct rcx_reader *reader,
		    struct rcx_event *events, u32 count, size_t room, bool nonblock);

__poll_t rcx_reader_poll(struct rcx_reader *reader, struct file *file,
			 struct poll_table_struct *table);

#endif /* RCX_READERS_H */
