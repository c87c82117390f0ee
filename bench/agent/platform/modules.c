// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load and unload kernel modules, and record which ones this run has loaded.  No other
 * module is ever unloaded.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "agent.h"

#define RECORD_MAX 64
#define RECORD_LEN 64 /* also in PROTOCOL.md and bench/targets/local.py */

/*
 * The modules that this run has loaded, in the order of their loads.  A slot is free if
 * its first byte is 0.  With --loaded FILE the record is a shared mapping of that file:
 * it outlives a killed agent, and the children that load and unload modules share it.
 */
static char unshared[RECORD_MAX][RECORD_LEN];
static char (*record)[RECORD_LEN] = unshared;
static char directory[256]; /* of the last rcx_module_load(), for rcx_module_reload() */

/* ---- the record -------------------------------------------------------- */

int rcx_module_record(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *shared = MAP_FAILED;
	int err = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(unshared));

	if (!err) {
		shared = mmap(NULL, sizeof(unshared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		err = shared == MAP_FAILED ? errno : 0;
	}
	if (fd >= 0)
		close(fd);
	if (err) {
		fprintf(stderr, "%s: %s\n", path, strerror(err));
		return -1;
	}
	record = shared;
	return 0;
}

static char *find_slot(const char *name)
{
	for (int i = 0; i < RECORD_MAX; i++)
		if (!strcmp(record[i], name))
			return record[i];
	return NULL;
}

/* The slot of @name: its present one, or a new one behind all used ones.  NULL without room. */
static char *take_slot(const char *name)
{
	char *slot = find_slot(name);
	int end = RECORD_MAX;

	if (slot)
		return slot;
	while (end > 0 && !record[end - 1][0])
		end--;
	if (end == RECORD_MAX || strlen(name) >= RECORD_LEN)
		return NULL;
	slot = record[end];
	/* The first byte is stored last, so that a reader never sees a part of the name. */
	memcpy(slot + 1, name + 1, strlen(name));
	__atomic_store_n(slot, name[0], __ATOMIC_RELEASE);
	return slot;
}

static void free_slot(char *slot)
{
	__atomic_store_n(slot, '\0', __ATOMIC_RELEASE);
}

/* ---- what the kernel has ------------------------------------------------ */

static bool exists(const char *name, const char *file)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/module/%s/%s", name, file);
	return !stat(path, &st);
}

bool rcx_module_loaded(const char *name)
{
	return exists(name, "");
}

/* The modules that use @name, each followed by a blank.  Names that do not fit are left out. */
static void list_holders(const char *name, char *out, size_t room)
{
	struct dirent *entry;
	size_t used = 0;
	char path[128];
	DIR *holders;

	out[0] = '\0';
	snprintf(path, sizeof(path), "/sys/module/%s/holders", name);
	holders = opendir(path);
	while (holders && (entry = readdir(holders))) {
		if (entry->d_name[0] == '.' || used + strlen(entry->d_name) + 2 > room)
			continue;
		used += (size_t)snprintf(out + used, room - used, "%s ", entry->d_name);
	}
	if (holders)
		closedir(holders);
}

void rcx_module_explain(const char *name, int err, char *reason, size_t len)
{
	char holders[96];

	if (err == -EKEYREJECTED || err == -ENOKEY) {
		snprintf(reason, len,
			 "cannot load %s: this kernel loads only modules that are signed with a "
			 "key it trusts",
			 name);
		return;
	}
	/* A kernel half whose name is already registered also fails with -EEXIST. */
	if (err != -EEXIST || !rcx_module_loaded(name)) {
		snprintf(reason, len, "cannot load %s: %s", name, strerror(-err));
	} else if (!exists(name, "initstate")) {
		snprintf(reason, len,
			 "a module named %s is built into this kernel: "
			 "boot another kernel",
			 name);
	} else {
		list_holders(name, holders, sizeof(holders));
		snprintf(reason, len,
			 "a module named %s is already loaded and this run did not "
			 "load it: unload it (rmmod %s%s), or reboot",
			 name, holders, name);
	}
}

/* ---- load and unload ---------------------------------------------------- */

/* As modprobe does, pass "name.key=value" of the kernel's command line on as "key=value". */
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
	char *slot;

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	boot_parameters(name, booted, sizeof(booted));
	/* Record the module before the load, since the agent may be killed in between.
	 * A recorded module that is not loaded does no harm.
	 */
	slot = take_slot(name);
	if (!slot)
		err = -ENOSPC;
	else if (syscall(SYS_finit_module, fd, parameters ? parameters : booted, 0))
		err = -errno;
	close(fd);
	if (err && slot)
		free_slot(slot);
	return err;
}

/* A module of the stock kernel may already be loaded.  Then it is not recorded. */
static int load_stock(const char *dir, const char *name)
{
	int err = rcx_module_loaded(name) ? 0 : load_file(dir, name, NULL);

	return err == -EEXIST && rcx_module_loaded(name) ? 0 : err;
}

/* Load the modules that @name needs, from its line in @dir/modules.dep: "name: first second". */
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
			err = load_stock(dir, word);
	}
	if (deps)
		fclose(deps);
	return err;
}

int rcx_module_need(const char *dir, const char *name)
{
	int err = rcx_module_loaded(name) ? 0 : load_needed(dir, name);

	return err ? err : load_stock(dir, name);
}

int rcx_module_load(const char *dir, const char *name)
{
	if (rcx_module_loaded(name))
		return rcx_module_is_ours(name) ? 0 : -EEXIST;
	snprintf(directory, sizeof(directory), "%s", dir);
	return load_file(dir, name, NULL);
}

bool rcx_module_is_ours(const char *name)
{
	return find_slot(name);
}

int rcx_module_unload(const char *name)
{
	char *slot = find_slot(name);
	int err;

	if (!slot)
		return -EPERM;
	err = syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
	if (!err || err == -ENOENT)
		free_slot(slot);
	return err;
}

int rcx_module_reload(const char *name, const char *parameters)
{
	int err = rcx_module_loaded(name) ? rcx_module_unload(name) : 0;

	return err ? err : load_file(directory, name, parameters);
}

void rcx_module_unload_all(void)
{
	/* In reverse order of the loads, since a later module may need an earlier one. */
	for (int i = RECORD_MAX - 1; i >= 0; i--)
		if (record[i][0])
			rcx_module_unload(record[i]);
}

void rcx_module_keep_all(void)
{
	for (int i = 0; i < RECORD_MAX; i++)
		free_slot(record[i]);
}
