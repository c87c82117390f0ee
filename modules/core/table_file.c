// SPDX-License-Identifier: GPL-2.0-only
/* The whole table by read(), for procfs, debugfs and chardev, or into an array of the user. */
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_file.h"
#include "rcx_table.h"

/* State of one open file.  @lock covers the other members; each read holds it throughout. */
struct table_file {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct rcx_dump dump;
	struct rcx_record page[];
};

int rcx_table_open(struct inode *inode, struct file *file)
{
	struct table_file *state;

	state = kzalloc(struct_size(state, page, RCX_PAGE_RECORDS), GFP_KERNEL);
	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	file->private_data = state;
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_table_open);

int rcx_table_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_table_release);

/*
 * Copy up to @len bytes from offset @at on: the number of bytes.  After a fault it is smaller, or
 * -EFAULT if nothing was copied.
 */
static ssize_t copy_table(struct table_file *state, char __user *to, size_t len, loff_t at)
{
	loff_t end = (loff_t)state->dump.records * sizeof(struct rcx_record);
	size_t done = 0;

	while (done < len && at < end) {
		u32 first = at / sizeof(struct rcx_record);
		size_t skip = at % sizeof(struct rcx_record);
		size_t have = rcx_dump_page(&state->dump, first, state->page) *
			      sizeof(struct rcx_record);
		size_t count = min(len - done, have - skip);

		if (copy_to_user(to + done, (char *)state->page + skip, count))
			return done ?: -EFAULT;
		done += count;
		at += count;
		cond_resched();
	}
	return done;
}

ssize_t rcx_table_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct table_file *state = file->private_data;
	ssize_t ret;

	if (*pos < 0)
		return -EINVAL;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	if (!*pos && len)
		rcx_dump_begin(&state->sequence, &state->dump);
	ret = copy_table(state, to, len, *pos);
	if (ret > 0)
		*pos += ret;
	mutex_unlock(&state->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(rcx_table_read);

long rcx_dump_to_user(struct rcx_file *state, struct rcx_record __user *to, u32 room)
{
	struct rcx_record *page;
	struct rcx_dump dump;
	u32 first, count;
	int err = rcx_file_hold(state, PAGE_SIZE);

	if (err)
		return err;
	page = (struct rcx_record *)state->message;
	rcx_dump_begin(&state->sequence, &dump);
	if (dump.records > room)
		return -ENOSPC;
	for (first = 0; first < dump.records; first += count) {
		count = rcx_dump_page(&dump, first, page);
		if (copy_to_user(&to[first], page, count * sizeof(*page)))
			return -EFAULT;
		cond_resched();
	}
	return dump.records;
}
EXPORT_SYMBOL_GPL(rcx_dump_to_user);
