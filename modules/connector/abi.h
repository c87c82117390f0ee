/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_CONNECTOR_ABI_H
#define RCX_CONNECTOR_ABI_H

#include <linux/connector.h>
#include <linux/types.h>

/*
 * Our address.  The kernel assigns indexes from the lowest up, and has groups up to 26.  By
 * convention the group has the number of the index.
 */
#define RCX_CONNECTOR_IDX   0x14
#define RCX_CONNECTOR_VAL   1
#define RCX_CONNECTOR_GROUP RCX_CONNECTOR_IDX

/*
 * A datagram is a struct nlmsghdr of type NLMSG_DONE, a struct cn_msg with our address, and what
 * follows here.  cn_msg.ack is 0 and cn_msg.flags is 0 or RCX_CONNECTOR_ACKED.
 */
enum rcx_connector_kind {
	RCX_CONNECTOR_JOIN = 1, /* the first request; @value has flags */
	RCX_CONNECTOR_PUSH,	/* a message */
	RCX_CONNECTOR_PULL,	/* no message; the answer is one */
	RCX_CONNECTOR_CALL,	/* a message; the answer is its reply */
	RCX_CONNECTOR_EVENT,	/* from the kernel: an event's message */
	RCX_CONNECTOR_ASK,	/* from the kernel: a request */
	RCX_CONNECTOR_ANSWER,	/* the reply to the kernel's request */
	RCX_CONNECTOR_ACK,	/* from the kernel: @value is the errno of a request, or 0 */
};

/*
 * In cn_msg.flags of a request: acknowledge it, after its answer if it has one.  The acknowledgement
 * is ours: the connector has none.  As its documentation suggests, cn_msg.ack is cn_msg.seq + 1.
 */
#define RCX_CONNECTOR_ACKED 0x1

/**
 * struct rcx_connector_head - in front of each message
 * @kind: enum rcx_connector_kind
 * @value: for RCX_CONNECTOR_JOIN and RCX_CONNECTOR_ACK; else 0
 *
 * The message that follows is aligned to 8 bytes in its datagram.
 */
struct rcx_connector_head {
	__u16 kind;
	__u16 value;
};

#define RCX_CONNECTOR_EVENTS 0x1 /* send events to this socket's address */
#define RCX_CONNECTOR_SERVES 0x2 /* send requests to it; the first socket that serves gets them */

/* Bytes of a message: what a datagram to the kernel has room for behind both heads. */
#define RCX_CONNECTOR_MAX \
	(CONNECTOR_MAX_MSG_SIZE - sizeof(struct cn_msg) - sizeof(struct rcx_connector_head))

#endif
