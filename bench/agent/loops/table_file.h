/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loops over a file that contains a table: read it from offset 0 to its end.  In a binary file
 * each record is a struct rcx_record, in a text file it is a line, see RCX_RECORD_FORMAT.
 *
 * s->fd is the open file.  A reader does not know how long the table is, so each dump ends with
 * a read that returns 0.
 */
#ifndef RCX_TABLE_FILE_H
#define RCX_TABLE_FILE_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "channel.h"

/* Read @fd from offset 0 to its end.  Returns the number of bytes, or -1. */
static inline ssize_t rcx_table_read(struct rcx_session *s, char *to, size_t room)
{
	size_t at = 0;

	for (;;) {
		ssize_t len = pread(s->fd, to + at, room - at, (off_t)at);

		if (len < 0)
			return rcx_fail_errno(s, "read a table");
		if (len == 0)
			return (ssize_t)at;
		at += (size_t)len;
		if (at == room)
			return rcx_fail(s, "the table is longer than %u records", s->records);
	}
}

static inline int rcx_table_dump(struct rcx_session *s, uint64_t n)
{
	size_t room = (s->records + 1) * sizeof(*s->table);

	while (n--) {
		ssize_t len = rcx_table_read(s, (char *)s->table, room);

		if (len < 0 || rcx_dumped_table(s, (size_t)len / sizeof(*s->table)))
			return -1;
	}
	return 0;
}

/* ---- text ---------------------------------------------------------------- */

/* Room for a table as text; s->map, which the agent unmaps. */
static inline int rcx_text_room(struct rcx_session *s)
{
	void *map;

	s->map_len = (size_t)(s->records + 1) * RCX_RECORD_LINE;
	map = mmap(NULL, s->map_len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (map == MAP_FAILED)
		return rcx_fail_errno(s, "cannot get memory for a table as text");
	s->map = map;
	return 0;
}

/* Each character's value as a digit, plus 1; 0 for a character that is not a digit. */
static const uint8_t rcx_digit[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

/* Parse the number at @text, which @end must follow.  Returns what follows, or NULL. */
static inline const char *rcx_field(const char *text, unsigned int base, char end, __u64 *field)
{
	const char *begin = text;
	uint64_t value = 0;
	unsigned int digit;

	while ((digit = rcx_digit[(unsigned char)*text]) != 0) {
		value = value * base + digit - 1;
		text++;
	}
	*field = value;
	return text > begin && *text == end ? text + 1 : NULL;
}

/* Parse the line at @text, which ends with a byte that is no digit.  Returns what follows it. */
static inline const char *rcx_line(const char *text, struct rcx_record *record)
{
	text = rcx_field(text, 10, ' ', &record->index);
	if (text)
		text = rcx_field(text, 10, ' ', &record->generation);
	for (int i = 0; i < 6 && text; i++)
		text = rcx_field(text, 16, i < 5 ? ' ' : '\n', &record->body[i]);
	return text;
}

/* Parse and check the @len bytes of a whole dump; a byte of room follows them. */
static inline int rcx_dumped_text(struct rcx_session *s, char *text, size_t len)
{
	const char *at = text, *end = text + len;

	text[len] = '\0';
	while (at < end) {
		struct rcx_record record;

		at = rcx_line(at, &record);
		if (!at)
			return rcx_fail(s, "line %u of the text is not a record", s->due);
		if (rcx_record(s, &record))
			return -1;
	}
	return rcx_dumped(s);
}

static inline int rcx_text_dump(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		ssize_t len = rcx_table_read(s, s->map, s->map_len);

		if (len < 0 || rcx_dumped_text(s, s->map, (size_t)len))
			return -1;
	}
	return 0;
}

#endif /* RCX_TABLE_FILE_H */
