// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: devmem
 *
 * Memory that both sides find by its physical address, through /dev/mem.
 *
 * What it is.  The kernel is booted with a piece of memory cut out (memmap= on
 * its command line), so that it never uses it.  A module maps that piece by its
 * address, and tells address and size in two files of /proc; a program reads
 * the two, opens /dev/mem and maps the same piece.  From then on nothing stands
 * between them: no file operation, no system call, no copy by the kernel.  It is
 * the memshare example of the 2.6 days, on a kernel that guards its memory.
 *
 * The path of one message.  A store and a load.  Nobody is woken, nothing is
 * queued, neither side knows that the other is there.
 *
 * - The classic, which make demo shows and nobody measures (see program.c): each page
 *   has a half for the user's text and a half for the
 *   kernel's.  The kernel looks at the user's when the module is unloaded, and
 *   logs it.
 * - ring: the kernel writes each event into the next slot, then its number into
 *   the slot and into head.  It waits for nobody, so the oldest is overwritten.
 *   The user looks at head again and again, copies the message out, and looks
 *   at the slot's number once more: only if it is still the same was the copy
 *   of one message.
 *
 * When to choose it.  For memory that must be at a fixed place, or must outlive
 * the module and even the kernel: firmware, a crash log, a board's own RAM.
 * Else let the driver have a node of its own and map it there (see mmap): this
 * needs no boot parameter, no right over all memory, and can wake somebody.
 *
 * Its trap.  Three of them.  The module must not request the region: a kernel
 * with IO_STRICT_DEVMEM then refuses to map it from /dev/mem (EPERM), as one with
 * STRICT_DEVMEM does with ordinary RAM.  O_SYNC asks for an uncached mapping, and
 * where the module has a cached one that fails with EAGAIN.  And with the right to
 * open /dev/mem (CAP_SYS_RAWIO) comes all else that lies there; a locked down
 * kernel does not open it at all.
 *
 * How to read the numbers.  notify is a reader that does nothing but look, which
 * takes a CPU for itself: the figure has no wake-up in it, unlike those of
 * channels that sleep.  The stream's reader sleeps from look to look, 50 us and
 * the timer slack of as much again, unless it is told to spin: an event waits so
 * long for the next look, and what the ring cannot hold until then is lost.  The
 * kernel writes a body only in the proof; the user copies all of it out, so the
 * figure holds one copy of that size.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "abi.h"

#define DEVMEM_LOGGED 128	/* bytes of the user's text that reach the log */

static unsigned long long phys;
module_param(phys, ullong, 0400);
MODULE_PARM_DESC(phys, "physical address of the memory, cut out by memmap=SIZE$ADDRESS");

static unsigned long size;
module_param(size, ulong, 0400);
MODULE_PARM_DESC(size, "its size in bytes, whole pages");

/*
 * @memory is the shared memory, NULL when none was given.  User space can write
 * any byte of it at any time: the ring's numbers are read once for each event and
 * checked, and of a text only a copy is logged.
 *
 * @room, @slots and @head are the ring's as the kernel knows them.  ringcross_core
 * raises one event at a time and only between the module's init and exit, so
 * they need no lock.
 */
static struct {
	void *memory;
	struct proc_dir_entry *folder;
	u32 room;
	u32 slots;
	u64 head;
} devmem;

/* ---- the ring ----------------------------------------------------------- */

static struct rcx_devmem_ring *devmem_ring(void)
{
	return devmem.memory + RCX_DEVMEM_RING;
}

static struct rcx_devmem_slot *devmem_slot(u64 number)
{
	return devmem.memory + RCX_DEVMEM_SLOTS +
	       (size_t)((number - 1) & (devmem.slots - 1)) * rcx_devmem_stride(devmem.room);
}

