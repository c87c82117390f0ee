/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SYSFS_ABI_H
#define RCX_SYSFS_ABI_H

#define RCX_SYSFS_DIR "ringcross" /* under /sys/kernel */

/* Attributes: one message each, which must fit into a page. */
#define RCX_SYSFS_MESSAGE     "message"	    /* store: push, show: pull */
#define RCX_SYSFS_TRANSACTION "transaction" /* store a request, show its reply */

/*
 * Binary attributes: a message is written, or read, from offset 0 in as many
 * calls as needed, each of at most a page.
 */
#define RCX_SYSFS_MESSAGE_BIN	  "message_bin"
#define RCX_SYSFS_TRANSACTION_BIN "transaction_bin"

/* A dump: one binary attribute with all records, and a directory with a text file for each. */
#define RCX_SYSFS_TABLE_BIN	  "table_bin"
#define RCX_SYSFS_TABLE		  "table"
#define RCX_SYSFS_TABLE_FILES_MAX 4096u

/* The number of the newest event as text; poll() reports a new one. */
#define RCX_SYSFS_EVENT "event"

/*
 * The request of the kernel, which poll() reports: a show takes it, and fails with EAGAIN when
 * there is none; a store answers it.
 */
#define RCX_SYSFS_REQUEST "request"

/*
 * Limits of an attribute for the smallest page size.  A show must leave the last byte
 * of its page free.
 */
#define RCX_SYSFS_PAGE	    4096u
#define RCX_SYSFS_STORE_MAX RCX_SYSFS_PAGE
#define RCX_SYSFS_SHOW_MAX  (RCX_SYSFS_PAGE - 1)

#endif
