// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define DIRECTORY    RCX_CONFIGFS_ROOT "/" RCX_CONFIGFS_DIR
#define OBJECTS	     DIRECTORY "/" RCX_CONFIGFS_OBJECTS
#define NUMBERS	     DIRECTORY "/" RCX_CONFIGFS_NUMBERS
#define NUMBER_DIGITS 16

/* ---- the session's object ----------------------------------------------- */

/* What s->priv points to: the object's directory, and the file that the loops open. */
struct object {
	char directory[sizeof(OBJECTS) + 32];
	char file[sizeof(OBJECTS) + 64];
};

static int mount_configfs(struct rcx_session *s)
{
	if (!access(DIRECTORY, F_OK))
		return 0;
	if (mount("configfs", RCX_CONFIGFS_ROOT, "configfs", 0, NULL) && errno != EBUSY)
		return rcx_fail_errno(s, "cannot mount configfs at " RCX_CONFIGFS_ROOT);
	return access(DIRECTORY, F_OK) ? rcx_fail_errno(s, DIRECTORY) : 0;
}

/* Remove what killed agents left behind.  The name of an object starts with a process number. */
static void remove_orphans(void)
{
	DIR *objects = opendir(OBJECTS);
	const struct dirent *entry;

	if (!objects)
		return;
	while ((entry = readdir(objects))) {
		int owner = atoi(entry->d_name);

		if (owner > 0 && kill(owner, 0) && errno == ESRCH)
			unlinkat(dirfd(objects), entry->d_name, AT_REMOVEDIR);
	}
	closedir(objects);
}

static int make_object(struct rcx_session *s, const char *file)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return rcx_fail_errno(s, "cannot allocate the names of an object");
	s->priv = object;
	if (mount_configfs(s))
		return -1;
	remove_orphans();
	/* The address distinguishes the sessions of one process. */
	snprintf(object->directory, sizeof(object->directory), OBJECTS "/%d-%lx", getpid(),
		 (unsigned long)(uintptr_t)s & 0xffffffff);
	snprintf(object->file, sizeof(object->file), "%s/%s", object->directory, file);
	if (mkdir(object->directory, 0700)) {
		object->directory[0] = '\0';
		return rcx_fail_errno(s, "cannot make an object in " OBJECTS);
	}
	return 0;
}

static void remove_object(struct rcx_session *s)
{
	struct object *object = s->priv;

	if (!object)
		return;
	if (object->directory[0])
		rmdir(object->directory);
	free(object);
	s->priv = NULL;
}

static const char *object_file(const struct rcx_session *s)
{
	return ((const struct object *)s->priv)->file;
}

/* ---- attribute: the file is kept open ----------------------------------- */

static int attribute_open(struct rcx_session *s)
{
	if (make_object(s, s->op == RCX_CALL ? RCX_CONFIGFS_TRANSACTION : RCX_CONFIGFS_MESSAGE))
		return -1;
	return rcx_file_open(s, object_file(s), O_RDWR);
}

/* ---- reopen, binary: open, one operation, close ------------------------- */

static int reopen_open(struct rcx_session *s)
{
	return make_object(s, RCX_CONFIGFS_MESSAGE);
}

static int binary_open(struct rcx_session *s)
{
	return make_object(s, RCX_CONFIGFS_MESSAGE_BIN);
}

static int reopen_push(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_push(s, object_file(s), n);
}

static int reopen_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, object_file(s), n);
}

/* ---- object: the name is the message ------------------------------------ */

static int object_open(struct rcx_session *s)
{
	return mount_configfs(s);
}

static int object_push(struct rcx_session *s, uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	char path[sizeof(NUMBERS) + 1 + NUMBER_DIGITS] = NUMBERS "/";
	char *name = path + sizeof(NUMBERS);

	while (n--) {
		rcx_tx(s);
		for (int i = 0; i < NUMBER_DIGITS; i++)
			name[i] = digits[s->tx->seq >> (4 * (NUMBER_DIGITS - 1 - i)) & 15];
		if (mkdir(path, 0700))
			return rcx_fail_errno(s, "mkdir");
		if (rmdir(path))
			return rcx_fail_errno(s, "rmdir");
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define STORE                                       \
	.max = RCX_CONFIGFS_STORE_MAX - RCX_HEADER, \
	.limit = "An open file has one page for both directions; a store must leave its last byte free."
#define SHOW                                       \
	.max = RCX_CONFIGFS_SHOW_MAX - RCX_HEADER, \
	.limit = "show() may fill the page of an open file, which must hold header and body."
#define BINARY               \
	.max = RCX_BODY_MAX, \
	.limit = "The subsystem decides the largest size; ours accepts 1 MiB."
#define NUMBER              \
	.min = 8, .max = 8, \
	.limit = "The name of the object is the message, and it carries the sequence number alone."

static const struct rcx_mode configfs_modes[] = {
	{
		.name = "attribute",
		.summary = "store into an attribute, file kept open; a call is a store and a show",
		.open = attribute_open,
		.close = remove_object,
		.operations = {
			[RCX_PUSH] = { .run = rcx_file_push, STORE },
			[RCX_CALL] = { .run = rcx_file_call, STORE },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one show or store, close, as a shell does",
		.open = reopen_open,
		.close = remove_object,
		.operations = {
			[RCX_PUSH] = { .run = reopen_push, STORE },
			[RCX_PULL] = { .run = reopen_pull, SHOW },
		},
	},
	{
		.name = "binary",
		.summary = "open, one read or write of a binary attribute, close",
		.open = binary_open,
		.close = remove_object,
		.operations = {
			[RCX_PUSH] = { .run = reopen_push, BINARY },
			[RCX_PULL] = { .run = reopen_pull, BINARY },
		},
	},
	{
		.name = "object",
		.summary = "mkdir and rmdir of an object whose name is the message",
		.open = object_open,
		.single_threaded_reason =
			"All names are in one directory, so all callers share one sequence.",
		.operations = {
			[RCX_PUSH] = { .run = object_push, NUMBER },
		},
	},
	{ }
};

static const struct rcx_channel configfs_channel = {
	.name = "configfs",
	.summary = "Objects that user space makes with mkdir and sets by their files",
	.module = "ringcross_configfs",
	.needs = "configfs",
	.since = "2.6.16: configfs; 4.5: binary attributes",
	.modes = configfs_modes,
	.unsupported_reason = {
		[RCX_NOTIFY] = "The files of configfs cannot be polled, and the kernel cannot announce a change: user space starts every exchange.",
		[RCX_STREAM] = "User space starts every exchange, so there is no stream of events to drain.",
	},
};
RCX_CHANNEL(configfs_channel);
