/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over a file that carries messages: one per write(), one per read().  They are the user
 * half of modules/core/rcx_file.h, for channels that differ only in how the file is made.
 *
 * s->fd is the open file.  The loops are in a header, so that each user half has its own copy
 * and nothing is dispatched.
 */
#ifndef RCX_MESSAGE_FILE_H
#define RCX_MESSAGE_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"

/* ---- the file is kept open ---------------------------------------------- */

static inline int rcx_file_open(struct rcx_session *s, const char *path, int flags)
{
	int nonblock = rcx_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(path, flags | nonblock | O_CLOEXEC);
	return s->fd < 0 ? rcx_fail_errno(s, path) : 0;
}

/* Open that one of a channel's three files that the operation uses; an upcall has a fourth. */
static inline int rcx_file_open_for(struct rcx_session *s, const char *message,
				    const char *transaction, const char *events)
{
	if (rcx_kernel_initiated(s->op))
		return rcx_file_open(s, events, O_RDONLY);
	return rcx_file_open(s, s->op == RCX_CALL ? transaction : message, O_RDWR);
}

static inline int rcx_file_push(struct rcx_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rcx_len(s);

	while (n--) {
		rcx_tx(s);
		if (pwrite(s->fd, s->tx, (size_t)len, 0) != len)
			return rcx_fail_errno(s, "write");
	}
	return 0;
}

/* A read at offset 0 requests a new message; at other offsets is the rest of the last one. */
static inline int rcx_file_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len = pread(s->fd, s->rx, rcx_len(s), 0);

		if (len < 0)
			return rcx_fail_errno(s, "read");
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/*
 * Read a whole message from a file that returns it in pieces, whatever the length of the read.
 * Returns the number of bytes, which is smaller if the file ended before, or -1.
 */
static inline ssize_t rcx_file_read_pieces(struct rcx_session *s)
{
	size_t len = rcx_len(s), at = 0;

	while (at < len) {
		ssize_t done = pread(s->fd, (char *)s->rx + at, len - at, (off_t)at);

		if (done < 0)
			return rcx_fail_errno(s, "read");
		if (done == 0)
			break;
		at += (size_t)done;
	}
	return (ssize_t)at;
}

