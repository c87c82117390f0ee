/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_CHARDEV_ABI_H
#define RCX_CHARDEV_ABI_H

#define RCX_CHARDEV_DIR		"ringcross/chardev" /* under /dev */
#define RCX_CHARDEV_MESSAGE	"message"	    /* write: push, read: pull */
#define RCX_CHARDEV_TRANSACTION "transaction"	    /* write a request, read its reply */
#define RCX_CHARDEV_EVENTS	"events"	    /* read: sleep for the next event */
#define RCX_CHARDEV_UPCALL	"upcall"	    /* read a request, write its reply */
#define RCX_CHARDEV_TABLE	"table"		    /* read: a dump */
#define RCX_CHARDEV_BATCH	"batch"		    /* as events, many by one read */
#define RCX_CHARDEV_ITER	"iter"		    /* as message, in several segments */
#define RCX_CHARDEV_WORD	"word"		    /* the sequence number alone: a __u64 */

#endif
