// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: relay
 *
 * Per-CPU logs of a driver, in buffers and files that relay makes.
 *
 * What it is.  relay_open() makes a buffer for each CPU, divided into sub-buffers,
 * and calls a callback of ours that makes a file for each buffer, here in debugfs.
 * relay_write() appends a record to the buffer of the CPU it runs on.  The file
 * operations are relay's: poll() and mmap(), and a read() that we replace (see below).
 * relay does not define a format or boundaries of records; the writer does.
 *
 * The path of one message.  The kernel half makes the message once, for all readers
 * that have buffers.  relay_write() turns interrupts off and copies the message behind
 * the last record of this CPU: without a lock, an allocation or another CPU.  When a
 * sub-buffer has no room for another record, it is handed over: relay counts it and
 * wakes the readers that poll.  The wake-up is an irq_work, since the writer may hold
 * any lock.  read() takes a lock and copies out the sub-buffers that were handed over,
 * up to the size of the caller's buffer.  A mapping needs no copy; its reader makes
 * calls only to report consumed sub-buffers, or to have a partly filled one handed over.
 *
 * When to choose it.  For much data from hot paths and from any context, with a
 * program that reads it from time to time.  blktrace is the best-known user.  For a
 * ring that the kernel's own tools can read, use trace events or BPF.
 *
 * Its pitfall.  poll() waits for sub-buffers, not for records.  One small record in a
 * large sub-buffer wakes no reader, and relay hands over a full sub-buffer only when
 * the next record finds no room.  So the kernel half switches sub-buffers as soon as
 * another record of the same size would find no room, and after the last record.
 * relay_flush() is the usual way to do that.  But it sleeps on a mutex, and it switches
 * the buffers of other CPUs while they may be written; so we make each CPU switch its own
 * buffer.  The order of records is kept per CPU only.  A record larger than a sub-buffer
 * is dropped.  read() does not sleep: it returns 0, as at the end of a file.
 *
 * relay's read() is not synchronised with a writer on another CPU.  A switch updates
 * the writer's position in several steps: first the count of sub-buffers, then the
 * offset, then the address.  read() loads them in several steps as well.  If it
 * sees the new count with the old offset, it returns the old bytes of the next
 * sub-buffer as new ones, or it skips the oldest sub-buffer of a full buffer.  If old
 * data are overwritten, it can also return a record that changes while it is copied.
 *
 * So our files have a read() of their own.  It copies only sub-buffers that were handed
 * over; a partly filled one is not read before it is flushed.  In a buffer that
 * overwrites, it checks after the copy whether the writer has reached the sub-buffer.
 * If it has, read() drops the copy, and the next one starts with the oldest complete
 * sub-buffer.  Such a buffer loses records without notice, but those that arrive are
 * complete and in order, as long as each read() has room for whole records.
 *
 * Four modes:
 *
 * - single: a sub-buffer for each record, so each record wakes its readers.
 * - batch: 16 records in a sub-buffer.
 * - overwrite: like batch, but a full buffer loses its oldest sub-buffer.
 * - mmap: like batch, but records are read in place.  read() knows how full a sub-buffer
 *   is and a mapping does not, so each sub-buffer begins with a header that states it.
 *
 * A full buffer drops the newest record unless the subbuf_start callback decides
 * otherwise.  relay_write() returns nothing; the kernel half detects a drop by the
 * buffer's offset, which is then beyond the end of a sub-buffer.
 *
 * Two features of relay's files are not offered.  Both were tried on 6.1 and have
 * bugs.  splice() passes pages to a pipe without a reference: a pipe that outlives the
 * buffer shows later contents of these pages, and the kernel oopses when the pipe is
 * closed; 6.12 has no splice.  And relay checks the length of a mapping but not its
 * offset: a mapping at an offset showed pages that belong to others.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
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
 * State of one open device.  Each has its own buffers, as blktrace has for each block
 * device: relay supports one reader per file, and two readers would share the records.
 *
 * @lock protects the setup and the consumer's position, so reads take it as well.
 * All other fields are set before the state enters relay_files and do not change.
 * relay_lock protects that list; emitters walk it under RCU.
 *
 * A buffer belongs to its CPU: only that CPU writes and switches it, with interrupts
 * off.  Readers run on any CPU.  An open file of a buffer holds references to the
 * buffer, this module and the state, so a reader may outlive the device's open file.
 *
 * @handed counts, for each CPU, the sub-buffers that its writer has handed over.
 * Readers cannot use relay's own count, subbufs_produced, since relay_switch_subbuf()
 * changes it first.  @handed is stored last:
 *
 *	writer, on the buffer's CPU		reader, on any CPU
 *	record, padding, subbufs_produced
 *	offset, data
 *	store-release @handed
 *						load-acquire @handed
 *						copy of sub-buffers below it
 */
