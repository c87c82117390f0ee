// SPDX-License-Identifier: GPL-2.0-only
/* A request here is refused by sysfs, the kernel's parameter code or the kernel half. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PATH(name) RCX_MODPARAM_DIR "/" name
#define BODY	   64u
#define WHOLE	   (RCX_HEADER + BODY)
#define LINE	   (2 * WHOLE + 1)

static long write_at(void *arg, void *at)
{
	return pwrite(*(int *)arg, at, WHOLE, 0);
}

static long read_at(void *arg, void *at)
{
	return rcx_pread_whole(*(int *)arg, at, LINE);
}

static long set_text(int fd, const char *text)
{
	return pwrite(fd, text, strlen(text), 0);
}

/* ---- integers ----------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *text;
	int want;
} numbers[] = {
	{ "\n", EINVAL }, { " ", EINVAL }, { " 5", EINVAL }, { "5 ", EINVAL }, { "5 6", EINVAL },
	{ "x", EINVAL }, { "0x", EINVAL }, { "5x", EINVAL }, { "-1", EINVAL }, { "5\n\n", EINVAL },
	{ "4294967296", ERANGE }, { "99999999999999999999999", ERANGE },
	{ "4294967295", EBADMSG }, { "7", EBADMSG },
};
/* clang-format on */

/* Each number in order, in every notation that the kernel accepts. */
static void try_integer_sets(struct rcx_hostile *h, int fd)
{
	struct rcx_counts before = rcx_core_counts(h), after;
	char name[64];

	rcx_expect_value(h, "set the first", set_text(fd, "0"), 1);
	rcx_expect_value(h, "with a newline", set_text(fd, "1\n"), 2);
	rcx_expect_value(h, "with a sign", set_text(fd, "+2"), 2);
	rcx_expect_value(h, "in hexadecimal", set_text(fd, "0x3"), 3);
	/* A string ends at the zero byte; the bytes behind it are ignored. */
	rcx_expect_value(h, "with more behind a zero byte", pwrite(fd, "4\0x", 3, 0), 3);
	rcx_expect(h, "the same again", set_text(fd, "4"), EBADMSG);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(name, sizeof(name), "set to \"%.*s\"", (int)strcspn(numbers[i].text, "\n"),
			 numbers[i].text);
		rcx_expect(h, name, set_text(fd, numbers[i].text), numbers[i].want);
	}
	rcx_expect(h, "a zero byte alone", pwrite(fd, "", 1, 0), EINVAL);
	rcx_expect_value(h, "no byte", pwrite(fd, "", 0, 0), 0);
	memset(h->message, '0', RCX_BODY_MAX);
	rcx_expect(h, "a page of zeros", pwrite(fd, h->message, RCX_MODPARAM_PAGE, 0), EBADMSG);
	rcx_expect(h, "1 MiB of zeros", pwrite(fd, h->message, RCX_BODY_MAX, 0), EBADMSG);
	rcx_expect(h, "before the start", pwrite(fd, "5", 1, -1), EINVAL);
	rcx_try_addresses(h, "set", RCX_KERNEL_READS, write_at, &fd);
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_map(h, fd);
	rcx_expect_value(h, "a good one after all these", set_text(fd, "5"), 1);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "numbers the kernel consumed", (long)(after.consumed - before.consumed),
			 6);
}

static void try_integer(struct rcx_hostile *h)
{
	char text[16] = "";
	int fd;

	rcx_bind_topic(h, RCX_MODPARAM_INTEGER, 4, false);
	fd = rcx_expect_open(h, PATH(RCX_MODPARAM_INTEGER), O_RDWR);
	try_integer_sets(h, fd);
	rcx_expect_value(h, "get", pread(fd, text, sizeof(text), 0), 2);
	rcx_expect_value(h, "get again", pread(fd, text, sizeof(text), 0), 2);
	rcx_expect_true(h, "is the second", !strncmp(text, "1\n", 2));
	rcx_expect_value(h, "get at the end", pread(fd, text, sizeof(text), 2), 0);
	rcx_expect_value(h, "get far behind it", pread(fd, text, sizeof(text), 1ll << 40), 0);
	close(fd);
	rcx_try_nobody_opens(h, PATH(RCX_MODPARAM_INTEGER));
}

