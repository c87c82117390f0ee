// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: syscall
 *
 * What the kernel asks anyway: stock system calls, for scale.
 *
 * What it is.  Calls that every Linux answers without a module of ours, from one
 * that does nothing to one that copies a megabyte twice.  No channel that enters
 * the kernel for each message can beat the first; what a channel takes above the
 * copying ones, at the same size, buys something else than the copy.
 *
 * The path of one call.  System call entry, for a file the fd lookup, access
 * check and security hook, then:
 *
 * - getppid: a number that is always at hand.  The null system call.
 * - null: write() and read() of one byte on /dev/null, whose handlers do
 *   nothing; the kernel's own answer to our null channel.
 * - zero: read() of n bytes from /dev/zero, which clears the caller's pages:
 *   the cost of touching user memory without a source to copy from.
 * - memfd: pwrite() and pread() of n bytes at offset 0 of a file in memory:
 *   one copy each, through the page cache, page by page.
 * - pipe: write() of n bytes and read() of the same n by the same thread: two
 *   calls, two copies and buffers in between, and nobody is woken.
 * - sigself: kill() of oneself, caught by a handler that has run when the call
 *   returns: the frame on the user's stack and the call that takes it down
 *   (rt_sigreturn).
 *
 * When to choose it.  Never; compare with it.  An own channel that moves bytes
 * slower than a pipe, or a file in memory, needs another reason to exist.
 *
 * Its trap.  These calls carry no ringcross message: n bytes are n bytes, while
 * a channel's message of n has a header besides.  And nothing of a driver's own
 * stands at their other end, so none of them replaces a channel.
 *
 * During the proof every byte that was moved is compared; while timed, each
 * call's return value is.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"

static int need_fd(struct rcx_session *s, const char *what)
{
	return s->fd < 0 ? rcx_fail_errno(s, what) : 0;
}

/* ---- getppid: the null system call ------------------------------------- */

static int getppid_open(struct rcx_session *s)
{
	(void)s;
	return 0;
}

static int getppid_call(struct rcx_session *s, uint64_t n)
{
	/* Past the C library, which may answer from its own memory. */
	while (n--)
		if (syscall(SYS_getppid) < 0)
			return rcx_fail_errno(s, "getppid");
	return 0;
}

/* ---- null: handlers of the kernel's own that do nothing ---------------- */

static int null_open(struct rcx_session *s)
{
	s->fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return need_fd(s, "open /dev/null");
}

static int null_push(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (write(s->fd, s->tx, 1) != 1)
			return rcx_fail_errno(s, "write to /dev/null");
	return 0;
}

static int null_pull(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (read(s->fd, s->rx, 1) != 0)
			return rcx_fail_errno(s, "read from /dev/null");
	return 0;
}

/* ---- zero: memory of the caller's, cleared ----------------------------- */

static int zero_open(struct rcx_session *s)
{
	s->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	return need_fd(s, "open /dev/zero");
}

/* All bytes were set before the read. */
static int zero_check(struct rcx_session *s)
{
	const unsigned char *byte = (const unsigned char *)s->rx;

	for (uint32_t i = 0; i < s->size; i++)
		if (byte[i])
			return rcx_fail(s, "byte %u of %u was not cleared", i, s->size);
	return 0;
}

static int zero_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (__builtin_expect(s->validate, 0))
			memset(s->rx, 0xff, s->size);
		if (read(s->fd, s->rx, s->size) != (ssize_t)s->size)
			return rcx_fail_errno(s, "read from /dev/zero");
		if (__builtin_expect(s->validate, 0) && zero_check(s))
			return -1;
	}
	return 0;
}

/* ---- bytes that must come back as they went ---------------------------- */

/* Let the bytes to send be those of number @s->sent, and forget the last ones. */
static void fill(struct rcx_session *s)
{
	rcx_body_fill((__u8 *)s->tx, s->size, s->sent);
	memset(s->rx, 0, s->size);
}

static int compare(struct rcx_session *s)
{
	uint32_t at = rcx_body_check((const __u8 *)s->rx, s->size, s->sent, 0);

	if (at != s->size)
		return rcx_fail(s, "byte %u of %u came back wrong", at, s->size);
	return 0;
}

/* ---- memfd: the page cache --------------------------------------------- */

static int memfd_write(struct rcx_session *s)
{
	if (pwrite(s->fd, s->tx, s->size, 0) != (ssize_t)s->size)
		return rcx_fail_errno(s, "pwrite");
	return 0;
}

static int memfd_read(struct rcx_session *s)
{
	if (pread(s->fd, s->rx, s->size, 0) != (ssize_t)s->size)
		return rcx_fail_errno(s, "pread");
	return 0;
}

static int memfd_open(struct rcx_session *s)
{
	s->fd = memfd_create("ringcross", MFD_CLOEXEC);
	if (need_fd(s, "memfd_create"))
		return -1;
	/* Now, so that no page is allocated while a round is timed. */
	fill(s);
	return memfd_write(s);
}

