// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: modparam
 *
 * Module parameters: values that are given at load and are files afterwards.
 *
 * What it is.  module_param() binds a name to a variable and to two functions for its
 * type, set() and get().  module_param_cb() takes functions of the module itself.  At load
 * the kernel sets each parameter that is given.  While the module is loaded, parameters
 * with a mode are files in /sys/module/NAME/parameters.
 *
 * The path of one message.  It is the path of a sysfs attribute: system call entry, lookup
 * of the file descriptor, checks.  A write is first copied into a buffer.  Then kernfs takes
 * the mutex of the open file and an active reference, for which a removal waits.  While it
 * holds both, the kernel takes the mutex that all parameters of a module share and calls
 * set() with the written text, or get() with a page to fill.  The result of get() is
 * copied to user space after both are released.  A message must be text: set() gets a
 * string without a length, so a zero byte would end it.  Hexadecimal uses two characters
 * per byte, and both halves convert.
 *
 * A value on the kernel's command line takes another path.  If the module is built in, the
 * kernel itself sets "NAME.key=value".  Otherwise modprobe reads /proc/cmdline and passes
 * the values that begin with the module's name when it loads the module.  insmod does not.
 * A program that calls finit_module() must do it itself, as ringcross does.
 *
 * When to choose it.  For a setting of a whole driver that is known before the driver runs:
 * a debug level, a quirk, the size of a ring.  The command line is the place for a setting
 * that is needed before user space runs.
 *
 * Its pitfall.  At load set() runs before the module's init.  The files exist before init
 * has run and after exit has run, so set() or get() may use an object that does not exist
 * yet or no longer.  Our set() accepts a message only while the module is live; a message
 * given at load is refused, and so the module is not loaded.  Text that is too long is
 * truncated: a write to 4096 characters, which only its return value shows, and the result
 * of get() to 4095 characters, with a line in the kernel log.  An unknown parameter name is
 * no error.  An open file does not hold the module: after an unload it returns ENODEV.
 *
 * Three modes.  integer: the sequence number alone, by the kernel's own set and get for an
 * unsigned integer.  parameter: a message in hexadecimal.  boot: one value from the
 * kernel's command line, which arrives once, when the module is loaded.  There is no
 * operation to time; a probe checks that the value arrives.
 *
 * A call is two operations and two system calls: a request is set, and its reply is kept
 * until the next request.
 */
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/hex.h> /* in older kernels, kernel.h declares its functions */
#endif
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of all parameters, shared by all their users.  The kernel calls set() and get()
 * with the module's parameter lock held, also at load; that lock covers all members.
 * The kernel's own functions for an integer read and write @number and @answer.  @answer is
 * the reply to the last number; it is valid if @answered is set.  The first @reply_len
 * bytes of @reply are the reply to the last request; 0 if that request was not accepted.
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
 * Whether a message may be accepted.  The state above exists before init and after exit, so
 * get() needs no check.  set() checks, because a value given at load is not a message of a
 * bound measurement.
 */
static bool live(void)
{
	return READ_ONCE(THIS_MODULE->state) == MODULE_STATE_LIVE;
}

/* ---- integers, by the kernel's own functions ---------------------------- */

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

/* Decode @text to @to: the number of bytes, or a negative errno. */
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

/* Write a line of hexadecimal digits to @text: its number of characters. */
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

	/* The kernel would truncate longer text and log a line. */
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
		return -EMSGSIZE; /* its reply would not fit a get */
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

/* ---- the value from the kernel's command line --------------------------- */

/* Its mode has no write bit, so it can be set only at load. */
static char boot_value[RCX_MODPARAM_BOOT_MAX];
module_param_string(boot, boot_value, sizeof(boot_value), 0400);
MODULE_PARM_DESC(boot, "a word that shows that a value from the kernel's command line arrived");

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
