/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_PERFBUF_ABI_H
#define RCX_PERFBUF_ABI_H

#define RCX_PERFBUF_NAME  "ringcross_perfbuf" /* of the trace event's group */
#define RCX_PERFBUF_EVENT "rcx_perfbuf"

/*
 * Perf copies a trace event from a buffer of 8192 bytes (2048 before Linux 5.15), in which it
 * stands behind 12 bytes of fields and before 4 bytes of padding.
 */
#define RCX_PERFBUF_AROUND 16u
#define RCX_PERFBUF_MAX	   (8192u - 24u - RCX_PERFBUF_AROUND) /* bytes of body */

#endif
