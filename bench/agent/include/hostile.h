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
 *	static void ioctl_hostile(struct rc_hostile *h)
 *	{
 *		int fd = open(RC_IOCTL_DEVICE, O_RDWR | O_CLOEXEC);
 *
 *		rc_expect(h, "open", fd, 0);
 *		rc_expect(h, "unknown command", ioctl(fd, _IO('x', 0xff)), ENOTTY);
 *		...
 *	}
 *	RC_HOSTILE(ioctl, ioctl_hostile);
 *
 * It runs in a child of the agent with a deadline, so that it may leave files
 * open and need not look behind itself.  When it has ended, the agent proves
 * that the channel still works, that nothing of it is left in the kernel's
 * memory, and that its module unloads.
 */
#ifndef RC_HOSTILE_H
#define RC_HOSTILE_H

#include <pthread.h>
#include "agent.h"

#define RC_CASES_MAX 1024

/**
 * struct rc_case - one thing that was tried
 * @name: what it was, behind its topic
 * @got: what came: an errno's name, or a number
 * @want: what should have come
 * @ok: whether it did
 */
struct rc_case {
	char name[112];
	char got[96];
	char want[48];
	bool ok;
};

/**
 * struct rc_cases - all that was tried, in memory shared with every child
 * @count: entries used in @list
 * @list: the cases, in order
 */
struct rc_cases {
	uint32_t count;
	struct rc_case list[RC_CASES_MAX];
};

/**
 * struct rc_hostile - one run against one kernel half
 * @channel: whose kernel half it is
 * @cases: what was tried so far
 * @topic: stands before the names of cases, see rc_topic()
 * @core: rc_core's control device while rc_core_bind() has it open, else -1
 * @page: its status page, or NULL
 * @message: room for the largest message and a page more
 * @edge: the last byte before memory that is not mapped, plus one
 * @readonly: a page that may be read alone
 * @forbidden: a page without any access
 */
struct rc_hostile {
	const struct rc_channel *channel;
	struct rc_cases *cases;
	char topic[48];
	int core;
	const volatile struct rc_page *page;
	struct rc_msg *message;
	unsigned char *edge, *readonly, *forbidden;
};

struct rc_hostile_entry {
	const char *name;	/* of the folder */
	const char *channel;	/* whose module is loaded for it */
	void (*run)(struct rc_hostile *h);
};

#define RC_HOSTILE(folder, function) RC_HOSTILE_BY(folder, folder, function)

/* For a folder that is no channel, and is reached through @by's. */
#define RC_HOSTILE_BY(folder, by, function)					\
	static const struct rc_hostile_entry folder##_hostile_entry = {		\
		#folder, #by, function };					\
	static const struct rc_hostile_entry *const folder##_hostile_pointer	\
	__attribute__((used, section("rc_hostiles"))) = &folder##_hostile_entry

/* ---- hostile.c: the run ------------------------------------------------ */

const struct rc_hostile_entry *rc_find_hostile(const char *name);

/* Run @entry; its modules must be loaded and its channel known.  The cases, and
 * "" or why it did not come to its end.
 */
json_object *rc_hostile_run(const struct rc_hostile_entry *entry, uint32_t deadline_ms,
			    const struct rc_overhead *overhead, struct rc_result *result,
			    char *reason, size_t len);

/* ---- hostile_expect.c: cases ------------------------------------------- */

