/* The pipe that is another service's stdin, as an outlet. */
#pragma once

#include "engine/logs/outlet/outlet.h"

/*
 * fd: both ends of the pipe, O_NONBLOCK; borrowed, and copied: writers may outlive the one that
 * reads. 0 or -errno.
 */
int service_pipe_new(struct outlet_set *set, const struct spec_target *target, int fd,
	struct outlet **ret_outlet);
