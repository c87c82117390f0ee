// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: kmsg
 *
 * The kernel's log: the kernel prints a record, and programs read it from /dev/kmsg.
 *
 * What it is.  printk() formats a line and appends it to the log, a ring in memory that all
 * of the kernel shares.  Each open file of /dev/kmsg has its own place in the log.  read()
 * returns one record: priority, sequence number, time and flags, then the text.  dmesg and
 * the system's log daemon read it.
 *
 * The path of one message.  The kernel half writes the message as hexadecimal digits, since
 * the log is for text.  printk() formats the line, reserves room in the ring without a lock,
 * and marks the record as complete.  Then it takes the lock of the consoles, which skip a
 * record of this priority.  printk() may be called with any lock held, so it does not wake
 * the readers itself: it queues a lazy irq_work, which runs at the next timer tick.  read()
 * copies the record out of the ring, formats a second line with priority, number and time,
 * and copies that to the user, who parses it.
 *
 * When to choose it.  For people: what went wrong, and once.  No program should have to
 * parse the text, which is not a stable interface; a driver that must report events to a
 * program has better channels.
 *
 * Its pitfall.  Everybody's records share one ring, so a flood from one driver overwrites
 * the warnings of all others.  A reader that is too slow gets EPIPE once and continues with
 * the oldest record that is left; the gap in the sequence numbers tells how many it missed.
 * The record is longer than its text by the priority, number and time, and each byte that is
 * not printable becomes four.  A reader that sleeps gets the record up to a tick late.  If
 * the record's priority is urgent enough for the console, printk() waits until a serial line
 * has sent every character.  Depending on the kernel's configuration and the sysctl
 * dmesg_restrict, only CAP_SYSLOG allows the file to be read.
 *
 * Mode record prints with KERN_DEBUG, which a console shows only if its log level is 8.  The
 * user half skips the cell then.  The reader ignores the records of others, and those that a
 * program has written to /dev/kmsg, which have another facility.
 *
 * How to read the numbers.  Where the reader sleeps, notify and stream consist almost only of
 * the sleep until the next timer tick, which is 4 ms with HZ=250.  With the wait busy, notify
 * shows the cost of the path.
 */
#include <linux/module.h>
#include <linux/printk.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/hex.h> /* in older kernels, kernel.h declares its functions */
#endif
#include <linux/kernel.h>
#include "rcx_core.h"
#include "abi.h"

/* The message and its text.  The core emits one event at a time, so one of each is enough. */
static union {
	struct rcx_msg msg;
	u8 bytes[sizeof(struct rcx_msg) + RCX_KMSG_BODY];
} kmsg_message;
static char kmsg_text[2 * sizeof(kmsg_message) + 1];

/* Any context: printk() takes no lock that may sleep, and defers the wake-up of readers. */
static int kmsg_emit(const struct rcx_event *event)
{
	if (event->size > RCX_KMSG_BODY)
		return -EMSGSIZE;
	rcx_event(event, &kmsg_message.msg);
	*bin2hex(kmsg_text, &kmsg_message, RCX_HEADER + event->size) = '\0';
	printk(KERN_DEBUG RCX_KMSG_TAG "%s\n", kmsg_text);
	return 0;
}

static struct rcx_channel kmsg_channel = {
	.name = "kmsg",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "record", RCX_IN_ANY, kmsg_emit }, { } },
};

static int __init kmsg_init(void)
{
	return rcx_channel_register(&kmsg_channel);
}

static void __exit kmsg_exit(void)
{
	rcx_channel_unregister(&kmsg_channel);
}

module_init(kmsg_init);
module_exit(kmsg_exit);
MODULE_DESCRIPTION("ringcross: records of the kernel's log");
MODULE_LICENSE("GPL");
