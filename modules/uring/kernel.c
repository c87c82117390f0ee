// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: uring
 *
 * io_uring: requests to a device through two rings of shared memory.
 *
 * What it is.  A process maps two rings of an io_uring.  It writes requests into the
 * submission ring, and the kernel writes their results into the completion ring.  One
 * io_uring_enter() submits any number of requests and waits for any number of results.  A
 * request is either an ordinary operation, such as a read, or a command to a driver
 * (IORING_OP_URING_CMD): a number and 16 bytes, which the driver's uring_cmd receives.  A
 * command is what ioctl is for system calls, but it may complete later.
 *
 * The path of one message.  System call entry, the lock of the ring, the request's
 * object, lookup of the file descriptor, security hook, uring_cmd, then copy_from_user()
 * or copy_to_user() under the mutex of the open file, and the entry in the completion
 * ring.  A batch repeats all of these for each request, except the system call.  If the
 * handler would sleep, it returns -EAGAIN, and a worker thread calls it again.  If it
 * completes later, it returns -EIOCBQUEUED.  The completion may then come from an
 * interrupt, which cannot touch the memory of the process.  So the interrupt requests task
 * work, which copies the reply in the task that submitted the request.
 *
 * When to choose it.  For many small requests at a time, since they share one system call,
 * and for requests that complete later, since one thread can have many of them.  A single
 * request that is answered at once costs more than an ioctl.  A driver that wants reads of
 * its file to be fast through io_uring sets FMODE_NOWAIT in its open and returns -EAGAIN
 * for IOCB_NOWAIT instead of sleeping.  Otherwise io_uring hands each read to a worker
 * thread.  Modes read and read-nowait show the difference.
 *
 * Its pitfall.  A command that never completes holds the ring, the file and the module,
 * also after its process was killed.  From 6.7 on a driver declares such commands
 * cancelable, and io_uring cancels them when the ring is closed.  On older kernels the
 * driver must find out by itself; arm.c shows how.  On all kernels, a thread of the kernel
 * takes a closed ring apart, so that a file may stay open for a moment after its process
 * has ended.  A second pitfall is that the 16 bytes lie in
 * memory that the process can change at any time: read each member once.  A third is that
 * the functions of the kernel for commands change with almost every release.
 *
 * An event needs a command that is already armed: the emitter completes it, and its
 * task work copies the message.  The armed commands of a file are therefore its queue.  If
 * none is armed, the event is refused.  A reader of a stream keeps many commands armed, and
 * submits those that were completed again with the next system call.
 *
 * An upcall works in the same way, as in ublk: a request of the kernel completes an armed
 * command.  The next command of the server brings the reply and is armed for the next
 * request, so a request takes the server one system call.
 *
 * Eight modes.  command: one command in each system call.  batch: 32 of them; a sample of a
 * single operation is a batch of one.  fixed: the buffer and the file are registered with
 * the ring, so that neither is looked up for each request.  sqpoll: a thread of the kernel
 * polls the submission ring, so that the process makes no system call.  async: commands that
 * complete later.  A call is completed from an interrupt, as by a driver of a device.
 * notify, stream and upcall wait with armed commands.  read and read-nowait: plain reads, 32 for
 * each system call, of two files that differ only in FMODE_NOWAIT.  multishot: one read,
 * submitted once, that completes for each event with a buffer from a group that the process
 * has provided.  Its file has the queue and the handlers of chardev.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "abi.h"
#include "uring.h"

static DEFINE_RCX_READERS(uring_readers);

/* ---- events: for multishot reads ---------------------------------------- */

static int uring_emit_to_readers(const struct rcx_event *event)
{
	return rcx_readers_emit(&uring_readers, event);
}

static int uring_open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &uring_readers);
}

static const struct file_operations uring_events_fops = {
	.owner = THIS_MODULE,
	.open = uring_open_events,
	.release = rcx_events_release,
	.read = rcx_events_read,
	.poll = rcx_events_poll,
};

/* ---- plain reads --------------------------------------------------------- */

