// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: null
 *
 * The floor: a misc device whose handlers do nothing.
 *
 * What it is.  read(), write() and ioctl() on /dev/ringcross/null enter the kernel,
 * find the open file, pass the checks every system call on a file passes, call
 * an empty function and return.  No channel that makes a system call on a file for
 * each message can cost less on this kernel, so every table and figure shows it.
 *
 * The path of one call.  System call entry, fd lookup, (for read and write)
 * access check, security hook, our empty handler, system call exit.
 *
 * When to choose it.  Never; subtract it.  What a channel costs above this
 * line is its own.
 *
 * Its trap.  It carries no message, so its numbers are no channel's numbers.
 * Each call proves that it reached the handler by the handler's own answer.
 *
 * Two modes: handler, the calls above; and wake, the floor of being notified: an
 * ioctl() that sleeps on a wait queue until a counter moves, woken from where the
 * event is raised.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "abi.h"

/* A wake-up is for whoever waits; the counter tells how many there were. */
static DECLARE_WAIT_QUEUE_HEAD(null_wait);
static atomic64_t null_events = ATOMIC64_INIT(0);

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

static long null_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_NULL_NOTHING:
		return RCX_NULL_ANSWER;
	case RCX_NULL_WAIT:
		return null_wait_past((u64 __user *)arg);
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

static int null_reset(void)
{
	atomic64_set(&null_events, 0);
	return 0;
}

static const struct file_operations null_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
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
	.emitters = (const struct rcx_emitter[]) {
		{ "wake", RCX_IN_ANY, null_emit },
		{ }
	},
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
MODULE_DESCRIPTION("ringcross: the floor, handlers that do nothing");
MODULE_LICENSE("GPL");
