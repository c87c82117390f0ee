/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface of the agent for user halves: the structs to register a channel, and the
 * inline functions that its loops call.
 *
 * The loop over n operations is in the channel.  Nothing is dispatched per message, so only
 * the crossing and the few instructions below are timed.
 */
#ifndef RCX_CHANNEL_H
#define RCX_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include "../../../modules/include/ringcross.h"

enum rcx_op {
	RCX_PUSH,
	RCX_PULL,
	RCX_CALL,
	RCX_NOTIFY,
	RCX_STREAM,
	RCX_UPCALL,
	RCX_DUMP,
	RCX_OPS,
};

/* Whether the kernel half (or the peer) starts the operation and the user half only waits. */
static inline bool rcx_kernel_initiated(enum rcx_op op)
{
	return op == RCX_NOTIFY || op == RCX_STREAM || op == RCX_UPCALL;
}

struct rcx_session;
struct rcx_peer_half; /* peer.h */

/* Do @n operations.  0, or -1 after rcx_fail() has recorded the reason. */
typedef int rcx_loop(struct rcx_session *s, uint64_t n);

/**
 * struct rcx_queue - a queue whose length the user half can set, from s->queue
 * @what: the unit, for example "slots of the ring"
 * @min: shortest length
 * @max: longest length
 * @values: lengths to measure; unused entries at the end are 0
 */
struct rcx_queue {
	const char *what;
	uint32_t min, max;
	uint32_t values[4];
};

/* How a user half waits for an event.  These are bits: an operation may support several. */
enum rcx_wait {
	RCX_WAIT_BLOCK = 1, /* in the call that returns the event */
	RCX_WAIT_POLL = 2,  /* in poll(), followed by a non-blocking call; where poll() is
				 * not possible, in a timed sleep between two checks
				 */
	RCX_WAIT_BUSY = 4,  /* repeats non-blocking calls until one returns the event */
};

#define RCX_WAITS      3
#define RCX_WAIT_DRAIN (RCX_WAIT_POLL | RCX_WAIT_BUSY)
#define RCX_WAIT_ANY   (RCX_WAIT_BLOCK | RCX_WAIT_DRAIN)

/*
 * What the figure of an operation does not contain, although that of most channels does.  These
 * are bits.  The report shows them beside the figure.  The copies and the system calls are probed
 * on a booted kernel: a wrong bit, and a missing one, fail the test suite.
 */
#define RCX_WITHOUT_COPY 0x1 /* nobody copies the body: both ends use it where it is */
#define RCX_WITHOUT_WAKEUP \
	0x2 /* nobody is woken: the waiting end spins, yields or sleeps for a time */
#define RCX_WITHOUT_CALL 0x4 /* no system call: the message crosses by memory alone */

/**
 * struct rcx_operation - one operation of one mode
 * @run: its loop; NULL when this mode does not have the operation
 * @min: smallest body in bytes
 * @max: largest body in bytes; @min == @max marks a channel too narrow for the
 *	header: it carries only the sequence number, in that many bytes
 * @limit: one sentence: what sets @max
 * @count: for notify and stream: it carries neither body nor number, only how many events
 *	there were; @min and @max are 0, and @limit is not needed
 * @waits: for notify, stream and upcall: the enum rcx_wait bits that the loop supports in
 *	s->wait.  The default is RCX_WAIT_POLL for stream and RCX_WAIT_BLOCK for the others,
 *	or the lowest bit where that is not set.  0 means only the default
 * @queue: for stream, how its open hook uses s->queue; NULL when it does not
 * @excludes: RCX_WITHOUT_* bits; 0 when the figure contains all of that
 * @batch: up to so many messages share one wake-up or one call; 0 or 1 when each has its own
 * @records: for dump: most records of its table; @limit says what sets it, and RCX_TABLE is
 *	for a mode without a limit
 */
struct rcx_operation {
	rcx_loop *run;
	uint32_t min, max;
	const char *limit;
	bool count;
	uint32_t waits;
	const struct rcx_queue *queue;
	uint32_t excludes;
	uint32_t batch;
	uint32_t records;
};

/* For dump: a table of records of one size, up to the length that ringcross measures. */
#define RCX_TABLE_OF(most) .min = RCX_RECORD, .max = RCX_RECORD, .records = (most)
#define RCX_TABLE	   RCX_TABLE_OF(RCX_RECORDS_MAX)

#define RCX_KERNEL(major, minor) ((major) << 8 | (minor))

