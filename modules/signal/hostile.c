// SPDX-License-Identifier: GPL-2.0-only
/* A registration can outlive its thread, its process and their limits. */
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
	return cmd == RCX_SIGNAL_REGISTER || cmd == RCX_SIGNAL_ANSWER;
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_SIGNAL_REGISTER, at);
}

static long register_for(int fd, uint32_t signo)
{
	struct rcx_signal_register request = { .signo = signo };

	return register_at(&fd, &request);
}

static int open_device(void)
{
	return open(RCX_SIGNAL_DEVICE, O_RDWR | O_CLOEXEC);
}

static void block(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	sigprocmask(SIG_BLOCK, &set, NULL);
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

/* ---- registering -------------------------------------------------------- */

static void try_register(struct rcx_hostile *h)
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
	struct rcx_signal_register request = { .signo = SIGUSR1, .flags = 1 };
	siginfo_t info;
	int fd = open_device();

	rcx_topic(h, "register");
	rcx_expect(h, "open", fd, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rcx_expect(h, wrong[i].name, register_for(fd, wrong[i].signo), EINVAL);
	rcx_expect(h, "an unknown flag", register_at(&fd, &request), EINVAL);
	request.flags = UINT32_MAX;
	rcx_expect(h, "all flags", register_at(&fd, &request), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, register_at, &fd);
	rcx_expect_value(h, "refused without a registration", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);
	rcx_expect(h, "a good one after all these", register_for(fd, (uint32_t)SIGNO), 0);
	rcx_expect(h, "a second one", register_for(fd, (uint32_t)SIGNO), EBUSY);
	rcx_expect(h, "a second one for another signal", register_for(fd, SIGUSR1), EBUSY);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals received", take(SIGNO, &info), 1);
	rcx_expect_true(h, "its value and sender",
			info.si_int == 1 && info.si_code == SI_QUEUE && !info.si_pid &&
				!info.si_uid);

	rcx_try_no_io(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, known);
	close(fd);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_SOFTIRQ, 1), 1);
	rcx_expect_value(h, "signals after the close", take(SIGNO, &info), 0);
}

static void try_twice(struct rcx_hostile *h)
{
	int first = open_device(), second = open_device();
	siginfo_t info;

	rcx_topic(h, "two files of one thread");
	rcx_expect(h, "the first", register_for(first, (uint32_t)SIGNO), 0);
	rcx_expect(h, "the second", register_for(second, (uint32_t)SIGNO), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "signals received", take(SIGNO, &info), 6);
	close(first);
	rcx_expect_value(h, "refused of one file", rcx_core_emit(h, RCX_HARDIRQ, 3), 0);
	rcx_expect_value(h, "signals by one file", take(SIGNO, &info), 3);
	close(second);
}

/* ---- a queue that is full ----------------------------------------------- */

static void try_full(struct rcx_hostile *h)
{
	struct rlimit before, few;
	siginfo_t info;
	int fd = open_device();

	rcx_topic(h, "full queue");
	getrlimit(RLIMIT_SIGPENDING, &before);
	few = (struct rlimit){ 8, before.rlim_max };
	setrlimit(RLIMIT_SIGPENDING, &few);
	rcx_expect(h, "register", register_for(fd, (uint32_t)SIGNO), 0);
	rcx_expect_value(h, "refused of 1000", rcx_core_emit(h, RCX_HARDIRQ, 1000), 992);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EAGAIN);
	rcx_expect_value(h, "signals received", take(SIGNO, &info), 8);
	few.rlim_cur = 0;
	setrlimit(RLIMIT_SIGPENDING, &few);
	rcx_expect_value(h, "refused of 10 where none may queue", rcx_core_emit(h, RCX_SOFTIRQ, 10),
			 10);
	setrlimit(RLIMIT_SIGPENDING, &before);
	rcx_expect_value(h, "refused of 10 after these", rcx_core_emit(h, RCX_PROCESS, 10), 0);
	rcx_expect_value(h, "signals after these", take(SIGNO, &info), 10);
	close(fd);
}

