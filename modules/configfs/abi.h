/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_CONFIGFS_ABI_H
#define RCX_CONFIGFS_ABI_H

#define RCX_CONFIGFS_ROOT "/sys/kernel/config" /* where configfs is mounted */
#define RCX_CONFIGFS_DIR  "ringcross"	       /* the subsystem's directory in it */

/* A mkdir() in here makes an object with the attributes below. */
#define RCX_CONFIGFS_OBJECTS "objects"

/* Attributes: one message each, which must fit into the buffer of an open file. */
#define RCX_CONFIGFS_MESSAGE	 "message"     /* store: push, show: pull */
#define RCX_CONFIGFS_TRANSACTION "transaction" /* store a request, show its reply */

/* A binary attribute: a whole message, stored at the last close. */
#define RCX_CONFIGFS_MESSAGE_BIN "message_bin"

/* A mkdir() in here is a message: the name is its number in hexadecimal. */
#define RCX_CONFIGFS_NUMBERS "numbers"

/* Room of a show; configfs ends what is stored with a zero byte. */
#define RCX_CONFIGFS_SHOW_MAX  4096u
#define RCX_CONFIGFS_STORE_MAX (RCX_CONFIGFS_SHOW_MAX - 1)

#endif
