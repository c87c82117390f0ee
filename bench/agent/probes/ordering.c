// SPDX-License-Identifier: GPL-2.0-only
/* Whether messages arrive in the order in which they went. */
#include <stdio.h>
#include "probe.h"

#define MESSAGES 64
#define APART 20000	/* ns between events: a reader that works keeps up */

/* MESSAGES operations of @op, each proved and so each in its turn; "" or why not. */
static void run_in_order(const struct rcx_probing *probing, enum rcx_op op, char *why, size_t len,
			 struct rcx_session *s)
{
	struct rcx_cell cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	struct rcx_counts counts;
	int err = rcx_session_open(s, &cell, true);

	if (!err && op == RCX_STREAM)
		err = rcx_session_emit(s, MESSAGES, 1, APART);
	if (!err)
		err = s->mode->operations[op].run(s, MESSAGES);
	if (!err && !rcx_session_counts(s, &counts) && counts.bad)
		err = rcx_fail(s, "the kernel half refused %llu as not in turn or not whole",
			      (unsigned long long)counts.bad);
	if (err)
		snprintf(why, len, "%s", s->error);
	rcx_session_close(s);
}

static void probe_ordering(struct rcx_probing *probing)
{
	char detail[400] = "", why[256] = "";
	uint64_t strayed = 0;

	if (probing->channel->flags & RCX_BASELINE) {
		rcx_find_nothing(probing, "ordering", "A floor carries no message.");
		return;
	}
	for (int op = 0; op < RCX_OPS; op++) {
		struct rcx_session s;

		if (!probing->mode->operations[op].run)
			continue;
		run_in_order(probing, (enum rcx_op)op, why, sizeof(why), &s);
		if (why[0]) {
			rcx_find_failure(probing, "ordering", "%s: %s.", rcx_op_names[op], why);
			return;
		}
		strayed += s.reordered + s.duplicated;
		rcx_append(detail, sizeof(detail), "%s%s", detail[0] ? ", " : "", rcx_op_names[op]);
		if (op == RCX_STREAM)
			rcx_append(detail, sizeof(detail),
			       " (%llu arrived, %llu out of order, %llu twice)",
			       (unsigned long long)s.delivered, (unsigned long long)s.reordered,
			       (unsigned long long)s.duplicated);
	}
	rcx_find_text(probing, "ordering", strayed ? "not kept" : "kept",
		     "%d messages each of %s were checked for their numbers.", MESSAGES, detail);
}
RCX_PROBE("ordering", probe_ordering);
