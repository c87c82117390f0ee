/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FUSE: this process is a file system with one file, whose requests it reads from /dev/fuse.  An
 * ioctl on the file carries a message there and its reply back.
 */
#ifndef RCX_STOCK_FUSE_H
#define RCX_STOCK_FUSE_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "asker.h"

#define FUSE_ROOM      (1u << 16) /* more than the largest request */
#define FUSE_IOCTL_MAX ((1u << _IOC_SIZEBITS) - 1)
#define FUSE_FILE_MODE (S_IFREG | 0600)

/* A request, and the file that is mounted.  Stored in s->map. */
struct fuse_area {
	struct fuse_in_header header;
	union {
		struct {
			struct fuse_ioctl_in ioctl;
			struct rcx_msg message;
		};
		char room[FUSE_ROOM];
	};
	char path[64];
};

/* ---- the process that asks ------------------------------------------------ */

/* The device must be open in the server only: its close then ends all waits. */
static int fuse_begin(struct asker *asker)
{
	const struct fuse_area *area = asker->s->map;

	close(asker->s->fd);
	asker->message = calloc(1, rcx_len(asker->s));
	asker->fd = asker->message ? open(area->path, O_RDWR | O_CLOEXEC) : -1;
	return asker->fd < 0 ? -1 : 0;
}

static int fuse_ask(struct asker *asker, uint64_t number)
{
	size_t len = rcx_len(asker->s);

	asker->message->magic = RCX_MAGIC;
	asker->message->size = asker->s->size;
	asker->message->seq = number;
	if (asker->s->validate)
		rcx_body_fill(asker->message->body, asker->s->size, number);
	return ioctl(asker->fd, _IOC(_IOC_READ | _IOC_WRITE, 'x', 1, len), asker->message);
}

static bool fuse_check(struct asker *asker, uint64_t number)
{
	const struct rcx_msg *reply = asker->message;
	uint32_t size = asker->s->size;

	return reply->seq == ~number && reply->size == size &&
	       (!asker->s->validate || rcx_body_check(reply->body, size, number, 0xff) == size);
}

/* ---- the file system ------------------------------------------------------- */

/* Reply with @err, a negative errno or 0, and @len bytes at @data. */
static int fuse_send(const struct rcx_session *s, int err, const void *data, size_t len)
{
	const struct fuse_area *area = s->map;
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + len),
		.error = err,
		.unique = area->header.unique,
	};
	const struct iovec parts[] = { { &header, sizeof(header) },
				       { (void *)(uintptr_t)data, len } };

	return writev(s->fd, parts, len ? 2 : 1) == (ssize_t)header.len ? 0 : -1;
}

static int fuse_init(const struct rcx_session *s)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = 4096,
		.time_gran = 1,
	};

	return fuse_send(s, 0, &out, sizeof(out));
}

static int fuse_attributes(const struct rcx_session *s)
{
	const struct fuse_attr_out out = {
		.attr_valid = 3600,
		.attr = { .ino = FUSE_ROOT_ID, .mode = FUSE_FILE_MODE, .nlink = 1 },
	};

	return fuse_send(s, 0, &out, sizeof(out));
}

/* Requests that mount, open and close the file; they are not timed. */
static int fuse_serve_other(const struct rcx_session *s)
{
	const struct fuse_area *area = s->map;
	const struct fuse_open_out opened = { .open_flags = FOPEN_DIRECT_IO };

	switch (area->header.opcode) {
	case FUSE_INIT:
		return fuse_init(s);
	case FUSE_GETATTR:
		return fuse_attributes(s);
	case FUSE_OPEN:
		return fuse_send(s, 0, &opened, sizeof(opened));
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return 0; /* these have no reply */
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return fuse_send(s, 0, NULL, 0);
	default:
		return fuse_send(s, -ENOSYS, NULL, 0);
	}
}

static inline ssize_t fuse_receive(struct rcx_session *s, bool polls)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	ssize_t got;

	do {
		if (polls)
			poll(&pfd, 1, -1);
		got = read(s->fd, s->map, offsetof(struct fuse_area, path));
	} while (got < 0 && errno == EAGAIN);
	return got;
}