static void try_integer_reply(struct rcx_hostile *h)
{
	char text[16] = "";
	int fd;

	rcx_bind_topic(h, RCX_MODPARAM_INTEGER_REPLY, 4, false);
	fd = rcx_expect_open(h, PATH(RCX_MODPARAM_INTEGER_REPLY), O_RDWR);
	rcx_expect_value(h, "a reply before any request", pread(fd, text, sizeof(text), 0), 0);
	try_integer_sets(h, fd);
	rcx_expect_value(h, "get the reply", pread(fd, text, sizeof(text), 0), 11);
	rcx_expect_true(h, "it is the reply", strtoul(text, NULL, 10) == UINT32_MAX - 5);
	rcx_expect(h, "no number", set_text(fd, "x"), EINVAL);
	rcx_expect_value(h, "which leaves no reply", pread(fd, text, sizeof(text), 0), 0);
	close(fd);
	rcx_try_nobody_opens(h, PATH(RCX_MODPARAM_INTEGER_REPLY));
}

/* ---- messages in hexadecimal -------------------------------------------- */

/* Write @len bytes as digits and a zero byte to @text. */
static void encode(char *text, const void *from, size_t len)
{
	const unsigned char *byte = from;

	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02X", byte[i]);
	text[2 * len] = '\0';
}

static long send_message(void *arg, const struct rcx_msg *msg, size_t len)
{
	static char text[2 * RCX_MODPARAM_PAGE];

	encode(text, msg, len);
	return set_text(*(int *)arg, text);
}

static struct rcx_sender message_sender(int *fd, bool transaction)
{
	return (struct rcx_sender){
		.send = send_message,
		.arg = fd,
		.body_max = (transaction ? RCX_MODPARAM_GET_MAX : RCX_MODPARAM_SET_MAX) -
			    RCX_HEADER,
		.nothing = 0, /* such a write does not reach the parameter */
		.too_short = EBADMSG,
		/* A set is truncated to a page, so only a part of the message arrives. */
		.too_long = transaction ? EMSGSIZE : EBADMSG,
	};
}

/* Texts that are not a message: good ones with a wrong character, and others. */
static void try_texts(struct rcx_hostile *h, int fd, uint64_t seq)
{
	static const char wrong[] = "g/:@`G \n\t-\x80\xff";
	char text[2 * WHOLE + 3];
	struct rcx_outcomes outcomes = { 0 };

	rcx_good_message(h, BODY, seq);
	encode(text, h->message, WHOLE);
	for (size_t i = 0; i < sizeof(wrong) - 1; i++) {
		char digit = text[i];

		text[i] = wrong[i];
		rcx_note(&outcomes, set_text(fd, text), EINVAL);
		text[i] = digit;
	}
	rcx_expect_outcomes(h, "no digits", &outcomes);
	rcx_expect_value(h, "no digits, refused", (long)outcomes.refused, sizeof(wrong) - 1);
	rcx_expect(h, "a digit less", pwrite(fd, text, 2 * WHOLE - 1, 0), EINVAL);
	rcx_expect(h, "a byte less", pwrite(fd, text, 2 * WHOLE - 2, 0), EBADMSG);
	strcpy(text + 2 * WHOLE, "\n\n");
	rcx_expect(h, "two newlines", set_text(fd, text), EINVAL);
	text[2 * RCX_HEADER] = '\0';
	rcx_expect(h, "a zero byte in it", pwrite(fd, text, 2 * WHOLE, 0), EBADMSG);
	rcx_expect(h, "the message itself", pwrite(fd, h->message, WHOLE, 0), EINVAL);
	rcx_expect(h, "a newline alone", set_text(fd, "\n"), EBADMSG);
	memset(h->message, '0', RCX_BODY_MAX);
	rcx_expect_either(h, "1 MiB of zeros", pwrite(fd, h->message, RCX_BODY_MAX, 0), EBADMSG,
			  EMSGSIZE);
	rcx_expect(h, "before the start", pwrite(fd, text, 2, -1), EINVAL);
}

static void try_sets(struct rcx_hostile *h, int fd, struct rcx_sender *sender, bool validate)
{
	char text[2 * WHOLE + 2];

	rcx_try_messages(h, sender, validate);
	try_texts(h, fd, sender->seq);
	rcx_try_addresses(h, "set", RCX_KERNEL_READS, write_at, &fd);
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_map(h, fd);
	rcx_good_message(h, BODY, sender->seq++);
	encode(text, h->message, WHOLE);
	strcat(text, "\n");
	rcx_expect_value(h, "a good one, as a line", set_text(fd, text), LINE);
}

