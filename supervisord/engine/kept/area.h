/*
 * The recovery area in a running engine: whoever may write to the runtime directory can cut
 * its file short or remove it, and a new one is then written from what the engine has in
 * memory, and given to the launcher.
 * So are the lock and the sockets beside it, these by those whose they are.
 */
#pragma once

#include "engine/loop.h"

struct engine;

struct area_watch {
	struct loop_source source; /* inotify, on the file and on the names beside it */
	struct loop_timer retry; /* while it has no name: for want of room */
	struct loop_timer look; /* once all is being stopped, in the place of inotify */
	int watch, names; /* their numbers; -1 */
	bool ready; /* every service is known, so that a new one can be written */
	bool mending;
	bool stopping;
	bool told; /* that there is no room for a file with a name */
};

/* Without inotify, damage is found when the area is touched. 0 or -errno. */
int area_init(struct engine *e);
void area_fini(struct engine *e);

/* All is being stopped: now and then it is looked at, so that nothing is waited for at the end. */
void area_stopping(struct engine *e);

/* Every service is known: from here on, damage is mended. */
void area_begin(struct engine *e);

/*
 * Where somebody has removed the lock's file, takes the lock of another one, so that no second
 * supervisord comes; what happens is told in the log.
 */
void area_mend_lock(struct engine *e);

/* Makes room for so many services. 0 or -errno. */
int area_grow(struct engine *e, uint32_t capacity);

/*
 * Right after something was written to the area, and before anybody acts on that: where it
 * was lost, writes all of it anew.
 */
void area_check(struct engine *e);

/*
 * Gives an area that is in memory alone a file, with a name or else without, and the file to
 * the launcher. 0 or -errno.
 */
int area_save(struct engine *e);
