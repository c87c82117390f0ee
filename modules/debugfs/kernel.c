// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: debugfs
 *
 * Files for developers, with no rules: whatever helps to look into a driver.
 *
 * What it is.  debugfs_create_file() makes a file with the driver's own struct
 * file_operations, or with one of many ready-made ones for integers, bools and
 * blobs.  The file system is mounted for root alone, if at all.
 *
 * The path of one message.  System call entry, fd lookup, access check and
 * security hook, then debugfs's proxy, which counts itself into the file so
 * that a removal waits, our handler, copy_from_user() or copy_to_user(), and the
 * proxy again.  One copy each way, in the caller's context.
 *
 * When to choose it.  Knobs and dumps for those who work on the driver.  It is
 * no ABI, so it may change with every release; for the same reason no program
 * may depend on it.
 *
 * Its trap.  It may be absent: not built in, not mounted, or closed by lockdown.
 * The results of its create functions are not checked, and nothing must depend on
 * them; we check one, our directory, since without debugfs there is no channel.  A
 * handler that sleeps would hold up debugfs_remove(); the owner in our
 * file_operations makes every open hold the module, so we never come to that.
 *
 * A call is two system calls: the request is written, the reply is read from
 * the same open file, which keeps it until the next request.  Events come by a
 * read that sleeps, from a queue per open file.
 *
 * Two modes: file (through the proxy) and unsafe (made by
 * debugfs_create_file_unsafe(), which puts our file_operations into the open
 * file: no cost per call, and mmap() would work, but whoever can remove a file
 * before its module must guard each handler with debugfs_file_get() himself).
 * What the handlers do is in core/file.c.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "abi.h"

static DEFINE_RCX_READERS(debugfs_readers);

static int debugfs_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&debugfs_readers, event);
}

static int debugfs_open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &debugfs_readers);
}

/* Like chardev's: operations name their own module, and the folder stays readable on its own. */
static const struct file_operations debugfs_message_fops = {
	.owner = THIS_MODULE,
	.open = rcx_file_open,
	.release = rcx_file_release,
	.write = rcx_file_push,
	.read = rcx_file_pull,
	.llseek = default_llseek,
};

static const struct file_operations debugfs_transaction_fops = {
	.owner = THIS_MODULE,
	.open = rcx_file_open,
	.release = rcx_file_release,
	.write = rcx_file_request,
	.read = rcx_file_reply,
	.llseek = default_llseek,
};

static const struct file_operations debugfs_events_fops = {
	.owner = THIS_MODULE,
	.open = debugfs_open_events,
	.release = rcx_events_release,
	.read = rcx_events_read,
	.poll = rcx_events_poll,
	.llseek = noop_llseek,
};

static struct dentry *debugfs_dir;

static struct rcx_channel debugfs_channel = {
	.name = "debugfs",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "file", RCX_IN_ANY, debugfs_emit },
		{ "unsafe", RCX_IN_ANY, debugfs_emit },
		{ }
	},
};

/*
 * Only a program that opens a missing file sees that it could not be made.  The two blocks
 * differ in the function that they call, which is what the two modes compare.
 */
static void debugfs_make_files(void)
{
	struct dentry *unsafe = debugfs_create_dir(RCX_DEBUGFS_UNSAFE, debugfs_dir);

	debugfs_create_file(RCX_DEBUGFS_MESSAGE, 0600, debugfs_dir, NULL,
			    &debugfs_message_fops);
	debugfs_create_file(RCX_DEBUGFS_TRANSACTION, 0600, debugfs_dir, NULL,
			    &debugfs_transaction_fops);
	debugfs_create_file(RCX_DEBUGFS_EVENTS, 0400, debugfs_dir, NULL,
			    &debugfs_events_fops);

	debugfs_create_file_unsafe(RCX_DEBUGFS_MESSAGE, 0600, unsafe, NULL,
				   &debugfs_message_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_TRANSACTION, 0600, unsafe, NULL,
				   &debugfs_transaction_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_EVENTS, 0400, unsafe, NULL,
				   &debugfs_events_fops);
}

static int __init rcx_debugfs_init(void)
{
	int err;

	/* Here alone an error matters: without debugfs there is no channel. */
	debugfs_dir = debugfs_create_dir(RCX_DEBUGFS_DIR, NULL);
	if (IS_ERR(debugfs_dir))
		return PTR_ERR(debugfs_dir);
	debugfs_make_files();
	err = rcx_channel_register(&debugfs_channel);
	if (err)
		debugfs_remove(debugfs_dir);
	return err;
}

static void __exit rcx_debugfs_exit(void)
{
	rcx_channel_unregister(&debugfs_channel);
	debugfs_remove(debugfs_dir);	/* and all that is in it */
}

module_init(rcx_debugfs_init);
module_exit(rcx_debugfs_exit);
MODULE_DESCRIPTION("ringcross: files in debugfs, with and without its proxy");
MODULE_LICENSE("GPL");
