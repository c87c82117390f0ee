// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: pipe
 *
 * Bytes from one process to another: a reference, for scale.
 *
 * What it is.  pipe(2): a buffer in the kernel with an end to write to and an end
 * to read from.  The other side here is *a process, not the kernel*: the peer,
 * which does what a kernel half does for the channels (it takes, checks, counts,
 * replies and starts events).  So its costs say what a crossing to another
 * process takes, beside which the crossing to the kernel stands.
 *
 * The path of one message. write() enters the kernel, takes the pipe's mutex,
 * copies the message into pages of the pipe, 16 of them unless
 * fcntl(F_SETPIPE_SZ) says otherwise, and wakes the reader if the pipe was empty.
 * The scheduler switches to the peer, whose read() copies the message out again.
 * That is a push: two copies.  A row of pushes is over when the peer has taken
 * the last; so one alone pays for a switch there and one back, and many share
 * them.  A call is two messages, through two pipes: four copies and two switches,
 * where an ioctl takes two copies and none.  (The pages of a large message are
 * allocated besides, and cleared where the kernel is built or booted with
 * init_on_alloc.) The pipe of channel syscall has the same copies and no switch,
 * since one thread does both ends.
 *
 * When to choose it.  Between a parent and its child, for bytes in one direction,
 * above all where a program only knows standard input and output.  It is no way to
 * reach a driver.  (The kernel itself does write to pipes, where a program has
 * asked it to: autofs to its daemon, a core dump to the program in core_pattern.)
 *
 * Its trap.  It keeps no boundaries: one read may bring two messages, or a part of
 * one, and the reader must find them again by a length in the header.  Into what is
 * larger than PIPE_BUF (4096 bytes) another writer's bytes may fall; a writer that
 * must not wait may get a part of it in, and then has to wait after all.  And
 * the room is counted in pages, each of which is held until all of it is read.
 */
#include "channel.h"
#include "loops/fd_pair.h"

/* A pipe from @from to @to. */
static int connect_ends(struct rcx_session *s, int *to, int *from)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return rcx_fail_errno(s, "pipe");
	*to = fds[0];
	*from = fds[1];
	if (s->queue && fcntl(*from, F_SETPIPE_SZ, (int)s->queue) < 0)
		return errno == EPERM ? rcx_skip(s, "A pipe of more than pipe-max-size needs "
						"CAP_SYS_RESOURCE.")
				      : rcx_fail_errno(s, "F_SETPIPE_SZ");
	return 0;
}

static int pipe_connect(struct rcx_session *s)
{
	if (rcx_fd_to_peer(s) && connect_ends(s, &s->peer_end[0], &s->user_end[1]))
		return -1;
	if (rcx_fd_to_user(s) && connect_ends(s, &s->user_end[0], &s->peer_end[1]))
		return -1;
	return rcx_fd_unblock(s);
}

/* ---- registration ------------------------------------------------------ */

#define BYTES .max = RCX_BODY_MAX

static const struct rcx_peer_half pipe_peer = {
	.connect = pipe_connect,
	.serve = rcx_fd_serve,
	.emit = rcx_fd_emit,
};

static const struct rcx_queue pipe_queue = {
	.what = "bytes of F_SETPIPE_SZ",
	.min = 4096,
	.max = 1u << 20,
	.values = { 4096, 1u << 16, 1u << 20 },
};

static const struct rcx_mode pipe_modes[] = {
	{
		.name = "pair",
		.summary = "a pipe to another process, and one back for replies",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &pipe_peer,
		.operations = {
			[RCX_PUSH] = { .run = rcx_fd_push, BYTES },
			[RCX_CALL] = { .run = rcx_fd_call, BYTES },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_stream, BYTES, .waits = RCX_WAIT_DRAIN,
					.queue = &pipe_queue },
		},
	},
	{ }
};

static const struct rcx_channel pipe_channel = {
	.name = "pipe",
	.summary = "Bytes to another process, for scale",
	.flags = RCX_REFERENCE,
	.since = "1.0: pipe(); pipe2() since 2.6.27, F_SETPIPE_SZ since 2.6.35",
	.modes = pipe_modes,
	.unsupported_reason = {
		[RCX_PULL] = "Another process makes a message only when one asks for it, and that is a call.",
	},
};
RCX_CHANNEL(pipe_channel);
