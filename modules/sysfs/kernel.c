// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sysfs
 *
 * Attributes: properties of kernel objects as small files under /sys.
 *
 * What it is.  A kobject is a directory and an attribute is a file in it.  A read
 * calls the attribute's show() to fill a page; a write calls store() with the written
 * bytes.  kernfs manages the file, its buffers and its wait queue.
 *
 * The path of one message.  System call entry, fd lookup, checks.  A write is
 * copied into a buffer that is allocated for it.  Then kernfs takes the file's mutex and
 * an active reference to the attribute; a removal waits for that reference.  store()
 * gets the bytes in kernel memory.  A read goes through seq_file: under the same mutex
 * and reference, show() fills a zeroed page, which is copied out after both are
 * released.  A read of a binary attribute uses a buffer of its own instead of seq_file.
 * Our store() and show() make no copies, except for a reply that is kept.
 *
 * When to choose it.  For one value per file, of a device or of a driver as a whole,
 * that administrators and udev read and set.  It is ABI from the first day.
 *
 * Its pitfall.  An attribute does not see opens, so its state belongs to the object, and
 * all readers and writers share it.  What does not fit into a page is cut, not refused:
 * a longer write is a short write, and show() may fill one byte less than the page.  An
 * open file does not hold the module.  After an unload, reads fail with ENODEV, and a
 * process that sleeps in poll() sleeps on unless the module wakes it, as ours does.
 *
 * Four modes:
 *
 * - attribute: show and store, with the file kept open.  The message is binary, although
 *   text is the convention.
 * - reopen: the same, opened for each operation.
 * - binary: a binary attribute, which supports offsets, so a message may take many
 *   calls of a page each.
 * - notify: sysfs_notify_dirent() wakes all processes that poll for POLLPRI.  It reports
 *   only that the attribute has changed.  So the number is read from the attribute
 *   afterwards, and events before that read coalesce.  It also queues work for inotify,
 *   which can run before the sleeper if there is one CPU.
 *
 * A dump is in two of them.  reopen: a file for each record, as properties of devices are
 * read: open, read of a line of eight numbers, close.  binary: all records in one attribute.
 *
 * A call is two operations, at least two system calls: a request is stored, and its
 * reply can be read until the next request.
 *
 * An upcall, in mode notify, uses the same wake-up: poll() reports a request, a show takes it and
 * a store answers it.  The kernel loads firmware like this when a program provides it.  If the
 * program dies meanwhile, nobody notices, so the kernel must limit its wait.
 */
#include <linux/atomic.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "abi.h"
#include "table.h"

/* ---- attributes: kernfs provides the buffers ---------------------------- */

/*
 * State of both attributes, shared by all callers.  @lock protects @sequence, @reply
 * and @reply_len.  The file's mutex of kernfs does not: there is one per open file.
 */
static struct {
	struct mutex lock;
	struct rcx_sequence sequence;
	size_t reply_len;
	struct rcx_msg *reply;
} attribute = {
	.lock = __MUTEX_INITIALIZER(attribute.lock),
};

static ssize_t message_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	int err;

	mutex_lock(&attribute.lock);
	err = rcx_consume(&attribute.sequence, (const struct rcx_msg *)buf, count);
	mutex_unlock(&attribute.lock);
	return err ? err : count;
}

static ssize_t message_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	u32 size = rcx_size();

	/* kernfs would cut more than this, and write a line to the kernel log. */
	if (RCX_HEADER + size > PAGE_SIZE - 1)
		return -EMSGSIZE;
	mutex_lock(&attribute.lock);
	rcx_make(&attribute.sequence, (struct rcx_msg *)buf, size);
	mutex_unlock(&attribute.lock);
	return RCX_HEADER + size;
}

static ssize_t transaction_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
				 size_t count)
{
	int err;

	if (count > PAGE_SIZE - 1)
		return -EMSGSIZE; /* show() could not return its reply */
	mutex_lock(&attribute.lock);
	attribute.reply_len = 0;
	err = rcx_consume(&attribute.sequence, (const struct rcx_msg *)buf, count);
	if (!err) {
		memcpy(attribute.reply, buf, count);
		rcx_reply(attribute.reply, count);
		attribute.reply_len = count;
	}
	mutex_unlock(&attribute.lock);
	return err ? err : count;
}

static ssize_t transaction_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	ssize_t len;

	mutex_lock(&attribute.lock);
	len = attribute.reply_len;
	memcpy(buf, attribute.reply, len);
	mutex_unlock(&attribute.lock);
	return len;
}

/* ---- binary attributes: offsets, a page at a time ----------------------- */

/*
 * State of one binary attribute, shared by all callers: two writers at the same time
 * corrupt each other's message.  @lock protects the fields below it.
 */
struct binary {
	struct mutex lock;
	struct rcx_sequence sequence;
	struct rcx_msg *message; /* room for the largest one */
	size_t got;		 /* received bytes of an incomplete message */
	size_t ready;		 /* bytes that may be read */
};

