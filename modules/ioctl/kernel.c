// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: ioctl
 *
 * A command number and an argument on an open device, similar to a function call.
 *
 * What it is.  ioctl(fd, number, pointer) calls the driver's unlocked_ioctl in the
 * caller's context.  By convention the number encodes a direction, a magic letter, a
 * serial number and the size of the object that the pointer points to.
 *
 * The path of one message.  System call entry, lookup of the file descriptor, security
 * hook, the switch in our handler, then copy_from_user() into the buffer of the open file
 * under its mutex.  A reply is copied back by copy_to_user() in the same call.  That is one
 * copy in each direction; nothing is queued and no other thread takes part.  For an event
 * the kernel half takes one spin lock, puts the event into the queue of each open file and
 * wakes the readers whose queue was empty.  The reader's ioctl then makes the message and
 * copies it out.
 *
 * When to choose it.  For a request with a reply on an object that is already a file, when
 * the layout is fixed and a generic parser would be a burden.
 *
 * Its pitfall.  Number and layout are ABI and can never change: use fixed-width types,
 * leave no holes, and reject every unknown flag.  The encoded size has 14 bits, so a
 * direct argument has at most 16383 bytes.  A larger one needs a pointer inside the
 * argument, which the kernel must check itself.
 *
 * Two modes.  direct: the argument is the message.  indirect: the argument holds the
 * message's address and length.  An event is fetched by an ioctl that sleeps, as with
 * VIDIOC_DQEVENT, because the kernel cannot call a function of a process.  An upcall is two
 * commands, as in seccomp's user notification: one sleeps until the kernel asks and returns the
 * request, the other one answers it.
 *
 * A dump fills an array of the caller with the whole table, a page per copy_to_user().  The
 * caller must have room for all of it before it knows the length, which is the usual weakness
 * of such a command.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

static DEFINE_RCX_UPCALL(ioctl_upcall);

/* State of one open file.  The lock of ioctl_readers covers @reader, see readers.c. */
struct ioctl_file {
	struct rcx_file file;
	struct rcx_reader reader;
};

static DEFINE_RCX_READERS(ioctl_readers);

static int ioctl_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&ioctl_readers, event);
}

static int ioctl_open(struct inode *inode, struct file *file)
{
	struct ioctl_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->file.lock);
	rcx_reader_join(&ioctl_readers, &state->reader);
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int ioctl_release(struct inode *inode, struct file *file)
{
	struct ioctl_file *state = file->private_data;

	rcx_reader_leave(&ioctl_readers, &state->reader);
	rcx_file_free(&state->file);
	kfree(state);
	return 0;
}

static long ioctl_push(struct rcx_file *state, const void __user *from, u32 len)
{
	if (copy_from_user(state->message, from, len))
		return -EFAULT;
	return rcx_consume(&state->sequence, state->message, len);
}

static long ioctl_pull(struct rcx_file *state, void __user *to, u32 len)
{
	rcx_make(&state->sequence, state->message, len - RCX_HEADER);
	return copy_to_user(to, state->message, len) ? -EFAULT : 0;
}

static long ioctl_call(struct rcx_file *state, void __user *at, u32 len)
{
	long err = ioctl_push(state, at, len);

	if (err)
		return err;
	rcx_reply(state->message, len);
	return copy_to_user(at, state->message, len) ? -EFAULT : 0;
}

/* As with a datagram: a reader whose buffer is too small loses the event. */
static long ioctl_next(struct rcx_file *state, const struct rcx_event *event, void __user *to,
		       u32 len)
{
	if (len < RCX_HEADER + event->size)
		return -EMSGSIZE;
	rcx_event(event, state->message);
	return copy_to_user(to, state->message, RCX_HEADER + event->size) ? -EFAULT : 0;
}

