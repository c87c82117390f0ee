// SPDX-License-Identifier: GPL-2.0-only
/* Either configfs or our callbacks refuse; a program sees no difference. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define DIRECTORY RCX_CONFIGFS_ROOT "/" RCX_CONFIGFS_DIR
#define OBJECT	  DIRECTORY "/hostile"
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
		{ "x", EINVAL },  { "-1", EINVAL },
		{ "0 ", EINVAL }, { "10000000000000000", ERANGE },
		{ "7", EBADMSG }, { ".hidden", EINVAL },
	};
	char path[sizeof(OBJECT) + 300];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), OBJECT "/%s", names[i].name);
		rcx_expect(h, path + sizeof(OBJECT), mkdir(path, 0700), names[i].want);
	}
	memset(path + sizeof(OBJECT), '0', 255);
	path[sizeof(OBJECT) + 255] = '\0';
	rcx_expect(h, "the longest name, which is 0", mkdir(path, 0700), 0);
	rcx_expect(h, "the same again", mkdir(path, 0700), EEXIST);
	rcx_expect(h, "rmdir", rmdir(path), 0);
	rcx_expect(h, "the same number again", mkdir(path, 0700), EBADMSG);
	path[sizeof(OBJECT) + 255] = '0';
	path[sizeof(OBJECT) + 256] = '\0';
	rcx_expect(h, "a name too long", mkdir(path, 0700), ENAMETOOLONG);
	rcx_expect(h, "the next number", mkdir(OBJECT "/1", 0700), 0);
	rcx_expect(h, "an object in an object", mkdir(OBJECT "/1/2", 0700), EPERM);
	rcx_expect(h, "rmdir of the next number", rmdir(OBJECT "/1"), 0);
	rcx_expect(h, "rmdir of what is gone", rmdir(OBJECT "/1"), ENOENT);
}

static void try_other_calls(struct rcx_hostile *h)
{
	rcx_expect(h, "a subsystem", mkdir(RCX_CONFIGFS_ROOT "/ringcross2", 0700), EPERM);
	rcx_expect(h, "rmdir of the subsystem", rmdir(DIRECTORY), EPERM);
	rcx_expect(h, "the same object again", mkdir(OBJECT, 0700), EEXIST);
	rcx_expect(h, "an object named as an attribute",
		   mkdir(OBJECT "/" RCX_CONFIGFS_MESSAGE, 0700), EEXIST);
	rcx_expect(h, "a file", open(DIRECTORY "/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600),
		   EACCES);
	rcx_expect(h, "a symbolic link", symlink(OBJECT, DIRECTORY "/link"), EPERM);
	rcx_expect(h, "a hard link", link(OBJECT "/" RCX_CONFIGFS_MESSAGE, DIRECTORY "/hard"),
		   EPERM);
	rcx_expect(h, "rename", rename(OBJECT, DIRECTORY "/renamed"), EPERM);
	rcx_expect(h, "unlink of an attribute", unlink(OBJECT "/" RCX_CONFIGFS_MESSAGE), EPERM);
	rcx_expect(h, "truncation of an attribute", truncate(OBJECT "/" RCX_CONFIGFS_MESSAGE, 0),
		   0);
}

/* An attribute that is open while its object goes. */
static void try_removed(struct rcx_hostile *h)
{
	int fd;

	rcx_expect(h, "mkdir", mkdir(DIRECTORY "/short", 0700), 0);
	fd = rcx_expect_open(h, DIRECTORY "/short/" RCX_CONFIGFS_MESSAGE, O_RDWR);
	rcx_good_message(h, BODY, 0);
	rcx_expect_value(h, "store", pwrite(fd, h->message, WHOLE, 0), WHOLE);
	rcx_expect(h, "rmdir of an open object", rmdir(DIRECTORY "/short"), 0);
	rcx_good_message(h, BODY, 1);
	rcx_expect(h, "store after that", pwrite(fd, h->message, WHOLE, 0), ENOENT);
	rcx_expect(h, "show after that", pread(fd, h->message, WHOLE, 0), ENOENT);
	close(fd);
}

static void use_as_nobody(struct rcx_hostile *h, void *arg)
{
	(void)arg;
	rcx_expect(h, "another user: mkdir", mkdir(DIRECTORY "/nobody", 0700), EACCES);
	rcx_expect(h, "another user: number", mkdir(OBJECT "/2", 0700), EACCES);
	rcx_expect(h, "another user: rmdir", rmdir(OBJECT), EACCES);
}

