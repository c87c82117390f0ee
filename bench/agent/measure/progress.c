// SPDX-License-Identifier: GPL-2.0-only
/*
 * What both halves had counted when a cell did not end in time.  The counts show where messages
 * stopped: not emitted, refused, not received.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "agent.h"
#include "probe.h"

#define N(value) ((unsigned long long)(value))

/* The counts of the last bind.  They remain after an unbind, until the next bind. */
static bool last_counts(struct rcx_counts *counts)
{
	int core = open(RCX_CORE_DEVICE, O_RDWR | O_CLOEXEC);
	bool known = core >= 0 && !ioctl(core, RCX_CORE_COUNTS, counts);

	if (core >= 0)
		close(core);
	return known;
}

static void append_kernel_half(const struct rcx_session *s, const struct rcx_counts *counts,
			       char *reason, size_t len)
{
	if (s->op == RCX_UPCALL) {
		rcx_append(reason, len,
			   "the kernel half asked %llu times and consumed %llu replies",
			   N(counts->emitted), N(counts->consumed));
		if (counts->refused)
			rcx_append(reason, len, ", and its last wait ended with %s",
				   rcx_errno_name((int)counts->refused_errno));
	} else if (rcx_kernel_initiated(s->op)) {
		rcx_append(reason, len, "the kernel half emitted %llu events", N(counts->emitted));
		if (counts->refused)
			rcx_append(reason, len, ", of which the channel refused %llu (%s)",
				   N(counts->refused), rcx_errno_name((int)counts->refused_errno));
		else
			rcx_append(reason, len, ", none was refused");
	} else if (s->op == RCX_PULL) {
		rcx_append(reason, len, "the kernel half made %llu messages", N(counts->made));
	} else if (s->op == RCX_DUMP) {
		rcx_append(reason, len, "the kernel half began %llu dumps", N(counts->made));
	} else {
		rcx_append(reason, len, "the kernel half consumed %llu messages and refused %llu",
			   N(counts->consumed), N(counts->bad));
	}
}

static void append_user_half(const struct rcx_session *s, char *reason, size_t len)
{
	if (s->op == RCX_STREAM)
		rcx_append(reason, len, "the user half received %llu in its last stream",
			   N(s->delivered));
	else if (s->op == RCX_PUSH || s->op == RCX_CALL)
		rcx_append(reason, len, "the user half sent %llu", N(s->sent));
	else if (s->op == RCX_DUMP)
		rcx_append(reason, len, "the user half received %llu, and %u records of the next",
			   N(s->seen), s->due);
	else
		rcx_append(reason, len, "the user half received %llu", N(s->seen));
}

void rcx_append_progress(const struct rcx_session *s, char *reason, size_t len)
{
	struct rcx_counts counts = { 0 };

	if (!s->endpoint) /* no other end, or not even the session began */
		return;
	if (s->channel->flags & RCX_BASELINE && !rcx_kernel_initiated(s->op))
		return; /* it counts no message */
	rcx_append(reason, len, ": %s, ", s->validate ? "in the validation pass" : "while timed");
	if (s->channel->module && last_counts(&counts)) {
		append_kernel_half(s, &counts, reason, len);
		rcx_append(reason, len, ", and ");
	}
	append_user_half(s, reason, len);
}
