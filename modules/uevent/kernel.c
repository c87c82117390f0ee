// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: uevent
 *
 * News of a device, in text, to all who listen.
 *
 * What it is.  kobject_uevent_env() tells that something happened to a kobject:
 * an action, its path in sysfs, its subsystem, a number that counts all uevents
 * of the system, and strings KEY=VALUE of ours.  It is how udev learns of
 * devices; anybody may listen, on group 1 of the netlink protocol
 * NETLINK_KOBJECT_UEVENT.
 *
 * The path of one message.  We print numbers and turn the body into hexadecimal
 * digits, since only strings can be sent.  kobject_uevent_env() allocates an
 * environment of 2.5 KiB and the path, and prints our strings and its own into it
 * (those of a device: number, name, mode).  Under a mutex that all uevents of the
 * system share, it copies them into one socket buffer, and netlink goes through
 * the network namespaces and queues a clone of it, which has the same data, for
 * each listener, and wakes him.  recv() copies it out; the listener sees by the
 * path whether it is about our device, finds the strings and reads them back.
 * All of that is in the numbers.  (The call tree shows the printing, and
 * kobject_uevent_env()'s own work, as ours: nothing in the kernel's lib/ can be
 * traced.)
 *
 * One mode, device: a "change" of a misc device that is there for nothing else.
 *
 * When to choose it.  A device's state has changed in a way that an
 * administrator's rules shall react to: a cable, a resize, an error to report.
 * The format is ABI, and udev, mdev and systemd are there already.
 *
 * Its trap.  Every listener of the system is woken by each event, and udev runs
 * its rules for it: it is for what happens rarely.  All strings together have
 * 2048 bytes; one more, and the kernel warns with a stack trace, so the sender
 * must know what fits.  The call may sleep, so no interrupt can send one.  And it
 * is netlink: who reads too slowly loses what comes next and gets ENOBUFS, while
 * the sender is told of nothing, not even that nobody listens.
 *
 * A kernel with CONFIG_UEVENT_HELPER starts a program for each event as well,
 * where /sys/kernel/uevent_helper names one; distributions have it off.
 */
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "abi.h"

/* Characters of a u64 in decimal, and the NUL. */
#define UEVENT_NUMBER	21

/* The event in hand and its strings.  Events come one at a time, so one is enough. */
static struct {
	union {
		struct rcx_msg message;
		u8 room[RCX_HEADER + RCX_UEVENT_MAX];
	};
	char seq[sizeof(RCX_UEVENT_SEQ) + UEVENT_NUMBER];
	char timestamp[sizeof(RCX_UEVENT_TIMESTAMP) + UEVENT_NUMBER];
	char body[sizeof(RCX_UEVENT_BODY) + 2 * RCX_UEVENT_MAX];
} uevent;

/* A node that does nothing: a uevent is about a kobject that belongs to a kset, and
 * a device is the shortest way to one.
 */
static const struct file_operations uevent_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
};

static struct miscdevice uevent_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = RCX_UEVENT_NAME,
	.fops = &uevent_fops,
	.mode = 0600,
};

static void uevent_print(const struct rcx_msg *msg)
{
	char *body = uevent.body + strlen(RCX_UEVENT_BODY);

	snprintf(uevent.seq, sizeof(uevent.seq), RCX_UEVENT_SEQ "%llu", msg->seq);
	snprintf(uevent.timestamp, sizeof(uevent.timestamp), RCX_UEVENT_TIMESTAMP "%llu", msg->timestamp);
	*bin2hex(body, msg->body, msg->size) = '\0';
}

/* 0 also when it was lost, or nobody was there: kobject_uevent_env() forgives both. */
static int uevent_emit(const struct rcx_event *event)
{
	char *strings[] = { uevent.seq, uevent.timestamp, uevent.body, NULL };

	if (event->size > RCX_UEVENT_MAX)
		return -EMSGSIZE;
	rcx_event(event, &uevent.message);
	uevent_print(&uevent.message);
	return kobject_uevent_env(&uevent_device.this_device->kobj, KOBJ_CHANGE, strings);
}

static struct rcx_channel uevent_channel = {
	.name = "uevent",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "device", RCX_IN(RCX_PROCESS), uevent_emit },
		{ }
	},
};

static int __init uevent_init(void)
{
	int err;

	strcpy(uevent.body, RCX_UEVENT_BODY);
	err = misc_register(&uevent_device);
	if (err)
		return err;
	err = rcx_channel_register(&uevent_channel);
	if (err)
		misc_deregister(&uevent_device);
	return err;
}

static void __exit uevent_exit(void)
{
	rcx_channel_unregister(&uevent_channel);
	misc_deregister(&uevent_device);
}

module_init(uevent_init);
module_exit(uevent_exit);
MODULE_DESCRIPTION("ringcross: uevents of a device");
MODULE_LICENSE("GPL");
