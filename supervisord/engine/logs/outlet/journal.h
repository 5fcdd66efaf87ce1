/*
 * The outlet to journald, by its native protocol.
 */
#pragma once

#include "engine/logs/outlet/outlet.h"

#define JOURNAL_MAX_LINE (48 * 1024) /* longer ones become several records; journald's LineMax */

/* 0 or -errno. */
int journal_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret);
