// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: uevent
 *
 * Notifications about a device, in text, to all listeners.
 *
 * What it is.  kobject_uevent_env() announces that something happened to a kobject:
 * an action, its path in sysfs, its subsystem, a number that counts all uevents
 * of the system, and KEY=VALUE strings of the caller.  This is how udev learns about
 * devices.  Any program may listen, on group 1 of the netlink protocol
 * NETLINK_KOBJECT_UEVENT.
 *
 * The path of one message.  The kernel half prints numbers and converts the body to
 * hexadecimal digits, since only strings can be sent.  kobject_uevent_env() allocates
 * an environment of 2.5 KiB and the path, and prints the caller's strings and its own
 * into it (for a device: number, name, mode).  Under a mutex that all uevents of the
 * system share, it copies them into one socket buffer.  Netlink walks the network
 * namespaces, queues for each listener a clone that shares the data, and wakes the
 * listener.  recv() copies the data out.  The listener checks by the path that the event
 * is from our device, finds the strings and converts them back.  The figures include
 * all of that.  (The call tree attributes the printing, and kobject_uevent_env()'s own
 * work, to our module, since functions in the kernel's lib/ cannot be traced.)
 *
 * One mode, device: a "change" of a misc device that exists only for this purpose.
 *
 * When to choose it.  When the state of a device has changed and an administrator's
 * rules should react: a cable, a resize, an error to report.  The format is ABI, and
 * udev, mdev and systemd understand it.
 *
 * Its pitfall.  Each event wakes every listener of the system, and udev runs
 * its rules for it, so events must be rare.  All strings together may have 2048 bytes.
 * With one byte more, the kernel warns with a stack trace, so the sender must know what
 * fits.  The call may sleep, so no interrupt can send an event.  It also has the
 * pitfall of netlink: a reader that is too slow loses the next messages and gets
 * ENOBUFS.  The sender gets no error, not even if there is no listener.
 *
 * A kernel with CONFIG_UEVENT_HELPER also starts a program for each event, if
 * /sys/kernel/uevent_helper names one.  Distributions disable that option.
 */
#include <linux/fs.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/hex.h> /* in older kernels, kernel.h declares its functions */
#endif
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "abi.h"

/* Bytes of a u64 in decimal, including the NUL. */
#define UEVENT_NUMBER 21

/* The current event and its strings.  The core emits one event at a time. */
static struct {
	union {
		struct rcx_msg message;
		u8 room[RCX_HEADER + RCX_UEVENT_MAX];
	};
	char seq[sizeof(RCX_UEVENT_SEQ) + UEVENT_NUMBER];
	char timestamp[sizeof(RCX_UEVENT_TIMESTAMP) + UEVENT_NUMBER];
	char body[sizeof(RCX_UEVENT_BODY) + 2 * RCX_UEVENT_MAX];
} uevent;

/* A node that does nothing: a uevent needs a kobject that belongs to a kset, and a misc
 * device is the simplest way to get one.
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
	snprintf(uevent.timestamp, sizeof(uevent.timestamp), RCX_UEVENT_TIMESTAMP "%llu",
		 msg->timestamp);
	*bin2hex(body, msg->body, msg->size) = '\0';
}

/* Returns 0 also if the event was lost, or without a listener, as kobject_uevent_env() does. */
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
	.emitters = (const struct rcx_emitter[]){ { "device", RCX_IN(RCX_PROCESS), uevent_emit },
						  { } },
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
