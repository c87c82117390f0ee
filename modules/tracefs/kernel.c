// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: tracefs
 *
 * A trace event of a driver, read as binary pages from the kernel's trace buffer.
 *
 * What it is.  TRACE_EVENT() declares a tracepoint with typed fields.  While somebody has
 * enabled it, the tracepoint appends a record to a ring buffer of the CPU it runs on; else
 * it costs one jump that is patched out.  tracefs shows the buffers: as text for people, and as
 * pages of the ring in per_cpu/cpuN/trace_pipe_raw for programs such as trace-cmd.  An instance
 * is a directory with buffers of its own, so that two users do not take each other's events.
 *
 * The path of one message.  The kernel half makes the message once, for all readers.  For each
 * instance in which the event is enabled, the tracepoint reserves a place in this CPU's
 * buffer without a lock, copies the message there and commits it.  If a reader waits, the
 * commit queues an irq_work that wakes it.  How much must be in the buffer first is the
 * setting buffer_percent.  read() takes the oldest page out of the ring, in exchange for an
 * empty one, and copies the whole page to the reader, even if it holds one event; of the page
 * that is still written, it copies the events out first.  splice() hands over the page itself,
 * but only when it is full.  A mapping (since Linux 6.10) shows the pages in place; an ioctl
 * exchanges the reader's page.  The reader parses pages, event headers and timestamps itself.
 *
 * When to choose it.  For diagnostics: every trace tool can show, filter and count the event,
 * from any context, and it costs nothing while it is off.  The kernel describes the fields
 * in the file format.  But names and fields of events of a module are no stable interface,
 * and only root can read them.
 *
 * Its pitfall.  A full buffer overwrites its oldest page; the producer is not told.  The next page
 * that is read has a flag that events before it were lost, and often their number.  A record is
 * at most a page.  Order is kept per CPU only.  And an event that was enabled stays enabled after
 * the program that did so was killed: its instance continues to cost time and memory, until
 * somebody removes it.
 *
 * So here the kernel half owns the instance.  Opening its device makes one and enables the
 * event in it; closing undoes both, also after a kill.  Neither an instance nor an enabled event
 * holds a reference to the module, but the open device does.  An instance cannot be removed
 * while one of its files is open.  Then a work item tries again, until the files are closed or
 * the module is unloaded.
 *
 * Three modes, each with the interface of that name:
 *
 * - read: buffer_percent is 0, so each event wakes the reader.
 * - splice: full pages into a pipe, which is then read; a full page or two wake the reader.  The
 *   kernel has no call to hand over a page that is not full.  So the kernel half fills the page
 *   up with records of another event after the last message of a stream.
 * - map: like read, but events are parsed in place.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/trace.h>
#include <linux/trace_events.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include "rcx_core.h"
#include "abi.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

/* A user may attach perf to the event, which warns about a record that is too large for it. */
#define TRACEFS_BODY_MAX min_t(u32, RCX_TRACEFS_MAX, PERF_MAX_TRACE_SIZE - 48)

/* More than half of the data of a page, and not too large for perf either. */
#define TRACEFS_FILLER (PAGE_SIZE / 2 - 24)

#define TRACEFS_RETRY (HZ / 10) /* until a busy instance is tried again */

/* State of one open device, or of an instance that could not be removed when it was closed. */
struct tracefs_file {
	struct list_head node; /* of tracefs_left */
	struct trace_array *array;
	u32 id;
};

/*
 * @tracefs_lock protects the numbers of instances and the list of those that are left.  It is
 * outside the locks of tracefs.
 */
static DEFINE_MUTEX(tracefs_lock);
static LIST_HEAD(tracefs_left);
static u32 tracefs_instances;

static void tracefs_try_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(tracefs_work, tracefs_try_again);

/* The message to write.  The core emits one event at a time, so one is enough. */
static struct rcx_msg *tracefs_message;

/*
 * Any context: the ring buffer reserves without a lock, and wakes from an irq_work.  An
 * event whose record found no room is lost without an error.
 */
static int tracefs_emit(const struct rcx_event *event)
{
	if (!trace_rcx_tracefs_enabled())
		return -ENOTCONN;
	if (event->size > TRACEFS_BODY_MAX)
		return -EMSGSIZE;
	rcx_event(event, tracefs_message);
	trace_rcx_tracefs(tracefs_message, RCX_HEADER + event->size);
	return 0;
}

/*
 * splice() hands over full pages only, and poll() may wait for two of them.  So after the last
 * message, the page is filled up, and one more.  Two fillers do not fit into one page, so three
 * of them leave two pages at least.
 */
static int tracefs_emit_pages(const struct rcx_event *event)
{
	int err = tracefs_emit(event), i;

	for (i = 0; event->last && i < 3; i++)
		trace_rcx_tracefs_fill(TRACEFS_FILLER);
	return err;
}

/* ---- instances ---------------------------------------------------------- */

/* The instance @id with a reference; it is made if it does not exist. */
static struct trace_array *tracefs_instance(u32 id)
{
	char name[32];

