/*
 * What we may do, where that depends on privileges that even root may lack (containers).
 * What is not allowed is left out, with one line in the log, and the service starts.
 */
#pragma once

#include <stdbool.h>

/* Each says once in the log that it is refused. */
bool privilege_allows_nice(int nice);
bool privilege_allows_oom_score_adj(int value);