/* Dump to the @len bytes at @user, neither of which has been checked yet. */
static long ioctl_serve_dump(struct file *file, void __user *user, u32 len)
{
	struct ioctl_file *state = file->private_data;
	long ret;

	if (len % RCX_RECORD)
		return -EINVAL;
	if (mutex_lock_interruptible(&state->file.lock))
		return -ERESTARTSYS;
	ret = rcx_dump_to_user(&state->file, user, len / RCX_RECORD);
	mutex_unlock(&state->file.lock);
	return ret;
}

/* Run one command, under the lock; @state has room for @len bytes. */
static long ioctl_run(struct rcx_file *state, unsigned int nr, const struct rcx_event *event,
		      void __user *user, u32 len)
{
	switch (nr) {
	case RCX_IOCTL_NR_PUSH:
		return ioctl_push(state, user, len);
	case RCX_IOCTL_NR_PULL:
		return ioctl_pull(state, user, len);
	case RCX_IOCTL_NR_CALL:
		return ioctl_call(state, user, len);
	case RCX_IOCTL_NR_NEXT:
		return ioctl_next(state, event, user, len);
	}
	return -ENOTTY;
}

/* Run one command on @len bytes at @user, neither of which has been checked yet. */
static long ioctl_serve(struct file *file, unsigned int nr, void __user *user, u32 len)
{
	struct ioctl_file *state = file->private_data;
	struct rcx_event event;
	long ret;

	if (len < RCX_HEADER || len > RCX_HEADER + RCX_BODY_MAX)
		return -EINVAL;
	/* Sleep without the lock, so that other users of the file are not blocked. */
	if (nr == RCX_IOCTL_NR_NEXT) {
		ret = rcx_reader_next(&ioctl_readers, &state->reader, &event,
				      file->f_flags & O_NONBLOCK);
		if (ret)
			return ret;
	}

	/* The event has left the queue, so only a fatal signal may lose it. */
	if (nr == RCX_IOCTL_NR_NEXT)
		ret = mutex_lock_killable(&state->file.lock);
	else
		ret = mutex_lock_interruptible(&state->file.lock);
	if (ret)
		return nr == RCX_IOCTL_NR_NEXT ? -EINTR : -ERESTARTSYS;
	ret = rcx_file_hold(&state->file, len);
	if (!ret)
		ret = ioctl_run(&state->file, nr, &event, user, len);
	mutex_unlock(&state->file.lock);
	return ret;
}

static long ioctl_indirect(struct file *file, unsigned int nr, void __user *user)
{
	struct rcx_ioctl_buffer buffer;

	if (copy_from_user(&buffer, user, sizeof(buffer)))
		return -EFAULT;
	if (buffer.flags)
		return -EINVAL;
	if (nr == RCX_IOCTL_NR_DUMP)
		return ioctl_serve_dump(file, u64_to_user_ptr(buffer.address), buffer.len);
	return ioctl_serve(file, nr, u64_to_user_ptr(buffer.address), buffer.len);
}

static long ioctl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	u32 len = _IOC_SIZE(cmd);

	switch (cmd) {
	case RCX_IOCTL_PUSH_AT:
		return ioctl_indirect(file, RCX_IOCTL_NR_PUSH, user);
	case RCX_IOCTL_PULL_AT:
		return ioctl_indirect(file, RCX_IOCTL_NR_PULL, user);
	case RCX_IOCTL_CALL_AT:
		return ioctl_indirect(file, RCX_IOCTL_NR_CALL, user);
	case RCX_IOCTL_NEXT_AT:
		return ioctl_indirect(file, RCX_IOCTL_NR_NEXT, user);
	case RCX_IOCTL_DUMP_AT:
		return ioctl_indirect(file, RCX_IOCTL_NR_DUMP, user);
	}
	/* A direct command is valid if its direction and number match at its encoded size. */
	if (cmd == RCX_IOCTL_PUSH(len) || cmd == RCX_IOCTL_PULL(len) ||
	    cmd == RCX_IOCTL_CALL(len) || cmd == RCX_IOCTL_NEXT(len))
		return ioctl_serve(file, _IOC_NR(cmd), user, len);
	if (cmd == RCX_IOCTL_DUMP(len))
		return ioctl_serve_dump(file, user, len);
	return -ENOTTY;
}

