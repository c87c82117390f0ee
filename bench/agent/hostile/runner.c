// SPDX-License-Identifier: GPL-2.0-only
/* One run of hostile cases against a kernel half, with checks before and after it. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "hostile.h"

#define VALIDATION_RECORDS 300 /* several pages of them */
#define VALIDATION_SIZE	   64
#define VALIDATION_MS	   30000 /* two emulated CPUs on a busy host take 0.5 s for a process */
#define SETTLE_MS	   8000	 /* the kernel frees memory some time after its last use */

/* Weak: without a hostile.c in any folder, the section does not exist. */
extern const struct rcx_hostile_entry *const __start_rcx_hostiles[] __attribute__((weak));
extern const struct rcx_hostile_entry *const __stop_rcx_hostiles[] __attribute__((weak));

const struct rcx_hostile_entry *rcx_find_hostile(const char *name)
{
	for (const struct rcx_hostile_entry *const *entry = __start_rcx_hostiles;
	     entry < __stop_rcx_hostiles; entry++)
		if (!strcmp((*entry)->name, name))
			return *entry;
	return NULL;
}

/* ---- kernel memory that kernel halves hold ------------------------------ */

/* Count the lines of @path that name a function of one of our modules.  When @numbered, add the
 * number at the start of each line instead of 1.
 */
static long count_ours(const char *path, bool numbered)
{
	FILE *file = fopen(path, "re");
	char line[512];
	long count = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, " [ringcross_"))
			count += numbered ? strtol(line, NULL, 10) : 1;
	if (file)
		fclose(file);
	return count;
}

/* vmalloc areas, and slab objects if the kernel was booted with slub_debug=U. */
static long memory_held(void)
{
	long count = count_ours("/proc/vmallocinfo", false);
	glob_t caches;

	if (!glob("/sys/kernel/debug/slab/*/alloc_traces", GLOB_NOSORT, NULL, &caches)) {
		for (size_t i = 0; i < caches.gl_pathc; i++)
			count += count_ours(caches.gl_pathv[i], true);
		globfree(&caches);
	}
	return count;
}

static void try_leftovers(struct rcx_hostile *h, long before)
{
	long now = memory_held();

	for (int ms = 0; now > before && ms < SETTLE_MS; ms += 100) {
		usleep(100 * 1000);
		now = memory_held();
	}
	rcx_topic(h, "afterwards");
	rcx_expect_value(h, "pieces of memory still held", now > before ? now - before : 0, 0);
}

/* ---- ordinary use ------------------------------------------------------- */

/* Validate one operation.  @skips: whether it may be skipped, and afterwards whether it was. */
static void validate_operation(struct rcx_hostile *h, const struct rcx_mode *mode, enum rcx_op op,
			       const struct rcx_overhead *overhead, struct rcx_result *result,
			       bool *skips)
{
	const struct rcx_operation *operation = &mode->operations[op];
	struct rcx_cell cell = {
		.channel = h->channel,
		.mode = mode,
		.op = op,
		.size = VALIDATION_SIZE < operation->min ? operation->min :
			VALIDATION_SIZE > operation->max ? operation->max :
							   VALIDATION_SIZE,
		.context = op == RCX_STREAM ? RCX_PROCESS : -1,
		.records = op != RCX_DUMP			   ? 0 :
			   VALIDATION_RECORDS > operation->records ? operation->records :
								     VALIDATION_RECORDS,
		.burst = 1,
		.rounds = 1,
		.round_units = 1000,
		.deadline_ms = VALIDATION_MS,
	};
	struct rcx_case *one;
	char name[64];

	memset(result, 0, offsetof(struct rcx_result, total));
	result->samples = 0;
	rcx_cell_run(&cell, overhead, result);
	snprintf(name, sizeof(name), "%s %s", mode->name, rcx_op_names[op]);
	rcx_expect_true(h, name,
			result->status == RCX_OK || (*skips && result->status == RCX_SKIP));
	*skips = result->status == RCX_SKIP;
	if (!result->reason[0])
		return;
	one = &h->cases->list[h->cases->count - 1];
	snprintf(one->got, sizeof(one->got), "%.90s", result->reason);
}

