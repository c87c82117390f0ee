// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: genetlink
 *
 * Generic netlink: commands with typed attributes, under a name of our own.
 *
 * What it is.  One netlink protocol that any number of families share.  A
 * family registers a name, commands, a policy for the attributes of each, and
 * groups for what it tells unasked; a controller maps the names to numbers that
 * are given out as modules come.  What a request may contain is declared, and
 * checked before our code runs; programs can ask for the declaration.
 *
 * The path of one message.  As netlink: send() copies the datagram into a
 * socket buffer and calls down in the sender's own context.  On top, generic
 * netlink takes a semaphore that only registrations take for writing, looks the
 * family and the command up, checks rights, header and flags, allocates a table,
 * validates every attribute and puts pointers to them in it.  Our function finds
 * its message there and copies nothing more; a mutex covers the sender's sequence.
 * A reply, or an event for the group, is built into a buffer of its own, attribute
 * by attribute; netlink queues that and wakes the receiver, and recv() copies it out.
 *
 * When to choose it.  For a new interface without a device node that needs
 * requests, replies and events, and must be able to grow: new attributes and
 * commands break no old program.  For lists that no datagram could hold there
 * is the dump, which makes the next piece when the reader has taken the last.
 *
 * Its trap.  All that netlink has: a group's reader who is too slow loses
 * events and gets ENOBUFS, and who sends without asking for an acknowledgement
 * is not told of success.  An attribute ends at 64 KiB.  A dump is no snapshot
 * unless the family makes one, and a reader who stops half-way keeps the module
 * until he closes.  Otherwise an open socket holds no module: it belongs to all
 * families, so ours may be unloaded under it, and a listener sleeps on in a group
 * that is gone, unless the module thinks of waking him.
 *
 * Four modes. do: a request, and its answer if it has one. ack: a push that asks
 * for an acknowledgement, and so costs a datagram back. dump: a message pulled in
 * records of 1 KiB, as long lists are, as many at a time as fit the longest
 * recv() that the socket has made so far (up to 32 KiB), and an end mark behind
 * them.  A short one is dear: that room is allocated before it is known how
 * little will be said, and cleared where the kernel clears all memory it gives
 * out. multicast: events to a group.  None sends events to a single port: that is
 * raw netlink's unicast, unchanged.
 *
 * The family is not there in other network namespaces (.netnsok is off): what it
 * counts is the machine's.  Hence GENL_ADMIN_PERM, the capability in the first
 * user namespace; one that serves the network of each namespace sets .netnsok
 * and asks by GENL_UNS_ADMIN_PERM for the capability there.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include "rcx_core.h"
#include "abi.h"

/*
 * One socket that has sent us a request, from the first one to its release.
 * genetlink_lock covers the list and all of each peer.  Nothing points at a peer
 * while the lock is not held: a dump finds it again for each piece, since the
 * port of a socket that is being released may already have another owner.
 *
 * (From 6.8 on a family may have memory per socket without a list, sock_priv.)
 */
struct genetlink_peer {
	struct list_head node;
	u32 portid;
	struct rcx_sequence sequence;
	struct rcx_msg *dumped;	/* the message of its dump; NULL until the first one */
};

static DEFINE_MUTEX(genetlink_lock);
static LIST_HEAD(genetlink_peers);
static struct genl_family genetlink_family;

/* The body of messages that we make, zeros: a real sender copies its data as well. */
static const u8 *genetlink_content;

/*
 * A datagram with a message in it, whose body are the @size bytes at @body; its
 * header is left to the caller, who finds it by *@msg.  (Attributes lie at multiples
 * of four; behind both headers ours happens to be at one of eight.)
 */
