/*
 * /proc/PID/stat holds the name in brackets, which may hold anything: fields are counted
 * from the last bracket. An environment is read up to a bound that lies far above what is usual.
 */
#include "engine/tree/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/sys.h"

#define MAX_ENVIRONMENT (256 * 1024)

bool proc_is_ours(void)
{
	char text[16];
	ssize_t n = readlink("/proc/self", text, sizeof(text) - 1);
	uint64_t pid;

	if (n < 0)
		return false;
	text[n] = '\0';
	return parse_u64(text, INT32_MAX, &pid) == 0 && (pid_t)pid == getpid();
}

static int open_proc(pid_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return sys_openat(AT_FDCWD, path, O_RDONLY, 0);
}

/* Reads at most n - 1 bytes and a NUL; the length, or -errno. */
static ssize_t read_proc(pid_t pid, const char *name, char *ret_text, size_t n)
{
	_cleanup_close_
	int fd = open_proc(pid, name);
	ssize_t r;

	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	r = sys_read(fd, ret_text, n - 1);
	if (r >= 0)
		ret_text[r] = '\0';
	return r;
}

int proc_stat_get(pid_t pid, struct proc_stat *ret_stat)
{
	char text[1024];
	const char *end;
	struct proc_stat s = {.pid = pid};
	unsigned long long start;
	int parent, session;
	ssize_t r = read_proc(pid, "stat", text, sizeof(text));

	if (r < 0)
		return (int)r;
	end = strrchr(text, ')');
	/* state ppid pgrp session tty tpgid flags, 4 faults, 4 times, prio nice threads 0 start */
	if (!end || sscanf(end + 1,
			    " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			    "%*d %llu",
			    &s.state, &parent, &session, &start) != 4)
		return -ESRCH;
	s.parent = parent;
	s.session = session;
	s.start_ticks = start;
	*ret_stat = s;
	return 0;
}

void proc_command(pid_t pid, char *ret_text, size_t n)
{
	ssize_t r = read_proc(pid, "cmdline", ret_text, n);

	if (r > 0) {
		for (ssize_t i = 0; i + 1 < r; i++) {
			if (ret_text[i] == '\0')
				ret_text[i] = ' ';
		}
		return;
	}
	r = read_proc(pid, "comm", ret_text, n);
	if (r < 0)
		r = 0;
	ret_text[r] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
}

static bool parse_hex(const char *text, size_t n, uint8_t ret_bytes[static PROC_INVOCATION_SIZE])
{
	if (n != 2 * PROC_INVOCATION_SIZE)
		return false;
	for (size_t i = 0; i < n; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (!d)
			return false;
		ret_bytes[i / 2] = (uint8_t)(ret_bytes[i / 2] << 4 | (d - digits));
	}
	return true;
}

bool proc_invocation(pid_t pid, uint8_t ret_invocation[static PROC_INVOCATION_SIZE])
{
	static const char name[] = "SUPERVISOR_INVOCATION=";
	_cleanup_close_
	int fd = open_proc(pid, "environ");
	_cleanup_free_
	char *text = NULL;
	size_t n = 0;

	if (fd < 0)
		return false;
	text = malloc(MAX_ENVIRONMENT);
	if (!text)
		return false;
	while (n < MAX_ENVIRONMENT) {
		ssize_t r = sys_read(fd, text + n, MAX_ENVIRONMENT - n);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	for (const char *p = text; p < text + n;) {
		const char *end = memchr(p, '\0', (size_t)(text + n - p));
		size_t k = end ? (size_t)(end - p) : (size_t)(text + n - p);

		if (k >= strlen(name) && memcmp(p, name, strlen(name)) == 0)
			return parse_hex(p + strlen(name), k - strlen(name), ret_invocation);
		p += k + 1;
	}
	return false;
}

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

int proc_list(struct proc_stat **ret_stats, size_t *ret_n)
{
	__attribute__((cleanup(close_directory))) DIR *directory = opendir("/proc");
	_cleanup_free_
	struct proc_stat *stats = NULL;
	size_t n = 0, size = 0;
	const struct dirent *d;

	if (!directory)
		return -errno;
	while ((d = readdir(directory))) {
		uint64_t pid;

		if (parse_u64(d->d_name, INT32_MAX, &pid) < 0)
			continue;
		if (n == size) {
			struct proc_stat *more;

			size = size ? 2 * size : 256;
			more = realloc(stats, size * sizeof(*stats));
			if (!more)
				return -ENOMEM;
			stats = more;
		}
		if (proc_stat_get((pid_t)pid, &stats[n]) == 0)
			n++;
	}
	*ret_stats = TAKE_PTR(stats);
	*ret_n = n;
	return 0;
}
