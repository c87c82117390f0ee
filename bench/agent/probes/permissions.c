// SPDX-License-Identifier: GPL-2.0-only
/* Who can use a mode: any user, or a user with certain capabilities, or only uid 0. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "probe.h"

#define NOBODY 65534

static const char *const capability_names[] = {
	[CAP_CHOWN] = "CAP_CHOWN",
	[CAP_DAC_OVERRIDE] = "CAP_DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "CAP_DAC_READ_SEARCH",
	[CAP_FOWNER] = "CAP_FOWNER",
	[CAP_FSETID] = "CAP_FSETID",
	[CAP_KILL] = "CAP_KILL",
	[CAP_SETGID] = "CAP_SETGID",
	[CAP_SETUID] = "CAP_SETUID",
	[CAP_SETPCAP] = "CAP_SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "CAP_LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "CAP_NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "CAP_NET_BROADCAST",
	[CAP_NET_ADMIN] = "CAP_NET_ADMIN",
	[CAP_NET_RAW] = "CAP_NET_RAW",
	[CAP_IPC_LOCK] = "CAP_IPC_LOCK",
	[CAP_IPC_OWNER] = "CAP_IPC_OWNER",
	[CAP_SYS_MODULE] = "CAP_SYS_MODULE",
	[CAP_SYS_RAWIO] = "CAP_SYS_RAWIO",
	[CAP_SYS_CHROOT] = "CAP_SYS_CHROOT",
	[CAP_SYS_PTRACE] = "CAP_SYS_PTRACE",
	[CAP_SYS_PACCT] = "CAP_SYS_PACCT",
	[CAP_SYS_ADMIN] = "CAP_SYS_ADMIN",
	[CAP_SYS_BOOT] = "CAP_SYS_BOOT",
	[CAP_SYS_NICE] = "CAP_SYS_NICE",
	[CAP_SYS_RESOURCE] = "CAP_SYS_RESOURCE",
	[CAP_SYS_TIME] = "CAP_SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "CAP_SYS_TTY_CONFIG",
	[CAP_MKNOD] = "CAP_MKNOD",
	[CAP_LEASE] = "CAP_LEASE",
	[CAP_AUDIT_WRITE] = "CAP_AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "CAP_AUDIT_CONTROL",
	[CAP_SETFCAP] = "CAP_SETFCAP",
	[CAP_MAC_OVERRIDE] = "CAP_MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "CAP_MAC_ADMIN",
	[CAP_SYSLOG] = "CAP_SYSLOG",
	[CAP_WAKE_ALARM] = "CAP_WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "CAP_BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "CAP_AUDIT_READ",
	[38] = "CAP_PERFMON", /* since 5.8 */
	[39] = "CAP_BPF",
	[40] = "CAP_CHECKPOINT_RESTORE", /* since 5.9 */
};
#define CAPABILITIES	 (int)(sizeof(capability_names) / sizeof(capability_names[0]))
#define ALL_CAPABILITIES ((1ull << CAPABILITIES) - 1)

/* Become the user nobody, with the capabilities in @arg and no others. */
static void become_nobody(void *arg)
{
	const uint64_t *keep = arg;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	/* Without it, access() would check for the root user, not for the capabilities. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY) || syscall(SYS_capget, &header, data))
		_exit(1);
	for (int i = 0; i < 2; i++) {
		/* Only capabilities that the process has can be kept. */
		data[i].permitted &= (uint32_t)(*keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data))
		_exit(1);
}

/* Do one operation as the user nobody with the capabilities @keep; 0 when it worked. */
static int try_as_nobody(struct rcx_session *s, uint64_t keep, struct rcx_report *report)
{
	struct rcx_counts counts = { 0 };
	struct rcx_process process;
	uint32_t unused;
	int err;

	/* Each attempt starts with message 0 again. */
	if (s->endpoint && rcx_session_bind_again(s, s->size, &unused))
		return -1;
	err = rcx_process_start(&process, s, become_nobody, &keep, report);
	if (!err && s->op == RCX_STREAM)
		err = rcx_session_emit(s, 1, 1, 0);
	if (!err)
		err = rcx_process_do(&process, RCX_DO_RUN, 1, report, RCX_WAIT_MS) == 1 ?
			      report->err :
			      -1;
	rcx_process_kill(&process);
	if (!err && s->op == RCX_PUSH)
		err = rcx_session_counts(s, &counts) || !rcx_counts_pushed(s, &counts) ? -1 : 0;
	return err;
}

/* Remove those of the @count capabilities from @first on that the operation does not need. */
static void drop_unneeded(struct rcx_session *s, uint64_t *keep, int first, int count)
{
	uint64_t less = *keep & ~(((1ull << count) - 1) << first);
	struct rcx_report report;

	if (less == *keep)
		return;
	if (!try_as_nobody(s, less, &report)) {
		*keep = less;
	} else if (count > 1) {
		drop_unneeded(s, keep, first, count / 2);
		drop_unneeded(s, keep, first + count / 2, count - count / 2);
	}
}

static uint64_t needed(struct rcx_session *s)
{
	uint64_t keep = ALL_CAPABILITIES;

	/* The most powerful one is tried first, so that the narrowest sufficient ones remain. */
	drop_unneeded(s, &keep, CAP_SYS_ADMIN, 1);
	drop_unneeded(s, &keep, 0, CAPABILITIES);
	return keep;
}

static void names_of(uint64_t caps, char *text, size_t len)
{
	text[0] = '\0';
	for (int cap = 0; cap < CAPABILITIES; cap++)
		if (caps & (1ull << cap))
			rcx_append(text, len, "%s%s", text[0] ? " " : "", capability_names[cap]);
}

static void try_all(struct rcx_probing *probing, struct rcx_session *s)
{
	struct rcx_report refusal, report;
	char names[80];

	if (!try_as_nobody(s, 0, &refusal)) {
		rcx_find_text(probing, "permissions", "anybody",
			      "uid %d without any capability opened it and did one %s.", NOBODY,
			      rcx_op_names[s->op]);
		return;
	}
	if (try_as_nobody(s, ALL_CAPABILITIES, &report)) {
		rcx_find_text(probing, "permissions", "uid 0",
			      "uid %d was refused even with all capabilities: %s.", NOBODY,
			      report.error);
		return;
	}
	names_of(needed(s), names, sizeof(names));
	rcx_find_text(probing, "permissions", names,
		      "uid %d without capabilities: %s. With only %s it did one %s.", NOBODY,
		      refusal.error[0] ? refusal.error : "nothing arrived", names,
		      rcx_op_names[s->op]);
}

static void probe_permissions(struct rcx_probing *probing)
{
	static const enum rcx_op order[RCX_OPS] = { RCX_PUSH,	RCX_PULL,   RCX_CALL, RCX_NOTIFY,
						    RCX_STREAM, RCX_UPCALL, RCX_DUMP };
	enum rcx_op op = rcx_first_op(probing->mode, order);
	struct rcx_session s;
	struct rcx_cell cell;

	if (geteuid()) {
		rcx_find_nothing(probing, "permissions",
				 "Not tested: only root can change to another user.");
		return;
	}
	cell = rcx_probe_cell(probing, op, rcx_small_size(probing->mode, op));
	if (rcx_session_bind(&s, &cell, false))
		rcx_find_failure(probing, "permissions", "%s.", s.error);
	else
		try_all(probing, &s);
	rcx_session_close(&s);
}
RCX_PROBE("permissions", probe_permissions);
