/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bpf() system call and the reader's program.  Also for hostile.c.
 *
 * The program is about 30 instructions that depend on the size of a message, so they are
 * written here.  libbpf would load a file that clang compiled beforehand.
 */
#ifndef RCX_BPFRING_BPF_H
#define RCX_BPFRING_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define RCX_BPF_OVERWRITE (1u << 19) /* BPF_F_RB_OVERWRITE, newer than some C libraries */

/* When a submitted record wakes the reader; the first three are flags of the helper. */
enum rcx_bpf_wake {
	RCX_BPF_ADAPTIVE = 0,
	RCX_BPF_NEVER = BPF_RB_NO_WAKEUP,
	RCX_BPF_EACH = BPF_RB_FORCE_WAKEUP,
	RCX_BPF_BATCH,
};

static inline int rcx_bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* A ring of @size bytes, a power of two and whole pages. */
static inline int rcx_bpf_ring(uint32_t size, uint32_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_RINGBUF;
	attr.max_entries = size;
	attr.map_flags = flags;
	return rcx_bpf(BPF_MAP_CREATE, &attr);
}

/* One number of 64 bits, which the program adds to and the reader maps. */
static inline int rcx_bpf_counter(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	return rcx_bpf(BPF_MAP_CREATE, &attr);
}

/* ---- instructions, as the assembler of BPF writes them ------------------- */

#define RCX_BPF_INSN(op, to, from, offset, value) \
	((struct bpf_insn){ .code = (op),         \
			    .dst_reg = (to),      \
			    .src_reg = (from),    \
			    .off = (offset),      \
			    .imm = (int32_t)(value) })
#define RCX_BPF_MOV(to, from)	       RCX_BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0)
#define RCX_BPF_SET(to, value)	       RCX_BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value)
#define RCX_BPF_AND(to, value)	       RCX_BPF_INSN(BPF_ALU64 | BPF_AND | BPF_K, to, 0, 0, value)
#define RCX_BPF_LOAD(to, from, offset) RCX_BPF_INSN(BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0)
#define RCX_BPF_ADD_TO(at, from) RCX_BPF_INSN(BPF_STX | BPF_ATOMIC | BPF_DW, at, from, 0, BPF_ADD)
#define RCX_BPF_IF(test, to, value, ahead) \
	RCX_BPF_INSN(BPF_JMP | (test) | BPF_K, to, 0, ahead, value)
#define RCX_BPF_CALL(helper) RCX_BPF_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define RCX_BPF_EXIT()	     RCX_BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/* An address takes two instructions. */
#define RCX_BPF_ADDRESS(to, kind, fd) RCX_BPF_INSN(BPF_LD | BPF_DW | BPF_IMM, to, kind, 0, fd)
#define RCX_BPF_ADDRESS_END()	      RCX_BPF_INSN(0, 0, 0, 0, 0)

#define RCX_BPF_SEQ 8 /* offset of the number in a message */

/* Load a program of @count instructions for a raw tracepoint. */
static inline int rcx_bpf_load_program(const struct bpf_insn *code, uint32_t count, char *log,
				       uint32_t room)
{
	static const char license[] = "GPL";
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.insn_cnt = count;
	attr.license = (uint64_t)(uintptr_t)license;
	attr.log_buf = (uint64_t)(uintptr_t)log;
	attr.log_size = room;
	attr.log_level = room ? 1 : 0;
	return rcx_bpf(BPF_PROG_LOAD, &attr);
}

/*
 * The program: reserve a record of @size bytes, copy the message into it, submit it.  A message
 * that finds no room, or that is larger than @size, is counted as lost.  The kernel removes the
 * instructions 14 to 20, or only 14, when it loads the program: it knows the value in register 2.
 */
