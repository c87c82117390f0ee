// SPDX-License-Identifier: GPL-2.0-only
/* The registered program runs as root, and a start may outlive the open file and its owner. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define NOWHERE "/nowhere/to/be/found"
#define END_MS	4000 /* until all started programs have ended */
#define LARGEST (RCX_UMH_MAX - RCX_HEADER)

static bool known(unsigned int cmd)
{
	return cmd == RCX_UMH_PROGRAM || cmd == RCX_UMH_COUNTS;
}

static int open_device(void)
{
	return open(RCX_UMH_DEVICE, O_RDWR | O_CLOEXEC);
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_UMH_PROGRAM, at);
}

static long counts_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_UMH_COUNTS, at);
}

static long register_as(int fd, const char *path)
{
	struct rcx_umh_program request = { .word = "/nowhere" };

	snprintf(request.path, sizeof(request.path), "%s", path);
	return register_at(&fd, &request);
}

/* Register this program, which finds no board at the path in @word: it exits with ENOTCONN. */
static long register_self(int fd)
{
	char path[RCX_UMH_PATH] = "";

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return -1;
	return register_as(fd, path);
}

static struct rcx_umh_counts counts_of(int fd)
{
	struct rcx_umh_counts counts = { 0 };

	counts_at(&fd, &counts);
	return counts;
}

/* The number of failed starts, after waiting until there are @want, or for END_MS. */
static long failed(int fd, long want)
{
	for (int ms = 0; ms < END_MS && counts_of(fd).failed < want; ms++)
		usleep(1000);
	return counts_of(fd).failed;
}

/* Whether an event is accepted, after waiting until there is room for its start. */
static bool accepts_one(struct rcx_hostile *h, enum rcx_context context)
{
	for (int ms = 0; ms < END_MS; ms++) {
		if (!rcx_core_emit(h, context, 1))
			return true;
		usleep(1000);
	}
	return false;
}

/* ---- registering ---------------------------------------------------------- */

static void try_requests(struct rcx_hostile *h, int fd)
{
	struct rcx_umh_program request = { .path = NOWHERE, .flags = 1 };

	rcx_expect(h, "an unknown flag", register_at(&fd, &request), EINVAL);
	request.flags = UINT32_MAX;
	rcx_expect(h, "all flags", register_at(&fd, &request), EINVAL);
	request.flags = 0;
	memset(request.path, '/', sizeof(request.path));
	rcx_expect(h, "a path without an end", register_at(&fd, &request), EINVAL);
	strcpy(request.path, NOWHERE);
	memset(request.word, 'w', sizeof(request.word));
	rcx_expect(h, "a word without an end", register_at(&fd, &request), EINVAL);
	rcx_expect(h, "no path", register_as(fd, ""), EINVAL);
	rcx_expect(h, "a path without a slash", register_as(fd, "init"), EINVAL);
	rcx_expect(h, "a relative path", register_as(fd, "./init"), EINVAL);
	rcx_expect(h, "a blank before the path", register_as(fd, " /init"), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, register_at, &fd);
}

static void try_register(struct rcx_hostile *h)
{
	int fd = open_device(), other = open_device();

	rcx_topic(h, "register");
	rcx_expect(h, "open", fd, 0);
	rcx_core_bind(h, "wait", 8, true);
	try_requests(h, fd);
	rcx_expect_value(h, "refused without a registration", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	rcx_expect_value(h, "starts without a program", counts_of(fd).started, 0);

	rcx_expect(h, "a good one after all these", register_self(fd), 0);
	rcx_expect(h, "a second one", register_self(fd), EBUSY);
	rcx_expect(h, "another file", register_self(other), EBUSY);
	rcx_expect_value(h, "refused by the program", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "its exit status", rcx_core_counts(h).refused_errno, ENOTCONN);
	rcx_expect_value(h, "starts", counts_of(fd).started, 1);
	rcx_expect_value(h, "failed starts", counts_of(fd).failed, 1);
	rcx_expect_value(h, "starts by the other file", counts_of(other).started, 0);
	rcx_try_addresses(h, "counts", RCX_KERNEL_WRITES, counts_at, &fd);

	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	close(other);
	rcx_expect_value(h, "refused after the other's close", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "starts after the other's close", counts_of(fd).started, 2);
	close(fd);
	rcx_core_emit(h, RCX_PROCESS, 1);
	rcx_expect_value(h, "after the close", rcx_core_counts(h).refused_errno, ENOTCONN);
}

/* ---- files that are not programs --------------------------------------------------- */

static void make(const char *path, mode_t mode, const char *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content))
		close(fd);
}

