/* SPDX-License-Identifier: GPL-2.0-only */
/* Declarations that the agent's files share.  The user halves see only channel.h. */
#ifndef RCX_AGENT_H
#define RCX_AGENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "hw_events.h"
#include "placement.h"

#define RCX_PROTOCOL	2
#define RCX_ROUNDS_MAX	1024
#define RCX_SAMPLES_MAX 65536
#define RCX_THREADS_MAX 64

/* ---- protocol/registry.c: the channels that are linked in -------------- */

extern const char *const rcx_op_names[RCX_OPS];
extern const char *const rcx_context_names[RCX_CONTEXTS];
extern const char *const rcx_wait_names[RCX_WAITS]; /* of bit 0, 1, ... */

/* The bits of enum rcx_wait that an operation supports; 0 for an operation that does not wait. */
uint32_t rcx_waits(const struct rcx_mode *mode, enum rcx_op op);

/* The one of these that a cell uses unless it requests another; 0 if there is none. */
uint32_t rcx_default_wait(const struct rcx_mode *mode, enum rcx_op op);

/* The operation of @mode that comes first in @order, of all operations; RCX_PUSH if it has none. */
enum rcx_op rcx_first_op(const struct rcx_mode *mode, const enum rcx_op order[RCX_OPS]);

/* ---- measure/requirements.c -------------------------------------------- */

/* Whether this machine has what the mode of @s declares to need: its kernel and its CPUs.  0, or -1
 * after rcx_skip().
 */
int rcx_check_requirements(struct rcx_session *s);

/* ---- protocol/registry.c, continued ------------------------------------ */

const struct rcx_channel *rcx_find_channel(const char *name);
const struct rcx_mode *rcx_find_mode(const struct rcx_channel *channel, const char *name);
int rcx_find_name(const char *const *names, int count, const char *name);
const struct rcx_program *rcx_find_program(const char *name);

json_object *rcx_list(void);

/* The linker collects the registrations between these two. */
extern const struct rcx_registration *const __start_rcx_channels[];
extern const struct rcx_registration *const __stop_rcx_channels[];

#define for_each_channel(entry)                                                  \
	for (const struct rcx_registration *const *entry = __start_rcx_channels; \
	     entry < __stop_rcx_channels; entry++)

#define for_each_mode(mode, channel) \
	for (const struct rcx_mode *mode = (channel)->modes; mode && mode->name; mode++)

/* ---- protocol/check_channels.c ----------------------------------------- */

/* Check every registration against its own hooks.  Each mistake is reported on stderr, with the
 * file and what to write there; the number of mistakes is returned.
 */
int rcx_check_channels(void);

/* ---- protocol/output.c: where answers are written ---------------------- */

/* @where is a list, separated by commas, of which the first that can be opened is used: "-" is
 * stdout, "port:0xe9" QEMU's debug console, "virtio:NAME" a port of a virtio serial device,
 * "serial:/dev/ttyS1" a UART, and any other word is a file.  0, or -1 after a message on stderr.
 */
int rcx_answer_open(const char *where);
void rcx_answer(json_object *answer); /* takes the reference */
void rcx_answer_binary(const void *data, size_t len);
/* For a child that measures and never answers: give up the permission for the I/O port.  A
 * process with that permission pays for it at each return from the kernel.
 */
void rcx_answer_release_port(void);
json_object *rcx_answer_new(const char *re);
/* Before the machine restarts: let the harness receive the last answer. */
void rcx_answer_finish(void);

/* ---- measure/calibrate.c: the cost of the harness itself --------------- */

/* Calibrated once per boot, in units of the clock. */
struct rcx_overhead {
	double read;	    /* one clock reading */
	double loop;	    /* one iteration of an empty loop hook */
	double round;	    /* a round of no iterations */
	double sample;	    /* a round of one iteration */
	uint64_t min_round; /* shortest round that this clock can measure; 0: any length */
	bool scales;	    /* such a length was found */
};

/* Time the session's loop over @n operations.  Every round is timed by this function. */
int rcx_time_loop(struct rcx_session *s, uint64_t n, uint64_t *total);

