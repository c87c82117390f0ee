// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two files of a dump: an iterator over the table, whose show() writes a record as it is or
 * prints it as a line.
 *
 * seq_file's own mutex covers the walk of an open file.  The table never changes, so that, unlike
 * over most lists, the walk needs no lock of the driver.
 */
#include <linux/fs.h>
#include <linux/seq_file.h>
#include "rcx_table.h"
#include "table.h"

/* State of one open file.  A read at offset 0 begins a new dump. */
struct walk {
	struct rcx_sequence sequence;
	struct rcx_dump dump;
};

static const struct rcx_record *walk_at(const struct walk *walk, loff_t index)
{
	return index < walk->dump.records ? &rcx_table[index] : NULL;
}

static void *walk_start(struct seq_file *seq, loff_t *index)
{
	struct walk *walk = seq->private;

	if (!*index)
		rcx_dump_begin(&walk->sequence, &walk->dump);
	return (void *)walk_at(walk, *index);
}

static void *walk_next(struct seq_file *seq, void *record, loff_t *index)
{
	++*index;
	return (void *)walk_at(seq->private, *index);
}

static void walk_stop(struct seq_file *seq, void *record)
{
}

static void walk_record(struct seq_file *seq, const struct rcx_record *at, struct rcx_record *to)
{
	const struct walk *walk = seq->private;

	rcx_dump_record(&walk->dump, at - rcx_table, to);
}

static int table_show(struct seq_file *seq, void *at)
{
	struct rcx_record record;

	walk_record(seq, at, &record);
	seq_write(seq, &record, sizeof(record));
	return 0;
}

static int text_show(struct seq_file *seq, void *at)
{
	struct rcx_record record;

	walk_record(seq, at, &record);
	seq_printf(seq, RCX_RECORD_FORMAT, RCX_RECORD_FIELDS(&record));
	return 0;
}

static const struct seq_operations table_ops = {
	.start = walk_start,
	.next = walk_next,
	.stop = walk_stop,
	.show = table_show,
};

static const struct seq_operations text_ops = {
	.start = walk_start,
	.next = walk_next,
	.stop = walk_stop,
	.show = text_show,
};

static int table_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &table_ops, sizeof(struct walk));
}

static int text_open(struct inode *inode, struct file *file)
{
	return seq_open_private(file, &text_ops, sizeof(struct walk));
}

const struct proc_ops seqfile_table_proc_ops = {
	.proc_open = table_open,
	.proc_release = seq_release_private,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
};

const struct proc_ops seqfile_text_proc_ops = {
	.proc_open = text_open,
	.proc_release = seq_release_private,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
};
