/*
 * The outlet to supervisord's own standard output: the lines of all services, each whole
 * between those of others.
 */
#pragma once

#include "engine/logs/outlet/outlet.h"

/*
 * The longest line that is written, with prefix and newline: PIPE_BUF, up to which a write to
 * a pipe is all or nothing. A longer one is cut into several, each with prefix and newline.
 */
#define STANDARD_MAX_LINE    4096
#define STANDARD_MAX_PENDING (64 * 1024)

/*
 * Writes to what set->inherit_fd is open for, by a descriptor of its own. 0 or -ENOMEM; a bad
 * descriptor shows later.
 */
int standard_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret);
