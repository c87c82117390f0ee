// SPDX-License-Identifier: GPL-2.0-only
/* Load and unload kernel modules, and remember which ones were ours to load. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"

#define LOADED_MAX 64
#define NAME_MAX_LEN 64

static char loaded[LOADED_MAX][NAME_MAX_LEN];
static int loaded_count;
static char directory[256];	/* that the last one was loaded from */

bool rcx_module_loaded(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !stat(path, &st);
}

/* As modprobe does: "name.key=value" on the kernel's command line is "key=value". */
static void boot_parameters(const char *name, char *out, size_t room)
{
	char line[4096];
	FILE *file = fopen("/proc/cmdline", "re");
	char *save, *word = NULL;
	size_t len = strlen(name), used = 0;

	out[0] = '\0';
	if (file && fgets(line, sizeof(line), file))
		word = strtok_r(line, " \n", &save);
	for (; word; word = strtok_r(NULL, " \n", &save))
		if (!strncmp(word, name, len) && word[len] == '.' &&
		    used + strlen(word + len) < room)
			used += (size_t)sprintf(out + used, "%s ", word + len + 1);
	if (file)
		fclose(file);
}

static int load_file(const char *dir, const char *name, const char *parameters)
{
	char path[512], booted[1024];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	boot_parameters(name, booted, sizeof(booted));
	if (syscall(SYS_finit_module, fd, parameters ? parameters : booted, 0))
		err = -errno;
	close(fd);
	if (err == -EEXIST)
		return 0;
	if (!err && loaded_count < LOADED_MAX)
		snprintf(loaded[loaded_count++], NAME_MAX_LEN, "%s", name);
	return err;
}

/* Load what @dir/modules.dep says @name needs: "name: first second". */
static int load_needed(const char *dir, const char *name)
{
	char path[512], line[1024];
	FILE *deps;
	int err = 0;

	snprintf(path, sizeof(path), "%s/modules.dep", dir);
	deps = fopen(path, "re");
	while (deps && !err && fgets(line, sizeof(line), deps)) {
		char *save, *word = strtok_r(line, ": \n", &save);

		if (!word || strcmp(word, name))
			continue;
		while (!err && (word = strtok_r(NULL, ": \n", &save)))
			err = load_file(dir, word, NULL);
	}
	if (deps)
		fclose(deps);
	return err;
}

int rcx_module_load(const char *dir, const char *name)
{
	int err;

	if (rcx_module_loaded(name))
		return 0;
	snprintf(directory, sizeof(directory), "%s", dir);
	err = load_needed(dir, name);
	return err ? err : load_file(dir, name, NULL);
}

static void forget(const char *name)
{
	for (int i = 0; i < loaded_count; i++) {
		if (strcmp(loaded[i], name))
			continue;
		memmove(loaded[i], loaded[i + 1],
			(size_t)(loaded_count - i - 1) * NAME_MAX_LEN);
		loaded_count--;
		return;
	}
}

int rcx_module_unload(const char *name)
{
	if (syscall(SYS_delete_module, name, O_NONBLOCK))
		return -errno;
	forget(name);
	return 0;
}

int rcx_module_reload(const char *name, const char *parameters)
{
	int err = rcx_module_loaded(name) ? rcx_module_unload(name) : 0;

	return err ? err : load_file(directory, name, parameters);
}

void rcx_module_unload_all(void)
{
	/* The last loaded first: what came early is needed by what came late. */
	for (int i = loaded_count - 1; i >= 0; i--)
		syscall(SYS_delete_module, loaded[i], O_NONBLOCK);
	loaded_count = 0;
}
