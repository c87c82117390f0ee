// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upcalls as ublk does them: a request of the kernel completes an armed command of a server, and
 * the server's next command brings the reply and is armed for the next request.  So a request
 * takes the server one system call.
 */
#include <linux/uaccess.h>
#include "uring.h"

#if URING_HAS_COMMANDS

DEFINE_RCX_UPCALL(uring_upcall);

int uring_ask(const struct rcx_event *request)
{
	int err = rcx_upcall_begin(&uring_upcall, request, NULL);

	if (err)
		return err;
	uring_dispatch();
	return rcx_upcall_wait(&uring_upcall);
}

/* Accept a reply: 0, or an error after which the command is not armed. */
int uring_commit(struct uring_file *state, const struct rcx_uring_command *reply,
		 unsigned int issue_flags)
{
	struct rcx_file *file = &state->file;
	int err = uring_lock_file(file, issue_flags);

	if (err)
		return err;
	err = rcx_file_hold(file, reply->len);
	if (!err && copy_from_user(file->message, u64_to_user_ptr(reply->address), reply->len))
		err = -EFAULT;
	if (!err)
		err = rcx_upcall_answer(&uring_upcall, state, file->message, reply->len);
	mutex_unlock(&file->lock);
	return err;
}

/* Once armed, the command may complete and release the file, so @state is not used any more. */
int uring_fetch(struct uring_file *state, struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	int ret = uring_arm(state, cmd, issue_flags);

	if (ret == -EIOCBQUEUED)
		uring_dispatch();
	return ret;
}

#endif /* URING_HAS_COMMANDS */
