// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user program of the demonstration (make demo):
 *
 *	memshare TEXT [PAGES]
 *
 * It reads address and size of the memory from /proc and maps the memory through
 * /dev/mem.  It checks in each page the text that the kernel wrote, and writes TEXT into
 * each page, or into the first PAGES pages.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"
#include "abi.h"

#define PAGES_PER_LINE 64 /* of the printed map */

/* Read one number, such as 0x8000000 or 4096, from a file in /proc. */
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

/* The kernel may write meanwhile, so a copy is compared. */
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

/* Print a character for a page: '#' read and written, 'r' or 'w' only one of them, '.' none. */
static void print_mark(unsigned long at, bool read, bool wrote)
{
	if (at % PAGES_PER_LINE == 0)
		printf("%s  page %4lu  ", at ? "\n" : "", at + 1);
	putchar(read && wrote ? '#' : read ? 'r' : wrote ? 'w' : '.');
}

/* Map all pages in one call; a mapping of one page would share that page only. */
static struct rcx_devmem_page *map_memory(unsigned long addr, unsigned long size)
{
	void *map;
	int fd = open("/dev/mem", O_RDWR); /* no O_SYNC: the module's mapping is cached */

	if (fd < 0) {
		perror("open /dev/mem");
		exit(1);
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)addr);
	if (map == MAP_FAILED) {
		perror("mmap /dev/mem");
		exit(1);
	}
	close(fd); /* the mapping stays */
	return map;
}

static void exchange_texts(struct rcx_devmem_page *shared, unsigned long pages, const char *text,
			   unsigned long limit)
{
	unsigned long page, read = 0, wrote = 0;

	for (page = 0; page < pages; page++) {
		bool right = kernel_wrote(&shared[page], page, pages);

		if (page < limit)
			write_text(&shared[page], page, text);
		print_mark(page, right, page < limit);
		read += right;
		wrote += page < limit;
	}
	printf("\nread what the kernel wrote in %lu of %lu pages, the last \"%.80s\"\n", read,
	       pages, shared[pages - 1].from_kernel);
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
	exchange_texts(map_memory(addr, size), pages, argv[1],
		       argc > 2 ? strtoul(argv[2], NULL, 0) : pages);
	return 0;
}
RCX_PROGRAM(devmem, memshare);
