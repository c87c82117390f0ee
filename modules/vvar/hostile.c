// SPDX-License-Identifier: GPL-2.0-only
/* User space must not be able to write the page, and must never see a mix of two messages. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PAGE RCX_VVAR_SIZE
#define MOST (RCX_VVAR_ROOM - RCX_HEADER) /* bytes of body that fit */

static int open_device(void)
{
	return open(RCX_VVAR_DEVICE, O_RDWR | O_CLOEXEC);
}

static void *map_page(int fd)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
}

static const struct rcx_vvar_page *page_at(const void *map)
{
	return map;
}

/* ---- mapping ------------------------------------------------------------ */

/* Map and unmap: 0, or -1 with errno. */
static long map(int fd, size_t len, int protection, int flags, off_t at)
{
	void *where = mmap(NULL, len, protection, flags, fd, at);

	if (where == MAP_FAILED)
		return -1;
	munmap(where, len);
	return 0;
}

static void try_map(struct rcx_hostile *h)
{
	int fd = open_device(), reader = open(RCX_VVAR_DEVICE, O_RDONLY | O_CLOEXEC);
	const int both = PROT_READ | PROT_WRITE;

	rcx_topic(h, "map");
	rcx_expect(h, "the page", map(fd, PAGE, PROT_READ, MAP_SHARED, 0), 0);
	rcx_expect(h, "a private view", map(fd, PAGE, PROT_READ, MAP_PRIVATE, 0), 0);
	rcx_expect(h, "for writing", map(fd, PAGE, both, MAP_SHARED, 0), EACCES);
	rcx_expect(h, "for writing alone", map(fd, PAGE, PROT_WRITE, MAP_SHARED, 0), EACCES);
	rcx_expect(h, "a private copy for writing", map(fd, PAGE, both, MAP_PRIVATE, 0), EACCES);
	rcx_expect(h, "for writing, on a file opened for reading",
		   map(reader, PAGE, both, MAP_SHARED, 0), EACCES);
	rcx_expect(h, "two pages", map(fd, 2 * (size_t)PAGE, PROT_READ, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "the page behind it", map(fd, PAGE, PROT_READ, MAP_SHARED, PAGE), EINVAL);
	rcx_expect(h, "far behind it", map(fd, PAGE, PROT_READ, MAP_SHARED, 1l << 40), EINVAL);
	rcx_expect(h, "not at a page", map(fd, PAGE, PROT_READ, MAP_SHARED, 8), EINVAL);
	rcx_expect(h, "nothing", map(fd, 0, PROT_READ, MAP_SHARED, 0), EINVAL);
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_commands(h, fd, NULL);
	rcx_expect(h, "truncate", ftruncate(fd, 0), EINVAL);
	close(fd);
	close(reader);
}

/* ---- ways to write the page --------------------------------------------- */

static void try_protect(struct rcx_hostile *h)
{
	int fd = open_device();
	void *shared = map_page(fd), *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	rcx_topic(h, "make it writable");
	rcx_expect(h, "a shared view", mprotect(shared, PAGE, PROT_READ | PROT_WRITE), EACCES);
	rcx_expect(h, "a private view", mprotect(private, PAGE, PROT_READ | PROT_WRITE), EACCES);
	rcx_expect(h, "after access was taken away", mprotect(shared, PAGE, PROT_NONE), 0);
	rcx_expect(h, "and given back for writing", mprotect(shared, PAGE, PROT_WRITE), EACCES);
	rcx_expect(h, "and given back for reading", mprotect(shared, PAGE, PROT_READ), 0);
	rcx_expect_true(h, "grow it",
			mremap(shared, PAGE, 2 * (size_t)PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	rcx_expect_value(h, "grow it, the reason", errno, EFAULT);
	munmap(shared, PAGE);
	munmap(private, PAGE);
	close(fd);
}

/* /proc/self/mem can write memory that its process may only read, such as a breakpoint. */
static long write_by_proc(const void *at)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint32_t value = 1;
	ssize_t got = pwrite(fd, &value, sizeof(value), (off_t)(uintptr_t)at);
	int error = errno;

	close(fd);
	errno = error;
	return got < 0 ? -1 : 0;
}

static long write_by_vm(void *at)
{
	uint32_t value = 1;
	struct iovec from = { &value, sizeof(value) }, to = { at, sizeof(value) };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) < 0 ? -1 : 0;
}

static void store(void *arg)
{
	*(volatile uint32_t *)arg = 1;
	_exit(0);
}

/* The page is gone from the mapping after MADV_DONTNEED; this must not show another one. */
static void drop_and_load(void *arg)
{
	if (madvise(arg, PAGE, MADV_DONTNEED))
		_exit(0);
	_exit(*(volatile uint32_t *)arg ? 1 : 2);
}

static void try_write(struct rcx_hostile *h)
{
	int fd = open_device();
	void *shared = map_page(fd), *private = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	uint32_t before = page_at(shared)->sequence;
	char reason[128] = "";

	rcx_topic(h, "write it");
	rcx_expect(h, "through /proc", write_by_proc(shared), EIO);
	rcx_expect(h, "through /proc, a private view", write_by_proc(private), EIO);
	rcx_expect(h, "as a debugger", write_by_vm(shared), EFAULT);
	rcx_expect(h, "by a read() into it", pread(open("/dev/zero", O_RDONLY), shared, 8, 0),
		   EFAULT);
	rcx_expect_true(h, "a store kills",
			!rcx_in_child(store, shared, 2000, reason, sizeof(reason)) &&
				strstr(reason, "killed by signal"));
	reason[0] = '\0';
	rcx_expect_true(h, "a load after the page was dropped kills",
			!rcx_in_child(drop_and_load, shared, 2000, reason, sizeof(reason)) &&
				strstr(reason, "killed by signal"));
	rcx_expect_true(h, "the counter is unchanged",
			page_at(shared)->sequence == before &&
				page_at(private)->sequence == before);
	munmap(shared, PAGE);
	munmap(private, PAGE);
	close(fd);
}

/* ---- messages ----------------------------------------------------------- */

/* Copy the message at @map to @h->message: its counter, or 0 when it was being written. */
static uint32_t copy_message(struct rcx_hostile *h, const struct rcx_vvar_page *page)
{
	uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);

	if (sequence & 1)
		return 0;
	memcpy(h->message, page->message, RCX_VVAR_ROOM);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&page->sequence, __ATOMIC_RELAXED) == sequence ? sequence : 0;
}

