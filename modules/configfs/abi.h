/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_CONFIGFS_ABI_H
#define RCX_CONFIGFS_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_CONFIGFS_ROOT "/sys/kernel/config" /* where configfs is mounted */
#define RCX_CONFIGFS_DIR  "ringcross"	       /* the subsystem's directory in it */

/*
 * A mkdir() in that directory makes an object, which has the files below.  A mkdir() in an object
 * is a message: the name is its number in hexadecimal.
 */

/* Attributes: one message each, which must fit into the buffer of an open file. */
#define RCX_CONFIGFS_MESSAGE	 "message"     /* store: push, show: pull */
#define RCX_CONFIGFS_TRANSACTION "transaction" /* store a request, show its reply */

/* A binary attribute: a whole message.  It is stored at the last close, and made at the first read. */
#define RCX_CONFIGFS_MESSAGE_BIN "message_bin"

/* Room of a show; configfs ends what is stored with a zero byte. */
#define RCX_CONFIGFS_SHOW_MAX  4096u
#define RCX_CONFIGFS_STORE_MAX (RCX_CONFIGFS_SHOW_MAX - 1)

/* ---- the device that removes objects ------------------------------------ */

#define RCX_CONFIGFS_DEVICE "/dev/ringcross/configfs"

#define RCX_CONFIGFS_NAME_MAX 64 /* with the zero byte at the end */

/**
 * struct rcx_configfs_claim - the name of an object
 * @name: as passed to mkdir(), filled up with zero bytes
 */
struct rcx_configfs_claim {
	char name[RCX_CONFIGFS_NAME_MAX];
};

/*
 * When this file is closed, the object of that name is removed, if there is one then.  Accepted
 * once per file, also before the object is made.
 */
#define RCX_CONFIGFS_CLAIM _IOW('x', 0xb0, struct rcx_configfs_claim)

#endif
