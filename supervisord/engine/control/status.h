/*
 * A service as JSON, as the control protocol tells it.
 */
#pragma once

#include <jansson.h>

#include "engine/engine.h"

/* Text that may be no valid UTF-8 (a path, a command line), with the bad bytes replaced. */
json_t *status_text(const char *text);
/* The same of bytes, at most 1024, of which NUL becomes a blank. */
json_t *status_bytes(const char *data, size_t n);

/* Type Service of io.supctl.Control; a new reference, or NULL. */
json_t *status_service(const struct service *s);
/* Type Log of each stream, an array; NULL for lack of memory. */
json_t *status_logs(const struct service *s);
/* The reply of Show; environment only if wanted. */
json_t *status_show(struct service *s, bool with_environment);

/* --- parts of them --- */

/* A point on the real clock, RFC 3339; an array of words that end with NULL. */
json_t *status_time(usec_t realtime);
json_t *status_strings(char *const *items);
/* Type Process of what lives of its generation; Hook, of those that run or have ended. */
json_t *status_processes(struct service *s);
json_t *status_hooks(const struct service *s);
/* Type Schedule; null where it has none. */
json_t *status_schedule(const struct service *s);
/* "changed", "removed": what its next process goes by; NULL: what it goes by now. */
const char *status_pending(const struct service *s);
