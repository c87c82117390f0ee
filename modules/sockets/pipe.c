// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events to a pipe, whose end to write to a program has passed to the kernel half.
 *
 * The kernel half opens the pipe once more for itself, without blocking.  The flag O_NONBLOCK
 * belongs to an open file: if the kernel half used the program's, the program could clear the
 * flag, stop reading, and so put the producer's thread to sleep for ever.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/slab.h>
#include "sockets.h"
#include "abi.h"

static struct file *reopen(u32 fd)
{
	struct file *given = fget(fd), *file = ERR_PTR(-EINVAL);

	if (!given)
		return ERR_PTR(-EBADF);
	if (!(given->f_mode & FMODE_WRITE))
		file = ERR_PTR(-EBADF);
	else if (S_ISFIFO(file_inode(given)->i_mode))
		file = dentry_open(&given->f_path, O_WRONLY | O_NONBLOCK, current_cred());
	fput(given);
	return file;
}

int sockets_open_pipe(struct sockets_end *end, u32 fd)
{
	struct file *pipe = reopen(fd);

	if (IS_ERR(pipe))
		return PTR_ERR(pipe);
	end->room = RCX_HEADER + RCX_BODY_MAX;
	end->message = kvzalloc(end->room, GFP_KERNEL);
	if (!end->message) {
		fput(pipe);
		return -ENOMEM;
	}
	end->pipe = pipe;
	return 0;
}

/*
 * Whether the pipe takes all of @len bytes.  Up to a page it takes all or nothing anyway.  Of a
 * larger message it could take a part, which cannot be withdrawn.  Another writer may fill the
 * pipe after this check; the conversation then ends.
 */
static bool has_room(const struct pipe_inode_info *pipe, size_t len)
{
	unsigned int used = pipe_occupancy(READ_ONCE(pipe->head), READ_ONCE(pipe->tail));

	return len <= PAGE_SIZE || used + DIV_ROUND_UP(len, PAGE_SIZE) <= pipe->max_usage;
}

/* A kernel thread ignores SIGPIPE, but a pipe without a reader is checked before anyway. */
int sockets_write_event(struct sockets_end *end, const struct rcx_event *event)
{
	struct pipe_inode_info *pipe = file_inode(end->pipe)->i_pipe;
	size_t len = RCX_HEADER + event->size;
	loff_t pos = 0;
	ssize_t put;

	if (end->error)
		return end->error;
	if (len > end->room)
		return -EMSGSIZE;
	if (!READ_ONCE(pipe->readers))
		return -EPIPE;
	if (!has_room(pipe, len))
		return -EAGAIN;
	rcx_event(event, end->message);
	put = kernel_write(end->pipe, end->message, len, &pos);
	if (put == len)
		return 0;
	if (put > 0)
		sockets_break(end, -EPIPE);
	return put < 0 ? put : -EPIPE;
}
