/*
 * What systemd (or whoever set NOTIFY_SOCKET) is told: that supervisord is up, reloads or
 * stops, how its services are in words, and that its loop turns. Nothing where the program
 * was built without libsystemd, or nobody wants to know. Never waits.
 *
 * The engine is not the main process, so the unit needs NotifyAccess=all.
 */
#pragma once

#include <stdbool.h>

#include "engine/loop.h"

struct engine;

#define SYSTEMD_STATUS_SIZE 192
#define SYSTEMD_STATUS_USEC USEC_PER_SEC /* at most one STATUS alone in that time */

struct systemd {
	const char *path; /* borrowed: NOTIFY_SOCKET; NULL: nobody wants to know */
	int fd; /* owned; -1 */
	struct loop_source room; /* in the loop only while the receiver has no room */
	unsigned owed; /* what could not be sent yet */
	bool told; /* who we are: STATUS alone comes after that */
	bool complained;
	unsigned n_reloads; /* asked for, and not over yet */
	usec_t reloading_usec; /* when the last of them began */
	usec_t status_usec; /* when STATUS was told last */
	char status[SYSTEMD_STATUS_SIZE]; /* as told last */
	struct loop_timer status_timer; /* set only while there may be news */
	struct loop_timer watchdog_timer;
	usec_t watchdog_usec; /* between two signs of life; 0: not asked for */
};

/*
 * Reads what the environment asks for, once, and begins with the signs of life if those are
 * asked for. 0 or -ENOMEM.
 */
int systemd_init(struct engine *e);
void systemd_fini(struct engine *e);

/* Each engine says it when it is up: the one before may have died within a reload. */
void systemd_ready(struct engine *e);
/*
 * Around each reload of the configuration, however it ends. READY follows the last of those that
 * overlap; while it stops, nothing is said of them.
 */
void systemd_reloading(struct engine *e);
void systemd_reloaded(struct engine *e);
void systemd_stopping(struct engine *e);
/* A service has another state: STATUS follows, now or when a second is over. */
void systemd_changed(struct engine *e);
