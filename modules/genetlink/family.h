/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic netlink in user space, for user.c and hostile.c: datagrams with one attribute,
 * and the lookup of the family.  The controller, a family that every kernel has, maps the
 * names of our family and its group to the numbers that the kernel has assigned.
 */
#ifndef RCX_GENETLINK_FAMILY_H
#define RCX_GENETLINK_FAMILY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include "../include/ringcross.h"
#include "abi.h"

/* Both headers, followed by one attribute that holds a message. */
struct datagram {
	struct nlmsghdr header;
	struct genlmsghdr command;
	struct nlattr attr;
	struct rcx_msg msg;
};

#define HEADERS_LEN    (uint32_t)offsetof(struct datagram, attr) /* without an attribute */
#define MESSAGE_OFFSET (uint32_t)offsetof(struct datagram, msg)	 /* before the message */

/* Numbers that the kernel has assigned, valid until the module is unloaded. */
struct family {
	uint16_t id;
	uint32_t group;
};

/* The first attribute of @type within the @len bytes at @at, or NULL. */
static inline const struct nlattr *find_attr(const void *at, size_t len, uint16_t type)
{
	while (len >= NLA_HDRLEN) {
		const struct nlattr *attr = at;
		size_t next = NLA_ALIGN(attr->nla_len);

		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > len)
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		if (next >= len)
			break;
		at = (const char *)at + next;
		len -= next;
	}
	return NULL;
}

static inline const struct nlattr *find_nested(const struct nlattr *outer, uint16_t type)
{
	return find_attr((const char *)outer + NLA_HDRLEN, outer->nla_len - NLA_HDRLEN, type);
}

/* Copy the value of @attr to @value: 0, or -1 when it is missing or has another size. */
static inline int attr_value(const struct nlattr *attr, void *value, size_t size)
{
	if (!attr || attr->nla_len != NLA_HDRLEN + size)
		return -1;
	memcpy(value, (const char *)attr + NLA_HDRLEN, size);
	return 0;
}

static inline int family_group(const struct nlattr *groups, uint32_t *number)
{
	static const char name[] = RCX_GENETLINK_GROUP;
	const struct nlattr *group;

	/* An array: the types of its elements are 1, 2, ... */
	for (uint16_t i = 1; (group = find_nested(groups, i)); i++) {
		const struct nlattr *group_name = find_nested(group, CTRL_ATTR_MCAST_GRP_NAME);

		if (group_name && group_name->nla_len == NLA_HDRLEN + sizeof(name) &&
		    !memcmp((const char *)group_name + NLA_HDRLEN, name, sizeof(name)))
			return attr_value(find_nested(group, CTRL_ATTR_MCAST_GRP_ID), number,
					  sizeof(*number));
	}
	return -1;
}

/* Parse the controller's answer, @got bytes at @answer: 0 or a positive errno. */
static inline int family_parse(const struct nlmsghdr *answer, ssize_t got, struct family *family)
{
	const struct nlattr *groups;
	size_t len;

	if (got < (ssize_t)HEADERS_LEN || answer->nlmsg_len < HEADERS_LEN ||
	    answer->nlmsg_len > (size_t)got)
		return EPROTO;
	if (answer->nlmsg_type == NLMSG_ERROR)
		return -((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
	len = answer->nlmsg_len - HEADERS_LEN;
	answer = (const void *)((const char *)answer + HEADERS_LEN);
	groups = find_attr(answer, len, CTRL_ATTR_MCAST_GROUPS);
	if (attr_value(find_attr(answer, len, CTRL_ATTR_FAMILY_ID), &family->id,
		       sizeof(family->id)) ||
	    !groups || family_group(groups, &family->group))
		return EPROTO;
	return 0;
}

/* Look up our family through @fd, with @len bytes of @room for the answer: 0, or -1 and errno. */
static inline int family_find(int fd, void *room, size_t len, struct family *family)
{
	static const struct {
		struct nlmsghdr header;
		struct genlmsghdr command;
		struct nlattr attr;
		char name[NLA_ALIGN(sizeof(RCX_GENETLINK_FAMILY))];
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = GENL_ID_CTRL,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.command = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
		.attr = {
			.nla_len = NLA_HDRLEN + sizeof(RCX_GENETLINK_FAMILY),
			.nla_type = CTRL_ATTR_FAMILY_NAME,
		},
		.name = RCX_GENETLINK_FAMILY,
	};
	ssize_t got;

	if (send(fd, &request, sizeof(request), 0) != sizeof(request))
		return -1;
	got = recv(fd, room, len, 0);
	if (got < 0)
		return -1;
	errno = family_parse(room, got, family);
	return errno ? -1 : 0;
}

#endif
