// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define PATH(name) "/dev/" RCX_CHARDEV_DIR "/" name
#define BODY	   64u
#define WHOLE	   (RCX_HEADER + BODY)
#define WORD	   sizeof(uint64_t)

/* ---- iter --------------------------------------------------------------- */

/* Three segments whose ends are not the ends of the message's fields. */
static long writev_message(void *arg, const struct rcx_msg *msg, size_t len)
{
	size_t first = len < 5 ? len : 5, second = len - first < 8 ? len - first : 8;
	char *from = (char *)(uintptr_t)msg;
	const struct iovec segments[] = {
		{ from, first },
		{ from + first, second },
		{ from + first + second, len - first - second },
	};

	return writev(*(int *)arg, segments, 3);
}

/* The first segment is good memory, so that the fault occurs in the middle of a message. */
struct target {
	struct rcx_hostile *h;
	int fd;
};

static long writev_at(void *arg, void *at)
{
	const struct target *target = arg;
	const struct iovec segments[] = { { target->h->message, RCX_HEADER }, { at, BODY } };

	return writev(target->fd, segments, 2);
}

static long readv_at(void *arg, void *at)
{
	const struct target *target = arg;
	const struct iovec segments[] = { { target->h->message, RCX_HEADER }, { at, BODY } };

	return readv(target->fd, segments, 2);
}

/* The vector itself is user memory as well. */
static long writev_vector_at(void *arg, void *at)
{
	return writev(((const struct target *)arg)->fd, at, 2);
}

static long readv_vector_at(void *arg, void *at)
{
	return readv(((const struct target *)arg)->fd, at, 2);
}

static void try_iter_vectors(struct rcx_hostile *h, int fd)
{
	struct target target = { h, fd };
	struct iovec segments[2] = { { h->message, SIZE_MAX }, { h->message, 2 } };

	rcx_good_message(h, BODY, 0);
	rcx_try_addresses(h, "writev, second segment", RCX_KERNEL_READS, writev_at, &target);
	rcx_try_addresses(h, "readv, second segment", RCX_KERNEL_WRITES, readv_at, &target);
	rcx_try_addresses(h, "writev, vector", RCX_KERNEL_READS, writev_vector_at, &target);
	rcx_try_addresses(h, "readv, vector", RCX_KERNEL_READS, readv_vector_at, &target);
	rcx_expect(h, "writev, lengths that wrap", writev(fd, segments, 2), EINVAL);
	rcx_expect(h, "readv, lengths that wrap", readv(fd, segments, 2), EINVAL);
	segments[0].iov_len = INT32_MAX;
	rcx_expect(h, "writev of 2 GiB", writev(fd, segments, 2), EMSGSIZE);
	rcx_expect(h, "writev of no segment", writev(fd, segments, 0), 0);
	/* As a bare system call: the compiler rejects such a call of writev(). */
	rcx_expect(h, "writev of too many", syscall(SYS_writev, fd, segments, 1025), EINVAL);
}

static void try_iter_reads(struct rcx_hostile *h, int fd, bool validate)
{
	uint64_t seq;

	rcx_expect_value(h, "read of a message", read(fd, h->message, WHOLE), WHOLE);
	rcx_expect_true(h, "it is whole", rcx_is_whole(h->message, BODY, validate));
	seq = h->message->seq;
	rcx_expect(h, "room for a byte less", read(fd, h->message, WHOLE - 1), EMSGSIZE);
	rcx_expect(h, "room for a header alone", read(fd, h->message, RCX_HEADER), EMSGSIZE);
	rcx_expect_value(h, "room of 2 GiB", read(fd, h->message, INT32_MAX), WHOLE);
	rcx_expect_true(h, "the refused reads used no number", h->message->seq == seq + 1);
}

