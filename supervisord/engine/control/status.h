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
