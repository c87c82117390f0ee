// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: ring
 *
 * Two rings in shared memory, made to be fast: one producer, one consumer, few doorbells.
 *
 * What it is.  A driver and a process share one area for each open file: a control page and
 * the slots of two rings, one for each direction.  A ring has a single producer and a
 * single consumer, so neither needs a lock or an atomic operation.  Each index has a
 * cache line of its own.  io_uring, virtio and AF_XDP are built the same way.  Channel
 * mmap has the plain form of such a ring, in which messages are used in place; here
 * both sides copy them out of the shared memory and into it.
 *
 * The path of one message.  The producer copies it into the next slot.  For a whole batch it
 * then stores head once, with release, and rings the doorbell at most once.  The consumer
 * loads head once, with acquire, copies the messages out and stores tail once.
 *
 * - push: one ioctl for each batch.  The kernel consumes the batch before the ioctl
 *   returns, in the context of the caller.
 * - pull: one ioctl requests a batch of fresh messages and returns when they are in the
 *   ring.
 * - call: one ioctl consumes a batch of requests and puts the replies into the other ring.
 * - notify and stream: the kernel puts events in from any context.  It wakes the reader
 *   only if the reader has announced that it sleeps.  The announcement is the number of
 *   the message that must wake it, as in virtio; so one announcement gives one wake-up,
 *   and nobody has to take it back.  While the reader is awake, an event makes no call
 *   and the reader makes no system call.
 *
 * When to choose it.  For a high rate of small messages, when the messages come in batches
 * anyway.  For single messages it saves little: the doorbell costs nearly as much as an
 * ioctl that carries the message.
 *
 * Its pitfall.  Who announces a sleep must look at the ring again afterwards, and who puts a
 * message in must look at the announcement afterwards.  Without a full barrier between
 * store and load on both sides, both may see the old value, and the reader sleeps for
 * ever.  The user may write to the whole area at any time.  So the kernel keeps its own
 * indexes, bounds what it reads of the user's, and copies a message before it checks it.
 * Batches also delay messages: the first of a batch waits for the last.
 *
 * Three modes, which differ in the messages that share a doorbell: each (one), batch16 and
 * batch64.  In the batches a figure contains only a part of a system call, and that part
 * is in no single message.  A stream is published in such batches, but not beyond the end
 * of a burst, so no event waits for a later burst.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of one open file.  A mapping holds the file, so the area exists until the file is
 * closed and the last mapping is removed.  The file holds the module.
 *
 * @area is set once, with release, after @room to @event, which do not change any more.
 * A reader that loads @area with acquire may use these without a lock.  @lock covers the
 * setup, @sequence, @in, the content of @message and, without events, @out and @tail.
 *
 * With events (@batch is not 0) the state is on ring_readers, and @out, @tail and the
 * content of @event belong to the producer of events, of which there is one.
 * ring_readers_lock covers that list; the producer walks it under RCU.
 *
 * @in: messages taken from the ring to the kernel
 * @out: messages put into the ring to the user.  Both are published in the area for the
 *	user and never read back
 * @tail: the user's tail when it was last looked at, so that its cache line is left alone
 *	while there is room
 * @message, @event: private memory for one message each
 */
struct ring_file {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct list_head node;
	wait_queue_head_t wait;
	u32 room;
	u32 slots;
	u32 batch;
	u32 stride;
	struct rcx_msg *message;
	struct rcx_msg *event;
	u32 in;
	u32 out;
	u32 tail;
	void *area;
};

static LIST_HEAD(ring_readers);
static DEFINE_MUTEX(ring_readers_lock);

static struct rcx_ring_control *ring_control(const struct ring_file *state)
{
	return state->area;
}

/* A place in a ring that steps from slot to slot. */
struct ring_place {
	void *slot;
	void *first;
	void *end;
	size_t stride;
};

static struct ring_place ring_place(const struct ring_file *state, bool to_user, u32 position)
{
	size_t bytes = (size_t)state->slots * state->stride;
	void *first = state->area + RCX_RING_SLOTS + (to_user ? bytes : 0);

