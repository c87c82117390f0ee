// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: pipe
 *
 * Bytes from one process to another: a reference, for scale.
 *
 * What it is.  pipe(2) makes a buffer in the kernel, with one end to write to and one
 * end to read from.  Here another process is at the far end, not the kernel: the
 * peer.  It does what a kernel half does for the channels: it consumes, checks and
 * counts messages, replies, and emits events.  So its cost is that of reaching
 * another process, for comparison with the cost of reaching the kernel.
 *
 * The path of one message.  write() enters the kernel, takes the pipe's mutex and
 * copies the message into pages of the pipe.  A pipe has 16 pages unless
 * fcntl(F_SETPIPE_SZ) changes that.  If the pipe was empty, write() wakes the reader.
 * The scheduler switches to the peer, whose read() copies the message out again.
 * So a push takes two copies.  A round of pushes ends when the peer has consumed the
 * last one.  A round of one push therefore pays for a switch to the peer and a switch
 * back; in a round of many, they share these switches.  A call is two messages
 * through two pipes: four copies and two switches, where an ioctl takes two copies and
 * no switch.  Large messages also need their pages to be allocated, and cleared if the
 * kernel is built or booted with init_on_alloc.  Mode pipe of the baseline syscall makes
 * the same copies without a switch, since one thread uses both ends.
 *
 * Three more modes push only.  batch: the peer takes up to 64 KiB by one read(), so many
 * messages can share a system call.  On one CPU the scheduler decides how many: on 6.1 the
 * sender usually fills the pipe first, which halves the cost of a short message.  On 6.12
 * and 7.3 the peer, which needs less time than the sender, often runs after each message,
 * and nothing is saved.  vmsplice: the sender does not copy a message but puts its
 * own pages into the pipe, and the peer's read() makes the only copy.  splice: the peer
 * reads the header and moves the pages of the body on, to /dev/null, unread.  Its figure
 * therefore contains no copy of the body at all, and is the cost of forwarding, not of
 * receiving.  For a message below 1 KiB the work for its page is more than a copy.
 *
 * When to choose it.  Between a parent and its child, for bytes in one direction,
 * especially if a program uses only standard input and output.  It does not reach
 * a driver.  The kernel itself writes to a pipe only where a program requested it:
 * autofs to its daemon, a core dump to the program in core_pattern.
 *
 * Its pitfall.  A pipe keeps no message boundaries.  One read may return two messages
 * or a part of one; the reader must separate them by a length in the header.  A write
 * of more than PIPE_BUF (4096) bytes can be interleaved with the bytes of another
 * writer.  If such a write is non-blocking, it may transfer only a part of the message,
 * and the writer then has to wait anyway.  The capacity is counted in pages,
 * and a page is in use until all of it has been read.  After vmsplice() the pages still
 * belong to the sender: what it writes to them until they have been read is what the reader
 * sees.  Nothing reports that they have been read, so the two must agree on it; here the
 * sender has more buffers than the pipe holds, and looks at the peer's count.
 */
#include "channel.h"
#include "loops/fd_batch.h"
#include "loops/fd_pair.h"
#include "loops/fd_splice.h"

/* A pipe from @from to @to. */
static int connect_ends(struct rcx_session *s, int *to, int *from)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return rcx_fail_errno(s, "pipe");
	*to = fds[0];
	*from = fds[1];
	if (s->queue && fcntl(*from, F_SETPIPE_SZ, (int)s->queue) < 0)
		return errno == EPERM ? rcx_skip(s, "A pipe larger than pipe-max-size needs "
						    "CAP_SYS_RESOURCE.") :
					rcx_fail_errno(s, "F_SETPIPE_SZ");
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

/* ---- vmsplice and splice: the sender's own pages ------------------------ */

static int vmsplice_open(struct rcx_session *s)
{
	return rcx_peer_open(s) || rcx_splice_get_buffers(s, s->fd2) ? -1 : 0;
}

static int splice_begin(struct rcx_session *s)
{
	static struct rcx_splice_ends ends;

	return rcx_splice_begin(s, &ends, true);
}

/* ---- registration ------------------------------------------------------ */

#define BYTES .max = RCX_BODY_MAX

static const struct rcx_peer_half pipe_peer = {
	.connect = pipe_connect,
	.serve = rcx_fd_serve,
	.emit = rcx_fd_emit,
};

static const struct rcx_peer_half batch_peer = {
	.connect = pipe_connect,
	.begin = rcx_fd_batch_begin,
	.serve = rcx_fd_batch_serve,
};

static const struct rcx_peer_half vmsplice_peer = {
	.connect = pipe_connect,
	.serve = rcx_fd_serve,
};

static const struct rcx_peer_half splice_peer = {
	.connect = pipe_connect,
	.begin = splice_begin,
	.serve = rcx_splice_serve,
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
		.summary = "a pipe to another process, and a second one for replies",
		.open = rcx_peer_open,
		.claims = RCX_POLLABLE | RCX_READERS_SHARE | RCX_FULL_REFUSES,
		.peer = &pipe_peer,
		.operations = {
			[RCX_PUSH] = { .run = rcx_fd_push, BYTES },
			[RCX_CALL] = { .run = rcx_fd_call, BYTES },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_stream, BYTES, .waits = RCX_WAIT_ANY,
					.queue = &pipe_queue },
		},
	},
	{
		.name = "batch",
		.summary = "the peer takes up to 64 KiB of messages by one read",
		.open = rcx_peer_open,
		.peer = &batch_peer,
		.operations = { [RCX_PUSH] = { .run = rcx_fd_push_padded, BYTES } },
	},
	{
		.name = "vmsplice",
		.summary = "the sender's pages, which the peer reads: one copy",
		.open = vmsplice_open,
		.close = rcx_splice_close,
		.peer = &vmsplice_peer,
		.operations = { [RCX_PUSH] = { .run = rcx_splice_push, BYTES } },
	},
	{
		.name = "splice",
		.summary = "the same, moved on unread: the figure has no copy of the body",
		.open = vmsplice_open,
		.close = rcx_splice_close,
		.peer = &splice_peer,
		.operations = { [RCX_PUSH] = { .run = rcx_splice_push, BYTES } },
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
		[RCX_PULL] = "The peer makes a message only on request, and a request with a reply is a call.",
		[RCX_UPCALL] = "Only the kernel asks here: a request to another process, with its reply, is a call.",
		[RCX_DUMP] = "A table is kept by the kernel, and the peer is a process: its dump would be a series of messages, which stream measures.",
	},
};
RCX_CHANNEL(pipe_channel);
