// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define PATH(name)	"/proc/" RC_PROCFS_DIR "/" name
#define SHARED		PATH(RC_PROCFS_SHARED)

/* ---- pread: the file is kept open --------------------------------------- */

static int pread_open(struct rc_session *s)
{
	switch (s->op) {
	case RC_CALL:
		return rc_file_open(s, PATH(RC_PROCFS_TRANSACTION), O_RDWR);
	case RC_NOTIFY:
	case RC_STREAM:
		return rc_file_open(s, PATH(RC_PROCFS_EVENTS), O_RDONLY);
	default:
		return rc_file_open(s, PATH(RC_PROCFS_MESSAGE), O_RDWR);
	}
}

/* ---- reopen: open, one operation, close --------------------------------- */

static int reopen_open(struct rc_session *s)
{
	return access(SHARED, R_OK | W_OK) ? rc_fail_errno(s, SHARED) : 0;
}

static int reopen_push(struct rc_session *s, uint64_t n)
{
	return rc_reopen_push(s, SHARED, n);
}

static int reopen_pull(struct rc_session *s, uint64_t n)
{
	return rc_reopen_pull(s, SHARED, n);
}

/* ---- registration ------------------------------------------------------ */

#define WHOLE .max = RC_BODY_MAX, \
	.limit = "Our handlers take 1 MiB; procfs itself sets no limit."

static const struct rc_mode procfs_modes[] = {
	{
		.name = "pread",
		.summary = "the file is kept open; a call is a write and a read",
		.stock = "proc",
		.open = pread_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = rc_file_push, WHOLE },
			[RC_PULL] = { .run = rc_file_pull, WHOLE },
			[RC_CALL] = { .run = rc_file_call, WHOLE },
			[RC_NOTIFY] = { .run = rc_file_notify, WHOLE, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = rc_file_stream, WHOLE, .waits = RC_WAIT_DRAIN },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one operation, close, as a shell does",
		.open = reopen_open,
		.alone = "All its opens share one sequence, since each lasts for one message only.",
		.operations = {
			[RC_PUSH] = { .run = reopen_push, WHOLE },
			[RC_PULL] = { .run = reopen_pull, WHOLE },
		},
	},
	{ }
};

static const struct rc_channel procfs_channel = {
	.name = "procfs",
	.summary = "A file under /proc, made by its handlers",
	.module = "rc_procfs",
	.since = "1.0: older than the first stable release; struct proc_ops since 5.6",
	.modes = procfs_modes,
};
RC_CHANNEL(procfs_channel);
