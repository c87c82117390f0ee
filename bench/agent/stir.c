// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an allocation costs depends on what lies free, and that is decided when the
 * machine boots: where the objects of an operation happen to lie in nearly full
 * slabs, each operation of each round takes the slow path, and in another boot none
 * does.  A machine long in use has no such luck, good or bad.  So:
 *
 * - one message more is held before each round, which then meets other free objects:
 *   in the queue of a netlink socket (from plain caches, beyond a page from vmalloc),
 *   and in a POSIX queue (from the caches that are on a user's account);
 * - what a large message takes in one piece from the page allocator lies ready in
 *   that size, as a block whose other half is held and with which it cannot merge.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "agent.h"

#define ACCOUNTED_MAX 8192	/* bytes and */
#define ACCOUNTED 10		/* messages that any user may queue */
#define IN_ONE_PIECE 32768	/* bytes: above, they are no slab's */
#define QUEUE_BYTES (4 << 20)

static size_t at_most(size_t size, size_t most)
{
	return !size ? 1 : size < most ? size : most;
}

static int open_socket(void)
{
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_USERSOCK);
	int bytes = QUEUE_BYTES;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any))) {
		close(fd);
		return -1;
	}
	/* Root may have more than the usual; a queue that is full holds enough. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/* -1 on a kernel without such queues. */
static mqd_t open_queue(size_t size)
{
	struct mq_attr attr = { .mq_maxmsg = ACCOUNTED, .mq_msgsize = (long)size };
	char name[32];
	mqd_t queue;

	snprintf(name, sizeof(name), "/rc_stir.%d", getpid());
	queue = mq_open(name, O_CREAT | O_EXCL | O_WRONLY | O_NONBLOCK, 0600, &attr);
	mq_unlink(name);
	return queue;
}

/*
 * A pipe's list of 40 bytes for each of its pages is one piece.  Of neighbours,
 * each second one is given back.
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

int rc_stir_begin(struct rc_session *s, struct rc_stir *stir)
{
	memset(stir, 0, sizeof(*stir));
	stir->queued = at_most(s->size, QUEUE_BYTES / 4);
	stir->accounted = at_most(s->size, ACCOUNTED_MAX);
	stir->bytes = calloc(1, stir->queued);
	stir->socket = open_socket();
	if (!stir->bytes || stir->socket < 0)
		return rc_fail(s, "no socket to hold messages in: %m");
	stir->queue = open_queue(stir->accounted);
	stir->split = s->size > IN_ONE_PIECE;
	if (stir->split)
		split_blocks(stir, s->size);
	return 0;
}

void rc_stir(const struct rc_stir *stir)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	socklen_t length = sizeof(self);

	if (!getsockname(stir->socket, (struct sockaddr *)&self, &length))
		sendto(stir->socket, stir->bytes, stir->queued, 0, (struct sockaddr *)&self,
		       length);
	if (stir->queue != (mqd_t)-1)
		mq_send(stir->queue, stir->bytes, stir->accounted, 0);
}

void rc_stir_end(struct rc_stir *stir)
{
	close(stir->socket);
	if (stir->queue != (mqd_t)-1)
		mq_close(stir->queue);
	for (int i = 0; stir->split && i < RC_STIR_BLOCKS; i++) {
		close(stir->block[i][0]);
		close(stir->block[i][1]);
	}
	free(stir->bytes);
}
