// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: null
 *
 * The baseline: a misc device whose handlers do nothing.
 *
 * What it is.  read(), write() and ioctl() on /dev/ringcross/null enter the kernel,
 * look up the open file, pass the checks of every system call on a file, call
 * an empty function and return.  A channel that makes a system call on a file for
 * each message cannot cost less on this kernel.  So every table and figure shows
 * this baseline.
 *
 * The path of one call.  System call entry, fd lookup, access check (for read and
 * write), security hook, our empty handler, system call exit.
 *
 * When to choose it.  Never for data: subtract its cost from the cost of a channel.
 * The difference is the cost of the channel itself.
 *
 * Its pitfall.  It carries no message, so its numbers do not stand for any channel.
 * Each call verifies by the handler's return value that it reached the handler.
 *
 * Two modes:
 *
 * - handler: the calls above.
 * - wake: the baseline of a notification.  An ioctl() sleeps until a counter changes; the
 *   context that emits the event wakes it.  There is no wait queue: the emitter wakes each
 *   waiting thread directly, as the kernel's semaphores do.  A wait queue, as of an eventfd,
 *   costs more: it calls a function for each entry, and its waiter looks at it again.  It is
 *   the baseline of an upcall, too: one ioctl() sleeps until the kernel asks, and another one
 *   lets the kernel go on.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "abi.h"

/* A thread that sleeps in RCX_NULL_WAIT; it is on that thread's stack. */
struct null_waiter {
	struct list_head node;
	struct task_struct *task;
};

/*
 * The lock protects the list and the number of events since the bind.  It is taken in any
 * context.  The emitter wakes under it, so that a waiter, which takes it to leave the list,
 * cannot be gone before.
 */
static DEFINE_RAW_SPINLOCK(null_lock);
static LIST_HEAD(null_waiters);
static u64 null_events;

static DEFINE_RCX_UPCALL(null_upcall);

static ssize_t null_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return 0;
}

static ssize_t null_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	return len;
}

/*
 * The state is set under the lock, and so before an emitter can see the waiter: a wake-up between
 * the unlock and the schedule() makes the thread runnable again.
 */
static long null_sleep(u64 seen, u64 *events)
{
	struct null_waiter waiter = { .task = current };
	long err = 0;

	raw_spin_lock_irq(&null_lock);
	list_add_tail(&waiter.node, &null_waiters);
	while (null_events <= seen) {
		if (signal_pending(current)) {
			err = -ERESTARTSYS;
			break;
		}
		__set_current_state(TASK_INTERRUPTIBLE);
		raw_spin_unlock_irq(&null_lock);
		schedule();
		raw_spin_lock_irq(&null_lock);
	}
	list_del(&waiter.node);
	*events = null_events;
	raw_spin_unlock_irq(&null_lock);
	return err;
}

static long null_wait_past(u64 __user *arg)
{
	u64 seen, events;
	long err;

	if (get_user(seen, arg))
		return -EFAULT;
	err = null_sleep(seen, &events);
	return err ? err : put_user(events, arg);
}

static long null_take(struct file *file)
{
	struct rcx_event request;

	return rcx_upcall_take(&null_upcall, file, &request, false);
}

static long null_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_NULL_NOTHING:
		return RCX_NULL_ANSWER;
	case RCX_NULL_WAIT:
		return null_wait_past((u64 __user *)arg);
	case RCX_NULL_TAKE:
		return null_take(file);
	case RCX_NULL_REPLY:
		return rcx_upcall_answer_narrow(&null_upcall, file, 0, 0);
	default:
		return -ENOTTY;
	}
}

static int null_emit(const struct rcx_event *event)
{
	const struct null_waiter *waiter;
	unsigned long flags;

	raw_spin_lock_irqsave(&null_lock, flags);
	null_events = event->seq + 1;
	list_for_each_entry(waiter, &null_waiters, node)
		wake_up_process(waiter->task);
	raw_spin_unlock_irqrestore(&null_lock, flags);
	return 0;
}

static int null_ask(const struct rcx_event *request)
{
	return rcx_upcall_ask(&null_upcall, request);
}

/* Every open file may serve upcalls. */
static int null_open(struct inode *inode, struct file *file)
{
	rcx_upcall_join(&null_upcall);
	return nonseekable_open(inode, file);
}

static int null_release(struct inode *inode, struct file *file)
{
	rcx_upcall_leave(&null_upcall, file);
	return 0;
}

static int null_reset(void)
{
	raw_spin_lock_irq(&null_lock);
	null_events = 0;
	raw_spin_unlock_irq(&null_lock);
	return 0;
}

static const struct file_operations null_fops = {
	.owner = THIS_MODULE,
	.open = null_open,
	.release = null_release,
	.read = null_read,
	.write = null_write,
	.unlocked_ioctl = null_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice null_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_null",
	.nodename = "ringcross/null",
	.fops = &null_fops,
	.mode = 0600,
};

static struct rcx_channel null_channel = {
	.name = "null",
	.owner = THIS_MODULE,
	.reset = null_reset,
	.emitters = (const struct rcx_emitter[]){ { "wake", RCX_IN_ANY, null_emit, null_ask }, { } },
};

static int __init null_init(void)
{
	int err = misc_register(&null_device);

	if (err)
		return err;
	err = rcx_channel_register(&null_channel);
	if (err)
		misc_deregister(&null_device);
	return err;
}

static void __exit null_exit(void)
{
	rcx_channel_unregister(&null_channel);
	misc_deregister(&null_device);
}

module_init(null_init);
module_exit(null_exit);
MODULE_DESCRIPTION("ringcross: the baseline, handlers that do nothing");
MODULE_LICENSE("GPL");
