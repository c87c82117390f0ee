// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "family.h"

#define PAGE 4096

/* A dump brings so much at a time at most, and less to a reader who has less room. */
#define DUMP_ROOM 32768

/* In s->map lie the datagram to receive and, behind it, the one to send. */
static struct datagram *in(const struct rc_session *s)
{
	return s->map;
}

static size_t room(const struct rc_session *s)
{
	return s->map_len / 2;
}

static struct datagram *out(const struct rc_session *s)
{
	return (struct datagram *)((char *)s->map + room(s));
}

/* ---- what came --------------------------------------------------------- */

static int broken(struct rc_session *s, ssize_t got) __attribute__((cold));

static int broken(struct rc_session *s, ssize_t got)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *refusal = NLMSG_DATA(header);

	if (got < 0)
		return rc_fail_errno(s, "recv");
	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*refusal)) || header->nlmsg_type != NLMSG_ERROR)
		return rc_fail(s, "a datagram of %zd bytes is none of ours", got);
	return rc_fail(s, "the kernel half refused a request: %s", strerror(-refusal->error));
}

/* Whether at @came is an answer of our family, with one attribute of @type and nothing
 * behind it, all of it within @got bytes.
 */
static inline bool is_whole(const struct rc_session *s, const struct datagram *came, size_t got,
			    uint8_t command, uint16_t type)
{
	return got >= AHEAD && came->header.nlmsg_type == out(s)->header.nlmsg_type &&
	       came->header.nlmsg_len <= got && came->command.cmd == command &&
	       came->attr.nla_type == type && came->attr.nla_len >= NLA_HDRLEN &&
	       BARE + NLA_ALIGN(came->attr.nla_len) == NLMSG_ALIGN(came->header.nlmsg_len);
}

static inline bool has_message(const struct rc_session *s, ssize_t got, uint8_t command)
{
	return got > 0 && is_whole(s, in(s), (size_t)got, command, RC_GENETLINK_A_MESSAGE);
}

/* Attributes are padded to four bytes, so only theirs is the length of a message. */
static inline size_t attr_len(const struct datagram *came)
{
	return came->attr.nla_len - NLA_HDRLEN;
}

static int wait_for_ack(struct rc_session *s)
{
	const struct nlmsghdr *header = s->map;
	const struct nlmsgerr *ack = NLMSG_DATA(header);
	ssize_t got = recv(s->fd, s->map, room(s), 0);

	if (got < (ssize_t)NLMSG_LENGTH(sizeof(*ack)) || header->nlmsg_type != NLMSG_ERROR ||
	    ack->error)
		return broken(s, got);
	return 0;
}

/* ---- open and close ---------------------------------------------------- */

/* Room for both datagrams; s->tx becomes the message inside the one to send. */
static int get_datagrams(struct rc_session *s)
{
	size_t len = AHEAD + rc_len(s);

	len = len < DUMP_ROOM ? DUMP_ROOM : (len + PAGE - 1) / PAGE * PAGE;
	s->map = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return rc_fail_errno(s, "cannot get room for two datagrams");
	}
	s->map_len = 2 * len;
	out(s)->msg = *s->tx;
	s->priv = s->tx;
	s->tx = &out(s)->msg;
	return 0;
}

static int open_socket(struct rc_session *s, struct family *family)
{
	if (get_datagrams(s))
		return -1;
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (s->fd < 0)
		return rc_fail_errno(s, "socket AF_NETLINK");
	if (family_find(s->fd, s->map, room(s), family))
		return rc_fail_errno(s, "no family " RC_GENETLINK_FAMILY);
	out(s)->header.nlmsg_type = family->id;
	return 0;
}

static int prepare(struct rc_session *s, uint8_t command, uint16_t flags)
{
	struct datagram *request = out(s);

	request->command = (struct genlmsghdr){ .cmd = command, .version = RC_GENETLINK_VERSION };
	request->header.nlmsg_flags = NLM_F_REQUEST | flags;
	request->header.nlmsg_len = BARE;
	if (command == RC_GENETLINK_PULL)
		return 0;
	if (s->size > RC_GENETLINK_BODY_MAX)
		return rc_fail(s, "no attribute can hold %zu bytes", rc_len(s));
	request->attr.nla_type = RC_GENETLINK_A_MESSAGE;
	request->attr.nla_len = (uint16_t)(NLA_HDRLEN + rc_len(s));
	request->header.nlmsg_len += (uint32_t)NLA_ALIGN(NLA_HDRLEN + rc_len(s));
	return 0;
}

