// SPDX-License-Identifier: GPL-2.0-only
/* The endpoint of a channel with a kernel half: ringcross_core, through its control device. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent.h"

static int core_begin(struct rcx_session *s)
{
	void *page;

	s->core = open(RCX_CORE_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->core < 0)
		return rcx_fail_errno(s, "open " RCX_CORE_DEVICE);
	page = mmap(NULL, sizeof(struct rcx_page), PROT_READ, MAP_SHARED | MAP_POPULATE, s->core,
		    0);
	if (page == MAP_FAILED)
		return rcx_fail_errno(s, "cannot map the status page");
	s->page = page;
	return 0;
}

static int core_bind(struct rcx_session *s, uint32_t size, uint32_t *contexts)
{
	struct rcx_bind bind = {
		.size = size,
		.validate = s->validate,
		.clock = s->clock,
		.records = s->records,
	};

	snprintf(bind.channel, RCX_NAME, "%s", s->channel->name);
	snprintf(bind.mode, RCX_NAME, "%s", s->mode->name);
	if (ioctl(s->core, RCX_CORE_BIND, &bind))
		return rcx_fail_errno(s, "cannot bind the kernel half");
	*contexts = bind.contexts;
	return 0;
}

static int core_emit(struct rcx_session *s, const struct rcx_emission *emit)
{
	if (ioctl(s->core, RCX_CORE_EMIT, emit))
		return rcx_fail_errno(s, "cannot emit an event");
	return 0;
}

static int core_ask(struct rcx_session *s, const struct rcx_asking *asking)
{
	if (ioctl(s->core, RCX_CORE_ASK, asking))
		return rcx_fail_errno(s, "cannot let the kernel half ask");
	return 0;
}

static int core_wait(struct rcx_session *s)
{
	if (ioctl(s->core, RCX_CORE_WAIT))
		return rcx_fail_errno(s, "cannot wait for the producer");
	return 0;
}

static int core_stop(struct rcx_session *s)
{
	if (ioctl(s->core, RCX_CORE_STOP))
		return rcx_fail_errno(s, "cannot stop the producer");
	return 0;
}

static int core_counts(struct rcx_session *s, struct rcx_counts *counts)
{
	if (ioctl(s->core, RCX_CORE_COUNTS, counts))
		return rcx_fail_errno(s, "cannot read the kernel's counts");
	return 0;
}

static int core_cpu(struct rcx_session *s)
{
	struct rcx_counts counts;

	return rcx_kernel_initiated(s->op) && !core_counts(s, &counts) ? (int)counts.cpu : -1;
}

static void core_end(struct rcx_session *s)
{
	if (s->page)
		munmap((void *)(uintptr_t)s->page, sizeof(struct rcx_page));
	if (s->core >= 0)
		close(s->core); /* unbinds */
}

const struct rcx_endpoint_ops rcx_kernel_endpoint = {
	.name = "the kernel half",
	.begin = core_begin,
	.bind = core_bind,
	.emit = core_emit,
	.ask = core_ask,
	.wait = core_wait,
	.stop = core_stop,
	.counts = core_counts,
	.cpu = core_cpu,
	.end = core_end,
};
