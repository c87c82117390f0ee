// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an allocation costs depends on what lies free, and that is decided when the
 * machine boots: where the objects of an operation happen to lie in nearly full
 * slabs, each operation of each round takes the slow path, and in another boot none
 * does.  A machine long in use has no such luck, good or bad.  So:
 *
 * - one message more is held before each round, in the queue of a netlink socket, so
 *   that the round meets other free objects;
 * - of objects that are charged to their owner, as the messages of some channels are,
 *   the holes in slabs are filled, and some whole slabs of them lie ready;
 * - what a large message takes in one piece from the page allocator lies ready in
 *   that size, as a block whose other half is held and with which it cannot merge.
 *
 * None of it is needed to measure: where a sandbox has no such sockets, or only root may
 * have long pipes, chance decides as before.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent.h"

#define IN_ONE_PIECE 32768	/* bytes: above, they are no slab's */
#define QUEUE_BYTES (4 << 20)
#define CHARGED_PIECE 2048	/* bytes: above, a message that is charged is of pieces of 4 KiB */
#define READY 24		/* objects: a message of 64 KiB takes 17 of them */

static int open_socket(void)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	socklen_t length = sizeof(any);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_USERSOCK);
	int bytes = QUEUE_BYTES;

	if (fd < 0)
		return -1;
	/* To itself: a send() is then queued here. */
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    getsockname(fd, (struct sockaddr *)&any, &length) ||
	    connect(fd, (struct sockaddr *)&any, length)) {
		close(fd);
		return -1;
	}
	/* Root may have more than the usual; a queue that is full holds enough. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/*
 * A pipe's list of its pages is one piece, of 40 bytes each and a power of two of them,
 * and charged to its owner: here about as large as a message of @size and its end.
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

/* Of neighbours each second is given back. */
static void split_blocks(struct rcx_slab_prefill *stir)
{
	int other[RCX_PREFILL_BLOCKS][2];

	for (int i = 0; i < RCX_PREFILL_BLOCKS; i++) {
		open_pipe(stir->block[i], stir->size);
		open_pipe(other[i], stir->size);
	}
	for (int i = 0; i < RCX_PREFILL_BLOCKS; i++)
		close_pipe(other[i]);
}

static void fill_holes(struct rcx_slab_prefill *stir)
{
	size_t size = stir->size < CHARGED_PIECE ? stir->size : CHARGED_PIECE;
	int ready[READY][2];

	for (int i = 0; i < RCX_PREFILL_HOLES; i++)
		open_pipe(stir->hole[i], size);
	for (int i = 0; i < READY; i++)
		open_pipe(ready[i], size);
	for (int i = 0; i < READY; i++)
		close_pipe(ready[i]);
}

void rcx_slab_prefill_begin(struct rcx_slab_prefill *stir, size_t size)
{
	memset(stir, 0, sizeof(*stir));
	stir->size = size ? size : 1;
	stir->message = calloc(1, stir->size);
	stir->socket = open_socket();
	fill_holes(stir);
	stir->split = size > IN_ONE_PIECE;
	if (stir->split)
		split_blocks(stir);
}

void rcx_slab_prefill(const struct rcx_slab_prefill *stir)
{
	if (stir->message)
		send(stir->socket, stir->message, stir->size, 0);
}

void rcx_slab_prefill_end(struct rcx_slab_prefill *stir)
{
	close(stir->socket);
	for (int i = 0; stir->split && i < RCX_PREFILL_BLOCKS; i++)
		close_pipe(stir->block[i]);
	for (int i = 0; i < RCX_PREFILL_HOLES; i++)
		close_pipe(stir->hole[i]);
	free(stir->message);
}
