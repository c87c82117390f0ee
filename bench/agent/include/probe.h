/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What probes share.  A probe tries one property of one mode through the
 * channel's own hooks, in a child that may hang or die, and notes what it found.
 * Each registers itself at the end of its file; see PROTOCOL.md for the names.
 */
#ifndef RC_PROBE_H
#define RC_PROBE_H

#include <math.h>
#include <sys/types.h>
#include "agent.h"

#define RC_FOUND_MAX 32
#define RC_SETTLE_US 2000	/* for who waits to be asleep, for events to be through */
#define RC_WAIT_MS 300		/* what has not come by then does not come */

/**
 * struct rc_found - one property of one mode
 * @name: its name in the answer
 * @kind: which of the members below is its value; RC_NOTHING: the question does
 *	not arise here, and @detail says why
 * @counted: counted rather than tried
 * @told: the channel's own word, not tried
 * @failed: the probe came to no answer
 * @each: a value per operation; NAN where there is none
 */
struct rc_found {
	char name[24];
	enum { RC_NOTHING, RC_BOOL, RC_NUMBER, RC_TEXT, RC_EACH } kind;
	bool counted, told, failed;
	double number;
	char text[80];
	double each[RC_OPS];
	char detail[400];
};

/* Lies in memory that all processes of a probe share. */
struct rc_findings {
	uint32_t count;
	struct rc_found found[RC_FOUND_MAX];
	struct rc_tap tap;
};

/* What a probe is to try. */
struct rc_probing {
	const struct rc_channel *channel;
	const struct rc_mode *mode;
	uint32_t clock;
	struct rc_findings *findings;
};

/**
 * struct rc_probe - a probe's registration
 * @name: of the property that fails when the probe does
 * @run: tries it; in a child of its own, with the modules loaded
 * @once: for modes that have no operations, and for those alone
 */
struct rc_probe {
	const char *name;
	void (*run)(struct rc_probing *probing);
	bool once;
};

#define RC_PROBE(property, function)		RC_PROBE_OF(property, function, false)
#define RC_PROBE_ONCE(property, function)	RC_PROBE_OF(property, function, true)

#define RC_PROBE_OF(property, function, once)				\
	static const struct rc_probe function##_probe = { property, function, once };	\
	static const struct rc_probe *const function##_entry		\
	__attribute__((used, section("rc_probes"))) = &function##_probe

/* Note a property.  @detail is one sentence or more, printf-like. */
struct rc_found *rc_find_text(struct rc_probing *probing, const char *name, const char *value,
			      const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rc_found *rc_find_bool(struct rc_probing *probing, const char *name, bool value,
			      const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rc_found *rc_find_number(struct rc_probing *probing, const char *name, double value,
				const char *detail, ...)
	__attribute__((format(printf, 4, 5)));
struct rc_found *rc_find_nothing(struct rc_probing *probing, const char *name,
				 const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
struct rc_found *rc_find_failure(struct rc_probing *probing, const char *name,
				 const char *detail, ...)
	__attribute__((format(printf, 3, 4)));
/* With no value yet: to be filled in by the caller. */
struct rc_found *rc_find_each(struct rc_probing *probing, const char *name);

/* Add to a sentence that may be there; cut, never overrun. */
void rc_say(char *text, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "EAGAIN"; "nothing" for 0. */
const char *rc_errno_name(int code);

/* ---- sessions ---------------------------------------------------------- */

/* The size of a small message of @op: 8 bytes where it can be that. */
uint32_t rc_small(const struct rc_mode *mode, enum rc_op op);
bool rc_narrow(const struct rc_operation *operation);

/* Whether the kernel can start; @op is how a reader takes many events then. */
bool rc_starts(const struct rc_mode *mode, enum rc_op *op);

/* The cell that a probe of @op with @size bytes is; the default context. */
struct rc_cell rc_probe_cell(const struct rc_probing *probing, enum rc_op op, uint32_t size);

/* Let the kernel start @count events and wait till the producer has ended: true
 * when it has, false when it has not got on for @ms.
 */
bool rc_raise_all(struct rc_session *s, uint64_t count, uint32_t ms);
/* Wait for the producer alone. */
bool rc_raised(const struct rc_session *s, uint32_t ms);

/* Whether a push since the bind got there: where nobody waits for an answer, a refusal
 * comes unseen and only the kernel's counts tell.
 */
bool rc_counts_pushed(const struct rc_session *s, const struct rc_counts *counts);

/* ---- probe_peer.c: a session in a process of its own --------------------- */

enum rc_order {
	RC_DO_RUN,	/* n operations; for notify each asks for its event */
	RC_DO_WAIT,	/* one notify for an event that somebody else raises */
};

struct rc_report {
	int err;		/* of the hook */
	int code;		/* errno behind it, or 0 */
	uint64_t delivered, overruns;
	char error[256];
};

struct rc_peer {
	pid_t pid;
	int fd;
	int far;		/* the number that the other end has in the peer */
};

/* Start a process that opens the mode of @bound, which has no open of its own.
 * @before may change who the process is.  0 when the open went well; the
 * report of the open is in @report either way.
 */
int rc_peer_start(struct rc_peer *peer, const struct rc_session *bound,
		  void (*before)(void *), void *arg, struct rc_report *report);
void rc_peer_order(struct rc_peer *peer, enum rc_order order, uint64_t n);
/* 1 with its report, 0 when there is none after @ms, -1 when the peer has died. */
int rc_peer_report(struct rc_peer *peer, struct rc_report *report, int ms);
/* Both at once. */
int rc_peer_do(struct rc_peer *peer, enum rc_order order, uint64_t n,
	       struct rc_report *report, int ms);
void rc_peer_kill(struct rc_peer *peer);

/* ---- probe_trace.c: what a peer asks of the kernel ----------------------- */

#define RC_CALLS_MAX 4096

struct rc_calls {
	uint32_t count;
	struct rc_call {
		uint64_t number, first, third;	/* arguments */
		int64_t result;
	} call[RC_CALLS_MAX];
};

/* Order, and note each system call until the report, @most of them at most.  NULL
 * when the peer cannot be watched; else valid until the next time.
 */
const struct rc_calls *rc_peer_trace(struct rc_peer *peer, enum rc_order order, uint64_t n,
				     uint32_t most);

#endif /* RC_PROBE_H */
