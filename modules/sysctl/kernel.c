// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sysctl
 *
 * Kernel parameters: entries under /proc/sys, read and set as text.
 *
 * What it is.  register_sysctl() adds a table of entries to /proc/sys.  Each entry has
 * a name, a mode and a handler.  One handler serves both directions.  The kernel
 * provides handlers for integers, strings and bit maps, which convert between text and
 * a variable.  An entry may have its own handler instead.
 *
 * The path of one message.  System call entry, fd lookup, checks, then the sysctl
 * layer.  It takes a spinlock to count itself as a user of the table, checks the
 * caller's permissions, and for every read or write allocates a zeroed buffer as large
 * as the caller's.  A write is copied into the buffer and passed to the handler in one
 * piece.  For a read, the handler fills the buffer, which is then copied out.  BPF
 * programs of the caller's cgroup can inspect the value and replace it.  Our handlers
 * take one mutex for all entries.  The handler of message makes and checks messages in
 * the layer's buffer and makes no copy, except for replies: a reply is kept, so it is
 * copied there and back.  The handler of integer leaves the text to proc_douintvec().
 *
 * When to choose it.  For one number or short string of the system as a whole, with
 * bounds, which an administrator sets at boot through sysctl.conf.  What belongs
 * to one device belongs in sysfs; what is for debugging belongs in debugfs.
 *
 * Its pitfall.  Excess input is not refused but dropped.  proc_dostring() cuts at a
 * newline, at a zero byte and at the length of its variable.  "5 x" is read as 5.  A
 * number written at any position but 0 succeeds and sets nothing.  A reader of a number
 * with too short a buffer gets the first digits and never the rest.  Our handlers
 * refuse a write at a position other than 0, and a read without room for a message; the
 * conversion of a number's text is the kernel's.
 *
 * Each read and write checks permissions again.  Except for the entries of a namespace,
 * only root's uid and gid count, not capabilities.  So a process that cannot open the
 * file itself cannot use a descriptor passed to it.  A handler does not see opens, so
 * all users of an entry share its state.  An open file does not hold the module.  An
 * unload waits for handlers that run; after it, reads and writes fail with ENOENT.  But
 * an unload would not wait for a process that sleeps in poll(), on a queue in the
 * module's memory.  poll() is for entries that are never removed, such as
 * kernel.hostname.
 *
 * Three modes:
 *
 * - integer: the sequence number alone, by the kernel's own text conversion.
 * - message: whole messages in binary by our own handler, although text is the
 *   convention; the layer accepts almost 4 MiB in one call.
 * - reopen: like message, but opened for each operation as sysctl(8) does.  That open is
 *   expensive.  An entry can be removed, and a name can mean different entries for
 *   different processes, so the path walk must take locks and references, which it does
 *   not need on an ordinary file system.  The same holds for the rest of /proc and /sys.
 *
 * A call is two operations, thus two system calls: a request is written, and its reply
 * can be read until the next request.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysctl.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include "rcx_core.h"
#include "abi.h"

/* Since 6.11 a handler must not change its table. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define TABLE_CONST const
#else
#define TABLE_CONST
#endif

/*
 * State of all entries, shared by all callers.  @lock protects the other fields.
 * @reply is the reply to the last valid request and has @reply_len bytes.  @answer is
 * the reply to the last valid number, if @answered is set.
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
 * Whether the handler has work to do: 1, 0 or a negative errno.  A read at another
 * position than 0, or of no bytes, returns nothing, since all content starts at 0.  Such
 * a write has no value and is refused; the kernel's own handlers of numbers accept it.
 */
static int check_position(int write, size_t *lenp, const loff_t *ppos)
{
	if (!*ppos && *lenp)
		return 1;
	if (write)
		return -EINVAL;
	*lenp = 0;
	return 0;
}

/* ---- integers: our handler calls the kernel's conversion ---------------- */

/* The usual way to check a value: convert with a copy of the table and a local variable. */
static int convert(const struct ctl_table *table, u32 *value, int write, void *buffer, size_t *lenp,
		   loff_t *ppos)
{
	struct ctl_table copy = *table;

	copy.data = value;
	copy.maxlen = sizeof(*value);
	return proc_douintvec(&copy, write, buffer, lenp, ppos);
}

static int integer_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
			   size_t *lenp, loff_t *ppos)
{
	int ret = check_position(write, lenp, ppos);
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

/* Similar to integer_handler(), but kept separate: both are on a timed path. */
static int integer_reply_handler(TABLE_CONST struct ctl_table *table, int write, void *buffer,
				 size_t *lenp, loff_t *ppos)
{
	int ret = check_position(write, lenp, ppos);
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

/* ---- messages: in the layer's buffer ------------------------------------ */

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
	int ret = check_position(write, lenp, ppos);

	if (ret <= 0)
		return ret;
	/* There is no state per open file, so a next read could not return the rest. */
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
	int ret = check_position(write, lenp, ppos);

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
	{ } /* later kernels count the entries, and warn about this one */
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

	/* Zeroed, since it is copied to user space. */
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
	unregister_sysctl_table(header); /* waits for running handlers */
	vfree(state.reply);
}

module_init(rcx_sysctl_init);
module_exit(rcx_sysctl_exit);
MODULE_DESCRIPTION("ringcross: sysctl entries");
MODULE_LICENSE("GPL");