/* ---- several at a time -------------------------------------------------- */

static long make_and_remove(void *arg)
{
	struct rcx_outcomes *outcomes = arg;

	for (int i = 0; i < 200; i++) {
		rcx_note(outcomes, mkdir(DIRECTORY "/contended", 0700), EEXIST);
		rcx_note(outcomes, rmdir(DIRECTORY "/contended"), ENOENT);
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
	rmdir(DIRECTORY "/contended");
	rcx_expect_outcomes(h, "errnos of this thread", &outcomes);
	rcx_expect_outcomes(h, "errnos of the other thread", &other);
}

/* ---- the device that removes objects ------------------------------------ */

#define CLAIMED DIRECTORY "/claimed"

static bool known(unsigned int cmd)
{
	return cmd == RCX_CONFIGFS_CLAIM;
}

static long claim_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_CONFIGFS_CLAIM, at);
}

static long claim(int fd, const char *name, size_t len)
{
	struct rcx_configfs_claim request = { 0 };

	memcpy(request.name, name, len);
	return claim_at(&fd, &request);
}

static int open_device(void)
{
	return open(RCX_CONFIGFS_DEVICE, O_RDWR | O_CLOEXEC);
}

/* The removal follows the close. */
static bool is_gone(const char *path)
{
	for (int ms = 0; ms < 1000; ms++) {
		if (access(path, F_OK) && errno == ENOENT)
			return true;
		usleep(1000);
	}
	return false;
}

static void try_claims(struct rcx_hostile *h)
{
	char longest[RCX_CONFIGFS_NAME_MAX];
	int fd = open_device();

	rcx_topic(h, "claim");
	rcx_expect(h, "open", fd, 0);
	memset(longest, 'x', sizeof(longest));
	rcx_expect(h, "no name", claim(fd, "", 0), EINVAL);
	rcx_expect(h, "a name without an end", claim(fd, longest, sizeof(longest)), EINVAL);
	rcx_expect(h, "something after the end", claim(fd, "a\0b", 3), EINVAL);
	rcx_expect(h, "a path", claim(fd, "a/b", 3), EINVAL);
	rcx_expect(h, "a path upwards", claim(fd, "../x", 4), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, claim_at, &fd);
	rcx_expect(h, "the longest name", claim(fd, longest, sizeof(longest) - 1), 0);
	rcx_expect(h, "a second name", claim(fd, "other", 5), EBUSY);
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	rcx_expect(h, "close without an object", close(fd), 0);

	/* Names that no object can have. */
	fd = open_device();
	rcx_expect(h, "the parent directory", claim(fd, "..", 2), 0);
	rcx_expect(h, "close", close(fd), 0);
	fd = open_device();
	rcx_expect(h, "the directory itself", claim(fd, ".", 1), 0);
	rcx_expect(h, "close that, too", close(fd), 0);
	rcx_expect(h, "the directory is still there", access(DIRECTORY, F_OK), 0);
}

static void try_removal(struct rcx_hostile *h)
{
	int fd = open_device(), second = open_device(), attribute;

	rcx_topic(h, "removal");
	rcx_expect(h, "claim before the mkdir", claim(fd, "claimed", 7), 0);
	rcx_expect(h, "claim it twice", claim(second, "claimed", 7), 0);
	rcx_expect(h, "mkdir", mkdir(CLAIMED, 0700), 0);
	rcx_expect(h, "a number in it", mkdir(CLAIMED "/0", 0700), 0);
	rcx_expect(h, "another one", mkdir(CLAIMED "/1", 0700), 0);
	attribute = rcx_expect_open(h, CLAIMED "/" RCX_CONFIGFS_MESSAGE, O_RDWR);
	rcx_expect(h, "rmdir of what is not empty", rmdir(CLAIMED), ENOTEMPTY);
	rcx_expect(h, "close", close(fd), 0);
	rcx_expect_true(h, "the object is removed", is_gone(CLAIMED));
	rcx_expect(h, "a store after that", pwrite(attribute, h->message, WHOLE, 0), ENOENT);
	close(attribute);
	rcx_expect(h, "mkdir of the same name", mkdir(CLAIMED, 0700), 0);
	rcx_expect(h, "and rmdir", rmdir(CLAIMED), 0);
	rcx_expect(h, "close the second claim", close(second), 0);
}

