// SPDX-License-Identifier: GPL-2.0-only
/*
 * Upcalls, see rcx_upcall.h: one pending request, its asker and its servers.
 *
 * Both sides wait for a change of the state, which only happens under the lock, and both look at
 * it again after they have entered their wait queue, so no wake-up is lost:
 *
 *	asker				server
 *	state = ASKED, wake_up
 *					takes the request: state = TAKEN
 *	prepare_to_wait
 *					state = ENDED, wake_up
 *	finds ENDED
 *
 * The body of a reply is checked without the lock, because it may be large.  Meanwhile the state
 * is CHECKED, so that a second reply is refused.  The asker may give up in the meantime; then the
 * request is no longer pending, and the reply was late.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "rcx_core.h"
#include "rcx_upcall.h"

/* ---- the asker ----------------------------------------------------------- */

int rcx_upcall_begin(struct rcx_upcall *upcall, const struct rcx_event *request, const void *server)
{
	int err = 0;

	spin_lock(&upcall->lock);
	if (upcall->servers) {
		upcall->number++;
		upcall->request = *request;
		upcall->server = server;
		WRITE_ONCE(upcall->state, server ? RCX_TAKEN : RCX_ASKED);
	} else {
		err = -ENOTCONN;
	}
	spin_unlock(&upcall->lock);
	if (!err && !server)
		wake_up_interruptible_poll(&upcall->asked, EPOLLIN | EPOLLRDNORM);
	return err;
}
EXPORT_SYMBOL_GPL(rcx_upcall_begin);

/* A reply that has been consumed counts, even if the wait should have ended. */
int rcx_upcall_result(struct rcx_upcall *upcall, int err)
{
	spin_lock(&upcall->lock);
	if (upcall->state == RCX_ENDED)
		err = upcall->result;
	WRITE_ONCE(upcall->state, RCX_NOT_ASKED);
	spin_unlock(&upcall->lock);
	return err;
}
EXPORT_SYMBOL_GPL(rcx_upcall_result);

int rcx_upcall_wait(struct rcx_upcall *upcall)
{
	int err = wait_event_killable(upcall->ended,
				      READ_ONCE(upcall->state) == RCX_ENDED || rcx_ask_over());

	return rcx_upcall_result(upcall, err ? -EINTR : rcx_ask_over());
}
EXPORT_SYMBOL_GPL(rcx_upcall_wait);

int rcx_upcall_ask(struct rcx_upcall *upcall, const struct rcx_event *request)
{
	int err = rcx_upcall_begin(upcall, request, NULL);

	return err ? err : rcx_upcall_wait(upcall);
}
EXPORT_SYMBOL_GPL(rcx_upcall_ask);

/* ---- servers ------------------------------------------------------------- */

static void end_request(struct rcx_upcall *upcall, int result)
{
	lockdep_assert_held(&upcall->lock);
	upcall->result = result;
	WRITE_ONCE(upcall->state, RCX_ENDED);
	wake_up(&upcall->ended);
}

static bool is_pending(const struct rcx_upcall *upcall)
{
	return upcall->state != RCX_NOT_ASKED && upcall->state != RCX_ENDED;
}

void rcx_upcall_join(struct rcx_upcall *upcall)
{
	spin_lock(&upcall->lock);
	upcall->servers++;
	spin_unlock(&upcall->lock);
}
EXPORT_SYMBOL_GPL(rcx_upcall_join);

void rcx_upcall_leave(struct rcx_upcall *upcall, const void *server)
{
	spin_lock(&upcall->lock);
	upcall->servers--;
	if (is_pending(upcall) && (!upcall->servers || upcall->server == server))
		end_request(upcall, -ENOTCONN);
	spin_unlock(&upcall->lock);
}
EXPORT_SYMBOL_GPL(rcx_upcall_leave);

static bool take(struct rcx_upcall *upcall, const void *server, struct rcx_event *request)
{
	bool asked;

	spin_lock(&upcall->lock);
	asked = upcall->state == RCX_ASKED;
	if (asked) {
		*request = upcall->request;
		upcall->server = server;
		WRITE_ONCE(upcall->state, RCX_TAKEN);
	}
	spin_unlock(&upcall->lock);
	return asked;
}

int rcx_upcall_take(struct rcx_upcall *upcall, const void *server, struct rcx_event *request,
		    bool nonblock)
{
	if (take(upcall, server, request))
		return 0;
	if (nonblock)
		return -EAGAIN;
	return wait_event_interruptible(upcall->asked, take(upcall, server, request));
}
EXPORT_SYMBOL_GPL(rcx_upcall_take);

