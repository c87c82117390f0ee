/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the device is: nothing but its name in sysfs tells which eventN it has. */
#ifndef RCX_INPUT_NODE_H
#define RCX_INPUT_NODE_H

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include "abi.h"

static inline int rcx_input_is_ours(const char *name_file)
{
	char name[64] = "";
	FILE *file = fopen(name_file, "re");
	int ours = file && fgets(name, sizeof(name), file) && !strcmp(name, RCX_INPUT_NAME "\n");

	if (file)
		fclose(file);
	return ours;
}

/* 0 with the node's path in @path, or -1 with errno. */
static inline int rcx_input_node(char *path, size_t len)
{
	static const char pattern[] = "/sys/class/input/event*/device/name";
	static const size_t before = sizeof("/sys/class/input/") - 1;
	int err = -1;
	glob_t found;

	if (glob(pattern, 0, NULL, &found)) {
		errno = ENODEV;
		return -1;
	}
	for (size_t i = 0; i < found.gl_pathc && err; i++) {
		const char *event = found.gl_pathv[i] + before;

		if (!rcx_input_is_ours(found.gl_pathv[i]))
			continue;
		snprintf(path, len, "/dev/input/%.*s", (int)strcspn(event, "/"), event);
		err = 0;
	}
	globfree(&found);
	errno = ENODEV;
	return err;
}

#endif
