// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is hostile to the kernel half, required for a channel that has one: all
 * that user space could do to it, and what must come of it.  The agent links
 * every modules/<folder>/hostile.c, and runs it on request, between proofs that
 * the channel works.  A student need not read it; a reviewer should.
 *
 * Prove the good path before the bad one, or a refusal proves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

/*
 * Anything that takes a whole message: below 0 with an errno, or success.  The
 * agent sends through it every wrong message there is.
 */
static long skeleton_send(void *arg, const struct rcx_msg *msg, size_t len)
{
	return write(*(int *)arg, msg, len);
}

/* Anything that takes an address: it gets every one that must be refused. */
static long skeleton_write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, RCX_HEADER);
}

static void try_push(struct rcx_hostile *h, bool validate)
{
	int fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);
	struct rcx_taker taker = {
		.send = skeleton_send,
		.arg = &fd,
		.body_max = RCX_SKELETON_MAX - RCX_HEADER,
		/* What the kernel half says to lengths it does not take. */
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EINVAL,
	};

	/* Only in the proof does the kernel look into bodies, so try both. */
	rcx_bind_topic(h, "push", 64, validate);
	rcx_expect(h, "open", fd, 0);
	rcx_try_messages(h, &taker, validate);
	rcx_try_scribbled(h, &taker, 64, 200);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, skeleton_write_at, &fd);
	close(fd);
}

static void skeleton_hostile(struct rcx_hostile *h)
{
	int fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);

	try_push(h, false);
	try_push(h, true);
	/* A read() that sleeps for events, as core/file.c has it: the cases are there. */
	rcx_try_events_file(h, RCX_SKELETON_DEVICE, "file");

	/* What the mechanism has not, it must refuse; commands that are known need a test. */
	rcx_topic(h, "device");
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	/* And by others it cannot be reached. */
	rcx_try_nobody_opens(h, RCX_SKELETON_DEVICE);
	close(fd);
}
RCX_HOSTILE(skeleton, skeleton_hostile);
