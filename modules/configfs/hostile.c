// SPDX-License-Identifier: GPL-2.0-only
/* Either configfs or our callbacks refuse; a program sees no difference. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define DIRECTORY RCX_CONFIGFS_ROOT "/" RCX_CONFIGFS_DIR
#define OBJECTS	  DIRECTORY "/" RCX_CONFIGFS_OBJECTS
#define NUMBERS	  DIRECTORY "/" RCX_CONFIGFS_NUMBERS
#define OBJECT	  OBJECTS "/hostile"
#define BODY	  64u
#define WHOLE	  (RCX_HEADER + BODY)

/*
 * configfs stores what it could copy before a fault.  That is no whole message, so our
 * callback refuses it, with another errno than configfs has for a copy of nothing.
 */
static long write_at(void *arg, void *at)
{
	long done = pwrite(*(int *)arg, at, WHOLE, 0);

	if (done < 0 && errno == EBADMSG)
		errno = EFAULT;
	return done;
}

static long read_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, WHOLE);
}

static long store(void *arg, const struct rcx_msg *msg, size_t len)
{
	return pwrite(*(int *)arg, msg, len, 0);
}

static int open_attribute(struct rcx_hostile *h, const char *name, int flags)
{
	char path[sizeof(OBJECT) + 32];

	snprintf(path, sizeof(path), OBJECT "/%s", name);
	return rcx_expect_open(h, path, flags);
}

/* ---- attributes --------------------------------------------------------- */

static void try_writes(struct rcx_hostile *h, int fd, struct rcx_sender *sender, bool validate)
{
	rcx_try_messages(h, sender, validate);
	rcx_try_addresses(h, "store", RCX_KERNEL_READS, write_at, &fd);
	rcx_try_overwritten(h, sender, BODY, 200);
	rcx_good_message(h, RCX_BODY_MAX, sender->seq);
	rcx_expect(h, "store of 1 MiB", write(fd, h->message, RCX_HEADER + RCX_BODY_MAX), EBADMSG);
	rcx_expect(h, "store of 2 GiB", write(fd, h->message, INT32_MAX), EBADMSG);
	rcx_good_message(h, BODY, sender->seq++);
	rcx_expect_value(h, "store at an odd position", pwrite(fd, h->message, WHOLE, 4711), WHOLE);
	rcx_expect(h, "store before the start", pwrite(fd, h->message, WHOLE, -1), EINVAL);
	rcx_try_no_map(h, fd);
}

static struct rcx_sender attribute_sender(int *fd)
{
	return (struct rcx_sender){
		.send = store,
		.arg = fd,
		.body_max = RCX_CONFIGFS_STORE_MAX - RCX_HEADER,
		.nothing = EFAULT, /* configfs finds nothing to copy */
		.too_short = EBADMSG,
		.too_long = EBADMSG, /* it is cut, so only a part of the message arrives */
	};
}