struct relay_file {
	struct kref users; /* the open device, and each open file of a buffer */
	struct mutex lock;
	struct list_head node;
	struct rchan *chan;
	struct dentry *dir;
	size_t __percpu *handed;
	u32 flags;
	u32 ahead; /* bytes of a sub-buffer before its first record */
};

static DEFINE_MUTEX(relay_lock);
static LIST_HEAD(relay_files);
static struct dentry *relay_dir;

/* The message to write.  The core emits one event at a time, so one is enough. */
static struct rcx_msg *relay_message;

/* ---- callbacks and file operations -------------------------------------- */

/*
 * Fill the header of a sub-buffer that is handed over.  The number is stored last, since
 * a reader of the mapping reads the sub-buffer as soon as it sees the number.
 */
static void relay_publish(const struct rchan_buf *buf, void *subbuf)
{
	size_t size = buf->chan->subbuf_size;
	struct rcx_relay_head *head = subbuf;

	WRITE_ONCE(head->fill, size - buf->padding[(subbuf - buf->start) / size]);
	smp_store_release(&head->number, buf->subbufs_produced);
}

/*
 * Whether the sub-buffer after @before may be started; @before is complete, or NULL
 * for the first sub-buffer.  A writer that was refused calls this again for each
 * record, so the same sub-buffer can be published twice.
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
static int relay_subbuf_start(struct rchan_buf *buf, void *subbuf, void *before, size_t padding)
{
	return relay_begin(buf, before);
}
#endif

/* Copied from relay.  An open file holds this module; read, splice and mmap are fixed. */
static struct file_operations relay_fops __ro_after_init;

static void relay_free(struct kref *users)
{
	struct relay_file *state = container_of(users, struct relay_file, users);

	free_percpu(state->handed);
	kfree(state);
}

/* debugfs does not remove a file during its open, so the device still holds the state. */
static int relay_open_buffer(struct inode *inode, struct file *file)
{
	const struct rchan_buf *buf = inode->i_private;
	struct relay_file *state = buf->chan->private_data;
	int err = relay_file_operations.open(inode, file);

	if (!err)
		kref_get(&state->users);
	return err;
}

static int relay_release_buffer(struct inode *inode, struct file *file)
{
	const struct rchan_buf *buf = file->private_data;
	struct relay_file *state = buf->chan->private_data;

	relay_file_operations.release(inode, file);
	kref_put(&state->users, relay_free);
	return 0;
}

/* Whether the writer has started to refill the memory of sub-buffer @number. */
static bool relay_is_overwritten(const struct rchan_buf *buf, size_t number)
{
	return READ_ONCE(buf->subbufs_produced) - number >= buf->chan->n_subbufs;
}

/* Continue with the oldest sub-buffer that is complete and not overwritten. */
static void relay_skip_overwritten(struct rchan_buf *buf, size_t handed)
{
	buf->subbufs_consumed = handed + 1 - buf->chan->n_subbufs;
	buf->bytes_consumed = 0;
}

