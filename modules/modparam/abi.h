/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_MODPARAM_ABI_H
#define RCX_MODPARAM_ABI_H

#define RCX_MODPARAM_MODULE "ringcross_modparam"
#define RCX_MODPARAM_DIR    "/sys/module/" RCX_MODPARAM_MODULE "/parameters"

/* A sequence number alone: 32 bits as decimal text. */
#define RCX_MODPARAM_INTEGER	   "integer"	   /* set: push, get: pull */
#define RCX_MODPARAM_INTEGER_REPLY "integer_reply" /* set a request, get its reply */

/* A message in hexadecimal, two digits per byte, because a value ends at a zero byte. */
#define RCX_MODPARAM_MESSAGE	 "message"
#define RCX_MODPARAM_TRANSACTION "transaction"

/* Value from the kernel's command line, set at load and constant afterwards. */
#define RCX_MODPARAM_BOOT	"boot"
#define RCX_MODPARAM_BOOT_VALUE "ringcross"
#define RCX_MODPARAM_BOOT_MAX	64u /* bytes, with the terminating 0 */

/*
 * Bytes of the largest message, for the smallest page size of any machine.  A set may
 * fill a page with digits.  A get ends with a newline and must leave the last byte of its
 * page free.
 */
#define RCX_MODPARAM_PAGE    4096u
#define RCX_MODPARAM_SET_MAX (RCX_MODPARAM_PAGE / 2)
#define RCX_MODPARAM_GET_MAX ((RCX_MODPARAM_PAGE - 2) / 2)

#endif
