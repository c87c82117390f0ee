// SPDX-License-Identifier: GPL-2.0-only
/* Either the sysctl layer or our handler refuses; a program sees no difference. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

/* Resembles modparam's cases, with other texts and errnos: each folder is readable alone. */

#define PATH(name) "/proc/sys/" RCX_SYSCTL_DIR "/" name
#define BODY	   64u
#define WHOLE	   (RCX_HEADER + BODY)

static long write_at(void *arg, void *at)
{
	return pwrite(*(int *)arg, at, WHOLE, 0);
}

static long read_at(void *arg, void *at)
{
	return pread(*(int *)arg, at, WHOLE, 0);
}

/* Cases that the layer decides, the same for every handler. */
static void try_layer(struct rcx_hostile *h, int fd)
{
	char *some = (char *)h->message;

	rcx_expect(h, "read as large as the layer refuses",
		   pread(fd, some, RCX_SYSCTL_LAYER_MAX, 0), ENOMEM);
	rcx_expect(h, "read of 2 GiB", pread(fd, some, INT32_MAX, 0), ENOMEM);
	rcx_expect(h, "write of 2 GiB", pwrite(fd, some, INT32_MAX, 0), ENOMEM);
	rcx_expect(h, "write of nothing", pwrite(fd, some, 0, 0), EINVAL);
	rcx_expect(h, "write further on", pwrite(fd, some, WHOLE, 1), EINVAL);
	rcx_expect(h, "write far away", pwrite(fd, some, WHOLE, 1ll << 40), EINVAL);
	rcx_expect(h, "write before the start", pwrite(fd, some, WHOLE, -1), EINVAL);
	rcx_expect(h, "read before the start", pread(fd, some, WHOLE, -1), EINVAL);
	rcx_expect_value(h, "read of nothing", pread(fd, some, 0, 0), 0);
	rcx_expect_value(h, "read behind the end", pread(fd, some, WHOLE, WHOLE), 0);
	rcx_expect_value(h, "read far behind the end", pread(fd, some, WHOLE, 1ll << 40), 0);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, write_at, &fd);
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_map(h, fd);
}

/* ---- permissions are checked by each read and write --------------------- */

static void use_as_nobody(struct rcx_hostile *h, void *arg)
{
	int fd = *(int *)arg;

	rcx_expect(h, "read of a file that root has opened", read_at(&fd, h->message), EPERM);
	rcx_expect(h, "write to it", write_at(&fd, h->message), EPERM);
}

static void try_nobody(struct rcx_hostile *h, const char *path)
{
	int fd = rcx_expect_open(h, path, O_RDWR);

	rcx_as_nobody(h, use_as_nobody, &fd);
	rcx_try_nobody_opens(h, path);
	close(fd);
}

/* ---- integers ----------------------------------------------------------- */

static long write_text(int fd, const char *text)
{
	return pwrite(fd, text, strlen(text), 0);
}

/* clang-format off */
static const struct {
	const char *text;
	int want;
} texts[] = {
	{ "", EINVAL }, { " ", EINVAL }, { "\n", EINVAL }, { "x", EINVAL }, { "0x", EINVAL },
	{ "-1", EINVAL }, { "- 1", EINVAL }, { "1x", EINVAL }, { "1.5", EINVAL }, { "1,2", EINVAL },
	{ "4294967296", EINVAL }, { "18446744073709551616", EINVAL },
	{ "99999999999999999999999999999999999999", EINVAL }, { "4294967295", EBADMSG },
	{ "7", EBADMSG },
	/* The text after a blank is dropped: this is 1, which is out of order. */
	{ "1 x", EBADMSG },
};
/* clang-format on */

