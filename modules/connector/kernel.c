// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: connector
 *
 * Netlink for drivers: one protocol that all share, with an address for each driver.
 *
 * What it is.  The kernel has one netlink socket for all drivers.  A driver registers a callback
 * for an address, which is a pair of numbers, index and value, and does without a protocol number
 * and a socket of its own.  Each datagram begins with a struct cn_msg, which contains the address.
 * To user space the driver sends to a port or to a group, whose number is the index by
 * convention.  Process events, 1-Wire, DRBD and a log of the device mapper use it.
 *
 * The path of one message.  To the kernel: send() allocates a socket buffer and copies the
 * datagram into it.  The connector checks its length, looks the address up in a list, under a
 * lock, and calls the callback.  All of this happens in the sender's own context, so the message
 * has been consumed when send() returns.  To user space: the driver builds the message in memory
 * of its own, and cn_netlink_send() copies it into a socket buffer.  The rest is netlink's: the
 * buffer goes to a queue, and the reader is woken and copies the message out.  So an answer or an
 * event takes three copies, if the driver has the data elsewhere: netlink itself needs two.
 *
 * When to choose it.  For a program that has to talk to one of the drivers above.  A new interface
 * should use generic netlink, which has names, policies, acknowledgements and dumps.
 *
 * Its pitfall.  send() succeeds whatever the kernel does with the datagram.  One that is too long,
 * is malformed, has an address that nobody registered, or is refused by the callback disappears
 * without a trace.  An acknowledgement is up to the driver: the fields seq, ack and flags of struct
 * cn_msg only have the meaning that both ends give them.  To user space a message is dropped when
 * the queue of the socket is full, and the reader gets a single ENOBUFS, as with netlink.  A driver
 * that sends with GFP_KERNEL to a port waits for room in that queue instead, and a callback that
 * does so waits for the very program that it blocks.  Any program may send to any callback: each
 * has to check the rights of the sender.  A socket does not hold the module of the driver, and
 * cn_del_callback() does not wait for calls that have begun.
 *
 * Three modes:
 *
 * - unicast: requests to the kernel; answers and events to one port.  In an upcall the kernel
 *   sends the request to one port and waits for a datagram back; the release of the socket, of
 *   which netlink notifies its users, ends the wait.
 * - multicast: events to a group, which only CAP_NET_ADMIN may join.
 * - ack: a push that requests an acknowledgement of our own, which costs one datagram back.
 */
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/connector.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rculist.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/user_namespace.h>
#include <linux/vmalloc.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "abi.h"

/*
 * One socket that has joined.  It exists from the JOIN request to the release of the socket, or
 * to the unload of this module, which no socket prevents.  connector_lock protects changes to the
 * list, every @sequence and the answer.  Emitters walk the list under RCU.
 */
struct connector_peer {
	struct list_head node;
	struct rcu_head rcu;
	struct rcx_sequence sequence;
	u32 portid;
	u32 flags;
};

/* What cn_netlink_send() sends, as one piece of memory. */
struct connector_datagram {
	struct cn_msg cn;
	struct rcx_connector_head head;
	union {
		struct rcx_msg msg;
		u8 room[RCX_CONNECTOR_MAX];
	};
};

static DEFINE_MUTEX(connector_lock);
static LIST_HEAD(connector_peers);
static DEFINE_RCX_UPCALL(connector_upcall);
DEFINE_STATIC_SRCU(connector_calls);

/*
 * Where messages are built: answers under connector_lock, and events and requests by the one
 * producer of the core.
 */
static struct connector_datagram *connector_answer, *connector_event;

/* Prepare all that surrounds a message of @len bytes. */
static void connector_address(struct connector_datagram *datagram, u16 kind, u32 seq, size_t len)
{
	datagram->cn = (struct cn_msg){
		.id = { .idx = RCX_CONNECTOR_IDX, .val = RCX_CONNECTOR_VAL },
		.seq = seq,
		.len = sizeof(datagram->head) + len,
	};
	datagram->head = (struct rcx_connector_head){ .kind = kind };
}

/*
 * With GFP_KERNEL the connector would wait until the queue of the receiver has room.  In a
 * callback the receiver is often the sender, which waits for the callback.
 */
static int connector_send_to(struct connector_datagram *datagram, u32 portid)
{
	int err = cn_netlink_send(&datagram->cn, portid, 0, GFP_ATOMIC);

	return err < 0 ? err : 0;
}

/* ---- events ------------------------------------------------------------ */

/*
 * Emitting works in any context, except on -rt kernels, whose locks sleep.  With a group or a port
 * the connector takes no lock of its own; netlink locks its queues with interrupts off or walks
 * them under RCU.
 */
static int connector_build(const struct rcx_event *event, u16 kind)
{
	if (RCX_HEADER + event->size > RCX_CONNECTOR_MAX)
		return -EMSGSIZE;
	connector_address(connector_event, kind, 0, RCX_HEADER + event->size);
	rcx_event(event, &connector_event->msg);
	return 0;
}

