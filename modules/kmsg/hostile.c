// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel half has no file: its only input from user space is the size of the bind.  The
 * cases try that what it prints is what arrives, whatever other writers and readers of the log
 * do, and that no text of user space is taken for its records.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define ROOM  8192u
#define BODY  64u
#define FLOOD 4096u /* more than the log holds */

/* What a reader found in the records of the kernel half. */
struct found {
	uint64_t records, foreign, cut, overruns;
	uint64_t first, last; /* numbers in the first and the last message */
	size_t longest;	      /* of a text without its end of line */
};

static int open_log(void)
{
	int fd = open(RCX_KMSG_FILE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	lseek(fd, 0, SEEK_END);
	return fd;
}

/* Decode the digits at @text to @h->message: its bytes, or 0 if there are other characters. */
static size_t decode(struct rcx_hostile *h, const char *text)
{
	unsigned char *to = (unsigned char *)h->message;
	size_t len = strspn(text, "0123456789abcdef");
	unsigned int byte;

	if (text[len] != '\n' || len % 2)
		return 0;
	for (size_t i = 0; i < len / 2; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return 0;
		to[i] = (unsigned char)byte;
	}
	return len / 2;
}

static void judge(struct rcx_hostile *h, const char *record, uint32_t size, struct found *found)
{
	const char *text = strchr(record, ';');
	size_t len;

	if (!text || strncmp(text + 1, RCX_KMSG_TAG, sizeof(RCX_KMSG_TAG) - 1) != 0)
		return;
	if (strncmp(record, "7,", 2) != 0) {
		found->foreign++;
		return;
	}
	text++;
	len = decode(h, text + sizeof(RCX_KMSG_TAG) - 1);
	if (len != RCX_HEADER + size || !rcx_is_whole(h->message, size, true))
		found->cut++;
	if (!found->records++)
		found->first = h->message->seq;
	found->last = h->message->seq;
	len = strcspn(text, "\n");
	found->longest = len > found->longest ? len : found->longest;
}

/* Read all records of @fd. */
static struct found drain(struct rcx_hostile *h, int fd, uint32_t size)
{
	struct found found = { 0 };
	char record[ROOM + 1];

	for (;;) {
		ssize_t got = read(fd, record, ROOM);

		if (got < 0 && errno == EPIPE) {
			found.overruns++;
			continue;
		}
		if (got < 0)
			return found;
		record[got] = '\0';
		judge(h, record, size, &found);
	}
}

/* ---- sizes -------------------------------------------------------------- */

static void try_size(struct rcx_hostile *h, uint32_t size, long refused)
{
	int fd = open_log();
	struct found found;

	rcx_topic(h, "%u bytes of body", size);
	rcx_core_bind(h, "record", size, true);
	rcx_expect_value(h, "refused of 3", rcx_core_emit(h, RCX_HARDIRQ, 3), refused);
	found = drain(h, fd, size);
	rcx_expect_value(h, "records", (long)found.records, 3 - refused);
	rcx_expect_value(h, "broken records", (long)found.cut, 0);
	if (refused)
		rcx_expect_value(h, "the reason", rcx_core_counts(h).refused_errno, EMSGSIZE);
	else
		rcx_expect_value(h, "characters", (long)found.longest,
				 (long)(sizeof(RCX_KMSG_TAG) - 1 + 2 * (RCX_HEADER + size)));
	close(fd);
}

/* ---- reading ------------------------------------------------------------ */

struct reader {
	struct rcx_hostile *h;
	int fd;
};

static long read_log_at(void *arg, void *at)
{
	const struct reader *reader = arg;

	lseek(reader->fd, 0, SEEK_END);
	rcx_core_emit(reader->h, RCX_PROCESS, 1);
	return read(reader->fd, at, ROOM);
}

static long read_log(void *arg)
{
	char record[ROOM];

	return read(*(int *)arg, record, sizeof(record));
}

static void try_reads(struct rcx_hostile *h)
{
	struct reader reader = { h, open_log() };
	struct pollfd pfd = { .fd = reader.fd, .events = POLLIN };
	struct rcx_sleeper sleeper;
	int blocking = open(RCX_KMSG_FILE, O_RDONLY | O_CLOEXEC);
	char record[ROOM];

	rcx_topic(h, "reads");
	rcx_core_bind(h, "record", BODY, true);
	drain(h, reader.fd, BODY);
	rcx_expect(h, "of no record", read(reader.fd, record, ROOM), EAGAIN);
	rcx_expect_value(h, "poll without a record", poll(&pfd, 1, 0), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_SOFTIRQ, 1), 0);
	rcx_expect_value(h, "poll with a record", poll(&pfd, 1, 1000), 1);
	rcx_expect(h, "a buffer that is too short", read(reader.fd, record, 16), EINVAL);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_log_at, &reader);
	lseek(blocking, 0, SEEK_END);
	rcx_sleep_in(h, &sleeper, read_log, &blocking);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "killed in its sleep", read_log, &blocking);
	rcx_sleep_in(h, &sleeper, read_log, &blocking);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 1), 0);
	rcx_expect_true(h, "woken from hardirq", rcx_sleeper_end(&sleeper) > 0);
	close(blocking);
	close(reader.fd);
}