static void try_texts(struct rcx_hostile *h, int fd)
{
	char *some = (char *)h->message;
	char name[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(name, sizeof(name), "write of \"%s\"",
			 texts[i].text[0] == '\n' ? "\\n" : texts[i].text);
		rcx_expect(h, name, write_text(fd, texts[i].text), texts[i].want);
	}
	rcx_expect(h, "write of a zero byte", pwrite(fd, "", 1, 0), EINVAL);
	rcx_expect(h, "write of zero bytes behind it", pwrite(fd, "7\0\0\0", 4, 0), EINVAL);
	memset(some, '0', RCX_BODY_MAX);
	rcx_expect(h, "write of 1 MiB of zeros", pwrite(fd, some, RCX_BODY_MAX, 0), EINVAL);
	memset(some, ' ', RCX_BODY_MAX);
	rcx_expect(h, "write of 1 MiB of blanks", pwrite(fd, some, RCX_BODY_MAX, 0), EINVAL);
}

/* Numbers in order, in every notation that the kernel accepts. */
static void try_integer_writes(struct rcx_hostile *h, int fd)
{
	struct rcx_counts before = rcx_core_counts(h), after;

	rcx_expect_value(h, "write of the first", write_text(fd, "0"), 1);
	rcx_expect_value(h, "with a newline", write_text(fd, "1\n"), 2);
	rcx_expect_value(h, "with blanks", write_text(fd, "  2 \n"), 5);
	rcx_expect_value(h, "in hexadecimal", write_text(fd, "0x3"), 3);
	rcx_expect_value(h, "in octal, with text after it", write_text(fd, "04 x"), 4);
	rcx_expect(h, "the same again", write_text(fd, "4"), EBADMSG);
	try_texts(h, fd);
	try_layer(h, fd);
	rcx_expect_value(h, "a good one after all these", write_text(fd, "5"), 1);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "numbers the kernel consumed", (long)(after.consumed - before.consumed),
			 6);
}

static void try_integer(struct rcx_hostile *h)
{
	int fd;
	char text[16] = "";

	rcx_bind_topic(h, RCX_SYSCTL_INTEGER, 4, false);
	fd = rcx_expect_open(h, PATH(RCX_SYSCTL_INTEGER), O_RDWR);
	try_integer_writes(h, fd);
	rcx_core_bind(h, "", 4, false);
	for (int i = 0; i < 12; i++)
		rcx_expect_value(h, "read", pread(fd, text, sizeof(text), 0), i < 10 ? 2 : 3);
	rcx_expect_true(h, "is the last number", !strncmp(text, "11\n", 3));
	rcx_expect_value(h, "a buffer too short", pread(fd, text, 1, 0), 1);
	rcx_expect_true(h, "gets the first digit", text[0] == '1');
	close(fd);
	try_nobody(h, PATH(RCX_SYSCTL_INTEGER));
}

static void try_integer_reply(struct rcx_hostile *h)
{
	char text[16] = "";
	int fd;

	rcx_bind_topic(h, RCX_SYSCTL_INTEGER_REPLY, 4, false);
	fd = rcx_expect_open(h, PATH(RCX_SYSCTL_INTEGER_REPLY), O_RDWR);
	rcx_expect_value(h, "a reply before any request", pread(fd, text, sizeof(text), 0), 0);
	try_integer_writes(h, fd);
	rcx_expect_value(h, "read of the reply", pread(fd, text, sizeof(text), 0), 11);
	rcx_expect_true(h, "it is the reply", strtoul(text, NULL, 10) == UINT32_MAX - 5);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_expect(h, "no number", write_text(fd, "x"), EINVAL);
	rcx_expect_value(h, "no reply after that", pread(fd, text, sizeof(text), 0), 0);
	close(fd);
	try_nobody(h, PATH(RCX_SYSCTL_INTEGER_REPLY));
}

/* ---- messages ----------------------------------------------------------- */

static long send_message(void *arg, const struct rcx_msg *msg, size_t len)
{
	return pwrite(*(int *)arg, msg, len, 0);
}

static struct rcx_sender message_sender(int *fd)
{
	return (struct rcx_sender){
		.send = send_message,
		.arg = fd,
		.body_max = RCX_BODY_MAX,
		.nothing = EINVAL,
		.too_short = EBADMSG,
		.too_long = EMSGSIZE,
	};
}

