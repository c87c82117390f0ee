// SPDX-License-Identifier: GPL-2.0-only
/* Whether messages arrive in the order in which they were sent. */
#include <stdio.h>
#include "probe.h"

#define MESSAGES       64
#define EVENT_INTERVAL 20000 /* ns; long enough for the reader to keep up */

/* Do MESSAGES operations of @op, each validated and so in order; @why becomes "" or why not. */
static void run_in_order(const struct rcx_probing *probing, enum rcx_op op, char *why, size_t len,
			 struct rcx_session *s)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	struct rcx_counts counts;
	int err = rcx_session_open(s, &cell, true);

	if (!err && op == RCX_STREAM)
		err = rcx_session_emit(s, MESSAGES, 1, EVENT_INTERVAL);
	if (!err)
		err = s->mode->operations[op].run(s, MESSAGES);
	if (!err && !rcx_session_counts(s, &counts) && counts.bad)
		err = rcx_fail(s, "the kernel half refused %llu messages as out of order or broken",
			       (unsigned long long)counts.bad);
	if (err)
		snprintf(why, len, "%s", s->error);
	rcx_session_close(s);
}

static void probe_ordering(struct rcx_probing *probing)
{
	char detail[400] = "", why[256] = "";
	uint64_t misplaced = 0;
	int numbered = 0;

	if (probing->channel->flags & RCX_BASELINE) {
		rcx_find_nothing(probing, "ordering", "A baseline carries no message.");
		return;
	}
	for (int op = 0; op < RCX_OPS; op++) {
		struct rcx_session s;

		if (!probing->mode->operations[op].run || probing->mode->operations[op].count)
			continue;
		numbered++;
		run_in_order(probing, (enum rcx_op)op, why, sizeof(why), &s);
		if (why[0]) {
			rcx_find_failure(probing, "ordering", "%s: %s.", rcx_op_names[op], why);
			return;
		}
		misplaced += s.reordered + s.duplicated;
		rcx_append(detail, sizeof(detail), "%s%s", detail[0] ? ", " : "", rcx_op_names[op]);
		if (op == RCX_STREAM)
			rcx_append(detail, sizeof(detail),
				   " (%llu arrived, %llu out of order, %llu twice)",
				   (unsigned long long)s.delivered, (unsigned long long)s.reordered,
				   (unsigned long long)s.duplicated);
	}
	if (!numbered) {
		rcx_find_nothing(probing, "ordering",
				 "It carries only a count, so its events "
				 "have no order.");
		return;
	}
	rcx_find_text(probing, "ordering", misplaced ? "not kept" : "kept",
		      "The sequence numbers of %d messages of each operation were checked: %s.",
		      MESSAGES, detail);
}
RCX_PROBE("ordering", probe_ordering);
