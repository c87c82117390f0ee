/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_NETLINK_ABI_H
#define RCX_NETLINK_ABI_H

#include <linux/netlink.h>
#include <linux/types.h>

/* The highest protocol number; the kernel assigns numbers from the lowest up. */
#define RCX_NETLINK_PROTOCOL 31
#define RCX_NETLINK_GROUP    1

/*
 * Every datagram starts with a struct nlmsghdr that has one of these types.  A request
 * must set NLM_F_REQUEST, may set NLM_F_ACK, and must set no other flag, except NLM_F_DUMP for
 * a dump.
 */
enum {
	RCX_NETLINK_JOIN = NLMSG_MIN_TYPE, /* the first request: struct rcx_netlink_join */
	RCX_NETLINK_PUSH,		   /* a message */
	RCX_NETLINK_PULL,		   /* no payload; the answer is a message */
	RCX_NETLINK_CALL,		   /* a message; the answer is its reply */
	RCX_NETLINK_EVENT,		   /* from the kernel: an event's message */
	RCX_NETLINK_ASK,		   /* from the kernel: a request */
	RCX_NETLINK_ANSWER,		   /* the reply to the kernel's request */
	RCX_NETLINK_DUMP,		   /* with NLM_F_DUMP, no payload; records come back */
	RCX_NETLINK_RECORD,		   /* from the kernel: a record of a dump */
};

/**
 * struct rcx_netlink_join - make this socket a peer of the kernel half
 * @flags: RCX_NETLINK_EVENTS, RCX_NETLINK_SERVES, or 0
 * @pad: 0
 */
struct rcx_netlink_join {
	__u32 flags;
	__u32 pad;
};

#define RCX_NETLINK_EVENTS 0x1 /* send events to this socket's address */
#define RCX_NETLINK_SERVES 0x2 /* send requests to it; the first socket that serves gets them */

#endif
