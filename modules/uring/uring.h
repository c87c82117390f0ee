/* SPDX-License-Identifier: GPL-2.0-only */
/* Declarations that the files of this kernel half share. */
#ifndef RCX_URING_H
#define RCX_URING_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_upcall.h"
#include "api.h"

/* read.c */
int uring_open_read(struct inode *inode, struct file *file);
int uring_open_nowait(struct inode *inode, struct file *file);
ssize_t uring_read(struct kiocb *iocb, struct iov_iter *to);

#if URING_HAS_COMMANDS

/**
 * struct uring_file - state of one open file of node command or upcall
 * @file: sequence, and the buffer of the current message
 * @serves: its armed commands get requests of the kernel, and not events
 * @node: in the list of files that get events
 * @closing: orders an arming with a close of the file, see arm.c
 * @armed: commands that wait for an event, the oldest one first
 * @submitter: of each of them: the task, which it holds
 * @owner: of each of them: the table of file descriptors that this task has
 * @count: entries used in @armed
 * @head: of @ring
 * @tail: of @ring
 * @ring: events that completed a command whose task work has not yet run.  The event
 *	does not belong to one command, because task work may run in another order: the
 *	first that runs gets the oldest event
 *
 * The lock in armed.c covers all members from @node on.
 */
struct uring_file {
	struct rcx_file file;
	bool serves;
	struct mutex closing;
	struct list_head node;
	struct io_uring_cmd *armed[RCX_URING_ARMED_MAX];
	struct task_struct *submitter[RCX_URING_ARMED_MAX];
	const void *owner[RCX_URING_ARMED_MAX];
	u32 count;
	u32 head;
	u32 tail;
	struct rcx_event ring[RCX_URING_ARMED_MAX];
};

/* A command's copy of its payload, in the room that io_uring has for the driver. */
struct uring_target {
	u64 address;
	u32 len;
};

static inline struct uring_target *uring_target(struct io_uring_cmd *cmd)
{
	BUILD_BUG_ON(sizeof(struct uring_target) > sizeof(cmd->pdu));
	return (struct uring_target *)cmd->pdu;
}

/* command.c */
int uring_lock_file(struct rcx_file *state, unsigned int issue_flags);
int uring_command(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* call.c */
int uring_call_async(struct uring_file *state, struct io_uring_cmd *cmd,
		     const struct rcx_uring_command *request, unsigned int issue_flags);

/* armed.c */
void uring_join(struct uring_file *state);
void uring_leave(struct uring_file *state);
int uring_emit(const struct rcx_event *event);
void uring_dispatch(void);
int uring_publish(struct uring_file *state, struct io_uring_cmd *cmd);
bool uring_withdraw(struct uring_file *state, struct io_uring_cmd *cmd);
int uring_cancel_all(struct uring_file *state, const void *owner);
bool uring_cancel_if(bool (*is_wanted)(const struct task_struct *submitter));

/* upcall.c */
extern struct rcx_upcall uring_upcall;
int uring_ask(const struct rcx_event *request);
int uring_commit(struct uring_file *state, const struct rcx_uring_command *reply,
		 unsigned int issue_flags);
int uring_fetch(struct uring_file *state, struct io_uring_cmd *cmd, unsigned int issue_flags);

/* arm.c */
int uring_arm(struct uring_file *state, struct io_uring_cmd *cmd, unsigned int issue_flags);
#if !URING_CAN_CANCEL
int uring_flush(struct file *file, fl_owner_t owner);
void uring_stop_watch(void);
#endif

#endif /* URING_HAS_COMMANDS */
#endif /* RCX_URING_H */
