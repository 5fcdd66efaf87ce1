/*
 * supervisord's own log: one line per decision, on stderr. Only launcher and
 * engine call it; the layers below return errors.
 *
 * A line is written with one write that never blocks: where stderr is full, the
 * line is dropped and the next one that fits tells how many were. Between log_hold() and
 * log_release(), which are around work that doesn't wait, lines that are no more than
 * information go out together.
 */
#pragma once

#include "base/macro.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_MAX
};

const char *log_level_to_string(enum log_level level);
/* 0, or -EINVAL for a word that is no level. */
int log_level_from_string(const char *text, enum log_level *ret_level);

/* Takes stderr; who is the word before each line ("supervisord", "engine"). */
void log_init(const char *who);
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *format, ...) _printf_(2, 3);

void log_hold(void);
void log_release(void);

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * A descriptor for the same file as fd that does not block, without changing
 * the one that others share: a new open file description for pipes and
 * terminals. Falls back to a duplicate of fd. Owned by the caller; -errno.
 */
int log_open_nonblocking(int fd);

/*
 * One write that does not block: bytes written, -EAGAIN where it would have
 * waited, or another -errno. Sockets are written with MSG_DONTWAIT.
 */
long log_write_nonblocking(int fd, const void *data, unsigned long n);
