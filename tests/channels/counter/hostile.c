// SPDX-License-Identifier: GPL-2.0-only
/* A registration holds the eventfd, whatever its process does with it afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

static bool known(unsigned int cmd)
{
	return cmd == RCX_COUNTER_REGISTER;
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_COUNTER_REGISTER, at);
}

static long register_fd(int fd, int eventfd)
{
	struct rcx_counter_register request = { .fd = eventfd };

	return register_at(&fd, &request);
}

static int open_device(void)
{
	return open(RCX_COUNTER_DEVICE, O_RDWR | O_CLOEXEC);
}

/* The count of @fd, which becomes 0; -1 when it was 0. */
static long take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? (long)count : -1;
}

static void try_register(struct rcx_hostile *h)
{
	int fd = open_device(), counter = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rcx_counter_register request = { .fd = counter, .flags = 1 };

	rcx_topic(h, "register");
	rcx_expect(h, "open", fd, 0);
	rcx_expect(h, "a descriptor that is not open", register_fd(fd, 1 << 20), EBADF);
	rcx_expect(h, "a negative descriptor", register_fd(fd, -1), EBADF);
	rcx_expect(h, "the smallest descriptor", register_fd(fd, INT_MIN), EBADF);
	rcx_expect(h, "a descriptor of another kind", register_fd(fd, fd), EINVAL);
	rcx_expect(h, "an unknown flag", register_at(&fd, &request), EINVAL);
	request.flags = UINT_MAX;
	rcx_expect(h, "all flags", register_at(&fd, &request), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, register_at, &fd);
	rcx_expect_value(h, "refused without a registration", rcx_core_emit(h, RCX_HARDIRQ, 3), 3);
	rcx_expect(h, "a good one after all these", register_fd(fd, counter), 0);
	rcx_expect(h, "a second one", register_fd(fd, counter), EBUSY);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "counted", take(counter), 3);
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	close(fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
	rcx_expect_value(h, "counted after the close", take(counter), -1);
	close(counter);
}

static void try_closed(struct rcx_hostile *h)
{
	int fd = open_device(), counter = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t most = ULLONG_MAX - 1;

	rcx_topic(h, "eventfd");
	rcx_expect(h, "register", register_fd(fd, counter), 0);
	rcx_expect(h, "fill it", write(counter, &most, sizeof(most)), 0);
	rcx_expect_value(h, "refused by a full one", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "bytes read of a full one", read(counter, &most, sizeof(most)), 8);
	close(counter);
	rcx_expect_value(h, "refused after its last descriptor was closed",
			 rcx_core_emit(h, RCX_HARDIRQ, 100), 0);
	close(fd);
	rcx_expect_value(h, "refused at last", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
	rcx_try_nobody_opens(h, RCX_COUNTER_DEVICE);
}

static void counter_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "count", 0, true);
	try_register(h);
	try_closed(h);
}
RCX_HOSTILE(counter, counter_hostile);
