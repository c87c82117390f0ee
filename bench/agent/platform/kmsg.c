// SPDX-License-Identifier: GPL-2.0-only
/* Read new lines of the kernel's log from /dev/kmsg, of priority warning or higher. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent.h"

#define KMSG_NOTICE 5 /* KERN_NOTICE: this and lower priorities are ignored */

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
	do {
		got = read(kmsg(), line, len - 1);
	} while (got < 0 && errno == EPIPE); /* overrun: continue with the oldest record */
	if (got < 0)
		return false;
	line[got] = '\0';
	return true;
}

void rcx_log_skip(void)
{
	if (kmsg() >= 0)
		lseek(kmsg(), 0, SEEK_END);
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
	return lines;
}