static void try_path(struct rcx_hostile *h, const char *mode, const char *path, int want)
{
	int fd = open_device();
	bool waits = strcmp(mode, "nowait");

	rcx_topic(h, "%s, %s", mode, strrchr(path, '/') + 1);
	rcx_core_bind(h, mode, 8, true);
	rcx_expect(h, "register", register_as(fd, path), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), waits);
	if (waits)
		rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, want);
	rcx_expect_value(h, "failed starts", failed(fd, 1), 1);
	close(fd);
}

static void try_paths(struct rcx_hostile *h)
{
	static const char *const modes[] = { "wait", "exec", "nowait" };
	char dir[] = "/tmp/rcx_umh.XXXXXX", plain[64], broken[64], loop[64];

	rcx_topic(h, "no program");
	rcx_expect_true(h, "get a directory", mkdtemp(dir));
	snprintf(plain, sizeof(plain), "%s/plain", dir);
	snprintf(broken, sizeof(broken), "%s/broken", dir);
	snprintf(loop, sizeof(loop), "%s/loop", dir);
	make(plain, 0600, "#!/init\n");
	make(broken, 0700, "no program at all\n");
	rcx_expect(h, "make a loop", symlink(loop, loop), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		try_path(h, modes[i], NOWHERE, ENOENT);
		try_path(h, modes[i], dir, EACCES);
		try_path(h, modes[i], plain, EACCES);
		try_path(h, modes[i], broken, ENOEXEC);
		try_path(h, modes[i], loop, ELOOP);
		try_path(h, modes[i], "/dev/null", EACCES);
	}
	unlink(plain);
	unlink(broken);
	unlink(loop);
	rmdir(dir);
}

/* ---- size and number ------------------------------------------------------ */

static void try_size(struct rcx_hostile *h, const char *mode)
{
	int fd = open_device();

	rcx_topic(h, "%s, size", mode);
	rcx_core_bind(h, mode, LARGEST, true);
	rcx_expect(h, "register", register_self(fd), 0);
	rcx_expect_value(h, "the largest, refused", rcx_core_emit(h, RCX_PROCESS, 1),
			 !strcmp(mode, "wait"));
	rcx_expect_value(h, "the largest, started", counts_of(fd).started, 1);
	rcx_core_bind(h, mode, LARGEST + 1, true);
	rcx_expect_value(h, "a byte more, refused", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, E2BIG);
	rcx_core_bind(h, mode, RCX_BODY_MAX, true);
	rcx_expect_value(h, "a mebibyte, refused", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "starts", counts_of(fd).started, 1);
	rcx_expect_value(h, "failed starts", failed(fd, 0), !strcmp(mode, "wait"));
	close(fd);
}

/* An interrupt emits more starts than may be in progress; the rest must be refused. */
static void try_burst(struct rcx_hostile *h, const char *name, enum rcx_context context,
		      long (*name_program)(int fd), bool runs)
{
	int fd = open_device();
	long refused;

	rcx_topic(h, "a burst of %s", name);
	rcx_core_bind(h, "nowait", 8, true);
	rcx_expect(h, "register", name_program(fd), 0);
	refused = rcx_core_emit(h, context, RCX_BURST_MAX);
	rcx_expect_true(h, "some are refused", refused > 0);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EAGAIN);
	/* Some starts of an earlier case may still be in progress. */
	rcx_expect_true(h, "not those that it has room for",
			refused <= RCX_BURST_MAX - RCX_UMH_AT_ONCE / 2);
	rcx_expect_value(h, "starts", counts_of(fd).started, RCX_BURST_MAX - refused);
	rcx_expect_true(h, "one is accepted after these", accepts_one(h, context));
	rcx_expect_value(h, "failed starts", failed(fd, runs ? 0 : RCX_BURST_MAX - refused + 1),
			 runs ? 0 : RCX_BURST_MAX - refused + 1);
	close(fd);
}