#define BINARY(name) { .lock = __MUTEX_INITIALIZER((name).lock) }
static struct binary message_binary = BINARY(message_binary);
static struct binary transaction_binary = BINARY(transaction_binary);

/*
 * Add @count bytes at @off.  Returns 1 if they complete a message, which is then
 * consumed, 0 if the message is still incomplete, or a negative errno.
 */
static int binary_add(struct binary *binary, const char *from, loff_t off, size_t count)
{
	const struct rcx_msg *message = binary->message;
	size_t len;
	int err;

	if (off == 0)
		binary->got = binary->ready = 0;
	if (off != binary->got || count > RCX_HEADER + RCX_BODY_MAX - binary->got)
		return -EINVAL;
	memcpy((char *)binary->message + off, from, count);
	binary->got += count;
	if (binary->got < RCX_HEADER || binary->got - RCX_HEADER < message->size)
		return 0;

	len = binary->got;
	binary->got = 0;
	err = rcx_consume(&binary->sequence, message, len);
	if (err)
		return err;
	binary->ready = len;
	return 1;
}

static ssize_t binary_get(const struct binary *binary, char *to, loff_t off, size_t count)
{
	return memory_read_from_buffer(to, count, &off, binary->message, binary->ready);
}

static ssize_t message_bin_write(struct file *file, struct kobject *kobj,
				 BIN_CONST struct bin_attribute *attr, char *buf, loff_t off,
				 size_t count)
{
	int ret;

	mutex_lock(&message_binary.lock);
	ret = binary_add(&message_binary, buf, off, count);
	message_binary.ready = 0;
	mutex_unlock(&message_binary.lock);
	return ret < 0 ? ret : count;
}

static ssize_t message_bin_read(struct file *file, struct kobject *kobj,
				BIN_CONST struct bin_attribute *attr, char *buf, loff_t off,
				size_t count)
{
	u32 size = rcx_size();
	ssize_t ret;

	mutex_lock(&message_binary.lock);
	if (off == 0) {
		rcx_make(&message_binary.sequence, message_binary.message, size);
		message_binary.ready = RCX_HEADER + size;
		message_binary.got = 0; /* discards an incomplete write */
	}
	ret = binary_get(&message_binary, buf, off, count);
	mutex_unlock(&message_binary.lock);
	return ret;
}

/* Similar to message_bin_write(), but kept separate: both are on a timed path. */
static ssize_t transaction_bin_write(struct file *file, struct kobject *kobj,
				     BIN_CONST struct bin_attribute *attr, char *buf, loff_t off,
				     size_t count)
{
	int ret;

	mutex_lock(&transaction_binary.lock);
	ret = binary_add(&transaction_binary, buf, off, count);
	if (ret == 1)
		rcx_reply(transaction_binary.message, transaction_binary.ready);
	mutex_unlock(&transaction_binary.lock);
	return ret < 0 ? ret : count;
}

static ssize_t transaction_bin_read(struct file *file, struct kobject *kobj,
				    BIN_CONST struct bin_attribute *attr, char *buf, loff_t off,
				    size_t count)
{
	ssize_t ret;

	mutex_lock(&transaction_binary.lock);
	ret = binary_get(&transaction_binary, buf, off, count);
	mutex_unlock(&transaction_binary.lock);
	return ret;
}

/* ---- notify: reports only a change -------------------------------------- */

static atomic64_t events = ATOMIC64_INIT(0); /* count; the newest event is one less */
static struct kernfs_node *event_node;

static ssize_t event_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld\n", (long long)atomic64_read(&events) - 1);
}

/*
 * sysfs_notify() cannot be called from an interrupt, since it looks up the name under
 * a lock that sleeps.  sysfs_notify_dirent() with the node works in any context, except
 * in a hardirq of PREEMPT_RT, where the lock of kernfs's list of notifications may sleep.
 */
static int event_emit(const struct rcx_event *event)
{
	atomic64_set(&events, event->seq + 1);
	sysfs_notify_dirent(event_node);
	return 0;
}

/* ---- upcall: the same notification, for a request that waits for a store -- */

/*
 * An attribute does not see opens, so the channel itself is the only server.  A reader that dies
 * is not noticed: its request ends at the deadline.
 */
static DEFINE_RCX_UPCALL(sysfs_upcall);
static struct kernfs_node *request_node;

static ssize_t request_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct rcx_event request;
	int err = rcx_upcall_take(&sysfs_upcall, &sysfs_upcall, &request, true);

	if (err)
		return err;
	if (RCX_HEADER + request.size > PAGE_SIZE - 1) {
		rcx_upcall_return(&sysfs_upcall, &sysfs_upcall);
		return -EMSGSIZE;
	}
	rcx_event(&request, (struct rcx_msg *)buf);
	return RCX_HEADER + request.size;
}

static ssize_t request_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	int err = rcx_upcall_answer(&sysfs_upcall, &sysfs_upcall, (const struct rcx_msg *)buf,
				    count);

	return err ? err : count;
}

