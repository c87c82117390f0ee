// SPDX-License-Identifier: GPL-2.0-only
/*
 * Armed commands: a NEXT stays uncompleted until an event completes it.  So the armed commands
 * of a file are its queue: each holds one event, and an event that finds none armed is refused.
 *
 * The emitter runs in any context and cannot touch user memory.  It moves the event to the ring
 * of the file and lets task work of the submitter make the message.  uring_lock covers the
 * armed commands and the rings of all files.  Each command that leaves @armed for an event has
 * one entry in the ring, and its task work takes one out.
 */
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include "uring.h"

#if URING_HAS_COMMANDS

static DEFINE_SPINLOCK(uring_lock);
static LIST_HEAD(uring_files);

/* Held while a serving file is in use that could be released. */
static DEFINE_MUTEX(uring_serving);

void uring_join(struct uring_file *state)
{
	unsigned long flags;

	spin_lock_irqsave(&uring_lock, flags);
	list_add_tail(&state->node, &uring_files);
	spin_unlock_irqrestore(&uring_lock, flags);
}

/* An uncompleted command holds the file open, so none is armed now. */
void uring_leave(struct uring_file *state)
{
	unsigned long flags;

	mutex_lock(&uring_serving);
	spin_lock_irqsave(&uring_lock, flags);
	WARN_ON_ONCE(state->count);
	list_del(&state->node);
	spin_unlock_irqrestore(&uring_lock, flags);
	mutex_unlock(&uring_serving);
}

/* ---- the armed commands of a file, under the lock ----------------------- */

static struct io_uring_cmd *remove_at(struct uring_file *state, u32 at)
{
	struct io_uring_cmd *cmd = state->armed[at];
	u32 behind = --state->count - at;

	lockdep_assert_held(&uring_lock);
	memmove(&state->armed[at], &state->armed[at + 1], behind * sizeof(state->armed[0]));
	memmove(&state->submitter[at], &state->submitter[at + 1],
		behind * sizeof(state->submitter[0]));
	memmove(&state->owner[at], &state->owner[at + 1], behind * sizeof(state->owner[0]));
	return cmd;
}

/* Arm @cmd: 0, or -EBUSY when the file has as many as it can hold. */
int uring_publish(struct uring_file *state, struct io_uring_cmd *cmd)
{
	unsigned long flags;
	int err = -EBUSY;

	spin_lock_irqsave(&uring_lock, flags);
	if (state->count < RCX_URING_ARMED_MAX) {
		state->armed[state->count] = cmd;
		state->submitter[state->count] = current;
		state->owner[state->count++] = current->files;
		err = 0;
	}
	spin_unlock_irqrestore(&uring_lock, flags);
	return err;
}

/* Disarm @cmd.  False when it is not armed, because an event has completed it. */
bool uring_withdraw(struct uring_file *state, struct io_uring_cmd *cmd)
{
	unsigned long flags;
	u32 at = 0;
	bool found;

	spin_lock_irqsave(&uring_lock, flags);
	while (at < state->count && state->armed[at] != cmd)
		at++;
	found = at < state->count;
	if (found)
		remove_at(state, at);
	spin_unlock_irqrestore(&uring_lock, flags);
	return found;
}

/* ---- completion, in the submitter's task -------------------------------- */

DEFINE_URING_TASK_WORK(finish_cancelled)
{
	uring_done(cmd, -ECANCELED, issue_flags);
}

static void cancel_at(struct uring_file *state, u32 at)
{
	io_uring_cmd_complete_in_task(remove_at(state, at), finish_cancelled);
}

/*
 * Complete the commands of @owner, or all of them if it is NULL, without an event.  Returns
 * their number.
 */
int uring_cancel_all(struct uring_file *state, const void *owner)
{
	unsigned long flags;
	int cancelled = 0;
	u32 at = 0;

	spin_lock_irqsave(&uring_lock, flags);
	while (at < state->count) {
		if (owner && state->owner[at] != owner) {
			at++;
			continue;
		}
		cancel_at(state, at);
		cancelled++;
	}
	spin_unlock_irqrestore(&uring_lock, flags);
	return cancelled;
}

/* Complete the commands whose submitter @is_wanted, in all files.  Whether others are armed. */
bool uring_cancel_if(bool (*is_wanted)(const struct task_struct *submitter))
{
	struct uring_file *state;
	unsigned long flags;
	bool others = false;
	u32 at;

	spin_lock_irqsave(&uring_lock, flags);
	list_for_each_entry(state, &uring_files, node) {
		at = 0;
		while (at < state->count) {
			if (is_wanted(state->submitter[at]))
				cancel_at(state, at);
			else
				at++;
		}
		others = others || state->count;
	}
	spin_unlock_irqrestore(&uring_lock, flags);
	return others;
}

