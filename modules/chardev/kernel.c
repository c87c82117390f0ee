// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: chardev
 *
 * A character device: read() and write() with a driver behind them.
 *
 * What it is.  A node in /dev is a pair of numbers, major and minor.  Who
 * registers them with a struct file_operations gets the system calls of every
 * open of that node.  misc_register() does so under the shared major 10 and has
 * the node made; a driver with many devices of a kind takes numbers of its own
 * by alloc_chrdev_region(), cdev_add() and a class.  Only open() knows the
 * difference: it exchanges the file's operations for the driver's.
 *
 * The path of one message.  System call entry, fd lookup, access check and
 * security hook, straight into our handler, a mutex of the open file,
 * copy_from_user() or copy_to_user().  One copy each way, in the caller's
 * context.  No use count is taken on the way, where procfs and debugfs take one:
 * .owner makes each open file hold the module, so the handlers cannot go while
 * anybody could call them.
 *
 * When to choose it.  For a driver with data to move: bytes or records, blocking
 * reads, poll().  Programs already know how to use a file.  Where every operation
 * is another command with a structure of its own, ioctl says it better.
 *
 * Its trap.  read() and write() may move less than was asked for, and a user who
 * does not look loses the rest.  Decide what a message is and say so: here a
 * write is one whole message or an error, never a part of one.  And the handler
 * is given a plain user pointer: writev() on a file that has only .write calls
 * it once for each segment, so a header and a body sent together arrive as two
 * broken messages.
 *
 * Hence read_iter and write_iter, which get the whole vector as a struct iov_iter
 * in one call, and which the kernel's helpers for splice() and the fast path of
 * io_uring call as well.  A new driver should have these.  Most of this channel
 * has read and write nevertheless: a pointer and a length are what one meets
 * first, and the least there is to measure.  Mode iter shows what the other way
 * costs, more of it for fetching the list of segments from user space than for
 * the iterator over them, and what it saves: user space need not gather header
 * and body in one buffer.
 *
 * A call is two system calls: the request is written, the reply is read from the
 * same open file.  Events come by a read that sleeps.  Each open is a reader
 * with a queue of its own and gets every event, until its queue is full; threads
 * that read the same open file share its events among them.  Under one spin lock
 * the number and the clock of an event are put in each queue and its sleeper is
 * woken; the message is made by the read.
 *
 * Three modes: message (whole messages, handlers in core/file.c, the same as in
 * procfs, so that the two differ by the way into the kernel alone), iter (header
 * and body in two segments), word (the sequence number alone, moved by get_user()
 * and put_user(): one checked load or store, and no buffer).  A hardened kernel
 * (CONFIG_HARDENED_USERCOPY, as Debian's) has copy_from_user() and copy_to_user()
 * ask first whether so many bytes lie within one object of the kernel's, to catch a
 * wrong length; for a short message that question costs several times the copy.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "abi.h"

static DEFINE_RCX_READERS(chardev_readers);

static int chardev_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&chardev_readers, event);
}

static int chardev_open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &chardev_readers);
}

/* Without a position, which neither a vector nor a word has a use for. */
static int chardev_open_stream(struct inode *inode, struct file *file)
{
	int err = rcx_file_open(inode, file);

	return err ? err : stream_open(inode, file);
}

/* ---- iter: a message from or to several segments, as one ---------------- */

static int iter_take(struct rcx_file *state, struct iov_iter *from, size_t len)
{
	int err;

	if (len < RCX_HEADER)
		return -EINVAL;
	if (len > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	err = rcx_file_hold(state, len);
	if (err)
		return err;
	if (!copy_from_iter_full(state->message, len, from))
		return -EFAULT;
	return rcx_consume(&state->sequence, state->message, len);
}

static ssize_t iter_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct rcx_file *state = iocb->ki_filp->private_data;
	size_t len = iov_iter_count(from);
	int err;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	err = iter_take(state, from, len);
	mutex_unlock(&state->lock);
	return err ? err : len;
}

