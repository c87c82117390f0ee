// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call that completes later, as a request to a device does: the handler accepts the request
 * and queues an interrupt, here an irq_work.  The interrupt cannot touch the caller's memory, so
 * it asks io_uring to run the rest in the task that submitted the command:
 *
 *	submitter			interrupt
 *	handler: copy in, queue
 *					complete_in_task
 *	task work: copy out, done
 *
 * Task work runs when the submitter returns from the system call or waits in it.
 */
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "uring.h"

#if URING_HAS_COMMANDS

struct uring_call {
	struct irq_work work;
	struct io_uring_cmd *cmd;
	u64 address;
	u32 len;
	struct rcx_msg message; /* @len bytes */
};

/* The command's room for the driver has the pointer to its call. */
static struct uring_call **call_of(struct io_uring_cmd *cmd)
{
	return (struct uring_call **)cmd->pdu;
}

DEFINE_URING_TASK_WORK(finish_call)
{
	struct uring_call *call = *call_of(cmd);
	int ret = call->len;

	/* The interrupt may still use @call, on another CPU. */
	irq_work_sync(&call->work);
	if (uring_task_is_dying())
		ret = -ECANCELED;
	else if (copy_to_user(u64_to_user_ptr(call->address), &call->message, call->len))
		ret = -EFAULT;
	kvfree(call);
	uring_done(cmd, ret, issue_flags);
}

static void answer(struct irq_work *work)
{
	struct uring_call *call = container_of(work, struct uring_call, work);

	io_uring_cmd_complete_in_task(call->cmd, finish_call);
}

/* The request is consumed in the order of the submissions, under the lock of the file. */
static int accept(struct rcx_file *state, struct uring_call *call, unsigned int issue_flags)
{
	int err;

	if (copy_from_user(&call->message, u64_to_user_ptr(call->address), call->len))
		return -EFAULT;
	err = uring_lock_file(state, issue_flags);
	if (err)
		return err;
	err = rcx_consume(&state->sequence, &call->message, call->len);
	mutex_unlock(&state->lock);
	return err;
}

int uring_call_async(struct uring_file *state, struct io_uring_cmd *cmd,
		     const struct rcx_uring_command *request, unsigned int issue_flags)
{
	struct uring_call *call;
	int err;

	call = kvmalloc(offsetof(struct uring_call, message) + request->len, GFP_KERNEL);
	if (!call)
		return -ENOMEM;
	init_irq_work(&call->work, answer);
	call->cmd = cmd;
	call->address = request->address;
	call->len = request->len;
	err = accept(&state->file, call, issue_flags);
	if (err) {
		kvfree(call);
		return err;
	}
	rcx_reply(&call->message, call->len);
	*call_of(cmd) = call;
	irq_work_queue(&call->work);
	return -EIOCBQUEUED;
}

#endif /* URING_HAS_COMMANDS */