static long name_nowhere(int fd)
{
	return register_as(fd, NOWHERE);
}

/* ---- others --------------------------------------------------------------- */

static void with_file_of_root(struct rcx_hostile *h, void *arg)
{
	int fd = *(int *)arg;

	rcx_expect(h, "register on a file of root", register_as(fd, "/init"), EPERM);
}

static void close_copy(struct rcx_hostile *h, void *arg)
{
	rcx_expect(h, "a child closes its copy", close(*(int *)arg), 0);
}

static long register_race(void *arg)
{
	long won = 0;

	for (int i = 0; i < 100; i++)
		won += !register_as(*(int *)arg, NOWHERE);
	return won;
}

static void try_others(struct rcx_hostile *h)
{
	int fd = open_device();

	rcx_topic(h, "another user");
	rcx_core_bind(h, "wait", 8, true);
	rcx_as_nobody(h, with_file_of_root, &fd);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "nothing is started", counts_of(fd).started, 0);
	rcx_try_nobody_opens(h, RCX_UMH_DEVICE);

	rcx_topic(h, "a copy of the file");
	rcx_expect(h, "register", name_nowhere(fd), 0);
	rcx_in_other(h, "a child ends well", close_copy, &fd);
	rcx_core_emit(h, RCX_PROCESS, 1);
	rcx_expect_value(h, "the program is still started", counts_of(fd).started, 1);
	close(fd);

	rcx_topic(h, "three threads");
	fd = open_device();
	rcx_expect_value(h, "registered on one file", rcx_in_three_threads(h, register_race, &fd),
			 1);
	close(fd);
}

/* Register and close while starts are in progress. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	int last;

	rcx_topic(h, "in a stream");
	rcx_core_bind(h, "nowait", 8, true);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 2, 500000);
	for (int i = 0; i < 20; i++) {
		int fd = open_device();

		rcx_note(&outcomes, name_nowhere(fd), 0);
		usleep(1000);
		close(fd);
	}
	rcx_expect_outcomes(h, "registered and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	/* These starts stay in progress: the module must not be unloaded before they end. */
	last = open_device();
	rcx_expect(h, "register a last time", register_self(last), 0);
	rcx_core_start(h, RCX_HARDIRQ, RCX_UMH_AT_ONCE, RCX_UMH_AT_ONCE, 0);
}

/* ---- upcalls --------------------------------------------------------------- */

#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)

/* The right reply to request 0. */
static const struct rcx_msg *right_reply(struct rcx_hostile *h)
{
	struct rcx_msg *msg = rcx_good_message(h, BODY, 0);

	msg->seq = UINT64_MAX;
	for (uint32_t at = 0; at < BODY; at++)
		msg->body[at] ^= 0xff;
	return msg;
}

static int open_reply(void)
{
	return open(RCX_UMH_REPLY_DEVICE, O_WRONLY | O_CLOEXEC);
}

static long reply_at(void *arg, void *at)
{
	return write(*(int *)arg, at, WHOLE);
}

/* The program exits at once without a reply, and this process answers in its place. */
static void ask_exec(struct rcx_hostile *h, uint32_t deadline_ms)
{
	rcx_core_bind(h, "exec", BODY, true);
	rcx_core_ask(h, 1, deadline_ms);
	usleep(100 * 1000); /* until it has exited */
}

