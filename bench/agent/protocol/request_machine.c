// SPDX-License-Identifier: GPL-2.0-only
/* Requests about the machine: setup, read and floors (the cost of a plain copy). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "request.h"

#define FILE_MAX 65536 /* bytes of a file that is read for the harness */
#define SETTLE	 3     /* seconds; under icount they pass at once */

void rcx_hello(void)
{
	json_object *answer = rcx_answer_new("hello");
	struct utsname name;

	uname(&name);
	json_object_object_add(answer, "protocol", json_object_new_int(RCX_PROTOCOL));
	rcx_add_text(answer, "kernel", name.release);
	rcx_add_text(answer, "machine", name.machine);
	rcx_answer(answer);
}

/* Real time is measured on one CPU; the children of the agent inherit it. */
static void go_home(void)
{
	struct rcx_cpu_pair pair;

	if (rcx_serving.clock != RCX_CLOCK_TIME)
		rcx_unpin();
	else if (rcx_find_cpus(RCX_SAME_CPU, &pair))
		rcx_pin(pair.user);
}

/* The events to count.  @reason says why there are none, under the time clock. */
static enum rcx_hw_kind choose_events(json_object *request, char *reason, size_t len)
{
	struct rcx_hw_counters counters;
	enum rcx_hw_kind kind = strcmp(rcx_get_text(request, "events"), "software") ?
					RCX_HW_HARDWARE :
					RCX_HW_SOFTWARE;

	if (rcx_serving.clock != RCX_CLOCK_TIME)
		return RCX_HW_NONE;
	if (!rcx_hw_begin(&counters, kind, 0, reason, len))
		return RCX_HW_NONE;
	return rcx_hw_end(&counters) ? kind : RCX_HW_NONE;
}

void rcx_do_setup(json_object *request)
{
	static const char *const names[] = {
		[RCX_CLOCK_TIME] = "time",
		[RCX_CLOCK_INSTRUCTIONS] = "instructions",
	};
	int kind = rcx_find_name(names, 2, rcx_get_text(request, "clock"));
	char reason[256] = "";
	json_object *answer;

	if (kind < 0) {
		rcx_answer_error("\"clock\" must be \"time\" or \"instructions\"");
		return;
	}
	/* In the first one or two seconds after the boot, each switch between tasks costs
	 * about 50 instructions more.
	 */
	if (getpid() == 1 && !rcx_serving.is_set_up)
		sleep(SETTLE);
	rcx_serving.clock = (uint32_t)kind;
	go_home();
	rcx_calibrate(rcx_serving.clock, &rcx_serving.overhead);
	rcx_serving.events = choose_events(request, reason, sizeof(reason));
	rcx_serving.is_set_up = true;
	answer = rcx_answer_new("setup");
	rcx_add_text(answer, "clock", names[kind]);
	rcx_add_double(answer, "read", rcx_serving.overhead.read);
	rcx_add_double(answer, "loop", rcx_serving.overhead.loop);
	json_object_object_add(answer, "min_round",
			       !rcx_serving.overhead.scales ?
				       NULL :
				       json_object_new_uint64(rcx_serving.overhead.min_round));
	json_object_object_add(answer, "events",
			       json_object_new_boolean(rcx_serving.events != RCX_HW_NONE));
	rcx_add_text(answer, "no_events", reason);
	rcx_answer(answer);
}

/* The text of the file, or NULL when it cannot be read, or a read would block. */
static json_object *file_text(const char *path)
{
	static char content[FILE_MAX];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t got = -1;

	if (fd < 0)
		return NULL;
	while (len < sizeof(content) && (got = read(fd, content + len, sizeof(content) - len)) > 0)
		len += (size_t)got;
	close(fd);
	return got < 0 && !len ? NULL : json_object_new_string_len(content, (int)len);
}

/* The array @key, when @is is true for each of its elements.  Else NULL, after the error @must
 * was answered.
 */
static json_object *array(json_object *request, const char *key, bool (*is)(json_object *),
			  const char *must)
{
	json_object *values;
	bool good = json_object_object_get_ex(request, key, &values) &&
		    json_object_is_type(values, json_type_array);

	for (size_t i = 0; good && i < json_object_array_length(values); i++)
		good = is(json_object_array_get_idx(values, i));
	if (good)
		return values;
	rcx_answer_error(must);
	return NULL;
}

static bool is_path(json_object *value)
{
	return json_object_is_type(value, json_type_string);
}

void rcx_do_read(json_object *request)
{
	json_object *paths = array(request, "paths", is_path,
				   "\"paths\" must be a list of strings");
	json_object *answer, *files;

	if (!paths)
		return;
	answer = rcx_answer_new("read");
	files = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(paths); i++) {
		const char *path = json_object_get_string(json_object_array_get_idx(paths, i));

		json_object_object_add(files, path, file_text(path));
	}
	json_object_object_add(answer, "files", files);
	rcx_answer(answer);
}

static bool is_size(json_object *value)
{
	return rcx_is_integer(value, 0, RCX_BODY_MAX);
}

void rcx_do_floors(json_object *request)
{
	json_object *sizes = array(request, "sizes", is_size,
				   "\"sizes\" must be a list of integers from 0 to 1048576");
	json_object *answer, *copy;

	if (!sizes)
		return;
	if (!rcx_serving.is_set_up) {
		rcx_answer_error(RCX_NO_SETUP);
		return;
	}
	answer = rcx_answer_new("floors");
	copy = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(sizes); i++) {
		int64_t size = json_object_get_int64(json_object_array_get_idx(sizes, i));
		char key[24];

		snprintf(key, sizeof(key), "%lld", (long long)size);
		rcx_add_double(copy, key, rcx_copy_cost(rcx_serving.clock, (uint32_t)size));
	}
	json_object_object_add(answer, "copy", copy);
	rcx_answer(answer);
}
