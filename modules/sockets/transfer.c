// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages through a socket, in process context.  Nothing here waits for the other side: a
 * thread that sleeps in kernel_sendmsg() because a program does not read cannot be killed.  What
 * the socket does not take now is sent by the work when the socket has room again.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include "sockets.h"
#include "abi.h"

/* A callback of the socket: there is data to receive, or room to send. */
void sockets_queue_work(struct sock *sk)
{
	struct sockets_end *end;

	read_lock_bh(&sk->sk_callback_lock);
	end = sk->sk_user_data;
	if (end)
		queue_work(sockets_workqueue, &end->work);
	read_unlock_bh(&sk->sk_callback_lock);
}

static bool is_stream(const struct sockets_end *end)
{
	return end->kind == RCX_SOCKETS_VSOCK;
}

/* ---- send --------------------------------------------------------------- */

/*
 * Send what is left of the message.  0 when nothing is left, -EAGAIN when the socket takes no
 * more now, or another errno.  An error of a stream ends the conversation.
 */
static int flush(struct sockets_end *end)
{
	lockdep_assert_held(&end->lock);
	while (end->unsent) {
		struct msghdr header = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
		struct kvec vec = { (void *)end->message + end->sent, end->unsent };
		int sent = kernel_sendmsg(end->sock, &header, &vec, 1, vec.iov_len);

		if (sent == -EAGAIN)
			return sent;
		if (sent < 0) {
			end->unsent = 0;
			if (is_stream(end))
				sockets_break(end, sent);
			return sent;
		}
		end->sent += sent;
		end->unsent -= sent;
	}
	return 0;
}

/* A message of which nothing was sent is withdrawn; else the work sends the rest. */
int sockets_send_event(struct sockets_end *end, const struct rcx_event *event)
{
	size_t len = RCX_HEADER + event->size;
	int err;

	if (len > end->room)
		return -EMSGSIZE;
	mutex_lock(&end->lock);
	err = flush(end);
	if (err)
		goto out;
	rcx_event(event, end->message);
	end->sent = 0;
	end->unsent = len;
	err = flush(end);
	if (err == -EAGAIN && end->sent)
		err = 0;
	else if (err)
		end->unsent = 0;
out:
	mutex_unlock(&end->lock);
	return err;
}

/* ---- receive ------------------------------------------------------------ */

/* Bytes to receive next.  A stream has no boundaries: the header says how long the body is. */
static size_t missing(const struct sockets_end *end)
{
	if (!is_stream(end))
		return end->room;
	if (end->have < RCX_HEADER)
		return RCX_HEADER - end->have;
	return RCX_HEADER + end->message->size - end->have;
}

/* After a header that is not one, nobody knows where the next message begins. */
static bool is_lost(const struct sockets_end *end)
{
	return is_stream(end) && end->have == RCX_HEADER &&
	       (end->message->magic != RCX_MAGIC || end->message->size > RCX_BODY_MAX);
}

/*
 * Receive a part of a message: its length, 0 when the queue is empty, or a negative errno.  A
 * datagram may have no bytes, which @datagram tells from an empty queue.
 */
static int receive(struct sockets_end *end, bool *datagram)
{
	struct msghdr header = { };
	struct kvec vec = { (void *)end->message + end->have, missing(end) };
	int got = kernel_recvmsg(end->sock, &header, &vec, 1, vec.iov_len, MSG_DONTWAIT);

	*datagram = got >= 0 && !is_stream(end);
	if (got == -EAGAIN)
		return 0;
	return got || !is_stream(end) ? got : -ECONNRESET;
}

/* Consume the message and answer it: 0, or an errno of flush(). */
static int take(struct sockets_end *end)
{
	size_t len = end->have;

	end->have = 0;
	if (sockets_consume(end, len) || !(end->flags & RCX_SOCKETS_REPLIES))
		return 0;
	rcx_reply(end->message, len);
	end->sent = 0;
	end->unsent = len;
	return flush(end);
}

/* Receive until the queue is empty or a reply cannot be sent. */
static void receive_all(struct sockets_end *end)
{
	while (!READ_ONCE(end->closing)) {
		bool datagram;
		int got = receive(end, &datagram);

		/* ICMP reports that an earlier reply found no socket: not an end of UDP. */
		if (got == -ECONNREFUSED && !is_stream(end))
			continue;
		if (got < 0)
			return sockets_break(end, got);
		if (!got && !datagram)
			return;
		end->have += got;
		if (is_lost(end)) {
			sockets_consume(end, 0);
			return sockets_break(end, -EBADMSG);
		}
		if ((datagram || (end->have >= RCX_HEADER && !missing(end))) &&
		    take(end) == -EAGAIN)
			return;
		cond_resched();
	}
}

void sockets_work(struct work_struct *work)
{
	struct sockets_end *end = container_of(work, struct sockets_end, work);

	mutex_lock(&end->lock);
	if (flush(end) != -EAGAIN && !(end->flags & RCX_SOCKETS_EVENTS) && !end->error)
		receive_all(end);
	mutex_unlock(&end->lock);
}
