// SPDX-License-Identifier: GPL-2.0-only
/* Whether poll() or epoll on one of a mode's file descriptors reports an event. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "probe.h"

#define FDS    256
#define EITHER (uint32_t)(EPOLLIN | EPOLLPRI)

/* Mark the file descriptors that are open before the mode opens its own. */
static void mark_open(bool open_now[FDS])
{
	for (int fd = 0; fd < FDS; fd++)
		open_now[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Add the descriptors that the mode has opened to @epoll.  Returns how many were accepted;
 * @refusal is the errno for one that was not.
 */
static int watch(int epoll, const bool before[FDS], int *refusal)
{
	int watched = 0;

	for (int fd = 0; fd < FDS; fd++) {
		struct epoll_event event = { .events = EITHER, .data.fd = fd };

		if (before[fd] || fcntl(fd, F_GETFD) < 0)
			continue;
		if (!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			watched++;
		else
			*refusal = errno;
	}
	return watched;
}

/* A bit that is set before any event proves nothing: watch the descriptor only for the other
 * bit, or not at all.  Returns how many descriptors are no longer watched.
 */
static int ignore_ready(int epoll)
{
	struct epoll_event event;
	int dropped = 0;

	while (epoll_wait(epoll, &event, 1, 0) == 1) {
		uint32_t rest = EITHER & ~event.events;
		bool useless = rest == EITHER || !rest; /* an error that lasts, or both */

		event.events = rest;
		epoll_ctl(epoll, useless ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, event.data.fd, &event);
		dropped += useless;
	}
	return dropped;
}

static const char *bits(uint32_t events, char *text, size_t len)
{
	text[0] = '\0';
	rcx_append(text, len, "%s%s%s", events & EPOLLIN ? "EPOLLIN" : "",
		   (events & (EPOLLIN | EPOLLPRI)) == (EPOLLIN | EPOLLPRI) ? " and " : "",
		   events & EPOLLPRI ? "EPOLLPRI" : "");
	return text;
}

static void try_poll(struct rcx_probing *probing, struct rcx_session *s, const bool before[FDS],
		     int epoll)
{
	struct epoll_event event = { 0 };
	int refusal = 0, ready, watched = watch(epoll, before, &refusal);
	char text[32];

	if (!watched) {
		rcx_find_bool(probing, "poll", false,
			      refusal ? "epoll refuses its file descriptors: %s." :
					"It has no file descriptor.",
			      rcx_errno_name(refusal));
		return;
	}
	watched -= ignore_ready(epoll);
	if (!watched) {
		rcx_find_bool(probing, "poll", false,
			      "Its file descriptors are ready before any event.");
		return;
	}
	s->context = RCX_PROCESS;
	if (rcx_session_emit(s, 1, 1, 0)) {
		rcx_find_failure(probing, "poll", "%s.", s->error);
		return;
	}
	/* The kernel interrupts epoll_wait() when an io_uring completes a request. */
	do
		ready = epoll_wait(epoll, &event, 1, RCX_WAIT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 1)
		rcx_find_bool(probing, "poll", true, "An event made epoll report %s.",
			      bits(event.events, text, sizeof(text)));
	else
		rcx_find_bool(probing, "poll", false,
			      "epoll accepts its file descriptors, but an event makes none ready.");
}

static void probe_poll(struct rcx_probing *probing)
{
	bool before[FDS];
	struct rcx_session s;
	struct rcx_cell cell;
	enum rcx_op op;
	int epoll;

	if (!rcx_event_operation(probing->mode, &op)) {
		rcx_find_nothing(probing, "poll", "The kernel emits no events here.");
		return;
	}
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || rcx_session_bind(&s, &cell, false)) {
		rcx_find_failure(probing, "poll", "%s.", epoll < 0 ? strerror(errno) : s.error);
		return;
	}
	mark_open(before);
	if (s.mode->open(&s))
		rcx_find_failure(probing, "poll", "%s.", s.error);
	else
		try_poll(probing, &s, before, epoll);
	rcx_session_close(&s);
	close(epoll);
}
RCX_PROBE("poll", probe_poll);