/**
 * struct rcx_mode - one way to use a channel
 * @name: short, e.g. "multicast"; the kernel half's emitter has the same name
 * @summary: half a line
 * @open: open file descriptors and allocate buffers, untimed; 0 or -1 after rcx_fail()
 * @close: release what @open allocated, except s->fd, s->fd2 and s->map, which the agent
 *	closes and unmaps afterwards; NULL when there is nothing else.  Also called when
 *	@open failed half-way
 * @operations: indexed by enum rcx_op
 * @single_threaded_reason: one sentence: why two threads cannot use the mode at the same time;
 *	NULL when each open has its own sequence
 * @claims: RCX_POLLABLE, one of RCX_READERS_*, one of RCX_FULL_*; 0 claims nothing
 * @counterpart: the mode of channel stock that does the same work with the kernel's own
 *	facility, for comparison; NULL when there is none
 * @peer: hooks of the process at the other end, see peer.h; NULL when the other end is a
 *	kernel half, or when there is no other end
 * @one_shot_reason: one sentence: why this mode carries one value and cannot repeat it, so that
 *	it has no operation to time; a probe checks that the value arrives.  NULL for
 *	every mode that has operations
 * @received: with @one_shot_reason: get the value that the kernel half received when it was
 *	loaded, from a word "module.key=value" of the channel's @boot; "" for none.  0, or
 *	-1 after rcx_fail()
 * @since: the oldest kernel that has the mode, as RCX_KERNEL(); 0 when 5.10 has it.  On an
 *	older kernel the mode is a skip
 * @two_cpus_reason: one sentence: why the mode needs two CPUs; with one CPU, it is a skip.
 *	NULL when one is sufficient
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
	uint32_t since;
	const char *two_cpus_reason;
};

/*
 * Claims of a mode about its behavior when the kernel emits events; a mode has none or
 * several.  A probe checks each claim on a booted kernel, and a wrong claim fails the test
 * suite.  A new claim needs a line here and a line in registry.c's table.
 */
#define RCX_POLLABLE	    0x01 /* poll() or epoll on one of its fds reports an event */
#define RCX_READERS_EACH    0x02 /* several readers: each gets all events */
#define RCX_FULL_REFUSES    0x04 /* refuses the newest with an error */
#define RCX_FULL_COALESCES  0x08 /* many events become one */
#define RCX_FULL_OVERWRITES 0x10 /* the newest replaces the oldest */
#define RCX_READERS_SHARE   0x20 /* several readers: each event goes to one of them */
#define RCX_FULL_EMPTIES    0x40 /* drops all queued events, and the newest too */
#define RCX_FULL_ADDS	    0x80 /* many events become one notice, which counts them all */

/* Whether an operation has two ends that can run on different CPUs: a reader and a producer of
 * events, or two processes.  A system call that the kernel answers inline has one.
 */
static inline bool rcx_has_two_ends(const struct rcx_mode *mode, enum rcx_op op)
{
	return rcx_kernel_initiated(op) || mode->peer;
}

/* Flags of a channel. */
#define RCX_BASELINE   0x1 /* carries no message, only calls are counted */
#define RCX_UNMEASURED 0x2 /* compiled but not listed: the skeleton */
#define RCX_REFERENCE  0x4 /* between two processes, measured for scale */
#define RCX_RT_HARDIRQ 0x8 /* all its emitters have RCX_IN_RT_HARDIRQ, see rcx_core.h */

/**
 * struct rcx_channel - a channel's registration, the last thing in user.c
 * @name: the folder's name
 * @summary: one line, for tables
 * @module: its kernel half, e.g. "ringcross_netlink"; NULL when it needs none
 * @needs: modules of the stock kernel to load before, blank-separated, or NULL.  One that
 *	begins with "?" may be missing: the open hook that needs it then calls rcx_skip()
 * @boot: words that the kernel's command line must have, blank-separated, or NULL.  A
 *	virtual machine is booted with them; elsewhere, the open hook calls rcx_skip()
 *	when they are missing
 * @flags: RCX_BASELINE, RCX_UNMEASURED, RCX_REFERENCE, RCX_RT_HARDIRQ
 * @since: first kernel that has the mechanism, a colon, and what it added,
 *	e.g. "2.6.22: eventfd() with CONFIG_EVENTFD"
 * @modes: ended by an entry without a name
 * @unsupported_reason: for each operation that no mode has: the reason, in one sentence
 * @classes: for x-rays: cost classes of kernel functions that bench/explore/cost_classes.py does
 *	not have, ended by NULL.  Each is the name of a class, a colon, and names of functions,
 *	which may end in "*", e.g. "event counter: eventfd_signal* eventfd_read"
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
	const char *const *classes;
};

/*
 * A program that the kernel, or a user at a prompt, starts: "ringcross_agent --program
 * NAME ..." runs @main, with NAME as argv[0] and the arguments after it.  For channels that
 * start a process for each message, and for demonstrations.  It may be in a program.c.
 */