	return (struct ring_place){
		.slot = first + (size_t)(position & (state->slots - 1)) * state->stride,
		.first = first,
		.end = first + bytes,
		.stride = state->stride,
	};
}

static void ring_step(struct ring_place *place)
{
	place->slot += place->stride;
	if (place->slot == place->end)
		place->slot = place->first;
}

/* ---- user to kernel ----------------------------------------------------- */

/*
 * The bytes of the message in @slot, or 0 when it cannot be that large.  The user may change
 * the size during the copy that follows, so the size in the copy must be compared with it.
 */
static u32 ring_len(const struct ring_file *state, const void *slot)
{
	const struct rcx_msg *shared = slot;
	u32 size = READ_ONCE(shared->size);

	return size <= state->room - RCX_HEADER ? RCX_HEADER + size : 0;
}

/* Copy a message to private memory, where the user cannot change it; returns its bytes. */
static u32 ring_copy_in(const struct ring_file *state, const void *slot)
{
	u32 len = ring_len(state, slot);

	rcx_ring_copy(state->message, slot, rcx_ring_words(len));
	return len;
}

/*
 * Consume up to @count messages from @state->in on, as long as each is the expected one and
 * of the same size as the first.  Returns how many they were.
 */
static u32 ring_consume_run(struct ring_file *state, u32 count)
{
	struct ring_place place = ring_place(state, false, state->in);
	struct rcx_msg *const message = state->message;
	u32 len = ring_len(state, place.slot);
	u64 words = rcx_ring_words(len), due = state->sequence.in, end = due + count;

	if (!len)
		return 0;
	for (; due != end; due++) {
		rcx_ring_copy(message, place.slot, words);
		if (!rcx_is_due(message, len - RCX_HEADER, due))
			break;
		ring_step(&place);
	}
	count -= end - due;
	rcx_consumed(&state->sequence, count);
	state->in += count;
	return count;
}

/* Consume one message, whatever it is.  A bad one is skipped, or there would be no progress. */
static int ring_consume_one(struct ring_file *state)
{
	struct ring_place place = ring_place(state, false, state->in++);
	u32 len = ring_copy_in(state, place.slot);

	return rcx_consume(&state->sequence, state->message, len);
}

/* Consume messages up to @head, or to the first bad one, whose error is returned. */
static int ring_consume(struct ring_file *state, u32 head)
{
	bool validate = rcx_validating();

	while (state->in != head) {
		if (!validate && ring_consume_run(state, head - state->in))
			continue;
		if (ring_consume_one(state))
			return -EBADMSG;
	}
	return 0;
}

/* Messages that the user has put in, or more than there are slots. */
static u32 ring_pending(const struct ring_file *state)
{
	/* Pairs with the user's release: the messages before head are complete. */
	return smp_load_acquire(&ring_control(state)->to_kernel.head) - state->in;
}

/* The user may fill the slots before @state->in again now. */
static void ring_release(const struct ring_file *state)
{
	smp_store_release(&ring_control(state)->to_kernel.tail, state->in);
}

static long ring_kick(struct ring_file *state)
{
	u32 count = ring_pending(state);
	int err;

	if (count > state->slots)
		return -EINVAL;
	err = ring_consume(state, state->in + count);
	ring_release(state);
	return err ? err : (long)count;
}

/* ---- kernel to user, on request ----------------------------------------- */

/* Slots that are free, but not more than @want.  An impossible tail leaves none. */
static u32 ring_free(struct ring_file *state, u32 want)
{
	u32 used = state->out - state->tail;

	if (used > state->slots || state->slots - used < want) {
		/* Pairs with the user's release of the slots. */
		state->tail = smp_load_acquire(&ring_control(state)->to_user.tail);
		used = state->out - state->tail;
	}
	return used > state->slots ? 0 : min(state->slots - used, want);
}

