// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: genetlink
 *
 * Generic netlink: commands with typed attributes, in a named family.
 *
 * What it is.  Generic netlink is one netlink protocol that any number of families share.
 * A family registers a name, commands, a policy for the attributes of each command, and
 * multicast groups for events.  A controller maps the names to numbers, which are assigned
 * when a module registers.  The policy declares what a request may contain, and the kernel
 * checks a request against it before our code runs.  Programs can query the policy.
 *
 * The path of one message.  As with netlink, send() copies the datagram into a socket
 * buffer and calls the receiving code in the sender's context.  Generic netlink then takes
 * a semaphore, which only registrations take for writing, and looks up family and command.
 * It checks permissions, header and flags, allocates a table, validates every attribute
 * and stores pointers to the attributes in the table.  Our function finds its message
 * there without another copy; a mutex covers the sequence of the sender.  A reply, or an
 * event for the group, is built in its own buffer, attribute by attribute.  netlink queues
 * the buffer and wakes the receiver, and recv() copies it out.
 *
 * When to choose it.  For a new interface without a device node that needs requests,
 * replies and events and must be able to grow: new attributes and commands do not break
 * old programs.  For lists that are longer than a datagram there is the dump: the kernel
 * makes the next part when the reader has received the last one.
 *
 * Its pitfall.  It has all pitfalls of netlink: a slow reader of a group loses events and
 * gets ENOBUFS, and a sender that does not request an acknowledgement is not notified of
 * success.  An attribute has at most 64 KiB.  A dump is not a snapshot unless the family
 * makes one, and an unfinished dump holds the module until its socket is closed.  Apart
 * from that an open socket does not hold the module, because it belongs to all families.
 * So our module can be unloaded while sockets are open, and a listener sleeps on in a
 * group that no longer exists, unless the module wakes it.
 *
 * Four modes.  do: a request, and its answer if it has one.  ack: a push that requests an
 * acknowledgement, which costs a datagram back.  dump: long lists, followed by an end mark.
 * A pull gets its message in records of 1 KiB.  A dump gets a table, of which each record is
 * a message with three attributes.  One datagram holds as many
 * records as fit the longest recv() of the socket so far (up to 32 KiB).  Short dumps are
 * expensive: the buffer is allocated at that size before its content is known, and it is
 * cleared if the kernel clears all memory that it allocates.  multicast: events to a
 * group.  No mode sends events to a single port, because that would be the unicast of
 * channel netlink.  An upcall, in mode do, is a datagram to one port and a request back.
 *
 * The family does not exist in other network namespaces (.netnsok is not set), because its
 * counts belong to the whole machine.  So it uses GENL_ADMIN_PERM, which requires the
 * capability in the initial user namespace.  A family that serves the network of each
 * namespace sets .netnsok and requires the capability there, by GENL_UNS_ADMIN_PERM.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include "rcx_core.h"
#include "rcx_upcall.h"
#include "rcx_table.h"
#include "abi.h"

/*
 * A socket that has sent us a request, from its first request to its release.
 * genetlink_lock covers the list and all members of each entry.  No code keeps a pointer
 * to an entry without the lock: a dump looks it up again for each part, because the port
 * of a socket that is being released may already have another owner.
 *
 * (Since 6.8 a family may have memory per socket without a list: sock_priv.)
 */
struct genetlink_socket {
	struct list_head node;
	u32 portid;
	bool serves; /* it gets the kernel's requests */
	struct rcx_sequence sequence;
	struct rcx_msg *dumped; /* the message of its dump; NULL until the first dump */
};

static DEFINE_MUTEX(genetlink_lock);
static LIST_HEAD(genetlink_sockets);
static struct genl_family genetlink_family;
static DEFINE_RCX_UPCALL(genetlink_upcall);

/* Body of messages that the kernel half makes: zeros, copied as a real sender copies data. */
static const u8 *genetlink_content;

/*
 * A datagram that holds a message with the @size bytes at @body, or NULL.  The caller fills
 * the message's header, to which *@msg points.  (Attributes are aligned to four bytes; behind
 * both headers the message happens to be aligned to eight.)
 */
