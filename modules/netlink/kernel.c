// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: netlink
 *
 * Datagrams between user-space sockets and the kernel, on a protocol number of our own.
 *
 * What it is.  A module opens a kernel socket for one of 32 protocol numbers.
 * Programs open AF_NETLINK sockets of the same number.  Each socket has an
 * address (its port).  Each datagram starts with a header that holds length, type
 * and flags.  A socket may also join groups: the kernel can send to a group
 * without knowing its members.
 *
 * The path of one message.  To the kernel: send() allocates a socket buffer,
 * copies the datagram into it, looks up the kernel socket and calls our input
 * function.  All of this happens in the sender's own context, so the message has
 * been consumed when send() returns.  To user space: the kernel half allocates a
 * socket buffer and copies the message into it.  Netlink looks up the receiver by
 * port or group, puts the buffer on its queue and wakes it.  recv() copies the
 * message out.  Each direction takes two copies and one allocation.
 *
 * When to choose it.  When the kernel must start the conversation, with one or
 * many receivers, when there should be no device node, and when the receivers use
 * poll().  New interfaces should use generic netlink, which adds names, policies and
 * introspection; raw protocol numbers are almost used up.
 *
 * Its pitfall.  Netlink looks reliable and is not.  When a queue exceeds
 * SO_RCVBUF, further messages are dropped.  SO_RCVBUF limits the size of whole
 * buffers, not of payload.  The receiver gets a single ENOBUFS, without a count,
 * and nothing new is queued until it has emptied the queue.  The sender of a
 * multicast gets an error only when no socket at all received the message.  Any
 * program that may open a socket may send to the kernel, so the kernel half must
 * check each request with netlink_capable().
 *
 * Three modes:
 *
 * - unicast: requests to the kernel; answers and events to one port.  A sender that
 *   does not wait gets EAGAIN when the queue is full.  In an upcall the kernel sends the
 *   request to one port and waits for a datagram back; the release of the socket, of
 *   which netlink notifies its users, ends the wait.
 *   A dump is one request, and each
 *   record comes back as a message of its own, many of them in a datagram of up to 32 KiB.
 *   The kernel makes the next datagram when the reader has received one, so no queue can
 *   overflow.  The table may change between two datagrams.
 * - multicast: events to a group.
 * - ack: a push that requests an acknowledgement, which costs one datagram back.
 */
#include <linux/build_bug.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/sock.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

/*
 * One socket that has joined.  It exists from the JOIN request to the release of the
 * socket; netlink_gone() frees it.  netlink_lock protects changes to the list and every
 * @sequence.  Emitters walk the list under RCU.  netlink_input() holds the lock for a
 * whole datagram, so the peer of a request cannot be freed before the request is done.
 */
struct netlink_peer {
	struct list_head node;
	struct rcu_head rcu;
	struct rcx_sequence sequence;
	u32 portid;
	u32 flags;
};

/* State of one dump, in the memory that netlink has for it. */
struct netlink_walk {
	struct rcx_dump dump;
	u32 next;
};

static struct netlink_walk *netlink_walk(struct netlink_callback *cb)
{
	BUILD_BUG_ON(sizeof(struct netlink_walk) > sizeof(cb->ctx));
	return (struct netlink_walk *)cb->ctx;
}

static DEFINE_MUTEX(netlink_lock);
static LIST_HEAD(netlink_peers);
static struct sock *netlink_sock;
static DEFINE_RCX_UPCALL(netlink_upcall);

/* The source of message bodies: a real sender copies its data from memory, too. */
static const u8 *netlink_content;

/* A datagram with @size bytes of @body; the caller fills the rest of struct rcx_msg. */
static struct sk_buff *netlink_message(u16 type, u32 seq, const u8 *body, u32 size, gfp_t gfp)
{
	struct sk_buff *skb = nlmsg_new(RCX_HEADER + size, gfp);
	struct nlmsghdr *header;
	struct rcx_msg *msg;

