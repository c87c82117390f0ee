// SPDX-License-Identifier: GPL-2.0-only
/* The control device, for hostile cases of kernel halves. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"

#define EMIT_MS 5000 /* for the slowest: a program that is started for each event */

static bool open_core(struct rcx_hostile *h)
{
	void *page;

	if (h->core >= 0)
		return true;
	h->core = open(RCX_CORE_DEVICE, O_RDWR | O_CLOEXEC);
	if (h->core < 0)
		return rcx_expect(h, "open " RCX_CORE_DEVICE, h->core, 0);
	page = mmap(NULL, sizeof(struct rcx_page), PROT_READ, MAP_SHARED, h->core, 0);
	if (page == MAP_FAILED)
		return rcx_expect(h, "map the status page", -1, 0);
	h->page = page;
	return true;
}

static bool bind_with(struct rcx_hostile *h, const char *mode, struct rcx_bind bind)
{
	if (!open_core(h))
		return false;
	snprintf(bind.channel, RCX_NAME, "%s", h->channel->name);
	snprintf(bind.mode, RCX_NAME, "%s", mode);
	if (ioctl(h->core, RCX_CORE_BIND, &bind))
		return rcx_expect(h, "bind the kernel half", -1, 0);
	return true;
}

bool rcx_core_bind(struct rcx_hostile *h, const char *mode, uint32_t size, bool validate)
{
	return bind_with(h, mode, (struct rcx_bind){ .size = size, .validate = validate });
}

bool rcx_core_bind_table(struct rcx_hostile *h, uint32_t records)
{
	return bind_with(h, "",
			 (struct rcx_bind){
				 .size = RCX_RECORD,
				 .validate = true,
				 .records = records,
			 });
}

bool rcx_is_table(const struct rcx_record *table, uint32_t count, uint64_t generation)
{
	for (uint32_t i = 0; i < count; i++) {
		if (table[i].index != i || table[i].generation != generation)
			return false;
		for (uint32_t word = 0; word < 6; word++)
			if (table[i].body[word] != rcx_body_word(i, word))
				return false;
	}
	return true;
}

void rcx_bind_topic(struct rcx_hostile *h, const char *topic, uint32_t size, bool validate)
{
	rcx_topic(h, "%s%s", topic, validate ? " in validation" : "");
	rcx_core_bind(h, "", size, validate);
}

void rcx_core_unbind(struct rcx_hostile *h)
{
	if (h->page)
		munmap((void *)(uintptr_t)h->page, sizeof(struct rcx_page));
	if (h->core >= 0)
		close(h->core);
	h->page = NULL;
	h->core = -1;
}

bool rcx_core_start(struct rcx_hostile *h, enum rcx_context context, uint64_t count, uint32_t burst,
		    uint64_t interval)
{
	struct rcx_emission emit = {
		.context = context,
		.burst = burst,
		.count = count,
		.delay = 1000,
		.interval = interval,
	};

	if (ioctl(h->core, RCX_CORE_EMIT, &emit))
		return rcx_expect(h, "emit events", -1, 0);
	return true;
}

bool rcx_core_ended(struct rcx_hostile *h, uint32_t ms)
{
	while (!h->page->done && ms--)
		usleep(1000);
	return h->page->done;
}

struct rcx_counts rcx_core_counts(struct rcx_hostile *h)
{
	struct rcx_counts counts = { 0 };

	if (ioctl(h->core, RCX_CORE_COUNTS, &counts))
		rcx_expect(h, "read the counts", -1, 0);
	return counts;
}

long rcx_core_emit(struct rcx_hostile *h, enum rcx_context context, uint32_t count)
{
	uint64_t before = rcx_core_counts(h).refused;

	rcx_core_start(h, context, count, count, 0);
	rcx_core_ended(h, EMIT_MS);
	return (long)(rcx_core_counts(h).refused - before);
}

/* ---- sizes that change --------------------------------------------------- */

#define BINDS_MAX 100000 /* ends the loop if the other thread pulls nothing */

struct puller {
	long (*pull)(void *arg);
	void *arg;
	uint32_t pulled;
	bool stop;
};

static long pull_on(void *arg)
{
	struct puller *puller = arg;

	while (!__atomic_load_n(&puller->stop, __ATOMIC_RELAXED)) {
		if (puller->pull(puller->arg) < 0)
			return -1;
		__atomic_add_fetch(&puller->pulled, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

void rcx_try_size_changes(struct rcx_hostile *h, long (*pull)(void *arg), void *arg, uint32_t times,
			  const uint32_t sizes[2])
{
	struct puller puller = { .pull = pull, .arg = arg };
	struct rcx_sleeper thread;
	uint32_t binds = 0;

	rcx_sleep_in(h, &thread, pull_on, &puller);
	for (puller.pulled = 0;
	     __atomic_load_n(&puller.pulled, __ATOMIC_RELAXED) < times && binds < BINDS_MAX;
	     binds++) {
		rcx_core_bind(h, "", sizes[binds & 1], true);
		sched_yield();
	}
	__atomic_store_n(&puller.stop, true, __ATOMIC_RELAXED);
	rcx_expect(h, "pulls while the size changes", rcx_sleeper_end(&thread), 0);
	rcx_expect_true(h, "the size has changed", binds > 1);
}
