/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What those who serve requests share: the state of the conversation, the fields
 * of a request, and how an answer is filled.  One file a group of requests, one
 * function a request; main.c has the list.  PROTOCOL.md says what each means.
 */
#ifndef RC_REQUEST_H
#define RC_REQUEST_H

#include "agent.h"

/**
 * struct rc_serving - what is true from one request to the next
 * @modules: where the kernel halves lie
 * @clock: enum rc_clock
 * @is_set_up: the clock is chosen and @overhead known
 * @overhead: the harness's own cost
 * @result: in memory shared with the children that run the cells
 */
struct rc_serving {
	const char *modules;
	uint32_t clock;
	bool is_set_up;
	struct rc_overhead overhead;
	struct rc_result *result;
};

extern struct rc_serving rc_serving;

#define RC_NO_SETUP "the first request must be setup"

/* Names of enum rc_status. */
extern const char *const rc_status_names[];

/* ---- request.c: fields ------------------------------------------------- */

/*
 * What is asked for wrongly is refused: a number that was bent into range would
 * be measured under a wrong name.  The first reason stands.
 */
struct rc_refusal {
	char *reason;
	size_t len;
};

/* A text; "" where it is none, or none that C can hold. */
const char *rc_text(json_object *request, const char *key);
bool rc_is_true(json_object *request, const char *key);
bool rc_whole(json_object *value, int64_t low, int64_t high);
uint64_t rc_number(json_object *request, const char *key, int64_t low, int64_t high,
		   int64_t otherwise, const struct rc_refusal *refusal);
bool rc_truth(json_object *request, const char *key, const struct rc_refusal *refusal);

void rc_add_text(json_object *answer, const char *key, const char *value);
void rc_add_number(json_object *answer, const char *key, uint64_t value);
void rc_add_double(json_object *answer, const char *key, double value);
void rc_answer_error(const char *reason);

/* So that the harness can tell what was in flight when a machine dies. */
void rc_begin(uint64_t id);

/* Load what @channel needs; "" or why not. */
void rc_load_for(const struct rc_channel *channel, char *reason, size_t len);
/* 0 or -errno; fine when it has none, or none that is loaded. */
int rc_unload_for(const struct rc_channel *channel);

/* ---- the requests ------------------------------------------------------ */

void rc_hello(void);				/* request_machine.c */
void rc_do_setup(json_object *request);
void rc_do_read(json_object *request);
void rc_do_floors(json_object *request);
void rc_do_cell(json_object *request);		/* request_cell.c */
void rc_do_xray(json_object *request);		/* request_xray.c */
void rc_xray_over(void);			/* the tracer off, if it is on */
void rc_do_lifecycle(json_object *request);	/* request_try.c */
void rc_do_hostile(json_object *request);
void rc_do_probe(json_object *request);

/* RC_OK and @cell, or RC_SKIP for what nobody has and RC_FAIL for what nobody can mean. */
enum rc_status rc_read_cell(json_object *request, struct rc_cell *cell,
			    char *reason, size_t len);

#endif /* RC_REQUEST_H */
