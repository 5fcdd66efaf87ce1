/*
 * From a value's string to what it means. Each returns true with the result, or false
 * with the reason told in errors, where the result stays as it was.
 */
#pragma once

#include "conf/text/parse.h"

bool convert_bool(struct conf_errors *errors, const struct value *v, bool *ret);
bool convert_number(struct conf_errors *errors, const struct value *v, const char *text,
	int64_t min, int64_t max, int64_t *ret);
bool convert_unsigned(struct conf_errors *errors, const struct value *v, unsigned min, unsigned max,
	unsigned *ret);
bool convert_duration(struct conf_errors *errors, const struct value *v, usec_t *ret);
/* One of at least min. */
bool convert_span(struct conf_errors *errors, const struct value *v, usec_t min, usec_t *ret);
bool convert_size(struct conf_errors *errors, const struct value *v, uint64_t *ret);
bool convert_mode(struct conf_errors *errors, const struct value *v, unsigned max, mode_t *ret);
bool convert_signal(struct conf_errors *errors, const struct value *v, int *ret);
/* An absolute path. */
bool convert_path(struct conf_errors *errors, const struct value *v);

/* One of names[0 .. n); its index. */
bool convert_choice(struct conf_errors *errors, const struct value *v, const char *const *names,
	size_t n, size_t *ret);
