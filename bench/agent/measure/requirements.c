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

int rcx_check_requirements(struct rcx_session *s)
{
	const struct rcx_mode *mode = s->mode;

	if (mode->since > running_kernel())
		return rcx_skip(s, "This mode needs Linux %u.%u or later.", mode->since >> 8,
				mode->since & 0xff);
	if (mode->two_cpus_reason && sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return rcx_skip(s, "%s", mode->two_cpus_reason);
	return 0;
}
