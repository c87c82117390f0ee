/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a user half uses of the agent: one struct to register itself, and the
 * inline pieces its loops are made of.
 *
 * The loop over n operations is in the channel.  Nothing is dispatched per
 * message, so what is timed is the crossing and the few instructions below.
 */
#ifndef RCX_CHANNEL_H
#define RCX_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "../../../modules/include/ringcross.h"

enum rcx_op { RCX_PUSH, RCX_PULL, RCX_CALL, RCX_NOTIFY, RCX_STREAM, RCX_OPS };

/* Whether the other side starts it: the user half only waits and takes what comes. */
static inline bool rcx_kernel_initiated(enum rcx_op op)
{
	return op == RCX_NOTIFY || op == RCX_STREAM;
}

struct rcx_session;
struct rcx_peer_half;		/* peer.h */

/* Do @n operations.  0, or -1 after rcx_fail() has told why. */
typedef int rcx_loop(struct rcx_session *s, uint64_t n);

/**
 * struct rcx_queue - a queue whose length the user half can set, by s->queue
 * @what: the unit, as in "slots of the ring"
 * @min: shortest
 * @max: longest
 * @values: some to try, ended by 0
 */
struct rcx_queue {
	const char *what;
	uint32_t min, max;
	uint32_t values[4];
};

/* How a user half waits for an event; bits, since an operation may know several. */
enum rcx_wait {
	RCX_WAIT_BLOCK = 1,	/* in a call that brings the event as well */
	RCX_WAIT_POLL = 2,	/* in poll(), then a call that does not wait; where nothing
				 * can be polled, asleep by the clock from look to look
				 */
	RCX_WAIT_BUSY = 4,	/* not at all: such calls until one brings it */
};

#define RCX_WAITS	3
#define RCX_WAIT_DRAIN	(RCX_WAIT_POLL | RCX_WAIT_BUSY)
#define RCX_WAIT_ANY	(RCX_WAIT_BLOCK | RCX_WAIT_DRAIN)

/**
 * struct rcx_operation - one operation of one mode
 * @run: its loop; NULL where this mode has not got it
 * @min: smallest body in bytes
 * @max: largest body in bytes; @min == @max marks a channel too narrow for the
 *	header, which carries the sequence number alone in that many bytes
 * @limit: one sentence: what sets @max
 * @waits: for notify and stream: each enum rcx_wait that the loop follows when
 *	s->wait has it; the first of them is the usual one.  0 is RCX_WAIT_BLOCK
 *	for notify, and RCX_WAIT_POLL for stream, alone
 * @queue: for stream, what its open hook makes of s->queue; NULL when nothing
 */
struct rcx_operation {
	rcx_loop *run;
	uint32_t min, max;
	const char *limit;
	uint32_t waits;
	const struct rcx_queue *queue;
};

/**
 * struct rcx_mode - one way to use a channel
 * @name: short, e.g. "multicast"; the kernel half's emitter has the same
 * @summary: half a line
 * @open: get file descriptors and buffers ready, untimed; 0 or -1 after rcx_fail()
 * @close: give back what @open took besides s->fd, s->fd2 and s->map, which are closed
 *	and unmapped behind it; NULL when there is nothing else.  Also called when @open
 *	failed half-way
 * @operations: indexed by enum rcx_op
 * @single_threaded_reason: one sentence: why two threads cannot use it at once; NULL when each
 *	open has a sequence of its own
 * @claims: RCX_POLLABLE, one of RCX_READERS_*, one of RCX_FULL_*; 0 claims nothing
 * @counterpart: the mode of channel stock that does the same work with a facility of
 *	the kernel's own, for comparison; NULL when there is none
 * @peer: what the process at the other end does, see peer.h; NULL when a kernel
 *	half is there, or nobody
 * @one_shot_reason: one sentence: why this mode carries one value and cannot repeat it, so that
 *	it has no operation to time; a probe tries that the value arrives.  NULL for
 *	every mode that has operations
 * @received: with @one_shot_reason: the value that reached the kernel half when it was loaded,
 *	of a word "module.key=value" in the channel's @boot; "" for none.  0, or -1
 *	after rcx_fail()
 */
