// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each few milliseconds a tick of the kernel's timer costs more than most messages,
 * and so does what waits for it, such as memory that RCU gives back.  Whether it falls
 * into a round is chance, so a round that might meet the next begins where one has just
 * been: if it ends before the next it sees none, if it lasts longer each at its place.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include "agent.h"
#include "peer.h"

#define PATIENCE_US 8000	/* two ticks at least of 250 a second: RCU wants more than one */

/* Timeouts of sockets are counted in ticks, and end in one. */
static int open_alarm(void)
{
	struct timeval patience = { .tv_usec = PATIENCE_US };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* The coarse clock advances with each tick. */
static uint64_t between_ticks(void)
{
	struct timespec distance;

	clock_getres(CLOCK_MONOTONIC_COARSE, &distance);
	return (uint64_t)distance.tv_sec * 1000000000 + (uint64_t)distance.tv_nsec;
}

/* Who does not sleep would run all the while, and owe the scheduler for it. */
static bool never_idle(const struct rcx_session *s)
{
	return s->mode->peer && s->mode->peer->never_sleeps;
}

int rcx_align_to_tick(struct rcx_session *s)
{
	static uint64_t tick, begun;	/* the last one seen, and the last round's begin */
	static int fd = -1;
	uint64_t now = rcx_now(s), took = now - begun;
	char unused;

	if (s->clock != RCX_CLOCK_INSTRUCTIONS || never_idle(s))
		return 0;
	/* The next round takes about as long as the last one, but to be sure: twice.  One
	 * instruction is one ns.
	 */
	if (tick && now - tick + 2 * took < between_ticks()) {
		begun = now;
		return 0;
	}
	if (fd < 0)
		fd = open_alarm();
	if (recv(fd, &unused, sizeof(unused), 0) < 0 && errno != EAGAIN)
		return rcx_fail(s, "the next tick cannot be awaited: %m");
	tick = begun = rcx_now(s);
	return 0;
}
