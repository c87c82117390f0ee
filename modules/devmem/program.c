// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user's side of the classic, for `make demo`:
 *
 *	memshare TEXT [PAGES]
 *
 * Reads from /proc where the kernel half has its memory, maps it through
 * /dev/mem, and goes through it page by page: what has the kernel written here?
 * Then it leaves TEXT in each, or in the first PAGES of them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define IN_A_ROW 64	/* pages in a line of the map */

/* One number from a file of /proc; both 0x8000000 and 4096 are understood. */
static unsigned long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[32] = "";

	if (!file || !fgets(line, sizeof(line), file)) {
		perror(path);
		exit(1);
	}
	fclose(file);
	return strtoul(line, NULL, 0);
}

/* The other side may write on: what is compared and printed is a copy. */
static bool kernel_wrote(const struct rcx_devmem_page *shared, unsigned long page,
			 unsigned long pages)
{
	char want[80], text[80];

	snprintf(want, sizeof(want), "page %lu of %lu, by the kernel", page + 1, pages);
	memcpy(text, shared->from_kernel, sizeof(text));
	return shared->kernel_page == page + 1 && !strncmp(text, want, sizeof(text));
}

static void write_text(struct rcx_devmem_page *shared, unsigned long page, const char *text)
{
	snprintf(shared->from_user, RCX_DEVMEM_TEXT, "%s", text);
	shared->user_page = page + 1;
}

/* A character for each page: '#' for both ways, else the way that works. */
static void print_mark(unsigned long at, bool read, bool wrote)
{
	if (at % IN_A_ROW == 0)
		printf("%s  page %4lu  ", at ? "\n" : "", at + 1);
	putchar(read && wrote ? '#' : read ? 'r' : wrote ? 'w' : '.');
}

/* Map the whole of it in one call: who maps a page alone shares a page alone. */
static struct rcx_devmem_page *map_memory(unsigned long addr, unsigned long size)
{
	void *map;
	int fd = open("/dev/mem", O_RDWR);	/* no O_SYNC: the module's mapping is cached */

	if (fd < 0) {
		perror("open /dev/mem");
		exit(1);
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)addr);
	if (map == MAP_FAILED) {
		perror("mmap /dev/mem");
		exit(1);
	}
	close(fd);		/* the mapping stays */
	return map;
}

static void go_through(struct rcx_devmem_page *shared, unsigned long pages, const char *text,
		       unsigned long most)
{
	unsigned long page, read = 0, wrote = 0;

	for (page = 0; page < pages; page++) {
		bool right = kernel_wrote(&shared[page], page, pages);

		if (page < most)
			write_text(&shared[page], page, text);
		print_mark(page, right, page < most);
		read += right;
		wrote += page < most;
	}
	printf("\nread what the kernel wrote in %lu of %lu pages, the last \"%.80s\"\n", read, pages,
	       shared[pages - 1].from_kernel);
	printf("wrote \"%s\" in %lu of %lu pages\n", text, wrote, pages);
}

static int memshare(int argc, char **argv)
{
	unsigned long addr, size, pages;

	if (argc < 2) {
		fprintf(stderr, "Usage: memshare TEXT [PAGES]\n");
		return 2;
	}
	addr = read_number("/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_ADDR);
	size = read_number("/proc/" RCX_DEVMEM_FOLDER "/" RCX_DEVMEM_SIZE);
	pages = size / RCX_DEVMEM_PAGE;
	if (!pages) {
		fprintf(stderr, "The module has no memory: load it with phys= and size=.\n");
		return 1;
	}
	printf("%lu bytes at 0x%lx: %lu page%s of %u bytes\n", size, addr, pages,
	       pages == 1 ? "" : "s", RCX_DEVMEM_PAGE);
	go_through(map_memory(addr, size), pages, argv[1],
		   argc > 2 ? strtoul(argv[2], NULL, 0) : pages);
	return 0;
}
RCX_PROGRAM(devmem, memshare);
