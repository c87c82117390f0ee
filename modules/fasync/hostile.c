// SPDX-License-Identifier: GPL-2.0-only
/* The owner of a file is a process that may end, be another user's, or have a full queue. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define BODY  64u
#define WHOLE (RCX_HEADER + BODY)
#define SIGNO SIGRTMIN

static int open_device(void)
{
	return open(RCX_FASYNC_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static long set_async(int fd, bool on)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK | (on ? O_ASYNC : 0));
}

/* Open with O_ASYNC and this process as owner; @signo is 0 for plain SIGIO. */
static int open_async(int signo)
{
	int fd = open_device();

	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, signo) || set_async(fd, true))
		return -1;
	return fd;
}

/* Take all pending signals of @signo; returns their number. */
static long take(int signo, siginfo_t *last)
{
	const struct timespec at_once = { 0 };
	sigset_t set;
	long got = 0;

	sigemptyset(&set);
	sigaddset(&set, signo);
	while (sigtimedwait(&set, last, &at_once) > 0)
		got++;
	return got;
}

/* Read all messages; returns their number. */
static long drain(struct rcx_hostile *h, int fd)
{
	long got = 0;

	while (read(fd, h->message, WHOLE) == WHOLE)
		got++;
	return got;
}

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGNO);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* ---- O_ASYNC ------------------------------------------------------------ */

static void try_async(struct rcx_hostile *h)
{
	int fd = open_device();
	struct rcx_outcomes outcomes = { 0 };
	siginfo_t info;

	rcx_topic(h, "O_ASYNC");
	rcx_expect(h, "without an owner", set_async(fd, true), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	rcx_expect_value(h, "signals without an owner", take(SIGIO, &info), 0);
	rcx_expect(h, "owner", fcntl(fd, F_SETOWN, getpid()), 0);
	rcx_expect(h, "set it again", set_async(fd, true), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "signals of 3 events", take(SIGIO, &info), 1);
	rcx_expect_true(h, "it is from the kernel", info.si_code == SI_KERNEL && !info.si_pid);
	rcx_expect_value(h, "messages of all events", drain(h, fd), 5);
	rcx_expect(h, "clear it", set_async(fd, false), 0);
	rcx_expect(h, "clear it again", set_async(fd, false), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_SOFTIRQ, 2), 0);
	rcx_expect_value(h, "signals without it", take(SIGIO, &info), 0);
	for (int i = 0; i < 1000; i++)
		rcx_note(&outcomes, set_async(fd, !(i & 1)), 0);
	rcx_expect_outcomes(h, "1000 changes", &outcomes);
	rcx_expect(h, "set it at last", set_async(fd, true), 0);
	close(fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_HARDIRQ, 2), 2);
	rcx_expect_value(h, "signals after the close", take(SIGIO, &info), 0);
}

