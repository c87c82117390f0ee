// SPDX-License-Identifier: GPL-2.0-only
/* A session: buffers, the other side, and the checks off the fast path. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent.h"

/* Long enough for the user half to be asleep in its wait when the event comes. */
#define EMIT_DELAY 50000	/* ns */

static void note_failure(struct rcx_session *s, const char *format, va_list args)
{
	if (!s->error[0])
		vsnprintf(s->error, sizeof(s->error), format, args);
}

int rcx_fail(struct rcx_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note_failure(s, format, args);
	va_end(args);
	return -1;
}

int rcx_skip(struct rcx_session *s, const char *format, ...)
{
	va_list args;

	s->skip = true;
	va_start(args, format);
	note_failure(s, format, args);
	va_end(args);
	return -1;
}

int rcx_fail_errno(struct rcx_session *s, const char *what)
{
	int code = errno;

	if (!s->error[0])
		s->code = code;
	return rcx_fail(s, "%s: %s", what, strerror(code));
}

void rcx_tx_slow(struct rcx_session *s)
{
	rcx_body_fill(s->tx->body, s->size, s->tx->seq);
}

static int tapped(struct rcx_session *s, uint64_t seq, size_t len, uint32_t size)
{
	struct rcx_message_log *log = s->log;

	if (log->count < RCX_MESSAGE_LOG_MAX)
		log->message[log->count] = (struct rcx_logged_message){ seq, (uint32_t)len, size };
	log->count++;
	s->delivered++;
	return 0;
}

static int tapped_whole(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	bool ours = len >= RCX_HEADER && msg->magic == RCX_MAGIC;

	return tapped(s, ours ? msg->seq : UINT64_MAX, len, ours ? msg->size : UINT32_MAX);
}

int rcx_rx_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t seq)
{
	bool reply = s->op == RCX_CALL;
	uint32_t at;

	if (s->log)
		return tapped_whole(s, msg, len);
	if (len != rcx_len(s))
		return rcx_fail(s, "message %llu came with %zu bytes instead of %zu",
			       (unsigned long long)(reply ? ~seq : seq), len, rcx_len(s));
	if (msg->magic != RCX_MAGIC || msg->size != s->size)
		return rcx_fail(s, "message %llu came with a broken header",
			       (unsigned long long)(reply ? ~seq : seq));
	if (msg->seq != seq)
		return rcx_fail(s, "message %llu came where %llu was due",
			       (unsigned long long)(reply ? ~msg->seq : msg->seq),
			       (unsigned long long)(reply ? ~seq : seq));
	if (!s->validate)
		return 0;
	at = rcx_body_check(msg->body, s->size, reply ? ~seq : seq, reply ? 0xff : 0);
	if (at != s->size)
		return rcx_fail(s, "message %llu is wrong from byte %u of its body on",
			       (unsigned long long)(reply ? ~seq : seq), at);
	return 0;
}

int rcx_seen_narrow_slow(struct rcx_session *s, uint64_t seq, uint64_t due)
{
	if (s->log)
		return tapped(s, seq, 0, 0);
	if (seq == due)
		return 0;
	return rcx_fail(s, "number %llu came where %llu was due",
		       (unsigned long long)seq, (unsigned long long)due);
}

int rcx_reply_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	uint64_t due = ~(s->sent - 1);

	if ((seq & mask) == (due & mask))
		return 0;
	return rcx_fail(s, "reply %llu came where %llu was due",
		       (unsigned long long)(seq & mask), (unsigned long long)(due & mask));
}

/* A message behind one with a higher number fills a gap; without one it is a copy. */
static void count_straggler(struct rcx_session *s)
{
	if (!s->lost) {
		s->duplicated++;
		return;
	}
	s->lost--;
	s->reordered++;
}

/* The sequence has no end and narrow ones wrap: only the distance counts. */
static int count_streamed(struct rcx_session *s, uint64_t seq, uint64_t mask, uint64_t now)
{
	uint64_t ahead = (seq - s->seen) & mask;

	s->last = now;
	s->delivered++;
	if (s->paced && s->latencies < s->latency_max)
		s->latency[s->latencies++] =
			s->last - s->page->timestamps[(s->seen + ahead) % RCX_TIMESTAMPS];
	if (ahead == mask) {			/* one back: the one just seen */
		s->duplicated++;
	} else if (ahead > mask / 2) {
		count_straggler(s);
	} else {
		s->lost += ahead;
		s->seen += ahead + 1;
	}
	return 0;
}

/* A probe's log is for proofs, so timed rounds do not look for it. */
static bool is_tapped(const struct rcx_session *s)
{
	return __builtin_expect(s->validate && s->log, 0);
}

int rcx_streamed_at(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t now)
{
	if (is_tapped(s))
		return tapped_whole(s, msg, len);
	if (len != rcx_len(s) || msg->magic != RCX_MAGIC || msg->size != s->size)
		return rcx_fail(s, "a streamed message came broken after %llu whole ones",
			       (unsigned long long)s->delivered);
	if (s->validate && rcx_body_check(msg->body, s->size, msg->seq, 0) != s->size)
		return rcx_fail(s, "streamed message %llu has a wrong body",
			       (unsigned long long)msg->seq);
	return count_streamed(s, msg->seq, UINT64_MAX, now);
}

int rcx_streamed(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	return rcx_streamed_at(s, msg, len, rcx_now(s));
}

int rcx_streamed_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	if (is_tapped(s))
		return tapped(s, seq & mask, 0, 0);
	return count_streamed(s, seq & mask, mask, rcx_now(s));
}

/* ---- the other side, whoever it is -------------------------------------- */

