// SPDX-License-Identifier: GPL-2.0-only
/* A registration holds the counter, whatever its processes do with it afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

static bool known(unsigned int cmd)
{
	return cmd == RCX_EVENTFD_REGISTER;
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_EVENTFD_REGISTER, at);
}

static long register_fd(int fd, int counter)
{
	struct rcx_eventfd_register request = { .fd = counter };

	return register_at(&fd, &request);
}

static int open_device(void)
{
	return open(RCX_EVENTFD_DEVICE, O_RDWR | O_CLOEXEC);
}

static int new_counter(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* The count of @counter, which becomes 0; -1 when it was 0. */
static long take(int counter)
{
	uint64_t count;

	return read(counter, &count, sizeof(count)) == sizeof(count) ? (long)count : -1;
}

/* ---- registering -------------------------------------------------------- */

/* Descriptors that are not an eventfd; the kernel half must refuse each. */
static void try_wrong_descriptors(struct rcx_hostile *h, int fd)
{
	int ends[2], path = open("/", O_PATH | O_CLOEXEC), epoll = epoll_create1(EPOLL_CLOEXEC);
	int closed;

	rcx_expect(h, "a pipe for the cases", pipe(ends), 0);
	closed = new_counter();
	close(closed);
	rcx_expect(h, "a descriptor that is not open", register_fd(fd, 1 << 20), EBADF);
	rcx_expect(h, "an eventfd that was closed", register_fd(fd, closed), EBADF);
	rcx_expect(h, "a negative descriptor", register_fd(fd, -1), EBADF);
	rcx_expect(h, "the smallest descriptor", register_fd(fd, INT_MIN), EBADF);
	rcx_expect(h, "the largest descriptor", register_fd(fd, INT_MAX), EBADF);
	rcx_expect(h, "the device itself", register_fd(fd, fd), EINVAL);
	rcx_expect(h, "a pipe", register_fd(fd, ends[0]), EINVAL);
	rcx_expect(h, "an epoll instance", register_fd(fd, epoll), EINVAL);
	rcx_expect(h, "a path without its file", register_fd(fd, path), EBADF);
	rcx_expect(h, "the core's device", register_fd(fd, h->core), EINVAL);
	close(ends[0]);
	close(ends[1]);
	close(path);
	close(epoll);
}

static void try_register(struct rcx_hostile *h)
{
	int fd = open_device(), counter = new_counter();
	struct rcx_eventfd_register request = { .fd = counter, .flags = 1 };

	rcx_topic(h, "register");
	rcx_expect(h, "open", fd, 0);
	try_wrong_descriptors(h, fd);
	rcx_expect(h, "an unknown flag", register_at(&fd, &request), EINVAL);
	request.flags = UINT_MAX;
	rcx_expect(h, "all flags", register_at(&fd, &request), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, register_at, &fd);
	rcx_expect_value(h, "refused without a registration", rcx_core_emit(h, RCX_HARDIRQ, 3), 3);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ENOTCONN);
	rcx_expect(h, "a good one after all these", register_fd(fd, counter), 0);
	rcx_expect(h, "a second one", register_fd(fd, counter), EBUSY);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "counted", take(counter), 3);
	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	close(fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_SOFTIRQ, 1), 1);
	rcx_expect_value(h, "counted after the close", take(counter), -1);
	close(counter);
}

static void try_twice(struct rcx_hostile *h)
{
	int first = open_device(), second = open_device(), counter = new_counter();
	int copy = dup(counter);

	rcx_topic(h, "two files with one eventfd");
	rcx_expect(h, "the first", register_fd(first, counter), 0);
	rcx_expect(h, "the second, by a copy of the descriptor", register_fd(second, copy), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "counted, once for each file", take(counter), 6);
	close(first);
	rcx_expect_value(h, "refused of one file", rcx_core_emit(h, RCX_PROCESS, 3), 0);
	rcx_expect_value(h, "counted for one file", take(copy), 3);
	close(copy);
	close(counter);
	close(second);
}

/* ---- the counter -------------------------------------------------------- */

static void try_full(struct rcx_hostile *h)
{
	int fd = open_device(), counter = new_counter();
	struct pollfd pfd = { .fd = counter, .events = POLLIN | POLLOUT };
	uint64_t most = ULLONG_MAX - 1;

	rcx_topic(h, "full counter");
	rcx_expect(h, "register", register_fd(fd, counter), 0);
	rcx_expect(h, "fill it", write(counter, &most, sizeof(most)), 0);
	rcx_expect_value(h, "refused of 3", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "poll", poll(&pfd, 1, 0), 1);
	rcx_expect_value(h, "its bits", pfd.revents, POLLIN | POLLERR);
	rcx_expect_value(h, "bytes read", read(counter, &most, sizeof(most)), sizeof(most));
	rcx_expect_true(h, "it had stopped at the highest value", most == ULLONG_MAX);
	rcx_expect_value(h, "refused after that", rcx_core_emit(h, RCX_SOFTIRQ, 2), 0);
	rcx_expect_value(h, "counted after that", take(counter), 2);
	close(counter);
	close(fd);
}

