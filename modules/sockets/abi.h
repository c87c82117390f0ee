/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_SOCKETS_ABI_H
#define RCX_SOCKETS_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define RCX_SOCKETS_DEVICE "ringcross/sockets" /* under /dev */

/* Kinds of conversation. */
#define RCX_SOCKETS_UDP	  1 /* a UDP socket on 127.0.0.1 */
#define RCX_SOCKETS_VSOCK 2 /* a stream socket of AF_VSOCK, on the loopback transport */
#define RCX_SOCKETS_PIPE  3 /* the kernel writes to a pipe */
#define RCX_SOCKETS_BATCH 4 /* the same, many messages at a time */

/* At most one of these flags.  Both kinds of pipe must have RCX_SOCKETS_EVENTS. */
#define RCX_SOCKETS_EVENTS  0x1 /* the kernel half sends events */
#define RCX_SOCKETS_REPLIES 0x2 /* it answers each message */

/* The largest message in a UDP datagram: 65535 bytes less the headers of IPv4 and UDP. */
#define RCX_SOCKETS_DATAGRAM 65507u

/**
 * struct rcx_sockets_connect - start the one conversation of an open file
 * @kind: RCX_SOCKETS_UDP or another kind
 * @flags: RCX_SOCKETS_EVENTS, RCX_SOCKETS_REPLIES or 0
 * @number: the port of the caller's socket, to which the kernel half connects; on return
 *	the port of the kernel half's socket.  For a pipe: its descriptor to write to
 * @pad: 0
 */
struct rcx_sockets_connect {
	__u32 kind;
	__u32 flags;
	__u32 number;
	__u32 pad;
};

#define RCX_SOCKETS_CONNECT _IOWR('s', 1, struct rcx_sockets_connect)

/* Wait until so many messages have been consumed since the connect. */
#define RCX_SOCKETS_WAIT _IOW('s', 2, __u64)

/* The number of the last event that was sent, plus 1; 0 if there was none. */
#define RCX_SOCKETS_SENT _IOR('s', 3, __u64)

#endif
