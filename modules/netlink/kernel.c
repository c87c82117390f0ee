// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: netlink
 *
 * Datagrams between sockets and the kernel, on a protocol number of our own.
 *
 * What it is.  A module opens a kernel socket for one of 32 protocol numbers;
 * programs open AF_NETLINK sockets of the same number.  Each socket has an
 * address (its port), each datagram a header with length, type and flags, and
 * a socket may join groups, to which the kernel can send without knowing who
 * listens.
 *
 * The path of one message.  Towards the kernel: send() allocates a socket
 * buffer, copies the datagram into it, looks the kernel socket up and calls
 * our input function, all in the sender's own context, so that the message has
 * been consumed when send() returns.  Towards user space: we allocate a socket
 * buffer and copy the message into it, netlink looks the receiver up by port
 * or group, puts the buffer on its queue and wakes it; recv() copies it out.
 * Two copies and one allocation either way.
 *
 * When to choose it.  The kernel has to start the conversation, to one or to
 * many, without a device node, and the receivers want to poll.  New interfaces
 * choose generic netlink, which adds names, policies and introspection: the
 * protocol numbers of the raw kind are almost used up.
 *
 * Its trap.  It looks reliable and is not.  A queue over SO_RCVBUF, which
 * counts whole buffers and not payload, drops what comes next; the receiver
 * learns of it by one ENOBUFS, not how much, and gets nothing more until it
 * has emptied the queue.  A multicast sender is told only when nobody at all
 * got it.  And whoever may open a socket may send to the kernel: each request
 * must be checked with netlink_capable().
 *
 * Three modes: unicast (requests, and answers and events to one port; a sender who
 * does not wait is told EAGAIN when the queue is full), multicast (events to a
 * group), and ack (a push that asks for an acknowledgement, and so costs a datagram
 * back).
 */
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
#include "abi.h"

/*
 * One socket that has joined, from its JOIN to its release.  netlink_lock
 * covers the list's changes and every @sequence; events walk the list under RCU.
 * netlink_input() holds the lock for a whole datagram, so a peer that was found for
 * a request stays until the request is done.
 */
struct netlink_peer {
	struct list_head node;
	struct rcu_head rcu;
	struct rcx_sequence sequence;
	u32 portid;
	bool events;
};

static DEFINE_MUTEX(netlink_lock);
static LIST_HEAD(netlink_peers);
static struct sock *netlink_sock;

/* What the messages say: a sender copies it from somewhere. */
static const u8 *netlink_content;

/* A message of @size bytes, its body from @body; the header is left to the caller. */
static struct sk_buff *netlink_message(u16 type, u32 seq, const u8 *body, u32 size,
				       gfp_t gfp)
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
 * Any context will do, except on -rt kernels, whose locks sleep.  Netlink's
 * queues and tables are locked with interrupts off or walked under RCU; a
 * receiver's last reference goes after a grace period, hence never in here;
 * and a buffer that nobody took has no destructor yet when it is freed.
 */
static struct sk_buff *netlink_event(const struct rcx_event *event)
{
	struct sk_buff *skb = netlink_message(RCX_NETLINK_EVENT, 0, netlink_content,
					      event->size, GFP_ATOMIC);

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
		if (!peer->events)
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

	if (nlmsg_len(header) != sizeof(*join) ||
	    join->flags & ~RCX_NETLINK_EVENTS || join->pad)
		return -EINVAL;
	if (netlink_find(portid))
		return -EEXIST;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return -ENOMEM;
	peer->portid = portid;
	peer->events = join->flags & RCX_NETLINK_EVENTS;
	list_add_tail_rcu(&peer->node, &netlink_peers);
	return 0;
}

static int netlink_pull(struct sk_buff *request, struct netlink_peer *peer,
			const struct nlmsghdr *header)
{
	struct sk_buff *skb;
	u32 size = rcx_size();	/* once: another bind may change it */

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

/* One request.  The caller has checked that nlmsg_len lies within the datagram. */
static int netlink_serve(struct sk_buff *skb, struct nlmsghdr *header,
			 struct netlink_ext_ack *extack)
{
	u32 portid = NETLINK_CB(skb).portid;
	struct netlink_peer *peer;

	lockdep_assert_held(&netlink_lock);
	if (!netlink_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	if (header->nlmsg_flags & ~(NLM_F_REQUEST | NLM_F_ACK))
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
	default:
		return -EOPNOTSUPP;
	}
}

/* In the context of the program that sends; it waits for its answer anyway. */
static void netlink_input(struct sk_buff *skb)
{
	mutex_lock(&netlink_lock);
	netlink_rcv_skb(skb, netlink_serve);
	mutex_unlock(&netlink_lock);
}

/* A socket of any protocol and namespace has gone; forget it if it was a peer. */
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
	.emitters = (const struct rcx_emitter[]) {
		{ "unicast", RCX_IN_ANY, netlink_emit_unicast },
		{ "multicast", RCX_IN_ANY, netlink_emit_multicast },
		{ }
	},
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
		/* It does not say why; nearly always the number is taken. */
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
 * Each open socket of our protocol holds the module, and gives it back only
 * after netlink_gone() has run for it: no peer is left here.
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
