/*
 * A control socket that systemd (or whoever set LISTEN_FDS) has opened and passed in. The
 * launcher hands it on unseen; what it is, is judged here.
 */
#pragma once

#include <stdbool.h>

struct engine;

/* True where the listening socket fd was passed in, and not made by server_open(). */
bool passed_is(const struct engine *e, int fd);

/*
 * Judges what the launcher had for a first engine (-1 for nothing). The descriptor, to be
 * listened on; or -1, closed, after having said why.
 */
int passed_judge(const struct engine *e, int fd);
