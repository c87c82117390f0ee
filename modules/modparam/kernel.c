// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: modparam
 *
 * Module parameters: values given when a module is loaded, and files afterwards.
 *
 * What it is.  module_param() ties a name to a variable and to a pair of functions,
 * set and get, for its type; module_param_cb() takes a pair of one's own.  At
 * load the kernel sets each parameter that it is given.  While the module is
 * there, those with a mode are files in /sys/module/NAME/parameters.
 *
 * The path of one message.  That of a sysfs attribute: system call entry, fd
 * lookup, checks.  A write is copied into a buffer; then kernfs takes the mutex of
 * the open file and an active reference, which a removal waits for.  A read is
 * copied out of its buffer when these are given back.  Under them comes the mutex
 * that all parameters of a module share, and set() with the text that was
 * written, or get() with a page to fill.  A message has to be text: set() is told
 * no length, only where a string begins, so a zero byte would end it.  Hexadecimal
 * takes two characters for each byte, and both halves convert.
 *
 * A value on the kernel's command line takes another way.  "NAME.key=value" is set
 * by the kernel itself where the module is built in.  Where it is not, nothing
 * happens until modprobe reads /proc/cmdline and passes what begins with the
 * module's name as it loads the module.  insmod does not; whoever calls
 * finit_module() himself has to, as the loader of this suite does.
 *
 * When to choose it.  A switch or a number of a driver as a whole that is known
 * before it runs: a debug level, a quirk, the size of a ring.  On the command line
 * where it must be there before there is a user space to set anything.
 *
 * Its trap.  At load set() runs before the module's init, and the files are there
 * before init has run and after exit has: a set() or get() that uses what init
 * makes may find it not yet made, or gone.  Our set() takes a message only while
 * the module is live; one given at load is refused, and the module with it.  Text
 * that is too long is cut: a write at 4096 characters, which only the count that
 * it returns tells, what get() made at 4095, with a line in the kernel's log.  A
 * name that the module does not know is no error.  Nothing holds the module while
 * a file is open: after an unload it gives ENODEV.
 *
 * Three modes.  integer: the sequence number alone, by the kernel's own set and get
 * for an unsigned integer.  parameter: a message in hexadecimal.  boot: one value
 * from the kernel's command line, which arrives when the module is loaded and
 * never again; there is no operation to time, but that it arrives is tried.
 *
 * A call is two operations, two system calls: a request is set, its reply stands
 * until the next one.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of all parameters, for all who use them.  set and get are called with the
 * module's parameter lock held, at load too; that lock covers all that is here.
 * @number and @answer are what the kernel's own functions for an integer read and
 * write; @answer is the reply to the last number, if that was good and so
 * @answered.  @reply has the reply to the last request in its first @reply_len
 * bytes, none if that was not good.
 */
static struct {
	struct rcx_sequence sequence;
	unsigned int number;
	unsigned int answer;
	bool answered;
	size_t reply_len;
	union {
		struct rcx_msg message;
		u8 message_room[RCX_MODPARAM_SET_MAX];
	};
	union {
		struct rcx_msg reply;
		u8 reply_room[RCX_MODPARAM_SET_MAX];
	};
} state;

/*
 * Our state is there before init and after exit, so get() need not ask. set()
 * does: a value that is given at load, when nobody is there to send, is no
 * message.
 */
static bool live(void)
{
	return READ_ONCE(THIS_MODULE->state) == MODULE_STATE_LIVE;
}

/* ---- integers: the kernel's functions, called by ours ------------------- */

static int integer_set(const char *text, const struct kernel_param *param)
{
	int err;

	if (!live())
		return -EINVAL;
	err = param_set_uint(text, param);
	return err ? err : rcx_consume_narrow(&state.sequence, state.number, U32_MAX);
}

static int integer_get(char *text, const struct kernel_param *param)
{
	state.number = rcx_make_narrow(&state.sequence);
	return param_get_uint(text, param);
}

static int integer_reply_set(const char *text, const struct kernel_param *param)
{
	int err;

	if (!live())
		return -EINVAL;
	state.answered = false;
	err = param_set_uint(text, param);
	if (!err)
		err = rcx_consume_narrow(&state.sequence, state.answer, U32_MAX);
	if (err)
		return err;
	state.answer = ~state.answer;
	state.answered = true;
	return 0;
}

