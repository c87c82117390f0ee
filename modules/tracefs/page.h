/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parse a page of a trace buffer, in the format that events/header_page and events/header_event
 * describe.  A page begins with a timestamp and a word of 64 bits: the number of bytes of data,
 * and flags.  Each record begins with a word of 32 bits: 5 bits of type or length, and 27 bits of
 * time since the record before it.
 */
#ifndef RCX_TRACEFS_PAGE_H
#define RCX_TRACEFS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RCX_PAGE_HEAD 16u
#define RCX_PAGE_FILL 0xfffffull /* bytes of data */
#define RCX_PAGE_LOST (1ull << 31)

enum rcx_trace_record {
	RCX_RECORD_LONG = 0, /* the length is in the next word */
	RCX_RECORD_PADDING = 29,
	RCX_RECORD_TIME_EXTEND = 30,
	RCX_RECORD_TIMESTAMP = 31,
}; /* other values: the length in words */

/* The fields that each event begins with, and the place of our only field. */
struct rcx_entry {
	uint16_t type;
	uint8_t flags, preempt_count;
	int32_t pid;
	uint16_t offset, len;
};

/* The bytes of one message. */
struct rcx_event_data {
	const unsigned char *at;
	size_t len;
};

/* A position in a page, which has not more data than @end; @broken after an impossible record. */
struct rcx_page_walk {
	const unsigned char *at, *end;
	bool broken;
};

static inline uint64_t rcx_page_word(const unsigned char *page)
{
	return __atomic_load_n((const uint64_t *)(const void *)(page + 8), __ATOMIC_ACQUIRE);
}

/* Whether events were lost before the first one of this page. */
static inline bool rcx_page_lost(const unsigned char *page)
{
	return rcx_page_word(page) & RCX_PAGE_LOST;
}

static inline size_t rcx_page_fill(const unsigned char *page)
{
	return rcx_page_word(page) & RCX_PAGE_FILL;
}

/* Begin at @from bytes of data, in a page of @size bytes. */
static inline struct rcx_page_walk rcx_page_walk(const unsigned char *page, size_t from, size_t size)
{
	size_t fill = rcx_page_fill(page);
	bool broken = fill > size - RCX_PAGE_HEAD;

	return (struct rcx_page_walk){
		.at = page + RCX_PAGE_HEAD + from,
		.end = page + RCX_PAGE_HEAD + (broken ? 0 : fill),
		.broken = broken,
	};
}

static inline uint32_t rcx_word_at(const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Whether the record of @len bytes at @at is event @type, with a message inside of it. */
static inline bool rcx_is_message(const unsigned char *at, size_t len, uint16_t type,
				  struct rcx_event_data *data)
{
	struct rcx_entry entry;

	if (len < sizeof(entry))
		return false;
	memcpy(&entry, at, sizeof(entry));
	if (entry.type != type || entry.offset + (size_t)entry.len > len)
		return false;
	*data = (struct rcx_event_data){ at + entry.offset, entry.len };
	return true;
}

/* Find the next message of event @type; false at the end of the page. */
static inline bool rcx_page_next(struct rcx_page_walk *walk, uint16_t type,
				 struct rcx_event_data *data)
{
	while (walk->end - walk->at >= 8) {
		const unsigned char *at = walk->at;
		uint32_t head = rcx_word_at(at), kind = head & 31, ahead = 4;
		size_t len = 4 * (size_t)kind;

		if (kind == RCX_RECORD_PADDING && !(head >> 5))
			break; /* the rest of the page is unused */
		if (kind == RCX_RECORD_LONG || kind == RCX_RECORD_PADDING)
			len = rcx_word_at(at + 4);
		else if (kind >= RCX_RECORD_TIME_EXTEND)
			len = 4;
		if (len < 4 || len > (size_t)(walk->end - at) - 4) {
			walk->broken = true;
			break;
		}
		walk->at = at + 4 + len;
		if (kind >= RCX_RECORD_PADDING)
			continue;
		if (kind == RCX_RECORD_LONG)
			ahead += 4;
		if (rcx_is_message(at + ahead, 4 + len - ahead, type, data))
			return true;
	}
	return false;
}

#endif
