/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops that send a message without copying it: vmsplice() puts the sender's own pages into a
 * pipe, and splice() moves them on, into a socket or to /dev/null.
 *
 * The pages still belong to the sender.  As long as they are in the pipe, the receiver sees each
 * change that the sender makes to them.  So the sender has several buffers, and uses one again
 * only when the peer has consumed the message that it had.  s->map is these buffers, and s->priv
 * keeps the session's own.
 *
 * A receiver that uses read() still makes one copy.  One that uses splice() reads the header and
 * moves the pages of the body to /dev/null: no copy is made, and nobody looks at the body.  In the
 * validation pass it moves them to a second pipe, reads them there and checks each byte.
 */
#ifndef RCX_FD_SPLICE_H
#define RCX_FD_SPLICE_H

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "channel.h"
#include "loops/fd_pair.h"
#include "peer.h"

#define RCX_SPLICE_PAGE 4096u

/* ---- the sender's buffers ----------------------------------------------- */

static inline size_t rcx_splice_each(const struct rcx_session *s)
{
	return (rcx_len(s) + RCX_SPLICE_PAGE - 1) / RCX_SPLICE_PAGE * RCX_SPLICE_PAGE;
}

#define RCX_SPLICE_PIPE (1u << 20) /* the largest pipe without CAP_SYS_RESOURCE */

/*
 * Get buffers for more messages than @pipe holds, so that the pipe is full before they are used
 * up.  Each message has a page at least, so the usual pipe would hold few of them, or not even
 * one, and a full pipe costs two switches to the peer and back.
 */
static inline int rcx_splice_get_buffers(struct rcx_session *s, int pipe)
{
	size_t each = rcx_splice_each(s), count;
	int room;

	fcntl(pipe, F_SETPIPE_SZ, RCX_SPLICE_PIPE); /* a smaller one needs more switches */
	room = fcntl(pipe, F_GETPIPE_SZ);
	if (room < 0)
		return rcx_fail_errno(s, "F_GETPIPE_SZ");
	count = (size_t)room / each + 2;
	s->map_len = count * each;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get memory for buffers");
	}
	for (size_t i = 0; i < count; i++)
		*(struct rcx_msg *)((char *)s->map + i * each) = *s->tx;
	s->priv = s->tx;
	return 0;
}

static inline void rcx_splice_close(struct rcx_session *s)
{
	if (s->priv)
		s->tx = s->priv;
}

/* Make the next message in a buffer that the peer no longer needs. */
static inline void rcx_splice_tx(struct rcx_session *s)
{
	size_t each = rcx_splice_each(s), count = s->map_len / each;

	while (__builtin_expect(s->sent - __atomic_load_n(&s->slot->consumed, __ATOMIC_ACQUIRE) >=
					count,
				0))
		sched_yield();
	s->tx = (struct rcx_msg *)((char *)s->map + s->sent % count * each);
	rcx_tx(s);
}

/* ---- user half ---------------------------------------------------------- */

/* Put the pages of @msg into the pipe @fd: 0, or -1 with errno. */
static inline int rcx_vmsplice(int fd, const struct rcx_msg *msg, size_t len)
{
	struct iovec left = { (void *)(uintptr_t)msg, len };

	while (left.iov_len) {
		ssize_t put = vmsplice(fd, &left, 1, 0);

		if (put < 0)
			return -1;
		left.iov_base = (char *)left.iov_base + put;
		left.iov_len -= (size_t)put;
	}
	return 0;
}

static inline int rcx_splice_push(struct rcx_session *s, uint64_t n)
{
	rcx_peer_expect(s, n);
	while (n--) {
		rcx_splice_tx(s);
		if (rcx_vmsplice(s->fd2, s->tx, rcx_len(s)))
			return rcx_fd_broken(s, "vmsplice", -1);
	}
	return rcx_peer_wait(s);
}

/* ---- peer half ---------------------------------------------------------- */

/* Stored in the peer's s->priv. */
struct rcx_splice_ends {
	int into, from; /* a pipe of the peer */
	int null;
	bool direct; /* s->fd is a pipe itself */
};

/* Prepare to receive from s->fd, which is a pipe if @direct. */
static inline int rcx_splice_begin(struct rcx_session *s, struct rcx_splice_ends *ends, bool direct)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return rcx_fail_errno(s, "pipe");
	ends->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (ends->null < 0)
		return rcx_fail_errno(s, "open /dev/null");
	ends->from = fds[0];
	ends->into = fds[1];
	ends->direct = direct;
	s->priv = ends;
	return 0;
}

/* Read exactly @len bytes: 0, or -1 after rcx_fail(). */
static inline int rcx_splice_read(struct rcx_session *s, int fd, void *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t got = read(fd, (char *)to + at, len - at);

		if (got <= 0)
			return got ? rcx_fail_errno(s, "read") :
				     rcx_fail(s, "the user half has closed its end");
		at += (size_t)got;
	}
	return 0;
}

/* Move up to @len bytes of the body to /dev/null or, to check them, to s->rx.  Returns the number
 * of bytes, or -1 after rcx_fail().
 */
static inline ssize_t rcx_splice_some(struct rcx_session *s, size_t at, size_t len)
{
	const struct rcx_splice_ends *ends = s->priv;
	bool last = ends->direct && !s->validate;
	ssize_t got = splice(s->fd, NULL, last ? ends->null : ends->into, NULL, len, 0);

	if (got <= 0)
		return got ? rcx_fail_errno(s, "splice") :
			     rcx_fail(s, "the user half has closed its end");
	if (s->validate)
		return rcx_splice_read(s, ends->from, s->rx->body + at, (size_t)got) ? -1 : got;
	for (ssize_t left = last ? 0 : got; left;) {
		ssize_t put = splice(ends->from, NULL, ends->null, NULL, (size_t)left, 0);

		if (put <= 0)
			return rcx_fail_errno(s, "splice to /dev/null");
		left -= put;
	}
	return got;
}

static inline int rcx_splice_serve(struct rcx_session *s)
{
	for (;;) {
		if (rcx_splice_read(s, s->fd, s->rx, RCX_HEADER))
			return -1;
		if (s->rx->size > s->size) /* there is no room for it; this counts as broken */
			return rcx_peer_consume(s, s->rx, 0);
		for (size_t at = 0; at < s->rx->size;) {
			ssize_t got = rcx_splice_some(s, at, s->rx->size - at);

			if (got < 0)
				return -1;
			at += (size_t)got;
		}
		if (rcx_peer_consume(s, s->rx, RCX_HEADER + s->rx->size))
			return -1;
	}
}

#endif /* RCX_FD_SPLICE_H */
