// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: mmap
 *
 * Memory that a driver and a process share: a message is not copied between them.
 *
 * What it is.  The driver allocates pages, and its mmap handler enters them into the
 * caller's page tables.  After that the kernel and the process can load what the other has
 * stored.  Shared memory notifies nobody, so a doorbell is needed.  An ioctl that carries
 * no message notifies the kernel; a wait queue with poll() notifies the process.
 *
 * The path of one message.  It is written once, at the place where its receiver reads it.
 *
 * - page: one slot.  push writes the message there and rings the doorbell; the kernel
 *   checks it in place before the ioctl returns.  pull rings the doorbell, the kernel makes
 *   a fresh message in the slot, and the caller reads it there.  call does both: the reply
 *   replaces the request.  In an upcall the kernel writes its request there and wakes the
 *   reader; the reply replaces the request, and a doorbell tells the kernel.
 * - ring: slots between a head that only the producer moves and a tail that only the
 *   consumer moves, without a lock between the two sides.  push puts a message in and
 *   rings the doorbell, once per message.  For notify and stream the kernel puts messages
 *   in and wakes a reader that sleeps in poll(); while the ring is not empty, the user
 *   reads messages without a system call, and is not woken.  All events of a burst are
 *   published at once, by one store to head.  The kernel half walks the list of all rings
 *   under RCU, without a lock; a doorbell still takes the mutex of the file.
 * - ring-eventfd: the same ring to the user.  The reader has registered an eventfd, and sleeps in
 *   that instead of in poll() on the device.  Before it sleeps it says so in the shared memory;
 *   only then does the producer signal the eventfd, once.  So a burst costs at most one signal, and
 *   a reader that is awake costs none.  The count of the eventfd is no number of messages: it only
 *   wakes, and the reader finds out from the ring what has arrived.
 * - kick16, kick64: the ring to the kernel, with one doorbell for 16 or 64 messages.  The
 *   kernel consumes all of them before the ioctl returns.  The first message of a batch
 *   waits until the last one is written.
 *
 * - page, for a dump: the doorbell makes the kernel write all records of a table, and the caller
 *   reads them there.
 * - table: the records are there before the caller asks.  It reads them without any system
 *   call, and then looks at a counter that changes with the table.  The kernel pays for the
 *   table when it changes something, so no figure of a dump contains that cost.
 *
 * When to choose it.  For large messages, or many messages per wake-up: one doorbell can
 * announce a whole ring of messages, and the channel copies no body of any size.
 *
 * Its pitfall.  The user can write at any time, also between a check and the use of the
 * checked value.  So the kernel copies each word of a header out once and uses only the
 * copy.  It keeps its own position, checks the bounds of the user's index, and never reads
 * a length twice.  Both sides must also order their accesses, with acquire and release on
 * head and tail.  And the pages must outlive their last mapping.
 *
 * How to read the numbers.  Neither side copies the body; both work on the shared slot.
 * The figures contain a doorbell or a wake-up, a header and the indexes, and do not grow
 * with the size.  A program that has to copy the body out, or builds it elsewhere first,
 * adds the cost of a plain copy of that size.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

/*
 * State of one open file.  A mapping holds the file, so the area exists until the file is
 * closed and the last mapping is removed.  The file holds the module.
 *
 * @lock covers the setup, @sequence, and @position of all kinds except a ring to the user and
 * an upcall.
 * @area is set once, with release, after @kind, @room, @slots and @stride.  A reader that
 * loads @area with acquire may use these without a lock.  The mmap handler has to do so:
 * it runs under mmap_lock, which a copy from user memory under @lock takes, too.
 *
 * @position is the kernel's own index.  The kernel publishes it in the area for the user
 * and never reads it back.  Rings to the user are on mmap_rings.  mmap_rings_lock covers
 * that list; the producer walks it under RCU.  The @position of these rings belongs to the
 * producer, of which there is one.  @bell is set once, with release, and put when the producer
 * no longer sees the ring.
 */
struct mmap_file {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct list_head node;
	wait_queue_head_t wait;
	u32 kind;
	u32 room;
	u32 slots;
	u32 stride;
	u32 position;
	void *area;
	struct eventfd_ctx *bell; /* NULL without an eventfd */
};

static LIST_HEAD(mmap_rings);
static DEFINE_MUTEX(mmap_rings_lock);

