// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an allocation costs depends on what lies free, and that is decided when the
 * machine boots: where the objects of an operation happen to lie in nearly full
 * slabs, each operation of each round takes the slow path, and in another boot none
 * does.  A machine long in use has no such luck, good or bad.  So:
 *
 * - one message more is held before each round, in the queue of a netlink socket, so
 *   that the round meets other free objects;
 * - what a large message takes in one piece from the page allocator lies ready in
 *   that size, as a block whose other half is held and with which it cannot merge.
 *
 * Neither is needed to measure: where a sandbox has no such sockets, or only root may
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
 * A pipe's list of its pages is one piece, of 40 bytes each: of so many pages, one of
 * the order that a message and its end take.  Of neighbours each second is given back.
 */
static void split_blocks(struct rc_stir *stir, size_t size)
{
	int slots = (int)(size / 32), other[RC_STIR_BLOCKS][2];

	for (int i = 0; i < RC_STIR_BLOCKS; i++) {
		if (pipe(stir->block[i]))
			stir->block[i][0] = stir->block[i][1] = -1;
		if (pipe(other[i]))
			other[i][0] = other[i][1] = -1;
		fcntl(stir->block[i][1], F_SETPIPE_SZ, slots * 4096);
		fcntl(other[i][1], F_SETPIPE_SZ, slots * 4096);
	}
	for (int i = 0; i < RC_STIR_BLOCKS; i++) {
		close(other[i][0]);
		close(other[i][1]);
	}
}

void rc_stir_begin(struct rc_stir *stir, size_t size)
{
	memset(stir, 0, sizeof(*stir));
	stir->size = size ? size : 1;
	stir->message = calloc(1, stir->size);
	stir->socket = open_socket();
	stir->split = size > IN_ONE_PIECE;
	if (stir->split)
		split_blocks(stir, size);
}

void rc_stir(const struct rc_stir *stir)
{
	if (stir->message)
		send(stir->socket, stir->message, stir->size, 0);
}

void rc_stir_end(struct rc_stir *stir)
{
	close(stir->socket);
	for (int i = 0; stir->split && i < RC_STIR_BLOCKS; i++) {
		close(stir->block[i][0]);
		close(stir->block[i][1]);
	}
	free(stir->message);
}
