// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a stream whose reader sleeps in the call that returns a message: a timer
 * interrupts the sleep.
 *
 * SO_RCVTIMEO would end it, too.  But only sockets have it, and it starts and stops a timer of
 * the kernel for each message that the reader sleeps for.  This timer is started once for each
 * stream.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include "agent.h"

/* Does nothing: its purpose is that the interrupted call fails with EINTR. */
static void on_alarm(int sig)
{
	(void)sig;
}

static int set_timer(struct rcx_session *s, int ms)
{
	const struct itimerval timer = {
		.it_interval.tv_usec = ms * 1000,
		.it_value.tv_usec = ms * 1000,
	};

	return setitimer(ITIMER_REAL, &timer, NULL) ? rcx_fail_errno(s, "setitimer") : 0;
}

int rcx_stream_block(struct rcx_session *s)
{
	const struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */

	if (sigaction(SIGALRM, &action, NULL))
		return rcx_fail_errno(s, "sigaction");
	return set_timer(s, RCX_STREAM_WAIT);
}

int rcx_stream_unblock(struct rcx_session *s)
{
	return set_timer(s, 0);
}

static int set_nonblock(struct rcx_session *s, bool on)
{
	int flags = fcntl(s->fd, F_GETFL);

	if (flags < 0 || fcntl(s->fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK))
		return rcx_fail_errno(s, "cannot change O_NONBLOCK");
	return 0;
}

int rcx_stream_block_fd(struct rcx_session *s)
{
	return set_nonblock(s, false) ? -1 : rcx_stream_block(s);
}

int rcx_stream_unblock_fd(struct rcx_session *s)
{
	return rcx_stream_unblock(s) ? -1 : set_nonblock(s, true);
}
