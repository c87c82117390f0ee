// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: devmem
 *
 * Reserved memory at a fixed physical address, which a program maps through /dev/mem.
 *
 * What it is.  The option memmap= on the kernel's command line reserves a range of
 * physical memory, which the kernel then does not use.  A module maps the range by its
 * address and publishes address and size in two files in /proc.  A program reads these
 * files, opens /dev/mem and maps the same range.  After that no message needs a file
 * operation, a system call or a copy by the kernel.  This is the memshare example from
 * the time of Linux 2.6, for a kernel that restricts access to its memory.
 *
 * The path of one message.  A store by one side and a load by the other.  Nothing is
 * queued, nobody is woken, and neither side knows whether the other exists.
 *
 * - The demonstration (make demo, see program.c) is not measured.  In each page one half
 *   is for a text from the user and one half for a text from the kernel.  When the module
 *   is unloaded, the kernel reads the user's text and logs it.
 * - ring: the kernel writes each event into the next slot, then its number into the slot
 *   and into head.  The kernel does not wait for readers, so it overwrites the oldest
 *   message.  The user reads head again and again, copies the message out, and then reads
 *   the number of the slot again.  Only if the number has not changed is the copy one
 *   intact message.
 *
 * When to choose it.  For memory that must be at a fixed address, or must outlive the
 * module or even the kernel: firmware, a crash log, RAM on a board.  Otherwise a driver
 * should have a device node and map memory there (see mmap).  That needs no boot
 * parameter and no access to all of physical memory, and the driver can wake a reader.
 *
 * Its pitfall.  There are three.  First, the module must not request the region: a kernel
 * with IO_STRICT_DEVMEM then refuses to map it from /dev/mem (EPERM), as a kernel with
 * STRICT_DEVMEM refuses ordinary RAM.  Second, O_SYNC requests an uncached mapping, which
 * fails with EAGAIN while the module has a cached one.  Third, the right to open /dev/mem
 * (CAP_SYS_RAWIO) gives access to everything else that can be mapped there.  A locked-down
 * kernel does not allow /dev/mem to be opened at all.
 *
 * How to read the numbers.  The reader of notify polls the memory all the time and
 * occupies a CPU.  It makes no system call, so the figure contains no system call entry or
 * exit and no wake-up, unlike the figures of channels whose reader sleeps.  Where the
 * producer runs on the reader's CPU, the figure does contain the kernel's return from the
 * producer to the reader.  The reader of stream sleeps for 50 us between two reads of
 * head, unless the cell's wait is busy.  The kernel's timer slack adds up to 50 us.  Under
 * the instructions clock, 1 us counts as 1000 instructions.  An event waits until the next
 * read of head, and events that the ring cannot hold until then are lost.  The kernel
 * writes a body only during validation.  The user always copies the whole body out, so the
 * figure contains one copy of that size.
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

#define DEVMEM_LOGGED 128 /* bytes of the user's text that are logged */

static unsigned long long phys;
module_param(phys, ullong, 0400);
MODULE_PARM_DESC(phys, "physical address of the memory, reserved by memmap=SIZE$ADDRESS");

static unsigned long size;
module_param(size, ulong, 0400);
MODULE_PARM_DESC(size, "size of the memory in bytes, a multiple of the page size");

/*
 * @memory is the shared memory, NULL when the module was loaded without an address.  User
 * space can write any byte of it at any time.  So the kernel reads the numbers of the ring
 * once for each event and checks them, and it logs a copy of a text.
 *
 * @room, @slots and @head are the kernel's own values for the ring.  ringcross_core emits
 * one event at a time, and only between the module's init and exit, so they need no lock.
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

/* Adopt the layout that the user requests, if it is valid. */
static int devmem_set_layout(u32 room, u32 slots)
{
	if (room < RCX_HEADER || room > RCX_HEADER + RCX_BODY_MAX || !is_power_of_2(slots) ||
	    slots > RCX_DEVMEM_SLOTS_MAX)
		return -EINVAL;
	if ((u64)rcx_devmem_stride(room) * slots > size - RCX_DEVMEM_SLOTS)
		return -ENOSPC;
	devmem.room = room;
	devmem.slots = slots;
	return 0;
}

static int devmem_read_layout(void)
{
	u32 room, slots;

	if (size <= RCX_DEVMEM_SLOTS)
		return -ENOSPC;
	room = READ_ONCE(devmem_ring()->room);
	slots = READ_ONCE(devmem_ring()->slots);
	if (likely(room == devmem.room && slots == devmem.slots))
		return room ? 0 : -ENOTCONN;
	return devmem_set_layout(room, slots);
}

