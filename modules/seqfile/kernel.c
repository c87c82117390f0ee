// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: seqfile
 *
 * A file that is printed: the kernel writes to a buffer, seq_file does read().
 *
 * What it is.  Nearly every file of /proc is made this way.  The driver walks
 * over its objects by four functions: start() finds the object at a position,
 * next() the one behind it, show() prints one, stop() gives back what start()
 * took.  seq_file has the buffer, calls them as needed, and answers reads of any
 * length at any place.  A file with one object needs only the show().
 *
 * The path of one message.  System call entry, fd lookup, access check and
 * security hook, procfs takes a use count on the entry, seq_read_iter() takes the
 * open file's mutex and calls start() and show(); ours is taken in records by
 * start() and held until stop(), else in show(); seq_write() copies to the
 * buffer, copy_to_iter() to the user.  Two copies, plus two calls by pointer for
 * each record, show() and next().
 *
 * When to choose it.  State of the kernel as text, for people and scripts,
 * whenever it may be longer than a page or is a list.  It is the safe way to
 * print: a short buffer of the user, a seek, an overflow are not our concern.
 *
 * Its trap.  What one read() prints, it prints in one walk, under the driver's lock,
 * but what a short read left over from the walk before goes out ahead of it; and the
 * file as a whole is not.  A file of many records has a buffer of a
 * page: whoever asks for 64 KiB gets what fits in 4095 bytes, here 63 records of
 * 64 bytes, and the lock is free until the next read, so a list that changes
 * meanwhile is printed half old, half new.  We take a snapshot when a walk starts
 * at 0.  A single record must fit as a whole: when it does not, the buffer is
 * thrown away, one of twice the size allocated and show() called again, for a
 * message of 1 MiB ten times in all.  A show() that formats text does so in vain
 * each time until the buffer is full; our seq_write() sees at once that it does
 * not fit, but allocating 4 MiB remains, and clearing them where the kernel does
 * so with all it allocates, as Debian's.  The open file keeps its buffer and does
 * so once; who opens, reads and closes, as cat does, pays for it each time, unless
 * the driver guessed well by single_open_size().  And a seek is no seek: all
 * records up to there are shown again and thrown away.
 *
 * Three modes: records (an iterator, 64 bytes each), single (one show(), file
 * kept open) and reopen (the same by open, one read, close, of the file shared:
 * one state for all opens, as a state for each would forget the sequence at its
 * close).  A read at 0 starts again, with a new message; further on it is the
 * rest of the same one, as long as it goes on where the last one ended.
 *
 * The entry's use count keeps the module only while a handler runs.  As none of
 * ours sleeps for an event, that is enough: proc_remove() waits for those that
 * run, releases the files that are still open, and their next read is EIO.
 */
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "abi.h"

#define RECORD 64	/* bytes of a message in one record; the last may have fewer */

/*
 * The state of an open file, and this one of all opens of shared, is a struct
 * rcx_file.  Its message is the one to be shown.  In records it is the snapshot; in
 * single and shared @len is 0 when the message must be made first.
 */
static DEFINE_RCX_FILE(seqfile_shared);

static int seqfile_reset(void)
{
	return rcx_file_reset(&seqfile_shared);
}

/* ---- records: the message is a list of pieces --------------------------- */

static void *record_at(const struct rcx_file *state, loff_t number)
{
	lockdep_assert_held(&state->lock);
	if (number >= DIV_ROUND_UP(state->len, RECORD))
		return NULL;
	return (char *)state->message + number * RECORD;
}

/* seq_file calls stop() whatever start() returned, so the lock is taken in any case. */
static void *records_start(struct seq_file *seq, loff_t *number)
{
	struct rcx_file *state = seq->private;
	int err;

	mutex_lock(&state->lock);
	if (!*number) {
		err = rcx_file_make(state);
		if (err)
			return ERR_PTR(err);
	}
	return record_at(state, *number);
}

/* The number moves on even behind the last, or after a seek the last would be shown twice. */
static void *records_next(struct seq_file *seq, void *record, loff_t *number)
{
	++*number;
	return record_at(seq->private, *number);
}

