/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that probes share.  A probe determines one property of one mode, or several,
 * through the channel's own hooks.  It runs in a child, which may hang or die, and records its
 * findings.  Each probe registers itself below its function; PROTOCOL.md lists the properties.
 */
#ifndef RCX_PROBE_H
#define RCX_PROBE_H

#include <math.h>
#include <sys/types.h>
#include "agent.h"

#define RCX_FINDINGS_MAX 32
#define RCX_SETTLE_US	 2000 /* until a waiting process sleeps, and events have arrived */
#define RCX_WAIT_MS	 300  /* an event or report that has not come by then will not come */

/**
 * struct rcx_finding - one property of one mode
 * @name: its name in the answer
 * @kind: which of the members below is its value; RCX_NOTHING: the property does not apply to
 *	this mode, and @detail says why
 * @counted: the value was counted
 * @documented: the value comes from the channel's registration; it was not tested
 * @failed: the probe could not determine the value
 * @each: a value for each operation; NAN where there is none
 */
struct rcx_finding {
	char name[24];
	enum { RCX_NOTHING, RCX_BOOL, RCX_NUMBER, RCX_TEXT, RCX_EACH } kind;
	bool counted, documented, failed;
	double number;
	char text[80];
	double each[RCX_OPS];
	char detail[400];
};

/* In memory that all processes of a probe share. */
struct rcx_findings {
	char lacking[256]; /* why this kernel lacks the mode, or "" */
	uint32_t count;
	struct rcx_finding found[RCX_FINDINGS_MAX];
	struct rcx_message_log log;
};

/* The mode that a probe tests, and where it records what it found. */
struct rcx_probing {
	const struct rcx_channel *channel;
	const struct rcx_mode *mode;
	uint32_t clock;
	struct rcx_findings *findings;
};

/**
 * struct rcx_probe - a probe's registration
 * @name: the property that is reported as failed when the probe fails
 * @run: the probe; called in its own child, with the modules loaded
 * @one_shot: for the modes that have no operations, and only for those
 */
struct rcx_probe {
	const char *name;
	void (*run)(struct rcx_probing *probing);
	bool one_shot;
};

#define RCX_PROBE(property, function)	       RCX_PROBE_OF(property, function, false)
#define RCX_PROBE_ONE_SHOT(property, function) RCX_PROBE_OF(property, function, true)

#define RCX_PROBE_OF(property, function, one_shot)                                         \
	static const struct rcx_probe function##_probe = { property, function, one_shot }; \
	static const struct rcx_probe *const function##_entry                              \
		__attribute__((used, section("rcx_probes"))) = &function##_probe

/* Record a property.  @detail is one sentence or more, in the format of printf(). */
struct rcx_finding *rcx_find_text(struct rcx_probing *probing, const char *name, const char *value,
				  const char *detail, ...) __attribute__((format(printf, 4, 5)));
struct rcx_finding *rcx_find_bool(struct rcx_probing *probing, const char *name, bool value,
				  const char *detail, ...) __attribute__((format(printf, 4, 5)));
struct rcx_finding *rcx_find_number(struct rcx_probing *probing, const char *name, double value,
				    const char *detail, ...) __attribute__((format(printf, 4, 5)));
struct rcx_finding *rcx_find_nothing(struct rcx_probing *probing, const char *name,
				     const char *detail, ...) __attribute__((format(printf, 3, 4)));
struct rcx_finding *rcx_find_failure(struct rcx_probing *probing, const char *name,
				     const char *detail, ...) __attribute__((format(printf, 3, 4)));
/* A property with a value for each operation, which the caller fills in. */
struct rcx_finding *rcx_find_each(struct rcx_probing *probing, const char *name);

/* Append to @text, a buffer of @len bytes; what does not fit is cut off. */
void rcx_append(char *text, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* "EAGAIN"; "nothing" for 0. */
const char *rcx_errno_name(int code);

/* ---- sessions ---------------------------------------------------------- */

/* The size of a small message of @op: 8 bytes, or the nearest size that is possible. */
uint32_t rcx_small_size(const struct rcx_mode *mode, enum rcx_op op);
/* Whether the operation has one size only, too small for the message header. */
bool rcx_is_narrow(const struct rcx_operation *operation);

/* Whether the kernel can emit events.  @op is the operation that receives several of them:
 * stream if the mode has it, else notify.
 */
bool rcx_event_operation(const struct rcx_mode *mode, enum rcx_op *op);

#define RCX_FEW_RECORDS 16 /* of a dump in a probe; every table can have that many */

/* A cell for a probe of @op with @size bytes, in the default context. */
struct rcx_cell rcx_probe_cell(const struct rcx_probing *probing, enum rcx_op op, uint32_t size);

/* Let the kernel emit @count events and wait until the producer has ended.  False when it has
 * emitted nothing for @ms.
 */
bool rcx_emit_and_wait(struct rcx_session *s, uint64_t count, uint32_t ms);
/* Only wait until the producer has ended. */
bool rcx_wait_emitted(const struct rcx_session *s, uint32_t ms);

/* Whether the kernel half has consumed a push since the bind.  Where the user half does not
 * wait for an acknowledgement, it does not see a refusal; only the kernel's counts show it.
 */
bool rcx_counts_pushed(const struct rcx_session *s, const struct rcx_counts *counts);

/* ---- session_process.c: a session in a process of its own -------------- */

enum rcx_command {
	RCX_DO_RUN,  /* n operations; for notify, each requests its own event */
	RCX_DO_WAIT, /* n notify operations, whose events the probe emits */
};

struct rcx_report {
	int err;  /* result of the hook */
	int code; /* errno that belongs to it, or 0 */
	uint64_t delivered, overruns;
	char error[256];
};

struct rcx_process {
	pid_t pid;
	int fd;
	int child_fd; /* the other end of @fd, in the process */
};

/* Start a process that opens the mode of @bound; @bound itself is bound but not opened.
 * @before, if not NULL, is called in the process first, for example to change its user.  0
 * when the open succeeded; @report has the report of the open in any case.
 */
int rcx_process_start(struct rcx_process *process, const struct rcx_session *bound,
		      void (*before)(void *), void *arg, struct rcx_report *report);
void rcx_process_send(struct rcx_process *process, enum rcx_command order, uint64_t n);
/* 1 with its report, 0 when there is none after @ms, -1 when the process has died. */
int rcx_process_report(struct rcx_process *process, struct rcx_report *report, int ms);
/* Send a command, and wait for its report. */
int rcx_process_do(struct rcx_process *process, enum rcx_command order, uint64_t n,
		   struct rcx_report *report, int ms);
void rcx_process_kill(struct rcx_process *process);

/* ---- syscall_trace.c: the system calls of such a process ---------------- */

#define RCX_SYSCALLS_MAX 4096

struct rcx_syscalls {
	uint32_t count;
	struct rcx_syscall {
		uint64_t number, first, third; /* arguments */
		int64_t result;
	} call[RCX_SYSCALLS_MAX];
};

/* Send a command and record each system call until the report, but not more than @most.  NULL
 * when the process cannot be traced; else the result is valid until the next call.
 */
const struct rcx_syscalls *rcx_process_trace(struct rcx_process *process, enum rcx_command order,
					     uint64_t n, uint32_t most);

#endif /* RCX_PROBE_H */
