// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/* Sleep between two looks at the page; the kernel's timer slack adds up to as much. */
static const struct timespec poll_interval = { .tv_nsec = 50000 };

/* The page, and the counter of the last message that was read. */
struct view {
	const struct rcx_vvar_page *page;
	uint32_t last;
};

static uint32_t sequence_of(const struct view *view)
{
	return __atomic_load_n(&view->page->sequence, __ATOMIC_ACQUIRE);
}

static int seqcount_open(struct rcx_session *s)
{
	struct view *view;

	s->fd = open(RCX_VVAR_DEVICE, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_VVAR_DEVICE);
	s->map = mmap(NULL, RCX_VVAR_SIZE, PROT_READ, MAP_SHARED, s->fd, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "mmap");
	}
	s->map_len = RCX_VVAR_SIZE;
	view = malloc(sizeof(*view));
	if (!view)
		return rcx_fail_errno(s, "malloc");
	s->priv = view;
	view->page = s->map;
	do
		view->last = sequence_of(view);
	while (view->last & 1);
	return 0;
}

static void seqcount_close(struct rcx_session *s)
{
	free(s->priv);
	s->priv = NULL;
}

/*
 * Copy the newest message to s->rx: its length, or 0 when there is no new one yet or the
 * kernel wrote during the copy.  A length is valid only if the counter is unchanged, so the
 * copy is bounded by the room of s->rx, and the caller checks the length.
 */
static size_t read_newest(struct rcx_session *s, struct view *view)
{
	uint32_t sequence = sequence_of(view);
	size_t len, room = rcx_len(s);

	if (sequence == view->last || sequence & 1)
		return 0;
	len = __atomic_load_n(&view->page->len, __ATOMIC_RELAXED);
	memcpy(s->rx, view->page->message, len < room ? len : room);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (__atomic_load_n(&view->page->sequence, __ATOMIC_RELAXED) != sequence)
		return 0;
	/* The counter grows by 2 with each message; a larger step means that some were lost. */
	if (sequence - view->last > 2)
		s->overruns++;
	view->last = sequence;
	return len;
}

static int seqcount_notify(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;

	while (n--) {
		size_t len;

		if (rcx_arm(s))
			return -1;
		do
			len = read_newest(s, view);
		while (!len);
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, len))
			return -1;
	}
	return 0;
}

static int seqcount_stream(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	bool polls = rcx_polls(s);

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		size_t len;

		while ((len = read_newest(s, view)) != 0)
			if (rcx_streamed(s, s->rx, len))
				return -1;
		if (over)
			return 0;
		if (polls)
			nanosleep(&poll_interval, NULL);
	}
}

/* ---- registration ------------------------------------------------------ */

#define PAGE                               \
	.max = RCX_VVAR_ROOM - RCX_HEADER, \
	.limit = "The page of 4096 bytes holds one message, after a counter and a length."

static const struct rcx_mode vvar_modes[] = {
	{
		.name = "seqcount",
		.summary = "the kernel stores the newest message, the user polls the page",
		.open = seqcount_open,
		.close = seqcount_close,
		/* Not RCX_READERS_EACH: a reader that does not look misses messages. */
		.claims = RCX_FULL_OVERWRITES,
		.operations = {
			[RCX_NOTIFY] = { .run = seqcount_notify, PAGE, .waits = RCX_WAIT_BUSY,
					.excludes = RCX_WITHOUT_WAKEUP },
			[RCX_STREAM] = { .run = seqcount_stream, PAGE, .waits = RCX_WAIT_DRAIN,
					.excludes = RCX_WITHOUT_WAKEUP },
		},
	},
	{ }
};

static const struct rcx_channel vvar = {
	.name = "vvar",
	.summary = "A page under a sequence counter, read without a system call",
	.module = "ringcross_vvar",
	.flags = RCX_RT_HARDIRQ,
	.since = "1.0: mmap() of a driver's memory; x86 has a page of kernel variables, vvar, since 3.0",
	.modes = vvar_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "User space can only read the page.",
		[RCX_PULL] = "A read does not notify the kernel, so it makes no message for it; the reader gets what the kernel published last.",
		[RCX_CALL] = "User space can only read the page, so no request can reach the kernel.",
		[RCX_UPCALL] = "User space can only read the page, so no reply can come back.",
		[RCX_DUMP] = "The page holds the newest message; a table that is mapped is a mode of channel mmap.",
	},
};
RCX_CHANNEL(vvar);
