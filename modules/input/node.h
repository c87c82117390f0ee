/* SPDX-License-Identifier: GPL-2.0-only */
/* Find the node of the device: only its name in sysfs identifies its eventN. */
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

/* Write the node's path to @path: 0, or -1 and errno. */
static inline int rcx_input_node(char *path, size_t len)
{
	static const char pattern[] = "/sys/class/input/event*/device/name";
	static const size_t prefix_len = sizeof("/sys/class/input/") - 1;
	int err = -1;
	glob_t paths;

	if (glob(pattern, 0, NULL, &paths)) {
		errno = ENODEV;
		return -1;
	}
	for (size_t i = 0; i < paths.gl_pathc && err; i++) {
		const char *event = paths.gl_pathv[i] + prefix_len;

		if (!rcx_input_is_ours(paths.gl_pathv[i]))
			continue;
		snprintf(path, len, "/dev/input/%.*s", (int)strcspn(event, "/"), event);
		err = 0;
	}
	globfree(&paths);
	errno = ENODEV;
	return err;
}

#endif
