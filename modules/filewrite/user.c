// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define BATCH	 65536	/* bytes of a read, or one message if that is larger */
#define LIMIT	 262144 /* bytes of memory that the file may occupy, or */
#define MESSAGES 4	/* the memory of this many messages if that is more */
#define PAGE	 4096

/* State, at s->priv.  In the buffer, at s->map, a message begins at @at. */
struct state {
	int file;	 /* what the kernel appends to */
	off_t read;	 /* bytes of the file read so far */
	off_t punched;	 /* bytes of the file whose memory is freed */
	size_t at, have; /* bytes of the buffer: consumed, and filled */
	size_t spare;	 /* bytes to read before a hole is punched */
};

/* Bytes of the file that a message of @len bytes occupies. */
static size_t aligned(size_t len)
{
	return (len + RCX_FILEWRITE_ALIGN - 1) / RCX_FILEWRITE_ALIGN * RCX_FILEWRITE_ALIGN;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- open and close ------------------------------------------------------- */

/*
 * The file has no name, so that nothing is left behind.  The inotify watch uses its link in
 * /proc.  /dev is a tmpfs on every system.  A memfd, which needs no directory, reports no
 * change to inotify on newer kernels (7.2, but not 6.12).
 */
static int open_file(struct rcx_session *s, struct state *state)
{
	state->file = open("/dev", O_TMPFILE | O_EXCL | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (state->file < 0)
		return rcx_fail_errno(s, "cannot create a file without a name in /dev");
	return 0;
}

static int watch_file(struct rcx_session *s, const struct state *state)
{
	int nonblock = rcx_nonblocking(s) ? IN_NONBLOCK : 0;
	char path[40];

	if (s->wait == RCX_WAIT_BUSY)
		return 0;
	s->fd2 = inotify_init1(IN_CLOEXEC | nonblock);
	if (s->fd2 < 0)
		return rcx_fail_errno(s, "inotify_init1");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", state->file);
	if (inotify_add_watch(s->fd2, path, IN_MODIFY) < 0)
		return rcx_fail_errno(s, "cannot watch the file");
	return 0;
}

static int register_file(struct rcx_session *s, struct state *state)
{
	size_t limit = s->queue ? larger(s->queue * 1024ull, 2 * aligned(rcx_len(s))) :
				  larger(LIMIT, MESSAGES * aligned(rcx_len(s)));
	struct rcx_filewrite_file request = { .fd = state->file, .limit = limit };

	state->spare = limit / 4;
	s->fd = open(RCX_FILEWRITE_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_FILEWRITE_DEVICE);
	if (ioctl(s->fd, RCX_FILEWRITE_FILE, &request))
		return rcx_fail_errno(s, "cannot pass the file to the kernel half");
	return 0;
}

static int filewrite_open(struct rcx_session *s)
{
	struct state *state = calloc(1, sizeof(*state));
	void *buffer;

	if (!state)
		return rcx_fail_errno(s, "calloc");
	state->file = -1;
	s->priv = state;
	s->map_len = larger(BATCH, aligned(rcx_len(s)));
	buffer = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffer == MAP_FAILED)
		return rcx_fail_errno(s, "cannot allocate a buffer");
	s->map = buffer;
	return open_file(s, state) || watch_file(s, state) || register_file(s, state) ? -1 : 0;
}

static void filewrite_close(struct rcx_session *s)
{
	struct state *state = s->priv;

	if (!state)
		return;
	if (state->file >= 0)
		close(state->file);
	free(state);
	s->priv = NULL;
}

/* ---- messages out of bytes ------------------------------------------------ */

/* Bytes of the message at @at with its header; 0 while it is incomplete. */
static size_t message_len(const struct rcx_session *s, const struct state *state)
{
	const struct rcx_msg *message = (void *)((char *)s->map + state->at);
	size_t there = state->have - state->at;

	if (there < RCX_HEADER)
		return 0;
	/* Not a message: return all bytes there are, which the check of the message reports. */
	if (message->magic != RCX_MAGIC || aligned(RCX_HEADER + (size_t)message->size) > s->map_len)
		return there;
	if (aligned(RCX_HEADER + message->size) > there)
		return 0;
	return RCX_HEADER + message->size;
}

/* Free the memory of the part that was read.  Offsets stay, so nothing can be lost. */
static int punch(struct rcx_session *s, struct state *state)
{
	off_t up_to = state->read / PAGE * PAGE;

	if (fallocate(state->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, state->punched,
		      up_to - state->punched))
		return rcx_fail_errno(s, "cannot punch a hole");
	state->punched = up_to;
	return 0;
}

/* Read more of the file behind the bytes left in the buffer: 1, 0 at its end, or -1. */
static int refill(struct rcx_session *s, struct state *state)
{
	char *buffer = s->map;
	ssize_t got;

	if ((size_t)(state->read - state->punched) >= state->spare + PAGE && punch(s, state))
		return -1;
	memmove(buffer, buffer + state->at, state->have - state->at);
	state->have -= state->at;
	state->at = 0;
	got = pread(state->file, buffer + state->have, s->map_len - state->have, state->read);
	if (got < 0)
		return rcx_fail_errno(s, "read the file");
	state->read += got;
	state->have += (size_t)got;
	return got > 0;
}

/* Get the next message, and its length in @len: 1, 0 while there is none, or -1. */
static int next_message(struct rcx_session *s, struct state *state, const struct rcx_msg **message,
			size_t *len)
{
	while (!(*len = message_len(s, state))) {
		int got = refill(s, state);

		if (got <= 0)
			return got;
	}
	*message = (void *)((char *)s->map + state->at);
	state->at += aligned(*len);
	if (state->at > state->have)
		state->at = state->have;
	return 1;
}

/* ---- operations ------------------------------------------------------------ */

/* Wait until the file has changed.  inotify does not report what changed, or how often. */
static int wait_for_change(struct rcx_session *s)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	char changes[512];

	if (s->wait == RCX_WAIT_BUSY)
		return 0;
	if (rcx_polls(s))
		poll(&pfd, 1, s->op == RCX_STREAM ? RCX_STREAM_WAIT : -1);
	if (read(s->fd2, changes, sizeof(changes)) < 0 && errno != EAGAIN)
		return rcx_fail_errno(s, "read the changes");
	return 0;
}

