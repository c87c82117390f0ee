/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_DEBUGFS_ABI_H
#define RC_DEBUGFS_ABI_H

#define RC_DEBUGFS_MOUNT	"/sys/kernel/debug"
#define RC_DEBUGFS_DIR		"ringcross"
#define RC_DEBUGFS_UNSAFE	"unsafe"	/* in it, the same files without the proxy */

#define RC_DEBUGFS_MESSAGE	"message"	/* write: push, read: pull */
#define RC_DEBUGFS_TRANSACTION	"transaction"	/* write a request, read its reply */
#define RC_DEBUGFS_EVENTS	"events"	/* read: sleep for the next event */

#endif