/* Each show needs an open of its own. */
static long show(const char *name, void *to, size_t len)
{
	char path[sizeof(OBJECT) + 32];
	long got;
	int fd;

	snprintf(path, sizeof(path), OBJECT "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = pread(fd, to, len, 0);
	close(fd);
	return got;
}

static void try_message(struct rcx_hostile *h, bool validate)
{
	int fd = open_attribute(h, RCX_CONFIGFS_MESSAGE, O_RDWR);
	struct rcx_sender sender = attribute_sender(&fd);
	char *to = (char *)h->message, again[WHOLE];

	try_writes(h, fd, &sender, validate);
	rcx_expect_value(h, "show", pread(fd, to, INT32_MAX, 0), WHOLE);
	rcx_expect_true(h, "the message is complete", rcx_is_whole(h->message, BODY, validate));
	rcx_expect_value(h, "show again", pread(fd, again, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "is the same message", !memcmp(to, again, WHOLE));
	rcx_expect_either(h, "show of nothing", pread(fd, to, 0, 0), 0, EFAULT);
	rcx_expect_value(h, "show at the end", pread(fd, to, WHOLE, WHOLE), 0);
	rcx_expect_value(h, "show far behind the end", pread(fd, to, WHOLE, 1ll << 40), 0);
	rcx_expect(h, "show before the start", pread(fd, to, WHOLE, -1), EINVAL);
	rcx_try_addresses(h, "show", RCX_KERNEL_WRITES, read_at, &fd);
	close(fd);

	rcx_core_bind(h, "", RCX_CONFIGFS_SHOW_MAX - RCX_HEADER, validate);
	rcx_expect_value(h, "show of the largest", show(RCX_CONFIGFS_MESSAGE, to, 8192),
			 RCX_CONFIGFS_SHOW_MAX);
	rcx_core_bind(h, "", RCX_CONFIGFS_SHOW_MAX - RCX_HEADER + 1, validate);
	rcx_expect(h, "show of a byte more", show(RCX_CONFIGFS_MESSAGE, to, 8192), EMSGSIZE);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	rcx_expect(h, "show of 1 MiB", show(RCX_CONFIGFS_MESSAGE, to, 8192), EMSGSIZE);
}

static void try_transaction(struct rcx_hostile *h, bool validate)
{
	int fd = open_attribute(h, RCX_CONFIGFS_TRANSACTION, O_RDWR);
	struct rcx_sender sender = attribute_sender(&fd);
	char *to = (char *)h->message;

	rcx_expect_value(h, "a reply before any request", pread(fd, to, WHOLE, 0), 0);
	try_writes(h, fd, &sender, validate);
	rcx_expect_value(h, "show of the reply", pread(fd, to, WHOLE, 0), WHOLE);
	rcx_expect_true(h, "it is the reply",
			rcx_is_reply(h->message, BODY, sender.seq - 1, validate));
	rcx_expect(h, "a reply as a request", write(fd, to, WHOLE), EBADMSG);
	rcx_expect_value(h, "no reply after that", pread(fd, to, WHOLE, 0), 0);
	close(fd);
}

/* ---- a binary attribute: stored at the last close ----------------------- */

/* Write a message and close.  close() succeeds also if our callback refuses the message. */
static long push_binary(const void *message, size_t len)
{
	int fd = open(OBJECT "/" RCX_CONFIGFS_MESSAGE_BIN, O_WRONLY | O_CLOEXEC);
	long done = write(fd, message, len);

	return close(fd) ? -1 : done;
}

static void try_wrong_binary(struct rcx_hostile *h, const char *name, size_t len)
{
	struct rcx_counts before = rcx_core_counts(h), after;
	char text[96];

	snprintf(text, sizeof(text), "write and close of %s", name);
	rcx_expect_value(h, text, push_binary(h->message, len), (long)len);
	after = rcx_core_counts(h);
	snprintf(text, sizeof(text), "%s is not consumed", name);
	rcx_expect_true(h, text, after.consumed == before.consumed && after.bad == before.bad + 1);
}

static void try_binary_limits(struct rcx_hostile *h)
{
	const off_t end = RCX_HEADER + RCX_BODY_MAX;
	char *some = (char *)h->message;
	int fd = open_attribute(h, RCX_CONFIGFS_MESSAGE_BIN, O_RDWR);

	rcx_expect_value(h, "the first byte", pwrite(fd, some, 1, 0), 1);
	rcx_expect(h, "read after a write", pread(fd, some, WHOLE, 0), ETXTBSY);
	rcx_expect(h, "a byte behind the end", pwrite(fd, some, 1, end), EFBIG);
	rcx_expect(h, "far behind the end", pwrite(fd, some, 1, 1ll << 40), EFBIG);
	rcx_expect(h, "more than the end", pwrite(fd, some, (size_t)end + 1, 0), EFBIG);
	rcx_expect(h, "before the start", pwrite(fd, some, 1, -1), EINVAL);
	rcx_expect_value(h, "the last byte", pwrite(fd, some, 1, end - 1), 1);
	rcx_try_no_map(h, fd);
	close(fd);

	fd = open_attribute(h, RCX_CONFIGFS_MESSAGE_BIN, O_RDWR);
	rcx_expect_value(h, "read", pread(fd, some, WHOLE, 0), WHOLE);
	rcx_expect(h, "write after a read", pwrite(fd, some, 1, 0), ETXTBSY);
	rcx_expect_value(h, "read far behind the end", pread(fd, some, 1, 1ll << 40), 0);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	close(fd);
}

static void try_binary(struct rcx_hostile *h)
{
	uint64_t seq = 0;

	for (uint32_t size = 0; size <= RCX_BODY_MAX; size = size * 2 + 4063) {
		rcx_good_message(h, size, seq++);
		if (push_binary(h->message, RCX_HEADER + size) != (long)(RCX_HEADER + size))
			rcx_expect(h, "a good one", -1, 0);
	}
	rcx_expect_value(h, "messages consumed", (long)rcx_core_counts(h).consumed, (long)seq);
	rcx_good_message(h, BODY, seq + 1);
	try_wrong_binary(h, "a skipped number", WHOLE);
	rcx_good_message(h, BODY, seq)->magic ^= 1;
	try_wrong_binary(h, "a wrong magic", WHOLE);
	rcx_good_message(h, BODY, seq);
	try_wrong_binary(h, "a part of a header", RCX_HEADER - 1);
	try_wrong_binary(h, "a part of a body", WHOLE - 1);
	try_wrong_binary(h, "a byte too many", WHOLE + 1);
	rcx_good_message(h, BODY, seq)->size = UINT32_MAX;
	try_wrong_binary(h, "a size larger than any message", WHOLE);
	try_binary_limits(h);
	rcx_good_message(h, BODY, seq);
	rcx_expect_value(h, "a good one after all these", push_binary(h->message, WHOLE), WHOLE);
}

/* ---- objects: what mkdir() and its relatives may do --------------------- */

static void try_names(struct rcx_hostile *h)
{
	static const struct {
		const char *name;
		int want;
	} names[] = {
		{ "x", EINVAL },
		{ "-1", EINVAL },
		{ "0 ", EINVAL },
		{ "10000000000000000", ERANGE },
		{ "7", EBADMSG },
		{ ".hidden", EINVAL },
	};
	char path[sizeof(NUMBERS) + 300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), NUMBERS "/%s", names[i].name);
		rcx_expect(h, path + sizeof(NUMBERS), mkdir(path, 0700), names[i].want);
	}
	memset(path + sizeof(NUMBERS), '0', 255);
	path[sizeof(NUMBERS) + 255] = '\0';
	rcx_expect(h, "the longest name, which is 0", mkdir(path, 0700), 0);
	rcx_expect(h, "the same again", mkdir(path, 0700), EEXIST);
	rcx_expect(h, "rmdir", rmdir(path), 0);
	rcx_expect(h, "the same number again", mkdir(path, 0700), EBADMSG);
	path[sizeof(NUMBERS) + 255] = '0';
	path[sizeof(NUMBERS) + 256] = '\0';
	rcx_expect(h, "a name too long", mkdir(path, 0700), ENAMETOOLONG);
	rcx_expect(h, "the next number", mkdir(NUMBERS "/1", 0700), 0);
	rcx_expect(h, "an object in an object", mkdir(NUMBERS "/1/2", 0700), EPERM);
	rcx_expect(h, "rmdir of the next number", rmdir(NUMBERS "/1"), 0);
	rcx_expect(h, "rmdir of what is gone", rmdir(NUMBERS "/1"), ENOENT);
}

