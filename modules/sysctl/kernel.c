// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sysctl
 *
 * Knobs of the kernel: entries under /proc/sys, read and set as text.
 *
 * What it is.  A table of entries, each with a name, a mode and a handler, that
 * register_sysctl() hangs below /proc/sys.  One handler serves both directions.
 * The kernel brings handlers for integers, strings and bit maps, which turn
 * text into a variable and back; an entry may have one of its own instead.
 *
 * The path of one message.  System call entry, fd lookup, checks, then the
 * sysctl layer: a spin lock to count itself as a user of the table, a look at
 * who asks, and for every single read or write a zeroed buffer as large as the
 * caller's.  A write is copied into it and handed to the handler in one piece; a
 * read has it filled by the handler and copied out.  BPF programs of the caller's
 * cgroup may look at it and replace it.  Our handlers take one mutex for all
 * entries.  That of message makes and checks messages in the layer's buffer and
 * copies nothing itself, but a reply must be kept: it is copied there and back.
 * That of integer leaves the text to proc_douintvec().
 *
 * When to choose it.  One number or short string of the system as a whole, with
 * bounds, which an administrator sets at boot through sysctl.conf.  What belongs
 * to one device belongs into sysfs, what is for debugging into debugfs.
 *
 * Its trap.  What is too much is not refused but dropped: proc_dostring() cuts
 * at a newline, at a zero byte and at its variable's length, "5 x" is a 5, a
 * number written anywhere but at position 0 succeeds and sets nothing, and who
 * reads one with too short a buffer gets its first digits and never the rest.
 * Our handlers refuse a write elsewhere than at 0, and a read with no room for a
 * message; what becomes of a number's text is the kernel's.
 * Each read and write asks again whether the caller may.  Except for the entries of a
 * namespace, what counts is root's uid and group and no capability, and whoever
 * could not open the file himself has no use for a descriptor passed to him.
 * There is no open that a handler could see, so all who use an entry share its
 * state.  Nothing holds the module while a file is open: an unload waits for
 * handlers that run; after it reads and writes give ENOENT.  But it would not
 * wait for who sleeps in poll(), in a queue that is the module's memory; poll()
 * is for entries that never go, such as kernel.hostname.
 *
 * Three modes.  integer: the sequence number alone, by the kernel's own text
 * conversion.  message: whole messages in binary by our own handler, although the
 * custom is text; the layer takes almost 4 MiB in one call.  reopen: the same,
 * opened for each operation as sysctl(8) does.  That open is dear: an entry may go,
 * and a name may mean another one to somebody else, so the walk along the path must
 * take locks and references, which it can do without on an ordinary file system.
 * The rest of /proc and /sys refuse to be walked without them as well.
 *
 * A call is two operations, two system calls: a request is written, its reply
 * stands until the next one.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include "rcx_core.h"
#include "abi.h"

/* 6.11: a handler may not change its table. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define TABLE_CONST const
#else
#define TABLE_CONST
#endif

/*
 * State of all entries, for all who use them.  @lock covers the rest: @reply is
 * the reply to the last good request, of @reply_len bytes, @answer that to the
 * last good number, if there has been one.
 */
static struct {
	struct mutex lock;
	struct rcx_sequence sequence;
	bool answered;
	u32 answer;
	size_t reply_len;
	struct rcx_msg *reply;
} state = {
	.lock = __MUTEX_INITIALIZER(state.lock),
};

/*
 * Whether the handler is to do something: 1, 0 or a negative errno.  A read
 * further on, or of no bytes, gets nothing: what there is begins at 0.  A write of
 * that kind has no value, and the kernel's own handlers of numbers let it succeed.
 */
static int wanted(int write, size_t *lenp, const loff_t *ppos)
{
	if (!*ppos && *lenp)
		return 1;
	if (write)
		return -EINVAL;
	*lenp = 0;
	return 0;
}

/* ---- integers: the kernel's conversion within our handler --------------- */

/* The usual way to have a say in a value: its table is a copy, its variable ours. */
static int convert(const struct ctl_table *table, u32 *value, int write, void *buffer,
		   size_t *lenp, loff_t *ppos)
{
	struct ctl_table copy = *table;

	copy.data = value;
	copy.maxlen = sizeof(*value);
	return proc_douintvec(&copy, write, buffer, lenp, ppos);
}

static int integer_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
			   size_t *lenp, loff_t *ppos)
{
	int ret = wanted(write, lenp, ppos);
	u32 number = 0;

	if (ret <= 0)
		return ret;
	mutex_lock(&state.lock);
	if (!write)
		number = rcx_make_narrow(&state.sequence);
	ret = convert(table, &number, write, buffer, lenp, ppos);
	if (!ret && write)
		ret = rcx_consume_narrow(&state.sequence, number, U32_MAX);
	mutex_unlock(&state.lock);
	return ret;
}

