/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SOCKOPT_ABI_H
#define RCX_SOCKOPT_ABI_H

/*
 * Options of IPv4 sockets, at level IPPROTO_IP.  Netfilter's own ranges begin at
 * 64; nobody gives numbers out, so two modules with the same ones cannot be
 * loaded together.  What is set and what is got are numbered apart.
 */
#define RCX_SOCKOPT_BASE		0x5243

#define RCX_SOCKOPT_PUSH		RCX_SOCKOPT_BASE		/* set: a message */
#define RCX_SOCKOPT_SET_MAX	RCX_SOCKOPT_PUSH

#define RCX_SOCKOPT_PULL		RCX_SOCKOPT_BASE		/* get: a message */
#define RCX_SOCKOPT_CALL		(RCX_SOCKOPT_BASE + 1)	/* get: the reply to what is there */
#define RCX_SOCKOPT_GET_MAX	RCX_SOCKOPT_CALL

#endif