/* What the cases that follow are about; "" for nothing. */
void rc_topic(struct rc_hostile *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Judge what a system call has just returned: @result below 0 is a failure with
 * the reason in errno.  @want is an errno, or 0 for success.  True when it came.
 */
bool rc_expect(struct rc_hostile *h, const char *name, long result, int want);
bool rc_expect_either(struct rc_hostile *h, const char *name, long result, int want, int other);

/* The same where success alone is not enough. */
bool rc_expect_value(struct rc_hostile *h, const char *name, long result, long want);
bool rc_expect_true(struct rc_hostile *h, const char *name, bool is);

/* For what was done many times: once for each result, then a case for all. */
struct rc_outcomes {
	uint64_t fine, refused, other;
	int last;		/* errno of the last of @other */
};

void rc_note(struct rc_outcomes *outcomes, long result, int refusal);
void rc_expect_outcomes(struct rc_hostile *h, const char *name, const struct rc_outcomes *outcomes);

/* ---- hostile_core.c: the control device -------------------------------- */

/* Open rc_core if need be, and bind @h's channel. */
bool rc_core_bind(struct rc_hostile *h, const char *mode, uint32_t size, bool proof);
void rc_core_unbind(struct rc_hostile *h);		/* and close */
bool rc_core_start(struct rc_hostile *h, enum rc_context context, uint64_t count, uint32_t burst,
	      uint64_t interval);
bool rc_core_ended(struct rc_hostile *h, uint32_t ms);	/* the producer, within so long */
struct rc_counts rc_core_counts(struct rc_hostile *h);

/* ---- hostile_memory.c: addresses and messages -------------------------- */

bool rc_hostile_memory(struct rc_hostile *h);	/* get it all; for hostile.c */

enum rc_access { RC_KERNEL_READS, RC_KERNEL_WRITES };

/* @try with every address the kernel must refuse by EFAULT. */
void rc_try_addresses(struct rc_hostile *h, const char *name, enum rc_access access,
		      long (*try)(void *arg, void *at), void *arg);

/* A page that is brought by userfaultfd(2): who touches it waits until it comes. */
struct rc_late_page {
	int handler;
	void *page;
};

void *rc_late_page(struct rc_hostile *h, struct rc_late_page *late);	/* NULL when there is none */
void rc_late_page_comes(struct rc_hostile *h, struct rc_late_page *late);	/* all zeros */

/* Make @h->message a whole one, as the proof wants it. */
struct rc_msg *rc_good_message(struct rc_hostile *h, uint32_t size, uint64_t seq);

/**
 * struct rc_taker - a way into the kernel that takes whole messages
 * @send: send @len bytes at @msg; below 0 is a failure with its errno
 * @arg: for @send
 * @body_max: the largest body it takes
 * @nothing: what no bytes at all are answered by; 0 when that is no mistake
 * @too_short: what less than a header is answered by
 * @too_long: what a larger body is answered by
 * @seq: number that the next message must have
 */
struct rc_taker {
	long (*send)(void *arg, const struct rc_msg *msg, size_t len);
	void *arg;
	uint32_t body_max;
	int nothing, too_short, too_long;
	uint64_t seq;
};

/* Every wrong message there is, between good ones; @proof as it was bound. */
void rc_try_messages(struct rc_hostile *h, struct rc_taker *taker, bool proof);

/* Messages whose header another thread overwrites while they are sent. */
void rc_try_scribbled(struct rc_hostile *h, struct rc_taker *taker, uint32_t size,
		      uint32_t turns);

/* ---- hostile_others.c: threads, children, other users ------------------ */

/* A thread that overwrites @count words at @words with nonsense until the end. */
struct rc_scribbler {
	pthread_t thread;
	volatile uint32_t *words;
	uint32_t count;
	bool stop, running;
};

void rc_scribble(struct rc_hostile *h, struct rc_scribbler *s, volatile void *words,
		 uint32_t count);
void rc_scribble_end(struct rc_scribbler *s);

/* A thread that does one call, which is expected to sleep. */
struct rc_sleeper {
	pthread_t thread;
	long (*call)(void *arg);
	void *arg;
	long result;
	int error;
	bool running;
};

void rc_sleep_in(struct rc_hostile *h, struct rc_sleeper *s, long (*call)(void *arg), void *arg);

/* Interrupt it by a signal. */
void rc_sleeper_interrupt(struct rc_sleeper *s);

/* Its result, with errno set; -1 and ETIMEDOUT when it does not end. */
long rc_sleeper_end(struct rc_sleeper *s);

/* A child sleeps in @call and is killed there. */
void rc_try_kill(struct rc_hostile *h, const char *name, long (*call)(void *arg), void *arg);

/* @work in a child, which must come to its end. */
void rc_in_other(struct rc_hostile *h, const char *name,
		 void (*work)(struct rc_hostile *h, void *arg), void *arg);

/* The same as the user nobody, without any capability. */
void rc_as_nobody(struct rc_hostile *h, void (*work)(struct rc_hostile *h, void *arg), void *arg);

/* Nobody may open @path in any way. */
void rc_try_nobody_opens(struct rc_hostile *h, const char *path);

/* ---- hostile_files.c: what files have in common ------------------------ */

/* Commands of our letter that @known does not know must be ENOTTY. */
void rc_try_commands(struct rc_hostile *h, int fd, bool (*known)(unsigned int cmd));

/* What a file without these must refuse: reading and writing, seeking, mapping. */
void rc_try_no_io(struct rc_hostile *h, int fd);
void rc_try_no_seek(struct rc_hostile *h, int fd);
void rc_try_no_map(struct rc_hostile *h, int fd);

/* The files of core/file.c, whoever made them; @mode is the emitter's. */
void rc_try_message_file(struct rc_hostile *h, const char *path, bool shared);
void rc_try_transaction_file(struct rc_hostile *h, const char *path);
void rc_try_events_file(struct rc_hostile *h, const char *path, const char *mode);

#endif /* RC_HOSTILE_H */
