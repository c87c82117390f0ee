/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user's side of generic netlink, as far as both user.c and hostile.c need
 * it: datagrams with one attribute, and how to ask the controller, a family that
 * every kernel has, which numbers the names of ours have been given.
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

/* One attribute behind both headers, and a message in it. */
struct datagram {
	struct nlmsghdr header;
	struct genlmsghdr command;
	struct nlattr attr;
	struct rcx_msg msg;
};

#define BARE		(uint32_t)offsetof(struct datagram, attr)	/* of no attribute */
#define AHEAD		(uint32_t)offsetof(struct datagram, msg)	/* before a message */

/* What the kernel has given our names, until the module goes. */
struct family {
	uint16_t id;
	uint32_t group;
};

/* The first attribute of @type in the @len bytes at @at, if it lies within them. */
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

static inline const struct nlattr *find_inside(const struct nlattr *outer, uint16_t type)
{
	return find_attr((const char *)outer + NLA_HDRLEN, outer->nla_len - NLA_HDRLEN, type);
}

/* Copy the value of @attr to @value, when it is there and has just that size. */
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

	/* An array: its types are 1, 2, ... */
	for (uint16_t i = 1; (group = find_inside(groups, i)); i++) {
		const struct nlattr *called = find_inside(group, CTRL_ATTR_MCAST_GRP_NAME);

		if (called && called->nla_len == NLA_HDRLEN + sizeof(name) &&
		    !memcmp((const char *)called + NLA_HDRLEN, name, sizeof(name)))
			return attr_value(find_inside(group, CTRL_ATTR_MCAST_GRP_ID), number,
					  sizeof(*number));
	}
	return -1;
}

/* What the controller says of our family: @got bytes at @answer. */
static inline int family_parse(const struct nlmsghdr *answer, ssize_t got, struct family *family)
{
	const struct nlattr *groups;
	size_t len;

	if (got < (ssize_t)BARE || answer->nlmsg_len < BARE || answer->nlmsg_len > (size_t)got)
		return EPROTO;
	if (answer->nlmsg_type == NLMSG_ERROR)
		return -((const struct nlmsgerr *)NLMSG_DATA(answer))->error;
	len = answer->nlmsg_len - BARE;
	answer = (const void *)((const char *)answer + BARE);
	groups = find_attr(answer, len, CTRL_ATTR_MCAST_GROUPS);
	if (attr_value(find_attr(answer, len, CTRL_ATTR_FAMILY_ID), &family->id,
		       sizeof(family->id)) || !groups || family_group(groups, &family->group))
		return EPROTO;
	return 0;
}

/* Ask for our family on @fd, with @len bytes of @room for the answer; 0, or -1 and errno. */
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
