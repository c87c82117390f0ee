// SPDX-License-Identifier: GPL-2.0-only
/* Cases against the control device.  They bind the kernel half of the null channel. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostile.h"

#define PAGE	4096u
#define MAP_LEN ((sizeof(struct rcx_page) + PAGE - 1) / PAGE * PAGE)
#define ALWAYS	(1ull << 62) /* more events than any case waits for */

static struct rcx_bind good_bind(void)
{
	return (struct rcx_bind){ .channel = "null", .mode = "wake", .size = 8 };
}

static struct rcx_emission good_emit(void)
{
	return (struct rcx_emission){ .context = RCX_SOFTIRQ, .burst = 1, .count = 1 };
}

static bool known(unsigned int cmd)
{
	return cmd == RCX_CORE_BIND || cmd == RCX_CORE_UNBIND || cmd == RCX_CORE_EMIT ||
	       cmd == RCX_CORE_STOP || cmd == RCX_CORE_COUNTS || cmd == RCX_CORE_ASK ||
	       cmd == RCX_CORE_WAIT;
}

/* ---- bind --------------------------------------------------------------- */

static long bind_at(void *arg, void *at)
{
	return ioctl(((struct rcx_hostile *)arg)->core, RCX_CORE_BIND, at);
}

static long bind(struct rcx_hostile *h, struct rcx_bind bind)
{
	return bind_at(h, &bind);
}

static void try_names(struct rcx_hostile *h)
{
	struct rcx_bind wrong = good_bind();

	memset(wrong.channel, 'x', RCX_NAME);
	rcx_expect(h, "a name without an end", bind(h, wrong), EINVAL);
	wrong = good_bind();
	memset(wrong.mode, 'x', RCX_NAME);
	rcx_expect(h, "a mode without an end", bind(h, wrong), EINVAL);
	memset(wrong.channel, 'x', RCX_NAME);
	rcx_expect(h, "both without an end", bind(h, wrong), EINVAL);
	wrong = (struct rcx_bind){ .channel = "nobody" };
	rcx_expect(h, "an unknown channel", bind(h, wrong), ENOENT);
	rcx_expect(h, "no channel", bind(h, (struct rcx_bind){ 0 }), ENOENT);
}

static void try_bind(struct rcx_hostile *h)
{
	struct rcx_bind wrong;

	rcx_topic(h, "bind");
	rcx_expect(h, "a good one", bind(h, good_bind()), 0);
	try_names(h);
#define WRONG(name, field, value) \
	wrong = good_bind();      \
	wrong.field = value;      \
	rcx_expect(h, name, bind(h, wrong), EINVAL)
	WRONG("a byte too large", size, RCX_BODY_MAX + 1);
	WRONG("4 GiB", size, UINT32_MAX);
	WRONG("validation of 2", validate, 2);
	WRONG("validation of all bits", validate, UINT32_MAX);
	WRONG("an unknown clock", clock, RCX_CLOCK_INSTRUCTIONS + 1);
	WRONG("clock of all bits", clock, UINT32_MAX);
	WRONG("contexts set by the caller", contexts, 1);
	WRONG("a record too many", records, RCX_RECORDS_MAX + 1);
	WRONG("4 billion records", records, UINT32_MAX);
#undef WRONG
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, bind_at, h);

	/* None of the refused binds has changed the binding. */
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_expect_true(h, "the binding is unchanged", rcx_core_ended(h, 1000));
	rcx_expect(h, "bound again", bind(h, good_bind()), 0);
	rcx_expect_value(h, "counts begin again", (long)rcx_core_counts(h).emitted, 0);
}

/* A bind whose argument the kernel can read but not write must have no effect. */
static void try_bind_readonly(struct rcx_hostile *h)
{
	struct rcx_bind *argument = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rcx_emission emit = good_emit();

	*argument = good_bind();
	mprotect(argument, PAGE, PROT_READ);
	rcx_expect(h, "unbind", ioctl(h->core, RCX_CORE_UNBIND), 0);
	rcx_expect(h, "read-only argument", bind_at(h, argument), EFAULT);
	rcx_expect(h, "and nothing is bound", ioctl(h->core, RCX_CORE_EMIT, &emit), ENOLINK);
	munmap(argument, PAGE);
}