/* Who has too little room gets no part of a message, and loses none. */
static ssize_t iter_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct rcx_file *state = iocb->ki_filp->private_data;
	u32 size = rcx_size();
	size_t len = RCX_HEADER + size;
	ssize_t ret;

	if (iov_iter_count(to) < len)
		return -EMSGSIZE;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	ret = rcx_file_hold(state, len);
	if (!ret) {
		rcx_make(&state->sequence, state->message, size);
		ret = copy_to_iter(state->message, len, to) == len ? len : -EFAULT;
	}
	mutex_unlock(&state->lock);
	return ret;
}

/* ---- word: nothing but a number ----------------------------------------- */

/*
 * Touching user memory may sleep; here that is before the lock is taken or after
 * it is given back, so a spinlock would do.  It is the mutex of the other modes,
 * so that they differ by the copy.
 */
static ssize_t word_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	u64 seq;
	int err;

	if (len != sizeof(seq))
		return -EINVAL;
	if (get_user(seq, (const u64 __user *)from))
		return -EFAULT;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	err = rcx_consume_narrow(&state->sequence, seq, U64_MAX);
	mutex_unlock(&state->lock);
	return err ? err : len;
}

static ssize_t word_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_file *state = file->private_data;
	u64 seq;

	if (len != sizeof(seq))
		return -EINVAL;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	seq = rcx_make_narrow(&state->sequence);
	mutex_unlock(&state->lock);
	return put_user(seq, (u64 __user *)to) ? -EFAULT : len;
}

/* ---- the devices -------------------------------------------------------- */

static const struct file_operations chardev_message_fops = {
	.owner = THIS_MODULE,
	.open = rcx_file_open,
	.release = rcx_file_release,
	.write = rcx_file_push,
	.read = rcx_file_pull,
	.llseek = default_llseek,
};

static const struct file_operations chardev_transaction_fops = {
	.owner = THIS_MODULE,
	.open = rcx_file_open,
	.release = rcx_file_release,
	.write = rcx_file_request,
	.read = rcx_file_reply,
	.llseek = default_llseek,
};

static const struct file_operations chardev_events_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open_events,
	.release = rcx_events_release,
	.read = rcx_events_read,
	.poll = rcx_events_poll,
};

static const struct file_operations chardev_iter_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open_stream,
	.release = rcx_file_release,
	.write_iter = iter_write,
	.read_iter = iter_read,
};

static const struct file_operations chardev_word_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open_stream,
	.release = rcx_file_release,
	.write = word_write,
	.read = word_read,
};

#define CHARDEV(file, operations, access) {			\
		.minor = MISC_DYNAMIC_MINOR,			\
		.name = "ringcross_chardev_" file,		\
		.nodename = RCX_CHARDEV_DIR "/" file,		\
		.fops = (operations),				\
		.mode = (access),				\
	}

static struct miscdevice chardev_devices[] = {
	CHARDEV(RCX_CHARDEV_MESSAGE, &chardev_message_fops, 0600),
	CHARDEV(RCX_CHARDEV_TRANSACTION, &chardev_transaction_fops, 0600),
	CHARDEV(RCX_CHARDEV_EVENTS, &chardev_events_fops, 0400),
	CHARDEV(RCX_CHARDEV_ITER, &chardev_iter_fops, 0600),
	CHARDEV(RCX_CHARDEV_WORD, &chardev_word_fops, 0600),
};

static struct rcx_channel chardev_channel = {
	.name = "chardev",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "message", RCX_IN_ANY, chardev_emit },
		{ }
	},
};

/* The first @count of them, the newest first. */
static void chardev_deregister(int count)
{
	while (count--)
		misc_deregister(&chardev_devices[count]);
}

static int __init chardev_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(chardev_devices); i++) {
		err = misc_register(&chardev_devices[i]);
		if (err)
			goto err_devices;
	}
	err = rcx_channel_register(&chardev_channel);
	if (err)
		goto err_devices;
	return 0;

err_devices:
	chardev_deregister(i);
	return err;
}

static void __exit chardev_exit(void)
{
	rcx_channel_unregister(&chardev_channel);
	chardev_deregister(ARRAY_SIZE(chardev_devices));
}

module_init(chardev_init);
module_exit(chardev_exit);
MODULE_DESCRIPTION("ringcross: character devices, read and write");
MODULE_LICENSE("GPL");
