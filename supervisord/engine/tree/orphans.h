/*
 * What a supervisord that was killed together with its engine has left running.
 */
#pragma once

#include "engine/store.h"

/*
 * Ends every process of the services that the dead instance's area knows, and whatever is
 * in the cgroups below cgroup_fd (-1: none): TERM, and KILL after a while. Waits for them,
 * bounded. 0; -EBUSY where some are still there; -errno where that can't be told.
 */
int orphans_end(const struct store *left, int cgroup_fd);