/* ---- emit --------------------------------------------------------------- */

static long emit_at(void *arg, void *at)
{
	return ioctl(((struct rcx_hostile *)arg)->core, RCX_CORE_EMIT, at);
}

static long emit_with(struct rcx_hostile *h, struct rcx_emission emit)
{
	return emit_at(h, &emit);
}

static void try_emit(struct rcx_hostile *h)
{
	struct rcx_emission wrong;

	rcx_topic(h, "emit");
	rcx_expect(h, "unbind", ioctl(h->core, RCX_CORE_UNBIND), 0);
	rcx_expect(h, "unbind again", ioctl(h->core, RCX_CORE_UNBIND), 0);
	rcx_expect(h, "stop without an emission", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect(h, "without a bind", emit_with(h, good_emit()), ENOLINK);
	wrong = (struct rcx_emission){ 0 };
	rcx_expect(h, "without a bind, wrong as well", emit_with(h, wrong), EINVAL);
	bind(h, (struct rcx_bind){ .channel = "null", .mode = "none" });
	rcx_expect(h, "in a mode that emits nothing", emit_with(h, good_emit()), EOPNOTSUPP);
	wrong = good_emit();
	wrong.context = RCX_PROCESS | RCX_TO_NOBODY;
	rcx_expect(h, "in such a mode, to nobody", emit_with(h, wrong), EOPNOTSUPP);
	rcx_expect(h, "wait without an emission", ioctl(h->core, RCX_CORE_WAIT), 0);
	bind(h, good_bind());
	rcx_expect(h, "a good one", emit_with(h, good_emit()), 0);
	wrong.burst = 1;
	rcx_expect(h, "a good one to nobody", emit_with(h, wrong), 0);
#define WRONG(name, field, value) \
	wrong = good_emit();      \
	wrong.field = value;      \
	rcx_expect(h, name, emit_with(h, wrong), EINVAL)
	WRONG("an unknown context", context, RCX_CONTEXTS);
	WRONG("context of all bits", context, UINT32_MAX);
	WRONG("no burst", burst, 0);
	WRONG("a burst too long", burst, RCX_BURST_MAX + 1);
	WRONG("a burst of 4 billion", burst, UINT32_MAX);
	WRONG("no events", count, 0);
	WRONG("a delay above a second", delay, 1000000001);
	WRONG("a delay of all bits", delay, UINT64_MAX);
	WRONG("an interval above a second", interval, 1000000001);
	WRONG("an interval of all bits", interval, UINT64_MAX);
	WRONG("a body above the largest", more, RCX_BODY_MAX - 7);
	WRONG("a body that wraps", more, UINT32_MAX - 7);
	WRONG("a CPU beyond all", cpu, (uint32_t)sysconf(_SC_NPROCESSORS_CONF) + 1);
	WRONG("a CPU of all bits", cpu, UINT32_MAX);
	WRONG("a CPU whose number wraps", cpu, 1u << 31);
	WRONG("many from softirq without an interval", count, 2);
	WRONG("endless from softirq without an interval", count, UINT64_MAX);
#undef WRONG
	wrong = (struct rcx_emission){ .context = RCX_HARDIRQ, .burst = 1, .count = UINT64_MAX };
	rcx_expect(h, "endless from hardirq without an interval", emit_with(h, wrong), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, emit_at, h);
}

/* Emit as fast as possible, without an end.  The agent must still get the CPU to stop it. */
static void try_flood(struct rcx_hostile *h, enum rcx_context context, uint32_t burst,
		      uint64_t interval, const char *name)
{
	struct rcx_emission flood = {
		.context = context,
		.burst = burst,
		.count = UINT64_MAX,
		.interval = interval,
	};
	uint64_t emitted;

	rcx_topic(h, "flood from %s", name);
	rcx_expect(h, "start", emit_with(h, flood), 0);
	usleep(20000);
	rcx_expect_true(h, "it runs", h->page->emitted && !h->page->done);
	rcx_expect(h, "start again while it runs", emit_with(h, flood), 0);
	usleep(20000);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	emitted = h->page->emitted;
	rcx_expect_true(h, "it has ended", h->page->done);
	usleep(20000);
	rcx_expect_true(h, "and emits no more", emitted == h->page->emitted);

	rcx_expect(h, "start once more", emit_with(h, flood), 0);
	usleep(5000);
	rcx_expect(h, "bind while it runs", bind(h, good_bind()), 0);
	usleep(5000);
	rcx_expect_true(h, "it has ended with the bind", h->page->done && !h->page->emitted);

	rcx_expect(h, "start at last", emit_with(h, flood), 0);
	usleep(5000);
	rcx_core_unbind(h);
	rcx_expect_true(h, "closed while it runs, and open again",
			rcx_core_bind(h, "wake", 8, false));
}

static void try_floods(struct rcx_hostile *h)
{
	try_flood(h, RCX_PROCESS, RCX_BURST_MAX, 0, "a thread");
	try_flood(h, RCX_PROCESS, RCX_BURST_MAX, 1, "a thread, by timer");
	try_flood(h, RCX_SOFTIRQ, RCX_BURST_MAX, 1, "softirq");
	try_flood(h, RCX_HARDIRQ, RCX_BURST_MAX, 1, "hardirq");
	try_flood(h, RCX_HARDIRQ, 1, 1, "hardirq, one by one");
}

/* Switch CPU 1 on or off.  False when there is none, or when it cannot be switched. */
static bool switch_cpu1(const char *state)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, state, 1) == 1;

	close(fd);
	return done;
}