static struct sk_buff *genetlink_message(u32 portid, u32 seq, u8 command, const u8 *body, u32 size,
					 gfp_t gfp, struct rcx_msg **msg)
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
 * Any context: netlink locks its queues and tables with interrupts off or walks them under
 * RCU.  On PREEMPT_RT those locks sleep, so hardirq context is not possible there.
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

/* ---- sockets ----------------------------------------------------------- */

static struct genetlink_socket *genetlink_find(u32 portid)
{
	struct genetlink_socket *socket;

	lockdep_assert_held(&genetlink_lock);
	list_for_each_entry(socket, &genetlink_sockets, node)
		if (socket->portid == portid)
			return socket;
	return NULL;
}

/* Find the socket with that port, or add it; NULL when there is no memory. */
static struct genetlink_socket *genetlink_find_or_add(u32 portid)
{
	struct genetlink_socket *socket = genetlink_find(portid);

	if (socket)
		return socket;
	socket = kzalloc(sizeof(*socket), GFP_KERNEL);
	if (!socket)
		return NULL;
	socket->portid = portid;
	list_add_tail(&socket->node, &genetlink_sockets);
	return socket;
}

/* The identity of a server: its port, which is never 0 and never dereferenced. */
static const void *genetlink_server(u32 portid)
{
	return (const void *)(unsigned long)portid;
}

static void genetlink_remove(struct genetlink_socket *socket)
{
	if (socket->serves)
		rcx_upcall_leave(&genetlink_upcall, genetlink_server(socket->portid));
	list_del(&socket->node);
	vfree(socket->dumped);
	kfree(socket);
}

/* netlink calls this for every released socket, of any protocol and network namespace. */
static int genetlink_released(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;
	struct genetlink_socket *socket;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC ||
	    !net_eq(notify->net, &init_net))
		return NOTIFY_DONE;
	mutex_lock(&genetlink_lock);
	socket = genetlink_find(notify->portid);
	if (socket)
		genetlink_remove(socket);
	mutex_unlock(&genetlink_lock);
	return NOTIFY_DONE;
}

/* ---- requests: one datagram each, one back at most --------------------- */

/*
 * The message of a request, or NULL.  The policy ensures that a message is at least as long
 * as its header.  A policy cannot require that an attribute is present.
 */
static const struct nlattr *genetlink_required(const struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[RCX_GENETLINK_A_MESSAGE];

	if (!attr)
		GENL_SET_ERR_MSG(info, "the request has no message attribute");
	return attr;
}

static int genetlink_consume(u32 portid, const struct nlattr *attr)
{
	struct genetlink_socket *socket;
	int err = -ENOMEM;

	mutex_lock(&genetlink_lock);
	socket = genetlink_find_or_add(portid);
	if (socket)
		err = rcx_consume(&socket->sequence, nla_data(attr), nla_len(attr));
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
	u32 size = rcx_size(); /* read once: another bind may change it */
	struct genetlink_socket *socket;
	struct sk_buff *skb;
	struct rcx_msg *msg;

	if (size > RCX_GENETLINK_BODY_MAX)
		return -EMSGSIZE;
	skb = genetlink_message(info->snd_portid, info->snd_seq, RCX_GENETLINK_PULL,
				genetlink_content, size, GFP_KERNEL, &msg);
	if (!skb)
		return -ENOMEM;
	mutex_lock(&genetlink_lock);
	socket = genetlink_find_or_add(info->snd_portid);
	if (socket)
		rcx_make(&socket->sequence, msg, size);
	mutex_unlock(&genetlink_lock);
	if (!socket) {
		nlmsg_free(skb);
		return -ENOMEM;
	}
	return genlmsg_reply(skb, info);
}

/* ---- upcalls: a request of the kernel, to one socket --------------------- */

static int genetlink_serve(struct sk_buff *request, struct genl_info *info)
{
	struct genetlink_socket *socket;
	int err = -ENOMEM;

	mutex_lock(&genetlink_lock);
	socket = genetlink_find_or_add(info->snd_portid);
	if (socket) {
		err = socket->serves ? -EEXIST : 0;
		if (!err)
			rcx_upcall_join(&genetlink_upcall);
		socket->serves = true;
	}
	mutex_unlock(&genetlink_lock);
	return err;
}

static int genetlink_answer(struct sk_buff *request, struct genl_info *info)
{
	const struct nlattr *attr = genetlink_required(info);

	return attr ? rcx_upcall_answer(&genetlink_upcall, genetlink_server(info->snd_portid),
					nla_data(attr), nla_len(attr)) :
		      -EINVAL;
}

