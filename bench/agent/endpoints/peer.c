// SPDX-License-Identifier: GPL-2.0-only
/*
 * The endpoint of a channel without a kernel half: a process, the peer, does the work of
 * ringcross_core.  A session starts its own peer, one for each thread.  A peer never outlives
 * its session, and a peer that ends by itself ends the cell.
 *
 * Writers of the shared block: the session writes @settled, @order, @stop and the @wanted of its
 * slot.  While no order is being executed (page.done), it also writes @spec, @due and @size,
 * resets the counts, and clears page.done.  A peer writes the rest of its own slot.  The first
 * peer also writes the rest of the block; only the first thread's peer emits events.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"
#include "peer.h"

#define NICE_LOWEST	19	     /* nice, as ringcross_core's producer */
#define SETTLE_NS	8000000ull   /* two time slices: twice the debt of a new process */
#define STOP_MS		1000	     /* a peer that has not stopped by then is stuck */
#define DEATH_SIGNAL_NS 500000000ull /* by then SIGCHLD for a dead peer has arrived */

/**
 * struct rcx_peer_block - memory that a session shares with the peers of all its threads
 * @page: status page, as ringcross_core's
 * @settled: both sides have had the same share of the processor, see settle()
 * @order: number of the newest order, a futex
 * @stop: stop the order that is being executed
 * @spec: the events to emit
 * @due: CLOCK_MONOTONIC of the first event
 * @size: bytes of body of events
 * @emitted: events that were tried
 * @refused: of these, the events that the channel did not take
 * @refused_errno: the last reason
 * @slot: one for each thread
 */
struct rcx_peer_block {
	struct rcx_page page;
	uint32_t settled;
	uint32_t order;
	uint32_t stop;
	struct rcx_emission spec;
	uint64_t due;
	uint32_t size;
	uint64_t emitted, refused;
	uint32_t refused_errno;
	struct rcx_peer_slot slot[RCX_THREADS_MAX];
};

/* This process's peers by their slots, 0 where there is none. */
static pid_t peers[RCX_THREADS_MAX];
static const struct rcx_peer_block *watched_block;
static char *death_reason;
static size_t death_reason_len;

/* ---- helpers ------------------------------------------------------------ */

/* CLOCK_MONOTONIC, whatever the session's clock is: rates and timeouts are in real time. */
static uint64_t nanoseconds(void)
{
	return rcx_read_clock(CLOCK_MONOTONIC);
}

/* Sleep while *@word is @value, until a wake-up or CLOCK_MONOTONIC @until (0: no limit). */
static void sleep_on(const uint32_t *word, uint32_t value, uint64_t until)
{
	const struct timespec at = {
		.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000),
	};

	syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until ? &at : NULL, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

static void wake(const uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX);
}

bool rcx_peer_shares(const struct rcx_session *s, uint64_t address)
{
	uint64_t block = (uintptr_t)s->block;

	return s->block && address >= block && address < block + sizeof(*s->block);
}

static void close_ends(int end[2])
{
	for (int i = 0; i < 2; i++) {
		if (end[i] >= 0)
			close(end[i]);
		end[i] = -1;
	}
}

/* ---- in the peer: consume messages -------------------------------------- */

static int check(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	unsigned long long due = s->slot->consumed;
	uint32_t at;

	if (len < RCX_HEADER || msg->magic != RCX_MAGIC || len - RCX_HEADER != msg->size)
		return rcx_fail(s, "message %llu arrived broken, with %zu bytes", due, len);
	if (msg->seq != due)
		return rcx_fail(s, "message %llu arrived where %llu was expected",
				(unsigned long long)msg->seq, due);
	at = rcx_body_check(msg->body, msg->size, due, 0);
	if (at != msg->size)
		return rcx_fail(s, "the body of message %llu is wrong from byte %u on", due, at);
	return 0;
}

int rcx_peer_consume_slow(struct rcx_session *s, const struct rcx_msg *msg, size_t len)
{
	if (check(s, msg, len)) {
		s->slot->bad++;
		return -1;
	}
	rcx_peer_count(s);
	return 0;
}

void rcx_peer_reached(struct rcx_session *s)
{
	__atomic_store_n(&s->slot->reached, (uint32_t)s->slot->wanted, __ATOMIC_RELEASE);
	wake(&s->slot->reached);
}

/* ---- in the peer: emit events ------------------------------------------- */

