/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's end of a conversation: shared by the files of this folder. */
#ifndef RCX_SOCKETS_H
#define RCX_SOCKETS_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/net.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include "rcx_core.h"

/**
 * struct sockets_end - the kernel's end of one conversation; one per open file
 * @lock: covers @message, @have, @sent and @unsent, except that UDP without a reply fills
 *	@message under @count_lock.  Also held while the conversation starts
 * @count_lock: covers @sequence and @error; taken with bottom halves off
 * @node: in the list of ends that get events
 * @wait: sleepers in RCX_SOCKETS_WAIT
 * @work: receives, answers, and sends what is left of a message
 * @kind: 0 before the conversation; it is set last, and does not change
 * @flags: as in struct rcx_sockets_connect
 * @closing: the file is being released, so the work ends at the next message
 * @sock: the socket, or NULL
 * @pipe: the pipe, opened by us to write, or NULL
 * @data_ready: the socket's own callback, to be restored
 * @write_space: the same
 * @sequence: the next number from user space, and the one after the last event
 * @error: why the conversation has ended, a negative errno, or 0
 * @message: the only buffer: a message is received, answered in place and sent, or an
 *	event is made and sent, before the next one is begun
 * @room: bytes of @message
 * @have: bytes of it that were received, or of the messages of a batch
 * @collected: messages of a batch
 * @sent: bytes of it that were sent
 * @unsent: bytes of it that remain to be sent
 */
struct sockets_end {
	struct mutex lock;
	spinlock_t count_lock;
	struct list_head node;
	wait_queue_head_t wait;
	struct work_struct work;
	u32 kind;
	u32 flags;
	bool closing;
	struct socket *sock;
	struct file *pipe;
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	struct rcx_sequence sequence;
	int error;
	struct rcx_msg *message;
	size_t room;
	size_t have;
	u32 collected;
	size_t sent;
	size_t unsent;
};

/* kernel.c */
extern struct workqueue_struct *sockets_workqueue;
int sockets_consume(struct sockets_end *end, size_t len);
void sockets_break(struct sockets_end *end, int error);

/* transfer.c: the same for UDP and AF_VSOCK */
void sockets_work(struct work_struct *work);
int sockets_send_event(struct sockets_end *end, const struct rcx_event *event);
void sockets_queue_work(struct sock *sk);

/* connect.c */
int sockets_connect(struct sockets_end *end, u32 kind, u32 flags, u32 *port);
void sockets_disconnect(struct sockets_end *end);

/* pipe.c */
int sockets_open_pipe(struct sockets_end *end, u32 fd);
int sockets_write_event(struct sockets_end *end, const struct rcx_event *event);
int sockets_write_batched(struct sockets_end *end, const struct rcx_event *event);

#endif