/* Starts like integer_handler().  Both are on a timed path, so they stay two functions. */
static int integer_reply_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
				 size_t *lenp, loff_t *ppos)
{
	int ret = wanted(write, lenp, ppos);
	u32 number = 0;

	if (ret <= 0)
		return ret;
	mutex_lock(&state.lock);
	if (write) {
		state.answered = false;
		ret = convert(table, &number, write, buffer, lenp, ppos);
		if (!ret)
			ret = rcx_consume_narrow(&state.sequence, number, U32_MAX);
		state.answer = ~number;
		state.answered = !ret;
	} else if (state.answered) {
		ret = convert(table, &state.answer, write, buffer, lenp, ppos);
	} else {
		ret = 0;
		*lenp = 0;
	}
	mutex_unlock(&state.lock);
	return ret;
}

/* ---- messages: the layer's buffer as it is ------------------------------ */

static int message_in(const struct rcx_msg *message, size_t len)
{
	if (len > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	return rcx_consume(&state.sequence, message, len);
}

static int message_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
			   size_t *lenp, loff_t *ppos)
{
	u32 size = rcx_size();
	int ret = wanted(write, lenp, ppos);

	if (ret <= 0)
		return ret;
	/* There is no open file whose next read could get the rest. */
	if (!write && *lenp < RCX_HEADER + size)
		return -EMSGSIZE;
	mutex_lock(&state.lock);
	if (write) {
		ret = message_in(buffer, *lenp);
	} else {
		rcx_make(&state.sequence, buffer, size);
		*lenp = RCX_HEADER + size;
		ret = 0;
	}
	mutex_unlock(&state.lock);
	if (!ret)
		*ppos += *lenp;
	return ret;
}

static int request(const void *buffer, size_t len)
{
	int err;

	state.reply_len = 0;
	err = message_in(buffer, len);
	if (err)
		return err;
	memcpy(state.reply, buffer, len);
	rcx_reply(state.reply, len);
	state.reply_len = len;
	return 0;
}

static int reply(void *buffer, size_t *lenp)
{
	if (*lenp < state.reply_len)
		return -EMSGSIZE;
	memcpy(buffer, state.reply, state.reply_len);
	*lenp = state.reply_len;
	return 0;
}

static int transaction_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
			       size_t *lenp, loff_t *ppos)
{
	int ret = wanted(write, lenp, ppos);

	if (ret <= 0)
		return ret;
	mutex_lock(&state.lock);
	ret = write ? request(buffer, *lenp) : reply(buffer, lenp);
	mutex_unlock(&state.lock);
	if (!ret)
		*ppos += *lenp;
	return ret;
}

/* ---- registration ------------------------------------------------------ */

static struct ctl_table entries[] = {
	{
		.procname = RCX_SYSCTL_INTEGER,
		.mode = 0600,
		.proc_handler = integer_handler,
	},
	{
		.procname = RCX_SYSCTL_INTEGER_REPLY,
		.mode = 0600,
		.proc_handler = integer_reply_handler,
	},
	{
		.procname = RCX_SYSCTL_MESSAGE,
		.mode = 0600,
		.proc_handler = message_handler,
	},
	{
		.procname = RCX_SYSCTL_TRANSACTION,
		.mode = 0600,
		.proc_handler = transaction_handler,
	},
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	{ }	/* later ones are told how many there are, and complain of this */
#endif
};

static int rcx_sysctl_reset(void)
{
	mutex_lock(&state.lock);
	state.sequence = (struct rcx_sequence){ };
	state.answered = false;
	state.reply_len = 0;
	mutex_unlock(&state.lock);
	return 0;
}

static struct rcx_channel sysctl_channel = {
	.name = "sysctl",
	.owner = THIS_MODULE,
	.reset = rcx_sysctl_reset,
};

static struct ctl_table_header *header;

static int __init rcx_sysctl_init(void)
{
	int err = -ENOMEM;

	/* Zeroed, as all memory that goes to user space. */
	state.reply = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	if (!state.reply)
		return err;
	header = register_sysctl(RCX_SYSCTL_DIR, entries);
	if (!header)
		goto err_reply;
	err = rcx_channel_register(&sysctl_channel);
	if (err)
		goto err_header;
	return 0;

err_header:
	unregister_sysctl_table(header);
err_reply:
	vfree(state.reply);
	return err;
}

static void __exit rcx_sysctl_exit(void)
{
	rcx_channel_unregister(&sysctl_channel);
	unregister_sysctl_table(header);	/* waits for handlers that run */
	vfree(state.reply);
}

module_init(rcx_sysctl_init);
module_exit(rcx_sysctl_exit);
MODULE_DESCRIPTION("ringcross: sysctl entries");
MODULE_LICENSE("GPL");
