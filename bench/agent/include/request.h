/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What those who serve requests share: the state of the conversation, the fields
 * of a request, and how an answer is filled.  One file a group of requests, one
 * function a request; main.c has the list.  PROTOCOL.md says what each means.
 */
#ifndef RCX_REQUEST_H
#define RCX_REQUEST_H

#include "agent.h"

/**
 * struct rcx_serving - what is true from one request to the next
 * @modules: where the kernel halves lie
 * @clock: enum rcx_clock
 * @is_set_up: the clock is chosen and @overhead known
 * @overhead: the harness's own cost
 * @result: in memory shared with the children that run the cells
 */
struct rcx_serving {
	const char *modules;
	uint32_t clock;
	bool is_set_up;
	struct rcx_overhead overhead;
	struct rcx_result *result;
};

extern struct rcx_serving rcx_serving;

#define RCX_NO_SETUP "the first request must be setup"

/* Names of enum rcx_status. */
extern const char *const rcx_status_names[];

/* ---- request.c: fields ------------------------------------------------- */

/*
 * What is asked for wrongly is refused: a number that was bent into range would
 * be measured under a wrong name.  The first reason stands.
 */
struct rcx_refusal {
	char *reason;
	size_t len;
};

/* A text; "" where it is none, or none that C can hold. */
const char *rcx_text(json_object *request, const char *key);
bool rcx_is_true(json_object *request, const char *key);
bool rcx_whole(json_object *value, int64_t low, int64_t high);
uint64_t rcx_number(json_object *request, const char *key, int64_t low, int64_t high,
		   int64_t otherwise, const struct rcx_refusal *refusal);
bool rcx_truth(json_object *request, const char *key, const struct rcx_refusal *refusal);

void rcx_add_text(json_object *answer, const char *key, const char *value);
void rcx_add_number(json_object *answer, const char *key, uint64_t value);
void rcx_add_double(json_object *answer, const char *key, double value);
void rcx_answer_error(const char *reason);

/* So that the harness can tell what was in flight when a machine dies. */
void rcx_begin(uint64_t id);

/* Load what @channel needs; "" or why not. */
void rcx_load_for(const struct rcx_channel *channel, char *reason, size_t len);
/* 0 or -errno; fine when it has none, or none that this run has loaded. */
int rcx_unload_for(const struct rcx_channel *channel);

/* ---- the requests ------------------------------------------------------ */

void rcx_hello(void);				/* request_machine.c */
void rcx_do_setup(json_object *request);
void rcx_do_read(json_object *request);
void rcx_do_floors(json_object *request);
void rcx_do_cell(json_object *request);		/* request_cell.c */
void rcx_do_xray(json_object *request);		/* request_xray.c */
void rcx_xray_over(void);			/* the tracer off, if it is on */
void rcx_do_lifecycle(json_object *request);	/* request_try.c */
void rcx_do_hostile(json_object *request);
void rcx_do_probe(json_object *request);

/* RCX_OK and @cell, or RCX_SKIP for what nobody has and RCX_FAIL for what nobody can mean. */
enum rcx_status rcx_read_cell(json_object *request, struct rcx_cell *cell,
			    char *reason, size_t len);

#endif /* RCX_REQUEST_H */
