/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RCX_SEQFILE_TABLE_H
#define RCX_SEQFILE_TABLE_H

#include <linux/proc_fs.h>

extern const struct proc_ops seqfile_table_proc_ops;
extern const struct proc_ops seqfile_text_proc_ops;

#endif
