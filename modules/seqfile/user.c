// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define PATH(name)	"/proc/" RCX_SEQFILE_DIR "/" name
#define SHARED		PATH(RCX_SEQFILE_SHARED)

static int records_open(struct rcx_session *s)
{
	return rcx_file_open(s, PATH(RCX_SEQFILE_RECORDS), O_RDONLY);
}

static int single_open(struct rcx_session *s)
{
	return rcx_file_open(s, PATH(RCX_SEQFILE_SINGLE), O_RDONLY);
}

static int reopen_open(struct rcx_session *s)
{
	return access(SHARED, R_OK) ? rcx_fail_errno(s, SHARED) : 0;
}

static int reopen_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, SHARED, n);
}

/* ---- registration ------------------------------------------------------ */

static const struct rcx_mode seqfile_modes[] = {
	{
		.name = "records",
		.summary = "an iterator over records of 64 bytes; a read brings a page of them",
		.open = records_open,
		.operations = {
			[RCX_PULL] = {
				.run = rcx_file_pull_pieces,
				.max = RCX_BODY_MAX,
				.limit = "Our snapshot has 1 MiB; a list of records may be of any length.",
			},
		},
	},
	{
		.name = "single",
		.summary = "one show() for all of it; the open file keeps a buffer as large",
		.open = single_open,
		.operations = {
			[RCX_PULL] = {
				.run = rcx_file_pull,
				.max = RCX_BODY_MAX,
				.limit = "Our message has 1 MiB; seq_file doubles its buffer until all fits.",
			},
		},
	},
	{
		.name = "reopen",
		.summary = "open, one read, close, as cat does; the buffer grows anew each time",
		.open = reopen_open,
		.single_threaded_reason = "All its opens share one sequence, since each lasts for one message only.",
		.operations = {
			[RCX_PULL] = {
				.run = reopen_pull,
				.max = RCX_BODY_MAX,
				.limit = "Our message has 1 MiB; seq_file doubles its buffer until all fits.",
			},
		},
	},
	{ }
};

static const struct rcx_channel seqfile_channel = {
	.name = "seqfile",
	.summary = "A file printed by seq_file, as most of /proc is",
	.module = "ringcross_seqfile",
	.since = "2.4.15: seq_file; seq_read_iter() since 5.10, from which on splice() needs it",
	.modes = seqfile_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A seq_file only prints: a write goes to a handler of the file's own beside it, which is what procfs measures.",
		[RCX_CALL] = "A seq_file only prints: a request would have to come in beside it, through a write handler of the file's own.",
		[RCX_NOTIFY] = "A seq_file neither sleeps nor polls: a file that can be polled, such as /proc/mounts, brings a wait queue and a poll handler of its own.",
		[RCX_STREAM] = "A seq_file prints the state as it is when asked and keeps nothing that happened meanwhile, so there is no queue to drain.",
	},
};
RCX_CHANNEL(seqfile_channel);