/* Time the empty loop of calibration over @n iterations. */
uint64_t rcx_time_empty_loop(uint32_t clock, uint64_t n);

void rcx_calibrate(uint32_t clock, struct rcx_overhead *overhead);
/* Cost of a plain copy of @size bytes in user space: the baseline of all channels. */
double rcx_copy_cost(uint32_t clock, uint32_t size);

/* ---- platform/: modules.c, kmsg.c, init.c, serial.c -------------------- */

/* Keep the record of loaded modules in the file @path, for a harness that outlives the agent.
 * 0 or -1.
 */
int rcx_module_record(const char *path);
/* Load @name, a module of ringcross, from @dir.  0 or -errno; -EEXIST when a module of that name
 * is loaded that this run has not loaded.
 */
int rcx_module_load(const char *dir, const char *name);
/* Load @name, a module of the stock kernel, and the modules that @dir/modules.dep lists for it.
 * 0, also when it is already loaded, or -errno.
 */
int rcx_module_need(const char *dir, const char *name);
/* Write to @reason, in one sentence, why the load of @name gave @err. */
void rcx_module_explain(const char *name, int err, char *reason, size_t len);
/* 0 or -errno; -EPERM for a module that this run has not loaded. */
int rcx_module_unload(const char *name);
/* Unload and load @name, with @parameters; NULL for those of the kernel's command line. */
int rcx_module_reload(const char *name, const char *parameters);
bool rcx_module_loaded(const char *name);
bool rcx_module_is_ours(const char *name); /* this run has loaded it */
void rcx_module_unload_all(void);	   /* all that this run has loaded */
void rcx_module_keep_all(void);		   /* what was loaded so far is never unloaded */

void rcx_log_skip(void);	  /* skip what the kernel has logged so far */
json_object *rcx_log_lines(void); /* its lines since then, of priority warning or higher */

void rcx_machine_prepare(void); /* as process 1: mount the file systems of the guest */
void rcx_machine_restart(void) __attribute__((noreturn));

/* Open the port @name of a virtio serial device, after loading the drivers, or the UART @path.
 * A file descriptor or -errno.
 */
int rcx_open_virtio_port(const char *name);
int rcx_open_serial(const char *path);

/* ---- measure/cell.c and failure.c, platform/child.c: one cell ---------- */

struct rcx_cell {
	const struct rcx_channel *channel;
	const struct rcx_mode *mode;
	enum rcx_op op;
	uint32_t size;
	int context; /* enum rcx_context, or -1 for the channel's default */
	uint32_t burst;
	uint64_t interval; /* ns between two bursts of a stream, 0: as fast as possible */
	bool search;	   /* find the shortest interval without loss, starting at @interval */
	bool sweep;	   /* then try other intervals around it */
	uint32_t wait;	   /* enum rcx_wait, or 0 for the operation's first one */
	uint32_t threads;  /* that do the operation at the same time; 0 means one */
	uint32_t queue;	   /* length in the unit of struct rcx_queue; 0: system default */
	uint32_t records;  /* of a dump's table; 0 for other operations */
	enum rcx_placement placement; /* of the other end, under the time clock */
	uint32_t rounds;
	uint64_t round_units;
	uint32_t samples;
	uint64_t control_units; /* length of a control, 0: none; see control.c */
	uint32_t clock;
	enum rcx_hw_kind events; /* to count per operation */
	uint32_t deadline_ms;
};

enum rcx_status { RCX_FAIL, RCX_OK, RCX_SKIP };

/* The outcome of one stream. */
struct rcx_stream_counts {
	uint64_t emitted, refused;			 /* counted by the kernel half */
	uint64_t delivered, lost, reordered, duplicated; /* from sequence numbers */
	uint64_t overruns; /* losses that the channel reported to the reader */
	uint64_t span;	   /* units from the first burst to the last one */
	uint64_t missed;   /* bursts for which the producer was too late */
	uint64_t behind;   /* smallest latency in the last quarter, in units */
	uint64_t checks;   /* messages or notices that the reader checked */
	uint64_t busy;	   /* units that the producer spent in bursts, */
	uint64_t timed;	   /* and the events of these bursts */
	uint64_t cpu;	   /* ns of processor time of the thread that reads */
};