/*
 * The number of a slot is 0 while the slot is written.  So a reader that finds the same
 * number before and after its copy has copied one intact message:
 *
 *	kernel				reader
 *	number = 0
 *	wmb
 *	message				number: n
 *	number = n, release		copy the message
 *	head = n, release		rmb
 *					number: still n
 */
static int devmem_emit(const struct rcx_event *event)
{
	int err = devmem_read_layout();
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
	.emitters = (const struct rcx_emitter[]){ { "ring", RCX_IN_ANY, devmem_emit }, { } },
};

/* ---- the demonstration: a text in both directions in every page --------- */

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

	/* Old content, perhaps of an earlier kernel, must not become visible. */
	memset(devmem.memory, 0, size);
	for (page = 0; page < devmem_pages(); page++) {
		struct rcx_devmem_page *shared = devmem_page(page);

		scnprintf(shared->from_kernel, RCX_DEVMEM_TEXT, "page %lu of %lu, by the kernel",
			  page + 1, devmem_pages());
		shared->kernel_page = page + 1;
	}
}

/* Whether @page contains @text and the number that the user gave it is right. */
static bool devmem_page_contains(unsigned long page, const char *text)
{
	const struct rcx_devmem_page *shared = devmem_page(page);

	return READ_ONCE(shared->user_page) == page + 1 &&
	       !strncmp(shared->from_user, text, DEVMEM_LOGGED);
}

/* The user may write meanwhile, so a copy is logged, with a bounded length and escaped. */
static void devmem_log_text(void)
{
	unsigned long page, matching = 0, missing = devmem_pages();
	char text[DEVMEM_LOGGED];
	size_t len;

	memcpy(text, devmem_page(0)->from_user, sizeof(text));
	len = strnlen(text, sizeof(text));
	if (!len)
		return;
	for (page = 0; page < devmem_pages(); page++) {
		if (devmem_page_contains(page, text))
			matching++;
		else if (missing == devmem_pages())
			missing = page;
	}
	pr_info("The content written by user is: %*pE\n", (int)len, text);
	if (matching == devmem_pages())
		pr_info("It is in %lu of %lu pages\n", matching, devmem_pages());
	else
		pr_info("It is in %lu of %lu pages; the first without it is page %lu\n", matching,
			devmem_pages(), missing + 1);
}

/* ---- publishing address and size ---------------------------------------- */

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
 * Whether no byte of the range has a known user.  /proc/iomem lists a range that memmap=
 * reserved as Reserved; a machine without PCI does not list it, so the range is a hole
 * there.  Every other range is in use: RAM, device registers.  Memory that the firmware
 * keeps is Reserved too, and this function cannot distinguish it from memory that memmap=
 * reserved.  The exception is the first MiB, which on a PC always belongs to the firmware.
 */
static bool devmem_is_free(void)
{
	if (phys < SZ_1M)
		return false;
	return region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_RESERVED) ==
		       REGION_INTERSECTS ||
	       region_intersects(phys, size, IORESOURCE_MEM, IORES_DESC_NONE) == REGION_DISJOINT;
}

static int devmem_map(void)
{
	/* Without an address the module loads without memory; the user half reports that. */
	if (!phys && !size)
		return 0;
	if (!size || !PAGE_ALIGNED(phys) || !PAGE_ALIGNED(size) || phys + size < phys) {
		pr_err("phys= and size= must be multiples of the page size\n");
		return -EINVAL;
	}
	if (!devmem_is_free()) {
		pr_err("0x%llx to 0x%llx is in use: boot with memmap=%luK$0x%llx to reserve it\n",
		       phys, phys + size - 1, size >> 10, phys);
		return -EBUSY;
	}
	/* Not request_mem_region(): the region would be busy then, and refused by /dev/mem. */
	devmem.memory = memremap(phys, size, MEMREMAP_WB);
	if (!devmem.memory)
		return -ENOMEM;
	devmem_write_pages();
	if (READ_ONCE(devmem_page(devmem_pages() - 1)->kernel_page) == devmem_pages())
		return 0;
	pr_err("no memory at 0x%llx: written values cannot be read back\n", phys);
	memunmap(devmem.memory);
	return -ENXIO;
}

/* The demonstration has pages of 4 KiB; those of the machine may be larger. */
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
	/* A program may still have it mapped.  That is harmless: the kernel never uses it. */
	memunmap(devmem.memory);
}

module_init(devmem_init);
module_exit(devmem_exit);
MODULE_DESCRIPTION("ringcross: reserved memory, shared through /dev/mem");
MODULE_LICENSE("GPL");
