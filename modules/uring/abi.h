/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_URING_ABI_H
#define RCX_URING_ABI_H

#include <linux/types.h>

#define RCX_URING_DIR	  "ringcross/uring" /* under /dev */
#define RCX_URING_COMMAND "command"	    /* IORING_OP_URING_CMD */
#define RCX_URING_UPCALL  "upcall"	    /* commands as well; NEXT gets requests of the kernel */
#define RCX_URING_EVENTS  "events"	    /* read: the next event */
#define RCX_URING_READ	  "read"	    /* read: pull; each read goes to a worker thread */
#define RCX_URING_NOWAIT  "read-nowait"	    /* the same file with FMODE_NOWAIT */

/*
 * The numbers of the commands, in the member cmd_op of the submission.  The result of a command
 * that carries a message is the number of its bytes.
 */
enum {
	RCX_URING_PUSH = 0x40,
	RCX_URING_PULL,
	RCX_URING_CALL,	      /* the reply replaces the request */
	RCX_URING_CALL_ASYNC, /* as CALL, completed from an interrupt through task work */
	RCX_URING_NEXT,	      /* completed by the next event that the kernel emits */
	RCX_URING_COMMIT,     /* in node upcall: the reply to the last request, then NEXT */
	RCX_URING_CANCEL,     /* complete all NEXT of this file with ECANCELED; returns how many */
};

/* A file holds at most as many uncompleted NEXT. */
#define RCX_URING_ARMED_MAX 256

/* In the 16 bytes that a submission has for a command.  All are 0 for CANCEL. */
struct rcx_uring_command {
	__u64 address; /* of the message: user memory, or in the registered buffer */
	__u32 len;     /* header and body */
	__u32 flags;   /* no flag is defined; must be 0 */
};

#endif