/* Lengths that only our handler refuses, and one that the layer refuses. */
static void try_too_long(struct rcx_hostile *h, int fd)
{
	const size_t most = RCX_SYSCTL_LAYER_MAX - 1;
	void *large = calloc(1, most + 1);

	if (!rcx_expect_true(h, "get 4 MiB", large))
		return;
	rcx_expect(h, "the largest write that the layer accepts", pwrite(fd, large, most, 0),
		   EMSGSIZE);
	rcx_expect(h, "and a byte more", pwrite(fd, large, most + 1, 0), ENOMEM);
	rcx_expect_value(h, "read with a buffer as large", pread(fd, large, most, 0), WHOLE);
	free(large);
}

static void try_message(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_SYSCTL_MESSAGE), O_RDWR);
	struct rcx_sender sender = message_sender(&fd);
	char *to = (char *)h->message;

	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, BODY, 200);
	try_layer(h, fd);
	try_too_long(h, fd);
	rcx_expect_value(h, "read", read_at(&fd, to), WHOLE);
	rcx_expect_true(h, "the message is complete", rcx_is_whole(h->message, BODY, validate));
	rcx_expect(h, "a byte too little room", pread(fd, to, WHOLE - 1, 0), EMSGSIZE);
	rcx_expect(h, "room for a header", pread(fd, to, RCX_HEADER, 0), EMSGSIZE);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_core_bind(h, "", RCX_BODY_MAX, validate);
	rcx_expect_value(h, "read of the largest", pread(fd, to, RCX_HEADER + RCX_BODY_MAX, 0),
			 RCX_HEADER + RCX_BODY_MAX);
	close(fd);
}

static void try_transaction(struct rcx_hostile *h, bool validate)
{
	int fd = rcx_expect_open(h, PATH(RCX_SYSCTL_TRANSACTION), O_RDWR);
	struct rcx_sender sender = message_sender(&fd);
	char *to = (char *)h->message;

	rcx_expect_value(h, "a reply before any request", read_at(&fd, to), 0);
	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, BODY, 200);
	try_layer(h, fd);
	rcx_good_message(h, BODY, sender.seq++);
	rcx_expect_value(h, "a request", write_at(&fd, to), WHOLE);
	rcx_expect(h, "a byte too little room", pread(fd, to, WHOLE - 1, 0), EMSGSIZE);
	rcx_expect_value(h, "read of the reply", read_at(&fd, to), WHOLE);
	rcx_expect_true(h, "it is the reply",
			rcx_is_reply(h->message, BODY, sender.seq - 1, validate));
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, &fd);
	rcx_expect(h, "a reply as a request", write_at(&fd, to), EBADMSG);
	rcx_expect_value(h, "no reply after that", read_at(&fd, to), 0);
	close(fd);
}

/* ---- two callers, with the state that all opens share ------------------- */

static bool is_reply(struct rcx_hostile *h, const char *reply, uint64_t seq)
{
	(void)h;
	return ((const struct rcx_msg *)reply)->seq == ~seq;
}

static const char part_of_header[RCX_HEADER - 1];

static const struct rcx_shared_reply shared_reply = {
	.path = PATH(RCX_SYSCTL_TRANSACTION),
	.request = send_message,
	.wrong = part_of_header,
	.wrong_len = sizeof(part_of_header),
	.reply_len = WHOLE,
	.is_reply = is_reply,
};

static void sysctl_hostile(struct rcx_hostile *h)
{
	try_integer(h);
	try_integer_reply(h);
	for (int validate = 0; validate < 2; validate++) {
		rcx_bind_topic(h, RCX_SYSCTL_MESSAGE, BODY, validate);
		try_message(h, validate);
		rcx_bind_topic(h, RCX_SYSCTL_TRANSACTION, BODY, validate);
		try_transaction(h, validate);
	}
	rcx_topic(h, "two at a time");
	rcx_core_bind(h, "", BODY, true);
	rcx_try_shared_reply(h, &shared_reply);
	rcx_topic(h, RCX_SYSCTL_MESSAGE);
	try_nobody(h, PATH(RCX_SYSCTL_MESSAGE));
	rcx_topic(h, RCX_SYSCTL_TRANSACTION);
	try_nobody(h, PATH(RCX_SYSCTL_TRANSACTION));
}
RCX_HOSTILE(sysctl, sysctl_hostile);
