/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_PROCFS_ABI_H
#define RC_PROCFS_ABI_H

#define RC_PROCFS_DIR		"ringcross"		/* under /proc */
#define RC_PROCFS_MESSAGE	"message"		/* write: push, read: pull */
#define RC_PROCFS_TRANSACTION	"transaction"		/* write a request, read its reply */
#define RC_PROCFS_EVENTS	"events"		/* read: sleep for the next event */
#define RC_PROCFS_SHARED	"shared"		/* as message, one state for all opens */

#endif
