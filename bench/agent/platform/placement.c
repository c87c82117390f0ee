// SPDX-License-Identifier: GPL-2.0-only
/*
 * Select CPUs for the two ends of a conversation, from the topology that the kernel reports.
 *
 * The CPUs are tried in this order: first isolated ones, on which nothing else runs, then the
 * others by number, and CPU 0 last, because it handles most interrupts and the timekeeping.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "placement.h"

#define SYSTEM_CPU "/sys/devices/system/cpu"

const char *const rcx_placement_names[RCX_PLACEMENTS] = {
	"same-cpu", "smt-sibling", "same-llc", "same-socket", "cross-socket",
};

/* Completes "No two CPUs that the agent may use are ...". */
static const char *const relations[RCX_PLACEMENTS] = {
	[RCX_SMT_SIBLING] = "threads of one core",
	[RCX_SAME_LLC] = "on two cores that share a last-level cache",
	[RCX_SAME_SOCKET] = "on two cores of one socket that share no last-level cache",
	[RCX_CROSS_SOCKET] = "in two sockets",
};

/**
 * struct cpu - one CPU that the agent may use
 * @number: as the kernel counts
 * @socket: number of its package
 * @siblings: the threads of its core
 * @cache: the CPUs that share its last-level cache; empty when the kernel does not report it
 */
struct cpu {
	int number;
	int socket;
	cpu_set_t siblings;
	cpu_set_t cache;
};

/* In the order in which they are tried.  @allowed is where the agent could run at its start. */
static struct {
	bool known;
	cpu_set_t allowed;
	uint32_t count;
	struct cpu cpu[CPU_SETSIZE];
} machine;

/* ---- what the kernel reports -------------------------------------------- */

/* The first line of a file below SYSTEM_CPU; "" when it cannot be read. */
static void read_line(char *line, size_t len, const char *path)
{
	char whole[300];
	FILE *file;

	snprintf(whole, sizeof(whole), SYSTEM_CPU "/%s", path);
	file = fopen(whole, "re");
	if (!file || !fgets(line, (int)len, file))
		line[0] = '\0';
	if (file)
		fclose(file);
}

/* A list such as "0-3,8". */
static void parse_cpus(const char *list, cpu_set_t *cpus)
{
	char *end;

	CPU_ZERO(cpus);
	for (;; list = end + 1) {
		long first = strtol(list, &end, 10), last = first;

		if (end == list)
			return;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		for (long cpu = first; cpu >= 0 && cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET((int)cpu, cpus);
		if (*end != ',')
			return;
	}
}

static void read_cpus(const char *path, cpu_set_t *cpus)
{
	char line[4096];

	read_line(line, sizeof(line), path);
	parse_cpus(line, cpus);
}

/* The CPUs that share the cache of the highest level with @cpu. */
static void read_last_level(struct cpu *cpu)
{
	int highest = 0;

	CPU_ZERO(&cpu->cache);
	for (int index = 0;; index++) {
		char path[100], line[32];
		int level;

		snprintf(path, sizeof(path), "cpu%d/cache/index%d/level", cpu->number, index);
		read_line(line, sizeof(line), path);
		if (sscanf(line, "%d", &level) != 1)
			return;
		if (level <= highest)
			continue;
		highest = level;
		snprintf(path, sizeof(path), "cpu%d/cache/index%d/shared_cpu_list", cpu->number,
			 index);
		read_cpus(path, &cpu->cache);
	}
}

static void add_cpu(int number)
{
	struct cpu *cpu = &machine.cpu[machine.count++];
	char path[100], line[32];

	*cpu = (struct cpu){ .number = number };
	snprintf(path, sizeof(path), "cpu%d/topology/physical_package_id", number);
	read_line(line, sizeof(line), path);
	cpu->socket = atoi(line);
	snprintf(path, sizeof(path), "cpu%d/topology/thread_siblings_list", number);
	read_cpus(path, &cpu->siblings);
	read_last_level(cpu);
}

/* Isolated CPUs are not among those on which a process may run at its start. */
static bool may_run_on(int cpu)
{
	return CPU_ISSET(cpu, &machine.allowed) || !rcx_pin(cpu);
}

static void know_machine(void)
{
	cpu_set_t isolated;

	if (machine.known)
		return;
	machine.known = true;
	if (sched_getaffinity(0, sizeof(machine.allowed), &machine.allowed))
		CPU_ZERO(&machine.allowed);
	read_cpus("isolated", &isolated);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &isolated) && may_run_on(cpu))
			add_cpu(cpu);
	rcx_unpin();
	for (int i = 1; i <= CPU_SETSIZE; i++) {
		int cpu = i % CPU_SETSIZE;

		if (CPU_ISSET(cpu, &machine.allowed) && !CPU_ISSET(cpu, &isolated))
			add_cpu(cpu);
	}
}

