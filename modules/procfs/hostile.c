// SPDX-License-Identifier: GPL-2.0-only
#include "hostile.h"
#include "abi.h"

#define PATH(name) "/proc/" RCX_PROCFS_DIR "/" name

static void procfs_hostile(struct rcx_hostile *h)
{
	rcx_try_message_file(h, PATH(RCX_PROCFS_MESSAGE), false);
	rcx_try_message_file(h, PATH(RCX_PROCFS_SHARED), true);
	rcx_try_transaction_file(h, PATH(RCX_PROCFS_TRANSACTION));
	rcx_try_events_file(h, PATH(RCX_PROCFS_EVENTS), "pread");
	rcx_try_upcall_file(h, PATH(RCX_PROCFS_UPCALL), "pread");
	rcx_try_table_file(h, PATH(RCX_PROCFS_TABLE), false);
}
RCX_HOSTILE(procfs, procfs_hostile);