/* Read before each wait: one notification may stand for several changes. */
static int filewrite_notify(struct rcx_session *s, uint64_t n)
{
	struct state *state = s->priv;

	while (n--) {
		const struct rcx_msg *message;
		size_t len;
		int got;

		if (rcx_arm(s))
			return -1;
		while (!(got = next_message(s, state, &message, &len)))
			if (wait_for_change(s))
				return -1;
		if (got < 0)
			return -1;
		rcx_arrived(s);
		if (rcx_rx(s, message, len))
			return -1;
	}
	return 0;
}

static int filewrite_stream(struct rcx_session *s, uint64_t n)
{
	struct state *state = s->priv;
	const struct rcx_msg *message;
	size_t len;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		int got;

		while ((got = next_message(s, state, &message, &len)) > 0)
			if (rcx_streamed(s, message, len))
				return -1;
		if (got < 0)
			return -1;
		if (over)
			return 0;
		if (wait_for_change(s))
			return -1;
	}
}

/* ---- registration ----------------------------------------------------------- */

static const struct rcx_queue filewrite_queue = {
	.what = "KiB of the file",
	.min = 64,
	.max = RCX_FILEWRITE_MOST / 1024,
	.values = { 64, 512, 4096 },
};

#define ROOM .min = 0, .max = RCX_BODY_MAX

static const struct rcx_mode filewrite_modes[] = {
	{
		.name = "append",
		.summary = "kernel_write() at the end of a file, inotify and read()",
		.open = filewrite_open,
		.close = filewrite_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = filewrite_notify, ROOM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = filewrite_stream, ROOM, .waits = RCX_WAIT_DRAIN,
					.queue = &filewrite_queue },
		},
	},
	{ }
};

static const struct rcx_channel filewrite = {
	.name = "filewrite",
	.summary = "A file that the kernel appends to",
	.module = "ringcross_filewrite",
	.since = "4.14: kernel_write() with its present arguments; before, vfs_write() under set_fs()",
	.modes = filewrite_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A user can write to the file, but nothing notifies the kernel half of it.",
		[RCX_PULL] = "A read returns data that is already in the file; it does not call the kernel half.",
		[RCX_CALL] = "The file system serves reads and writes; they do not call the kernel half.",
		[RCX_UPCALL] = "The file system serves writes and nothing notifies the kernel half of them, so no reply could end a wait.",
		[RCX_DUMP] = "The file system serves reads; they do not call the kernel half, which could only write the whole table again for each change.",
	},
};
RCX_CHANNEL(filewrite);