static void try_replies(struct rcx_hostile *h)
{
	const struct rcx_msg *right;
	int early, fd;

	early = open_reply();
	rcx_expect(h, "open for replies", early, 0);
	ask_exec(h, 300);
	fd = open_reply();
	rcx_expect_asked(h, "no reply until the deadline", ETIMEDOUT);
	right = right_reply(h);
	rcx_expect(h, "a reply after the deadline", write(fd, right, WHOLE), ESRCH);
	close(fd);

	ask_exec(h, 10000);
	rcx_expect(h, "a reply by a file from before the request", write(early, right, WHOLE),
		   ESRCH);
	close(early);
	rcx_expect_true(h, "the kernel still waits", !h->page->done);
	fd = open_reply();
	rcx_expect(h, "the request as reply", write(fd, rcx_good_message(h, BODY, 0), WHOLE),
		   ESRCH);
	rcx_try_addresses(h, "reply", RCX_KERNEL_READS, reply_at, &fd);
	right = right_reply(h);
	rcx_expect(h, "a reply of one byte", write(fd, right, 1), EINVAL);
	rcx_expect(h, "a reply of more than a mebibyte",
		   write(fd, right, RCX_HEADER + RCX_BODY_MAX + 1), EMSGSIZE);
	rcx_expect_true(h, "the kernel waits on", !h->page->done);
	rcx_expect(h, "the right reply", write(fd, right, WHOLE), 0);
	rcx_expect_asked(h, "it ends the wait", 0);
	rcx_expect(h, "the same again", write(fd, right, WHOLE), ESRCH);
	close(fd);

	ask_exec(h, 10000);
	fd = open_reply();
	rcx_expect(h, "a reply one byte too short", write(fd, right_reply(h), WHOLE - 1), EBADMSG);
	rcx_expect_asked(h, "it ends the wait, too", EBADMSG);
	close(fd);

	ask_exec(h, 10000);
	fd = open_reply();
	close(fd);
	rcx_expect_asked(h, "closed without a reply", ENOTCONN);
}

/* The deadline comes at any point of the start; the program is killed then. */
static void try_deadlines(struct rcx_hostile *h)
{
	struct rcx_outcomes ends = { 0 };

	for (uint64_t us = 20; us < 5000; us += us / 2) {
		const struct rcx_asking asking = { .count = 1, .deadline = us * 1000 };

		rcx_core_bind(h, "wait", BODY, true);
		rcx_note(&ends, ioctl(h->core, RCX_CORE_ASK, &asking), 0);
		rcx_note(&ends, rcx_core_ended(h, END_MS) ? 0 : -1, 0);
		errno = (int)rcx_core_counts(h).refused_errno;
		rcx_note(&ends, errno == ETIMEDOUT || errno == ENOTCONN ? 0 : -1, 0);
	}
	rcx_expect_outcomes(h, "deadlines while the program starts", &ends);
}

static void try_stops(struct rcx_hostile *h)
{
	struct rcx_outcomes ends = { 0 };

	for (uint32_t us = 20; us < 5000; us += us / 2) {
		rcx_core_bind(h, "wait", BODY, true);
		rcx_core_ask(h, 1, 10000);
		usleep(us);
		rcx_note(&ends, ioctl(h->core, RCX_CORE_STOP), 0);
		rcx_note(&ends, h->page->done ? 0 : -1, 0);
	}
	rcx_expect_outcomes(h, "stops while the program starts", &ends);
}

static void try_upcalls(struct rcx_hostile *h)
{
	int fd;

	rcx_topic(h, "upcall");
	rcx_core_bind(h, "wait", BODY, true);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "without a registration", ENOTCONN);
	fd = open_device();
	rcx_expect(h, "register nothing", name_nowhere(fd), 0);
	rcx_core_bind(h, "wait", BODY, true);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "no such program", ENOENT);
	rcx_core_bind(h, "exec", BODY, true);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "nor in mode exec", ENOENT);
	close(fd);
	fd = open_device();
	rcx_expect(h, "register", register_self(fd), 0);
	rcx_core_bind(h, "wait", BODY, true);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "a program that ends without a reply", ENOTCONN);
	try_deadlines(h);
	try_stops(h);
	try_replies(h);
	close(fd);
	rcx_try_nobody_opens(h, RCX_UMH_REPLY_DEVICE);
}

static void umh_hostile(struct rcx_hostile *h)
{
	try_register(h);
	try_paths(h);
	try_size(h, "wait");
	try_size(h, "exec");
	try_size(h, "nowait");
	try_burst(h, "nothing, softirq", RCX_SOFTIRQ, name_nowhere, false);
	try_burst(h, "programs, hardirq", RCX_HARDIRQ, register_self, true);
	try_others(h);
	try_upcalls(h);
	try_leaving(h);
}
RCX_HOSTILE(umh, umh_hostile);