static void emit_one(struct rcx_session *s, uint64_t due)
{
	struct rcx_peer_block *block = s->block;
	struct rcx_event event = {
		.seq = block->emitted++, /* before the user half can receive it */
		.timestamp = rcx_now(s),
		.size = block->size + block->spec.more,
	};
	int err = -EMSGSIZE;

	block->page.timestamps[event.seq % RCX_TIMESTAMPS] = due ? due : event.timestamp;
	if (block->spec.context & RCX_TO_NOBODY)
		err = 0;
	else if (event.size <= s->size) /* s->tx has room for no more */
		err = s->mode->peer->emit(s, &event);
	if (err) {
		block->refused++;
		block->refused_errno = (uint32_t)-err;
	}
	__atomic_store_n(&block->page.emitted, event.seq + 1, __ATOMIC_RELEASE);
}

/* Convert @due from nanoseconds to the session's clock.  At a rate, the timestamp of an event is
 * the time at which it was due, however late it is emitted.
 */
static uint64_t due_timestamp(const struct rcx_session *s, uint64_t due)
{
	return rcx_now(s) - (nanoseconds() - due);
}

static bool stopped(const struct rcx_peer_block *block)
{
	return __atomic_load_n(&block->stop, __ATOMIC_ACQUIRE);
}

/* False when the session stops @order before @due; it then also changes the newest order. */
static bool sleep_until(const struct rcx_peer_block *block, uint32_t order, uint64_t due)
{
	while (!stopped(block) && nanoseconds() < due)
		sleep_on(&block->order, order, due);
	return !stopped(block);
}

/* The next burst is due one interval later.  Of the bursts that were missed meanwhile only the
 * last one is emitted, as a timer that expired several times fires once.
 */
static uint64_t next_due(uint64_t due, uint64_t interval)
{
	uint64_t now = nanoseconds();

	due += interval;
	return now > due ? now - (now - due) % interval : due;
}

static void emit_events(struct rcx_session *s, uint32_t order)
{
	struct rcx_peer_block *block = s->block;
	const struct rcx_emission *spec = &block->spec;
	uint64_t left = spec->count, due = block->due;
	bool go_on = sleep_until(block, order, due);

	while (go_on && left) {
		uint64_t timestamp = spec->interval ? due_timestamp(s, due) : 0;

		for (uint32_t i = 0; i < spec->burst && left; i++, left--)
			emit_one(s, timestamp);
		if (!spec->interval) {
			go_on = !stopped(block);
		} else if (left) {
			due = next_due(due, spec->interval);
			go_on = sleep_until(block, order, due);
		}
	}
	__atomic_store_n(&block->page.done, 1, __ATOMIC_RELEASE);
	wake(&block->page.done);
}

static void run_commands(struct rcx_session *s) __attribute__((noreturn));

static void run_commands(struct rcx_session *s)
{
	const uint32_t *newest = &s->block->order;
	uint32_t order = 0;

	for (;;) {
		while (__atomic_load_n(newest, __ATOMIC_ACQUIRE) == order)
			sleep_on(newest, order, 0);
		order = __atomic_load_n(newest, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&s->block->page.done, __ATOMIC_ACQUIRE))
			continue; /* an order to stop, after the last one had ended */
		emit_events(s, order);
	}
}

/* ---- in the peer: its main function ------------------------------------- */

/* An inherited buffer would be copied page by page, with a fault at each first write. */
static void *own_buffer(void *inherited, size_t len)
{
	munmap(inherited, len);
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
}

static int prepare_peer(struct rcx_session *s)
{
	prctl(PR_SET_NAME, "rcx_peer");
	/* The default slack lets a timer be late by 50 us, to save power. */
	prctl(PR_SET_TIMERSLACK, 1ul);
	if (s->other_cpu >= 0 && rcx_pin(s->other_cpu))
		return rcx_fail_errno(s, "cannot run on the CPU of the placement");
	close_ends(s->user_end);
	s->fd = s->peer_end[0];
	s->fd2 = s->peer_end[1];
	s->tx = own_buffer(s->tx, rcx_len(s));
	s->rx = own_buffer(s->rx, rcx_len(s));
	if (s->tx == MAP_FAILED || s->rx == MAP_FAILED)
		return rcx_fail_errno(s, "cannot get message buffers");
	return s->mode->peer->begin ? s->mode->peer->begin(s) : 0;
}

static void run_peer(struct rcx_session *s) __attribute__((noreturn));

