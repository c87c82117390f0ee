// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: configfs
 *
 * Kernel objects that user space makes with mkdir() and sets by writing to their files.
 *
 * What it is.  A file system, mounted at /sys/kernel/config, in which a subsystem owns a
 * directory.  mkdir() calls its make_group() or make_item(), which allocates an object; the
 * object's attributes appear as files.  rmdir() calls drop_item().  In sysfs the kernel makes
 * objects and user space reads them; here it is the other way round.
 *
 * The path of one message.  System call entry, fd lookup, checks.  A write takes the mutex
 * of the open file and is copied into its page, which is allocated once per open.  Then
 * store() runs under a semaphore that keeps the object in place.  A read calls show() into
 * the same page and copies it out.  A binary attribute collects writes in a vmalloc()ed
 * buffer and calls the driver at the last close.  A read of it calls the driver once, for all
 * bytes.  A mkdir() walks the path, takes the mutexes of the directory and of the subsystem,
 * allocates the object, a name, an inode and an entry for each attribute, and holds the module;
 * rmdir() undoes all this.
 *
 * When to choose it.  For objects whose life user space decides, such as USB gadgets, NVMe
 * or SCSI targets: an administrator builds a configuration, and it goes when its
 * directories are removed.
 *
 * Its pitfall.  An object stays when the program that made it ends.  It holds the module, so
 * nobody can unload the module until somebody has removed the directory.  Unlike the file of a
 * device, nothing in configfs is closed with the program.  show() runs once per open: a second
 * read of the same open file returns the same bytes, until a write to it makes them stale.  So a
 * program that reads a value again must open it again.  A binary attribute reports no error of
 * its own: the driver gets the message after close() has decided on its result.  And the kernel
 * cannot announce a change: nothing here can be polled.
 *
 * Four modes:
 *
 * - attribute: the file of one object is kept open.  It has no pull, for the reason above.
 * - shell: open, one operation, close, as a shell does.
 * - binary: the same with a binary attribute, for messages larger than a page.
 * - object: mkdir() and rmdir() of an object without attributes.  Its name is the message.
 *
 * Each session makes an object of its own, with its own sequence.  The object is a directory, in
 * which mode object makes its numbers.  A session also claims the object's name, through
 * /dev/ringcross/configfs, which is not measured.  When the session ends without removing the
 * object, for example because it is killed, the close of that device removes it.
 */
#include <linux/configfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include "rcx_core.h"
#include "abi.h"
#include "object.h"

/* Not const: before 7.x the type's pointer is not, either. */
static struct configfs_group_operations root_operations = {
	.make_group = object_make,
};

static const struct config_item_type root_type = {
	.ct_group_ops = &root_operations,
	.ct_owner = THIS_MODULE,
};

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = RCX_CONFIGFS_DIR,
			.ci_type = &root_type,
		},
	},
	.su_mutex = __MUTEX_INITIALIZER(subsystem.su_mutex),
};

static struct rcx_channel configfs_channel = {
	.name = "configfs",
	.owner = THIS_MODULE,
};

static int __init rcx_configfs_init(void)
{
	int err;

	config_group_init(&subsystem.su_group);
	err = configfs_register_subsystem(&subsystem);
	if (err)
		return err;
	err = claims_start(&subsystem);
	if (err)
		goto err_subsystem;
	err = rcx_channel_register(&configfs_channel);
	if (err)
		goto err_claims;
	return 0;

err_claims:
	claims_stop();
err_subsystem:
	configfs_unregister_subsystem(&subsystem);
	return err;
}

/* Each object holds this module, so the subsystem is empty here. */
static void __exit rcx_configfs_exit(void)
{
	rcx_channel_unregister(&configfs_channel);
	claims_stop();
	configfs_unregister_subsystem(&subsystem);
}

module_init(rcx_configfs_init);
module_exit(rcx_configfs_exit);
MODULE_DESCRIPTION("ringcross: objects that user space makes in configfs");
MODULE_LICENSE("GPL");