static const struct file_operations uring_read_fops = {
	.owner = THIS_MODULE,
	.open = uring_open_read,
	.release = rcx_file_release,
	.read_iter = uring_read,
};

static const struct file_operations uring_nowait_fops = {
	.owner = THIS_MODULE,
	.open = uring_open_nowait,
	.release = rcx_file_release,
	.read_iter = uring_read,
};

/* ---- commands ------------------------------------------------------------ */

#if URING_HAS_COMMANDS

static int open_commands(struct inode *inode, struct file *file, bool serves)
{
	struct uring_file *state = kvzalloc(sizeof(*state), GFP_KERNEL);

	if (!state)
		return -ENOMEM;
	state->serves = serves;
	if (serves)
		rcx_upcall_join(&uring_upcall);
	mutex_init(&state->file.lock);
	mutex_init(&state->closing);
	uring_join(state);
	file->private_data = state;
	return stream_open(inode, file);
}

static int uring_open_command(struct inode *inode, struct file *file)
{
	return open_commands(inode, file, false);
}

static int uring_open_upcall(struct inode *inode, struct file *file)
{
	return open_commands(inode, file, true);
}

static int uring_release_command(struct inode *inode, struct file *file)
{
	struct uring_file *state = file->private_data;

	uring_leave(state);
	if (state->serves)
		rcx_upcall_leave(&uring_upcall, state);
	rcx_file_free(&state->file);
	kvfree(state);
	return 0;
}

static const struct file_operations uring_command_fops = {
	.owner = THIS_MODULE,
	.open = uring_open_command,
	.release = uring_release_command,
	.uring_cmd = uring_command,
#if !URING_CAN_CANCEL
	.flush = uring_flush,
#endif
};

static const struct file_operations uring_upcall_fops = {
	.owner = THIS_MODULE,
	.open = uring_open_upcall,
	.release = uring_release_command,
	.uring_cmd = uring_command,
#if !URING_CAN_CANCEL
	.flush = uring_flush,
#endif
};

#endif /* URING_HAS_COMMANDS */

/* ---- the devices --------------------------------------------------------- */

#define URING(file, operations, access)             \
	{                                           \
		.minor = MISC_DYNAMIC_MINOR,        \
		.name = "ringcross_uring_" file,    \
		.nodename = RCX_URING_DIR "/" file, \
		.fops = (operations),               \
		.mode = (access),                   \
	}

static struct miscdevice uring_devices[] = {
	URING(RCX_URING_READ, &uring_read_fops, 0400),
	URING(RCX_URING_NOWAIT, &uring_nowait_fops, 0400),
	URING(RCX_URING_EVENTS, &uring_events_fops, 0400),
#if URING_HAS_COMMANDS
	URING(RCX_URING_COMMAND, &uring_command_fops, 0600),
	URING(RCX_URING_UPCALL, &uring_upcall_fops, 0600),
#endif
};

static struct rcx_channel uring_channel = {
	.name = "uring",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){
#if URING_HAS_COMMANDS
			{ "async", RCX_IN_ANY, uring_emit, uring_ask },
#endif
			{ "multishot", RCX_IN_ANY, uring_emit_to_readers },
			{ } },
};

/* Deregister the first @count devices, in reverse order. */
static void uring_deregister(int count)
{
	while (count--)
		misc_deregister(&uring_devices[count]);
}

static int __init uring_init(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(uring_devices); i++) {
		err = misc_register(&uring_devices[i]);
		if (err)
			goto err_devices;
	}
	err = rcx_channel_register(&uring_channel);
	if (err)
		goto err_devices;
	return 0;

err_devices:
	uring_deregister(i);
	return err;
}

static void __exit uring_exit(void)
{
	rcx_channel_unregister(&uring_channel);
	uring_deregister(ARRAY_SIZE(uring_devices));
#if URING_HAS_COMMANDS && !URING_CAN_CANCEL
	uring_stop_watch();
#endif
}

module_init(uring_init);
module_exit(uring_exit);
MODULE_DESCRIPTION("ringcross: io_uring commands, and reads through io_uring");
MODULE_LICENSE("GPL");
