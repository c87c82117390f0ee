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
	return cmd == RC_NULL_NOTHING || cmd == RC_NULL_WAIT;
}

static long wait_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RC_NULL_WAIT, at);
}

static long wait_past(void *arg)
{
	struct waiter *waiter = arg;

	return ioctl(waiter->fd, RC_NULL_WAIT, &waiter->seen);
}

/* An address that can be read and not written is told of after the sleep. */
static void try_readonly(struct rc_hostile *h, int fd)
{
	rc_core_start(h, RC_HARDIRQ, 1, 1, 0);
	rc_core_ended(h, 1000);
	rc_try_addresses(h, "wait", RC_KERNEL_WRITES, wait_at, &fd);
}

static void try_sleep(struct rc_hostile *h, int fd)
{
	struct waiter waiter = { .fd = fd, .seen = UINT64_MAX };
	struct rc_sleeper sleeper;

	rc_sleep_in(h, &sleeper, wait_past, &waiter);
	rc_core_start(h, RC_SOFTIRQ, 100, 100, 0);
	rc_sleeper_interrupt(&sleeper);
	rc_expect(h, "wait for more than can be, interrupted", rc_sleeper_end(&sleeper), EINTR);
	rc_try_kill(h, "wait for more than can be, killed", wait_past, &waiter);

	rc_core_bind(h, "wake", 0, false);
	waiter.seen = 0;
	rc_sleep_in(h, &sleeper, wait_past, &waiter);
	close(fd);
	rc_core_start(h, RC_HARDIRQ, 1, 1, 0);
	rc_expect(h, "closed in its sleep, it is still woken", rc_sleeper_end(&sleeper), 0);
	rc_expect_value(h, "by one event", (long)waiter.seen, 1);
}

static void null_hostile(struct rc_hostile *h)
{
	int fd = open(RC_NULL_DEVICE, O_RDWR | O_CLOEXEC);
	int other = open(RC_NULL_DEVICE, O_RDWR | O_CLOEXEC);

	rc_core_bind(h, "wake", 0, false);
	rc_expect(h, "open", fd, 0);
	rc_expect(h, "open again", other, 0);
	close(other);
	rc_expect_value(h, "nothing", ioctl(fd, RC_NULL_NOTHING), RC_NULL_ANSWER);
	rc_expect_value(h, "nothing, with an argument", ioctl(fd, RC_NULL_NOTHING, h->edge),
			RC_NULL_ANSWER);
	/* The handlers look at no buffer; what the kernel checks before them, it does. */
	rc_expect_value(h, "write from nowhere", write(fd, h->edge, 8), 8);
	rc_expect_value(h, "read to nowhere", read(fd, h->edge, 8), 0);
	rc_expect(h, "write from kernel memory", write(fd, (void *)0xffff888000001000, 8), EFAULT);
	rc_expect(h, "read to kernel memory", read(fd, (void *)0xffff888000001000, 8), EFAULT);
	rc_try_no_seek(h, fd);
	rc_try_no_map(h, fd);
	rc_try_commands(h, fd, known);
	try_readonly(h, fd);
	try_sleep(h, fd);
	rc_try_nobody_opens(h, RC_NULL_DEVICE);
}
RC_HOSTILE(null, null_hostile);
