// SPDX-License-Identifier: GPL-2.0-only
/* Cases for upcalls: whatever a server does, the kernel's wait ends with an errno. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hostile.h"

#define BODY	64u
#define WHOLE	(RCX_HEADER + BODY)
#define LONG_MS 10000 /* a deadline that no case reaches */
#define SOON_MS 30    /* a deadline that a case waits for */
#define END_MS	3000  /* until the kernel's wait has ended */

bool rcx_core_ask(struct rcx_hostile *h, uint64_t count, uint32_t deadline_ms)
{
	const struct rcx_asking asking = {
		.count = count,
		.delay = 1000,
		.deadline = deadline_ms * 1000000ull,
	};

	if (ioctl(h->core, RCX_CORE_ASK, &asking))
		return rcx_expect(h, "ask", -1, 0);
	return true;
}

void rcx_expect_asked(struct rcx_hostile *h, const char *name, int want)
{
	bool ended = rcx_core_ended(h, END_MS);
	struct rcx_counts counts = rcx_core_counts(h);

	errno = ended ? (int)counts.refused_errno : EBUSY;
	rcx_expect(h, name, ended && !counts.refused ? 0 : -1, want);
}

/* Bind, and ask once; the request has number 0. */
static void ask(struct rcx_hostile *h, const struct rcx_server *server, uint32_t deadline_ms)
{
	rcx_core_bind(h, server->mode, BODY, true);
	rcx_core_ask(h, 1, deadline_ms);
}

/* Take the request, and make it the right reply. */
static struct rcx_msg *take(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	struct rcx_msg *msg = h->message;

	if (server->take(fd, msg, WHOLE) != (long)WHOLE || !rcx_is_whole(msg, BODY, true))
		rcx_expect(h, "take a request", -1, 0);
	msg->seq = ~msg->seq;
	for (uint32_t at = 0; at < BODY; at++)
		msg->body[at] ^= 0xff;
	return msg;
}

static void leave(const struct rcx_server *server, int fd)
{
	if (server->close)
		server->close(fd);
	else
		close(fd);
}

/* ---- wrong replies -------------------------------------------------------- */

static void own_number(struct rcx_msg *msg)
{
	msg->seq = ~msg->seq;
}

static void next_number(struct rcx_msg *msg)
{
	msg->seq--; /* that of the next request, inverted */
}

static void high_number(struct rcx_msg *msg)
{
	msg->seq ^= 1ull << 63;
}

static void wrong_magic(struct rcx_msg *msg)
{
	msg->magic ^= 1;
}

static void larger_size(struct rcx_msg *msg)
{
	msg->size++;
}

static void huge_size(struct rcx_msg *msg)
{
	msg->size = UINT32_MAX;
}

static void wrong_first(struct rcx_msg *msg)
{
	msg->body[0] ^= 0xff;
}

static void wrong_last(struct rcx_msg *msg)
{
	msg->body[BODY - 1] ^= 1;
}

static void nothing_wrong(struct rcx_msg *msg)
{
	(void)msg;
}

/* @pending: the reply belongs to no request, so the kernel keeps waiting for the right one. */
static const struct {
	const char *name;
	void (*spoil)(struct rcx_msg *msg);
	long more; /* bytes more than the whole reply */
	bool pending;
} wrong[] = {
	{ "the request itself as reply", own_number, 0, true },
	{ "a reply to the next request", next_number, 0, true },
	{ "a reply to a request of the far future", high_number, 0, true },
	{ "a reply without the magic", wrong_magic, 0, false },
	{ "a reply with a size too large by one", larger_size, 0, false },
	{ "a reply with a size of 4 GiB", huge_size, 0, false },
	{ "a reply with a wrong first byte", wrong_first, 0, false },
	{ "a reply with a wrong last byte", wrong_last, 0, false },
	{ "a reply one byte too short", nothing_wrong, -1, false },
	{ "a reply one byte too long", nothing_wrong, 1, false },
	{ "a reply of a header alone", nothing_wrong, -(long)BODY, false },
};

static void try_wrong(struct rcx_hostile *h, const struct rcx_server *server, int fd, size_t i)
{
	struct rcx_msg *msg;

	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	wrong[i].spoil(msg);
	rcx_expect(h, wrong[i].name, server->answer(fd, msg, (size_t)((long)WHOLE + wrong[i].more)),
		   wrong[i].pending ? ESRCH : EBADMSG);
	if (!wrong[i].pending) {
		rcx_expect_asked(h, "it ends the wait", EBADMSG);
		return;
	}
	rcx_expect_true(h, "it does not end the wait", !h->page->done);
	msg->seq = UINT64_MAX;
	rcx_expect(h, "the right reply after it", server->answer(fd, msg, WHOLE), 0);
	rcx_expect_asked(h, "that ends the wait", 0);
}