static void ring_publish(struct ring_file *state, u32 count)
{
	/* poll() looks at it. */
	WRITE_ONCE(state->out, state->out + count);
	smp_store_release(&ring_control(state)->to_user.head, state->out);
}

/* Make one message in private memory, and copy it and its successors into the ring. */
static long ring_pull(struct ring_file *state, unsigned long want)
{
	struct ring_place place = ring_place(state, true, state->out);
	struct rcx_msg *const message = state->message;
	u32 size = rcx_size(), count, i;
	u64 words = rcx_ring_words(RCX_HEADER + size);
	bool validate = rcx_validating();

	if (!want || want > state->slots)
		return -EINVAL;
	if (RCX_HEADER + size > state->room)
		return -EMSGSIZE;
	count = ring_free(state, want);
	if (!count)
		return -EAGAIN;
	rcx_make(&state->sequence, message, size);
	rcx_ring_copy(place.slot, message, words);
	for (i = 1; i < count; i++) {
		ring_step(&place);
		rcx_make_next(message, validate);
		rcx_ring_copy(place.slot, message, words);
	}
	rcx_made(&state->sequence, count - 1);
	ring_publish(state, count);
	return count;
}

/* Answer the next @count requests.  A bad one ends it, and gets no reply. */
static int ring_answer(struct ring_file *state, u32 count)
{
	struct ring_place request = ring_place(state, false, state->in);
	struct ring_place reply = ring_place(state, true, state->out);
	struct rcx_msg *const message = state->message;
	u32 answered;
	int err = 0;

	for (answered = 0; answered < count; answered++) {
		u32 len = ring_copy_in(state, request.slot);

		err = rcx_consume(&state->sequence, message, len);
		if (err)
			break;
		rcx_reply(message, len);
		rcx_ring_copy(reply.slot, message, rcx_ring_words(len));
		ring_step(&request);
		ring_step(&reply);
	}
	state->in += answered + !!err;
	ring_publish(state, answered);
	return err;
}

static long ring_call(struct ring_file *state)
{
	u32 pending = ring_pending(state), count;
	int err;

	if (pending > state->slots)
		return -EINVAL;
	count = ring_free(state, pending);
	if (pending && !count)
		return -EAGAIN;
	err = ring_answer(state, count);
	ring_release(state);
	return err ? err : (long)count;
}

/* ---- events ------------------------------------------------------------- */

/* Whether a reader sleeps until one of the messages from @before on, of which @state->out is
 * the end.  The difference counts, so the wrap-around does not matter.
 */
static bool ring_wanted(const struct ring_file *state, u32 before)
{
	u32 wake_at;

	smp_mb(); /* out and head before the announcement, see ring_readable() */
	wake_at = READ_ONCE(ring_control(state)->to_user.wake_at);
	return wake_at - before < state->out - before;
}

/* Copy @state->event and its successors into the ring, @count of them. */
static void ring_fill(const struct ring_file *state, u32 count)
{
	struct ring_place place = ring_place(state, true, state->out);
	struct rcx_msg *const event = state->event;
	u64 words = rcx_ring_words(RCX_HEADER + event->size);
	bool validate = rcx_validating();

	for (; count; count--) {
		rcx_ring_copy(place.slot, event, words);
		rcx_make_next(event, validate);
		ring_step(&place);
	}
}

/* Put the events of @burst into one ring, as many as it has room for. */
static int ring_put(struct ring_file *state, const struct rcx_burst *burst)
{
	u32 done = 0, count;

	if (RCX_HEADER + burst->size > state->room)
		return -EMSGSIZE;
	rcx_event_of(burst, state->event);
	while ((count = ring_free(state, min(state->batch, burst->count - done)))) {
		u32 before = state->out;

		ring_fill(state, count);
		ring_publish(state, count);
		if (ring_wanted(state, before))
			wake_up_interruptible_poll(&state->wait, EPOLLIN | EPOLLRDNORM);
		done += count;
	}
	return done ? done : -EAGAIN;
}

