/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message files: what write() and read() do on a file that carries messages.
 * For channels that differ in who makes the file and who guards its removal
 * (procfs, debugfs, a device), but not in what happens behind it:
 *
 *	file		write()			read()
 *	message		takes a message		makes the next one
 *	transaction	takes a request		gives its reply, until the next request
 *	events		-			sleeps for the next event
 *
 * All but the opens have the signature of their struct file_operations member
 * and can stand there as they are.
 */
#ifndef RCX_FILE_H
#define RCX_FILE_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include "rcx_core.h"
#include "rcx_readers.h"

/**
 * struct rcx_file - state of one open message or transaction file
 * @lock: covers all below; taken by each write and read for its whole length
 * @sequence: where the sequences stand
 * @message: the message in hand, grown as needed
 * @room: bytes allocated for @message
 * @len: bytes of @message that a read may have
 */
struct rcx_file {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct rcx_msg *message;
	size_t room;
	size_t len;
};

/* One state for all opens, instead of one each. */
#define DEFINE_RCX_FILE(name)	\
	struct rcx_file name = { .lock = __MUTEX_INITIALIZER((name).lock) }

int rcx_file_grow(struct rcx_file *state, size_t len);

/* Room for @len bytes in @state->message: 0 or -ENOMEM. */
static inline int rcx_file_hold(struct rcx_file *state, size_t len)
{
	lockdep_assert_held(&state->lock);
	return len <= state->room ? 0 : rcx_file_grow(state, len);
}

/* Make the next message of the size that is bound, in @state->message: 0 or -ENOMEM. */
static inline int rcx_file_make(struct rcx_file *state)
{
	u32 size = rcx_size();
	int err = rcx_file_hold(state, RCX_HEADER + size);

	if (err)
		return err;
	rcx_make(&state->sequence, state->message, size);
	state->len = RCX_HEADER + size;
	return 0;
}

int rcx_file_reset(struct rcx_file *state);
void rcx_file_free(struct rcx_file *state);

int rcx_file_open(struct inode *inode, struct file *file);
int rcx_file_release(struct inode *inode, struct file *file);
ssize_t rcx_file_push(struct file *file, const char __user *from, size_t len, loff_t *pos);
ssize_t rcx_file_pull(struct file *file, char __user *to, size_t len, loff_t *pos);
ssize_t rcx_file_request(struct file *file, const char __user *from, size_t len, loff_t *pos);
ssize_t rcx_file_reply(struct file *file, char __user *to, size_t len, loff_t *pos);

int rcx_events_open(struct inode *inode, struct file *file, struct rcx_readers *readers);
int rcx_events_release(struct inode *inode, struct file *file);
ssize_t rcx_events_read(struct file *file, char __user *to, size_t len, loff_t *pos);
__poll_t rcx_events_poll(struct file *file, struct poll_table_struct *table);

#endif /* RCX_FILE_H */
