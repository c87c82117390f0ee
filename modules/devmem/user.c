// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel half does not wait for readers.  So a message is copied out, and the copy is
 * valid only if the slot has the same number after the copy as before.  See abi.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define SLOTS 256u /* as deep as the queues of the other channels */

/* Sleep between two looks at the memory; the kernel's timer slack adds up to as much. */
static const struct timespec poll_interval = { .tv_nsec = 50000 };

/* How this process sees the memory. */
struct view {
	volatile struct rcx_devmem_ring *ring;
	unsigned char *slots;
	uint32_t stride;
	uint32_t count;
	uint64_t last; /* number of the last message read */
};

/* ---- open --------------------------------------------------------------- */

/* The number in a file of one line; 0 if the file cannot be read or has no number. */
static unsigned long long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long number = 0;

	if (file && fscanf(file, "%lli", (long long *)&number) != 1)
		number = 0;
	if (file)
		fclose(file);
	return number;
}

/* Skip, and name the first required word that the kernel's command line lacks. */
static int skip_unbooted(struct rcx_session *s)
{
	char line[4096] = "", words[256], *save;
	FILE *file = fopen("/proc/cmdline", "re");
	size_t len = file ? fread(line, 1, sizeof(line) - 1, file) : 0;

	if (file)
		fclose(file);
	line[len] = '\0';
	snprintf(words, sizeof(words), "%s", s->channel->boot);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (!strstr(line, word))
			return rcx_skip(s,
					"The kernel was booted without %s, so no memory is reserved.",
					word);
	return rcx_skip(s, "The module was loaded without phys= and size=.");
}

/* Without O_SYNC, which would request an uncached mapping; the module's mapping is cached. */
static int map_memory(struct rcx_session *s)
{
	off_t addr = (off_t)read_number("/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_ADDR);
	size_t size = (size_t)read_number("/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_SIZE);
	void *map;

	if (!size)
		return access("/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_SIZE, R_OK) ?
			       rcx_fail_errno(s, "/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_SIZE) :
			       skip_unbooted(s);
	s->fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (s->fd < 0 && errno == ENOENT)
		return rcx_skip(s,
				"This kernel has no /dev/mem: it was built without CONFIG_DEVMEM.");
	if (s->fd < 0)
		return rcx_fail_errno(s, "open /dev/mem");
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, addr);
	if (map == MAP_FAILED)
		return rcx_fail_errno(s, "mmap /dev/mem");
	s->map = map;
	s->map_len = size;
	return 0;
}

/*
 * The requested number of slots.  Without a request: SLOTS, or fewer if SLOTS do not
 * fit, so that the largest messages have a ring as well.
 */
static uint32_t slots_for(const struct rcx_session *s, uint32_t stride)
{
	uint32_t slots = s->queue ? s->queue : SLOTS;

	while (!s->queue && slots > 1 && (size_t)slots * stride > s->map_len - RCX_DEVMEM_SLOTS)
		slots /= 2;
	return slots;
}

static int ring_open(struct rcx_session *s)
{
	uint32_t stride = rcx_devmem_stride((uint32_t)rcx_len(s));
	struct view *view;

	if (map_memory(s))
		return -1;
	view = malloc(sizeof(*view));
	if (!view)
		return rcx_fail_errno(s, "malloc");
	s->priv = view;
	*view = (struct view){
		.ring = (void *)((unsigned char *)s->map + RCX_DEVMEM_RING),
		.slots = (unsigned char *)s->map + RCX_DEVMEM_SLOTS,
		.stride = stride,
	};
	if (s->map_len <= RCX_DEVMEM_SLOTS)
		return rcx_skip(s,
				"The memory has no room for a ring, which needs more than two pages.");
	view->count = slots_for(s, stride);
	if (view->count & (view->count - 1) ||
	    (size_t)view->count * stride > s->map_len - RCX_DEVMEM_SLOTS)
		return rcx_skip(s,
				"The slots must be a power of two in number and fit the memory.");
	view->ring->room = (uint32_t)rcx_len(s);
	view->ring->slots = view->count;
	view->last = view->ring->head;
	return 0;
}

static void ring_close(struct rcx_session *s)
{
	free(s->priv);
}

/* ---- read messages ------------------------------------------------------ */

/* Copy message @number to s->rx: its length, or 0 when it was overwritten. */
static size_t copy_message(struct rcx_session *s, const struct view *view, uint64_t number)
{
	struct rcx_devmem_slot *slot =
		(struct rcx_devmem_slot *)(view->slots +
					   (size_t)((number - 1) & (view->count - 1)) *
						   view->stride);
	size_t len;

	if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != number)
		return 0;
	len = __atomic_load_n(&slot->len, __ATOMIC_RELAXED);
	if (len > rcx_len(s))
		return 0;
	memcpy(s->rx, slot->message, len);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&slot->number, __ATOMIC_RELAXED) == number ? len : 0;
}

/* Read the oldest message that is still intact: its length, or 0 when there is none. */
static size_t read_message(struct rcx_session *s, struct view *view)
{
	uint64_t head = __atomic_load_n(&view->ring->head, __ATOMIC_ACQUIRE);
	uint64_t first = view->last + 1;
	size_t len = 0;

	if (head - view->last > view->count)
		view->last = head - view->count;
	while (!len && view->last != head)
		len = copy_message(s, view, ++view->last);
	/* More than one number further: messages were overwritten before they were read. */
	if (view->last >= first + !!len)
		s->overruns++;
	return len;
}

/* Nothing wakes the reader, so it polls the memory. */
static int ring_notify(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;

	while (n--) {
		size_t len;

		if (rcx_arm(s))
			return -1;
		do
			len = read_message(s, view);
		while (!len);
		rcx_arrived(s);
		if (rcx_rx(s, s->rx, len))
			return -1;
	}
	return 0;
}

static int ring_stream(struct rcx_session *s, uint64_t n)
{
	struct view *view = s->priv;
	bool polls = rcx_polls(s);

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		size_t len;

		while ((len = read_message(s, view)) != 0)
			if (rcx_streamed(s, s->rx, len))
				return -1;
		if (over)
			return 0;
		if (polls)
			nanosleep(&poll_interval, NULL);
	}
}

