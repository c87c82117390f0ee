// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "channel.h"
#include "loops/fd_batch.h"
#include "loops/fd_pair.h"
#include "abi.h"

#define DEVICE "/dev/" RCX_SOCKETS_DEVICE

/* ---- the device --------------------------------------------------------- */

/* s->priv is one more than the descriptor of the device, so that NULL means that there is none. */
static int device(const struct rcx_session *s)
{
	return (int)(intptr_t)s->priv - 1;
}

static void sockets_close(struct rcx_session *s)
{
	if (s->priv)
		close(device(s));
	s->priv = NULL;
}

/* Start a conversation with the kernel half; @number becomes its port.  0, or -1 with errno. */
static int ask(struct rcx_session *s, uint32_t kind, uint32_t *number)
{
	struct rcx_sockets_connect request = {
		.kind = kind,
		.flags = rcx_kernel_initiated(s->op) ? RCX_SOCKETS_EVENTS :
			 s->op == RCX_CALL	     ? RCX_SOCKETS_REPLIES :
						       0,
		.number = *number,
	};
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	s->priv = (void *)(intptr_t)(fd + 1);
	if (ioctl(fd, RCX_SOCKETS_CONNECT, &request))
		return -1;
	*number = request.number;
	return 0;
}

/* The loops of fd_pair.h have a descriptor to read from and one to write to. */
static int set_descriptors(struct rcx_session *s)
{
	if (rcx_kernel_initiated(s->op) && rcx_nonblocking(s) && fcntl(s->fd, F_SETFL, O_NONBLOCK))
		return rcx_fail_errno(s, "cannot set O_NONBLOCK");
	s->fd2 = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	return s->fd2 < 0 ? rcx_fail_errno(s, "cannot copy a file descriptor") : 0;
}

/* ---- push: sent, and then consumed by the kernel half ------------------- */

static int sockets_push(struct rcx_session *s, uint64_t n)
{
	while (n--) {
		rcx_tx(s);
		if (rcx_fd_put(s, s->tx, rcx_len(s)))
			return rcx_fail_errno(s, "write");
	}
	if (ioctl(device(s), RCX_SOCKETS_WAIT, &s->sent))
		return rcx_fail_errno(s, "the kernel half has not consumed all messages");
	return 0;
}

/* ---- udp ---------------------------------------------------------------- */

/* A virtual machine starts with the loopback device down. */
static int bring_up_loopback(struct rcx_session *s)
{
	struct ifreq loopback = { .ifr_name = "lo" };

	if (ioctl(s->fd, SIOCGIFFLAGS, &loopback))
		return rcx_fail_errno(s, "cannot find the loopback device");
	if (loopback.ifr_flags & IFF_UP)
		return 0;
	loopback.ifr_flags |= IFF_UP;
	if (ioctl(s->fd, SIOCSIFFLAGS, &loopback))
		return rcx_fail_errno(s, "cannot bring up the loopback device");
	return 0;
}

