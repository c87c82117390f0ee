// SPDX-License-Identifier: GPL-2.0-only
/* A session: buffers, and the endpoint at the other end. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent.h"

/* Long enough for the user half to be asleep in its wait when the event comes. */
#define EMIT_DELAY 50000 /* ns */
/* For a reply, so that the kernel half does not wait forever: longer than any reply takes. */
#define ASK_DEADLINE 5000000000 /* ns */

/* ---- the endpoint ------------------------------------------------------- */

/* A probe may try a body of one byte more than the endpoint allows. */
static uint32_t endpoint_size(const struct rcx_session *s)
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
		.cpu = (uint32_t)(s->other_cpu + 1),
	};

	return s->silent ? 0 : s->endpoint->emit(s, &emit);
}

/* The pause before each request is that before an event: long enough for the user half to wait. */
int rcx_ask(struct rcx_session *s, uint64_t count)
{
	const struct rcx_asking ask = {
		.count = count,
		.delay = s->delay,
		.deadline = ASK_DEADLINE,
		.cpu = (uint32_t)(s->other_cpu + 1),
	};

	return s->silent ? 0 : s->endpoint->ask(s, &ask);
}

/* Each request ends by its deadline, so this wait ends, too. */
int rcx_asked(struct rcx_session *s, uint64_t first, uint64_t n)
{
	struct rcx_counts counts;

	if (s->silent)
		return 0;
	if (s->endpoint->wait(s) || rcx_session_counts(s, &counts))
		return -1;
	if (counts.refused)
		return rcx_fail(s, "the kernel half got no good reply to a request: %s",
				strerror((int)counts.refused_errno));
	for (uint64_t seq = first; seq < first + n && s->latencies < s->latency_max; seq++)
		s->latency[s->latencies++] = s->page->answered[seq % RCX_TIMESTAMPS] -
					     s->page->timestamps[seq % RCX_TIMESTAMPS];
	return 0;
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
	bool only = sysconf(_SC_NPROCESSORS_ONLN) == 1;

	if (s->wait != RCX_WAIT_BUSY || s->context != RCX_PROCESS)
		return 0;
	if (only)
		return rcx_skip(s,
				"A thread cannot emit events while another one spins on the only "
				"CPU.");
	if (s->other_cpu >= 0 && s->other_cpu == rcx_pinned_cpu())
		return rcx_skip(s,
				"A thread cannot emit events while another one spins on the same "
				"CPU: choose another placement.");
	return 0;
}

/* Set the requested context, or the channel's default; -1 when it is not supported. */
static int choose_context(struct rcx_session *s, int requested, uint32_t contexts)
{
	if (!contexts)
		return rcx_fail(s,
				"modules/%s/kernel.c has no emitter \"%s\", which is the name of the "
				"mode, or the emitter has no context: correct .emitters",
				s->channel->name, s->mode->name);
	if (requested < 0)
		requested = contexts & (1u << RCX_SOFTIRQ) ? RCX_SOFTIRQ : RCX_PROCESS;
	if (contexts & (1u << requested)) {
		s->context = (uint32_t)requested;
		return check_spinning(s);
	}
	if (requested == RCX_HARDIRQ && contexts & RCX_BARRED_BY_RT)
		return rcx_skip(s, "This kernel is PREEMPT_RT: its spinlocks may sleep, so this "
				   "channel cannot emit from a hard interrupt");
	return rcx_skip(s, "%s cannot emit from %s context", s->endpoint->name,
			rcx_context_names[requested]);
}

int rcx_session_bind_again(struct rcx_session *s, uint32_t size, uint32_t *contexts)
{
	return s->endpoint->bind(s, size, contexts);
}

static int bind_endpoint(struct rcx_session *s, const struct rcx_cell *cell)
{
	uint32_t contexts;

	if (s->mode->peer)
		s->endpoint = &rcx_peer_endpoint;
	else if (s->channel->module)
		s->endpoint = &rcx_kernel_endpoint;
	else
		return s->op == RCX_UPCALL ? check_spinning(s) : 0;
	if (s->endpoint->begin(s) || s->endpoint->bind(s, endpoint_size(s), &contexts))
		return -1;
	if (s->op == RCX_UPCALL)
		return check_spinning(s); /* only a thread can wait for a reply */
	if (rcx_kernel_initiated(s->op))
		return choose_context(s, cell->context, contexts);
	return 0;
}

/* Page-aligned and populated, so that no page fault happens in a round. */
static void *message_buffer(size_t len)
{
	void *buffer = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return buffer == MAP_FAILED ? NULL : buffer;
}

/* One record more than the table has, so that a read can find a surplus. */
static size_t table_len(const struct rcx_session *s)
{
	return (s->records + 1) * sizeof(struct rcx_record);
}

/* The requested wait, or the default of the operation. */
static enum rcx_wait choose_wait(const struct rcx_cell *cell)
{
	uint32_t wait = cell->wait ? cell->wait : rcx_default_wait(cell->mode, cell->op);

	return wait ? (enum rcx_wait)wait : RCX_WAIT_BLOCK;
}

/* The CPU of the other end: the one of this process, or as the cell requests. */
static int choose_other_cpu(const struct rcx_cell *cell)
{
	struct rcx_cpu_pair pair;

	if (cell->clock != RCX_CLOCK_TIME)
		return -1;
	if (cell->placement == RCX_SAME_CPU)
		return rcx_pinned_cpu();
	return rcx_find_cpus(cell->placement, &pair) ? pair.other : -1;
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
	s->other_cpu = choose_other_cpu(cell);
	s->delay = EMIT_DELAY;
	s->core = s->fd = s->fd2 = -1;
	for (int i = 0; i < 2; i++)
		s->user_end[i] = s->peer_end[i] = -1;

	if (s->op == RCX_DUMP) {
		s->records = cell->records ? cell->records : 1; /* a test's cell may have none */
		s->table = message_buffer(table_len(s));
		if (!s->table)
			return rcx_fail_errno(s, "cannot get memory for a table");
	}
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
	if (rcx_session_prepare(s, cell, validate) || rcx_check_requirements(s))
		return -1;
	s->latency_max = RCX_SAMPLES_MAX;
	s->latency = message_buffer(s->latency_max * sizeof(s->latency[0]));
	if (!s->latency)
		return rcx_fail_errno(s, "cannot get memory for latencies");
	return bind_endpoint(s, cell);
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
	if (s->other_cpu >= 0)
		s->other_cpu = rcx_thread_cpu(number);
	if (first->endpoint && first->endpoint->join && first->endpoint->join(s, first, number))
		return -1;
	return s->mode->open(s);
}

void rcx_session_close(struct rcx_session *s)
{
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
	if (s->table)
		munmap(s->table, table_len(s));
	if (s->tx)
		munmap(s->tx, rcx_len(s));
	if (s->rx)
		munmap(s->rx, rcx_len(s));
}
