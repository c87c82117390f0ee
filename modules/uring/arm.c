// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arming, and the end of commands whose submitter goes away.
 *
 * An uncompleted command holds the ring, the file and the module.  From 6.7 on it is marked as
 * cancelable: when the ring is closed, also by the kernel after a SIGKILL, io_uring calls the
 * handler with IO_URING_F_CANCEL for each.
 *
 * Older kernels do not do that, and .release does not come while a command holds the file.  But
 * .flush is called for each close of a descriptor, also when a process is killed.  It completes
 * the commands that were armed by a process with the same table of descriptors.  So a command
 * may be armed only if such a close will follow:
 *
 *	arm				close
 *	lock
 *	the file has a descriptor
 *					remove the descriptor
 *	publish
 *	unlock
 *					flush: lock, finds the command
 *
 * If the descriptor is removed before it is looked for, the arming fails.  This is also the
 * result for a registered file whose descriptor was closed.  The threads of io_uring are
 * refused: they share the table, and the one that polls the submission queue ends after its
 * commands, so the table would never be released.
 *
 * A process that executes another program waits for its commands before it closes descriptors.
 * So while commands are armed, a work looks once a second for such a process.
 */
#include <linux/fdtable.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include "uring.h"

#if URING_HAS_COMMANDS

#if URING_CAN_CANCEL

/* After the mark, only uring_done() may complete the command. */
int uring_arm(struct uring_file *state, struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	int err;

	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	err = uring_publish(state, cmd);
	if (err)
		uring_done(cmd, err, issue_flags);
	return -EIOCBQUEUED;
}

#else

static void watch(struct work_struct *work);
static DECLARE_DELAYED_WORK(watch_work, watch);

static bool is_executing(const struct task_struct *submitter)
{
	return submitter->in_execve;
}

static void watch(struct work_struct *work)
{
	if (uring_cancel_if(is_executing))
		schedule_delayed_work(&watch_work, HZ);
}

void uring_stop_watch(void)
{
	cancel_delayed_work_sync(&watch_work);
}

static int is_file(const void *wanted, struct file *file, unsigned int fd)
{
	return file == wanted;
}

int uring_arm(struct uring_file *state, struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	int err;

	if (current->flags & PF_IO_WORKER)
		return -EOPNOTSUPP;
	mutex_lock(&state->closing);
	err = iterate_fd(current->files, 0, is_file, cmd->file) ?
		      uring_publish(state, cmd) :
		      -EBADF;
	mutex_unlock(&state->closing);
	if (err)
		return err;
	if (!delayed_work_pending(&watch_work))
		schedule_delayed_work(&watch_work, HZ);
	return -EIOCBQUEUED;
}

int uring_flush(struct file *file, fl_owner_t owner)
{
	struct uring_file *state = file->private_data;

	mutex_lock(&state->closing);
	uring_cancel_all(state, owner);
	mutex_unlock(&state->closing);
	return 0;
}

#endif /* URING_CAN_CANCEL */
#endif /* URING_HAS_COMMANDS */