/* The port of the first socket that serves, or 0. */
static u32 genetlink_find_server(void)
{
	const struct genetlink_socket *socket;
	u32 portid = 0;

	mutex_lock(&genetlink_lock);
	list_for_each_entry(socket, &genetlink_sockets, node) {
		if (socket->serves) {
			portid = socket->portid;
			break;
		}
	}
	mutex_unlock(&genetlink_lock);
	return portid;
}

/* As in netlink: pending before it is sent, and the release of the socket ends the wait. */
static int genetlink_ask(const struct rcx_event *request)
{
	u32 portid = genetlink_find_server();
	struct sk_buff *skb;
	struct rcx_msg *msg;
	int err;

	if (!portid)
		return -ENOTCONN;
	if (request->size > RCX_GENETLINK_BODY_MAX)
		return -EMSGSIZE;
	skb = genetlink_message(portid, 0, RCX_GENETLINK_ASK, genetlink_content, request->size,
				GFP_KERNEL, &msg);
	if (!skb)
		return -ENOMEM;
	rcx_event(request, msg);
	err = rcx_upcall_begin(&genetlink_upcall, request, genetlink_server(portid));
	if (err) {
		nlmsg_free(skb);
		return err;
	}
	err = genlmsg_unicast(&init_net, skb, portid);
	return err < 0 ? rcx_upcall_result(&genetlink_upcall, err) :
			 rcx_upcall_wait(&genetlink_upcall);
}

/* ---- dumps: one request, and datagrams back as the reader receives them -- */

/* State of a dump, in the memory that netlink provides for it. */
struct genetlink_dump {
	u32 at;
	u32 len;
};

/*
 * The message is made once, here, and its parts are copied from it, so the dump is a
 * snapshot of the time of the request.  A socket has one dump at a time (a second one gets
 * EBUSY), so one buffer per socket is enough.  The buffer is kept for the next dump and
 * has room for all sizes of a bind.
 */
static int genetlink_dump_start(struct netlink_callback *cb)
{
	struct genetlink_dump *dump = (void *)cb->ctx;
	struct genetlink_socket *socket;
	u32 size = rcx_size();
	int err = -ENOMEM;

	mutex_lock(&genetlink_lock);
	socket = genetlink_find_or_add(NETLINK_CB(cb->skb).portid);
	if (socket && !socket->dumped)
		socket->dumped = vzalloc(RCX_HEADER + RCX_BODY_MAX);
	if (socket && socket->dumped) {
		rcx_make(&socket->sequence, socket->dumped, size);
		dump->len = RCX_HEADER + size;
		err = 0;
	}
	mutex_unlock(&genetlink_lock);
	return err;
}

/* Append one record of @len bytes; false when there is no room for it. */
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

/* Make the next part: called for the request, and when the reader has received a part. */
static int genetlink_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct genetlink_dump *dump = (void *)cb->ctx;
	const struct genetlink_socket *socket;

	mutex_lock(&genetlink_lock);
	socket = genetlink_find(NETLINK_CB(cb->skb).portid);
	if (!socket || !socket->dumped) {
		mutex_unlock(&genetlink_lock);
		return -ESTALE; /* the socket was removed: its port had two owners */
	}
	while (dump->at < dump->len) {
		u32 len = min_t(u32, dump->len - dump->at, RCX_GENETLINK_PART_MAX);

		if (!genetlink_record(skb, cb, (const u8 *)socket->dumped + dump->at, len))
			break;
		dump->at += len;
	}
	mutex_unlock(&genetlink_lock);
	if (dump->at == dump->len)
		return 0; /* netlink appends the end mark, now or in the next part */
	return skb->len ?: -EMSGSIZE;
}

/* ---- dumps of the table: each record is a message with three attributes -- */

struct genetlink_walk {
	struct rcx_dump dump;
	u32 next;
};

static int genetlink_table_start(struct netlink_callback *cb)
{
	struct genetlink_walk *walk = (void *)cb->ctx;
	struct genetlink_socket *socket;

	mutex_lock(&genetlink_lock);
	socket = genetlink_find_or_add(NETLINK_CB(cb->skb).portid);
	if (socket)
		rcx_dump_begin(&socket->sequence, &walk->dump);
	mutex_unlock(&genetlink_lock);
	return socket ? 0 : -ENOMEM;
}

