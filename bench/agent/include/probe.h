/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What probes share.  A probe tries one property of one mode through the
 * channel's own hooks, in a child that may hang or die, and notes what it found.
 * Each registers itself at the end of its file; see PROTOCOL.md for the names.
 */
#ifndef RCX_PROBE_H
#define RCX_PROBE_H

#include <math.h>
#include <sys/types.h>
#include "agent.h"

#define RCX_FOUND_MAX 32
#define RCX_SETTLE_US 2000	/* for who waits to be asleep, for events to be through */
#define RCX_WAIT_MS 300		/* what has not come by then does not come */

/**
 * struct rcx_found - one property of one mode
 * @name: its name in the answer
 * @kind: which of the members below is its value; RCX_NOTHING: the question does
 *	not arise here, and @detail says why
 * @counted: counted rather than tried
 * @told: the channel's own word, not tried
 * @failed: the probe came to no answer
 * @each: a value per operation; NAN where there is none
 */
struct rcx_found {
	char name[24];
	enum { RCX_NOTHING, RCX_BOOL, RCX_NUMBER, RCX_TEXT, RCX_EACH } kind;
	bool counted, told, failed;
	double number;
	char text[80];
	double each[RCX_OPS];
	char detail[400];
};

/* Lies in memory that all processes of a probe share. */
struct rcx_findings {
	uint32_t count;
	struct rcx_found found[RCX_FOUND_MAX];
	struct rcx_message_log log;
};

/* What a probe is to try. */
struct rcx_probing {
	const struct rcx_channel *channel;
	const struct rcx_mode *mode;
	uint32_t clock;
	struct rcx_findings *findings;
};

/**
 * struct rcx_probe - a probe's registration
 * @name: of the property that fails when the probe does
 * @run: tries it; in a child of its own, with the modules loaded
 * @one_shot: for modes that have no operations, and for those alone
 */
struct rcx_probe {
	const char *name;
	void (*run)(struct rcx_probing *probing);
	bool one_shot;
};

#define RCX_PROBE(property, function)		RCX_PROBE_OF(property, function, false)
#define RCX_PROBE_ONE_SHOT(property, function)	RCX_PROBE_OF(property, function, true)

#define RCX_PROBE_OF(property, function, one_shot)				\
	static const struct rcx_probe function##_probe = { property, function, one_shot };	\
	static const struct rcx_probe *const function##_entry		\
	__attribute__((used, section("rcx_probes"))) = &function##_probe

/* Note a property.  @detail is one sentence or more, printf-like. */
struct rcx_found *rcx_find_text(struct rcx_probing *probing, const char *name, const char *value,
			      const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rcx_found *rcx_find_bool(struct rcx_probing *probing, const char *name, bool value,
			      const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rcx_found *rcx_find_number(struct rcx_probing *probing, const char *name, double value,
				const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rcx_found *rcx_find_nothing(struct rcx_probing *probing, const char *name,
				 const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
struct rcx_found *rcx_find_failure(struct rcx_probing *probing, const char *name,
				 const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
/* With no value yet: to be filled in by the caller. */
struct rcx_found *rcx_find_each(struct rcx_probing *probing, const char *name);

/* Add to a sentence that may be there; cut, never overrun. */
void rcx_say(char *text, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "EAGAIN"; "nothing" for 0. */
const char *rcx_errno_name(int code);

/* ---- sessions ---------------------------------------------------------- */

/* The size of a small message of @op: 8 bytes where it can be that. */
uint32_t rcx_small(const struct rcx_mode *mode, enum rcx_op op);
bool rcx_narrow(const struct rcx_operation *operation);

/* Whether the kernel can start; @op is how a reader takes many events then. */
bool rcx_starts(const struct rcx_mode *mode, enum rcx_op *op);

/* The cell that a probe of @op with @size bytes is; the default context. */
struct rcx_cell rcx_probe_cell(const struct rcx_probing *probing, enum rcx_op op, uint32_t size);

/* Let the kernel start @count events and wait till the producer has ended: true
 * when it has, false when it has not got on for @ms.
 */
bool rcx_emit_all(struct rcx_session *s, uint64_t count, uint32_t ms);
/* Wait for the producer alone. */
bool rcx_emitted(const struct rcx_session *s, uint32_t ms);

/* Whether a push since the bind got there: where nobody waits for an answer, a refusal
 * comes unseen and only the kernel's counts tell.
 */
bool rcx_counts_pushed(const struct rcx_session *s, const struct rcx_counts *counts);

/* ---- probe_peer.c: a session in a process of its own --------------------- */

enum rcx_order {
	RCX_DO_RUN,	/* n operations; for notify each asks for its event */
	RCX_DO_WAIT,	/* one notify for an event that somebody else raises */
};

struct rcx_report {
	int err;		/* of the hook */
	int code;		/* errno behind it, or 0 */
	uint64_t delivered, overruns;
	char error[256];
};

struct rcx_peer {
	pid_t pid;
	int fd;
	int far;		/* the number that the other end has in the peer */
};

/* Start a process that opens the mode of @bound, which has no open of its own.
 * @before may change who the process is.  0 when the open went well; the
 * report of the open is in @report either way.
 */
int rcx_peer_start(struct rcx_peer *peer, const struct rcx_session *bound,
		  void (*before)(void *), void *arg, struct rcx_report *report);
void rcx_peer_order(struct rcx_peer *peer, enum rcx_order order, uint64_t n);
/* 1 with its report, 0 when there is none after @ms, -1 when the peer has died. */
int rcx_peer_report(struct rcx_peer *peer, struct rcx_report *report, int ms);
/* Both at once. */
int rcx_peer_do(struct rcx_peer *peer, enum rcx_order order, uint64_t n,
	       struct rcx_report *report, int ms);
void rcx_peer_kill(struct rcx_peer *peer);

/* ---- probe_trace.c: what a peer asks of the kernel ----------------------- */

#define RCX_CALLS_MAX 4096

struct rcx_calls {
	uint32_t count;
	struct rcx_call {
		uint64_t number, first, third;	/* arguments */
		int64_t result;
	} call[RCX_CALLS_MAX];
};

/* Order, and note each system call until the report, @most of them at most.  NULL
 * when the peer cannot be watched; else valid until the next time.
 */
const struct rcx_calls *rcx_peer_trace(struct rcx_peer *peer, enum rcx_order order, uint64_t n,
				     uint32_t most);

#endif /* RCX_PROBE_H */