/* Decode the line in @text to h->message; false when it is not a message. */
static bool decode(struct rcx_hostile *h, const char *text)
{
	unsigned char *to = (unsigned char *)h->message;
	char digits[3] = "";

	for (size_t i = 0; i < WHOLE; i++) {
		memcpy(digits, text + 2 * i, 2);
		to[i] = (unsigned char)strtoul(digits, NULL, 16);
	}
	return text[2 * WHOLE] == '\n' && h->message->magic == RCX_MAGIC &&
	       h->message->size == BODY;
}

static void try_message(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_MODPARAM_MESSAGE), O_RDWR);
	struct rcx_sender sender = message_sender(&fd, false);
	char text[2 * RCX_MODPARAM_PAGE] = "";

	try_sets(h, fd, &sender, validate);
	rcx_expect_value(h, "get", pread(fd, text, sizeof(text), 0), LINE);
	rcx_expect_true(h, "it is whole",
			decode(h, text) && rcx_is_whole(h->message, BODY, validate));
	rcx_expect_value(h, "get at the end", pread(fd, text, LINE, LINE), 0);
	rcx_expect(h, "get before the start", pread(fd, text, LINE, -1), EINVAL);
	rcx_try_addresses(h, "get", RCX_KERNEL_WRITES, read_at, &fd);

	rcx_core_bind(h, "", RCX_MODPARAM_GET_MAX - RCX_HEADER, validate);
	rcx_expect_value(h, "get of the largest", pread(fd, text, sizeof(text), 0),
			 2 * RCX_MODPARAM_GET_MAX + 1);
	rcx_core_bind(h, "", RCX_MODPARAM_GET_MAX - RCX_HEADER + 1, validate);
	rcx_expect(h, "get of a byte more", pread(fd, text, sizeof(text), 0), EMSGSIZE);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	rcx_expect(h, "get of 1 MiB", pread(fd, text, sizeof(text), 0), EMSGSIZE);
	close(fd);
}

static void try_transaction(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_MODPARAM_TRANSACTION), O_RDWR);
	struct rcx_sender sender = message_sender(&fd, true);
	char text[2 * RCX_MODPARAM_PAGE] = "";

	rcx_expect_value(h, "a reply before any request", pread(fd, text, LINE, 0), 0);
	try_sets(h, fd, &sender, validate);
	rcx_expect_value(h, "get the reply", pread(fd, text, sizeof(text), 0), LINE);
	rcx_expect_true(h, "it is the reply",
			decode(h, text) &&
				rcx_is_reply(h->message, BODY, sender.seq - 1, validate));
	rcx_try_addresses(h, "get", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_expect(h, "a reply as a request", set_text(fd, text), EBADMSG);
	rcx_expect_value(h, "which leaves none", pread(fd, text, LINE, 0), 0);
	close(fd);
}

/* ---- two threads, under the lock of all parameters ---------------------- */

static bool is_reply(struct rcx_hostile *h, const char *reply, uint64_t seq)
{
	return decode(h, reply) && h->message->seq == ~seq;
}

static const struct rcx_shared_reply shared_reply = {
	.path = PATH(RCX_MODPARAM_TRANSACTION),
	.request = send_message,
	.wrong = "00", /* one byte instead of a header */
	.wrong_len = 2,
	.reply_len = LINE,
	.is_reply = is_reply,
};

/* ---- boot, and loads with other values ---------------------------------- */

static long load_with(const char *parameters)
{
	int err = rcx_module_reload(RCX_MODPARAM_MODULE, parameters);

	errno = -err;
	return err ? -1 : 0;
}

/* Whether parameter boot has @value now. */
static bool booted_with(const char *value)
{
	int fd = open(PATH(RCX_MODPARAM_BOOT), O_RDONLY | O_CLOEXEC);
	char text[RCX_MODPARAM_BOOT_MAX + 1] = "";
	ssize_t len = read(fd, text, sizeof(text) - 1);

	close(fd);
	return len == (ssize_t)strlen(value) + 1 && !strncmp(text, value, strlen(value));
}