/* Take over what the user asks for, if it is possible. */
static int devmem_arrange(u32 room, u32 slots)
{
	if (room < RCX_HEADER || room > RCX_HEADER + RCX_BODY_MAX ||
	    !is_power_of_2(slots) || slots > RCX_DEVMEM_SLOTS_MAX)
		return -EINVAL;
	if ((u64)rcx_devmem_stride(room) * slots > size - RCX_DEVMEM_SLOTS)
		return -ENOSPC;
	devmem.room = room;
	devmem.slots = slots;
	return 0;
}

static int devmem_look(void)
{
	u32 room, slots;

	if (size <= RCX_DEVMEM_SLOTS)
		return -ENOSPC;
	room = READ_ONCE(devmem_ring()->room);
	slots = READ_ONCE(devmem_ring()->slots);
	if (likely(room == devmem.room && slots == devmem.slots))
		return room ? 0 : -ENOTCONN;
	return devmem_arrange(room, slots);
}

/*
 * A slot has no number while it is written, so a reader that finds the same one
 * before and after its copy has copied one message:
 *
 *	here				the reader
 *	number = 0
 *	wmb
 *	message				number: n
 *	number = n, release		copy the message
 *	head = n, release		rmb
 *					number: still n
 */
static int devmem_emit(const struct rcx_event *event)
{
	int err = devmem_look();
	struct rcx_devmem_slot *slot;
	struct rcx_msg *shared;

	if (err)
		return err;
	if (RCX_HEADER + event->size > devmem.room)
		return -EMSGSIZE;
	slot = devmem_slot(++devmem.head);
	shared = (struct rcx_msg *)slot->message;
	WRITE_ONCE(slot->number, 0);
	smp_wmb();
	WRITE_ONCE(slot->len, RCX_HEADER + event->size);
	WRITE_ONCE(shared->size, event->size);
	WRITE_ONCE(shared->magic, RCX_MAGIC);
	WRITE_ONCE(shared->seq, event->seq);
	WRITE_ONCE(shared->timestamp, event->timestamp);
	if (unlikely(READ_ONCE(rcx_binding.validate)))
		rcx_body_fill(shared->body, event->size, event->seq);
	smp_store_release(&slot->number, devmem.head);
	smp_store_release(&devmem_ring()->head, devmem.head);
	return 0;
}

static struct rcx_channel devmem_channel = {
	.name = "devmem",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "ring", RCX_IN_ANY, devmem_emit },
		{ }
	},
};

/* ---- the classic: a text both ways in every page ------------------------ */

static struct rcx_devmem_page *devmem_page(unsigned long page)
{
	return devmem.memory + page * RCX_DEVMEM_PAGE;
}

static unsigned long devmem_pages(void)
{
	return size / RCX_DEVMEM_PAGE;
}

static void devmem_write_pages(void)
{
	unsigned long page;

	/* Whatever was here before us, maybe an earlier kernel's, is not ours to show. */
	memset(devmem.memory, 0, size);
	for (page = 0; page < devmem_pages(); page++) {
		struct rcx_devmem_page *shared = devmem_page(page);

		scnprintf(shared->from_kernel, RCX_DEVMEM_TEXT, "page %lu of %lu, by the kernel",
			  page + 1, devmem_pages());
		shared->kernel_page = page + 1;
	}
}

/* Whether a page has the user's text and is the page that the user took it for. */
static bool devmem_page_has(unsigned long page, const char *text)
{
	const struct rcx_devmem_page *shared = devmem_page(page);

	return READ_ONCE(shared->user_page) == page + 1 &&
	       !strncmp(shared->from_user, text, DEVMEM_LOGGED);
}

/* The user may write on while we read: what is logged is a copy, bounded, escaped. */
static void devmem_log_text(void)
{
	unsigned long page, found = 0, missing = devmem_pages();
	char text[DEVMEM_LOGGED];
	size_t len;

	memcpy(text, devmem_page(0)->from_user, sizeof(text));
	len = strnlen(text, sizeof(text));
	if (!len)
		return;
	for (page = 0; page < devmem_pages(); page++) {
		if (devmem_page_has(page, text))
			found++;
		else if (missing == devmem_pages())
			missing = page;
	}
	pr_info("The content written by user is: %*pE\n", (int)len, text);
	if (found == devmem_pages())
		pr_info("It is in %lu of %lu pages\n", found, devmem_pages());
	else
		pr_info("It is in %lu of %lu pages; the first without it is page %lu\n", found,
			devmem_pages(), missing + 1);
}

