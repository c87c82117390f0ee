/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_MODPARAM_ABI_H
#define RC_MODPARAM_ABI_H

#define RC_MODPARAM_MODULE		"rc_modparam"
#define RC_MODPARAM_DIR			"/sys/module/" RC_MODPARAM_MODULE "/parameters"

/* A sequence number alone, 32 bits as decimal text. */
#define RC_MODPARAM_INTEGER		"integer"	/* set: push, get: pull */
#define RC_MODPARAM_INTEGER_REPLY	"integer_reply"	/* set one, get its reply */

/* A message in hexadecimal, two digits a byte, since a value ends at a zero byte. */
#define RC_MODPARAM_MESSAGE		"message"
#define RC_MODPARAM_TRANSACTION		"transaction"

/* What the command line gave at load; fixed from then on. */
#define RC_MODPARAM_BOOT		"boot"
#define RC_MODPARAM_BOOT_VALUE		"ringcross"
#define RC_MODPARAM_BOOT_MAX		64u		/* bytes, the last one 0 */

/*
 * The largest message in bytes, for the smallest page there is.  A set may fill a
 * page with digits; a get must leave the last byte of its page free, and ends with
 * a newline.
 */
#define RC_MODPARAM_PAGE		4096u
#define RC_MODPARAM_SET_MAX		(RC_MODPARAM_PAGE / 2)
#define RC_MODPARAM_GET_MAX		((RC_MODPARAM_PAGE - 2) / 2)

#endif
