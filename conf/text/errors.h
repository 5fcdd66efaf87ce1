/* Collecting what is wrong with a configuration (struct conf_errors of load.h). */
#pragma once

#include "base/macro.h"
#include "conf/load.h"

/*
 * Adds "FILE:LINE: text" ("FILE: text" with line 0). The same message is kept once. Bytes
 * that would control a terminal become '?'. For lack of memory: only marks as truncated.
 */
void conf_errors_add(struct conf_errors *errors, struct spec_place place, const char *format, ...)
	_printf_(3, 4);

/* Is anything wrong? */
static inline bool conf_errors_any(const struct conf_errors *errors)
{
	return errors->n > 0 || errors->truncated;
}
