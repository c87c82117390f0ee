// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "channel.h"
#include "loops/message_file.h"
#include "abi.h"

#define PATH(name) RCX_MODPARAM_DIR "/" name

/* ---- integer: the sequence number alone --------------------------------- */

static int integer_open(struct rcx_session *s)
{
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_MODPARAM_INTEGER_REPLY) :
						 PATH(RCX_MODPARAM_INTEGER),
			     O_RDWR);
}

/* ---- parameter: a message in hexadecimal -------------------------------- */

/* Hexadecimal digits of a message of this cell, without the newline. */
static inline size_t digits(const struct rcx_session *s)
{
	return 2 * rcx_len(s);
}

static int parameter_open(struct rcx_session *s)
{
	/* Room for a newline and for one surplus character, which decode() rejects. */
	s->priv = calloc(1, digits(s) + 2);
	if (!s->priv)
		return rcx_fail_errno(s, "cannot allocate a buffer for text");
	return rcx_file_open(s,
			     s->op == RCX_CALL ? PATH(RCX_MODPARAM_TRANSACTION) :
						 PATH(RCX_MODPARAM_MESSAGE),
			     O_RDWR);
}

static void parameter_close(struct rcx_session *s)
{
	free(s->priv);
}

static inline void encode(char *text, const void *from, size_t len)
{
	const unsigned char *byte = from;

	for (; len--; byte++) {
		*text++ = "0123456789abcdef"[*byte >> 4];
		*text++ = "0123456789abcdef"[*byte & 15];
	}
}

/* The value of a digit; above 15 if @c is not a digit. */
static inline unsigned int digit(char c)
{
	unsigned int number = (unsigned int)c - '0';

	return number < 10 ? number : (unsigned int)c - 'a' < 6 ? (unsigned int)c - 'a' + 10 : 16;
}

/*
 * Decode the line of digits in @text to @to, which has room for @room bytes: the number of
 * bytes, or -1 when @text is not a line of digits or is too long.
 */
static inline ssize_t decode(const char *text, ssize_t len, void *to, size_t room)
{
	unsigned char *byte = to;
	size_t count = (size_t)len / 2;

	if (len < 1 || len % 2 == 0 || count > room || text[len - 1] != '\n')
		return -1;
	for (size_t i = 0; i < count; i++) {
		unsigned int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if ((high | low) > 15)
			return -1;
		byte[i] = (unsigned char)(high << 4 | low);
	}
	return (ssize_t)count;
}

static inline int set(struct rcx_session *s)
{
	rcx_tx(s);
	encode(s->priv, s->tx, rcx_len(s));
	if (pwrite(s->fd, s->priv, digits(s), 0) != (ssize_t)digits(s))
		return rcx_fail_errno(s, "set a parameter");
	return 0;
}

/* Get a message: its number of bytes, or -1. */
static inline ssize_t get(struct rcx_session *s)
{
	ssize_t len = pread(s->fd, s->priv, digits(s) + 2, 0);

	if (len < 0)
		return rcx_fail_errno(s, "get a parameter");
	len = decode(s->priv, len, s->rx, rcx_len(s));
	return len < 0 ? rcx_fail(s, "the value read is not a message in hexadecimal") : len;
}

static int parameter_push(struct rcx_session *s, uint64_t n)
{
	while (n--)
		if (set(s))
			return -1;
	return 0;
}

static int parameter_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len = get(s);

		if (len < 0 || rcx_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

static int parameter_call(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len;

		if (set(s))
			return -1;
		len = get(s);
		if (len < 0 || rcx_rx_reply(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* ---- boot: the value that arrived at load ------------------------------- */

static int boot_open(struct rcx_session *s)
{
	return rcx_file_open(s, PATH(RCX_MODPARAM_BOOT), O_RDONLY);
}

static int boot_received(struct rcx_session *s, char *text, size_t room)
{
	ssize_t len = pread(s->fd, text, room - 1, 0);

	if (len < 0)
		return rcx_fail_errno(s, "read the boot parameter");
	if (!len || text[len - 1] != '\n')
		return rcx_fail(s, "the value read is not a line");
	text[len - 1] = '\0';
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define INTEGER             \
	.min = 4, .max = 4, \
	.limit = "The parameter is one unsigned integer as text, so it carries the sequence number alone."
#define SET                                       \
	.max = RCX_MODPARAM_SET_MAX - RCX_HEADER, \
	.limit = "The text that is written must fit into one page, with two digits per byte of header and body."
#define GET                                       \
	.max = RCX_MODPARAM_GET_MAX - RCX_HEADER, \
	.limit = "The text that is read must fit into one page minus one byte, with two digits per byte of header and body and a newline."

#define ALONE                     \
	.single_threaded_reason = \
		"A parameter has no state per open file, so all its users share one sequence."

static const struct rcx_mode modparam_modes[] = {
	{
		.name = "integer",
		.summary = "the sequence number alone as text, file kept open; a call is a set and a get",
		.counterpart = "param",
		.open = integer_open,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = rcx_integer_push, INTEGER },
			[RCX_PULL] = { .run = rcx_integer_pull, INTEGER },
			[RCX_CALL] = { .run = rcx_integer_call, INTEGER },
		},
	},
	{
		.name = "parameter",
		.summary = "a message in hexadecimal, file kept open; a call is a set and a get",
		.open = parameter_open,
		.close = parameter_close,
		ALONE,
		.operations = {
			[RCX_PUSH] = { .run = parameter_push, SET },
			[RCX_PULL] = { .run = parameter_pull, GET },
			[RCX_CALL] = { .run = parameter_call, GET },
		},
	},
	{
		.name = "boot",
		.summary = "a value given on the kernel's command line",
		.open = boot_open,
		.one_shot_reason = "The value reaches the module once, when it is loaded, so there is no operation to repeat and time.",
		.received = boot_received,
	},
	{ }
};

static const struct rcx_channel modparam_channel = {
	.name = "modparam",
	.summary = "Module parameters, at load and as files under /sys/module",
	.module = RCX_MODPARAM_MODULE,
	.boot = RCX_MODPARAM_MODULE "." RCX_MODPARAM_BOOT "=" RCX_MODPARAM_BOOT_VALUE,
	.since = "2.6.36: struct kernel_param_ops; module_param() since 2.6.0",
	.modes = modparam_modes,
	.unsupported_reason = {
		[RCX_NOTIFY] = "A parameter has no wait; its file could be polled as a sysfs attribute if its module called sysfs_notify(), which channel sysfs measures.",
		[RCX_STREAM] = "A parameter has one value and no queue: values in between are lost, and no reader is notified of them.",
		[RCX_UPCALL] = "A parameter has no wait, so a program could not sleep until the kernel asks.",
		[RCX_DUMP] = "A read of a parameter returns one value in one buffer of a page; a larger table needs another interface.",
	},
};
RCX_CHANNEL(modparam_channel);
