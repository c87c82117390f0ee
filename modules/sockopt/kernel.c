// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: sockopt
 *
 * Socket options that IP does not know, passed on to whoever has registered them.
 *
 * What it is.  setsockopt() and getsockopt() move a buffer to or from the
 * protocol of a socket.  A number that IPv4 does not know goes to netfilter,
 * where a module may have registered a range of them; iptables and ipvs are
 * administered so.  Any IPv4 socket will do, and the network need not be up.
 *
 * The path of one message.  System call entry, fd lookup, security hook, then
 * the protocols from the top down: UDP, which passes it to IP, which takes the
 * socket's lock, finds no such option and lets the lock go again.  Netfilter walks
 * its list of ranges under a mutex and takes a reference to the module; then it
 * calls us, in the caller's own context and without any lock.  We take one of our
 * own, and copy once each way.  Nothing is queued, and nobody woken.
 *
 * When to choose it.  Hardly ever for something new, unless it belongs to IP
 * sockets as such: netlink took its place.  It is a function call with a buffer,
 * as ioctl is, without a device node: that a socket can be had is enough.
 *
 * Its trap.  Anybody may open a socket, and nobody has checked anything: neither
 * who calls, nor that the length makes sense.  A get is given the length that
 * lies in the caller's memory, read a second time after IP has checked it.  The
 * range knows the socket but hears neither of its opening nor of its end, so it
 * can have no state of its own for it: ours is one for all.  Only a call that
 * runs holds the module; sockets stay open under its unload, and their options
 * are then unknown (ENOPROTOOPT).
 *
 * One mode, option.  A push is a set, a pull a get.  A call is one get as well: what it
 * asks for lies in the buffer that the answer goes to, as iptables has it.
 *
 * CAP_NET_ADMIN is asked for in the first user namespace (capable()), since all
 * share what is reached.  Where each network namespace has something of its own,
 * as iptables' tables are, its root may have it: ns_capable() in the namespace of
 * the socket.
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
#include "abi.h"

#define SOCKOPT_MAX	(RCX_HEADER + RCX_BODY_MAX)

/*
 * One state for all.  Its lock is held while user memory is copied, which may take
 * as long as its owner likes (a page may come from a program's own handler), so
 * whoever waits for it can be interrupted.
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
	err = sockopt_consume(from, len);	/* there is only one option to set */
	mutex_unlock(&sockopt.lock);
	return err;
}

/* A new message at @to, where there is room for *@len bytes; *@len becomes its length,
 * which IP hands to the caller.
 */
static int sockopt_pull(void __user *to, int *len)
{
	u32 size = rcx_size();	/* once: another bind may change it */
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

/* The request at @at gives way to its reply, which is as long. */
static int sockopt_call(void __user *at, int len)
{
	int err = sockopt_consume(USER_SOCKPTR(at), len);

	if (err)
		return err;
	rcx_reply(sockopt.message, len);
	return copy_to_user(at, sockopt.message, len) ? -EFAULT : 0;
}

static int sockopt_get(struct sock *sk, int option, void __user *user, int *len)
{
	int err;

	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	/* IP has checked another reading of this length: it may be negative here. */
	if (*len < (int)RCX_HEADER)
		return -EINVAL;
	if (option == RCX_SOCKOPT_CALL && *len > SOCKOPT_MAX)
		return -EMSGSIZE;
	if (mutex_lock_interruptible(&sockopt.lock))
		return -ERESTARTSYS;
	if (option == RCX_SOCKOPT_CALL)
		err = sockopt_call(user, *len);
	else
		err = sockopt_pull(user, len);
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

/* No call runs any more: each holds the module. */
static void __exit sockopt_exit(void)
{
	rcx_channel_unregister(&sockopt_channel);
	nf_unregister_sockopt(&sockopt_ops);
	rcx_file_free(&sockopt);
}

module_init(sockopt_init);
module_exit(sockopt_exit);
MODULE_DESCRIPTION("ringcross: socket options by way of netfilter");
MODULE_LICENSE("GPL");
