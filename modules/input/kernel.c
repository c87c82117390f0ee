// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: input
 *
 * An input device of our own, read and written through its evdev node.
 *
 * What it is.  A driver registers a device and says which events it has; it
 * then reports each as a type, a code and a value of 32 bits, and ends a packet
 * of them by SYN_REPORT.  Handlers attach themselves to devices: the one called
 * evdev gives each a node, /dev/input/eventN, which looks the same for every
 * keyboard, knob and touch screen there is.
 *
 * The path of one message.  Towards user space: input_event() takes the
 * device's lock, feeds the random generator with the time, and keeps the event
 * until SYN_REPORT comes, which is a second such call; then evdev stamps the packet,
 * copies it into the buffer of each open file, under that one's lock, and wakes who
 * sleeps there; read() copies events out one by one, 24 bytes each.  Towards the
 * kernel: write() takes the node's mutex, copies in the same structure and hands it
 * to input_inject_event(), which goes on as input_event() does: it calls the
 * driver's event hook before write() returns, under the device's lock and with
 * interrupts off.  That is how lamps are lit.  The event goes on to all readers as
 * well, and into the buffer of the file that wrote it, though nobody reads it.
 *
 * When to choose it.  Something happens that a person did: a button, a turn, a
 * lid.  Programs that exist already then understand it, and the format never
 * changes.  For anything else it is the wrong door, since those programs open
 * any device that seems to be a keyboard or a pointer.
 *
 * Its trap.  A packet has no more than a few values, and a file's buffer no more
 * than a few packets: 31 of ours, and no reader can ask for more room.  An event
 * that finds it full throws away all that waits there, the value of its own
 * packet included, and leaves SYN_DROPPED in their place; the driver is not told.
 * What follows up to the next SYN_REPORT is the rest of a packet whose beginning
 * is lost, and must not be used.  In the other direction nobody hears what the
 * driver thinks of an event: write() succeeds.
 *
 * Values carry the sequence number alone.  Both directions use the type EV_MSC,
 * which nobody interprets and which is passed on even when its value has not
 * changed, with one code for each.  Two modes: event, where each reader gets all,
 * and grab, where one has taken the device for itself (EVIOCGRAB).
 */
#include <linux/input.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "abi.h"

static struct input_dev *input_device;

/*
 * What user space has sent so far.  The hook below learns neither the file nor
 * the process, so there is one for the device, covered by its event_lock.
 */
static struct rcx_sequence input_sequence;

/*
 * Any context will do: the locks of the device and of each reader's buffer are
 * taken with interrupts off.  Only on -rt kernels they sleep.  Where nobody has
 * the device open the core would drop the event and not say so.
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
 * An event for the device.  Our own come here as well, since the core does not
 * ask who reports them; and it does not look at what is returned.
 */
static int input_pushed(struct input_dev *dev, unsigned int type, unsigned int code, int value)
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
	.emitters = (const struct rcx_emitter[]) {
		{ "event", RCX_IN_ANY, input_emit },
		{ "grab", RCX_IN_ANY, input_emit },
		{ }
	},
};

static int __init input_init(void)
{
	int err;

	input_device = input_allocate_device();
	if (!input_device)
		return -ENOMEM;
	input_device->name = RCX_INPUT_NAME;
	input_device->id.bustype = BUS_VIRTUAL;
	input_device->event = input_pushed;
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
 * Open files do not hold this module: they are evdev's.  So the core first cuts
 * them off from the device: it waits for whoever is in the hook above, and wakes
 * readers with ENODEV.  The device itself it frees when the last file is closed.
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
