// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

struct waiter {
	int fd;
	__u64 seen;
};

static bool known(unsigned int cmd)
{
	return cmd == RCX_NULL_NOTHING || cmd == RCX_NULL_WAIT || cmd == RCX_NULL_TAKE ||
	       cmd == RCX_NULL_REPLY;
}

static long wait_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_NULL_WAIT, at);
}

static long wait_past(void *arg)
{
	struct waiter *waiter = arg;

	return ioctl(waiter->fd, RCX_NULL_WAIT, &waiter->seen);
}

/* An address that is readable but not writable fails only after the sleep. */
static void try_readonly(struct rcx_hostile *h, int fd)
{
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_core_ended(h, 1000);
	rcx_try_addresses(h, "wait", RCX_KERNEL_WRITES, wait_at, &fd);
}

static void try_sleep(struct rcx_hostile *h, int fd)
{
	struct waiter waiter = { .fd = fd, .seen = UINT64_MAX };
	struct rcx_sleeper sleeper;

	rcx_sleep_in(h, &sleeper, wait_past, &waiter);
	rcx_core_start(h, RCX_SOFTIRQ, 100, 100, 0);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "wait for an impossible count, interrupted", rcx_sleeper_end(&sleeper),
		   EINTR);
	rcx_try_kill(h, "wait for an impossible count, killed", wait_past, &waiter);

	rcx_core_bind(h, "wake", 0, false);
	waiter.seen = 0;
	rcx_sleep_in(h, &sleeper, wait_past, &waiter);
	close(fd);
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	rcx_expect(h, "closed during the sleep, woken by an event", rcx_sleeper_end(&sleeper), 0);
	rcx_expect_value(h, "events counted", (long)waiter.seen, 1);
}

static long take(void *arg)
{
	return ioctl(*(int *)arg, RCX_NULL_TAKE);
}

static void try_upcall(struct rcx_hostile *h)
{
	struct rcx_sleeper sleeper;
	int fd;

	rcx_topic(h, "upcall");
	rcx_core_bind(h, "wake", 0, false);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "no file is open", ENOTCONN);
	fd = open(RCX_NULL_DEVICE, O_RDWR | O_CLOEXEC);
	rcx_expect(h, "a reply without a request", ioctl(fd, RCX_NULL_REPLY), ESRCH);
	rcx_sleep_in(h, &sleeper, take, &fd);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);
	rcx_core_bind(h, "wake", 0, false);
	rcx_core_ask(h, 1, 10000);
	rcx_expect(h, "take", take(&fd), 0);
	rcx_expect(h, "reply", ioctl(fd, RCX_NULL_REPLY), 0);
	rcx_expect(h, "reply again", ioctl(fd, RCX_NULL_REPLY), ESRCH);
	rcx_expect_asked(h, "the wait has ended", 0);
	rcx_core_ask(h, 1, 10000);
	rcx_expect(h, "take another one", take(&fd), 0);
	close(fd);
	rcx_expect_asked(h, "closed with a request", ENOTCONN);
}

static void null_hostile(struct rcx_hostile *h)
{
	int fd = open(RCX_NULL_DEVICE, O_RDWR | O_CLOEXEC);
	int other = open(RCX_NULL_DEVICE, O_RDWR | O_CLOEXEC);

	rcx_core_bind(h, "wake", 0, false);
	rcx_expect(h, "open", fd, 0);
	rcx_expect(h, "open again", other, 0);
	close(other);
	rcx_expect_value(h, "nothing", ioctl(fd, RCX_NULL_NOTHING), RCX_NULL_ANSWER);
	rcx_expect_value(h, "nothing, with an argument", ioctl(fd, RCX_NULL_NOTHING, h->edge),
			 RCX_NULL_ANSWER);
	/* The handlers access no buffer; only the kernel's own checks apply. */
	rcx_expect_value(h, "write from an unmapped address", write(fd, h->edge, 8), 8);
	rcx_expect_value(h, "read to an unmapped address", read(fd, h->edge, 8), 0);
	rcx_expect(h, "write from kernel memory", write(fd, (void *)0xffff888000001000, 8), EFAULT);
	rcx_expect(h, "read to kernel memory", read(fd, (void *)0xffff888000001000, 8), EFAULT);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	try_readonly(h, fd);
	try_sleep(h, fd);
	rcx_try_nobody_opens(h, RCX_NULL_DEVICE);
	try_upcall(h);
}
RCX_HOSTILE(null, null_hostile);