	snprintf(name, sizeof(name), RCX_TRACEFS_NAME "_%u", id);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	return trace_array_get_by_name(name, RCX_TRACEFS_NAME);
#else
	return trace_array_get_by_name(name);
#endif
}

/* -EBUSY while a file of the instance is open.  In any case the reference is given back. */
static int tracefs_remove_instance(struct trace_array *array)
{
	trace_array_put(array);
	return trace_array_destroy(array);
}

/*
 * Without our reference, root may remove the instance, so it is looked up again by its name.
 * If it is gone, it is made and removed once more, which does no harm.
 */
static void tracefs_remove_left(void)
{
	struct tracefs_file *state, *next;

	lockdep_assert_held(&tracefs_lock);
	list_for_each_entry_safe(state, next, &tracefs_left, node) {
		struct trace_array *array = tracefs_instance(state->id);

		if (array && tracefs_remove_instance(array) == -EBUSY)
			continue;
		list_del(&state->node);
		kfree(state);
	}
}

static void tracefs_try_again(struct work_struct *work)
{
	mutex_lock(&tracefs_lock);
	tracefs_remove_left();
	if (!list_empty(&tracefs_left))
		schedule_delayed_work(&tracefs_work, TRACEFS_RETRY);
	mutex_unlock(&tracefs_lock);
}

/* Free @state now, or after its instance could be removed. */
static void tracefs_drop(struct tracefs_file *state)
{
	if (tracefs_remove_instance(state->array) != -EBUSY) {
		kfree(state);
		return;
	}
	mutex_lock(&tracefs_lock);
	list_add_tail(&state->node, &tracefs_left);
	schedule_delayed_work(&tracefs_work, TRACEFS_RETRY);
	mutex_unlock(&tracefs_lock);
}

/* ---- the device --------------------------------------------------------- */

/* All events of the group. */
static int tracefs_enable(struct tracefs_file *state, bool enable)
{
	return trace_array_set_clr_event(state->array, RCX_TRACEFS_NAME, NULL, enable);
}

static int tracefs_open(struct inode *inode, struct file *file)
{
	struct tracefs_file *state = kzalloc(sizeof(*state), GFP_KERNEL);
	int err;

	if (!state)
		return -ENOMEM;
	mutex_lock(&tracefs_lock);
	state->id = tracefs_instances++;
	mutex_unlock(&tracefs_lock);
	state->array = tracefs_instance(state->id);
	if (!state->array) {
		kfree(state);
		return -ENOMEM;
	}
	err = tracefs_enable(state, true);
	if (err) {
		tracefs_drop(state);
		return err;
	}
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int tracefs_release(struct inode *inode, struct file *file)
{
	struct tracefs_file *state = file->private_data;

	tracefs_enable(state, false);
	tracefs_drop(state);
	return 0;
}

static long tracefs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct tracefs_file *state = file->private_data;

	if (cmd != RCX_TRACEFS_INSTANCE)
		return -ENOTTY;
	return put_user((u64)state->id, (u64 __user *)arg);
}

static const struct file_operations tracefs_fops = {
	.owner = THIS_MODULE,
	.open = tracefs_open,
	.release = tracefs_release,
	.unlocked_ioctl = tracefs_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice tracefs_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_tracefs",
	.nodename = "ringcross/tracefs",
	.fops = &tracefs_fops,
	.mode = 0600,
};

/* The ring buffer takes no lock that may sleep, also on PREEMPT_RT. */
#define TRACEFS_CONTEXTS (RCX_IN_ANY | RCX_IN_RT_HARDIRQ)

static struct rcx_channel tracefs_channel = {
	.name = "tracefs",
	.owner = THIS_MODULE,
	/* The modes differ in how the buffer is read; splice gets full pages only. */
	.emitters = (const struct rcx_emitter[]){ { "read", TRACEFS_CONTEXTS, tracefs_emit },
						  { "splice", TRACEFS_CONTEXTS, tracefs_emit_pages },
						  { "map", TRACEFS_CONTEXTS, tracefs_emit },
						  { } },
};

static int __init tracefs_init(void)
{
	int err;

	tracefs_message = kzalloc(RCX_HEADER + RCX_TRACEFS_MAX, GFP_KERNEL);
	if (!tracefs_message)
		return -ENOMEM;
	err = misc_register(&tracefs_device);
	if (err)
		goto err_message;
	err = rcx_channel_register(&tracefs_channel);
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&tracefs_device);
err_message:
	kfree(tracefs_message);
	return err;
}

/* No device is open now.  What is still in use is left to root; the event is not in it. */
static void __exit tracefs_exit(void)
{
	struct tracefs_file *state, *next;

	rcx_channel_unregister(&tracefs_channel);
	misc_deregister(&tracefs_device);
	cancel_delayed_work_sync(&tracefs_work);
	mutex_lock(&tracefs_lock);
	tracefs_remove_left();
	list_for_each_entry_safe(state, next, &tracefs_left, node)
		kfree(state);
	mutex_unlock(&tracefs_lock);
	kfree(tracefs_message);
}

module_init(tracefs_init);
module_exit(tracefs_exit);
MODULE_DESCRIPTION("ringcross: a trace event, read from a trace instance of its own");
MODULE_LICENSE("GPL");
