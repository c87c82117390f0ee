/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the agent share.  Channels see only channel.h. */
#ifndef RC_AGENT_H
#define RC_AGENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "channel.h"

#define RC_PROTOCOL 1
#define RC_ROUNDS_MAX 1024
#define RC_SAMPLES_MAX 65536
#define RC_THREADS_MAX 64

/* ---- registry.c: the channels that were linked in ---------------------- */

extern const char *const rc_op_names[RC_OPS];
extern const char *const rc_context_names[RC_CONTEXTS];
extern const char *const rc_wait_names[RC_WAITS];	/* of bit 0, 1, ... */

/* The enum rc_wait that an operation knows; 0 where nobody waits. */
uint32_t rc_waits(const struct rc_mode *mode, enum rc_op op);

const struct rc_channel *rc_find_channel(const char *name);
const struct rc_mode *rc_find_mode(const struct rc_channel *channel, const char *name);
int rc_find_name(const char *const *names, int count, const char *name);
const struct rc_program *rc_find_program(const char *name);

/* Check every registration against its own hooks; the number of mistakes, each
 * told on stderr.
 */
int rc_check_channels(void);
json_object *rc_list(void);

/* ---- answer.c: the way out --------------------------------------------- */

/* "-" is stdout, "port:0xe9" QEMU's debug console, else a file.  0 or -1. */
int rc_answer_open(const char *where);
void rc_answer(json_object *answer);			/* takes the reference */
void rc_answer_binary(const void *data, size_t len);
/* In a child that measures and never answers: a process that may use an I/O
 * port pays for it at each return from the kernel.
 */
void rc_answer_give_up(void);
json_object *rc_answer_new(const char *re);

/* ---- clock.c: what the harness itself costs ---------------------------- */

/* Calibrated once per boot, in units of the clock. */
struct rc_overhead {
	double read;		/* one clock reading */
	double loop;		/* one turn of an empty loop hook */
	double round;		/* a round of no turns */
	double sample;		/* a round of one turn */
	uint64_t enough;	/* how long a round must be for this clock; 0: any */
	bool scales;		/* such a length was found */
};

/* Time the session's loop over @n operations, as every round is timed. */
int rc_timed(struct rc_session *s, uint64_t n, uint64_t *total);

void rc_calibrate(uint32_t clock, struct rc_overhead *overhead);
double rc_copy_floor(uint32_t clock, uint32_t size);

/* ---- module.c, log.c, machine.c ---------------------------------------- */

/* Load @name and what it needs from @dir; already loaded is fine.  0 or -errno. */
int rc_module_load(const char *dir, const char *name);
int rc_module_unload(const char *name);
/* Once more, with @parameters instead of those on the kernel's command line; NULL for these. */
int rc_module_reload(const char *name, const char *parameters);
bool rc_module_loaded(const char *name);
void rc_module_unload_all(void);	/* all that rc_module_load() has loaded */

void rc_log_skip(void);			/* forget what the kernel logged so far */
json_object *rc_log_lines(void);	/* what it logged since, warnings and worse */

void rc_machine_prepare(void);		/* as process 1: mount what is missing */
void rc_machine_restart(void) __attribute__((noreturn));

/* ---- cell.c ------------------------------------------------------------ */

struct rc_cell {
	const struct rc_channel *channel;
	const struct rc_mode *mode;
	enum rc_op op;
	uint32_t size;
	int context;		/* enum rc_context, or -1 for the channel's default */
	uint32_t burst;
	uint64_t interval;	/* ns between two bursts of a stream, 0: as fast as it goes */
	bool search;		/* find the shortest interval without loss, from @interval on */
	bool sweep;		/* and try others around it */
	uint32_t wait;		/* enum rc_wait, or 0 for the usual one */
	uint32_t threads;	/* that do the operation at once; 0 is one */
	uint32_t queue;		/* as struct rc_queue has it; 0 for what the system gives */
	uint32_t rounds;
	uint64_t round_units;
	uint32_t samples;
	uint32_t clock;
	uint32_t deadline_ms;
};

enum rc_status { RC_FAIL, RC_OK, RC_SKIP };

/* What became of one stream. */
struct rc_stream_counts {
	uint64_t raised, refused;	/* by the kernel half's count */
	uint64_t delivered, lost, reordered, duplicated;	/* by sequence numbers */
	uint64_t overruns;	/* by the channel's word to the reader */
	uint64_t span;		/* units from the first burst to the last one */
	uint64_t missed;	/* bursts that the producer came too late for */
	uint64_t behind;	/* units that the reader was late at best, at the end */
};

/* One stream of a search or sweep; latencies are from when an event was due. */
struct rc_trial {
	uint64_t interval;
	struct rc_stream_counts counts;
	uint64_t p50, p99;
	uint32_t verdict;
};

#define RC_TRIALS_MAX 96

