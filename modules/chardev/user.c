// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "loops/table_file.h"
#include "abi.h"

#define PATH(name) "/dev/" RCX_CHARDEV_DIR "/" name

/* ---- message: one message in each read() and write() -------------------- */

static int message_open(struct rcx_session *s)
{
	if (s->op == RCX_UPCALL)
		return rcx_file_open(s, PATH(RCX_CHARDEV_UPCALL), O_RDWR);
	if (s->op == RCX_DUMP)
		return rcx_file_open(s, PATH(RCX_CHARDEV_TABLE), O_RDONLY);
	return rcx_file_open_for(s, PATH(RCX_CHARDEV_MESSAGE), PATH(RCX_CHARDEV_TRANSACTION),
				 PATH(RCX_CHARDEV_EVENTS));
}

/* ---- batch: all queued messages that fit, by one read() ----------------- */

#define BATCH_ROOM (1u << 20) /* most bytes of a buffer for more than one message */

static int batch_open(struct rcx_session *s)
{
	size_t len = RCX_PADDED(rcx_len(s)), room = RCX_BATCH * len;

	room = room < BATCH_ROOM ? room : BATCH_ROOM;
	s->map_len = room < len ? len : room;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get memory for a batch");
	}
	return rcx_file_open(s, PATH(RCX_CHARDEV_BATCH), O_RDONLY);
}

/* The message at @at in the @got bytes of a batch, or NULL.  Sets @len to its length. */
static inline const struct rcx_msg *batch_message(struct rcx_session *s, size_t got, size_t at,
						  size_t *len)
{
	const struct rcx_msg *msg = (const struct rcx_msg *)((const char *)s->map + at);

	if (got - at >= RCX_HEADER && got - at >= RCX_PADDED((size_t)RCX_HEADER + msg->size)) {
		*len = (size_t)RCX_HEADER + msg->size;
		return msg;
	}
	rcx_fail(s, "a batch of %zu bytes ends in the middle of a message", got);
	return NULL;
}

static int batch_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		const struct rcx_msg *msg;
		ssize_t got;
		size_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = read(s->fd, s->map, s->map_len);
		} while (got < 0 && errno == EAGAIN);
		if (got < 0)
			return rcx_fail_errno(s, "read an event");
		rcx_arrived(s);
		msg = batch_message(s, (size_t)got, 0, &len);
		if (!msg || rcx_rx(s, msg, len))
			return -1;
		if ((size_t)got != RCX_PADDED(len))
			return rcx_fail(s, "one event was emitted, and more were read");
	}
	return 0;
}

/* Count the messages of a batch of @got bytes. */
static inline int batch_streamed(struct rcx_session *s, size_t got)
{
	for (size_t at = 0, len; at < got; at += RCX_PADDED(len)) {
		const struct rcx_msg *msg = batch_message(s, got, at, &len);

		if (!msg || rcx_streamed(s, msg, len))
			return -1;
	}
	return 0;
}

/* Sleep in read() until the producer has ended. */
static int batch_stream_block(struct rcx_session *s)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = read(s->fd, s->map, s->map_len);

		if (got < 0 && errno != EINTR)
			return rcx_fail_errno(s, "read a stream");
		if (got >= 0 && batch_streamed(s, (size_t)got))
			return -1;
	}
	return rcx_stream_unblock_fd(s);
}

static int batch_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	if (rcx_stream_blocks(s) && batch_stream_block(s))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = read(s->fd, s->map, s->map_len)) >= 0)
			if (batch_streamed(s, (size_t)got))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read a stream");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- iter: header and body as two segments of one call ------------------ */

static int iter_open(struct rcx_session *s)
{
	return rcx_file_open(s, PATH(RCX_CHARDEV_ITER), O_RDWR);
}

static int iter_push(struct rcx_session *s, uint64_t n)
{
	const struct iovec segments[] = { { s->tx, RCX_HEADER }, { s->tx->body, s->size } };
	ssize_t len = (ssize_t)rcx_len(s);

	while (n--) {
		rcx_tx(s);
		if (writev(s->fd, segments, 2) != len)
			return rcx_fail_errno(s, "writev");
	}
	return 0;
}

static int iter_pull(struct rcx_session *s, uint64_t n)
{
	const struct iovec segments[] = { { s->rx, RCX_HEADER }, { s->rx->body, s->size } };

	while (n--) {
		ssize_t len = readv(s->fd, segments, 2);

		if (len < 0)
			return rcx_fail_errno(s, "readv");
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* ---- word: the sequence number alone ------------------------------------ */

static int word_open(struct rcx_session *s)
{
	return rcx_file_open(s, PATH(RCX_CHARDEV_WORD), O_RDWR);
}

static int word_push(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		rcx_tx(s);
		if (write(s->fd, &s->tx->seq, sizeof(s->tx->seq)) != sizeof(s->tx->seq))
			return rcx_fail_errno(s, "write a word");
	}
	return 0;
}

static int word_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		if (read(s->fd, &s->rx->seq, sizeof(s->rx->seq)) != sizeof(s->rx->seq))
			return rcx_fail_errno(s, "read a word");
		if (rcx_seen_narrow(s, s->rx->seq, UINT64_MAX))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define WHOLE                \
	.max = RCX_BODY_MAX, \
	.limit = "The handlers accept 1 MiB; a read or write may have up to 2 GiB minus one page."
#define WORD                                              \
	.min = sizeof(uint64_t), .max = sizeof(uint64_t), \
	.limit = "get_user() and put_user() move one word, here the sequence number."

static const struct rcx_mode chardev_modes[] = {
	{
		.name = "message",
		.summary = "one message in each read and write; a call is a write and a read",
		.counterpart = "fuse",
		.open = message_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = rcx_file_push, WHOLE },
			[RCX_PULL] = { .run = rcx_file_pull, WHOLE },
			[RCX_CALL] = { .run = rcx_file_call, WHOLE },
			[RCX_NOTIFY] = { .run = rcx_file_notify, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_file_stream, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_UPCALL] = { .run = rcx_file_upcall, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_DUMP] = { .run = rcx_table_dump, RCX_TABLE },
		},
	},
	{
		.name = "batch",
		.summary = "all queued messages by one read, woken for each 16",
		.open = batch_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = batch_notify, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = batch_stream, WHOLE, .waits = RCX_WAIT_ANY,
					.batch = RCX_BATCH },
		},
	},
	{
		.name = "iter",
		.summary = "header and body in two segments of a readv or writev",
		.open = iter_open,
		.operations = {
			[RCX_PUSH] = { .run = iter_push, WHOLE },
			[RCX_PULL] = { .run = iter_pull, WHOLE },
		},
	},
	{
		.name = "word",
		.summary = "the sequence number alone, by get_user and put_user",
		.open = word_open,
		.operations = {
			[RCX_PUSH] = { .run = word_push, WORD },
			[RCX_PULL] = { .run = word_pull, WORD },
		},
	},
	{ }
};

static const struct rcx_channel chardev_channel = {
	.name = "chardev",
	.summary = "A character device, read and written",
	.module = "ringcross_chardev",
	.since = "1.0: character devices; read_iter and write_iter since 3.16",
	.modes = chardev_modes,
};
RCX_CHANNEL(chardev_channel);
