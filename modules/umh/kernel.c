// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: umh
 *
 * The kernel runs a program, and the message is its command line.
 *
 * What it is.  call_usermodehelper() starts an executable file as a new process
 * that no process in user space requested.  It runs as root with all capabilities, in
 * the initial namespaces, without a terminal or an open file, as the child of a
 * kernel thread.  Its environment is only what the kernel half passes.  The caller
 * waits for the end of the program and gets its exit status (UMH_WAIT_PROC), waits until
 * its exec is done (UMH_WAIT_EXEC), or does not wait (UMH_NO_WAIT).
 *
 * The path of one message.  The kernel half writes the message as hexadecimal text,
 * since an argument ends at its first zero byte, and queues work.  That wakes a
 * worker, which creates a process.  The process starts in the kernel: it copies
 * environment and arguments to a new stack, opens and maps the program's file,
 * and returns to user space at the program's first instruction.  Before main(), the C
 * library starts up and many page faults occur.  A caller that waits is woken when
 * the exec is done, or at the program's end by the worker, which has waited for it.
 *
 * When to choose it.  Almost never.  It suits rare events that must be decided in user
 * space, when there may be no daemon: loading a module (modprobe), fetching a key for NFS
 * or CIFS (request-key), handing over a core dump (core_pattern).  Hotplug events once
 * used it (/sbin/hotplug): at boot one process was started per device; the processes ran
 * in any order and filled the memory.  Now the kernel sends these events over netlink to
 * one daemon, udev.  The report that a control group is empty changed in the same way:
 * release_agent was a program; its successor cgroup.events is a file, which systemd
 * watches.
 *
 * Its pitfall.  UMH_NO_WAIT does not copy path, arguments and environment.  The new
 * process reads them later, so they must not be on the caller's stack, and must exist
 * until the cleanup hook.  That hook is called once, however the start ends.  Only the
 * hook learns that the program does not exist.  If the caller does not wait for the end,
 * programs run at the same time, in any order and any number.  So a burst of events is a
 * fork bomb unless the caller limits it.  A user who may set the path is root outside
 * every container.  Every user can read a command line (/proc/PID/cmdline), but not the
 * environment.  UMH_WAIT_PROC waits for as long as the program runs.
 *
 * Three modes: wait, exec and nowait, as above.  In wait the exit status is the
 * answer: 0, or an errno if the program refuses.  An exit status has 8 bits, so the reply of
 * an upcall is written to /dev/ringcross/umh-reply, as request-key calls the kernel while
 * the kernel waits for it.  In wait the upcall lasts until the program has ended, in exec only
 * until the reply has been consumed.  The program is registered through
 * /dev/ringcross/umh, which is not measured: no event crosses it.  Its open file holds
 * this module, and closing it ends the registration.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/hex.h> /* in older kernels, kernel.h declares its functions */
#endif
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/umh.h>
#include <linux/wait_bit.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "abi.h"

/*
 * The program of one open file.  It does not change after it is published, except for
 * its counters.  The file and each start hold a reference; a start may outlive the file.
 */
struct umh_program {
	struct rcu_head rcu;
	refcount_t refs;
	atomic_t started;
	atomic_t failed;
	char path[RCX_UMH_PATH];
	char word[RCX_UMH_WORD];
};

/* Data that must exist until the cleanup of a start, since the kernel copies none of it. */
struct umh_start {
	struct umh_program *program;
	bool waits; /* the caller gets the result, and counts it */
	char *argv[6];
	char text[]; /* the message */
};

static char *umh_environment[] = {
	"HOME=/",
	"PATH=/sbin:/bin:/usr/sbin:/usr/bin",
	NULL,
};

static DEFINE_MUTEX(umh_lock); /* protects changes of umh_current */
static struct umh_program __rcu *umh_current;
static atomic_t umh_in_flight; /* starts whose cleanup has not run yet */

static DEFINE_RCX_UPCALL(umh_upcall);

/* The program that the kernel waits for in an upcall; NULL if there is none. */
static DEFINE_SPINLOCK(umh_asked_lock);
static struct pid *umh_asked;

/* ---- the program --------------------------------------------------------- */

/* May be called from any context. */
static struct umh_program *umh_get(void)
{
	struct umh_program *program;

