/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two trace events.  One is a message, header and body, as a dynamic array.  The other has as many
 * bytes as fit into most of a page, and no content.  The kernel reads this file several times with
 * other definitions of its macros, hence the unusual guard.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ringcross_tracefs

#if !defined(RCX_TRACEFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RCX_TRACEFS_TRACE_H

#include <linux/tracepoint.h>
#include "rcx_core.h"

/* clang-format off */
TRACE_EVENT(rcx_tracefs,
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

TRACE_EVENT(rcx_tracefs_fill,
	TP_PROTO(u32 len),
	TP_ARGS(len),
	TP_STRUCT__entry(
		__dynamic_array(u8, filler, len)
	),
	TP_fast_assign(
		memset(__get_dynamic_array(filler), 0, len);
	),
	TP_printk("%u bytes", __get_dynamic_array_len(filler))
);
#endif

/* Found through -I of modules/core. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../tracefs
/* clang-format on */
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
