/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trace event: one message, header and body, as a dynamic array.  The kernel reads this file
 * several times with other definitions of its macros, hence the unusual guard.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ringcross_perfbuf

#if !defined(RCX_PERFBUF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RCX_PERFBUF_TRACE_H

#include <linux/tracepoint.h>
#include "rcx_core.h"

/* clang-format off */
TRACE_EVENT(rcx_perfbuf,
	TP_PROTO(const struct rcx_msg *message, u32 len),
	TP_ARGS(message, len),
	TP_STRUCT__entry(
		__dynamic_array(u8, message, len)
	),
	TP_fast_assign(
		memcpy(__get_dynamic_array(message), message, len);
	),
	TP_printk("%u bytes", __get_dynamic_array_len(message))
);
#endif

/* Found through -I of modules/core. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../perfbuf
/* clang-format on */
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