	if (!skb)
		return NULL;
	header = nlmsg_put(skb, 0, seq, type, RCX_HEADER + size, 0);
	if (WARN_ON_ONCE(!header)) {
		kfree_skb(skb);
		return NULL;
	}
	msg = nlmsg_data(header);
	memcpy(msg->body, body, size);
	return skb;
}

/* ---- events ------------------------------------------------------------ */

/*
 * Emitting works in any context, except on -rt kernels, whose locks sleep.  Netlink
 * locks its queues and tables with interrupts off or walks them under RCU.  The last
 * reference to a receiver is dropped after a grace period, so never in here.  A buffer
 * that no receiver took has no destructor yet when it is freed.
 */
static struct sk_buff *netlink_event(const struct rcx_event *event)
{
	struct sk_buff *skb = netlink_message(RCX_NETLINK_EVENT, 0, netlink_content, event->size,
					      GFP_ATOMIC);

	if (skb)
		rcx_event(event, nlmsg_data(nlmsg_hdr(skb)));
	return skb;
}

static int netlink_emit_to(u32 portid, const struct rcx_event *event)
{
	struct sk_buff *skb = netlink_event(event);

	return skb ? nlmsg_unicast(netlink_sock, skb, portid) : -ENOMEM;
}

static int netlink_emit_unicast(const struct rcx_event *event)
{
	const struct netlink_peer *peer;
	int err = -ENOTCONN;
	bool taken = false;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &netlink_peers, node) {
		if (!(peer->flags & RCX_NETLINK_EVENTS))
			continue;
		err = netlink_emit_to(peer->portid, event);
		taken |= !err;
	}
	rcu_read_unlock();
	return taken ? 0 : err;
}

static int netlink_emit_multicast(const struct rcx_event *event)
{
	struct sk_buff *skb;

	if (!netlink_has_listeners(netlink_sock, RCX_NETLINK_GROUP))
		return -ENOTCONN;
	skb = netlink_event(event);
	if (!skb)
		return -ENOMEM;
	return nlmsg_multicast(netlink_sock, skb, 0, RCX_NETLINK_GROUP, GFP_ATOMIC);
}

/* ---- upcalls: requests of the kernel ------------------------------------- */

/* The identity of a server: its port, which is never 0 and never dereferenced. */
static const void *netlink_server(u32 portid)
{
	return (const void *)(unsigned long)portid;
}