	rcu_read_lock();
	program = rcu_dereference(umh_current);
	if (program && !refcount_inc_not_zero(&program->refs))
		program = NULL;
	rcu_read_unlock();
	return program;
}

static void umh_put(struct umh_program *program)
{
	if (refcount_dec_and_test(&program->refs))
		kfree_rcu(program, rcu);
}

/* ---- a start ------------------------------------------------------------- */

static void umh_start_free(struct umh_start *start)
{
	umh_put(start->program);
	kvfree(start);
	/* Fully ordered: a reader that sees 0 also sees the above.  See umh_exit(). */
	if (atomic_dec_and_test(&umh_in_flight))
		wake_up_var(&umh_in_flight);
}

/*
 * Called once for each start.  It runs in the caller if the caller has waited, or if the
 * start was refused at once (EBUSY: the machine suspends).  Otherwise it runs in the new
 * process just after its exec, or in the worker if that could not create a process.
 */
static void umh_cleanup(struct subprocess_info *info)
{
	struct umh_start *start = info->data;

	if (!start->waits && info->retval)
		atomic_inc(&start->program->failed);
	umh_start_free(start);
}

/* Write two digits per byte.  The message itself is made in the second half of @text. */
static void umh_write(char *text, const struct rcx_event *event, size_t len)
{
	struct rcx_msg *message = PTR_ALIGN((void *)text + len + 1, 8);

	memset(message, 0, len); /* uninitialised memory must not reach user space */
	rcx_event(event, message);
	/* Two bytes are written per byte read: the writer catches up only at the last one. */
	*bin2hex(text, message, len) = '\0';
}

/* Returns -EAGAIN if too many starts are in progress. */
static struct umh_start *umh_start_new(struct umh_program *program, const struct rcx_event *event,
				       gfp_t gfp)
{
	size_t len = RCX_HEADER + event->size;
	struct umh_start *start = ERR_PTR(-EAGAIN);

	if (atomic_inc_return(&umh_in_flight) > RCX_UMH_AT_ONCE)
		goto err_flight;
	/* Room for the digits, and up to 8 bytes more to align the message. */
	start = kvmalloc(struct_size(start, text, 2 * len + 8 + 1), gfp | __GFP_NOWARN);
	if (!start) {
		start = ERR_PTR(-ENOMEM);
		goto err_flight;
	}
	refcount_inc(&program->refs);
	start->program = program;
	start->argv[0] = program->path;
	start->argv[1] = "--program";
	start->argv[2] = "umh";
	start->argv[3] = program->word;
	start->argv[4] = start->text;
	start->argv[5] = NULL;
	umh_write(start->text, event, len);
	return start;

err_flight:
	if (atomic_dec_and_test(&umh_in_flight))
		wake_up_var(&umh_in_flight);
	return start;
}

/* The result: 0, an errno of the kernel, or one that the program returned as exit status. */
static int umh_answer(int status)
{
	if (status <= 0)
		return status;
	return status & 0x7f ? -EIO : -(status >> 8);
}

static int umh_run(struct umh_program *program, const struct rcx_event *event, int wait, gfp_t gfp,
		   int (*init)(struct subprocess_info *info, struct cred *new))
{
	struct subprocess_info *info;
	struct umh_start *start;
	int ret;

	start = umh_start_new(program, event, gfp);
	if (IS_ERR(start))
		return PTR_ERR(start);
	start->waits = wait != UMH_NO_WAIT;
	info = call_usermodehelper_setup(program->path, start->argv, umh_environment, gfp, init,
					 umh_cleanup, start);
	if (!info) {
		umh_start_free(start);
		return -ENOMEM;
	}
	/* Counted first, since the program may have ended when this returns. */
	atomic_inc(&program->started);
	ret = call_usermodehelper_exec(info, wait); /* frees info and start */
	if (ret)
		atomic_inc(&program->failed);
	return umh_answer(ret);
}

static int umh_emit(const struct rcx_event *event, int wait, gfp_t gfp)
{
	struct umh_program *program;
	int err;

	/* With UMH_NO_WAIT, an exec that refuses the size would not be reported. */
	if (event->size > RCX_UMH_MAX - RCX_HEADER)
		return -E2BIG;
	program = umh_get();
	if (!program)
		return -ENOTCONN;
	err = umh_run(program, event, wait, gfp, NULL);
	umh_put(program);
	return err;
}

