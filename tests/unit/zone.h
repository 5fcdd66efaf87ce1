/* The time zone of the test's process: a name or a rule; NULL: that of the machine. */
#pragma once

#include <stdlib.h>
#include <time.h>

static inline void zone_set(const char *zone)
{
	if (zone)
		setenv("TZ", zone, 1);
	else
		unsetenv("TZ");
	tzset();
}
