// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: vvar
 *
 * A page that the kernel updates and every process reads without a system call.
 *
 * What it is.  The kernel maps a page named [vvar] into each process, with the variables of
 * the clock.  clock_gettime() of the vDSO reads them in user space.  A driver offers the
 * same with a page of its own: a device with an mmap handler that allows reading only.  The
 * page contains one value, the newest.  A sequence counter tells a reader whether it has
 * read one whole value or parts of two.
 *
 * The path of one message.  The kernel makes the counter odd, writes the message and makes
 * the counter even again.  A reader loads the counter, copies the message and loads the
 * counter again; if it was odd or has changed, the reader tries again.  Nobody is woken, no
 * lock is taken, and the cost of an update does not depend on the number of readers.
 *
 * When to choose it.  For a value that is read far more often than it changes, and of which
 * only the newest matters: a clock, a rate, a configuration, the state of a device.  Readers
 * cannot disturb the kernel: they have no way to write the page, and hold nothing that a
 * writer must wait for.
 *
 * Its pitfall.  It is not a queue: a message that is not read before the next one is lost,
 * and only the counter shows that there was one.  Nothing wakes a reader, so it polls the
 * page, which takes a CPU if it must notice a change at once.  The two halves must order
 * their accesses: without the barriers a reader on a weakly ordered machine accepts a mix of
 * two messages.  And a writer must not be preempted while the counter is odd, or each reader
 * spins until the writer runs again.
 *
 * Mode seqcount has notify and stream only.  A read requests nothing from the kernel, which
 * does not learn of it and cannot make a message for it.
 *
 * How to read the numbers.  The reader of notify polls the page all the time.  It makes no
 * system call, so the figure contains neither system call entry nor wake-up.  Where the
 * producer runs on the reader's CPU, it contains the kernel's return from the producer to
 * the reader.  The reader of stream sleeps for 50 us between two looks, unless the cell's
 * wait is busy.  The kernel's timer slack adds up to 50 us.  Of the messages in between only
 * the newest arrives.  The kernel writes a body only during validation, and the user always
 * copies the whole body out, so a figure contains one copy of that size.
 */
#include <linux/compiler.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <asm/barrier.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * One page for all readers, as that is what makes an update independent of their number.
 * User space cannot write it.  A mapping holds its file, and the file holds this module, so
 * the page exists until the last mapping is removed.  ringcross_core emits one event at a
 * time, so the page has a single writer and needs no lock.
 */
static struct rcx_vvar_page *vvar_page;

/*
 * A reader that finds the same even counter before and after its copy has copied one intact
 * message:
 *
 *	kernel				reader
 *	sequence = odd
 *	wmb
 *	message				sequence: even, acquire
 *	sequence = even, release	copy of the message
 *					rmb
 *					sequence: unchanged
 */
static void vvar_publish(const struct rcx_event *event)
{
	struct rcx_msg *shared = (struct rcx_msg *)vvar_page->message;
	u32 sequence = vvar_page->sequence;

	WRITE_ONCE(vvar_page->sequence, sequence + 1);
	smp_wmb();
	WRITE_ONCE(vvar_page->len, RCX_HEADER + event->size);
	WRITE_ONCE(shared->size, event->size);
	WRITE_ONCE(shared->magic, RCX_MAGIC);
	WRITE_ONCE(shared->seq, event->seq);
	WRITE_ONCE(shared->timestamp, event->timestamp);
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_body_fill(shared->body, event->size, event->seq);
	smp_store_release(&vvar_page->sequence, sequence + 2);
}

/*
 * Works in any context, also in a hardirq of PREEMPT_RT: there is no lock and no wake-up.
 * Preemption is off, so that a reader on this CPU does not run while the counter is odd.
 */
static int vvar_emit(const struct rcx_event *event)
{
	if (RCX_HEADER + event->size > RCX_VVAR_ROOM)
		return -EMSGSIZE;
	preempt_disable();
	vvar_publish(event);
	preempt_enable();
	return 0;
}

/* Without VM_MAYWRITE, mprotect() cannot make a mapping writable later. */
static int vvar_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, VM_MAYWRITE);
#else
	vma->vm_flags &= ~VM_MAYWRITE;
#endif
	return remap_vmalloc_range(vma, vvar_page, vma->vm_pgoff);
}

static const struct file_operations vvar_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.mmap = vvar_mmap,
};

static struct miscdevice vvar_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_vvar",
	.nodename = "ringcross/vvar",
	.fops = &vvar_fops,
	.mode = 0400,
};

static struct rcx_channel vvar_channel = {
	.name = "vvar",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){
			{ "seqcount", RCX_IN_ANY | RCX_IN_RT_HARDIRQ, vvar_emit }, { } },
};

static int __init vvar_init(void)
{
	int err;

	vvar_page = vmalloc_user(sizeof(*vvar_page)); /* zeroed: does not expose old content */
	if (!vvar_page)
		return -ENOMEM;
	err = misc_register(&vvar_device);
	if (err)
		goto err_page;
	err = rcx_channel_register(&vvar_channel);
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&vvar_device);
err_page:
	vfree(vvar_page);
	return err;
}

static void __exit vvar_exit(void)
{
	rcx_channel_unregister(&vvar_channel);
	misc_deregister(&vvar_device);
	vfree(vvar_page);
}

/* The page is mapped whole; pages of the machine may be larger than ours. */
static_assert(sizeof(struct rcx_vvar_page) == RCX_VVAR_SIZE);

module_init(vvar_init);
module_exit(vvar_exit);
MODULE_DESCRIPTION("ringcross: a page under a sequence counter");
MODULE_LICENSE("GPL");
