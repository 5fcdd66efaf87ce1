/* What of a JSON object is shown. */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* Members of JSON objects that may be absent, null or of another type. */
const char *render_string(json_t *object, const char *key);
int64_t render_integer(json_t *object, const char *key, int64_t otherwise);
