// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "loops/table_file.h"
#include "abi.h"

static int open_in(struct rcx_session *s, const char *dir)
{
	/* clang-format off */
	static const char *const name[RCX_OPS] = {
		[RCX_PUSH] = RCX_DEBUGFS_MESSAGE,
		[RCX_PULL] = RCX_DEBUGFS_MESSAGE,
		[RCX_CALL] = RCX_DEBUGFS_TRANSACTION,
		[RCX_NOTIFY] = RCX_DEBUGFS_EVENTS,
		[RCX_STREAM] = RCX_DEBUGFS_EVENTS,
		[RCX_UPCALL] = RCX_DEBUGFS_UPCALL,
		[RCX_DUMP] = RCX_DEBUGFS_TABLE,
	};
	/* clang-format on */
	bool reads = s->op == RCX_NOTIFY || s->op == RCX_STREAM || s->op == RCX_DUMP;
	int flags = (reads ? O_RDONLY : O_RDWR) | (rcx_nonblocking(s) ? O_NONBLOCK : 0);
	struct statfs fs;
	int dirfd;

	if (statfs(RCX_DEBUGFS_MOUNT, &fs) || fs.f_type != DEBUGFS_MAGIC)
		return rcx_fail(s, "debugfs is not mounted; mount it at " RCX_DEBUGFS_MOUNT);
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return rcx_fail_errno(s, dir);
	s->fd = openat(dirfd, name[s->op], flags | O_CLOEXEC);
	if (s->fd < 0 && errno == EPERM)
		rcx_skip(s, "This kernel is locked down, which denies access to debugfs.");
	else if (s->fd < 0)
		rcx_fail_errno(s, name[s->op]);
	close(dirfd);
	return s->fd < 0 ? -1 : 0;
}

static int file_open(struct rcx_session *s)
{
	return open_in(s, RCX_DEBUGFS_MOUNT "/" RCX_DEBUGFS_DIR);
}

static int unsafe_open(struct rcx_session *s)
{
	return open_in(s, RCX_DEBUGFS_MOUNT "/" RCX_DEBUGFS_DIR "/" RCX_DEBUGFS_UNSAFE);
}

#define WHOLE \
	.max = RCX_BODY_MAX, .limit = "The handlers accept 1 MiB; debugfs itself sets no limit."
/* The same as in chardev and procfs: each folder is readable on its own. */
#define OPERATIONS                                                                       \
	{                                                                                \
		[RCX_PUSH] = { .run = rcx_file_push, WHOLE },                            \
		[RCX_PULL] = { .run = rcx_file_pull, WHOLE },                            \
		[RCX_CALL] = { .run = rcx_file_call, WHOLE },                            \
		[RCX_NOTIFY] = { .run = rcx_file_notify, WHOLE, .waits = RCX_WAIT_ANY }, \
		[RCX_STREAM] = { .run = rcx_file_stream, WHOLE, .waits = RCX_WAIT_ANY }, \
		[RCX_UPCALL] = { .run = rcx_file_upcall, WHOLE, .waits = RCX_WAIT_ANY }, \
		[RCX_DUMP] = { .run = rcx_table_dump, RCX_TABLE },                       \
	}

static const struct rcx_mode debugfs_modes[] = {
	{
		.name = "file",
		.summary = "through the proxy that guards a removal; a call is a write and a read",
		.counterpart = "debugfs",
		.open = file_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = OPERATIONS,
	},
	{
		.name = "unsafe",
		.summary = "the same without the proxy",
		.open = unsafe_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = OPERATIONS,
	},
	{ }
};

static const struct rcx_channel debugfs_channel = {
	.name = "debugfs",
	.summary = "A file for developers in debugfs",
	.module = "ringcross_debugfs",
	.since = "2.6.11: debugfs itself; debugfs_create_file_unsafe() since 4.7",
	.modes = debugfs_modes,
};
RCX_CHANNEL(debugfs_channel);
