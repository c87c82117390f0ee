// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: syscall
 *
 * Stock system calls, for scale.
 *
 * What it is.  Calls that every Linux kernel serves without a module of ours, from one
 * that does nothing to one that copies a megabyte twice.  A channel that enters the
 * kernel for each message cannot cost less than the first one.  If a channel costs more
 * than the calls that copy, at the same size, the difference is not the copy.
 *
 * The path of one call.  System call entry, for a file the fd lookup, access
 * check and security hook, then:
 *
 * - getppid: returns a number without further work: the null system call.
 * - null: write() and read() of one byte on /dev/null, whose handlers do
 *   nothing; the kernel's counterpart of our channel null.
 * - zero: read() of n bytes from /dev/zero, which clears the caller's pages:
 *   the cost of writing user memory without a source to copy from.
 * - memfd: pwrite() and pread() of n bytes at offset 0 of a file in memory:
 *   one copy each, through the page cache, page by page.
 * - pipe: write() of n bytes and read() of the same n bytes by the same thread: two
 *   calls, two copies and buffers in between, without a wake-up.
 * - sigself: kill() of the own process, caught by a handler that has run when the call
 *   returns.  The cost includes the frame on the user's stack and the call that removes
 *   it (rt_sigreturn).
 *
 * When to choose it.  Never for a driver's data; use it for comparison.  A new channel
 * that moves bytes more slowly than a pipe or a file in memory needs another reason to
 * exist.
 *
 * Its pitfall.  These calls carry no ringcross message: n bytes are exactly n bytes,
 * while a channel's message of n bytes also has a header.  And no driver is at the
 * far end, so none of these calls replaces a channel.
 *
 * In the validation pass, every byte that was moved is compared.  In the timed pass, the
 * return value of each call is checked.
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
	/* Bypass the C library, which may cache the result. */
	while (n--)
		if (syscall(SYS_getppid) < 0)
			return rcx_fail_errno(s, "getppid");
	return 0;
}

/* ---- null: the kernel's handlers that do nothing ----------------------- */

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

/* ---- zero: clears the caller's memory ---------------------------------- */

static int zero_open(struct rcx_session *s)
{
	s->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	return need_fd(s, "open /dev/zero");
}

/* The caller has set all bytes to non-zero before the read. */
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

/* ---- bytes that are written and read back ------------------------------ */

/* Fill s->tx with the bytes of message s->sent, and clear s->rx. */
static void fill(struct rcx_session *s)
{
	rcx_body_fill((__u8 *)s->tx, s->size, s->sent);
	memset(s->rx, 0, s->size);
}

static int compare(struct rcx_session *s)
{
	uint32_t at = rcx_body_check((const __u8 *)s->rx, s->size, s->sent, 0);

	if (at != s->size)
		return rcx_fail(s, "byte %u of %u differs from the byte that was written", at,
				s->size);
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
	/* Allocate the pages now, so that a timed round allocates none. */
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

/* ---- pipe: both ends in one thread ------------------------------------- */

static int pipe_open(struct rcx_session *s)
{
	int fds[2], room;

	/* A write that does not fit must fail: no other process reads the pipe. */
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

/* ---- sigself: a signal to this process, caught by a handler ------------ */

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
	/* There is no other thread, so the signal has been caught when kill() returns. */
	return sigself_caught == due ? 0 : rcx_fail(s, "a signal was not caught at once");
}

/* ---- sigzero: the part of a signal that is not the signal --------------- */

static int sigzero_open(struct rcx_session *s)
{
	(void)s;
	return 0;
}

static int sigzero_call(struct rcx_session *s, uint64_t n)
{
	pid_t self = getpid();

	while (n--)
		if (kill(self, 0))
			return rcx_fail_errno(s, "kill");
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define NOTHING .min = 0, .max = 0, .limit = "The call carries no message, so it has no size."
#define BYTES	.max = RCX_BODY_MAX

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
		.summary = "n bytes into a pipe and back, without a wake-up",
		.open = pipe_open,
		.operations = {
			/* A write of 0 bytes leaves nothing to read. */
			[RCX_CALL] = { .run = pipe_call, .min = 1, BYTES },
		},
	},
	{
		.name = "sigself",
		.summary = "a signal to the own process, caught by a handler",
		.open = sigself_open,
		.single_threaded_reason = "A signal's handler belongs to the whole process.",
		.close = sigself_close,
		.operations = {
			[RCX_CALL] = { .run = sigself_call, NOTHING },
		},
	},
	{
		.name = "sigzero",
		.summary = "signal 0 to the own process: kill() without a signal",
		.open = sigzero_open,
		.operations = {
			[RCX_CALL] = { .run = sigzero_call, NOTHING },
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
		[RCX_UPCALL] = "A system call answers its caller; the kernel starts nothing here.",
		[RCX_DUMP] = "None of its calls returns a table; those that do, such as getdents64(), walk the objects of a subsystem.",
	},
};
RCX_CHANNEL(syscall_channel);
