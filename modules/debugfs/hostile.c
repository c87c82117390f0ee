// SPDX-License-Identifier: GPL-2.0-only
#include "hostile.h"
#include "abi.h"

#define PATH(name)	RC_DEBUGFS_MOUNT "/" RC_DEBUGFS_DIR "/" name
#define UNSAFE(name)	PATH(RC_DEBUGFS_UNSAFE "/" name)

static void debugfs_hostile(struct rc_hostile *h)
{
	rc_try_message_file(h, PATH(RC_DEBUGFS_MESSAGE), false);
	rc_try_transaction_file(h, PATH(RC_DEBUGFS_TRANSACTION));
	rc_try_events_file(h, PATH(RC_DEBUGFS_EVENTS), "file");

	rc_try_message_file(h, UNSAFE(RC_DEBUGFS_MESSAGE), false);
	rc_try_transaction_file(h, UNSAFE(RC_DEBUGFS_TRANSACTION));
	rc_try_events_file(h, UNSAFE(RC_DEBUGFS_EVENTS), "unsafe");
}
RC_HOSTILE(debugfs, debugfs_hostile);
