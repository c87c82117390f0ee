// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half has no call that it could refuse, so these cases attack the memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)
#define SLOTS 8u
#define ADDR  "/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_ADDR
#define SIZE  "/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_SIZE

/* The memory as the kernel half publishes it, and our mapping of it. */
struct memory {
	off_t addr;
	size_t size;
	unsigned char *map;
};

static volatile struct rcx_devmem_ring *ring(const struct memory *memory)
{
	return (volatile struct rcx_devmem_ring *)(memory->map + RCX_DEVMEM_RING);
}

static struct rcx_devmem_slot *slot(const struct memory *memory, uint64_t number)
{
	return (struct rcx_devmem_slot *)(memory->map + RCX_DEVMEM_SLOTS +
					  ((number - 1) & (SLOTS - 1)) * rcx_devmem_stride(WHOLE));
}

static void request(const struct memory *memory, uint32_t room, uint32_t slots)
{
	ring(memory)->room = room;
	ring(memory)->slots = slots;
}

/* ---- the files ---------------------------------------------------------- */

static unsigned long long number_in(const char *path)
{
	char line[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long long number = 0;

	if (fd >= 0 && read(fd, line, sizeof(line) - 1) > 0)
		sscanf(line, "%lli", &number);
	close(fd);
	return (unsigned long long)number;
}

static void try_file(struct rcx_hostile *h, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	rcx_topic(h, "%s", path);
	rcx_expect(h, "read", pread(fd, &byte, 1, 0), 0);
	rcx_expect_value(h, "read behind its end", pread(fd, &byte, 1, 4096), 0);
	rcx_expect(h, "read at a negative place", pread(fd, &byte, 1, -1), EINVAL);
	/* A seq_file returns what it can copy, so rcx_try_addresses() does not apply here. */
	rcx_expect(h, "read to a page that may only be read", pread(fd, h->readonly, 8, 0), EFAULT);
	rcx_expect(h, "read to a page without any access", pread(fd, h->forbidden, 8, 0), EFAULT);
	rcx_expect(h, "write", write(fd, "0x0\n", 4), EIO);
	rcx_expect(h, "truncate", ftruncate(fd, 0), 0);
	rcx_expect(h, "remove", unlink(path), EPERM);
	rcx_try_commands(h, fd, NULL);
	rcx_expect_true(h, "its value is unchanged", number_in(path) != 0);
	close(fd);
	rcx_try_nobody_opens(h, path);
}

/* ---- the mapping: requests that /dev/mem itself refuses ----------------- */

static long map(off_t addr, size_t size, int flags)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC | flags), error;
	void *where = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, addr);

	error = errno;
	close(fd);
	errno = error;
	if (where == MAP_FAILED)
		return -1;
	munmap(where, size);
	return 0;
}

static void try_map(struct rcx_hostile *h, const struct memory *memory)
{
	const size_t page = RCX_DEVMEM_PAGE;

	rcx_topic(h, "/dev/mem");
	rcx_expect(h, "all of it", map(memory->addr, memory->size, 0), 0);
	rcx_expect(h, "its last page", map(memory->addr + (off_t)(memory->size - page), page, 0),
		   0);
	/* Without PAT, as on a machine without firmware, all mappings have the same type. */
	rcx_expect_either(h, "uncached, beside a cached mapping", map(memory->addr, page, O_SYNC),
			  EAGAIN, 0);
	rcx_expect(h, "a page too long, which is RAM", map(memory->addr, memory->size + page, 0),
		   EPERM);
	rcx_expect(h, "the page before it, which is RAM", map(memory->addr - (off_t)page, page, 0),
		   EPERM);
	rcx_expect(h, "the page behind it, which is RAM",
		   map(memory->addr + (off_t)memory->size, page, 0), EPERM);
	rcx_expect(h, "not at a page", map(memory->addr + 1, page, 0), EINVAL);
	rcx_try_nobody_opens(h, "/dev/mem");
}

/* ---- the ring ----------------------------------------------------------- */

/* One event with the requested layout: 0 when it was not refused, else -1 with errno. */
static long request_and_emit(struct rcx_hostile *h, const struct memory *memory, uint32_t room,
			     uint32_t slots)
{
	request(memory, room, slots);
	if (!rcx_core_emit(h, RCX_HARDIRQ, 1))
		return 0;
	errno = (int)rcx_core_counts(h).refused_errno;
	return -1;
}

