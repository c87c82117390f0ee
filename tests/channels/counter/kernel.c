// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: counter
 *
 * A channel of the tests that carries only a count: each event adds 1 to an eventfd.
 *
 * What it is.  A device to which a program passes an eventfd that it has made.
 *
 * The path of one message.  eventfd_signal() takes the lock of the eventfd, adds 1 and wakes the
 * reader.  A read() returns the count of all events since the last one, and sets it to 0.
 *
 * When to choose it.  To wake a program where the event itself carries no data.
 *
 * Its pitfall.  Several events become one wake-up.
 */
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of one open file.  @context is set once, under counter_lock, which also protects the
 * list.  The emit hook walks the list under RCU.
 */
struct counter_file {
	struct list_head node;
	struct eventfd_ctx *context; /* NULL until it has registered */
};

static DEFINE_MUTEX(counter_lock);
static LIST_HEAD(counter_files);

static void counter_signal(struct eventfd_ctx *context)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(context);
#else
	eventfd_signal(context, 1);
#endif
}

static int counter_emit(const struct rcx_event *event)
{
	const struct counter_file *state;
	bool taken = false;

	rcu_read_lock();
	list_for_each_entry_rcu(state, &counter_files, node) {
		counter_signal(state->context);
		taken = true;
	}
	rcu_read_unlock();
	return taken ? 0 : -ENOTCONN;
}

static int counter_open(struct inode *inode, struct file *file)
{
	struct counter_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int counter_release(struct inode *inode, struct file *file)
{
	struct counter_file *state = file->private_data;

	if (state->context) {
		mutex_lock(&counter_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&counter_lock);
		synchronize_rcu();
		eventfd_ctx_put(state->context);
	}
	kfree(state);
	return 0;
}

static long counter_register(struct counter_file *state,
			     const struct rcx_counter_register __user *arg)
{
	struct rcx_counter_register request;
	struct eventfd_ctx *context;
	long err = 0;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (request.flags)
		return -EINVAL;
	context = eventfd_ctx_fdget(request.fd);
	if (IS_ERR(context))
		return PTR_ERR(context);
	mutex_lock(&counter_lock);
	if (state->context) {
		err = -EBUSY;
	} else {
		state->context = context;
		list_add_tail_rcu(&state->node, &counter_files);
	}
	mutex_unlock(&counter_lock);
	if (err)
		eventfd_ctx_put(context);
	return err;
}

static long counter_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_COUNTER_REGISTER:
		return counter_register(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations counter_fops = {
	.owner = THIS_MODULE,
	.open = counter_open,
	.release = counter_release,
	.unlocked_ioctl = counter_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice counter_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_counter",
	.nodename = "ringcross/counter",
	.fops = &counter_fops,
	.mode = 0600,
};

static struct rcx_channel counter_channel = {
	.name = "counter",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "count", RCX_IN_ANY, counter_emit },
						  { "flag", RCX_IN_ANY, counter_emit },
						  { } },
};

static int __init counter_init(void)
{
	int err = misc_register(&counter_device);

	if (err)
		return err;
	err = rcx_channel_register(&counter_channel);
	if (err)
		misc_deregister(&counter_device);
	return err;
}

static void __exit counter_exit(void)
{
	rcx_channel_unregister(&counter_channel);
	misc_deregister(&counter_device);
}

module_init(counter_init);
module_exit(counter_exit);
MODULE_DESCRIPTION("ringcross: an eventfd, for the tests");
MODULE_LICENSE("GPL");