struct rcx_mode {
	const char *name;
	const char *summary;
	int (*open)(struct rcx_session *s);
	void (*close)(struct rcx_session *s);
	struct rcx_operation operations[RCX_OPS];
	const char *single_threaded_reason;
	uint32_t claims;
	const char *counterpart;
	const struct rcx_peer_half *peer;
	const char *one_shot_reason;
	int (*received)(struct rcx_session *s, char *text, size_t room);
};

/*
 * What a mode claims of how it behaves when the kernel starts, none or some.
 * Each is tried by a probe on a booted kernel, and one that is wrong fails the
 * test suite.  A new one takes a line here and one in registry.c's table.
 */
#define RCX_POLLABLE		0x01	/* poll() or epoll on one of its fds finds an event */
#define RCX_READERS_EACH		0x02	/* several readers: each gets all */
#define RCX_FULL_REFUSES		0x04	/* the newest is refused, and the producer told so */
#define RCX_FULL_COALESCES	0x08	/* many become one */
#define RCX_FULL_OVERWRITES	0x10	/* the newest takes the place of the oldest */
#define RCX_READERS_SHARE	0x20	/* several readers: each event goes to one of them */
#define RCX_FULL_EMPTIES		0x40	/* all that is queued goes, and the newest with it */

/* Flags of a channel. */
#define RCX_BASELINE	0x1	/* a floor: carries no message, calls are counted */
#define RCX_UNMEASURED	0x2	/* compiled and listed nowhere: the skeleton */
#define RCX_REFERENCE	0x4	/* for scale: between two processes, not with the kernel */

/**
 * struct rcx_channel - a channel's registration, the last thing in user.c
 * @name: the folder's name
 * @summary: one line, for tables
 * @module: its kernel half, e.g. "ringcross_netlink"; NULL when it needs none
 * @needs: modules of the kernel's own to load before, blank-separated, or NULL
 * @boot: words that the kernel's command line must have, blank-separated, or NULL;
 *	a virtual machine is booted with them, elsewhere open says that they are
 *	missing by rcx_skip()
 * @flags: RCX_BASELINE, RCX_UNMEASURED, RCX_REFERENCE
 * @since: first kernel that has the mechanism, a colon, and what came with it,
 *	e.g. "2.6.22: eventfd() with CONFIG_EVENTFD"
 * @modes: ended by an entry without a name
 * @unsupported_reason: for each operation that no mode has: why, in one sentence
 */
struct rcx_channel {
	const char *name;
	const char *summary;
	const char *module;
	const char *needs;
	const char *boot;
	uint32_t flags;
	const char *since;
	const struct rcx_mode *modes;
	const char *unsupported_reason[RCX_OPS];
};

/*
 * A program that the kernel or somebody at a prompt starts: "ringcross_agent --program
 * NAME ..." runs @main with the arguments behind NAME.  For channels that begin a
 * process for each message, and for a demonstration.  It may be in a program.c.
 */
struct rcx_program {
	const char *name;
	int (*main)(int argc, char **argv);
};

#define RCX_PROGRAM(folder, function)					\
	static const struct rcx_program folder##_program = { #folder, function };	\
	static const struct rcx_program *const folder##_program_entry	\
	__attribute__((used, section("rcx_programs"))) = &folder##_program

#define RCX_CHANNEL(channel)						\
	static const struct rcx_channel *const channel##_entry		\
	__attribute__((used, section("rcx_channels"))) = &(channel)