static struct sk_buff *genetlink_message(u32 portid, u32 seq, u8 command, const u8 *body,
					 u32 size, gfp_t gfp, struct rcx_msg **msg)
{
	struct sk_buff *skb = genlmsg_new(nla_total_size(RCX_HEADER + size), gfp);
	struct nlattr *attr = NULL;
	void *header;

	if (!skb)
		return NULL;
	header = genlmsg_put(skb, portid, seq, &genetlink_family, 0, command);
	if (header)
		attr = nla_reserve(skb, RCX_GENETLINK_A_MESSAGE, RCX_HEADER + size);
	if (WARN_ON_ONCE(!attr)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, header);
	*msg = nla_data(attr);
	memcpy((*msg)->body, body, size);
	return skb;
}

/* ---- events ------------------------------------------------------------ */

/*
 * Any context will do, as netlink locks its queues and tables with interrupts off
 * or walks them under RCU; but not on -rt kernels, whose locks sleep.
 */
static int genetlink_emit(const struct rcx_event *event)
{
	struct sk_buff *skb;
	struct rcx_msg *msg;

	if (event->size > RCX_GENETLINK_BODY_MAX)
		return -EMSGSIZE;
	if (!genl_has_listeners(&genetlink_family, &init_net, 0))
		return -ENOTCONN;
	skb = genetlink_message(0, 0, RCX_GENETLINK_EVENT, genetlink_content, event->size,
				GFP_ATOMIC, &msg);
	if (!skb)
		return -ENOMEM;
	rcx_event(event, msg);
	return genlmsg_multicast(&genetlink_family, skb, 0, 0, GFP_ATOMIC);
}

/* ---- peers ------------------------------------------------------------- */

static struct genetlink_peer *genetlink_find(u32 portid)
{
	struct genetlink_peer *peer;

	lockdep_assert_held(&genetlink_lock);
	list_for_each_entry(peer, &genetlink_peers, node)
		if (peer->portid == portid)
			return peer;
	return NULL;
}

/* The peer with that port, new if need be; NULL when there is no memory. */
static struct genetlink_peer *genetlink_meet(u32 portid)
{
	struct genetlink_peer *peer = genetlink_find(portid);

	if (peer)
		return peer;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return NULL;
	peer->portid = portid;
	list_add_tail(&peer->node, &genetlink_peers);
	return peer;
}

static void genetlink_forget(struct genetlink_peer *peer)
{
	list_del(&peer->node);
	vfree(peer->dumped);
	kfree(peer);
}

/* Netlink tells of every socket's end, of any protocol and namespace; ours are few. */
static int genetlink_gone(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct genetlink_peer *peer;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&genetlink_lock);
	peer = genetlink_find(notify->portid);
	if (peer)
		genetlink_forget(peer);
	mutex_unlock(&genetlink_lock);
	return NOTIFY_DONE;
}

/* ---- requests: one datagram each, one back at most --------------------- */

/*
 * The message of a request.  If there is one, the policy has seen to it that it is
 * as long as a header at least; that there is one, no policy can demand.
 */
static const struct nlattr *genetlink_required(const struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[RCX_GENETLINK_A_MESSAGE];

	if (!attr)
		GENL_SET_ERR_MSG(info, "a message is missing");
	return attr;
}

static int genetlink_consume(u32 portid, const struct nlattr *attr)
{
	struct genetlink_peer *peer;
	int err = -ENOMEM;

	mutex_lock(&genetlink_lock);
	peer = genetlink_meet(portid);
	if (peer)
		err = rcx_consume(&peer->sequence, nla_data(attr), nla_len(attr));
	mutex_unlock(&genetlink_lock);
	return err;
}

static int genetlink_push(struct sk_buff *request, struct genl_info *info)
{
	const struct nlattr *attr = genetlink_required(info);

	return attr ? genetlink_consume(info->snd_portid, attr) : -EINVAL;
}

static int genetlink_call(struct sk_buff *request, struct genl_info *info)
{
	const struct nlattr *attr = genetlink_required(info);
	const struct rcx_msg *msg;
	struct rcx_msg *reply;
	struct sk_buff *skb;
	int err;

	if (!attr)
		return -EINVAL;
	err = genetlink_consume(info->snd_portid, attr);
	if (err)
		return err;
	msg = nla_data(attr);
	skb = genetlink_message(info->snd_portid, info->snd_seq, RCX_GENETLINK_CALL, msg->body,
				nla_len(attr) - RCX_HEADER, GFP_KERNEL, &reply);
	if (!skb)
		return -ENOMEM;
	*reply = *msg;
	rcx_reply(reply, nla_len(attr));
	return genlmsg_reply(skb, info);
}