static void try_iter(struct rcx_hostile *h, bool validate)
{
	struct rcx_sender sender = {
		.send = writev_message,
		.body_max = RCX_BODY_MAX,
		.nothing = 0, /* the kernel does not call the driver */
		.too_short = EINVAL,
		.too_long = EMSGSIZE,
	};
	int fd, other;

	rcx_bind_topic(h, "iter", BODY, validate);
	fd = rcx_expect_open(h, PATH(RCX_CHARDEV_ITER), O_RDWR);
	sender.arg = &fd;
	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, BODY, 200);
	rcx_try_overwritten(h, &sender, RCX_BODY_MAX, 10);
	try_iter_vectors(h, fd);
	try_iter_reads(h, fd, validate);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, NULL);

	other = open(PATH(RCX_CHARDEV_ITER), O_RDWR | O_CLOEXEC);
	rcx_good_message(h, BODY, 0);
	rcx_expect_value(h, "a second open has its own sequence", write(other, h->message, WHOLE),
			 WHOLE);
	close(other);
	close(fd);
}

/* ---- word --------------------------------------------------------------- */

static long word_write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, WORD);
}

static long word_read_at(void *arg, void *at)
{
	return read(*(int *)arg, at, WORD);
}

static void try_word_numbers(struct rcx_hostile *h, int fd)
{
	static const uint64_t wrong[] = { 1, 3, UINT64_MAX, 1ull << 32, 2ull << 32 | 2 };
	struct rcx_counts before = rcx_core_counts(h), after;
	struct rcx_outcomes outcomes = { 0 };

	for (uint64_t seq = 0; seq < 2; seq++)
		rcx_expect_value(h, "a number in turn", write(fd, &seq, WORD), WORD);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rcx_note(&outcomes, write(fd, &wrong[i], WORD), EBADMSG);
	rcx_expect_outcomes(h, "numbers out of turn", &outcomes);
	rcx_expect_value(h, "of these were refused", (long)outcomes.refused, 5);
	rcx_expect_value(h, "the next after these", write(fd, &(uint64_t){ 2 }, WORD), WORD);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "numbers the kernel consumed", (long)(after.consumed - before.consumed),
			 3);
	rcx_expect_value(h, "numbers it refused", (long)(after.bad - before.bad), 5);
}

static void try_word_lengths(struct rcx_hostile *h, int fd)
{
	static const size_t lengths[] = { 0, 1, WORD - 1, WORD + 1, 2 * WORD, 4096, INT32_MAX };
	struct rcx_outcomes reads = { 0 }, writes = { 0 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		rcx_note(&reads, read(fd, h->message, lengths[i]), EINVAL);
		rcx_note(&writes, write(fd, h->message, lengths[i]), EINVAL);
	}
	rcx_expect_outcomes(h, "reads of other lengths", &reads);
	rcx_expect_value(h, "of these were refused", (long)reads.refused, 7);
	rcx_expect_outcomes(h, "writes of other lengths", &writes);
	rcx_expect_value(h, "of these were refused", (long)writes.refused, 7);
}

/* Words at odd addresses, at the end of a mapping and across two pages. */
static void try_word_memory(struct rcx_hostile *h, int fd)
{
	unsigned char *odd = h->edge - WORD;
	uint64_t seq = 3;

	memcpy(odd, &seq, WORD);
	rcx_expect_value(h, "write of the last word of a mapping", write(fd, odd, WORD), WORD);
	seq++;
	odd = (unsigned char *)h->message + 4096 - 3;
	memcpy(odd, &seq, WORD);
	rcx_expect_value(h, "write of a word in two pages", write(fd, odd, WORD), WORD);
	rcx_expect_value(h, "read of a word to two pages", read(fd, odd, WORD), WORD);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, word_write_at, &fd);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, word_read_at, &fd);
}

static void try_word(struct rcx_hostile *h)
{
	uint64_t first = UINT64_MAX, second = 0;
	int fd;

	rcx_topic(h, "word");
	rcx_core_bind(h, "", WORD, true);
	fd = open(PATH(RCX_CHARDEV_WORD), O_RDWR | O_CLOEXEC);
	rcx_expect(h, "open", fd, 0);
	rcx_expect_value(h, "read", read(fd, &first, WORD), WORD);
	rcx_expect_value(h, "it is the first number", (long)first, 0);
	try_word_numbers(h, fd);
	try_word_lengths(h, fd);
	rcx_expect_value(h, "read after these", read(fd, &second, WORD), WORD);
	rcx_expect_value(h, "the refused reads used no number", (long)second, 1);
	try_word_memory(h, fd);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, NULL);
	close(fd);
}

