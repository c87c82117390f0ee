// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: filewrite
 *
 * A file to which the kernel appends and which a program reads.
 *
 * What it is.  kernel_write() and kernel_read() are write() and read() for kernel code:
 * they take a struct file and a kernel buffer.  In old examples the kernel opens the file
 * itself by its path, with filp_open().
 *
 * The path of one message.  The file system's write_iter takes the lock of the file,
 * copies the message into a page of the page cache and updates size and times.  Then
 * inotify queues a notification for each watch on the file, unless the newest queued one is
 * equal, and wakes a waiting reader.  The reader fetches the notification by one system
 * call and the message by another.  The message is copied twice.
 *
 * When to choose it.  When a file is the purpose of the interface.  Either user space has
 * opened the file (the file of a loop device, the pipe of the autofs daemon), or the
 * kernel opens it on behalf of the process that named it (process accounting, a core
 * dump).  To load a file, use kernel_read_file(), as modules and firmware do.
 *
 * Its pitfall.  A path is only meaningful in certain namespaces and with certain
 * permissions.  filp_open() in a kernel thread looks the path up in the initial namespaces
 * and as root, so a link that another user has placed in /tmp can lead to any file.  Also,
 * user space decides where files lie, not the kernel.  A write may sleep, for a file on a
 * disk for a long time.  Only inotify wakes a reader, and it reports that the file has
 * changed, not how often.  A file has no messages: a reader on another CPU can read half
 * of one, and a full disk leaves half of one in the file.  The file grows without a
 * bound.  Truncating it while it is written loses everything between the last read and the
 * truncation.
 *
 * One mode, append.  The user opens the file, so the user's permissions apply, and
 * passes it to the kernel half through /dev/ringcross/filewrite, which is not measured.
 * The file must be on tmpfs.  A file elsewhere may be slow, or not be data at all: a write
 * to a file in /proc runs code.  The reader punches a hole where it has read, which frees
 * the memory and moves no offset.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "abi.h"

/* State of one open control file.  It is on the list once it has a file to append to. */
struct filewrite_file {
	struct list_head node;
	struct file *file;
	loff_t end; /* of the last write; used if the user clears O_APPEND */
	u64 limit;
	bool broken; /* the file ends in half a message: append nothing more */
};

/*
 * Covers the list, the states on it, and the buffer.  It is held while files are written,
 * so that no state is removed and no file is released meanwhile.
 */
static DEFINE_MUTEX(filewrite_lock);
static LIST_HEAD(filewrite_files);
static struct rcx_msg *filewrite_message;
static size_t filewrite_room;

/* ---- events -------------------------------------------------------------- */

/* Zeroed, because bytes that a message does not fill are copied to user space as well. */
static int filewrite_hold(size_t len)
{
	struct rcx_msg *message;

	lockdep_assert_held(&filewrite_lock);
	if (len <= filewrite_room)
		return 0;
	message = kvzalloc(len, GFP_KERNEL);
	if (!message)
		return -ENOMEM;
	kvfree(filewrite_message);
	filewrite_message = message;
	filewrite_room = len;
	return 0;
}

static int filewrite_append(struct filewrite_file *state, size_t len)
{
	ssize_t done;

	lockdep_assert_held(&filewrite_lock);
	if (state->broken)
		return -EIO;
	/* Without a limit a file on tmpfs would use up the memory of the machine. */
	if (inode_get_bytes(file_inode(state->file)) + len > state->limit)
		return -ENOSPC;
	done = kernel_write(state->file, filewrite_message, len, &state->end);
	if (done == len)
		return 0;
	if (done < 0)
		return done;
	state->broken = true;
	return -ENOSPC;
}

/* Process context only: the locks of the file system sleep. */
static int filewrite_emit(const struct rcx_event *event)
{
	size_t len = ALIGN(RCX_HEADER + event->size, RCX_FILEWRITE_ALIGN);
	struct filewrite_file *state;
	bool taken = false;
	int err;

	mutex_lock(&filewrite_lock);
	err = filewrite_hold(len);
	if (err)
		goto out;
	rcx_event(event, filewrite_message);
	err = -ENOTCONN;
	list_for_each_entry(state, &filewrite_files, node) {
		err = filewrite_append(state, len);
		taken |= !err;
	}
out:
	mutex_unlock(&filewrite_lock);
	return taken ? 0 : err;
}

/* ---- the device ---------------------------------------------------------- */

static int filewrite_open(struct inode *inode, struct file *file)
{
	struct filewrite_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int filewrite_release(struct inode *inode, struct file *file)
{
	struct filewrite_file *state = file->private_data;

	if (state->file) {
		mutex_lock(&filewrite_lock);
		list_del(&state->node);
		mutex_unlock(&filewrite_lock);
		fput(state->file);
	}
	kfree(state);
	return 0;
}

/*
 * Whether kernel_write() can append to the file and a reader finds the data again.  It
 * is not sufficient that a file is regular, open for writing and has write_iter: files of
 * /proc/sys and sysfs are and have that, too.
 */
static bool filewrite_is_suitable(const struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode) &&
	       file_inode(file)->i_sb->s_magic == TMPFS_MAGIC && file->f_mode & FMODE_WRITE &&
	       file->f_flags & O_APPEND && file->f_op->write_iter && !file->f_op->write;
}

static long filewrite_add(struct filewrite_file *state, struct file *file, u64 limit)
{
	long err = 0;

	mutex_lock(&filewrite_lock);
	if (state->file) {
		err = -EBUSY;
	} else {
		state->limit = limit;
		state->file = file;
		list_add_tail(&state->node, &filewrite_files);
	}
	mutex_unlock(&filewrite_lock);
	return err;
}

static long filewrite_register(struct filewrite_file *state,
			       const struct rcx_filewrite_file __user *arg)
{
	struct rcx_filewrite_file request;
	struct file *file;
	long err = -EINVAL;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (request.flags || request.limit < RCX_FILEWRITE_LEAST ||
	    request.limit > RCX_FILEWRITE_MOST)
		return -EINVAL;
	file = fget(request.fd);
	if (!file)
		return -EBADF;
	if (filewrite_is_suitable(file))
		err = filewrite_add(state, file, request.limit);
	if (err)
		fput(file);
	return err;
}

static long filewrite_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_FILEWRITE_FILE:
		return filewrite_register(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations filewrite_fops = {
	.owner = THIS_MODULE,
	.open = filewrite_open,
	.release = filewrite_release,
	.unlocked_ioctl = filewrite_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice filewrite_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_filewrite",
	.nodename = "ringcross/filewrite",
	.fops = &filewrite_fops,
	.mode = 0600,
};

static struct rcx_channel filewrite_channel = {
	.name = "filewrite",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "append", RCX_IN(RCX_PROCESS), filewrite_emit },
						  { } },
};

static int __init filewrite_init(void)
{
	int err = misc_register(&filewrite_device);

	if (err)
		return err;
	err = rcx_channel_register(&filewrite_channel);
	if (err)
		misc_deregister(&filewrite_device);
	return err;
}

static void __exit filewrite_exit(void)
{
	rcx_channel_unregister(&filewrite_channel);
	misc_deregister(&filewrite_device);
	kvfree(filewrite_message);
}

module_init(filewrite_init);
module_exit(filewrite_exit);
MODULE_DESCRIPTION("ringcross: a file that the kernel appends to");
MODULE_LICENSE("GPL");
