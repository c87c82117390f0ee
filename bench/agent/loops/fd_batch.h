/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A peer that takes many messages by one read() from a byte stream.  A sender that does not wait
 * for each message fills the stream, and the receiver then reads all of it at once.
 *
 * Each message is padded to RCX_ALIGN bytes, so that the next one is aligned in the receiver's
 * buffer.  s->map is that buffer, in the peer only.
 */
#ifndef RCX_FD_BATCH_H
#define RCX_FD_BATCH_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "loops/fd_pair.h"
#include "peer.h"

#define RCX_FD_BATCH_ROOM (1u << 16) /* bytes of a read(): the usual capacity of a pipe */

/* ---- user half ---------------------------------------------------------- */

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

/* ---- peer half ---------------------------------------------------------- */

static inline int rcx_fd_begin_batch(struct rcx_session *s)
{
	size_t len = RCX_PADDED(rcx_len(s));

	s->map_len = len > RCX_FD_BATCH_ROOM ? len : RCX_FD_BATCH_ROOM;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return s->map == MAP_FAILED ? rcx_fail_errno(s, "cannot get memory for a batch") : 0;
}

/*
 * Consume the whole messages in the @have bytes at s->map, and move the rest to its beginning.
 * Returns the bytes of the rest, or -1.
 */
static inline ssize_t rcx_fd_consume_batch(struct rcx_session *s, size_t have)
{
	size_t at = 0, len = 0;

	for (; have - at >= RCX_HEADER; at += RCX_PADDED(len)) {
		const struct rcx_msg *msg = (const struct rcx_msg *)((char *)s->map + at);

		len = (size_t)RCX_HEADER + msg->size;
		if (len > rcx_len(s)) /* the peer has no room for it; this counts as broken */
			return rcx_peer_consume(s, msg, 0);
		if (have - at < RCX_PADDED(len))
			break;
		if (rcx_peer_consume(s, msg, len))
			return -1;
	}
	memmove(s->map, (char *)s->map + at, have - at);
	return (ssize_t)(have - at);
}

static inline int rcx_fd_serve_batch(struct rcx_session *s)
{
	size_t have = 0;

	for (;;) {
		ssize_t got = read(s->fd, (char *)s->map + have, s->map_len - have);

		if (got <= 0)
			return got ? rcx_fail_errno(s, "read") :
				     rcx_fail(s, "the user half has closed its end");
		got = rcx_fd_consume_batch(s, have + (size_t)got);
		if (got < 0)
			return -1;
		have = (size_t)got;
	}
}

#endif /* RCX_FD_BATCH_H */
