/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SEQFILE_ABI_H
#define RCX_SEQFILE_ABI_H

#define RCX_SEQFILE_DIR	    "ringcross_seqfile" /* under /proc */
#define RCX_SEQFILE_RECORDS "records"		/* a message in many records */
#define RCX_SEQFILE_SINGLE  "single"		/* a message in one record */
#define RCX_SEQFILE_SHARED  "shared"		/* like single; one state for all opens */
#define RCX_SEQFILE_TABLE   "table"		/* the table of a dump, binary */
#define RCX_SEQFILE_TEXT    "table_text"	/* the same as text */

#endif
