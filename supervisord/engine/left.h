/*
 * What a process has left in its pipe when it ended, and who takes it makes it wait: the pipe is
 * read on, and is the next generation's as well, so that all comes in order. Until it is empty, or
 * that generation is known to have it, the launcher keeps it with the one that has ended.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct service;
struct stream;

/* Is there something in it that has to wait? */
bool left_is_in(const struct stream *t);
/* A generation has ended, and its pipes stay open. */
void left_note(struct service *s, uint64_t generation);
/* The same of one that the launcher tells of: takes the pipes there is something in. False: none.
 */
bool left_take(struct service *s, uint64_t generation, int *fds, unsigned n_fds);
/* The pipes are empty, or the next generation's, or given up. Nothing where nothing was left. */
void left_release(struct service *s);
