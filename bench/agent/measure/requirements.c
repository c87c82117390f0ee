// SPDX-License-Identifier: GPL-2.0-only
/* What a mode declares to need of the machine: a kernel that is new enough, and CPUs. */
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "agent.h"

/* The running kernel as RCX_KERNEL(). */
static uint32_t running_kernel(void)
{
	struct utsname name;
	unsigned int major, minor;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return RCX_KERNEL(major, minor);
}

bool rcx_mode_fits(const struct rcx_mode *mode, char *reason, size_t len)
{
	if (mode->since > running_kernel())
		snprintf(reason, len, "This mode needs Linux %u.%u or later.", mode->since >> 8,
			 mode->since & 0xff);
	else if (mode->two_cpus_reason && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		snprintf(reason, len, "%s", mode->two_cpus_reason);
	else
		return true;
	return false;
}
