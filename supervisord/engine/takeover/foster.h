/*
 * Processes that the launcher does not know, since it is another one than they were started by.
 */
#pragma once

#include <stdbool.h>

struct engine;
struct link_message;
struct service;

/*
 * The launcher has told all that it knows. Where there may be more, looks for that, and gives it
 * what is found; whose process is gone has ended, which is noted to be judged.
 */
void foster_missing(struct engine *e);

/* The launcher was given its process, and will tell. */
bool foster_is_under_way(const struct service *s);

/* The launcher does not take a process. False: it was none that it was given here. */
bool foster_refused(struct service *s, const struct link_message *m);
