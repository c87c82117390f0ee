// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: seqfile
 *
 * A file that is printed: the kernel half writes to a buffer, seq_file handles read().
 *
 * What it is.  Nearly every file in /proc is made this way.  The driver iterates
 * over its objects with four functions: start() finds the object at a position,
 * next() the following one, show() prints one object, and stop() releases what start()
 * took.  seq_file owns the buffer, calls these functions as needed, and answers reads of
 * any length at any offset.  A file with a single object needs only show().
 *
 * The path of one message.  System call entry, fd lookup, access check and
 * security hook.  procfs takes a use count on the entry.  seq_read_iter() takes the open
 * file's mutex and calls start() and show().  In records, start() takes the driver's
 * lock and stop() releases it; in the other modes show() does both.  seq_write() copies
 * to the buffer, copy_to_iter() to the user.  So there are two copies, and for each
 * record two indirect calls, show() and next().
 *
 * When to choose it.  For state of the kernel as text, for people and scripts, if it
 * may be longer than a page or is a list.  It is the safe way to print: seq_file handles
 * a short user buffer, a seek and an overflow.
 *
 * Its pitfall.  A file of many records is not printed atomically.  Its buffer has one
 * page: a read() of 64 KiB returns what fits into 4095 bytes, here 63 records of 64
 * bytes.  These records are printed in one walk under the driver's lock, after what a
 * short read left over from the previous walk.  The lock is free until the next read(),
 * so a list that changes meanwhile is printed half old, half new.  For this reason the
 * kernel half takes a snapshot when a walk starts at 0.
 *
 * A single record must fit into the buffer as a whole.  If it does not, seq_file frees
 * the buffer, allocates one of twice the size and calls show() again: ten calls in all
 * for a message of 1 MiB.  A show() that formats text does so in each call until the
 * buffer is full.  Our seq_write() detects at once that the message does not fit.  But
 * seq_file still allocates 4 MiB in total, and clears them if the kernel clears all
 * allocations, as Debian's does.  An open file keeps its buffer and pays for this once.
 * A program that opens, reads and closes, as cat does, pays each time, unless
 * the driver passes a good estimate to single_open_size().  And a seek is not cheap: all
 * records up to the new position are shown again and discarded.
 *
 * Four modes:
 *
 * - records: an iterator over records of 64 bytes.
 * - text: the same, but each record is printed as a line, as is usual in /proc.  The reader
 *   parses the line.  It only has dump, since a message is not made of numbers.
 * - single: one show(); the file is kept open.
 * - reopen: the same with open, one read and close.  State per open file would lose the
 *   sequence at each close, so it uses the file shared, with one state for all opens.
 *
 * A read at offset 0 starts a new message.  A read at a later offset returns the rest of
 * the same message, as long as it continues where the last read ended.
 *
 * The entry's use count holds the module only while a handler runs.  None of our
 * handlers sleeps for an event, so that is enough: proc_remove() waits for running
 * handlers and releases the files that are still open.  Their next read fails with EIO.
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
#include "table.h"

#define RECORD 64 /* bytes of a message per record; the last record may have fewer */

/*
 * Each open file has a struct rcx_file as its state; all opens of shared use this one.
 * It holds the message to show.  In records the message is the snapshot.  In single and
 * shared, @len is 0 if show() must make the message first.
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

/* seq_file calls stop() even after an error of start(), so always take the lock. */
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

/* Also count past the last record; otherwise a seek would show the last record twice. */
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
 * seq_file calls this until the buffer is large enough.  The first of these calls makes
 * the message; the last one, which did not overflow, marks it as used.
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

/* ---- the files; read_iter serves read(), splice() and sendfile() -------- */

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
	/* A file without state per open takes one call, like most files in /proc. */
	if (!proc_create(RCX_SEQFILE_RECORDS, 0400, seqfile_dir, &records_proc_ops) ||
	    !proc_create(RCX_SEQFILE_SINGLE, 0400, seqfile_dir, &single_proc_ops) ||
	    !proc_create(RCX_SEQFILE_TABLE, 0400, seqfile_dir, &seqfile_table_proc_ops) ||
	    !proc_create(RCX_SEQFILE_TEXT, 0400, seqfile_dir, &seqfile_text_proc_ops) ||
	    !proc_create_single_data(RCX_SEQFILE_SHARED, 0400, seqfile_dir, single_show,
				     &seqfile_shared))
		goto err_dir;
	err = rcx_channel_register(&seqfile_channel);
	if (err)
		goto err_dir;
	return 0;

err_dir:
	proc_remove(seqfile_dir); /* also removes the files in it */
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
