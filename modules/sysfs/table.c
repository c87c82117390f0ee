// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dumps: a file for each record, whose show() prints a line, and a binary attribute with all
 * records.
 *
 * An attribute does not see opens, so all readers share a dump.  A read of the first record, or
 * of the binary attribute at offset 0, begins a new one; two readers at the same time therefore get
 * records of both.  The files are made by the first bind that needs them, and stay.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include "rcx_table.h"
#include "abi.h"
#include "table.h"

struct record_file {
	struct kobj_attribute attribute;
	u32 index;
	char name[8];
};

/* @lock covers @sequence and @dump.  Binds, which come one at a time, change @files and @made. */
static struct {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct rcx_dump dump;
	struct kobject *directory;
	struct record_file *files;
	u32 made;
} table = {
	.lock = __MUTEX_INITIALIZER(table.lock),
};

/* ---- a file for each record --------------------------------------------- */

static ssize_t record_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	u32 index = container_of(attr, struct record_file, attribute)->index;
	struct rcx_record record;
	bool exists;

	mutex_lock(&table.lock);
	if (!index)
		rcx_dump_begin(&table.sequence, &table.dump);
	exists = index < table.dump.records;
	if (exists)
		rcx_dump_record(&table.dump, index, &record);
	mutex_unlock(&table.lock);
	if (!exists)
		return -ENODATA; /* the file is left over from a longer table */
	return sysfs_emit(buf, RCX_RECORD_FORMAT, RCX_RECORD_FIELDS(&record));
}

static int record_add(struct record_file *file, u32 index)
{
	snprintf(file->name, sizeof(file->name), "%u", index);
	file->index = index;
	sysfs_attr_init(&file->attribute.attr);
	file->attribute.attr.name = file->name;
	file->attribute.attr.mode = 0400;
	file->attribute.show = record_show;
	return sysfs_create_file(table.directory, &file->attribute.attr);
}

static int make_files(u32 count)
{
	int err;

	if (!table.files)
		table.files = kvcalloc(RCX_SYSFS_TABLE_FILES_MAX, sizeof(*table.files), GFP_KERNEL);
	if (!table.files)
		return -ENOMEM;
	for (; table.made < count; table.made++) {
		err = record_add(&table.files[table.made], table.made);
		if (err)
			return err;
	}
	return 0;
}

/* ---- all records in a binary attribute ------------------------------------ */

/* kernfs asks for at most a page at a time. */
static ssize_t table_bin_read(struct file *file, struct kobject *kobj,
			      BIN_CONST struct bin_attribute *attr, char *buf, loff_t off,
			      size_t count)
{
	struct rcx_record record;
	size_t done = 0;

	mutex_lock(&table.lock);
	if (!off)
		rcx_dump_begin(&table.sequence, &table.dump);
	while (done < count && off < (loff_t)table.dump.records * sizeof(record)) {
		size_t skip = off % sizeof(record);
		size_t len = min(sizeof(record) - skip, count - done);

		rcx_dump_record(&table.dump, off / sizeof(record), &record);
		memcpy(buf + done, (char *)&record + skip, len);
		done += len;
		off += len;
	}
	mutex_unlock(&table.lock);
	return done;
}

static const struct bin_attribute table_bin_attribute = {
	.attr = { .name = RCX_SYSFS_TABLE_BIN, .mode = 0400 },
	.read = table_bin_read,
};

/* ---- for kernel.c ----------------------------------------------------------- */

int sysfs_table_reset(void)
{
	u32 records = READ_ONCE(rcx_binding.records);

	mutex_lock(&table.lock);
	table.sequence = (struct rcx_sequence){ };
	table.dump = (struct rcx_dump){ };
	mutex_unlock(&table.lock);
	return records ? make_files(min(records, RCX_SYSFS_TABLE_FILES_MAX)) : 0;
}

int sysfs_table_add(struct kobject *parent)
{
	int err = sysfs_create_bin_file(parent, &table_bin_attribute);

	if (err)
		return err;
	table.directory = kobject_create_and_add(RCX_SYSFS_TABLE, parent);
	return table.directory ? 0 : -ENOMEM;
}

/* The removal waits for running callbacks. */
void sysfs_table_remove(void)
{
	kobject_put(table.directory);
	kvfree(table.files);
}
