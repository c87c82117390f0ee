// SPDX-License-Identifier: GPL-2.0-only
/* Record why a cell fails or is skipped; the session keeps the first reason. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "agent.h"

static void record_reason(struct rcx_session *s, const char *format, va_list args)
{
	if (!s->error[0])
		vsnprintf(s->error, sizeof(s->error), format, args);
}

int rcx_fail(struct rcx_session *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	record_reason(s, format, args);
	va_end(args);
	return -1;
}

int rcx_skip(struct rcx_session *s, const char *format, ...)
{
	va_list args;

	s->skip = true;
	va_start(args, format);
	record_reason(s, format, args);
	va_end(args);
	return -1;
}

int rcx_fail_errno(struct rcx_session *s, const char *what)
{
	int code = errno;

	if (!s->error[0])
		s->code = code;
	return rcx_fail(s, "%s: %s", what, strerror(code));
}
