// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define BATCH 32 /* most signals that one read of a signalfd returns */

/* Stored in s->priv.  The signal is blocked from open to close, except during waits. */
struct state {
	sigset_t ours;	 /* the signal alone */
	sigset_t before; /* the mask to restore */
	sigset_t open;	 /* @before, with the signal unblocked */
	int signo;
	struct sigaction action; /* the handler to restore */
	bool handled;		 /* @action is valid */
	struct rlimit limit;	 /* of pending signals, to restore */
	bool limited;		 /* @limit is valid */
};

/* ---- open and close ---------------------------------------------------- */

static int block(struct rcx_session *s, int signo)
{
	struct state *state = calloc(1, sizeof(*state));

	if (!state)
		return rcx_fail_errno(s, "calloc");
	state->signo = signo;
	sigemptyset(&state->ours);
	sigaddset(&state->ours, signo);
	if (sigprocmask(SIG_BLOCK, &state->ours, &state->before)) {
		free(state);
		return rcx_fail_errno(s, "cannot block the signal");
	}
	state->open = state->before;
	sigdelset(&state->open, signo);
	s->priv = state;
	return 0;
}

/* Limit the number of pending signals.  The limit is set per process, but the signals of
 * all processes of the user count.
 */
static int set_queue(struct rcx_session *s)
{
	struct rlimit limit = { .rlim_cur = s->queue, .rlim_max = s->queue };
	struct state *state = s->priv;

	if (!s->queue)
		return 0;
	if (getrlimit(RLIMIT_SIGPENDING, &state->limit))
		return rcx_fail_errno(s, "getrlimit");
	if (limit.rlim_max < state->limit.rlim_max)
		limit.rlim_max = state->limit.rlim_max;
	if (setrlimit(RLIMIT_SIGPENDING, &limit))
		return rcx_fail_errno(s, "setrlimit RLIMIT_SIGPENDING");
	state->limited = true;
	return 0;
}

static int open_as(struct rcx_session *s, int signo)
{
	struct rcx_signal_register request = { .signo = (uint32_t)signo };

	if (block(s, signo) || set_queue(s))
		return -1;
	s->fd = open(RCX_SIGNAL_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_SIGNAL_DEVICE);
	if (ioctl(s->fd, RCX_SIGNAL_REGISTER, &request))
		return rcx_fail_errno(s, "cannot register for the signal");
	return 0;
}

static int standard_open(struct rcx_session *s)
{
	return open_as(s, SIGUSR1);
}

static int realtime_open(struct rcx_session *s)
{
	return open_as(s, SIGRTMIN);
}

static int signalfd_open(struct rcx_session *s)
{
	const struct state *state;
	/* A stream drains until EAGAIN; the other operations may sleep. */
	int nonblock = s->op == RCX_STREAM ? SFD_NONBLOCK : 0;

	if (open_as(s, SIGRTMIN))
		return -1;
	state = s->priv;
	s->fd2 = signalfd(-1, &state->ours, SFD_CLOEXEC | nonblock);
	return s->fd2 < 0 ? rcx_fail_errno(s, "signalfd") : 0;
}

/* Take pending signals first: they would kill the process once the mask is restored. */
static void signal_close(struct rcx_session *s)
{
	const struct timespec at_once = { 0 };
	struct state *state = s->priv;

	if (!state)
		return;
	if (s->fd >= 0)
		close(s->fd); /* ends the registration */
	s->fd = -1;
	while (sigtimedwait(&state->ours, NULL, &at_once) > 0 || errno == EINTR)
		;
	if (state->handled)
		sigaction(state->signo, &state->action, NULL);
	if (state->limited)
		setrlimit(RLIMIT_SIGPENDING, &state->limit);
	sigprocmask(SIG_SETMASK, &state->before, NULL);
	free(state);
	s->priv = NULL;
}

/* ---- sigwaitinfo ------------------------------------------------------- */

static int wait_notify(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;
	siginfo_t info;

	while (n--) {
		int got;

		if (rcx_arm(s))
			return -1;
		got = sigwaitinfo(&state->ours, &info);
		rcx_arrived(s);
		if (got < 0)
			return rcx_fail_errno(s, "sigwaitinfo");
		if (rcx_seen_narrow(s, (uint32_t)info.si_int, UINT32_MAX))
			return -1;
	}
	return 0;
}

