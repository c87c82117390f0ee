// SPDX-License-Identifier: GPL-2.0-only
/* Checks of messages that are not on the fast path, and the counts of a stream. */
#include "agent.h"

void rcx_tx_slow(struct rcx_session *s)
{
	rcx_body_fill(s->tx->body, s->size, s->tx->seq);
}

/* As the kernel's rcx_reply(): every byte of the body inverted. */
void rcx_tx_reply_slow(struct rcx_session *s, struct rcx_msg *msg)
{
	for (uint32_t at = 0; at < s->size; at++)
		msg->body[at] ^= 0xff;
}

static int log_message(struct rcx_session *s, uint64_t seq, size_t len, uint32_t size)
{
	struct rcx_message_log *log = s->log;

	if (log->count < RCX_MESSAGE_LOG_MAX)
		log->message[log->count] = (struct rcx_logged_message){ seq, (uint32_t)len, size };
	log->count++;
	s->delivered++;
	return 0;
}

static int log_whole_message(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	bool ours = len >= RCX_HEADER && msg->magic == RCX_MAGIC;

	return log_message(s, ours ? msg->seq : UINT64_MAX, len, ours ? msg->size : UINT32_MAX);
}

int rcx_rx_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t seq)
{
	bool reply = s->op == RCX_CALL;
	uint32_t at;

	if (s->log)
		return log_whole_message(s, msg, len);
	if (len != rcx_len(s))
		return rcx_fail(s, "message %llu arrived with %zu bytes instead of %zu",
				(unsigned long long)(reply ? ~seq : seq), len, rcx_len(s));
	if (msg->magic != RCX_MAGIC || msg->size != s->size)
		return rcx_fail(s, "message %llu arrived with a broken header",
				(unsigned long long)(reply ? ~seq : seq));
	if (msg->seq != seq)
		return rcx_fail(s, "message %llu arrived where %llu was expected",
				(unsigned long long)(reply ? ~msg->seq : msg->seq),
				(unsigned long long)(reply ? ~seq : seq));
	if (!s->validate)
		return 0;
	at = rcx_body_check(msg->body, s->size, reply ? ~seq : seq, reply ? 0xff : 0);
	if (at != s->size)
		return rcx_fail(s, "the body of message %llu is wrong from byte %u on",
				(unsigned long long)(reply ? ~seq : seq), at);
	return 0;
}

int rcx_seen_narrow_slow(struct rcx_session *s, uint64_t seq, uint64_t expected)
{
	if (s->log)
		return log_message(s, seq, 0, 0);
	if (seq == expected)
		return 0;
	return rcx_fail(s, "number %llu arrived where %llu was expected", (unsigned long long)seq,
			(unsigned long long)expected);
}

/* For a probe: the log keeps how many events each notice counted. */
static int log_count(struct rcx_session *s, uint64_t count)
{
	log_message(s, count, 0, 0);
	s->delivered += count - 1;
	return 0;
}

int rcx_seen_count_slow(struct rcx_session *s, uint64_t count)
{
	s->seen += count;
	if (s->log)
		return log_count(s, count);
	if (count == 1)
		return 0;
	return rcx_fail(s, "a count of %llu arrived for one event", (unsigned long long)count);
}

int rcx_reply_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	uint64_t expected = ~(s->sent - 1);

	if ((seq & mask) == (expected & mask))
		return 0;
	return rcx_fail(s, "reply %llu arrived where %llu was expected",
			(unsigned long long)(seq & mask), (unsigned long long)(expected & mask));
}

static bool has_right_body(const struct rcx_record *record)
{
	for (uint32_t i = 0; i < sizeof(record->body) / sizeof(record->body[0]); i++)
		if (record->body[i] != rcx_body_word(record->index, i))
			return false;
	return true;
}

