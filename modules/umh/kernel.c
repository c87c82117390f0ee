// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: umh
 *
 * The kernel runs a program, and the message is its command line.
 *
 * What it is.  call_usermodehelper() starts an executable file as a new process
 * that nobody in user space has asked for: as root with all capabilities, in
 * the first namespaces, without a terminal or an open file, the child of a
 * kernel thread.  Its environment is what the kernel half passes and nothing
 * else.  The caller waits for the program's end and gets its exit status
 * (UMH_WAIT_PROC), waits until its exec is done (UMH_WAIT_EXEC), or not at all
 * (UMH_NO_WAIT).
 *
 * The path of one message.  The kernel half writes it as hexadecimal text, since
 * an argument ends at its first zero byte, and queues work.  That wakes a
 * worker, which makes a process.  The process begins in the kernel: it copies
 * environment and arguments onto a new stack, opens and maps the program's file,
 * and returns to user space at its first instruction.  From there to main() lie
 * the C library's start and many page faults.  A caller that waits is woken when
 * the exec is done, or at the program's end by the worker, which has waited for it.
 *
 * When to choose it.  Almost never.  For what happens once in a while, must be
 * decided in user space, and may find no daemon there: loading a module
 * (modprobe), fetching a key for NFS or CIFS (request-key), handing over a core
 * dump (core_pattern).  Hotplug events went this way once (/sbin/hotplug): at
 * boot a process for each device, which ran in any order and filled the memory.
 * Now the kernel sends them over netlink to one daemon, udev.  The end of a
 * control group went the same way: release_agent was a program, cgroup.events is
 * a file, which systemd watches.
 *
 * Its trap.  UMH_NO_WAIT copies neither path nor arguments nor environment: they
 * are read later, by the new process, so they must not be on the caller's stack,
 * and must live until the cleanup hook, which is called once, however the start
 * ends; that there is no such program only this hook can learn.  Where the end is
 * not waited for, programs run side by side, in any order and any number: a burst
 * is a fork bomb, and the limit is for the caller to set.  Whoever may set the
 * path is root outside every container.  All may read a command line
 * (/proc/PID/cmdline), but not the environment.  UMH_WAIT_PROC waits for as long
 * as the program likes.
 *
 * Three modes: wait, exec and nowait, as above.  In wait the exit status is the
 * answer: 0, or an errno by which the program refuses.  The program is named
 * through /dev/ringcross/umh, which is not measured: no event crosses it, but its open
 * file holds this module and gives the registration an end.
 */
#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/umh.h>
#include <linux/wait_bit.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * The program of one open file.  Does not change once it is published; held by
 * that file and by each start, which may outlive the file.
 */
struct umh_program {
	struct rcu_head rcu;
	refcount_t refs;
	atomic_t started;
	atomic_t failed;
	char path[RCX_UMH_PATH];
	char word[RCX_UMH_WORD];
};

/* What a start must keep until its cleanup: nothing of it is copied before. */
struct umh_start {
	struct umh_program *program;
	bool waits;			/* its caller learns how it ended, and counts it */
	char *argv[6];
	char text[];			/* the message */
};

static char *umh_environment[] = {
	"HOME=/",
	"PATH=/sbin:/bin:/usr/sbin:/usr/bin",
	NULL,
};

static DEFINE_MUTEX(umh_lock);		/* for who changes umh_current */
static struct umh_program __rcu *umh_current;
static atomic_t umh_in_flight;		/* starts that the cleanup is still to see */

/* ---- the program --------------------------------------------------------- */

/* From any context. */
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
	/* Ordered: who sees 0 finds all of this done.  See umh_exit(). */
	if (atomic_dec_and_test(&umh_in_flight))
		wake_up_var(&umh_in_flight);
}

/*
 * Once for each start: in its caller, when that has waited, or was refused at once
 * (EBUSY: the machine suspends); else in the new process just after its exec, or in
 * the worker that could make no process.
 */
static void umh_cleanup(struct subprocess_info *info)
{
	struct umh_start *start = info->data;

	if (!start->waits && info->retval)
		atomic_inc(&start->program->failed);
	umh_start_free(start);
}