/* What the harness itself costs in a stream; see stream_overhead.c. */
struct rcx_stream_overhead {
	double produce;	 /* units that the producer needs for an event that goes nowhere */
	double emit;	 /* the part of it that is in rcx_counts.busy */
	double check;	 /* units to check and count one message, or one notice */
	double cpu_read; /* ns between two readings of a thread's processor time */
};

/* One stream of a search or sweep.  Latencies count from the time an event was due. */
struct rcx_trial {
	uint64_t interval;
	struct rcx_stream_counts counts;
	uint64_t p50, p99;
	uint32_t verdict;
};

#define RCX_TRIALS_MAX 96

/* Processor time of both sides in nanoseconds; see cpu_time.c. */
struct rcx_cpu_use {
	bool known;	  /* false under the instructions clock */
	uint64_t wall;	  /* length of the period */
	uint64_t own;	  /* of the process that measures, with all its threads */
	bool other_known; /* the kernel reports its idle time */
	uint64_t other;	  /* of everything else on the machine */
};

/* In memory that the agent shares with the child that runs the cell. */
struct rcx_result {
	enum rcx_status status;
	char reason[256];
	uint32_t context;
	int32_t user_cpu, other_cpu; /* where both ends ran; -1: not pinned, or no other end */
	uint64_t n;
	uint32_t rounds;
	double round_overhead, sample_overhead;
	struct rcx_stream_overhead stream_overhead;
	uint64_t interval; /* ns between two bursts, as requested or as found */
	uint32_t bound;	   /* enum rcx_verdict: why a shorter interval was rejected */
	uint32_t trials;
	uint64_t total[RCX_ROUNDS_MAX];
	struct rcx_stream_counts stream[RCX_ROUNDS_MAX];
	double overheads[RCX_ROUNDS_MAX]; /* of a stream: units of each round */
	double producer[RCX_ROUNDS_MAX], consumer[RCX_ROUNDS_MAX]; /* per message, or NAN */
	struct rcx_trial trial[RCX_TRIALS_MAX];
	struct rcx_cpu_use cpu;			    /* over all rounds */
	uint32_t event_rounds;			    /* that were counted */
	double event[RCX_HW_ROUNDS][RCX_HW_EVENTS]; /* per operation */
	uint32_t validation_messages;
	struct rcx_counts validation;
	uint32_t samples;
	uint64_t sample[RCX_SAMPLES_MAX];
	struct rcx_session session; /* of the child; its counts remain when it is killed */

	/* Of a cell with control_units only; at the end, so that other cells do not touch it. */
	uint32_t controls;     /* one before each round and one after the last; 0: none */
	uint32_t control_size; /* bytes that the control carries */
	uint64_t control_n;    /* its operations */
	double control_overhead;
	uint64_t control[RCX_ROUNDS_MAX + 1];
};

#define RCX_MESSAGE_LOG_MAX 65536

/* The messages that a probe's session received, in the order of their arrival. */
struct rcx_message_log {
	uint64_t count;
	struct rcx_logged_message {
		uint64_t seq; /* UINT64_MAX when it is not a ringcross message; events for a count */
		uint32_t len;  /* bytes received; 0 for narrow messages */
		uint32_t size; /* bytes of body, according to the message's header */
	} message[RCX_MESSAGE_LOG_MAX];
};

/* Run @cell in a child with a deadline.  Modules must be loaded. */
void rcx_cell_run(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		  struct rcx_result *result);

/* Run the cell in this process. */
void rcx_cell_measure(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		      struct rcx_result *result);

/* Run @work in a child, which is killed at the deadline.  True when it exited by itself with
 * status 0; else @reason says what happened.
 */
bool rcx_in_child(void (*work)(void *), void *arg, uint32_t deadline_ms, char *reason, size_t len);
/* Whether the last rcx_in_child() killed its child at the deadline. */
bool rcx_was_late(void);

