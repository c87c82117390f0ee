/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RCX_SYSFS_TABLE_H
#define RCX_SYSFS_TABLE_H

#include <linux/kobject.h>
#include <linux/version.h>

/* Since 6.16 the callbacks of a binary attribute must not change it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define BIN_CONST const
#else
#define BIN_CONST
#endif

/* Make the binary attribute and the empty directory below @parent: 0 or a negative errno. */
int sysfs_table_add(struct kobject *parent);
/* Remove the directory and its files; those of @parent itself go with it. */
void sysfs_table_remove(void);
/* Restart the numbers of dumps, and make the files for the bound table: 0 or a negative errno. */
int sysfs_table_reset(void);

#endif
