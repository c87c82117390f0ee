/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface for a folder's hostile.c: expectations, and tools for hostile input.
 *
 * Each channel with a kernel half has a hostile.c beside its two halves.  It sends the kernel
 * half the input that a hostile user could send.  It is linked into the agent and runs on
 * request, not during a measurement.  Each test is a case: what was tried, the result, and the
 * expected result.  Valid input is tried first: a kernel half that refuses everything must
 * not pass.
 *
 *	static void ioctl_hostile(struct rcx_hostile *h)
 *	{
 *		int fd = open(RCX_IOCTL_DEVICE, O_RDWR | O_CLOEXEC);
 *
 *		rcx_expect(h, "open", fd, 0);
 *		rcx_expect(h, "unknown command", ioctl(fd, _IO('x', 0xff)), ENOTTY);
 *		...
 *	}
 *	RCX_HOSTILE(ioctl, ioctl_hostile);
 *
 * It runs in a child of the agent with a deadline, so it may leave files open and need not
 * clean up.  When it has ended, the agent checks that the channel still works, that it has
 * left nothing in the kernel's memory, and that its module unloads.
 */
#ifndef RCX_HOSTILE_H
#define RCX_HOSTILE_H

#include <pthread.h>
#include "agent.h"

#define RCX_CASES_MAX 1024

/**
 * struct rcx_case - one test
 * @name: its topic and what was tried
 * @got: the result: the name of an errno, a number, or a word
 * @want: the expected result
 * @ok: the result was the expected one
 */
struct rcx_case {
	char name[112];
	char got[96];
	char want[48];
	bool ok;
};

/**
 * struct rcx_cases - all cases of a run, in memory shared with every child
 * @count: entries used in @list
 * @list: the cases, in order
 */
struct rcx_cases {
	uint32_t count;
	struct rcx_case list[RCX_CASES_MAX];
};

/**
 * struct rcx_hostile - one run against one kernel half
 * @channel: the channel of the kernel half
 * @cases: the cases so far
 * @topic: prefix of the names of cases, see rcx_topic()
 * @core: ringcross_core's control device while rcx_core_bind() has it open, else -1
 * @page: its status page, or NULL
 * @message: room for the largest message and one more page
 * @edge: address of the first byte that is not mapped; the byte before it is mapped
 * @readonly: a page that can only be read
 * @forbidden: a page without any access
 */
struct rcx_hostile {
	const struct rcx_channel *channel;
	struct rcx_cases *cases;
	char topic[48];
	int core;
	const volatile struct rcx_page *page;
	struct rcx_msg *message;
	unsigned char *edge, *readonly, *forbidden;
};

struct rcx_hostile_entry {
	const char *name;    /* the folder */
	const char *channel; /* the channel whose module is loaded for it */
	void (*run)(struct rcx_hostile *h);
};

#define RCX_HOSTILE(folder, function) RCX_HOSTILE_BY(folder, folder, function)

/* For a folder that is not a channel itself; it is tested through the channel @by. */
#define RCX_HOSTILE_BY(folder, by, function)                                                       \
	static const struct rcx_hostile_entry folder##_hostile_entry = { #folder, #by, function }; \
	static const struct rcx_hostile_entry *const folder##_hostile_pointer                      \
		__attribute__((used, section("rcx_hostiles"))) = &folder##_hostile_entry

/* ---- runner.c: the run ------------------------------------------------- */

const struct rcx_hostile_entry *rcx_find_hostile(const char *name);

/* Run @entry, whose modules must be loaded.  Returns the cases; @reason says what failed, and
 * stays unchanged when nothing did.
 */
json_object *rcx_hostile_run(const struct rcx_hostile_entry *entry, uint32_t deadline_ms,
			     const struct rcx_overhead *overhead, struct rcx_result *result,
			     char *reason, size_t len);

/* ---- expect.c: cases --------------------------------------------------- */

