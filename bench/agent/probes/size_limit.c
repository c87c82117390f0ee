// SPDX-License-Identifier: GPL-2.0-only
/* How large a message may be, and whether two of them stay two. */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "probe.h"

/* ---- largest ------------------------------------------------------------ */

/* What became of one proved message of @size bytes. */
struct attempt {
	bool worked;
	bool skipped;		/* this machine, or this user, has not got it */
	int code;		/* errno, of the user's call or of the producer's */
	char why[256];
};

/* A message that the channel refuses leaves its reader asleep: hence a peer. */
static void attempt_with(struct rc_session *s, struct attempt *attempt)
{
	struct rc_report report = { 0 };
	struct rc_counts counts = { 0 };
	struct rc_peer peer;
	int got = -1;

	if (!rc_peer_start(&peer, s, NULL, NULL, &report)) {
		if (s->op == RC_STREAM)
			rc_session_raise(s, 1, 1, 0);
		got = rc_peer_do(&peer, RC_DO_RUN, 1, &report, RC_WAIT_MS);
		rc_session_counts(s, &counts);
	}
	attempt->worked = got == 1 && !report.err && !counts.refused && !counts.bad &&
			  (s->op != RC_STREAM || report.delivered == 1) &&
			  (s->op != RC_PUSH || rc_counts_pushed(s, &counts));
	attempt->code = counts.refused ? (int)counts.refused_errno : report.code;
	if (counts.refused)
		snprintf(attempt->why, sizeof(attempt->why), "the producer is refused");
	else
		snprintf(attempt->why, sizeof(attempt->why), "%s",
			 report.error[0] ? report.error : "nothing arrives");
	rc_peer_kill(&peer);
}

static void attempt_size(const struct rc_probing *probing, enum rc_op op, uint32_t size,
			 struct attempt *attempt)
{
	struct rc_cell cell = rc_probe_cell(probing, op, size);
	struct rc_session s;

	memset(attempt, 0, sizeof(*attempt));
	if (rc_session_bind(&s, &cell, true))
		snprintf(attempt->why, sizeof(attempt->why), "%s", s.error);
	else
		attempt_with(&s, attempt);
	attempt->skipped = s.skip;
	rc_session_close(&s);
}

static void say_beyond(struct rc_found *found, const struct rc_probing *probing, enum rc_op op)
{
	const struct rc_operation *operation = &probing->mode->operations[op];
	struct attempt beyond;

	if (rc_narrow(operation)) {
		rc_say(found->detail, sizeof(found->detail), " is its only size.");
		return;
	}
	/* No larger ones are raised, so there is nothing to try. */
	if (rc_started(op) && operation->max >= RC_BODY_MAX) {
		rc_say(found->detail, sizeof(found->detail), " works; the suite stops there.");
		return;
	}
	attempt_size(probing, op, operation->max + 1, &beyond);
	if (beyond.worked)
		rc_say(found->detail, sizeof(found->detail),
		       " works, and a byte more too: the limit is ours.");
	else if (beyond.code)
		rc_say(found->detail, sizeof(found->detail), " works, a byte more: %s.",
		       rc_errno_name(beyond.code));
	else
		rc_say(found->detail, sizeof(found->detail), " works, a byte more: %s.", beyond.why);
}

static void probe_largest(struct rc_probing *probing)
{
	struct rc_found *found = rc_find_each(probing, "largest");

	for (int op = 0; op < RC_OPS; op++) {
		const struct rc_operation *operation = &probing->mode->operations[op];
		struct attempt attempt;

		if (!operation->run)
			continue;
		attempt_size(probing, (enum rc_op)op, operation->max, &attempt);
		rc_say(found->detail, sizeof(found->detail), "%s%s: %u B",
		       found->detail[0] ? " " : "", rc_op_names[op], operation->max);
		if (attempt.worked) {
			found->each[op] = operation->max;
			say_beyond(found, probing, (enum rc_op)op);
			continue;
		}
		if (attempt.skipped) {
			rc_say(found->detail, sizeof(found->detail), " is not to be had here: %s",
			       attempt.why);
			continue;
		}
		found->failed = true;
		rc_say(found->detail, sizeof(found->detail), " is declared and fails: %s (%s).",
		       attempt.why, rc_errno_name(attempt.code));
	}
}
RC_PROBE("largest", probe_largest);

