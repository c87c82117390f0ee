// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: debugfs
 *
 * A file system for debugging files, whose content and format each driver chooses.
 *
 * What it is.  debugfs_create_file() creates a file with the driver's own struct
 * file_operations.  Ready-made operations exist for integers, booleans and blobs.  If
 * debugfs is mounted at all, only root has access to it.
 *
 * The path of one message.  System call entry, lookup of the file descriptor, access
 * check and security hook.  The proxy of debugfs then takes a use count of the file, so
 * that a removal waits.  Our handler runs, with copy_from_user() or copy_to_user(), and
 * the proxy drops the use count.  That is one copy in each direction, in the caller's
 * context.
 *
 * When to choose it.  For settings and dumps that the developers of a driver need.
 * debugfs is not an ABI: a file may change in every release, so no program may depend on
 * it.
 *
 * Its pitfall.  debugfs may be unavailable: not built in, not mounted, or closed by
 * lockdown.  A driver does not check the results of the create functions, and nothing may
 * depend on them.  This channel checks one result, its directory, because without debugfs
 * there is no channel.  debugfs_remove() waits for handlers that are running, so a
 * handler that sleeps would delay it.  That does not happen here: .owner in our
 * file_operations makes every open file hold the module, so no file is open when the
 * module is unloaded.
 *
 * A call is two system calls: the request is written, and the reply is read from the same
 * open file, which keeps it until the next request.  An event is received by a read that
 * sleeps, from a queue per open file.  For an upcall, a read that sleeps returns the request
 * and a write to the same open file answers it.
 *
 * Two modes.  file: through the proxy.  unsafe: files of debugfs_create_file_unsafe(),
 * which puts our file_operations into the open file.  This has no cost per call, and
 * mmap() would work.  However, a module that can remove such a file while it is open must
 * protect each handler with debugfs_file_get() itself.  The handlers are in core/file.c.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

static DEFINE_RCX_READERS(debugfs_readers);
static DEFINE_RCX_UPCALL(debugfs_upcall);

static int debugfs_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&debugfs_readers, event);
}

static int debugfs_open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &debugfs_readers);
}

static int debugfs_ask(const struct rcx_event *request)
{
	return rcx_upcall_ask(&debugfs_upcall, request);
}

static int debugfs_open_upcall(struct inode *inode, struct file *file)
{
	return rcx_upcall_open(inode, file, &debugfs_upcall);
}

/* The same as in chardev: .owner differs, and each folder is readable on its own. */
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

static const struct file_operations debugfs_upcall_fops = {
	.owner = THIS_MODULE,
	.open = debugfs_open_upcall,
	.release = rcx_upcall_release,
	.read = rcx_upcall_read,
	.write = rcx_upcall_write,
	.poll = rcx_upcall_poll,
	.llseek = noop_llseek,
};

static const struct file_operations debugfs_table_fops = {
	.owner = THIS_MODULE,
	.open = rcx_table_open,
	.release = rcx_table_release,
	.read = rcx_table_read,
	.llseek = default_llseek,
};

static struct dentry *debugfs_dir;

static struct rcx_channel debugfs_channel = {
	.name = "debugfs",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){ { "file", RCX_IN_ANY, debugfs_emit, debugfs_ask },
					      { "unsafe", RCX_IN_ANY, debugfs_emit, debugfs_ask },
					      { } },
};

/*
 * No result is checked: if a file could not be created, a program that opens it gets an
 * error.  The two blocks differ in the function that they call, as the two modes do.
 */
static void debugfs_make_files(void)
{
	struct dentry *unsafe = debugfs_create_dir(RCX_DEBUGFS_UNSAFE, debugfs_dir);

	debugfs_create_file(RCX_DEBUGFS_MESSAGE, 0600, debugfs_dir, NULL, &debugfs_message_fops);
	debugfs_create_file(RCX_DEBUGFS_TRANSACTION, 0600, debugfs_dir, NULL,
			    &debugfs_transaction_fops);
	debugfs_create_file(RCX_DEBUGFS_EVENTS, 0400, debugfs_dir, NULL, &debugfs_events_fops);
	debugfs_create_file(RCX_DEBUGFS_UPCALL, 0600, debugfs_dir, NULL, &debugfs_upcall_fops);
	debugfs_create_file(RCX_DEBUGFS_TABLE, 0400, debugfs_dir, NULL, &debugfs_table_fops);

	debugfs_create_file_unsafe(RCX_DEBUGFS_MESSAGE, 0600, unsafe, NULL, &debugfs_message_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_TRANSACTION, 0600, unsafe, NULL,
				   &debugfs_transaction_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_EVENTS, 0400, unsafe, NULL, &debugfs_events_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_UPCALL, 0600, unsafe, NULL, &debugfs_upcall_fops);
	debugfs_create_file_unsafe(RCX_DEBUGFS_TABLE, 0400, unsafe, NULL, &debugfs_table_fops);
}

static int __init rcx_debugfs_init(void)
{
	int err;

	/* The only result that is checked: without debugfs there is no channel. */
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
	debugfs_remove(debugfs_dir); /* and everything in it */
}

module_init(rcx_debugfs_init);
module_exit(rcx_debugfs_exit);
MODULE_DESCRIPTION("ringcross: files in debugfs, with and without its proxy");
MODULE_LICENSE("GPL");