static __poll_t ioctl_poll(struct file *file, struct poll_table_struct *table)
{
	struct ioctl_file *state = file->private_data;

	return rcx_reader_poll(&state->reader, file, table);
}

static const struct file_operations ioctl_fops = {
	.owner = THIS_MODULE,
	.open = ioctl_open,
	.release = ioctl_release,
	.unlocked_ioctl = ioctl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = ioctl_poll,
};

/* ---- upcalls: the kernel asks ------------------------------------------- */

static int ioctl_ask(const struct rcx_event *request)
{
	return rcx_upcall_ask(&ioctl_upcall, request);
}

static int upcall_open(struct inode *inode, struct file *file)
{
	return rcx_upcall_open(inode, file, &ioctl_upcall);
}

/* The handlers of read() and write() take an address and a length, as these commands do. */
static long upcall_take(struct file *file, void __user *to, u32 len)
{
	ssize_t got = rcx_upcall_read(file, to, len, NULL);

	return got < 0 ? got : 0;
}

static long upcall_answer(struct file *file, const void __user *from, u32 len)
{
	ssize_t done = rcx_upcall_write(file, from, len, NULL);

	return done < 0 ? done : 0;
}

static long upcall_indirect(struct file *file, unsigned int cmd, void __user *user)
{
	struct rcx_ioctl_buffer buffer;

	if (copy_from_user(&buffer, user, sizeof(buffer)))
		return -EFAULT;
	if (buffer.flags)
		return -EINVAL;
	user = u64_to_user_ptr(buffer.address);
	return cmd == RCX_IOCTL_TAKE_AT ? upcall_take(file, user, buffer.len) :
					  upcall_answer(file, user, buffer.len);
}

static long upcall_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	u32 len = _IOC_SIZE(cmd);

	if (cmd == RCX_IOCTL_TAKE_AT || cmd == RCX_IOCTL_ANSWER_AT)
		return upcall_indirect(file, cmd, user);
	if (cmd == RCX_IOCTL_TAKE(len))
		return upcall_take(file, user, len);
	if (cmd == RCX_IOCTL_ANSWER(len))
		return upcall_answer(file, user, len);
	return -ENOTTY;
}

static const struct file_operations upcall_fops = {
	.owner = THIS_MODULE,
	.open = upcall_open,
	.release = rcx_upcall_release,
	.unlocked_ioctl = upcall_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = rcx_upcall_poll,
};

static struct miscdevice ioctl_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_ioctl",
	.nodename = "ringcross/ioctl",
	.fops = &ioctl_fops,
	.mode = 0600,
};

static struct miscdevice upcall_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_ioctl_upcall",
	.nodename = "ringcross/ioctl-upcall",
	.fops = &upcall_fops,
	.mode = 0600,
};

static struct rcx_channel ioctl_channel = {
	.name = "ioctl",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "direct", RCX_IN_ANY, ioctl_emit, ioctl_ask },
						  { "indirect", RCX_IN_ANY, ioctl_emit, ioctl_ask },
						  { } },
};

static int __init ioctl_init(void)
{
	int err = misc_register(&ioctl_device);

	if (err)
		return err;
	err = misc_register(&upcall_device);
	if (err)
		goto err_device;
	err = rcx_channel_register(&ioctl_channel);
	if (err)
		goto err_upcall;
	return 0;

err_upcall:
	misc_deregister(&upcall_device);
err_device:
	misc_deregister(&ioctl_device);
	return err;
}

static void __exit ioctl_exit(void)
{
	rcx_channel_unregister(&ioctl_channel);
	misc_deregister(&upcall_device);
	misc_deregister(&ioctl_device);
}

module_init(ioctl_init);
module_exit(ioctl_exit);
MODULE_DESCRIPTION("ringcross: ioctl, direct and by pointer");
MODULE_LICENSE("GPL");