/* Two digits for each byte.  The message is made at the far end of the room for them. */
static void umh_write(char *text, const struct rcx_event *event, size_t len)
{
	struct rcx_msg *message = PTR_ALIGN((void *)text + len + 1, 8);

	memset(message, 0, len);	/* memory that nobody wrote must not reach the user */
	rcx_event(event, message);
	/* Two bytes written for each one read: they catch up at the last one, not before. */
	*bin2hex(text, message, len) = '\0';
}

/* -EAGAIN when too many are on their way. */
static struct umh_start *umh_start_new(struct umh_program *program, const struct rcx_event *event,
				       gfp_t gfp)
{
	size_t len = RCX_HEADER + event->size;
	struct umh_start *start = ERR_PTR(-EAGAIN);

	if (atomic_inc_return(&umh_in_flight) > RCX_UMH_AT_ONCE)
		goto err_flight;
	/* Room for the digits, and for the message 8 bytes further at most. */
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

/* What came of it: 0, the kernel's own errno, or one that the program chose to exit with. */
static int umh_answer(int status)
{
	if (status <= 0)
		return status;
	return status & 0x7f ? -EIO : -(status >> 8);
}

static int umh_run(struct umh_program *program, const struct rcx_event *event, int wait, gfp_t gfp)
{
	struct subprocess_info *info;
	struct umh_start *start;
	int ret;

	start = umh_start_new(program, event, gfp);
	if (IS_ERR(start))
		return PTR_ERR(start);
	start->waits = wait != UMH_NO_WAIT;
	info = call_usermodehelper_setup(program->path, start->argv, umh_environment, gfp, NULL,
					 umh_cleanup, start);
	if (!info) {
		umh_start_free(start);
		return -ENOMEM;
	}
	/* Counted before, since it may have ended when exec returns. */
	atomic_inc(&program->started);
	ret = call_usermodehelper_exec(info, wait);	/* which frees both */
	if (ret)
		atomic_inc(&program->failed);
	return umh_answer(ret);
}

static int umh_emit(const struct rcx_event *event, int wait, gfp_t gfp)
{
	struct umh_program *program;
	int err;

	/* With UMH_NO_WAIT nobody would hear of an exec that refuses it. */
	if (event->size > RCX_UMH_MAX - RCX_HEADER)
		return -E2BIG;
	program = umh_get();
	if (!program)
		return -ENOTCONN;
	err = umh_run(program, event, wait, gfp);
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
 * Any context will do: memory is taken without sleeping, and all that is left is
 * to queue work.  Only on -rt kernels the allocator's locks sleep.
 */
static int umh_emit_nowait(const struct rcx_event *event)
{
	return umh_emit(event, UMH_NO_WAIT, GFP_ATOMIC);
}

/* ---- the device ---------------------------------------------------------- */

static int umh_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;	/* the program, once it has one; under umh_lock */
	return nonseekable_open(inode, file);
}

static int umh_release(struct inode *inode, struct file *file)
{
	struct umh_program *program = file->private_data;

	if (!program)
		return 0;
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

/* One file at a time has a program. */
static long umh_register(struct file *file, const struct rcx_umh_program __user *arg)
{
	struct rcx_umh_program request;
	struct umh_program *program;
	long err = 0;

	/* It makes the caller root in the first namespaces, so he must be that,
	 * and not only hold a file that root has opened.
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
	.emitters = (const struct rcx_emitter[]) {
		{ "wait", RCX_IN(RCX_PROCESS), umh_emit_wait },
		{ "exec", RCX_IN(RCX_PROCESS), umh_emit_exec },
		{ "nowait", RCX_IN_ANY, umh_emit_nowait },
		{ }
	},
};

static int __init umh_init(void)
{
	int err = misc_register(&umh_device);

	if (err)
		return err;
	err = rcx_channel_register(&umh_channel);
	if (err)
		misc_deregister(&umh_device);
	return err;
}

/*
 * A start that nobody waits for may still have its cleanup to run, which is code
 * of this module.  The last one makes umh_in_flight 0, but has yet to return:
 * synchronize_rcu_tasks() waits until each task has slept or been in user space,
 * which none does between that and its return.
 */
static void __exit umh_exit(void)
{
	rcx_channel_unregister(&umh_channel);
	misc_deregister(&umh_device);
	wait_var_event(&umh_in_flight, !atomic_read(&umh_in_flight));
	synchronize_rcu_tasks();
}

module_init(umh_init);
module_exit(umh_exit);
MODULE_DESCRIPTION("ringcross: programs that the kernel starts");
MODULE_LICENSE("GPL");
