// SPDX-License-Identifier: GPL-2.0-only
/* Whether messages arrive in the order in which they went. */
#include <stdio.h>
#include "probe.h"

#define MESSAGES 64
#define APART 20000	/* ns between events: a reader that works keeps up */

/* MESSAGES operations of @op, each proved and so each in its turn; "" or why not. */
static void run_in_order(const struct rc_probing *probing, enum rc_op op, char *why, size_t len,
			 struct rc_session *s)
{
	struct rc_cell cell = rc_probe_cell(probing, op, rc_small(probing->mode, op));
	struct rc_counts counts;
	int err = rc_session_open(s, &cell, true);

	if (!err && op == RC_STREAM)
		err = rc_session_raise(s, MESSAGES, 1, APART);
	if (!err)
		err = s->mode->operations[op].run(s, MESSAGES);
	if (!err && !rc_session_counts(s, &counts) && counts.bad)
		err = rc_fail(s, "the kernel half refused %llu as not in turn or not whole",
			      (unsigned long long)counts.bad);
	if (err)
		snprintf(why, len, "%s", s->error);
	rc_session_close(s);
}

static void probe_ordering(struct rc_probing *probing)
{
	char detail[400] = "", why[256] = "";
	uint64_t strayed = 0;

	if (probing->channel->flags & RC_BASELINE) {
		rc_find_nothing(probing, "ordering", "A floor carries no message.");
		return;
	}
	for (int op = 0; op < RC_OPS; op++) {
		struct rc_session s;

		if (!probing->mode->operations[op].run)
			continue;
		run_in_order(probing, (enum rc_op)op, why, sizeof(why), &s);
		if (why[0]) {
			rc_find_failure(probing, "ordering", "%s: %s.", rc_op_names[op], why);
			return;
		}
		strayed += s.reordered + s.duplicated;
		rc_say(detail, sizeof(detail), "%s%s", detail[0] ? ", " : "", rc_op_names[op]);
		if (op == RC_STREAM)
			rc_say(detail, sizeof(detail),
			       " (%llu arrived, %llu out of order, %llu twice)",
			       (unsigned long long)s.delivered, (unsigned long long)s.reordered,
			       (unsigned long long)s.duplicated);
	}
	rc_find_text(probing, "ordering", strayed ? "not kept" : "kept",
		     "%d messages each of %s were checked for their numbers.", MESSAGES, detail);
}
RC_PROBE("ordering", probe_ordering);
