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
 * - wake: the baseline of a notification.  An ioctl() sleeps on a wait queue until a
 *   counter changes; the context that emits the event wakes it.  It is the baseline of an
 *   upcall, too: one ioctl() sleeps until the kernel asks, and another one lets the kernel
 *   go on.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "abi.h"

/* Wakes all waiters; the counter holds the number of events since the bind. */
static DECLARE_WAIT_QUEUE_HEAD(null_wait);
static atomic64_t null_events = ATOMIC64_INIT(0);

static DEFINE_RCX_UPCALL(null_upcall);

static ssize_t null_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return 0;
}

static ssize_t null_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	return len;
}

static long null_wait_past(u64 __user *arg)
{
	u64 seen;

	if (get_user(seen, arg))
		return -EFAULT;
	if (wait_event_interruptible(null_wait, atomic64_read(&null_events) > seen))
		return -ERESTARTSYS;
	return put_user((u64)atomic64_read(&null_events), arg);
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
	atomic64_set(&null_events, event->seq + 1);
	wake_up_interruptible(&null_wait);
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
	atomic64_set(&null_events, 0);
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
