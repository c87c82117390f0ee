// SPDX-License-Identifier: GPL-2.0-only
#include "hostile.h"
#include "abi.h"

#define PATH(name)	"/proc/" RC_PROCFS_DIR "/" name

static void procfs_hostile(struct rc_hostile *h)
{
	rc_try_message_file(h, PATH(RC_PROCFS_MESSAGE), false);
	rc_try_message_file(h, PATH(RC_PROCFS_SHARED), true);
	rc_try_transaction_file(h, PATH(RC_PROCFS_TRANSACTION));
	rc_try_events_file(h, PATH(RC_PROCFS_EVENTS), "pread");
}
RC_HOSTILE(procfs, procfs_hostile);
