/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_SEQFILE_ABI_H
#define RC_SEQFILE_ABI_H

#define RC_SEQFILE_DIR		"rc_seqfile"		/* under /proc */
#define RC_SEQFILE_RECORDS	"records"		/* a message in many records */
#define RC_SEQFILE_SINGLE	"single"		/* a message in one */
#define RC_SEQFILE_SHARED	"shared"		/* as single, one state for all opens */

#endif