/* ---- registration ------------------------------------------------------- */

#define SLOT                 \
	.max = RCX_BODY_MAX, \
	.limit = "A slot holds one message, and the kernel half limits its body to 1 MiB."

static const struct rcx_queue devmem_queue = {
	.what = "slots of the ring",
	.min = 1,
	.max = RCX_DEVMEM_SLOTS_MAX,
	.values = { 16, 64, 1024 },
};

static const struct rcx_mode devmem_modes[] = {
	{
		.name = "ring",
		.summary = "the kernel stores, the user polls the memory",
		.open = ring_open,
		.close = ring_close,
		.claims = RCX_READERS_EACH | RCX_FULL_OVERWRITES,
		.operations = {
			[RCX_NOTIFY] = { .run = ring_notify, SLOT, .waits = RCX_WAIT_BUSY,
					.excludes = RCX_WITHOUT_WAKEUP | RCX_WITHOUT_CALL },
			[RCX_STREAM] = { .run = ring_stream, SLOT, .waits = RCX_WAIT_DRAIN,
					.queue = &devmem_queue, .excludes = RCX_WITHOUT_WAKEUP },
		},
	},
	{ }
};

static const struct rcx_channel devmem = {
	.name = "devmem",
	.summary = "Reserved memory, mapped by its address through /dev/mem",
	.module = "ringcross_devmem",
	/* In the 256 MiB of the virtual machine: above the kernel, below the initramfs. */
	.boot = "memmap=8M$0x8000000 ringcross_devmem.phys=0x8000000 ringcross_devmem.size=8388608",
	.since = "1.0: /dev/mem; since 2.6.26 a kernel can refuse RAM (CONFIG_STRICT_DEVMEM)",
	.modes = devmem_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A store does not notify the kernel, which receives the message when it "
			    "next polls, so a figure would only show how often it polls.",
		[RCX_PULL] = "The kernel is not notified of a request, so it makes no message for it.",
		[RCX_CALL] = "The kernel is not notified of a request; a doorbell would be another channel.",
		[RCX_UPCALL] = "The kernel is not notified of a store, so only polling would find a reply; a doorbell would be another channel.",
		[RCX_DUMP] = "The kernel is not notified of a request, so no dump can begin; a table that is always there would be read like a mapping, which mmap measures.",
	},
};
RCX_CHANNEL(devmem);