static void try_short(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	struct rcx_msg *msg;

	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "a reply of one byte", server->answer(fd, msg, 1), server->too_short);
	rcx_expect(h, "a reply one byte shorter than a header",
		   server->answer(fd, msg, RCX_HEADER - 1), server->too_short);
	rcx_expect(h, "the right reply after these", server->answer(fd, msg, WHOLE), 0);
	rcx_expect_asked(h, "that ends the wait", 0);
}

/* ---- replies at the wrong time -------------------------------------------- */

static void try_twice(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	struct rcx_counts counts;
	struct rcx_msg *msg;

	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "a reply", server->answer(fd, msg, WHOLE), 0);
	rcx_expect(h, "the same reply again", server->answer(fd, msg, WHOLE), ESRCH);
	rcx_expect_asked(h, "the first one ended the wait", 0);
	rcx_expect(h, "a third time, after the wait", server->answer(fd, msg, WHOLE), ESRCH);
	counts = rcx_core_counts(h);
	rcx_expect_value(h, "consumed replies", (long)counts.consumed, 1);
	rcx_expect_value(h, "refused replies", (long)counts.bad, 2);
}

/* The late reply comes first when nothing is pending, then while the next request is. */
static void try_late(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	unsigned char late[WHOLE];
	struct rcx_msg *msg;

	ask(h, server, SOON_MS);
	memcpy(late, take(h, server, fd), WHOLE);
	rcx_expect_asked(h, "without a reply until the deadline", ETIMEDOUT);
	rcx_expect(h, "the reply after the deadline", server->answer(fd, late, WHOLE), ESRCH);
	rcx_core_ask(h, 1, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "the late reply while the next request is pending",
		   server->answer(fd, late, WHOLE), ESRCH);
	rcx_expect(h, "the reply to that", server->answer(fd, msg, WHOLE), 0);
	rcx_expect_true(h, "the kernel can ask again", rcx_core_ended(h, END_MS));
	rcx_expect_value(h, "waits that failed", (long)rcx_core_counts(h).refused, 1);
}

static void try_without_request(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	struct rcx_msg *msg = rcx_good_message(h, BODY, 0);

	rcx_core_bind(h, server->mode, BODY, true);
	msg->seq = UINT64_MAX;
	rcx_expect(h, "a reply without a request", server->answer(fd, msg, WHOLE), ESRCH);
}

/* ---- servers that go away -------------------------------------------------- */

static void take_and_die(struct rcx_hostile *h, const struct rcx_server *server, int ready)
	__attribute__((noreturn));