/* Processor time of both sides in nanoseconds; see cpu.c. */
struct rc_cpu_use {
	bool known;		/* under the clock of time */
	uint64_t wall;		/* how long it was watched */
	uint64_t own;		/* of the process that measures, all its threads */
	bool other_known;	/* the kernel tells how long it idled */
	uint64_t other;		/* of all else */
};

/* Lies in memory that the agent shares with the child that runs the cell. */
struct rc_result {
	enum rc_status status;
	char reason[256];
	uint32_t context;
	uint64_t n;
	uint32_t rounds;
	double round_overhead, sample_overhead;
	uint64_t interval;	/* ns between two bursts, as asked for or as found */
	uint32_t bound;		/* enum rc_verdict: what forbids a shorter one */
	uint32_t trials;
	uint64_t total[RC_ROUNDS_MAX];
	struct rc_stream_counts stream[RC_ROUNDS_MAX];
	struct rc_trial trial[RC_TRIALS_MAX];
	struct rc_cpu_use cpu;	/* over all rounds */
	uint32_t proof_messages;
	struct rc_counts proof;
	uint32_t samples;
	uint64_t sample[RC_SAMPLES_MAX];
};

#define RC_TAP_MAX 65536

/* What came to a session of a probe, in the order in which it came. */
struct rc_tap {
	uint64_t count;
	struct rc_tapped {
		uint64_t seq;		/* UINT64_MAX for what was none of ours */
		uint32_t len;		/* bytes that came; 0 for narrow ones */
		uint32_t size;		/* bytes of body by the message's own word */
	} message[RC_TAP_MAX];
};

/* Run @cell in a child with a deadline.  Modules must be loaded. */
void rc_cell_run(const struct rc_cell *cell, const struct rc_overhead *overhead,
		 struct rc_result *result);

/* The cell itself, in this process. */
void rc_cell_measure(const struct rc_cell *cell, const struct rc_overhead *overhead,
		     struct rc_result *result);

/* Run @work in a child that may be killed; true when it ended by itself, and well. */
bool rc_in_child(void (*work)(void *), void *arg, uint32_t deadline_ms,
		 char *reason, size_t len);

/* ---- stream.c ---------------------------------------------------------- */

#define RC_STREAM_MAX 4000	/* messages of one stream: below RC_STAMPS */

/* @n, but whole bursts where there is an interval between them. */
uint64_t rc_stream_length(const struct rc_cell *cell, uint64_t n);

/* Raise @n events, drain them, and account for each: a sum that does not come
 * out, or a loss that the channel should have told of, is a failure.  @total is
 * the time from the first event's stamp to the last message in hand.
 */
int rc_stream_round(struct rc_session *s, const struct rc_cell *cell, uint64_t n,
		    struct rc_stream_counts *counts, uint64_t *total);

/* ---- team.c ------------------------------------------------------------ */

/* Have @cell->threads - 1 threads more do what @s does, each with an open of its own. */
int rc_team_start(struct rc_session *s, const struct rc_cell *cell);

/* A round of @n operations by each at once: its total from the first's start to
 * the last one's end.
 */
int rc_team_round(struct rc_session *s, uint64_t n, uint64_t *total);

/* What of a round's total is not the operations. */
double rc_team_overhead(const struct rc_session *s, uint64_t n, double loop);

/* End them, and add what they have sent and seen to @s. */
void rc_team_end(struct rc_session *s);

/* ---- cpu.c: who used the processors ------------------------------------- */

struct rc_cpu_look {
	bool known;
	uint32_t cpus;
	uint64_t wall, idle, own_before, own;
};

void rc_cpu_begin(struct rc_cpu_look *begin, uint32_t clock);
void rc_cpu_end(const struct rc_cpu_look *begin, uint32_t clock, struct rc_cpu_use *use);

/* ---- tick.c: where rounds begin ------------------------------------------ */

/* Before a round about as long as the last, sleep until a tick of the kernel's timer is
 * just over, unless it ends before the next anyway.  Under the clock of instructions
 * alone: in real time, to wait is to cool down.
 */
int rc_await_tick(struct rc_session *s);

/* ---- stir.c: that no boot's free memory decides what a round costs ------- */

#define RC_STIR_BLOCKS 8
#define RC_STIR_HOLES 64

struct rc_stir {
	int socket;
	size_t size;
	char *message;
	bool split;
	int block[RC_STIR_BLOCKS][2];	/* pipes */
	int hole[RC_STIR_HOLES][2];	/* pipes that fill one each */
};

void rc_stir_begin(struct rc_stir *stir, size_t size);
void rc_stir(const struct rc_stir *stir);
void rc_stir_end(struct rc_stir *stir);

/* ---- overload.c -------------------------------------------------------- */

/* How a stream went. */
enum rc_verdict {
	RC_CLEAN,	/* all arrived, and as fast as they came */
	RC_LOST,
	RC_BEHIND,	/* all arrived, but the queue grew: it would have overflowed */
	RC_LATE,	/* the producer itself could not keep the rate */
	RC_VERDICTS,
};

extern const char *const rc_verdict_names[RC_VERDICTS];

