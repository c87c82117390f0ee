// SPDX-License-Identifier: GPL-2.0-only
/*
 * This file contains two programs.  The kernel starts the first one for each event: it
 * is the receiving end of the channel.  Its command line is the message, and it takes a
 * timestamp before it does anything else.  The second program measures.
 *
 * The first program passes timestamp and message to the second one through shared memory
 * and a futex.  That is part of the harness, not of the channel.  It happens after the
 * timestamp, so it does not count in any latency, but it makes a stream slower.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

/* Delay from request to event.  If it is shorter, the previous program is still exiting. */
#define EVENT_DELAY 300000 /* ns */
#define PROGRAM_MS  1000   /* a program that answers ends long before */
#define NOTES	    256	   /* more than a stream of this slow channel ever leaves unread */

/* The report of one program. */
struct note {
	uint32_t ready; /* the note is complete; cleared by its reader */
	uint32_t len;
	uint64_t timestamp;
	struct rcx_msg message;
};

/* The shared memory: a ring of notes, each with room for one message. */
struct board {
	uint32_t clock;	  /* enum rcx_clock */
	uint32_t room;	  /* bytes of a message */
	uint64_t given;	  /* notes that programs have claimed */
	uint64_t taken;	  /* of those, notes that the session has read */
	uint32_t dropped; /* messages too long, or without a free note */
	uint32_t bell;	  /* a futex, incremented for each report */
	uint32_t answers; /* programs answer the kernel, and leave no note */
	uint32_t checks;  /* they also check whole bodies */
	uint64_t served;  /* requests that were answered */
	uint32_t opened;  /* files for replies */
	uint32_t closed;  /* of those */
};

_Static_assert(sizeof(struct board) <= 64, "the notes begin after 64 bytes");

static size_t note_size(uint32_t room)
{
	return (offsetof(struct note, message) + room + 63) / 64 * 64;
}

static size_t board_size(uint32_t room)
{
	return 64 + NOTES * note_size(room);
}

static struct note *note_at(struct board *board, uint64_t number)
{
	return (void *)((char *)board + 64 + number % NOTES * note_size(board->room));
}

static void futex(uint32_t *word, int what, uint32_t value, const struct timespec *limit)
{
	syscall(SYS_futex, word, what, value, limit, NULL, 0);
}

/* ---- the program that the kernel starts ---------------------------------- */

static struct board *map_board(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat stat;
	void *board;

	if (fd < 0 || fstat(fd, &stat))
		return NULL;
	board = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return board == MAP_FAILED ? NULL : board;
}

/* Claim the next free note, or NULL without one.  Programs may run at the same time. */
static struct note *take_note(struct board *board)
{
	uint64_t number = __atomic_load_n(&board->given, __ATOMIC_RELAXED);