static void take_and_die(struct rcx_hostile *h, const struct rcx_server *server, int ready)
{
	int fd = server->open(h);
	char opened = 'o', taken = 't';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || write(ready, &opened, 1) != 1)
		_exit(1);
	if (server->take(fd, h->message, WHOLE) != (long)WHOLE || write(ready, &taken, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* The only server is killed while the kernel waits for its reply. */
static void try_killed(struct rcx_hostile *h, const struct rcx_server *server)
{
	int ready[2];
	char word;
	pid_t pid;

	rcx_core_bind(h, server->mode, BODY, true);
	if (!rcx_expect(h, "pipe", pipe(ready), 0))
		return;
	pid = fork();
	if (!pid)
		take_and_die(h, server, ready[1]);
	close(ready[1]); /* so that read() returns when the server exits early */
	if (!rcx_expect_true(h, "fork", pid > 0)) {
		close(ready[0]);
		return;
	}
	rcx_expect_value(h, "a server in another process", read(ready[0], &word, 1), 1);
	rcx_core_ask(h, 1, server->unnoticed ? 10 * SOON_MS : LONG_MS);
	rcx_expect_value(h, "it takes the request", read(ready[0], &word, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rcx_expect_asked(h, "it is killed", server->unnoticed ? ETIMEDOUT : ENOTCONN);
	close(ready[0]);
}

static void try_leaving(struct rcx_hostile *h, const struct rcx_server *server)
{
	int fd;

	if (server->unnoticed)
		return;
	rcx_core_bind(h, server->mode, BODY, true);
	rcx_core_ask(h, 1, LONG_MS);
	rcx_expect_asked(h, "no server", ENOTCONN);
	fd = server->open(h);
	ask(h, server, LONG_MS);
	take(h, server, fd);
	leave(server, fd);
	rcx_expect_asked(h, "closed with a request", ENOTCONN);
	fd = server->open(h);
	ask(h, server, 3 * SOON_MS);
	rcx_expect_asked(h, "a server that takes nothing", ETIMEDOUT);
	leave(server, fd);
}

/* The producer is stopped, or the channel unbound, while it waits. */
static void try_stopped(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	const struct rcx_msg *msg;

	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
	rcx_expect_asked(h, "stopped while it waits", EINTR);
	rcx_expect(h, "the reply after that", server->answer(fd, msg, WHOLE), ESRCH);
	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "unbind while it waits", ioctl(h->core, RCX_CORE_UNBIND), 0);
	rcx_expect(h, "the reply after that", server->answer(fd, msg, WHOLE), ESRCH);
}

/* The reply to a request that another server has taken. */
static void try_other(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	const struct rcx_msg *msg;
	int other;

	if (server->unnoticed)
		return;
	other = server->open(h);
	ask(h, server, LONG_MS);
	msg = take(h, server, fd);
	rcx_expect(h, "the reply from another server", server->answer(other, msg, WHOLE), ESRCH);
	leave(server, other);
	rcx_expect_true(h, "that server leaves, and the kernel still waits", !h->page->done);
	rcx_expect(h, "the reply from the right one", server->answer(fd, msg, WHOLE), 0);
	rcx_expect_asked(h, "that ends the wait", 0);
}

/* ---- all of them ----------------------------------------------------------- */

void rcx_try_upcalls(struct rcx_hostile *h, const struct rcx_server *server)
{
	int fd;

	rcx_topic(h, "upcall %s", server->mode);
	rcx_core_bind(h, server->mode, BODY, true);
	try_leaving(h, server);
	try_killed(h, server);
	fd = server->open(h);
	rcx_expect(h, "open", fd, 0);
	try_twice(h, server, fd);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		try_wrong(h, server, fd, i);
	try_short(h, server, fd);
	try_late(h, server, fd);
	try_without_request(h, server, fd);
	try_stopped(h, server, fd);
	try_other(h, server, fd);
	try_twice(h, server, fd);
	leave(server, fd);
}

/* ---- the files of modules/core/upcall.c ------------------------------------ */

static const char *upcall_path;

static int file_open(struct rcx_hostile *h)
{
	(void)h;
	return open(upcall_path, O_RDWR | O_CLOEXEC);
}

static long file_take(int fd, void *to, size_t len)
{
	return read(fd, to, len);
}

static long file_answer(int fd, const void *from, size_t len)
{
	return write(fd, from, len);
}

static long read_at(void *arg, void *at)
{
	return read(*(int *)arg, at, WHOLE);
}

static long write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, WHOLE);
}

static long read_request(void *arg)
{
	char message[WHOLE];

	return read(*(int *)arg, message, sizeof(message));
}

/* A request that does not reach its reader is not lost, and a reply that does not arrive is none. */
static void try_file_memory(struct rcx_hostile *h, const struct rcx_server *server, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct rcx_msg *msg;

	ask(h, server, LONG_MS);
	rcx_expect_value(h, "poll reports a request", poll(&pfd, 1, END_MS), 1);
	rcx_expect(h, "a buffer one byte too short", read(fd, h->message, WHOLE - 1), EMSGSIZE);
	rcx_expect(h, "a buffer of no bytes", read(fd, h->message, 0), EMSGSIZE);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	msg = take(h, server, fd);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, write_at, &fd);
	rcx_expect(h, "a reply of 2 GiB", write(fd, msg, INT32_MAX), EMSGSIZE);
	rcx_expect(h, "the reply after these", write(fd, msg, WHOLE), 0);
	rcx_expect_asked(h, "that ends the wait", 0);
}

static void try_file_sleep(struct rcx_hostile *h, int fd)
{
	struct rcx_sleeper sleeper;

	rcx_sleep_in(h, &sleeper, read_request, &fd);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "killed in its sleep", read_request, &fd);
}

void rcx_try_upcall_file(struct rcx_hostile *h, const char *path, const char *mode)
{
	const struct rcx_server server = {
		.mode = mode,
		.open = file_open,
		.take = file_take,
		.answer = file_answer,
		.too_short = EINVAL,
	};
	int fd;

	upcall_path = path;
	rcx_try_upcalls(h, &server);
	fd = rcx_expect_open(h, path, O_RDWR | O_NONBLOCK);
	rcx_expect(h, "read of no request", read(fd, h->message, WHOLE), EAGAIN);
	close(fd);
	fd = rcx_expect_open(h, path, O_RDWR);
	try_file_memory(h, &server, fd);
	try_file_sleep(h, fd);
	rcx_try_no_map(h, fd);
	close(fd);
	rcx_try_nobody_opens(h, path);
}
