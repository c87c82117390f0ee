// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostile.h"
#include "loops/ring.h"
#include "abi.h"

#define PATH(name) "/dev/" RCX_URING_DIR "/" name
#define BODY	   64u
#define WHOLE	   (RCX_HEADER + BODY)
#define SLOTS	   512u /* more than a file can hold armed */
#define WAIT_MS	   2000
#define PENDING	   INT32_MAX /* instead of a result: the command has not completed */

/* ---- one command, and its result ------------------------------------------ */

/**
 * struct user - a ring and the device that its commands are for
 * @h: the run
 * @ring: the ring
 * @fd: the device
 * @op: cmd_op of the next command
 * @flags: IOSQE_* of the next command
 * @cmd_flags: IORING_URING_CMD_* of the next command
 * @buf_index: number of its registered buffer
 */
struct user {
	struct rcx_hostile *h;
	struct rcx_ring ring;
	int fd;
	uint32_t op;
	uint8_t flags;
	uint32_t cmd_flags;
	uint16_t buf_index;
};

static bool open_path(struct rcx_hostile *h, struct user *user, const char *path,
		      struct io_uring_params params)
{
	*user = (struct user){ .h = h };
	user->fd = open(path, O_RDWR | O_CLOEXEC);
	return rcx_expect(h, "open", user->fd, 0) &&
	       rcx_expect(h, "create a ring", rcx_ring_create(&user->ring, SLOTS, &params), 0);
}

static bool open_with(struct rcx_hostile *h, struct user *user, struct io_uring_params params)
{
	return open_path(h, user, PATH(RCX_URING_COMMAND), params);
}

static bool open_user(struct rcx_hostile *h, struct user *user)
{
	return open_with(h, user, (struct io_uring_params){ 0 });
}

static void close_user(struct user *user)
{
	close(user->ring.fd);
	rcx_ring_unmap(&user->ring);
	close(user->fd);
}

static struct io_uring_sqe *prepare(struct user *user, const void *at, size_t len, uint32_t flags)
{
	const struct rcx_uring_command command = { (uintptr_t)at, (uint32_t)len, flags };
	struct io_uring_sqe *sqe = rcx_ring_slot(&user->ring);

	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_URING_CMD,
		.flags = user->flags,
		.fd = user->fd,
		.cmd_op = user->op,
		.uring_cmd_flags = user->cmd_flags,
		.buf_index = user->buf_index,
	};
	memcpy(sqe->cmd, &command, sizeof(command));
	rcx_ring_queue(&user->ring);
	return sqe;
}

/* The result of the oldest completion, as that of a system call; PENDING when there is none. */
static long take(struct user *user)
{
	const struct io_uring_cqe *cqe;
	int result;

	rcx_ring_enter(&user->ring, 0);
	cqe = rcx_ring_peek(&user->ring);
	if (!cqe)
		return PENDING;
	result = cqe->res;
	rcx_ring_seen(&user->ring);
	errno = result < 0 ? -result : 0;
	return result < 0 ? -1 : result;
}

/* As take(), but wait for it. */
static long await(struct user *user)
{
	long result = take(user);

	for (int ms = 0; result == PENDING && ms < WAIT_MS; ms++) {
		usleep(1000);
		result = take(user);
	}
	return result;
}

/* Submit a command that is expected to complete at once. */
static long submit(struct user *user, const void *at, size_t len, uint32_t flags)
{
	prepare(user, at, len, flags);
	if (rcx_ring_enter(&user->ring, 1))
		return -1;
	return take(user);
}

static long submit_op(struct user *user, uint32_t op, const void *at, size_t len)
{
	user->op = op;
	return submit(user, at, len, 0);
}

/* Submit a command that an event will complete: 0, or -1 when it was refused. */
static long arm(struct user *user, const void *at, size_t len)
{
	long result;

	user->op = RCX_URING_NEXT;
	prepare(user, at, len, 0);
	result = take(user);
	return result == PENDING ? 0 : result;
}

static void emit(struct rcx_hostile *h, uint64_t count)
{
	rcx_core_start(h, RCX_PROCESS, count, 1, 0);
	rcx_core_ended(h, WAIT_MS);
}

/* ---- push, pull, call ------------------------------------------------------- */

static long send_with(void *arg, const struct rcx_msg *msg, size_t len)
{
	return submit(arg, msg, len, 0);
}

static long with_address(void *arg, void *at)
{
	return submit(arg, at, WHOLE, 0);
}

static void try_addresses(struct user *user, const char *name, uint32_t op, enum rcx_access access)
{
	user->op = op;
	rcx_try_addresses(user->h, name, access, with_address, user);
}

