// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sockets
 *
 * Sockets and pipes with the kernel at the far end.
 *
 * What it is.  A module can use a socket as a program does: sock_create_kern(),
 * kernel_connect(), kernel_sendmsg() and kernel_recvmsg().  NFS, iSCSI and many other
 * network services in the kernel are built this way.  The program at the other end uses an
 * ordinary socket and cannot see that the kernel answers.  The kernel can also write to a
 * pipe or a file whose descriptor a program has passed to it, by kernel_write().  autofs
 * does that.  Here an ioctl tells the kernel half the port of the program's socket, or the
 * pipe.  No message goes through this ioctl.
 *
 * The path of one message.
 *
 * - udp: send() copies the message into a socket buffer, and the whole network stack
 *   handles it: routing, netfilter, the loopback device, a softirq, the lookup of the
 *   receiving socket.  The softirq runs on the way out of send(), in the sender's context.
 *   It calls data_ready of the kernel half's socket, which takes the datagram from the
 *   queue, copies it out and consumes it.  So a push takes two copies and no switch.  For a
 *   call, data_ready queues a work.  A worker thread receives the request and sends the
 *   reply, which takes four copies and two switches.
 * - vsock: the same calls on a stream socket of AF_VSOCK.  The loopback transport is a
 *   worker thread, which moves packets from one socket to the other.  A push therefore
 *   needs two threads of the kernel besides the sender: the transport, and the worker that
 *   receives.  A stream keeps no message boundaries, so the length is in the header.
 * - pipe: events only.  kernel_write() copies the message into pages of the pipe and wakes
 *   the reader, as the write() of another process does, without a system call.
 * - batch: a pipe, too.  The kernel half collects up to 16 events and writes them at once,
 *   and the reader takes all that the pipe holds by one read().  They share one wake-up and
 *   two switches, which cost more than a small message itself.
 *
 * A round of pushes ends when the kernel half has consumed the last one: after n pushes,
 * the user half waits once by an ioctl.  With udp all are consumed by then, unless the
 * kernel has deferred the softirq to its thread ksoftirqd.
 *
 * When to choose it.  UDP, if the same service must also be reachable over a network.
 * AF_VSOCK, if the program may run in a virtual machine and the module on its host, or the
 * other way round.  A pipe, for bytes to a program that only reads its standard input.  On
 * one machine without these needs, netlink does the same with less: a datagram passes
 * neither routing nor a device.
 *
 * Its pitfall.  Everybody who can reach the address can send.  A connected socket drops
 * the packets of others, but on an open port the module itself must find out who sent a
 * packet: credentials are not passed.  With UDP a full receive buffer drops datagrams
 * without an error for the sender; the receiver can read the number of drops by the option
 * SO_MEMINFO.  A thread of the kernel that sleeps in kernel_sendmsg() or kernel_write()
 * because a program does not read can neither be killed nor does it end, so everything
 * here is sent without blocking.  For a pipe that is not enough: O_NONBLOCK belongs to the
 * program's open file, which may clear it.  The kernel half therefore opens the pipe once
 * more for itself.
 *
 * Four modes: udp, vsock, pipe and batch.  Events come from process context only, because
 * kernel_sendmsg() and kernel_write() may sleep.
 */
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "sockets.h"
#include "abi.h"

#define WAIT_MAX (5 * HZ) /* a message that was not consumed by then is lost */

struct workqueue_struct *sockets_workqueue;

/* Protects the list of ends that get events.  Taken before the lock of an end. */
static DEFINE_MUTEX(sockets_lock);
static LIST_HEAD(sockets_ends);

/* ---- messages ----------------------------------------------------------- */

/*
 * A waiter enters the wait queue and then looks at the number under the lock, so it is
 * either seen here, or sees the new number.
 */
int sockets_consume(struct sockets_end *end, size_t len)
{
	int err;

	spin_lock_bh(&end->count_lock);
	err = rcx_consume(&end->sequence, end->message, len);
	if (!err && waitqueue_active(&end->wait))
		wake_up(&end->wait);
	spin_unlock_bh(&end->count_lock);
	return err;
}

/* End the conversation: the other side finds the end of the stream, and sleepers wake. */
void sockets_break(struct sockets_end *end, int error)
{
	spin_lock_bh(&end->count_lock);
	if (!end->error)
		end->error = error;
	wake_up(&end->wait);
	spin_unlock_bh(&end->count_lock);
	if (end->sock)
		kernel_sock_shutdown(end->sock, SHUT_RDWR);
}

/* Whether @count messages were consumed, or no more will be. */
static bool reached(struct sockets_end *end, u64 count, int *error)
{
	bool ended;

	spin_lock_bh(&end->count_lock);
	ended = end->sequence.in >= count;
	*error = ended ? 0 : end->error;
	spin_unlock_bh(&end->count_lock);
	return ended || *error;
}

/* ---- events ------------------------------------------------------------- */

static int emit(u32 kind, const struct rcx_event *event,
		int (*send)(struct sockets_end *end, const struct rcx_event *event))
{
	struct sockets_end *end;
	int err = -ENOTCONN;
	bool taken = false;

	mutex_lock(&sockets_lock);
	list_for_each_entry(end, &sockets_ends, node) {
		if (end->kind != kind)
			continue;
		err = send(end, event);
		if (!err)
			WRITE_ONCE(end->sequence.out, event->seq + 1);
		taken |= !err;
	}
	mutex_unlock(&sockets_lock);
	return taken ? 0 : err;
}

static int emit_udp(const struct rcx_event *event)
{
	return emit(RCX_SOCKETS_UDP, event, sockets_send_event);
}

static int emit_vsock(const struct rcx_event *event)
{
	return emit(RCX_SOCKETS_VSOCK, event, sockets_send_event);
}