/* Areas that serve upcalls; the lock covers the list and the @position of these areas. */
static LIST_HEAD(mmap_servers);
static DEFINE_SPINLOCK(mmap_server_lock);
static DEFINE_RCX_UPCALL(mmap_upcall);

static struct rcx_mmap_ends *mmap_ends(const struct mmap_file *state)
{
	return state->area;
}

static struct rcx_mmap_slot *mmap_slot(const struct mmap_file *state, u32 position)
{
	return state->area + RCX_MMAP_SLOTS +
	       (size_t)(position & (state->slots - 1)) * state->stride;
}

static struct rcx_msg *mmap_message(struct rcx_mmap_slot *slot)
{
	return (struct rcx_msg *)slot->message;
}

/* ---- messages that the user may change at any time ---------------------- */

/*
 * rcx_consume() reads a header more than once, so it gets a private copy of the header,
 * with size 0.  Size and body are checked here, with values that are read once.
 */
static int mmap_consume(struct mmap_file *state, struct rcx_mmap_slot *slot, struct rcx_msg *head)
{
	const struct rcx_msg *shared = mmap_message(slot);
	u32 len = READ_ONCE(slot->len);
	u32 size = READ_ONCE(shared->size);

	head->size = 0;
	head->magic = READ_ONCE(shared->magic);
	head->seq = READ_ONCE(shared->seq);
	if (len < RCX_HEADER || len > state->room || len - RCX_HEADER != size)
		head->magic = 0;
	else if (unlikely(READ_ONCE(rcx_binding.validate)) &&
		 rcx_body_check(shared->body, size, head->seq, 0) != size)
		head->magic = 0;
	if (rcx_consume(&state->sequence, head, RCX_HEADER))
		return -EBADMSG;
	head->size = size;
	return 0;
}

static void mmap_put(struct rcx_mmap_slot *slot, const struct rcx_msg *head)
{
	struct rcx_msg *shared = mmap_message(slot);

	WRITE_ONCE(slot->len, RCX_HEADER + head->size);
	WRITE_ONCE(shared->size, head->size);
	WRITE_ONCE(shared->magic, head->magic);
	WRITE_ONCE(shared->seq, head->seq);
	WRITE_ONCE(shared->timestamp, head->timestamp);
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_body_fill(shared->body, head->size, head->seq);
}

/* ---- page --------------------------------------------------------------- */

static long mmap_push(struct mmap_file *state)
{
	struct rcx_msg head;

	return mmap_consume(state, mmap_slot(state, 0), &head);
}

static long mmap_pull(struct mmap_file *state, unsigned long len)
{
	struct rcx_msg head;

	if (len < RCX_HEADER || len > state->room)
		return -EMSGSIZE;
	rcx_make(&state->sequence, &head, 0);
	head.size = len - RCX_HEADER;
	mmap_put(mmap_slot(state, 0), &head);
	return 0;
}

static long mmap_call(struct mmap_file *state)
{
	struct rcx_mmap_slot *slot = mmap_slot(state, 0);
	struct rcx_msg *shared = mmap_message(slot);
	struct rcx_msg head;
	u32 at;

	if (mmap_consume(state, slot, &head))
		return -EBADMSG;
	WRITE_ONCE(shared->seq, ~head.seq);
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		for (at = 0; at < head.size; at++)
			shared->body[at] ^= 0xff;
	return 0;
}

/* ---- rings -------------------------------------------------------------- */

/*
 * Count how many of @count messages, from @slot on, are the expected ones; a ring does not
 * wrap around in between.  Each word is loaded once, and only compared.
 */
static u32 mmap_count_due(const struct mmap_file *state, const struct rcx_mmap_slot *slot,
			  u32 count, u64 due)
{
	const u32 size_max = state->room - RCX_HEADER;
	const size_t stride = state->stride;
	const u64 first = due, end = due + count;

	for (; due != end; due++, slot = (const void *)slot + stride) {
		u32 size = READ_ONCE(slot->len) - RCX_HEADER; /* huge for less than a header */

		if (size > size_max || !rcx_is_due((const void *)slot->message, size, due))
			break;
	}
	return due - first;
}

/*
 * Consume messages from @position on, as long as each is the expected one, up to @head.
 * Return the position after the last of them.
 */
