// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device that removes objects.  A program that is killed closes its files, and leaves its
 * directories behind.  So it claims the name of its object, and the close of the file removes the
 * object, as rmdir() would.
 *
 * The removal needs the rights of root and may have to wait for other users of the directory, so
 * a work does it.  The objects that it removes hold this module.  After that, only the end of the
 * work is left, for which claims_stop() waits.
 */
#include <linux/configfs.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include "abi.h"
#include "object.h"
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <linux/mnt_idmapping.h>
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#include <linux/user_namespace.h>
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define remove_directory(parent, dentry) vfs_rmdir(&nop_mnt_idmap, parent, dentry, NULL)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define remove_directory(parent, dentry) vfs_rmdir(&nop_mnt_idmap, parent, dentry)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
#define remove_directory(parent, dentry) vfs_rmdir(&init_user_ns, parent, dentry)
#else
#define remove_directory(parent, dentry) vfs_rmdir(parent, dentry)
#endif

static struct configfs_subsystem *claims_subsystem;
static struct workqueue_struct *claims_queue;

/* State of one open file; after its close, of the removal. */
struct claim {
	struct mutex lock; /* covers @name while the file is open */
	struct work_struct work;
	struct config_item *item; /* the object to remove, with a reference */
	char name[RCX_CONFIGFS_NAME_MAX];
};

/* ---- removal ------------------------------------------------------------ */

/*
 * Remove the directory of @child from that of @parent, whose inode the caller has locked: so
 * @child, which is in there, keeps its dentry.
 */
static int remove_child(struct config_item *parent, struct config_item *child)
{
	struct dentry *dentry = dget(child->ci_dentry);
	int err = remove_directory(d_inode(parent->ci_dentry), dentry);

	dput(dentry);
	return err;
}

/* The first child of @object, with a reference, or NULL. */
static struct config_item *first_child(struct object *object)
{
	struct config_item *child;

	mutex_lock(&claims_subsystem->su_mutex);
	child = list_first_entry_or_null(&object->group.cg_children, struct config_item, ci_entry);
	config_item_get(child);
	mutex_unlock(&claims_subsystem->su_mutex);
	return child;
}

/* Remove the numbers in @object, and let nobody make another one. */
static void empty(struct object *object)
{
	struct inode *inode = d_inode(object->group.cg_item.ci_dentry);
	struct config_item *child;
	int err = 0;

	mutex_lock(&claims_subsystem->su_mutex);
	object->closing = true;
	mutex_unlock(&claims_subsystem->su_mutex);

	inode_lock_nested(inode, I_MUTEX_CHILD);
	while (!err && (child = first_child(object))) {
		err = remove_child(&object->group.cg_item, child);
		config_item_put(child);
	}
	inode_unlock(inode);
}

/* Unless rmdir() was faster.  The directory stays when something is mounted on it, as with rmdir(). */
static void remove_object(struct config_item *item)
{
	struct config_item *root = &claims_subsystem->su_group.cg_item;
	bool linked;

	inode_lock_nested(d_inode(root->ci_dentry), I_MUTEX_PARENT);
	mutex_lock(&claims_subsystem->su_mutex);
	linked = item->ci_parent;
	mutex_unlock(&claims_subsystem->su_mutex);
	if (linked) {
		empty(to_object(item));
		remove_child(root, item);
	}
	inode_unlock(d_inode(root->ci_dentry));
}

static void claim_end(struct work_struct *work)
{
	struct claim *claim = container_of(work, struct claim, work);

	remove_object(claim->item);
	config_item_put(claim->item);
	kfree(claim);
}

/* ---- the device --------------------------------------------------------- */

static int claim_open(struct inode *inode, struct file *file)
{
	struct claim *claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);

	if (!claim)
		return -ENOMEM;
	mutex_init(&claim->lock);
	INIT_WORK(&claim->work, claim_end);
	file->private_data = claim;
	return nonseekable_open(inode, file);
}

static int claim_release(struct inode *inode, struct file *file)
{
	struct claim *claim = file->private_data;

	if (claim->name[0]) {
		mutex_lock(&claims_subsystem->su_mutex);
		claim->item = config_group_find_item(&claims_subsystem->su_group, claim->name);
		mutex_unlock(&claims_subsystem->su_mutex);
	}
	if (claim->item)
		queue_work(claims_queue, &claim->work);
	else
		kfree(claim);
	return 0;
}

/* Whether the name can be that of an object, and has nothing after its end. */
static bool claim_valid(const struct rcx_configfs_claim *request)
{
	size_t len = strnlen(request->name, sizeof(request->name));

	return len && len < sizeof(request->name) && !strchr(request->name, '/') &&
	       !memchr_inv(request->name + len, 0, sizeof(request->name) - len);
}

static long claim_name(struct claim *claim, const struct rcx_configfs_claim __user *arg)
{
	struct rcx_configfs_claim request;
	long err = 0;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (!claim_valid(&request))
		return -EINVAL;
	mutex_lock(&claim->lock);
	if (claim->name[0])
		err = -EBUSY;
	else
		memcpy(claim->name, request.name, sizeof(claim->name));
	mutex_unlock(&claim->lock);
	return err;
}

static long claim_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_CONFIGFS_CLAIM:
		return claim_name(file->private_data, (const void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations claim_fops = {
	.owner = THIS_MODULE,
	.open = claim_open,
	.release = claim_release,
	.unlocked_ioctl = claim_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice claim_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_configfs",
	.nodename = "ringcross/configfs",
	.fops = &claim_fops,
	.mode = 0600,
};

int claims_start(struct configfs_subsystem *subsystem)
{
	int err;

	claims_subsystem = subsystem;
	claims_queue = alloc_ordered_workqueue("ringcross_configfs", 0);
	if (!claims_queue)
		return -ENOMEM;
	err = misc_register(&claim_device);
	if (err)
		destroy_workqueue(claims_queue);
	return err;
}

void claims_stop(void)
{
	misc_deregister(&claim_device);
	destroy_workqueue(claims_queue);
}
