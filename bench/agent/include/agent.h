/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the agent share.  Channels see only channel.h. */
#ifndef RCX_AGENT_H
#define RCX_AGENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "channel.h"

#define RCX_PROTOCOL 2
#define RCX_ROUNDS_MAX 1024
#define RCX_SAMPLES_MAX 65536
#define RCX_THREADS_MAX 64

/* ---- registry.c: the channels that were linked in ---------------------- */

extern const char *const rcx_op_names[RCX_OPS];
extern const char *const rcx_context_names[RCX_CONTEXTS];
extern const char *const rcx_wait_names[RCX_WAITS];	/* of bit 0, 1, ... */

/* The enum rcx_wait that an operation knows; 0 where nobody waits. */
uint32_t rcx_waits(const struct rcx_mode *mode, enum rcx_op op);

const struct rcx_channel *rcx_find_channel(const char *name);
const struct rcx_mode *rcx_find_mode(const struct rcx_channel *channel, const char *name);
int rcx_find_name(const char *const *names, int count, const char *name);
const struct rcx_program *rcx_find_program(const char *name);

/* Check every registration against its own hooks; the number of mistakes, each
 * told on stderr.
 */
int rcx_check_channels(void);
json_object *rcx_list(void);

/* ---- answer.c: the way out --------------------------------------------- */

/* "-" is stdout, "port:0xe9" QEMU's debug console, else a file.  0 or -1. */
int rcx_answer_open(const char *where);
void rcx_answer(json_object *answer);			/* takes the reference */
void rcx_answer_binary(const void *data, size_t len);
/* In a child that measures and never answers: a process that may use an I/O
 * port pays for it at each return from the kernel.
 */
void rcx_answer_give_up(void);
json_object *rcx_answer_new(const char *re);

/* ---- calibrate.c: what the harness itself costs ------------------------ */

/* Calibrated once per boot, in units of the clock. */
struct rcx_overhead {
	double read;		/* one clock reading */
	double loop;		/* one turn of an empty loop hook */
	double round;		/* a round of no turns */
	double sample;		/* a round of one turn */
	uint64_t min_round;	/* how long a round must be for this clock; 0: any */
	bool scales;		/* such a length was found */
};

/* Time the session's loop over @n operations, as every round is timed. */
int rcx_timed(struct rcx_session *s, uint64_t n, uint64_t *total);

void rcx_calibrate(uint32_t clock, struct rcx_overhead *overhead);
double rcx_copy_floor(uint32_t clock, uint32_t size);

/* ---- module.c, log.c, machine.c ---------------------------------------- */

/* Keep the record of what was loaded in the file @path, for a harness that outlives
 * the agent.  0 or -1.
 */
int rcx_module_record(const char *path);
/* Load @name, one of ours, from @dir.  0 or -errno; -EEXIST when one of that name is
 * there that this run has not loaded.
 */
int rcx_module_load(const char *dir, const char *name);
/* Load @name, one of the kernel's own, and what it depends on by @dir/modules.dep;
 * already loaded is fine.  0 or -errno.
 */
int rcx_module_need(const char *dir, const char *name);
/* Why the load of @name gave @err, in one sentence. */
void rcx_module_explain(const char *name, int err, char *reason, size_t len);
/* 0 or -errno; -EPERM for one that this run has not loaded. */
int rcx_module_unload(const char *name);
/* Once more, with @parameters instead of those on the kernel's command line; NULL for these. */
int rcx_module_reload(const char *name, const char *parameters);
bool rcx_module_loaded(const char *name);
bool rcx_module_is_ours(const char *name);	/* this run has loaded it */
void rcx_module_unload_all(void);	/* all that this run has loaded */

void rcx_log_skip(void);			/* forget what the kernel logged so far */
json_object *rcx_log_lines(void);	/* what it logged since, warnings and worse */

void rcx_machine_prepare(void);		/* as process 1: mount what is missing */
void rcx_machine_restart(void) __attribute__((noreturn));

/* ---- cell.c ------------------------------------------------------------ */

