/*
 * The notation: each field becomes a set of bits, so that what matches is a question of one
 * bit. Names are three letters in any case; 7 is Sunday too; "fri-sun" ends with the week.
 * What cron programs take in different ways (5/10, a step past the field's end) is refused.
 *
 * When it comes round is in cron_next.c.
 */
#include "conf/cron.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

#define BLANKS	   " \t"
#define N_FIELDS   5
#define MAX_DIGITS 3 /* so no number overflows; all that fields take have two at most */

enum wrong {
	WRONG_VALUE, /* no number, no name */
	WRONG_BOUNDS,
	WRONG_ORDER,
	WRONG_STEP, /* not in 1 to the field's size */
	WRONG_STEP_OF_ONE, /* 5/10 */
	WRONG_MAX
};

struct field {
	unsigned min, max;
	const char *names; /* of three letters each, from min on; NULL: none */
	const char *wrong[WRONG_MAX];
};

#define WRONGS(field, what, bounds, step)                                                 \
	{                                                                                 \
		[WRONG_VALUE] = field ": each part is *, " what ", or a range of them",   \
		[WRONG_BOUNDS] = field ": a number is not in " bounds,                    \
		[WRONG_ORDER] = field ": a range ends before it begins",                  \
		[WRONG_STEP] = field ": a step is not in 1-" step,                        \
		[WRONG_STEP_OF_ONE] = field ": a step goes with * or a range, as in */5", \
	}

static const struct field fields[N_FIELDS] = {
	{0, 59, NULL, WRONGS("field 1 (minute)", "a number", "0-59", "60")},
	{0, 23, NULL, WRONGS("field 2 (hour)", "a number", "0-23", "24")},
	{1, 31, NULL, WRONGS("field 3 (day of month)", "a number", "1-31", "31")},
	{1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
		WRONGS("field 4 (month)", "a number, a name (jan to dec)", "1-12", "12")},
	{0, 7, "sunmontuewedthufrisat",
		WRONGS("field 5 (day of week)", "a number, a name (sun to sat)", "0-7", "7")},
};

static const struct {
	const char *name, *text;
} shorthands[] = {
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

/* A number or name at *text, which is moved past it. 0, or -1 with what is wrong. */
static int scan_value(
	const struct field *f, const char **text, unsigned *ret_value, enum wrong *reterr)
{
	size_t n = strspn(*text, "0123456789");
	unsigned value = 0;

	*reterr = WRONG_VALUE;
	if (n > 0) {
		*reterr = WRONG_BOUNDS;
		if (n > MAX_DIGITS)
			return -1;
		for (size_t i = 0; i < n; i++)
			value = value * 10 + (unsigned)((*text)[i] - '0');
		if (value < f->min || value > f->max)
			return -1;
		*text += n;
		*ret_value = value;
		return 0;
	}
	for (size_t i = 0; f->names && f->names[i]; i += 3) {
		if (strncasecmp(*text, f->names + i, 3) != 0)
			continue;
		*text += 3;
		*ret_value = f->min + (unsigned)i / 3;
		return 0;
	}
	return -1;
}

/* "/5" or nothing at *text. */
static int scan_step(
	const struct field *f, const char **text, unsigned *ret_step, enum wrong *reterr)
{
	size_t n;
	unsigned step = 0, size = f->max == 7 ? 7 : f->max - f->min + 1;

	*ret_step = 1;
	if (**text != '/')
		return 0;
	*reterr = WRONG_STEP;
	(*text)++;
	n = strspn(*text, "0123456789");
	if (n == 0 || n > MAX_DIGITS)
		return -1;
	for (size_t i = 0; i < n; i++)
		step = step * 10 + (unsigned)((*text)[i] - '0');
	if (step == 0 || step > size)
		return -1;
	*text += n;
	*ret_step = step;
	return 0;
}

/* One part of a list: "*", "5", "1-5", with a step or without. */
static int scan_part(const struct field *f, const char **text, uint64_t *bits, enum wrong *reterr)
{
	unsigned low = f->min, high = f->max, step;
	bool is_range = true, has_step;

	if (**text == '*') {
		(*text)++;
	} else {
		if (scan_value(f, text, &low, reterr) < 0)
			return -1;
		high = low;
		is_range = **text == '-';
		if (is_range) {
			(*text)++;
			if (scan_value(f, text, &high, reterr) < 0)
				return -1;
			if (f->max == 7 && high == 0 && low > 0)
				high = 7;
		}
	}
	*reterr = high < low ? WRONG_ORDER : WRONG_STEP_OF_ONE;
	has_step = **text == '/';
	if (high < low || (has_step && !is_range))
		return -1;
	if (scan_step(f, text, &step, reterr) < 0)
		return -1;
	for (unsigned i = low; i <= high; i += step)
		*bits |= UINT64_C(1) << i;
	return 0;
}

static bool is_end(char c)
{
	return c == '\0' || strchr(BLANKS, c);
}

/* *ret_any: it begins with *, so it says nothing of its own, or only every so many. */
static int scan_field(const struct field *f, const char **text, uint64_t *ret_bits, bool *ret_any,
	const char **reterr_what)
{
	enum wrong wrong = WRONG_VALUE;
	uint64_t bits = 0;

	*ret_any = **text == '*';
	for (;;) {
		if (scan_part(f, text, &bits, &wrong) < 0) {
			*reterr_what = f->wrong[wrong];
			return -EINVAL;
		}
		if (**text != ',')
			break;
		(*text)++;
	}
	if (!is_end(**text)) {
		*reterr_what = f->wrong[WRONG_VALUE];
		return -EINVAL;
	}
	*ret_bits = bits;
	return 0;
}

static int parse_fields(const char *text, struct cron *ret_cron, const char **reterr_what)
{
	uint64_t bits[N_FIELDS];
	bool any[N_FIELDS];

	for (size_t i = 0; i < N_FIELDS; i++) {
		text += strspn(text, BLANKS);
		if (*text == '\0') {
			*reterr_what = "five fields are needed: minute, hour, day of month, month, "
				       "day of week";
			return -EINVAL;
		}
		if (scan_field(&fields[i], &text, &bits[i], &any[i], reterr_what) < 0)
			return -EINVAL;
	}
	text += strspn(text, BLANKS);
	if (*text != '\0') {
		*reterr_what = "only five fields are taken: minute, hour, day of month, month, day "
			       "of week";
		return -EINVAL;
	}
	*ret_cron = (struct cron){.minutes = bits[0],
		.hours = (uint32_t)bits[1],
		.days = (uint32_t)bits[2],
		.months = (uint16_t)bits[3],
		.weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f),
		.any_hour = any[1],
		.any_day = any[2],
		.any_weekday = any[4]};
	return 0;
}

int cron_parse(const char *text, struct cron *ret_cron, const char **reterr_what)
{
	size_t n;

	text += strspn(text, BLANKS);
	if (*text != '@')
		return parse_fields(text, ret_cron, reterr_what);
	n = strcspn(text, BLANKS);
	for (size_t i = 0; i < ELEMENTSOF(shorthands); i++) {
		if (strlen(shorthands[i].name) == n && memcmp(text, shorthands[i].name, n) == 0 &&
			text[n + strspn(text + n, BLANKS)] == '\0')
			return parse_fields(shorthands[i].text, ret_cron, reterr_what);
	}
	*reterr_what =
		"with @ there are only @yearly, @annually, @monthly, @weekly, @daily, @midnight "
		"and @hourly";
	return -EINVAL;
}
