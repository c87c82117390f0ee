// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
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
