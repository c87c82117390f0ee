// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: configfs
 *
 * Kernel objects that user space makes with mkdir() and sets by writing to their files.
 *
 * What it is.  A file system, mounted at /sys/kernel/config, in which a subsystem owns a
 * directory.  mkdir() calls its make_item(), which allocates an object; the object's
 * attributes appear as files.  rmdir() calls drop_item().  In sysfs the kernel makes
 * objects and user space reads them; here it is the other way round.
 *
 * The path of one message.  System call entry, fd lookup, checks.  A write takes the mutex
 * of the open file and is copied into its page, which is allocated once per open.  Then
 * store() runs under a semaphore that keeps the object in place.  A read calls show() into
 * the same page and copies it out.  A binary attribute collects writes in a vmalloc()ed
 * buffer and calls the driver at the last close.  A mkdir() walks the path, takes the
 * mutexes of the directory and of the subsystem, allocates the object, a name, an inode
 * and an entry for each attribute, and holds the module; rmdir() undoes all this.
 *
 * When to choose it.  For objects whose life user space decides, such as USB gadgets, NVMe
 * or SCSI targets: an administrator builds a configuration, and it goes when its
 * directories are removed.
 *
 * Its pitfall.  show() runs once per open: a second read of the same open file returns the
 * same bytes, until a write to it makes them stale.  So a program that reads a value again
 * must open it again.  A binary attribute reports no error of its own: the driver
 * gets the message after close() has decided on its result.  Each object holds
 * the module, so one that a killed program left behind prevents an unload.  And the kernel
 * cannot announce a change: nothing here can be polled.
 *
 * Four modes:
 *
 * - attribute: the file of one object is kept open.  It has no pull, for the reason above.
 * - reopen: open, one operation, close, as a shell does.
 * - binary: the same with a binary attribute, for messages larger than a page.
 * - object: mkdir() and rmdir() of an object that has no attributes.  Its name is the
 *   message.
 *
 * Each session makes an object of its own, with its own sequence.
 */
#include <linux/configfs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "abi.h"

/* ---- an object: the state of one session -------------------------------- */

/*
 * @lock protects all fields below it.  The mutex of an open file does not: the same
 * object may be open several times.
 */
struct object {
	struct config_item item;
	struct mutex lock;
	struct rcx_sequence sequence;
	size_t reply_len;
	union {
		struct rcx_msg reply;
		u8 room[RCX_CONFIGFS_STORE_MAX];
	};
};

static struct object *to_object(struct config_item *item)
{
	return container_of(item, struct object, item);
}

static ssize_t object_message_store(struct config_item *item, const char *page, size_t count)
{
	struct object *object = to_object(item);
	int err;

	mutex_lock(&object->lock);
	err = rcx_consume(&object->sequence, (const struct rcx_msg *)page, count);
	mutex_unlock(&object->lock);
	return err ? err : count;
}

/* configfs clears the page before the first show of an open file. */
static ssize_t object_message_show(struct config_item *item, char *page)
{
	struct object *object = to_object(item);
	u32 size = rcx_size();

	if (RCX_HEADER + size > RCX_CONFIGFS_SHOW_MAX)
		return -EMSGSIZE;
	mutex_lock(&object->lock);
	rcx_make(&object->sequence, (struct rcx_msg *)page, size);
	mutex_unlock(&object->lock);
	return RCX_HEADER + size;
}

static ssize_t object_transaction_store(struct config_item *item, const char *page, size_t count)
{
	struct object *object = to_object(item);
	int err;

	if (count > sizeof(object->room))
		return -EMSGSIZE;
	mutex_lock(&object->lock);
	object->reply_len = 0;
	err = rcx_consume(&object->sequence, (const struct rcx_msg *)page, count);
	if (!err) {
		memcpy(object->room, page, count);
		rcx_reply(&object->reply, count);
		object->reply_len = count;
	}
	mutex_unlock(&object->lock);
	return err ? err : count;
}

static ssize_t object_transaction_show(struct config_item *item, char *page)
{
	struct object *object = to_object(item);
	ssize_t len;

	mutex_lock(&object->lock);
	len = object->reply_len;
	memcpy(page, object->room, len);
	mutex_unlock(&object->lock);
	return len;
}

/* Called at the last close; configfs drops the result. */
static ssize_t object_message_bin_write(struct config_item *item, const void *from, size_t count)
{
	struct object *object = to_object(item);
	int err;

	mutex_lock(&object->lock);
	err = rcx_consume(&object->sequence, from, count);
	mutex_unlock(&object->lock);
	return err ? err : count;
}

/*
 * configfs calls this twice: without a buffer for the length, then with one of that
 * length.  A bind may change the size in between, so the second call goes by @count.  The
 * buffer is not cleared.
 */
