/*
 * Bounded parsers for the values of configuration and command line. Each takes
 * the whole string or nothing: 0, -EINVAL (not of the form), -ERANGE (too large).
 */
#pragma once

#include <stdint.h>

#include "base/usec.h"

/* Decimal digits only, at most max. */
int parse_u64(const char *text, uint64_t max, uint64_t *ret_value);

/* "500ms", "10s", "5min", "1h", "2d", also "us"; a bare "0"; "1.5s" is not taken. */
int parse_duration(const char *text, usec_t *ret_usec);

/* "4096", "64K", "50M", "1G": factors of 1024. */
int parse_size(const char *text, uint64_t *ret_bytes);

/* Octal permission bits, "640" or "0640", at most 07777. */
int parse_mode(const char *text, unsigned *ret_mode);

/* "TERM", "SIGTERM", "15" or "RTMIN+3" to a signal number that can be sent. */
int parse_signal(const char *text, int *ret_signo);

/* "TERM" for 15; "RTMIN+3" or the number for what has no name. */
#define SIGNAL_NAME_SIZE 16
const char *signal_name(int signo, char ret_text[static SIGNAL_NAME_SIZE]);
