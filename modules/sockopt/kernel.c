// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sockopt
 *
 * Socket options that IP does not know, forwarded to the module that registered them.
 *
 * What it is.  setsockopt() and getsockopt() move a buffer to or from the
 * protocol of a socket.  IPv4 forwards an option number that it does not know to
 * netfilter, where a module can register a range of numbers.  iptables and ipvs are
 * configured this way.  Any IPv4 socket can be used, and the network need not be up.
 *
 * The path of one message.  System call entry, fd lookup, security hook, then the
 * protocols from the top down.  UDP passes the option to IP.  IP takes the socket's
 * lock, finds no such option and drops the lock.  Netfilter searches its list of ranges
 * under a mutex and takes a reference to the module.  Then it calls the kernel half in
 * the caller's own context, without a lock.  The kernel half takes its own lock and
 * copies once in each direction.  No queue and no wake-up is involved.
 *
 * When to choose it.  Hardly ever for a new interface, unless the interface concerns IP
 * sockets as such: netlink has replaced it.  It is a function call with a buffer, as
 * ioctl is, but needs no device node: any program that can open a socket can use it.
 *
 * Its pitfall.  Every user may open a socket, and the kernel checks neither the
 * caller's permissions nor that the length makes sense.  A getsockopt() handler gets the
 * length from the caller's memory, read a second time after IP has checked it.  The
 * handlers see the socket, but not that it is opened or closed.  So they cannot keep
 * state per socket, and our state is shared by all callers.  Only a running call holds
 * the module.  Sockets stay open when the module is unloaded, and the options are
 * then unknown (ENOPROTOOPT).
 *
 * One mode, option.  A push is a set, a pull is a get.  A call is a single get: its
 * buffer holds the request and receives the reply, as iptables does it.
 *
 * The kernel half requires CAP_NET_ADMIN in the initial user namespace (capable()), since
 * its state is shared by all.  If each network namespace has state of its own, such as
 * iptables' tables, the root of that namespace may have access: use ns_capable() with
 * the user namespace of the socket's network namespace.
 */
#include <linux/capability.h>
#include <linux/in.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/sockptr.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_file.h"
#include "rcx_table.h"
#include "abi.h"

#define SOCKOPT_MAX (RCX_HEADER + RCX_BODY_MAX)

/*
 * One state for all callers.  Its lock is held while user memory is copied.  That can
 * take any time, since a program can provide the page itself (userfaultfd, for example),
 * so waiting for the lock is interruptible.
 */
static DEFINE_RCX_FILE(sockopt);

static int sockopt_consume(sockptr_t from, unsigned int len)
{
	int err = rcx_file_hold(&sockopt, len);

	if (err)
		return err;
	if (copy_from_sockptr(sockopt.message, from, len))
		return -EFAULT;
	return rcx_consume(&sockopt.sequence, sockopt.message, len);
}

static int sockopt_set(struct sock *sk, int option, sockptr_t from, unsigned int len)
{
	int err;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	if (len < RCX_HEADER)
		return -EINVAL;
	if (len > SOCKOPT_MAX)
		return -EMSGSIZE;
	if (mutex_lock_interruptible(&sockopt.lock))
		return -ERESTARTSYS;
	err = sockopt_consume(from, len); /* the range has a single set option */
	mutex_unlock(&sockopt.lock);
	return err;
}

/* Copy a new message to @to, which has room for *@len bytes.  Sets *@len to its length,
 * which IP passes to the caller.
 */
static int sockopt_pull(void __user *to, int *len)
{
	u32 size = rcx_size(); /* once: another bind may change it */
	int err;

	if (*len < RCX_HEADER + size)
		return -EMSGSIZE;
	err = rcx_file_hold(&sockopt, RCX_HEADER + size);
	if (err)
		return err;
	rcx_make(&sockopt.sequence, sockopt.message, size);
	*len = RCX_HEADER + size;
	return copy_to_user(to, sockopt.message, *len) ? -EFAULT : 0;
}

/* Replace the request at @at by its reply, which has the same length. */
static int sockopt_call(void __user *at, int len)
{
	int err = sockopt_consume(USER_SOCKPTR(at), len);

	if (err)
		return err;
	rcx_reply(sockopt.message, len);
	return copy_to_user(at, sockopt.message, len) ? -EFAULT : 0;
}

/* Sets *@len to the bytes of the table. */
static int sockopt_dump(void __user *to, int *len)
{
	long records = rcx_dump_to_user(&sockopt, to, *len / RCX_RECORD);

	if (records < 0)
		return records;
	*len = records * RCX_RECORD;
	return 0;
}

static int sockopt_get(struct sock *sk, int option, void __user *user, int *len)
{
	int err;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	/* IP checked an earlier read of this length, so it may be negative here. */
	if (*len < (int)RCX_HEADER && (*len < 0 || option != RCX_SOCKOPT_DUMP))
		return -EINVAL;
	if (option == RCX_SOCKOPT_CALL && *len > SOCKOPT_MAX)
		return -EMSGSIZE;
	if (mutex_lock_interruptible(&sockopt.lock))
		return -ERESTARTSYS;
	if (option == RCX_SOCKOPT_CALL)
		err = sockopt_call(user, *len);
	else if (option == RCX_SOCKOPT_PULL)
		err = sockopt_pull(user, len);
	else
		err = sockopt_dump(user, len);
	mutex_unlock(&sockopt.lock);
	return err;
}

/* ---- registration ------------------------------------------------------ */

static struct nf_sockopt_ops sockopt_ops = {
	.pf = PF_INET,
	.set_optmin = RCX_SOCKOPT_BASE,
	.set_optmax = RCX_SOCKOPT_SET_MAX + 1,
	.set = sockopt_set,
	.get_optmin = RCX_SOCKOPT_BASE,
	.get_optmax = RCX_SOCKOPT_GET_MAX + 1,
	.get = sockopt_get,
	.owner = THIS_MODULE,
};

static int sockopt_reset(void)
{
	return rcx_file_reset(&sockopt);
}

static struct rcx_channel sockopt_channel = {
	.name = "sockopt",
	.owner = THIS_MODULE,
	.reset = sockopt_reset,
};

static int __init sockopt_init(void)
{
	int err = nf_register_sockopt(&sockopt_ops);

	if (err)
		return err;
	err = rcx_channel_register(&sockopt_channel);
	if (err)
		nf_unregister_sockopt(&sockopt_ops);
	return err;
}

/* No call runs any more, since each one holds the module. */
static void __exit sockopt_exit(void)
{
	rcx_channel_unregister(&sockopt_channel);
	nf_unregister_sockopt(&sockopt_ops);
	rcx_file_free(&sockopt);
}

module_init(sockopt_init);
module_exit(sockopt_exit);
MODULE_DESCRIPTION("ringcross: socket options through netfilter");
MODULE_LICENSE("GPL");
