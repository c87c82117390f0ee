// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <sys/socket.h>
#include "channel.h"
#include "abi.h"

static int sockopt_open(struct rcx_session *s)
{
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return s->fd < 0 ? rcx_fail_errno(s, "socket AF_INET") : 0;
}

static int sockopt_push(struct rcx_session *s, uint64_t n)
{
	socklen_t len = (socklen_t)rcx_len(s);

	while (n--) {
		rcx_tx(s);
		if (setsockopt(s->fd, IPPROTO_IP, RCX_SOCKOPT_PUSH, s->tx, len))
			return rcx_fail_errno(s, "setsockopt push");
	}
	return 0;
}

static int sockopt_pull(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		socklen_t len = (socklen_t)rcx_len(s);

		if (getsockopt(s->fd, IPPROTO_IP, RCX_SOCKOPT_PULL, s->rx, &len))
			return rcx_fail_errno(s, "getsockopt pull");
		if (rcx_rx(s, s->rx, len))
			return -1;
	}
	return 0;
}

static int sockopt_call(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		socklen_t len = (socklen_t)rcx_len(s);

		rcx_tx(s);
		if (getsockopt(s->fd, IPPROTO_IP, RCX_SOCKOPT_CALL, s->tx, &len))
			return rcx_fail_errno(s, "getsockopt call");
		if (rcx_rx_reply(s, s->tx, len))
			return -1;
	}
	return 0;
}

static int sockopt_dump(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		socklen_t len = s->records * RCX_RECORD;

		if (getsockopt(s->fd, IPPROTO_IP, RCX_SOCKOPT_DUMP, s->table, &len))
			return rcx_fail_errno(s, "getsockopt dump");
		if (rcx_dumped_table(s, len / RCX_RECORD))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define BUFFER               \
	.max = RCX_BODY_MAX, \
	.limit = "The kernel half's buffer has 1 MiB; the length of an option is an int, which allows more."
#define NO_WAIT \
	"Only the socket's protocol serves poll(), and a get that sleeps would have no queue per socket, since the handlers do not see that a socket is opened."

static const struct rcx_mode sockopt_modes[] = {
	{
		.name = "option",
		.summary = "set and get; a call is a get whose buffer holds the request",
		.counterpart = "sockopt",
		.open = sockopt_open,
		.single_threaded_reason = "The handlers do not see that a socket is opened, so all callers share one sequence.",
		.operations = {
			[RCX_PUSH] = { .run = sockopt_push, BUFFER },
			[RCX_PULL] = { .run = sockopt_pull, BUFFER },
			[RCX_CALL] = { .run = sockopt_call, BUFFER },
			[RCX_DUMP] = { .run = sockopt_dump, RCX_TABLE },
		},
	},
	{ }
};

static const struct rcx_channel sockopt_channel = {
	.name = "sockopt",
	.summary = "Options of IPv4 sockets, through netfilter",
	.module = "ringcross_sockopt",
	.since = "2.4: nf_register_sockopt(), with CONFIG_NETFILTER",
	.modes = sockopt_modes,
	.unsupported_reason = {
		[RCX_NOTIFY] = NO_WAIT,
		[RCX_STREAM] = NO_WAIT,
		[RCX_UPCALL] = NO_WAIT,
	},
};
RCX_CHANNEL(sockopt_channel);