static int udp_open(struct rcx_session *s)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr *at = (struct sockaddr *)&address;
	socklen_t len = sizeof(address);
	int bytes = (int)s->queue;
	uint32_t port;

	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return rcx_fail_errno(s, "socket AF_INET");
	if (bytes && setsockopt(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		return rcx_fail_errno(s, "setsockopt SO_RCVBUFFORCE");
	if (bring_up_loopback(s))
		return -1;
	if (bind(s->fd, at, len) || getsockname(s->fd, at, &len))
		return rcx_fail_errno(s, "bind to 127.0.0.1");
	port = ntohs(address.sin_port);
	if (ask(s, RCX_SOCKETS_UDP, &port))
		return rcx_fail_errno(s, "the kernel half did not connect");
	address.sin_port = htons((uint16_t)port);
	if (connect(s->fd, at, len))
		return rcx_fail_errno(s, "connect");
	return set_descriptors(s);
}

/* Datagrams that the socket has dropped since it was created. */
static uint32_t drops(const struct rcx_session *s)
{
	uint32_t values[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(values);

	return getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, values, &len) ?
		       0 :
		       values[SK_MEMINFO_DROPS];
}

/* The socket counts what it drops, and tells no one who does not ask. */
static int udp_stream(struct rcx_session *s, uint64_t n)
{
	uint32_t before = drops(s);

	if (rcx_fd_stream(s, n))
		return -1;
	s->overruns += drops(s) != before;
	return 0;
}

/* ---- vsock -------------------------------------------------------------- */

static int skip_vsock(struct rcx_session *s)
{
	return rcx_skip(s, "This kernel has no loopback for AF_VSOCK (CONFIG_VSOCKETS_LOOPBACK).");
}

/* Accept the connection of the kernel half's @port, and no other. */
static int accept_from(struct rcx_session *s, int listening, uint32_t port)
{
	for (;;) {
		struct sockaddr_vm address = { 0 };
		socklen_t len = sizeof(address);

		s->fd = accept4(listening, (struct sockaddr *)&address, &len, SOCK_CLOEXEC);
		if (s->fd < 0)
			return rcx_fail_errno(s, "accept");
		if (address.svm_port == port)
			return 0;
		close(s->fd);
	}
}

static int listen_and_accept(struct rcx_session *s, int listening)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	struct sockaddr *at = (struct sockaddr *)&address;
	socklen_t len = sizeof(address);
	uint32_t port;

	if (bind(listening, at, len))
		return errno == EADDRNOTAVAIL ? skip_vsock(s) : rcx_fail_errno(s, "bind");
	if (listen(listening, 1) || getsockname(listening, at, &len))
		return rcx_fail_errno(s, "listen");
	port = address.svm_port;
	if (ask(s, RCX_SOCKETS_VSOCK, &port))
		return errno == ENODEV ? skip_vsock(s) :
					 rcx_fail_errno(s, "the kernel half did not connect");
	return accept_from(s, listening, port);
}

static int vsock_open(struct rcx_session *s)
{
	int listening = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (listening < 0)
		return errno == EAFNOSUPPORT ? skip_vsock(s) : rcx_fail_errno(s, "socket AF_VSOCK");
	err = listen_and_accept(s, listening);
	close(listening);
	return err ? -1 : set_descriptors(s);
}

#define ARRIVAL_MAX 1000 /* milliseconds in which the transport delivers what was sent */

/* Whether more of what the kernel half has sent will arrive.  A probe's log keeps no numbers. */
static bool is_on_its_way(struct rcx_session *s, uint64_t sent)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };

	if (s->log)
		return poll(&pfd, 1, RCX_STREAM_WAIT) == 1;
	return s->seen < sent && poll(&pfd, 1, ARRIVAL_MAX) == 1;
}

/* The transport is a thread of its own, so messages arrive after the producer has ended, too. */
static int vsock_stream(struct rcx_session *s, uint64_t n)
{
	uint64_t sent = 0;

	do {
		if (rcx_fd_stream(s, n))
			return -1;
		if (rcx_stream_over(s) && ioctl(device(s), RCX_SOCKETS_SENT, &sent))
			return rcx_fail_errno(s, "cannot get the number of the last event");
	} while (is_on_its_way(s, sent));
	return 0;
}

/* ---- pipe --------------------------------------------------------------- */

/* A message must fit as a whole: the kernel half refuses what it would have to divide. */
static int set_capacity(struct rcx_session *s, int fd)
{
	int need = s->queue ? (int)s->queue : (int)rcx_len(s);

	if ((s->queue || need > fcntl(fd, F_GETPIPE_SZ)) && fcntl(fd, F_SETPIPE_SZ, need) < 0)
		return errno == EPERM ? rcx_skip(s, "A pipe larger than pipe-max-size needs "
						    "CAP_SYS_RESOURCE.") :
					rcx_fail_errno(s, "F_SETPIPE_SZ");
	return 0;
}

static int open_pipe(struct rcx_session *s, uint32_t kind)
{
	uint32_t to_write;
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC))
		return rcx_fail_errno(s, "pipe");
	s->fd = fds[0];
	to_write = (uint32_t)fds[1];
	err = set_capacity(s, fds[1]);
	if (!err && ask(s, kind, &to_write))
		err = rcx_fail_errno(s, "the kernel half did not take the pipe");
	close(fds[1]);
	return err ? -1 : set_descriptors(s);
}

