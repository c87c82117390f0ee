// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define PATH(name) "/proc/sys/" RCX_SYSCTL_DIR "/" name

/* ---- integer: a number, file kept open ---------------------------------- */

static int integer_open(struct rcx_session *s)
{
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_SYSCTL_INTEGER_REPLY) :
						 PATH(RCX_SYSCTL_INTEGER),
			     O_RDWR);
}

/* ---- message: whole messages, file kept open ---------------------------- */

static int message_open(struct rcx_session *s)
{
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_SYSCTL_TRANSACTION) :
						 PATH(RCX_SYSCTL_MESSAGE),
			     O_RDWR);
}

/* ---- reopen: open, one operation, close --------------------------------- */

static int reopen_open(struct rcx_session *s)
{
	return rcx_reopen_open(s, PATH(RCX_SYSCTL_MESSAGE));
}

static int reopen_push(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_push(s, PATH(RCX_SYSCTL_MESSAGE), n);
}

static int reopen_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, PATH(RCX_SYSCTL_MESSAGE), n);
}

/* ---- registration ------------------------------------------------------ */

#define INTEGER             \
	.min = 4, .max = 4, \
	.limit = "The entry is one unsigned integer as text, so it carries the sequence number alone."
#define WHOLE                \
	.max = RCX_BODY_MAX, \
	.limit = "Our handler accepts 1 MiB; the sysctl layer allocates up to 4 MiB per call."

#define ALONE                     \
	.single_threaded_reason = \
		"A sysctl handler does not see opens, so all callers share one sequence."

/* Resembles the tables of modparam and sysfs: each folder is readable on its own. */
static const struct rcx_mode sysctl_modes[] = {
	{
		.name = "integer",
		.summary = "the sequence number as text, file kept open; a call is a write and a read",
		.counterpart = "sysctl",
		.open = integer_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = rcx_integer_push, INTEGER },
			[RCX_PULL] = { .run = rcx_integer_pull, INTEGER },
			[RCX_CALL] = { .run = rcx_integer_call, INTEGER },
		},
	},
	{
		.name = "message",
		.summary = "whole messages in binary by our own handler, file kept open; a call is a write and a read",
		.open = message_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = rcx_file_push, WHOLE },
			[RCX_PULL] = { .run = rcx_file_pull, WHOLE },
			[RCX_CALL] = { .run = rcx_file_call, WHOLE },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one read or write, close, as sysctl(8) does",
		.open = reopen_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = reopen_push, WHOLE },
			[RCX_PULL] = { .run = reopen_pull, WHOLE },
		},
	},
	{ }
};

static const struct rcx_channel sysctl_channel = {
	.name = "sysctl",
	.summary = "Entries under /proc/sys, the kernel's parameters",
	.module = "ringcross_sysctl",
	.since = "1.3.57: /proc/sys, see proc(5)",
	.modes = sysctl_modes,
	.unsupported_reason = {
		[RCX_NOTIFY] = "An entry may have a wait queue for poll(), but the call that wakes it is not exported to modules, and a sleeper does not hold the module: an unload would free the queue in use.",
		[RCX_STREAM] = "An entry returns the value at the time of the read and has no queue. A reader may not sleep in poll() either, since a sleeper does not hold the module.",
		[RCX_UPCALL] = "A program cannot wait at an entry without a danger at unload, see notify, so it could not sleep until the kernel asks.",
		[RCX_DUMP] = "An entry is one value or a short array: the kernel reads the whole entry into one buffer before it copies any of it, so a long table belongs in another file of /proc.",
	},
};
RCX_CHANNEL(sysctl_channel);
