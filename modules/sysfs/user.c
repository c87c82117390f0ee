// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "loops/table_file.h"
#include "abi.h"

#define PATH(name) "/sys/kernel/" RCX_SYSFS_DIR "/" name

/* ---- attribute: one page, file kept open -------------------------------- */

static int attribute_open(struct rcx_session *s)
{
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_SYSFS_TRANSACTION) :
						 PATH(RCX_SYSFS_MESSAGE),
			     O_RDWR);
}

/* ---- reopen: open, one operation, close --------------------------------- */

static int reopen_open(struct rcx_session *s)
{
	if (s->op == RCX_DUMP) {
		s->fd = open(PATH(RCX_SYSFS_TABLE), O_PATH | O_DIRECTORY | O_CLOEXEC);
		return s->fd < 0 ? rcx_fail_errno(s, PATH(RCX_SYSFS_TABLE)) : 0;
	}
	return rcx_reopen_open(s, PATH(RCX_SYSFS_MESSAGE));
}

static int reopen_push(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_push(s, PATH(RCX_SYSFS_MESSAGE), n);
}

static int reopen_pull(struct rcx_session *s, uint64_t n)
{
	return rcx_reopen_pull(s, PATH(RCX_SYSFS_MESSAGE), n);
}

/* Read the file of record @index, and parse its line. */
static inline int read_record(struct rcx_session *s, uint32_t index, struct rcx_record *record)
{
	char name[RCX_INTEGER_ROOM], text[RCX_RECORD_LINE];
	ssize_t len;
	int fd;

	name[rcx_integer_print(name, index)] = '\0';
	fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rcx_fail_errno(s, name);
	len = read(fd, text, sizeof(text) - 1);
	if (close(fd) || len < 0)
		return rcx_fail_errno(s, "read a record");
	text[len] = '\0';
	return rcx_line(text, record) ? 0 : rcx_fail(s, "record %u is no line of numbers", index);
}

static int reopen_dump(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		for (uint32_t i = 0; i < s->records; i++) {
			struct rcx_record record;

			if (read_record(s, i, &record) || rcx_record(s, &record))
				return -1;
		}
		if (rcx_dumped(s))
			return -1;
	}
	return 0;
}

/* ---- binary: any size, a page at a time --------------------------------- */

static int binary_open(struct rcx_session *s)
{
	if (s->op == RCX_DUMP)
		return rcx_file_open(s, PATH(RCX_SYSFS_TABLE_BIN), O_RDONLY);
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_SYSFS_TRANSACTION_BIN) :
						 PATH(RCX_SYSFS_MESSAGE_BIN),
			     O_RDWR);
}

static inline int binary_write(struct rcx_session *s, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t done = pwrite(s->fd, (const char *)s->tx + at, len - at, (off_t)at);

		if (done <= 0)
			return rcx_fail_errno(s, "sysfs binary write");
		at += (size_t)done;
	}
	return 0;
}

static int binary_push(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		rcx_tx(s);
		if (binary_write(s, rcx_len(s)))
			return -1;
	}
	return 0;
}

