// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: bpfiter
 *
 * A BPF iterator: a program of the user prints the kernel's objects to a file.
 *
 * What it is.  The kernel iterates over its own objects, here the elements of a BPF map, and
 * calls a BPF program for each.  The program chooses what to write to the file: a few members
 * in binary instead of all of them as text.  No module is needed, and no new interface of the
 * kernel.
 *
 * The path of one dump.  The iterator is loaded and attached once.  For each dump, a bpf()
 * call makes a file.  A read() walks the objects as seq_file does, with a buffer of 32 KiB: for
 * each one it enters an RCU section, runs the compiled program, and the program copies the
 * record to the buffer.  The buffer is copied out when it is full.
 *
 * When to choose it.  For a dump of objects that the kernel already iterates over (tasks, open
 * files, sockets, routes, maps), when the interface in /proc prints too much, or as text.
 *
 * Its pitfall.  It needs CAP_BPF and CAP_PERFMON, a kernel with type information
 * (CONFIG_DEBUG_INFO_BTF), and one file per dump.  The program depends on the layout of the
 * kernel's structures.  A module can add an iterator for its own objects only if it was built
 * with type information of its own, which modules outside the kernel's tree rarely are.
 *
 * The table here is a BPF array map, which user space has filled before.  So there is no kernel
 * half.  Each record carries the number of the kernel's iteration instead of the number of a
 * dump: it grows with every file of an iterator that anybody makes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"
#include "loops/table_file.h"
#include "btf.h"

#define TARGET "bpf_iter_bpf_map_elem"

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* ---- the program ----------------------------------------------------------- */

#define OP(operation, to, from, offset, immediate) \
	{ .code = (operation),                     \
	  .dst_reg = (to),                         \
	  .src_reg = (from),                       \
	  .off = (offset),                         \
	  .imm = (immediate) }
#define LOAD(to, from, offset) OP(BPF_LDX | BPF_MEM | BPF_DW, to, from, offset, 0)
#define STORE(offset, from)    OP(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, from, offset, 0)
#define WORD(i)		       LOAD(BPF_REG_3, BPF_REG_7, 8 * (i)), STORE(8 * (i) - 64, BPF_REG_3)

/*
 * Write the element to the file, with the number of the iteration as generation.  The context has
 * the addresses of struct bpf_iter_meta, of the map, of the key and of the value, which is NULL
 * in the last call.  The first members of struct bpf_iter_meta are the seq_file and the number.
 */
static const struct bpf_insn program[] = {
	LOAD(BPF_REG_7, BPF_REG_1, 24),			    /* value */
	OP(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_7, 0, 22, 0), /* to the end */
	LOAD(BPF_REG_6, BPF_REG_1, 0),			    /* meta */
	LOAD(BPF_REG_2, BPF_REG_6, 8),			    /* number of the iteration */
	LOAD(BPF_REG_1, BPF_REG_6, 0),			    /* seq_file */
	WORD(0),
	STORE(8 - 64, BPF_REG_2),
	WORD(2),
	WORD(3),
	WORD(4),
	WORD(5),
	WORD(6),
	WORD(7),
	OP(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
	OP(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -64),
	OP(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, 64),
	OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_seq_write),
	OP(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
	OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
};

static int load_program(struct rcx_session *s)
{
	uint32_t target = btf_function(TARGET);
	union bpf_attr attr;
	int fd;

	if (!target)
		return rcx_skip(s,
				errno == ENOENT ?
					"This kernel has no type information, or no iterator over "
					"the elements of a map: CONFIG_DEBUG_INFO_BTF, and "
					"CONFIG_BPF_SYSCALL since 5.9." :
					"The kernel's type information cannot be read.");
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_TRACING;
	attr.expected_attach_type = BPF_TRACE_ITER;
	attr.attach_btf_id = target;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = sizeof(program) / sizeof(program[0]);
	attr.license = (uintptr_t)"GPL";
	fd = bpf(BPF_PROG_LOAD, &attr);
	return fd < 0 ? rcx_fail_errno(s, "cannot load the program of the iterator") : fd;
}

/* ---- the table --------------------------------------------------------------- */

static void fill(struct rcx_record *table, uint32_t records)
{
	for (uint32_t i = 0; i < records; i++) {
		table[i] = (struct rcx_record){ .index = i };
		for (uint32_t word = 0; word < 6; word++)
			table[i].body[word] = rcx_body_word(i, word);
	}
}

static int make_map(struct rcx_session *s)
{
	/* Before 5.11 a map counts as locked memory. */
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	size_t len = s->records * sizeof(*s->table);
	union bpf_attr attr;
	void *table;
	int fd;

	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = sizeof(uint32_t);
	attr.value_size = RCX_RECORD;
	attr.max_entries = s->records;
	attr.map_flags = BPF_F_MMAPABLE;
	fd = bpf(BPF_MAP_CREATE, &attr);
	if (fd < 0 && errno == ENOSYS)
		return rcx_skip(s, "This kernel has no bpf(): CONFIG_BPF_SYSCALL is not set.");
	if (fd < 0)
		return rcx_fail_errno(s, "cannot make a BPF map");
	table = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED) {
		close(fd);
		return rcx_fail_errno(s, "cannot map the BPF map");
	}
	fill(table, s->records);
	munmap(table, len);
	return fd;
}

