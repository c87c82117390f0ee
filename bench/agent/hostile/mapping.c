// SPDX-License-Identifier: GPL-2.0-only
/* Files whose memory user space maps: other lengths, offsets and flags, and a life of its own. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "hostile.h"

#define PAGE 4096u

/* Map a part of the file and unmap it again. */
static long map_part(int fd, size_t len, int flags, off_t at)
{
	void *where = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, at);

	if (where == MAP_FAILED)
		return -1;
	munmap(where, len);
	return 0;
}

static long remap(void *map, size_t from, size_t to)
{
	return mremap(map, from, to, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0;
}

void rcx_try_mapping(struct rcx_hostile *h, int fd, void *map, size_t len)
{
	const off_t end = INT64_MAX & ~(PAGE - 1ll);

	rcx_expect(h, "again", map_part(fd, len, MAP_SHARED, 0), 0);
	rcx_expect(h, "a part", map_part(fd, PAGE, MAP_SHARED, PAGE), 0);
	rcx_expect(h, "in private", map_part(fd, len, MAP_PRIVATE, 0), EINVAL);
	rcx_expect(h, "a page too long", map_part(fd, len + PAGE, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "1 GiB", map_part(fd, 1ul << 30, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "a page too far", map_part(fd, len, MAP_SHARED, PAGE), EINVAL);
	rcx_expect(h, "behind the end", map_part(fd, PAGE, MAP_SHARED, (off_t)len), EINVAL);
	rcx_expect_either(h, "at the end of all", map_part(fd, PAGE, MAP_SHARED, end), EINVAL,
			  EOVERFLOW);
	rcx_expect_either(h, "before the start", map_part(fd, PAGE, MAP_SHARED, -(off_t)PAGE),
			  EINVAL, EOVERFLOW);
	rcx_expect(h, "of no length", map_part(fd, 0, MAP_SHARED, 0), EINVAL);
	rcx_expect(h, "mremap to more", remap(map, len, len + PAGE), EFAULT);
	rcx_expect_either(h, "mremap of nothing, for a copy", remap(map, 0, len), EINVAL, EFAULT);
	rcx_expect(h, "mprotect to nothing", mprotect(map, len, PROT_NONE), 0);
}

void rcx_try_mapping_alone(struct rcx_hostile *h, unsigned char *map, size_t len)
{
	pid_t pid;

	memset(map, 0x5a, len);
	pid = fork();
	if (!pid) {
		memset(map, 0xa5, len);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	rcx_expect_value(h, "a child's stores are seen", map[len - 1], 0xa5);
	rcx_expect(h, "unmap its middle", munmap(map + PAGE, PAGE), 0);
	memset(map + 2 * PAGE, 0, len - 2 * PAGE);
	rcx_expect(h, "unmap the rest", munmap(map, len), 0);
}
