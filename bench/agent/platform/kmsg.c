// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read new lines of the kernel's log from /dev/kmsg, of priority warning or higher.
 *
 * The log is a ring: a flood of records, such as those of channel kmsg, overwrites others before
 * they are read.  A warning must not disappear in that way.  So after an overrun the taint flags,
 * which the kernel sets with each warning, oops or lockup, replace the lost line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

#define KMSG_NOTICE 5 /* KERN_NOTICE: this and lower priorities are ignored */

#define TAINTED "/proc/sys/kernel/tainted"
/* Machine check, bad page, oops, warning, soft lockup. */
#define TAINTS (1ul << 4 | 1ul << 5 | 1ul << 7 | 1ul << 9 | 1ul << 14)

static bool overrun;
static unsigned long tainted_before;

static unsigned long tainted(void)
{
	FILE *file = fopen(TAINTED, "re");
	unsigned long flags = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &flags) != 1)
		flags = 0;
	fclose(file);
	return flags & TAINTS;
}

/* The log, or -1 when it cannot be read; then no lines are reported. */
static int kmsg(void)
{
	static int fd = -2;

	if (fd == -2)
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd;
}

/* Read one record to @line, NUL-terminated.  False when there is none. */
static bool next_record(char *line, size_t len)
{
	ssize_t got;

	if (kmsg() < 0)
		return false;
	while ((got = read(kmsg(), line, len - 1)) < 0 && errno == EPIPE)
		overrun = true; /* continue with the oldest record */
	if (got < 0)
		return false;
	line[got] = '\0';
	return true;
}

void rcx_log_skip(void)
{
	if (kmsg() >= 0)
		lseek(kmsg(), 0, SEEK_END);
	overrun = false;
	tainted_before = tainted();
}

/* A line for warnings that were overwritten before they were read, if there were any. */
static void add_lost(json_object *lines)
{
	unsigned long flags = overrun ? tainted() & ~tainted_before : 0;
	char line[128];

	if (!flags)
		return;
	snprintf(line, sizeof(line),
		 "WARNING: lost with overwritten records of the log; taint flags %lu are new",
		 flags);
	json_object_array_add(lines, json_object_new_string(line));
}

json_object *rcx_log_lines(void)
{
	json_object *lines = json_object_new_array();
	char line[8192];

	/* priority,sequence,microseconds,flags;text\n dictionary */
	while (next_record(line, sizeof(line))) {
		char *text = strchr(line, ';');
		long priority = strtol(line, NULL, 10) & 7;

		if (!text || priority >= KMSG_NOTICE)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		json_object_array_add(lines, json_object_new_string(text));
	}
	add_lost(lines);
	return lines;
}