static int umh_emit_wait(const struct rcx_event *event)
{
	return umh_emit(event, UMH_WAIT_PROC, GFP_KERNEL);
}

static int umh_emit_exec(const struct rcx_event *event)
{
	return umh_emit(event, UMH_WAIT_EXEC, GFP_KERNEL);
}

/*
 * Works in any context: memory is allocated without sleeping, and the rest is only to
 * queue work.  On -rt kernels the allocator's locks sleep.
 */
static int umh_emit_nowait(const struct rcx_event *event)
{
	return umh_emit(event, UMH_NO_WAIT, GFP_ATOMIC);
}

/* ---- upcalls: the program answers --------------------------------------- */

/* In the new process, before its exec.  If the wait is already over, it does not run. */
static int umh_begin(struct subprocess_info *info, struct cred *new)
{
	unsigned long flags;

	spin_lock_irqsave(&umh_asked_lock, flags);
	umh_asked = get_pid(task_pid(current));
	spin_unlock_irqrestore(&umh_asked_lock, flags);
	return rcx_ask_over();
}

/* UMH_WAIT_PROC has no time limit, so a wait that shall end kills the program. */
static void umh_give_up(void)
{
	unsigned long flags;

	spin_lock_irqsave(&umh_asked_lock, flags);
	if (umh_asked)
		kill_pid(umh_asked, SIGKILL, 1);
	spin_unlock_irqrestore(&umh_asked_lock, flags);
}

static void umh_forget(void)
{
	unsigned long flags;

	spin_lock_irqsave(&umh_asked_lock, flags);
	put_pid(umh_asked);
	umh_asked = NULL;
	spin_unlock_irqrestore(&umh_asked_lock, flags);
}

/* Wait for the end of the program, which must have answered, and whose status must be 0. */
static int umh_ask_program(struct umh_program *program, const struct rcx_event *request)
{
	int status = umh_run(program, request, UMH_WAIT_PROC, GFP_KERNEL, umh_begin);
	int over = rcx_ask_over(), err;

	umh_forget();
	if (over)
		status = over;
	err = rcx_upcall_result(&umh_upcall, status ?: -ENOTCONN);
	return err ?: status;
}

/* Wait for the reply only; the program may still run. */
static int umh_ask_reply(struct umh_program *program, const struct rcx_event *request)
{
	int err = umh_run(program, request, UMH_WAIT_EXEC, GFP_KERNEL, NULL);

	return err ? rcx_upcall_result(&umh_upcall, err) : rcx_upcall_wait(&umh_upcall);
}

static int umh_ask(const struct rcx_event *request,
		   int (*ask)(struct umh_program *program, const struct rcx_event *request))
{
	struct umh_program *program;
	int err;

	if (request->size > RCX_UMH_MAX - RCX_HEADER)
		return -E2BIG;
	program = umh_get();
	if (!program)
		return -ENOTCONN;
	err = rcx_upcall_begin(&umh_upcall, request, NULL);
	if (!err)
		err = ask(program, request);
	umh_put(program);
	return err;
}

static int umh_ask_wait(const struct rcx_event *request)
{
	return umh_ask(request, umh_ask_program);
}

static int umh_ask_exec(const struct rcx_event *request)
{
	return umh_ask(request, umh_ask_reply);
}

/* ---- the device ---------------------------------------------------------- */

static int umh_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL; /* the registered program; protected by umh_lock */
	return nonseekable_open(inode, file);
}

static int umh_release(struct inode *inode, struct file *file)
{
	struct umh_program *program = file->private_data;

	if (!program)
		return 0;
	rcx_upcall_leave(&umh_upcall, program);
	mutex_lock(&umh_lock);
	RCU_INIT_POINTER(umh_current, NULL);
	mutex_unlock(&umh_lock);
	umh_put(program);
	return 0;
}

static bool umh_is_good(const struct rcx_umh_program *request)
{
	return request->path[0] == '/' && !request->flags &&
	       strnlen(request->path, RCX_UMH_PATH) < RCX_UMH_PATH &&
	       strnlen(request->word, RCX_UMH_WORD) < RCX_UMH_WORD;
}

static struct umh_program *umh_program_new(const struct rcx_umh_program *request)
{
	struct umh_program *program = kzalloc(sizeof(*program), GFP_KERNEL);