/**
 * struct rcx_session - one cell while it runs; a channel may read all of it
 * @channel: what is measured
 * @mode: its mode
 * @op: its operation
 * @size: bytes of body
 * @wait: enum rcx_wait: how the user half shall wait
 * @context: enum rcx_context that events are raised from
 * @clock: enum rcx_clock
 * @validate: whole bodies are filled and checked
 * @silent: rcx_arm() raises nothing, so the wait is for ever; for the test that
 *	unloads a module under a sleeping reader
 * @delay: nanoseconds from rcx_arm() to the event; by then the user half must sleep;
 *	open may make it longer
 * @endpoint: who is at the other end: ringcross_core with a kernel half, or a peer; or NULL
 * @core: ringcross_core's control device, or -1 for a channel without a kernel half
 * @page: the other side's status page, or NULL
 * @block: what session and peers share, see peer.h; NULL without a peer
 * @slot: in it, what belongs to this open
 * @user_end: file descriptors that a peer half's connect hook made for the user
 *	half, to read from and to write to, or -1; its open hook takes copies
 * @peer_end: the same for the peer
 * @tx: message to send; header ready, seq set by rcx_tx()
 * @rx: room for RCX_HEADER + @size bytes, page-aligned
 * @sent: next sequence number to send
 * @seen: next sequence number expected from the kernel
 * @armed: clock when the pending event was asked for
 * @latency: nanoseconds or instructions per notify operation, @latencies of them
 * @latencies: entries used in @latency
 * @latency_max: entries allocated in @latency
 * @delivered: messages that a stream has brought
 * @lost: gaps in the sequence
 * @reordered: messages behind one with a higher number
 * @duplicated: messages that had come before
 * @overruns: how often the channel told its reader that it has lost something;
 *	for the channel to count, where it is told
 * @paced: the stream has a rate, so each message's latency is noted
 * @queue: how much the channel shall queue, in the unit of its struct rcx_queue;
 *	0 for what the system gives
 * @last: clock when the newest message of a stream was in hand
 * @fd: for the channel
 * @fd2: for the channel
 * @map: for the channel
 * @map_len: for the channel
 * @priv: for the channel
 * @error: what rcx_fail() was told
 * @code: errno behind @error, or 0
 * @log: for probes: messages are noted here as they come and not judged
 * @threads: the others that do the same, or NULL
 * @skip: what failed is no fault: this kernel or half has not got it
 */
struct rcx_session {
	const struct rcx_channel *channel;
	const struct rcx_mode *mode;
	enum rcx_op op;
	uint32_t size;
	enum rcx_wait wait;
	uint32_t context;
	uint32_t clock;
	bool validate;
	bool silent;
	uint64_t delay;
	const struct rcx_endpoint_ops *endpoint;
	int core;
	const volatile struct rcx_page *page;
	struct rcx_peer_block *block;
	struct rcx_peer_slot *slot;
	int user_end[2], peer_end[2];
	struct rcx_msg *tx, *rx;
	uint64_t sent, seen;
	uint64_t armed;
	uint64_t *latency;
	uint64_t latencies, latency_max;
	uint64_t delivered, lost, reordered, duplicated, overruns;
	bool paced;
	uint32_t queue;
	uint64_t last;
	int fd, fd2;
	void *map;
	size_t map_len;
	void *priv;
	char error[256];
	int code;
	struct rcx_message_log *log;
	struct rcx_threads *threads;
	bool skip;
};

/* Tell why the cell fails; the first reason stands.  Always returns -1. */
int rcx_fail(struct rcx_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* rcx_fail() for what cannot be had here, which is a skip and not a failure. */
int rcx_skip(struct rcx_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* rcx_fail() with the text of errno behind @what. */
int rcx_fail_errno(struct rcx_session *s, const char *what) __attribute__((cold));

void rcx_tx_slow(struct rcx_session *s);
int rcx_rx_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t seq);
int rcx_seen_narrow_slow(struct rcx_session *s, uint64_t seq, uint64_t due);
int rcx_emit_events(struct rcx_session *s, uint64_t count);

static inline uint64_t rcx_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
#error "no cycle counter known for this architecture"
#endif
}