/* The wait itself returns a signal, so it is a receive with a time limit. */
static int wait_stream(struct rcx_session *s, uint64_t n)
{
	const struct timespec limits[] = { { 0 }, { .tv_nsec = RCX_STREAM_WAIT * 1000000L } };
	const struct state *state = s->priv;
	siginfo_t info;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);

		while (sigtimedwait(&state->ours, &info, &limits[0]) > 0)
			if (rcx_streamed_narrow(s, (uint32_t)info.si_int, UINT32_MAX))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "sigtimedwait");
		if (over)
			return 0;
		if (sigtimedwait(&state->ours, &info, &limits[1]) > 0 &&
		    rcx_streamed_narrow(s, (uint32_t)info.si_int, UINT32_MAX))
			return -1;
	}
}

/* A signal has no reply: it is an ioctl on the file that has registered the thread. */
static inline int answer(struct rcx_session *s, uint32_t number)
{
	uint32_t reply = ~number;

	if (rcx_seen_narrow(s, number, UINT32_MAX))
		return -1;
	s->sent++;
	return ioctl(s->fd, RCX_SIGNAL_ANSWER, &reply) ? rcx_fail_errno(s, "ioctl answer") : 0;
}

static int wait_upcall(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;
	uint64_t first = s->seen;
	siginfo_t info;

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++) {
		if (sigwaitinfo(&state->ours, &info) < 0)
			return rcx_fail_errno(s, "sigwaitinfo");
		if (answer(s, (uint32_t)info.si_int))
			return -1;
	}
	return rcx_asked(s, first, n);
}

/* ---- a handler --------------------------------------------------------- */

/*
 * A handler has no argument for the session, so it uses these variables.  It runs
 * while this thread sleeps in sigsuspend() or, in a stream, anywhere between the two
 * calls of sigprocmask() below.  Nothing else changes the session there, so the handler
 * never sees an inconsistent state.
 */
static _Thread_local struct rcx_session *handler_session;
static _Thread_local uint32_t handler_value;

static void on_event(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	rcx_arrived(handler_session);
	handler_value = (uint32_t)info->si_int;
}

static void on_request(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	handler_value = (uint32_t)info->si_int;
}

static void on_streamed(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	rcx_streamed_narrow(handler_session, (uint32_t)info->si_int, UINT32_MAX);
}

static int handler_open(struct rcx_session *s)
{
	struct sigaction action = {
		.sa_sigaction = s->op == RCX_STREAM ? on_streamed :
				s->op == RCX_UPCALL ? on_request :
						      on_event,
		.sa_flags = SA_SIGINFO,
	};
	struct state *state;

	if (open_as(s, SIGRTMIN))
		return -1;
	state = s->priv;
	handler_session = s;
	sigemptyset(&action.sa_mask);
	if (sigaction(state->signo, &action, &state->action))
		return rcx_fail_errno(s, "sigaction");
	state->handled = true;
	return 0;
}

static int handler_notify(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;

	while (n--) {
		if (rcx_arm(s))
			return -1;
		/* Always -1; the signal is blocked again when the handler has run. */
		sigsuspend(&state->open);
		if (rcx_seen_narrow(s, handler_value, UINT32_MAX))
			return -1;
	}
	return 0;
}

/* The handler only notes the request; it is answered where the thread was interrupted. */
static int handler_upcall(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;
	uint64_t first = s->seen;

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++) {
		sigsuspend(&state->open);
		if (answer(s, handler_value))
			return -1;
	}
	return rcx_asked(s, first, n);
}

/*
 * While the signal is unblocked there is nothing to drain: each signal runs the handler
 * wherever the thread is.  Signals that were sent before the producer ended are
 * delivered on the way out of the poll() that follows.
 */
static int handler_stream(struct rcx_session *s, uint64_t n)
{
	const struct state *state = s->priv;
	bool over;

	(void)n;
	if (sigprocmask(SIG_UNBLOCK, &state->ours, NULL))
		return rcx_fail_errno(s, "sigprocmask");
	do {
		over = rcx_stream_over(s);
		poll(NULL, 0, over ? 0 : RCX_STREAM_WAIT);
	} while (!over);
	if (sigprocmask(SIG_BLOCK, &state->ours, NULL))
		return rcx_fail_errno(s, "sigprocmask");
	return 0;
}

/* ---- signalfd ---------------------------------------------------------- */

