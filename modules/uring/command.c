// SPDX-License-Identifier: GPL-2.0-only
/* The handler of commands.  Push, pull and call are complete when it returns. */
#include <linux/uaccess.h>
#include "uring.h"

#if URING_HAS_COMMANDS

static bool is_fixed(const struct io_uring_cmd *cmd)
{
	return cmd->flags & IORING_URING_CMD_FIXED;
}

static int copy_in(struct io_uring_cmd *cmd, struct rcx_msg *message,
		   const struct rcx_uring_command *request, unsigned int issue_flags)
{
	struct iov_iter from;
	int err;

	if (!is_fixed(cmd))
		return copy_from_user(message, u64_to_user_ptr(request->address), request->len) ?
			       -EFAULT :
			       0;
	err = uring_import(cmd, request->address, request->len, ITER_SOURCE, &from, issue_flags);
	if (err)
		return err;
	return copy_from_iter_full(message, request->len, &from) ? 0 : -EFAULT;
}

static int copy_out(struct io_uring_cmd *cmd, const struct rcx_msg *message,
		    const struct rcx_uring_command *request, unsigned int issue_flags)
{
	struct iov_iter to;
	int err;

	if (!is_fixed(cmd))
		return copy_to_user(u64_to_user_ptr(request->address), message, request->len) ?
			       -EFAULT :
			       0;
	err = uring_import(cmd, request->address, request->len, ITER_DEST, &to, issue_flags);
	if (err)
		return err;
	return copy_to_iter(message, request->len, &to) == request->len ? 0 : -EFAULT;
}

static int push(struct rcx_file *state, struct io_uring_cmd *cmd,
		const struct rcx_uring_command *request, unsigned int issue_flags)
{
	int err = copy_in(cmd, state->message, request, issue_flags);

	return err ? err : rcx_consume(&state->sequence, state->message, request->len);
}

static int pull(struct rcx_file *state, struct io_uring_cmd *cmd,
		const struct rcx_uring_command *request, unsigned int issue_flags)
{
	rcx_make(&state->sequence, state->message, request->len - RCX_HEADER);
	return copy_out(cmd, state->message, request, issue_flags);
}

static int call(struct rcx_file *state, struct io_uring_cmd *cmd,
		const struct rcx_uring_command *request, unsigned int issue_flags)
{
	int err = push(state, cmd, request, issue_flags);

	if (err)
		return err;
	rcx_reply(state->message, request->len);
	return copy_out(cmd, state->message, request, issue_flags);
}

/* io_uring repeats a command that returns -EAGAIN, from a thread that may sleep. */
int uring_lock_file(struct rcx_file *state, unsigned int issue_flags)
{
	if (issue_flags & IO_URING_F_NONBLOCK)
		return mutex_trylock(&state->lock) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&state->lock) ? -EINTR : 0;
}

static int run_inline(struct rcx_file *state, struct io_uring_cmd *cmd,
		      const struct rcx_uring_command *request, unsigned int issue_flags)
{
	int ret = uring_lock_file(state, issue_flags);

	if (ret)
		return ret;
	ret = rcx_file_hold(state, request->len);
	if (!ret && cmd->cmd_op == RCX_URING_PUSH)
		ret = push(state, cmd, request, issue_flags);
	else if (!ret && cmd->cmd_op == RCX_URING_PULL)
		ret = pull(state, cmd, request, issue_flags);
	else if (!ret)
		ret = call(state, cmd, request, issue_flags);
	mutex_unlock(&state->lock);
	return ret ? ret : request->len;
}

/* Arm a command; for a commit, after its reply was accepted. */
static int next(struct uring_file *state, struct io_uring_cmd *cmd,
		const struct rcx_uring_command *request, unsigned int issue_flags)
{
	int err = 0;

	if (cmd->cmd_op == RCX_URING_COMMIT)
		err = state->serves ? uring_commit(state, request, issue_flags) : -EOPNOTSUPP;
	if (err)
		return err;
	*uring_target(cmd) = (struct uring_target){ request->address, request->len };
	return state->serves ? uring_fetch(state, cmd, issue_flags) :
			       uring_arm(state, cmd, issue_flags);
}

static int run(struct uring_file *state, struct io_uring_cmd *cmd,
	       const struct rcx_uring_command *request, unsigned int issue_flags)
{
	switch (cmd->cmd_op) {
	case RCX_URING_PUSH:
	case RCX_URING_PULL:
	case RCX_URING_CALL:
		return run_inline(&state->file, cmd, request, issue_flags);
	case RCX_URING_CALL_ASYNC:
		return uring_call_async(state, cmd, request, issue_flags);
	case RCX_URING_NEXT:
	case RCX_URING_COMMIT:
		return next(state, cmd, request, issue_flags);
	}
	return -EOPNOTSUPP;
}

int uring_command(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct rcx_uring_command *payload = uring_payload(cmd);
	struct uring_file *state = cmd->file->private_data;
	struct rcx_uring_command request;

#if URING_CAN_CANCEL
	/* A command that was completed meanwhile needs nothing. */
	if (issue_flags & IO_URING_F_CANCEL) {
		if (uring_withdraw(state, cmd))
			uring_done(cmd, -ECANCELED, issue_flags);
		return 0;
	}
#endif
	request.address = READ_ONCE(payload->address);
	request.len = READ_ONCE(payload->len);
	request.flags = READ_ONCE(payload->flags);
	if (request.flags)
		return -EINVAL;
	if (cmd->cmd_op == RCX_URING_CANCEL)
		return request.address || request.len ? -EINVAL : uring_cancel_all(state, NULL);
	if (request.len < RCX_HEADER || request.len > RCX_HEADER + RCX_BODY_MAX)
		return -EINVAL;
	/* The copy of a command that completes later does not know registered buffers. */
	if (is_fixed(cmd) && cmd->cmd_op > RCX_URING_CALL)
		return -EOPNOTSUPP;
	return run(state, cmd, &request, issue_flags);
}

#endif /* URING_HAS_COMMANDS */