static void try_numbers(struct user *user)
{
	static const uint32_t wrong[] = {
		0, 1, RCX_URING_PUSH - 1, RCX_URING_CANCEL + 1, 1u << 31, UINT32_MAX
	};
	static const uint32_t flags[] = { 1, 2, 1u << 31, UINT32_MAX };
	struct rcx_outcomes numbers = { 0 }, set = { 0 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rcx_note(&numbers, submit_op(user, wrong[i], user->h->message, WHOLE), EOPNOTSUPP);
	rcx_expect_outcomes(user->h, "unknown commands", &numbers);
	rcx_expect_value(user->h, "of these were refused", (long)numbers.refused, 6);
	for (uint32_t op = RCX_URING_PUSH; op <= RCX_URING_CANCEL; op++)
		for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			user->op = op;
			rcx_note(&set, submit(user, user->h->message, WHOLE, flags[i]), EINVAL);
		}
	rcx_expect_outcomes(user->h, "unknown flags", &set);
	rcx_expect_value(user->h, "of these were refused", (long)set.refused, 28);
}

static void try_lengths(struct user *user)
{
	static const uint32_t wrong[] = {
		0, 1, RCX_HEADER - 1, RCX_HEADER + RCX_BODY_MAX + 1, INT32_MAX, UINT32_MAX
	};
	struct rcx_outcomes outcomes = { 0 };

	for (uint32_t op = RCX_URING_PUSH; op <= RCX_URING_COMMIT; op++)
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
			rcx_note(&outcomes, submit_op(user, op, user->h->message, wrong[i]),
				 EINVAL);
	rcx_expect_outcomes(user->h, "wrong lengths", &outcomes);
	rcx_expect_value(user->h, "of these were refused", (long)outcomes.refused, 36);
	rcx_expect(user->h, "commit in a file that gets no requests",
		   submit_op(user, RCX_URING_COMMIT, user->h->message, WHOLE), EOPNOTSUPP);
}

/* Another thread changes address, length and flags of the command while it is submitted. */
static void try_forged(struct user *user, uint64_t *seq)
{
	struct rcx_counts before = rcx_core_counts(user->h), after;
	struct rcx_overwriter overwriter;
	long fine = 0, other = 0;

	for (int i = 0; i < 400; i++) {
		struct io_uring_sqe *sqe;
		long result;

		rcx_good_message(user->h, BODY, *seq);
		user->op = RCX_URING_PUSH;
		sqe = prepare(user, user->h->message, WHOLE, 0);
		rcx_overwrite(user->h, &overwriter, (volatile void *)sqe->cmd, 4);
		if (i % 2)
			usleep(1);
		rcx_ring_enter(&user->ring, 1);
		result = take(user);
		rcx_overwrite_end(&overwriter);
		*seq += result >= 0;
		fine += result >= 0;
		other += result < 0 && errno != EINVAL && errno != EFAULT && errno != EBADMSG;
	}
	after = rcx_core_counts(user->h);
	rcx_expect_value(user->h, "forged while submitted: other errors", other, 0);
	rcx_expect_value(user->h, "accepted ones that the kernel consumed",
			 (long)(after.consumed - before.consumed), fine);
}

static void try_inline(struct rcx_hostile *h, bool validate)
{
	struct user user;
	struct rcx_sender sender = {
		.send = send_with,
		.arg = &user,
		.body_max = RCX_BODY_MAX,
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EINVAL,
	};
	unsigned char *odd = (unsigned char *)h->message + 4096 - 3;

	rcx_bind_topic(h, "command", BODY, validate);
	if (!open_user(h, &user))
		return;
	user.op = RCX_URING_PUSH;
	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, BODY, 200);
	user.op = RCX_URING_CALL;
	rcx_try_request(h, &sender, h->message, validate);
	sender.seq++;
	user.op = RCX_URING_CALL_ASYNC;
	rcx_try_request(h, &sender, h->message, validate);
	sender.seq++;
	rcx_expect_value(h, "pull to an odd address in two pages",
			 submit_op(&user, RCX_URING_PULL, odd, WHOLE), WHOLE);
	try_addresses(&user, "push", RCX_URING_PUSH, RCX_KERNEL_READS);
	try_addresses(&user, "pull", RCX_URING_PULL, RCX_KERNEL_WRITES);
	try_addresses(&user, "call", RCX_URING_CALL, RCX_KERNEL_READS);
	try_addresses(&user, "asynchronous call", RCX_URING_CALL_ASYNC, RCX_KERNEL_READS);
	try_numbers(&user);
	try_lengths(&user);
	try_forged(&user, &sender.seq);
	rcx_try_no_io(h, user.fd);
	rcx_try_no_seek(h, user.fd);
	rcx_try_no_map(h, user.fd);
	rcx_try_commands(h, user.fd, NULL);
	close_user(&user);

	if (!open_with(h, &user, (struct io_uring_params){ .flags = IORING_SETUP_IOPOLL }))
		return;
	rcx_good_message(h, BODY, 0);
	/* Some kernels refuse it; others complete it as in any other ring. */
	rcx_expect_either(h, "in a ring that polls for completions",
			  submit_op(&user, RCX_URING_PUSH, h->message, WHOLE), 0, EOPNOTSUPP);
	close_user(&user);
}

