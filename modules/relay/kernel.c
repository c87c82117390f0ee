// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: relay
 *
 * Logs of a driver, one per CPU, in files that relay itself serves.
 *
 * What it is.  relay_open() makes a buffer for each CPU, cut into sub-buffers,
 * and asks us to make a file for each, here in debugfs.  relay_write() appends
 * a record to the buffer of the CPU it runs on.  The files' operations are
 * relay's: read(), poll() and mmap().  Records have no form and no bounds but
 * those that we give them.
 *
 * The path of one message.  We make it once, for all who have buffers, and
 * relay_write() turns interrupts off and copies it behind the last record of the
 * CPU: no lock, no allocation, no other CPU.  A sub-buffer without room for one
 * more is handed over: counted, and whoever polls is woken by an irq_work, since
 * the writer may hold any lock.  read() takes the inode's lock and copies out what
 * there is, up to the room it is given, also of a sub-buffer that is still being
 * filled.  A mapping needs no copy; calls only say that sub-buffers were consumed, or
 * have a partly filled one handed over.
 *
 * When to choose it.  Much data out of hot paths and any context, for a program
 * that looks from time to time.  blktrace is its best known user.  Who wants a
 * ring that the kernel's own tools read takes trace events or BPF.
 *
 * Its trap.  poll() is for sub-buffers, not for records: one small record in a
 * large sub-buffer wakes nobody, and relay hands a full one over only when the
 * next record finds no room.  So we switch as soon as another record like the
 * last would find none, and after the last of all.  relay_flush() is the usual
 * way, but it sleeps on a mutex, and it switches the buffers of other CPUs under
 * their writers; we ask each CPU to switch its own.  Order holds per CPU alone.
 * A record larger than a sub-buffer is dropped.  read() does not sleep: it
 * returns 0, as at the end of a file.  And who reads while old data are
 * overwritten may get half of a record of each.
 *
 * Four modes: single (a sub-buffer for each record, so each record wakes),
 * batch (16 in one), overwrite (the same, but the oldest sub-buffer makes room)
 * and mmap (as batch, but read where the records lie; read() knows how full a
 * sub-buffer is, a mapping does not, so each begins with a head that says it).  What
 * is full drops the newest unless the subbuf_start callback says
 * otherwise; relay_write() returns nothing, but we see the drop by the buffer's
 * offset, which is then beyond the end of a sub-buffer.
 *
 * Two things of relay's files are not offered, since both were tried on 6.1 and
 * are faults of its own.  splice() passes pages to a pipe without a reference: a
 * pipe that outlives the buffer shows what has become of them, and the kernel
 * oopses when it is closed; 6.12 has no splice.  And relay checks the length of a
 * mapping but not where it begins: at an offset, pages of others were to be seen.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/relay.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * State of one open device, with buffers of its own as blktrace has for each
 * device: relay knows one reader per file, and two of them would share.
 *
 * @lock covers the setup and the consumer's count.  All else is set before the
 * state enters relay_files and stays as it is; relay_lock covers that list,
 * which events walk under RCU.
 *
 * A buffer belongs to its CPU: it is written and switched there alone, with
 * interrupts off.  Its file holds the buffer and this module, so a reader may
 * outlive the state; nothing calls us back for it then.
 */
struct relay_file {
	struct mutex lock;
	struct list_head node;
	struct rchan *chan;
	struct dentry *dir;
	u32 flags;
	u32 ahead;		/* bytes of a sub-buffer before its first record */
};

static DEFINE_MUTEX(relay_lock);
static LIST_HEAD(relay_files);
static struct dentry *relay_dir;

/* The message to write.  Events come one at a time, so one is enough. */
static struct rcx_msg *relay_message;

/* ---- what relay asks of us ---------------------------------------------- */

/* Fill the head of a sub-buffer that is handed over; the number comes last, since
 * whoever has mapped the buffer reads on as soon as he sees it.
 */
static void relay_publish(const struct rchan_buf *buf, void *subbuf)
{
	size_t size = buf->chan->subbuf_size;
	struct rcx_relay_head *head = subbuf;

	WRITE_ONCE(head->fill, size - buf->padding[(subbuf - buf->start) / size]);
	smp_store_release(&head->number, buf->subbufs_produced);
}

/*
 * Whether the sub-buffer that follows @before may be begun; @before is complete,
 * or NULL for the very first.  A writer that was refused asks again for each
 * record, so the same one can be published twice.
 */
