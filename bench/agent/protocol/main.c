// SPDX-License-Identifier: GPL-2.0-only
/* The agent: reads requests, handles them in order, and writes answers.  See PROTOCOL.md. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "request.h"

/* ---- requests that end the agent, for the tests of the harness --------- */

static void do_hang(json_object *request)
{
	(void)request;
	for (;;)
		__asm__ volatile("" ::: "memory");
}

static void do_panic(json_object *request)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	(void)request;
	if (fd < 0 || write(fd, "c", 1) != 1)
		rcx_answer_error("cannot crash this kernel: /proc/sysrq-trigger failed");
}

static void do_die(json_object *request)
{
	(void)request;
	if (getpid() == 1)
		rcx_machine_restart();
	exit(1);
}

/* ---- the loop ---------------------------------------------------------- */

static const struct {
	const char *name;
	void (*serve)(json_object *request);
} requests[] = {
	{ "setup", rcx_do_setup },
	{ "read", rcx_do_read },
	{ "floors", rcx_do_floors },
	{ "cell", rcx_do_cell },
	{ "lifecycle", rcx_do_lifecycle },
	{ "hostile", rcx_do_hostile },
	{ "probe", rcx_do_probe },
	{ "xray", rcx_do_xray },
	{ "hang", do_hang },
	{ "panic", do_panic },
	{ "die", do_die },
};

/* The JSON object that @line consists of, or NULL. */
static json_object *parse(const char *line, size_t len)
{
	json_tokener *tokener = json_tokener_new();
	json_object *request = NULL;

	if (!tokener || len > INT_MAX)
		goto out;
	while (len && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
		len--;
	request = json_tokener_parse_ex(tokener, line, (int)len);
	if (!json_object_is_type(request, json_type_object) ||
	    json_tokener_get_parse_end(tokener) != len) {
		json_object_put(request);
		request = NULL;
	}
out:
	if (tokener)
		json_tokener_free(tokener);
	return request;
}

static void serve(const char *line, size_t len)
{
	json_object *request = parse(line, len);
	const char *verb = request ? rcx_get_text(request, "do") : "";

	/* The tracer runs on between x-rays, because its start takes seconds. */
	if (strcmp(verb, "xray"))
		rcx_xray_stop_tracer();
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (strcmp(requests[i].name, verb))
			continue;
		requests[i].serve(request);
		json_object_put(request);
		return;
	}
	rcx_answer_error(request ? "unknown request" : "the request is not a JSON object");
	json_object_put(request);
}

static int serve_all(FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	/* Shared with the children that run the cells. */
	rcx_serving.result = mmap(NULL, sizeof(*rcx_serving.result), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (rcx_serving.result == MAP_FAILED) {
		perror("cannot get memory for results");
		return 1;
	}
	rcx_hello();
	while ((len = getline(&line, &room, in)) > 0)
		if (strspn(line, " \t\r\n") != (size_t)len)
			serve(line, (size_t)len);
	free(line);
	rcx_module_unload_all();
	rcx_answer(rcx_answer_new("end"));
	return 0;
}

static int usage(const char *name, int status)
{
	fprintf(status ? stderr : stdout,
		"usage: %s [--in FILE|-] [--out PLACE[,PLACE...]] [--modules DIR]\n"
		"       %*s [--loaded FILE]\n"
		"       %s --list\n"
		"       %s --placements\n"
		"       %s --program NAME [ARGUMENT ...]\n\n"
		"Measures kernel-user channels on request; see PROTOCOL.md.\n",
		name, (int)strlen(name), "", name, name, name);
	return status;
}

static void print(json_object *document)
{
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(document);
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;
	const struct rcx_program *program;
	const char *in_name = init ? "/requests" : "-";
	/* The kernel passes words of its command line that it does not know as variables. */
	const char *places = init ? getenv("RINGCROSS_ANSWERS") : NULL;
	const char *out_name = places ? places : init ? "port:0xe9" : "-";
	const char *loaded_name = NULL;
	FILE *in = stdin;
	int status;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		print(rcx_list());
		return rcx_check_channels() ? 1 : 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--placements")) {
		print(rcx_list_placements());
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "--program")) {
		program = rcx_find_program(argv[2]);
		return program ? program->main(argc - 2, argv + 2) : usage(argv[0], 2);
	}
	for (int i = 1; i < argc && !init; i += 2) {
		if (i + 1 == argc)
			return usage(argv[0], strcmp(argv[i], "--help") ? 2 : 0);
		if (!strcmp(argv[i], "--in"))
			in_name = argv[i + 1];
		else if (!strcmp(argv[i], "--out"))
			out_name = argv[i + 1];
		else if (!strcmp(argv[i], "--modules"))
			rcx_serving.modules = argv[i + 1];
		else if (!strcmp(argv[i], "--loaded"))
			loaded_name = argv[i + 1];
		else
			return usage(argv[0], 2);
	}
	if (init)
		rcx_machine_prepare();
	signal(SIGPIPE, SIG_IGN);
	if (loaded_name && rcx_module_record(loaded_name))
		return 1;
	if (strcmp(in_name, "-"))
		in = fopen(in_name, "re");
	if (!in) {
		fprintf(stderr, "%s: %s\n", in_name, strerror(errno));
		status = 1;
	} else {
		status = rcx_answer_open(out_name) ? 1 : serve_all(in);
	}
	if (init && !status)
		rcx_answer_finish();
	if (init)
		rcx_machine_restart();
	return status;
}