static int binary_call(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len;

		rcx_tx(s);
		if (binary_write(s, rcx_len(s)))
			return -1;
		len = rcx_file_read_pieces(s);
		if (len < 0 || rcx_rx_reply(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* ---- notify: poll for a change, then read the number -------------------- */

/*
 * Returns the number of the newest event; -1 without an event, and on failure, which
 * also sets s->error.  This read also marks the last change as seen in kernfs; poll()
 * returns at once until that is done.
 */
static long long read_event(struct rcx_session *s)
{
	char text[24];
	ssize_t len = pread(s->fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return rcx_fail_errno(s, "sysfs event");
	text[len] = '\0';
	return atoll(text);
}

/* kernfs reports changes since the last read, so a first one has to be made, without a request. */
static int upcall_open(struct rcx_session *s)
{
	if (rcx_file_open(s, PATH(RCX_SYSFS_REQUEST), O_RDWR))
		return -1;
	if (pread(s->fd, s->rx, rcx_len(s), 0) >= 0)
		return rcx_fail(s, "a request is pending before any was asked");
	return errno == EAGAIN ? 0 : rcx_fail_errno(s, "read a request");
}

static int notify_open(struct rcx_session *s)
{
	if (s->op == RCX_UPCALL)
		return upcall_open(s);
	if (rcx_file_open(s, PATH(RCX_SYSFS_EVENT), O_RDONLY))
		return -1;
	read_event(s);
	return s->error[0] ? -1 : 0;
}

static int sysfs_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLPRI };

	while (n--) {
		if (rcx_arm(s))
			return -1;
		if (poll(&pfd, 1, -1) != 1 || !(pfd.revents & POLLPRI))
			return rcx_fail_errno(s, "sysfs poll");
		rcx_arrived(s);
		if (rcx_seen_narrow(s, (uint64_t)read_event(s), UINT64_MAX))
			return -1;
	}
	return 0;
}

/* ---- notify, upcall: poll for a request, show it, store the reply -------- */

static inline int serve(struct rcx_session *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLPRI };
	ssize_t len;

	do {
		if (poll(&pfd, 1, -1) != 1 || !(pfd.revents & POLLPRI))
			return rcx_fail_errno(s, "sysfs poll");
		len = pread(s->fd, s->rx, rcx_len(s), 0);
	} while (len < 0 && errno == EAGAIN);
	if (len < 0)
		return rcx_fail_errno(s, "read a request");
	if (rcx_rx(s, s->rx, (size_t)len))
		return -1;
	rcx_tx_reply(s, s->rx);
	return pwrite(s->fd, s->rx, (size_t)len, 0) == len ? 0 : rcx_fail_errno(s, "write a reply");
}

static int sysfs_upcall(struct rcx_session *s, uint64_t n)
{
	uint64_t first = s->seen;

	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (serve(s))
			return -1;
	return rcx_asked(s, first, n);
}

/* ---- registration ------------------------------------------------------ */

#define STORE                                    \
	.max = RCX_SYSFS_STORE_MAX - RCX_HEADER, \
	.limit = "store() gets at most one page, which must hold header and body."
#define SHOW                                    \
	.max = RCX_SYSFS_SHOW_MAX - RCX_HEADER, \
	.limit = "show() may fill one page minus one byte, which must hold header and body."
#define BINARY               \
	.max = RCX_BODY_MAX, \
	.limit = "The kernel half has one buffer of 1 MiB; each system call moves at most a page."
#define EVENT               \
	.min = 0, .max = 0, \
	.limit = "The event reports only that the attribute has changed; its number is read afterwards."

#define FILES                                    \
	RCX_TABLE_OF(RCX_SYSFS_TABLE_FILES_MAX), \
		.limit = "The limit is ours: each record is a file, and more than 4,096 files only take longer to make, since each costs the same."

#define ALONE                     \
	.single_threaded_reason = \
		"An attribute does not see opens, so all callers share one sequence."

static const struct rcx_mode sysfs_modes[] = {
	{
		.name = "attribute",
		.summary = "show and store, file kept open; a call is a store and a show",
		.counterpart = "sysfs",
		.open = attribute_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = rcx_file_push, STORE },
			[RCX_PULL] = { .run = rcx_file_pull, SHOW },
			[RCX_CALL] = { .run = rcx_file_call, SHOW },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one show or store, close, as a shell does; of a dump a file of text per record",
		.open = reopen_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = reopen_push, STORE },
			[RCX_PULL] = { .run = reopen_pull, SHOW },
			[RCX_DUMP] = { .run = reopen_dump, FILES },
		},
	},
	{
		.name = "binary",
		.summary = "a binary attribute, in pieces of a page",
		.counterpart = "binary",
		.open = binary_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = binary_push, BINARY },
			[RCX_PULL] = { .run = rcx_file_pull_pieces, BINARY },
			[RCX_CALL] = { .run = binary_call, BINARY },
			[RCX_DUMP] = { .run = rcx_table_dump, RCX_TABLE },
		},
	},
	{
		.name = "notify",
		.summary = "poll() until the attribute has changed; an upcall is answered by a store",
		.open = notify_open,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_COALESCES,
		.operations = {
			[RCX_NOTIFY] = { .run = sysfs_notify, EVENT, .waits = RCX_WAIT_POLL },
			[RCX_UPCALL] = { .run = sysfs_upcall, SHOW, .waits = RCX_WAIT_POLL },
		},
	},
	{ }
};

static const struct rcx_channel sysfs_channel = {
	.name = "sysfs",
	.summary = "Attributes of kernel objects under /sys",
	.module = "ringcross_sysfs",
	.since = "2.6.0: with the driver model, see sysfs(5)",
	.modes = sysfs_modes,
	.unsupported_reason = {
		[RCX_STREAM] = "One counter coalesces the changes of an attribute, so there is no stream of messages to drain.",
	},
};
RCX_CHANNEL(sysfs_channel);