int rcx_record_slow(struct rcx_session *s, const struct rcx_record *record, uint32_t index)
{
	if (index >= s->records)
		return rcx_fail(s, "dump %llu has more records than the %u of the table",
				(unsigned long long)s->seen, s->records);
	if (record->index != index)
		return rcx_fail(s, "record %llu arrived where %u was expected",
				(unsigned long long)record->index, index);
	if (record->generation != s->seen)
		return rcx_fail(s, "record %u of dump %llu arrived in dump %llu", index,
				(unsigned long long)record->generation,
				(unsigned long long)s->seen);
	if (s->validate && !has_right_body(record))
		return rcx_fail(s, "record %u has a wrong body", index);
	return 0;
}

int rcx_dump_slow(struct rcx_session *s)
{
	return rcx_fail(s, "dump %llu has %u records, but the table has %u",
			(unsigned long long)s->seen, s->due, s->records);
}

/* A message that arrives after one with a higher number fills a gap; without a gap it is a copy. */
static void count_straggler(struct rcx_session *s)
{
	if (!s->lost) {
		s->duplicated++;
		return;
	}
	s->lost--;
	s->reordered++;
}

/* Narrow sequence numbers wrap, so only the distance from the expected number counts. */
static int count_streamed(struct rcx_session *s, uint64_t seq, uint64_t mask, uint64_t now)
{
	uint64_t ahead = (seq - s->seen) & mask;

	s->last = now;
	s->delivered++;
	if (s->paced && s->latencies < s->latency_max)
		s->latency[s->latencies++] =
			s->last - s->page->timestamps[(s->seen + ahead) % RCX_TIMESTAMPS];
	if (ahead == mask) { /* the last message again */
		s->duplicated++;
	} else if (ahead > mask / 2) {
		count_straggler(s);
	} else {
		s->lost += ahead;
		s->seen += ahead + 1;
	}
	return 0;
}

/* A probe's log exists only in the validation pass, so timed rounds do not check for it. */
static bool is_logged(const struct rcx_session *s)
{
	return __builtin_expect(s->validate && s->log, 0);
}

int rcx_streamed_at(struct rcx_session *s, const struct rcx_msg *msg, size_t len, uint64_t now)
{
	if (is_logged(s))
		return log_whole_message(s, msg, len);
	if (len != rcx_len(s) || msg->magic != RCX_MAGIC || msg->size != s->size)
		return rcx_fail(s, "a streamed message arrived broken after %llu whole ones",
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

/*
 * The oldest event of a notice, for its latency.  Where counts are complete, it follows those that
 * were counted before.  Where many events become one, it follows those that had been emitted when
 * the last notice was received.  This is an estimate: an event may be emitted between that receipt
 * and the look at the page, and then has a notice of its own.
 */
static uint64_t oldest_noticed(const struct rcx_session *s, uint64_t emitted)
{
	uint64_t first = s->noticed < emitted ? s->noticed : emitted ? emitted - 1 : 0;

	return s->mode->claims & RCX_FULL_COALESCES && first > s->seen ? first : s->seen;
}

int rcx_streamed_count(struct rcx_session *s, uint64_t count)
{
	uint64_t now = rcx_now(s), emitted, first;

	if (is_logged(s))
		return log_count(s, count);
	emitted = s->page->emitted;
	/* On another CPU the producer may still be in the emit hook of the newest event. */
	if (!count || count > emitted + 1 - s->seen)
		return rcx_fail(s,
				"a count of %llu arrived, but %llu of %llu emitted events had "
				"already been counted",
				(unsigned long long)count, (unsigned long long)s->seen,
				(unsigned long long)emitted);
	first = oldest_noticed(s, emitted);
	if (s->paced)
		for (uint64_t i = 0; i < count && s->latencies < s->latency_max; i++)
			s->latency[s->latencies++] =
				now - s->page->timestamps[(first + i) % RCX_TIMESTAMPS];
	s->last = now;
	s->delivered += count;
	s->seen += count;
	s->noticed = emitted;
	s->notices++;
	return 0;
}

int rcx_streamed_narrow(struct rcx_session *s, uint64_t seq, uint64_t mask)
{
	if (is_logged(s))
		return log_message(s, seq & mask, 0, 0);
	return count_streamed(s, seq & mask, mask, rcx_now(s));
}
