// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a value of the kernel's command line arrives at load: the one that
 * stands there does, and only by the load, since other loads bring others.
 */
#include <stdio.h>
#include <string.h>
#include "probe.h"

#define VALUE_MAX 128
#define ANOTHER "another"

/* The word that the channel wants on the command line: "module.key=value". */
struct word {
	char key[VALUE_MAX];
	char value[VALUE_MAX];
};

static bool find_word(const struct rcx_channel *channel, struct word *word)
{
	char prefix[VALUE_MAX];
	const char *at;

	snprintf(prefix, sizeof(prefix), "%s.", channel->module);
	at = strstr(channel->boot, prefix);
	return at && sscanf(at + strlen(prefix), "%127[^= ]=%127[^ ]", word->key, word->value) == 2;
}

static bool on_command_line(const struct rcx_channel *channel, const struct word *word)
{
	char line[4096], wanted[3 * VALUE_MAX];
	FILE *file = fopen("/proc/cmdline", "re");
	char *save, *found = NULL;

	snprintf(wanted, sizeof(wanted), "%s.%s=%s", channel->module, word->key, word->value);
	if (file && fgets(line, sizeof(line), file))
		found = strtok_r(line, " \n", &save);
	while (found && strcmp(found, wanted))
		found = strtok_r(NULL, " \n", &save);
	if (file)
		fclose(file);
	return found;
}

/* What the kernel half has received by the load that it is there by. */
static int received(const struct rcx_probing *probing, char *value, char *why, size_t len)
{
	struct rcx_cell cell = { .channel = probing->channel, .mode = probing->mode,
				.clock = probing->clock };
	struct rcx_session s;
	int err = rcx_session_open(&s, &cell, false);

	if (!err)
		err = probing->mode->received(&s, value, VALUE_MAX);
	if (err)
		snprintf(why, len, "%s", s.error);
	rcx_session_close(&s);
	return err;
}

/* Load it with @parameters; NULL for those of the command line. */
static int received_by(const struct rcx_probing *probing, const char *parameters, char *value,
		       char *why, size_t len)
{
	int err = rcx_module_reload(probing->channel->module, parameters);

	if (err) {
		snprintf(why, len, "cannot load it with \"%s\": %s", parameters ? parameters : "",
			 strerror(-err));
		return -1;
	}
	return received(probing, value, why, len);
}

static void probe_once(struct rcx_probing *probing)
{
	char booted[VALUE_MAX], bare[VALUE_MAX], other[VALUE_MAX], parameter[2 * VALUE_MAX];
	char why[256] = "";
	struct word word;

	if (!find_word(probing->channel, &word)) {
		rcx_find_failure(probing, "load_parameter", "The channel does not say what to boot with.");
		return;
	}
	if (!on_command_line(probing->channel, &word)) {
		rcx_find_nothing(probing, "load_parameter",
				"This kernel was not booted with %s, so that nothing could arrive.",
				probing->channel->boot);
		return;
	}
	snprintf(parameter, sizeof(parameter), "%s=" ANOTHER, word.key);
	if (received_by(probing, "", bare, why, sizeof(why)) ||
	    received_by(probing, parameter, other, why, sizeof(why)) ||
	    received_by(probing, NULL, booted, why, sizeof(why)))
		rcx_find_failure(probing, "load_parameter", "%s.", why);
	else if (strcmp(booted, word.value) || strcmp(other, ANOTHER) || !strcmp(bare, word.value))
		rcx_find_failure(probing, "load_parameter",
				"Loaded with %s of the command line it has \"%s\", with another value "
				"\"%s\", without any \"%s\".", word.value, booted, other, bare);
	else
		rcx_find_text(probing, "load_parameter", RCX_AT_LOAD,
			     "With %s on the kernel's command line the load brought \"%s\"; a load with "
			     "another value brought that, and one without any \"%s\".",
			     probing->channel->boot, booted, bare);
}
RCX_PROBE_ONE_SHOT("load_parameter", probe_once);
