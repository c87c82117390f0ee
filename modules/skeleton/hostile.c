// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile cases: required for a channel with a kernel half.  They do everything that
 * user space could do to the kernel half, and check the outcome.  The agent links
 * every modules/<folder>/hostile.c and runs it on request.  Before and after, it checks
 * that the channel works.  Students can skip this file; reviewers should read it.
 *
 * Test the good path before the bad one; otherwise a refusal shows nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

/*
 * A function that sends a whole message; it returns a negative value and sets errno on
 * failure.  rcx_try_messages() uses it to send invalid messages of every kind.
 */
static long skeleton_send(void *arg, const struct rcx_msg *msg, size_t len)
{
	return write(*(int *)arg, msg, len);
}

/* A function that takes an address; it is called with addresses that must be refused. */
static long skeleton_write_at(void *arg, void *at)
{
	return write(*(int *)arg, at, RCX_HEADER);
}

static void try_push(struct rcx_hostile *h, bool validate)
{
	int fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);
	struct rcx_sender sender = {
		.send = skeleton_send,
		.arg = &fd,
		.body_max = RCX_SKELETON_MAX - RCX_HEADER,
		/* The errnos for lengths that the kernel half refuses. */
		.nothing = EINVAL,
		.too_short = EINVAL,
		.too_long = EINVAL,
	};

	/* The kernel half checks bodies only in the validation pass, so try both. */
	rcx_bind_topic(h, "push", 64, validate);
	rcx_expect(h, "open", fd, 0);
	rcx_try_messages(h, &sender, validate);
	rcx_try_overwritten(h, &sender, 64, 200);
	rcx_try_addresses(h, "write", RCX_KERNEL_READS, skeleton_write_at, &fd);
	close(fd);
}

static void skeleton_hostile(struct rcx_hostile *h)
{
	int fd = open(RCX_SKELETON_DEVICE, O_RDWR | O_CLOEXEC);

	try_push(h, false);
	try_push(h, true);
	/* The agent has cases for files whose read() sleeps until an event. */
	rcx_try_events_file(h, RCX_SKELETON_DEVICE, "file");

	/*
	 * The device must refuse ioctl(), lseek() and mmap().  A device with commands passes a
	 * function that recognizes them instead of NULL, and tests each of them as well.
	 */
	rcx_topic(h, "device");
	rcx_try_commands(h, fd, NULL);
	rcx_try_no_seek(h, fd);
	rcx_try_no_map(h, fd);
	/* Other users must not be able to open it. */
	rcx_try_nobody_opens(h, RCX_SKELETON_DEVICE);
	close(fd);
}
RCX_HOSTILE(skeleton, skeleton_hostile);
