/* Which files an include statement means. */
#pragma once

#include "conf/build.h"

/*
 * Appends the paths, sorted. What is wrong is told at the value's place; then, and where
 * a pattern matches nothing, nothing is appended. -ENOMEM.
 */
int include_paths(struct build *b, const struct value *v, char ***list, size_t *n);