/*
 * Copy @len bytes at offset @at of the buffer to user space.  They are copied from the
 * buffer's pages, not from its mapping: for an address in a mapping, every checked copy
 * searches the tree of all mappings, and the depth of that search is chance.
 */
static size_t relay_copy(const struct rchan_buf *buf, size_t at, char __user *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const void *page = page_address(buf->page_array[(at + done) / PAGE_SIZE]);
		size_t offset = offset_in_page(at + done);
		size_t part = min(len - done, PAGE_SIZE - offset);

		if (copy_to_user(to + done, page + offset, part))
			break;
		done += part;
	}
	return done;
}

/*
 * Read the rest of one sub-buffer that was handed over.  It returns the number of bytes:
 * 0 if there is none, or if the writer has overwritten them; or -EFAULT.
 *
 * The writer has left that sub-buffer.  Unless the buffer overwrites, the writer does
 * not return to it before it is consumed.
 *
 * A writer that overwrites does not wait for readers.  It counts a sub-buffer before it fills
 * the next one, with a full barrier in between.  So the count, loaded after the copy,
 * shows whether the writer can have changed the bytes that were copied.
 */
static ssize_t relay_read_complete(const struct relay_file *state, struct file *file,
				   char __user *to, size_t count)
{
	struct rchan_buf *buf = file->private_data;
	const size_t *at = per_cpu_ptr(state->handed, buf->cpu);
	const struct rchan *chan = buf->chan;
	size_t handed = smp_load_acquire(at);
	ssize_t ready = handed - buf->subbufs_consumed;
	bool overwrites = state->flags & RCX_RELAY_OVERWRITE;
	size_t number, slot, fill, want, got;

	lockdep_assert_held(&state->lock);
	/* Negative if RCX_RELAY_CONSUMED has consumed a sub-buffer that is not yet in @handed. */
	if (ready <= 0)
		return 0;
	if (overwrites && ready >= chan->n_subbufs)
		relay_skip_overwritten(buf, handed);
	number = buf->subbufs_consumed;
	slot = number % chan->n_subbufs;
	fill = chan->subbuf_size - buf->padding[slot];
	want = min(count, fill - min(fill, buf->bytes_consumed));
	got = relay_copy(buf, slot * chan->subbuf_size + buf->bytes_consumed, to, want);
	if (want && !got)
		return -EFAULT;
	if (overwrites) {
		smp_rmb(); /* the copy's loads before that of the count */
		if (relay_is_overwritten(buf, number)) {
			relay_skip_overwritten(buf, smp_load_acquire(at));
			return 0;
		}
	}
	buf->bytes_consumed += got;
	if (buf->bytes_consumed >= fill) {
		buf->bytes_consumed = 0;
		/* The copy before the count that lets the writer return to the sub-buffer. */
		smp_store_release(&buf->subbufs_consumed, number + 1);
	}
	return got;
}

/* A sub-buffer with a header is for a mapping; its records begin behind the header. */
static ssize_t relay_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	const struct rchan_buf *buf = file->private_data;
	struct relay_file *state = buf->chan->private_data;
	ssize_t done = 0, got;

	if (state->ahead)
		return -EINVAL;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	do {
		got = relay_read_complete(state, file, to + done, count - done);
		done += max_t(ssize_t, got, 0);
	} while (got > 0 && done < count);
	mutex_unlock(&state->lock);
	return done ? done : got;
}

/* relay checks the length of a mapping, but not its offset. */
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
	relay_fops.open = relay_open_buffer;
	relay_fops.release = relay_release_buffer;
	relay_fops.read = relay_read;
	relay_fops.splice_read = NULL;
	if (relay_fops.mmap)
		relay_fops.mmap = relay_map;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	if (relay_fops.mmap_prepare)
		relay_fops.mmap_prepare = relay_map_prepare;
#endif
}