	do {
		if (number - __atomic_load_n(&board->taken, __ATOMIC_ACQUIRE) >= NOTES)
			return NULL;
	} while (!__atomic_compare_exchange_n(&board->given, &number, number + 1, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return note_at(board, number);
}

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t from_hex(uint8_t *to, const char *text)
{
	size_t len = strlen(text) / 2;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return len;
}

static int write_note(struct board *board, const char *text, uint64_t timestamp)
{
	size_t len = strlen(text) / 2;
	struct note *note = len > board->room ? NULL : take_note(board);

	if (!note) {
		__atomic_add_fetch(&board->dropped, 1, __ATOMIC_RELEASE);
		return ENOBUFS;
	}
	from_hex((uint8_t *)&note->message, text);
	note->len = (uint32_t)len;
	note->timestamp = timestamp;
	__atomic_store_n(&note->ready, 1, __ATOMIC_RELEASE);
	return 0;
}

/* 0, or an errno.  The write wakes the kernel, which may ask again before this program runs on. */
static int reply(struct board *board, int fd, const struct rcx_msg *msg, size_t len)
{
	__atomic_add_fetch(&board->served, 1, __ATOMIC_RELEASE);
	if (write(fd, msg, len) == (ssize_t)len)
		return 0;
	__atomic_sub_fetch(&board->served, 1, __ATOMIC_RELEASE);
	return errno;
}

/*
 * Check the request in @text and write its reply.  0, or an errno.
 *
 * Its open file holds the kernel half, so the session waits until it is closed; see umh_close().
 */
static int answer(struct board *board, const char *text)
{
	struct rcx_msg *msg = malloc(strlen(text) / 2 + 1);
	size_t len = msg ? from_hex((uint8_t *)msg, text) : 0, size = len - RCX_HEADER;
	int fd, err;

	if (!msg)
		return ENOMEM;
	if (len != board->room || msg->magic != RCX_MAGIC || msg->size != size ||
	    msg->seq != board->served)
		return EBADMSG;
	if (board->checks && rcx_body_check(msg->body, msg->size, msg->seq, 0) != msg->size)
		return EBADMSG;
	msg->seq = ~msg->seq;
	for (size_t i = 0; board->checks && i < size; i++)
		msg->body[i] ^= 0xff;
	__atomic_add_fetch(&board->opened, 1, __ATOMIC_RELEASE);
	fd = open(RCX_UMH_REPLY_DEVICE, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		err = reply(board, fd, msg, len);
		close(fd);
	} else {
		err = errno;
	}
	__atomic_add_fetch(&board->closed, 1, __ATOMIC_RELEASE);
	return err;
}

/* Usage: umh BOARD MESSAGE.  The exit status is an errno for the kernel half. */
static int umh_main(int argc, char **argv)
{
	/* Read both clocks: the choice between them is in memory that is not mapped yet. */
	uint64_t cycles = rcx_cycles(), ns;
	struct timespec now;
	struct board *board;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (argc != 3)
		return EINVAL;
	board = map_board(argv[1]);
	if (!board)
		return ENOTCONN;
	if (board->answers)
		return answer(board, argv[2]);
	ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	status = write_note(board, argv[2], board->clock == RCX_CLOCK_INSTRUCTIONS ? cycles : ns);
	__atomic_add_fetch(&board->bell, 1, __ATOMIC_RELEASE);
	futex(&board->bell, FUTEX_WAKE, INT32_MAX, NULL);
	return status;
}
RCX_PROGRAM(umh, umh_main);

/* ---- the session ---------------------------------------------------------- */

/* A memfd has no name, so it cannot outlive the session. */
static int make_board(struct rcx_session *s)
{
	struct board *board;

	s->map_len = board_size((uint32_t)rcx_len(s));
	s->fd2 = memfd_create("ringcross_umh", MFD_CLOEXEC);
	if (s->fd2 < 0 || ftruncate(s->fd2, (off_t)s->map_len))
		return rcx_fail_errno(s, "cannot allocate shared memory");
	board = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd2, 0);
	if (board == MAP_FAILED)
		return rcx_fail_errno(s, "cannot map shared memory");
	board->clock = s->clock;
	board->room = (uint32_t)rcx_len(s);
	board->answers = s->op == RCX_UPCALL;
	board->checks = s->validate;
	s->map = board;
	return 0;
}

/* Register this program's own executable. */
static int umh_open(struct rcx_session *s)
{
	struct rcx_umh_program request = { .flags = 0 };
	ssize_t len;

	s->delay = EVENT_DELAY;
	if (make_board(s))
		return -1;
	s->fd = open(RCX_UMH_DEVICE, O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_UMH_DEVICE);
	len = readlink("/proc/self/exe", request.path, sizeof(request.path));
	if (len < 0)
		return rcx_fail_errno(s, "readlink /proc/self/exe");
	if (len == sizeof(request.path))
		return rcx_fail(s, "this program's path is too long for the kernel half");
	snprintf(request.word, sizeof(request.word), "/proc/%d/fd/%d", getpid(), s->fd2);
	if (ioctl(s->fd, RCX_UMH_PROGRAM, &request))
		return rcx_fail_errno(s, "cannot register the program");
	return 0;
}

/* In mode exec, the kernel goes on at the reply, and the program that wrote it still exits. */
static void umh_close(struct rcx_session *s)
{
	const struct board *board = s->map;

	for (int ms = 0; board && ms < PROGRAM_MS; ms++) {
		uint32_t closed = __atomic_load_n(&board->closed, __ATOMIC_ACQUIRE);

		if (closed == __atomic_load_n(&board->opened, __ATOMIC_ACQUIRE))
			return;
		usleep(1000);
	}
}

/* The oldest unread note, or NULL without one. */
static struct note *next_note(struct board *board)
{
	struct note *note = note_at(board, board->taken);

	return __atomic_load_n(&note->ready, __ATOMIC_ACQUIRE) ? note : NULL;
}

static void free_note(struct board *board, struct note *note)
{
	note->ready = 0;
	__atomic_store_n(&board->taken, board->taken + 1, __ATOMIC_RELEASE);
}

/* Sleep until there is a note, at most for @limit if that is not NULL. */
static struct note *wait_note(struct board *board, const struct timespec *limit)
{
	uint32_t bell = __atomic_load_n(&board->bell, __ATOMIC_ACQUIRE);
	struct note *note = next_note(board);

