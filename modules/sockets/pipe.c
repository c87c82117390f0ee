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

/* Whether the pipe surely takes @len bytes, each page of them in a slot of its own. */
static bool has_slots(const struct pipe_inode_info *pipe, size_t len)
{
	unsigned int used = pipe_occupancy(READ_ONCE(pipe->head), READ_ONCE(pipe->tail));

	return used + DIV_ROUND_UP(len, PAGE_SIZE) <= pipe->max_usage;
}

/*
 * Write @len bytes of the buffer: all, or none and an errno.  The caller has checked that there
 * is room, because a part could not be withdrawn.  Another writer may have filled the pipe since
 * then; if it takes a part, the conversation ends.
 */
static int write_whole(struct sockets_end *end, size_t len)
{
	loff_t pos = 0;
	ssize_t put = kernel_write(end->pipe, end->message, len, &pos);

	if (put > 0 && put < len)
		sockets_break(end, -EPIPE);
	if (put < 0)
		return put;
	return put == len ? 0 : -EPIPE;
}

/* A kernel thread ignores SIGPIPE, but a pipe without a reader is found before anyway. */
static int why_not(const struct sockets_end *end, const struct pipe_inode_info *pipe, size_t len)
{
	if (end->error)
		return end->error;
	if (len > end->room)
		return -EMSGSIZE;
	return READ_ONCE(pipe->readers) ? 0 : -EPIPE;
}

/* Up to a page, a pipe takes all or nothing by itself. */
int sockets_write_event(struct sockets_end *end, const struct rcx_event *event)
{
	const struct pipe_inode_info *pipe = file_inode(end->pipe)->i_pipe;
	size_t len = RCX_HEADER + event->size;
	int err = why_not(end, pipe, len);

	if (err)
		return err;
	if (len > PAGE_SIZE && !has_slots(pipe, len))
		return -EAGAIN;
	rcx_event(event, end->message);
	return write_whole(end, len);
}

/* ---- many events by one write ------------------------------------------- */

#define BATCH_BYTES (8 * PAGE_SIZE) /* half of the usual capacity of a pipe */

static int write_batch(struct sockets_end *end)
{
	size_t len = end->have;

	end->have = 0;
	end->collected = 0;
	return len ? write_whole(end, len) : 0;
}

/*
 * Collect up to RCX_BATCH events and write them together.  An event is only accepted if the pipe
 * has room for it and for those before it, so that the write does not fail.  When one is refused,
 * those before it are written: it may be the last.
 */
int sockets_write_batched(struct sockets_end *end, const struct rcx_event *event)
{
	const struct pipe_inode_info *pipe = file_inode(end->pipe)->i_pipe;
	size_t len = RCX_PADDED(RCX_HEADER + event->size);
	int err = why_not(end, pipe, len);

	if (!err && end->have + len > BATCH_BYTES)
		err = write_batch(end);
	if (!err && !has_slots(pipe, end->have + len))
		err = -EAGAIN;
	if (err) {
		write_batch(end);
		return err;
	}
	rcx_event(event, (void *)end->message + end->have);
	end->have += len;
	end->collected++;
	if (event->last || end->collected == RCX_BATCH || end->have >= BATCH_BYTES)
		return write_batch(end);
	return 0;
}