static inline int rcx_bpf_load(int ring, int lost, uint32_t size, enum rcx_bpf_wake wake)
{
	const bool batch = wake == RCX_BPF_BATCH;
	/* clang-format off */
	const struct bpf_insn code[] = {
		/*  0 */ RCX_BPF_MOV(BPF_REG_6, BPF_REG_1), /* the arguments */
		/*  1 */ RCX_BPF_ADDRESS(BPF_REG_1, BPF_PSEUDO_MAP_FD, ring), RCX_BPF_ADDRESS_END(),
		/*  3 */ RCX_BPF_SET(BPF_REG_2, size),
		/*  4 */ RCX_BPF_SET(BPF_REG_3, 0),
		/*  5 */ RCX_BPF_CALL(BPF_FUNC_ringbuf_reserve),
		/*  6 */ RCX_BPF_IF(BPF_JEQ, BPF_REG_0, 0, 21), /* no room: 28 */
		/*  7 */ RCX_BPF_MOV(BPF_REG_7, BPF_REG_0), /* the record */
		/*  8 */ RCX_BPF_LOAD(BPF_REG_2, BPF_REG_6, 8),
		/*  9 */ RCX_BPF_IF(BPF_JGT, BPF_REG_2, size, 15), /* too large: 25 */
		/* 10 */ RCX_BPF_MOV(BPF_REG_1, BPF_REG_7),
		/* 11 */ RCX_BPF_LOAD(BPF_REG_3, BPF_REG_6, 0),
		/* 12 */ RCX_BPF_CALL(BPF_FUNC_probe_read_kernel),
		/* 13 */ RCX_BPF_SET(BPF_REG_2, batch ? RCX_BPF_EACH : wake),
		/* 14 */ RCX_BPF_IF(batch ? BPF_JNE : BPF_JEQ, BPF_REG_2, batch ? RCX_BPF_EACH : wake, 6),
		/* 15 */ RCX_BPF_LOAD(BPF_REG_3, BPF_REG_6, 16),
		/* 16 */ RCX_BPF_IF(BPF_JNE, BPF_REG_3, 0, 4), /* the last: 21 */
		/* 17 */ RCX_BPF_LOAD(BPF_REG_3, BPF_REG_7, RCX_BPF_SEQ),
		/* 18 */ RCX_BPF_AND(BPF_REG_3, RCX_BATCH - 1),
		/* 19 */ RCX_BPF_IF(BPF_JEQ, BPF_REG_3, RCX_BATCH - 1, 1), /* 21 */
		/* 20 */ RCX_BPF_SET(BPF_REG_2, RCX_BPF_NEVER),
		/* 21 */ RCX_BPF_MOV(BPF_REG_1, BPF_REG_7),
		/* 22 */ RCX_BPF_CALL(BPF_FUNC_ringbuf_submit),
		/* 23 */ RCX_BPF_SET(BPF_REG_0, 0),
		/* 24 */ RCX_BPF_EXIT(),
		/* 25 */ RCX_BPF_MOV(BPF_REG_1, BPF_REG_7),
		/* 26 */ RCX_BPF_SET(BPF_REG_2, RCX_BPF_NEVER),
		/* 27 */ RCX_BPF_CALL(BPF_FUNC_ringbuf_discard),
		/* 28 */ RCX_BPF_ADDRESS(BPF_REG_1, BPF_PSEUDO_MAP_VALUE, lost), RCX_BPF_ADDRESS_END(),
		/* 30 */ RCX_BPF_SET(BPF_REG_2, 1),
		/* 31 */ RCX_BPF_ADD_TO(BPF_REG_1, BPF_REG_2),
		/* 32 */ RCX_BPF_SET(BPF_REG_0, 0),
		/* 33 */ RCX_BPF_EXIT(),
	};
	/* clang-format on */

	return rcx_bpf_load_program(code, sizeof(code) / sizeof(code[0]), NULL, 0);
}

/* Attach it.  The file descriptor that is returned holds the module of the tracepoint. */
static inline int rcx_bpf_attach(int program, const char *tracepoint)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.raw_tracepoint.name = (uint64_t)(uintptr_t)tracepoint;
	attr.raw_tracepoint.prog_fd = (uint32_t)program;
	return rcx_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

/* ---- the ring ------------------------------------------------------------ */

/* The pages of a ring: the reader's position, the writer's, and twice the data. */
struct rcx_bpf_position {
	uint64_t position;
	uint64_t pending;   /* writer's page: the oldest record that is being written */
	uint64_t overwrite; /* writer's page: the oldest record that was not overwritten */
};

#define RCX_BPF_HEADER	8u	   /* bytes before a record: 32 bits of length, then 32 others */
#define RCX_BPF_BUSY	(1u << 31) /* bits of the length */
#define RCX_BPF_DISCARD (1u << 30)

/* Bytes from a record to the next one. */
static inline uint64_t rcx_bpf_stride(uint32_t len)
{
	return ((len & ~(RCX_BPF_BUSY | RCX_BPF_DISCARD)) + RCX_BPF_HEADER + 7ull) & ~7ull;
}

#endif