/* Many at a time, and some that are complete when the ring is closed. */
static void try_many_calls(struct rcx_hostile *h)
{
	struct user user;

	rcx_bind_topic(h, "asynchronous call", BODY, true);
	if (!open_user(h, &user))
		return;
	user.op = RCX_URING_CALL_ASYNC;
	for (uint64_t seq = 0; seq < 64; seq++) {
		rcx_good_message(h, BODY, seq);
		prepare(&user, h->message, WHOLE, 0);
		rcx_ring_enter(&user.ring, 0);
	}
	for (int i = 0; i < 64; i++)
		if (await(&user) != (long)WHOLE)
			rcx_expect(h, "one of 64 calls", -1, 0);
	memcpy(h->edge - WHOLE, rcx_good_message(h, BODY, 64), WHOLE);
	rcx_expect_value(h, "a call at the end of a mapping",
			 submit_op(&user, RCX_URING_CALL_ASYNC, h->edge - WHOLE, WHOLE), WHOLE);
	for (uint64_t seq = 65; seq < 73; seq++) {
		rcx_good_message(h, BODY, seq);
		prepare(&user, h->message, WHOLE, 0);
		rcx_expect(h, "a call whose reply nobody takes", rcx_ring_enter(&user.ring, 0), 0);
	}
	close_user(&user);
}

/* ---- registered buffers and files ------------------------------------------- */

static void try_buffer(struct user *user, const char *name, const void *at, size_t len, int want)
{
	rcx_expect(user->h, name, submit_op(user, RCX_URING_PULL, at, len), want);
}

static void try_fixed(struct rcx_hostile *h)
{
	struct iovec buffer = { h->message, 4096 };
	struct user user;

	rcx_bind_topic(h, "fixed", BODY, true);
	if (!open_user(h, &user))
		return;
	user.cmd_flags = IORING_URING_CMD_FIXED;
	try_buffer(&user, "without a registered buffer", h->message, WHOLE, EFAULT);
	rcx_expect(h, "register a buffer",
		   rcx_ring_register(&user.ring, IORING_REGISTER_BUFFERS, &buffer, 1), 0);
	try_buffer(&user, "at its begin", h->message, WHOLE, 0);
	try_buffer(&user, "at its end", (char *)h->message + 4096 - WHOLE, WHOLE, 0);
	try_buffer(&user, "a byte beyond its end", (char *)h->message + 4097 - WHOLE, WHOLE,
		   EFAULT);
	try_buffer(&user, "a byte before its begin", (char *)h->message - 1, WHOLE, EFAULT);
	try_buffer(&user, "longer than it", h->message, 4097, EFAULT);
	try_buffer(&user, "in other memory", h->edge - WHOLE, WHOLE, EFAULT);
	try_buffer(&user, "at NULL", NULL, WHOLE, EFAULT);
	try_buffer(&user, "at an address that wraps", (void *)(UINTPTR_MAX - 8), WHOLE, EFAULT);
	user.buf_index = 1;
	try_buffer(&user, "wrong number of a buffer", h->message, WHOLE, EFAULT);
	user.buf_index = UINT16_MAX;
	try_buffer(&user, "largest number of a buffer", h->message, WHOLE, EFAULT);
	user.buf_index = 0;
	user.cmd_flags = IORING_URING_CMD_FIXED | 1u << 5;
	try_buffer(&user, "unknown flag of a command", h->message, WHOLE, EINVAL);
	user.cmd_flags = IORING_URING_CMD_FIXED;
	rcx_good_message(h, BODY, 0);
	rcx_expect(h, "an asynchronous call",
		   submit_op(&user, RCX_URING_CALL_ASYNC, h->message, WHOLE), EOPNOTSUPP);
	rcx_expect(h, "a wait for an event", submit_op(&user, RCX_URING_NEXT, h->message, WHOLE),
		   EOPNOTSUPP);
	rcx_expect_value(h, "push", submit_op(&user, RCX_URING_PUSH, h->message, WHOLE), WHOLE);
	rcx_expect(h, "register the file",
		   rcx_ring_register(&user.ring, IORING_REGISTER_FILES, &user.fd, 1), 0);
	close(user.fd);
	user.flags = IOSQE_FIXED_FILE;
	user.fd = 0;
	rcx_expect_value(h, "pull by a registered file whose descriptor is closed",
			 submit_op(&user, RCX_URING_PULL, h->message, WHOLE), WHOLE);
	user.fd = 1;
	rcx_expect(h, "wrong number of a file", submit_op(&user, RCX_URING_PULL, h->message, WHOLE),
		   EBADF);
	user.fd = -1;
	close_user(&user); /* and leave the file registered */
}

