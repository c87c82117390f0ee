/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The number of a function in the kernel's type information (BTF), by its name.  A program of an
 * iterator names by this number what it iterates over.
 */
#ifndef RCX_BPFITER_BTF_H
#define RCX_BPFITER_BTF_H

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"

/* Bytes that follow the description of a type; -1 for an unknown kind. */
static inline long btf_tail(const struct btf_type *type)
{
	long count = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case 17: /* BTF_KIND_DECL_TAG */
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return count * (long)sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return count * (long)sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return count * (long)sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
	case 19: /* BTF_KIND_ENUM64, whose entries have 12 bytes, too */
		return count * (long)sizeof(struct btf_var_secinfo);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case 16: /* BTF_KIND_FLOAT */
	case 18: /* BTF_KIND_TYPE_TAG */
		return 0;
	}
	return -1;
}

/* Find the function @name in the @len bytes at @data: its number, or 0. */
static inline uint32_t btf_search(const char *data, size_t len, const char *name)
{
	const struct btf_header *header = (const struct btf_header *)data;
	const char *types, *end, *texts;
	uint32_t number = 1;

	if (len < sizeof(*header) || header->magic != BTF_MAGIC || header->hdr_len > len ||
	    header->type_off > len - header->hdr_len ||
	    header->type_len > len - header->hdr_len - header->type_off ||
	    header->str_off > len - header->hdr_len ||
	    header->str_len > len - header->hdr_len - header->str_off)
		return 0;
	types = data + header->hdr_len + header->type_off;
	end = types + header->type_len;
	texts = data + header->hdr_len + header->str_off;
	for (; end - types >= (ptrdiff_t)sizeof(struct btf_type); number++) {
		const struct btf_type *type = (const struct btf_type *)types;
		long tail = btf_tail(type);

		if (tail < 0)
			return 0;
		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    type->name_off < header->str_len &&
		    !strncmp(texts + type->name_off, name, header->str_len - type->name_off))
			return number;
		types += (long)sizeof(*type) + tail;
	}
	return 0;
}

/* The number of the kernel's function @name.  0, with errno, when it cannot be found. */
static inline uint32_t btf_function(const char *name)
{
	int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	struct stat status;
	uint32_t number = 0;
	char *data = NULL;
	ssize_t got = -1;
	size_t at = 0;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &status))
		data = malloc((size_t)status.st_size);
	while (data && at < (size_t)status.st_size &&
	       (got = read(fd, data + at, (size_t)status.st_size - at)) > 0)
		at += (size_t)got;
	close(fd);
	if (data)
		number = btf_search(data, at, name);
	free(data);
	if (!number)
		errno = ENOENT;
	return number;
}

#endif
