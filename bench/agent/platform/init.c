// SPDX-License-Identifier: GPL-2.0-only
/* As process 1: mount file systems and restart the machine. */
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent.h"

static const struct {
	const char *type, *where;
} mounts[] = {
	{ "devtmpfs", "/dev" },
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "tmpfs", "/tmp" },
	{ "debugfs", "/sys/kernel/debug" },
	{ "tracefs", "/sys/kernel/tracing" },
};

void rcx_machine_prepare(void)
{
	/* A failed mount is reported later, by the channel that needs it. */
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		(void)!mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL);
	}
}

void rcx_machine_restart(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	_exit(0);
}