static u32 mmap_consume_run(struct mmap_file *state, u32 position, u32 head)
{
	while (position != head && !rcx_validating()) {
		u32 to_wrap = state->slots - (position & (state->slots - 1));
		u32 want = min(head - position, to_wrap);
		u32 due = mmap_count_due(state, mmap_slot(state, position), want,
					 state->sequence.in);

		rcx_consumed(&state->sequence, due);
		position += due;
		if (due < want)
			break;
	}
	return position;
}

/*
 * Consume messages from @*position on, up to @head or to the first bad one.  That one is
 * skipped, or the ring would never make progress.
 */
static noinline int mmap_consume_singly(struct mmap_file *state, u32 *position, u32 head)
{
	struct rcx_msg message;
	int err = 0;

	while (*position != head && !err)
		err = mmap_consume(state, mmap_slot(state, (*position)++), &message);
	return err;
}

static long mmap_kick(struct mmap_file *state)
{
	struct rcx_mmap_ends *ends = mmap_ends(state);
	/* Pairs with the user's release: the messages before head are complete. */
	u32 head = smp_load_acquire(&ends->head);
	u32 position = state->position, count = head - position;
	int err = 0;

	if (count > state->slots)
		return -EINVAL;
	position = mmap_consume_run(state, position, head);
	if (unlikely(position != head))
		err = mmap_consume_singly(state, &position, head);
	state->position = position;
	/* After our last access to the slots: the user may fill them again now. */
	smp_store_release(&ends->tail, position);
	return err ? err : (long)count;
}

/* Put @burst into the slots from @position on: as many of its messages as there is room for. */
static u32 mmap_fill(const struct mmap_file *state, const struct rcx_burst *burst, u32 position,
		     u32 free)
{
	u32 i, count = min(burst->count, free);
	bool validate = rcx_validating();

	for (i = 0; i < count; i++) {
		struct rcx_mmap_slot *slot = mmap_slot(state, position + i);
		struct rcx_msg *shared = mmap_message(slot);

		WRITE_ONCE(slot->len, RCX_HEADER + burst->size);
		WRITE_ONCE(shared->size, burst->size);
		WRITE_ONCE(shared->magic, RCX_MAGIC);
		WRITE_ONCE(shared->seq, burst->seq + i);
		WRITE_ONCE(shared->timestamp, burst->timestamp);
		if (unlikely(validate))
			rcx_body_fill(shared->body, burst->size, burst->seq + i);
	}
	return count;
}

/*
 * A wake-up costs more than all the rest, so it is left out while the reader is awake.  If
 * the ring was not empty before these messages, the reader is awake, or is being woken: it
 * looks at the ring again before it sleeps.  Both sides order their store before their
 * load, so at least one of them sees the other; see mmap_poll().
 */
static void mmap_wake(struct mmap_file *state, u32 before)
{
	smp_mb(); /* head and position before tail */
	if (READ_ONCE(mmap_ends(state)->tail) == before)
		wake_up_interruptible_poll(&state->wait, EPOLLIN | EPOLLRDNORM);
}

static void mmap_signal(struct eventfd_ctx *bell)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(bell);
#else
	eventfd_signal(bell, 1);
#endif
}

/*
 * The same for a reader that sleeps in an eventfd.  It stores asleep and then loads head, and this
 * side stores head and then loads asleep, so at least one of them sees the other.  A signal for a
 * reader that has seen the message itself is one wake-up too many, which it has to expect anyway:
 *
 *	reader				producer
 *	asleep = 1			stores head
 *	full barrier			smp_mb
 *	head: empty, so read()		asleep is 1, so asleep = 0, and signal
 *
 * The user may write asleep at any time, which costs or saves only its own wake-ups.
 */
static void mmap_ring_bell(struct mmap_file *state, struct eventfd_ctx *bell)
{
	struct rcx_mmap_ends *ends = mmap_ends(state);

	smp_mb(); /* head before asleep */
	if (!READ_ONCE(ends->asleep))
		return;
	WRITE_ONCE(ends->asleep, 0);
	mmap_signal(bell);
}