struct rcx_cell {
	const struct rcx_channel *channel;
	const struct rcx_mode *mode;
	enum rcx_op op;
	uint32_t size;
	int context;		/* enum rcx_context, or -1 for the channel's default */
	uint32_t burst;
	uint64_t interval;	/* ns between two bursts of a stream, 0: as fast as it goes */
	bool search;		/* find the shortest interval without loss, from @interval on */
	bool sweep;		/* and try others around it */
	uint32_t wait;		/* enum rcx_wait, or 0 for the usual one */
	uint32_t threads;	/* that do the operation at once; 0 is one */
	uint32_t queue;		/* as struct rcx_queue has it; 0 for what the system gives */
	uint32_t rounds;
	uint64_t round_units;
	uint32_t samples;
	uint32_t clock;
	uint32_t deadline_ms;
};

enum rcx_status { RCX_FAIL, RCX_OK, RCX_SKIP };

/* What became of one stream. */
struct rcx_stream_counts {
	uint64_t emitted, refused;	/* by the kernel half's count */
	uint64_t delivered, lost, reordered, duplicated;	/* by sequence numbers */
	uint64_t overruns;	/* by the channel's word to the reader */
	uint64_t span;		/* units from the first burst to the last one */
	uint64_t missed;	/* bursts that the producer came too late for */
	uint64_t behind;	/* units that the reader was late at best, at the end */
};

/* One stream of a search or sweep; latencies are from when an event was due. */
struct rcx_trial {
	uint64_t interval;
	struct rcx_stream_counts counts;
	uint64_t p50, p99;
	uint32_t verdict;
};

#define RCX_TRIALS_MAX 96

/* Processor time of both sides in nanoseconds; see cpu_time.c. */
struct rcx_cpu_use {
	bool known;		/* under the clock of time */
	uint64_t wall;		/* how long it was watched */
	uint64_t own;		/* of the process that measures, all its threads */
	bool other_known;	/* the kernel tells how long it idled */
	uint64_t other;		/* of all else */
};

/* Lies in memory that the agent shares with the child that runs the cell. */
struct rcx_result {
	enum rcx_status status;
	char reason[256];
	uint32_t context;
	uint64_t n;
	uint32_t rounds;
	double round_overhead, sample_overhead;
	uint64_t interval;	/* ns between two bursts, as asked for or as found */
	uint32_t bound;		/* enum rcx_verdict: what forbids a shorter one */
	uint32_t trials;
	uint64_t total[RCX_ROUNDS_MAX];
	struct rcx_stream_counts stream[RCX_ROUNDS_MAX];
	struct rcx_trial trial[RCX_TRIALS_MAX];
	struct rcx_cpu_use cpu;	/* over all rounds */
	uint32_t validation_messages;
	struct rcx_counts validation;
	uint32_t samples;
	uint64_t sample[RCX_SAMPLES_MAX];
};

#define RCX_MESSAGE_LOG_MAX 65536

/* What came to a session of a probe, in the order in which it came. */
struct rcx_message_log {
	uint64_t count;
	struct rcx_logged_message {
		uint64_t seq;		/* UINT64_MAX for what was none of ours */
		uint32_t len;		/* bytes that came; 0 for narrow ones */
		uint32_t size;		/* bytes of body by the message's own word */
	} message[RCX_MESSAGE_LOG_MAX];
};

/* Run @cell in a child with a deadline.  Modules must be loaded. */
void rcx_cell_run(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		 struct rcx_result *result);

/* The cell itself, in this process. */
void rcx_cell_measure(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		     struct rcx_result *result);

/* Run @work in a child that may be killed; true when it ended by itself, and well. */
bool rcx_in_child(void (*work)(void *), void *arg, uint32_t deadline_ms,
		 char *reason, size_t len);

/* ---- stream.c ---------------------------------------------------------- */

#define RCX_STREAM_MAX 4000	/* messages of one stream: below RCX_TIMESTAMPS */

/* @n, but whole bursts where there is an interval between them. */
uint64_t rcx_stream_length(const struct rcx_cell *cell, uint64_t n);

/* Raise @n events, drain them, and account for each: a sum that does not come
 * out, or a loss that the channel should have told of, is a failure.  @total is
 * the time from the first event's stamp to the last message in hand.
 */
