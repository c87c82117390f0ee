// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "loops/provided_buffers.h"
#include "loops/ring.h"
#include "abi.h"

#define PATH(name) "/dev/" RCX_URING_DIR "/" name

#define BATCH	    32u	       /* messages for each system call */
#define ARMED	    256u       /* commands of a stream, without a requested number */
#define ARMED_BYTES (8u << 20) /* large messages: fewer than ARMED of them */
#define ARMED_MIN   8u

#define DISARM_TRIES 1000

/*
 * s->fd is the device and s->fd2 the ring.  Each slot of the ring has a message buffer, and
 * s->tx moves from one to the next.  s->map has all buffers.
 */
struct uring {
	struct rcx_ring ring;
	struct rcx_buffers buffers;
	struct rcx_msg *tx; /* of the session */
	size_t stride;	    /* from one buffer to the next */
	unsigned int armed; /* commands that a stream keeps armed; reads of multishot: 1 */
};

static struct rcx_msg *buffer_at(const struct rcx_session *s, uint64_t slot)
{
	const struct uring *uring = s->priv;

	return (struct rcx_msg *)((char *)s->map + slot * uring->stride);
}

/* ---- open and close ------------------------------------------------------ */

static int get_buffers(struct rcx_session *s, unsigned int count)
{
	struct uring *uring = s->priv;

	uring->stride = (rcx_len(s) + 63) / 64 * 64;
	s->map_len = count * uring->stride;
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "cannot get message buffers");
	}
	for (unsigned int i = 0; i < count; i++)
		*buffer_at(s, i) = *s->tx;
	return 0;
}

/* Open @path, and a ring with @count slots and a buffer for each. */
static int open_ring(struct rcx_session *s, const char *path, int flags, unsigned int count,
		     struct io_uring_params *params)
{
	struct uring *uring = calloc(1, sizeof(*uring));

	if (!uring)
		return rcx_fail_errno(s, "calloc");
	s->priv = uring;
	uring->tx = s->tx;
	uring->ring.fd = -1;
	s->fd = open(path, flags | O_CLOEXEC);
	if (s->fd < 0)
		return rcx_fail_errno(s, path);
	if (rcx_ring_create(&uring->ring, count, params)) {
		s->fd2 = uring->ring.fd;
		return rcx_ring_explain(s);
	}
	s->fd2 = uring->ring.fd;
	return get_buffers(s, count);
}

static void uring_close(struct rcx_session *s)
{
	struct uring *uring = s->priv;

	if (!uring)
		return;
	s->tx = uring->tx;
	rcx_ring_unmap(&uring->ring);
	free(uring);
}

/* Make every slot the command @op on its own buffer. */
static void fill_commands(struct rcx_session *s, unsigned int op)
{
	struct uring *uring = s->priv;

	for (unsigned int i = 0; i < uring->ring.entries; i++) {
		const struct rcx_uring_command command = {
			.address = (uintptr_t)buffer_at(s, i),
			.len = (uint32_t)rcx_len(s),
		};
		struct io_uring_sqe *sqe = &uring->ring.sqes[i];

		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = s->fd;
		sqe->cmd_op = op;
		memcpy(sqe->cmd, &command, sizeof(command));
	}
}

static unsigned int inline_command(enum rcx_op op)
{
	return op == RCX_PUSH ? RCX_URING_PUSH : op == RCX_PULL ? RCX_URING_PULL : RCX_URING_CALL;
}

static int open_commands(struct rcx_session *s, unsigned int count, struct io_uring_params *params)
{
	if (open_ring(s, PATH(RCX_URING_COMMAND), O_RDWR, count, params))
		return -1;
	fill_commands(s, inline_command(s->op));
	return 0;
}

/* ---- loops over requests that are answered within one system call --------- */

/* Submit the queued requests and wait for all of them. */
static inline int exchange(struct rcx_session *s, struct rcx_ring *ring, unsigned int count)
{
	return rcx_ring_enter(ring, count) ? rcx_fail_errno(s, "io_uring_enter") : 0;
}

