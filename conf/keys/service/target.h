/* Where output goes: what a text in a log section means, and back. */
#pragma once

#include "base/buf.h"
#include "conf/spec.h"

struct making;
struct value;

/* ret_target owns its address. -EINVAL: told; -ENOMEM. */
int target_parse(
	struct making *m, const struct value *v, const char *text, struct spec_target *ret_target);

/* Is it the same place? Its format is looked at only where it is its own. */
bool target_is_same(const struct spec_target *a, const struct spec_target *b);

/* As it is written in a configuration, without quotes; 0 or -ENOMEM. */
int target_write(const struct spec_target *t, struct buf *out);
