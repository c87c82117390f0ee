// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: signal
 *
 * The kernel taps a thread on the shoulder: a number, and at most one word.
 *
 * What it is.  send_sig_info() puts a signal on a thread's list of pending
 * ones.  Real-time signals (from SIGRTMIN) queue in order, each with the value
 * its sender gave; a standard signal is pending or not, and the value of all
 * but the first is dropped with them.
 *
 * The path of one message.  Take the lock of the receiver's signal handlers,
 * allocate a queue entry, copy the siginfo into it, wake the thread.  sigwaitinfo()
 * and read() of a signalfd take it off the list and hand the siginfo out as their
 * result.  For a handler the thread finds the signal on its way out of the kernel,
 * which builds a frame on the user stack; the handler runs, and comes back by one
 * more system call.
 *
 * When to choose it.  A rare event for one known process that should hear of
 * it in the midst of whatever it does, as a timer or a fault.
 *
 * Its trap.  It interrupts: system calls return EINTR, handlers may call next
 * to nothing, and a signal's number is shared with every library in the
 * process; who blocks it and takes it by sigwaitinfo() or signalfd has none of
 * that.  The queue is limited per user and over all of that user's processes
 * (RLIMIT_SIGPENDING), so that another program can fill it; then the sender of a
 * real-time signal is told EAGAIN, and a standard one comes without its value.
 * Standard signals coalesce and nobody is told.
 *
 * Four modes: standard and realtime, both taken by sigwaitinfo(), and a
 * real-time signal taken by a handler and through a signalfd.  All carry the
 * sequence number alone.  The thread registers through /dev/ringcross/signal, which
 * is not measured: no event crosses it, but its open file holds this module
 * and gives the registration an end.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of one open file.  Written once, before it goes on the list, which
 * signal_lock covers and events walk under RCU.  It holds the thread's pid and
 * not its task: a pid is small, is never given to another, and tells when the
 * thread has gone.
 */
struct signal_file {
	struct list_head node;
	struct pid *pid;		/* NULL until it has registered */
	int signo;
};

static DEFINE_MUTEX(signal_lock);
static LIST_HEAD(signal_files);

static int signal_send(const struct signal_file *state, const struct rcx_event *event)
{
	struct task_struct *task = pid_task(state->pid, PIDTYPE_PID);
	struct kernel_siginfo info;

	if (!task)
		return -ESRCH;
	clear_siginfo(&info);		/* holes and all: it goes to user space whole */
	info.si_signo = state->signo;
	info.si_code = SI_QUEUE;
	info.si_int = (int)event->seq;
	return send_sig_info(state->signo, &info, task);
}

/*
 * Any context will do: the receiver's lock is taken with interrupts off.  Only
 * on -rt kernels that lock sleeps.
 */
static int signal_emit(const struct rcx_event *event)
{
	const struct signal_file *state;
	int err = -ENOTCONN;
	bool taken = false;

	rcu_read_lock();
	list_for_each_entry_rcu(state, &signal_files, node) {
		err = signal_send(state, event);
		taken |= !err;
	}
	rcu_read_unlock();
	return taken ? 0 : err;
}

static int signal_open(struct inode *inode, struct file *file)
{
	struct signal_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int signal_release(struct inode *inode, struct file *file)
{
	struct signal_file *state = file->private_data;

	if (state->pid) {
		mutex_lock(&signal_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&signal_lock);
		synchronize_rcu();
		put_pid(state->pid);
	}
	kfree(state);
	return 0;
}

static long signal_register(struct signal_file *state,
			    const struct rcx_signal_register __user *arg)
{
	struct rcx_signal_register request;
	long err = 0;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (request.flags || !request.signo || !valid_signal(request.signo) ||
	    sig_kernel_only(request.signo))
		return -EINVAL;

	mutex_lock(&signal_lock);
	if (state->pid) {
		err = -EBUSY;
	} else {
		state->signo = request.signo;
		state->pid = get_pid(task_pid(current));
		list_add_tail_rcu(&state->node, &signal_files);
	}
	mutex_unlock(&signal_lock);
	return err;
}

static long signal_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_SIGNAL_REGISTER:
		return signal_register(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations signal_fops = {
	.owner = THIS_MODULE,
	.open = signal_open,
	.release = signal_release,
	.unlocked_ioctl = signal_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice signal_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_signal",
	.nodename = "ringcross/signal",
	.fops = &signal_fops,
	.mode = 0600,
};

static struct rcx_channel signal_channel = {
	.name = "signal",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "standard", RCX_IN_ANY, signal_emit },
		{ "realtime", RCX_IN_ANY, signal_emit },
		{ "handler", RCX_IN_ANY, signal_emit },
		{ "signalfd", RCX_IN_ANY, signal_emit },
		{ }
	},
};

static int __init signal_init(void)
{
	int err = misc_register(&signal_device);

	if (err)
		return err;
	err = rcx_channel_register(&signal_channel);
	if (err)
		misc_deregister(&signal_device);
	return err;
}

static void __exit signal_exit(void)
{
	rcx_channel_unregister(&signal_channel);
	misc_deregister(&signal_device);
}

module_init(signal_init);
module_exit(signal_exit);
MODULE_DESCRIPTION("ringcross: signals, standard and real-time");
MODULE_LICENSE("GPL");
