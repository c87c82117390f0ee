/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One io_uring: its three mappings, and the few operations that the loops need, without liburing.
 * A submission has the number of its slot as user_data, so that a loop fills each slot once,
 * before it is timed, and finds the buffer of a completion.
 *
 *	for (i = 0; i < count; i++)
 *		rcx_ring_queue(&ring);
 *	rcx_ring_enter(&ring, count);
 *	while ((cqe = rcx_ring_peek(&ring))) {
 *		...
 *		rcx_ring_seen(&ring);
 *	}
 */
#ifndef RCX_RING_H
#define RCX_RING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"

/* Not in the headers of every distribution that builds the agent. */
#define RCX_OP_READ_MULTISHOT 49 /* from 6.7 on */

/**
 * struct rcx_ring - an io_uring
 * @fd: its file descriptor, or -1
 * @entries: slots for submissions, a power of two
 * @tail: of the submission queue; the kernel sees it after rcx_ring_enter()
 * @unsubmitted: submissions that were queued since the last rcx_ring_enter()
 * @sq_tail: the kernel's view of @tail
 * @sq_flags: IORING_SQ_*
 * @cq_head: of the completion queue
 * @cq_tail: of the completion queue
 * @cq_mask: number of completions that the queue holds, minus 1
 * @sqes: the slots
 * @cqes: the completions
 * @map: mapping of both queues
 * @map_len: its length
 */
struct rcx_ring {
	int fd;
	unsigned int entries, tail, unsubmitted;
	unsigned int *sq_tail, *sq_flags;
	unsigned int *cq_head, *cq_tail;
	unsigned int cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *map;
	size_t map_len;
};

static inline void *rcx_ring_map(const struct rcx_ring *ring, size_t len, uint64_t offset)
{
	void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			 (off_t)offset);

	return map == MAP_FAILED ? NULL : map;
}

static inline size_t rcx_ring_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Create a ring with @entries slots.  0, or -1 with errno; the ring must be closed in any case.
 * Slot i is entry i of the submission queue, for good.
 */
static inline int rcx_ring_create(struct rcx_ring *ring, unsigned int entries,
				  struct io_uring_params *params)
{
	char *map;

	*ring = (struct rcx_ring){ .entries = entries };
	ring->fd = (int)syscall(SYS_io_uring_setup, entries, params);
	if (ring->fd < 0)
		return -1;
	ring->map_len =
		rcx_ring_max(params->sq_off.array + params->sq_entries * sizeof(unsigned),
			     params->cq_off.cqes + params->cq_entries * sizeof(*ring->cqes));
	ring->map = rcx_ring_map(ring, ring->map_len, IORING_OFF_SQ_RING);
	ring->sqes = rcx_ring_map(ring, entries * sizeof(*ring->sqes), IORING_OFF_SQES);
	if (!ring->map || !ring->sqes)
		return -1;
	map = ring->map;
	ring->sq_tail = (unsigned int *)(map + params->sq_off.tail);
	ring->sq_flags = (unsigned int *)(map + params->sq_off.flags);
	ring->cq_head = (unsigned int *)(map + params->cq_off.head);
	ring->cq_tail = (unsigned int *)(map + params->cq_off.tail);
	ring->cq_mask = params->cq_entries - 1;
	ring->cqes = (struct io_uring_cqe *)(map + params->cq_off.cqes);
	for (unsigned int i = 0; i < entries; i++) {
		((unsigned int *)(map + params->sq_off.array))[i] = i;
		ring->sqes[i].user_data = i;
	}
	return 0;
}

/* Unmap it.  The caller closes its descriptor. */
static inline void rcx_ring_unmap(struct rcx_ring *ring)
{
	if (ring->map)
		munmap(ring->map, ring->map_len);
	if (ring->sqes)
		munmap(ring->sqes, ring->entries * sizeof(*ring->sqes));
}

/* The next slot to be submitted.  The caller may change it before rcx_ring_queue(). */
static inline struct io_uring_sqe *rcx_ring_slot(const struct rcx_ring *ring)
{
	return &ring->sqes[ring->tail & (ring->entries - 1)];
}

static inline void rcx_ring_queue(struct rcx_ring *ring)
{
	ring->tail++;
	ring->unsubmitted++;
}

/* Submit what is queued, and wait for @wait completions.  0, or -1 with errno. */
static inline int rcx_ring_enter(struct rcx_ring *ring, unsigned int wait)
{
	unsigned int count = ring->unsubmitted;
	long done;

	__atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_RELEASE);
	done = syscall(SYS_io_uring_enter, ring->fd, count, wait, IORING_ENTER_GETEVENTS, NULL, 0);
	if (done < 0)
		return -1;
	ring->unsubmitted -= (unsigned int)done;
	return 0;
}

/* The oldest completion, or NULL. */
static inline const struct io_uring_cqe *rcx_ring_peek(const struct rcx_ring *ring)
{
	unsigned int head = *ring->cq_head;

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return NULL;
	return &ring->cqes[head & ring->cq_mask];
}

/* Give the entry of the oldest completion back to the kernel. */
static inline void rcx_ring_seen(struct rcx_ring *ring)
{
	__atomic_store_n(ring->cq_head, *ring->cq_head + 1, __ATOMIC_RELEASE);
}

static inline int rcx_ring_register(const struct rcx_ring *ring, unsigned int opcode,
				    const void *arg, unsigned int count)
{
	return (int)syscall(SYS_io_uring_register, ring->fd, opcode, arg, count);
}

/* Record why there is no ring: a skip where this kernel forbids or lacks it. */
static inline int rcx_ring_explain(struct rcx_session *s)
{
	if (errno == ENOSYS)
		return rcx_skip(s, "This kernel was built without CONFIG_IO_URING.");
	if (errno == EPERM)
		return rcx_skip(s, "The sysctl kernel.io_uring_disabled forbids io_uring here.");
	return rcx_fail_errno(s, "io_uring_setup");
}

#endif /* RCX_RING_H */