/* Serve until the asker has opened the file. */
static int fuse_serve_open(struct rcx_session *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct asker *asker = s->priv;

	while (asker_state(asker) == ASKER_BUSY) {
		if (poll(&pfd, 1, 1) != 1)
			continue;
		if (fuse_receive(s, false) < 0 || fuse_serve_other(s))
			return rcx_fail_errno(s, "serve the open of a file");
	}
	return asker_wait(s);
}

/* ---- open and close ---------------------------------------------------------- */

static int fuse_mount(struct rcx_session *s)
{
	struct fuse_area *area = s->map;
	char options[96];
	int file;

	strcpy(area->path, P_tmpdir "/rcx_fuse.XXXXXX");
	file = mkstemp(area->path);
	if (file < 0)
		return rcx_fail_errno(s, "make a file to mount on");
	close(file);
	snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0", s->fd,
		 FUSE_FILE_MODE);
	if (!mount("ringcross", area->path, "fuse", MS_NOSUID | MS_NODEV, options))
		return 0;
	if (errno == EPERM)
		rcx_skip(s, "To mount a file system, root is required.");
	else
		rcx_fail_errno(s, "mount");
	unlink(area->path);
	return -1;
}

/* The file stays open in the asker.  Even if this process is killed, nothing is left behind. */
static void fuse_unmount(struct rcx_session *s)
{
	const struct fuse_area *area = s->map;

	umount2(area->path, MNT_DETACH);
	unlink(area->path);
}

static int fuse_open(struct rcx_session *s)
{
	static const struct asker hooks = {
		.begin = fuse_begin,
		.ask = fuse_ask,
		.check = fuse_check,
		.fd = -1,
	};

	s->map_len = sizeof(struct fuse_area);
	s->map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rcx_fail_errno(s, "mmap");
	}
	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | (rcx_nonblocking(s) ? O_NONBLOCK : 0));
	if (s->fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return rcx_skip(s, "This kernel has no FUSE (CONFIG_FUSE_FS).");
	if (s->fd < 0)
		return rcx_fail_errno(s, "open /dev/fuse");
	if (fuse_mount(s))
		return -1;
	if (!asker_start(s, &hooks) && !fuse_serve_open(s)) {
		fuse_unmount(s);
		return 0;
	}
	fuse_unmount(s);
	return -1;
}

/* Closing the device ends all requests with an error, so that the asker never waits. */
static void fuse_close(struct rcx_session *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	asker_stop(s);
}

/* ---- the operation --------------------------------------------------------- */

static inline int fuse_serve(struct rcx_session *s, bool polls)
{
	const struct fuse_ioctl_out out = { .result = 0 };
	struct fuse_area *area = s->map;
	size_t len = rcx_len(s);
	struct fuse_out_header header;
	const struct iovec parts[] = { { &header, sizeof(header) },
				       { (void *)(uintptr_t)&out, sizeof(out) },
				       { &area->message, len } };
	ssize_t got = fuse_receive(s, polls);

	if (got < 0)
		return rcx_fail_errno(s, "read a request");
	if (area->header.opcode != FUSE_IOCTL)
		return rcx_fail(s, "request %u of FUSE arrived instead of an ioctl",
				area->header.opcode);
	got -= (ssize_t)offsetof(struct fuse_area, message);
	if (rcx_rx(s, &area->message, got < 0 ? 0 : (size_t)got))
		return -1;
	rcx_tx_reply(s, &area->message);
	header = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(header) + sizeof(out) + len),
		.unique = area->header.unique,
	};
	return writev(s->fd, parts, 3) == (ssize_t)header.len ?
		       0 :
		       rcx_fail_errno(s, "write a reply");
}

static int fuse_upcall(struct rcx_session *s, uint64_t n)
{
	bool polls = rcx_polls(s);

	if (asker_go(s, n + 1))
		return -1;
	for (uint64_t i = 0; i <= n; i++)
		if (fuse_serve(s, polls))
			return -1;
	return asker_asked(s, n);
}

#endif /* RCX_STOCK_FUSE_H */