static int connector_emit_unicast(const struct rcx_event *event)
{
	const struct connector_peer *peer;
	int err = connector_build(event, RCX_CONNECTOR_EVENT);
	bool taken = false;

	if (err)
		return err;
	err = -ENOTCONN;
	rcu_read_lock();
	list_for_each_entry_rcu(peer, &connector_peers, node) {
		if (!(peer->flags & RCX_CONNECTOR_EVENTS))
			continue;
		err = connector_send_to(connector_event, peer->portid);
		taken |= !err;
	}
	rcu_read_unlock();
	return taken ? 0 : err;
}

/* The connector returns ESRCH itself when the group has no members. */
static int connector_emit_multicast(const struct rcx_event *event)
{
	int err = connector_build(event, RCX_CONNECTOR_EVENT);

	if (err)
		return err;
	err = cn_netlink_send(&connector_event->cn, 0, RCX_CONNECTOR_GROUP, GFP_ATOMIC);
	return err == -ESRCH ? -ENOTCONN : err;
}

/* ---- upcalls: requests of the kernel ------------------------------------- */

/* The identity of a server: its port, which is never 0 and never dereferenced. */
static const void *connector_server(u32 portid)
{
	return (const void *)(unsigned long)portid;
}

/* The port of the first socket that serves, or 0. */
static u32 connector_find_server(void)
{
	const struct connector_peer *peer;
	u32 portid = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &connector_peers, node) {
		if (peer->flags & RCX_CONNECTOR_SERVES) {
			portid = peer->portid;
			break;
		}
	}
	rcu_read_unlock();
	return portid;
}

/*
 * The request is pending before it is sent, since the reply may arrive before the send returns.
 * The server may leave at any time: before the send, which then fails, or after it; then
 * connector_gone() ends the wait.
 */
static int connector_ask(const struct rcx_event *request)
{
	u32 portid = connector_find_server();
	int err = connector_build(request, RCX_CONNECTOR_ASK);

	if (err)
		return err;
	if (!portid)
		return -ENOTCONN;
	err = rcx_upcall_begin(&connector_upcall, request, connector_server(portid));
	if (err)
		return err;
	err = connector_send_to(connector_event, portid);
	return err ? rcx_upcall_result(&connector_upcall, err) : rcx_upcall_wait(&connector_upcall);
}

/* ---- requests ---------------------------------------------------------- */

static struct connector_peer *connector_find(u32 portid)
{
	struct connector_peer *peer;

	list_for_each_entry(peer, &connector_peers, node)
		if (peer->portid == portid)
			return peer;
	return NULL;
}

static int connector_join(u32 portid, u32 flags)
{
	struct connector_peer *peer;

	if (flags & ~(RCX_CONNECTOR_EVENTS | RCX_CONNECTOR_SERVES))
		return -EINVAL;
	if (connector_find(portid))
		return -EEXIST;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer)
		return -ENOMEM;
	peer->portid = portid;
	peer->flags = flags;
	if (peer->flags & RCX_CONNECTOR_SERVES)
		rcx_upcall_join(&connector_upcall);
	list_add_tail_rcu(&peer->node, &connector_peers);
	return 0;
}

static void connector_leave(struct connector_peer *peer)
{
	if (peer->flags & RCX_CONNECTOR_SERVES)
		rcx_upcall_leave(&connector_upcall, connector_server(peer->portid));
	list_del_rcu(&peer->node);
	kfree_rcu(peer, rcu);
}

static int connector_pull(struct connector_peer *peer, u32 seq)
{
	u32 size = rcx_size(); /* once: another bind may change it */

	if (RCX_HEADER + size > RCX_CONNECTOR_MAX)
		return -EMSGSIZE;
	connector_address(connector_answer, RCX_CONNECTOR_PULL, seq, RCX_HEADER + size);
	rcx_make(&peer->sequence, &connector_answer->msg, size);
	return connector_send_to(connector_answer, peer->portid);
}

static int connector_call(struct connector_peer *peer, const struct rcx_msg *msg, size_t len,
			  u32 seq)
{
	int err = rcx_consume(&peer->sequence, msg, len);

	if (err)
		return err;
	connector_address(connector_answer, RCX_CONNECTOR_CALL, seq, len);
	memcpy(connector_answer->room, msg, len);
	rcx_reply(&connector_answer->msg, len);
	return connector_send_to(connector_answer, peer->portid);
}

