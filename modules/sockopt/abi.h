/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SOCKOPT_ABI_H
#define RCX_SOCKOPT_ABI_H

/*
 * Options of IPv4 sockets, at level IPPROTO_IP.  Netfilter's own ranges start at
 * 64.  The numbers are not assigned centrally, and two modules with overlapping ranges
 * cannot be loaded together.  Set and get have separate numbers.
 */
#define RCX_SOCKOPT_BASE 0x5243

#define RCX_SOCKOPT_PUSH    RCX_SOCKOPT_BASE /* set: a message */
#define RCX_SOCKOPT_SET_MAX RCX_SOCKOPT_PUSH

#define RCX_SOCKOPT_PULL    RCX_SOCKOPT_BASE	   /* get: a message */
#define RCX_SOCKOPT_CALL    (RCX_SOCKOPT_BASE + 1) /* get: a reply */
#define RCX_SOCKOPT_DUMP    (RCX_SOCKOPT_BASE + 2) /* get: a table; ENOSPC without room for it */
#define RCX_SOCKOPT_GET_MAX RCX_SOCKOPT_DUMP

#endif
