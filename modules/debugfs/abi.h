/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_DEBUGFS_ABI_H
#define RCX_DEBUGFS_ABI_H

#define RCX_DEBUGFS_MOUNT  "/sys/kernel/debug"
#define RCX_DEBUGFS_DIR	   "ringcross"
#define RCX_DEBUGFS_UNSAFE "unsafe" /* below it: the same files without the proxy */

#define RCX_DEBUGFS_MESSAGE	"message"     /* write: push, read: pull */
#define RCX_DEBUGFS_TRANSACTION "transaction" /* write a request, read its reply */
#define RCX_DEBUGFS_EVENTS	"events"      /* read: sleep for the next event */
#define RCX_DEBUGFS_UPCALL	"upcall"      /* read a request, write its reply */
#define RCX_DEBUGFS_TABLE	"table"	      /* read: a dump */

#endif
