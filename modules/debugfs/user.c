// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

static int open_in(struct rc_session *s, const char *dir)
{
	static const char *const name[RC_OPS] = {
		[RC_PUSH] = RC_DEBUGFS_MESSAGE,
		[RC_PULL] = RC_DEBUGFS_MESSAGE,
		[RC_CALL] = RC_DEBUGFS_TRANSACTION,
		[RC_NOTIFY] = RC_DEBUGFS_EVENTS,
		[RC_STREAM] = RC_DEBUGFS_EVENTS,
	};
	int flags = (rc_started(s->op) ? O_RDONLY : O_RDWR) | (rc_nonblocking(s) ? O_NONBLOCK : 0);
	struct statfs fs;
	int dirfd;

	if (statfs(RC_DEBUGFS_MOUNT, &fs) || fs.f_type != DEBUGFS_MAGIC)
		return rc_fail(s, "debugfs is not mounted; mount it at " RC_DEBUGFS_MOUNT);
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return rc_fail_errno(s, dir);
	s->fd = openat(dirfd, name[s->op], flags | O_CLOEXEC);
	if (s->fd < 0 && errno == EPERM)
		rc_skip(s, "This kernel is locked down, which closes debugfs.");
	else if (s->fd < 0)
		rc_fail_errno(s, name[s->op]);
	close(dirfd);
	return s->fd < 0 ? -1 : 0;
}

static int file_open(struct rc_session *s)
{
	return open_in(s, RC_DEBUGFS_MOUNT "/" RC_DEBUGFS_DIR);
}

static int unsafe_open(struct rc_session *s)
{
	return open_in(s, RC_DEBUGFS_MOUNT "/" RC_DEBUGFS_DIR "/" RC_DEBUGFS_UNSAFE);
}

#define WHOLE .max = RC_BODY_MAX, \
	.limit = "Our handlers take 1 MiB; debugfs itself sets no limit."
#define OPERATIONS {						\
		[RC_PUSH] = { .run = rc_file_push, WHOLE },	\
		[RC_PULL] = { .run = rc_file_pull, WHOLE },	\
		[RC_CALL] = { .run = rc_file_call, WHOLE },	\
		[RC_NOTIFY] = { .run = rc_file_notify, WHOLE, .waits = RC_WAIT_ANY },	\
		[RC_STREAM] = { .run = rc_file_stream, WHOLE, .waits = RC_WAIT_DRAIN },	\
	}

static const struct rc_mode debugfs_modes[] = {
	{
		.name = "file",
		.summary = "through the proxy that guards a removal; a call is a write and a read",
		.stock = "debugfs",
		.open = file_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = OPERATIONS,
	},
	{
		.name = "unsafe",
		.summary = "the same without the proxy",
		.open = unsafe_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = OPERATIONS,
	},
	{ }
};

static const struct rc_channel debugfs_channel = {
	.name = "debugfs",
	.summary = "A file for developers in debugfs",
	.module = "rc_debugfs",
	.since = "2.6.11: debugfs itself; debugfs_create_file_unsafe() since 4.7",
	.modes = debugfs_modes,
};
RC_CHANNEL(debugfs_channel);
