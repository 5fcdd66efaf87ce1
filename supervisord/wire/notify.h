/*
 * What a service says on NOTIFY_SOCKET, as sd_notify(3) has it: one datagram of lines
 * KEY=VALUE. Keys that are not listed here mean nothing to us and are left out; so are values
 * that are malformed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"

#define NOTIFY_MAX_BYTES       4096 /* as systemd takes them */
#define NOTIFY_STATUS_SIZE     201 /* 200 bytes and a NUL */
#define NOTIFY_MAX_EXTEND_USEC USEC_PER_DAY /* nobody may ask for more at a time */

enum notify_said {
	NOTIFY_READY = 1 << 0, /* READY=1 */
	NOTIFY_RELOADING = 1 << 1, /* RELOADING=1 */
	NOTIFY_STOPPING = 1 << 2, /* STOPPING=1 */
	NOTIFY_ALIVE = 1 << 3, /* WATCHDOG=1 */
	NOTIFY_TRIGGER = 1 << 4, /* WATCHDOG=trigger */
	NOTIFY_STATUS = 1 << 5, /* STATUS=text: status */
	NOTIFY_MAINPID = 1 << 6, /* MAINPID=n: main_pid */
	NOTIFY_EXTEND = 1 << 7, /* EXTEND_TIMEOUT_USEC=n: extend_usec */
	NOTIFY_BARRIER = 1 << 8, /* BARRIER=1 */
};

struct notify_message {
	unsigned said; /* enum notify_said */
	pid_t main_pid;
	usec_t extend_usec;
	char status[NOTIFY_STATUS_SIZE]; /* UTF-8 without control characters; may be "" */
};

/*
 * Decodes a datagram; of a key that comes twice the first one counts. 0; -EMSGSIZE: longer
 * than NOTIFY_MAX_BYTES; -EBADMSG: empty, or a NUL in it (one at the end is forgiven).
 */
int notify_parse(const void *data, size_t n, struct notify_message *ret_message);
