// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half has no call that could be refused: all there is to abuse is memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY 64u
#define WHOLE (RC_HEADER + BODY)
#define SLOTS 8u
#define ADDR "/proc/" RC_DEVMEM_FOLDER "/" RC_DEVMEM_ADDR
#define SIZE "/proc/" RC_DEVMEM_FOLDER "/" RC_DEVMEM_SIZE

/* The memory as the kernel half tells of it, and where we have it mapped. */
struct memory {
	off_t addr;
	size_t size;
	unsigned char *map;
};

static volatile struct rc_devmem_ring *ring(const struct memory *memory)
{
	return (volatile struct rc_devmem_ring *)(memory->map + RC_DEVMEM_RING);
}

static struct rc_devmem_slot *slot(const struct memory *memory, uint64_t number)
{
	return (struct rc_devmem_slot *)(memory->map + RC_DEVMEM_SLOTS +
		((number - 1) & (SLOTS - 1)) * rc_devmem_stride(WHOLE));
}

static void ask(const struct memory *memory, uint32_t room, uint32_t slots)
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

static void try_file(struct rc_hostile *h, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char byte;

	rc_topic(h, "%s", path);
	rc_expect(h, "read", pread(fd, &byte, 1, 0), 0);
	rc_expect_value(h, "read behind its end", pread(fd, &byte, 1, 4096), 0);
	rc_expect(h, "read at a negative place", pread(fd, &byte, 1, -1), EINVAL);
	/* A seq_file brings what it can, so the edge of a mapping is no error here. */
	rc_expect(h, "read to where nobody may write", pread(fd, h->readonly, 8, 0), EFAULT);
	rc_expect(h, "read to where nobody may look", pread(fd, h->forbidden, 8, 0), EFAULT);
	rc_expect(h, "write", write(fd, "0x0\n", 4), EIO);
	rc_expect(h, "truncate", ftruncate(fd, 0), 0);
	rc_expect(h, "remove", unlink(path), EPERM);
	rc_try_commands(h, fd, NULL);
	rc_expect_true(h, "it is what it was", number_in(path) != 0);
	close(fd);
	rc_try_nobody_opens(h, path);
}

/* ---- the mapping: what /dev/mem itself refuses -------------------------- */

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

static void try_map(struct rc_hostile *h, const struct memory *memory)
{
	const size_t page = RC_DEVMEM_PAGE;

	rc_topic(h, "/dev/mem");
	rc_expect(h, "all of it", map(memory->addr, memory->size, 0), 0);
	rc_expect(h, "its last page", map(memory->addr + (off_t)(memory->size - page), page, 0), 0);
	/* Where PAT is off, as on a machine without firmware, all mappings are of one kind. */
	rc_expect_either(h, "uncached, beside a cached mapping", map(memory->addr, page, O_SYNC),
			 EAGAIN, 0);
	rc_expect(h, "a page too long, which is RAM", map(memory->addr, memory->size + page, 0),
		  EPERM);
	rc_expect(h, "the page before it, which is RAM", map(memory->addr - (off_t)page, page, 0),
		  EPERM);
	rc_expect(h, "the page behind it, which is RAM",
		  map(memory->addr + (off_t)memory->size, page, 0), EPERM);
	rc_expect(h, "not at a page", map(memory->addr + 1, page, 0), EINVAL);
	rc_try_nobody_opens(h, "/dev/mem");
}

/* ---- the ring ----------------------------------------------------------- */

static uint64_t refused(struct rc_hostile *h, enum rc_context context, uint64_t count)
{
	uint64_t before = rc_core_counts(h).refused;

	rc_core_start(h, context, count, (uint32_t)count, 0);
	rc_core_ended(h, 1000);
	return rc_core_counts(h).refused - before;
}

/* One event, with what the user asks for: 0 when it was taken, else -1 with errno. */
static long ask_and_raise(struct rc_hostile *h, const struct memory *memory, uint32_t room,
			  uint32_t slots)
{
	ask(memory, room, slots);
	if (!refused(h, RC_HARDIRQ, 1))
		return 0;
	errno = (int)rc_core_counts(h).refused_errno;
	return -1;
}

