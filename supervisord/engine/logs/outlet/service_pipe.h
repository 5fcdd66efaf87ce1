/* The pipe that is another service's stdin, as an outlet. */
#pragma once

#include "engine/logs/outlet/outlet.h"

/*
 * fd: of the pipe, O_NONBLOCK, with a reader as long as the outlet lives; borrowed. 0 or -ENOMEM.
 */
int service_pipe_new(struct outlet_set *set, const struct spec_target *target, int fd,
	struct outlet **ret_outlet);
