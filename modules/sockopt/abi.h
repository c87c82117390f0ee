/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RC_SOCKOPT_ABI_H
#define RC_SOCKOPT_ABI_H

/*
 * Options of IPv4 sockets, at level IPPROTO_IP.  Netfilter's own ranges begin at
 * 64; nobody gives numbers out, so two modules with the same ones cannot be
 * loaded together.  What is set and what is got are numbered apart.
 */
#define RC_SOCKOPT_BASE		0x5243

#define RC_SOCKOPT_PUSH		RC_SOCKOPT_BASE		/* set: a message */
#define RC_SOCKOPT_SET_MAX	RC_SOCKOPT_PUSH

#define RC_SOCKOPT_PULL		RC_SOCKOPT_BASE		/* get: a message */
#define RC_SOCKOPT_CALL		(RC_SOCKOPT_BASE + 1)	/* get: the reply to what is there */
#define RC_SOCKOPT_GET_MAX	RC_SOCKOPT_CALL

#endif