/* Where the producer runs: on the CPU of the emission, and on another one when that is gone. */
static void try_cpus(struct rcx_hostile *h)
{
	struct rcx_emission emit = {
		.burst = 16,
		.count = ALWAYS,
		.interval = 100000,
	};
	bool several;

	rcx_topic(h, "CPU of the producer");
	for (uint32_t i = 0; i < (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) * RCX_CONTEXTS; i++) {
		emit.context = i % RCX_CONTEXTS;
		emit.cpu = i / RCX_CONTEXTS + 1;
		rcx_expect(h, "emit on one CPU", emit_with(h, emit), 0);
		usleep(5000);
		rcx_expect_value(h, "where it emits", (long)rcx_core_counts(h).cpu, emit.cpu - 1);
		rcx_expect_true(h, "it runs", h->page->emitted && !h->page->done);
	}
	several = sysconf(_SC_NPROCESSORS_ONLN) > 1 && switch_cpu1("1");
	for (uint32_t context = 0; several && context < RCX_CONTEXTS; context++) {
		emit.context = context;
		emit.cpu = 2;
		rcx_expect(h, "emit on CPU 1", emit_with(h, emit), 0);
		rcx_expect_true(h, "CPU 1 goes offline meanwhile", switch_cpu1("0"));
		rcx_expect(h, "emit on it while it is offline", emit_with(h, emit), EINVAL);
		rcx_expect_true(h, "CPU 1 comes back", switch_cpu1("1"));
		rcx_expect(h, "emit on it again", emit_with(h, emit), 0);
		usleep(5000);
		rcx_expect_value(h, "where it emits", (long)rcx_core_counts(h).cpu, 1);
	}
	emit.cpu = 0;
	rcx_expect(h, "emit on any CPU", emit_with(h, emit), 0);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void emit_and_die(void *arg)
{
	rcx_core_bind(arg, "wake", 8, true);
	rcx_core_start(arg, RCX_HARDIRQ, ALWAYS, 16, 1000);
	kill(getpid(), SIGKILL);
}

/* However the holder of the device ends, the device is free again at once. */
static void try_ends(struct rcx_hostile *h)
{
	char reason[128];

	rcx_topic(h, "ends");
	rcx_core_unbind(h);
	rcx_expect_true(h, "its user was killed during an emission",
			!rcx_in_child(emit_and_die, h, 5000, reason, sizeof(reason)));
	for (int i = 0; i < 20; i++) {
		rcx_core_bind(h, "wake", 8, i & 1);
		rcx_core_start(h, (enum rcx_context)(i % RCX_CONTEXTS), ALWAYS, 16, 1 + i);
		rcx_core_unbind(h);
	}
	rcx_expect_true(h, "emission started and closed at once, 20 times",
			rcx_core_bind(h, "wake", 8, false));
	rcx_core_start(h, RCX_SOFTIRQ, 1, 1, 0);
	rcx_expect_true(h, "and it still emits", rcx_core_ended(h, 1000));
}

/* ---- counts, opens ------------------------------------------------------ */

static long counts_at(void *arg, void *at)
{
	return ioctl(((struct rcx_hostile *)arg)->core, RCX_CORE_COUNTS, at);
}

/* ---- asking ----------------------------------------------------------------- */

static long ask_at(void *arg, void *at)
{
	const struct rcx_hostile *h = arg;

	return ioctl(h->core, RCX_CORE_ASK, at);
}

static long wait_for_end(void *arg)
{
	const struct rcx_hostile *h = arg;

	return ioctl(h->core, RCX_CORE_WAIT);
}

static void try_ask(struct rcx_hostile *h)
{
	const struct rcx_asking good = { .count = 1, .delay = 1000, .deadline = 1000000 };
	struct rcx_asking wrong;

	rcx_topic(h, "ask");
	rcx_expect(h, "unbind", ioctl(h->core, RCX_CORE_UNBIND), 0);
	wrong = good;
	rcx_expect(h, "without a bind", ask_at(h, &wrong), ENOLINK);
#define WRONG(name, field, value) \
	wrong = good;             \
	wrong.field = value;      \
	rcx_expect(h, name, ask_at(h, &wrong), EINVAL)
	WRONG("no requests", count, 0);
	WRONG("a delay above a second", delay, 1000000001);
	WRONG("a delay of all bits", delay, UINT64_MAX);
	WRONG("no deadline", deadline, 0);
	WRONG("a deadline above ten seconds", deadline, 10000000001);
	WRONG("a deadline of all bits", deadline, UINT64_MAX);
	WRONG("a CPU beyond all", cpu, (uint32_t)sysconf(_SC_NPROCESSORS_CONF) + 1);
	WRONG("a CPU whose number wraps", cpu, 1u << 31);
	WRONG("padding", pad, 1);
#undef WRONG
	bind(h, (struct rcx_bind){ .channel = "null", .mode = "none" });
	wrong = good;
	rcx_expect(h, "in a mode that cannot ask", ask_at(h, &wrong), EOPNOTSUPP);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, ask_at, h);
	rcx_expect(h, "wait without a producer", wait_for_end(h), 0);
	bind(h, good_bind());
}

