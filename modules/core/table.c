// SPDX-License-Identifier: GPL-2.0-only
/* The table of all dumps: filled once, then read without a lock. */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/vmalloc.h>
#include "rcx_table.h"

const struct rcx_record *rcx_table;
EXPORT_SYMBOL_GPL(rcx_table);

int rcx_table_fill(void)
{
	struct rcx_record *table;
	u32 i, word;

	if (rcx_table)
		return 0;
	table = vzalloc(RCX_RECORDS_MAX * sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (i = 0; i < RCX_RECORDS_MAX; i++) {
		table[i].index = i;
		for (word = 0; word < ARRAY_SIZE(table[i].body); word++)
			table[i].body[word] = rcx_body_word(i, word);
	}
	rcx_table = table;
	return 0;
}

void rcx_table_free(void)
{
	vfree(rcx_table);
}
