// SPDX-License-Identifier: GPL-2.0-only
/* Write answers: JSON lines and binary blocks, to a file, a serial line or an I/O port. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <sys/io.h>
#endif
#include "agent.h"

#define RECEIVE_SECONDS 60

static int out_fd = STDOUT_FILENO;
static int out_port = -1;
static bool out_serial; /* the UART sends while the agent goes on */
static bool out_virtio; /* the host takes what is queued while the agent goes on */

static int open_port(const char *number)
{
#if defined(__x86_64__)
	out_port = (int)strtol(number, NULL, 0);
	if (out_port > 0 && !ioperm((unsigned long)out_port, 1, 1))
		return 0;
	out_port = -1;
	return errno == EPERM ? -EPERM : -EINVAL;
#else
	(void)number;
	return -ENODEV;
#endif
}

static int open_place(const char *where)
{
	int fd;

	if (!strncmp(where, "port:", 5))
		return open_port(where + 5);
	if (!strcmp(where, "-"))
		return 0;
	out_virtio = !strncmp(where, "virtio:", 7);
	out_serial = !strncmp(where, "serial:", 7);
	if (out_virtio)
		fd = rcx_open_virtio_port(where + 7);
	else if (out_serial)
		fd = rcx_open_serial(where + 7);
	else
		fd = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		out_fd = fd;
	return fd >= 0 ? 0 : out_virtio || out_serial ? fd : -errno;
}

int rcx_answer_open(const char *where)
{
	char list[256], reasons[512] = "";
	char *save, *place;
	size_t used = 0;

	snprintf(list, sizeof(list), "%s", where);
	for (place = strtok_r(list, ",", &save); place; place = strtok_r(NULL, ",", &save)) {
		int err = open_place(place);

		if (!err)
			return 0;
		if (used < sizeof(reasons))
			used += (size_t)snprintf(reasons + used, sizeof(reasons) - used,
						 "%s%s: %s%s", used ? "; " : "", place,
						 strerror(-err),
						 err == -EPERM ? " (a locked-down kernel refuses "
								 "I/O ports)" :
								 "");
	}
	fprintf(stderr, "ringcross_agent: cannot send answers: %s\n", reasons);
	return -1;
}

void rcx_answer_release_port(void)
{
#if defined(__x86_64__)
	if (out_port >= 0)
		ioperm((unsigned long)out_port, 1, 0);
#endif
}

static void out_bytes(const char *data, size_t len)
{
#if defined(__x86_64__)
	if (out_port >= 0) {
		/* QEMU takes each byte before the next instruction runs, so writing costs a
		 * known number of instructions and never waits.
		 */
		__asm__ volatile("rep outsb"
				 : "+S"(data), "+c"(len)
				 : "d"((unsigned short)out_port)
				 : "memory");
		return;
	}
#endif
	while (len) {
		ssize_t done = write(out_fd, data, len);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) { /* the harness has closed its end */
			rcx_module_unload_all();
			exit(1);
		}
		data += done;
		len -= (size_t)done;
	}
}

json_object *rcx_answer_new(const char *re)
{
	json_object *answer = json_object_new_object();

	json_object_object_add(answer, "re", json_object_new_string(re));
	return answer;
}

/* Length of the UTF-8 character at @text, where @left bytes remain; 0 if it is not valid. */
static size_t character(const unsigned char *text, size_t left)
{
	size_t len = text[0] < 0x80 ? 1 :
		     text[0] < 0xc2 ? 0 :
		     text[0] < 0xe0 ? 2 :
		     text[0] < 0xf0 ? 3 :
		     text[0] < 0xf5 ? 4 :
				      0;

	if (!len || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong encodings, surrogates, and values above U+10FFFF. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return len;
}

/* Files, logs and requests can contain any bytes, and reasons may be cut within a character.
 * Bytes that are not UTF-8 are written as "?"; with them, the harness could not decode the
 * answer.
 */
static void out_text(const char *text, size_t len)
{
	size_t from = 0, at = 0;

	while (at < len) {
		size_t good = character((const unsigned char *)text + at, len - at);

		if (good) {
			at += good;
			continue;
		}
		out_bytes(text + from, at - from);
		out_bytes("?", 1);
		from = ++at;
	}
	out_bytes(text + from, len - from);
}

/* A UART that still sends would interrupt the next cell. */
static void wait_until_sent(void)
{
	if (out_serial)
		tcdrain(out_fd);
}

void rcx_answer(json_object *answer)
{
	size_t len;
	const char *text = json_object_to_json_string_length(answer,
							     JSON_C_TO_STRING_PLAIN |
								     JSON_C_TO_STRING_NOSLASHESCAPE,
							     &len);

	out_text(text, len);
	out_bytes("\n", 1);
	wait_until_sent();
	json_object_put(answer);
}

void rcx_answer_binary(const void *data, size_t len)
{
	out_bytes(data, len);
	wait_until_sent();
}

void rcx_answer_finish(void)
{
	/* Nothing reports when the host has taken the queued bytes, and the end of the machine
	 * would discard them.  The harness ends the machine when it has the last answer.
	 */
	if (out_virtio)
		sleep(RECEIVE_SECONDS);
}