static int do_open(struct rc_session *s)
{
	static const uint8_t commands[RC_OPS] = {
		[RC_PUSH] = RC_GENETLINK_PUSH,
		[RC_PULL] = RC_GENETLINK_PULL,
		[RC_CALL] = RC_GENETLINK_CALL,
	};
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, commands[s->op], 0);
}

static int ack_open(struct rc_session *s)
{
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, RC_GENETLINK_PUSH, NLM_F_ACK);
}

static int dump_open(struct rc_session *s)
{
	struct family family;

	return open_socket(s, &family) ? -1 : prepare(s, RC_GENETLINK_PULL, NLM_F_DUMP);
}

/* What the socket may queue of events; the kernel doubles it, for its own part. */
static int set_queue(struct rc_session *s)
{
	int bytes = (int)s->queue;

	if (bytes && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return rc_fail_errno(s, "setsockopt SO_RCVBUFFORCE");
	return 0;
}

static int multicast_open(struct rc_session *s)
{
	struct family family;

	if (open_socket(s, &family) || set_queue(s))
		return -1;
	if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.group,
		       sizeof(family.group)))
		return rc_fail_errno(s, "cannot join the group");
	return 0;
}

static void genetlink_close(struct rc_session *s)
{
	if (s->priv)
		s->tx = s->priv;
}

/* ---- requests ---------------------------------------------------------- */

static int genetlink_push(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s);
	size_t len = request->header.nlmsg_len;

	while (n--) {
		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
	}
	return 0;
}

static int genetlink_push_ack(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s);
	size_t len = request->header.nlmsg_len;

	while (n--) {
		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		if (wait_for_ack(s))
			return -1;
	}
	return 0;
}

static int genetlink_pull(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s), *answer = in(s);
	size_t most = room(s);

	while (n--) {
		ssize_t got;

		if (send(s->fd, request, BARE, 0) != (ssize_t)BARE)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, answer, most, 0);
		if (!has_message(s, got, RC_GENETLINK_PULL))
			return broken(s, got);
		if (rc_rx(s, &answer->msg, attr_len(answer)))
			return -1;
	}
	return 0;
}

static int genetlink_call(struct rc_session *s, uint64_t n)
{
	struct datagram *request = out(s), *answer = in(s);
	size_t len = request->header.nlmsg_len, most = room(s);

	while (n--) {
		ssize_t got;

		rc_tx(s);
		if (send(s->fd, request, len, 0) != (ssize_t)len)
			return rc_fail_errno(s, "send");
		got = recv(s->fd, answer, most, 0);
		if (!has_message(s, got, RC_GENETLINK_CALL))
			return broken(s, got);
		if (rc_rx_reply(s, &answer->msg, attr_len(answer)))
			return -1;
	}
	return 0;
}

/* ---- dump: records until the end mark ----------------------------------- */

/*
 * Put the records in @left bytes of the buffer behind the @at bytes of s->rx that
 * are there.  How many are there now; @end is set by the mark behind the last.
 */
static inline ssize_t take_records(struct rc_session *s, size_t at, ssize_t left, bool *end)
{
	const struct nlmsghdr *header = s->map;

	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
		const struct datagram *record = (const struct datagram *)header;

		if (header->nlmsg_type == NLMSG_DONE) {
			*end = true;
			break;
		}
		if (!is_whole(s, record, (size_t)left, RC_GENETLINK_PULL, RC_GENETLINK_A_PART))
			return broken(s, header == s->map ? left : 0);
		if (attr_len(record) > rc_len(s) - at)
			return rc_fail(s, "a dump goes on behind %zu bytes", rc_len(s));
		memcpy((char *)s->rx + at, &record->msg, attr_len(record));
		at += attr_len(record);
	}
	return (ssize_t)at;
}

static int genetlink_dump(struct rc_session *s, uint64_t n)
{
	while (n--) {
		bool end = false;
		ssize_t at = 0;

		if (send(s->fd, out(s), BARE, 0) != (ssize_t)BARE)
			return rc_fail_errno(s, "send");
		while (!end) {
			ssize_t got = recv(s->fd, s->map, room(s), 0);

			if (got <= 0)
				return broken(s, got);
			at = take_records(s, (size_t)at, got, &end);
			if (at < 0)
				return -1;
		}
		if (rc_rx(s, s->rx, (size_t)at))
			return -1;
	}
	return 0;
}

