// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: eventfd
 *
 * A counter in a file descriptor: the kernel adds to it, and a program waits for it.
 *
 * What it is.  eventfd() returns a descriptor of a counter of 64 bits.  A program passes the
 * descriptor to a driver, usually by an ioctl.  The driver looks the counter up once and
 * keeps a reference to it.  From then on each event adds 1 and wakes the readers.  A read()
 * of 8 bytes returns the counter and sets it to 0; while the counter is 0, read() sleeps.
 * Every event loop of user space can watch it, because poll() and epoll work on it.  KVM,
 * VFIO, vhost and asynchronous I/O notify user space in this way.
 *
 * The path of one message.  eventfd_signal() takes the lock of the counter's wait queue,
 * adds 1 and wakes the sleepers.  The reader enters by read(), takes the same lock, takes
 * the count and copies 8 bytes out.  There is no queue and nothing is allocated, so an
 * event cannot fail for want of memory, and the kernel may signal from any context.  Mode
 * epoll has one more system call, and its wake-up goes through the list of ready files of
 * the epoll instance.
 *
 * When to choose it.  To wake a program where the data is elsewhere: as the doorbell of a
 * ring in shared memory, or for the completion of work.  The driver needs no wait queue, no
 * poll() handler and no read() of its own, and one program can register one eventfd with
 * many drivers.
 *
 * Its pitfall.  It carries a count and nothing else.  Several events become one wake-up,
 * and a reader that takes a notice for one event forgets the others.  A counter at its
 * highest value stays there: later events are lost, and only EPOLLERR tells a reader.  The
 * program may also write to its eventfd, so a count is a hint, and the truth must be in the
 * data that it announces.  A registration outlives the descriptor: after the program has
 * closed it, the driver still adds to a counter that nobody can read, until it releases
 * its reference.  All readers of one eventfd share its count, so each reader needs its own.
 *
 * Three modes, which differ in the user half only:
 *
 * - count: read() returns all events since the last one as one number.
 * - epoll: epoll_wait(), then read(), as in an event loop.
 * - semaphore: with EFD_SEMAPHORE each read() takes 1 from the counter, so N events need N
 *   reads and none is forgotten.
 *
 * The program registers through /dev/ringcross/eventfd, which is not measured: no event
 * crosses it.  Its open file holds this module, and closing it ends the registration.
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
 * State of one open file.  @context is written once, before the state is added to the list;
 * eventfd_lock protects both.  Emitters walk the list under RCU, so release waits for a
 * grace period before it drops the reference to the counter.
 */
struct eventfd_file {
	struct list_head node;
	struct eventfd_ctx *context; /* NULL until it has registered */
};

static DEFINE_MUTEX(eventfd_lock);
static LIST_HEAD(eventfd_files);

static void eventfd_add(struct eventfd_ctx *context)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(context);
#else
	eventfd_signal(context, 1);
#endif
}

/*
 * Works in any context: the counter's lock is taken with interrupts off.  On PREEMPT_RT that
 * lock may sleep, and the core does not call this from a hardirq.  The kernel does not say
 * whether the counter was at its highest value, so an event is refused only if no counter is
 * registered.
 */
static int eventfd_emit(const struct rcx_event *event)
{
	const struct eventfd_file *state;
	bool taken = false;

	rcu_read_lock();
	list_for_each_entry_rcu(state, &eventfd_files, node) {
		eventfd_add(state->context);
		taken = true;
	}
	rcu_read_unlock();
	return taken ? 0 : -ENOTCONN;
}

static int eventfd_open(struct inode *inode, struct file *file)
{
	struct eventfd_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int eventfd_release(struct inode *inode, struct file *file)
{
	struct eventfd_file *state = file->private_data;

	if (state->context) {
		mutex_lock(&eventfd_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&eventfd_lock);
		synchronize_rcu();
		eventfd_ctx_put(state->context);
	}
	kfree(state);
	return 0;
}

static int eventfd_add_file(struct eventfd_file *state, struct eventfd_ctx *context)
{
	int err = 0;

	mutex_lock(&eventfd_lock);
	if (state->context) {
		err = -EBUSY;
	} else {
		state->context = context;
		list_add_tail_rcu(&state->node, &eventfd_files);
	}
	mutex_unlock(&eventfd_lock);
	return err;
}

/* The reference to the counter keeps it, also after user space has closed its descriptor. */
static long eventfd_register(struct eventfd_file *state,
			     const struct rcx_eventfd_register __user *arg)
{
	struct rcx_eventfd_register request;
	struct eventfd_ctx *context;
	int err;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (request.flags)
		return -EINVAL;
	context = eventfd_ctx_fdget(request.fd);
	if (IS_ERR(context))
		return PTR_ERR(context);
	err = eventfd_add_file(state, context);
	if (err)
		eventfd_ctx_put(context);
	return err;
}

static long eventfd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_EVENTFD_REGISTER:
		return eventfd_register(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations eventfd_fops = {
	.owner = THIS_MODULE,
	.open = eventfd_open,
	.release = eventfd_release,
	.unlocked_ioctl = eventfd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice eventfd_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_eventfd",
	.nodename = "ringcross/eventfd",
	.fops = &eventfd_fops,
	.mode = 0600,
};

static struct rcx_channel eventfd_channel = {
	.name = "eventfd",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "count", RCX_IN_ANY, eventfd_emit },
						  { "epoll", RCX_IN_ANY, eventfd_emit },
						  { "semaphore", RCX_IN_ANY, eventfd_emit },
						  { } },
};

static int __init eventfd_init(void)
{
	int err = misc_register(&eventfd_device);

	if (err)
		return err;
	err = rcx_channel_register(&eventfd_channel);
	if (err)
		misc_deregister(&eventfd_device);
	return err;
}

static void __exit eventfd_exit(void)
{
	rcx_channel_unregister(&eventfd_channel);
	misc_deregister(&eventfd_device);
}

module_init(eventfd_init);
module_exit(eventfd_exit);
MODULE_DESCRIPTION("ringcross: an eventfd that the kernel signals");
MODULE_LICENSE("GPL");
