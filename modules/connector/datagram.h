/* SPDX-License-Identifier: GPL-2.0-only */
/* A datagram as a program sees it; for both files of the agent. */
#ifndef RCX_CONNECTOR_DATAGRAM_H
#define RCX_CONNECTOR_DATAGRAM_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "abi.h"

/* What is in front of a message; struct cn_msg ends with an array, so it has to be the last. */
#define DATAGRAM_HEAD (NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(struct rcx_connector_head))

static inline struct cn_msg *datagram_cn(struct nlmsghdr *header)
{
	return NLMSG_DATA(header);
}

static inline struct rcx_connector_head *datagram_head(struct nlmsghdr *header)
{
	return (struct rcx_connector_head *)datagram_cn(header)->data;
}

/* Make @header the start of a request with a message of @len bytes; returns its length. */
static inline size_t datagram_prepare(struct nlmsghdr *header, uint16_t kind, uint16_t flags,
				      size_t len)
{
	*header = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(DATAGRAM_HEAD + len),
		.nlmsg_type = NLMSG_DONE,
	};
	*datagram_cn(header) = (struct cn_msg){
		.id = { .idx = RCX_CONNECTOR_IDX, .val = RCX_CONNECTOR_VAL },
		.len = (uint16_t)(sizeof(struct rcx_connector_head) + len),
		.flags = flags,
	};
	*datagram_head(header) = (struct rcx_connector_head){ .kind = kind };
	return header->nlmsg_len;
}

/* Whether the @got bytes at @header are a datagram of @kind with our address. */
static inline bool datagram_is(struct nlmsghdr *header, ssize_t got, unsigned int kind)
{
	const struct cn_msg *cn = datagram_cn(header);

	return got >= (ssize_t)DATAGRAM_HEAD && header->nlmsg_type == NLMSG_DONE &&
	       header->nlmsg_len <= (size_t)got && cn->id.idx == RCX_CONNECTOR_IDX &&
	       cn->id.val == RCX_CONNECTOR_VAL &&
	       cn->len == header->nlmsg_len - NLMSG_HDRLEN - sizeof(*cn) &&
	       datagram_head(header)->kind == kind;
}

#endif