static void try_boot(struct rcx_hostile *h)
{
	int fd = rcx_expect_open(h, PATH(RCX_MODPARAM_BOOT), O_RDONLY);

	rcx_expect_true(h, "its value is the command line's", booted_with(RCX_MODPARAM_BOOT_VALUE));
	rcx_expect(h, "opened to write", open(PATH(RCX_MODPARAM_BOOT), O_WRONLY), EACCES);
	rcx_expect(h, "opened to read and write", open(PATH(RCX_MODPARAM_BOOT), O_RDWR), EACCES);
	rcx_expect(h, "write", write(fd, "x", 1), EBADF);
	rcx_try_no_map(h, fd);
	rcx_try_nobody_opens(h, PATH(RCX_MODPARAM_BOOT));
	close(fd);
}

static void try_loads(struct rcx_hostile *h)
{
	/* clang-format off */
	static const struct {
		const char *parameters;
		int want;
	} loads[] = {
		{ "integer=0", EINVAL }, { "integer=x", EINVAL }, { "integer", EINVAL },
		{ "integer_reply=0", EINVAL }, { "message=00", EINVAL }, { "message", EINVAL },
		{ "transaction=00", EINVAL }, { "boot=other message=00", EINVAL },
		{ "boot", EINVAL },
		{ "boot=0123456789012345678901234567890123456789012345678901234567890123", ENOSPC },
	};
	/* clang-format on */
	char name[112];

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		snprintf(name, sizeof(name), "with %.40s", loads[i].parameters);
		rcx_expect(h, name, load_with(loads[i].parameters), loads[i].want);
		rcx_expect_true(h, "and so not loaded", !rcx_module_loaded(RCX_MODPARAM_MODULE));
	}
	rcx_expect(h, "with nothing", load_with(""), 0);
	rcx_expect_true(h, "leaves boot empty", booted_with(""));
	rcx_expect(h, "with another", load_with("boot=other"), 0);
	rcx_expect_true(h, "sets it", booted_with("other"));
	rcx_expect(h, "with two", load_with("boot=one boot=two"), 0);
	rcx_expect_true(h, "sets the last", booted_with("two"));
	rcx_expect(h, "with the longest",
		   load_with("boot=012345678901234567890123456789012345678901234567890123456789012"),
		   0);
	rcx_expect(h, "with an unknown name", load_with("unknown=1"), 0);
	rcx_expect(h, "as at boot", load_with(NULL), 0);
	rcx_expect_true(h, "sets the value of the command line",
			booted_with(RCX_MODPARAM_BOOT_VALUE));
}

/* A file of the module stays open after the unload, and returns ENODEV from then on. */
static void try_unload_under(struct rcx_hostile *h)
{
	int fd = rcx_expect_open(h, PATH(RCX_MODPARAM_INTEGER), O_RDWR);
	char text[16];

	rcx_expect(h, "unload", rcx_module_unload(RCX_MODPARAM_MODULE), 0);
	rcx_expect(h, "set", set_text(fd, "0"), ENODEV);
	rcx_expect(h, "get", pread(fd, text, sizeof(text), 0), ENODEV);
	rcx_expect(h, "load again", load_with(NULL), 0);
	rcx_expect(h, "set by the old file", set_text(fd, "0"), ENODEV);
	rcx_expect(h, "get by the old file", pread(fd, text, sizeof(text), 0), ENODEV);
	close(fd);
}

static void modparam_hostile(struct rcx_hostile *h)
{
	try_integer(h);
	try_integer_reply(h);
	for (int validate = 0; validate < 2; validate++) {
		rcx_bind_topic(h, RCX_MODPARAM_MESSAGE, BODY, validate);
		try_message(h, validate);
		rcx_bind_topic(h, RCX_MODPARAM_TRANSACTION, BODY, validate);
		try_transaction(h, validate);
	}
	rcx_topic(h, "two at a time");
	rcx_core_bind(h, "", BODY, true);
	rcx_try_shared_reply(h, &shared_reply);
	rcx_try_nobody_opens(h, PATH(RCX_MODPARAM_MESSAGE));
	rcx_try_nobody_opens(h, PATH(RCX_MODPARAM_TRANSACTION));
	/* Otherwise the reference of ringcross_core would prevent the unloads. */
	rcx_core_unbind(h);
	rcx_topic(h, RCX_MODPARAM_BOOT);
	try_boot(h);
	rcx_topic(h, "load");
	try_loads(h);
	rcx_topic(h, "unload under an open file");
	try_unload_under(h);
}
RCX_HOSTILE(modparam, modparam_hostile);