/* ---- measure/progress.c ------------------------------------------------ */

/* Append to @reason what both halves had counted when the child with @s was killed. */
void rcx_append_progress(const struct rcx_session *s, char *reason, size_t len);

/* ---- measure/stream.c: one stream -------------------------------------- */

#define RCX_STREAM_MAX 4000 /* messages of one stream: below RCX_TIMESTAMPS */

/* @n, rounded down to whole bursts, but at least one. */
uint64_t rcx_stream_length(const struct rcx_cell *cell, uint64_t n);

/* Emit @n events, drain them, and account for each.  The round fails when the counts do not
 * add up, or when the channel did not report a loss that it had to report.  @total is the time
 * from the first event's timestamp to the receipt of the last message.
 */
int rcx_stream_round(struct rcx_session *s, const struct rcx_cell *cell, uint64_t n,
		     struct rcx_stream_counts *counts, uint64_t *total);

/* ---- measure/stream_overhead.c: what the harness does for a message ----- */

/* Measure @found for streams of @cell.  No session of the cell may be open.  0, or -1 after
 * @reason was written.
 */
int rcx_stream_calibrate(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
			 struct rcx_stream_overhead *found, char *reason, size_t len);
/* From the counts of the rounds in @result, compute their overheads, and what the producer and
 * the consumer needed for each message.
 */
void rcx_stream_split(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		      struct rcx_result *result);
/* Processor time of this thread in nanoseconds. */
uint64_t rcx_thread_time(void);

/* ---- measure/threads.c: several threads at the same time --------------- */

/* Start @cell->threads - 1 more threads that do what @s does, each with its own open. */
int rcx_threads_start(struct rcx_session *s, const struct rcx_cell *cell);

/* A round in which every thread does @n operations.  @total is the time from the start of the
 * first thread to the end of the last one.
 */
int rcx_threads_round(struct rcx_session *s, uint64_t n, uint64_t *total);

/* The part of a round's total that is the harness's own cost. */
double rcx_threads_overhead(const struct rcx_session *s, uint64_t n, double loop);

/* End the threads, and add their counts of sent and received messages to those of @s. */
void rcx_threads_end(struct rcx_session *s);

/* ---- measure/cpu_time.c: processor time of both sides ------------------ */

struct rcx_cpu_reading {
	bool known;
	uint32_t cpus;
	uint64_t wall, idle, own_before, own;
};

void rcx_cpu_begin(struct rcx_cpu_reading *begin, uint32_t clock);
/* @controls is processor time of this process that does not belong to the rounds. */
void rcx_cpu_end(const struct rcx_cpu_reading *begin, uint32_t clock, uint64_t controls,
		 struct rcx_cpu_use *use);

/* ---- measure/control.c: a fixed operation beside each round ------------ */

struct rcx_control {
	bool open;
	int ends[2];
	char *buffer;
	uint32_t size;
	uint64_t n;
	uint64_t used; /* ns of processor time that the controls took */
};

/* Leaves @control closed where no pipe can be had. */
void rcx_control_begin(struct rcx_control *control, struct rcx_session *s,
		       const struct rcx_cell *cell, struct rcx_result *result);
/* Time the open control that stands before round @place, or after the last one; close it when
 * its pipe fails.
 */
void rcx_control_take(struct rcx_control *control, struct rcx_session *s, struct rcx_result *result,
		      uint32_t place);
void rcx_control_end(struct rcx_control *control);

/* ---- measure/ends.c: where the two ends of a cell run ------------------ */

/* Run this process on the CPU that the cell's placement has for the user half.  False after
 * @reason was written.
 */
bool rcx_run_at_home(const struct rcx_cell *cell, char *reason, size_t len);
/* Record where both ends ran.  0, or -1 when it was not where they were placed. */
int rcx_check_placement(const struct rcx_cell *cell, struct rcx_session *s,
			struct rcx_result *result);

/* ---- measure/tick_align.c: where rounds begin -------------------------- */

/* Sleep until just after a tick of the kernel's timer, unless a round as long as the last one
 * ends before the next tick anyway.  Only under the instructions clock: in real time, the caches
 * would go cold during the sleep.
 */