/* ---- where it is -------------------------------------------------------- */

static int devmem_show_addr(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "0x%llx\n", phys);
	return 0;
}

static int devmem_show_size(struct seq_file *seq, void *unused)
{
	seq_printf(seq, "%lu\n", size);
	return 0;
}

static int devmem_publish(void)
{
	devmem.folder = proc_mkdir(RCX_DEVMEM_FOLDER, NULL);
	if (!devmem.folder)
		return -ENOMEM;
	if (proc_create_single(RCX_DEVMEM_ADDR, 0400, devmem.folder, devmem_show_addr) &&
	    proc_create_single(RCX_DEVMEM_SIZE, 0400, devmem.folder, devmem_show_size))
		return 0;
	proc_remove(devmem.folder);
	return -ENOMEM;
}

/* ---- the memory --------------------------------------------------------- */

/*
 * Whether nobody is known to use any byte of it.  What memmap= cut out is called
 * Reserved in /proc/iomem; a machine without PCI does not list that, and it is a
 * hole there.  All else is somebody's: RAM, the registers of devices.  What the
 * firmware keeps for itself is Reserved too, and but for the first MiB, which on
 * a PC is always its own, nothing here can tell it from memory that was cut out.
 */
static bool devmem_is_free(void)
{
	if (phys < SZ_1M)
		return false;
	return region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_RESERVED) ==
		       REGION_INTERSECTS ||
	       region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_NONE) ==
		       REGION_DISJOINT;
}

static int devmem_map(void)
{
	/* No address: nobody has cut anything out.  The user half says so. */
	if (!phys && !size)
		return 0;
	if (!size || !PAGE_ALIGNED(phys) || !PAGE_ALIGNED(size) || phys + size < phys) {
		pr_err("phys= and size= must be whole pages\n");
		return -EINVAL;
	}
	if (!devmem_is_free()) {
		pr_err("0x%llx to 0x%llx is in use: boot with memmap=%luK$0x%llx to cut it out\n",
		       phys, phys + size - 1, size >> 10, phys);
		return -EBUSY;
	}
	/* Not request_mem_region(): it would be busy then, and closed to /dev/mem. */
	devmem.memory = memremap(phys, size, MEMREMAP_WB);
	if (!devmem.memory)
		return -ENOMEM;
	devmem_write_pages();
	if (READ_ONCE(devmem_page(devmem_pages() - 1)->kernel_page) == devmem_pages())
		return 0;
	pr_err("0x%llx keeps nothing: no memory is there\n", phys);
	memunmap(devmem.memory);
	return -ENXIO;
}

/* The classic has 4 KiB pages; those of the machine may be larger. */
static_assert(sizeof(struct rcx_devmem_page) == RCX_DEVMEM_PAGE);

static int __init devmem_init(void)
{
	int err = devmem_map();

	if (err)
		return err;
	err = devmem_publish();
	if (err)
		goto err_map;
	err = rcx_channel_register(&devmem_channel);
	if (err)
		goto err_publish;
	return 0;

err_publish:
	proc_remove(devmem.folder);
err_map:
	if (devmem.memory)
		memunmap(devmem.memory);
	return err;
}

static void __exit devmem_exit(void)
{
	rcx_channel_unregister(&devmem_channel);
	proc_remove(devmem.folder);
	if (!devmem.memory)
		return;
	devmem_log_text();
	/* A program may have it mapped still, which harms nobody: it is no memory of ours. */
	memunmap(devmem.memory);
}

module_init(devmem_init);
module_exit(devmem_exit);
MODULE_DESCRIPTION("ringcross: reserved memory, shared through /dev/mem");
MODULE_LICENSE("GPL");