static inline int rcx_file_pull_pieces(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len = rcx_file_read_pieces(s);

		if (len < 0 || rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

static inline int rcx_file_call(struct rcx_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rcx_len(s);

	while (n--) {
		ssize_t got;

		rcx_tx(s);
		if (pwrite(s->fd, s->tx, (size_t)len, 0) != len)
			return rcx_fail_errno(s, "write a request");
		got = pread(s->fd, s->rx, (size_t)len, 0);
		if (got < 0)
			return rcx_fail_errno(s, "read a reply");
		if (rcx_rx_reply(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static inline int rcx_file_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			len = read(s->fd, s->rx, rcx_len(s));
		} while (len < 0 && errno == EAGAIN);
		if (len < 0)
			return rcx_fail_errno(s, "read an event");
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* Wait for a request, and answer it. */
static inline int rcx_file_serve(struct rcx_session *s, bool polls)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	ssize_t len;

	do {
		if (polls)
			poll(&pfd, 1, -1);
		len = read(s->fd, s->rx, rcx_len(s));
	} while (len < 0 && errno == EAGAIN);
	if (len < 0)
		return rcx_fail_errno(s, "read a request");
	if (rcx_rx(s, s->rx, (size_t)len))
		return -1;
	rcx_tx_reply(s, s->rx);
	return write(s->fd, s->rx, (size_t)len) == len ? 0 : rcx_fail_errno(s, "write a reply");
}

static inline int rcx_file_upcall(struct rcx_session *s, uint64_t n)
{
	uint64_t first = s->seen;
	bool polls = rcx_polls(s);

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (rcx_file_serve(s, polls))
			return -1;
	return rcx_asked(s, first, n);
}

/* Sleep in read() until the producer has ended. */
static inline int rcx_file_stream_block(struct rcx_session *s)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t len = read(s->fd, s->rx, rcx_len(s));

		if (len < 0 && errno != EINTR)
			return rcx_fail_errno(s, "read a stream");
		if (len >= 0 && rcx_streamed(s, s->rx, (size_t)len))
			return -1;
	}
	return rcx_stream_unblock_fd(s);
}

static inline int rcx_file_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	if (rcx_stream_blocks(s) && rcx_file_stream_block(s))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t len;

		while ((len = read(s->fd, s->rx, rcx_len(s))) >= 0)
			if (rcx_streamed(s, s->rx, (size_t)len))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read a stream");
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- an integer as text, where a message has no room ------------------- */

#define RCX_INTEGER_ROOM 12 /* ten digits, a newline, and a byte to detect a longer text */

/* Write @number in decimal to @text.  Returns the number of bytes. */
static inline size_t rcx_integer_print(char *text, uint32_t number)
{
	char digits[RCX_INTEGER_ROOM];
	size_t count = 0, at = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (count)
		text[at++] = digits[--count];
	return at;
}

/* Parse @text, which must be a number and a newline. */
static inline int rcx_integer_parse(struct rcx_session *s, const char *text, ssize_t len,
				    uint32_t *number)
{
	uint64_t value = 0;

	if (len < 2 || text[len - 1] != '\n')
		return rcx_fail(s, "the text that was read is not a line");
	for (ssize_t i = 0; i < len - 1; i++) {
		if (text[i] < '0' || text[i] > '9')
			return rcx_fail(s, "the text that was read is not a number");
		value = 10 * value + (uint64_t)(text[i] - '0');
	}
	*number = (uint32_t)value;
	return value <= UINT32_MAX ? 0 : rcx_fail(s, "the number that was read is too large");
}

static inline int rcx_integer_write(struct rcx_session *s)
{
	char text[RCX_INTEGER_ROOM];
	size_t len;

	rcx_tx(s);
	len = rcx_integer_print(text, (uint32_t)s->tx->seq);
	return pwrite(s->fd, text, len, 0) == (ssize_t)len ? 0 :
							     rcx_fail_errno(s, "write a number");
}

static inline int rcx_integer_read(struct rcx_session *s, uint32_t *number)
{
	char text[RCX_INTEGER_ROOM];
	ssize_t len = pread(s->fd, text, sizeof(text), 0);

	return len < 0 ? rcx_fail_errno(s, "read a number") :
			 rcx_integer_parse(s, text, len, number);
}

static inline int rcx_integer_push(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (rcx_integer_write(s))
			return -1;
	return 0;
}

static inline int rcx_integer_pull(struct rcx_session *s, uint64_t n)
{
	uint32_t number = 0;

	while (n--)
		if (rcx_integer_read(s, &number) || rcx_seen_narrow(s, number, UINT32_MAX))
			return -1;
	return 0;
}

static inline int rcx_integer_call(struct rcx_session *s, uint64_t n)
{
	uint32_t number = 0;

	while (n--)
		if (rcx_integer_write(s) || rcx_integer_read(s, &number) ||
		    rcx_reply_narrow(s, number, UINT32_MAX))
			return -1;
	return 0;
}

/* ---- reopen: open, one operation, close, as a shell does ---------------- */

/* Nothing stays open, but a missing file is reported before the first round. */
static inline int rcx_reopen_open(struct rcx_session *s, const char *path)
{
	return access(path, R_OK | W_OK) ? rcx_fail_errno(s, path) : 0;
}

static inline int rcx_reopen_push(struct rcx_session *s, const char *path, uint64_t n)
{
	ssize_t len = (ssize_t)rcx_len(s);

	while (n--) {
		ssize_t done;
		int fd;

		rcx_tx(s);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return rcx_fail_errno(s, path);
		done = write(fd, s->tx, (size_t)len);
		if (close(fd) || done != len)
			return rcx_fail_errno(s, "write");
	}
	return 0;
}

static inline int rcx_reopen_pull(struct rcx_session *s, const char *path, uint64_t n)
{
	while (n--) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len;

		if (fd < 0)
			return rcx_fail_errno(s, path);
		len = read(fd, s->rx, rcx_len(s));
		if (close(fd) || len < 0)
			return rcx_fail_errno(s, "read");
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

#endif /* RCX_MESSAGE_FILE_H */