struct rcx_program {
	const char *name;
	int (*main)(int argc, char **argv);
};

#define RCX_PROGRAM(folder, function)                                             \
	static const struct rcx_program folder##_program = { #folder, function }; \
	static const struct rcx_program *const folder##_program_entry             \
		__attribute__((used, section("rcx_programs"))) = &folder##_program

/* A registration, and the file that has it, as "modules/<folder>/user.c". */
struct rcx_registration {
	const struct rcx_channel *channel;
	const char *file;
};

#define RCX_CHANNEL(channel)                                                                    \
	static const struct rcx_registration channel##_registration = { &(channel), __FILE__ }; \
	static const struct rcx_registration *const channel##_entry                             \
		__attribute__((used, section("rcx_channels"))) = &channel##_registration

/**
 * struct rcx_session - one cell while it runs; a channel may read all of it
 * @channel: the measured channel
 * @mode: the measured mode
 * @op: the measured operation
 * @size: bytes of body
 * @wait: the one enum rcx_wait that the user half uses
 * @context: enum rcx_context from which events are emitted
 * @clock: enum rcx_clock
 * @validate: the validation pass: every byte of the bodies is filled and checked
 * @silent: rcx_arm() emits nothing, so the wait does not end; for the test that
 *	unloads a module under a sleeping reader
 * @delay: nanoseconds from rcx_arm() to the event; the user half must sleep before it.
 *	The open hook may make it longer
 * @endpoint: the other end: ringcross_core with a kernel half, or a peer; or NULL
 * @core: ringcross_core's control device, or -1 for a channel without a kernel half
 * @page: the status page of the endpoint, or NULL
 * @block: memory that session and peers share, see peer.h; NULL without a peer
 * @slot: the part of @block that belongs to this open
 * @user_end: file descriptors that a peer half's connect hook made for the user
 *	half, to read from and to write to, or -1; its open hook duplicates them
 * @peer_end: the same for the peer
 * @tx: message to send; its header is filled in, except seq, which rcx_tx() sets
 * @rx: room for RCX_HEADER + @size bytes, page-aligned
 * @sent: next sequence number to send; for upcall, the number of replies
 * @seen: next sequence number expected from the kernel
 * @armed: clock when the pending event was requested
 * @latency: nanoseconds or instructions per notify or upcall operation
 * @latencies: entries used in @latency
 * @latency_max: entries allocated in @latency
 * @delivered: messages that a stream has delivered
 * @lost: gaps in the sequence
 * @reordered: messages that arrived after one with a higher number
 * @duplicated: messages that arrived a second time
 * @overruns: how often the channel reported to its reader that it lost something;
 *	the channel's loop counts these reports
 * @paced: the stream has a rate, so the latency of each message is recorded
 * @other_cpu: the CPU on which the other end runs, or -1 when it is not pinned
 * @queue: the queue length that the open hook shall set, in the unit of struct rcx_queue;
 *	0 for the system's default
 * @last: clock when the newest message of a stream was received
 * @fd: for the channel
 * @fd2: for the channel
 * @map: for the channel
 * @map_len: for the channel
 * @priv: for the channel
 * @error: the first reason that was passed to rcx_fail()
 * @code: errno that belongs to @error, or 0
 * @log: for probes: messages are recorded here on arrival, and are not checked
 * @threads: the other threads that do the same operation, or NULL
 * @skip: the failure is a skip: this kernel or kernel half does not support the operation
 * @noticed: events that had been emitted when the last count of a stream was received
 * @notices: counts that a stream has received
 * @records: for dump: records of the table; else 0
 * @table: for dump: page-aligned room for @records records and one more, so that a loop can
 *	find a surplus
 * @due: for dump: index of the record that is expected next
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
	int other_cpu;
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
	uint64_t noticed, notices;
	uint32_t records;
	struct rcx_record *table;
	uint32_t due;
};

/* Record why the cell fails; only the first reason is kept.  Always returns -1. */
int rcx_fail(struct rcx_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* As rcx_fail(), for something that is not available here: a skip, not a failure. */
int rcx_skip(struct rcx_session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* As rcx_fail(), with "@what: " and the text of errno. */
int rcx_fail_errno(struct rcx_session *s, const char *what) __attribute__((cold));

void rcx_tx_slow(struct rcx_session *s);
int rcx_rx_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t seq);
int rcx_seen_narrow_slow(struct rcx_session *s, uint64_t seq, uint64_t due);
int rcx_seen_count_slow(struct rcx_session *s, uint64_t count);
int rcx_record_slow(struct rcx_session *s, const struct rcx_record *record, uint32_t index);
int rcx_dump_slow(struct rcx_session *s);
int rcx_emit_events(struct rcx_session *s, uint64_t count);
int rcx_ask(struct rcx_session *s, uint64_t count);
int rcx_asked(struct rcx_session *s, uint64_t first, uint64_t n);
void rcx_tx_reply_slow(struct rcx_session *s, struct rcx_msg *msg);

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

/* Nanoseconds of a clock of the kernel. */
static inline uint64_t rcx_read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline uint64_t rcx_now(const struct rcx_session *s)
{
	if (s->clock == RCX_CLOCK_INSTRUCTIONS)
		return rcx_cycles();
	return rcx_read_clock(CLOCK_MONOTONIC);
}

/* Bytes of a whole message of this cell. */
static inline size_t rcx_len(const struct rcx_session *s)
{
	return RCX_HEADER + s->size;
}

/* Whether file descriptors must be opened non-blocking: the loop polls or spins, or it is that of
 * a stream.  A stream drains without blocking even if it is over before its loop begins;
 * rcx_stream_block_fd() lets it sleep until then.
 */
static inline bool rcx_nonblocking(const struct rcx_session *s)
{
	return s->wait != RCX_WAIT_BLOCK || s->op == RCX_STREAM;
}

/* Whether the loop sleeps in poll() when there is no message; else it tries again at once. */
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

/* Check that @msg, of which @len bytes were received, is the next one from the kernel. */
static inline int rcx_rx(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	uint64_t seq = s->seen++;

	if (__builtin_expect(s->validate || len != rcx_len(s) || msg->seq != seq ||
				     msg->size != s->size,
			     0))
		return rcx_rx_slow(s, msg, len, seq);
	return 0;
}

/* Check that @msg is the reply to message @request of rcx_tx(). */
static inline int rcx_rx_reply_to(struct rcx_session *s, const struct rcx_msg *msg, size_t len,
				  uint64_t request)
{
	uint64_t seq = ~request;

	if (__builtin_expect(s->validate || len != rcx_len(s) || msg->seq != seq ||
				     msg->size != s->size,
			     0))
		return rcx_rx_slow(s, msg, len, seq);
	return 0;
}

/* The same for the last message of rcx_tx(). */
static inline int rcx_rx_reply(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	return rcx_rx_reply_to(s, msg, len, s->sent - 1);
}

/*
 * A dump loop calls rcx_record() for each record that arrived, in order, and rcx_dumped() at the
 * end of each dump:
 *
 *	while (n--) {
 *		... request the dump, and for each record that arrives:
 *			if (rcx_record(s, record))
 *				return -1;
 *		if (rcx_dumped(s))
 *			return -1;
 *	}
 *
 * So each record must arrive exactly once, and belong to this dump.  A record may lie in the
 * buffer of the channel; s->table is for loops that need room for all of them.
 */
static inline int rcx_record(struct rcx_session *s, const struct rcx_record *record)
{
	uint32_t index = s->due++;

	if (__builtin_expect(s->validate || record->index != index || record->generation != s->seen,
			     0))
		return rcx_record_slow(s, record, index);
	return 0;
}

static inline int rcx_dumped(struct rcx_session *s)
{
	if (__builtin_expect(s->due != s->records, 0))
		return rcx_dump_slow(s);
	s->due = 0;
	s->seen++;
	return 0;
}

/* The same for a whole dump of @count records, all of which are in s->table. */
static inline int rcx_dumped_table(struct rcx_session *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rcx_record(s, &s->table[i]))
			return -1;
	return rcx_dumped(s);
}