static int sysfs_ask(const struct rcx_event *request)
{
	int err = rcx_upcall_begin(&sysfs_upcall, request, NULL);

	if (err)
		return err;
	sysfs_notify_dirent(request_node);
	return rcx_upcall_wait(&sysfs_upcall);
}

/* ---- registration ------------------------------------------------------ */

static struct kobj_attribute message_attribute = __ATTR(message, 0600, message_show, message_store);
static struct kobj_attribute transaction_attribute =
	__ATTR(transaction, 0600, transaction_show, transaction_store);
static struct kobj_attribute event_attribute = __ATTR(event, 0400, event_show, NULL);

static struct kobj_attribute request_attribute = __ATTR(request, 0600, request_show, request_store);

static struct attribute *sysfs_attributes[] = {
	&message_attribute.attr, &transaction_attribute.attr, &event_attribute.attr,
	&request_attribute.attr, NULL
};

static const struct attribute_group sysfs_group = { .attrs = sysfs_attributes };

/* Not in the group, since the type of its member for these changed several times. */
static const struct bin_attribute message_bin_attribute = {
	.attr = { .name = RCX_SYSFS_MESSAGE_BIN, .mode = 0600 },
	.size = RCX_HEADER + RCX_BODY_MAX,
	.read = message_bin_read,
	.write = message_bin_write,
};

static const struct bin_attribute transaction_bin_attribute = {
	.attr = { .name = RCX_SYSFS_TRANSACTION_BIN, .mode = 0600 },
	.size = RCX_HEADER + RCX_BODY_MAX,
	.read = transaction_bin_read,
	.write = transaction_bin_write,
};

static void binary_reset(struct binary *binary)
{
	mutex_lock(&binary->lock);
	binary->sequence = (struct rcx_sequence){ };
	binary->got = binary->ready = 0;
	mutex_unlock(&binary->lock);
}

static int sysfs_reset(void)
{
	mutex_lock(&attribute.lock);
	attribute.sequence = (struct rcx_sequence){ };
	attribute.reply_len = 0;
	mutex_unlock(&attribute.lock);
	binary_reset(&message_binary);
	binary_reset(&transaction_binary);
	atomic64_set(&events, 0);
	return sysfs_table_reset();
}

static struct rcx_channel sysfs_channel = {
	.name = "sysfs",
	.owner = THIS_MODULE,
	.reset = sysfs_reset,
	.emitters = (const struct rcx_emitter[]){ { "notify", RCX_IN_ANY, event_emit, sysfs_ask },
						  { } },
};

static struct kobject *sysfs_object;

static int buffers_get(void)
{
	attribute.reply = vzalloc(PAGE_SIZE);
	message_binary.message = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	transaction_binary.message = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	return attribute.reply && message_binary.message && transaction_binary.message ?
		       0 :
		       -ENOMEM;
}

static void buffers_put(void)
{
	vfree(transaction_binary.message);
	vfree(message_binary.message);
	vfree(attribute.reply);
}

static int __init rcx_sysfs_init(void)
{
	int err = buffers_get();

	if (err)
		goto err_buffers;
	err = -ENOMEM;
	sysfs_object = kobject_create_and_add(RCX_SYSFS_DIR, kernel_kobj);
	if (!sysfs_object)
		goto err_buffers;
	err = sysfs_create_group(sysfs_object, &sysfs_group);
	if (err)
		goto err_object;
	err = sysfs_create_bin_file(sysfs_object, &message_bin_attribute);
	if (err)
		goto err_object;
	err = sysfs_create_bin_file(sysfs_object, &transaction_bin_attribute);
	if (err)
		goto err_object;
	err = sysfs_table_add(sysfs_object);
	if (err)
		goto err_object;
	err = -ENOENT;
	event_node = sysfs_get_dirent(sysfs_object->sd, RCX_SYSFS_EVENT);
	if (!event_node)
		goto err_object;
	request_node = sysfs_get_dirent(sysfs_object->sd, RCX_SYSFS_REQUEST);
	if (!request_node)
		goto err_node;
	rcx_upcall_join(&sysfs_upcall);
	err = rcx_channel_register(&sysfs_channel);
	if (err)
		goto err_request;
	return 0;

err_request:
	sysfs_put(request_node);
err_node:
	sysfs_put(event_node);
err_object:
	sysfs_table_remove();
	kobject_put(sysfs_object); /* also removes its files */
err_buffers:
	buffers_put();
	return err;
}

static void __exit rcx_sysfs_exit(void)
{
	rcx_channel_unregister(&sysfs_channel);
	sysfs_table_remove();
	kobject_put(sysfs_object); /* waits for running callbacks */
	/* The removal wakes no sleeper, so do it here; poll() then returns an error. */
	sysfs_notify_dirent(event_node);
	sysfs_notify_dirent(request_node);
	sysfs_put(request_node);
	sysfs_put(event_node);
	buffers_put();
}

module_init(rcx_sysfs_init);
module_exit(rcx_sysfs_exit);
MODULE_DESCRIPTION("ringcross: sysfs attributes, binary attributes and their notification");
MODULE_LICENSE("GPL");
