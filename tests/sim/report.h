/*
 * What is said of a history that has failed.
 */
#pragma once

#include "check.h"
#include "history.h"

/* One line: which invariant, where. */
void report_failure(const struct failure *f, uint64_t seed);
/* All of it, as text that can be replayed, and the course of the run as comments. */
void report_history(const struct history *h, const struct failure *f);
/* The same of the shortest history that fails like this one, if that is wanted. */
void report_shrunk(const struct history *h, const struct failure *f, bool shrinks);