static struct rcx_event take_event(struct uring_file *state)
{
	struct rcx_event event;
	unsigned long flags;

	spin_lock_irqsave(&uring_lock, flags);
	event = state->ring[state->tail++ % RCX_URING_ARMED_MAX];
	spin_unlock_irqrestore(&uring_lock, flags);
	return event;
}

/* As with a datagram: a reader whose buffer is too small loses the event. */
static int deliver(struct rcx_file *state, const struct rcx_event *event,
		   const struct uring_target *target)
{
	u32 len = RCX_HEADER + event->size;
	int ret;

	if (target->len < len)
		return -EMSGSIZE;
	if (mutex_lock_killable(&state->lock))
		return -EINTR;
	ret = rcx_file_hold(state, len);
	if (!ret) {
		rcx_event(event, state->message);
		ret = copy_to_user(u64_to_user_ptr(target->address), state->message, len) ?
			      -EFAULT :
			      (int)len;
	}
	mutex_unlock(&state->lock);
	return ret;
}

DEFINE_URING_TASK_WORK(finish_next)
{
	struct uring_file *state = cmd->file->private_data;
	struct rcx_event event = take_event(state);
	int ret;

	ret = uring_task_is_dying() ? -ECANCELED : deliver(&state->file, &event, uring_target(cmd));
	/* A request that does not reach its server is pending again, so it is not lost. */
	if (ret < 0 && state->serves) {
		rcx_upcall_return(&uring_upcall, state);
		uring_dispatch();
	}
	uring_done(cmd, ret, issue_flags);
}

/* ---- the emitter --------------------------------------------------------- */

static bool can_take(const struct uring_file *state)
{
	return state->count && state->head - state->tail < RCX_URING_ARMED_MAX;
}

/* Let @event complete the oldest command of @state. */
static void complete_oldest(struct uring_file *state, const struct rcx_event *event)
{
	state->ring[state->head++ % RCX_URING_ARMED_MAX] = *event;
	io_uring_cmd_complete_in_task(remove_at(state, 0), finish_next);
}

/* Let @event complete the oldest command of each file; callable from any context. */
int uring_emit(const struct rcx_event *event)
{
	struct uring_file *state;
	unsigned long flags;
	int err = -ENOTCONN;

	spin_lock_irqsave(&uring_lock, flags);
	list_for_each_entry(state, &uring_files, node) {
		if (state->serves)
			continue;
		if (can_take(state)) {
			complete_oldest(state, event);
			err = 0;
		} else if (err == -ENOTCONN) {
			err = -EAGAIN;
		}
	}
	spin_unlock_irqrestore(&uring_lock, flags);
	return err;
}

/* ---- requests of the kernel ------------------------------------------------ */

/* A serving file that has a command armed, or NULL. */
static struct uring_file *find_server(void)
{
	struct uring_file *state, *found = NULL;
	unsigned long flags;

	lockdep_assert_held(&uring_serving);
	spin_lock_irqsave(&uring_lock, flags);
	list_for_each_entry(state, &uring_files, node) {
		if (!state->serves || !can_take(state))
			continue;
		found = state;
		break;
	}
	spin_unlock_irqrestore(&uring_lock, flags);
	return found;
}

/* False when the commands of @state were cancelled in the meantime. */
static bool hand_over(struct uring_file *state, const struct rcx_event *request)
{
	unsigned long flags;
	bool armed;

	spin_lock_irqsave(&uring_lock, flags);
	armed = can_take(state);
	if (armed)
		complete_oldest(state, request);
	spin_unlock_irqrestore(&uring_lock, flags);
	return armed;
}

/*
 * Let the pending request complete a command, if there are both.  Called after either has
 * appeared, so that none waits for the other.  The lock of the upcall is not taken under
 * uring_lock, because interrupts take that one.
 */
void uring_dispatch(void)
{
	struct uring_file *state;
	struct rcx_event request;

	mutex_lock(&uring_serving);
	while ((state = find_server()) && !rcx_upcall_take(&uring_upcall, state, &request, true)) {
		if (hand_over(state, &request))
			break;
		rcx_upcall_return(&uring_upcall, state);
	}
	mutex_unlock(&uring_serving);
}

#endif /* URING_HAS_COMMANDS */
