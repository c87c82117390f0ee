/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_CHARDEV_ABI_H
#define RC_CHARDEV_ABI_H

#define RC_CHARDEV_DIR		"rc_chardev"		/* under /dev */
#define RC_CHARDEV_MESSAGE	"message"		/* write: push, read: pull */
#define RC_CHARDEV_TRANSACTION	"transaction"		/* write a request, read its reply */
#define RC_CHARDEV_EVENTS	"events"		/* read: sleep for the next event */
#define RC_CHARDEV_ITER		"iter"			/* as message, by vectors of segments */
#define RC_CHARDEV_WORD		"word"			/* as message, but its number alone: a __u64 */

#endif
