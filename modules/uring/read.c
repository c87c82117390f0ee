// SPDX-License-Identifier: GPL-2.0-only
/*
 * Plain reads.  io_uring first tries a request without sleeping.  It does so only if the file
 * promises, by FMODE_NOWAIT, that a read with IOCB_NOWAIT returns -EAGAIN instead of sleeping.
 */
#include <linux/uio.h>
#include "uring.h"

/* Without a file position, which a message does not have. */
int uring_open_read(struct inode *inode, struct file *file)
{
	int err = rcx_file_open(inode, file);

	return err ? err : stream_open(inode, file);
}

int uring_open_nowait(struct inode *inode, struct file *file)
{
	int err = uring_open_read(inode, file);

	if (!err)
		file->f_mode |= FMODE_NOWAIT;
	return err;
}

/* A nowait reader does not wait for the lock, nor for memory. */
static int lock_for_read(struct rcx_file *state, size_t len, bool nowait)
{
	if (!nowait)
		return mutex_lock_interruptible(&state->lock) ? -ERESTARTSYS : 0;
	if (!mutex_trylock(&state->lock))
		return -EAGAIN;
	if (len <= state->room)
		return 0;
	mutex_unlock(&state->lock);
	return -EAGAIN;
}

/* A reader whose buffer is too small gets an error and loses no message. */
ssize_t uring_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct rcx_file *state = iocb->ki_filp->private_data;
	u32 size = rcx_size();
	size_t len = RCX_HEADER + size;
	ssize_t ret;

	if (iov_iter_count(to) < len)
		return -EMSGSIZE;
	ret = lock_for_read(state, len, iocb->ki_flags & IOCB_NOWAIT);
	if (ret)
		return ret;
	ret = rcx_file_hold(state, len);
	if (!ret) {
		rcx_make(&state->sequence, state->message, size);
		ret = copy_to_iter(state->message, len, to) == len ? len : -EFAULT;
	}
	mutex_unlock(&state->lock);
	return ret;
}
