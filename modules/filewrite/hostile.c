// SPDX-License-Identifier: GPL-2.0-only
/* The kernel half is given unsuitable files, files that change, and files without room. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hostile.h"
#include "abi.h"

#define SIZE   8
#define PLACE  (RCX_HEADER + SIZE) /* bytes of one message in the file */
#define ENOUGH (1 << 20)

static bool known(unsigned int cmd)
{
	return cmd == RCX_FILEWRITE_FILE;
}

static int open_device(void)
{
	return open(RCX_FILEWRITE_DEVICE, O_RDWR | O_CLOEXEC);
}

static long register_at(void *arg, void *at)
{
	return ioctl(*(int *)arg, RCX_FILEWRITE_FILE, at);
}

static long register_limit(int device, int fd, uint64_t limit)
{
	struct rcx_filewrite_file request = { .fd = fd, .limit = limit };

	return register_at(&device, &request);
}

static long register_file(int device, int fd)
{
	return register_limit(device, fd, ENOUGH);
}

static int good_file(void)
{
	int fd = memfd_create("rcx_hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

static long size_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? -1 : (long)stat.st_size;
}

static long reason(struct rcx_hostile *h)
{
	return rcx_core_counts(h).refused_errno;
}

/* ---- registering ---------------------------------------------------------- */

static void refuse(struct rcx_hostile *h, int device, const char *name, int fd, int want)
{
	rcx_expect(h, name, register_file(device, fd), want);
	close(fd);
}

static void try_no_files(struct rcx_hostile *h, int device)
{
	char path[] = "/tmp/rcx_filewrite.XXXXXX", link[40];
	int ends[2], fd = mkstemp(path);

	rcx_expect(h, "no file", register_file(device, -1), EBADF);
	rcx_expect(h, "a file that is not open", register_file(device, 1000), EBADF);
	rcx_expect(h, "the lowest number", register_file(device, INT32_MIN), EBADF);
	rcx_expect(h, "this file itself", register_file(device, device), EINVAL);
	rcx_expect(h, "a file that is not appended to", register_file(device, fd), EINVAL);
	refuse(h, device, "a file for reading", open(path, O_RDONLY | O_APPEND), EINVAL);
	refuse(h, device, "a file opened with O_PATH", open(path, O_PATH), EBADF);
	refuse(h, device, "a directory", open("/tmp", O_RDONLY | O_DIRECTORY), EINVAL);
	refuse(h, device, "a device", open("/dev/null", O_WRONLY | O_APPEND), EINVAL);
	refuse(h, device, "a file of /proc/sys",
	       open("/proc/sys/kernel/domainname", O_WRONLY | O_APPEND), EINVAL);
	refuse(h, device, "a file of /proc", open("/proc/self/comm", O_WRONLY | O_APPEND), EINVAL);
	refuse(h, device, "a file of /sys", open("/sys/kernel/profiling", O_WRONLY | O_APPEND),
	       EINVAL);
	refuse(h, device, "an eventfd", eventfd(0, EFD_CLOEXEC), EINVAL);
	refuse(h, device, "a socket", socket(AF_UNIX, SOCK_STREAM, 0), EINVAL);
	if (!pipe(ends)) {
		refuse(h, device, "a pipe", ends[1], EINVAL);
		close(ends[0]);
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	refuse(h, device, "a link in /proc, opened to read", open(link, O_RDONLY), EINVAL);
	close(fd);
	unlink(path);
}

static void try_requests(struct rcx_hostile *h, int device, int fd)
{
	struct rcx_filewrite_file request = { .fd = fd, .flags = 1, .limit = ENOUGH };

	rcx_expect(h, "an unknown flag", register_at(&device, &request), EINVAL);
	request.flags = UINT32_MAX;
	rcx_expect(h, "all flags", register_at(&device, &request), EINVAL);
	rcx_expect(h, "no room", register_limit(device, fd, 0), EINVAL);
	rcx_expect(h, "too little room", register_limit(device, fd, RCX_FILEWRITE_LEAST - 1),
		   EINVAL);
	rcx_expect(h, "too much room", register_limit(device, fd, RCX_FILEWRITE_MOST + 1), EINVAL);
	rcx_expect(h, "room that 32 bits would cut",
		   register_limit(device, fd, (1ull << 32) + ENOUGH), EINVAL);
	rcx_expect(h, "room of all bits", register_limit(device, fd, UINT64_MAX), EINVAL);
	rcx_try_addresses(h, "argument", RCX_KERNEL_READS, register_at, &device);
}

static void try_register(struct rcx_hostile *h)
{
	int device = open_device(), other = open_device(), fd = good_file();
	struct rcx_msg message = { 0 };

	rcx_topic(h, "register");
	rcx_expect(h, "open", device, 0);
	try_no_files(h, device);
	try_requests(h, device, fd);
	rcx_expect_value(h, "refused while no file is registered", rcx_core_emit(h, RCX_PROCESS, 1),
			 1);
	rcx_expect_value(h, "the reason", reason(h), ENOTCONN);
	rcx_expect(h, "a good one after all these", register_file(device, fd), 0);
	rcx_expect(h, "a second one", register_file(device, fd), EBUSY);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes in the file", size_of(fd), PLACE);
	rcx_expect_value(h, "read", pread(fd, &message, RCX_HEADER, 0), RCX_HEADER);
	rcx_expect_true(h, "its header",
			message.magic == RCX_MAGIC && message.size == SIZE && message.seq == 1);

	rcx_expect(h, "the same file for another control file", register_file(other, fd), 0);
	rcx_expect_value(h, "refused of 10", rcx_core_emit(h, RCX_PROCESS, 10), 0);
	rcx_expect_value(h, "bytes of both", size_of(fd), 21 * PLACE);
	rcx_try_no_io(h, device);
	rcx_try_no_seek(h, device);
	rcx_try_no_map(h, device);
	rcx_try_commands(h, device, known);
	close(other);
	rcx_expect_value(h, "refused after the other's close", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes after the other's close", size_of(fd), 22 * PLACE);
	close(device);
	rcx_expect_value(h, "refused after the close", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "bytes after the close", size_of(fd), 22 * PLACE);
	close(fd);
}

/* ---- no room --------------------------------------------------------------- */

static void try_limit(struct rcx_hostile *h)
{
	int device = open_device(), fd = good_file();

	rcx_topic(h, "limit");
	rcx_expect(h, "register", register_limit(device, fd, 8192), 0);
	/* 128 messages fill a page.  The next one begins the second page and reaches the limit. */
	rcx_expect_value(h, "refused of 1000", rcx_core_emit(h, RCX_PROCESS, 1000), 871);
	rcx_expect_value(h, "the reason", reason(h), ENOSPC);
	rcx_expect_value(h, "bytes in the file", size_of(fd), 129 * PLACE);
	rcx_expect(h, "punch a hole",
		   fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	rcx_expect_value(h, "refused of 1000 with a page given back",
			 rcx_core_emit(h, RCX_PROCESS, 1000), 872);
	rcx_expect_value(h, "bytes with these", size_of(fd), 257 * PLACE);
	rcx_expect(h, "truncate", ftruncate(fd, 0), 0);
	rcx_expect_value(h, "refused of 100 after that", rcx_core_emit(h, RCX_PROCESS, 100), 0);
	rcx_expect_value(h, "bytes after that", size_of(fd), 100 * PLACE);
	rcx_core_bind(h, "append", RCX_BODY_MAX, true);
	rcx_expect_value(h, "refused: larger than the limit", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "bytes without it", size_of(fd), 100 * PLACE);
	rcx_core_bind(h, "append", SIZE, true);
	rcx_expect_value(h, "refused: a small one after it", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	close(device);
	close(fd);
}

/* A file system of two pages accepts only a part of a message. */
static void try_full(struct rcx_hostile *h, void *arg)
{
	char dir[] = "/tmp/rcx_filewrite.XXXXXX", path[64];
	int device = open_device(), fd;

	(void)arg;
	rcx_topic(h, "full file system");
	rcx_expect_true(h, "get a directory", mkdtemp(dir));
	rcx_expect(h, "unshare the mount namespace", unshare(CLONE_NEWNS), 0);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	rcx_expect(h, "mount", mount("rcx_full", dir, "tmpfs", 0, "size=8192"), 0);
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	rcx_expect(h, "register", register_file(device, fd), 0);
	rcx_core_bind(h, "append", 65536, true);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason", reason(h), ENOSPC);
	rcx_expect_value(h, "bytes of half a message", size_of(fd), 8192);
	rcx_expect_value(h, "refused: the next event", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason then", reason(h), EIO);
	rcx_expect(h, "truncate", ftruncate(fd, 0), 0);
	rcx_expect_value(h, "refused after the truncation", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "bytes then", size_of(fd), 0);
	close(device);
	close(fd);
	rcx_expect(h, "unmount", umount(dir), 0);
	rmdir(dir);
}

/* ---- files that change ------------------------------------------------------- */

static void try_changed(struct rcx_hostile *h)
{
	int device = open_device(), fd = good_file();

	rcx_topic(h, "file that changes");
	rcx_core_bind(h, "append", SIZE, true);
	rcx_expect(h, "register", register_file(device, fd), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 2), 0);
	rcx_expect(h, "append to it as well", write(fd, "x", 1), 0);
	rcx_expect_value(h, "refused behind that", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes", size_of(fd), 3 * PLACE + 1);
	rcx_expect(h, "clear O_APPEND", fcntl(fd, F_SETFL, 0), 0);
	rcx_expect_value(h, "refused without O_APPEND", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes without O_APPEND", size_of(fd), 4 * PLACE + 1);
	rcx_expect(h, "make it as large as possible", ftruncate(fd, INT64_MAX), 0);
	fcntl(fd, F_SETFL, O_APPEND);
	rcx_expect_value(h, "refused at its very end", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason", reason(h), EFBIG);
	rcx_expect(h, "make it short", ftruncate(fd, 0), 0);
	rcx_expect_value(h, "refused after that", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect(h, "seal it", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	rcx_expect_value(h, "refused when sealed", rcx_core_emit(h, RCX_PROCESS, 1), 1);
	rcx_expect_value(h, "the reason when sealed", reason(h), EPERM);
	rcx_expect_value(h, "bytes when sealed", size_of(fd), PLACE);
	close(fd);
	rcx_expect_value(h, "refused when nobody else has it open",
			 rcx_core_emit(h, RCX_PROCESS, 1), 1);
	close(device);

	device = open_device();
	fd = good_file();
	rcx_expect(h, "register another file", register_file(device, fd), 0);
	close(fd);
	rcx_expect_value(h, "refused with a file that only the kernel holds",
			 rcx_core_emit(h, RCX_PROCESS, 100), 0);
	close(device);
}

/* ---- others ------------------------------------------------------------------ */

static void with_file_of_root(struct rcx_hostile *h, void *arg)
{
	int fd = good_file();

	rcx_expect(h, "register a file of its own", register_file(*(int *)arg, fd), 0);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes", size_of(fd), PLACE);
}

static void close_copy(struct rcx_hostile *h, void *arg)
{
	rcx_expect(h, "a child closes its copy", close(*(int *)arg), 0);
}

struct race {
	int device, fd;
};

static long register_race(void *arg)
{
	const struct race *race = arg;
	long won = 0;

	for (int i = 0; i < 100; i++)
		won += !register_file(race->device, race->fd);
	return won;
}

static void try_others(struct rcx_hostile *h)
{
	struct race race = { open_device(), good_file() };
	int device = open_device();

	rcx_topic(h, "another user");
	rcx_as_nobody(h, with_file_of_root, &device);
	close(device);
	rcx_try_nobody_opens(h, RCX_FILEWRITE_DEVICE);

	rcx_topic(h, "three threads");
	rcx_expect_value(h, "registered on one file", rcx_in_three_threads(h, register_race, &race),
			 1);
	rcx_expect_value(h, "refused", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	rcx_expect_value(h, "bytes", size_of(race.fd), PLACE);
	rcx_in_other(h, "a child ends well", close_copy, &race.device);
	rcx_expect_value(h, "refused after the child's end", rcx_core_emit(h, RCX_PROCESS, 1), 0);
	close(race.device);
	close(race.fd);
}

/* Files are registered, truncated and closed while the kernel writes. */
static void try_leaving(struct rcx_hostile *h)
{
	struct rcx_outcomes outcomes = { 0 };

	rcx_topic(h, "in a stream");
	rcx_core_start(h, RCX_PROCESS, 1u << 30, 4, 20000);
	for (int i = 0; i < 50; i++) {
		int device = open_device(), fd = good_file();

		rcx_note(&outcomes, register_file(device, fd), 0);
		usleep(100);
		rcx_note(&outcomes, ftruncate(fd, i % 3 * 100), 0);
		usleep(100);
		close(i % 2 ? device : fd);
		usleep(100);
		close(i % 2 ? fd : device);
	}
	rcx_expect_outcomes(h, "registered, truncated and closed", &outcomes);
	rcx_expect(h, "stop", ioctl(h->core, RCX_CORE_STOP), 0);
}

static void filewrite_hostile(struct rcx_hostile *h)
{
	rcx_core_bind(h, "append", SIZE, true);
	try_register(h);
	try_limit(h);
	rcx_in_other(h, "a child ends well", try_full, NULL);
	try_changed(h);
	try_others(h);
	try_leaving(h);
}
RCX_HOSTILE(filewrite, filewrite_hostile);