static int records_show(struct seq_file *seq, void *record)
{
	const struct rcx_file *state = seq->private;
	size_t at = record - (void *)state->message;

	seq_write(seq, record, min_t(size_t, state->len - at, RECORD));
	return 0;
}

static void records_stop(struct seq_file *seq, void *record)
{
	struct rcx_file *state = seq->private;

	mutex_unlock(&state->lock);
}

static const struct seq_operations records_ops = {
	.start = records_start,
	.next = records_next,
	.show = records_show,
	.stop = records_stop,
};

/* ---- single and shared: the message is one record ----------------------- */

/*
 * Called until the buffer is large enough, so the message is made by the first
 * of these calls and is done with after the last.
 */
static int single_show(struct seq_file *seq, void *unused)
{
	struct rcx_file *state = seq->private;
	int err = 0;

	mutex_lock(&state->lock);
	if (!state->len)
		err = rcx_file_make(state);
	if (!err) {
		seq_write(seq, state->message, state->len);
		if (!seq_has_overflowed(seq))
			state->len = 0;
	}
	mutex_unlock(&state->lock);
	return err;
}

/* ---- opens -------------------------------------------------------------- */

static struct rcx_file *state_alloc(void)
{
	struct rcx_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (state)
		mutex_init(&state->lock);
	return state;
}

static void state_free(struct rcx_file *state)
{
	rcx_file_free(state);
	kfree(state);
}

static int records_open(struct inode *inode, struct file *file)
{
	struct rcx_file *state = state_alloc();
	struct seq_file *seq;
	int err;

	if (!state)
		return -ENOMEM;
	err = seq_open(file, &records_ops);
	if (err) {
		state_free(state);
		return err;
	}
	seq = file->private_data;
	seq->private = state;
	return 0;
}

static int records_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;

	state_free(seq->private);
	return seq_release(inode, file);
}

static int seqfile_single_open(struct inode *inode, struct file *file)
{
	struct rcx_file *state = state_alloc();
	int err;

	if (!state)
		return -ENOMEM;
	err = single_open(file, single_show, state);
	if (err)
		state_free(state);
	return err;
}

static int seqfile_single_release(struct inode *inode, struct file *file)
{
	struct seq_file *seq = file->private_data;

	state_free(seq->private);
	return single_release(inode, file);
}

/* ---- the files: read_iter serves read(), and splice() and sendfile() too - */

static const struct proc_ops records_proc_ops = {
	.proc_open = records_open,
	.proc_release = records_release,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
};

static const struct proc_ops single_proc_ops = {
	.proc_open = seqfile_single_open,
	.proc_release = seqfile_single_release,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
};

static struct proc_dir_entry *seqfile_dir;

static struct rcx_channel seqfile_channel = {
	.name = "seqfile",
	.owner = THIS_MODULE,
	.reset = seqfile_reset,
};

static int __init seqfile_init(void)
{
	int err;

	seqfile_dir = proc_mkdir(RCX_SEQFILE_DIR, NULL);
	if (!seqfile_dir)
		return -ENOMEM;
	err = -ENOMEM;
	/* A file without a state for each open is one line, as most of /proc is. */
	if (!proc_create(RCX_SEQFILE_RECORDS, 0400, seqfile_dir, &records_proc_ops) ||
	    !proc_create(RCX_SEQFILE_SINGLE, 0400, seqfile_dir, &single_proc_ops) ||
	    !proc_create_single_data(RCX_SEQFILE_SHARED, 0400, seqfile_dir, single_show,
				     &seqfile_shared))
		goto err_dir;
	err = rcx_channel_register(&seqfile_channel);
	if (err)
		goto err_dir;
	return 0;

err_dir:
	proc_remove(seqfile_dir);	/* and all that is in it */
	rcx_file_free(&seqfile_shared);
	return err;
}

static void __exit seqfile_exit(void)
{
	rcx_channel_unregister(&seqfile_channel);
	proc_remove(seqfile_dir);
	rcx_file_free(&seqfile_shared);
}

module_init(seqfile_init);
module_exit(seqfile_exit);
MODULE_DESCRIPTION("ringcross: files printed by seq_file");
MODULE_LICENSE("GPL");