int rcx_stream_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		    struct rcx_stream_counts *counts, uint64_t *total);

/* ---- threads.c --------------------------------------------------------- */

/* Have @cell->threads - 1 threads more do what @s does, each with an open of its own. */
int rcx_threads_start(struct rcx_session *s, const struct rcx_cell *cell);

/* A round of @n operations by each at once: its total from the first's start to
 * the last one's end.
 */
int rcx_threads_round(struct rcx_session *s, uint64_t n, uint64_t *total);

/* What of a round's total is not the operations. */
double rcx_threads_overhead(const struct rcx_session *s, uint64_t n, double loop);

/* End them, and add what they have sent and seen to @s. */
void rcx_threads_end(struct rcx_session *s);

/* ---- cpu_time.c: who used the processors --------------------------------- */

struct rcx_cpu_reading {
	bool known;
	uint32_t cpus;
	uint64_t wall, idle, own_before, own;
};

void rcx_cpu_begin(struct rcx_cpu_reading *begin, uint32_t clock);
void rcx_cpu_end(const struct rcx_cpu_reading *begin, uint32_t clock, struct rcx_cpu_use *use);

/* ---- tick_align.c: where rounds begin ------------------------------------ */

/* Before a round about as long as the last, sleep until a tick of the kernel's timer is
 * just over, unless it ends before the next anyway.  Under the clock of instructions
 * alone: in real time, to wait is to cool down.
 */
int rcx_align_to_tick(struct rcx_session *s);

/* ---- slab_prefill.c: that no boot's free memory decides what a round costs */

#define RCX_PREFILL_BLOCKS 8
#define RCX_PREFILL_HOLES 64

struct rcx_slab_prefill {
	int socket;
	size_t size;
	char *message;
	bool split;
	int block[RCX_PREFILL_BLOCKS][2];	/* pipes */
	int hole[RCX_PREFILL_HOLES][2];	/* pipes that fill one each */
};

void rcx_slab_prefill_begin(struct rcx_slab_prefill *stir, size_t size);
void rcx_slab_prefill(const struct rcx_slab_prefill *stir);
void rcx_slab_prefill_end(struct rcx_slab_prefill *stir);

/* ---- rate_search.c ----------------------------------------------------- */

/* How a stream went. */
enum rcx_verdict {
	RCX_CLEAN,	/* all arrived, and as fast as they came */
	RCX_LOST,
	RCX_BEHIND,	/* all arrived, but the queue grew: it would have overflowed */
	RCX_LATE,	/* the producer itself could not keep the rate */
	RCX_VERDICTS,
};

extern const char *const rcx_verdict_names[RCX_VERDICTS];

/* Find the highest rate that @s carries without loss, and note each trial in
 * @result; @cell's interval becomes the one found.
 */
int rcx_find_rate(struct rcx_session *s, struct rcx_cell *cell, struct rcx_result *result);

/* When rounds at the rate found have lost something, or most came late or fell behind,
 * make @cell a little slower: they are to be done again.  After some @steps it is no
 * longer little.
 */
bool rcx_step_back(struct rcx_cell *cell, struct rcx_result *result, int steps);

/* Note trials at other rates around that of @cell. */
int rcx_sweep(struct rcx_session *s, const struct rcx_cell *cell, struct rcx_result *result);

/* ---- session.c --------------------------------------------------------- */

/**
 * struct rcx_endpoint_ops - who is at the other end of a session: takes what is pushed,
 *	counts, and starts events
 * @name: as a sentence has it
 * @begin: get hold of it, and of its status page
 * @bind: start counting from zero, with pulled messages of @size bytes; sets the
 *	contexts that events can come from, as struct rcx_bind has them
 * @emit: as RCX_CORE_EMIT
 * @stop: as RCX_CORE_STOP
 * @counts: as RCX_CORE_COUNTS; of all threads
 * @join: make @s, another thread's session, one of those of @first; NULL when
 *	there is nothing to do
 * @end: let go of it; also when @begin failed half-way
 */
