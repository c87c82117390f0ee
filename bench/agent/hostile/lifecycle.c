// SPDX-License-Identifier: GPL-2.0-only
/* Load and unload kernel halves, also while a session uses them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent.h"

#define SETTLE_MS 100  /* until the reader sleeps */
#define LACKING	  2    /* exit status of a reader whose mode this kernel lacks */
#define UNLOAD_MS 2000 /* an unload that takes longer hangs */
#define EXIT_MS	  1000 /* a thread of the kernel may release files of a killed process */

/* Open @cell's mode, and sleep in its own wait for an event that is never emitted. */
static void wait_forever(const struct rcx_cell *cell)
{
	const struct rcx_operation *notify = &cell->mode->operations[RCX_NOTIFY];
	struct rcx_session s;

	if (rcx_session_open(&s, cell, false))
		_exit(s.skip ? LACKING : 1);
	/* ringcross_core's reference to the module would hide the channel's own.  Closing the
	 * device would not drop it, because the mapped status page holds the device, too.
	 */
	if (s.core >= 0 && ioctl(s.core, RCX_CORE_UNBIND))
		_exit(1);
	s.silent = true;
	if (notify->run)
		notify->run(&s, UINT64_MAX);
	for (;;)
		pause();
}

static pid_t start_reader(const struct rcx_cell *cell)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	wait_forever(cell);
	_exit(1);
}

static void unload(void *arg)
{
	const char *module = arg;
	int err = rcx_module_unload(module);

	/* EBUSY and EWOULDBLOCK mean that the module is in use, which is a valid result. */
	_exit(!err || err == -EBUSY || err == -EWOULDBLOCK ? 0 : 1);
}

/* Unload @module after its last user has ended: 0 or -errno. */
static int unload_released(const char *module)
{
	int err = rcx_module_loaded(module) ? rcx_module_unload(module) : 0;

	for (int ms = 0; err == -EWOULDBLOCK && ms < EXIT_MS; ms += 10) {
		usleep(10 * 1000);
		err = rcx_module_unload(module);
	}
	return err;
}

static void try_unload_under_reader(const struct rcx_channel *channel, const struct rcx_cell *cell,
				    const char *modules, char *reason, size_t len)
{
	int err = rcx_module_load(modules, channel->module);
	char why[128] = "";
	int status;
	pid_t reader;

	if (err) {
		snprintf(reason, len, "load for mode %s: %s", cell->mode->name, strerror(-err));
		return;
	}
	reader = start_reader(cell);
	if (reader < 0) {
		snprintf(reason, len, "mode %s: cannot fork: %s", cell->mode->name,
			 strerror(errno));
		return;
	}
	usleep(SETTLE_MS * 1000);
	if (waitpid(reader, &status, WNOHANG) == reader) {
		if (!WIFEXITED(status) || WEXITSTATUS(status) != LACKING)
			snprintf(reason, len, "mode %s: the blocked reader has ended",
				 cell->mode->name);
	} else {
		if (!rcx_in_child(unload, (void *)(uintptr_t)channel->module, UNLOAD_MS, why,
				  sizeof(why)))
			snprintf(reason, len, "mode %s: unload under a blocked reader %s",
				 cell->mode->name, why);
		kill(reader, SIGKILL);
		waitpid(reader, NULL, 0);
	}
	err = unload_released(channel->module);
	if (err && !reason[0])
		snprintf(reason, len, "mode %s: unload after the reader has ended: %s",
			 cell->mode->name, strerror(-err));
}

static enum rcx_op best_op(const struct rcx_mode *mode)
{
	static const enum rcx_op order[RCX_OPS] = { RCX_NOTIFY, RCX_PULL,   RCX_CALL, RCX_PUSH,
						    RCX_STREAM, RCX_UPCALL, RCX_DUMP };

	return rcx_first_op(mode, order);
}

void rcx_lifecycle(const struct rcx_channel *channel, const char *modules, char *reason, size_t len)
{
	reason[0] = '\0';
	if (!channel->module)
		return;
	for (int turn = 1; turn <= 2; turn++) {
		int err = rcx_module_load(modules, channel->module);

		if (!err)
			err = rcx_module_unload(channel->module);
		if (err) {
			snprintf(reason, len, "load and unload %d: %s", turn, strerror(-err));
			return;
		}
	}
	for (const struct rcx_mode *mode = channel->modes; mode->name && !reason[0]; mode++) {
		struct rcx_cell cell = {
			.channel = channel,
			.mode = mode,
			.op = best_op(mode),
			.context = -1,
			.clock = RCX_CLOCK_TIME,
		};

		cell.size = mode->operations[cell.op].min;
		try_unload_under_reader(channel, &cell, modules, reason, len);
	}
}