/* Serve a request whose heads are at @cn, with the @len bytes that follow them. */
static int connector_serve(u32 portid, const struct cn_msg *cn, size_t len)
{
	const struct rcx_connector_head *head = (const void *)cn->data;
	const struct rcx_msg *msg = (const void *)(head + 1);
	struct connector_peer *peer;

	lockdep_assert_held(&connector_lock);
	if (cn->ack || (head->value && head->kind != RCX_CONNECTOR_JOIN))
		return -EINVAL;
	if (head->kind == RCX_CONNECTOR_JOIN)
		return len ? -EINVAL : connector_join(portid, head->value);

	peer = connector_find(portid);
	if (!peer)
		return -ENOTCONN;
	switch (head->kind) {
	case RCX_CONNECTOR_PUSH:
		return rcx_consume(&peer->sequence, msg, len);
	case RCX_CONNECTOR_PULL:
		return len ? -EINVAL : connector_pull(peer, cn->seq);
	case RCX_CONNECTOR_CALL:
		return connector_call(peer, msg, len, cn->seq);
	case RCX_CONNECTOR_ANSWER:
		return rcx_upcall_answer(&connector_upcall, connector_server(portid), msg, len);
	default:
		return -EOPNOTSUPP;
	}
}

/* The sender learns of an error only if it asks for it. */
static void connector_acknowledge(u32 portid, u32 seq, int err)
{
	connector_address(connector_answer, RCX_CONNECTOR_ACK, seq, 0);
	connector_answer->cn.ack = seq + 1;
	connector_answer->head.value = -err;
	connector_send_to(connector_answer, portid);
}

/*
 * Runs in the sender's context, so sleeping on a mutex is allowed.  The connector has checked that
 * cn->len bytes are there, in memory that only the kernel writes, and at most 16 KiB with @cn.
 */
static void connector_input(struct cn_msg *cn, struct netlink_skb_parms *sender)
{
	const size_t head = sizeof(struct rcx_connector_head);
	int calls = srcu_read_lock(&connector_calls);

	if (cn->len >= head && !(cn->flags & ~RCX_CONNECTOR_ACKED)) {
		int err = -EPERM;

		mutex_lock(&connector_lock);
		if (__netlink_ns_capable(sender, &init_user_ns, CAP_NET_ADMIN))
			err = connector_serve(sender->portid, cn, cn->len - head);
		if (cn->flags & RCX_CONNECTOR_ACKED)
			connector_acknowledge(sender->portid, cn->seq, err);
		mutex_unlock(&connector_lock);
	}
	srcu_read_unlock(&connector_calls, calls);
}

/* A socket of any protocol and namespace was released; free its peer, if it had joined. */
static int connector_gone(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct connector_peer *peer;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_CONNECTOR ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&connector_lock);
	peer = connector_find(notify->portid);
	if (peer)
		connector_leave(peer);
	mutex_unlock(&connector_lock);
	return NOTIFY_DONE;
}

/* ---- the module -------------------------------------------------------- */

/* Not const: before 5.11 the connector's functions take a pointer that is not, either. */
static struct cb_id connector_id = { .idx = RCX_CONNECTOR_IDX, .val = RCX_CONNECTOR_VAL };

static struct notifier_block connector_notifier = {
	.notifier_call = connector_gone,
};

static struct rcx_channel connector_channel = {
	.name = "connector",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){
			{ "unicast", RCX_IN_ANY, connector_emit_unicast, connector_ask },
			{ "multicast", RCX_IN_ANY, connector_emit_multicast },
			{ } },
};

/*
 * After the callback has been removed, a thread may still be between its look-up and our function,
 * in our function, or at its return.  It does not sleep before and after our function, so
 * synchronize_rcu_tasks() waits for it there; the SRCU waits for it in between.
 */
static void connector_end_calls(void)
{
	cn_del_callback(&connector_id);
	synchronize_rcu_tasks();
	synchronize_srcu(&connector_calls);
	synchronize_rcu_tasks();
}

static int __init connector_init(void)
{
	int err = -ENOMEM;

	BUILD_BUG_ON(offsetof(struct connector_datagram, msg) % __alignof__(struct rcx_msg));
	connector_answer = vzalloc(sizeof(*connector_answer));
	connector_event = vzalloc(sizeof(*connector_event));
	if (!connector_answer || !connector_event)
		goto err_memory;
	err = netlink_register_notifier(&connector_notifier);
	if (err)
		goto err_memory;
	err = cn_add_callback(&connector_id, "ringcross", connector_input);
	if (err)
		goto err_notifier;
	err = rcx_channel_register(&connector_channel);
	if (err)
		goto err_callback;
	return 0;

err_callback:
	connector_end_calls();
err_notifier:
	netlink_unregister_notifier(&connector_notifier);
err_memory:
	vfree(connector_event);
	vfree(connector_answer);
	return err;
}

static void __exit connector_exit(void)
{
	struct connector_peer *peer, *next;

	rcx_channel_unregister(&connector_channel);
	connector_end_calls();
	netlink_unregister_notifier(&connector_notifier);
	list_for_each_entry_safe(peer, next, &connector_peers, node)
		connector_leave(peer);
	vfree(connector_event);
	vfree(connector_answer);
}

module_init(connector_init);
module_exit(connector_exit);
MODULE_DESCRIPTION("ringcross: the netlink connector, unicast and multicast");
MODULE_LICENSE("GPL");
