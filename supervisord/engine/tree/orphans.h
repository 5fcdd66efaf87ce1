/*
 * What a supervisord that was killed together with its engine has left running.
 */
#pragma once

#include "engine/kept/store.h"

struct orphans {
	const struct store *left; /* the dead instance's area; STORE_INIT: it is lost */
	int cgroup_fd; /* the directory with its cgroups; -1: there are none */
	/*
	 * Those of services that live, and no commands beside them, are spared, and this is the
	 * name of that directory ("" for none); NULL: nobody is.
	 */
	const char *spared_below;
};

/*
 * Ends every process of the services that the area knows, and whatever is in the cgroups: TERM,
 * and KILL after a while; where some are spared, KILL at once. Waits for them, bounded. 0; -EBUSY
 * where some are still there; -errno where that can't be told.
 */
int orphans_end(const struct orphans *o);