/* ---- placements ---------------------------------------------------------- */

static enum rcx_placement relation(const struct cpu *a, const struct cpu *b)
{
	if (a == b)
		return RCX_SAME_CPU;
	if (CPU_ISSET(b->number, &a->siblings))
		return RCX_SMT_SIBLING;
	if (a->socket != b->socket)
		return RCX_CROSS_SOCKET;
	return CPU_ISSET(b->number, &a->cache) ? RCX_SAME_LLC : RCX_SAME_SOCKET;
}

bool rcx_find_cpus(enum rcx_placement placement, struct rcx_cpu_pair *pair)
{
	know_machine();
	for (uint32_t i = 0; i < machine.count; i++) {
		for (uint32_t j = 0; j < machine.count; j++) {
			if (relation(&machine.cpu[i], &machine.cpu[j]) != placement)
				continue;
			*pair = (struct rcx_cpu_pair){ machine.cpu[i].number,
						       machine.cpu[j].number };
			return true;
		}
	}
	return false;
}

void rcx_explain_placement(enum rcx_placement placement, char *reason, size_t len)
{
	know_machine();
	if (machine.count == 1)
		snprintf(reason, len, "There is only one CPU, so both ends run on it.");
	else
		snprintf(reason, len, "No two of the %u CPUs that the agent may use are %s.",
			 machine.count, relations[placement]);
}

int rcx_thread_cpu(uint32_t number)
{
	know_machine();
	return machine.count ? machine.cpu[number % machine.count].number : -1;
}

uint32_t rcx_cpu_count(void)
{
	know_machine();
	return machine.count ? machine.count : 1;
}

/* ---- pinning ------------------------------------------------------------- */

int rcx_pin(int cpu)
{
	cpu_set_t one;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return sched_setaffinity(0, sizeof(one), &one) ? -errno : 0;
}

void rcx_unpin(void)
{
	if (machine.known && CPU_COUNT(&machine.allowed))
		sched_setaffinity(0, sizeof(machine.allowed), &machine.allowed);
}

int rcx_pinned_cpu(void)
{
	cpu_set_t now;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(now), &now) || CPU_COUNT(&now) != 1)
		return -1;
	while (!CPU_ISSET(cpu, &now))
		cpu++;
	return cpu;
}

/* ---- the listing --------------------------------------------------------- */

json_object *rcx_list_placements(void)
{
	json_object *out = json_object_new_object(), *found = json_object_new_object();
	struct rcx_cpu_pair pair;

	for (int i = 0; i < RCX_PLACEMENTS; i++) {
		json_object *cpus;

		if (!rcx_find_cpus((enum rcx_placement)i, &pair))
			continue;
		cpus = json_object_new_array();
		json_object_array_add(cpus, json_object_new_int(pair.user));
		json_object_array_add(cpus, json_object_new_int(pair.other));
		json_object_object_add(found, rcx_placement_names[i], cpus);
	}
	json_object_object_add(out, "placements", found);
	return out;
}
