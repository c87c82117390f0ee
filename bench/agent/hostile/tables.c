// SPDX-License-Identifier: GPL-2.0-only
/* Cases against a file that contains a table, binary or as text. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "hostile.h"
#include "loops/table_file.h"

#define RECORDS 300u /* several pages, in binary as well as in text */
#define ROOM	((RECORDS + 1) * (size_t)RCX_RECORD_LINE)
#define TURNS	20

/* One file, and room for its content and for the records in it. */
struct table_file {
	const char *path;
	bool text;
	int fd;
	char *content;
	struct rcx_record *table;
};

/* Read from offset @at to the end, @piece bytes at a time.  The offset of the end, or -1. */
static ssize_t read_rest(const struct table_file *file, size_t at, size_t piece)
{
	while (at < ROOM - 1) {
		size_t most = ROOM - 1 - at < piece ? ROOM - 1 - at : piece;
		ssize_t len = pread(file->fd, file->content + at, most, (off_t)at);

		if (len < 0)
			return -1;
		if (!len)
			break;
		at += (size_t)len;
	}
	file->content[at] = '\0';
	return (ssize_t)at;
}

static ssize_t read_all(const struct table_file *file, size_t piece)
{
	return read_rest(file, 0, piece);
}

/* Make records of the content.  Their number, or -1 if something else was in between. */
static long records_of(const struct table_file *file, ssize_t len)
{
	const char *at = file->content;
	long count = 0;

	if (len < 0)
		return -1;
	if (!file->text) {
		memcpy(file->table, file->content, (size_t)len);
		return len % RCX_RECORD ? -1 : len / RCX_RECORD;
	}
	while (at < file->content + len && count <= RECORDS) {
		at = rcx_line(at, &file->table[count++]);
		if (!at)
			return -1;
	}
	return count;
}

/* Whether a read by pieces of @piece bytes is exactly one dump of @records records. */
static bool is_dump(const struct table_file *file, size_t piece, uint32_t records)
{
	long count = records_of(file, read_all(file, piece));

	return count == records && rcx_is_table(file->table, records, file->table[0].generation);
}

static long read_at(void *arg, void *at)
{
	const struct table_file *file = arg;

	return rcx_pread_whole(file->fd, at, RCX_RECORD);
}

static void try_reads(struct rcx_hostile *h, const struct table_file *file)
{
	static const size_t pieces[] = { ROOM, 4096, 4095, 1000, 65, 64, 63, 7, 1 };
	char name[48];

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		snprintf(name, sizeof(name), "a dump by pieces of %zu bytes", pieces[i]);
		rcx_expect_true(h, name, is_dump(file, pieces[i], RECORDS));
	}
	rcx_expect_value(h, "a read of nothing", pread(file->fd, file->content, 0, 0), 0);
	rcx_expect_value(h, "far behind the end", pread(file->fd, file->content, 64, 1ll << 40), 0);
	rcx_expect_value(h, "at the largest offset",
			 pread(file->fd, file->content, 64, INT64_MAX - 4096), 0);
	rcx_expect(h, "before the start", pread(file->fd, file->content, 64, -1), EINVAL);
	rcx_try_addresses(h, "read", RCX_KERNEL_WRITES, read_at, (void *)(uintptr_t)file);
	rcx_expect_true(h, "a dump after these", is_dump(file, ROOM, RECORDS));
}

/* A dump keeps the length that it began with; the next one has the new length. */
static void try_rebinds(struct rcx_hostile *h, const struct table_file *file)
{
	static const uint32_t lengths[] = { 1, 0, RECORDS };
	uint64_t generation;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		rcx_core_bind_table(h, lengths[i]);
		rcx_expect_value(h, "a table of another length",
				 records_of(file, read_all(file, ROOM)), lengths[i]);
	}
	rcx_expect_value(h, "the start of a dump", pread(file->fd, file->content, 64, 0), 64);
	rcx_core_bind_table(h, 2);
	rcx_expect_value(h, "its rest has the old length",
			 records_of(file, read_rest(file, 64, 64)), RECORDS);
	rcx_core_bind_table(h, RECORDS);
	is_dump(file, ROOM, RECORDS);
	generation = file->table[0].generation;
	rcx_expect_true(h, "the next dump", is_dump(file, ROOM, RECORDS));
	rcx_expect_value(h, "has the next number", (long)file->table[0].generation,
			 (long)generation + 1);
}

/* A dump that nobody finishes leaves nothing behind, and no other open notices it. */
static void try_unfinished(struct rcx_hostile *h, const struct table_file *file)
{
	struct rcx_outcomes outcomes = { 0 };

	for (int i = 0; i < TURNS; i++) {
		int fd = open(file->path, O_RDONLY | O_CLOEXEC);

		rcx_note(&outcomes, read(fd, file->content, 64 * (size_t)i + 1) > 0 ? 0 : -1, 0);
		close(fd);
	}
	rcx_expect_outcomes(h, "dumps that were closed half-way", &outcomes);
	rcx_expect_true(h, "a dump after these", is_dump(file, ROOM, RECORDS));
}

/* Returns the number of dumps that were not whole. */
static long read_on(void *arg)
{
	struct table_file *file = arg;
	long broken = 0;

	for (int i = 0; i < TURNS; i++) {
		broken += !is_dump(file, 1000, RECORDS);
		sched_yield();
	}
	return broken;
}

static bool prepare(struct table_file *file)
{
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
	file->content = malloc(ROOM);
	file->table = malloc(ROOM);
	return file->fd >= 0 && file->content && file->table;
}

static void finish(struct table_file *file)
{
	free(file->content);
	free(file->table);
	close(file->fd);
}

static void try_two_at_once(struct rcx_hostile *h, struct table_file *file)
{
	struct table_file other = { .path = file->path, .text = file->text };
	struct rcx_sleeper thread;

	rcx_expect_true(h, "a second open", prepare(&other));
	rcx_sleep_in(h, &thread, read_on, &other);
	rcx_expect_value(h, "broken dumps beside those of another open", read_on(file), 0);
	rcx_expect_value(h, "broken dumps of the other", rcx_sleeper_end(&thread), 0);

	/* Through one open file, each dump begins anew: only the memory is checked here. */
	close(other.fd);
	other.fd = dup(file->fd);
	rcx_sleep_in(h, &thread, read_on, &other);
	read_on(file);
	rcx_sleeper_end(&thread);
	rcx_expect_true(h, "a dump after two readers of one open", is_dump(file, ROOM, RECORDS));
	finish(&other);
}

void rcx_try_table_file(struct rcx_hostile *h, const char *path, bool text)
{
	struct table_file file = { .path = path, .text = text };

	rcx_topic(h, "%s table", text ? "text" : "binary");
	rcx_core_bind_table(h, RECORDS);
	if (!rcx_expect_true(h, "open", prepare(&file)))
		return;
	try_reads(h, &file);
	try_rebinds(h, &file);
	try_unfinished(h, &file);
	try_two_at_once(h, &file);
	rcx_try_nobody_opens(h, path);
	finish(&file);
}
