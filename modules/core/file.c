// SPDX-License-Identifier: GPL-2.0-only
/*
 * Message files: one message per write(), one per read().
 *
 * A write is one complete message at any file position, because a message has no place
 * in a file.  A read does use the position: a reader with a short buffer gets the rest of
 * the same message by its next read, and cat reaches an end of file.
 */
#include <linux/mm.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_file.h"

/*
 * State of one open event file.  @file.lock covers @file.message and @taken; the lock of
 * @readers covers @reader, see readers.c.
 */
struct rcx_events {
	struct rcx_file file;
	struct rcx_readers *readers;
	struct rcx_reader reader;
	struct rcx_event taken[RCX_BATCH];
};

/* Zeroed, because bytes that a message does not fill are copied to user space as well. */
int rcx_file_grow(struct rcx_file *state, size_t len)
{
	struct rcx_msg *message = kvzalloc(len, GFP_KERNEL);

	if (!message)
		return -ENOMEM;
	kvfree(state->message);
	state->message = message;
	state->room = len;
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_file_grow);

static int receive(struct rcx_file *state, const char __user *from, size_t len)
{
	int err;

	if (len < RCX_HEADER)
		return -EINVAL;
	if (len > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	state->len = 0;
	err = rcx_file_hold(state, len);
	if (err)
		return err;
	if (copy_from_user(state->message, from, len))
		return -EFAULT;
	return rcx_consume(&state->sequence, state->message, len);
}

/* ---- message and transaction ------------------------------------------- */

int rcx_file_open(struct inode *inode, struct file *file)
{
	struct rcx_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	file->private_data = state;
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_file_open);

int rcx_file_release(struct inode *inode, struct file *file)
{
	struct rcx_file *state = file->private_data;

	rcx_file_free(state);
	kfree(state);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_file_release);

/* Killable: the holder of the lock may wait for a page of user memory without a limit. */
int rcx_file_reset(struct rcx_file *state)
{
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	state->sequence = (struct rcx_sequence){ };
	state->len = 0;
	mutex_unlock(&state->lock);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_file_reset);

/* Free what @state owns.  The caller ensures that nothing uses @state any more. */
void rcx_file_free(struct rcx_file *state)
{
	kvfree(state->message);
}
EXPORT_SYMBOL_GPL(rcx_file_free);

ssize_t rcx_file_push(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	int err;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	err = receive(state, from, len);
	mutex_unlock(&state->lock);
	return err ? err : len;
}
EXPORT_SYMBOL_GPL(rcx_file_push);

ssize_t rcx_file_pull(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	ssize_t ret = 0;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	if (!*pos)
		ret = rcx_file_make(state);
	if (!ret)
		ret = simple_read_from_buffer(to, len, pos, state->message, state->len);
	mutex_unlock(&state->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rcx_file_pull);

ssize_t rcx_file_request(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	int err;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	err = receive(state, from, len);
	if (!err) {
		rcx_reply(state->message, len);
		state->len = len;
		*pos = 0; /* so that a plain read() finds the reply */
	}
	mutex_unlock(&state->lock);
	return err ? err : len;
}
EXPORT_SYMBOL_GPL(rcx_file_request);

ssize_t rcx_file_reply(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	ssize_t ret;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	ret = simple_read_from_buffer(to, len, pos, state->message, state->len);
	mutex_unlock(&state->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rcx_file_reply);

/* ---- events ------------------------------------------------------------ */

/* A stream, so that a sleeping reader does not hold the lock of the file position. */
int rcx_events_open(struct inode *inode, struct file *file, struct rcx_readers *readers)
{
	struct rcx_events *events = kzalloc(sizeof(*events), GFP_KERNEL);

	if (!events)
		return -ENOMEM;
	mutex_init(&events->file.lock);
	events->readers = readers;
	rcx_reader_join(readers, &events->reader);
	file->private_data = events;
	return stream_open(inode, file);
}
EXPORT_SYMBOL_GPL(rcx_events_open);

int rcx_events_release(struct inode *inode, struct file *file)
{
	struct rcx_events *events = file->private_data;

	rcx_reader_leave(events->readers, &events->reader);
	rcx_file_free(&events->file);
	kfree(events);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_events_release);

ssize_t rcx_events_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_events *events = file->private_data;
	struct rcx_file *state = &events->file;
	struct rcx_event event;
	size_t message_len;
	ssize_t ret;

	/* Sleep without the lock, so that other users of the file are not blocked. */
	ret = rcx_reader_next(events->readers, &events->reader, &event, file->f_flags & O_NONBLOCK);
	if (ret)
		return ret;
	message_len = RCX_HEADER + event.size;
	/* As with a datagram: a reader whose buffer is too small loses the event. */
	if (len < message_len)
		return -EMSGSIZE;

	/* The event has left the queue, so only a fatal signal may lose it. */
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	ret = rcx_file_hold(state, message_len);
	if (!ret) {
		rcx_event(&event, state->message);
		ret = copy_to_user(to, state->message, message_len) ? -EFAULT : message_len;
	}
	mutex_unlock(&state->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rcx_events_read);

/* ---- many events by one read -------------------------------------------- */

/* Write the messages of @count events to @state->message, one behind the other. */
static size_t lay_out(struct rcx_file *state, const struct rcx_event *events, int count)
{
	size_t at = 0;
	int i;

	for (i = 0; i < count; i++) {
		struct rcx_msg *msg = (void *)state->message + at;

		rcx_event(&events[i], msg);
		at += RCX_PADDED(RCX_HEADER + events[i].size);
	}
	return at;
}

/* Copy up to a batch of events to @to.  The number of bytes, or a negative errno. */
static ssize_t read_chunk(struct rcx_events *events, char __user *to, size_t room, bool nonblock)
{
	struct rcx_file *state = &events->file;
	int count, err;
	size_t len;

	/* Before events leave the queue, so that a lack of memory loses none. */
	room = min_t(size_t, room, RCX_PADDED(RCX_HEADER + RCX_BODY_MAX));
	err = rcx_file_hold(state, room);
	if (err)
		return err;
	count = rcx_reader_take(events->readers, &events->reader, events->taken, RCX_BATCH, room,
				nonblock);
	if (count < 0)
		return count;
	len = lay_out(state, events->taken, count);
	return copy_to_user(to, state->message, len) ? -EFAULT : len;
}

/*
 * As many whole messages as are queued and fit into @len bytes.  It sleeps only for the first
 * one.  An event that does not fit stays queued: -EMSGSIZE when it is the first one.
 *
 * The lock is held while the reader sleeps: a batch belongs to one reader, and a second thread
 * that reads the same open file waits for the next batch.
 */
ssize_t rcx_events_read_batch(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_events *events = file->private_data;
	bool nonblock = file->f_flags & O_NONBLOCK;
	size_t at = 0;
	ssize_t got;

	if (nonblock && !mutex_trylock(&events->file.lock))
		return -EAGAIN;
	if (!nonblock && mutex_lock_interruptible(&events->file.lock))
		return -ERESTARTSYS;
	do {
		got = read_chunk(events, to + at, len - at, nonblock || at);
		if (got > 0)
			at += got;
	} while (got > 0 && at < len);
	mutex_unlock(&events->file.lock);
	return at ?: got;
}
EXPORT_SYMBOL_GPL(rcx_events_read_batch);

__poll_t rcx_events_poll(struct file *file, struct poll_table_struct *table)
{
	struct rcx_events *events = file->private_data;

	return rcx_reader_poll(&events->reader, file, table);
}
EXPORT_SYMBOL_GPL(rcx_events_poll);