/* Find the highest rate that @s carries without loss, and note each trial in
 * @result; @cell's interval becomes the one found.
 */
int rc_find_rate(struct rc_session *s, struct rc_cell *cell, struct rc_result *result);

/* When rounds at the rate found have lost something, or most came late or fell behind,
 * make @cell a little slower: they are to be done again.  After some @steps it is no
 * longer little.
 */
bool rc_step_back(struct rc_cell *cell, struct rc_result *result, int steps);

/* Note trials at other rates around that of @cell. */
int rc_sweep(struct rc_session *s, const struct rc_cell *cell, struct rc_result *result);

/* ---- session.c --------------------------------------------------------- */

/**
 * struct rc_side - who is at the other end of a session: takes what is pushed,
 *	counts, and starts events
 * @name: as a sentence has it
 * @begin: get hold of it, and of its status page
 * @bind: start counting from zero, with pulled messages of @size bytes; sets the
 *	contexts that events can come from, as struct rc_bind has them
 * @raise: as RC_CORE_RAISE
 * @stop: as RC_CORE_STOP
 * @counts: as RC_CORE_COUNTS; of all threads
 * @join: make @s, another thread's session, one of those of @first; NULL when
 *	there is nothing to do
 * @end: let go of it; also when @begin failed half-way
 */
struct rc_side {
	const char *name;
	int (*begin)(struct rc_session *s);
	int (*bind)(struct rc_session *s, uint32_t size, uint32_t *contexts);
	int (*raise)(struct rc_session *s, const struct rc_raise *raise);
	int (*stop)(struct rc_session *s);
	int (*counts)(struct rc_session *s, struct rc_counts *counts);
	int (*join)(struct rc_session *s, const struct rc_session *first, uint32_t number);
	void (*end)(struct rc_session *s);
};

/* Buffers alone. */
int rc_session_prepare(struct rc_session *s, const struct rc_cell *cell, bool proof);
/* All but the channel's own open: buffers, and the other side bound. */
int rc_session_bind(struct rc_session *s, const struct rc_cell *cell, bool proof);
/* Once more, with pulled messages of another @size; counts and sequences start again. */
int rc_session_bind_again(struct rc_session *s, uint32_t size, uint32_t *contexts);
int rc_session_open(struct rc_session *s, const struct rc_cell *cell, bool proof);
void rc_session_close(struct rc_session *s);
int rc_session_counts(struct rc_session *s, struct rc_counts *counts);
int rc_session_raise(struct rc_session *s, uint64_t count, uint32_t burst, uint64_t interval);
/* Open for thread @number, from 1, of those that do what @first does. */
int rc_session_join(struct rc_session *s, const struct rc_cell *cell,
		    const struct rc_session *first, uint32_t number);
int rc_session_stop(struct rc_session *s);

/* ---- core.c: rc_core at the other end ---------------------------------- */

extern const struct rc_side rc_core_side;

/* ---- peer.c: a process at the other end -------------------------------- */

extern const struct rc_side rc_peer_side;

/* From now on, a peer that dies ends this process, and leaves the reason there. */
void rc_peer_mourn(char *reason, size_t len);
/* Whether the agent shares @address with the peer of @s, to give it orders. */
bool rc_peer_shares(const struct rc_session *s, uint64_t address);

/* ---- claims: what registry.c lists and the probes find, in the same words --- */

#define RC_EACH_GETS_ALL "each gets all"
#define RC_REFUSES_NEWEST "refuses newest"
#define RC_COALESCES "coalesces"
#define RC_OVERWRITES_OLDEST "overwrites oldest"
#define RC_EMPTIES "empties its queue"
#define RC_SHARE "share"
#define RC_AT_LOAD "at load"

/* ---- probe.c ----------------------------------------------------------- */

/* Try all properties of @mode, each in a child of its own; an object of what was
 * found.  @load gets the modules ready: "" or why not.
 */
json_object *rc_probe_mode(const struct rc_channel *channel, const struct rc_mode *mode,
			   uint32_t clock,
			   void (*load)(const struct rc_channel *, char *, size_t));

/* ---- xray.c ------------------------------------------------------------ */

/* Lies in memory that the agent shares with the child that runs the operation. */
struct rc_xray {
	bool traced;		/* asked for: with the tracer, which has been started */
	uint32_t repeat;	/* asked for: operations in a row; 1 but for calibration */
	enum rc_status status;
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
int rc_tracer_start(uint32_t clock);
int rc_tracer_stop(void);

/* Do @cell's operation once, as @xray asks. */
void rc_xray_take(const struct rc_cell *cell, const struct rc_overhead *overhead,
		  struct rc_xray *xray);

/* ---- lifecycle.c ------------------------------------------------------- */

/* Load and unload twice, unload under a blocked reader: "" or what went wrong. */
void rc_lifecycle(const struct rc_channel *channel, const char *modules,
		  char *reason, size_t len);

#endif /* RC_AGENT_H */