/* The result of the oldest completion, which must exist. */
static inline int take(struct rcx_session *s, struct rcx_ring *ring, uint64_t *slot, size_t *len)
{
	const struct io_uring_cqe *cqe = rcx_ring_peek(ring);

	if (!cqe)
		return rcx_fail(s, "a completion is missing");
	if (cqe->res < 0)
		return rcx_fail(s, "a request failed: %s", strerror(-cqe->res));
	*slot = cqe->user_data;
	*len = (size_t)cqe->res;
	rcx_ring_seen(ring);
	return 0;
}

static inline unsigned int batch_of(uint64_t left, unsigned int width)
{
	return left < width ? (unsigned int)left : width;
}

typedef int (*exchange_fn)(struct rcx_session *s, struct rcx_ring *ring, unsigned int count);

static inline __attribute__((always_inline)) int push(struct rcx_session *s, uint64_t n,
						      unsigned int width, exchange_fn submit)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;

	while (n) {
		unsigned int count = batch_of(n, width);
		uint64_t slot = 0;
		size_t len = 0;

		for (unsigned int i = 0; i < count; i++) {
			s->tx = buffer_at(s, rcx_ring_slot(ring)->user_data);
			rcx_tx(s);
			rcx_ring_queue(ring);
		}
		if (submit(s, ring, count))
			return -1;
		for (unsigned int i = 0; i < count; i++) {
			if (take(s, ring, &slot, &len))
				return -1;
			if (len != rcx_len(s))
				return rcx_fail(s, "a push accepted %zu bytes", len);
		}
		n -= count;
	}
	return 0;
}

static inline __attribute__((always_inline)) int pull(struct rcx_session *s, uint64_t n,
						      unsigned int width, exchange_fn submit)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;

	while (n) {
		unsigned int count = batch_of(n, width);
		uint64_t slot = 0;
		size_t len = 0;

		for (unsigned int i = 0; i < count; i++)
			rcx_ring_queue(ring);
		if (submit(s, ring, count))
			return -1;
		for (unsigned int i = 0; i < count; i++)
			if (take(s, ring, &slot, &len) || rcx_rx(s, buffer_at(s, slot), len))
				return -1;
		n -= count;
	}
	return 0;
}

/* The reply replaces the request in the same buffer. */
static inline __attribute__((always_inline)) int call(struct rcx_session *s, uint64_t n,
						      exchange_fn submit)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;

	while (n--) {
		uint64_t slot = 0;
		size_t len = 0;

		s->tx = buffer_at(s, rcx_ring_slot(ring)->user_data);
		rcx_tx(s);
		rcx_ring_queue(ring);
		if (submit(s, ring, 1) || take(s, ring, &slot, &len) || rcx_rx_reply(s, s->tx, len))
			return -1;
	}
	return 0;
}

/* ---- command, batch ------------------------------------------------------- */

static int command_open(struct rcx_session *s)
{
	return open_commands(s, 1, &(struct io_uring_params){ 0 });
}

static int command_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, 1, exchange);
}

static int command_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, 1, exchange);
}

static int command_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, exchange);
}

static int batch_open(struct rcx_session *s)
{
	return open_commands(s, BATCH, &(struct io_uring_params){ 0 });
}

static int batch_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, BATCH, exchange);
}

static int batch_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, BATCH, exchange);
}

/* ---- fixed: registered buffers and file ------------------------------------ */

