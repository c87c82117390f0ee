// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control: a fixed operation that is timed immediately before and after each round, under the
 * time clock.  The machine changes its speed within a second: its frequency, the load of the
 * other threads of the core, what a hypervisor gives to others.  A round and its neighbours see
 * the same speed, so their ratio hardly depends on it.
 *
 * The operation writes the bytes of one message to a pipe and reads them back, in this process:
 * two system calls, two copies, and pages from the allocator.  It was chosen by measuring: its
 * cost moves more like that of the cells than the cost of a null system call, of a loop, of a
 * copy in user space or of a wake-up of another process does.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "agent.h"

#define SIZE_MIN      8
#define SIZE_MAX_PIPE 65536 /* a larger message does not fit into a pipe of the usual length */
#define TRIALS	      5
#define TRIAL_N	      8

static uint64_t cpu_time(void)
{
	return rcx_read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* 0, or -1 when the pipe did not carry all bytes. */
static int turn(const struct rcx_control *control, uint64_t n)
{
	ssize_t size = control->size;

	while (n--)
		if (write(control->ends[1], control->buffer, control->size) != size ||
		    read(control->ends[0], control->buffer, control->size) != size)
			return -1;
	return 0;
}

static int timed_turn(struct rcx_session *s, const struct rcx_control *control, uint64_t n,
		      uint64_t *total)
{
	uint64_t start = rcx_now(s);
	int err = turn(control, n);

	*total = rcx_now(s) - start;
	return err;
}

/* A disturbance can only lengthen a trial, so the shortest one gives the cost. */
static int choose_length(struct rcx_session *s, struct rcx_control *control, uint64_t units)
{
	uint64_t best = UINT64_MAX, total;

	for (int i = 0; i < TRIALS; i++) {
		if (timed_turn(s, control, TRIAL_N, &total))
			return -1;
		best = total < best ? total : best;
	}
	control->n = units * TRIAL_N / (best + 1) + 1;
	return 0;
}

/* A user who holds many pipes may get a short one. */
static uint32_t fitting_size(const struct rcx_control *control, uint32_t size)
{
	int room = fcntl(control->ends[1], F_GETPIPE_SZ);
	uint32_t most = room > 0 && room < SIZE_MAX_PIPE ? (uint32_t)room : SIZE_MAX_PIPE;

	return size < SIZE_MIN ? SIZE_MIN : size > most ? most : size;
}

void rcx_control_begin(struct rcx_control *control, struct rcx_session *s,
		       const struct rcx_cell *cell, struct rcx_result *result)
{
	result->controls = 0;
	if (pipe2(control->ends, O_CLOEXEC | O_NONBLOCK))
		return;
	control->size = fitting_size(control, s->size);
	control->buffer = calloc(1, control->size);
	control->open = true;
	if (!control->buffer || choose_length(s, control, cell->control_units))
		rcx_control_end(control);
}

void rcx_control_take(struct rcx_control *control, struct rcx_session *s, struct rcx_result *result,
		      uint32_t place)
{
	uint64_t before = cpu_time();

	if (timed_turn(s, control, control->n, &result->control[place])) {
		result->controls = 0;
		rcx_control_end(control);
		return;
	}
	control->used += cpu_time() - before;
	result->controls = place + 1;
	result->control_n = control->n;
	result->control_size = control->size;
}

void rcx_control_end(struct rcx_control *control)
{
	close(control->ends[0]);
	close(control->ends[1]);
	free(control->buffer);
	control->open = false;
}
