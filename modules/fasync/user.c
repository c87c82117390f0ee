// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/* Stored in s->priv.  The signals are blocked from open to close, and taken in the waits. */
struct state {
	sigset_t ours;	 /* SIGIO, and the real-time signal of mode queued */
	sigset_t before; /* the mask to restore */
};

/* A time limit of sigtimedwait(); NULL is none. */
static const struct timespec at_once = { 0 };
static const struct timespec stream_wait = { .tv_nsec = RCX_STREAM_WAIT * 1000000L };

/* ---- open and close ---------------------------------------------------- */

static int block(struct rcx_session *s, int signo)
{
	struct state *state = malloc(sizeof(*state));

	if (!state)
		return rcx_fail_errno(s, "malloc");
	sigemptyset(&state->ours);
	sigaddset(&state->ours, SIGIO);
	sigaddset(&state->ours, signo);
	if (sigprocmask(SIG_BLOCK, &state->ours, &state->before)) {
		free(state);
		return rcx_fail_errno(s, "cannot block the signals");
	}
	s->priv = state;
	return 0;
}

/* The owner is this thread, as only it has blocked the signals. */
static int open_as(struct rcx_session *s, int signo)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID, .pid = gettid() };

	if (block(s, signo))
		return -1;
	s->fd = open(RCX_FASYNC_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_FASYNC_DEVICE);
	if (fcntl(s->fd, F_SETOWN_EX, &owner))
		return rcx_fail_errno(s, "cannot set the owner");
	if (signo != SIGIO && fcntl(s->fd, F_SETSIG, signo))
		return rcx_fail_errno(s, "cannot set the signal");
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK | O_ASYNC))
		return rcx_fail_errno(s, "cannot set O_ASYNC");
	return 0;
}

static int sigio_open(struct rcx_session *s)
{
	return open_as(s, SIGIO);
}

static int queued_open(struct rcx_session *s)
{
	return open_as(s, SIGRTMIN);
}

/* Take pending signals first: they would kill the process once the mask is restored. */
static void fasync_close(struct rcx_session *s)
{
	struct state *state = s->priv;

	if (!state)
		return;
	if (s->fd >= 0)
		close(s->fd); /* ends O_ASYNC */
	s->fd = -1;
	while (sigtimedwait(&state->ours, NULL, &at_once) > 0 || errno == EINTR)
		;
	sigprocmask(SIG_SETMASK, &state->before, NULL);
	free(state);
	s->priv = NULL;
}

/* ---- loops ------------------------------------------------------------- */

/*
 * A signal is a hint, and there may be no message for it: it was read after an earlier
 * signal.  Then the loop waits for the next one.
 */
static int fasync_notify(struct rcx_session *s, uint64_t n)
{
	const struct timespec *limit = s->wait == RCX_WAIT_BUSY ? &at_once : NULL;
	const struct state *state = s->priv;
	siginfo_t info;

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			while (sigtimedwait(&state->ours, &info, limit) < 0)
				if (errno != EAGAIN)
					return rcx_fail_errno(s, "sigtimedwait");
			len = read(s->fd, s->rx, rcx_len(s));
		} while (len < 0 && errno == EAGAIN);
		rcx_arrived(s);
		if (len < 0)
			return rcx_fail_errno(s, "read the device");
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* Read one message: 1, 0 when there is none, or -1. */
static int read_one(struct rcx_session *s)
{
	ssize_t len = read(s->fd, s->rx, rcx_len(s));

	if (len < 0)
		return errno == EAGAIN ? 0 : rcx_fail_errno(s, "read the device");
	return rcx_streamed(s, s->rx, (size_t)len) ? -1 : 1;
}

static int read_all(struct rcx_session *s)
{
	int got;

	do
		got = read_one(s);
	while (got > 0);
	return got;
}

/* SIGIO stands for any number of messages, another signal for one. */
static int read_for(struct rcx_session *s, int signo)
{
	return signo == SIGIO ? read_all(s) : read_one(s);
}

/* The wait itself returns a signal, so it is a receive with a time limit. */
static int fasync_stream(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;
	bool polls = s->wait != RCX_WAIT_BUSY;
	siginfo_t info;
	int signo;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while ((signo = sigtimedwait(&state->ours, &info, &at_once)) > 0)
			if (read_for(s, signo) < 0)
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "sigtimedwait");
		if (over)
			return 0;
		if (!polls)
			continue;
		signo = sigtimedwait(&state->ours, &info, &stream_wait);
		if (signo > 0 && read_for(s, signo) < 0)
			return -1;
	}
}

/* ---- registration ------------------------------------------------------ */

#define WAITS (RCX_WAIT_BLOCK | RCX_WAIT_BUSY)

static const struct rcx_mode fasync_modes[] = {
	{
		.name = "sigio",
		.summary = "SIGIO, which does not queue; then reads until there is no message",
		.open = sigio_open,
		.close = fasync_close,
		.claims = RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = fasync_notify, .max = RCX_BODY_MAX,
					.waits = WAITS },
			[RCX_STREAM] = { .run = fasync_stream, .max = RCX_BODY_MAX,
					.waits = WAITS },
		},
	},
	{
		.name = "queued",
		.summary = "a real-time signal for each message (F_SETSIG), then one read",
		.open = queued_open,
		.close = fasync_close,
		.claims = RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = fasync_notify, .max = RCX_BODY_MAX,
					.waits = WAITS },
			[RCX_STREAM] = { .run = fasync_stream, .max = RCX_BODY_MAX,
					.waits = WAITS },
		},
	},
	{ }
};

static const struct rcx_channel fasync_channel = {
	.name = "fasync",
	.summary = "SIGIO from a character device, and then a read",
	.module = "ringcross_fasync",
	.since = "1.0: SIGIO from character devices; F_SETSIG since 2.2, F_SETOWN_EX since 2.6.32",
	.modes = fasync_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "SIGIO only notifies a process; a write to the device is a push of channel chardev.",
		[RCX_PULL] = "A signal arrives when the kernel sends it and cannot be requested; a read of a device is a pull of channel chardev.",
		[RCX_CALL] = "SIGIO carries no request; a write and a read of a device are a call of channel chardev.",
		[RCX_UPCALL] = "SIGIO only replaces the wait for a request; channel signal has such upcalls.",
		[RCX_DUMP] = "A signal carries no records; a read of a device is a dump of channel chardev.",
	},
	.classes = (const char *const[]){ "signal delivery: kill_fasync send_sigio* sigio_perm", NULL },
};
RCX_CHANNEL(fasync_channel);
