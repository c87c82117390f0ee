// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: input
 *
 * An input device, read and written through its evdev node.
 *
 * What it is.  A driver registers a device and declares the events that it can report.  It
 * reports each event as a type, a code and a value of 32 bits, and ends a packet of events
 * with SYN_REPORT.  Handlers attach to devices.  The handler evdev creates a node
 * /dev/input/eventN for each device, with the same interface for every keyboard, knob and
 * touch screen.
 *
 * The path of one message to user space.  input_event() takes the lock of the device, adds
 * the time to the random number generator, and keeps the event until SYN_REPORT, which is
 * a second such call.  Then evdev adds a timestamp to the packet, copies it into the buffer
 * of each open file under the lock of that file, and wakes a sleeping reader.  read()
 * copies the events out one by one, 24 bytes each.
 *
 * The path of one message to the kernel.  write() takes the mutex of the node, copies the
 * same structure in and calls input_inject_event().  That continues as input_event() does:
 * before write() returns, it calls the driver's event hook under the lock of the device
 * and with interrupts off.  A program switches the LEDs of a keyboard in this way.  The
 * event also goes to all readers, and into the buffer of the file that wrote it, even if
 * nobody reads that buffer.
 *
 * When to choose it.  For actions of a person: a button, a turn of a knob, a lid.  Existing
 * programs then understand the events, and the format never changes.  It is the wrong
 * choice for anything else, because those programs open every device that looks like a
 * keyboard or a pointer.
 *
 * Its pitfall.  A packet holds only a few values, and the buffer of a file only a few
 * packets: 31 of ours.  A reader cannot request a larger buffer.  An event that finds the
 * buffer full discards everything in it, including the value of its own packet, and leaves
 * SYN_DROPPED instead.  The driver is not notified.  Events after SYN_DROPPED up to the
 * next SYN_REPORT are the rest of a packet whose beginning is lost, and must not be used.
 * In the other direction the result of the driver's event hook is ignored: write()
 * succeeds.
 *
 * A value carries the sequence number alone.  Both directions use events of type EV_MSC,
 * with one code for each direction.  No handler interprets this type, and it is passed on
 * even if its value has not changed.  Two modes.  event: each reader gets all events.
 * grab: one reader has exclusive use of the device (EVIOCGRAB).
 */
#include <linux/input.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "abi.h"

static struct input_dev *input_device;

/*
 * The sequence of messages from user space.  The event hook gets neither the file nor the
 * process, so there is one sequence for the device, covered by its event_lock.
 */
static struct rcx_sequence input_sequence;

/*
 * Any context: the lock of the device is taken with interrupts off, and the locks of the
 * readers' buffers are taken inside it.  Only on PREEMPT_RT do they sleep.  While no file
 * is open the input core would drop the event without an error, hence the check.
 */
static int input_emit(const struct rcx_event *event)
{
	if (!READ_ONCE(input_device->users))
		return -ENOTCONN;
	input_event(input_device, EV_MSC, RCX_INPUT_EVENT, (int)event->seq);
	input_sync(input_device);
	return 0;
}

/*
 * The event hook.  The input core also calls it for the events that this driver reports,
 * and ignores its result.
 */
static int input_hook(struct input_dev *dev, unsigned int type, unsigned int code, int value)
{
	lockdep_assert_held(&dev->event_lock);
	if (type != EV_MSC || code != RCX_INPUT_PUSH)
		return 0;
	return rcx_consume_narrow(&input_sequence, (u32)value, RCX_INPUT_MASK);
}

static int input_reset(void)
{
	unsigned long flags;

	spin_lock_irqsave(&input_device->event_lock, flags);
	input_sequence = (struct rcx_sequence){ 0 };
	spin_unlock_irqrestore(&input_device->event_lock, flags);
	return 0;
}

static struct rcx_channel input_channel = {
	.name = "input",
	.owner = THIS_MODULE,
	.reset = input_reset,
	.emitters = (const struct rcx_emitter[]){ { "event", RCX_IN_ANY, input_emit },
						  { "grab", RCX_IN_ANY, input_emit },
						  { } },
};

static int __init input_init(void)
{
	int err;

	input_device = input_allocate_device();
	if (!input_device)
		return -ENOMEM;
	input_device->name = RCX_INPUT_NAME;
	input_device->id.bustype = BUS_VIRTUAL;
	input_device->event = input_hook;
	input_set_capability(input_device, EV_MSC, RCX_INPUT_EVENT);
	input_set_capability(input_device, EV_MSC, RCX_INPUT_PUSH);
	err = input_register_device(input_device);
	if (err) {
		input_free_device(input_device);
		return err;
	}
	err = rcx_channel_register(&input_channel);
	if (err)
		input_unregister_device(input_device);
	return err;
}

/*
 * Open files belong to evdev and do not hold this module.  So input_unregister_device()
 * first disconnects them from the device: it waits for running calls of the event hook, and
 * wakes readers with ENODEV.  The input core frees the device when the last file is closed.
 */
static void __exit input_exit(void)
{
	rcx_channel_unregister(&input_channel);
	input_unregister_device(input_device);
}

module_init(input_init);
module_exit(input_exit);
MODULE_DESCRIPTION("ringcross: an input device");
MODULE_LICENSE("GPL");
