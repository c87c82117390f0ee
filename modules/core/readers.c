// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers of events: one queue per open file, one lock per channel.
 *
 * The lock is taken in any context, so it is taken with interrupts off.  A reader is on
 * the list from its open to its release.  A waiting reader first enters the wait queue
 * and then checks its event queue under the lock, so no wake-up is lost:
 *
 *	reader				emit
 *	prepare_to_wait
 *					lock, queue event, wake_up, unlock
 *	lock, finds the event
 *
 * The wake-up happens under the lock too, so a reader cannot leave the list, and be
 * freed, before the wake-up is done.
 */
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "rcx_readers.h"

void rcx_reader_join(struct rcx_readers *readers, struct rcx_reader *reader)
{
	unsigned long flags;

	reader->head = 0;
	reader->tail = 0;
	init_waitqueue_head(&reader->wait);
	spin_lock_irqsave(&readers->lock, flags);
	list_add_tail(&reader->node, &readers->list);
	spin_unlock_irqrestore(&readers->lock, flags);
}
EXPORT_SYMBOL_GPL(rcx_reader_join);

void rcx_reader_leave(struct rcx_readers *readers, struct rcx_reader *reader)
{
	unsigned long flags;

	spin_lock_irqsave(&readers->lock, flags);
	list_del(&reader->node);
	spin_unlock_irqrestore(&readers->lock, flags);
}
EXPORT_SYMBOL_GPL(rcx_reader_leave);

static __always_inline int emit(struct rcx_readers *readers, const struct rcx_event *event,
				u32 batch)
{
	struct rcx_reader *reader;
	unsigned long flags;
	int err = -ENOTCONN;

	spin_lock_irqsave(&readers->lock, flags);
	list_for_each_entry(reader, &readers->list, node) {
		if (reader->head - reader->tail == RCX_QUEUE) {
			if (err == -ENOTCONN)
				err = -EAGAIN;
			continue;
		}
		reader->ring[reader->head++ % RCX_QUEUE] = *event;
		err = 0;
		if (batch == 1 || reader->head - reader->tail >= batch || event->last)
			wake_up_interruptible_poll(&reader->wait, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock_irqrestore(&readers->lock, flags);
	return err;
}

int rcx_readers_emit(struct rcx_readers *readers, const struct rcx_event *event)
{
	return emit(readers, event, 1);
}
EXPORT_SYMBOL_GPL(rcx_readers_emit);

int rcx_readers_emit_batched(struct rcx_readers *readers, const struct rcx_event *event)
{
	return emit(readers, event, RCX_BATCH);
}
EXPORT_SYMBOL_GPL(rcx_readers_emit_batched);

static bool dequeue(struct rcx_readers *readers, struct rcx_reader *reader, struct rcx_event *event)
{
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&readers->lock, flags);
	found = reader->head != reader->tail;
	if (found)
		*event = reader->ring[reader->tail++ % RCX_QUEUE];
	spin_unlock_irqrestore(&readers->lock, flags);
	return found;
}

int rcx_reader_next(struct rcx_readers *readers, struct rcx_reader *reader, struct rcx_event *event,
		    bool nonblock)
{
	if (dequeue(readers, reader, event))
		return 0;
	if (nonblock)
		return -EAGAIN;
	return wait_event_interruptible(reader->wait, dequeue(readers, reader, event));
}
EXPORT_SYMBOL_GPL(rcx_reader_next);

/* The same for several events, see rcx_reader_take(); 0 when there is none. */
static int dequeue_many(struct rcx_readers *readers, struct rcx_reader *reader,
			struct rcx_event *events, u32 count, size_t room)
{
	unsigned long flags;
	int taken = 0;

	spin_lock_irqsave(&readers->lock, flags);
	while (taken < count && reader->head != reader->tail) {
		const struct rcx_event *next = &reader->ring[reader->tail % RCX_QUEUE];
		size_t len = RCX_PADDED(RCX_HEADER + next->size);

		if (len > room) {
			taken = taken ?: -EMSGSIZE;
			break;
		}
		room -= len;
		events[taken++] = *next;
		reader->tail++;
	}
	spin_unlock_irqrestore(&readers->lock, flags);
	return taken;
}

int rcx_reader_take(struct rcx_readers *readers, struct rcx_reader *reader,
		    struct rcx_event *events, u32 count, size_t room, bool nonblock)
{
	int taken = dequeue_many(readers, reader, events, count, room), err;

	if (taken)
		return taken;
	if (nonblock)
		return -EAGAIN;
	err = wait_event_interruptible(reader->wait, (taken = dequeue_many(readers, reader, events,
									   count, room)));
	return err ?: taken;
}
EXPORT_SYMBOL_GPL(rcx_reader_take);

__poll_t rcx_reader_poll(struct rcx_reader *reader, struct file *file,
			 struct poll_table_struct *table)
{
	poll_wait(file, &reader->wait, table);
	return READ_ONCE(reader->head) != READ_ONCE(reader->tail) ? EPOLLIN | EPOLLRDNORM : 0;
}
EXPORT_SYMBOL_GPL(rcx_reader_poll);
