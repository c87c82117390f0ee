/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RCX_CONFIGFS_OBJECT_H
#define RCX_CONFIGFS_OBJECT_H

#include <linux/configfs.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include "rcx_core.h"
#include "abi.h"

/**
 * struct object - what a mkdir() makes: the state of one session
 * @group: makes it a directory; its children are numbers
 * @closing: refuses new children; the subsystem's mutex protects it
 * @lock: covers all members below.  The mutex of an open file does not, because the same object
 *	may be open several times
 * @sequence: the next sequence numbers
 * @reply_len: bytes of @reply; 0 without a reply
 * @reply: the reply to the last request
 * @room: memory of @reply
 */
struct object {
	struct config_group group;
	bool closing;
	struct mutex lock;
	struct rcx_sequence sequence;
	size_t reply_len;
	union {
		struct rcx_msg reply;
		u8 room[RCX_CONFIGFS_STORE_MAX];
	};
};

static inline struct object *to_object(struct config_item *item)
{
	return container_of(to_config_group(item), struct object, group);
}

/* Make an object: for the subsystem's mkdir(). */
struct config_group *object_make(struct config_group *parent, const char *name);

/* The device that removes the object of a program that has ended. */
int claims_start(struct configfs_subsystem *subsystem);
void claims_stop(void);

#endif