static int ring_emit(const struct rcx_burst *burst)
{
	struct ring_file *state;
	int ret = -ENOTCONN;

	rcu_read_lock();
	list_for_each_entry_rcu(state, &ring_readers, node) {
		int count = ring_put(state, burst);

		if (count > ret || ret == -ENOTCONN)
			ret = count;
	}
	rcu_read_unlock();
	return ret;
}

/*
 * Whether the ring to the user has messages; if not, announce that the reader sleeps until
 * the next one.  The caller is in the wait queue, or will call this again when it is.  Both
 * sides store, then have a full barrier, and then load, so at least one of them sees the
 * other:
 *
 *	reader					producer
 *	enters the wait queue
 *	stores wake_at				stores out, head
 *	smp_mb					smp_mb
 *	out: not empty, does not sleep		wake_at: wake_up, which finds the reader
 *
 * If the producer has loaded an older wake_at, then this side sees its message.  An
 * announcement is used up when its message has been put in; nobody clears it.  A user who
 * overwrites it, or a wrong tail, affects only the wake-ups of this file.
 */
static bool ring_readable(struct ring_file *state)
{
	struct rcx_ring_ends *ends = &ring_control(state)->to_user;
	u32 tail = smp_load_acquire(&ends->tail);

	if (READ_ONCE(state->out) != tail)
		return true;
	WRITE_ONCE(ends->wake_at, tail);
	smp_mb();
	return READ_ONCE(state->out) != tail;
}

static long ring_wait(struct ring_file *state, unsigned long ms)
{
	long left;

	if (ms > RCX_RING_WAIT_MAX)
		return -EINVAL;
	if (!ms)
		return wait_event_interruptible(state->wait, ring_readable(state));
	left = wait_event_interruptible_timeout(state->wait, ring_readable(state),
						msecs_to_jiffies(ms));
	return left > 0 ? 0 : left ?: -ETIME;
}

/* ---- the device --------------------------------------------------------- */

static int ring_open(struct inode *inode, struct file *file)
{
	struct ring_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	init_waitqueue_head(&state->wait);
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int ring_release_file(struct inode *inode, struct file *file)
{
	struct ring_file *state = file->private_data;

	if (state->batch) {
		mutex_lock(&ring_readers_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&ring_readers_lock);
		synchronize_rcu(); /* the producer may be using it */
	}
	vfree(state->area);
	kvfree(state->message);
	kfree(state);
	return 0;
}

static bool ring_setup_valid(const struct rcx_ring_setup *setup)
{
	if (setup->stride || setup->len)
		return false;
	if (setup->room < RCX_HEADER || setup->room > RCX_HEADER + RCX_BODY_MAX)
		return false;
	if (!is_power_of_2(setup->slots) || setup->slots > RCX_RING_SLOTS_MAX)
		return false;
	return setup->batch <= setup->slots;
}

/* Set everything before @area, and put the file on the list of readers after that. */
static void ring_set(struct ring_file *state, const struct rcx_ring_setup *setup, void *area,
		     struct rcx_msg *message)
{
	state->room = setup->room;
	state->slots = setup->slots;
	state->batch = setup->batch;
	state->stride = setup->stride;
	state->message = message;
	state->event = (void *)message + setup->stride;
	smp_store_release(&state->area, area);
	if (!state->batch)
		return;
	mutex_lock(&ring_readers_lock);
	list_add_tail_rcu(&state->node, &ring_readers);
	mutex_unlock(&ring_readers_lock);
}

static long ring_setup(struct ring_file *state, struct rcx_ring_setup __user *arg)
{
	struct rcx_ring_setup setup;
	struct rcx_msg *message;
	void *area;
	u64 bytes;
	long err;

	lockdep_assert_held(&state->lock);
	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!ring_setup_valid(&setup))
		return -EINVAL;
	if (state->area)
		return -EBUSY;
	setup.stride = ALIGN(setup.room, 64);
	bytes = (u64)setup.stride * setup.slots;
	if (bytes > RCX_RING_BYTES_MAX)
		return -E2BIG;
	setup.len = PAGE_ALIGN(RCX_RING_SLOTS + 2 * bytes);
	/* Both zeroed: neither exposes old content. */
	message = kvzalloc(2 * (size_t)setup.stride, GFP_KERNEL);
	if (!message)
		return -ENOMEM;
	err = -ENOMEM;
	area = vmalloc_user(setup.len);
	if (!area)
		goto err_message;
	err = -EFAULT;
	if (copy_to_user(arg, &setup, sizeof(setup)))
		goto err_area;
	ring_set(state, &setup, area, message);
	return 0;

err_area:
	vfree(area);
err_message:
	kvfree(message);
	return err;
}

