/*
 * Logging must not be able to stop a supervisor: whoever reads stderr may be
 * stopped, slow or gone. So the line goes out in one write on a non-blocking
 * open file description of our own, and what does not fit is counted.
 *
 * This is the one module with state outside any struct: the log is needed where
 * nothing else exists yet (start) or exists any more (exit).
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/usec.h"

#define LINE_SIZE 2048 /* < PIPE_BUF, so that a line is never torn by another writer */
#define HELD_SIZE PIPE_BUF /* likewise */

static struct {
	const char *who;
	int fd;
	enum log_level level;
	unsigned long dropped;
	bool is_file; /* known to be no socket */
	bool never_waits; /* for anybody: it is our own, or on a disk */
	bool holding;
	size_t n_held;
	unsigned long n_held_lines;
	char held[HELD_SIZE];
} state = {.who = "supervisord", .fd = STDERR_FILENO, .level = LOG_LEVEL_INFO};

static const char *const level_names[LOG_LEVEL_MAX] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

const char *log_level_to_string(enum log_level level)
{
	return level_names[level];
}

int log_level_from_string(const char *text, enum log_level *ret_level)
{
	for (int i = 0; i < LOG_LEVEL_MAX; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

int log_open_nonblocking(int fd)
{
	char path[32];
	struct stat st;
	int r;

	if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		r = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (r >= 0)
			return r;
	}
	r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return r < 0 ? -errno : r;
}

static long write_now(int fd, const void *data, unsigned long n)
{
	ssize_t r = write(fd, data, n);

	return r < 0 ? -errno : r;
}

/* Where no description of our own could be had, poll() makes a wait unlikely. */
static long write_file(int fd, const void *data, unsigned long n)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int r = poll(&p, 1, 0);

	if (r < 0)
		return -errno;
	return r == 0 ? -EAGAIN : write_now(fd, data, n);
}

long log_write_nonblocking(int fd, const void *data, unsigned long n)
{
	ssize_t r = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (r >= 0)
		return r;
	return errno == ENOTSOCK ? write_file(fd, data, n) : -errno;
}

void log_init(const char *who)
{
	int fd = log_open_nonblocking(STDERR_FILENO);
	struct stat st;

	state.who = who;
	state.holding = false;
	state.n_held = state.n_held_lines = 0;
	if (fd >= 0)
		state.fd = fd;
	state.is_file = fstat(state.fd, &st) == 0 && !S_ISSOCK(st.st_mode);
	state.never_waits = state.is_file &&
			    (S_ISREG(st.st_mode) || (fcntl(state.fd, F_GETFL) & O_NONBLOCK) != 0);
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

/* What a service or a client wrote may be part of a line: no control byte gets out. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static long write_text(const char *text, size_t n)
{
	if (state.never_waits)
		return write_now(state.fd, text, n);
	if (state.is_file)
		return write_file(state.fd, text, n);
	return log_write_nonblocking(state.fd, text, n);
}

static void write_lines(const char *text, size_t n, unsigned long n_lines)
{
	if (write_text(text, n) < 0)
		state.dropped += n_lines;
	else
		state.dropped = 0;
}

static void write_held(void)
{
	if (state.n_held > 0)
		write_lines(state.held, state.n_held, state.n_held_lines);
	state.n_held = state.n_held_lines = 0;
}

void log_hold(void)
{
	/* A datagram is one line. */
	state.holding = state.is_file;
}

void log_release(void)
{
	int saved = errno;

	state.holding = false;
	write_held();
	errno = saved;
}

void log_write(enum log_level level, const char *format, ...)
{
	int saved = errno;
	char line[LINE_SIZE], *text;
	size_t n;
	va_list args;

	if (level > state.level)
		return;
	n = usec_rfc3339(usec_now(CLOCK_REALTIME), line);
	n += (size_t)snprintf(
		line + n, sizeof(line) - n, " %s: %s: ", state.who, level_names[level]);
	if (state.dropped > 0)
		n += (size_t)snprintf(
			line + n, sizeof(line) - n, "(%lu lines of this log lost) ", state.dropped);
	text = line + n;
	va_start(args, format);
	vsnprintf(text, sizeof(line) - n - 1, format, args);
	va_end(args);
	make_printable(text);
	n += strlen(text);
	line[n++] = '\n';
	if (state.n_held + n > sizeof(state.held) || level < LOG_LEVEL_INFO)
		write_held();
	if (state.holding && level >= LOG_LEVEL_INFO && state.dropped == 0) {
		memcpy(state.held + state.n_held, line, n);
		state.n_held += n;
		state.n_held_lines++;
	} else {
		write_lines(line, n, 1);
	}
	errno = saved;
}
