// SPDX-License-Identifier: GPL-2.0-only
/* Objects, their attributes, and the numbers that are made in them. */
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "rcx_core.h"
#include "abi.h"
#include "object.h"

/* ---- attributes --------------------------------------------------------- */

static ssize_t message_store(struct config_item *item, const char *page, size_t count)
{
	struct object *object = to_object(item);
	int err;

	mutex_lock(&object->lock);
	err = rcx_consume(&object->sequence, (const struct rcx_msg *)page, count);
	mutex_unlock(&object->lock);
	return err ? err : count;
}

/* configfs clears the page before the first show of an open file. */
static ssize_t message_show(struct config_item *item, char *page)
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

static ssize_t transaction_store(struct config_item *item, const char *page, size_t count)
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

static ssize_t transaction_show(struct config_item *item, char *page)
{
	struct object *object = to_object(item);
	ssize_t len;

	mutex_lock(&object->lock);
	len = object->reply_len;
	memcpy(page, object->room, len);
	mutex_unlock(&object->lock);
	return len;
}

/* ---- a binary attribute -------------------------------------------------- */

/* Called at the last close; configfs drops the result. */
static ssize_t message_bin_write(struct config_item *item, const void *from, size_t count)
{
	struct object *object = to_object(item);
	int err;

	mutex_lock(&object->lock);
	err = rcx_consume(&object->sequence, from, count);
	mutex_unlock(&object->lock);
	return err ? err : count;
}

/*
 * configfs calls this twice: without a buffer for the length, then with one of
 * that length.  A bind may change the length in between, so the second call goes by @count.  The
 * buffer is not cleared, and all of it is shown.
 */
static ssize_t message_bin_read(struct config_item *item, void *to, size_t count)
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

/* ---- the type of an object ---------------------------------------------- */

/* The macros of configfs.h would make files that every user can read. */
static struct configfs_attribute attr_message = {
	.ca_name = RCX_CONFIGFS_MESSAGE,
	.ca_mode = 0600,
	.ca_owner = THIS_MODULE,
	.show = message_show,
	.store = message_store,
};

static struct configfs_attribute attr_transaction = {
	.ca_name = RCX_CONFIGFS_TRANSACTION,
	.ca_mode = 0600,
	.ca_owner = THIS_MODULE,
	.show = transaction_show,
	.store = transaction_store,
};

static struct configfs_bin_attribute attr_message_bin = {
	.cb_attr = {
		.ca_name = RCX_CONFIGFS_MESSAGE_BIN,
		.ca_mode = 0600,
		.ca_owner = THIS_MODULE,
	},
	.cb_max_size = RCX_HEADER + RCX_BODY_MAX,
	.read = message_bin_read,
	.write = message_bin_write,
};

static struct configfs_attribute *object_attributes[] = {
	&attr_message,
	&attr_transaction,
	NULL,
};

static struct configfs_bin_attribute *object_bin_attributes[] = {
	&attr_message_bin,
	NULL,
};

static void object_release(struct config_item *item)
{
	kfree(to_object(item));
}

static struct configfs_item_operations object_operations = {
	.release = object_release,
};

/* ---- a number: an object whose name is the message ---------------------- */

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

/* Called under the subsystem's mutex. */
static struct config_item *number_make(struct config_group *group, const char *name)
{
	struct object *object = to_object(&group->cg_item);
	struct config_item *item;
	u64 number;
	int err;

	if (object->closing)
		return ERR_PTR(-ENOENT);
	err = kstrtoull(name, 16, &number);
	if (err)
		return ERR_PTR(err);
	item = kzalloc(sizeof(*item), GFP_KERNEL_ACCOUNT);
	if (!item)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&object->lock);
	err = rcx_consume_narrow(&object->sequence, number, U64_MAX);
	mutex_unlock(&object->lock);
	if (err) {
		kfree(item);
		return ERR_PTR(err);
	}
	config_item_init_type_name(item, name, &number_type);
	return item;
}

static struct configfs_group_operations object_group_operations = {
	.make_item = number_make,
};

static const struct config_item_type object_type = {
	.ct_item_ops = &object_operations,
	.ct_group_ops = &object_group_operations,
	.ct_attrs = object_attributes,
	.ct_bin_attrs = object_bin_attributes,
	.ct_owner = THIS_MODULE,
};

struct config_group *object_make(struct config_group *parent, const char *name)
{
	struct object *object = kzalloc(sizeof(*object), GFP_KERNEL_ACCOUNT);

	if (!object)
		return ERR_PTR(-ENOMEM);
	mutex_init(&object->lock);
	config_group_init_type_name(&object->group, name, &object_type);
	return &object->group;
}
