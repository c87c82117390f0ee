/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_SYSFS_ABI_H
#define RC_SYSFS_ABI_H

#define RC_SYSFS_DIR			"ringcross"	/* under /sys/kernel */

/* Attributes: one message each, which must fit in a page. */
#define RC_SYSFS_MESSAGE		"message"	/* store: push, show: pull */
#define RC_SYSFS_TRANSACTION		"transaction"	/* store a request, show its reply */

/*
 * Binary attributes: a message is written, or read, from offset 0 in as many
 * calls as it takes, each of at most a page.
 */
#define RC_SYSFS_MESSAGE_BIN		"message_bin"
#define RC_SYSFS_TRANSACTION_BIN	"transaction_bin"

/* The number of the newest event as text; poll() tells that there is one. */
#define RC_SYSFS_EVENT			"event"

/*
 * What an attribute can carry where pages are smallest.  A show must leave the
 * last byte of its page free.
 */
#define RC_SYSFS_PAGE			4096u
#define RC_SYSFS_STORE_MAX		RC_SYSFS_PAGE
#define RC_SYSFS_SHOW_MAX		(RC_SYSFS_PAGE - 1)

#endif
