// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: procfs
 *
 * A file under /proc whose content is made by a function.
 *
 * What it is.  proc_create() adds a name to /proc, with a table of handlers,
 * struct proc_ops.  The file has no storage.  write() calls one of our handlers with
 * the caller's buffer; read() calls another one, which makes the content on demand.
 *
 * The path of one message.  System call entry, fd lookup, access check and
 * security hook.  procfs takes a use count on the entry, so that the entry cannot be
 * removed meanwhile, and calls our handler.  The handler takes a mutex of the open file
 * and calls copy_from_user() or copy_to_user().  procfs drops the use count.  There is
 * one copy in each direction, made in the caller's context.
 *
 * When to choose it.  For text about processes or about the kernel as a whole
 * that people read with cat.  A driver's own files belong in sysfs, in debugfs or on
 * a device node; new files in /proc are discouraged.
 *
 * Its pitfall.  The entry's use count is not a module reference, and struct
 * proc_ops has no owner field that would take one.  proc_remove() waits for handlers
 * that are running.  So unloading the module while a reader sleeps in a handler would
 * wait as long as the reader.  For this reason our open takes a module reference.
 * A shell opens the file for every operation, and the path lookup costs more than a
 * short message.
 *
 * A call is two system calls: the request is written, and the reply is read from
 * the same open file, which keeps it until the next request.  Events arrive by a
 * read that sleeps.  procfs forwards poll() but has no queue of events, so the kernel
 * half keeps one per open file.  For an upcall, a read that sleeps returns the request and a
 * write to the same open file answers it.
 *
 * Two modes:
 *
 * - pread: the file is kept open.
 * - reopen: open, one operation, close, as a shell does.  State per open file would lose
 *   the sequence at each close, so this mode uses a separate file with one state for all
 *   opens.
 *
 * The handlers are in core/file.c.
 *
 * A dump reads a file whose handler copies as many binary records as the reader's buffer has
 * room for.  Files for people and scripts print text instead, which seqfile measures.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_readers.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

static DEFINE_RCX_FILE(procfs_shared);
static DEFINE_RCX_READERS(procfs_readers);
static DEFINE_RCX_UPCALL(procfs_upcall);

static int procfs_emit(const struct rcx_event *event)
{
	return rcx_readers_emit(&procfs_readers, event);
}

static int procfs_ask(const struct rcx_event *request)
{
	return rcx_upcall_ask(&procfs_upcall, request);
}

static int procfs_reset(void)
{
	return rcx_file_reset(&procfs_shared);
}

/* ---- opens: each holds a module reference until its release ------------- */

/* Inline, so that each open calls its function directly. */
static __always_inline int open_held(struct inode *inode, struct file *file,
				     int (*open)(struct inode *inode, struct file *file))
{
	int err;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = open(inode, file);
	if (err)
		module_put(THIS_MODULE);
	return err;
}

static int procfs_open(struct inode *inode, struct file *file)
{
	return open_held(inode, file, rcx_file_open);
}

/*
 * Some instructions of the module still run after module_put(), here and in an open that
 * fails.  In procfs that is safe: proc_remove() in our exit function waits until the
 * release, or the open, has returned.
 */
static int procfs_release(struct inode *inode, struct file *file)
{
	rcx_file_release(inode, file);
	module_put(THIS_MODULE);
	return 0;
}

static int procfs_open_shared(struct inode *inode, struct file *file)
{
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	file->private_data = &procfs_shared;
	return 0;
}

static int procfs_release_shared(struct inode *inode, struct file *file)
{
	module_put(THIS_MODULE);
	return 0;
}

static int open_events(struct inode *inode, struct file *file)
{
	return rcx_events_open(inode, file, &procfs_readers);
}

static int procfs_open_events(struct inode *inode, struct file *file)
{
	return open_held(inode, file, open_events);
}

static int procfs_release_events(struct inode *inode, struct file *file)
{
	rcx_events_release(inode, file);
	module_put(THIS_MODULE);
	return 0;
}

static int open_upcall(struct inode *inode, struct file *file)
{
	return rcx_upcall_open(inode, file, &procfs_upcall);
}

