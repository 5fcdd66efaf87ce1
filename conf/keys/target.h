/* Targets as values that were read already; see service.h for how they are. */
#pragma once

#include "base/buf.h"
#include "conf/spec.h"

/* Is it the same place? Its format is looked at only where it is its own. */
bool target_is_same(const struct spec_target *a, const struct spec_target *b);

/* As it is written in a configuration, without quotes; 0 or -ENOMEM. */
int target_write(const struct spec_target *t, struct buf *out);
