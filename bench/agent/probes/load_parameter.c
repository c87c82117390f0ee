// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a value on the kernel's command line reaches the kernel half when it is loaded.  The
 * module is loaded three times: with the command line, with another value, and without one.
 * The kernel half must have each load's own value; so the value comes from the load alone.
 */
#include <stdio.h>
#include <string.h>
#include "probe.h"

#define VALUE_MAX 128
#define ANOTHER	  "another"

/* The word that the channel needs on the command line: "module.key=value". */
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
	char line[4096], parameter[3 * VALUE_MAX];
	FILE *file = fopen("/proc/cmdline", "re");
	char *save, *found = NULL;

	snprintf(parameter, sizeof(parameter), "%s.%s=%s", channel->module, word->key, word->value);
	if (file && fgets(line, sizeof(line), file))
		found = strtok_r(line, " \n", &save);
	while (found && strcmp(found, parameter))
		found = strtok_r(NULL, " \n", &save);
	if (file)
		fclose(file);
	return found;
}

/* Get the value that the kernel half received when it was loaded. */
static int received(const struct rcx_probing *probing, char *value, char *why, size_t len)
{
	struct rcx_cell cell = {
		.channel = probing->channel, .mode = probing->mode, .clock = probing->clock
	};
	struct rcx_session s;
	int err = rcx_session_open(&s, &cell, false);

	if (!err)
		err = probing->mode->received(&s, value, VALUE_MAX);
	if (err)
		snprintf(why, len, "%s", s.error);
	rcx_session_close(&s);
	return err;
}

/* Load it again with @parameters (NULL: those of the command line), and get its value. */
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

static void probe_load_parameter(struct rcx_probing *probing)
{
	char booted[VALUE_MAX], without[VALUE_MAX], other[VALUE_MAX], parameter[2 * VALUE_MAX];
	char why[256] = "";
	struct word word;

	if (!find_word(probing->channel, &word)) {
		rcx_find_failure(probing, "load_parameter",
				 "The channel's registration has no boot word for its module.");
		return;
	}
	if (!on_command_line(probing->channel, &word)) {
		rcx_find_nothing(probing, "load_parameter",
				 "This kernel was not booted with %s, so no value could arrive.",
				 probing->channel->boot);
		return;
	}
	snprintf(parameter, sizeof(parameter), "%s=" ANOTHER, word.key);
	if (received_by(probing, "", without, why, sizeof(why)) ||
	    received_by(probing, parameter, other, why, sizeof(why)) ||
	    received_by(probing, NULL, booted, why, sizeof(why)))
		rcx_find_failure(probing, "load_parameter", "%s.", why);
	else if (strcmp(booted, word.value) || strcmp(other, ANOTHER) ||
		 !strcmp(without, word.value))
		rcx_find_failure(probing, "load_parameter",
				 "After a load with %s on the command line the kernel half has "
				 "\"%s\", after one with another value \"%s\", after one without "
				 "a value \"%s\".",
				 word.value, booted, other, without);
	else
		rcx_find_text(probing, "load_parameter", RCX_AT_LOAD,
			      "With %s on the kernel's command line, the kernel half received "
			      "\"%s\" when it was loaded. A load with another value brought that "
			      "value, a load without a value \"%s\".",
			      probing->channel->boot, booted, without);
}
RCX_PROBE_ONE_SHOT("load_parameter", probe_load_parameter);
