// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost of an allocation depends on which memory is free, and on a fresh machine the boot
 * decides that.  If the objects of an operation are in nearly full slabs, each operation of
 * each round takes the slow path; in another boot none does.  On a machine that has been used
 * for a while, this evens out.  So:
 *
 * - before each round, one more message is held in the queue of a netlink socket, so that the
 *   round uses other free objects;
 * - for objects that are charged to their owner, as the messages of some channels are, the
 *   holes in slabs are filled, and some whole slabs are made free;
 * - for a large message, which the page allocator gives in one piece, blocks of that size are
 *   made free.  The other half of each such block is held, so they cannot merge.
 *
 * A measurement also works without this.  If a sandbox has no such sockets, or only root can
 * have long pipes, the free memory depends on the boot.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent.h"

#define SLAB_MAX      32768 /* bytes; a larger object is not from a slab */
#define QUEUE_BYTES   (4 << 20)
#define CHARGED_PIECE 2048 /* bytes; a larger charged message consists of pieces of 4 KiB */
#define FREE_OBJECTS  24   /* objects: a message of 64 KiB takes 17 of them */

static int open_socket(void)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	socklen_t length = sizeof(any);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_USERSOCK);
	int bytes = QUEUE_BYTES;

	if (fd < 0)
		return -1;
	/* Connect the socket to itself, so that a send() is queued in it. */
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    getsockname(fd, (struct sockaddr *)&any, &length) ||
	    connect(fd, (struct sockaddr *)&any, length)) {
		close(fd);
		return -1;
	}
	/* Only root can set more than the default; a full queue holds enough. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/*
 * A pipe has one array of its pages, with a power of two entries of 40 bytes, which is charged
 * to its owner.  Here it is about as large as a message of @size with its overhead.
 */
static void open_pipe(int ends[2], size_t size)
{
	if (pipe(ends))
		ends[0] = ends[1] = -1;
	fcntl(ends[1], F_SETPIPE_SZ, size / 32 * 4096);
}

static void close_pipe(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* Free every second one of neighboring blocks. */
static void split_blocks(struct rcx_slab_prefill *prefill)
{
	int other[RCX_PREFILL_BLOCKS][2];

	for (int i = 0; i < RCX_PREFILL_BLOCKS; i++) {
		open_pipe(prefill->block[i], prefill->size);
		open_pipe(other[i], prefill->size);
	}
	for (int i = 0; i < RCX_PREFILL_BLOCKS; i++)
		close_pipe(other[i]);
}

static void fill_holes(struct rcx_slab_prefill *prefill)
{
	size_t size = prefill->size < CHARGED_PIECE ? prefill->size : CHARGED_PIECE;
	int ready[FREE_OBJECTS][2];

	for (int i = 0; i < RCX_PREFILL_HOLES; i++)
		open_pipe(prefill->hole[i], size);
	for (int i = 0; i < FREE_OBJECTS; i++)
		open_pipe(ready[i], size);
	for (int i = 0; i < FREE_OBJECTS; i++)
		close_pipe(ready[i]);
}

void rcx_slab_prefill_begin(struct rcx_slab_prefill *prefill, size_t size)
{
	memset(prefill, 0, sizeof(*prefill));
	prefill->size = size ? size : 1;
	prefill->message = calloc(1, prefill->size);
	prefill->socket = open_socket();
	fill_holes(prefill);
	prefill->split = size > SLAB_MAX;
	if (prefill->split)
		split_blocks(prefill);
}

void rcx_slab_prefill(const struct rcx_slab_prefill *prefill)
{
	if (prefill->message)
		send(prefill->socket, prefill->message, prefill->size, 0);
}

void rcx_slab_prefill_end(struct rcx_slab_prefill *prefill)
{
	close(prefill->socket);
	for (int i = 0; prefill->split && i < RCX_PREFILL_BLOCKS; i++)
		close_pipe(prefill->block[i]);
	for (int i = 0; i < RCX_PREFILL_HOLES; i++)
		close_pipe(prefill->hole[i]);
	free(prefill->message);
}
