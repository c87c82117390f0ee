// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define ROOM 8192u /* of the longest record that the kernel returns */

/* Of a record of the kernel itself, facility 0, with KERN_DEBUG. */
#define PRIORITY "7,"

#define LEVEL_FILE  "/proc/sys/kernel/printk"
#define IGNORE_FILE "/sys/module/printk/parameters/ignore_loglevel"

/* ---- open --------------------------------------------------------------- */

/* The first character of a file; NUL if there is none. */
static char first_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char first = '\0';

	if (fd < 0)
		return first;
	if (read(fd, &first, 1) != 1)
		first = '\0';
	close(fd);
	return first;
}

/* Whether the console prints records of KERN_DEBUG, which would be what is measured. */
static bool console_shows_debug(void)
{
	char level[16] = "";
	int fd = open(LEVEL_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, level, sizeof(level) - 1);

	if (fd >= 0)
		close(fd);
	return got > 0 && atoi(level) > 7;
}

static int record_open(struct rcx_session *s)
{
	if (console_shows_debug())
		return rcx_skip(s, "The console would print each record: write 7 to " LEVEL_FILE
				   " first.");
	if (first_of(IGNORE_FILE) == 'Y')
		return rcx_skip(s, "The console would print each record: write N to " IGNORE_FILE
				   " first.");
	s->fd = open(RCX_KMSG_FILE, O_RDONLY | O_CLOEXEC | (rcx_nonblocking(s) ? O_NONBLOCK : 0));
	if (s->fd < 0 && errno == ENOENT)
		return rcx_skip(s,
				"This kernel has no /dev/kmsg: it was built without CONFIG_PRINTK.");
	if (s->fd < 0)
		return rcx_fail_errno(s, "open " RCX_KMSG_FILE);
	if (lseek(s->fd, 0, SEEK_END) < 0)
		return rcx_fail_errno(s, "lseek " RCX_KMSG_FILE);
	s->priv = malloc(ROOM);
	return s->priv ? 0 : rcx_fail_errno(s, "malloc");
}

static void record_close(struct rcx_session *s)
{
	free(s->priv);
	s->priv = NULL;
}

/* ---- records ------------------------------------------------------------ */

static inline int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Decode @len digits at @text to @to, which has @room bytes: their bytes, or 0 if not digits. */
static size_t decode(const char *text, size_t len, unsigned char *to, size_t room)
{
	size_t bytes = len / 2, copied = bytes < room ? bytes : room;

	for (size_t i = 0; i < copied; i++) {
		int high = value_of(text[2 * i]), low = value_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return 0;
		to[i] = (unsigned char)(high << 4 | low);
	}
	return bytes;
}

/*
 * Decode the record of @len bytes to s->rx: the length of its message, or 0 if it is not
 * ours.  "priority,number,microseconds,flags;text\n", and lines of a dictionary after that.
 */
static size_t message_in(struct rcx_session *s, const char *record, size_t len)
{
	const size_t tag = sizeof(RCX_KMSG_TAG) - 1;
	const char *text = memchr(record, ';', len), *end;

	if (!text || strncmp(record, PRIORITY, sizeof(PRIORITY) - 1) != 0)
		return 0;
	text++;
	end = memchr(text, '\n', len - (size_t)(text - record));
	if (!end || (size_t)(end - text) < tag || memcmp(text, RCX_KMSG_TAG, tag) != 0)
		return 0;
	text += tag;
	return decode(text, (size_t)(end - text), (unsigned char *)s->rx, rcx_len(s));
}

/*
 * Read until a record is ours: the length of its message, or -1 with errno.  EPIPE reports
 * that records were overwritten; the next read returns the oldest one that is left.
 */
static ssize_t next_message(struct rcx_session *s)
{
	char *record = s->priv;

	for (;;) {
		ssize_t got = read(s->fd, record, ROOM);
		size_t len;

		if (got < 0 && errno != EPIPE)
			return -1;
		if (got < 0) {
			s->overruns++;
			continue;
		}
		len = message_in(s, record, (size_t)got);
		if (len)
			return (ssize_t)len;
	}
}

/* ---- loops -------------------------------------------------------------- */

static int record_notify(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rcx_polls(s);

	while (n--) {
		ssize_t len;

		if (rcx_arm(s))
			return -1;
		do {
			if (polls && poll(&pfd, 1, -1) != 1)
				return rcx_fail_errno(s, "poll");
			len = next_message(s);
		} while (len < 0 && errno == EAGAIN);
		rcx_arrived(s);
		if (len < 0)
			return rcx_fail_errno(s, "read " RCX_KMSG_FILE);
		if (rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

static int record_stream(struct rcx_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		ssize_t len;

		while ((len = next_message(s)) >= 0)
			if (rcx_streamed(s, s->rx, (size_t)len))
				return -1;
		if (errno != EAGAIN)
			return rcx_fail_errno(s, "read " RCX_KMSG_FILE);
		if (over)
			return 0;
		if (rcx_polls(s))
			poll(&pfd, 1, RCX_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------- */

#define LINE                  \
	.max = RCX_KMSG_BODY, \
	.limit = "The log cuts a line after 976 bytes, and a byte of the message takes two digits."

static const struct rcx_mode kmsg_modes[] = {
	{
		.name = "record",
		.summary = "one line of hexadecimal digits, printed with KERN_DEBUG",
		.open = record_open,
		.close = record_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_OVERWRITES,
		.operations = {
			[RCX_NOTIFY] = { .run = record_notify, LINE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = record_stream, LINE, .waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const char *const kmsg_classes[] = {
	"kernel log: _printk printk vprintk* prb_* _prb_* devkmsg_* msg_print_ext_body msg_add_* "
	"info_print_ext_header console_* __console_* __down_trylock_console_sem "
	"__up_console_sem wake_up_klogd* __wake_up_klogd* defer_console_output nbcon_* desc_* "
	"data_* printk_* copy_data get_data space_used local_clock",
	NULL,
};

static const struct rcx_channel kmsg = {
	.name = "kmsg",
	.summary = "The kernel's log, read record by record from /dev/kmsg",
	.module = "ringcross_kmsg",
	.since = "3.5: records in /dev/kmsg, with a number each; printk() since 1.0",
	.modes = kmsg_modes,
	.unsupported_reason = {
		[RCX_PUSH] = "A write to /dev/kmsg goes into the log and calls no module.",
		[RCX_PULL] = "A read returns what the kernel has printed; it does not request a fresh message.",
		[RCX_CALL] = "A write to /dev/kmsg calls no module, so there is no request to answer.",
		[RCX_UPCALL] = "A write to /dev/kmsg goes into the log and calls no module, so no reply can come back.",
		[RCX_DUMP] = "The log holds the messages of the whole kernel, and no table of one module.",
	},
	.classes = kmsg_classes,
};
RCX_CHANNEL(kmsg);