static int memfd_push(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (__builtin_expect(s->validate, 0)) {
			s->sent++;
			fill(s);
		}
		if (memfd_write(s))
			return -1;
		if (__builtin_expect(s->validate, 0) && (memfd_read(s) || compare(s)))
			return -1;
	}
	return 0;
}

static int memfd_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (__builtin_expect(s->validate, 0)) {
			s->sent++;
			fill(s);
			if (memfd_write(s))
				return -1;
		}
		if (memfd_read(s))
			return -1;
		if (__builtin_expect(s->validate, 0) && compare(s))
			return -1;
	}
	return 0;
}

/* ---- pipe: there and back by one thread -------------------------------- */

static int pipe_open(struct rcx_session *s)
{
	int fds[2], room;

	/* What does not fit shall fail: nobody else would ever read it. */
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return rcx_fail_errno(s, "pipe");
	s->fd = fds[0];
	s->fd2 = fds[1];
	room = fcntl(s->fd2, F_GETPIPE_SZ);
	if (room < (int)s->size && fcntl(s->fd2, F_SETPIPE_SZ, s->size) < 0)
		return rcx_fail_errno(s, "cannot make the pipe large enough");
	return 0;
}

static int pipe_call(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (__builtin_expect(s->validate, 0)) {
			s->sent++;
			fill(s);
		}
		if (write(s->fd2, s->tx, s->size) != (ssize_t)s->size)
			return rcx_fail_errno(s, "write to the pipe");
		if (read(s->fd, s->rx, s->size) != (ssize_t)s->size)
			return rcx_fail_errno(s, "read from the pipe");
		if (__builtin_expect(s->validate, 0) && compare(s))
			return -1;
	}
	return 0;
}

/* ---- sigself: to oneself, by way of a handler -------------------------- */

static volatile uint64_t sigself_caught;

static void sigself_handler(int signal)
{
	(void)signal;
	sigself_caught++;
}

static int sigself_open(struct rcx_session *s)
{
	struct sigaction action = { .sa_handler = sigself_handler };

	if (sigaction(SIGUSR1, &action, NULL))
		return rcx_fail_errno(s, "sigaction");
	return 0;
}

static void sigself_close(struct rcx_session *s)
{
	(void)s;
	signal(SIGUSR1, SIG_DFL);
}

static int sigself_call(struct rcx_session *s, uint64_t n)
{
	uint64_t due = sigself_caught + n;
	pid_t self = getpid();

	while (n--)
		if (kill(self, SIGUSR1))
			return rcx_fail_errno(s, "kill");
	/* With no other thread to take it, the signal has been caught when kill() returns. */
	return sigself_caught == due ? 0 : rcx_fail(s, "a signal was not caught at once");
}

/* ---- registration ------------------------------------------------------ */

#define NOTHING .min = 0, .max = 0, .limit = "A floor: the size would not matter."
#define BYTES .max = RCX_BODY_MAX

static const struct rcx_mode syscall_modes[] = {
	{
		.name = "getppid",
		.summary = "the null system call",
		.open = getppid_open,
		.operations = {
			[RCX_CALL] = { .run = getppid_call, NOTHING },
		},
	},
	{
		.name = "null",
		.summary = "one byte to and from /dev/null",
		.open = null_open,
		.operations = {
			[RCX_PUSH] = { .run = null_push, NOTHING },
			[RCX_PULL] = { .run = null_pull, NOTHING },
		},
	},
	{
		.name = "zero",
		.summary = "n bytes of /dev/zero: cleared, not copied",
		.open = zero_open,
		.operations = {
			[RCX_PULL] = { .run = zero_pull, BYTES },
		},
	},
	{
		.name = "memfd",
		.summary = "n bytes copied through the page cache",
		.open = memfd_open,
		.operations = {
			[RCX_PUSH] = { .run = memfd_push, BYTES },
			[RCX_PULL] = { .run = memfd_pull, BYTES },
		},
	},
	{
		.name = "pipe",
		.summary = "n bytes through a pipe and back, nobody woken",
		.open = pipe_open,
		.operations = {
			/* Nothing written would leave nothing to read. */
			[RCX_CALL] = { .run = pipe_call, .min = 1, BYTES },
		},
	},
	{
		.name = "sigself",
		.summary = "a signal to oneself, caught by a handler",
		.open = sigself_open,
		.single_threaded_reason = "A signal's handler belongs to the whole process.",
		.close = sigself_close,
		.operations = {
			[RCX_CALL] = { .run = sigself_call, NOTHING },
		},
	},
	{ }
};

static const struct rcx_channel syscall_channel = {
	.name = "syscall",
	.summary = "Stock system calls, for scale",
	.flags = RCX_BASELINE,
	.since = "1.0: the calls themselves; memfd_create() since 3.17",
	.modes = syscall_modes,
	.unsupported_reason = {
		[RCX_NOTIFY] = "A system call answers its caller; the kernel starts nothing here.",
		[RCX_STREAM] = "A system call answers its caller; the kernel starts nothing here.",
	},
};
RCX_CHANNEL(syscall_channel);