/* Set the prefix of the names of the following cases; "" for none. */
void rcx_topic(struct rcx_hostile *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Add a case for the system call that has just returned @result.  A result below 0 is a
 * failure with the reason in errno.  @want is an errno, or 0 for success.  True when the
 * result is the expected one.
 */
bool rcx_expect(struct rcx_hostile *h, const char *name, long result, int want);
bool rcx_expect_either(struct rcx_hostile *h, const char *name, long result, int want, int other);

/* The same for an exact value, and for a condition. */
bool rcx_expect_value(struct rcx_hostile *h, const char *name, long result, long want);
bool rcx_expect_true(struct rcx_hostile *h, const char *name, bool is);

/* Open @path, which is expected to succeed.  Returns the file descriptor. */
int rcx_expect_open(struct rcx_hostile *h, const char *path, int flags);

/* For an action that is repeated many times: call rcx_note() for each result, then
 * rcx_expect_outcomes() for one case.  A failure with another errno than @refusal is unexpected.
 */
struct rcx_outcomes {
	uint64_t fine, refused, other;
	int last; /* errno of the last of @other */
};

void rcx_note(struct rcx_outcomes *outcomes, long result, int refusal);
void rcx_expect_outcomes(struct rcx_hostile *h, const char *name,
			 const struct rcx_outcomes *outcomes);

/* ---- control_device.c: the control device ------------------------------ */

/* Open ringcross_core's device if it is not open, and bind @h's channel. */
bool rcx_core_bind(struct rcx_hostile *h, const char *mode, uint32_t size, bool validate);
/* The same with a table of @records records. */
bool rcx_core_bind_table(struct rcx_hostile *h, uint32_t records);
/* Whether @table is the first @count records of dump @generation, all bytes of them. */
bool rcx_is_table(const struct rcx_record *table, uint32_t count, uint64_t generation);

/* ---- tables.c: a file that contains a table ----------------------------- */

/* Dumps of @path that are interrupted, by pieces, of other lengths, two at once.  In a @text file
 * the records are lines.
 */
void rcx_try_table_file(struct rcx_hostile *h, const char *path, bool text);
/* Start a new @topic, named "... in validation" if bodies are validated, and bind @h's channel. */
void rcx_bind_topic(struct rcx_hostile *h, const char *topic, uint32_t size, bool validate);
void rcx_core_unbind(struct rcx_hostile *h); /* and close */
bool rcx_core_start(struct rcx_hostile *h, enum rcx_context context, uint64_t count, uint32_t burst,
		    uint64_t interval);
/* Whether the producer has ended, within @ms. */
bool rcx_core_ended(struct rcx_hostile *h, uint32_t ms);
struct rcx_counts rcx_core_counts(struct rcx_hostile *h);

/* Emit @count events at once, and wait for the last: how many of them were refused. */
long rcx_core_emit(struct rcx_hostile *h, enum rcx_context context, uint32_t count);

/* Another thread repeats @pull until it has pulled @times.  Meanwhile this thread binds
 * repeatedly, and alternates between the two @sizes of the pulled message.
 */
void rcx_try_size_changes(struct rcx_hostile *h, long (*pull)(void *arg), void *arg, uint32_t times,
			  const uint32_t sizes[2]);

/* ---- memory.c: addresses and messages ---------------------------------- */

bool rcx_hostile_memory(struct rcx_hostile *h); /* map all memory of @h; for runner.c */

enum rcx_access { RCX_KERNEL_READS, RCX_KERNEL_WRITES };

/* Call @try once for each kind of address that the kernel must refuse with EFAULT. */
void rcx_try_addresses(struct rcx_hostile *h, const char *name, enum rcx_access access,
		       long (*try)(void *arg, void *at), void *arg);

/* A page that userfaultfd(2) provides late: an access to it waits until it is provided. */
struct rcx_late_page {
	int handler;
	void *page;
};

void *rcx_late_page(struct rcx_hostile *h, struct rcx_late_page *late); /* or NULL */
/* Provide it, filled with zeros. */
void rcx_late_page_provide(struct rcx_hostile *h, struct rcx_late_page *late);

/* Make @h->message a valid message that also passes the validation pass. */
struct rcx_msg *rcx_good_message(struct rcx_hostile *h, uint32_t size, uint64_t seq);

/* Whether @msg has a body of @size bytes; if @validate, every byte of it must be right. */
bool rcx_is_whole(const struct rcx_msg *msg, uint32_t size, bool validate);

/* Whether @msg answers request @seq of @size bytes; a body is inverted only if @validate. */
bool rcx_is_reply(const struct rcx_msg *msg, uint32_t size, uint64_t seq, bool validate);

/**
 * struct rcx_sender - how a case sends a whole message to a kernel half
 * @send: send @len bytes at @msg; below 0 is a failure with its errno
 * @arg: for @send
 * @body_max: the largest body that it accepts
 * @nothing: errno for a message of no bytes; 0 when it is accepted
 * @too_short: errno for less than a header
 * @too_long: errno for a larger body
 * @seq: number that the next message must have
 */
struct rcx_sender {
	long (*send)(void *arg, const struct rcx_msg *msg, size_t len);
	void *arg;
	uint32_t body_max;
	int nothing, too_short, too_long;
	uint64_t seq;
};

/* Send every kind of invalid message, between valid ones.  @validate as in the bind. */
void rcx_try_messages(struct rcx_hostile *h, struct rcx_sender *sender, bool validate);

/* Send a valid request of 64 bytes with @sender, which leaves the reply at @reply; check it. */
void rcx_try_request(struct rcx_hostile *h, struct rcx_sender *sender, const struct rcx_msg *reply,
		     bool validate);

/* Send messages whose header another thread overwrites at the same time. */
void rcx_try_overwritten(struct rcx_hostile *h, struct rcx_sender *sender, uint32_t size,
			 uint32_t turns);

/* ---- processes.c: threads, children, other users ----------------------- */

/* A thread that overwrites @count words at @words with wrong values until it is stopped. */
struct rcx_overwriter {
	pthread_t thread;
	volatile uint32_t *words;
	uint32_t count;
	bool stop, running;
};

void rcx_overwrite(struct rcx_hostile *h, struct rcx_overwriter *s, volatile void *words,
		   uint32_t count);
void rcx_overwrite_end(struct rcx_overwriter *s);

/* A thread that makes one call, which is expected to sleep. */
struct rcx_sleeper {
	pthread_t thread;
	long (*call)(void *arg);
	void *arg;
	long result;
	int error;
	bool running;
};

void rcx_sleep_in(struct rcx_hostile *h, struct rcx_sleeper *s, long (*call)(void *arg), void *arg);

/* Interrupt it with a signal. */
void rcx_sleeper_interrupt(struct rcx_sleeper *s);

/* Wait for its result, with errno set; -1 and ETIMEDOUT when it does not end. */
long rcx_sleeper_end(struct rcx_sleeper *s);

/* Make @call in three threads at the same time.  Returns the sum of the results. */
long rcx_in_three_threads(struct rcx_hostile *h, long (*call)(void *arg), void *arg);

/* Kill a child that sleeps in @call. */
void rcx_try_kill(struct rcx_hostile *h, const char *name, long (*call)(void *arg), void *arg);

/* Do @work in a child, which must end by itself. */
void rcx_in_other(struct rcx_hostile *h, const char *name,
		  void (*work)(struct rcx_hostile *h, void *arg), void *arg);

/* The same as the user nobody, without any capability. */
void rcx_as_nobody(struct rcx_hostile *h, void (*work)(struct rcx_hostile *h, void *arg),
		   void *arg);

/* Check that the user nobody cannot open @path, in any mode. */
void rcx_try_nobody_opens(struct rcx_hostile *h, const char *path);

/* ---- wakeups.c: events that wake a reader ------------------------------ */

/**
 * struct rcx_sleepy_reader - a reader that sleeps when there is nothing to read
 * @sleep: sleep until there is, or for @ms
 * @drain: read all that there is, without sleeping; returns the number of events
 * @arg: for both
 */
struct rcx_sleepy_reader {
	void (*sleep)(void *arg, int ms);
	uint64_t (*drain)(void *arg);
	void *arg;
};

/* Emit events to the mode that is bound, in all contexts and at several rates, while @reader
 * sleeps whenever it can.
 */
void rcx_try_wakeups(struct rcx_hostile *h, const struct rcx_sleepy_reader *reader);

/* ---- files.c: cases for files ------------------------------------------ */

/* Unknown ioctl commands must fail with ENOTTY; @known, if not NULL, says which are known. */
void rcx_try_commands(struct rcx_hostile *h, int fd, bool (*known)(unsigned int cmd));

/* A file without these must refuse them: read() and write(), seeking, mmap(). */
void rcx_try_no_io(struct rcx_hostile *h, int fd);
void rcx_try_no_seek(struct rcx_hostile *h, int fd);
void rcx_try_no_map(struct rcx_hostile *h, int fd);

/* The file @fd has a mapping of all of its @len bytes, shared, at @map.  Nothing else can be mapped.
 * Afterwards @map has no access rights.
 */
void rcx_try_mapping(struct rcx_hostile *h, int fd, void *map, size_t len);

/* Such a mapping, of at least three pages, whose file has been closed.  Unmaps it. */
void rcx_try_mapping_alone(struct rcx_hostile *h, unsigned char *map, size_t len);

/* pread() a message of @len bytes to an address under test.  The kernel may copy the part
 * before the fault and report the fault only to the next read.  So a short read fails with
 * EFAULT here.
 */
long rcx_pread_whole(int fd, void *at, size_t len);

/**
 * struct rcx_shared_reply - a file that answers requests, with one reply for all its opens
 * @path: the file
 * @request: write a request; its first argument points to the file descriptor
 * @wrong: bytes that the file refuses with EBADMSG
 * @wrong_len: number of these bytes
 * @reply_len: bytes that a read of the reply returns
 * @is_reply: whether these bytes are the reply to request @seq
 */
struct rcx_shared_reply {
	const char *path;
	long (*request)(void *fd, const struct rcx_msg *msg, size_t len);
	const char *wrong;
	size_t wrong_len, reply_len;
	bool (*is_reply)(struct rcx_hostile *h, const char *reply, uint64_t seq);
};

/* Write requests and read the replies, while another thread reads them too and writes @wrong. */
void rcx_try_shared_reply(struct rcx_hostile *h, const struct rcx_shared_reply *file);

/* The files of modules/core/file.c, for any channel; @mode is the emitter's. */
void rcx_try_message_file(struct rcx_hostile *h, const char *path, bool shared);
void rcx_try_transaction_file(struct rcx_hostile *h, const char *path);
void rcx_try_events_file(struct rcx_hostile *h, const char *path, const char *mode);

/* ---- upcalls.c: cases for upcalls -------------------------------------- */

/* Let the kernel ask @count times; it waits @deadline_ms for each reply. */
bool rcx_core_ask(struct rcx_hostile *h, uint64_t count, uint32_t deadline_ms);
/* Add a case: the kernel's last wait since the bind has ended soon, with @want or 0. */
void rcx_expect_asked(struct rcx_hostile *h, const char *name, int want);

/**
 * struct rcx_server - how a case serves the upcalls of one mode
 * @mode: the mode, and its emitter
 * @open: become a server.  A file descriptor, below 0 on failure
 * @close: leave; NULL for close()
 * @take: wait for a request, of @len bytes, and store it.  Its length, below 0 on failure
 * @answer: reply with the @len bytes at @from; below 0 on failure
 * @too_short: errno for a reply that is shorter than a header
 * @unnoticed: the kernel half does not notice when a server goes away
 */
struct rcx_server {
	const char *mode;
	int (*open)(struct rcx_hostile *h);
	void (*close)(int fd);
	long (*take)(int fd, void *to, size_t len);
	long (*answer)(int fd, const void *from, size_t len);
	int too_short;
	bool unnoticed;
};

/* Wrong, late, second and missing replies, and servers that die.  No wait may hang. */
void rcx_try_upcalls(struct rcx_hostile *h, const struct rcx_server *server);
/* The same, and all that can be done to the file, for a file of modules/core/upcall.c. */
void rcx_try_upcall_file(struct rcx_hostile *h, const char *path, const char *mode);

/* ---- netlink.c: sockets of any netlink family -------------------------- */

/* A socket with long queues, on which a receive waits for at most one second; or -1. */
int rcx_netlink_socket(int protocol);

/* Receive the acknowledgement of the last request: 0, or -1 with errno.  An answer that comes
 * before it is stored in the @room bytes at @answer.
 */
long rcx_netlink_verdict(int fd, void *answer, size_t room);

/* Emit more events than fit into the shortest queue that @fd can have, before reading any. */
void rcx_try_unread_events(struct rcx_hostile *h, int fd);

/* The same with answers, on the same socket; @request sends a request for one answer. */
void rcx_try_unread_answers(struct rcx_hostile *h, int fd, void (*request)(void *arg), void *arg);

/* Close sockets that are in use, and kill their users: @reader gets events as datagrams of @len
 * bytes, and @sender may send the @out_len bytes at @out.  Both are closed afterwards.
 */
void rcx_try_closing(struct rcx_hostile *h, int reader, size_t len, int sender, const void *out,
		     size_t out_len);

#endif /* RCX_HOSTILE_H */