static int fixed_open(struct rcx_session *s)
{
	struct uring *uring;
	struct iovec buffers;

	if (command_open(s))
		return -1;
	uring = s->priv;
	buffers = (struct iovec){ s->map, s->map_len };
	if (rcx_ring_register(&uring->ring, IORING_REGISTER_BUFFERS, &buffers, 1))
		return rcx_fail_errno(s, "register a buffer");
	if (rcx_ring_register(&uring->ring, IORING_REGISTER_FILES, &s->fd, 1))
		return rcx_fail_errno(s, "register the device");
	uring->ring.sqes[0].flags = IOSQE_FIXED_FILE;
	uring->ring.sqes[0].fd = 0; /* number of the registered file */
	uring->ring.sqes[0].uring_cmd_flags = IORING_URING_CMD_FIXED;
	uring->ring.sqes[0].buf_index = 0;
	return 0;
}

/* A registered file is released here, and not some time after the ring was closed. */
static void fixed_close(struct rcx_session *s)
{
	const struct uring *uring = s->priv;

	if (uring && s->fd2 >= 0) {
		rcx_ring_register(&uring->ring, IORING_UNREGISTER_FILES, NULL, 0);
		rcx_ring_register(&uring->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	}
	uring_close(s);
}

/* ---- sqpoll: a thread of the kernel takes the submissions ------------------ */

#define IDLE_MS 1000 /* until the thread sleeps */

static int sqpoll_open(struct rcx_session *s)
{
	return open_commands(s, 1,
			     &(struct io_uring_params){
				     .flags = IORING_SETUP_SQPOLL,
				     .sq_thread_idle = IDLE_MS,
			     });
}

static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Let the thread see the submissions, wake it if it sleeps, and spin until they are complete. */
static inline int exchange_polled(struct rcx_session *s, struct rcx_ring *ring, unsigned int count)
{
	unsigned int end = *ring->cq_head + count;

	__atomic_store_n(ring->sq_tail, ring->tail, __ATOMIC_SEQ_CST);
	ring->unsubmitted = 0;
	if ((__atomic_load_n(ring->sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP) &&
	    syscall(SYS_io_uring_enter, ring->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
		return rcx_fail_errno(s, "wake the polling thread");
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) != end)
		relax();
	return 0;
}

static int sqpoll_push(struct rcx_session *s, uint64_t n)
{
	return push(s, n, 1, exchange_polled);
}

static int sqpoll_pull(struct rcx_session *s, uint64_t n)
{
	return pull(s, n, 1, exchange_polled);
}

static int sqpoll_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, exchange_polled);
}

/* ---- read, read-nowait: plain reads in batches ----------------------------- */

static int open_reads(struct rcx_session *s, const char *path)
{
	struct uring *uring;

	if (open_ring(s, path, O_RDONLY, BATCH, &(struct io_uring_params){ 0 }))
		return -1;
	uring = s->priv;
	for (unsigned int i = 0; i < BATCH; i++) {
		struct io_uring_sqe *sqe = &uring->ring.sqes[i];

		sqe->opcode = IORING_OP_READ;
		sqe->fd = s->fd;
		sqe->addr = (uintptr_t)buffer_at(s, i);
		sqe->len = (uint32_t)rcx_len(s);
		sqe->off = UINT64_MAX; /* the file has no position */
	}
	return 0;
}

static int read_open(struct rcx_session *s)
{
	return open_reads(s, PATH(RCX_URING_READ));
}

static int read_nowait_open(struct rcx_session *s)
{
	return open_reads(s, PATH(RCX_URING_NOWAIT));
}

/* Worker threads may complete the reads of a batch in any order. */
static int read_pull(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;

	while (n) {
		const struct rcx_msg *sorted[BATCH] = { NULL };
		unsigned int count = batch_of(n, BATCH);
		uint64_t slot = 0;
		size_t len = 0;

		for (unsigned int i = 0; i < count; i++)
			rcx_ring_queue(ring);
		if (exchange(s, ring, count))
			return -1;
		for (unsigned int i = 0; i < count; i++) {
			const struct rcx_msg *msg;

			if (take(s, ring, &slot, &len))
				return -1;
			msg = buffer_at(s, slot);
			/* There is no order to restore, and rcx_rx() checks the length. */
			if (count == 1)
				return rcx_rx(s, msg, len);
			if (len != rcx_len(s) || msg->seq - s->seen >= count ||
			    sorted[msg->seq - s->seen])
				return rcx_fail(s, "a read of a batch returned another message");
			sorted[msg->seq - s->seen] = msg;
		}
		for (unsigned int i = 0; i < count; i++)
			if (rcx_rx(s, sorted[i], rcx_len(s)))
				return -1;
		n -= count;
	}
	return 0;
}

