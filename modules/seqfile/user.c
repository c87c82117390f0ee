// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "loops/table_file.h"
#include "abi.h"

#define PATH(name) "/proc/" RCX_SEQFILE_DIR "/" name
#define SHARED	   PATH(RCX_SEQFILE_SHARED)

static int records_open(struct rcx_session *s)
{
	return rcx_file_open(s,
			     s->op == RCX_DUMP ? PATH(RCX_SEQFILE_TABLE) :
						 PATH(RCX_SEQFILE_RECORDS),
			     O_RDONLY);
}

static int text_open(struct rcx_session *s)
{
	return rcx_text_room(s) ? -1 : rcx_file_open(s, PATH(RCX_SEQFILE_TEXT), O_RDONLY);
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
		.summary = "an iterator over records of 64 bytes; a read returns a page of them",
		.open = records_open,
		.operations = {
			[RCX_PULL] = {
				.run = rcx_file_pull_pieces,
				.max = RCX_BODY_MAX,
				.limit = "Our snapshot has 1 MiB; seq_file itself sets no limit on a list of records.",
			},
			[RCX_DUMP] = { .run = rcx_table_dump, RCX_TABLE },
		},
	},
	{
		.name = "text",
		.summary = "the same, but a record is a line of eight numbers that the reader parses",
		.open = text_open,
		.operations = {
			[RCX_DUMP] = { .run = rcx_text_dump, RCX_TABLE },
		},
	},
	{
		.name = "single",
		.summary = "one show() for the whole message; the open file keeps the buffer",
		.open = single_open,
		.operations = {
			[RCX_PULL] = {
				.run = rcx_file_pull,
				.max = RCX_BODY_MAX,
				.limit = "Our message has 1 MiB; seq_file doubles its buffer until the record fits.",
			},
		},
	},
	{
		.name = "reopen",
		.summary = "open, one read, close, as cat does; the buffer grows again each time",
		.open = reopen_open,
		.single_threaded_reason = "All opens share one sequence, since each open lasts for one message only.",
		.operations = {
			[RCX_PULL] = {
				.run = reopen_pull,
				.max = RCX_BODY_MAX,
				.limit = "Our message has 1 MiB; seq_file doubles its buffer until the record fits.",
			},
		},
	},
	{ }
};

static const struct rcx_channel seqfile_channel = {
	.name = "seqfile",
	.summary = "A file printed by seq_file, as most of /proc is",
	.module = "ringcross_seqfile",
	.since = "2.4.15: seq_file; seq_read_iter() since 5.10, and splice() needs it since then",
	.modes = seqfile_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A seq_file only prints; a write goes to a separate handler of the file, which procfs measures.",
		[RCX_CALL] = "A seq_file only prints; a request would have to use a separate write handler of the file.",
		[RCX_NOTIFY] = "A seq_file has no wait; a file that supports poll(), such as /proc/mounts, adds its own wait queue and poll handler.",
		[RCX_STREAM] = "A seq_file prints the state at the time of the read and keeps no earlier events, so there is no queue to drain.",
		[RCX_UPCALL] = "A seq_file only prints and has no wait, so it can neither announce a request nor take a reply.",
	},
};
RCX_CHANNEL(seqfile_channel);