/* ---- writers ------------------------------------------------------------ */

/* A program writes a line that looks like a record, with the priority of the kernel's. */
static void try_forgery(struct rcx_hostile *h)
{
	int fd = open_log();
	struct found found;
	char line[128];
	int len = snprintf(line, sizeof(line), "<7>" RCX_KMSG_TAG "%048d\n", 0);

	rcx_topic(h, "forged record");
	rcx_core_bind(h, "record", BODY, true);
	rcx_expect_value(h, "bytes written", write(fd, line, (size_t)len), len);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_HARDIRQ, 2), 0);
	found = drain(h, fd, BODY);
	rcx_expect_value(h, "told by its facility", (long)found.foreign, 1);
	rcx_expect_value(h, "records", (long)found.records, 2);
	rcx_expect_value(h, "broken records", (long)found.cut, 0);
	close(fd);
}

static void try_flood(struct rcx_hostile *h, enum rcx_context context, const char *name)
{
	int fd = open_log(), other = open_log();
	struct found found;

	rcx_topic(h, "flood from %s", name);
	rcx_core_bind(h, "record", BODY, true);
	rcx_expect_value(h, "refused", rcx_core_emit(h, context, FLOOD), 0);
	found = drain(h, fd, BODY);
	rcx_expect_value(h, "overruns", (long)found.overruns, 1);
	rcx_expect_value(h, "the newest arrived", (long)found.last, FLOOD - 1);
	rcx_expect_value(h, "no gap after the first", (long)(found.last - found.first + 1),
			 (long)found.records);
	rcx_expect_value(h, "broken records", (long)found.cut, 0);
	lseek(other, 0, SEEK_END);
	rcx_expect_value(h, "refused after it", rcx_core_emit(h, context, 1), 0);
	found = drain(h, other, BODY);
	rcx_expect_value(h, "overruns of a reader that skipped it", (long)found.overruns, 0);
	rcx_expect_value(h, "its records", (long)found.records, 1);
	close(other);
	close(fd);
}

/* Readers open, read and close while the kernel prints. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };
	char record[ROOM];

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_HARDIRQ, 1u << 30, 2, 100000);
	for (int i = 0; i < 20; i++) {
		int fd = open_log();
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		poll(&pfd, 1, 1000);
		rcx_note(&outcomes, read(fd, record, ROOM), EPIPE);
		close(fd);
	}
	rcx_expect_outcomes(h, "opened and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void kmsg_hostile(struct rcx_hostile *h)
{
	try_size(h, 0, 0);
	try_size(h, 1, 0);
	try_size(h, RCX_KMSG_BODY, 0);
	try_size(h, RCX_KMSG_BODY + 1, 3);
	try_size(h, RCX_BODY_MAX, 3);
	try_reads(h);
	try_forgery(h);
	try_flood(h, RCX_HARDIRQ, "hardirq");
	try_flood(h, RCX_PROCESS, "process");
	try_leaving(h);
}
RCX_HOSTILE(kmsg, kmsg_hostile);