struct rcx_endpoint_ops {
	const char *name;
	int (*begin)(struct rcx_session *s);
	int (*bind)(struct rcx_session *s, uint32_t size, uint32_t *contexts);
	int (*emit)(struct rcx_session *s, const struct rcx_emission *emit);
	int (*stop)(struct rcx_session *s);
	int (*counts)(struct rcx_session *s, struct rcx_counts *counts);
	int (*join)(struct rcx_session *s, const struct rcx_session *first, uint32_t number);
	void (*end)(struct rcx_session *s);
};

/* Buffers alone. */
int rcx_session_prepare(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* All but the channel's own open: buffers, and the other side bound. */
int rcx_session_bind(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* Once more, with pulled messages of another @size; counts and sequences start again. */
int rcx_session_bind_again(struct rcx_session *s, uint32_t size, uint32_t *contexts);
int rcx_session_open(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* Its threads must have ended: see rcx_threads_end(). */
void rcx_session_close(struct rcx_session *s);
int rcx_session_counts(struct rcx_session *s, struct rcx_counts *counts);
int rcx_session_emit(struct rcx_session *s, uint64_t count, uint32_t burst, uint64_t interval);
/* Open for thread @number, from 1, of those that do what @first does. */
int rcx_session_join(struct rcx_session *s, const struct rcx_cell *cell,
		    const struct rcx_session *first, uint32_t number);
int rcx_session_stop(struct rcx_session *s);

/* ---- kernel_side.c: ringcross_core at the other end --------------------- */

extern const struct rcx_endpoint_ops rcx_kernel_endpoint;

/* ---- process_side.c: a process at the other end ------------------------ */

extern const struct rcx_endpoint_ops rcx_peer_endpoint;

/* From now on, a peer that dies ends this process, and leaves the reason there. */
void rcx_peer_report_death(char *reason, size_t len);
/* Whether the agent shares @address with the peer of @s, to give it orders. */
bool rcx_peer_shares(const struct rcx_session *s, uint64_t address);

/* ---- claims: what registry.c lists and the probes find, in the same words --- */

#define RCX_EACH_GETS_ALL "each gets all"
#define RCX_REFUSES_NEWEST "refuses newest"
#define RCX_COALESCES "coalesces"
#define RCX_OVERWRITES_OLDEST "overwrites oldest"
#define RCX_EMPTIES "empties its queue"
#define RCX_SHARE "share"
#define RCX_AT_LOAD "at load"

/* ---- probe.c ----------------------------------------------------------- */

/* Try all properties of @mode, each in a child of its own; an object of what was
 * found.  @load gets the modules ready: "" or why not.
 */
json_object *rcx_probe_mode(const struct rcx_channel *channel, const struct rcx_mode *mode,
			   uint32_t clock,
			   void (*load)(const struct rcx_channel *, char *, size_t));

/* ---- xray.c ------------------------------------------------------------ */

/* Lies in memory that the agent shares with the child that runs the operation. */
struct rcx_xray {
	bool traced;		/* asked for: with the tracer, which has been started */
	uint32_t repeat;	/* asked for: operations in a row; 1 but for calibration */
	enum rcx_status status;
	char reason[256];
	double overhead;	/* what of @units is the harness's own */
	uint64_t units;		/* raw; untraced the median of some */
	uint64_t start, end;	/* the clock around it */
	uint64_t dropped;	/* events that found no room in the ring buffer */
	bool lengthy;		/* a timer tick falls into each: none is better than another */
	size_t names_len;	/* bytes of @names: a line for each function entered */
	size_t tasks_len;	/* bytes of @tasks: lines of process and name */
	size_t pages_len;	/* bytes of @pages: the kernel's ring buffer */
	char names[1 << 19];
	char tasks[1 << 12];
	char pages[1 << 21];
};

/* Start takes seconds: each function of the kernel is patched.  0 or -errno. */
int rcx_tracer_start(uint32_t clock);
int rcx_tracer_stop(void);

/* Do @cell's operation once, as @xray asks. */
void rcx_xray_take(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		  struct rcx_xray *xray);

/* ---- lifecycle.c ------------------------------------------------------- */

/* Load and unload twice, unload under a blocked reader: "" or what went wrong. */
void rcx_lifecycle(const struct rcx_channel *channel, const char *modules,
		  char *reason, size_t len);

#endif /* RCX_AGENT_H */