/* ---- armed commands ----------------------------------------------------------- */

static void try_events(struct rcx_hostile *h, struct user *user)
{
	struct rcx_counts before = rcx_core_counts(h), after;

	emit(h, 1);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "an event that finds no command is refused",
			 (long)(after.refused - before.refused), 1);
	rcx_expect_value(h, "with EAGAIN", after.refused_errno, EAGAIN);
	rcx_expect(h, "arm", arm(user, h->message, WHOLE), 0);
	emit(h, 1);
	rcx_expect_value(h, "an event completes it", await(user), WHOLE);
	rcx_expect_true(h, "its message is whole", rcx_is_whole(h->message, BODY, true));
	rcx_expect(h, "arm with room for a byte less", arm(user, h->message, WHOLE - 1), 0);
	emit(h, 1);
	rcx_expect(h, "its event", await(user), EMSGSIZE);
}

static long next_at(void *arg, void *at)
{
	struct user *user = arg;

	if (arm(user, at, WHOLE))
		return -1;
	emit(user->h, 1);
	return await(user);
}

static void try_cancel(struct rcx_hostile *h, struct user *user)
{
	struct rcx_outcomes ended = { 0 };
	int armed = 0;

	while (armed < RCX_URING_ARMED_MAX && !arm(user, h->message, WHOLE))
		armed++;
	rcx_expect_value(h, "commands that a file holds", armed, RCX_URING_ARMED_MAX);
	rcx_expect(h, "one more", arm(user, h->message, WHOLE), EBUSY);
	rcx_expect(h, "cancel with an address", submit_op(user, RCX_URING_CANCEL, h->message, 0),
		   EINVAL);
	rcx_expect(h, "cancel with a length", submit_op(user, RCX_URING_CANCEL, NULL, WHOLE),
		   EINVAL);
	rcx_expect_value(h, "cancel all", submit_op(user, RCX_URING_CANCEL, NULL, 0), armed);
	for (int i = 0; i < armed; i++)
		rcx_note(&ended, await(user), ECANCELED);
	rcx_expect_value(h, "commands that end with ECANCELED", (long)ended.refused, armed);
	rcx_expect_value(h, "cancel none", submit_op(user, RCX_URING_CANCEL, NULL, 0), 0);
}

#define RACES	  300
#define RACES_MAX 30000 /* until an event and a cancellation have won one */

/* Events and cancellations at the same time: each command completes once, by one of them. */
static void try_cancel_race(struct rcx_hostile *h, struct user *user)
{
	struct rcx_counts before = rcx_core_counts(h), after;
	long events = 0, cancelled = 0, other = 0, pending = 0, results = 0, cancels = 1;

	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 1, 50000);
	for (int i = 0; i < RACES || (i < RACES_MAX && (!events || !cancelled)); i++) {
		long result;

		user->op = RCX_URING_NEXT;
		prepare(user, h->message, WHOLE, 0);
		pending++;
		if (i % 3 == 2) {
			user->op = RCX_URING_CANCEL;
			prepare(user, NULL, 0, 0);
			cancels++;
		}
		while ((result = take(user)) != PENDING) {
			if (result == (long)WHOLE)
				events++;
			else if (result < 0 && errno == ECANCELED)
				cancelled++;
			else if (result >= 0 && result <= RCX_URING_ARMED_MAX)
				results++; /* of a cancel command, which may be 0 */
			else
				other++;
		}
	}
	rcx_expect(h, "stop the events", ioctl(h->core, RCX_CORE_STOP), 0);
	after = rcx_core_counts(h);
	user->op = RCX_URING_CANCEL;
	prepare(user, NULL, 0, 0);
	for (int i = 0; i < 10; i++) {
		long result;

		usleep(1000);
		while ((result = take(user)) != PENDING) {
			events += result == (long)WHOLE;
			cancelled += result < 0 && errno == ECANCELED;
			results += result >= 0 && result != (long)WHOLE;
		}
	}
	rcx_expect_value(h, "commands raced by events and cancellations, other results", other, 0);
	rcx_expect_value(h, "results of the cancel commands", results, cancels);
	rcx_expect_value(h, "each command has completed once", events + cancelled, pending);
	rcx_expect_value(h, "each accepted event has completed one",
			 (long)(after.emitted - before.emitted - (after.refused - before.refused)),
			 events);
	rcx_expect_true(h, "some by an event, some by a cancellation", events && cancelled);
}