/* A probe may try one byte more than the other side knows of. */
static uint32_t size_there(const struct rcx_session *s)
{
	return s->size < RCX_BODY_MAX ? s->size : RCX_BODY_MAX;
}

int rcx_session_emit(struct rcx_session *s, uint64_t count, uint32_t burst, uint64_t interval)
{
	const struct rcx_emission emit = {
		.context = s->context,
		.burst = burst,
		.count = count,
		.delay = s->delay,
		.interval = interval,
	};

	return s->silent ? 0 : s->endpoint->emit(s, &emit);
}

int rcx_session_stop(struct rcx_session *s)
{
	return s->endpoint->stop(s);
}

int rcx_emit_events(struct rcx_session *s, uint64_t count)
{
	return rcx_session_emit(s, count, 1, 0);
}

int rcx_session_counts(struct rcx_session *s, struct rcx_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	return s->endpoint ? s->endpoint->counts(s, counts) : 0;
}

static int check_spinning(struct rcx_session *s)
{
	if (s->wait != RCX_WAIT_BUSY || s->context != RCX_PROCESS ||
	    sysconf(_SC_NPROCESSORS_ONLN) > 1)
		return 0;
	return rcx_skip(s, "A thread cannot raise events while another spins on the only CPU.");
}

/* The asked context, or the channel's default; -1 when it has not got it. */
static int choose_context(struct rcx_session *s, int asked, uint32_t contexts)
{
	if (asked < 0)
		asked = contexts & (1u << RCX_SOFTIRQ) ? RCX_SOFTIRQ : RCX_PROCESS;
	if (contexts & (1u << asked)) {
		s->context = (uint32_t)asked;
		return check_spinning(s);
	}
	return rcx_skip(s, "%s cannot emit from %s context", s->endpoint->name,
		       rcx_context_names[asked]);
}

int rcx_session_bind_again(struct rcx_session *s, uint32_t size, uint32_t *contexts)
{
	return s->endpoint->bind(s, size, contexts);
}

static int bind_side(struct rcx_session *s, const struct rcx_cell *cell)
{
	uint32_t contexts;

	if (s->mode->peer)
		s->endpoint = &rcx_peer_endpoint;
	else if (s->channel->module)
		s->endpoint = &rcx_kernel_endpoint;
	else
		return 0;
	if (s->endpoint->begin(s) || s->endpoint->bind(s, size_there(s), &contexts))
		return -1;
	if (rcx_kernel_initiated(s->op))
		return choose_context(s, cell->context, contexts);
	return 0;
}

/* Page-aligned and touched, so that no page fault falls into a round. */
static void *message_buffer(size_t len)
{
	void *buffer = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return buffer == MAP_FAILED ? NULL : buffer;
}

/* The wait asked for, or the first that the operation knows. */
static enum rcx_wait choose_wait(const struct rcx_cell *cell)
{
	uint32_t waits = rcx_waits(cell->mode, cell->op);

	if (cell->wait)
		return (enum rcx_wait)cell->wait;
	return waits ? (enum rcx_wait)(waits & -waits) : RCX_WAIT_BLOCK;
}

int rcx_session_prepare(struct rcx_session *s, const struct rcx_cell *cell, bool validate)
{
	memset(s, 0, sizeof(*s));
	s->channel = cell->channel;
	s->mode = cell->mode;
	s->op = cell->op;
	s->size = cell->size;
	s->clock = cell->clock;
	s->validate = validate;
	s->wait = choose_wait(cell);
	s->queue = cell->queue;
	s->delay = EMIT_DELAY;
	s->core = s->fd = s->fd2 = -1;
	for (int i = 0; i < 2; i++)
		s->user_end[i] = s->peer_end[i] = -1;

	s->tx = message_buffer(rcx_len(s));
	s->rx = message_buffer(rcx_len(s));
	if (!s->tx || !s->rx)
		return rcx_fail_errno(s, "cannot get message buffers");
	s->tx->magic = RCX_MAGIC;
	s->tx->size = s->size;
	return 0;
}

int rcx_session_bind(struct rcx_session *s, const struct rcx_cell *cell, bool validate)
{
	if (rcx_session_prepare(s, cell, validate))
		return -1;
	s->latency_max = RCX_SAMPLES_MAX;
	s->latency = message_buffer(s->latency_max * sizeof(s->latency[0]));
	if (!s->latency)
		return rcx_fail_errno(s, "cannot get room for latencies");
	return bind_side(s, cell);
}

int rcx_session_open(struct rcx_session *s, const struct rcx_cell *cell, bool validate)
{
	return rcx_session_bind(s, cell, validate) ? -1 : s->mode->open(s);
}

int rcx_session_join(struct rcx_session *s, const struct rcx_cell *cell,
		    const struct rcx_session *first, uint32_t number)
{
	if (rcx_session_prepare(s, cell, first->validate))
		return -1;
	if (first->endpoint && first->endpoint->join && first->endpoint->join(s, first, number))
		return -1;
	return s->mode->open(s);
}

void rcx_session_close(struct rcx_session *s)
{
	if (s->threads)
		rcx_threads_end(s);
	if (s->mode->close)
		s->mode->close(s);
	if (s->fd >= 0)
		close(s->fd);
	if (s->fd2 >= 0)
		close(s->fd2);
	if (s->map)
		munmap(s->map, s->map_len);
	if (s->endpoint)
		s->endpoint->end(s);
	if (s->latency)
		munmap(s->latency, s->latency_max * sizeof(s->latency[0]));
	if (s->tx)
		munmap(s->tx, rcx_len(s));
	if (s->rx)
		munmap(s->rx, rcx_len(s));
}