static void run_peer(struct rcx_session *s)
{
	int err = prepare_peer(s);

	if (!err && rcx_kernel_initiated(s->op)) {
		/* On one CPU it then emits only when the reader has nothing to drain. */
		setpriority(PRIO_PROCESS, 0, NICE_LOWEST);
		run_commands(s);
	}
	while (!err && !__atomic_load_n(&s->block->settled, __ATOMIC_ACQUIRE))
		sched_yield();
	if (!err && s->mode->peer->serve)
		s->mode->peer->serve(s);
	memcpy(s->slot->error, s->error, sizeof(s->error));
	_exit(1);
}

/* ---- in the session: a peer that dies ----------------------------------- */

static void write_death_reason(int status, const char *error)
{
	if (error[0])
		snprintf(death_reason, death_reason_len, "the peer has ended: %s", error);
	else if (WIFSIGNALED(status))
		snprintf(death_reason, death_reason_len, "the peer was killed by signal %d (%s)",
			 WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
	else
		snprintf(death_reason, death_reason_len, "the peer has ended with status %d",
			 WEXITSTATUS(status));
}

/* End this process, since the user half waits for a message that cannot arrive any more. */
static void on_death(int sig)
{
	int status;

	(void)sig;
	for (int i = 0; i < RCX_THREADS_MAX; i++) {
		if (peers[i] <= 0 || waitpid(peers[i], &status, WNOHANG) != peers[i])
			continue;
		write_death_reason(status, watched_block->slot[i].error);
		_exit(0);
	}
}

void rcx_peer_report_death(char *reason, size_t len)
{
	const struct sigaction action = { .sa_handler = on_death, .sa_flags = SA_RESTART };

	death_reason = reason;
	death_reason_len = len;
	sigaction(SIGCHLD, &action, NULL);
}

int rcx_peer_exited(struct rcx_session *s, const char *what)
{
	uint64_t limit = nanoseconds() + DEATH_SIGNAL_NS;

	/* In a cell, on_death() runs meanwhile, and has the reason.  Any other signal ends the
	 * sleep early, such as the timer of a stream.
	 */
	while (nanoseconds() < limit)
		usleep(1000);
	return rcx_fail(s, "%s: the peer has exited", what);
}

/* ---- in the session: start and end -------------------------------------- */

static int start_peer(struct rcx_session *s)
{
	/* @s may be in memory that the processes share, and both ends change it. */
	struct rcx_session own = *s;
	pid_t parent = getpid(), pid;
	sigset_t chld, before;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	/* If the peer dies at once, its pid must be stored before the signal is handled. */
	sigprocmask(SIG_BLOCK, &chld, &before);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		signal(SIGCHLD, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		run_peer(&own);
	}
	watched_block = s->block;
	if (pid > 0)
		peers[s->slot - s->block->slot] = pid;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return rcx_fail_errno(s, "cannot start a peer");
	close_ends(s->peer_end);
	return 0;
}

/*
 * The scheduler gives a new process less processor time at first.  Until the shares are equal, the
 * waking process keeps running after a wake-up, and the first 25 ms of an exchange cost up to a
 * third less, or more, than the rest.  So both sides yield to each other until they have had equal
 * shares.  A peer that emits events does not, since its priority differs anyway.  Of several
 * threads, only the first one does.
 */
static void settle(struct rcx_session *s)
{
	uint64_t end = s->validate || rcx_kernel_initiated(s->op) ? 0 : nanoseconds() + SETTLE_NS;

	while (nanoseconds() < end)
		sched_yield();
	__atomic_store_n(&s->block->settled, 1, __ATOMIC_RELEASE);
}

static int peer_begin(struct rcx_session *s)
{
	s->block = mmap(NULL, sizeof(*s->block), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->block == MAP_FAILED) {
		s->block = NULL;
		return rcx_fail_errno(s, "cannot get memory to share with a peer");
	}
	s->page = &s->block->page;
	s->slot = &s->block->slot[0];
	s->block->page.done = 1;
	if (s->mode->peer->connect(s) || start_peer(s))
		return -1;
	settle(s);
	return 0;
}

static int peer_join(struct rcx_session *s, const struct rcx_session *first, uint32_t number)
{
	s->endpoint = first->endpoint;
	s->block = first->block;
	s->slot = &s->block->slot[number];
	return s->mode->peer->connect(s) ? -1 : start_peer(s);
}

static void peer_end(struct rcx_session *s)
{
	pid_t *peer = s->slot ? &peers[s->slot - s->block->slot] : NULL, pid;

	if (peer && *peer > 0) {
		pid = *peer;
		*peer = 0; /* so that on_death() ignores it */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close_ends(s->user_end);
	close_ends(s->peer_end);
	if (s->block && s->slot == &s->block->slot[0])
		munmap(s->block, sizeof(*s->block));
}

int rcx_peer_open(struct rcx_session *s)
{
	int *const fds[2] = { &s->fd, &s->fd2 };

	for (int i = 0; i < 2; i++) {
		if (s->user_end[i] < 0)
			continue;
		*fds[i] = fcntl(s->user_end[i], F_DUPFD_CLOEXEC, 0);
		if (*fds[i] < 0)
			return rcx_fail_errno(s, "cannot copy a file descriptor");
	}
	return 0;
}

/* ---- in the session: orders and counts ---------------------------------- */

static int peer_stop(struct rcx_session *s)
{
	struct rcx_peer_block *block = s->block;
	uint64_t limit = nanoseconds() + STOP_MS * 1000000ull;

	if (__atomic_load_n(&block->page.done, __ATOMIC_ACQUIRE))
		return 0;
	__atomic_store_n(&block->stop, 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&block->order, 1, __ATOMIC_RELEASE);
	wake(&block->order);
	while (!__atomic_load_n(&block->page.done, __ATOMIC_ACQUIRE)) {
		if (nanoseconds() >= limit)
			return rcx_fail(s, "the peer does not stop");
		sleep_on(&block->page.done, 0, limit);
	}
	block->stop = 0;
	return 0;
}

static int peer_bind(struct rcx_session *s, uint32_t size, uint32_t *contexts)
{
	struct rcx_peer_block *block = s->block;

	if (peer_stop(s))
		return -1;
	for (int i = 0; i < RCX_THREADS_MAX; i++)
		block->slot[i].consumed = block->slot[i].bad = block->slot[i].wanted =
			block->slot[i].reached = 0;
	block->emitted = block->refused = block->refused_errno = 0;
	block->page.emitted = 0;
	block->size = size;
	*contexts = s->mode->peer->emit ? 1u << RCX_PROCESS : 0;
	return 0;
}

static int peer_emit(struct rcx_session *s, const struct rcx_emission *emit)
{
	struct rcx_peer_block *block = s->block;

	if (peer_stop(s))
		return -1;
	block->spec = *emit;
	block->due = nanoseconds() + emit->delay;
	/* Release order: a peer that sees the new order also sees @spec and @due. */
	__atomic_store_n(&block->page.done, 0, __ATOMIC_RELEASE);
	__atomic_add_fetch(&block->order, 1, __ATOMIC_RELEASE);
	wake(&block->order);
	return 0;
}

static int peer_counts(struct rcx_session *s, struct rcx_counts *counts)
{
	const struct rcx_peer_block *block = s->block;

	*counts = (struct rcx_counts){
		.emitted = block->emitted,
		.refused = block->refused,
		.refused_errno = block->refused_errno,
	};
	for (int i = 0; i < RCX_THREADS_MAX; i++) {
		counts->consumed += __atomic_load_n(&block->slot[i].consumed, __ATOMIC_ACQUIRE);
		counts->bad += block->slot[i].bad;
	}
	return 0;
}

/* "12 (rcx_peer) S 1 ...": the 37th field after the name. */
static int peer_cpu(struct rcx_session *s)
{
	char path[64], line[1024];
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)peers[s->slot - s->block->slot]);
	file = fopen(path, "re");
	if (!file)
		return -1;
	at = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	for (int field = 0; at && field < 37; field++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at + 1) : -1;
}

int rcx_peer_wait_slow(struct rcx_session *s)
{
	uint32_t wanted = (uint32_t)s->slot->wanted, reached;

	while ((reached = __atomic_load_n(&s->slot->reached, __ATOMIC_ACQUIRE)) != wanted)
		sleep_on(&s->slot->reached, reached, 0);
	return 0;
}

const struct rcx_endpoint_ops rcx_peer_endpoint = {
	.name = "the peer",
	.begin = peer_begin,
	.bind = peer_bind,
	.emit = peer_emit,
	.stop = peer_stop,
	.counts = peer_counts,
	.cpu = peer_cpu,
	.join = peer_join,
	.end = peer_end,
};
