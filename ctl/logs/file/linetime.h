/* When a line was written, where the line itself says so. */
#pragma once

#include <stddef.h>

#include "base/usec.h"

/*
 * What stands at the beginning of a line: RFC 3339 with Z or an offset, as log.timestamps has it,
 * or an object of JSON whose first member is "time". 0 or -EINVAL.
 */
int linetime_parse(const char *line, size_t n, usec_t *ret_realtime);
