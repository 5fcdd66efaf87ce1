/*
 * base/parse.h does the reading; what is added here is the message, which always says
 * what would have been allowed.
 */
#include "conf/keys/convert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

bool convert_bool(struct conf_errors *errors, const struct value *v, bool *ret)
{
	static const char *const words[] = {"true", "yes", "on", "false", "no", "off"};

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (strcmp(v->strings[0], words[i]) == 0) {
			*ret = i < ELEMENTSOF(words) / 2;
			return true;
		}
	}
	value_error(errors, v, "'%.80s' is neither true nor false", v->strings[0]);
	return false;
}

bool convert_number(struct conf_errors *errors, const struct value *v, const char *text,
	int64_t min, int64_t max, int64_t *ret)
{
	bool negative = text[0] == '-' && min < 0;
	int64_t value;
	uint64_t number;

	if (parse_u64(text + negative, INT64_MAX, &number) == 0) {
		value = negative ? -(int64_t)number : (int64_t)number;
		if (value >= min && value <= max) {
			*ret = value;
			return true;
		}
	}
	value_error(errors, v, "'%.80s' is not allowed; allowed: %" PRId64 " to %" PRId64, text,
		min, max);
	return false;
}

bool convert_unsigned(struct conf_errors *errors, const struct value *v, unsigned min, unsigned max,
	unsigned *ret)
{
	int64_t number;

	if (!convert_number(errors, v, v->strings[0], min, max, &number))
		return false;
	*ret = (unsigned)number;
	return true;
}

bool convert_duration(struct conf_errors *errors, const struct value *v, usec_t *ret)
{
	if (parse_duration(v->strings[0], ret) == 0)
		return true;
	value_error(errors, v,
		"'%.80s' is not a duration; allowed: such as 500ms, 10s, 5min, 1h, 2d",
		v->strings[0]);
	return false;
}

bool convert_span(struct conf_errors *errors, const struct value *v, usec_t min, usec_t *ret)
{
	char text[USEC_SPAN_SIZE];
	usec_t span;

	if (!convert_duration(errors, v, &span))
		return false;
	if (span >= min) {
		*ret = span;
		return true;
	}
	value_error(errors, v, "'%.80s' is too short; allowed: %s or more", v->strings[0],
		usec_span(min, text));
	return false;
}

bool convert_size(struct conf_errors *errors, const struct value *v, uint64_t *ret)
{
	if (parse_size(v->strings[0], ret) == 0)
		return true;
	value_error(errors, v, "'%.80s' is not a size; allowed: such as 4096, 64K, 50M, 1G",
		v->strings[0]);
	return false;
}

bool convert_mode(struct conf_errors *errors, const struct value *v, unsigned max, mode_t *ret)
{
	unsigned mode;

	if (parse_mode(v->strings[0], &mode) == 0 && (mode & ~max) == 0) {
		*ret = mode;
		return true;
	}
	value_error(errors, v, "'%.80s' is not allowed; allowed: octal digits, bits of %04o",
		v->strings[0], max);
	return false;
}

bool convert_signal(struct conf_errors *errors, const struct value *v, int *ret)
{
	if (parse_signal(v->strings[0], ret) == 0)
		return true;
	value_error(errors, v,
		"unknown signal '%.80s'; allowed: such as TERM, INT, QUIT, RTMIN+3, 15",
		v->strings[0]);
	return false;
}

bool convert_path(struct conf_errors *errors, const struct value *v)
{
	if (v->strings[0][0] == '/')
		return true;
	value_error(errors, v, "'%.80s' is not allowed; allowed: an absolute path", v->strings[0]);
	return false;
}

bool convert_choice(struct conf_errors *errors, const struct value *v, const char *const *names,
	size_t n, size_t *ret)
{
	char allowed[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(v->strings[0], names[i]) == 0) {
			*ret = i;
			return true;
		}
		len += (size_t)snprintf(allowed + len,
			len < sizeof(allowed) ? sizeof(allowed) - len : 0, "%s%s",
			i > 0 ? ", " : "", names[i]);
		len = MIN_OF(len, sizeof(allowed) - 1);
	}
	value_error(errors, v, "'%.80s' is not allowed; allowed: %s", v->strings[0], allowed);
	return false;
}
