// SPDX-License-Identifier: GPL-2.0-only
/* Cases: what was tried, the result, and the expected result. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "hostile.h"

void rcx_topic(struct rcx_hostile *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(h->topic, sizeof(h->topic), format, args);
	va_end(args);
}

static void name_errno(char *text, size_t len, int error)
{
	const char *name = strerrorname_np(error);

	if (name)
		snprintf(text, len, "%s", name);
	else
		snprintf(text, len, "errno %d", error);
}

/* "success" stands for any result without an errno. */
static void name_want(char *text, size_t len, int want)
{
	if (want)
		name_errno(text, len, want);
	else
		snprintf(text, len, "success");
}

/* The next case.  When the list is full, its last case reports that. */
static struct rcx_case *next_case(struct rcx_hostile *h, const char *name)
{
	struct rcx_cases *cases = h->cases;
	struct rcx_case *one;

	if (cases->count == RCX_CASES_MAX) {
		one = &cases->list[RCX_CASES_MAX - 1];
		name = "too many cases: raise RCX_CASES_MAX";
	} else {
		one = &cases->list[cases->count++];
	}
	memset(one, 0, sizeof(*one));
	snprintf(one->name, sizeof(one->name), "%s%s%s", h->topic, h->topic[0] ? ": " : "", name);
	return one;
}

static bool judge(struct rcx_hostile *h, struct rcx_case *one, bool ok)
{
	one->ok = ok && h->cases->count < RCX_CASES_MAX;
	return one->ok;
}

static void name_got(struct rcx_case *one, long result, int error)
{
	if (result < 0)
		name_errno(one->got, sizeof(one->got), error);
	else
		snprintf(one->got, sizeof(one->got), "%ld", result);
}

static bool is_expected(long result, int error, int want)
{
	return want ? result < 0 && error == want : result >= 0;
}

bool rcx_expect(struct rcx_hostile *h, const char *name, long result, int want)
{
	int error = errno;
	struct rcx_case *one = next_case(h, name);

	name_got(one, result, error);
	name_want(one->want, sizeof(one->want), want);
	return judge(h, one, is_expected(result, error, want));
}

bool rcx_expect_either(struct rcx_hostile *h, const char *name, long result, int want, int other)
{
	int error = errno;
	struct rcx_case *one = next_case(h, name);
	char first[20], second[20];

	name_got(one, result, error);
	name_want(first, sizeof(first), want);
	name_want(second, sizeof(second), other);
	snprintf(one->want, sizeof(one->want), "%s or %s", first, second);
	return judge(h, one, is_expected(result, error, want) || is_expected(result, error, other));
}

bool rcx_expect_value(struct rcx_hostile *h, const char *name, long result, long want)
{
	int error = errno;
	struct rcx_case *one = next_case(h, name);

	name_got(one, result, error);
	snprintf(one->want, sizeof(one->want), "%ld", want);
	return judge(h, one, result == want);
}

bool rcx_expect_true(struct rcx_hostile *h, const char *name, bool is)
{
	struct rcx_case *one = next_case(h, name);

	snprintf(one->got, sizeof(one->got), "%s", is ? "yes" : "no");
	snprintf(one->want, sizeof(one->want), "yes");
	return judge(h, one, is);
}

int rcx_expect_open(struct rcx_hostile *h, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	rcx_expect(h, "open", fd, 0);
	return fd;
}

void rcx_note(struct rcx_outcomes *outcomes, long result, int refusal)
{
	int error = errno;

	if (result >= 0) {
		outcomes->fine++;
	} else if (error == refusal) {
		outcomes->refused++;
	} else {
		outcomes->other++;
		outcomes->last = error;
	}
}

void rcx_expect_outcomes(struct rcx_hostile *h, const char *name,
			 const struct rcx_outcomes *outcomes)
{
	struct rcx_case *one = next_case(h, name);

	snprintf(one->want, sizeof(one->want), "nothing else");
	if (outcomes->other)
		name_errno(one->got, sizeof(one->got), outcomes->last);
	else
		snprintf(one->got, sizeof(one->got), "%llu fine, %llu refused",
			 (unsigned long long)outcomes->fine, (unsigned long long)outcomes->refused);
	judge(h, one, !outcomes->other && outcomes->fine + outcomes->refused);
}