/* ---- events ------------------------------------------------------------ */

static int genetlink_notify(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int flags = rc_nonblocking(s) ? MSG_DONTWAIT : 0;
	struct datagram *event = in(s);
	size_t most = room(s);
	bool polls = rc_polls(s);

	while (n--) {
		ssize_t got;

		if (rc_arm(s))
			return -1;
		do {
			if (polls)
				poll(&pfd, 1, -1);
			got = recv(s->fd, event, most, flags);
		} while (got < 0 && errno == EAGAIN);
		rc_arrived(s);
		if (!has_message(s, got, RC_GENETLINK_EVENT))
			return broken(s, got);
		if (rc_rx(s, &event->msg, attr_len(event)))
			return -1;
	}
	return 0;
}

/* ENOBUFS tells of a loss, once per overrun and ahead of what is still queued. */
static int genetlink_stream(struct rc_session *s, uint64_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct datagram *event = in(s);
	size_t most = room(s);

	(void)n;
	for (;;) {
		bool over = rc_stream_over(s);
		ssize_t got;

		while ((got = recv(s->fd, event, most, MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
			if (got < 0) {
				s->overruns++;
				continue;
			}
			if (!has_message(s, got, RC_GENETLINK_EVENT))
				return broken(s, got);
			if (rc_streamed(s, &event->msg, attr_len(event)))
				return -1;
		}
		if (errno != EAGAIN)
			return rc_fail_errno(s, "recv");
		if (over)
			return 0;
		if (rc_polls(s))
			poll(&pfd, 1, RC_STREAM_WAIT);
	}
}

/* ---- registration ------------------------------------------------------ */

#define ATTRIBUTE .max = RC_GENETLINK_BODY_MAX, \
	.limit = "An attribute says its length in 16 bits, its own header of 4 bytes included."

static const struct rc_queue genetlink_queue = {
	.what = "bytes of SO_RCVBUF",
	.min = 2304,		/* the kernel lets none have less */
	.max = 1u << 28,
	.values = { 1u << 14, 1u << 16, 1u << 20 },
};

static const struct rc_mode genetlink_modes[] = {
	{
		.name = "do",
		.summary = "one request, and one answer if it has one",
		.stock = "genetlink",
		.open = do_open,
		.close = genetlink_close,
		.operations = {
			[RC_PUSH] = { .run = genetlink_push, ATTRIBUTE },
			[RC_PULL] = { .run = genetlink_pull, ATTRIBUTE },
			[RC_CALL] = { .run = genetlink_call, ATTRIBUTE },
		},
	},
	{
		.name = "ack",
		.summary = "a push that waits for its acknowledgement",
		.open = ack_open,
		.close = genetlink_close,
		.operations = {
			[RC_PUSH] = { .run = genetlink_push_ack, ATTRIBUTE },
		},
	},
	{
		.name = "dump",
		.summary = "a pull in records of 1 KiB, up to 32 KiB at a time",
		.open = dump_open,
		.close = genetlink_close,
		.operations = {
			[RC_PULL] = { .run = genetlink_dump, .max = RC_BODY_MAX },
		},
	},
	{
		.name = "multicast",
		.summary = "events to a group",
		.open = multicast_open,
		.close = genetlink_close,
		.claims = RC_POLLABLE | RC_READERS_EACH | RC_FULL_REFUSES,
		.operations = {
			[RC_NOTIFY] = { .run = genetlink_notify, ATTRIBUTE, .waits = RC_WAIT_ANY },
			[RC_STREAM] = { .run = genetlink_stream, ATTRIBUTE,
					.waits = RC_WAIT_DRAIN, .queue = &genetlink_queue },
		},
	},
	{ }
};

static const struct rc_channel genetlink_channel = {
	.name = "genetlink",
	.summary = "Named netlink families: commands, typed attributes, dumps, groups",
	.module = "rc_genetlink",
	.since = "2.6.15: genl_register_family(), families by name over NETLINK_GENERIC",
	.modes = genetlink_modes,
};
RC_CHANNEL(genetlink_channel);
