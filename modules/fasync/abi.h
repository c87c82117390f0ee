/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef RCX_FASYNC_ABI_H
#define RCX_FASYNC_ABI_H

/* A read returns the oldest event.  With O_ASYNC, each event sends a signal to the file's owner. */
#define RCX_FASYNC_DEVICE "/dev/ringcross/fasync"

#endif