/* ---- async: commands that complete later ------------------------------------ */

static unsigned int armed_for(const struct rcx_session *s)
{
	size_t most = ARMED_BYTES / rcx_len(s);

	if (s->op != RCX_STREAM)
		return 1;
	if (s->queue)
		return s->queue;
	return most > ARMED ? ARMED : most < ARMED_MIN ? ARMED_MIN : (unsigned int)most;
}

/* A ring has a power of two of slots; commands beyond @count are not used. */
static unsigned int slots_for(unsigned int count)
{
	unsigned int slots = 1;

	while (slots < count)
		slots *= 2;
	return slots;
}

static int arm_all(struct rcx_session *s, unsigned int count)
{
	struct uring *uring = s->priv;

	uring->armed = count;
	while (count--)
		rcx_ring_queue(&uring->ring);
	return exchange(s, &uring->ring, 0);
}

/* Submit @cancel, and take the completions of all that is armed, so that nothing holds the
 * device afterwards.  After a failed loop, fewer than these may be left.
 */
static void disarm_all(struct uring *uring, const struct io_uring_sqe *cancel)
{
	struct rcx_ring *ring = &uring->ring;
	unsigned int left = uring->armed + 1;

	*rcx_ring_slot(ring) = *cancel;
	rcx_ring_queue(ring);
	for (int i = 0; left && i < DISARM_TRIES && !rcx_ring_enter(ring, 0); i++)
		for (; left && rcx_ring_peek(ring); left--)
			rcx_ring_seen(ring);
}

static int async_open(struct rcx_session *s)
{
	unsigned int count = armed_for(s);

	const char *path = s->op == RCX_UPCALL ? PATH(RCX_URING_UPCALL) : PATH(RCX_URING_COMMAND);

	if (open_ring(s, path, O_RDWR, slots_for(count), &(struct io_uring_params){ 0 }))
		return -1;
	fill_commands(s, s->op == RCX_CALL ? RCX_URING_CALL_ASYNC : RCX_URING_NEXT);
	return s->op == RCX_STREAM || s->op == RCX_UPCALL ? arm_all(s, count) : 0;
}

static void async_close(struct rcx_session *s)
{
	struct uring *uring = s->priv;
	const struct io_uring_sqe cancel = {
		.opcode = IORING_OP_URING_CMD,
		.fd = s->fd,
		.cmd_op = RCX_URING_CANCEL,
	};

	if (uring && uring->armed)
		disarm_all(uring, &cancel);
	uring_close(s);
}

static int async_call(struct rcx_session *s, uint64_t n)
{
	return call(s, n, exchange);
}

/* Let the completions of a non-blocking wait appear: 0, or -1 after rcx_fail(). */
static inline int look(struct rcx_session *s, struct rcx_ring *ring, bool polls, int ms)
{
	struct pollfd pfd = { .fd = ring->fd, .events = POLLIN };

	if (polls)
		poll(&pfd, 1, ms);
	return exchange(s, ring, 0);
}

/* The command is armed before the event is requested: an event that finds none is refused. */
static int async_notify(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;
	bool blocks = !rcx_nonblocking(s), polls = rcx_polls(s);

	while (n--) {
		uint64_t slot = 0;
		size_t len = 0;

		rcx_ring_queue(ring);
		if (exchange(s, ring, 0) || rcx_arm(s) || (blocks && exchange(s, ring, 1)))
			return -1;
		while (!blocks && !rcx_ring_peek(ring))
			if (look(s, ring, polls, -1))
				return -1;
		rcx_arrived(s);
		if (take(s, ring, &slot, &len) || rcx_rx(s, buffer_at(s, slot), len))
			return -1;
	}
	return 0;
}