static void try_semaphore(struct rcx_hostile *h)
{
	int fd = open_device(), counter = eventfd(7, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	long taken = 0;

	rcx_topic(h, "semaphore with a count of its own");
	rcx_expect(h, "register", register_fd(fd, counter), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 100), 0);
	while (take(counter) == 1)
		taken++;
	rcx_expect_value(h, "taken one by one", taken, 107);
	close(fd);
	close(counter);
}

static void try_closed(struct rcx_hostile *h)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = open_device(), counter = new_counter(), epoll = epoll_create1(EPOLL_CLOEXEC);

	rcx_topic(h, "closed eventfd");
	rcx_expect(h, "register", register_fd(fd, counter), 0);
	rcx_expect(h, "watch it", epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event), 0);
	close(counter); /* its last descriptor */
	rcx_expect_value(h, "refused of 100", rcx_core_emit(h, RCX_HARDIRQ, 100), 0);
	rcx_expect_value(h, "watched events", epoll_wait(epoll, &event, 1, 0), 0);
	close(epoll);
	rcx_expect_value(h, "refused of 100 without the watcher",
			 rcx_core_emit(h, RCX_SOFTIRQ, 100), 0);
	counter = new_counter();
	rcx_expect(h, "another eventfd on this file", register_fd(fd, counter), EBUSY);
	rcx_expect_value(h, "counted by the other", take(counter), -1);
	close(fd);
	rcx_expect_value(h, "refused at last", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
	close(counter);
}

/* ---- processes ---------------------------------------------------------- */

static long blocking_read(void *arg)
{
	uint64_t count;

	return read(*(int *)arg, &count, sizeof(count));
}

static long register_and_read(void *arg)
{
	int fd = open_device();

	register_fd(fd, *(int *)arg);
	return blocking_read(arg);
}

static void try_killed(struct rcx_hostile *h)
{
	int counter = eventfd(0, EFD_CLOEXEC), fd = open_device();
	struct rcx_sleeper reader;

	rcx_topic(h, "reader that ends");
	rcx_try_kill(h, "kill a reader with its registration", register_and_read, &counter);
	rcx_expect_value(h, "refused after that", rcx_core_emit(h, RCX_HARDIRQ, 5), 5);
	rcx_expect(h, "register", register_fd(fd, counter), 0);
	rcx_try_kill(h, "kill a reader of a registered eventfd", blocking_read, &counter);
	rcx_expect_value(h, "refused of 5", rcx_core_emit(h, RCX_HARDIRQ, 5), 0);
	rcx_expect_value(h, "counted", take(counter), 5);
	rcx_sleep_in(h, &reader, blocking_read, &counter);
	rcx_sleeper_interrupt(&reader);
	rcx_expect(h, "interrupt a reader", rcx_sleeper_end(&reader), EINTR);
	rcx_sleep_in(h, &reader, blocking_read, &counter);
	close(fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
	rcx_sleeper_interrupt(&reader);
	rcx_expect(h, "its reader still sleeps", rcx_sleeper_end(&reader), EINTR);
	close(counter);
}

struct pair {
	int fd, counter;
};

static void register_there(struct rcx_hostile *h, void *arg)
{
	const struct pair *pair = arg;

	rcx_expect(h, "register on a file of root", register_fd(pair->fd, pair->counter), 0);
}

static long register_race(void *arg)
{
	const struct pair *pair = arg;
	long won = 0;

	for (int i = 0; i < 100; i++)
		won += !register_fd(pair->fd, pair->counter);
	return won;
}

static void try_others(struct rcx_hostile *h)
{
	struct pair pair = { open_device(), new_counter() };

	rcx_topic(h, "another user");
	rcx_as_nobody(h, register_there, &pair);
	rcx_expect_value(h, "refused after its end", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "counted", take(pair.counter), 1);
	close(pair.fd);
	rcx_try_nobody_opens(h, RCX_EVENTFD_DEVICE);

	rcx_topic(h, "three threads");
	pair.fd = open_device();
	rcx_expect_value(h, "registered on one file", rcx_in_three_threads(h, register_race, &pair),
			 1);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "counted", take(pair.counter), 2);
	close(pair.fd);
	close(pair.counter);
}

/* Register and close while events are emitted. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open_device(), counter = new_counter();
		struct pollfd pfd = { .fd = counter, .events = POLLIN };

		rcx_note(&outcomes, register_fd(fd, counter), 0);
		errno = ETIMEDOUT;
		rcx_note(&outcomes, poll(&pfd, 1, 1000) == 1 ? 0 : -1, 0);
		close(i % 2 ? counter : fd);
		close(i % 2 ? fd : counter);
	}
	rcx_expect_outcomes(h, "registered and closed, in both orders", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void eventfd_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "count", 0, true);
	try_register(h);
	try_twice(h);
	try_full(h);
	try_semaphore(h);
	try_closed(h);
	try_killed(h);
	try_others(h);
	try_leaving(h);
}
RCX_HOSTILE(eventfd, eventfd_hostile);
