// SPDX-License-Identifier: GPL-2.0-only
/* Open the serial lines of a virtual machine: ports of a virtio serial device, and UARTs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "request.h"

#define PORTS	"/sys/class/virtio-ports"
#define WAIT_MS 10000

/* Write to @device the port whose name is @name.  False if there is none. */
static bool find_port(const char *name, char *device, size_t room)
{
	struct dirent *entry;
	DIR *ports = opendir(PORTS);
	bool found = false;

	while (ports && !found && (entry = readdir(ports))) {
		char path[512], line[128] = "";
		FILE *file;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(line, sizeof(line), file))
			line[strcspn(line, "\n")] = '\0';
		fclose(file);
		found = !strcmp(line, name);
		if (found)
			snprintf(device, room, "/dev/%s", entry->d_name);
	}
	if (ports)
		closedir(ports);
	return found;
}

int rcx_open_virtio_port(const char *name)
{
	char device[300];
	int fd;

	/* A driver that is built in has no file to load, and a missing one has no folder below. */
	rcx_module_need(rcx_serving.modules, "virtio_pci");
	rcx_module_need(rcx_serving.modules, "virtio_console");
	/* These modules carry the answers until the machine ends. */
	rcx_module_keep_all();
	if (access(PORTS, F_OK))
		return -ENODEV;
	/* The driver asks the device for its ports, and adds them when the replies arrive. */
	for (int ms = 0; !find_port(name, device, sizeof(device)); ms++) {
		if (ms == WAIT_MS)
			return -ENXIO;
		usleep(1000);
	}
	fd = open(device, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rcx_open_serial(const char *path)
{
	struct serial_struct uart;
	struct termios raw;
	int err, fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* The driver has device files for UARTs that do not exist. */
	if (ioctl(fd, TIOCGSERIAL, &uart) || tcgetattr(fd, &raw))
		goto err_close;
	errno = ENODEV;
	if (uart.type == PORT_UNKNOWN)
		goto err_close;
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	if (tcsetattr(fd, TCSANOW, &raw))
		goto err_close;
	return fd;

err_close:
	err = errno;
	close(fd);
	return -err;
}
