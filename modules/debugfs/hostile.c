// SPDX-License-Identifier: GPL-2.0-only
#include "hostile.h"
#include "abi.h"

#define PATH(name)   RCX_DEBUGFS_MOUNT "/" RCX_DEBUGFS_DIR "/" name
#define UNSAFE(name) PATH(RCX_DEBUGFS_UNSAFE "/" name)

static void debugfs_hostile(struct rcx_hostile *h)
{
	rcx_try_message_file(h, PATH(RCX_DEBUGFS_MESSAGE), false);
	rcx_try_transaction_file(h, PATH(RCX_DEBUGFS_TRANSACTION));
	rcx_try_events_file(h, PATH(RCX_DEBUGFS_EVENTS), "file");
	rcx_try_upcall_file(h, PATH(RCX_DEBUGFS_UPCALL), "file");
	rcx_try_table_file(h, PATH(RCX_DEBUGFS_TABLE), false);

	rcx_try_message_file(h, UNSAFE(RCX_DEBUGFS_MESSAGE), false);
	rcx_try_transaction_file(h, UNSAFE(RCX_DEBUGFS_TRANSACTION));
	rcx_try_events_file(h, UNSAFE(RCX_DEBUGFS_EVENTS), "unsafe");
	rcx_try_upcall_file(h, UNSAFE(RCX_DEBUGFS_UPCALL), "unsafe");
	rcx_try_table_file(h, UNSAFE(RCX_DEBUGFS_TABLE), false);
}
RCX_HOSTILE(debugfs, debugfs_hostile);