	if (note)
		return note;
	futex(&board->bell, FUTEX_WAIT, bell, limit);
	return next_note(board);
}

static int umh_notify(struct rcx_session *s, uint64_t n)
{
	struct board *board = s->map;

	while (n--) {
		struct note *note;

		if (rcx_arm(s))
			return -1;
		while (!(note = wait_note(board, NULL)))
			;
		rcx_arrived_at(s, note->timestamp);
		if (rcx_rx(s, &note->message, note->len))
			return -1;
		free_note(board, note);
	}
	return 0;
}

/* The programs serve.  This process sleeps until the kernel has asked all requests. */
static int umh_upcall(struct rcx_session *s, uint64_t n)
{
	const struct board *board = s->map;
	uint64_t first = s->seen;

	if (rcx_ask(s, n) || rcx_asked(s, first, n))
		return -1;
	s->seen += n;
	s->sent += n;
	if (!s->silent && __atomic_load_n(&board->served, __ATOMIC_ACQUIRE) != s->sent)
		return rcx_fail(s, "programs answered %llu of %llu requests",
				(unsigned long long)board->served, (unsigned long long)s->sent);
	return 0;
}

/* Programs that have reported so far, including dropped reports. */
static uint64_t reported(struct board *board)
{
	return board->taken + __atomic_load_n(&board->dropped, __ATOMIC_ACQUIRE);
}

/* Get the number of reports to expect, once the producer has ended; -1 after rcx_fail(). */
static int get_expected(struct rcx_session *s, uint64_t *expected)
{
	struct rcx_umh_counts counts;

	if (ioctl(s->fd, RCX_UMH_COUNTS, &counts))
		return rcx_fail_errno(s, "cannot get the number of started programs");
	*expected = counts.started - counts.failed;
	return 0;
}

/*
 * When the producer has ended, programs that it did not wait for may still be
 * starting.  The stream reads their number once, and again after a wait without a
 * report, since a start may have failed meanwhile.
 */
static int umh_stream(struct rcx_session *s, uint64_t n)
{
	const struct timespec limit = { .tv_nsec = RCX_STREAM_WAIT * 1000000L };
	struct board *board = s->map;
	uint32_t dropped = board->dropped;
	uint64_t expected = UINT64_MAX;
	struct note *note;

	(void)n;
	while (reported(board) < expected) {
		bool over = rcx_stream_over(s);

		while ((note = next_note(board))) {
			if (rcx_streamed_at(s, &note->message, note->len, note->timestamp))
				return -1;
			free_note(board, note);
		}
		if (over && expected == UINT64_MAX && get_expected(s, &expected))
			return -1;
		if (reported(board) < expected && !wait_note(board, &limit))
			expected = UINT64_MAX;
	}
	s->overruns += __atomic_load_n(&board->dropped, __ATOMIC_RELAXED) - dropped;
	return 0;
}

/* ---- registration --------------------------------------------------------- */

#define ROOM                                       \
	.min = 0, .max = RCX_UMH_MAX - RCX_HEADER, \
	.limit = "An argument has up to 128 KiB including its NUL (MAX_ARG_STRLEN), and a byte takes two digits."

/* clang-format off */
#define STARTS                                    \
	[RCX_NOTIFY] = { .run = umh_notify, ROOM }, \
	[RCX_STREAM] = { .run = umh_stream, ROOM, .waits = RCX_WAIT_BLOCK }
/* clang-format on */

static const struct rcx_mode umh_modes[] = {
	{
		.name = "wait",
		.summary = "the kernel waits for the program's exit status (UMH_WAIT_PROC)",
		.open = umh_open,
		.close = umh_close,
		.operations = { STARTS, [RCX_UPCALL] = { .run = umh_upcall, ROOM } },
	},
	{
		.name = "exec",
		.summary = "the kernel waits until the program runs (UMH_WAIT_EXEC)",
		.open = umh_open,
		.close = umh_close,
		.operations = { STARTS, [RCX_UPCALL] = { .run = umh_upcall, ROOM } },
	},
	{
		.name = "nowait",
		.summary = "the kernel does not wait (UMH_NO_WAIT)",
		.open = umh_open,
		.close = umh_close,
		.operations = { STARTS },
	},
	{ }
};

static const struct rcx_channel umh = {
	.name = "umh",
	.summary = "A program that the kernel starts for each event",
	.module = "ringcross_umh",
	.since = "2.4: call_usermodehelper(); the wait constants have these names since 2.6.23",
	.modes = umh_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "Only the kernel starts the program, so a user has no way to send a message.",
		[RCX_PULL] = "Only the kernel starts the program, so a user has no way to request a message.",
		[RCX_CALL] = "Only the kernel sends requests: the program's exit status answers the kernel.",
		[RCX_DUMP] = "Only the kernel starts the program, so a user has no way to request a table.",
	},
};
RCX_CHANNEL(umh);
