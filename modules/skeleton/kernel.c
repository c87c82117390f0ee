// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: skeleton
 *
 * A channel to copy: small, complete, compiled with the others, not measured.
 *
 * This comment is the channel's page in the report.  It is required, opens with
 * DOC: and the folder's name, and answers four questions in this order.
 *
 * What it is.  A device whose write() takes one message and whose read() sleeps
 * for the next event and returns it.
 *
 * The path of one message.  copy_from_user() into a buffer of the open file, under
 * its mutex, and a check there.  An event is put in a queue per open file, under
 * one spin lock, and wakes the reader, who makes the message and copies it out.
 * Name every copy, queue, lock and wake-up: they are what is paid for.
 *
 * When to choose it.  To begin a channel of your own: copy the folder, rename,
 * replace the file operations by your mechanism.
 *
 * Its trap.  A half that works once is not done: every loop runs many times in
 * one session, and open and close in every session; and the module must stay
 * while anybody sleeps in it.
 *
 * The file becomes ringcross_<folder>.ko together with all other C files here but
 * user.c, program.c and hostile.c.  What is called optional below may be left out.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_readers.h"
#include "abi.h"

/*
 * State of one open file; say here which lock covers what.  State belongs to
 * the open file wherever there are files: then two users cannot disturb each
 * other, and closing is all the cleaning up.
 *
 * @lock covers @sequence and @message.  @reader has rcx_readers' own lock.
 */
struct skeleton_file {
	struct mutex lock;
	struct rcx_sequence sequence;		/* required: where the sequence stands */
	struct rcx_reader reader;	/* optional: for a wait without a queue */
	union {
		struct rcx_msg message;
		u8 room[RCX_SKELETON_MAX];
	};
};

static DEFINE_RCX_READERS(skeleton_readers);

/* ---- user to kernel ----------------------------------------------------- */

/*
 * push.  Must bound the length before it touches memory, use the checked
 * accessors, and have rcx_consume() accept the message before it returns: the
 * agent compares what it sent with what was consumed.  Nothing is logged here;
 * bad input gets an errno.
 */
static ssize_t skeleton_write(struct file *file, const char __user *from, size_t len,
			      loff_t *pos)
{
	struct skeleton_file *state = file->private_data;
	ssize_t ret;

	if (len < RCX_HEADER || len > RCX_SKELETON_MAX)
		return -EINVAL;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	if (copy_from_user(&state->message, from, len))
		ret = -EFAULT;
	else
		ret = rcx_consume(&state->sequence, &state->message, len);
	mutex_unlock(&state->lock);
	return ret ? ret : len;
}

/*
 * What this channel lacks, in short.  pull: rcx_make(&flow, message, size), then
 * hand it out; it must be made for this request and not before.  call: after
 * rcx_consume(), rcx_reply(message, len) makes the reply in place.
 */

/* ---- kernel to user ----------------------------------------------------- */

/*
 * The emit hook, required for notify and stream.  Called for each event, one at
 * a time, from every context its entry below names.  It may sleep only where that is
 * RCX_PROCESS alone.  0 when somebody will get the event, else a negative
 * errno, which counts as refused.  rcx_readers is for mechanisms that have a
 * wait and no queue; one with a queue of its own must use that.
 */
static int skeleton_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&skeleton_readers, event);
}

/*
 * Where the user sleeps: in the mechanism's own wait, interruptibly and with no
 * lock held.  A reader with too little room loses the event that it has taken.
 */
static ssize_t skeleton_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct skeleton_file *state = file->private_data;
	struct rcx_event event;
	ssize_t ret;

	ret = rcx_reader_next(&skeleton_readers, &state->reader, &event,
			     file->f_flags & O_NONBLOCK);
	if (ret)
		return ret;
	if (event.size > RCX_SKELETON_MAX - RCX_HEADER || len < RCX_HEADER + event.size)
		return -EMSGSIZE;
	/* Not for any signal: the event is taken, and a read begun again gets the next. */
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	/* Writes the message of this event, in the proof with its body. */
	rcx_event(&event, &state->message);
	ret = RCX_HEADER + event.size;
	if (copy_to_user(to, &state->message, ret))
		ret = -EFAULT;
	mutex_unlock(&state->lock);
	return ret;
}

/* Optional: so that a stream can wait with a limit. */
static __poll_t skeleton_poll(struct file *file, struct poll_table_struct *table)
{
	struct skeleton_file *state = file->private_data;

	return rcx_reader_poll(&state->reader, file, table);
}

/* ---- the device --------------------------------------------------------- */

static int skeleton_open(struct inode *inode, struct file *file)
{
	/* Zeroed: memory that nobody wrote must never reach the user. */
	struct skeleton_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	rcx_reader_join(&skeleton_readers, &state->reader);
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int skeleton_release(struct inode *inode, struct file *file)
{
	struct skeleton_file *state = file->private_data;

	rcx_reader_leave(&skeleton_readers, &state->reader);
	kfree(state);
	return 0;
}

static const struct file_operations skeleton_fops = {
	.owner = THIS_MODULE,		/* required: an open file holds the module */
	.open = skeleton_open,
	.release = skeleton_release,
	.read = skeleton_read,
	.write = skeleton_write,
	.poll = skeleton_poll,
};

static struct miscdevice skeleton_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_skeleton",		/* in /sys/class/misc: unique on the machine */
	.nodename = "ringcross/skeleton",
	.fops = &skeleton_fops,
	.mode = 0600,			/* required: nodes are for root alone */
};

static struct rcx_channel skeleton_channel = {
	.name = "skeleton",		/* required: the folder's name */
	.owner = THIS_MODULE,		/* required: a measurement holds the module */
	/*
	 * Optional: called at each bind, may sleep.  For flows that belong to
	 * the module, where nothing is opened: set them to 0 and empty the
	 * queues, so that the next measurement starts with message 0.
	 */
	.reset = NULL,
	/*
	 * Optional: one entry for each mode that has notify or stream, by the
	 * mode's name, with the contexts its emit may be called from.
	 */
	.emitters = (const struct rcx_emitter[]) {
		{ "file", RCX_IN_ANY, skeleton_emit },
		{ }
	},
};

/* Undo in reverse what was done; loading twice in a row must work. */
static int __init skeleton_init(void)
{
	int err = misc_register(&skeleton_device);

	if (err)
		return err;
	err = rcx_channel_register(&skeleton_channel);
	if (err)
		misc_deregister(&skeleton_device);
	return err;
}

static void __exit skeleton_exit(void)
{
	rcx_channel_unregister(&skeleton_channel);
	misc_deregister(&skeleton_device);
}

module_init(skeleton_init);
module_exit(skeleton_exit);
MODULE_DESCRIPTION("ringcross: a channel to copy");
MODULE_LICENSE("GPL");