/* @skips has an entry for each mode and operation, see validate_operation(). */
static void validate_all(struct rcx_hostile *h, const char *when,
			 const struct rcx_overhead *overhead, struct rcx_result *result,
			 bool (*skips)[RCX_OPS])
{
	rcx_topic(h, "%s", when);
	for (const struct rcx_mode *mode = h->channel->modes; mode->name; mode++, skips++)
		for (int op = 0; op < RCX_OPS; op++)
			if (mode->operations[op].run)
				validate_operation(h, mode, (enum rcx_op)op, overhead, result,
						   &(*skips)[op]);
}

/* The entries for the first pass: a kernel may lack any mode. */
static bool (*any_may_skip(const struct rcx_channel *channel)) [RCX_OPS] {
	bool (*skips)[RCX_OPS];
	size_t count = 0;

	while (channel->modes[count].name)
		count++;
	skips = malloc((count + 1) * sizeof(*skips));
	if (skips)
		memset(skips, true, count * sizeof(*skips));
	return skips;
}

/* ---- the run ------------------------------------------------------------ */

struct job {
	const struct rcx_hostile_entry *entry;
	struct rcx_hostile *h;
};

static void try_all(void *arg)
{
	const struct job *job = arg;

	rcx_unpin(); /* threads race only where they can run at the same time */
	if (!rcx_expect_true(job->h, "get memory", rcx_hostile_memory(job->h)))
		return;
	job->entry->run(job->h);
}

static void try_unload(struct rcx_hostile *h, const char *module)
{
	int err = rcx_module_unload(module);
	char name[64];

	snprintf(name, sizeof(name), "unload %s", module);
	rcx_expect_value(h, name, err, 0);
}

/* Set @reason if something failed.  The reason why the run ended early has precedence. */
static void summarize(const struct rcx_cases *cases, const char *end_reason, char *reason,
		      size_t len)
{
	const struct rcx_case *first = NULL;
	uint32_t failed = 0;

	for (uint32_t i = 0; i < cases->count; i++) {
		if (cases->list[i].ok)
			continue;
		first = first ? first : &cases->list[i];
		failed++;
	}
	if (end_reason[0])
		snprintf(reason, len, "%s", end_reason);
	else if (failed)
		snprintf(reason, len, "%u of %u cases failed, first \"%s\": %s", failed,
			 cases->count, first->name, first->got);
}

static json_object *list_cases(const struct rcx_cases *cases)
{
	json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < cases->count; i++) {
		const struct rcx_case *one = &cases->list[i];
		json_object *out = json_object_new_object();

		json_object_object_add(out, "name", json_object_new_string(one->name));
		json_object_object_add(out, "ok", json_object_new_boolean(one->ok));
		json_object_object_add(out, "got", json_object_new_string(one->got));
		json_object_object_add(out, "want", json_object_new_string(one->want));
		json_object_array_add(list, out);
	}
	return list;
}

json_object *rcx_hostile_run(const struct rcx_hostile_entry *entry, uint32_t deadline_ms,
			     const struct rcx_overhead *overhead, struct rcx_result *result,
			     char *reason, size_t len)
{
	struct rcx_hostile h = { .channel = rcx_find_channel(entry->channel), .core = -1 };
	struct job job = { entry, &h };
	char end_reason[256] = "", why[128];
	bool (*skips)[RCX_OPS] = h.channel ? any_may_skip(h.channel) : NULL;
	json_object *list;
	long before;

	h.cases = mmap(NULL, sizeof(*h.cases), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (!skips || h.cases == MAP_FAILED) {
		snprintf(reason, len, "cannot get memory for cases");
		free(skips);
		return json_object_new_array();
	}
	validate_all(&h, "before", overhead, result, skips);
	before = memory_held();
	h.topic[0] = '\0';
	if (!rcx_in_child(try_all, &job, deadline_ms, why, sizeof(why)))
		snprintf(end_reason, sizeof(end_reason), "%s, after the case \"%s\"", why,
			 h.cases->list[h.cases->count - 1].name);
	try_leftovers(&h, before);
	validate_all(&h, "afterwards", overhead, result, skips);
	try_unload(&h, h.channel->module);
	if (strcmp(entry->name, entry->channel))
		try_unload(&h, "ringcross_core");
	summarize(h.cases, end_reason, reason, len);
	list = list_cases(h.cases);
	munmap(h.cases, sizeof(*h.cases));
	free(skips);
	return list;
}
