/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_BPFRING_ABI_H
#define RCX_BPFRING_ABI_H

/*
 * The tracepoint to which programs are attached, by this name.  Its arguments, each 64 bits
 * wide for a program:
 *	0: address of the message
 *	1: its length in bytes, header and body
 *	2: 1 for the last event of a producer, else 0
 */
#define RCX_BPFRING_TRACEPOINT "rcx_bpfring"

#endif
