// SPDX-License-Identifier: GPL-2.0-only
/* The control device, for those who are hostile to something else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"

static bool open_core(struct rc_hostile *h)
{
	void *page;

	if (h->core >= 0)
		return true;
	h->core = open(RC_CORE_DEVICE, O_RDWR | O_CLOEXEC);
	if (h->core < 0)
		return rc_expect(h, "open " RC_CORE_DEVICE, h->core, 0);
	page = mmap(NULL, sizeof(struct rc_page), PROT_READ, MAP_SHARED, h->core, 0);
	if (page == MAP_FAILED)
		return rc_expect(h, "map the status page", -1, 0);
	h->page = page;
	return true;
}

bool rc_core_bind(struct rc_hostile *h, const char *mode, uint32_t size, bool proof)
{
	struct rc_bind bind = { .size = size, .proof = proof };

	if (!open_core(h))
		return false;
	snprintf(bind.half, RC_NAME, "%s", h->channel->name);
	snprintf(bind.mode, RC_NAME, "%s", mode);
	if (ioctl(h->core, RC_CORE_BIND, &bind))
		return rc_expect(h, "bind the kernel half", -1, 0);
	return true;
}

void rc_core_unbind(struct rc_hostile *h)
{
	if (h->page)
		munmap((void *)(uintptr_t)h->page, sizeof(struct rc_page));
	if (h->core >= 0)
		close(h->core);
	h->page = NULL;
	h->core = -1;
}

bool rc_core_start(struct rc_hostile *h, enum rc_context context, uint64_t count, uint32_t burst,
	      uint64_t interval)
{
	struct rc_raise raise = {
		.context = context,
		.burst = burst,
		.count = count,
		.delay = 1000,
		.interval = interval,
	};

	if (ioctl(h->core, RC_CORE_RAISE, &raise))
		return rc_expect(h, "raise events", -1, 0);
	return true;
}

bool rc_core_ended(struct rc_hostile *h, uint32_t ms)
{
	while (!h->page->done && ms--)
		usleep(1000);
	return h->page->done;
}

struct rc_counts rc_core_counts(struct rc_hostile *h)
{
	struct rc_counts counts = { 0 };

	if (ioctl(h->core, RC_CORE_COUNTS, &counts))
		rc_expect(h, "read the counts", -1, 0);
	return counts;
}
