// SPDX-License-Identifier: GPL-2.0-only
#include <netinet/in.h>
#include <sys/socket.h>
#include "channel.h"
#include "abi.h"

static int sockopt_open(struct rc_session *s)
{
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return s->fd < 0 ? rc_fail_errno(s, "socket AF_INET") : 0;
}

static int sockopt_push(struct rc_session *s, uint64_t n)
{
	socklen_t len = (socklen_t)rc_len(s);

	while (n--) {
		rc_tx(s);
		if (setsockopt(s->fd, IPPROTO_IP, RC_SOCKOPT_PUSH, s->tx, len))
			return rc_fail_errno(s, "setsockopt push");
	}
	return 0;
}

static int sockopt_pull(struct rc_session *s, uint64_t n)
{
	while (n--) {
		socklen_t len = (socklen_t)rc_len(s);

		if (getsockopt(s->fd, IPPROTO_IP, RC_SOCKOPT_PULL, s->rx, &len))
			return rc_fail_errno(s, "getsockopt pull");
		if (rc_rx(s, s->rx, len))
			return -1;
	}
	return 0;
}

static int sockopt_call(struct rc_session *s, uint64_t n)
{
	while (n--) {
		socklen_t len = (socklen_t)rc_len(s);

		rc_tx(s);
		if (getsockopt(s->fd, IPPROTO_IP, RC_SOCKOPT_CALL, s->tx, &len))
			return rc_fail_errno(s, "getsockopt call");
		if (rc_rx_reply(s, s->tx, len))
			return -1;
	}
	return 0;
}

/* ---- registration ------------------------------------------------------ */

#define BUFFER .max = RC_BODY_MAX, \
	.limit = "The kernel half's buffer has 1 MiB; the length of an option is an int and allows more."
#define NO_WAIT \
	"By poll() the socket's protocol alone is asked, and a get that sleeps would have no queue behind it, since the range does not hear of a socket's opening."

static const struct rc_mode sockopt_modes[] = {
	{
		.name = "option",
		.summary = "set and get; a call is a get whose buffer holds the request",
		.stock = "sockopt",
		.open = sockopt_open,
		.alone = "The range does not hear of a socket's opening: all who use it share one sequence.",
		.operations = {
			[RC_PUSH] = { .run = sockopt_push, BUFFER },
			[RC_PULL] = { .run = sockopt_pull, BUFFER },
			[RC_CALL] = { .run = sockopt_call, BUFFER },
		},
	},
	{ }
};

static const struct rc_channel sockopt_channel = {
	.name = "sockopt",
	.summary = "Options of IPv4 sockets, through netfilter",
	.module = "rc_sockopt",
	.since = "2.4: nf_register_sockopt(), with CONFIG_NETFILTER",
	.modes = sockopt_modes,
	.cannot = {
		[RC_NOTIFY] = NO_WAIT,
		[RC_STREAM] = NO_WAIT,
	},
};
RC_CHANNEL(sockopt_channel);
