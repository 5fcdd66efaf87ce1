/*
 * Whether anybody may be left of services whose main process has ended, by the launcher's children
 * alone: which costs far less than a look at all of /proc.
 */
#pragma once

#include <stdbool.h>

struct engine;

/*
 * True proves that there is no process but main processes of services, what descends from those,
 * and the engine. False proves nothing. Asked again while a look is held (tree_hold()), the same.
 */
bool children_are_known(struct engine *e);