/* The port of the first socket that serves, or 0. */
static u32 netlink_find_server(void)
{
	const struct netlink_peer *peer;
	u32 portid = 0;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &netlink_peers, node) {
		if (peer->flags & RCX_NETLINK_SERVES) {
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
 * netlink_gone() ends the wait.
 */
static int netlink_ask(const struct rcx_event *request)
{
	u32 portid = netlink_find_server();
	struct sk_buff *skb;
	int err;

	if (!portid)
		return -ENOTCONN;
	skb = netlink_message(RCX_NETLINK_ASK, 0, netlink_content, request->size, GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	rcx_event(request, nlmsg_data(nlmsg_hdr(skb)));
	err = rcx_upcall_begin(&netlink_upcall, request, netlink_server(portid));
	if (err) {
		kfree_skb(skb);
		return err;
	}
	err = nlmsg_unicast(netlink_sock, skb, portid);
	return err < 0 ? rcx_upcall_result(&netlink_upcall, err) : rcx_upcall_wait(&netlink_upcall);
}

/* ---- requests ---------------------------------------------------------- */

static struct netlink_peer *netlink_find(u32 portid)
{
	struct netlink_peer *peer;

	list_for_each_entry(peer, &netlink_peers, node)
		if (peer->portid == portid)
			return peer;
	return NULL;
}

static int netlink_join(u32 portid, const struct nlmsghdr *header)
{
	const struct rcx_netlink_join *join = nlmsg_data(header);
	struct netlink_peer *peer;

	if (nlmsg_len(header) != sizeof(*join) || join->pad ||
	    join->flags & ~(RCX_NETLINK_EVENTS | RCX_NETLINK_SERVES))
		return -EINVAL;
	if (netlink_find(portid))
		return -EEXIST;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return -ENOMEM;
	peer->portid = portid;
	peer->flags = join->flags;
	if (peer->flags & RCX_NETLINK_SERVES)
		rcx_upcall_join(&netlink_upcall);
	list_add_tail_rcu(&peer->node, &netlink_peers);
	return 0;
}

static int netlink_pull(struct sk_buff *request, struct netlink_peer *peer,
			const struct nlmsghdr *header)
{
	struct sk_buff *skb;
	u32 size = rcx_size(); /* once: another bind may change it */

	if (nlmsg_len(header))
		return -EINVAL;
	skb = netlink_message(RCX_NETLINK_PULL, header->nlmsg_seq, netlink_content, size,
			      GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	rcx_make(&peer->sequence, nlmsg_data(nlmsg_hdr(skb)), size);
	return nlmsg_unicast(request->sk, skb, peer->portid);
}

static int netlink_call(struct sk_buff *request, struct netlink_peer *peer,
			const struct nlmsghdr *header)
{
	const struct rcx_msg *msg = nlmsg_data(header);
	struct sk_buff *skb;
	struct rcx_msg *reply;
	int err = rcx_consume(&peer->sequence, msg, nlmsg_len(header));

	if (err)
		return err;
	skb = netlink_message(RCX_NETLINK_CALL, header->nlmsg_seq, msg->body, msg->size,
			      GFP_KERNEL);
	if (!skb)
		return -ENOMEM;
	reply = nlmsg_data(nlmsg_hdr(skb));
	*reply = *msg;
	rcx_reply(reply, nlmsg_len(header));
	return nlmsg_unicast(request->sk, skb, peer->portid);
}

/* ---- dumps: a request, and datagrams back as the reader receives them ---- */

/* In the request's own context, so under netlink_lock, which covers the sequence. */
static int netlink_dump_begin(struct netlink_callback *cb)
{
	struct netlink_peer *peer = cb->data;

	rcx_dump_begin(&peer->sequence, &netlink_walk(cb)->dump);
	return 0;
}

/*
 * Make the next datagram: called for the request, under netlink_lock, and later by recv(), without
 * it.  So it uses only the state of the dump, and not the peer.
 */
static int netlink_dump_next(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct netlink_walk *walk = netlink_walk(cb);
	u32 portid = NETLINK_CB(cb->skb).portid;

	for (; walk->next < walk->dump.records; walk->next++) {
		struct nlmsghdr *header = nlmsg_put(skb, portid, cb->nlh->nlmsg_seq,
						    RCX_NETLINK_RECORD, RCX_RECORD, NLM_F_MULTI);

		if (!header)
			return skb->len; /* it is full */
		rcx_dump_record(&walk->dump, walk->next, nlmsg_data(header));
	}
	return 0; /* netlink appends the end mark, now or in the next datagram */
}

static int netlink_start_dump(struct sk_buff *request, struct netlink_peer *peer,
			      const struct nlmsghdr *header)
{
	struct netlink_dump_control control = {
		.start = netlink_dump_begin,
		.dump = netlink_dump_next,
		.data = peer,
	};

	if (nlmsg_len(header))
		return -EINVAL;
	return netlink_dump_start(netlink_sock, request, header, &control);
}

/* Handle one request.  The caller has checked that nlmsg_len is within the datagram. */
static int netlink_serve(struct sk_buff *skb, struct nlmsghdr *header,
			 struct netlink_ext_ack *extack)
{
	u32 portid = NETLINK_CB(skb).portid;
	struct netlink_peer *peer;

	lockdep_assert_held(&netlink_lock);
	if (!netlink_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	if (header->nlmsg_flags & ~(NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP))
		return -EINVAL;
	/* All bits of NLM_F_DUMP with the type of a dump, and none of them with another. */
	if ((header->nlmsg_flags & NLM_F_DUMP) !=
	    (header->nlmsg_type == RCX_NETLINK_DUMP ? NLM_F_DUMP : 0))
		return -EINVAL;
	if (header->nlmsg_type == RCX_NETLINK_JOIN)
		return netlink_join(portid, header);

	peer = netlink_find(portid);
	if (!peer)
		return -ENOTCONN;
	if (nlmsg_len(header) > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	switch (header->nlmsg_type) {
	case RCX_NETLINK_PUSH:
		return rcx_consume(&peer->sequence, nlmsg_data(header), nlmsg_len(header));
	case RCX_NETLINK_PULL:
		return netlink_pull(skb, peer, header);
	case RCX_NETLINK_CALL:
		return netlink_call(skb, peer, header);
	case RCX_NETLINK_ANSWER:
		return rcx_upcall_answer(&netlink_upcall, netlink_server(portid),
					 nlmsg_data(header), nlmsg_len(header));
	case RCX_NETLINK_DUMP:
		return netlink_start_dump(skb, peer, header);
	default:
		return -EOPNOTSUPP;
	}
}

/* Runs in the sender's context, so sleeping on a mutex is allowed. */
static void netlink_input(struct sk_buff *skb)
{
	mutex_lock(&netlink_lock);
	netlink_rcv_skb(skb, netlink_serve);
	mutex_unlock(&netlink_lock);
}

/* A socket of any protocol and namespace was released; free its peer, if it had joined. */
static int netlink_gone(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct netlink_peer *peer;

	if (event != NETLINK_URELEASE || notify->protocol != RCX_NETLINK_PROTOCOL ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&netlink_lock);
	peer = netlink_find(notify->portid);
	if (peer) {
		if (peer->flags & RCX_NETLINK_SERVES)
			rcx_upcall_leave(&netlink_upcall, netlink_server(peer->portid));
		list_del_rcu(&peer->node);
		kfree_rcu(peer, rcu);
	}
	mutex_unlock(&netlink_lock);
	return NOTIFY_DONE;
}

/* ---- the module -------------------------------------------------------- */

static struct notifier_block netlink_notifier = {
	.notifier_call = netlink_gone,
};

static struct rcx_channel netlink_channel = {
	.name = "netlink",
	.owner = THIS_MODULE,
	.emitters =
		(const struct rcx_emitter[]){
			{ "unicast", RCX_IN_ANY, netlink_emit_unicast, netlink_ask },
			{ "multicast", RCX_IN_ANY, netlink_emit_multicast },
			{ } },
};

static int __init netlink_init(void)
{
	/* Without NL_CFG_F_NONROOT_RECV only CAP_NET_ADMIN may join the group. */
	struct netlink_kernel_cfg config = {
		.groups = RCX_NETLINK_GROUP,
		.input = netlink_input,
	};
	int err;

	netlink_content = vzalloc(RCX_BODY_MAX);
	if (!netlink_content)
		return -ENOMEM;
	err = netlink_register_notifier(&netlink_notifier);
	if (err)
		goto err_content;
	netlink_sock = netlink_kernel_create(&init_net, RCX_NETLINK_PROTOCOL, &config);
	if (!netlink_sock) {
		/* It returns no errno; nearly always the number is in use. */
		err = -EADDRINUSE;
		goto err_notifier;
	}
	err = rcx_channel_register(&netlink_channel);
	if (err)
		goto err_sock;
	return 0;

err_sock:
	netlink_kernel_release(netlink_sock);
err_notifier:
	netlink_unregister_notifier(&netlink_notifier);
err_content:
	vfree(netlink_content);
	return err;
}

/*
 * Each open socket of our protocol holds a module reference and drops it only after
 * netlink_gone() has run for it, so no peer is left here.
 */
static void __exit netlink_exit(void)
{
	rcx_channel_unregister(&netlink_channel);
	netlink_kernel_release(netlink_sock);
	netlink_unregister_notifier(&netlink_notifier);
	WARN_ON(!list_empty(&netlink_peers));
	vfree(netlink_content);
}

module_init(netlink_init);
module_exit(netlink_exit);
MODULE_DESCRIPTION("ringcross: netlink, unicast and multicast");
MODULE_LICENSE("GPL");