static void try_two_rings(struct rcx_hostile *h, struct user *first)
{
	struct user second = { .h = h, .fd = first->fd }, other;
	struct io_uring_params params = { 0 };

	rcx_expect(h, "a second ring for the same file",
		   rcx_ring_create(&second.ring, SLOTS, &params), 0);
	rcx_expect(h, "arm in the first", arm(first, h->message, WHOLE), 0);
	rcx_expect(h, "arm in the second", arm(&second, h->message, WHOLE), 0);
	emit(h, 1);
	rcx_expect_value(h, "an event completes the older one", await(first), WHOLE);
	rcx_expect_value(h, "and not the other", take(&second), PENDING);
	emit(h, 1);
	rcx_expect_value(h, "the next event completes it", await(&second), WHOLE);
	rcx_expect(h, "arm in the second again", arm(&second, h->message, WHOLE), 0);
	rcx_expect_value(h, "the first cancels it", submit_op(first, RCX_URING_CANCEL, NULL, 0), 1);
	rcx_expect(h, "the second sees it", await(&second), ECANCELED);
	close(second.ring.fd);
	rcx_ring_unmap(&second.ring);

	if (!open_user(h, &other))
		return;
	rcx_expect(h, "arm", arm(first, h->message, WHOLE), 0);
	rcx_expect(h, "arm in another open file", arm(&other, h->message, WHOLE), 0);
	emit(h, 1);
	rcx_expect_value(h, "both get the event", await(first) + await(&other), 2 * WHOLE);
	close_user(&other);
}

/* ---- armed commands whose user goes away --------------------------------------- */

/* A process that has inherited the file closes it; the command is not its own. */
static void close_inherited(struct rcx_hostile *h, void *arg)
{
	(void)h;
	close(((struct user *)arg)->fd);
}

static void try_inherited(struct rcx_hostile *h, struct user *user)
{
	rcx_expect(h, "arm", arm(user, h->message, WHOLE), 0);
	rcx_in_other(h, "another process closes the file", close_inherited, user);
	rcx_expect_value(h, "the command stays armed", take(user), PENDING);
	emit(h, 1);
	rcx_expect_value(h, "an event completes it", await(user), WHOLE);
}

/* Before 6.7 the close completes the command; later it stays armed until the ring is closed. */
static void try_closed_file(struct rcx_hostile *h)
{
	struct user user;
	long result;

	if (!open_user(h, &user))
		return;
	rcx_expect(h, "arm", arm(&user, h->message, WHOLE), 0);
	close(user.fd);
	result = take(&user);
	if (result == PENDING) {
		emit(h, 1);
		result = await(&user);
	}
	rcx_expect_true(h, "a command completes after its file was closed",
			result == (long)WHOLE || (result < 0 && errno == ECANCELED));
	user.fd = -1;
	close_user(&user);
}

static void try_closed_ring(struct rcx_hostile *h)
{
	struct rcx_counts before, after;
	struct user user;

	if (!open_user(h, &user))
		return;
	for (int i = 0; i < 3; i++)
		rcx_expect(h, "arm", arm(&user, h->message, WHOLE), 0);
	close(user.ring.fd);
	rcx_ring_unmap(&user.ring);
	usleep(100 * 1000);
	emit(h, 3); /* complete what is still armed, before 6.7 */
	before = rcx_core_counts(h);
	emit(h, 1);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "after its ring was closed, a file holds no command",
			 (long)(after.refused - before.refused), 1);
	close(user.fd);
}

/* Before 6.7 a command is refused if no close of a descriptor will follow. */
static void try_unclosable(struct rcx_hostile *h)
{
	struct user user;
	long result;

	if (!open_user(h, &user))
		return;
	rcx_ring_register(&user.ring, IORING_REGISTER_FILES, &user.fd, 1);
	close(user.fd);
	user.fd = 0;
	user.flags = IOSQE_FIXED_FILE;
	rcx_expect_either(h, "arm by a registered file alone", arm(&user, h->message, WHOLE), 0,
			  EBADF);
	user.fd = -1;
	close_user(&user);

	if (!open_user(h, &user))
		return;
	user.flags = IOSQE_ASYNC;
	user.op = RCX_URING_NEXT;
	prepare(&user, h->message, WHOLE, 0);
	result = await(&user);
	rcx_expect_true(h, "arm from a worker thread",
			result == PENDING || (result < 0 && errno == EOPNOTSUPP));
	close_user(&user);
}

