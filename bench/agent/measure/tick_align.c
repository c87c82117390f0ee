// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every few milliseconds there is a tick of the kernel's timer, which costs more than most
 * messages.  The work that waits for a tick, such as memory that RCU frees, also costs more.
 * Whether a tick falls into a round is chance.  So a round that might include the next tick
 * begins just after one: a short round then has no tick, and a long one has each at the same
 * place.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "agent.h"
#include "peer.h"

#define TIMEOUT_US 8000 /* at least two ticks of 250 per second: RCU needs more than one */

/* Timeouts of sockets are counted in ticks, and end at a tick. */
static int open_timer_socket(void)
{
	struct timeval timeout = { .tv_usec = TIMEOUT_US };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

/* The coarse clock advances with each tick. */
static uint64_t between_ticks(void)
{
	struct timespec distance;

	clock_getres(CLOCK_MONOTONIC_COARSE, &distance);
	return (uint64_t)distance.tv_sec * 1000000000 + (uint64_t)distance.tv_nsec;
}

/* A peer that never sleeps would run during the wait, and get less of the CPU afterwards. */
static bool never_idle(const struct rcx_session *s)
{
	return s->mode->peer && s->mode->peer->never_sleeps;
}

int rcx_align_to_tick(struct rcx_session *s)
{
	static uint64_t tick, round_start; /* of the last tick, and of the last round */
	static int fd = -1;
	uint64_t now = rcx_now(s), length = now - round_start;
	char unused;

	if (s->clock != RCX_CLOCK_INSTRUCTIONS || never_idle(s))
		return 0;
	/* The next round takes about as long as the last one; twice that is safe.  One
	 * instruction is one ns.
	 */
	if (tick && now - tick + 2 * length < between_ticks()) {
		round_start = now;
		return 0;
	}
	if (fd < 0)
		fd = open_timer_socket();
	/* The kernel interrupts a task to take apart an io_uring that the task has closed. */
	while (recv(fd, &unused, sizeof(unused), 0) < 0 && errno != EAGAIN)
		if (errno != EINTR)
			return rcx_fail(s, "cannot wait for the next timer tick: %m");
	tick = round_start = rcx_now(s);
	return 0;
}
