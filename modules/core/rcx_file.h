/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Message files: handlers of write() and read() for a file that carries messages.
 * procfs, debugfs and chardev share them.  These channels differ in how the file is
 * created and how its removal is guarded, not in what its handlers do:
 *
 *	file		write()			read()
 *	message		consumes a message	makes the next message
 *	transaction	consumes a request	returns its reply, until the next request
 *	events		-			sleeps until the next event
 *	batch		-			the same, and returns all events that fit
 *
 * All of them except rcx_events_open() have the signature of their member of struct
 * file_operations and are used there directly.
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
 * @lock: covers all members below; each write and read holds it throughout
 * @sequence: the next sequence numbers
 * @message: buffer of the current message, grown as needed
 * @room: bytes allocated for @message
 * @len: bytes of @message that a read may return
 */
struct rcx_file {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct rcx_msg *message;
	size_t room;
	size_t len;
};

/* One state for all opens, where a state for each open is not possible. */
#define DEFINE_RCX_FILE(name) struct rcx_file name = { .lock = __MUTEX_INITIALIZER((name).lock) }

int rcx_file_grow(struct rcx_file *state, size_t len);

/* Make room for @len bytes in @state->message: 0 or -ENOMEM. */
static inline int rcx_file_hold(struct rcx_file *state, size_t len)
{
	lockdep_assert_held(&state->lock);
	return len <= state->room ? 0 : rcx_file_grow(state, len);
}

/* Make the next message, of the bound size, in @state->message: 0 or -ENOMEM. */
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
ssize_t rcx_events_read_batch(struct file *file, char __user *to, size_t len, loff_t *pos);
__poll_t rcx_events_poll(struct file *file, struct poll_table_struct *table);

#endif /* RCX_FILE_H */
