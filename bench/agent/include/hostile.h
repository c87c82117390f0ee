/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a folder's hostile.c uses: expectations, and the tools of a bad guest.
 *
 * A channel with a kernel half has, beside its two halves, a hostile.c that does
 * to the kernel half all that user space could.  It is linked into the agent and
 * runs on request, never near a measurement.  Each thing it does is a case: what
 * was tried, what came, what should have come.  The good path is tried first, or
 * a refusal would prove nothing.
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
 * It runs in a child of the agent with a deadline, so that it may leave files
 * open and need not look behind itself.  When it has ended, the agent proves
 * that the channel still works, that nothing of it is left in the kernel's
 * memory, and that its module unloads.
 */
#ifndef RCX_HOSTILE_H
#define RCX_HOSTILE_H

#include <pthread.h>
#include "agent.h"

#define RCX_CASES_MAX 1024

/**
 * struct rcx_case - one thing that was tried
 * @name: what it was, behind its topic
 * @got: what came: an errno's name, or a number
 * @want: what should have come
 * @ok: whether it did
 */
struct rcx_case {
	char name[112];
	char got[96];
	char want[48];
	bool ok;
};

/**
 * struct rcx_cases - all that was tried, in memory shared with every child
 * @count: entries used in @list
 * @list: the cases, in order
 */
struct rcx_cases {
	uint32_t count;
	struct rcx_case list[RCX_CASES_MAX];
};

/**
 * struct rcx_hostile - one run against one kernel half
 * @channel: whose kernel half it is
 * @cases: what was tried so far
 * @topic: stands before the names of cases, see rcx_topic()
 * @core: ringcross_core's control device while rcx_core_bind() has it open, else -1
 * @page: its status page, or NULL
 * @message: room for the largest message and a page more
 * @edge: the last byte before memory that is not mapped, plus one
 * @readonly: a page that may be read alone
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
	const char *name;	/* of the folder */
	const char *channel;	/* whose module is loaded for it */
	void (*run)(struct rcx_hostile *h);
};

#define RCX_HOSTILE(folder, function) RCX_HOSTILE_BY(folder, folder, function)

/* For a folder that is no channel, and is reached through @by's. */
#define RCX_HOSTILE_BY(folder, by, function)					\
	static const struct rcx_hostile_entry folder##_hostile_entry = {		\
		#folder, #by, function };					\
	static const struct rcx_hostile_entry *const folder##_hostile_pointer	\
	__attribute__((used, section("rcx_hostiles"))) = &folder##_hostile_entry

/* ---- runner.c: the run -------------------------------------------------- */

const struct rcx_hostile_entry *rcx_find_hostile(const char *name);

/* Run @entry; its modules must be loaded and its channel known.  The cases, and
 * "" or why it did not come to its end.
 */
json_object *rcx_hostile_run(const struct rcx_hostile_entry *entry, uint32_t deadline_ms,
			    const struct rcx_overhead *overhead, struct rcx_result *result,
			    char *reason, size_t len);

/* ---- expect.c: cases ---------------------------------------------------- */

