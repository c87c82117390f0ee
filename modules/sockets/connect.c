// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the kernel half: created, connected to the caller's socket, and released.
 *
 * The kernel half connects, so that its socket is never open to others: a connected socket
 * accepts nothing from another address, and there is no listening socket.
 */
#include <linux/err.h>
#include <linux/in.h>
#include <linux/inet.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vm_sockets.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/udp.h>
#include "sockets.h"
#include "abi.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define ADDRESS(address) ((struct sockaddr_unsized *)(address))
#else
#define ADDRESS(address) ((struct sockaddr *)(address))
#endif

/* ---- UDP: consumed where it arrives ------------------------------------- */

static struct sk_buff *next_datagram(struct sock *sk)
{
	int err;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
	return skb_recv_udp(sk, MSG_DONTWAIT, &err);
#else
	return skb_recv_udp(sk, 0, 1, &err);
#endif
}

/*
 * The callback of a UDP socket runs in the softirq that received the datagram.  On loopback
 * this softirq runs in the sender's send(), just before it returns.
 */
static void consume_datagrams(struct sock *sk)
{
	struct sockets_end *end;
	struct sk_buff *skb;

	read_lock_bh(&sk->sk_callback_lock);
	end = sk->sk_user_data;
	while (end && (skb = next_datagram(sk))) {
		size_t len = skb->len;

		/* Senders on several CPUs share the buffer. */
		spin_lock(&end->count_lock);
		if (len > end->room || skb_copy_bits(skb, 0, end->message, len))
			len = 0;
		if (!rcx_consume(&end->sequence, end->message, len) && waitqueue_active(&end->wait))
			wake_up(&end->wait);
		spin_unlock(&end->count_lock);
		consume_skb(skb);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static int connect_udp(struct socket *sock, u32 *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int err = kernel_bind(sock, ADDRESS(&address), sizeof(address));

	if (err)
		return err;
	address.sin_port = htons(*port);
	err = kernel_connect(sock, ADDRESS(&address), sizeof(address), 0);
	if (err)
		return err;
	/* Pushes wait here if their softirq is deferred to ksoftirqd. */
	sock_set_rcvbuf(sock->sk, SZ_1M);
	err = kernel_getsockname(sock, (struct sockaddr *)&address);
	*port = ntohs(address.sin_port);
	return err < 0 ? err : 0;
}

/* ---- AF_VSOCK ----------------------------------------------------------- */

static int connect_vsock(struct socket *sock, u32 *port)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = *port,
	};
	int err = kernel_connect(sock, ADDRESS(&address), sizeof(address), 0);

	if (err)
		return err;
	err = kernel_getsockname(sock, (struct sockaddr *)&address);
	*port = address.svm_port;
	return err < 0 ? err : 0;
}

/* ---- both --------------------------------------------------------------- */

/* Events only need room to send; UDP without a reply is consumed without the work. */
static void set_callbacks(struct sockets_end *end)
{
	bool at_once = end->kind == RCX_SOCKETS_UDP && !end->flags;
	struct sock *sk = end->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	end->data_ready = sk->sk_data_ready;
	end->write_space = sk->sk_write_space;
	sk->sk_user_data = end;
	if (!at_once)
		sk->sk_write_space = sockets_queue_work;
	if (!(end->flags & RCX_SOCKETS_EVENTS))
		sk->sk_data_ready = at_once ? consume_datagrams : sockets_queue_work;
	write_unlock_bh(&sk->sk_callback_lock);
	/* For what has arrived before. */
	if (at_once)
		consume_datagrams(sk);
	else
		queue_work(sockets_workqueue, &end->work);
}

/* Afterwards no callback uses the end any more. */
static void restore_callbacks(struct sockets_end *end)
{
	struct sock *sk = end->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = end->data_ready;
	sk->sk_write_space = end->write_space;
	write_unlock_bh(&sk->sk_callback_lock);
}

static int allocate(struct sockets_end *end, size_t room)
{
	/* Zeroed, because bytes that an event does not fill are sent as well. */
	end->message = kvzalloc(room, GFP_KERNEL);
	end->room = room;
	return end->message ? 0 : -ENOMEM;
}

/* In the initial network namespace: a socket of the kernel does not keep another one alive. */
int sockets_connect(struct sockets_end *end, u32 kind, u32 flags, u32 *port)
{
	bool udp = kind == RCX_SOCKETS_UDP;
	struct socket *sock;
	int err;

	if (!*port || (udp && *port > U16_MAX))
		return -EADDRNOTAVAIL;
	err = sock_create_kern(&init_net, udp ? AF_INET : AF_VSOCK, udp ? SOCK_DGRAM : SOCK_STREAM,
			       udp ? IPPROTO_UDP : 0, &sock);
	if (err)
		return err;
	err = allocate(end, udp ? RCX_SOCKETS_DATAGRAM : RCX_HEADER + RCX_BODY_MAX);
	if (!err)
		err = udp ? connect_udp(sock, port) : connect_vsock(sock, port);
	if (err) {
		sock_release(sock);
		return err;
	}
	end->sock = sock;
	end->kind = kind;
	end->flags = flags;
	set_callbacks(end);
	return 0;
}

void sockets_disconnect(struct sockets_end *end)
{
	WRITE_ONCE(end->closing, true);
	restore_callbacks(end);
	kernel_sock_shutdown(end->sock, SHUT_RDWR);
	cancel_work_sync(&end->work);
	sock_release(end->sock);
}