static int signalfd_notify(struct rcx_session *s, uint64_t n)
{
	struct signalfd_siginfo info;

	while (n--) {
		ssize_t got;

		if (rcx_arm(s))
			return -1;
		got = read(s->fd2, &info, sizeof(info));
		rcx_arrived(s);
		if (got != sizeof(info))
			return rcx_fail_errno(s, "read a signalfd");
		if (rcx_seen_narrow(s, (uint32_t)info.ssi_int, UINT32_MAX))
			return -1;
	}
	return 0;
}

static int signalfd_upcall(struct rcx_session *s, uint64_t n)
{
	struct signalfd_siginfo info;
	uint64_t first = s->seen;

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++) {
		if (read(s->fd2, &info, sizeof(info)) != sizeof(info))
			return rcx_fail_errno(s, "read a signalfd");
		if (answer(s, (uint32_t)info.ssi_int))
			return -1;
	}
	return rcx_asked(s, first, n);
}

static int signalfd_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd2, .events = POLLIN };
	struct signalfd_siginfo batch[BATCH];

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t got;

		while ((got = read(s->fd2, batch, sizeof(batch))) > 0)
			for (size_t i = 0; i < (size_t)got / sizeof(batch[0]); i++)
				if (rcx_streamed_narrow(s, (uint32_t)batch[i].ssi_int, UINT32_MAX))
					return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read a signalfd");
		if (over)
			return 0;
		poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define VALUE               \
	.min = 4, .max = 4, \
	.limit = "A signal carries one value, here the sequence number as an int."

static const struct rcx_queue signal_queue = {
	.what = "pending signals (RLIMIT_SIGPENDING)",
	.min = 1,
	.max = 1u << 20,
	.values = { 16, 128, 4096 },
};

static const struct rcx_mode signal_modes[] = {
	{
		.name = "standard",
		.summary = "SIGUSR1, which does not queue; taken by sigwaitinfo()",
		.open = standard_open,
		.close = signal_close,
		/* Not RCX_READERS_EACH: a late reader gets one signal for several events. */
		.claims = RCX_FULL_COALESCES,
		.operations = {
			[RCX_NOTIFY] = { .run = wait_notify, VALUE },
			[RCX_STREAM] = { .run = wait_stream, VALUE, .waits = RCX_WAIT_BLOCK },
			[RCX_UPCALL] = { .run = wait_upcall, VALUE },
		},
	},
	{
		.name = "realtime",
		.summary = "a queued signal, taken by sigwaitinfo()",
		.open = realtime_open,
		.close = signal_close,
		.claims = RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = wait_notify, VALUE },
			[RCX_STREAM] = { .run = wait_stream, VALUE, .waits = RCX_WAIT_BLOCK,
					.queue = &signal_queue },
			[RCX_UPCALL] = { .run = wait_upcall, VALUE },
		},
	},
	{
		.name = "handler",
		.summary = "a queued signal, taken by a handler",
		.open = handler_open,
		.close = signal_close,
		.claims = RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = handler_notify, VALUE },
			[RCX_STREAM] = { .run = handler_stream, VALUE, .waits = RCX_WAIT_BLOCK,
					.queue = &signal_queue },
			[RCX_UPCALL] = { .run = handler_upcall, VALUE },
		},
	},
	{
		.name = "signalfd",
		.summary = "a queued signal, taken by read() of a signalfd",
		.open = signalfd_open,
		.close = signal_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = signalfd_notify, VALUE },
			[RCX_STREAM] = { .run = signalfd_stream, VALUE, .queue = &signal_queue },
			[RCX_UPCALL] = { .run = signalfd_upcall, VALUE },
		},
	},
	{ }
};

static const struct rcx_channel signal_channel = {
	.name = "signal",
	.summary = "A number and one value, delivered to a thread",
	.module = "ringcross_signal",
	.since = "1.0: signals; queued ones with a value since 2.2, signalfd since 2.6.22",
	.modes = signal_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "The kernel itself serves kill() and sigqueue() and calls no handler of a module; our kernel half has no thread that receives signals with allow_signal().",
		[RCX_PULL] = "A signal arrives when the kernel sends it and cannot be requested.",
		[RCX_CALL] = "Our kernel half receives no signals, so no request can reach it.",
		[RCX_DUMP] = "A signal carries one value and cannot be requested.",
	},
};
RCX_CHANNEL(signal_channel);