static void try_other_calls(struct rcx_hostile *h)
{
	rcx_expect(h, "an object in the subsystem", mkdir(DIRECTORY "/other", 0700), EPERM);
	rcx_expect(h, "rmdir of the subsystem", rmdir(DIRECTORY), EPERM);
	rcx_expect(h, "rmdir of a default group", rmdir(OBJECTS), EPERM);
	rcx_expect(h, "a file", open(OBJECTS "/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), EACCES);
	rcx_expect(h, "a symbolic link", symlink(OBJECT, OBJECTS "/link"), EPERM);
	rcx_expect(h, "a hard link", link(OBJECT "/" RCX_CONFIGFS_MESSAGE, OBJECTS "/hard"), EPERM);
	rcx_expect(h, "rename", rename(OBJECT, OBJECTS "/renamed"), EPERM);
	rcx_expect(h, "unlink of an attribute", unlink(OBJECT "/" RCX_CONFIGFS_MESSAGE), EPERM);
	rcx_expect(h, "truncation of an attribute", truncate(OBJECT "/" RCX_CONFIGFS_MESSAGE, 0), 0);
}

/* An attribute that is open while its object goes. */
static void try_removed(struct rcx_hostile *h)
{
	int fd;

	rcx_expect(h, "mkdir", mkdir(OBJECTS "/short", 0700), 0);
	fd = rcx_expect_open(h, OBJECTS "/short/" RCX_CONFIGFS_MESSAGE, O_RDWR);
	rcx_good_message(h, BODY, 0);
	rcx_expect_value(h, "store", pwrite(fd, h->message, WHOLE, 0), WHOLE);
	rcx_expect(h, "rmdir of an open object", rmdir(OBJECTS "/short"), 0);
	rcx_good_message(h, BODY, 1);
	rcx_expect(h, "store after that", pwrite(fd, h->message, WHOLE, 0), ENOENT);
	rcx_expect(h, "show after that", pread(fd, h->message, WHOLE, 0), ENOENT);
	close(fd);
}

static void use_as_nobody(struct rcx_hostile *h, void *arg)
{
	(void)arg;
	rcx_expect(h, "another user: mkdir", mkdir(OBJECTS "/nobody", 0700), EACCES);
	rcx_expect(h, "another user: number", mkdir(NUMBERS "/2", 0700), EACCES);
	rcx_expect(h, "another user: rmdir", rmdir(OBJECT), EACCES);
}

/* ---- several at a time -------------------------------------------------- */

static long make_and_remove(void *arg)
{
	struct rcx_outcomes *outcomes = arg;

	for (int i = 0; i < 200; i++) {
		rcx_note(outcomes, mkdir(OBJECTS "/contended", 0700), EEXIST);
		rcx_note(outcomes, rmdir(OBJECTS "/contended"), ENOENT);
	}
	return 0;
}

static void try_contended(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 }, other = { 0 };
	struct rcx_sleeper thread;

	rcx_sleep_in(h, &thread, make_and_remove, &other);
	make_and_remove(&outcomes);
	rcx_expect(h, "the other ends", rcx_sleeper_end(&thread), 0);
	rmdir(OBJECTS "/contended");
	rcx_expect_outcomes(h, "errnos of this thread", &outcomes);
	rcx_expect_outcomes(h, "errnos of the other thread", &other);
}

static void configfs_hostile(struct rcx_hostile *h)
{
	for (int validate = 0; validate < 2; validate++) {
		/* A new object restarts its sequence. */
		rcx_bind_topic(h, RCX_CONFIGFS_MESSAGE, BODY, validate);
		rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
		try_message(h, validate);
		rmdir(OBJECT);
		rcx_bind_topic(h, RCX_CONFIGFS_TRANSACTION, BODY, validate);
		rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
		try_transaction(h, validate);
		rmdir(OBJECT);
		rcx_bind_topic(h, RCX_CONFIGFS_MESSAGE_BIN, BODY, validate);
		rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
		try_binary(h);
		rmdir(OBJECT);
	}
	rcx_bind_topic(h, RCX_CONFIGFS_NUMBERS, 8, true);
	try_names(h);
	rcx_bind_topic(h, RCX_CONFIGFS_OBJECTS, BODY, true);
	rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
	try_other_calls(h);
	try_removed(h);
	try_contended(h);
	rcx_as_nobody(h, use_as_nobody, NULL);
	rcx_try_nobody_opens(h, OBJECT "/" RCX_CONFIGFS_TRANSACTION);
	rcx_try_nobody_opens(h, OBJECT "/" RCX_CONFIGFS_MESSAGE_BIN);
	rcx_expect(h, "rmdir", rmdir(OBJECT), 0);
}
RCX_HOSTILE(configfs, configfs_hostile);