/* ---- receivers that have ended ------------------------------------------ */

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
	struct rcx_hostile *h = arg;
	int fd = open_device();

	register_for(fd, SIGTERM);
	rcx_core_start(h, RCX_HARDIRQ, 1, 1, 0);
	for (;;)
		pause();
}

static void register_twice(struct rcx_hostile *h, void *arg)
{
	rcx_expect(h, "a child registers on the same file", register_here(arg), EBUSY);
}

static void try_gone(struct rcx_hostile *h)
{
	struct rcx_sleeper thread;
	char reason[128] = "";
	siginfo_t info;
	int fd = open_device();

	rcx_topic(h, "receiver that has ended");
	rcx_sleep_in(h, &thread, register_here, &fd);
	rcx_expect(h, "a thread registers and ends", rcx_sleeper_end(&thread), 0);
	rcx_expect_value(h, "refused of 100", rcx_core_emit(h, RCX_HARDIRQ, 100), 100);
	rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, ESRCH);
	rcx_expect_value(h, "signals to this thread", take(SIGNO, &info), 0);
	close(fd);

	fd = open_device();
	rcx_expect_true(h, "a process registers and ends",
			rcx_in_child(register_and_end, &fd, 2000, reason, sizeof(reason)));
	rcx_expect_value(h, "refused of 100 again", rcx_core_emit(h, RCX_SOFTIRQ, 100), 100);
	rcx_expect(h, "a second registration on its file", register_here(&fd), EBUSY);
	close(fd);

	rcx_expect_true(h, "a process is killed by its event",
			!rcx_in_child(register_to_be_killed, h, 2000, reason, sizeof(reason)) &&
				strstr(reason, "killed by signal"));
	rcx_expect_value(h, "which ends its registration", rcx_core_emit(h, RCX_HARDIRQ, 1), 1);

	fd = open_device();
	rcx_expect(h, "register", register_here(&fd), 0);
	rcx_in_other(h, "a child ends well", register_twice, &fd);
	rcx_expect_value(h, "refused after the child's end", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals after the child's end", take(SIGNO, &info), 1);
	close(fd);
}

/* ---- others ------------------------------------------------------------- */

/* A process that inherits the file can only register its own thread. */
static void with_file_of_root(struct rcx_hostile *h, void *arg)
{
	siginfo_t info;

	rcx_expect(h, "register on a file of root", register_here(arg), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_value(h, "signals to the child", take(SIGNO, &info), 1);
}

static long register_race(void *arg)
{
	long won = 0;

	for (int i = 0; i < 100; i++)
		won += !register_here(arg);
	return won;
}

static void try_others(struct rcx_hostile *h)
{
	int fd = open_device();
	siginfo_t info;

	rcx_topic(h, "another user");
	rcx_as_nobody(h, with_file_of_root, &fd);
	rcx_expect_value(h, "signals to root", take(SIGNO, &info), 0);
	close(fd);
	rcx_try_nobody_opens(h, RCX_SIGNAL_DEVICE);

	rcx_topic(h, "three threads");
	fd = open_device();
	rcx_expect_value(h, "registered on one file", rcx_in_three_threads(h, register_race, &fd),
			 1);
	close(fd);
}

/* Wait until a signal is pending: its timer may be late.  Give up after 10000 checks. */
static void wait_for_one(void)
{
	sigset_t pending;
	int tries = 10000;

	do {
		usleep(100);
		sigpending(&pending);
	} while (!sigismember(&pending, SIGNO) && --tries);
}

/* Register and close while events are emitted. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	siginfo_t info;
	long later;

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 20; i++) {
		int fd = open_device();

		rcx_note(&outcomes, register_for(fd, (uint32_t)SIGNO), 0);
		wait_for_one();
		close(fd);
		/* Signals sent before the close are still pending; no others follow. */
		rcx_note(&outcomes, take(SIGNO, &info) ? 0 : -1, 0);
		usleep(100);
		later = take(SIGNO, &info);
		errno = EPROTO;
		rcx_note(&outcomes, later ? -1 : 0, 0);
	}
	rcx_expect_outcomes(h, "registered and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

/* ---- upcalls --------------------------------------------------------------- */

static long answer_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_SIGNAL_ANSWER, at);
}