static ssize_t object_message_bin_read(struct config_item *item, void *to, size_t count)
{
	struct object *object = to_object(item);

	if (!to)
		return RCX_HEADER + rcx_size();
	if (count < RCX_HEADER || count > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	memset(to, 0, count);
	mutex_lock(&object->lock);
	rcx_make(&object->sequence, to, count - RCX_HEADER);
	mutex_unlock(&object->lock);
	return count;
}

/* The macros of configfs.h would make files that every user can read. */
static struct configfs_attribute object_attr_message = {
	.ca_name = RCX_CONFIGFS_MESSAGE,
	.ca_mode = 0600,
	.ca_owner = THIS_MODULE,
	.show = object_message_show,
	.store = object_message_store,
};

static struct configfs_attribute object_attr_transaction = {
	.ca_name = RCX_CONFIGFS_TRANSACTION,
	.ca_mode = 0600,
	.ca_owner = THIS_MODULE,
	.show = object_transaction_show,
	.store = object_transaction_store,
};

static struct configfs_bin_attribute object_attr_message_bin = {
	.cb_attr = {
		.ca_name = RCX_CONFIGFS_MESSAGE_BIN,
		.ca_mode = 0600,
		.ca_owner = THIS_MODULE,
	},
	.cb_max_size = RCX_HEADER + RCX_BODY_MAX,
	.read = object_message_bin_read,
	.write = object_message_bin_write,
};

static struct configfs_attribute *object_attributes[] = {
	&object_attr_message,
	&object_attr_transaction,
	NULL,
};

static struct configfs_bin_attribute *object_bin_attributes[] = {
	&object_attr_message_bin,
	NULL,
};

static void object_release(struct config_item *item)
{
	kfree(to_object(item));
}

static struct configfs_item_operations object_operations = {
	.release = object_release,
};

static const struct config_item_type object_type = {
	.ct_item_ops = &object_operations,
	.ct_attrs = object_attributes,
	.ct_bin_attrs = object_bin_attributes,
	.ct_owner = THIS_MODULE,
};

static struct config_item *object_make(struct config_group *group, const char *name)
{
	struct object *object = kzalloc(sizeof(*object), GFP_KERNEL_ACCOUNT);

	if (!object)
		return ERR_PTR(-ENOMEM);
	mutex_init(&object->lock);
	config_item_init_type_name(&object->item, name, &object_type);
	return &object->item;
}

/* ---- a number: an object whose name is the message ---------------------- */

/* The subsystem's mutex, which is held in make_item(), protects it. */
static struct rcx_sequence numbers_sequence;

static void number_release(struct config_item *item)
{
	kfree(item);
}

static struct configfs_item_operations number_operations = {
	.release = number_release,
};

static const struct config_item_type number_type = {
	.ct_item_ops = &number_operations,
	.ct_owner = THIS_MODULE,
};

static struct config_item *number_make(struct config_group *group, const char *name)
{
	struct config_item *item;
	u64 number;
	int err;

	err = kstrtoull(name, 16, &number);
	if (err)
		return ERR_PTR(err);
	item = kzalloc(sizeof(*item), GFP_KERNEL_ACCOUNT);
	if (!item)
		return ERR_PTR(-ENOMEM);
	err = rcx_consume_narrow(&numbers_sequence, number, U64_MAX);
	if (err) {
		kfree(item);
		return ERR_PTR(err);
	}
	config_item_init_type_name(item, name, &number_type);
	return item;
}

/* ---- registration ------------------------------------------------------ */

static struct configfs_group_operations objects_operations = {
	.make_item = object_make,
};

static struct configfs_group_operations numbers_operations = {
	.make_item = number_make,
};

static const struct config_item_type objects_type = {
	.ct_group_ops = &objects_operations,
	.ct_owner = THIS_MODULE,
};

static const struct config_item_type numbers_type = {
	.ct_group_ops = &numbers_operations,
	.ct_owner = THIS_MODULE,
};

static const struct config_item_type subsystem_type = {
	.ct_owner = THIS_MODULE,
};

static struct config_group objects, numbers;

static struct configfs_subsystem subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = RCX_CONFIGFS_DIR,
			.ci_type = &subsystem_type,
		},
	},
	.su_mutex = __MUTEX_INITIALIZER(subsystem.su_mutex),
};

static int configfs_reset(void)
{
	mutex_lock(&subsystem.su_mutex);
	numbers_sequence = (struct rcx_sequence){ };
	mutex_unlock(&subsystem.su_mutex);
	return 0;
}

static struct rcx_channel configfs_channel = {
	.name = "configfs",
	.owner = THIS_MODULE,
	.reset = configfs_reset,
};

static int __init rcx_configfs_init(void)
{
	int err;

	config_group_init(&subsystem.su_group);
	config_group_init_type_name(&objects, RCX_CONFIGFS_OBJECTS, &objects_type);
	config_group_init_type_name(&numbers, RCX_CONFIGFS_NUMBERS, &numbers_type);
	configfs_add_default_group(&objects, &subsystem.su_group);
	configfs_add_default_group(&numbers, &subsystem.su_group);
	err = configfs_register_subsystem(&subsystem);
	if (err)
		return err;
	err = rcx_channel_register(&configfs_channel);
	if (err)
		configfs_unregister_subsystem(&subsystem);
	return err;
}

static void __exit rcx_configfs_exit(void)
{
	rcx_channel_unregister(&configfs_channel);
	configfs_unregister_subsystem(&subsystem);
}

module_init(rcx_configfs_init);
module_exit(rcx_configfs_exit);
MODULE_DESCRIPTION("ringcross: objects that user space makes in configfs");
MODULE_LICENSE("GPL");
