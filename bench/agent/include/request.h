/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that the handlers of requests share: the agent's state, the fields of a
 * request, and helpers that fill answers.  Each request has one function, and each group of
 * requests one file; main.c lists them.  PROTOCOL.md describes each request.
 */
#ifndef RCX_REQUEST_H
#define RCX_REQUEST_H

#include "agent.h"

/**
 * struct rcx_serving - state that lasts from one request to the next
 * @modules: directory of the kernel modules
 * @clock: enum rcx_clock
 * @is_set_up: a setup request has set @clock and @overhead
 * @events: the hardware events that are counted
 * @overhead: the harness's own cost
 * @result: in memory that is shared with the children that run the cells
 */
struct rcx_serving {
	const char *modules;
	uint32_t clock;
	bool is_set_up;
	enum rcx_hw_kind events;
	struct rcx_overhead overhead;
	struct rcx_result *result;
};

extern struct rcx_serving rcx_serving;

#define RCX_NO_SETUP "the first request must be setup"

/* Names of enum rcx_status. */
extern const char *const rcx_status_names[];

/* ---- request.c: fields ------------------------------------------------- */

/*
 * Where the reason goes when a field is invalid.  An invalid number is refused and not changed
 * to a valid one, because the cell would then be measured under wrong values.  Only the first
 * reason is kept.
 */
struct rcx_refusal {
	char *reason;
	size_t len;
};

/* The string; "" when the field is missing, is no string, or contains a NUL byte. */
const char *rcx_get_text(json_object *request, const char *key);
/* Whether the field is present and true. */
bool rcx_is_true(json_object *request, const char *key);
/* Whether @value is an integer from @low to @high. */
bool rcx_is_integer(json_object *value, int64_t low, int64_t high);
/* The number, @otherwise when it is missing or invalid. */
uint64_t rcx_get_number(json_object *request, const char *key, int64_t low, int64_t high,
			int64_t otherwise, const struct rcx_refusal *refusal);
bool rcx_get_bool(json_object *request, const char *key, const struct rcx_refusal *refusal);

void rcx_add_text(json_object *answer, const char *key, const char *value);
void rcx_add_number(json_object *answer, const char *key, uint64_t value);
void rcx_add_double(json_object *answer, const char *key, double value);
void rcx_answer_error(const char *reason);

/* Answer "begin", from which the harness knows the current cell when a machine dies, and skip
 * the kernel's log so far.
 */
void rcx_answer_begin(uint64_t id);

/* Load the modules that @channel needs.  @reason becomes "" or why they cannot be loaded. */
void rcx_load_for(const struct rcx_channel *channel, char *reason, size_t len);
/* Unload the module of @channel.  0 or -errno; 0 also when it has none, or none that this run
 * has loaded.
 */
int rcx_unload_for(const struct rcx_channel *channel);

/* ---- the requests ------------------------------------------------------ */

void rcx_hello(void); /* request_machine.c */
void rcx_do_setup(json_object *request);
void rcx_do_read(json_object *request);
void rcx_do_floors(json_object *request);
void rcx_do_cell(json_object *request);	     /* request_cell.c */
void rcx_do_xray(json_object *request);	     /* request_xray.c */
void rcx_xray_stop_tracer(void);	     /* if it runs */
void rcx_do_lifecycle(json_object *request); /* request_try.c */
void rcx_do_hostile(json_object *request);
void rcx_do_probe(json_object *request);

/* RCX_OK with @cell filled; RCX_SKIP when the channel does not support what is requested;
 * RCX_FAIL when a field is invalid.
 */
enum rcx_status rcx_read_cell(json_object *request, struct rcx_cell *cell, char *reason,
			      size_t len);

#endif /* RCX_REQUEST_H */