static int pipe_open(struct rcx_session *s)
{
	return open_pipe(s, RCX_SOCKETS_PIPE);
}

static int batch_open(struct rcx_session *s)
{
	return rcx_fd_batch_begin(s) || open_pipe(s, RCX_SOCKETS_BATCH) ? -1 : 0;
}

/* ---- registration ------------------------------------------------------ */

#define DATAGRAM                                                        \
	.max = RCX_SOCKETS_DATAGRAM - (uint32_t)sizeof(struct rcx_msg), \
	.limit = "A UDP datagram over IPv4 has at most 65,507 bytes."
#define BYTES .max = RCX_BODY_MAX

static const struct rcx_queue udp_queue = {
	.what = "bytes of SO_RCVBUF",
	.min = 2304, /* the kernel's minimum */
	.max = 1u << 28,
	.values = { 1u << 14, 1u << 16, 1u << 20 },
};

static const struct rcx_queue pipe_queue = {
	.what = "bytes of F_SETPIPE_SZ",
	.min = 4096,
	.max = 1u << 20,
	.values = { 4096, 1u << 16, 1u << 20 },
};

static const struct rcx_mode sockets_modes[] = {
	{
		.name = "udp",
		.summary = "datagrams to a UDP socket of the kernel, on loopback",
		.open = udp_open,
		.close = sockets_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH,
		.operations = {
			[RCX_PUSH] = { .run = sockets_push, DATAGRAM },
			[RCX_CALL] = { .run = rcx_fd_call, DATAGRAM },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, DATAGRAM, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = udp_stream, DATAGRAM, .waits = RCX_WAIT_ANY,
					.queue = &udp_queue },
		},
	},
	{
		.name = "vsock",
		.summary = "a stream to an AF_VSOCK socket of the kernel, on loopback",
		.open = vsock_open,
		.close = sockets_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_PUSH] = { .run = sockets_push, BYTES },
			[RCX_CALL] = { .run = rcx_fd_call, BYTES },
			[RCX_NOTIFY] = { .run = rcx_fd_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = vsock_stream, BYTES, .waits = RCX_WAIT_ANY },
		},
	},
	{
		.name = "pipe",
		.summary = "the kernel writes events to a pipe",
		.open = pipe_open,
		.close = sockets_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = rcx_fd_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_stream, BYTES, .waits = RCX_WAIT_ANY,
					.queue = &pipe_queue },
		},
	},
	{
		.name = "batch",
		.summary = "16 events by one write of the kernel, and by one read",
		.open = batch_open,
		.close = sockets_close,
		.claims = RCX_POLLABLE | RCX_READERS_EACH | RCX_FULL_REFUSES,
		.operations = {
			[RCX_NOTIFY] = { .run = rcx_fd_batch_notify, BYTES, .waits = RCX_WAIT_ANY },
			[RCX_STREAM] = { .run = rcx_fd_batch_stream, BYTES, .waits = RCX_WAIT_ANY,
					.batch = RCX_BATCH,
					.queue = &pipe_queue },
		},
	},
	{ }
};

static const struct rcx_channel sockets_channel = {
	.name = "sockets",
	.summary = "Sockets and pipes with the kernel at the far end",
	.module = "ringcross_sockets",
	.needs = "vsock_loopback",
	.since = "2.6.13: kernel_sendmsg(); loopback of AF_VSOCK since 5.6 with CONFIG_VSOCKETS_LOOPBACK",
	.modes = sockets_modes,
	.unsupported_reason = {
		[RCX_PULL] = "The kernel half sends only events and replies, and a request with a reply is a call.",
		[RCX_UPCALL] = "A datagram and its reply would be the upcall that channel netlink measures, by a longer path.",
		[RCX_DUMP] = "The kernel half would send the records one by one, which is a stream; channel netlink has dumps.",
	},
};
RCX_CHANNEL(sockets_channel);
