/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_PROCFS_ABI_H
#define RCX_PROCFS_ABI_H

#define RCX_PROCFS_DIR	       "ringcross"   /* under /proc */
#define RCX_PROCFS_MESSAGE     "message"     /* write: push, read: pull */
#define RCX_PROCFS_TRANSACTION "transaction" /* write a request, read its reply */
#define RCX_PROCFS_EVENTS      "events"	     /* read: sleep until the next event */
#define RCX_PROCFS_UPCALL      "upcall"	     /* read a request, write its reply */
#define RCX_PROCFS_TABLE       "table"	     /* read: a dump */
#define RCX_PROCFS_SHARED      "shared"	     /* like message; one state for all opens */

#endif