static int genetlink_pull(struct sk_buff *request, struct genl_info *info)
{
	u32 size = rcx_size();	/* once: another bind may change it */
	struct genetlink_peer *peer;
	struct sk_buff *skb;
	struct rcx_msg *msg;

	if (size > RCX_GENETLINK_BODY_MAX)
		return -EMSGSIZE;
	skb = genetlink_message(info->snd_portid, info->snd_seq, RCX_GENETLINK_PULL,
				genetlink_content, size, GFP_KERNEL, &msg);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&genetlink_lock);
	peer = genetlink_meet(info->snd_portid);
	if (peer)
		rcx_make(&peer->sequence, msg, size);
	mutex_unlock(&genetlink_lock);
	if (!peer) {
		nlmsg_free(skb);
		return -ENOMEM;
	}
	return genlmsg_reply(skb, info);
}

/* ---- dumps: one request, as many datagrams back as the reader takes ----- */

/* Where a dump stands, in the room that netlink has for it. */
struct genetlink_dump {
	u32 at;
	u32 len;
};

/*
 * The message is made once, here, and its parts are copied from it: what the
 * reader puts together is what was there when he asked.  A socket has one dump
 * at a time (a second one gets EBUSY), so one buffer for each is enough.  It is kept
 * for the next dump, and has room for all sizes that a bind may ask for.
 */
static int genetlink_dump_start(struct netlink_callback *cb)
{
	struct genetlink_dump *dump = (void *)cb->ctx;
	struct genetlink_peer *peer;
	u32 size = rcx_size();
	int err = -ENOMEM;

	mutex_lock(&genetlink_lock);
	peer = genetlink_meet(NETLINK_CB(cb->skb).portid);
	if (peer && !peer->dumped)
		peer->dumped = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	if (peer && peer->dumped) {
		rcx_make(&peer->sequence, peer->dumped, size);
		dump->len = RCX_HEADER + size;
		err = 0;
	}
	mutex_unlock(&genetlink_lock);
	return err;
}

/* One record of @len bytes more; false when there is no room for it. */
static bool genetlink_record(struct sk_buff *skb, const struct netlink_callback *cb,
			     const void *from, u32 len)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &genetlink_family, NLM_F_MULTI, RCX_GENETLINK_PULL);

	if (!header)
		return false;
	if (nla_put(skb, RCX_GENETLINK_A_PART, len, from)) {
		genlmsg_cancel(skb, header);
		return false;
	}
	genlmsg_end(skb, header);
	return true;
}

/* The next piece: called when the request comes, and as the reader takes the last one. */
static int genetlink_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct genetlink_dump *dump = (void *)cb->ctx;
	const struct genetlink_peer *peer;

	mutex_lock(&genetlink_lock);
	peer = genetlink_find(NETLINK_CB(cb->skb).portid);
	if (!peer || !peer->dumped) {
		mutex_unlock(&genetlink_lock);
		return -ESTALE;		/* the peer was forgotten: its port had two owners */
	}
	while (dump->at < dump->len) {
		u32 len = min_t(u32, dump->len - dump->at, RCX_GENETLINK_PART_MAX);

		if (!genetlink_record(skb, cb, (const u8 *)peer->dumped + dump->at, len))
			break;
		dump->at += len;
	}
	mutex_unlock(&genetlink_lock);
	if (dump->at == dump->len)
		return 0;		/* and the end mark behind it, if it fits */
	return skb->len ?: -EMSGSIZE;
}

/* ---- the family -------------------------------------------------------- */