static int mmap_offer(struct mmap_file *state, const struct rcx_burst *burst)
{
	struct rcx_mmap_ends *ends = mmap_ends(state);
	struct eventfd_ctx *bell = smp_load_acquire(&state->bell);
	u32 position = state->position, used, count;

	if (RCX_HEADER + burst->size > state->room)
		return -EMSGSIZE;
	/*
	 * Pairs with the user's release of the slots.  An impossible tail makes the
	 * ring look full, which only affects its owner.
	 */
	used = position - smp_load_acquire(&ends->tail);
	if (used >= state->slots)
		return -EAGAIN;
	count = mmap_fill(state, burst, position, state->slots - used);
	WRITE_ONCE(state->position, position + count);
	smp_store_release(&ends->head, position + count);
	if (bell)
		mmap_ring_bell(state, bell);
	else
		mmap_wake(state, position);
	return count;
}

static int mmap_emit(const struct rcx_burst *burst)
{
	struct mmap_file *state;
	int ret = -ENOTCONN;

	rcu_read_lock();
	list_for_each_entry_rcu(state, &mmap_rings, node) {
		int count = mmap_offer(state, burst);

		if (count > ret || ret == -ENOTCONN)
			ret = count;
	}
	rcu_read_unlock();
	return ret;
}

/* ---- upcalls --------------------------------------------------------------- */

/* Put the request into the slot of the first area that serves, and wake its reader. */
static int mmap_request(const struct rcx_event *request)
{
	const struct rcx_msg head = {
		.size = request->size,
		.magic = RCX_MAGIC,
		.seq = request->seq,
		.timestamp = request->timestamp,
	};
	struct mmap_file *state;
	int err;

	lockdep_assert_held(&mmap_server_lock);
	state = list_first_entry_or_null(&mmap_servers, struct mmap_file, node);
	if (!state)
		return -ENOTCONN;
	if (RCX_HEADER + request->size > state->room)
		return -EMSGSIZE;
	err = rcx_upcall_begin(&mmap_upcall, request, state);
	if (err)
		return err;
	mmap_put(mmap_slot(state, 0), &head);
	WRITE_ONCE(state->position, state->position + 1);
	smp_store_release(&mmap_ends(state)->head, state->position);
	wake_up_interruptible_poll(&state->wait, EPOLLIN | EPOLLRDNORM);
	return 0;
}

static int mmap_ask(const struct rcx_event *request)
{
	int err;

	spin_lock(&mmap_server_lock);
	err = mmap_request(request);
	spin_unlock(&mmap_server_lock);
	return err ? err : rcx_upcall_wait(&mmap_upcall);
}

/* The header is copied once.  The user may change the body after its check, as in any page here. */
static long mmap_answer(struct mmap_file *state)
{
	struct rcx_mmap_slot *slot = mmap_slot(state, 0);
	const struct rcx_msg *shared = mmap_message(slot);
	const struct rcx_msg head = {
		.size = READ_ONCE(shared->size),
		.magic = READ_ONCE(shared->magic),
		.seq = READ_ONCE(shared->seq),
	};

	return rcx_upcall_answer_at(&mmap_upcall, state, &head, shared->body, READ_ONCE(slot->len));
}

/* ---- table --------------------------------------------------------------- */

/*
 * Write the whole table anew.  As with a seqcount, head is odd meanwhile, and even and another
 * number afterwards, so that a reader notices a change under its eyes.
 */
static long mmap_dump(struct mmap_file *state)
{
	struct rcx_record *to = (struct rcx_record *)mmap_slot(state, 0)->message;
	struct rcx_mmap_ends *ends = mmap_ends(state);
	struct rcx_dump dump;
	u32 i;

	rcx_dump_begin(&state->sequence, &dump);
	if (dump.records > state->room / RCX_RECORD)
		return -ENOSPC;
	WRITE_ONCE(ends->head, 2 * (u32)dump.generation + 1);
	smp_wmb(); /* pairs with the reader's acquire of the records */
	for (i = 0; i < dump.records; i++) {
		rcx_dump_record(&dump, i, &to[i]);
		if (i % 1024 == 1023)
			cond_resched();
	}
	smp_store_release(&ends->head, 2 * (u32)dump.generation + 2);
	return dump.records;
}

/* ---- the device --------------------------------------------------------- */