/* The object is the working directory of this process while it is removed. */
static void try_removal_of_busy(struct rcx_hostile *h)
{
	int fd = open_device(), here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	rcx_expect(h, "claim", claim(fd, "claimed", 7), 0);
	rcx_expect(h, "mkdir", mkdir(CLAIMED, 0700), 0);
	rcx_expect(h, "enter the object", chdir(CLAIMED), 0);
	rcx_expect(h, "close the claim", close(fd), 0);
	rcx_expect_true(h, "removed below its user", is_gone(CLAIMED));
	rcx_expect(h, "a number in what is gone", mkdir("0", 0700), ENOENT);
	rcx_expect(h, "leave it", fchdir(here), 0);
	close(here);
}

/* A program that is killed between two calls of its loop. */
static void make_numbers(int fd)
{
	char path[sizeof(CLAIMED) + 24];

	claim(fd, "claimed", 7);
	mkdir(CLAIMED, 0700);
	for (unsigned int i = 0;; i++) {
		snprintf(path, sizeof(path), CLAIMED "/%x", i);
		mkdir(path, 0700);
		if (i % 3)
			rmdir(path);
	}
}

static void try_killed(struct rcx_hostile *h)
{
	long removed = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			make_numbers(open_device());
		}
		usleep(1000 + 700 * (unsigned int)i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		removed += is_gone(CLAIMED);
	}
	rcx_expect_value(h, "objects removed of 20 killed programs", removed, 20);
}

static long claim_and_close(void *arg)
{
	struct rcx_outcomes *outcomes = arg;

	for (int i = 0; i < 100; i++) {
		int fd = open_device();

		rcx_note(outcomes, claim(fd, "claimed", 7), 0);
		close(fd);
	}
	return 0;
}

/* One thread makes and removes an object that another one has removed by its claims. */
static void try_removal_race(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 }, claims = { 0 };
	struct rcx_sleeper thread;

	rcx_sleep_in(h, &thread, claim_and_close, &claims);
	for (int i = 0; i < 300; i++) {
		rcx_note(&outcomes, mkdir(CLAIMED, 0700), EEXIST);
		rcx_note(&outcomes, mkdir(CLAIMED "/0", 0700), ENOENT);
		rmdir(CLAIMED "/0");
		rcx_note(&outcomes, rmdir(CLAIMED), ENOENT);
	}
	rcx_expect(h, "the other thread ends", rcx_sleeper_end(&thread), 0);
	rmdir(CLAIMED);
	rcx_expect_outcomes(h, "made and removed in a race", &outcomes);
	rcx_expect_outcomes(h, "claims in a race", &claims);
}

static void claim_there(struct rcx_hostile *h, void *arg)
{
	rcx_expect(h, "claim on a file of root", claim(*(int *)arg, "claimed", 7), 0);
}

/* The removal does not depend on the rights of the process that closes the file last. */
static void try_other_user(struct rcx_hostile *h)
{
	int fd = open_device();

	rcx_expect(h, "mkdir", mkdir(CLAIMED, 0700), 0);
	rcx_as_nobody(h, claim_there, &fd);
	rcx_expect(h, "it is still there", access(CLAIMED, F_OK), 0);
	rcx_expect(h, "close", close(fd), 0);
	rcx_expect_true(h, "removed by the last close", is_gone(CLAIMED));
	rcx_try_nobody_opens(h, RCX_CONFIGFS_DEVICE);
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
	rcx_bind_topic(h, "numbers", 8, true);
	rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
	try_names(h);
	rcx_expect(h, "rmdir", rmdir(OBJECT), 0);
	rcx_bind_topic(h, "objects", BODY, true);
	rcx_expect(h, "mkdir", mkdir(OBJECT, 0700), 0);
	try_other_calls(h);
	try_removed(h);
	try_contended(h);
	rcx_as_nobody(h, use_as_nobody, NULL);
	rcx_try_nobody_opens(h, OBJECT "/" RCX_CONFIGFS_TRANSACTION);
	rcx_try_nobody_opens(h, OBJECT "/" RCX_CONFIGFS_MESSAGE_BIN);
	rcx_expect(h, "rmdir", rmdir(OBJECT), 0);
	rcx_core_bind(h, "", BODY, true);
	try_claims(h);
	try_removal(h);
	try_removal_of_busy(h);
	try_killed(h);
	try_removal_race(h);
	try_other_user(h);
}
RCX_HOSTILE(configfs, configfs_hostile);