static int relay_begin(struct rchan_buf *buf, void *before)
{
	const struct relay_file *state = buf->chan->private_data;

	if (before && state->ahead)
		relay_publish(buf, before);
	if (!(state->flags & RCX_RELAY_OVERWRITE) && relay_buf_full(buf))
		return 0;
	if (state->ahead)
		subbuf_start_reserve(buf, state->ahead);
	return 1;
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static int relay_subbuf_start(struct rchan_buf *buf, void *subbuf, void *before)
{
	return relay_begin(buf, before);
}
#else
static int relay_subbuf_start(struct rchan_buf *buf, void *subbuf, void *before,
			      size_t padding)
{
	return relay_begin(buf, before);
}
#endif

/* relay's own, but an open file holds this module, and two things are mended. */
static struct file_operations relay_fops __ro_after_init;

/* relay checks the length of a mapping, and not where it begins. */
static int relay_map(struct file *file, struct vm_area_struct *vma)
{
	return vma->vm_pgoff ? -EINVAL : relay_file_operations.mmap(file, vma);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
static int relay_map_prepare(struct vm_area_desc *area)
{
	return area->pgoff ? -EINVAL : relay_file_operations.mmap_prepare(area);
}
#endif

static void __init relay_prepare_fops(void)
{
	relay_fops = relay_file_operations;
	relay_fops.owner = THIS_MODULE;
	relay_fops.splice_read = NULL;
	if (relay_fops.mmap)
		relay_fops.mmap = relay_map;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	if (relay_fops.mmap_prepare)
		relay_fops.mmap_prepare = relay_map_prepare;
#endif
}

/*
 * Without debugfs's proxy, which would not let mmap() through.  It is not missed:
 * relay's open takes a reference to the buffer, so a removal disturbs no reader.
 * relay knows failure by NULL only.
 */
static struct dentry *relay_create_file(const char *name, struct dentry *dir, umode_t mode,
					struct rchan_buf *buf, int *is_global)
{
	struct dentry *file = debugfs_create_file_unsafe(name, mode, dir, buf, &relay_fops);

	return IS_ERR(file) ? NULL : file;
}

static int relay_remove_file(struct dentry *file)
{
	debugfs_remove(file);
	return 0;
}

/* Until 5.10 relay completes it by defaults of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
static const struct rchan_callbacks relay_callbacks = {
#else
static struct rchan_callbacks relay_callbacks = {
#endif
	.subbuf_start = relay_subbuf_start,
	.create_buf_file = relay_create_file,
	.remove_buf_file = relay_remove_file,
};

/* ---- kernel to user ----------------------------------------------------- */

/*
 * relay_write() in our own words: what is done to the offset behind the write must
 * not be interrupted either, and __relay_write() leaves interrupts to us.
 */
static int relay_put(const struct relay_file *state, const void *record, size_t len, bool last)
{
	struct rchan *chan = state->chan;
	struct rchan_buf *buf;
	unsigned long flags;
	int err = 0;

	if (len > chan->subbuf_size - state->ahead)
		return -EMSGSIZE;
	local_irq_save(flags);
	buf = *this_cpu_ptr(chan->buf);
	if (!buf) {		/* of a CPU that came up while relay_open() ran */
		local_irq_restore(flags);
		return -ENXIO;
	}
	__relay_write(chan, record, len);
	if (buf->offset > chan->subbuf_size)
		err = -ENOSPC;
	else if (last || buf->offset + len > chan->subbuf_size)
		relay_switch_subbuf(buf, 0);
	local_irq_restore(flags);
	return err;
}

static int relay_emit(const struct rcx_event *event)
{
	size_t len = RCX_RELAY_RECORD(RCX_HEADER + event->size);
	const struct relay_file *state;
	int last = -ENOTCONN;
	bool taken = false;

	rcx_event(event, relay_message);
	rcu_read_lock();
	list_for_each_entry_rcu(state, &relay_files, node) {
		int err = relay_put(state, relay_message, len, event->last);

		if (err)
			last = err;
		else
			taken = true;
	}
	rcu_read_unlock();
	return taken ? 0 : last;
}

/* ---- the device --------------------------------------------------------- */

static int relay_check_setup(const struct rcx_relay_setup *setup, u32 ahead)
{
	if (setup->flags & ~(RCX_RELAY_OVERWRITE | RCX_RELAY_HEADS) || setup->id ||
	    setup->size % 8 || setup->size < ahead + RCX_HEADER ||
	    setup->count < 2 || setup->count > RCX_RELAY_COUNT_MAX)
		return -EINVAL;
	return (u64)setup->size * setup->count > RCX_RELAY_BYTES_MAX ? -E2BIG : 0;
}

static int relay_make(struct relay_file *state, const struct rcx_relay_setup *setup)
{
	char name[12];

	snprintf(name, sizeof(name), "%u", setup->id);
	state->dir = debugfs_create_dir(name, relay_dir);
	if (IS_ERR(state->dir))
		return PTR_ERR(state->dir);
	state->chan = relay_open(RCX_RELAY_FILE, state->dir, setup->size, setup->count,
				 &relay_callbacks, state);
	if (state->chan)
		return 0;
	debugfs_remove(state->dir);
	return -ENOMEM;
}

static long relay_setup(struct relay_file *state, struct rcx_relay_setup __user *arg)
{
	static atomic_t relay_last = ATOMIC_INIT(0);
	struct rcx_relay_setup setup;
	int err;

	lockdep_assert_held(&state->lock);
	if (state->chan)
		return -EBUSY;
	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	state->flags = setup.flags;
	state->ahead = setup.flags & RCX_RELAY_HEADS ? sizeof(struct rcx_relay_head) : 0;
	err = relay_check_setup(&setup, state->ahead);
	if (err)
		return err;
	setup.id = atomic_inc_return(&relay_last);
	/* Before anything is made, so that there is nothing to take back. */
	if (copy_to_user(arg, &setup, sizeof(setup)))
		return -EFAULT;
	err = relay_make(state, &setup);
	if (err)
		return err;
	mutex_lock(&relay_lock);
	list_add_tail_rcu(&state->node, &relay_files);
	mutex_unlock(&relay_lock);
	return 0;
}

/* On the buffer's own CPU, with interrupts off; an empty sub-buffer is left alone. */
static void relay_hand_over(void *info)
{
	const struct relay_file *state = info;
	struct rchan_buf *buf = *this_cpu_ptr(state->chan->buf);

	if (buf && buf->offset > state->ahead && buf->offset <= state->chan->subbuf_size)
		relay_switch_subbuf(buf, 0);
}

static long relay_flush_all(struct relay_file *state)
{
	lockdep_assert_held(&state->lock);
	on_each_cpu(relay_hand_over, state, 1);
	return 0;
}

/* relay bounds the count by what was produced, but the CPU by NR_CPUS alone, and says
 * nothing of what it ignores.
 */
static long relay_consumed(struct relay_file *state, const struct rcx_relay_consumed __user *arg)
{
	struct rcx_relay_consumed consumed;

	lockdep_assert_held(&state->lock);
	if (copy_from_user(&consumed, arg, sizeof(consumed)))
		return -EFAULT;
	if (consumed.cpu >= nr_cpu_ids || !cpu_possible(consumed.cpu) ||
	    consumed.count > state->chan->n_subbufs)
		return -EINVAL;
	relay_subbufs_consumed(state->chan, consumed.cpu, consumed.count);
	return 0;
}

static long relay_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct relay_file *state = file->private_data;
	void __user *user = (void __user *)arg;
	long ret;

	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	switch (cmd) {
	case RCX_RELAY_SETUP:
		ret = relay_setup(state, user);
		break;
	case RCX_RELAY_CONSUMED:
		ret = state->chan ? relay_consumed(state, user) : -ENXIO;
		break;
	case RCX_RELAY_FLUSH:
		ret = state->chan ? relay_flush_all(state) : -ENXIO;
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&state->lock);
	return ret;
}

static int relay_open_device(struct inode *inode, struct file *file)
{
	struct relay_file *state = kzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	mutex_init(&state->lock);
	file->private_data = state;
	return nonseekable_open(inode, file);
}

static int relay_release_device(struct inode *inode, struct file *file)
{
	struct relay_file *state = file->private_data;

	if (state->chan) {
		mutex_lock(&relay_lock);
		list_del_rcu(&state->node);
		mutex_unlock(&relay_lock);
		synchronize_rcu();
		relay_close(state->chan);
		debugfs_remove(state->dir);
	}
	kfree(state);
	return 0;
}

static const struct file_operations relay_device_fops = {
	.owner = THIS_MODULE,
	.open = relay_open_device,
	.release = relay_release_device,
	.unlocked_ioctl = relay_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice relay_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_relay",
	.nodename = "ringcross/relay",
	.fops = &relay_device_fops,
	.mode = 0600,
};

static struct rcx_channel relay_channel = {
	.name = "relay",
	.owner = THIS_MODULE,
	/* One for all: the modes differ in their setup. */
	.emitters = (const struct rcx_emitter[]) {
		{ "single", RCX_IN_ANY, relay_emit },
		{ "batch", RCX_IN_ANY, relay_emit },
		{ "overwrite", RCX_IN_ANY, relay_emit },
		{ "mmap", RCX_IN_ANY, relay_emit },
		{ }
	},
};

static int __init relay_init(void)
{
	int err;

	relay_prepare_fops();
	relay_message = vzalloc(RCX_RELAY_RECORD(RCX_HEADER + RCX_BODY_MAX));
	if (!relay_message)
		return -ENOMEM;
	relay_dir = debugfs_create_dir(RCX_RELAY_DIR, NULL);
	if (IS_ERR(relay_dir)) {
		err = PTR_ERR(relay_dir);
		goto err_message;
	}
	err = misc_register(&relay_device);
	if (err)
		goto err_dir;
	err = rcx_channel_register(&relay_channel);
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&relay_device);
err_dir:
	debugfs_remove(relay_dir);
err_message:
	vfree(relay_message);
	return err;
}

static void __exit relay_exit(void)
{
	rcx_channel_unregister(&relay_channel);
	misc_deregister(&relay_device);
	debugfs_remove(relay_dir);
	vfree(relay_message);
}

module_init(relay_init);
module_exit(relay_exit);
MODULE_DESCRIPTION("ringcross: relay buffers in debugfs, read and mapped");
MODULE_LICENSE("GPL");
