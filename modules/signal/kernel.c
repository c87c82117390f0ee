// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: signal
 *
 * An asynchronous notification of a thread: a number, and at most one value.
 *
 * What it is.  send_sig_info() puts a signal on a thread's list of pending
 * signals.  Real-time signals (from SIGRTMIN) queue in order, each with the value
 * of its sender.  A standard signal is either pending or not: while it is pending,
 * further ones are dropped together with their values.
 *
 * The path of one message.  The sender takes the lock of the receiver's signal
 * handlers, allocates a queue entry, copies the siginfo into it and wakes the thread.
 * sigwaitinfo() and read() of a signalfd remove the entry from the list and return the
 * siginfo.  For a handler, the thread finds the signal on its way out of the kernel,
 * which builds a frame on the user stack.  The handler runs, and returns by one
 * more system call.
 *
 * When to choose it.  For a rare event that one known process should receive
 * in the middle of other work, such as a timer or a fault.
 *
 * Its pitfall.  A signal interrupts: system calls return EINTR, and handlers may call
 * only few functions.  Every library in the process shares the signal numbers.  A thread
 * that blocks the signal and takes it by sigwaitinfo() or signalfd avoids the
 * interruptions.  The queue is limited per user, over all of that user's processes
 * (RLIMIT_SIGPENDING), so another program can fill it.  Then the sender of a
 * real-time signal gets EAGAIN, and a standard signal arrives without its value.
 * Standard signals coalesce: for several events, a thread that takes them late gets one
 * signal, and neither sender nor receiver gets an error.  So a second reader of mode
 * standard does not see every event.
 *
 * Four modes:
 *
 * - standard: SIGUSR1, taken by sigwaitinfo().
 * - realtime: a real-time signal, taken by sigwaitinfo().
 * - handler: a real-time signal, taken by a handler.
 * - signalfd: a real-time signal, read from a signalfd.
 *
 * All carry the sequence number alone.  The thread registers through
 * /dev/ringcross/signal, which is not measured: no event crosses it.  Its open file
 * holds this module, and closing it ends the registration.  A signal has no reply, so
 * that of an upcall is an ioctl on this file.
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
#include "rcx_upcall.h"
#include "abi.h"

/*
 * State of one open file.  It is written once, before it is added to the list.
 * signal_lock protects the list; emitters walk it under RCU.  The state holds the
 * thread's struct pid and not its task: a struct pid is small, is never reused for
 * another thread, and shows when the thread has ended.
 */
struct signal_file {
	struct list_head node;
	struct pid *pid; /* NULL until it has registered */
	int signo;
};

static DEFINE_MUTEX(signal_lock);
static LIST_HEAD(signal_files);
static DEFINE_RCX_UPCALL(signal_upcall);

static int signal_send(const struct signal_file *state, const struct rcx_event *event)
{
	struct task_struct *task = pid_task(state->pid, PIDTYPE_PID);
	struct kernel_siginfo info;

	if (!task)
		return -ESRCH;
	clear_siginfo(&info); /* also the padding, which is copied to user space, too */
	info.si_signo = state->signo;
	info.si_code = SI_QUEUE;
	info.si_int = (int)event->seq;
	return send_sig_info(state->signo, &info, task);
}

/*
 * Works in any context: the receiver's lock is taken with interrupts off.  On PREEMPT_RT
 * that lock may sleep, and the core does not call this from a hardirq.
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

/*
 * The first registered thread is asked.  Its state is not freed before the end of the RCU section,
 * and is only compared after that.
 */
static int signal_ask(const struct rcx_event *request)
{
	const struct signal_file *state;
	int err;

	rcu_read_lock();
	state = list_first_or_null_rcu(&signal_files, struct signal_file, node);
	err = state ? rcx_upcall_begin(&signal_upcall, request, state) : -ENOTCONN;
	if (err) {
		rcu_read_unlock();
		return err;
	}
	err = signal_send(state, request);
	rcu_read_unlock();
	return err ? rcx_upcall_result(&signal_upcall, err) : rcx_upcall_wait(&signal_upcall);
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
		/* Then no emitter can still begin a request for this file. */
		synchronize_rcu();
		rcx_upcall_leave(&signal_upcall, state);
		put_pid(state->pid);
	}
	kfree(state);
	return 0;
}

static long signal_register(struct signal_file *state, const struct rcx_signal_register __user *arg)
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
		rcx_upcall_join(&signal_upcall);
		list_add_tail_rcu(&state->node, &signal_files);
	}
	mutex_unlock(&signal_lock);
	return err;
}

static long signal_answer(const struct signal_file *state, const u32 __user *arg)
{
	u32 number;

	if (get_user(number, arg))
		return -EFAULT;
	return rcx_upcall_answer_narrow(&signal_upcall, state, number, U32_MAX);
}

static long signal_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_SIGNAL_REGISTER:
		return signal_register(file->private_data, (void __user *)arg);
	case RCX_SIGNAL_ANSWER:
		return signal_answer(file->private_data, (u32 __user *)arg);
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
	.emitters =
		(const struct rcx_emitter[]){ { "standard", RCX_IN_ANY, signal_emit, signal_ask },
					      { "realtime", RCX_IN_ANY, signal_emit, signal_ask },
					      { "handler", RCX_IN_ANY, signal_emit, signal_ask },
					      { "signalfd", RCX_IN_ANY, signal_emit, signal_ask },
					      { } },
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
