/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A queue of events per open file, for channels whose own mechanism has a wait
 * but no queue (ioctl, read, poll).  Channels with a queue of their own
 * (netlink, relay, input, ...) must use theirs: it is what is measured.
 */
#ifndef RC_READERS_H
#define RC_READERS_H

#include <linux/list.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "rc_core.h"

#define RC_QUEUE 256		/* a power of two; the newest is refused when full */

/* All readers of one channel. */
struct rc_readers {
	spinlock_t lock;
	struct list_head list;
};

#define DEFINE_RC_READERS(name)					\
	struct rc_readers name = {				\
		.lock = __SPIN_LOCK_UNLOCKED((name).lock),	\
		.list = LIST_HEAD_INIT((name).list),		\
	}

/* One reader; embed it in the state of an open file. */
struct rc_reader {
	struct list_head node;
	wait_queue_head_t wait;
	u32 head;
	u32 tail;
	struct rc_shot ring[RC_QUEUE];
};

void rc_reader_join(struct rc_readers *readers, struct rc_reader *reader);
void rc_reader_leave(struct rc_readers *readers, struct rc_reader *reader);

/* Give @shot to every reader, from any context.  0 when one took it, -EAGAIN
 * when all queues are full, -ENOTCONN when nobody reads.
 */
int rc_readers_emit(struct rc_readers *readers, const struct rc_shot *shot);

/* Take the oldest event: 0, -EAGAIN when there is none and @nonblock, or
 * -ERESTARTSYS.
 */
int rc_reader_next(struct rc_readers *readers, struct rc_reader *reader,
		   struct rc_shot *shot, bool nonblock);

__poll_t rc_reader_poll(struct rc_reader *reader, struct file *file,
			struct poll_table_struct *table);

#endif /* RC_READERS_H */