static void try_counts(struct rcx_hostile *h)
{
	struct rcx_counts counts;

	rcx_topic(h, "counts");
	memset(&counts, 0xff, sizeof(counts));
	rcx_expect(h, "a good one", counts_at(h, &counts), 0);
	rcx_expect_true(h, "its CPU", counts.cpu < (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
	rcx_try_addresses(h, "argument", RCX_KERNEL_WRITES, counts_at, h);
}

static void open_device(struct rcx_hostile *h, void *arg)
{
	const int *error = arg;

	rcx_expect(h, "open by a user who may open the node", open(RCX_CORE_DEVICE, O_RDWR),
		   *error);
}

static void try_opens(struct rcx_hostile *h)
{
	struct stat node;
	int want = EPERM;

	rcx_topic(h, "open");
	rcx_expect(h, "a second one", open(RCX_CORE_DEVICE, O_RDWR), EBUSY);
	rcx_expect(h, "a second one, to read", open(RCX_CORE_DEVICE, O_RDONLY), EBUSY);
	rcx_expect(h, "unload what is bound",
		   syscall(SYS_delete_module, "ringcross_null", O_NONBLOCK), EWOULDBLOCK);
	rcx_try_no_io(h, h->core);
	rcx_try_no_seek(h, h->core);
	rcx_try_commands(h, h->core, known);
	rcx_try_nobody_opens(h, RCX_CORE_DEVICE);

	/* Not only the mode of the node protects it: open() checks CAP_SYS_ADMIN. */
	stat(RCX_CORE_DEVICE, &node);
	chmod(RCX_CORE_DEVICE, 0666);
	rcx_as_nobody(h, open_device, &want);
	chmod(RCX_CORE_DEVICE, node.st_mode & 0777);
	rcx_expect_value(h, "mode of the node", node.st_mode & 0777, 0600);
}

/* ---- the status page ---------------------------------------------------- */

static long map(struct rcx_hostile *h, size_t len, int protection, int flags, off_t at)
{
	void *page = mmap(NULL, len, protection, flags, h->core, at);

	if (page == MAP_FAILED)
		return -1;
	munmap(page, len);
	return 0;
}

static long protect(const volatile void *page, int protection)
{
	return mprotect((void *)(uintptr_t)page, PAGE, protection);
}

static long remap(const volatile void *page, size_t from, size_t to)
{
	void *moved = mremap((void *)(uintptr_t)page, from, to, MREMAP_MAYMOVE);

	return moved == MAP_FAILED ? -1 : 0;
}

static void try_map(struct rcx_hostile *h)
{
	rcx_topic(h, "mmap");
	rcx_expect(h, "a good one", map(h, MAP_LEN, PROT_READ, MAP_SHARED, 0), 0);
	rcx_expect(h, "a part", map(h, PAGE, PROT_READ, MAP_SHARED, PAGE), 0);
	rcx_expect(h, "to write", map(h, MAP_LEN, PROT_WRITE, MAP_SHARED, 0), EACCES);
	rcx_expect(h, "to read and write", map(h, MAP_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0),
		   EACCES);
	rcx_expect(h, "to write in private",
		   map(h, MAP_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0), EACCES);
	rcx_expect(h, "a page too long", map(h, MAP_LEN + PAGE, PROT_READ, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "1 GiB", map(h, 1ul << 30, PROT_READ, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "a page too far", map(h, MAP_LEN, PROT_READ, MAP_SHARED, PAGE), EINVAL);
	rcx_expect(h, "behind the end", map(h, PAGE, PROT_READ, MAP_SHARED, MAP_LEN), EINVAL);
	rcx_expect_either(h, "at the end of all",
			  map(h, PAGE, PROT_READ, MAP_SHARED, (off_t)(INT64_MAX & ~(PAGE - 1ll))),
			  EINVAL, EOVERFLOW);
	rcx_expect_either(h, "before the start", map(h, PAGE, PROT_READ, MAP_SHARED, -(off_t)PAGE),
			  EINVAL, EOVERFLOW);
	rcx_expect(h, "between pages", map(h, PAGE, PROT_READ, MAP_SHARED, 1), EINVAL);
	rcx_expect(h, "of no length", map(h, 0, PROT_READ, MAP_SHARED, 0), EINVAL);
}

static long store_by_memory_file(const struct rcx_hostile *h)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	long done = pwrite(fd, "x", 1, (off_t)(uintptr_t)h->page);

	close(fd);
	return done;
}

static long store_by_other(const struct rcx_hostile *h)
{
	struct iovec from = { h->message, 8 }, to = { (void *)(uintptr_t)h->page, 8 };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

static long store_by_read(const struct rcx_hostile *h)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	long done = read(fd, (void *)(uintptr_t)h->page, 8);

	close(fd);
	return done;
}

static sigjmp_buf back;

static void on_fault(int signo)
{
	siglongjmp(back, signo);
}

/* The signal that a store to @at, or a load from it, causes; 0 for none. */
static long fault(const volatile void *at, bool store)
{
	struct sigaction action = { .sa_handler = on_fault }, segv, bus;
	int signo;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	signo = sigsetjmp(back, 1);
	if (!signo && store)
		*(volatile char *)(uintptr_t)at = 1;
	else if (!signo)
		(void)*(const volatile char *)at;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return signo;
}

static void try_page(struct rcx_hostile *h)
{
	void *page;

	rcx_topic(h, "status page");
	rcx_expect(h, "mprotect to write", protect(h->page, PROT_READ | PROT_WRITE), EACCES);
	rcx_expect(h, "mprotect to write alone", protect(h->page, PROT_WRITE), EACCES);
	rcx_expect(h, "mprotect to write a part",
		   protect((const volatile char *)h->page + PAGE, PROT_WRITE), EACCES);
	rcx_expect_value(h, "store", fault(h->page, true), SIGSEGV);
	rcx_expect(h, "store by /proc/self/mem", store_by_memory_file(h), EIO);
	rcx_expect(h, "store by process_vm_writev", store_by_other(h), EFAULT);
	rcx_expect(h, "store by the kernel, for read", store_by_read(h), EFAULT);
	rcx_expect(h, "mremap to more", remap(h->page, MAP_LEN, MAP_LEN + PAGE), EFAULT);
	rcx_expect_either(h, "mremap of nothing, for a copy", remap(h->page, 0, MAP_LEN), EINVAL,
			  EFAULT);
	page = mmap(NULL, MAP_LEN, PROT_READ, MAP_SHARED, h->core, 0);
	rcx_expect(h, "MADV_DONTNEED", madvise(page, MAP_LEN, MADV_DONTNEED), 0);
	rcx_expect_value(h, "load from these pages", fault(page, false), SIGBUS);
	munmap(page, MAP_LEN);
	rcx_expect_value(h, "load", fault(h->page, false), 0);
}

/* A mapping holds the file: the next open succeeds only after the mapping is removed too. */
static void try_outlive(struct rcx_hostile *h)
{
	rcx_topic(h, "mapping without its file");
	rcx_core_start(h, RCX_SOFTIRQ, ALWAYS, 1, 100000);
	close(h->core);
	rcx_expect(h, "open", open(RCX_CORE_DEVICE, O_RDWR), EBUSY);
	rcx_expect_value(h, "load", fault(h->page, false), 0);
	h->core = -1;
	rcx_core_unbind(h);
	rcx_expect_true(h, "open after munmap", rcx_core_bind(h, "wake", 8, false));
}

/* ---- all at once -------------------------------------------------------- */

struct race {
	struct rcx_hostile *h;
	struct rcx_outcomes outcomes;
};

/* Three threads whose calls interrupt or overtake one another. */
static long bind_on(void *arg)
{
	struct race *race = arg;

	for (int i = 0; i < 300; i++) {
		struct rcx_bind request = good_bind();

		request.size = (uint32_t)i * 3000;
		request.validate = i & 1;
		rcx_note(&race->outcomes, bind(race->h, request), 0);
		sched_yield();
		if (i % 3 == 0)
			ioctl(race->h->core, RCX_CORE_UNBIND);
	}
	return 0;
}

static long emit_on(void *arg)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct race *race = arg;

	for (int i = 0; i < 300; i++) {
		struct rcx_emission request = {
			.context = (uint32_t)i % RCX_CONTEXTS,
			.burst = 16,
			.count = ALWAYS,
			.interval = 1 + (uint32_t)i,
			/* Seldom, because under emulation a call to another CPU takes long. */
			.cpu = i % 10 ? 0 : (uint32_t)(i / 10 % (cpus + 1)),
		};

		rcx_note(&race->outcomes, emit_with(race->h, request), ENOLINK);
		usleep(1);
	}
	return 0;
}

static long map_on(void *arg)
{
	struct race *race = arg;

	for (int i = 0; i < 300; i++) {
		struct rcx_counts counts;

		rcx_note(&race->outcomes, map(race->h, MAP_LEN, PROT_READ, MAP_SHARED, 0), 0);
		rcx_note(&race->outcomes, counts_at(race->h, &counts), 0);
		sched_yield();
	}
	return 0;
}

static void try_race(struct rcx_hostile *h)
{
	static long (*const work[])(void *) = { bind_on, emit_on, map_on };
	struct race races[3];
	struct rcx_sleeper threads[3];

	rcx_topic(h, "all at once");
	for (int i = 0; i < 3; i++) {
		races[i] = (struct race){ .h = h };
		rcx_sleep_in(h, &threads[i], work[i], &races[i]);
	}
	for (int i = 0; i < 3; i++) {
		rcx_expect(h, "a thread ends", rcx_sleeper_end(&threads[i]), 0);
		rcx_expect_outcomes(h, "results of its calls", &races[i].outcomes);
	}
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void core_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "wake", 8, false);
	try_bind(h);
	try_bind_readonly(h);
	try_emit(h);
	try_ask(h);
	try_counts(h);
	try_floods(h);
	try_cpus(h);
	try_ends(h);
	try_opens(h);
	try_map(h);
	try_page(h);
	try_outlive(h);
	try_race(h);
}
RCX_HOSTILE_BY(core, null, core_hostile);