/*
 * A notify loop calls rcx_arm(), sleeps in the channel's own wait, calls rcx_arrived() as
 * soon as the event is received, and only then checks the message:
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
 * Narrow channels call rcx_seen_narrow() instead of rcx_rx(), and those that carry only a count
 * call rcx_seen_count().  A loop that supports several
 * waits reads rcx_polls() once before the loop.  On EAGAIN it returns to poll(), or repeats
 * the call.
 */
static inline int rcx_arm(struct rcx_session *s)
{
	int err = rcx_emit_events(s, 1);

	s->armed = rcx_now(s);
	return err;
}

/* As rcx_arrived(), for a loop that has read the clock itself: the event was received @now. */
static inline void rcx_arrived_at(struct rcx_session *s, uint64_t now)
{
	if (s->latencies < s->latency_max)
		s->latency[s->latencies++] = now - s->page->timestamps[s->seen % RCX_TIMESTAMPS];
}

static inline void rcx_arrived(struct rcx_session *s)
{
	rcx_arrived_at(s, rcx_now(s));
}

/* Check a sequence number that arrived without a header, truncated to @mask. */
static inline int rcx_seen_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	uint64_t due = s->seen++;

	if (__builtin_expect(s->validate || ((seq ^ due) & mask), 0))
		return rcx_seen_narrow_slow(s, seq & mask, due & mask);
	return 0;
}