/* Account for the events that have arrived, and queue their commands again.  Returns how many,
 * or -1.
 */
static inline int drain(struct rcx_session *s, struct rcx_ring *ring)
{
	int count = 0;

	while (rcx_ring_peek(ring)) {
		struct io_uring_sqe *sqe = rcx_ring_slot(ring);
		uint64_t slot = 0;
		size_t len = 0;

		if (take(s, ring, &slot, &len) || rcx_streamed(s, buffer_at(s, slot), len))
			return -1;
		sqe->user_data = slot;
		((struct rcx_uring_command *)(void *)sqe->cmd)->address =
			(uintptr_t)buffer_at(s, slot);
		rcx_ring_queue(ring);
		count++;
	}
	return count;
}

static int async_stream(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		int count;

		do {
			if (exchange(s, ring, 0))
				return -1;
			count = drain(s, ring);
		} while (count > 0);
		if (count < 0)
			return -1;
		if (over)
			return 0;
		if (rcx_polls(s) && look(s, ring, true, RCX_STREAM_WAIT))
			return -1;
	}
}

/*
 * A command was armed by the open hook.  The reply to each request is committed by the system
 * call that waits for the next one.
 */
static int async_upcall(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;
	struct rcx_msg *msg = buffer_at(s, 0);
	bool blocks = !rcx_nonblocking(s), polls = rcx_polls(s);
	uint64_t first = s->seen;

	ring->sqes[0].cmd_op = RCX_URING_COMMIT;
	if (rcx_ask(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++) {
		uint64_t slot = 0;
		size_t len = 0;

		if (exchange(s, ring, blocks))
			return -1;
		while (!blocks && !rcx_ring_peek(ring))
			if (look(s, ring, polls, -1))
				return -1;
		if (take(s, ring, &slot, &len) || rcx_rx(s, msg, len))
			return -1;
		rcx_tx_reply(s, msg);
		rcx_ring_queue(ring);
	}
	return exchange(s, ring, 0) ? -1 : rcx_asked(s, first, n);
}

/* ---- multishot: one read for many events ------------------------------------ */

/* The read stays submitted.  It ends when no buffer is offered, which does not lose an event. */
static void fill_multishot(struct rcx_session *s)
{
	struct uring *uring = s->priv;

	for (unsigned int i = 0; i < uring->ring.entries; i++) {
		struct io_uring_sqe *sqe = &uring->ring.sqes[i];

		sqe->opcode = RCX_OP_READ_MULTISHOT;
		sqe->flags = IOSQE_BUFFER_SELECT;
		sqe->fd = s->fd;
		sqe->off = UINT64_MAX; /* the file has no position */
	}
	for (unsigned int i = 0; i < uring->buffers.count; i++)
		rcx_buffers_offer(&uring->buffers, i, buffer_at(s, i), rcx_len(s));
}

static int multishot_open(struct rcx_session *s)
{
	unsigned int count = slots_for(armed_for(s));
	struct uring *uring;

	if (open_ring(s, PATH(RCX_URING_EVENTS), O_RDONLY | O_NONBLOCK, count,
		      &(struct io_uring_params){ 0 }))
		return -1;
	uring = s->priv;
	if (rcx_buffers_create(&uring->buffers, &uring->ring, count))
		return rcx_fail_errno(s, "register provided buffers");
	fill_multishot(s);
	return arm_all(s, 1);
}

static void multishot_close(struct rcx_session *s)
{
	struct uring *uring = s->priv;
	const struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL,
		.fd = s->fd,
		.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL,
	};

	if (uring && uring->armed)
		disarm_all(uring, &cancel);
	if (uring)
		rcx_buffers_unmap(&uring->buffers);
	uring_close(s);
}