static void try_asking(struct rc_hostile *h, const struct memory *memory)
{
	rc_topic(h, "asked for");
	rc_core_bind(h, "ring", BODY, true);
#define ASK(name, room, slots, want)						\
	rc_expect(h, name, ask_and_raise(h, memory, room, slots), want)
	ASK("what is right", WHOLE, SLOTS, 0);
	ASK("nothing", 0, 0, EINVAL);
	ASK("no room", 0, SLOTS, EINVAL);
	ASK("no room for a header", RC_HEADER - 1, SLOTS, EINVAL);
	ASK("room for a header alone", RC_HEADER, SLOTS, EMSGSIZE);
	ASK("a byte less than the event has", WHOLE - 1, SLOTS, EMSGSIZE);
	ASK("the largest room", RC_HEADER + RC_BODY_MAX, 1, 0);
	ASK("a byte too much room", RC_HEADER + RC_BODY_MAX + 1, 1, EINVAL);
	ASK("room whose stride overflows", UINT32_MAX, 1, EINVAL);
	ASK("room whose stride is nothing", UINT32_MAX - 64, 1, EINVAL);
	ASK("no slots", WHOLE, 0, EINVAL);
	ASK("slots of no power of two", WHOLE, 3, EINVAL);
	ASK("too many slots", WHOLE, 2 * RC_DEVMEM_SLOTS_MAX, EINVAL);
	ASK("2 billion slots", WHOLE, 1u << 31, EINVAL);
	ASK("slots of all bits", WHOLE, UINT32_MAX, EINVAL);
	ASK("more than the memory has", RC_HEADER + RC_BODY_MAX, 8, ENOSPC);
	ASK("a GiB", RC_HEADER + RC_BODY_MAX, RC_DEVMEM_SLOTS_MAX, ENOSPC);
	ASK("the most slots", WHOLE, RC_DEVMEM_SLOTS_MAX, 0);
	ASK("what is right after all these", WHOLE, SLOTS, 0);
#undef ASK
}

/* What the kernel has written it does not read back. */
static void try_numbers(struct rc_hostile *h, const struct memory *memory)
{
	uint64_t head;

	rc_topic(h, "numbers");
	rc_core_bind(h, "ring", BODY, true);
	ask(memory, WHOLE, SLOTS);
	rc_expect_value(h, "refused of three rings full", (long)refused(h, RC_SOFTIRQ, 3 * SLOTS),
			0);
	head = ring(memory)->head;
	ring(memory)->head = 4711;
	rc_expect_value(h, "refused with another head", (long)refused(h, RC_HARDIRQ, 1), 0);
	rc_expect_value(h, "the head is the kernel's again", (long)ring(memory)->head,
			(long)head + 1);
	ring(memory)->head = UINT64_MAX;
	memset(slot(memory, 1), 0xff, SLOTS * rc_devmem_stride(WHOLE));
	rc_expect_value(h, "refused with slots of all bits", (long)refused(h, RC_PROCESS, 1), 0);
	rc_expect_value(h, "and a head of all bits", (long)ring(memory)->head, (long)head + 2);
	rc_expect_value(h, "the slot has its number", (long)slot(memory, head + 2)->number,
			(long)head + 2);
	rc_expect_value(h, "the message is where it is due", slot(memory, head + 2)->len, WHOLE);
	rc_expect_value(h, "and whole", rc_body_check(slot(memory, head + 2)->message + RC_HEADER,
						      BODY, 3 * SLOTS + 1, 0), BODY);
	memset(memory->map + RC_DEVMEM_SLOTS, 0x5a, memory->size - RC_DEVMEM_SLOTS);
	rc_expect_value(h, "refused after all is overwritten", (long)refused(h, RC_HARDIRQ, 1), 0);
}

static void try_scribbled(struct rc_hostile *h, const struct memory *memory,
			  enum rc_context context, bool proof)
{
	struct rc_scribbler asked, slots, text;

	rc_topic(h, "overwritten, from %s%s", rc_context_names[context], proof ? ", in proof" : "");
	rc_core_bind(h, "ring", BODY, proof);
	ask(memory, WHOLE, SLOTS);
	rc_core_start(h, context, 1u << 30, 4, 1000);
	rc_scribble(h, &asked, memory->map + RC_DEVMEM_RING, sizeof(struct rc_devmem_ring) / 4);
	rc_scribble(h, &slots, slot(memory, 1), 6);
	rc_scribble(h, &text, memory->map, RC_DEVMEM_PAGE / 4);
	for (int i = 0; i < 100; i++) {
		ask(memory, WHOLE, SLOTS >> i % 4);
		usleep(20);
	}
	rc_scribble_end(&asked);
	rc_scribble_end(&slots);
	rc_scribble_end(&text);
	rc_expect(h, "stopped", ioctl(h->core, RC_CORE_STOP), 0);
	rc_expect_true(h, "some were raised", h->page->raised > 0);
	ask(memory, WHOLE, SLOTS);
	rc_expect_value(h, "refused afterwards", (long)refused(h, context, 1), 0);
}

static void devmem_hostile(struct rc_hostile *h)
{
	struct memory memory = { .addr = (off_t)number_in(ADDR), .size = number_in(SIZE) };
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);

	try_file(h, ADDR);
	try_file(h, SIZE);
	try_map(h, &memory);
	rc_topic(h, "ring");
	memory.map = mmap(NULL, memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, memory.addr);
	if (!rc_expect_true(h, "map it", memory.map != MAP_FAILED))
		return;
	try_asking(h, &memory);
	try_numbers(h, &memory);
	for (int proof = 0; proof < 2; proof++)
		for (int context = 0; context < RC_CONTEXTS; context++)
			try_scribbled(h, &memory, (enum rc_context)context, proof);
	/* A text in the first page is logged at the unload; of what is logged see test_demo.py. */
	memset(memory.map, 0, RC_DEVMEM_PAGE);
}
RC_HOSTILE(devmem, devmem_hostile);
