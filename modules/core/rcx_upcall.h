/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Upcalls: the kernel asks, the user half answers, the kernel waits.
 *
 * A channel has one struct rcx_upcall.  Its ask hook calls rcx_upcall_ask(), or the two halves of
 * it with its own transport in between.  At most one request is pending at a time, because the
 * core has one producer.  A request goes through these states:
 *
 *	RCX_NOT_ASKED	no request
 *	RCX_ASKED	a request waits for a server that takes it
 *	RCX_TAKEN	a server has it
 *	RCX_CHECKED	its reply is being checked
 *	RCX_ENDED	@result is known, and the asker may not have seen it yet
 *
 * A server is anything that can go away: an open file, a socket.  When the server that has the
 * request leaves, or the last one of all, the wait ends.  So the kernel waits no longer than the
 * server lives, or until the deadline.
 *
 *	the ask hook returns		because
 *	0				a good reply was consumed
 *	-EBADMSG			the reply to this request was wrong: length, header or body
 *	-ENOTCONN			there is no server, or it left without a reply
 *	-ETIMEDOUT			the deadline is over
 *	-EINTR				the producer was stopped
 *
 * A reply to anything but the taken request gets -ESRCH, and the asker keeps waiting: it is late,
 * or was sent twice, or belongs to no request.
 */
#ifndef RCX_UPCALL_H
#define RCX_UPCALL_H

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "rcx_core.h"
#include "rcx_file.h"

enum rcx_upcall_state { RCX_NOT_ASKED, RCX_ASKED, RCX_TAKEN, RCX_CHECKED, RCX_ENDED };

/**
 * struct rcx_upcall - the requests of one channel
 * @lock: covers all members below it
 * @asked: servers wait here for a request
 * @ended: the asker waits here
 * @state: of the pending request
 * @request: the pending request
 * @number: of the pending request, among all requests of this channel
 * @server: who has taken it; only compared
 * @servers: number of servers
 * @result: what the asker gets
 */
struct rcx_upcall {
	spinlock_t lock;
	wait_queue_head_t asked;
	wait_queue_head_t ended;
	enum rcx_upcall_state state;
	struct rcx_event request;
	u64 number;
	const void *server;
	unsigned int servers;
	int result;
};

#define DEFINE_RCX_UPCALL(name)                                       \
	struct rcx_upcall name = {                                    \
		.lock = __SPIN_LOCK_UNLOCKED((name).lock),            \
		.asked = __WAIT_QUEUE_HEAD_INITIALIZER((name).asked), \
		.ended = __WAIT_QUEUE_HEAD_INITIALIZER((name).ended), \
	}

/* ---- for ask hooks ------------------------------------------------------- */

/*
 * Make @request pending.  @server has it already, when the channel hands it over itself; NULL lets
 * any server take it by rcx_upcall_take(), and wakes those that wait.  0 or -ENOTCONN.
 */
int rcx_upcall_begin(struct rcx_upcall *upcall, const struct rcx_event *request,
		     const void *server);

/* Wait until the request has ended.  See the table above. */
int rcx_upcall_wait(struct rcx_upcall *upcall);

/*
 * The same without a wait, for a channel that knows that no reply will come any more: @err if
 * none has come.
 */
int rcx_upcall_result(struct rcx_upcall *upcall, int err);

/* Begin and wait, for channels whose servers take the request. */
int rcx_upcall_ask(struct rcx_upcall *upcall, const struct rcx_event *request);

/* In the core: why no wait for a reply may go on, or 0; for a channel with a wait of its own. */
int rcx_ask_over(void);

/* ---- for servers --------------------------------------------------------- */

void rcx_upcall_join(struct rcx_upcall *upcall);
void rcx_upcall_leave(struct rcx_upcall *upcall, const void *server);

/*
 * Take the pending request, and wait for one when there is none: 0, -EAGAIN when there is none
 * and @nonblock is set, or -ERESTARTSYS after a signal.
 */
int rcx_upcall_take(struct rcx_upcall *upcall, const void *server, struct rcx_event *request,
		    bool nonblock);

/* The taken request did not reach @server after all: another one, or a retry, may take it. */
void rcx_upcall_return(struct rcx_upcall *upcall, const void *server);

bool rcx_upcall_pending(const struct rcx_upcall *upcall);

/*
 * A reply of @len bytes from @server, in memory that only the kernel writes.  0, -EINVAL when it is
 * shorter than a header, -EBADMSG when it is wrong, which ends the request, or -ESRCH when it
 * answers no request that @server has.
 */
int rcx_upcall_answer(struct rcx_upcall *upcall, const void *server, const struct rcx_msg *reply,
		      size_t len);

/*
 * As rcx_upcall_answer(), with a private copy of the header in @head, whose body is not read, and
 * a body at @body that may be in shared memory.
 */
int rcx_upcall_answer_at(struct rcx_upcall *upcall, const void *server, const struct rcx_msg *head,
			 const u8 *body, size_t len);

/* As rcx_upcall_answer(), for a channel that carries only the bits in @mask of ~seq. */
int rcx_upcall_answer_narrow(struct rcx_upcall *upcall, const void *server, u64 reply, u64 mask);

/* ---- handlers of a file: read() takes a request, write() answers it ------ */

int rcx_upcall_open(struct inode *inode, struct file *file, struct rcx_upcall *upcall);
int rcx_upcall_release(struct inode *inode, struct file *file);
ssize_t rcx_upcall_read(struct file *file, char __user *to, size_t len, loff_t *pos);
ssize_t rcx_upcall_write(struct file *file, const char __user *from, size_t len, loff_t *pos);
__poll_t rcx_upcall_poll(struct file *file, struct poll_table_struct *table);

#endif /* RCX_UPCALL_H */