/* ---- batch -------------------------------------------------------------- */

#define ODD	61u /* a body after which the next message needs padding */
#define ODD_LEN RCX_PADDED(RCX_HEADER + ODD)
#define QUEUE	256 /* events that an open file queues */

/* Emit @count events at once, before the next read. */
static void emit_batch(struct rcx_hostile *h, uint64_t count)
{
	rcx_core_start(h, RCX_SOFTIRQ, count, (uint32_t)count, 0);
	rcx_core_ended(h, 1000);
}

/* Whether the @len bytes at h->message are whole messages @seq and following of @size bytes. */
static bool in_order(struct rcx_hostile *h, long len, uint32_t size, uint64_t seq)
{
	long each = RCX_PADDED(RCX_HEADER + size);

	for (long at = 0; at + each <= len; at += each, seq++) {
		const struct rcx_msg *msg = (const void *)((const char *)h->message + at);

		if (msg->seq != seq || !rcx_is_whole(msg, size, true))
			return false;
	}
	return len > 0 && len % each == 0;
}

/* Read a new event: a read that fails may or may not have consumed its event. */
static long batch_read_at(void *arg, void *at)
{
	const struct target *target = arg;

	while (read(target->fd, target->h->message, RCX_BODY_MAX) > 0)
		;
	emit_batch(target->h, 1);
	return read(target->fd, at, WHOLE);
}

static long batch_read(void *arg)
{
	const struct target *target = arg;

	return read(target->fd, target->h->message, 4 * WHOLE);
}

static void try_batch_reads(struct rcx_hostile *h, int fd)
{
	struct target target = { h, fd };
	char *to = (char *)h->message;

	rcx_expect(h, "read of no event", read(fd, to, WHOLE), EAGAIN);
	emit_batch(h, 40);
	rcx_expect(h, "room for no byte", read(fd, to, 0), EMSGSIZE);
	rcx_expect(h, "room for a byte less than one", read(fd, to, WHOLE - 1), EMSGSIZE);
	rcx_expect_value(h, "room for one", read(fd, to, WHOLE), WHOLE);
	rcx_expect_true(h, "the refused reads lost none", in_order(h, WHOLE, BODY, 0));
	rcx_expect_value(h, "room for two and a half", read(fd, to, 5 * WHOLE / 2), 2 * WHOLE);
	rcx_expect_true(h, "both are whole", in_order(h, 2 * WHOLE, BODY, 1));
	rcx_expect_value(h, "room of 2 GiB", read(fd, to, INT32_MAX), 37 * WHOLE);
	rcx_expect_true(h, "all are whole", in_order(h, 37 * WHOLE, BODY, 3));
	rcx_expect(h, "read after the last event", read(fd, to, WHOLE), EAGAIN);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, batch_read_at, &target);
	emit_batch(h, 3);
	rcx_expect(h, "a batch that ends in unmapped memory", read(fd, h->edge - WHOLE, 3 * WHOLE),
		   EFAULT);
	rcx_expect(h, "write", write(fd, to, WHOLE), EBADF);
	rcx_expect(h, "pread", pread(fd, to, WHOLE, 0), ESPIPE);
}