	if (!program)
		return NULL;
	refcount_set(&program->refs, 1);
	strscpy(program->path, request->path, sizeof(program->path));
	strscpy(program->word, request->word, sizeof(program->word));
	return program;
}

/* Only one file at a time may have a program. */
static long umh_register(struct file *file, const struct rcx_umh_program __user *arg)
{
	struct rcx_umh_program request;
	struct umh_program *program;
	long err = 0;

	/* The program runs as root in the initial namespaces.  So the caller itself must
	 * have that privilege; a file that root has opened is not enough.
	 */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (!umh_is_good(&request))
		return -EINVAL;
	program = umh_program_new(&request);
	if (!program)
		return -ENOMEM;

	mutex_lock(&umh_lock);
	if (rcu_access_pointer(umh_current)) {
		err = -EBUSY;
	} else {
		rcx_upcall_join(&umh_upcall);
		rcu_assign_pointer(umh_current, program);
		file->private_data = program;
	}
	mutex_unlock(&umh_lock);
	if (err)
		umh_put(program);
	return err;
}

static long umh_counts(struct file *file, struct rcx_umh_counts __user *arg)
{
	struct rcx_umh_counts counts = { 0 };
	const struct umh_program *program;

	mutex_lock(&umh_lock);
	program = file->private_data;
	if (program) {
		counts.started = atomic_read(&program->started);
		counts.failed = atomic_read(&program->failed);
	}
	mutex_unlock(&umh_lock);
	return copy_to_user(arg, &counts, sizeof(counts)) ? -EFAULT : 0;
}

static long umh_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_UMH_PROGRAM:
		return umh_register(file, (void __user *)arg);
	case RCX_UMH_COUNTS:
		return umh_counts(file, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/*
 * An open file for replies is the server of the request that was pending at its open.  So a
 * program that still exits after its reply cannot end the next request.
 */
static int umh_open_reply(struct inode *inode, struct file *file)
{
	struct rcx_event unused;
	int err = rcx_upcall_open(inode, file, &umh_upcall);

	if (!err)
		rcx_upcall_take(&umh_upcall, file->private_data, &unused, true);
	return err;
}

static const struct file_operations umh_reply_fops = {
	.owner = THIS_MODULE,
	.open = umh_open_reply,
	.release = rcx_upcall_release,
	.write = rcx_upcall_write,
};

static struct miscdevice umh_reply_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_umh_reply",
	.nodename = "ringcross/umh-reply",
	.fops = &umh_reply_fops,
	.mode = 0200,
};

static const struct file_operations umh_fops = {
	.owner = THIS_MODULE,
	.open = umh_open,
	.release = umh_release,
	.unlocked_ioctl = umh_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice umh_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_umh",
	.nodename = "ringcross/umh",
	.fops = &umh_fops,
	.mode = 0600,
};

static struct rcx_channel umh_channel = {
	.name = "umh",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){
			{ "wait", RCX_IN(RCX_PROCESS), umh_emit_wait, umh_ask_wait, umh_give_up },
			{ "exec", RCX_IN(RCX_PROCESS), umh_emit_exec, umh_ask_exec },
			{ "nowait", RCX_IN_ANY, umh_emit_nowait },
			{ } },
};

static int __init umh_init(void)
{
	int err = misc_register(&umh_device);

	if (err)
		return err;
	err = misc_register(&umh_reply_device);
	if (err)
		goto err_device;
	err = rcx_channel_register(&umh_channel);
	if (err)
		goto err_reply;
	return 0;

err_reply:
	misc_deregister(&umh_reply_device);
err_device:
	misc_deregister(&umh_device);
	return err;
}

/*
 * In mode nowait, the cleanup of a start may still have to run, and it is code of this
 * module.  The last cleanup sets umh_in_flight to 0 but has not returned yet.
 * synchronize_rcu_tasks() waits until each task has slept or has been in user space.
 * A cleanup does neither between that store and its return.
 */
static void __exit umh_exit(void)
{
	rcx_channel_unregister(&umh_channel);
	misc_deregister(&umh_reply_device);
	misc_deregister(&umh_device);
	wait_var_event(&umh_in_flight, !atomic_read(&umh_in_flight));
	synchronize_rcu_tasks();
}

module_init(umh_init);
module_exit(umh_exit);
MODULE_DESCRIPTION("ringcross: programs that the kernel starts");
MODULE_LICENSE("GPL");
