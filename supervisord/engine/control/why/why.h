/*
 * The facts behind a service's situation, for `supctl why`, which makes sentences of them: nothing
 * here is in words for people but what others have said (an errno, a hook's output).
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/* The reply of Why; NULL for lack of memory. */
json_t *why(struct service *s);