/*
 * Uses the "unsafe" variant, without debugfs's proxy, since the proxy does not forward
 * mmap().  That is safe here: relay's open takes a reference to the buffer, so a removal
 * does not affect a reader.  relay expects NULL for a failure.
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

/* Up to 5.10 relay itself fills in missing callbacks, so they cannot be const. */
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

/* Let readers see the sub-buffers that this CPU has completed; interrupts are off. */
static void relay_publish_count(const struct relay_file *state, const struct rchan_buf *buf)
{
	smp_store_release(this_cpu_ptr(state->handed), buf->subbufs_produced);
}

/*
 * Our version of relay_write(): the changes to the offset after the write must not be
 * interrupted either, and __relay_write() leaves disabling interrupts to its caller.
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
	if (!buf) { /* the CPU came up while relay_open() ran */
		local_irq_restore(flags);
		return -ENXIO;
	}
	__relay_write(chan, record, len);
	if (buf->offset > chan->subbuf_size)
		err = -ENOSPC;
	else if (last || buf->offset + len > chan->subbuf_size)
		relay_switch_subbuf(buf, 0);
	relay_publish_count(state, buf);
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
	    setup->size % 8 || setup->size < ahead + RCX_HEADER || setup->count < 2 ||
	    setup->count > RCX_RELAY_COUNT_MAX)
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
	/* Before relay_make(), so that a failure here has nothing to undo. */
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

/* Runs on the buffer's own CPU with interrupts off; does not switch an empty sub-buffer. */
static void relay_hand_over(void *info)
{
	const struct relay_file *state = info;
	struct rchan_buf *buf = *this_cpu_ptr(state->chan->buf);

	if (buf && buf->offset > state->ahead && buf->offset <= state->chan->subbuf_size)
		relay_switch_subbuf(buf, 0);
	if (buf)
		relay_publish_count(state, buf);
}

static long relay_flush_all(struct relay_file *state)
{
	lockdep_assert_held(&state->lock);
	on_each_cpu(relay_hand_over, state, 1);
	return 0;
}

/*
 * relay limits the count to the sub-buffers that were produced, but the CPU only to
 * NR_CPUS, and does not report what it ignores.  So both are checked here.  read()'s
 * position within a sub-buffer is reset, too.
 */
static long relay_consumed(struct relay_file *state, const struct rcx_relay_consumed __user *arg)
{
	struct rcx_relay_consumed consumed;
	struct rchan_buf *buf;

	lockdep_assert_held(&state->lock);
	if (copy_from_user(&consumed, arg, sizeof(consumed)))
		return -EFAULT;
	if (consumed.cpu >= nr_cpu_ids || !cpu_possible(consumed.cpu) ||
	    consumed.count > state->chan->n_subbufs)
		return -EINVAL;
	relay_subbufs_consumed(state->chan, consumed.cpu, consumed.count);
	buf = *per_cpu_ptr(state->chan->buf, consumed.cpu);
	if (buf && consumed.count)
		buf->bytes_consumed = 0;
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
	state->handed = alloc_percpu(size_t);
	if (!state->handed) {
		kfree(state);
		return -ENOMEM;
	}
	kref_init(&state->users);
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
	kref_put(&state->users, relay_free);
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

/* Only interrupts are disabled, and the wake-up is an irq_work, also for PREEMPT_RT. */
#define RELAY_CONTEXTS (RCX_IN_ANY | RCX_IN_RT_HARDIRQ)

static struct rcx_channel relay_channel = {
	.name = "relay",
	.owner = THIS_MODULE,
	/* The same function for all modes; they differ in their setup. */
	.emitters = (const struct rcx_emitter[]){ { "single", RELAY_CONTEXTS, relay_emit },
						  { "batch", RELAY_CONTEXTS, relay_emit },
						  { "overwrite", RELAY_CONTEXTS, relay_emit },
						  { "mmap", RELAY_CONTEXTS, relay_emit },
						  { } },
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