int rcx_align_to_tick(struct rcx_session *s);

/* ---- measure/slab_prefill.c: make the free memory of all boots alike --- */

#define RCX_PREFILL_BLOCKS 8
#define RCX_PREFILL_HOLES  64

struct rcx_slab_prefill {
	int socket;
	size_t size;
	char *message;
	bool split;
	int block[RCX_PREFILL_BLOCKS][2]; /* pipes */
	int hole[RCX_PREFILL_HOLES][2];	  /* pipes, each of which fills one hole in a slab */
};

void rcx_slab_prefill_begin(struct rcx_slab_prefill *prefill, size_t size);
void rcx_slab_prefill(const struct rcx_slab_prefill *prefill);
void rcx_slab_prefill_end(struct rcx_slab_prefill *prefill);

/* ---- measure/rate_search.c --------------------------------------------- */

/* The outcome of one stream at a rate. */
enum rcx_verdict {
	RCX_CLEAN,  /* all arrived, as fast as they were emitted */
	RCX_LOST,   /* some did not arrive */
	RCX_BEHIND, /* all arrived, but the queue grew: a longer stream would overflow it */
	RCX_LATE,   /* the producer could not keep the rate */
	RCX_VERDICTS,
};

extern const char *const rcx_verdict_names[RCX_VERDICTS];

/* Find the highest rate that @s carries without loss.  Each trial is recorded in @result, and
 * @cell's interval becomes the one that was found.
 */
int rcx_find_rate(struct rcx_session *s, struct rcx_cell *cell, struct rcx_result *result);

/* Decide whether the rounds at the rate that was found must be repeated at a lower rate: they
 * lost something, or most of them were late or behind.  If so, make @cell's interval longer
 * and return true.  @steps is the number of steps before; after some the step becomes large.
 */
bool rcx_step_back(struct rcx_cell *cell, struct rcx_result *result, int steps);

/* Record trials at other rates around that of @cell. */
int rcx_sweep(struct rcx_session *s, const struct rcx_cell *cell, struct rcx_result *result);

/* ---- measure/session.c ------------------------------------------------- */

/**
 * struct rcx_endpoint_ops - the other end of a session: a kernel half or a peer.  It consumes
 *	pushed messages, counts, emits events, and asks
 * @name: for reasons, for example "the kernel half"
 * @begin: open the endpoint and map its status page
 * @bind: start counting from zero, with pulled messages of @size bytes.  Sets @contexts to the
 *	contexts that it can emit from, in the format of struct rcx_bind
 * @emit: as RCX_CORE_EMIT
 * @ask: as RCX_CORE_ASK; NULL for an endpoint that does not support upcall
 * @wait: as RCX_CORE_WAIT, with @ask
 * @stop: as RCX_CORE_STOP
 * @counts: as RCX_CORE_COUNTS, the sum of all threads
 * @cpu: the CPU on which it ran last, or -1 when that is not known
 * @join: attach @s, the session of thread @number, to the endpoint of @first; NULL when
 *	nothing has to be done
 * @end: release everything; also called when @begin failed half-way
 */
struct rcx_endpoint_ops {
	const char *name;
	int (*begin)(struct rcx_session *s);
	int (*bind)(struct rcx_session *s, uint32_t size, uint32_t *contexts);
	int (*emit)(struct rcx_session *s, const struct rcx_emission *emit);
	int (*ask)(struct rcx_session *s, const struct rcx_asking *asking);
	int (*wait)(struct rcx_session *s);
	int (*stop)(struct rcx_session *s);
	int (*counts)(struct rcx_session *s, struct rcx_counts *counts);
	int (*cpu)(struct rcx_session *s);
	int (*join)(struct rcx_session *s, const struct rcx_session *first, uint32_t number);
	void (*end)(struct rcx_session *s);
};

