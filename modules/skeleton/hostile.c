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
static long skeleton_send(void *arg, const struct rc_msg *msg, size_t len)
{
	return write(*(int *)arg, msg, len);
}

/* Anything that takes an address: it gets every one that must be refused. */
static long skeleton_write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, RC_HEADER);
}

static void try_push(struct rc_hostile *h, bool proof)
{
	int fd = open(RC_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);
	struct rc_taker taker = {
		.send = skeleton_send,
		.arg = &fd,
		.body_max = RC_SKELETON_MAX - RC_HEADER,
		/* What the kernel half says to lengths it does not take. */
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EINVAL,
	};

	rc_topic(h, "push%s", proof ? " in proof" : "");
	rc_expect(h, "open", fd, 0);
	/* Only in the proof does the kernel look into bodies, so try both. */
	rc_core_bind(h, "", 64, proof);
	rc_try_messages(h, &taker, proof);
	rc_try_scribbled(h, &taker, 64, 200);
	rc_try_addresses(h, "write", RC_KERNEL_READS, skeleton_write_at, &fd);
	close(fd);
}

static void skeleton_hostile(struct rc_hostile *h)
{
	int fd = open(RC_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);

	try_push(h, false);
	try_push(h, true);
	/* A read() that sleeps for events, as core/file.c has it: the cases are there. */
	rc_try_events_file(h, RC_SKELETON_DEVICE, "file");

	/* What the mechanism has not, it must refuse; commands that are known need a test. */
	rc_topic(h, "device");
	rc_try_commands(h, fd, NULL);
	rc_try_no_seek(h, fd);
	rc_try_no_map(h, fd);
	/* And by others it cannot be reached. */
	rc_try_nobody_opens(h, RC_SKELETON_DEVICE);
	close(fd);
}
RC_HOSTILE(skeleton, skeleton_hostile);
