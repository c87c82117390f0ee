// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readers of events: one queue per open file, one lock per channel.
 *
 * The lock is taken in any context, so it is taken with interrupts off.  A reader is on
 * the list from its open to its release.
 *
 * A wake-up costs several times as much as the rest of an event, so a reader that still has
 * events to read gets none: it will look at its queue again before it sleeps.  Only the
 * event that finds the queue empty wakes; of readers in batches, the one that completes the
 * first batch in it, and the producer's last.  A waiting reader first enters the wait queue and
 * then checks its event queue under the lock, so no wake-up is lost:
 *
 *	reader				emit
 *	prepare_to_wait
 *					lock, finds the queue empty, queues the event,
 *					wake_up, unlock
 *	lock, finds the event
 *
 * If it finds no event, the queue is empty while the reader is in the wait queue, and the
 * next event wakes it.  The wake-up is for all threads that wait for this file: each of
 * them looks at the queue again.  An edge-triggered epoll reports an event only after the
 * earlier ones have been read, which epoll(7) demands anyway.
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
		u32 queued = reader->head - reader->tail;

		if (queued == RCX_QUEUE) {
			if (err == -ENOTCONN)
				err = -EAGAIN;
			continue;
		}
		reader->ring[reader->head % RCX_QUEUE] = *event;
		WRITE_ONCE(reader->head, reader->head + 1);
		err = 0;
		if (queued + 1 == batch || event->last)
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
	if (found) {
		*event = reader->ring[reader->tail % RCX_QUEUE];
		WRITE_ONCE(reader->tail, reader->tail + 1);
	}
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
		WRITE_ONCE(reader->tail, reader->tail + 1);
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

/*
 * Without the lock, the order of the two loads matters.  Tail never passes head.  So if head
 * still has the value that tail had before, then the queue was empty when head was loaded.
 * In the other order, another thread could read an event between the loads, and one that
 * did not wake could be missed.
 */
__poll_t rcx_reader_poll(struct rcx_reader *reader, struct file *file,
			 struct poll_table_struct *table)
{
	u32 tail;

	poll_wait(file, &reader->wait, table);
	tail = READ_ONCE(reader->tail);
	smp_rmb(); /* tail before head */
	return READ_ONCE(reader->head) != tail ? EPOLLIN | EPOLLRDNORM : 0;
}
EXPORT_SYMBOL_GPL(rcx_reader_poll);
