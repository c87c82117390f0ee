/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's interface for io_uring commands, which changes with almost every release.  This
 * file alone knows the differences.
 *
 *	5.19	file_operations.uring_cmd
 *	6.1	registered buffers
 *	6.6	the payload is reached through the submission
 *	6.7	a command may declare that it can be cancelled
 *	6.15	io_uring_cmd_import_fixed() has the issue flags
 *	6.18	io_uring_cmd_done() has no second result
 *	6.19	task work gets the request and a token
 */
#ifndef RCX_URING_API_H
#define RCX_URING_API_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0) && IS_ENABLED(CONFIG_IO_URING)
#define URING_HAS_COMMANDS 1
#else
#define URING_HAS_COMMANDS 0
#endif

#if URING_HAS_COMMANDS

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif
#include <linux/uio.h>
#include "abi.h"

#define URING_CAN_CANCEL (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0))

/* The payload lies in memory that user space may write at any time: read each member once. */
static inline const struct rcx_uring_command *uring_payload(const struct io_uring_cmd *cmd)
{
#ifdef io_uring_sqe_cmd
	return io_uring_sqe_cmd(cmd->sqe, struct rcx_uring_command);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return io_uring_sqe_cmd(cmd->sqe);
#else
	return cmd->cmd;
#endif
}

static inline void uring_done(struct io_uring_cmd *cmd, int result, unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	io_uring_cmd_done(cmd, result, issue_flags);
#else
	io_uring_cmd_done(cmd, result, 0, issue_flags);
#endif
}

/* Make @iter cover @len bytes at @address of the registered buffer that @cmd names. */
static inline int uring_import(struct io_uring_cmd *cmd, u64 address, u32 len, int direction,
			       struct iov_iter *iter, unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	return io_uring_cmd_import_fixed(address, len, direction, iter, cmd, issue_flags);
#else
	return io_uring_cmd_import_fixed(address, len, direction, iter, cmd);
#endif
}

/*
 * Define @name, a function for io_uring_cmd_complete_in_task(), with the parameters cmd and
 * issue_flags.  It runs in the task that submitted the command, or in a worker thread when that
 * task is going away; see uring_task_is_dying().
 */
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
#define DEFINE_URING_TASK_WORK(name)                                                           \
	static void name##_run(struct io_uring_cmd *cmd, unsigned int issue_flags);            \
	static void name(struct io_tw_req request, io_tw_token_t token)                        \
	{                                                                                      \
		name##_run(io_uring_cmd_from_tw(request), IO_URING_CMD_TASK_WORK_ISSUE_FLAGS); \
	}                                                                                      \
	static void name##_run(struct io_uring_cmd *cmd, unsigned int issue_flags)
#else
#define DEFINE_URING_TASK_WORK(name) \
	static void name(struct io_uring_cmd *cmd, unsigned int issue_flags)
#endif

/* Whether task work must not touch user memory, because the task has lost it or will. */
static inline bool uring_task_is_dying(void)
{
	return current->flags & (PF_EXITING | PF_KTHREAD);
}

#endif /* URING_HAS_COMMANDS */
#endif /* RCX_URING_API_H */
