/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table that dumps deliver.  All channels walk the same one and do the same work for each
 * record: a copy of 64 bytes, and a store of the generation.  So only the channel differs.
 */
#ifndef RCX_TABLE_H
#define RCX_TABLE_H

#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include "rcx_core.h"

/*
 * RCX_RECORDS_MAX records.  The first bind with records allocates and fills it.  After that it
 * never changes and is freed with the module, so a walk needs no lock.
 */
extern const struct rcx_record *rcx_table;

/* 0 or -ENOMEM; for the core alone, as is rcx_table_free(). */
int rcx_table_fill(void);
void rcx_table_free(void);

/**
 * struct rcx_dump - one walk over the table
 * @generation: its number, which each of its records carries
 * @records: records of the table when the walk began; a bind meanwhile does not change it
 */
struct rcx_dump {
	u64 generation;
	u32 records;
};

/**
 * rcx_dump_begin - begin a walk
 * @sequence: the sequence to which the number of the dump belongs; as in rcx_make()
 * @dump: the walk
 *
 * Without a table the walk has no records.
 */
static inline void rcx_dump_begin(struct rcx_sequence *sequence, struct rcx_dump *dump)
{
	dump->records = smp_load_acquire(&rcx_binding.records);
	dump->generation = sequence->out++;
	this_cpu_inc(rcx_tally.made);
}

/* Make record @index, which must be less than @dump->records, in memory of the kernel. */
static inline void rcx_dump_record(const struct rcx_dump *dump, u32 index, struct rcx_record *to)
{
	*to = rcx_table[index];
	to->generation = dump->generation;
}

#define RCX_PAGE_RECORDS ((u32)(PAGE_SIZE / sizeof(struct rcx_record)))

/*
 * Make the records from @first on in @page, which has room for RCX_PAGE_RECORDS; returns how many
 * there are.  For channels that copy a table one page at a time.
 */
static inline u32 rcx_dump_page(const struct rcx_dump *dump, u32 first, struct rcx_record *page)
{
	u32 count = min(dump->records - first, RCX_PAGE_RECORDS), i;

	for (i = 0; i < count; i++)
		rcx_dump_record(dump, first + i, &page[i]);
	return count;
}

/*
 * Table files: a read() returns as much of the table as its buffer has room for.  A read at offset
 * 0 begins a new dump.  The functions have the signature of their member of struct
 * file_operations.
 */
int rcx_table_open(struct inode *inode, struct file *file);
int rcx_table_release(struct inode *inode, struct file *file);
ssize_t rcx_table_read(struct file *file, char __user *to, size_t len, loff_t *pos);

/*
 * Fill the array at @to, which has room for @room records, with a new dump.  It is copied one page
 * at a time through @state->message, so that the kernel needs no buffer of its length; the caller
 * holds @state->lock.  Returns the number of records, or -ENOSPC, -ENOMEM or -EFAULT.
 */
struct rcx_file;
long rcx_dump_to_user(struct rcx_file *state, struct rcx_record __user *to, u32 room);

#endif /* RCX_TABLE_H */