static inline uint64_t rcx_now(const struct rcx_session *s)
{
	struct timespec t;

	if (s->clock == RCX_CLOCK_INSTRUCTIONS)
		return rcx_cycles();
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Bytes of a whole message of this cell. */
static inline size_t rcx_len(const struct rcx_session *s)
{
	return RCX_HEADER + s->size;
}

/* File descriptors shall not block: the loop polls, or spins. */
static inline bool rcx_nonblocking(const struct rcx_session *s)
{
	return s->wait != RCX_WAIT_BLOCK;
}

/* Sleep in poll() where there is nothing to take; else try again at once. */
static inline bool rcx_polls(const struct rcx_session *s)
{
	return s->wait == RCX_WAIT_POLL;
}

/* Make s->tx the next message to send. */
static inline void rcx_tx(struct rcx_session *s)
{
	s->tx->seq = s->sent++;
	if (__builtin_expect(s->validate, 0))
		rcx_tx_slow(s);
}

/* Check that @msg, of which @len bytes came, is the next one from the kernel. */
static inline int rcx_rx(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	uint64_t seq = s->seen++;

	if (__builtin_expect(s->validate || len != rcx_len(s) || msg->seq != seq ||
			     msg->size != s->size, 0))
		return rcx_rx_slow(s, msg, len, seq);
	return 0;
}

/* Check that @msg is the reply to the message rcx_tx() made last. */
static inline int rcx_rx_reply(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	uint64_t seq = ~(s->sent - 1);

	if (__builtin_expect(s->validate || len != rcx_len(s) || msg->seq != seq ||
			     msg->size != s->size, 0))
		return rcx_rx_slow(s, msg, len, seq);
	return 0;
}

/*
 * A notify loop: rcx_arm(), sleep in the channel's own wait, then rcx_arrived()
 * with the event in hand, and only then the check of what it carried:
 *
 *	while (n--) {
 *		if (rcx_arm(s))
 *			return -1;
 *		len = recv(...);
 *		rcx_arrived(s);
 *		if (rcx_rx(s, msg, len))
 *			return -1;
 *	}
 *
 * For narrow channels rcx_seen_narrow() takes the place of rcx_rx().  A loop that
 * knows several waits looks at rcx_polls() before the loop, and where the call
 * says EAGAIN goes back to poll(), or to the call itself.
 */
static inline int rcx_arm(struct rcx_session *s)
{
	int err = rcx_emit_events(s, 1);

	s->armed = rcx_now(s);
	return err;
}

/* The event was in hand at @now: for who took the clock himself, elsewhere. */
static inline void rcx_arrived_at(struct rcx_session *s, uint64_t now)
{
	if (s->latencies < s->latency_max)
		s->latency[s->latencies++] = now - s->page->timestamps[s->seen % RCX_TIMESTAMPS];
}

static inline void rcx_arrived(struct rcx_session *s)
{
	rcx_arrived_at(s, rcx_now(s));
}

/* Check a sequence number that came alone, cut to @mask. */
static inline int rcx_seen_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	uint64_t due = s->seen++;

	if (__builtin_expect(s->validate || ((seq ^ due) & mask), 0))
		return rcx_seen_narrow_slow(s, seq & mask, due & mask);
	return 0;
}

/* Check a reply that is ~seq alone, to what rcx_tx() made last. */
int rcx_reply_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask);

/*
 * A stream loop drains without blocking, looks whether the producer had ended
 * before that, and else waits in the channel's own wait with a limit:
 *
 *	for (;;) {
 *		bool over = rcx_stream_over(s);
 *
 *		while ((len = recv(..., MSG_DONTWAIT)) >= 0)
 *			if (rcx_streamed(s, msg, len))
 *				return -1;
 *		if (over)
 *			return 0;
 *		if (rcx_polls(s))
 *			poll(&pfd, 1, RCX_STREAM_WAIT);
 *	}
 */
#define RCX_STREAM_WAIT 20	/* milliseconds */

/* Messages of a batch, where the kernel half wakes its reader once for each; streams
 * are of whole ones.
 */
#define RCX_BATCH 16u

static inline bool rcx_stream_over(const struct rcx_session *s)
{
	return s->page->done;
}

/* Count one message of a stream; gaps are losses, not failures. */
int rcx_streamed(struct rcx_session *s, const struct rcx_msg *msg, size_t len);
int rcx_streamed_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask);

/* The same of one that was in hand at @now, as rcx_arrived_at(). */
int rcx_streamed_at(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t now);

#endif /* RCX_CHANNEL_H */