static long answer(int fd, uint32_t number)
{
	return answer_at(&fd, &number);
}

/* Let the kernel ask; the request has number 0.  Wait for its signal. */
static void ask(struct rcx_hostile *h, uint32_t deadline_ms)
{
	siginfo_t info;

	rcx_core_bind(h, "realtime", 4, true);
	rcx_core_ask(h, 1, deadline_ms);
	wait_for_one();
	rcx_expect_true(h, "a request arrives", take(SIGNO, &info) == 1 && !info.si_int);
}

static void try_wrong_answers(struct rcx_hostile *h, int fd)
{
	int other = open_device();

	rcx_expect(h, "a reply without a request", answer(fd, UINT32_MAX), ESRCH);
	ask(h, 10000);
	rcx_expect(h, "the request as reply", answer(fd, 0), ESRCH);
	rcx_expect(h, "the next number", answer(fd, UINT32_MAX - 1), ESRCH);
	/* A number is shorter than what rcx_try_addresses() leaves readable. */
	rcx_expect(h, "a reply at no address", answer_at(&fd, NULL), EFAULT);
	rcx_expect(h, "a reply in unmapped memory", answer_at(&fd, h->edge), EFAULT);
	rcx_expect(h, "a reply in forbidden memory", answer_at(&fd, h->forbidden), EFAULT);
	rcx_expect(h, "a reply in kernel memory", answer_at(&fd, (void *)-4096), EFAULT);
	rcx_expect(h, "a file without a registration", answer(other, UINT32_MAX), ESRCH);
	register_for(other, (uint32_t)SIGNO);
	rcx_expect(h, "another registration", answer(other, UINT32_MAX), ESRCH);
	close(other);
	rcx_expect_true(h, "the kernel still waits", !h->page->done);
	rcx_expect(h, "the right reply", answer(fd, UINT32_MAX), 0);
	rcx_expect_asked(h, "it ends the wait", 0);
	rcx_expect(h, "the same again", answer(fd, UINT32_MAX), ESRCH);
}

static void serve_and_die(void *arg)
{
	int fd = open_device();

	register_here(&fd);
	ask(arg, 10000);
	_exit(0);
}

static void try_upcalls(struct rcx_hostile *h)
{
	char reason[128] = "";
	int fd;

	rcx_topic(h, "upcall");
	rcx_core_bind(h, "realtime", 4, true);
	rcx_core_ask(h, 1, 10000);
	rcx_expect_asked(h, "nobody is registered", ENOTCONN);
	fd = open_device();
	rcx_expect(h, "register", register_here(&fd), 0);
	try_wrong_answers(h, fd);
	ask(h, 30);
	rcx_expect_asked(h, "without a reply until the deadline", ETIMEDOUT);
	rcx_expect(h, "a late reply", answer(fd, UINT32_MAX), ESRCH);
	ask(h, 10000);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_asked(h, "stopped while it waits", EINTR);
	ask(h, 10000);
	close(fd);
	rcx_expect_asked(h, "closed with a request", ENOTCONN);
	rcx_expect_true(h, "a process ends with a request",
			rcx_in_child(serve_and_die, h, 4000, reason, sizeof(reason)));
	rcx_expect_asked(h, "which ends the wait", ENOTCONN);
}

static void signal_hostile(struct rcx_hostile *h)
{
	block(SIGNO);
	rcx_core_bind(h, "realtime", 4, true);
	try_register(h);
	try_twice(h);
	try_full(h);
	try_gone(h);
	try_others(h);
	try_leaving(h);
	try_upcalls(h);
}
RCX_HOSTILE(signal, signal_hostile);