static void try_sizes(struct rcx_hostile *h)
{
	int fd = open_device();
	const struct rcx_vvar_page *page = map_page(fd);
	uint32_t before = page->sequence;

	rcx_topic(h, "sizes");
	rcx_core_bind(h, "seqcount", MOST, true);
	rcx_expect_value(h, "refused of the largest", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "steps of the counter", page->sequence - before, 4);
	rcx_expect_true(h, "it is whole",
			copy_message(h, page) && rcx_is_whole(h->message, MOST, true));
	rcx_core_bind(h, "seqcount", MOST + 1, true);
	rcx_expect_value(h, "refused of a byte more", rcx_core_emit(h, RCX_SOFTIRQ, 2), 2);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EMSGSIZE);
	rcx_core_bind(h, "seqcount", RCX_BODY_MAX, true);
	rcx_expect_value(h, "refused of 1 MiB", rcx_core_emit(h, RCX_HARDIRQ, 2), 2);
	rcx_expect_value(h, "steps after these", page->sequence - before, 4);
	rcx_core_bind(h, "seqcount", 0, true);
	rcx_expect_value(h, "refused without a body", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_true(h, "it is whole",
			copy_message(h, page) && rcx_is_whole(h->message, 0, true));
	munmap((void *)(uintptr_t)page, PAGE);
	close(fd);
}

/* Copies that the counter calls intact are intact, whenever the kernel writes. */
static void try_reading(struct rcx_hostile *h, const struct rcx_vvar_page *page,
			enum rcx_context context, const char *name)
{
	uint32_t last = 0, messages = 0;
	bool whole = true, forward = true;

	rcx_core_bind(h, "seqcount", MOST, true);
	rcx_core_start(h, context, 1u << 30, 2, 50000);
	for (uint32_t turn = 0; turn < 1000000 && messages < 200; turn++) {
		uint32_t sequence = copy_message(h, page);

		if (!sequence || sequence == last)
			continue;
		/* The first may be a message that was published before. */
		if (last) {
			whole = whole && rcx_is_whole(h->message, MOST, true);
			forward = forward && (int32_t)(sequence - last) > 0;
			messages++;
		}
		last = sequence;
	}
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_value(h, name, messages, 200);
	rcx_expect_true(h, "all are whole", whole);
	rcx_expect_true(h, "the counter never goes back", forward);
	rcx_expect_true(h, "it is even at the end", !(page->sequence & 1));
}

static void try_streams(struct rcx_hostile *h)
{
	int fd = open_device();
	const struct rcx_vvar_page *page = map_page(fd);

	close(fd); /* the mapping holds the file */
	rcx_topic(h, "in a stream");
	try_reading(h, page, RCX_HARDIRQ, "messages read, from hardirq");
	try_reading(h, page, RCX_SOFTIRQ, "messages read, from softirq");
	munmap((void *)(uintptr_t)page, PAGE);
}

/* ---- processes ---------------------------------------------------------- */

static long read_page(void *arg)
{
	const volatile struct rcx_vvar_page *page = arg;

	for (;;)
		(void)page->sequence;
	return 0;
}

static void load_there(struct rcx_hostile *h, void *arg)
{
	rcx_expect(h, "read a mapping of root", *(volatile uint32_t *)arg & 1, 0);
	rcx_expect(h, "make it writable", mprotect(arg, PAGE, PROT_READ | PROT_WRITE), EACCES);
}

static void try_others(struct rcx_hostile *h)
{
	int fd = open_device();
	void *page = map_page(fd);

	rcx_topic(h, "another process");
	rcx_as_nobody(h, load_there, page);
	rcx_try_nobody_opens(h, RCX_VVAR_DEVICE);
	rcx_try_kill(h, "kill a reader", read_page, page);
	rcx_core_bind(h, "seqcount", 8, true);
	rcx_expect_value(h, "refused after that", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	munmap(page, PAGE);
	close(fd);
	rcx_expect_value(h, "refused without a mapping", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
}

static void vvar_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "seqcount", 8, true);
	try_map(h);
	try_protect(h);
	try_write(h);
	try_sizes(h);
	try_streams(h);
	try_others(h);
}
RCX_HOSTILE(vvar, vvar_hostile);