/* Take the oldest completion, which must exist.  @msg is NULL when the read ended without one. */
static inline int take_shot(struct rcx_session *s, struct uring *uring, const struct rcx_msg **msg,
			    size_t *len)
{
	const struct io_uring_cqe *cqe = rcx_ring_peek(&uring->ring);
	uint32_t number = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

	if (cqe->res < 0 && cqe->res != -ENOBUFS)
		return rcx_fail(s, "a multishot read failed: %s", strerror(-cqe->res));
	*msg = cqe->res < 0 ? NULL : buffer_at(s, number);
	*len = (size_t)cqe->res;
	if (!(cqe->flags & IORING_CQE_F_MORE))
		rcx_ring_queue(&uring->ring);
	rcx_ring_seen(&uring->ring);
	return 0;
}

/* Offer the buffer of @msg again, after it was checked. */
static inline void return_buffer(struct rcx_session *s, struct uring *uring,
				 const struct rcx_msg *msg)
{
	size_t at = (size_t)((const char *)msg - (const char *)s->map);

	rcx_buffers_offer(&uring->buffers, (unsigned int)(at / uring->stride), msg, rcx_len(s));
}

static int multishot_notify(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;
	struct rcx_ring *ring = &uring->ring;
	bool blocks = !rcx_nonblocking(s), polls = rcx_polls(s);

	while (n--) {
		const struct rcx_msg *msg = NULL;
		size_t len = 0;

		if (rcx_arm(s) || (blocks && exchange(s, ring, 1)))
			return -1;
		while (!blocks && !rcx_ring_peek(ring))
			if (look(s, ring, polls, -1))
				return -1;
		rcx_arrived(s);
		if (take_shot(s, uring, &msg, &len))
			return -1;
		if (!msg)
			return rcx_fail(s, "the kernel found no buffer for an event");
		if (rcx_rx(s, msg, len))
			return -1;
		return_buffer(s, uring, msg);
	}
	return 0;
}

/* Account for the events that have arrived.  Returns the number of completions, or -1. */
static inline int drain_shots(struct rcx_session *s, struct uring *uring)
{
	int count = 0;

	while (rcx_ring_peek(&uring->ring)) {
		const struct rcx_msg *msg = NULL;
		size_t len = 0;

		if (take_shot(s, uring, &msg, &len) || (msg && rcx_streamed(s, msg, len)))
			return -1;
		if (msg)
			return_buffer(s, uring, msg);
		count++;
	}
	return count;
}

static int multishot_stream(struct rcx_session *s, uint64_t n)
{
	struct uring *uring = s->priv;

	(void)n;
	for (;;) {
		bool over = rcx_stream_over(s);
		int count;

		do {
			if (exchange(s, &uring->ring, 0))
				return -1;
			count = drain_shots(s, uring);
		} while (count > 0);
		if (count < 0)
			return -1;
		if (over)
			return 0;
		if (rcx_polls(s) && look(s, &uring->ring, true, RCX_STREAM_WAIT))
			return -1;
	}
}

/* ---- registration ------------------------------------------------------ */

#define WHOLE                \
	.max = RCX_BODY_MAX, \
	.limit = "The kernel half accepts 1 MiB; a command has 32 bits for its length."

/* 5.19 has commands, but not yet with registered buffers. */
#define COMMANDS .since = RCX_KERNEL(6, 1)

static const struct rcx_queue armed_commands = {
	.what = "armed commands",
	.min = 1,
	.max = RCX_URING_ARMED_MAX,
	.values = { 16, 64, 256 },
};