/* More events than the queue holds, and messages that need padding. */
static void try_batch_queue(struct rcx_hostile *h, int fd)
{
	struct rcx_counts before, after;
	char *to = (char *)h->message;
	uint64_t first;

	while (read(fd, to, RCX_BODY_MAX) > 0)
		;
	before = rcx_core_counts(h);
	emit_batch(h, 3 * QUEUE);
	after = rcx_core_counts(h);
	rcx_expect_value(h, "refused when the queue is full",
			 (long)(after.refused - before.refused), 2 * QUEUE);
	rcx_expect_value(h, "still queued", read(fd, to, RCX_BODY_MAX), QUEUE * WHOLE);

	rcx_core_bind(h, "batch", ODD, true);
	emit_batch(h, 5);
	rcx_expect_value(h, "padded messages", read(fd, to, RCX_BODY_MAX), 5 * ODD_LEN);
	rcx_expect_true(h, "they are whole", in_order(h, 5 * ODD_LEN, ODD, 0));
	emit_batch(h, 1);
	rcx_expect(h, "no room for the padding", read(fd, to, RCX_HEADER + ODD), EMSGSIZE);

	/* An event keeps the size of the bind under which it was emitted. */
	rcx_core_bind(h, "batch", RCX_BODY_MAX, true);
	emit_batch(h, 2);
	rcx_expect_value(h, "an event of the previous bind", read(fd, to, ODD_LEN), ODD_LEN);
	rcx_expect(h, "an event too large for its reader", read(fd, to, WHOLE), EMSGSIZE);
	rcx_expect_value(h, "with more room", read(fd, to, RCX_HEADER + RCX_BODY_MAX),
			 RCX_HEADER + RCX_BODY_MAX);
	first = h->message->seq;
	rcx_expect_true(h, "it was not lost",
			first == 0 && rcx_is_whole(h->message, RCX_BODY_MAX, true));
	rcx_core_bind(h, "batch", BODY, true);
	while (read(fd, to, RCX_HEADER + RCX_BODY_MAX) > 0)
		;
}

/* Two threads that read the same open file, of which one sleeps. */
static void try_batch_sleep(struct rcx_hostile *h)
{
	struct target target = { h, rcx_expect_open(h, PATH(RCX_CHARDEV_BATCH), O_RDONLY) };
	struct rcx_sleeper sleeper;
	char other[WHOLE];
	int flags = fcntl(target.fd, F_GETFL);

	rcx_sleep_in(h, &sleeper, batch_read, &target);
	fcntl(target.fd, F_SETFL, flags | O_NONBLOCK);
	rcx_expect(h, "a second reader beside one that sleeps",
		   read(target.fd, other, sizeof(other)), EAGAIN);
	fcntl(target.fd, F_SETFL, flags);
	rcx_sleeper_interrupt(&sleeper);
	rcx_expect(h, "interrupted in its sleep", rcx_sleeper_end(&sleeper), EINTR);
	rcx_try_kill(h, "killed in its sleep", batch_read, &target);

	rcx_sleep_in(h, &sleeper, batch_read, &target);
	close(target.fd);
	emit_batch(h, 3);
	rcx_expect_value(h, "closed in its sleep, it still gets its events",
			 rcx_sleeper_end(&sleeper), 3 * WHOLE);
}

static void try_batch(struct rcx_hostile *h)
{
	int fd;

	rcx_topic(h, "batch");
	rcx_core_bind(h, "batch", BODY, true);
	fd = rcx_expect_open(h, PATH(RCX_CHARDEV_BATCH), O_RDONLY | O_NONBLOCK);
	try_batch_reads(h, fd);
	try_batch_queue(h, fd);
	try_batch_sleep(h);
	rcx_try_no_map(h, fd);
	rcx_try_commands(h, fd, NULL);
	close(fd);
	rcx_try_nobody_opens(h, PATH(RCX_CHARDEV_BATCH));
}

static void chardev_hostile(struct rcx_hostile *h)
{
	rcx_try_message_file(h, PATH(RCX_CHARDEV_MESSAGE), false);
	rcx_try_transaction_file(h, PATH(RCX_CHARDEV_TRANSACTION));
	rcx_try_events_file(h, PATH(RCX_CHARDEV_EVENTS), "message");
	rcx_try_upcall_file(h, PATH(RCX_CHARDEV_UPCALL), "message");
	rcx_try_table_file(h, PATH(RCX_CHARDEV_TABLE), false);
	try_iter(h, false);
	try_iter(h, true);
	rcx_try_nobody_opens(h, PATH(RCX_CHARDEV_ITER));
	try_batch(h);
	try_word(h);
	rcx_try_nobody_opens(h, PATH(RCX_CHARDEV_WORD));
}
RCX_HOSTILE(chardev, chardev_hostile);
