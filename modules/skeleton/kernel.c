// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: skeleton
 *
 * A channel to copy: small, complete, compiled with the others, not measured.
 *
 * This comment becomes the channel's page in the report.  It is required.  It starts
 * with DOC: and the folder's name, and answers four questions in this order.
 *
 * What it is.  A device whose write() takes one message and whose read() sleeps
 * for the next event and returns it.
 *
 * The path of one message.  copy_from_user() into a buffer of the open file, under
 * its mutex, and a check there.  An event is added to a queue per open file, under
 * one spinlock, and wakes a reader whose queue was empty.  The reader makes the message
 * and copies it out.  Name every copy, queue, lock and wake-up here: they make up the
 * cost.
 *
 * When to choose it.  To start a channel of your own: copy the folder, rename it, and
 * replace the file operations by your mechanism.
 *
 * Its pitfall.  It is not enough that a half works once.  Every loop runs many times in
 * one session, and open and close run in every session.  And the module must not be
 * unloaded while a reader sleeps in it.
 *
 * This file becomes ringcross_<folder>.ko, together with all other C files in the folder
 * except user.c, program.c and hostile.c.  A hook that is called optional below may be
 * left out.
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
 * State of one open file.  Document here which lock protects what.  Where there are
 * files, keep the state per open file: then two users cannot affect each other, and
 * release frees everything.
 *
 * @lock protects @sequence and @message.  The lock of rcx_readers protects @reader.
 */
struct skeleton_file {
	struct mutex lock;
	struct rcx_sequence sequence; /* required: the next sequence numbers */
	struct rcx_reader reader;     /* optional: for mechanisms without a queue */
	union {
		struct rcx_msg message;
		u8 room[RCX_SKELETON_MAX];
	};
};

static DEFINE_RCX_READERS(skeleton_readers);

/* ---- user to kernel ----------------------------------------------------- */

/*
 * Push: required if a mode has push.  It must check the length before it accesses
 * memory, use the checked accessors, and call rcx_consume() before it returns: the
 * agent compares the number of sent messages with the number of consumed ones.  Do not
 * log here; invalid input gets an errno.
 */
static ssize_t skeleton_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
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
 * Operations that this channel does not have, in short:
 * Pull: required if a mode has pull.  rcx_make(&sequence, message, size) makes the
 * message, which is then copied out.  It must be made for this request, not earlier.
 * Call: required if a mode has call.  After rcx_consume(), rcx_reply(message, len)
 * turns the request into its reply, in place.
 */

/* ---- kernel to user ----------------------------------------------------- */

/*
 * The emit hook: required if a mode has notify or stream.  The core calls it for each
 * event, one at a time, from every context that its entry below names.  It may sleep
 * only if RCX_PROCESS is the only one.  It returns 0 if at least one reader will get
 * the event, else a negative errno; the event then counts as refused.  rcx_readers is
 * for mechanisms that have a wait but no queue; a mechanism with its own queue must
 * use that queue.
 */
static int skeleton_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&skeleton_readers, event);
}

/*
 * The wait: required if a mode has notify or stream.  The user sleeps in the
 * mechanism's own wait, interruptibly and without a lock.  A reader whose buffer is too
 * small loses the event that was taken from the queue.
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
	/* Only killable: the event is already taken, and a restarted read would lose it. */
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	/* Writes the message of this event; in the validation pass also its body. */
	rcx_event(&event, &state->message);
	ret = RCX_HEADER + event.size;
	if (copy_to_user(to, &state->message, ret))
		ret = -EFAULT;
	mutex_unlock(&state->lock);
	return ret;
}

/* Optional: poll() lets a stream wait with a time limit. */
static __poll_t skeleton_poll(struct file *file, struct poll_table_struct *table)
{
	struct skeleton_file *state = file->private_data;

	return rcx_reader_poll(&state->reader, file, table);
}

/* ---- the device --------------------------------------------------------- */

static int skeleton_open(struct inode *inode, struct file *file)
{
	/* Zeroed: uninitialised memory must never reach user space. */
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
	.owner = THIS_MODULE, /* required: an open file holds a module reference */
	.open = skeleton_open,
	.release = skeleton_release,
	.read = skeleton_read,
	.write = skeleton_write,
	.poll = skeleton_poll,
};

static struct miscdevice skeleton_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_skeleton", /* in /sys/class/misc; must be unique */
	.nodename = "ringcross/skeleton",
	.fops = &skeleton_fops,
	.mode = 0600, /* required: only root may open nodes */
};

static struct rcx_channel skeleton_channel = {
	.name = "skeleton",   /* required: the folder's name */
	.owner = THIS_MODULE, /* required: a measurement holds a module reference */
	/*
	 * Optional: called at each bind; may sleep.  For mechanisms without open
	 * files, whose sequences belong to the module: set the sequences to 0 and
	 * empty the queues, so that the next measurement starts with message 0.
	 */
	.reset = NULL,
	/*
	 * Required if a mode has notify or stream: one entry per such mode, with the
	 * mode's name and the contexts that its emit hook may be called from.
	 */
	.emitters = (const struct rcx_emitter[]){ { "file", RCX_IN_ANY, skeleton_emit }, { } },
};

/* Required.  On an error undo the steps in reverse; loading twice in a row must work. */
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

/* Required: the reverse of init. */
static void __exit skeleton_exit(void)
{
	rcx_channel_unregister(&skeleton_channel);
	misc_deregister(&skeleton_device);
}

module_init(skeleton_init);
module_exit(skeleton_exit);
MODULE_DESCRIPTION("ringcross: a channel to copy");
MODULE_LICENSE("GPL");