static void try_layouts(struct rcx_hostile *h, const struct memory *memory)
{
	rcx_topic(h, "layout");
	rcx_core_bind(h, "ring", BODY, true);
#define LAYOUT(name, room, slots, want) \
	rcx_expect(h, name, request_and_emit(h, memory, room, slots), want)
	LAYOUT("a good one", WHOLE, SLOTS, 0);
	LAYOUT("nothing", 0, 0, EINVAL);
	LAYOUT("no room", 0, SLOTS, EINVAL);
	LAYOUT("no room for a header", RCX_HEADER - 1, SLOTS, EINVAL);
	LAYOUT("room for a header alone", RCX_HEADER, SLOTS, EMSGSIZE);
	LAYOUT("a byte less than the event has", WHOLE - 1, SLOTS, EMSGSIZE);
	LAYOUT("the largest room", RCX_HEADER + RCX_BODY_MAX, 1, 0);
	LAYOUT("a byte too much room", RCX_HEADER + RCX_BODY_MAX + 1, 1, EINVAL);
	LAYOUT("room whose stride overflows", UINT32_MAX, 1, EINVAL);
	LAYOUT("room whose stride is 0", UINT32_MAX - 64, 1, EINVAL);
	LAYOUT("no slots", WHOLE, 0, EINVAL);
	LAYOUT("slots of no power of two", WHOLE, 3, EINVAL);
	LAYOUT("too many slots", WHOLE, 2 * RCX_DEVMEM_SLOTS_MAX, EINVAL);
	LAYOUT("2 billion slots", WHOLE, 1u << 31, EINVAL);
	LAYOUT("slots of all bits", WHOLE, UINT32_MAX, EINVAL);
	LAYOUT("more than the memory has", RCX_HEADER + RCX_BODY_MAX, 8, ENOSPC);
	LAYOUT("a GiB", RCX_HEADER + RCX_BODY_MAX, RCX_DEVMEM_SLOTS_MAX, ENOSPC);
	LAYOUT("the most slots", WHOLE, RCX_DEVMEM_SLOTS_MAX, 0);
	LAYOUT("a good one after all these", WHOLE, SLOTS, 0);
#undef LAYOUT
}

/* The kernel does not read back the numbers that it has written. */
static void try_numbers(struct rcx_hostile *h, const struct memory *memory)
{
	uint64_t head;

	rcx_topic(h, "numbers");
	rcx_core_bind(h, "ring", BODY, true);
	request(memory, WHOLE, SLOTS);
	rcx_expect_value(h, "refused of three rings full", rcx_core_emit(h, RCX_SOFTIRQ, 3 * SLOTS),
			 0);
	head = ring(memory)->head;
	ring(memory)->head = 4711;
	rcx_expect_value(h, "refused with another head", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "the head is the kernel's again", (long)ring(memory)->head,
			 (long)head + 1);
	ring(memory)->head = UINT64_MAX;
	memset(slot(memory, 1), 0xff, SLOTS * rcx_devmem_stride(WHOLE));
	rcx_expect_value(h, "refused with slots of all bits", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "and a head of all bits", (long)ring(memory)->head, (long)head + 2);
	rcx_expect_value(h, "the slot has its number", (long)slot(memory, head + 2)->number,
			 (long)head + 2);
	rcx_expect_value(h, "the message is at its place", slot(memory, head + 2)->len, WHOLE);
	rcx_expect_value(h, "and it is whole",
			 rcx_body_check(slot(memory, head + 2)->message + RCX_HEADER, BODY,
					3 * SLOTS + 1, 0),
			 BODY);
	memset(memory->map + RCX_DEVMEM_SLOTS, 0x5a, memory->size - RCX_DEVMEM_SLOTS);
	rcx_expect_value(h, "refused after all is overwritten", rcx_core_emit(h, RCX_HARDIRQ, 1),
			 0);
}

static void try_overwritten(struct rcx_hostile *h, const struct memory *memory,
			    enum rcx_context context, bool validate)
{
	struct rcx_overwriter layout, slots, text;

	rcx_topic(h, "overwritten, from %s%s", rcx_context_names[context],
		  validate ? " in validation" : "");
	rcx_core_bind(h, "ring", BODY, validate);
	request(memory, WHOLE, SLOTS);
	rcx_core_start(h, context, 1u << 30, 4, 1000);
	rcx_overwrite(h, &layout, memory->map + RCX_DEVMEM_RING,
		      sizeof(struct rcx_devmem_ring) / 4);
	rcx_overwrite(h, &slots, slot(memory, 1), 6);
	rcx_overwrite(h, &text, memory->map, RCX_DEVMEM_PAGE / 4);
	for (int i = 0; i < 100; i++) {
		request(memory, WHOLE, SLOTS >> i % 4);
		usleep(20);
	}
	rcx_overwrite_end(&layout);
	rcx_overwrite_end(&slots);
	rcx_overwrite_end(&text);
	rcx_expect(h, "stopped", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_true(h, "some were emitted", h->page->emitted > 0);
	request(memory, WHOLE, SLOTS);
	rcx_expect_value(h, "refused afterwards", rcx_core_emit(h, context, 1), 0);
}

static void devmem_hostile(struct rcx_hostile *h)
{
	struct memory memory = { .addr = (off_t)number_in(ADDR), .size = number_in(SIZE) };
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);

	try_file(h, ADDR);
	try_file(h, SIZE);
	try_map(h, &memory);
	rcx_topic(h, "ring");
	memory.map = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, memory.addr);
	if (!rcx_expect_true(h, "map it", memory.map != MAP_FAILED))
		return;
	try_layouts(h, &memory);
	try_numbers(h, &memory);
	for (int validate = 0; validate < 2; validate++)
		for (int context = 0; context < RCX_CONTEXTS; context++)
			try_overwritten(h, &memory, (enum rcx_context)context, validate);
	/* The unload logs a text in the first page; test_demo.py covers that. */
	memset(memory.map, 0, RCX_DEVMEM_PAGE);
}
RCX_HOSTILE(devmem, devmem_hostile);