/* What the cases that follow are about; "" for nothing. */
void rcx_topic(struct rcx_hostile *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Judge what a system call has just returned: @result below 0 is a failure with
 * the reason in errno.  @want is an errno, or 0 for success.  True when it came.
 */
bool rcx_expect(struct rcx_hostile *h, const char *name, long result, int want);
bool rcx_expect_either(struct rcx_hostile *h, const char *name, long result, int want, int other);

/* The same where success alone is not enough. */
bool rcx_expect_value(struct rcx_hostile *h, const char *name, long result, long want);
bool rcx_expect_true(struct rcx_hostile *h, const char *name, bool is);

/* Open @path, which must succeed: the file descriptor. */
int rcx_expect_open(struct rcx_hostile *h, const char *path, int flags);

/* For what was done many times: once for each result, then a case for all. */
struct rcx_outcomes {
	uint64_t fine, refused, other;
	int last;		/* errno of the last of @other */
};

void rcx_note(struct rcx_outcomes *outcomes, long result, int refusal);
void rcx_expect_outcomes(struct rcx_hostile *h, const char *name, const struct rcx_outcomes *outcomes);

/* ---- control_device.c: the control device ------------------------------- */

/* Open ringcross_core if need be, and bind @h's channel. */
bool rcx_core_bind(struct rcx_hostile *h, const char *mode, uint32_t size, bool validate);
/* Start a new @topic, named "... in proof" if bodies are validated, and bind @h's channel. */
void rcx_bind_topic(struct rcx_hostile *h, const char *topic, uint32_t size, bool validate);
void rcx_core_unbind(struct rcx_hostile *h);		/* and close */
bool rcx_core_start(struct rcx_hostile *h, enum rcx_context context, uint64_t count, uint32_t burst,
	      uint64_t interval);
bool rcx_core_ended(struct rcx_hostile *h, uint32_t ms);	/* the producer, within so long */
struct rcx_counts rcx_core_counts(struct rcx_hostile *h);

/* One thread repeats @pull @times.  Meanwhile binds switch between the two @sizes of the
 * message that it pulls.
 */
void rcx_try_size_changes(struct rcx_hostile *h, long (*pull)(void *arg), void *arg,
			 uint32_t times, const uint32_t sizes[2]);

/* ---- memory.c: addresses and messages ----------------------------------- */

bool rcx_hostile_memory(struct rcx_hostile *h);	/* get it all; for runner.c */

enum rcx_access { RCX_KERNEL_READS, RCX_KERNEL_WRITES };

/* @try with every address the kernel must refuse by EFAULT. */
void rcx_try_addresses(struct rcx_hostile *h, const char *name, enum rcx_access access,
		      long (*try)(void *arg, void *at), void *arg);

/* A page that is brought by userfaultfd(2): who touches it waits until it comes. */
struct rcx_late_page {
	int handler;
	void *page;
};

void *rcx_late_page(struct rcx_hostile *h, struct rcx_late_page *late);	/* NULL when there is none */
void rcx_late_page_comes(struct rcx_hostile *h, struct rcx_late_page *late);	/* all zeros */

/* Make @h->message a whole one, as the proof wants it. */
struct rcx_msg *rcx_good_message(struct rcx_hostile *h, uint32_t size, uint64_t seq);

/* Whether @msg has a body of @size bytes, which are right if @validate. */
bool rcx_is_whole(const struct rcx_msg *msg, uint32_t size, bool validate);

/* Whether @msg answers request @seq of @size bytes; a body is inverted only if @validate. */
bool rcx_is_reply(const struct rcx_msg *msg, uint32_t size, uint64_t seq, bool validate);

/**
 * struct rcx_taker - a way into the kernel that takes whole messages
 * @send: send @len bytes at @msg; below 0 is a failure with its errno
 * @arg: for @send
 * @body_max: the largest body it takes
 * @nothing: what no bytes at all are answered by; 0 when that is no mistake
 * @too_short: what less than a header is answered by
 * @too_long: what a larger body is answered by
 * @seq: number that the next message must have
 */
struct rcx_taker {
	long (*send)(void *arg, const struct rcx_msg *msg, size_t len);
	void *arg;
	uint32_t body_max;
	int nothing, too_short, too_long;
	uint64_t seq;
};

/* Every wrong message there is, between good ones; @validate as it was bound. */
void rcx_try_messages(struct rcx_hostile *h, struct rcx_taker *taker, bool validate);

/* A good request of 64 bytes by @taker, whose reply then lies at @reply. */
void rcx_try_request(struct rcx_hostile *h, struct rcx_taker *taker, const struct rcx_msg *reply,
		    bool validate);

/* Messages whose header another thread overwrites while they are sent. */
void rcx_try_scribbled(struct rcx_hostile *h, struct rcx_taker *taker, uint32_t size,
		      uint32_t turns);

/* ---- processes.c: threads, children, other users ------------------------ */

/* A thread that overwrites @count words at @words with nonsense until the end. */
struct rcx_scribbler {
	pthread_t thread;
	volatile uint32_t *words;
	uint32_t count;
	bool stop, running;
};

void rcx_scribble(struct rcx_hostile *h, struct rcx_scribbler *s, volatile void *words,
		 uint32_t count);
void rcx_scribble_end(struct rcx_scribbler *s);

/* A thread that does one call, which is expected to sleep. */
struct rcx_sleeper {
	pthread_t thread;
	long (*call)(void *arg);
	void *arg;
	long result;
	int error;
	bool running;
};

void rcx_sleep_in(struct rcx_hostile *h, struct rcx_sleeper *s, long (*call)(void *arg), void *arg);

/* Interrupt it by a signal. */
void rcx_sleeper_interrupt(struct rcx_sleeper *s);

/* Its result, with errno set; -1 and ETIMEDOUT when it does not end. */
long rcx_sleeper_end(struct rcx_sleeper *s);

/* Three threads do @call at once: the sum of its results. */
long rcx_in_three_threads(struct rcx_hostile *h, long (*call)(void *arg), void *arg);

/* A child sleeps in @call and is killed there. */
void rcx_try_kill(struct rcx_hostile *h, const char *name, long (*call)(void *arg), void *arg);

/* @work in a child, which must come to its end. */
void rcx_in_other(struct rcx_hostile *h, const char *name,
		 void (*work)(struct rcx_hostile *h, void *arg), void *arg);

/* The same as the user nobody, without any capability. */
void rcx_as_nobody(struct rcx_hostile *h, void (*work)(struct rcx_hostile *h, void *arg), void *arg);

/* Nobody may open @path in any way. */
void rcx_try_nobody_opens(struct rcx_hostile *h, const char *path);

/* ---- files.c: what files have in common --------------------------------- */

/* Commands of our letter that @known does not know must be ENOTTY. */
void rcx_try_commands(struct rcx_hostile *h, int fd, bool (*known)(unsigned int cmd));

/* What a file without these must refuse: reading and writing, seeking, mapping. */
void rcx_try_no_io(struct rcx_hostile *h, int fd);
void rcx_try_no_seek(struct rcx_hostile *h, int fd);
void rcx_try_no_map(struct rcx_hostile *h, int fd);

/* pread() of a message of @len bytes to an address under trial.  The kernel may copy up to
 * the fault, and report it only to the next read: a part fails with EFAULT here.
 */
long rcx_pread_whole(int fd, void *at, size_t len);

/**
 * struct rcx_shared_reply - a file that answers requests, with one reply for all its opens
 * @path: the file
 * @ask: write a request to the open file that its first argument points to
 * @wrong: bytes that the file refuses by EBADMSG
 * @wrong_len: how many
 * @reply_len: bytes that a read of the reply brings
 * @is_reply: whether these are the reply to request @seq
 */
struct rcx_shared_reply {
	const char *path;
	long (*ask)(void *fd, const struct rcx_msg *msg, size_t len);
	const char *wrong;
	size_t wrong_len, reply_len;
	bool (*is_reply)(struct rcx_hostile *h, const char *reply, uint64_t seq);
};

/* Ask and read the reply, while another thread reads it too and writes @wrong. */
void rcx_try_shared_reply(struct rcx_hostile *h, const struct rcx_shared_reply *file);

/* The files of core/file.c, whoever made them; @mode is the emitter's. */
void rcx_try_message_file(struct rcx_hostile *h, const char *path, bool shared);
void rcx_try_transaction_file(struct rcx_hostile *h, const char *path);
void rcx_try_events_file(struct rcx_hostile *h, const char *path, const char *mode);

/* ---- netlink.c: sockets of any netlink family --------------------------- */

/* A socket with long queues, on which a receive waits for a second at most; or -1. */
int rcx_netlink_socket(int protocol);

/* Receive the verdict on the last request: 0, or -1 with errno.  An answer that comes before
 * it is left in the @room bytes at @answer.
 */
long rcx_netlink_verdict(int fd, void *answer, size_t room);

/* More events than fit into the shortest queue that @fd can have, before anything is read. */
void rcx_try_unread_events(struct rcx_hostile *h, int fd);

/* The same with answers, on the same socket; @ask sends a request for one. */
void rcx_try_unread_answers(struct rcx_hostile *h, int fd, void (*ask)(void *arg), void *arg);

#endif /* RCX_HOSTILE_H */