static int integer_reply_get(char *text, const struct kernel_param *param)
{
	return state.answered ? param_get_uint(text, param) : 0;
}

static const struct kernel_param_ops integer_ops = {
	.set = integer_set,
	.get = integer_get,
};

static const struct kernel_param_ops integer_reply_ops = {
	.set = integer_reply_set,
	.get = integer_reply_get,
};

module_param_cb(integer, &integer_ops, &state.number, 0600);
MODULE_PARM_DESC(integer, "set to push a sequence number, get to pull one");
module_param_cb(integer_reply, &integer_reply_ops, &state.answer, 0600);
MODULE_PARM_DESC(integer_reply, "set a sequence number, get its reply");

/* ---- messages in hexadecimal -------------------------------------------- */

/* Bytes that @text stands for, now in @to, or an errno. */
static ssize_t decode(const char *text, u8 *to)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--;
	if (len > 2 * RCX_MODPARAM_SET_MAX)
		return -EMSGSIZE;
	if (len % 2 || hex2bin(to, text, len / 2))
		return -EINVAL;
	return len / 2;
}

/* Characters that @text has then, a line. */
static int encode(char *text, const void *from, size_t len)
{
	char *end = bin2hex(text, from, len);

	*end++ = '\n';
	return end - text;
}

static int message_set(const char *text, const struct kernel_param *param)
{
	ssize_t len;

	if (!live())
		return -EINVAL;
	len = decode(text, state.message_room);
	return len < 0 ? len : rcx_consume(&state.sequence, &state.message, len);
}

static int message_get(char *text, const struct kernel_param *param)
{
	u32 size = rcx_size();

	/* More than this would be cut, with a line in the kernel log. */
	if (size > RCX_MODPARAM_GET_MAX - RCX_HEADER)
		return -EMSGSIZE;
	rcx_make(&state.sequence, &state.message, size);
	return encode(text, &state.message, RCX_HEADER + size);
}

static int transaction_set(const char *text, const struct kernel_param *param)
{
	ssize_t len;
	int err;

	if (!live())
		return -EINVAL;
	state.reply_len = 0;
	len = decode(text, state.reply_room);
	if (len < 0)
		return len;
	if (len > RCX_MODPARAM_GET_MAX)
		return -EMSGSIZE;	/* its reply could not be got */
	err = rcx_consume(&state.sequence, &state.reply, len);
	if (err)
		return err;
	rcx_reply(&state.reply, len);
	state.reply_len = len;
	return 0;
}

static int transaction_get(char *text, const struct kernel_param *param)
{
	return state.reply_len ? encode(text, &state.reply, state.reply_len) : 0;
}

static const struct kernel_param_ops message_ops = {
	.set = message_set,
	.get = message_get,
};

static const struct kernel_param_ops transaction_ops = {
	.set = transaction_set,
	.get = transaction_get,
};

module_param_cb(message, &message_ops, NULL, 0600);
MODULE_PARM_DESC(message, "set to push a message in hexadecimal, get to pull one");
module_param_cb(transaction, &transaction_ops, NULL, 0600);
MODULE_PARM_DESC(transaction, "set a request in hexadecimal, get its reply");

/* ---- the value of the command line -------------------------------------- */

/* Without a bit to write it, load is the only time at which it can be set. */
static char boot_value[RCX_MODPARAM_BOOT_MAX];
module_param_string(boot, boot_value, sizeof(boot_value), 0400);
MODULE_PARM_DESC(boot, "a word that shows that the kernel's command line arrived");

/* ---- registration ------------------------------------------------------ */

static int modparam_reset(void)
{
	kernel_param_lock(THIS_MODULE);
	state.sequence = (struct rcx_sequence){ };
	state.answered = false;
	state.reply_len = 0;
	kernel_param_unlock(THIS_MODULE);
	return 0;
}

static struct rcx_channel modparam_channel = {
	.name = "modparam",
	.owner = THIS_MODULE,
	.reset = modparam_reset,
};

static int __init modparam_init(void)
{
	return rcx_channel_register(&modparam_channel);
}

static void __exit modparam_exit(void)
{
	rcx_channel_unregister(&modparam_channel);
}

module_init(modparam_init);
module_exit(modparam_exit);
MODULE_DESCRIPTION("ringcross: module parameters, and one from the kernel's command line");
MODULE_LICENSE("GPL");
