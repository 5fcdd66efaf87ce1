/*
 * What a supervisord has left that was killed together with its engine: it is gone on with.
 */
#pragma once

struct engine;

/*
 * With the runtime directory locked, and e->spec as the files say. 1: the recovery area is
 * e->store, the configurations in force then are those that the launcher would have kept, and
 * the rest is as after any other engine, but for what nobody has kept; 0: there is nothing left
 * that can be gone on with, which has been said, and nothing has changed; or -errno.
 */
int adopt_left(struct engine *e);