static long ring_locked(struct ring_file *state, unsigned int cmd, unsigned long arg)
{
	lockdep_assert_held(&state->lock);
	if (cmd == RCX_RING_SETUP)
		return ring_setup(state, (struct rcx_ring_setup __user *)arg);
	if (!state->area)
		return -ENXIO;
	if (cmd == RCX_RING_KICK)
		return ring_kick(state);
	/* The producer of events alone writes to that ring. */
	if (state->batch)
		return -EINVAL;
	return cmd == RCX_RING_PULL ? ring_pull(state, arg) : ring_call(state);
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ring_file *state = file->private_data;
	long ret;

	switch (cmd) {
	case RCX_RING_SETUP:
	case RCX_RING_KICK:
	case RCX_RING_PULL:
	case RCX_RING_CALL:
		if (mutex_lock_interruptible(&state->lock))
			return -ERESTARTSYS;
		ret = ring_locked(state, cmd, arg);
		mutex_unlock(&state->lock);
		return ret;
	case RCX_RING_WAIT:
		/* Sleeps, so it does not take the lock. */
		if (!smp_load_acquire(&state->area))
			return -ENXIO;
		return state->batch ? ring_wait(state, arg) : -EINVAL;
	default:
		return -ENOTTY;
	}
}

static int ring_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ring_file *state = file->private_data;
	void *area = smp_load_acquire(&state->area);

	if (!area)
		return -ENXIO;
	/* A store to a private mapping would not reach the kernel. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, area, vma->vm_pgoff);
}

static __poll_t ring_poll(struct file *file, struct poll_table_struct *table)
{
	struct ring_file *state = file->private_data;

	if (!smp_load_acquire(&state->area) || !state->batch)
		return EPOLLERR;
	poll_wait(file, &state->wait, table);
	return ring_readable(state) ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations ring_fops = {
	.owner = THIS_MODULE,
	.open = ring_open,
	.release = ring_release_file,
	.unlocked_ioctl = ring_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = ring_mmap,
	.poll = ring_poll,
};

static struct miscdevice ring_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_ring",
	.nodename = "ringcross/ring",
	.fops = &ring_fops,
	.mode = 0600,
};

/* The modes differ in the batch that the user half sets up. */
static const struct rcx_emitter ring_emitters[] = {
	{ "each", RCX_IN_ANY, .emit_burst = ring_emit },
	{ "batch16", RCX_IN_ANY, .emit_burst = ring_emit },
	{ "batch64", RCX_IN_ANY, .emit_burst = ring_emit },
	{ }
};

static struct rcx_channel ring_channel = {
	.name = "ring",
	.owner = THIS_MODULE,
	.emitters = ring_emitters,
};

static int __init ring_init(void)
{
	int err = misc_register(&ring_device);

	if (err)
		return err;
	err = rcx_channel_register(&ring_channel);
	if (err)
		misc_deregister(&ring_device);
	return err;
}

static void __exit ring_exit(void)
{
	rcx_channel_unregister(&ring_channel);
	misc_deregister(&ring_device);
}

module_init(ring_init);
module_exit(ring_exit);
MODULE_DESCRIPTION("ringcross: two rings in shared memory, with batched doorbells");
MODULE_LICENSE("GPL");