/* ---- boundaries --------------------------------------------------------- */

#define LITTLE 8
#define MORE 40
#define ROOM 4096	/* of the reader's buffer: both would fit */

/* A call that brought less than a message although it had asked for no more: the
 * loop takes messages apart by itself, since the channel does not.
 */
static bool is_piece(const struct rc_call *call, const struct rc_tap *tap)
{
	bool reads = call->number == SYS_read || call->number == SYS_pread64 ||
		     call->number == SYS_recvfrom;

	return reads && call->result > 0 && (uint64_t)call->result == call->third &&
	       (uint64_t)call->result < tap->message[0].len;
}

/* A call that brought as much as both are, and no other brought one: where messages
 * are sent in text, each is longer than both.
 */
static bool are_one(const struct rc_calls *calls, const struct rc_tap *tap)
{
	int64_t first = tap->message[0].len, both = first + tap->message[1].len;
	uint32_t brought = 0, enough = 0;

	for (uint32_t i = 0; i < calls->count; i++) {
		brought += calls->call[i].result >= first;
		enough += calls->call[i].result >= both;
	}
	return enough && brought == 1;
}

static bool come_in_pieces(const struct rc_calls *calls, const struct rc_tap *tap)
{
	for (uint32_t i = 0; i < calls->count; i++)
		if (is_piece(&calls->call[i], tap))
			return true;
	return false;
}

/* Its own word for its size is within what came; an ioctl's result has no length. */
static bool is_whole(const struct rc_tapped *message)
{
	return message->size != UINT32_MAX && message->len >= RC_HEADER + message->size;
}

/* @waited: both were there before anybody read, so that one call could bring both. */
static void judge_two(struct rc_probing *probing, const struct rc_calls *calls, bool waited)
{
	const struct rc_tap *tap = &probing->findings->tap;

	if (tap->count != 2) {
		rc_find_text(probing, "boundaries", "not kept", "Two messages came as %llu.",
			     (unsigned long long)tap->count);
		return;
	}
	if (waited && are_one(calls, tap)) {
		rc_find_text(probing, "boundaries", "not kept",
			     "One system call with room for both brought both messages together.");
		return;
	}
	if (come_in_pieces(calls, tap)) {
		rc_find_text(probing, "boundaries", "not kept",
			     "The user half reads a header first, to know where the message ends.");
		return;
	}
	rc_find_text(probing, "boundaries",
		     is_whole(&tap->message[0]) && is_whole(&tap->message[1]) ? "kept" : "not kept",
		     "Two messages were read with room for both and came one by one, with %u and "
		     "%u bytes of body.", tap->message[0].size, tap->message[1].size);
}

/* One event that is larger by @more bytes than those the half is bound to. */
static bool raise_larger(struct rc_session *s, uint32_t more)
{
	struct rc_raise raise = {
		.context = RC_PROCESS,
		.burst = 1,
		.count = 1,
		.more = more,
	};

	if (s->side->raise(s, &raise))
		return false;
	return rc_raised(s, RC_WAIT_MS) || !rc_fail(s, "the producer did not end");
}

/* Two events of different sizes, both there before anybody reads. */
static void two_events(struct rc_probing *probing, struct rc_session *s, struct rc_peer *peer)
{
	const struct rc_calls *calls;
	struct rc_report report;
	uint32_t unused;

	if (rc_session_bind_again(s, LITTLE, &unused) || !raise_larger(s, 0) ||
	    !raise_larger(s, MORE - LITTLE)) {
		rc_find_failure(probing, "boundaries", "%s.", s->error);
		return;
	}
	calls = rc_peer_trace(peer, s->op == RC_STREAM ? RC_DO_RUN : RC_DO_WAIT, 2, RC_CALLS_MAX);
	if (!calls || rc_peer_report(peer, &report, RC_WAIT_MS) != 1 || report.err)
		rc_find_failure(probing, "boundaries", "Two events could not be read.");
	else
		judge_two(probing, calls, true);
}

