/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Provided buffers: user space gives an io_uring a group of buffers, and the kernel chooses one for
 * each completion.  They are offered in a ring, of which user space writes the tail.
 */
#ifndef RCX_PROVIDED_BUFFERS_H
#define RCX_PROVIDED_BUFFERS_H

#include "loops/ring.h"

/**
 * struct rcx_buffers - one group, number 0
 * @ring: the offered buffers, or NULL
 * @count: of buffers, a power of two
 * @tail: of @ring
 */
struct rcx_buffers {
	struct io_uring_buf_ring *ring;
	unsigned int count;
	uint16_t tail;
};

/* Offer buffer @number, of @len bytes at @address, to the kernel. */
static inline void rcx_buffers_offer(struct rcx_buffers *buffers, unsigned int number,
				     const void *address, size_t len)
{
	struct io_uring_buf *entry = &buffers->ring->bufs[buffers->tail & (buffers->count - 1)];

	entry->addr = (uintptr_t)address;
	entry->len = (uint32_t)len;
	entry->bid = (uint16_t)number;
	__atomic_store_n(&buffers->ring->tail, ++buffers->tail, __ATOMIC_RELEASE);
}

/* Register a group of @count buffers, none of which is offered yet.  0, or -1 with errno. */
static inline int rcx_buffers_create(struct rcx_buffers *buffers, const struct rcx_ring *ring,
				     unsigned int count)
{
	struct io_uring_buf_reg registration = { .ring_entries = count };
	void *map = mmap(NULL, count * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (map == MAP_FAILED)
		return -1;
	*buffers = (struct rcx_buffers){ .ring = map, .count = count };
	registration.ring_addr = (uintptr_t)map;
	return rcx_ring_register(ring, IORING_REGISTER_PBUF_RING, &registration, 1);
}

static inline void rcx_buffers_unmap(struct rcx_buffers *buffers)
{
	if (buffers->ring)
		munmap(buffers->ring, buffers->count * sizeof(struct io_uring_buf));
}

#endif /* RCX_PROVIDED_BUFFERS_H */