static int mmap_open(struct inode *inode, struct file *file)
{
	struct mmap_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	init_waitqueue_head(&state->wait);
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int mmap_release(struct inode *inode, struct file *file)
{
	struct mmap_file *state = file->private_data;

	if (state->area && state->kind == RCX_MMAP_UPCALL) {
		spin_lock(&mmap_server_lock);
		list_del(&state->node);
		spin_unlock(&mmap_server_lock);
		rcx_upcall_leave(&mmap_upcall, state);
	} else if (state->area && state->kind == RCX_MMAP_TO_USER) {
		mutex_lock(&mmap_rings_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&mmap_rings_lock);
		synchronize_rcu(); /* the producer may be using it */
		if (state->bell)
			eventfd_ctx_put(state->bell);
	}
	vfree(state->area);
	kfree(state);
	return 0;
}

static bool mmap_setup_valid(const struct rcx_mmap_setup *setup)
{
	if (setup->kind >= RCX_MMAP_KINDS || setup->stride || setup->len)
		return false;
	if (setup->kind == RCX_MMAP_TABLE)
		return setup->slots == 1 && setup->room && setup->room % RCX_RECORD == 0 &&
		       setup->room / RCX_RECORD <= RCX_RECORDS_MAX;
	if (setup->room < RCX_HEADER || setup->room > RCX_HEADER + RCX_BODY_MAX)
		return false;
	if (!is_power_of_2(setup->slots) || setup->slots > RCX_MMAP_SLOTS_MAX)
		return false;
	return setup->slots == 1 ||
	       (setup->kind != RCX_MMAP_PAGE && setup->kind != RCX_MMAP_UPCALL);
}

/* Set everything before @area, and put the ring on the list of rings after that. */
static void mmap_publish(struct mmap_file *state, const struct rcx_mmap_setup *setup, void *area)
{
	state->kind = setup->kind;
	state->room = setup->room;
	state->slots = setup->slots;
	state->stride = setup->stride;
	smp_store_release(&state->area, area);
	if (state->kind == RCX_MMAP_UPCALL) {
		rcx_upcall_join(&mmap_upcall);
		spin_lock(&mmap_server_lock);
		list_add_tail(&state->node, &mmap_servers);
		spin_unlock(&mmap_server_lock);
	}
	if (state->kind != RCX_MMAP_TO_USER)
		return;
	mutex_lock(&mmap_rings_lock);
	list_add_tail_rcu(&state->node, &mmap_rings);
	mutex_unlock(&mmap_rings_lock);
}

static long mmap_setup(struct mmap_file *state, struct rcx_mmap_setup __user *arg)
{
	struct rcx_mmap_setup setup;
	void *area;
	u64 bytes;

	lockdep_assert_held(&state->lock);
	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!mmap_setup_valid(&setup))
		return -EINVAL;
	if (state->area)
		return -EBUSY;
	setup.stride = ALIGN(sizeof(struct rcx_mmap_slot) + setup.room, 64);
	bytes = (u64)setup.stride * setup.slots;
	if (bytes > RCX_MMAP_AREA_MAX)
		return -E2BIG;
	setup.len = PAGE_ALIGN(RCX_MMAP_SLOTS + bytes);
	area = vmalloc_user(setup.len); /* zeroed: does not expose old content */
	if (!area)
		return -ENOMEM;
	if (copy_to_user(arg, &setup, sizeof(setup))) {
		vfree(area);
		return -EFAULT;
	}
	mmap_publish(state, &setup, area);
	return 0;
}

static long mmap_set_bell(struct mmap_file *state, const struct rcx_mmap_bell __user *arg)
{
	struct rcx_mmap_bell request;
	struct eventfd_ctx *bell;

	lockdep_assert_held(&state->lock);
	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (request.flags)
		return -EINVAL;
	if (!state->area)
		return -ENXIO;
	if (state->kind != RCX_MMAP_TO_USER)
		return -EINVAL;
	if (state->bell)
		return -EBUSY;
	bell = eventfd_ctx_fdget(request.fd);
	if (IS_ERR(bell))
		return PTR_ERR(bell);
	smp_store_release(&state->bell, bell);
	return 0;
}