static void two_pulls(struct rc_probing *probing, struct rc_session *s, struct rc_peer *peer)
{
	static const uint32_t sizes[] = { LITTLE, MORE };
	const struct rc_calls *calls = NULL;
	struct rc_report report = { 0 };
	uint32_t unused;

	for (int i = 0; i < 2; i++) {
		if (rc_session_bind_again(s, sizes[i], &unused))
			break;
		calls = rc_peer_trace(peer, RC_DO_RUN, 1, RC_CALLS_MAX);
		if (!calls || rc_peer_report(peer, &report, RC_WAIT_MS) != 1 || report.err)
			break;
	}
	if (probing->findings->tap.count == 2)
		judge_two(probing, calls, false);
	else
		rc_find_failure(probing, "boundaries", "Two messages could not be pulled: %s.",
				s->error[0] ? s->error : report.error);
}

static void two_sent(struct rc_probing *probing, struct rc_session *s, struct rc_peer *peer)
{
	struct rc_report report = { 0 };
	struct rc_counts counts = { 0 };

	if (rc_peer_do(peer, RC_DO_RUN, 2, &report, RC_WAIT_MS) != 1 || report.err ||
	    rc_session_counts(s, &counts))
		rc_find_failure(probing, "boundaries", "Two messages could not be sent: %s.",
				report.error);
	else
		rc_find_text(probing, "boundaries",
			     counts.consumed == 2 && !counts.bad ? "kept" : "not kept",
			     "Two messages sent one behind the other were consumed as %llu.",
			     (unsigned long long)counts.consumed);
}

/* The operation that shows it best: what arrives unasked, else what was asked for. */
static enum rc_op op_for_two(const struct rc_mode *mode)
{
	static const enum rc_op order[] = { RC_STREAM, RC_NOTIFY, RC_PULL, RC_CALL, RC_PUSH };
	size_t i = 0;

	while (!mode->operations[order[i]].run)
		i++;
	return order[i];
}

static void with_room(struct rc_probing *probing, enum rc_op op, uint32_t room)
{
	struct rc_cell cell = rc_probe_cell(probing, op, room);
	struct rc_report report = { 0 };
	struct rc_session s;
	struct rc_peer peer;

	if (rc_session_bind(&s, &cell, true)) {
		rc_find_failure(probing, "boundaries", "%s.", s.error);
		return;
	}
	probing->findings->tap.count = 0;
	if (op != RC_PUSH && op != RC_CALL)
		s.tap = &probing->findings->tap;
	if (rc_peer_start(&peer, &s, NULL, NULL, &report))
		rc_find_failure(probing, "boundaries", "%s.", report.error);
	else if (rc_started(op))
		two_events(probing, &s, &peer);
	else if (op == RC_PULL)
		two_pulls(probing, &s, &peer);
	else
		two_sent(probing, &s, &peer);
	rc_peer_kill(&peer);
	rc_session_close(&s);
}

static void probe_boundaries(struct rc_probing *probing)
{
	enum rc_op op = op_for_two(probing->mode);
	const struct rc_operation *operation = &probing->mode->operations[op];

	if (probing->channel->flags & RC_BASELINE)
		rc_find_nothing(probing, "boundaries", "A floor carries no message.");
	else if (rc_narrow(operation) || operation->max < MORE || operation->min > LITTLE)
		rc_find_nothing(probing, "boundaries", "All its messages have the same size.");
	else
		with_room(probing, op, operation->max < ROOM ? operation->max : ROOM);
}
RC_PROBE("boundaries", probe_boundaries);