/* An attribute that is not listed is refused, and so is a nested one. */
static const struct nla_policy genetlink_one_message[] = {
	[RCX_GENETLINK_A_MESSAGE] = NLA_POLICY_MIN_LEN(RCX_HEADER),
};

static const struct nla_policy genetlink_nothing[] = {
	[RCX_GENETLINK_A_MESSAGE] = { .type = NLA_REJECT },
};

static const struct genl_ops genetlink_ops[] = {
	{
		.cmd = RCX_GENETLINK_PUSH,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_one_message,
		.maxattr = ARRAY_SIZE(genetlink_one_message) - 1,
		.doit = genetlink_push,
	},
	{
		.cmd = RCX_GENETLINK_PULL,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_nothing,
		.maxattr = ARRAY_SIZE(genetlink_nothing) - 1,
		.doit = genetlink_pull,
		.start = genetlink_dump_start,
		.dumpit = genetlink_dump,
	},
	{
		.cmd = RCX_GENETLINK_CALL,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_one_message,
		.maxattr = ARRAY_SIZE(genetlink_one_message) - 1,
		.doit = genetlink_call,
	},
};

static const struct genl_multicast_group genetlink_groups[] = {
	{
		.name = RCX_GENETLINK_GROUP,
		/* 5.10 has no such flag: there anybody may listen. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
		.flags = GENL_MCAST_CAP_NET_ADMIN,
#endif
	},
};

/*
 * .parallel_ops: our own lock covers what is ours; else every request would wait
 * for those of all other families.  .resv_start_op stays 0, as for all that is
 * new: from 6.1 on reserved fields and unknown flags are refused.
 */
static struct genl_family genetlink_family __ro_after_init = {
	.name = RCX_GENETLINK_FAMILY,
	.version = RCX_GENETLINK_VERSION,
	.module = THIS_MODULE,
	.parallel_ops = true,
	.ops = genetlink_ops,
	.n_ops = ARRAY_SIZE(genetlink_ops),
	.mcgrps = genetlink_groups,
	.n_mcgrps = ARRAY_SIZE(genetlink_groups),
};

static struct notifier_block genetlink_notifier = {
	.notifier_call = genetlink_gone,
};

static struct rcx_channel genetlink_channel = {
	.name = "genetlink",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]) {
		{ "multicast", RCX_IN_ANY, genetlink_emit },
		{ }
	},
};

static int __init genetlink_init(void)
{
	int err;

	genetlink_content = vzalloc(RCX_GENETLINK_BODY_MAX);
	if (!genetlink_content)
		return -ENOMEM;
	err = netlink_register_notifier(&genetlink_notifier);
	if (err)
		goto err_content;
	err = genl_register_family(&genetlink_family);
	if (err)
		goto err_notifier;
	err = rcx_channel_register(&genetlink_channel);
	if (err)
		goto err_family;
	return 0;

err_family:
	genl_unregister_family(&genetlink_family);
err_notifier:
	netlink_unregister_notifier(&genetlink_notifier);
err_content:
	vfree(genetlink_content);
	return err;
}

/*
 * Sockets may be open, and hold nothing of ours: whoever listens to the group is
 * told by ENODEV, and whoever asks hereafter that there is no such family.  A
 * dump holds the module until its end, so none is left here; peers may be.
 */
static void __exit genetlink_exit(void)
{
	struct genetlink_peer *peer, *next;

	rcx_channel_unregister(&genetlink_channel);
	genl_set_err(&genetlink_family, &init_net, 0, 0, -ENODEV);
	genl_unregister_family(&genetlink_family);	/* waits for requests that run */
	netlink_unregister_notifier(&genetlink_notifier);
	mutex_lock(&genetlink_lock);
	list_for_each_entry_safe(peer, next, &genetlink_peers, node)
		genetlink_forget(peer);
	mutex_unlock(&genetlink_lock);
	vfree(genetlink_content);
}

module_init(genetlink_init);
module_exit(genetlink_exit);
MODULE_DESCRIPTION("ringcross: generic netlink, requests, dumps and multicast");
MODULE_LICENSE("GPL");