/* Attach the program to the map.  The link holds both.  A file descriptor, or -1. */
static int attach(struct rcx_session *s, int prog, int map)
{
	union bpf_iter_link_info info;
	union bpf_attr attr;
	int fd;

	memset(&info, 0, sizeof(info));
	info.map.map_fd = (uint32_t)map;
	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = (uint32_t)prog;
	attr.link_create.attach_type = BPF_TRACE_ITER;
	attr.link_create.iter_info = (uintptr_t)&info;
	attr.link_create.iter_info_len = sizeof(info);
	fd = bpf(BPF_LINK_CREATE, &attr);
	return fd < 0 ? rcx_fail_errno(s, "cannot attach the iterator") : fd;
}

static int map_open(struct rcx_session *s)
{
	int map = make_map(s);
	int prog = map < 0 ? -1 : load_program(s);

	if (prog >= 0) {
		s->fd2 = attach(s, prog, map);
		close(prog);
	}
	if (map >= 0)
		close(map);
	return s->fd2 < 0 ? -1 : 0;
}

/* ---- dump ---------------------------------------------------------------------- */

static inline int open_iterator(const struct rcx_session *s)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (uint32_t)s->fd2;
	return bpf(BPF_ITER_CREATE, &attr);
}

/* A file has no offsets for pread(), so read() it to its end.  Returns the number of bytes. */
static inline ssize_t read_iterator(struct rcx_session *s, int fd)
{
	size_t room = (s->records + 1) * sizeof(*s->table), at = 0;

	while (at < room) {
		ssize_t len = read(fd, (char *)s->table + at, room - at);

		if (len < 0)
			return rcx_fail_errno(s, "read an iterator");
		if (len == 0)
			break;
		at += (size_t)len;
	}
	return (ssize_t)at;
}

static int map_dump(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		int fd = open_iterator(s);
		ssize_t len;

		if (fd < 0)
			return rcx_fail_errno(s, "cannot make the iterator's file");
		len = read_iterator(s, fd);
		if (close(fd) || len < 0)
			return rcx_fail_errno(s, "read an iterator");
		if (s->table[0].generation < s->seen)
			return rcx_fail(s, "the records of an earlier dump arrived again");
		s->seen = s->table[0].generation; /* of all records of this dump */
		if (rcx_dumped_table(s, (size_t)len / sizeof(*s->table)))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define PRINTS "An iterator only prints objects to its reader."

static const struct rcx_mode bpfiter_modes[] = {
	{
		.name = "map",
		.summary = "an iterator over a BPF array map, which writes each record in binary",
		.open = map_open,
		.operations = {
			[RCX_DUMP] = { .run = map_dump, RCX_TABLE },
		},
	},
	{ }
};

static const struct rcx_channel bpfiter = {
	.name = "bpfiter",
	.summary = "A BPF program that prints the kernel's objects",
	.since = "5.8: BPF iterators; over the elements of a map since 5.9, with CONFIG_DEBUG_INFO_BTF",
	.modes = bpfiter_modes,
	.classes =
		(const char *const[]){
			"BPF iterator: bpf_iter_* bpf_seq_read __bpf_array_map_seq_show",
			NULL },
	.unsupported_reason = {
		[RCX_PUSH] = PRINTS,
		[RCX_PULL] = "An iterator prints all objects; the one record of a table of length 1 is measured as a dump.",
		[RCX_CALL] = PRINTS,
		[RCX_NOTIFY] = "A read of an iterator's file does not wait for anything.",
		[RCX_STREAM] = "An iterator prints the state at the time of the read and keeps no earlier events.",
		[RCX_UPCALL] = PRINTS,
	},
};
RCX_CHANNEL(bpfiter);
