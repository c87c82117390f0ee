// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define DIRECTORY     RCX_CONFIGFS_ROOT "/" RCX_CONFIGFS_DIR
#define NUMBER_DIGITS 16

/* ---- the session's object ----------------------------------------------- */

/*
 * What s->priv points to: the object's directory, and what the loops open or make in it.  s->fd2
 * is the device that removes the object when this process is killed.
 */
struct object {
	char directory[sizeof(DIRECTORY) + RCX_CONFIGFS_NAME_MAX];
	char file[sizeof(DIRECTORY) + 2 * RCX_CONFIGFS_NAME_MAX];
};

static int mount_configfs(struct rcx_session *s)
{
	if (!access(DIRECTORY, F_OK))
		return 0;
	if (mount("configfs", RCX_CONFIGFS_ROOT, "configfs", 0, NULL) && errno != EBUSY)
		return rcx_fail_errno(s, "cannot mount configfs at " RCX_CONFIGFS_ROOT);
	return access(DIRECTORY, F_OK) ? rcx_fail_errno(s, DIRECTORY) : 0;
}

static int claim(struct rcx_session *s, const struct rcx_configfs_claim *name)
{
	s->fd2 = open(RCX_CONFIGFS_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd2 < 0)
		return rcx_fail_errno(s, "open " RCX_CONFIGFS_DEVICE);
	if (ioctl(s->fd2, RCX_CONFIGFS_CLAIM, name))
		return rcx_fail_errno(s, "cannot claim the name of an object");
	return 0;
}

static int make_object(struct rcx_session *s, const char *file)
{
	struct object *object = calloc(1, sizeof(*object));
	struct rcx_configfs_claim request = { 0 };

	if (!object)
		return rcx_fail_errno(s, "cannot allocate the names of an object");
	s->priv = object;
	/* The address distinguishes the sessions of one process. */
	snprintf(request.name, sizeof(request.name), "%d-%lx", getpid(),
		 (unsigned long)(uintptr_t)s);
	if (mount_configfs(s) || claim(s, &request))
		return -1;
	snprintf(object->directory, sizeof(object->directory), DIRECTORY "/%s", request.name);
	snprintf(object->file, sizeof(object->file), "%s/%s", object->directory, file);
	if (mkdir(object->directory, 0700)) {
		object->directory[0] = '\0';
		return rcx_fail_errno(s, "cannot make an object in " DIRECTORY);
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

/* ---- shell, binary: open, one operation, close ------------------------- */

static int shell_open(struct rcx_session *s)
{
	return make_object(s, RCX_CONFIGFS_MESSAGE);
}

static int binary_open(struct rcx_session *s)
{
	return make_object(s, RCX_CONFIGFS_MESSAGE_BIN);
}

static int shell_push(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_push(s, object_file(s), n);
}

static int shell_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, object_file(s), n);
}

/* ---- object: the name is the message ------------------------------------ */

/* The name that the loop fills in has as many characters as a number has digits. */
static int object_open(struct rcx_session *s)
{
	return make_object(s, "0000000000000000");
}

static inline char *number_in(struct object *object)
{
	char *end = object->file;

	while (*end)
		end++;
	return end - NUMBER_DIGITS;
}

static int object_push(struct rcx_session *s, uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	struct object *object = s->priv;
	char *name = number_in(object);

	while (n--) {
		rcx_tx(s);
		for (int i = 0; i < NUMBER_DIGITS; i++)
			name[i] = digits[s->tx->seq >> (4 * (NUMBER_DIGITS - 1 - i)) & 15];
		if (mkdir(object->file, 0700))
			return rcx_fail_errno(s, "mkdir");
		if (rmdir(object->file))
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
#define BINARY \
	.max = RCX_BODY_MAX, .limit = "The subsystem decides the largest size; ours accepts 1 MiB."
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
		.name = "shell",
		.summary = "open, one show or store, close, as a shell does",
		.open = shell_open,
		.close = remove_object,
		.operations = {
			[RCX_PUSH] = { .run = shell_push, STORE },
			[RCX_PULL] = { .run = shell_pull, SHOW },
		},
	},
	{
		.name = "binary",
		.summary = "open, read or write a whole binary attribute, close",
		.open = binary_open,
		.close = remove_object,
		.operations = {
			[RCX_PUSH] = { .run = shell_push, BINARY },
			[RCX_PULL] = { .run = shell_pull, BINARY },
		},
	},
	{
		.name = "object",
		.summary = "mkdir and rmdir of an object whose name is the message",
		.open = object_open,
		.close = remove_object,
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
		[RCX_NOTIFY] = "configfs cannot be polled, and the kernel cannot announce a change: user space starts every exchange.",
		[RCX_STREAM] = "User space starts every exchange, so there is no stream of events to drain.",
		[RCX_UPCALL] = "Nothing in configfs wakes a program, so it could not wait for a request of the kernel.",
		[RCX_DUMP] = "An attribute shows one page, and a binary attribute is made as a whole in one buffer: configfs has no way to walk a table.",
	},
	.classes = (const char *const[]){ "configfs: configfs_* config_item_*", NULL },
};
RCX_CHANNEL(configfs_channel);
