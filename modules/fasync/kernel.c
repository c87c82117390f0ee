// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: fasync
 *
 * SIGIO: a device sends a signal to the owner of a file when there is something to read.
 *
 * What it is.  A program names the owner of an open file with fcntl(F_SETOWN), a process or
 * a thread, and sets O_ASYNC.  The kernel then calls the driver's fasync handler, which puts
 * the file on a list.  For each event the driver calls kill_fasync() on the list, and each
 * owner gets SIGIO.  fcntl(F_SETSIG) chooses another signal.  Terminals, sockets and many
 * old drivers support it.
 *
 * The path of one message.  The kernel half puts the event into the queue of each open file
 * and walks the list: the lock of the list's entry, the lock of the owner, a check of the
 * owner's user, then a signal as in channel signal.  The signal carries no data of the
 * driver.  So the reader, which waits in sigtimedwait(), reads the message from the device
 * by another system call.
 *
 * When to choose it.  Rarely: for a program that is already built around signals, and for an
 * event that must interrupt other work.  For everything else poll() and epoll report the
 * same readiness without the rules for signals.
 *
 * Its pitfall.  SIGIO is a standard signal and coalesces: a reader that takes one message
 * for each signal falls behind, so it must read until EAGAIN.  It does not say which file
 * is ready.  A real-time signal chosen by F_SETSIG queues, with the descriptor in si_fd, but
 * its queue is limited per user (RLIMIT_SIGPENDING); beyond the limit the kernel sends plain
 * SIGIO instead, so a reader must handle both.  si_fd is the number that the descriptor had
 * when O_ASYNC was set, even if it has been closed or duplicated since.  The default action
 * of SIGIO ends the process.  And F_SETSIG changes the signal of the open file, so all
 * processes that share the file get it.
 *
 * Two modes, which differ in the user half only; both read the message from the device:
 *
 * - sigio: plain SIGIO, then reads.
 * - queued: F_SETSIG with a real-time signal, one for each event; SIGIO when its queue is
 *   full.
 *
 * The queue of a file holds 256 events and refuses the newest.
 */
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/signal.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "abi.h"

static DEFINE_RCX_READERS(fasync_readers);

/* The files with O_ASYNC; kill_fasync() walks it under RCU. */
static struct fasync_struct *fasync_files;

/*
 * The message is queued before the signal is sent, so a reader that has got the signal finds
 * the message.  Works in any context: the locks are taken with interrupts off.  On PREEMPT_RT
 * they may sleep, and the core does not call this from a hardirq.
 */
static int fasync_emit(const struct rcx_event *event)
{
	int err = rcx_readers_emit(&fasync_readers, event);

	if (!err)
		kill_fasync(&fasync_files, SIGIO, POLL_IN);
	return err;
}

static int fasync_open(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &fasync_readers);
}

/* The kernel calls it when O_ASYNC changes, and before the release of a file that has it. */
static int fasync_change(int fd, struct file *file, int on)
{
	return fasync_helper(fd, file, on, &fasync_files);
}

/* Without .poll: the signal is the wait that this channel is about. */
static const struct file_operations fasync_fops = {
	.owner = THIS_MODULE,
	.open = fasync_open,
	.release = rcx_events_release,
	.read = rcx_events_read,
	.fasync = fasync_change,
};

static struct miscdevice fasync_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_fasync",
	.nodename = "ringcross/fasync",
	.fops = &fasync_fops,
	.mode = 0400,
};

static struct rcx_channel fasync_channel = {
	.name = "fasync",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "sigio", RCX_IN_ANY, fasync_emit },
						  { "queued", RCX_IN_ANY, fasync_emit },
						  { } },
};

static int __init fasync_channel_init(void)
{
	int err = misc_register(&fasync_device);

	if (err)
		return err;
	err = rcx_channel_register(&fasync_channel);
	if (err)
		misc_deregister(&fasync_device);
	return err;
}

static void __exit fasync_channel_exit(void)
{
	rcx_channel_unregister(&fasync_channel);
	misc_deregister(&fasync_device);
}

module_init(fasync_channel_init);
module_exit(fasync_channel_exit);
MODULE_DESCRIPTION("ringcross: SIGIO from a character device");
MODULE_LICENSE("GPL");
