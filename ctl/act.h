/*
 * What becomes of a service that something was asked of, told on a line.
 */
#pragma once

#include <jansson.h>

#include "ctl/ctl.h"

/*
 * Tells about a result (name, ok, state, pid, message): on stdout and at once, or on stderr where
 * it is not ok. sent: the signal that was sent, or NULL. -ENOMEM.
 */
int act_tell(struct ctl *ctl, json_t *result, const char *sent);