static void try_descriptors(struct rcx_hostile *h)
{
	int fd = open_async(SIGNO), copy = dup(fd), other = open_async(0);
	siginfo_t info;

	rcx_topic(h, "descriptors");
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals of one file with two descriptors", take(SIGNO, &info), 1);
	rcx_expect_true(h, "its descriptor", info.si_fd == fd && info.si_code == POLL_IN);
	rcx_expect_value(h, "signals of another file", take(SIGIO, &info), 1);
	close(fd);
	rcx_expect_value(h, "refused after the close of one", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals by the other", take(SIGNO, &info), 1);
	rcx_expect_true(h, "it names the closed one", info.si_fd == fd);
	rcx_expect_value(h, "messages read by the other", drain(h, copy), 2);
	close(copy);
	rcx_expect_value(h, "refused by the other file", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect_value(h, "signals after the last close", take(SIGNO, &info), 0);
	close(other);
	take(SIGIO, &info);
}

static void try_signals(struct rcx_hostile *h)
{
	int fd = open_async(0);
	siginfo_t info;

	rcx_topic(h, "F_SETSIG");
	rcx_expect(h, "a signal behind the last", fcntl(fd, F_SETSIG, 65), EINVAL);
	rcx_expect(h, "a signal below 0", fcntl(fd, F_SETSIG, -1), EINVAL);
	rcx_expect(h, "a signal that 8 bits would cut", fcntl(fd, F_SETSIG, 0x100 + SIGNO), EINVAL);
	rcx_expect_value(h, "refused after these", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals after these", take(SIGIO, &info), 1);
	rcx_expect(h, "SIGIO by its number", fcntl(fd, F_SETSIG, SIGIO), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals", take(SIGIO, &info), 1);
	rcx_expect_true(h, "with the descriptor", info.si_fd == fd);
	close(fd);
}

/* ---- full queues -------------------------------------------------------- */

static void try_full(struct rcx_hostile *h)
{
	struct rlimit before, few;
	siginfo_t info;
	int fd = open_async(SIGNO);

	rcx_topic(h, "full queue of signals");
	getrlimit(RLIMIT_SIGPENDING, &before);
	few = (struct rlimit){ 8, before.rlim_max };
	setrlimit(RLIMIT_SIGPENDING, &few);
	rcx_expect_value(h, "refused of 100", rcx_core_emit(h, RCX_HARDIRQ, 100), 0);
	rcx_expect_value(h, "queued signals", take(SIGNO, &info), 8);
	rcx_expect_value(h, "SIGIO in place of the others", take(SIGIO, &info), 1);
	rcx_expect_value(h, "messages", drain(h, fd), 100);
	few.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &few);
	rcx_expect_value(h, "refused where no signal may queue", rcx_core_emit(h, RCX_SOFTIRQ, 10),
			 0);
	rcx_expect_value(h, "queued signals", take(SIGNO, &info), 0);
	rcx_expect_value(h, "SIGIO", take(SIGIO, &info), 1);
	setrlimit(RLIMIT_SIGPENDING, &before);
	rcx_expect_value(h, "refused of 300", rcx_core_emit(h, RCX_HARDIRQ, 300), 300 + 10 - 256);
	rcx_expect_value(h, "signals, one for each message", take(SIGNO, &info), 246);
	rcx_expect_value(h, "messages", drain(h, fd), 256);
	close(fd);
}

/* ---- owners ------------------------------------------------------------- */

static void own_and_end(void *arg)
{
	_exit(fcntl(*(int *)arg, F_SETOWN, getpid()) ? 1 : 0);
}

static void own_to_be_killed(void *arg)
{
	struct rcx_hostile *h = arg;
	int fd = open_async(SIGKILL);

	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	for (;;)
		pause();
	close(fd);
}

static void try_owners(struct rcx_hostile *h)
{
	char reason[128] = "";
	siginfo_t info;
	int fd = open_async(SIGNO);

	rcx_topic(h, "owner");
	rcx_expect(h, "a process that does not exist", fcntl(fd, F_SETOWN, 1 << 21), ESRCH);
	rcx_expect(h, "the smallest number", fcntl(fd, F_SETOWN, 1 << 31), EINVAL);
	rcx_expect_value(h, "refused after these", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	take(SIGNO, &info);
	rcx_expect(h, "none", fcntl(fd, F_SETOWN, 0), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals without an owner", take(SIGNO, &info), 0);
	rcx_expect(h, "the process group", fcntl(fd, F_SETOWN, -getpgrp()), 0);
	rcx_expect_true(h, "a process becomes the owner and ends",
			rcx_in_child(own_and_end, &fd, 2000, reason, sizeof(reason)));
	rcx_expect_value(h, "refused of 100", rcx_core_emit(h, RCX_HARDIRQ, 100), 0);
	rcx_expect_value(h, "signals to this process", take(SIGNO, &info), 0);
	rcx_expect_value(h, "messages", drain(h, fd), 102);
	close(fd);
	reason[0] = '\0';
	rcx_expect_true(h, "a process is killed by its event",
			!rcx_in_child(own_to_be_killed, h, 2000, reason, sizeof(reason)) &&
				strstr(reason, "killed by signal"));
	rcx_expect_value(h, "which ends its file", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
}

/* Another user who has a file of root may direct its signals only to processes of his own. */
static void with_file_of_root(struct rcx_hostile *h, void *arg)
{
	int fd = *(int *)arg;
	siginfo_t info;

	rcx_expect(h, "direct a file of root to root", fcntl(fd, F_SETOWN, getppid()), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect(h, "direct it to himself", fcntl(fd, F_SETOWN, getpid()), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals to himself", take(SIGNO, &info), 1);
}

static long toggle(void *arg)
{
	long failed = 0;

	for (int i = 0; i < 300; i++)
		failed += !!set_async(*(int *)arg, !(i & 1));
	return failed;
}

static void try_others(struct rcx_hostile *h)
{
	int fd = open_async(SIGNO);
	siginfo_t info;

	rcx_topic(h, "another user");
	rcx_as_nobody(h, with_file_of_root, &fd);
	rcx_expect_value(h, "signals to root", take(SIGNO, &info) + take(SIGIO, &info), 0);

	rcx_topic(h, "in a stream");
	fcntl(fd, F_SETOWN, getpid());
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 2, 50000);
	rcx_expect_value(h, "failed changes of three threads", rcx_in_three_threads(h, toggle, &fd),
			 0);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	set_async(fd, true);
	take(SIGNO, &info);
	take(SIGIO, &info);
	drain(h, fd);
	rcx_expect_value(h, "refused after that", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals after that", take(SIGNO, &info), 1);
	close(fd);
}

/* Files with O_ASYNC are opened and closed while events are emitted. */
static void try_leaving(struct rcx_hostile *h)
{
	const struct timespec second = { .tv_sec = 1 };
	struct rcx_outcomes outcomes = { 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNO);
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open_async(SIGNO);

		rcx_note(&outcomes, sigtimedwait(&set, &info, &second), 0);
		close(fd);
		take(SIGNO, &info);
		usleep(100);
		errno = EPROTO;
		rcx_note(&outcomes, take(SIGNO, &info) ? -1 : 0, 0);
	}
	rcx_expect_outcomes(h, "opened and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void fasync_hostile(struct rcx_hostile *h)
{
	block();
	rcx_try_events_file(h, RCX_FASYNC_DEVICE, "sigio");
	rcx_core_bind(h, "queued", BODY, true);
	try_async(h);
	try_descriptors(h);
	try_signals(h);
	try_full(h);
	try_owners(h);
	try_others(h);
	try_leaving(h);
}
RCX_HOSTILE(fasync, fasync_hostile);