void rcx_upcall_return(struct rcx_upcall *upcall, const void *server)
{
	spin_lock(&upcall->lock);
	if (upcall->state == RCX_TAKEN && upcall->server == server) {
		upcall->server = NULL;
		WRITE_ONCE(upcall->state, RCX_ASKED);
		wake_up_interruptible_poll(&upcall->asked, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock(&upcall->lock);
}
EXPORT_SYMBOL_GPL(rcx_upcall_return);

bool rcx_upcall_pending(const struct rcx_upcall *upcall)
{
	return READ_ONCE(upcall->state) == RCX_ASKED;
}
EXPORT_SYMBOL_GPL(rcx_upcall_pending);

/* Whether @reply, of the bits in @mask, belongs to the request that @server has.  If so, no second
 * reply is accepted from now on.
 */
static bool begin_check(struct rcx_upcall *upcall, const void *server, u64 reply, u64 mask,
			struct rcx_event *request, u64 *number)
{
	bool belongs;

	spin_lock(&upcall->lock);
	belongs = upcall->state == RCX_TAKEN && upcall->server == server &&
		  !((reply ^ ~upcall->request.seq) & mask);
	if (belongs) {
		*request = upcall->request;
		*number = upcall->number;
		WRITE_ONCE(upcall->state, RCX_CHECKED);
	}
	spin_unlock(&upcall->lock);
	return belongs;
}

static int end_check(struct rcx_upcall *upcall, u64 number, bool good)
{
	int result = good ? 0 : -EBADMSG;

	spin_lock(&upcall->lock);
	if (upcall->state == RCX_CHECKED && upcall->number == number)
		end_request(upcall, result);
	else
		result = -ESRCH;
	spin_unlock(&upcall->lock);
	if (result)
		this_cpu_inc(rcx_tally.bad);
	else
		this_cpu_inc(rcx_tally.consumed);
	return result;
}

static bool is_reply(const struct rcx_event *request, const struct rcx_msg *head, const u8 *body,
		     size_t len)
{
	return head->magic == RCX_MAGIC && head->size == request->size &&
	       len == RCX_HEADER + request->size &&
	       (!READ_ONCE(rcx_binding.validate) ||
		rcx_body_check(body, request->size, request->seq, 0xff) == request->size);
}

int rcx_upcall_answer_at(struct rcx_upcall *upcall, const void *server, const struct rcx_msg *head,
			 const u8 *body, size_t len)
{
	struct rcx_event request;
	u64 number;

	if (len < RCX_HEADER)
		return -EINVAL;
	if (!begin_check(upcall, server, head->seq, U64_MAX, &request, &number)) {
		this_cpu_inc(rcx_tally.bad);
		return -ESRCH;
	}
	return end_check(upcall, number, is_reply(&request, head, body, len));
}
EXPORT_SYMBOL_GPL(rcx_upcall_answer_at);

int rcx_upcall_answer(struct rcx_upcall *upcall, const void *server, const struct rcx_msg *reply,
		      size_t len)
{
	return rcx_upcall_answer_at(upcall, server, reply, reply->body, len);
}
EXPORT_SYMBOL_GPL(rcx_upcall_answer);

int rcx_upcall_answer_narrow(struct rcx_upcall *upcall, const void *server, u64 reply, u64 mask)
{
	struct rcx_event request;
	u64 number;

	if (!begin_check(upcall, server, reply, mask, &request, &number)) {
		this_cpu_inc(rcx_tally.bad);
		return -ESRCH;
	}
	return end_check(upcall, number, true);
}
EXPORT_SYMBOL_GPL(rcx_upcall_answer_narrow);

/* ---- a file -------------------------------------------------------------- */

/* State of one open file; only @file.message needs @file.lock. */
struct rcx_upcall_file {
	struct rcx_file file;
	struct rcx_upcall *upcall;
};

/* A stream, so that a sleeping reader does not hold the lock of the file position. */
int rcx_upcall_open(struct inode *inode, struct file *file, struct rcx_upcall *upcall)
{
	struct rcx_upcall_file *server = kzalloc(sizeof(*server), GFP_KERNEL);

	if (!server)
		return -ENOMEM;
	mutex_init(&server->file.lock);
	server->upcall = upcall;
	rcx_upcall_join(upcall);
	file->private_data = server;
	return stream_open(inode, file);
}
EXPORT_SYMBOL_GPL(rcx_upcall_open);

int rcx_upcall_release(struct inode *inode, struct file *file)
{
	struct rcx_upcall_file *server = file->private_data;

	rcx_upcall_leave(server->upcall, server);
	rcx_file_free(&server->file);
	kfree(server);
	return 0;
}
EXPORT_SYMBOL_GPL(rcx_upcall_release);

static ssize_t hand_over(struct rcx_file *state, const struct rcx_event *request, char __user *to,
			 size_t len)
{
	size_t message_len = RCX_HEADER + request->size;
	ssize_t ret;

	if (len < message_len)
		return -EMSGSIZE;
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	ret = rcx_file_hold(state, message_len);
	if (!ret) {
		rcx_event(request, state->message);
		ret = copy_to_user(to, state->message, message_len) ? -EFAULT : message_len;
	}
	mutex_unlock(&state->lock);
	return ret;
}

/* A request that does not reach its reader is pending again, so it is not lost. */
ssize_t rcx_upcall_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct rcx_upcall_file *server = file->private_data;
	struct rcx_event request;
	ssize_t ret;

	ret = rcx_upcall_take(server->upcall, server, &request, file->f_flags & O_NONBLOCK);
	if (ret)
		return ret;
	ret = hand_over(&server->file, &request, to, len);
	if (ret < 0)
		rcx_upcall_return(server->upcall, server);
	return ret;
}
EXPORT_SYMBOL_GPL(rcx_upcall_read);

ssize_t rcx_upcall_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	struct rcx_upcall_file *server = file->private_data;
	struct rcx_file *state = &server->file;
	ssize_t ret;

	if (len < RCX_HEADER)
		return -EINVAL;
	if (len > RCX_HEADER + RCX_BODY_MAX)
		return -EMSGSIZE;
	if (mutex_lock_interruptible(&state->lock))
		return -ERESTARTSYS;
	ret = rcx_file_hold(state, len);
	if (!ret && copy_from_user(state->message, from, len))
		ret = -EFAULT;
	if (!ret)
		ret = rcx_upcall_answer(server->upcall, server, state->message, len);
	mutex_unlock(&state->lock);
	return ret ? ret : len;
}
EXPORT_SYMBOL_GPL(rcx_upcall_write);

__poll_t rcx_upcall_poll(struct file *file, struct poll_table_struct *table)
{
	struct rcx_upcall_file *server = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &server->upcall->asked, table);
	return rcx_upcall_pending(server->upcall) ? events | EPOLLIN | EPOLLRDNORM : events;
}
EXPORT_SYMBOL_GPL(rcx_upcall_poll);