/* Append one record; false when there is no room for it. */
static bool genetlink_table_record(struct sk_buff *skb, const struct netlink_callback *cb,
				   const struct rcx_record *record)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &genetlink_family, NLM_F_MULTI, RCX_GENETLINK_TABLE);

	if (!header)
		return false;
	if (nla_put_u64_64bit(skb, RCX_GENETLINK_A_INDEX, record->index, RCX_GENETLINK_A_PAD) ||
	    nla_put_u64_64bit(skb, RCX_GENETLINK_A_GENERATION, record->generation,
			      RCX_GENETLINK_A_PAD) ||
	    nla_put(skb, RCX_GENETLINK_A_BODY, sizeof(record->body), record->body)) {
		genlmsg_cancel(skb, header);
		return false;
	}
	genlmsg_end(skb, header);
	return true;
}

/* The table never changes, and the state of the walk is the dump's own, so there is no lock. */
static int genetlink_table_next(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct genetlink_walk *walk = (void *)cb->ctx;
	struct rcx_record record;

	for (; walk->next < walk->dump.records; walk->next++) {
		rcx_dump_record(&walk->dump, walk->next, &record);
		if (!genetlink_table_record(skb, cb, &record))
			return skb->len; /* it is full */
	}
	return 0; /* netlink appends the end mark, now or in the next datagram */
}

/* ---- the family -------------------------------------------------------- */

/* The kernel refuses an attribute that is not listed, and a nested one. */
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
	{
		.cmd = RCX_GENETLINK_SERVE,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_nothing,
		.maxattr = ARRAY_SIZE(genetlink_nothing) - 1,
		.doit = genetlink_serve,
	},
	{
		.cmd = RCX_GENETLINK_ANSWER,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_one_message,
		.maxattr = ARRAY_SIZE(genetlink_one_message) - 1,
		.doit = genetlink_answer,
	},
	{
		.cmd = RCX_GENETLINK_TABLE,
		.flags = GENL_ADMIN_PERM,
		.policy = genetlink_nothing,
		.maxattr = ARRAY_SIZE(genetlink_nothing) - 1,
		.start = genetlink_table_start,
		.dumpit = genetlink_table_next,
	},
};

static const struct genl_multicast_group genetlink_groups[] = {
	{
		.name = RCX_GENETLINK_GROUP,
/* 5.10 does not have this flag, so any user may listen there. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
		.flags = GENL_MCAST_CAP_NET_ADMIN,
#endif
	},
};

/*
 * .parallel_ops: genetlink_lock covers our state.  Without this flag every request would
 * wait for the requests of all other families.  .resv_start_op stays 0, as in every new
 * family: since 6.1 reserved fields and unknown flags are then refused.
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
	.notifier_call = genetlink_released,
};

static struct rcx_channel genetlink_channel = {
	.name = "genetlink",
	.owner = THIS_MODULE,
	.emitters = (const struct rcx_emitter[]){ { "do", 0, NULL, genetlink_ask },
						  { "multicast", RCX_IN_ANY, genetlink_emit },
						  { } },
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
 * Sockets may be open; they do not hold the module.  Listeners of the group get ENODEV, and
 * a later request gets ENOENT.  A dump holds the module until its end, so no dump runs
 * here, but entries of sockets may be left.
 */
static void __exit genetlink_exit(void)
{
	struct genetlink_socket *socket, *next;

	rcx_channel_unregister(&genetlink_channel);
	genl_set_err(&genetlink_family, &init_net, 0, 0, -ENODEV);
	genl_unregister_family(&genetlink_family); /* waits for running requests */
	netlink_unregister_notifier(&genetlink_notifier);
	mutex_lock(&genetlink_lock);
	list_for_each_entry_safe(socket, next, &genetlink_sockets, node)
		genetlink_remove(socket);
	mutex_unlock(&genetlink_lock);
	vfree(genetlink_content);
}

module_init(genetlink_init);
module_exit(genetlink_exit);
MODULE_DESCRIPTION("ringcross: generic netlink, requests, dumps and multicast");
MODULE_LICENSE("GPL");