/* Run a doorbell; each is valid for one kind of area. */
static long mmap_doorbell(struct mmap_file *state, unsigned int cmd, unsigned long arg)
{
	u32 kind = cmd == RCX_MMAP_KICK	  ? RCX_MMAP_TO_KERNEL :
		   cmd == RCX_MMAP_ANSWER ? RCX_MMAP_UPCALL :
		   cmd == RCX_MMAP_DUMP	  ? RCX_MMAP_TABLE :
					    RCX_MMAP_PAGE;

	lockdep_assert_held(&state->lock);
	if (!state->area)
		return -ENXIO;
	if (state->kind != kind)
		return -EINVAL;
	switch (cmd) {
	case RCX_MMAP_PUSH:
		return mmap_push(state);
	case RCX_MMAP_PULL:
		return mmap_pull(state, arg);
	case RCX_MMAP_CALL:
		return mmap_call(state);
	case RCX_MMAP_ANSWER:
		return mmap_answer(state);
	case RCX_MMAP_DUMP:
		return mmap_dump(state);
	default:
		return mmap_kick(state);
	}
}

static long mmap_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mmap_file *state = file->private_data;
	long ret;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	switch (cmd) {
	case RCX_MMAP_SETUP:
		ret = mmap_setup(state, (struct rcx_mmap_setup __user *)arg);
		break;
	case RCX_MMAP_BELL:
		ret = mmap_set_bell(state, (const struct rcx_mmap_bell __user *)arg);
		break;
	case RCX_MMAP_PUSH:
	case RCX_MMAP_PULL:
	case RCX_MMAP_CALL:
	case RCX_MMAP_KICK:
	case RCX_MMAP_ANSWER:
	case RCX_MMAP_DUMP:
		ret = mmap_doorbell(state, cmd, arg);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&state->lock);
	return ret;
}

static int mmap_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mmap_file *state = file->private_data;
	void *area = smp_load_acquire(&state->area);

	if (!area)
		return -ENXIO;
	/* A store to a private mapping would not reach the kernel. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, area, vma->vm_pgoff);
}

/*
 * poll enters the wait queue, and the user has stored tail before the call; then poll loads
 * the position.  emit stores the position and then loads tail.  With a full barrier between
 * store and load on both sides, at least one of them sees the other:
 *
 *	poll				emit
 *	user's store of tail
 *	poll_wait: enters the queue
 *					stores position, head
 *	smp_mb				smp_mb
 *	position: not empty		tail: the ring was empty, so wake_up,
 *					which finds the poller
 *
 * A reader that stores tail later than it sleeps loses wake-ups, but only its own.
 */
static __poll_t mmap_poll(struct file *file, struct poll_table_struct *table)
{
	struct mmap_file *state = file->private_data;
	u32 tail;

	if (!smp_load_acquire(&state->area) ||
	    (state->kind != RCX_MMAP_TO_USER && state->kind != RCX_MMAP_UPCALL))
		return EPOLLERR;
	poll_wait(file, &state->wait, table);
	smp_mb(); /* the wait queue, and the user's store of tail, before the position */
	tail = smp_load_acquire(&mmap_ends(state)->tail); /* before the position, too */
	return READ_ONCE(state->position) != tail ? EPOLLIN | EPOLLRDNORM : 0;
}

static const struct file_operations mmap_fops = {
	.owner = THIS_MODULE,
	.open = mmap_open,
	.release = mmap_release,
	.unlocked_ioctl = mmap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = mmap_mmap,
	.poll = mmap_poll,
};

static struct miscdevice mmap_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_mmap",
	.nodename = "ringcross/mmap",
	.fops = &mmap_fops,
	.mode = 0600,
};

static struct rcx_channel mmap_channel = {
	.name = "mmap",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "page", 0, NULL, mmap_ask },
						  { "ring", RCX_IN_ANY, .emit_burst = mmap_emit },
						  { "ring-eventfd", RCX_IN_ANY,
						    .emit_burst = mmap_emit },
						  { } },
};

/* Not mmap_init(): the kernel has a function of that name. */
static int __init mmap_channel_init(void)
{
	int err = misc_register(&mmap_device);

	if (err)
		return err;
	err = rcx_channel_register(&mmap_channel);
	if (err)
		misc_deregister(&mmap_device);
	return err;
}

static void __exit mmap_channel_exit(void)
{
	rcx_channel_unregister(&mmap_channel);
	misc_deregister(&mmap_device);
}

module_init(mmap_channel_init);
module_exit(mmap_channel_exit);
MODULE_DESCRIPTION("ringcross: shared memory, one page or a ring with a doorbell");
MODULE_LICENSE("GPL");
