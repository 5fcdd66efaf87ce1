/*
 * Services that take the place of others, whose names are not configured any more: they start
 * when those have gone.
 */
#pragma once

#include <stdbool.h>

struct service;

/* next waits for the end of old from now on; it waits for nobody yet. 0 or -ENOMEM. */
int succession_add(struct service *old, struct service *next);
/* Whose end it waits for; NULL: nobody's. */
struct service *succession_predecessor(const struct service *next);
/* It waits for nobody any more; nor maybe before. */
void succession_leave(struct service *next);
/* One of those that wait for its end, which waits no more; NULL: nobody does. */
struct service *succession_take(struct service *old);
/* Nobody waits for it, and it for nobody. */
void succession_end(struct service *s);
