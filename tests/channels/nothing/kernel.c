// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: nothing
 *
 * A channel of the tests that carries nothing: its emitter does nothing, and its reader checks
 * messages that it has made itself.
 *
 * What it is.  A device on which the reader sleeps until the last event of a stream.
 *
 * The path of one message.  None: only the harness works, which produces and checks.
 *
 * When to choose it.  To see that the harness's own cost is taken off: what remains is one wake-up
 * for the whole stream.
 *
 * Its pitfall.  It would lie about every message, so no measured channel may do this.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "abi.h"

static DECLARE_COMPLETION(nothing_ended);

static int nothing_emit(const struct rcx_event *event)
{
	if (event->last)
		complete(&nothing_ended);
	return 0;
}

static long nothing_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd != RCX_NOTHING_WAIT)
		return -ENOTTY;
	return wait_for_completion_interruptible(&nothing_ended);
}

static const struct file_operations nothing_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = nothing_ioctl,
};

static struct miscdevice nothing_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_nothing",
	.nodename = "ringcross/nothing",
	.fops = &nothing_fops,
	.mode = 0600,
};

static struct rcx_channel nothing_channel = {
	.name = "nothing",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "stream", RCX_IN_ANY, nothing_emit }, { } },
};

static int __init nothing_init(void)
{
	int err = misc_register(&nothing_device);

	if (err)
		return err;
	err = rcx_channel_register(&nothing_channel);
	if (err)
		misc_deregister(&nothing_device);
	return err;
}

static void __exit nothing_exit(void)
{
	rcx_channel_unregister(&nothing_channel);
	misc_deregister(&nothing_device);
}

module_init(nothing_init);
module_exit(nothing_exit);
MODULE_DESCRIPTION("ringcross: an emitter that does nothing, for the tests");
MODULE_LICENSE("GPL");
