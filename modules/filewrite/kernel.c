// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: filewrite
 *
 * The kernel appends to a file, as a program would, and a program reads it.
 *
 * What it is.  kernel_write() and kernel_read() are write() and read() for the
 * kernel: they take a struct file and a buffer of the kernel's.  In old examples
 * the kernel opens the file itself, by its path, with filp_open().
 *
 * The path of one message.  The file system's own write_iter takes the file's
 * lock, copies the message into a page of the page cache, and sets size and
 * times; then inotify queues a note for each watch on the file, unless the newest
 * note there says the same, and wakes who waits for one.  The reader fetches the
 * note by one system call and the message by another, which is the second copy.
 *
 * When to choose it.  Where a file is what is wanted, and user space has opened it
 * (a loop device, a daemon's pipe for autofs) or the kernel opens it in place of the
 * process that named it (accounting by acct, a core dump).  To load a file there
 * is kernel_read_file(), as for modules and firmware.
 *
 * Its trap.  Which file?  A path means something only in somebody's namespaces
 * and with somebody's rights.  filp_open() in a kernel thread looks it up in the
 * first namespaces and as root, so a link that another user has left in /tmp can
 * lead it to any file; and where files lie is for user space to decide.
 * It sleeps, on a disk for long.  Nobody is woken but by inotify, which says that
 * something has changed and not how often.  There is no message: a reader on
 * another CPU can meet half of one, and a full disk leaves half of one behind
 * for good.  The file grows without a bound, and to truncate it while it is written
 * to loses what came between the last read and the truncation.
 *
 * One mode, append.  The user opens the file and hands it over through
 * /dev/ringcross/filewrite, which is not measured: so it was opened with the rights of
 * who wanted it.  It must lie on tmpfs: other files may be no data at all (one of
 * /proc runs code when it is written) or be slow.  The reader punches a hole
 * behind himself, which gives the memory back and moves no offset.
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

/* State of one open control file.  On the list once it has a file to write to. */
struct filewrite_file {
	struct list_head node;
	struct file *file;
	loff_t end;		/* of what was written; used when the user takes O_APPEND away */
	u64 limit;
	bool broken;		/* ends in half a message, so that nothing may follow */
};

/*
 * Covers the list, all that is on it, and the buffer.  Held while files are
 * written to, so that none of them goes meanwhile.
 */
static DEFINE_MUTEX(filewrite_lock);
static LIST_HEAD(filewrite_files);
static struct rcx_msg *filewrite_message;
static size_t filewrite_room;

/* ---- events -------------------------------------------------------------- */

/* Zeroed, because what a message does not fill goes to user space with it. */
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
	/* A file of tmpfs takes what memory there is, and then takes the machine. */
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

/* From a thread only: the file system's locks sleep. */
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
 * What kernel_write() can do, to data that a reader finds again.  A regular file
 * of another file system may be none: those of /proc/sys and sysfs are regular,
 * open for writing and have write_iter, too.
 */
static bool filewrite_is_good(const struct file *file)
{
	return S_ISREG(file_inode(file)->i_mode) &&
	       file_inode(file)->i_sb->s_magic == TMPFS_MAGIC &&
	       file->f_mode & FMODE_WRITE && file->f_flags & O_APPEND &&
	       file->f_op->write_iter && !file->f_op->write;
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
	if (filewrite_is_good(file))
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
	.emitters = (const struct rcx_emitter[]) {
		{ "append", RCX_IN(RCX_PROCESS), filewrite_emit },
		{ }
	},
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
