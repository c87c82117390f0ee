// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: chardev
 *
 * A character device: a node in /dev whose read() and write() call a driver.
 *
 * What it is.  A device node stands for a pair of numbers, major and minor.  A driver
 * registers the pair with a struct file_operations, and the kernel then calls these
 * operations for each open file of the node.  misc_register() registers a minor number
 * under the shared major 10 and creates the node.  A driver with many devices of one kind
 * allocates its own numbers with alloc_chrdev_region(), cdev_add() and a class.  The two
 * ways differ only in open(), which replaces the file's operations by the driver's.
 *
 * The path of one message.  System call entry, lookup of the file descriptor, access
 * check, security hook, our handler, the mutex of the open file, then copy_from_user() or
 * copy_to_user().  That is one copy in each direction, in the caller's context.  procfs
 * and debugfs take a use count for each call; a device does not need one.  Each open file
 * holds a reference to the module in .owner, so the module cannot be unloaded while a
 * handler may be called.
 *
 * When to choose it.  For a driver that moves data: bytes or records, with blocking reads
 * and poll().  Every program can use a file.  If each operation is a different command
 * with its own structure, ioctl is the better choice.
 *
 * Its pitfall.  read() and write() may transfer less than requested, and a program that
 * ignores the return value loses the rest.  Define what a message is and document it:
 * here a write is one complete message or fails, and a part of a message is never
 * accepted.  A second pitfall is writev().  On a file that has .write but not .write_iter,
 * the kernel calls .write once for each segment, so a header and a body that are sent
 * together arrive as two broken messages.
 *
 * read_iter and write_iter solve this: they get all segments in one call, as a struct
 * iov_iter.  The kernel's helpers for splice() call them too, and so does io_uring.  For
 * the fast path of io_uring they are not sufficient: unless the driver's open also sets
 * FMODE_NOWAIT, each io_uring request on a file without O_NONBLOCK goes to a worker
 * thread.  A new driver should implement read_iter and write_iter.  Most of this channel
 * uses read and write nevertheless, because a pointer and a length are the simplest
 * interface and add the least to the figures.  Mode iter shows the cost of the iterator
 * interface: fetching the list of segments from user space costs more than the iterator
 * itself.  It also shows the benefit: user space does not have to gather header and body
 * in one buffer.
 *
 * A call is two system calls: the request is written, and the reply is read from the same
 * open file.  An event is received by a read that sleeps.  Each open file is a reader with
 * its own queue and gets every event until its queue is full.  Threads that read the same
 * open file share its events.  For an event the kernel half takes one spin lock, puts the
 * number and the timestamp into each queue and wakes the reader if the queue was empty: a
 * reader that still has events is awake.  The read makes the message.
 *
 * An upcall is the same in the other direction: a read returns the kernel's request, and a
 * write to the same open file answers it, while a thread of the kernel waits.  FUSE works like
 * this.  A request that was read and whose reader closes the file gets no answer; the waiting
 * thread then gets ENOTCONN.
 *
 * Four modes.  message: complete messages, with the handlers in core/file.c.  procfs uses
 * the same handlers, so the two channels differ only in the path to the handler.  batch:
 * one read returns all queued messages that fit into the buffer, each padded to 8 bytes.
 * The reader is woken when 16 of them are queued, so they share one wake-up, one system
 * call and one copy.  A message may then wait for the 15 after it, unless it is the last
 * one of the producer.  iter:
 * header and body in two segments.  word: the sequence number alone, moved by get_user()
 * and put_user(), which are one checked load or store without a buffer.  On a kernel with
 * CONFIG_HARDENED_USERCOPY, such as Debian's, copy_from_user() and copy_to_user() first
 * check that the range lies within one kernel object, to catch a wrong length.  For a
 * short message this check costs several times as much as the copy.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

static DEFINE_RCX_READERS(chardev_readers);
static DEFINE_RCX_UPCALL(chardev_upcall);

static DEFINE_RCX_READERS(chardev_batch_readers);

static int chardev_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&chardev_readers, event);
}

static int chardev_emit_batch(const struct rcx_event *event)
{
	return rcx_readers_emit_batched(&chardev_batch_readers, event);
}

static int chardev_open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &chardev_readers);
}

static int chardev_ask(const struct rcx_event *request)
{
	return rcx_upcall_ask(&chardev_upcall, request);
}

static int chardev_open_upcall(struct inode *inode, struct file *file)
{
	return rcx_upcall_open(inode, file, &chardev_upcall);
}

static int chardev_open_batch(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &chardev_batch_readers);
}

/* Without a file position, which iter and word do not use. */
static int chardev_open_stream(struct inode *inode, struct file *file)
{
	int err = rcx_file_open(inode, file);

	return err ? err : stream_open(inode, file);
}

/* ---- iter: one message in several segments ------------------------------ */

static int iter_consume(struct rcx_file *state, struct iov_iter *from, size_t len)
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
	err = iter_consume(state, from, len);
	mutex_unlock(&state->lock);
	return err ? err : len;
}

/* A reader whose buffer is too small gets an error and loses no message. */
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

/* ---- word: the sequence number alone ----------------------------------------- */

/*
 * Access to user memory may sleep.  It happens outside the lock here, so a spinlock would
 * be sufficient.  A mutex is used as in the other modes, so that the modes differ only in
 * the copy.
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

static const struct file_operations chardev_upcall_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open_upcall,
	.release = rcx_upcall_release,
	.read = rcx_upcall_read,
	.write = rcx_upcall_write,
	.poll = rcx_upcall_poll,
};

static const struct file_operations chardev_table_fops = {
	.owner = THIS_MODULE,
	.open = rcx_table_open,
	.release = rcx_table_release,
	.read = rcx_table_read,
	.llseek = default_llseek,
};

static const struct file_operations chardev_batch_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open_batch,
	.release = rcx_events_release,
	.read = rcx_events_read_batch,
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

#define CHARDEV(file, operations, access)             \
	{                                             \
		.minor = MISC_DYNAMIC_MINOR,          \
		.name = "ringcross_chardev_" file,    \
		.nodename = RCX_CHARDEV_DIR "/" file, \
		.fops = (operations),                 \
		.mode = (access),                     \
	}

static struct miscdevice chardev_devices[] = {
	CHARDEV(RCX_CHARDEV_MESSAGE, &chardev_message_fops, 0600),
	CHARDEV(RCX_CHARDEV_TRANSACTION, &chardev_transaction_fops, 0600),
	CHARDEV(RCX_CHARDEV_EVENTS, &chardev_events_fops, 0400),
	CHARDEV(RCX_CHARDEV_UPCALL, &chardev_upcall_fops, 0600),
	CHARDEV(RCX_CHARDEV_TABLE, &chardev_table_fops, 0400),
	CHARDEV(RCX_CHARDEV_BATCH, &chardev_batch_fops, 0400),
	CHARDEV(RCX_CHARDEV_ITER, &chardev_iter_fops, 0600),
	CHARDEV(RCX_CHARDEV_WORD, &chardev_word_fops, 0600),
};

static struct rcx_channel chardev_channel = {
	.name = "chardev",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){ { "message", RCX_IN_ANY, chardev_emit, chardev_ask },
					      { "batch", RCX_IN_ANY, chardev_emit_batch },
					      { } },
};

/* Deregister the first @count devices, in reverse order. */
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