/* Check that a notice stands for exactly the one event that was requested. */
static inline int rcx_seen_count(struct rcx_session *s, uint64_t count)
{
	if (__builtin_expect(s->validate || count != 1, 0))
		return rcx_seen_count_slow(s, count);
	s->seen++;
	return 0;
}

/*
 * An upcall loop lets the kernel ask, and serves: it waits for a request in the channel's own
 * wait, checks it, makes it the reply, in place, and sends that.  The kernel's clock times each
 * request until its reply has been consumed.
 *
 *	uint64_t first = s->seen;
 *
 *	if (rcx_ask(s, n + 1))
 *		return -1;
 *	for (uint64_t i = 0; i <= n; i++) {
 *		len = recv(...);
 *		if (rcx_rx(s, msg, len))
 *			return -1;
 *		rcx_tx_reply(s, msg);
 *		send(..., msg, len);
 *	}
 *	return rcx_asked(s, first, n);
 *
 * On one CPU the kernel consumes a reply when the user half waits again.  After the last reply it
 * does not wait in the channel, so one request more is served than is timed.
 */
static inline void rcx_tx_reply(struct rcx_session *s, struct rcx_msg *msg)
{
	msg->seq = ~msg->seq;
	s->sent++;
	if (__builtin_expect(s->validate, 0))
		rcx_tx_reply_slow(s, msg);
}

/* Check a reply that is only ~seq, for the last message of rcx_tx(). */
int rcx_reply_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask);

/*
 * A stream loop reads whether the producer has ended, then drains without blocking.  If the
 * producer had ended, the loop is done; else it waits in the channel's own wait, with a
 * time limit:
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
#define RCX_STREAM_WAIT 20 /* milliseconds */

/*
 * With RCX_WAIT_BLOCK, a stream loop sleeps in the call that returns a message, for as long as
 * the producer runs.  That saves the call that finds the queue empty, and poll().  Nothing wakes
 * the reader after the last message.  So between rcx_stream_block() and rcx_stream_unblock() a
 * timer interrupts the sleep every RCX_STREAM_WAIT milliseconds, and the call fails with EINTR.
 * The loop then drains as above, without blocking:
 *
 *	if (rcx_stream_block(s))
 *		return -1;
 *	while (!rcx_stream_over(s)) {
 *		len = recv(..., 0);
 *		if (len < 0 && errno != EINTR)
 *			return rcx_fail_errno(s, "recv");
 *		if (len >= 0 && rcx_streamed(s, msg, len))
 *			return -1;
 *	}
 *	if (rcx_stream_unblock(s))
 *		return -1;
 *
 * A timer that expires between the check and the call interrupts nothing; the next one does.
 */
int rcx_stream_block(struct rcx_session *s);
int rcx_stream_unblock(struct rcx_session *s);

/* The same, and set s->fd to block and not to block, for files without MSG_DONTWAIT. */
int rcx_stream_block_fd(struct rcx_session *s);
int rcx_stream_unblock_fd(struct rcx_session *s);

static inline bool rcx_stream_over(const struct rcx_session *s)
{
	return s->page->done;
}

/* Whether a stream loop first sleeps in its call, see rcx_stream_block(). */
static inline bool rcx_stream_blocks(const struct rcx_session *s)
{
	return s->wait == RCX_WAIT_BLOCK && !rcx_stream_over(s);
}

/* Count one message of a stream; gaps are losses, not failures. */
int rcx_streamed(struct rcx_session *s, const struct rcx_msg *msg, size_t len);
int rcx_streamed_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask);

/* Count one notice that stands for @count events of a stream.  Events that are in no count were
 * coalesced, and are lost.
 */
int rcx_streamed_count(struct rcx_session *s, uint64_t count);

/* The same for a message that was received @now; compare rcx_arrived_at(). */
int rcx_streamed_at(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t now);

#endif /* RCX_CHANNEL_H */
