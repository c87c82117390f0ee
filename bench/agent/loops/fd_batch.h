/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops that take many messages by one read() from a byte stream.  A sender that does not wait
 * for each message fills the stream, and the receiver then reads all of it at once.
 *
 * Each message is padded to RCX_ALIGN bytes, so that the next one is aligned in the receiver's
 * buffer.  s->map is that buffer: in the peer for a push, in the user half for events.
 */
#ifndef RCX_FD_BATCH_H
#define RCX_FD_BATCH_H

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "loops/fd_pair.h"
#include "peer.h"

#define RCX_FD_BATCH_ROOM (1u << 16) /* bytes of a read(): the usual capacity of a pipe */

/* ---- the receiver, in either process ------------------------------------ */

static inline int rcx_fd_batch_begin(struct rcx_session *s)
{
	size_t len = RCX_PADDED(rcx_len(s));

	s->map_len = len > RCX_FD_BATCH_ROOM ? len : RCX_FD_BATCH_ROOM;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map != MAP_FAILED)
		return 0;
	s->map = NULL;
	return rcx_fail_errno(s, "cannot get memory for a batch");
}

/* Check and count one message; constant in each call, so it is inlined. */
typedef int (*rcx_fd_batch_take)(struct rcx_session *s, const struct rcx_msg *msg, size_t len);

/*
 * Pass the whole messages in the @have bytes at s->map to @take, and move the rest to the
 * beginning.  Returns the bytes of the rest, or -1.
 */
static inline ssize_t rcx_fd_batch_each(struct rcx_session *s, size_t have, rcx_fd_batch_take take)
{
	size_t at = 0, len = 0;

	for (; have - at >= RCX_HEADER; at += RCX_PADDED(len)) {
		const struct rcx_msg *msg = (const struct rcx_msg *)((char *)s->map + at);

		len = (size_t)RCX_HEADER + msg->size;
		if (len > rcx_len(s)) /* there is no room for it: no length is right */
			return take(s, msg, 0) ? -1 : rcx_fail(s, "a message is too long");
		if (have - at < RCX_PADDED(len))
			break;
		if (take(s, msg, len))
			return -1;
	}
	memmove(s->map, (char *)s->map + at, have - at);
	return (ssize_t)(have - at);
}

/*
 * One read().  Of a message, *@have bytes may be there from the last one.  Returns the bytes that
 * were read, 0 at the end of the channel or after rcx_fail(), or -1 with errno.
 */
static inline ssize_t rcx_fd_batch_read(struct rcx_session *s, size_t *have, rcx_fd_batch_take take)
{
	ssize_t got = read(s->fd, (char *)s->map + *have, s->map_len - *have), rest;

	if (got <= 0)
		return got;
	rest = rcx_fd_batch_each(s, *have + (size_t)got, take);
	if (rest < 0)
		return 0;
	*have = (size_t)rest;
	return got;
}

/* ---- user half: push ---------------------------------------------------- */

static inline int rcx_fd_push_padded(struct rcx_session *s, uint64_t n)
{
	size_t len = RCX_PADDED(rcx_len(s));

	rcx_peer_expect(s, n);
	while (n--) {
		rcx_tx(s);
		if (rcx_fd_put(s, s->tx, len))
			return rcx_fd_broken(s, "write", -1);
	}
	return rcx_peer_wait(s);
}

/* ---- user half: events -------------------------------------------------- */

static inline int rcx_fd_batch_arrived(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	rcx_arrived(s);
	return rcx_rx(s, msg, len);
}

static inline int rcx_fd_batch_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);
	size_t have = 0;

	while (n--) {
		uint64_t next = s->seen + 1;
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = rcx_fd_batch_read(s, &have, rcx_fd_batch_arrived);
		} while (got > 0 ? s->seen < next : got < 0 && errno == EAGAIN);
		if (got <= 0)
			return s->error[0] ? -1 : rcx_fd_broken(s, "read an event", got);
	}
	return 0;
}

/* Sleep in read() until the producer has ended. */
static inline int rcx_fd_batch_stream_block(struct rcx_session *s, size_t *have)
{
	if (rcx_stream_block_fd(s))
		return -1;
	while (!rcx_stream_over(s)) {
		ssize_t got = rcx_fd_batch_read(s, have, rcx_streamed);

		if (!got || (got < 0 && errno != EINTR))
			return s->error[0] ? -1 : rcx_fd_broken(s, "read a stream", got);
	}
	return rcx_stream_unblock_fd(s);
}

static inline int rcx_fd_batch_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	size_t have = 0;

	(void)n;
	if (rcx_stream_blocks(s) && rcx_fd_batch_stream_block(s, &have))
		return -1;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = rcx_fd_batch_read(s, &have, rcx_streamed)) > 0)
			;
		if (!got || errno != EAGAIN)
			return s->error[0] ? -1 : rcx_fd_broken(s, "read a stream", got);
		if (over && !have)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- peer half ---------------------------------------------------------- */

static inline int rcx_fd_batch_serve(struct rcx_session *s)
{
	size_t have = 0;

	for (;;) {
		ssize_t got = rcx_fd_batch_read(s, &have, rcx_peer_consume);

		if (got <= 0)
			return got ? rcx_fail_errno(s, "read") :
				     rcx_fail(s, "the user half has closed its end");
	}
}

#endif /* RCX_FD_BATCH_H */