static const struct rcx_mode uring_modes[] = {
	{
		.name = "command",
		.summary = "one command in each system call, completed at once",
		COMMANDS,
		.open = command_open,
		.close = uring_close,
		.operations = {
			[RCX_PUSH] = { .run = command_push, WHOLE },
			[RCX_PULL] = { .run = command_pull, WHOLE },
			[RCX_CALL] = { .run = command_call, WHOLE },
		},
	},
	{
		.name = "async",
		.summary = "commands completed later: by an interrupt, an event, or a request of the kernel",
		COMMANDS,
		.open = async_open,
		.close = async_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_CALL] = { .run = async_call, WHOLE },
			[RCX_NOTIFY] = { .run = async_notify, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = async_stream, WHOLE, .waits = RCX_WAIT_DRAIN,
					 .queue = &armed_commands },
			[RCX_UPCALL] = { .run = async_upcall, WHOLE, .waits = RCX_WAIT_ANY },
		},
	},
	{
		.name = "batch",
		.summary = "32 commands per system call; figures are per message",
		COMMANDS,
		.open = batch_open,
		.close = uring_close,
		.operations = {
			[RCX_PUSH] = { .run = batch_push, WHOLE, .batch = BATCH },
			[RCX_PULL] = { .run = batch_pull, WHOLE, .batch = BATCH },
		},
	},
	{
		.name = "fixed",
		.summary = "one command in each system call, with a registered buffer and file",
		COMMANDS,
		.open = fixed_open,
		.close = fixed_close,
		.operations = {
			[RCX_PUSH] = { .run = command_push, WHOLE },
			[RCX_PULL] = { .run = command_pull, WHOLE },
			[RCX_CALL] = { .run = command_call, WHOLE },
		},
	},
	{
		.name = "sqpoll",
		.summary = "commands without a system call: a thread of the kernel polls for them",
		COMMANDS,
		.two_cpus_reason = "The polling thread of the kernel and the user half must run at "
				   "the same time, which takes two CPUs.",
		.open = sqpoll_open,
		.close = uring_close,
		.operations = {
			[RCX_PUSH] = { .run = sqpoll_push, WHOLE, .excludes = RCX_WITHOUT_CALL },
			[RCX_PULL] = { .run = sqpoll_pull, WHOLE, .excludes = RCX_WITHOUT_CALL },
			[RCX_CALL] = { .run = sqpoll_call, WHOLE, .excludes = RCX_WITHOUT_CALL },
		},
	},
	{
		.name = "read",
		.summary = "32 reads per system call of a file without FMODE_NOWAIT",
		.open = read_open,
		.close = uring_close,
		.operations = { [RCX_PULL] = { .run = read_pull, WHOLE, .batch = BATCH } },
	},
	{
		.name = "read-nowait",
		.summary = "32 reads per system call of a file with FMODE_NOWAIT",
		.open = read_nowait_open,
		.close = uring_close,
		.operations = { [RCX_PULL] = { .run = read_pull, WHOLE, .batch = BATCH } },
	},
	{
		.name = "multishot",
		.summary = "one read, submitted once, that completes for each event",
		.since = RCX_KERNEL(6, 7),
		.open = multishot_open,
		.close = multishot_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = multishot_notify, WHOLE, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = multishot_stream, WHOLE, .waits = RCX_WAIT_DRAIN },
		},
	},
	{ }
};

static const struct rcx_channel uring_channel = {
	.name = "uring",
	.summary = "io_uring: commands to a device, and reads of it",
	.module = "ringcross_uring",
	.since = "5.1: io_uring; commands to a device since 5.19, multishot reads since 6.7",
	.modes = uring_modes,
	.unsupported_reason = {
		[RCX_DUMP] = "A read of a table by io_uring is the dump of channel chardev, with the submission of mode read.",
	},
	.classes =
		(const char *const[]){
			"io_uring: __x64_sys_io_uring_* io_* __io_* tctx_task_work* handle_tw_list "
			"__do_sys_io_uring_* req_ref_* iterate_fd",
			"interrupt work: irq_work_* __irq_work_* arch_irq_work_raise",
			NULL,
		},
};
RCX_CHANNEL(uring_channel);
