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
#ifndef RC_FILE_H
#define RC_FILE_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include "rc_core.h"
#include "rc_readers.h"

/**
 * struct rc_file - state of one open message or transaction file
 * @lock: covers all below; taken by each write and read for its whole length
 * @flow: where the sequences stand
 * @message: the message in hand, grown as needed
 * @room: bytes allocated for @message
 * @len: bytes of @message that a read may have
 */
struct rc_file {
	struct mutex lock;
	struct rc_flow flow;
	struct rc_msg *message;
	size_t room;
	size_t len;
};

/* One state for all opens, instead of one each. */
#define DEFINE_RC_FILE(name)	\
	struct rc_file name = { .lock = __MUTEX_INITIALIZER((name).lock) }

int rc_file_grow(struct rc_file *state, size_t len);

/* Room for @len bytes in @state->message: 0 or -ENOMEM. */
static inline int rc_file_hold(struct rc_file *state, size_t len)
{
	lockdep_assert_held(&state->lock);
	return len <= state->room ? 0 : rc_file_grow(state, len);
}

/* Make the next message of the size that is bound, in @state->message: 0 or -ENOMEM. */
static inline int rc_file_make(struct rc_file *state)
{
	u32 size = rc_size();
	int err = rc_file_hold(state, RC_HEADER + size);

	if (err)
		return err;
	rc_make(&state->flow, state->message, size);
	state->len = RC_HEADER + size;
	return 0;
}

int rc_file_reset(struct rc_file *state);
void rc_file_free(struct rc_file *state);

int rc_file_open(struct inode *inode, struct file *file);
int rc_file_release(struct inode *inode, struct file *file);
ssize_t rc_file_push(struct file *file, const char __user *from, size_t len, loff_t *pos);
ssize_t rc_file_pull(struct file *file, char __user *to, size_t len, loff_t *pos);
ssize_t rc_file_request(struct file *file, const char __user *from, size_t len, loff_t *pos);
ssize_t rc_file_reply(struct file *file, char __user *to, size_t len, loff_t *pos);

int rc_events_open(struct inode *inode, struct file *file, struct rc_readers *readers);
int rc_events_release(struct inode *inode, struct file *file);
ssize_t rc_events_read(struct file *file, char __user *to, size_t len, loff_t *pos);
__poll_t rc_events_poll(struct file *file, struct poll_table_struct *table);

#endif /* RC_FILE_H */
