// SPDX-License-Identifier: GPL-2.0-only
/* A registration outlives much: its thread, its process, its limits. */
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

#define SIGNO SIGRTMIN

static bool known(unsigned int cmd)
{
	return cmd == RC_SIGNAL_REGISTER;
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RC_SIGNAL_REGISTER, at);
}

static long register_for(int fd, uint32_t signo)
{
	struct rc_signal_register request = { .signo = signo };

	return register_at(&fd, &request);
}

static int open_device(void)
{
	return open(RC_SIGNAL_DEVICE, O_RDWR | O_CLOEXEC);
}

static void block(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The signals of @signo that are pending, taken. */
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

/* Raise @count events; how many were refused. */
static long emit(struct rc_hostile *h, enum rc_context context, uint32_t count)
{
	uint64_t before = rc_core_counts(h).refused;

	rc_core_start(h, context, count, count, 0);
	rc_core_ended(h, 1000);
	return (long)(rc_core_counts(h).refused - before);
}

/* ---- registering -------------------------------------------------------- */

static void try_register(struct rc_hostile *h)
{
	static const struct {
		const char *name;
		uint32_t signo;
	} wrong[] = {
		{ "no signal", 0 },
		{ "SIGKILL", SIGKILL },
		{ "SIGSTOP", SIGSTOP },
		{ "a signal behind the last", 65 },
		{ "a signal that 8 bits would cut to a good one", 0x100 + SIGUSR1 },
		{ "a signal below 0", (uint32_t)-1 },
		{ "the lowest signal there is", 1u << 31 },
	};
	struct rc_signal_register request = { .signo = SIGUSR1, .flags = 1 };
	siginfo_t info;
	int fd = open_device();

	rc_topic(h, "register");
	rc_expect(h, "open", fd, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rc_expect(h, wrong[i].name, register_for(fd, wrong[i].signo), EINVAL);
	rc_expect(h, "an unknown flag", register_at(&fd, &request), EINVAL);
	request.flags = UINT32_MAX;
	rc_expect(h, "all flags", register_at(&fd, &request), EINVAL);
	rc_try_addresses(h, "argument", RC_KERNEL_READS, register_at, &fd);
	rc_expect_value(h, "refused while nobody has", emit(h, RC_HARDIRQ, 1), 1);
	rc_expect(h, "a good one after all these", register_for(fd, (uint32_t)SIGNO), 0);
	rc_expect(h, "a second one", register_for(fd, (uint32_t)SIGNO), EBUSY);
	rc_expect(h, "a second one for another signal", register_for(fd, SIGUSR1), EBUSY);
	rc_expect_value(h, "refused", emit(h, RC_HARDIRQ, 1), 0);
	rc_expect_value(h, "signals that came", take(SIGNO, &info), 1);
	rc_expect_true(h, "its value and sender", info.si_int == 1 && info.si_code == SI_QUEUE &&
		       !info.si_pid && !info.si_uid);

	rc_try_no_io(h, fd);
	rc_try_no_seek(h, fd);
	rc_try_no_map(h, fd);
	rc_try_commands(h, fd, known);
	close(fd);
	rc_expect_value(h, "refused after the close", emit(h, RC_SOFTIRQ, 1), 1);
	rc_expect_value(h, "signals after the close", take(SIGNO, &info), 0);
}

static void try_twice(struct rc_hostile *h)
{
	int one = open_device(), other = open_device();
	siginfo_t info;

	rc_topic(h, "two files of one thread");
	rc_expect(h, "the one", register_for(one, (uint32_t)SIGNO), 0);
	rc_expect(h, "the other", register_for(other, (uint32_t)SIGNO), 0);
	rc_expect_value(h, "refused", emit(h, RC_HARDIRQ, 3), 0);
	rc_expect_value(h, "signals that came", take(SIGNO, &info), 6);
	close(one);
	rc_expect_value(h, "refused of one file", emit(h, RC_HARDIRQ, 3), 0);
	rc_expect_value(h, "signals by one file", take(SIGNO, &info), 3);
	close(other);
}

/* ---- a queue that is full ----------------------------------------------- */

static void try_full(struct rc_hostile *h)
{
	struct rlimit before, few;
	siginfo_t info;
	int fd = open_device();

	rc_topic(h, "full queue");
	getrlimit(RLIMIT_SIGPENDING, &before);
	few = (struct rlimit){ 8, before.rlim_max };
	setrlimit(RLIMIT_SIGPENDING, &few);
	rc_expect(h, "register", register_for(fd, (uint32_t)SIGNO), 0);
	rc_expect_value(h, "refused of 1000", emit(h, RC_HARDIRQ, 1000), 992);
	rc_expect_value(h, "the reason", rc_core_counts(h).refused_errno, EAGAIN);
	rc_expect_value(h, "signals that came", take(SIGNO, &info), 8);
	few.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &few);
	rc_expect_value(h, "refused of 10 where none may queue", emit(h, RC_SOFTIRQ, 10), 10);
	setrlimit(RLIMIT_SIGPENDING, &before);
	rc_expect_value(h, "refused of 10 after these", emit(h, RC_PROCESS, 10), 0);
	rc_expect_value(h, "signals after these", take(SIGNO, &info), 10);
	close(fd);
}

/* ---- receivers that are gone -------------------------------------------- */

static long register_here(void *arg)
{
	return register_for(*(int *)arg, (uint32_t)SIGNO);
}

static void register_and_end(void *arg)
{
	_exit(register_here(arg) ? 1 : 0);
}

static void register_to_be_killed(void *arg)
{
	struct rc_hostile *h = arg;
	int fd = open_device();

	register_for(fd, SIGTERM);
	rc_core_start(h, RC_HARDIRQ, 1, 1, 0);
	for (;;)
		pause();
}

static void register_twice(struct rc_hostile *h, void *arg)
{
	rc_expect(h, "a child registers on the same file", register_here(arg), EBUSY);
}

static void try_gone(struct rc_hostile *h)
{
	struct rc_sleeper thread;
	char reason[128] = "";
	siginfo_t info;
	int fd = open_device();

	rc_topic(h, "receiver that is gone");
	rc_sleep_in(h, &thread, register_here, &fd);
	rc_expect(h, "a thread registers and ends", rc_sleeper_end(&thread), 0);
	rc_expect_value(h, "refused of 100", emit(h, RC_HARDIRQ, 100), 100);
	rc_expect_value(h, "the reason", rc_core_counts(h).refused_errno, ESRCH);
	rc_expect_value(h, "nobody else got them", take(SIGNO, &info), 0);
	close(fd);

	fd = open_device();
	rc_expect_true(h, "a process registers and ends",
		       rc_in_child(register_and_end, &fd, 2000, reason, sizeof(reason)));
	rc_expect_value(h, "refused of 100 again", emit(h, RC_SOFTIRQ, 100), 100);
	rc_expect(h, "its file can have no other", register_here(&fd), EBUSY);
	close(fd);

	rc_expect_true(h, "a process is killed by its event",
		       !rc_in_child(register_to_be_killed, h, 2000, reason, sizeof(reason)) &&
		       strstr(reason, "killed by signal"));
	rc_expect_value(h, "which ends its registration", emit(h, RC_HARDIRQ, 1), 1);

	fd = open_device();
	rc_expect(h, "register", register_here(&fd), 0);
	rc_in_other(h, "a child ends well", register_twice, &fd);
	rc_expect_value(h, "refused after the child's end", emit(h, RC_HARDIRQ, 1), 0);
	rc_expect_value(h, "signals after the child's end", take(SIGNO, &info), 1);
	close(fd);
}

/* ---- others ------------------------------------------------------------- */

/* Whoever was given the file can register nobody but himself. */
static void with_file_of_root(struct rc_hostile *h, void *arg)
{
	siginfo_t info;

	rc_expect(h, "register on a file of root", register_here(arg), 0);
	rc_expect_value(h, "refused", emit(h, RC_HARDIRQ, 1), 0);
	rc_expect_value(h, "it is the child that gets the event", take(SIGNO, &info), 1);
}

static long register_race(void *arg)
{
	long won = 0;

	for (int i = 0; i < 100; i++)
		won += !register_here(arg);
	return won;
}

static void try_others(struct rc_hostile *h)
{
	struct rc_sleeper threads[3];
	int fd = open_device();
	siginfo_t info;
	long won = 0;

	rc_topic(h, "another user");
	rc_as_nobody(h, with_file_of_root, &fd);
	rc_expect_value(h, "signals that root got", take(SIGNO, &info), 0);
	close(fd);
	rc_try_nobody_opens(h, RC_SIGNAL_DEVICE);

	rc_topic(h, "three threads");
	fd = open_device();
	for (int i = 0; i < 3; i++)
		rc_sleep_in(h, &threads[i], register_race, &fd);
	for (int i = 0; i < 3; i++)
		won += rc_sleeper_end(&threads[i]);
	rc_expect_value(h, "registered on one file", won, 1);
	close(fd);
}

/* Until a signal is there, which takes as long as its timer is late; not for ever. */
static void wait_for_one(void)
{
	sigset_t pending;
	int tries = 10000;

	do {
		usleep(100);
		sigpending(&pending);
	} while (!sigismember(&pending, SIGNO) && --tries);
}

/* Registrations come and go while events go on. */
static void try_leaving(struct rc_hostile *h)
{
	struct rc_outcomes outcomes = { 0 };
	siginfo_t info;
	long later;

	rc_topic(h, "in a stream");
	rc_core_start(h, RC_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open_device();

		rc_note(&outcomes, register_for(fd, (uint32_t)SIGNO), 0);
		wait_for_one();
		close(fd);
		/* What was sent is still there; once taken, nothing comes any more. */
		rc_note(&outcomes, take(SIGNO, &info) ? 0 : -1, 0);
		usleep(100);
		later = take(SIGNO, &info);
		errno = EPROTO;
		rc_note(&outcomes, later ? -1 : 0, 0);
	}
	rc_expect_outcomes(h, "registered and closed", &outcomes);
	rc_expect(h, "stop", ioctl(h->core, RC_CORE_STOP), 0);
}

static void signal_hostile(struct rc_hostile *h)
{
	block(SIGNO);
	rc_core_bind(h, "realtime", 4, true);
	try_register(h);
	try_twice(h);
	try_full(h);
	try_gone(h);
	try_others(h);
	try_leaving(h);
}
RC_HOSTILE(signal, signal_hostile);