static const struct io_uring_params polled = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 10 };

static void try_sqpoll(struct rcx_hostile *h)
{
	struct user user;
	long result;

	if (!open_with(h, &user, polled))
		return;
	user.op = RCX_URING_NEXT;
	prepare(&user, h->message, WHOLE, 0);
	for (int ms = 0; ms < 100; ms++) {
		rcx_ring_enter(&user.ring, 0);
		syscall(SYS_io_uring_enter, user.ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
		usleep(1000);
	}
	result = take(&user);
	rcx_expect_true(h, "arm from a polling thread",
			result == PENDING || (result < 0 && errno == EOPNOTSUPP));
	close_user(&user);
}

/* For a child that is killed: arm many commands, and sleep in the ring. */
static long sleep_armed(void *arg)
{
	struct rcx_hostile *h = arg;
	struct io_uring_params params = { 0 };
	struct user user = { .h = h };

	user.fd = open(PATH(RCX_URING_COMMAND), O_RDWR | O_CLOEXEC);
	if (user.fd < 0 || rcx_ring_create(&user.ring, SLOTS, &params))
		return -1;
	for (int i = 0; i < 100; i++)
		arm(&user, h->message, WHOLE);
	return rcx_ring_enter(&user.ring, 1);
}

static long sleep_armed_polled(void *arg)
{
	struct rcx_hostile *h = arg;
	struct io_uring_params params = polled;
	struct user user = { .h = h, .op = RCX_URING_NEXT };

	user.fd = open(PATH(RCX_URING_COMMAND), O_RDWR | O_CLOEXEC);
	if (user.fd < 0 || rcx_ring_create(&user.ring, SLOTS, &params))
		return -1;
	for (int i = 0; i < 100; i++)
		prepare(&user, h->message, WHOLE, 0);
	rcx_ring_enter(&user.ring, 0);
	syscall(SYS_io_uring_enter, user.ring.fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0);
	for (;;)
		pause();
}

/* The kernel completes the commands before it starts the program. */
static void execute_armed(struct rcx_hostile *h, void *arg)
{
	struct io_uring_params params = { 0 };
	struct user user = { .h = h };

	(void)arg;
	user.fd = open(PATH(RCX_URING_COMMAND), O_RDWR | O_CLOEXEC);
	if (user.fd < 0 || rcx_ring_create(&user.ring, SLOTS, &params))
		_exit(1);
	for (int i = 0; i < 3; i++)
		arm(&user, h->message, WHOLE);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	execl("/proc/self/exe", "ringcross_agent", "--list", (char *)NULL);
	_exit(1);
}

static void try_killed(struct rcx_hostile *h)
{
	struct rcx_counts before, after;

	rcx_in_other(h, "another program executed with commands armed", execute_armed, NULL);
	rcx_try_kill(h, "killed with commands armed", sleep_armed, h);
	rcx_try_kill(h, "killed with commands that a polling thread armed", sleep_armed_polled, h);
	usleep(500 * 1000);
	before = rcx_core_counts(h);
	emit(h, 1);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "then an event finds no command",
			 (long)(after.refused - before.refused), 1);
	/* Events arrive while the process is being taken apart. */
	rcx_core_start(h, RCX_SOFTIRQ, 1u << 30, 4, 20000);
	for (int i = 0; i < 5; i++)
		rcx_try_kill(h, "killed during a stream", sleep_armed_polled, h);
	rcx_expect(h, "stop the stream", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void try_armed(struct rcx_hostile *h)
{
	struct user user;

	rcx_topic(h, "async");
	rcx_core_bind(h, "async", BODY, true);
	if (!open_user(h, &user))
		return;
	try_events(h, &user);
	rcx_try_addresses(h, "wait for an event", RCX_KERNEL_WRITES, next_at, &user);
	try_cancel(h, &user);
	try_cancel_race(h, &user);
	try_two_rings(h, &user);
	try_inherited(h, &user);
	close_user(&user);
	try_closed_file(h);
	try_closed_ring(h);
	try_unclosable(h);
	try_sqpoll(h);
	try_killed(h);
}

/* ---- requests of the kernel ----------------------------------------------------- */

/* Let the kernel ask once. */
static void ask(struct rcx_hostile *h)
{
	const struct rcx_asking asking = {
		.count = 1,
		.delay = 1000,
		.deadline = 1000 * 1000 * 1000,
	};

	rcx_expect(h, "let the kernel ask", ioctl(h->core, RCX_CORE_ASK, &asking), 0);
}

/* The errno with which the kernel's request ended, or 0 for a good reply. */
static long asked(struct rcx_hostile *h, uint64_t *refused)
{
	struct rcx_counts counts;
	bool failed;

	rcx_core_ended(h, WAIT_MS);
	counts = rcx_core_counts(h);
	failed = counts.refused > *refused;
	*refused = counts.refused;
	return failed ? (long)counts.refused_errno : 0;
}

static struct rcx_msg *reply_to(struct rcx_msg *msg)
{
	msg->seq = ~msg->seq;
	for (uint32_t i = 0; i < BODY; i++)
		msg->body[i] ^= 0xff;
	return msg;
}

static void try_commits(struct rcx_hostile *h, struct user *user, uint64_t *refused)
{
	rcx_expect(h, "commit without a request",
		   submit_op(user, RCX_URING_COMMIT, rcx_good_message(h, BODY, 0), WHOLE), ESRCH);
	rcx_expect(h, "arm", arm(user, h->message, WHOLE), 0);
	ask(h);
	rcx_expect_value(h, "a request", await(user), WHOLE);
	rcx_expect(h, "commit the request itself",
		   submit_op(user, RCX_URING_COMMIT, h->message, WHOLE), ESRCH);
	rcx_expect(h, "commit from unmapped memory",
		   submit_op(user, RCX_URING_COMMIT, h->edge, WHOLE), EFAULT);
	user->op = RCX_URING_COMMIT;
	prepare(user, reply_to(h->message), WHOLE, 0);
	rcx_expect_value(h, "commit the reply", take(user), PENDING);
	rcx_expect_value(h, "the kernel accepts it", asked(h, refused), 0);
	rcx_expect(h, "commit it again", submit_op(user, RCX_URING_COMMIT, h->message, WHOLE),
		   ESRCH);

	ask(h);
	rcx_expect_value(h, "the commit gets the next request", await(user), WHOLE);
	reply_to(h->message)->magic++;
	rcx_expect(h, "commit a wrong reply", submit_op(user, RCX_URING_COMMIT, h->message, WHOLE),
		   EBADMSG);
	rcx_expect_value(h, "the kernel's request ends", asked(h, refused), EBADMSG);
}

static void try_requests(struct rcx_hostile *h)
{
	uint64_t refused = 0;
	struct user user;

	rcx_topic(h, "upcall");
	rcx_core_bind(h, "async", BODY, true);
	if (!open_path(h, &user, PATH(RCX_URING_UPCALL), (struct io_uring_params){ 0 }))
		return;
	try_commits(h, &user, &refused);
	ask(h);
	usleep(20 * 1000);
	rcx_expect(h, "arm for a request that waits",
		   arm(&user, h->message, WHOLE - 1) < 0 ? -1 : 0, EMSGSIZE);
	rcx_expect(h, "an address without memory", arm(&user, h->edge, WHOLE) < 0 ? -1 : 0, EFAULT);
	prepare(&user, h->message, WHOLE, 0);
	rcx_expect_value(h, "a good one still gets it", await(&user), WHOLE);
	rcx_expect_value(h, "no reply in time", asked(h, &refused), ETIMEDOUT);
	rcx_expect(h, "a reply that is late",
		   submit_op(&user, RCX_URING_COMMIT, reply_to(h->message), WHOLE), ESRCH);
	rcx_expect(h, "arm", arm(&user, h->message, WHOLE), 0);
	ask(h);
	rcx_expect_value(h, "a request", await(&user), WHOLE);
	close_user(&user);
	rcx_expect_value(h, "its server goes away", asked(h, &refused), ENOTCONN);
	ask(h);
	rcx_expect_value(h, "there is no server", asked(h, &refused), ENOTCONN);
	rcx_try_nobody_opens(h, PATH(RCX_URING_UPCALL));
}

/* ---- plain reads ---------------------------------------------------------------- */

static long pread_at(void *arg, void *at)
{
	return read(*(int *)arg, at, WHOLE);
}

static long read_by_ring(void *arg, void *at)
{
	struct user *user = arg;
	struct io_uring_sqe *sqe = rcx_ring_slot(&user->ring);

	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.fd = user->fd,
		.addr = (uintptr_t)at,
		.len = WHOLE,
		.off = UINT64_MAX,
	};
	rcx_ring_queue(&user->ring);
	if (rcx_ring_enter(&user->ring, 1))
		return -1;
	return take(user);
}

static void try_reads(struct rcx_hostile *h, const char *path)
{
	struct io_uring_params params = { 0 };
	struct user user = { .h = h };
	/* Kernels before 5.19 do not know commands.  The file of commands is there from 6.1 on. */
	int no_command = access(PATH(RCX_URING_COMMAND), F_OK) ? EINVAL : EOPNOTSUPP;
	const struct iovec segments[] = { { h->message, 5 }, { h->message + 1, WHOLE } };

	rcx_bind_topic(h, strrchr(path, '/') + 1, BODY, true);
	user.fd = rcx_expect_open(h, path, O_RDONLY);
	rcx_expect(h, "create a ring", rcx_ring_create(&user.ring, 4, &params), 0);
	rcx_expect_value(h, "read", read(user.fd, h->message, WHOLE), WHOLE);
	rcx_expect_true(h, "its message is whole", rcx_is_whole(h->message, BODY, true));
	rcx_expect_value(h, "read in two segments", readv(user.fd, segments, 2), WHOLE);
	rcx_expect_value(h, "read through a ring", read_by_ring(&user, h->message), WHOLE);
	rcx_expect_value(h, "the numbers follow each other", (long)h->message->seq, 2);
	rcx_expect(h, "room for a byte less", read(user.fd, h->message, WHOLE - 1), EMSGSIZE);
	rcx_expect(h, "no room", read(user.fd, h->message, 0), EMSGSIZE);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, pread_at, &user.fd);
	rcx_try_addresses(h, "read through a ring", RCX_KERNEL_WRITES, read_by_ring, &user);
	rcx_try_no_seek(h, user.fd);
	rcx_try_no_map(h, user.fd);
	rcx_try_commands(h, user.fd, NULL);
	rcx_expect(h, "a command", (user.op = RCX_URING_PULL, submit(&user, h->message, WHOLE, 0)),
		   no_command);
	close_user(&user);
	rcx_try_nobody_opens(h, path);
}

