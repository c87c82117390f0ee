// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include "channel.h"
#include "loops/message_file.h"
#include "loops/table_file.h"
#include "abi.h"

#define PATH(name) "/proc/" RCX_PROCFS_DIR "/" name
#define SHARED	   PATH(RCX_PROCFS_SHARED)

/* ---- pread: the file is kept open --------------------------------------- */

static int pread_open(struct rcx_session *s)
{
	if (s->op == RCX_UPCALL)
		return rcx_file_open(s, PATH(RCX_PROCFS_UPCALL), O_RDWR);
	if (s->op == RCX_DUMP)
		return rcx_file_open(s, PATH(RCX_PROCFS_TABLE), O_RDONLY);
	return rcx_file_open_for(s, PATH(RCX_PROCFS_MESSAGE), PATH(RCX_PROCFS_TRANSACTION),
				 PATH(RCX_PROCFS_EVENTS));
}

/* ---- reopen: open, one operation, close --------------------------------- */

static int reopen_open(struct rcx_session *s)
{
	return rcx_reopen_open(s, SHARED);
}

static int reopen_push(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_push(s, SHARED, n);
}

static int reopen_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, SHARED, n);
}

/* ---- registration ------------------------------------------------------ */

#define WHOLE \
	.max = RCX_BODY_MAX, .limit = "Our handlers accept 1 MiB; procfs itself sets no limit."

/* Resembles chardev's table: each folder is readable on its own. */
static const struct rcx_mode procfs_modes[] = {
	{
		.name = "pread",
		.summary = "the file is kept open; a call is a write and a read",
		.counterpart = "proc",
		.open = pread_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = rcx_file_push, WHOLE },
			[RCX_PULL] = { .run = rcx_file_pull, WHOLE },
			[RCX_CALL] = { .run = rcx_file_call, WHOLE },
			[RCX_NOTIFY] = { .run = rcx_file_notify, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_file_stream, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_UPCALL] = { .run = rcx_file_upcall, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_DUMP] = { .run = rcx_table_dump, RCX_TABLE },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one operation, close, as a shell does",
		.open = reopen_open,
		.single_threaded_reason = "All opens share one sequence, since each open lasts for one message only.",
		.operations = {
			[RCX_PUSH] = { .run = reopen_push, WHOLE },
			[RCX_PULL] = { .run = reopen_pull, WHOLE },
		},
	},
	{ }
};

static const struct rcx_channel procfs_channel = {
	.name = "procfs",
	.summary = "A file under /proc, with content made by handlers",
	.module = "ringcross_procfs",
	.since = "1.0: older than the first stable release; struct proc_ops since 5.6",
	.modes = procfs_modes,
};
RCX_CHANNEL(procfs_channel);
