/*
 * Hours and days of the local time, as the zone file has them.
 */
#pragma once

#include "base/usec.h"
#include "conf/spec.h"

/*
 * The end of the period that this moment of the real clock is in, which is the first moment of the
 * next one. USEC_INFINITY for SPEC_EVERY_NEVER.
 */
usec_t period_end(enum spec_every every, usec_t realtime);