/* A read to memory that is not there yet: it sleeps, and holds the lock of the file. */
struct late_read {
	int fd;
	void *at;
};

static long read_late(void *arg)
{
	const struct late_read *late = arg;

	return read(late->fd, late->at, WHOLE);
}

static void try_nowait(struct rcx_hostile *h)
{
	const struct iovec segment = { h->message, WHOLE };
	int fd, other = open(PATH(RCX_URING_READ), O_RDONLY | O_CLOEXEC);
	struct rcx_late_page page;
	struct rcx_sleeper sleeper;

	rcx_bind_topic(h, "nowait", BODY, true);
	fd = rcx_expect_open(h, PATH(RCX_URING_NOWAIT), O_RDONLY);
	rcx_expect(h, "of a file that does not promise it",
		   preadv2(other, &segment, 1, -1, RWF_NOWAIT), EOPNOTSUPP);
	close(other);
	rcx_expect(h, "before there is a buffer", preadv2(fd, &segment, 1, -1, RWF_NOWAIT), EAGAIN);
	rcx_expect_value(h, "a read that may wait", read(fd, h->message, WHOLE), WHOLE);
	rcx_expect_value(h, "with a buffer", preadv2(fd, &segment, 1, -1, RWF_NOWAIT), WHOLE);
	if (rcx_late_page(h, &page)) {
		struct late_read late = { fd, page.page };

		rcx_sleep_in(h, &sleeper, read_late, &late);
		rcx_expect(h, "while another reader holds the lock",
			   preadv2(fd, &segment, 1, -1, RWF_NOWAIT), EAGAIN);
		rcx_late_page_provide(h, &page);
		rcx_expect_value(h, "the other reader", rcx_sleeper_end(&sleeper), WHOLE);
		rcx_expect_value(h, "afterwards", preadv2(fd, &segment, 1, -1, RWF_NOWAIT), WHOLE);
	}
	close(fd);
}

static void uring_hostile(struct rcx_hostile *h)
{
	try_reads(h, PATH(RCX_URING_READ));
	try_reads(h, PATH(RCX_URING_NOWAIT));
	try_nowait(h);
	rcx_try_events_file(h, PATH(RCX_URING_EVENTS), "multishot");
	if (access(PATH(RCX_URING_COMMAND), F_OK))
		return; /* before 6.1 */
	try_inline(h, false);
	try_inline(h, true);
	try_many_calls(h);
	try_fixed(h);
	try_armed(h);
	try_requests(h);
	rcx_try_nobody_opens(h, PATH(RCX_URING_COMMAND));
}
RCX_HOSTILE(uring, uring_hostile);