static int procfs_open_upcall(struct inode *inode, struct file *file)
{
	return open_held(inode, file, open_upcall);
}

static int procfs_release_upcall(struct inode *inode, struct file *file)
{
	rcx_upcall_release(inode, file);
	module_put(THIS_MODULE);
	return 0;
}

static int procfs_open_table(struct inode *inode, struct file *file)
{
	return open_held(inode, file, rcx_table_open);
}

static int procfs_release_table(struct inode *inode, struct file *file)
{
	rcx_table_release(inode, file);
	module_put(THIS_MODULE);
	return 0;
}

/* ---- the files; without proc_lseek some kernels call NULL --------------- */

static const struct proc_ops procfs_message_ops = {
	.proc_open = procfs_open,
	.proc_release = procfs_release,
	.proc_write = rcx_file_push,
	.proc_read = rcx_file_pull,
	.proc_lseek = default_llseek,
};

static const struct proc_ops procfs_transaction_ops = {
	.proc_open = procfs_open,
	.proc_release = procfs_release,
	.proc_write = rcx_file_request,
	.proc_read = rcx_file_reply,
	.proc_lseek = default_llseek,
};

static const struct proc_ops procfs_events_ops = {
	.proc_open = procfs_open_events,
	.proc_release = procfs_release_events,
	.proc_read = rcx_events_read,
	.proc_poll = rcx_events_poll,
	.proc_lseek = noop_llseek,
};

static const struct proc_ops procfs_upcall_ops = {
	.proc_open = procfs_open_upcall,
	.proc_release = procfs_release_upcall,
	.proc_read = rcx_upcall_read,
	.proc_write = rcx_upcall_write,
	.proc_poll = rcx_upcall_poll,
	.proc_lseek = noop_llseek,
};

static const struct proc_ops procfs_table_ops = {
	.proc_open = procfs_open_table,
	.proc_release = procfs_release_table,
	.proc_read = rcx_table_read,
	.proc_lseek = default_llseek,
};

static const struct proc_ops procfs_shared_ops = {
	.proc_open = procfs_open_shared,
	.proc_release = procfs_release_shared,
	.proc_write = rcx_file_push,
	.proc_read = rcx_file_pull,
	.proc_lseek = default_llseek,
};

static struct proc_dir_entry *procfs_dir;

static struct rcx_channel procfs_channel = {
	.name = "procfs",
	.owner = THIS_MODULE,
	.reset = procfs_reset,
	.emitters = (const struct rcx_emitter[]){ { "pread", RCX_IN_ANY, procfs_emit, procfs_ask },
						  { } },
};

static int __init procfs_init(void)
{
	int err;

	procfs_dir = proc_mkdir(RCX_PROCFS_DIR, NULL);
	if (!procfs_dir)
		return -ENOMEM;
	err = -ENOMEM;
	if (!proc_create(RCX_PROCFS_MESSAGE, 0600, procfs_dir, &procfs_message_ops) ||
	    !proc_create(RCX_PROCFS_TRANSACTION, 0600, procfs_dir, &procfs_transaction_ops) ||
	    !proc_create(RCX_PROCFS_EVENTS, 0400, procfs_dir, &procfs_events_ops) ||
	    !proc_create(RCX_PROCFS_UPCALL, 0600, procfs_dir, &procfs_upcall_ops) ||
	    !proc_create(RCX_PROCFS_TABLE, 0400, procfs_dir, &procfs_table_ops) ||
	    !proc_create(RCX_PROCFS_SHARED, 0600, procfs_dir, &procfs_shared_ops))
		goto err_dir;
	err = rcx_channel_register(&procfs_channel);
	if (err)
		goto err_dir;
	return 0;

err_dir:
	proc_remove(procfs_dir); /* also removes the files in it */
	rcx_file_free(&procfs_shared);
	return err;
}

static void __exit procfs_exit(void)
{
	rcx_channel_unregister(&procfs_channel);
	proc_remove(procfs_dir);
	rcx_file_free(&procfs_shared);
}

module_init(procfs_init);
module_exit(procfs_exit);
MODULE_DESCRIPTION("ringcross: files under /proc");
MODULE_LICENSE("GPL");