static int emit_batch(const struct rcx_event *event)
{
	return emit(RCX_SOCKETS_BATCH, event, sockets_write_batched);
}

static int emit_pipe(const struct rcx_event *event)
{
	return emit(RCX_SOCKETS_PIPE, event, sockets_write_event);
}

/* ---- the device --------------------------------------------------------- */

static int sockets_open(struct inode *inode, struct file *file)
{
	struct sockets_end *end = kzalloc(sizeof(*end), GFP_KERNEL);

	if (!end)
		return -ENOMEM;
	mutex_init(&end->lock);
	spin_lock_init(&end->count_lock);
	INIT_LIST_HEAD(&end->node);
	init_waitqueue_head(&end->wait);
	INIT_WORK(&end->work, sockets_work);
	file->private_data = end;
	return nonseekable_open(inode, file);
}

static int sockets_release(struct inode *inode, struct file *file)
{
	struct sockets_end *end = file->private_data;

	mutex_lock(&sockets_lock);
	list_del(&end->node);
	mutex_unlock(&sockets_lock);
	if (end->sock)
		sockets_disconnect(end);
	if (end->pipe)
		fput(end->pipe);
	kvfree(end->message);
	kfree(end);
	return 0;
}

static bool is_pipe(u32 kind)
{
	return kind == RCX_SOCKETS_PIPE || kind == RCX_SOCKETS_BATCH;
}

static bool is_known(const struct rcx_sockets_connect *request)
{
	return request->kind >= RCX_SOCKETS_UDP && request->kind <= RCX_SOCKETS_BATCH &&
	       request->flags <= RCX_SOCKETS_REPLIES &&
	       (!is_pipe(request->kind) || request->flags == RCX_SOCKETS_EVENTS) && !request->pad;
}

/* Start the conversation, under @end->lock. */
static int start(struct sockets_end *end, struct rcx_sockets_connect *request)
{
	int err;

	if (end->kind)
		return -EISCONN;
	if (is_pipe(request->kind)) {
		err = sockets_open_pipe(end, request->number);
		if (!err)
			end->kind = request->kind;
	} else {
		err = sockets_connect(end, request->kind, request->flags, &request->number);
	}
	if (err) {
		kvfree(end->message);
		end->message = NULL;
	}
	return err;
}

static int sockets_start(struct sockets_end *end, struct rcx_sockets_connect __user *arg)
{
	struct rcx_sockets_connect request;
	int err;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	if (!is_known(&request))
		return -EINVAL;
	if (mutex_lock_interruptible(&end->lock))
		return -ERESTARTSYS;
	err = start(end, &request);
	mutex_unlock(&end->lock);
	if (err)
		return err;
	if (request.flags & RCX_SOCKETS_EVENTS) {
		mutex_lock(&sockets_lock);
		list_add_tail(&end->node, &sockets_ends);
		mutex_unlock(&sockets_lock);
	}
	return copy_to_user(arg, &request, sizeof(request)) ? -EFAULT : 0;
}

static int sockets_wait(struct sockets_end *end, const u64 __user *arg)
{
	int error = 0;
	long left;
	u64 count;

	if (copy_from_user(&count, arg, sizeof(count)))
		return -EFAULT;
	if (!READ_ONCE(end->kind))
		return -ENOTCONN;
	left = wait_event_interruptible_timeout(end->wait, reached(end, count, &error), WAIT_MAX);
	if (left < 0)
		return left;
	return left ? error : -ETIMEDOUT;
}

static int sockets_sent(struct sockets_end *end, u64 __user *arg)
{
	u64 sent = READ_ONCE(end->sequence.out);

	return copy_to_user(arg, &sent, sizeof(sent)) ? -EFAULT : 0;
}

static long sockets_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case RCX_SOCKETS_CONNECT:
		return sockets_start(file->private_data, (void __user *)arg);
	case RCX_SOCKETS_WAIT:
		return sockets_wait(file->private_data, (void __user *)arg);
	case RCX_SOCKETS_SENT:
		return sockets_sent(file->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations sockets_fops = {
	.owner = THIS_MODULE,
	.open = sockets_open,
	.release = sockets_release,
	.unlocked_ioctl = sockets_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice sockets_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringcross_sockets",
	.nodename = RCX_SOCKETS_DEVICE,
	.fops = &sockets_fops,
	.mode = 0600,
};

static struct rcx_channel sockets_channel = {
	.name = "sockets",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "udp", RCX_IN(RCX_PROCESS), emit_udp },
						  { "vsock", RCX_IN(RCX_PROCESS), emit_vsock },
						  { "pipe", RCX_IN(RCX_PROCESS), emit_pipe },
						  { "batch", RCX_IN(RCX_PROCESS), emit_batch },
						  { } },
};

static int __init sockets_init(void)
{
	int err;

	sockets_workqueue = alloc_workqueue("rcx_sockets", WQ_UNBOUND, 0);
	if (!sockets_workqueue)
		return -ENOMEM;
	err = misc_register(&sockets_device);
	if (err)
		goto err_workqueue;
	err = rcx_channel_register(&sockets_channel);
	if (err)
		goto err_device;
	return 0;

err_device:
	misc_deregister(&sockets_device);
err_workqueue:
	destroy_workqueue(sockets_workqueue);
	return err;
}

static void __exit sockets_exit(void)
{
	rcx_channel_unregister(&sockets_channel);
	misc_deregister(&sockets_device);
	WARN_ON(!list_empty(&sockets_ends));
	destroy_workqueue(sockets_workqueue);
}

module_init(sockets_init);
module_exit(sockets_exit);
MODULE_DESCRIPTION("ringcross: UDP and AF_VSOCK sockets of the kernel, and a pipe");
MODULE_LICENSE("GPL");
