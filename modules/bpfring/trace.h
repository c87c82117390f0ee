/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoint.  A program that is attached to it gets the arguments and reads the message
 * itself, so the fields, for other users, are only its number and length.  The kernel reads this
 * file several times with other definitions of its macros, hence the unusual guard.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ringcross_bpfring

#if !defined(RCX_BPFRING_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RCX_BPFRING_TRACE_H

#include <linux/tracepoint.h>
#include "rcx_core.h"

/* clang-format off */
TRACE_EVENT(rcx_bpfring,
	TP_PROTO(const struct rcx_msg *message, u32 len, bool last),
	TP_ARGS(message, len, last),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u32, len)
		__field(bool, last)
	),
	TP_fast_assign(
		__entry->seq = message->seq;
		__entry->len = len;
		__entry->last = last;
	),
	TP_printk("seq=%llu len=%u last=%d", __entry->seq, __entry->len, __entry->last)
);
#endif

/* Found through -I of modules/core. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../bpfring
/* clang-format on */
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