/* Allocate the buffers only. */
int rcx_session_prepare(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* Everything except the channel's open hook: the machine has what the mode needs, buffers, and the
 * endpoint bound.
 */
int rcx_session_bind(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* Bind again, with pulled messages of another @size.  Counts and sequences restart at 0. */
int rcx_session_bind_again(struct rcx_session *s, uint32_t size, uint32_t *contexts);
int rcx_session_open(struct rcx_session *s, const struct rcx_cell *cell, bool validate);
/* The session's threads must have ended: see rcx_threads_end(). */
void rcx_session_close(struct rcx_session *s);
int rcx_session_counts(struct rcx_session *s, struct rcx_counts *counts);
int rcx_session_emit(struct rcx_session *s, uint64_t count, uint32_t burst, uint64_t interval);
/* Open the session of thread @number (from 1) of those that do what @first does. */
int rcx_session_join(struct rcx_session *s, const struct rcx_cell *cell,
		     const struct rcx_session *first, uint32_t number);
int rcx_session_stop(struct rcx_session *s);

/* ---- endpoints/kernel_half.c: ringcross_core at the other end ---------- */

extern const struct rcx_endpoint_ops rcx_kernel_endpoint;

/* ---- endpoints/peer.c: a process at the other end ---------------------- */

extern const struct rcx_endpoint_ops rcx_peer_endpoint;

/* From now on, the death of a peer ends this process, after the reason was written to @reason. */
void rcx_peer_report_death(char *reason, size_t len);
/* Whether @address lies in the memory by which the agent controls the peer of @s. */
bool rcx_peer_shares(const struct rcx_session *s, uint64_t address);

/* ---- values that registry.c lists as claims and that the probes report - */

#define RCX_EACH_GETS_ALL     "each gets all"
#define RCX_REFUSES_NEWEST    "refuses newest"
#define RCX_COALESCES	      "coalesces"
#define RCX_OVERWRITES_OLDEST "overwrites oldest"
#define RCX_EMPTIES	      "empties its queue"
#define RCX_ADDS	      "adds up"
#define RCX_SHARE	      "share"
#define RCX_AT_LOAD	      "at load"

/* ---- probes/runner.c --------------------------------------------------- */

/* Run all probes of @mode, each in its own child.  Returns an object with the properties.
 * @load loads the modules, and sets its text to "" or to the reason why it cannot.
 */
json_object *rcx_probe_mode(const struct rcx_channel *channel, const struct rcx_mode *mode,
			    uint32_t clock,
			    void (*load)(const struct rcx_channel *, char *, size_t));

/* ---- tracing/ftrace.c -------------------------------------------------- */

/* In memory that the agent shares with the child that runs the operation. */
struct rcx_xray {
	bool traced;	 /* requested: with the tracer, which is started before */
	uint32_t repeat; /* requested: operations in one batch; 1 except for calibration */
	enum rcx_status status;
	char reason[256];
	double overhead;     /* the part of @units that is the harness's own cost */
	uint64_t units;	     /* raw; without the tracer the median of several */
	uint64_t start, end; /* clock before and after the operation */
	uint64_t dropped;    /* events for which the ring buffer had no room */
	bool lengthy;	     /* each operation includes a timer tick, so repeats do not help */
	size_t names_len;    /* bytes of @names: one line for each function entered */
	size_t tasks_len;    /* bytes of @tasks: lines of process number and name */
	size_t pages_len;    /* bytes of @pages: pages of the kernel's ring buffer */
	char names[1 << 19];
	char tasks[1 << 12];
	char pages[1 << 21];
};

/* 0 or -errno.  The start takes seconds, because every function of the kernel is patched. */
int rcx_tracer_start(uint32_t clock);
int rcx_tracer_stop(void);

/* Do @cell's operation with or without the tracer, as requested in @xray. */
void rcx_xray_take(const struct rcx_cell *cell, const struct rcx_overhead *overhead,
		   struct rcx_xray *xray);

/* ---- hostile/lifecycle.c ----------------------------------------------- */

/* Load and unload twice, and try to unload under a blocked reader.  @reason becomes "" or what
 * went wrong.
 */
void rcx_lifecycle(const struct rcx_channel *channel, const char *modules, char *reason,
		   size_t len);

#endif /* RCX_AGENT_H */
