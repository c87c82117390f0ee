// SPDX-License-Identifier: GPL-2.0-only
/*
 * Check the registrations of all channels.  Each mistake is one line on stderr: the file, the
 * place in it, what is wrong and what to write.  The sources of kernel halves are checked by
 * bench/kernels/contract.py.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "agent.h"
#include "peer.h"

#define SKELETON "skeleton"
#define STOCK	 "stock"
#define ALL_FULL                                                                          \
	(RCX_FULL_REFUSES | RCX_FULL_COALESCES | RCX_FULL_OVERWRITES | RCX_FULL_EMPTIES | \
	 RCX_FULL_ADDS)
#define ALL_CLAIMS  (RCX_POLLABLE | RCX_READERS_EACH | RCX_READERS_SHARE | ALL_FULL)
#define ALL_WITHOUT (RCX_WITHOUT_COPY | RCX_WITHOUT_WAKEUP | RCX_WITHOUT_CALL)
#define ALL_FLAGS   (RCX_BASELINE | RCX_UNMEASURED | RCX_REFERENCE | RCX_RT_HARDIRQ)

/* The registration that is checked, and the number of mistakes so far. */
struct check {
	const struct rcx_channel *channel;
	const char *file;
	int mistakes;
};

static void mistake(struct check *check, const char *where, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

static void mistake(struct check *check, const char *where, const char *what, ...)
{
	va_list args;

	fprintf(stderr, "%s: %s: ", check->file, where);
	va_start(args, what);
	vfprintf(stderr, what, args);
	va_end(args);
	fputc('\n', stderr);
	check->mistakes++;
}

static bool is_text(const char *text)
{
	return text && *text;
}

static bool is_sentence(const char *text)
{
	return is_text(text) && text[strlen(text) - 1] == '.';
}

/* ---- operations --------------------------------------------------------- */

/* @where is the name of the mode and of the operation. */
static void check_limits(struct check *check, const char *where, const struct rcx_operation *op)
{
	if (op->min > op->max)
		mistake(check, where, "min must not be larger than max");
	if (op->max > RCX_BODY_MAX)
		mistake(check, where, "max must not be larger than 1 MiB");
	if (op->max < RCX_BODY_MAX && !op->count && !op->records && !is_sentence(op->limit))
		mistake(check, where,
			"limit is missing: write a sentence, with a full stop, that says what "
			"sets max");
	if (op->count && (op->min || op->max))
		mistake(check, where, "a count has no body: leave out min and max");
}

/* Whether nobody is woken, as far as the registration says so in another place. */
static bool never_wakes(const struct rcx_mode *mode, enum rcx_op number)
{
	if (rcx_kernel_initiated(number))
		return mode->operations[number].waits == RCX_WAIT_BUSY;
	return mode->peer && mode->peer->never_sleeps;
}

/* Copies and calls are compared with what a probe counts; see bench/explore/properties.py. */
static void check_excludes(struct check *check, const struct rcx_mode *mode, enum rcx_op number,
			   const char *where)
{
	const struct rcx_operation *op = &mode->operations[number];
	bool wakeless = op->excludes & RCX_WITHOUT_WAKEUP;

	if (op->excludes & ~(uint32_t)ALL_WITHOUT)
		mistake(check, where, "excludes has an unknown bit: use RCX_WITHOUT_*");
	if (op->excludes & RCX_WITHOUT_COPY && op->min == op->max)
		mistake(check, where, "it has no body to copy: remove RCX_WITHOUT_COPY");
	if (wakeless && !rcx_has_two_ends(mode, number))
		mistake(check, where, "nobody waits in it: remove RCX_WITHOUT_WAKEUP");
	if (!wakeless && never_wakes(mode, number))
		mistake(check, where,
			"its other end is never woken: add .excludes = RCX_WITHOUT_WAKEUP");
	if (wakeless && number == RCX_NOTIFY && !never_wakes(mode, number))
		mistake(check, where,
			"it has a wait that sleeps: remove RCX_WITHOUT_WAKEUP, or set .waits = "
			"RCX_WAIT_BUSY");
}

static void check_table(struct check *check, const char *where, const struct rcx_operation *op)
{
	if (op->min != RCX_RECORD || op->max != RCX_RECORD || !op->records)
		mistake(check, where, "a dump needs a table: write RCX_TABLE");
	if (op->records > RCX_RECORDS_MAX)
		mistake(check, where, "records must not be larger than %u", RCX_RECORDS_MAX);
	if (op->records < RCX_RECORDS_MAX && !is_sentence(op->limit))
		mistake(check, where,
			"limit is missing: write a sentence, with a full stop, that says what "
			"sets the number of records");
}

static void check_operation(struct check *check, const struct rcx_mode *mode, enum rcx_op number)
{
	const struct rcx_operation *op = &mode->operations[number];
	char where[2 * RCX_NAME + 16];

	snprintf(where, sizeof(where), "mode %s, %s", mode->name, rcx_op_names[number]);
	check_limits(check, where, op);
	if (number == RCX_DUMP)
		check_table(check, where, op);
	else if (op->records)
		mistake(check, where, "only a dump has records: remove .records");
	if (op->count && number != RCX_NOTIFY && number != RCX_STREAM)
		mistake(check, where,
			"only notify and stream can carry a count: remove .count; a push without "
			"a body has max 0, and rcx_consume_narrow() with mask 0");
	if (op->waits && !rcx_kernel_initiated(number))
		mistake(check, where,
			"waits are only for notify, stream and upcall: remove .waits");
	if (op->waits >> RCX_WAITS)
		mistake(check, where, "waits has an unknown bit: use RCX_WAIT_*");
	if (op->queue && number != RCX_STREAM)
		mistake(check, where, "a queue is only for stream: remove .queue");
	if (op->queue && (!op->queue->what || !op->queue->min || op->queue->min > op->queue->max))
		mistake(check, where, "queue needs a unit, and bounds above 0");
	check_excludes(check, mode, number, where);
}

/* ---- modes -------------------------------------------------------------- */

static bool starts(const struct rcx_mode *mode)
{
	return mode->operations[RCX_NOTIFY].run || mode->operations[RCX_STREAM].run;
}

/* A mode without operations must give the reason, and a hook for the probe of its value. */
static void check_one_shot(struct check *check, const struct rcx_mode *mode, const char *where)
{
	bool some = false;

	for (int op = 0; op < RCX_OPS; op++)
		some = some || mode->operations[op].run;
	if (some && mode->one_shot_reason)
		mistake(check, where,
			"it has operations and a one_shot_reason: remove one of them");
	if (!some && !mode->one_shot_reason)
		mistake(check, where,
			"it has no loop: add one to .operations, as [RCX_PUSH] = { .run = ... }");
	if (!mode->one_shot_reason != !mode->received)
		mistake(check, where, "one_shot_reason and received need each other");
	if (mode->one_shot_reason && (!check->channel->module || !check->channel->boot))
		mistake(check, where, "a one-shot mode needs the channel's module and boot words");
}

static void check_claims(struct check *check, const struct rcx_mode *mode, const char *where)
{
	uint32_t full = mode->claims & ALL_FULL;
	uint32_t readers = mode->claims & (RCX_READERS_EACH | RCX_READERS_SHARE);

	if (mode->claims & ~(uint32_t)ALL_CLAIMS)
		mistake(check, where, "claims has an unknown bit: use the claims of channel.h");
	if (mode->claims && !starts(mode))
		mistake(check, where, "claims are only for modes with notify or stream");
	if (full & (full - 1))
		mistake(check, where, "it has two claims about a full queue: keep one RCX_FULL_*");
	if (readers & (readers - 1))
		mistake(check, where,
			"it has two claims about several readers: keep one RCX_READERS_*");
	if (full == RCX_FULL_ADDS && !mode->operations[RCX_NOTIFY].count &&
	    !mode->operations[RCX_STREAM].count)
		mistake(check, where,
			"RCX_FULL_ADDS is for a mode that carries only a count: set .count");
}

static void check_peer(struct check *check, const struct rcx_mode *mode, const char *where)
{
	const struct rcx_peer_half *peer = mode->peer;
	bool sends = mode->operations[RCX_PUSH].run || mode->operations[RCX_CALL].run;
	bool asks = mode->operations[RCX_PULL].run || mode->operations[RCX_DUMP].run;

	if (!peer)
		return;
	if (check->channel->module || !(check->channel->flags & RCX_REFERENCE))
		mistake(check, where,
			"only a reference, which has no kernel half, can have a peer");
	if (!peer->connect || (sends && !peer->serve) || (starts(mode) && !peer->emit))
		mistake(check, where, "its peer half lacks a hook");
	if (asks)
		mistake(check, where, "a peer supports neither pull nor dump");
	if (mode->operations[RCX_UPCALL].run)
		mistake(check, where, "a peer does not support upcall: only the kernel asks");
}

static void check_counterpart(struct check *check, const struct rcx_mode *mode, const char *where)
{
	const struct rcx_channel *stock = rcx_find_channel(STOCK);

	if (mode->counterpart && (!stock || !rcx_find_mode(stock, mode->counterpart)))
		mistake(check, where,
			"there is no mode \"%s\" of channel " STOCK ": correct .counterpart",
			mode->counterpart);
}

static void check_mode(struct check *check, const struct rcx_mode *mode)
{
	char where[RCX_NAME + 16];

	snprintf(where, sizeof(where), "mode %s", mode->name);
	if (strlen(mode->name) >= RCX_NAME)
		mistake(check, where, "its name is too long: at most %d characters", RCX_NAME - 1);
	if (rcx_find_mode(check->channel, mode->name) != mode)
		mistake(check, where, "another mode has the same name: rename one of them");
	if (!is_text(mode->summary) || !mode->open)
		mistake(check, where, "a summary and an open hook are required");
	if (mode->two_cpus_reason && !is_sentence(mode->two_cpus_reason))
		mistake(check, where, "two_cpus_reason must be a sentence with a full stop");
	check_claims(check, mode, where);
	check_one_shot(check, mode, where);
	check_peer(check, mode, where);
	check_counterpart(check, mode, where);
	for (int op = 0; op < RCX_OPS; op++)
		if (mode->operations[op].run)
			check_operation(check, mode, (enum rcx_op)op);
}

/* ---- channels ----------------------------------------------------------- */

/* The folder of "modules/<folder>/user.c". */
static void folder_of(const char *file, char *folder, size_t len)
{
	const char *end = strrchr(file, '/'), *begin = end ? end : file;

	while (begin > file && begin[-1] != '/')
		begin--;
	snprintf(folder, len, "%.*s", end ? (int)(end - begin) : 0, begin);
}

static void check_names(struct check *check)
{
	const struct rcx_channel *channel = check->channel;
	char folder[64], module[80];

	folder_of(check->file, folder, sizeof(folder));
	snprintf(module, sizeof(module), "ringcross_%s", folder);
	if (!channel->name || strcmp(channel->name, folder))
		mistake(check, "registration",
			"its name is \"%s\", but its folder is \"%s\": write "
			".name = \"%s\"",
			channel->name ? channel->name : "", folder, folder);
	if (strlen(folder) >= RCX_NAME)
		mistake(check, "registration",
			"the folder's name is too long: at most %d characters", RCX_NAME - 1);
	if (channel->module && strcmp(channel->module, module))
		mistake(check, "registration",
			"its module is \"%s\", but the one of this folder is "
			"\"%s\": write .module = \"%s\"",
			channel->module, module, module);
	if (channel->flags & RCX_UNMEASURED && strcmp(folder, SKELETON))
		mistake(check, "registration",
			"RCX_UNMEASURED hides it from the list of channels: "
			"remove the line .flags = RCX_UNMEASURED");
	if (channel->flags & ~(uint32_t)ALL_FLAGS)
		mistake(check, "registration",
			"flags has an unknown bit: use the flags of channel.h");
}

static void check_reasons(struct check *check)
{
	for (int op = 0; op < RCX_OPS; op++) {
		const char *reason = check->channel->unsupported_reason[op];
		bool some = false;

		for_each_mode(mode, check->channel)
			some = some || mode->operations[op].run;
		if (some && reason)
			mistake(check, rcx_op_names[op],
				"a mode has it: remove its unsupported_reason");
		if (!some && !is_sentence(reason))
			mistake(check, rcx_op_names[op],
				"no mode has it: write unsupported_reason, a sentence with a full "
				"stop that says why");
	}
}

static void check_classes(struct check *check)
{
	for (const char *const *class = check->channel->classes; class && *class; class++) {
		const char *colon = strstr(*class, ": ");

		if (!colon || colon == *class || !colon[2])
			mistake(check, "classes",
				"\"%s\" must be the name of a class, a colon, a "
				"blank, and names of functions",
				*class);
	}
}

static int check_channel(const struct rcx_registration *registration)
{
	struct check check = { registration->channel, registration->file, 0 };
	const struct rcx_channel *channel = check.channel;

	check_names(&check);
	if (!is_text(channel->summary) || !channel->modes || !channel->modes->name)
		mistake(&check, "registration", "a summary and a mode are required");
	for_each_mode(mode, channel)
		check_mode(&check, mode);
	check_reasons(&check);
	check_classes(&check);
	if (channel->since && !strstr(channel->since, ": "))
		mistake(&check, "since", "write the version, a colon, and what that version added");
	return check.mistakes;
}

int rcx_check_channels(void)
{
	int mistakes = 0;

	for_each_channel(entry)
		mistakes += check_channel(*entry);
	return mistakes;
}
