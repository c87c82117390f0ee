// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define PATH(name)	"/proc/" RC_PROCFS_DIR "/" name
#define SHARED		PATH(RC_PROCFS_SHARED)

/* ---- pread: the file is kept open --------------------------------------- */

static int procfs_open(struct rc_session *s)
{
	static const char *const path[RC_OPS] = {
		[RC_PUSH] = PATH(RC_PROCFS_MESSAGE),
		[RC_PULL] = PATH(RC_PROCFS_MESSAGE),
		[RC_CALL] = PATH(RC_PROCFS_TRANSACTION),
		[RC_NOTIFY] = PATH(RC_PROCFS_EVENTS),
		[RC_STREAM] = PATH(RC_PROCFS_EVENTS),
	};
	static const int flags[RC_OPS] = {
		[RC_PUSH] = O_RDWR,
		[RC_PULL] = O_RDWR,
		[RC_CALL] = O_RDWR,
		[RC_NOTIFY] = O_RDONLY,
		[RC_STREAM] = O_RDONLY,
	};

	int nonblock = rc_nonblocking(s) ? O_NONBLOCK : 0;

	s->fd = open(path[s->op], flags[s->op] | nonblock | O_CLOEXEC);
	return s->fd < 0 ? rc_fail_errno(s, path[s->op]) : 0;
}

static int procfs_push(struct rc_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rc_len(s);

	while (n--) {
		rc_tx(s);
		if (pwrite(s->fd, s->tx, (size_t)len, 0) != len)
			return rc_fail_errno(s, "procfs push");
	}
	return 0;
}

static int procfs_pull(struct rc_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len = pread(s->fd, s->rx, rc_len(s), 0);

		if (len < 0)
			return rc_fail_errno(s, "procfs pull");
		if (rc_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

static int procfs_call(struct rc_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rc_len(s);

	while (n--) {
		ssize_t got;

		rc_tx(s);
		if (pwrite(s->fd, s->tx, (size_t)len, 0) != len)
			return rc_fail_errno(s, "procfs request");
		got = pread(s->fd, s->rx, (size_t)len, 0);
		if (got < 0)
			return rc_fail_errno(s, "procfs reply");
		if (rc_rx_reply(s, s->rx, (size_t)got))
			return -1;
	}
	return 0;
}

static int procfs_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool polls = rc_polls(s);

	while (n--) {
		ssize_t len;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			len = read(s->fd, s->rx, rc_len(s));
		} while (len < 0 && errno == EAGAIN);
		if (len < 0)
			return rc_fail_errno(s, "procfs event");
		rc_arrived(s);
		if (rc_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

static int procfs_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		ssize_t len;

		while ((len = read(s->fd, s->rx, rc_len(s))) >= 0)
			if (rc_streamed(s, s->rx, (size_t)len))
				return -1;
		if (errno != EAGAIN)
			return rc_fail_errno(s, "procfs stream");
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- reopen: open, one operation, close --------------------------------- */

static int reopen_open(struct rc_session *s)
{
	return access(SHARED, R_OK | W_OK) ? rc_fail_errno(s, SHARED) : 0;
}

static int reopen_push(struct rc_session *s, uint64_t n)
{
	ssize_t len = (ssize_t)rc_len(s);

	while (n--) {
		ssize_t done;
		int fd;

		rc_tx(s);
		fd = open(SHARED, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return rc_fail_errno(s, SHARED);
		done = write(fd, s->tx, (size_t)len);
		if (close(fd) || done != len)
			return rc_fail_errno(s, "procfs push");
	}
	return 0;
}

static int reopen_pull(struct rc_session *s, uint64_t n)
{
	while (n--) {
		int fd = open(SHARED, O_RDONLY | O_CLOEXEC);
		ssize_t len;

		if (fd < 0)
			return rc_fail_errno(s, SHARED);
		len = read(fd, s->rx, rc_len(s));
		if (close(fd) || len < 0)
			return rc_fail_errno(s, "procfs pull");
		if (rc_rx(s, s->rx, (size_t)len))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define WHOLE .max = RC_BODY_MAX, \
	.limit = "Our handlers take 1 MiB; procfs itself sets no limit."

static const struct rc_mode procfs_modes[] = {
	{
		.name = "pread",
		.summary = "the file is kept open; a call is a write and a read",
		.open = procfs_open,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_PUSH] = { .run = procfs_push, WHOLE },
			[RC_PULL] = { .run = procfs_pull, WHOLE },
			[RC_CALL] = { .run = procfs_call, WHOLE },
			[RC_NOTIFY] = { .run = procfs_notify, WHOLE, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = procfs_stream, WHOLE, .waits = RC_WAIT_DRAIN },
		},
	},
	{
		.name = "reopen",
		.summary = "open, one operation, close, as a shell does",
		.open = reopen_open,
		.alone = "All its opens share one sequence, since each lasts for one message only.",
		.operations = {
			[RC_PUSH] = { .run = reopen_push, WHOLE },
			[RC_PULL] = { .run = reopen_pull, WHOLE },
		},
	},
	{ }
};

static const struct rc_channel procfs_channel = {
	.name = "procfs",
	.summary = "A file under /proc, made by its handlers",
	.module = "rc_procfs",
	.since = "1.0: older than the first stable release; struct proc_ops since 5.6",
	.modes = procfs_modes,
};
RC_CHANNEL(procfs_channel);
