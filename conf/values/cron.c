/*
 * The notation: each field becomes a set of bits, so that what matches is a question of one
 * bit. Names are three letters in any case; 7 is Sunday too; "fri-sun" ends with the week.
 * What cron programs take in different ways (5/10, a step past the field's end) is refused.
 *
 * When it comes round is in cron_next.c.
 */
#include "conf/values/cron.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/macro.h"

#define BLANKS	   " \t"
#define N_FIELDS   5
#define MAX_DIGITS 6 /* so no number overflows; all that fields take have two at most */
#define MAX_QUOTED 24

struct field {
	const char *name;
	unsigned min, max, max_step;
	const char *names; /* of three letters each, from min on; NULL: none */
	const char *forms; /* what each part of a list may be */
};

static const struct field fields[N_FIELDS] = {
	{"field 1 (minute)", 0, 59, 60, NULL, "a number"},
	{"field 2 (hour)", 0, 23, 24, NULL, "a number"},
	{"field 3 (day of month)", 1, 31, 31, NULL, "a number"},
	{"field 4 (month)", 1, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
		"a number, a name (jan to dec)"},
	{"field 5 (day of week)", 0, 7, 7, "sunmontuewedthufrisat",
		"a number, a name (sun to sat)"},
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

/* A text that is read, and where its mistake is told. */
struct reader {
	const char *at;
	const struct field *field;
	char *what; /* CRON_WHAT_SIZE */
};

static int wrong(const struct reader *r, const char *format, ...) _printf_(2, 3);

static int wrong(const struct reader *r, const char *format, ...)
{
	int n = snprintf(r->what, CRON_WHAT_SIZE, "%s: ", r->field->name);
	va_list args;

	va_start(args, format);
	vsnprintf(r->what + n, CRON_WHAT_SIZE - (size_t)n, format, args);
	va_end(args);
	return -EINVAL;
}

/* So many bytes of a text as a message may quote them, without cutting a character in two. */
static int quoted(const char *text, size_t n)
{
	if (n <= MAX_QUOTED)
		return (int)n;
	n = MAX_QUOTED;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return (int)n;
}

/* The part of a list that begins there is none. */
static int wrong_part(const struct reader *r, const char *part)
{
	int n = quoted(part, strcspn(part, "," BLANKS));

	return wrong(r, "'%.*s' is none of *, %s, a range of them", n, part, r->field->forms);
}

/* Digits, if any; no more than MAX_DIGITS count. */
static size_t scan_number(const char *text, unsigned *ret_value)
{
	size_t n = strspn(text, "0123456789");
	unsigned value = 0;

	for (size_t i = 0; i < n && i < MAX_DIGITS; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*ret_value = value;
	return n;
}

/* A number or name, which is read past. part: what it is part of, for the message. */
static int scan_value(struct reader *r, const char *part, unsigned *ret_value)
{
	const struct field *f = r->field;
	unsigned value;
	size_t n = scan_number(r->at, &value);

	if (n > MAX_DIGITS || (n > 0 && (value < f->min || value > f->max)))
		return wrong(r, "%.*s is not in %u-%u", quoted(r->at, n), r->at, f->min, f->max);
	for (size_t i = 0; n == 0 && f->names && f->names[i]; i += 3) {
		if (strncasecmp(r->at, f->names + i, 3) != 0)
			continue;
		value = f->min + (unsigned)i / 3;
		n = 3;
	}
	if (n == 0)
		return wrong_part(r, part);
	r->at += n;
	*ret_value = value;
	return 0;
}

/* "/5" or nothing. */
static int scan_step(struct reader *r, const char *part, bool is_range, unsigned *ret_step)
{
	const char *text = r->at + 1;
	size_t n;

	*ret_step = 1;
	if (*r->at != '/')
		return 0;
	if (!is_range)
		return wrong(r, "'%.*s': a step goes with * or a range, as in */5",
			quoted(part, strcspn(part, "," BLANKS)), part);
	n = scan_number(text, ret_step);
	if (n == 0)
		return wrong_part(r, part);
	if (n > MAX_DIGITS || *ret_step == 0 || *ret_step > r->field->max_step)
		return wrong(
			r, "step %.*s is not in 1-%u", quoted(text, n), text, r->field->max_step);
	r->at = text + n;
	return 0;
}

static bool is_end(char c)
{
	return c == '\0' || strchr(BLANKS, c);
}

/* One part of a list: "*", "5", "1-5", with a step or without. */
static int scan_part(struct reader *r, uint64_t *bits)
{
	const struct field *f = r->field;
	const char *part = r->at;
	unsigned low = f->min, high = f->max, step = 1;
	bool is_range = true;
	int e = 0;

	if (*r->at == '*') {
		r->at++;
	} else {
		e = scan_value(r, part, &low);
		high = low;
		is_range = *r->at == '-';
		if (e == 0 && is_range) {
			r->at++;
			e = scan_value(r, part, &high);
			if (f->max == 7 && high == 0 && low > 0)
				high = 7;
		}
	}
	if (e == 0)
		e = scan_step(r, part, is_range, &step);
	if (e < 0)
		return e;
	if (*r->at != ',' && !is_end(*r->at))
		return wrong_part(r, part);
	if (high < low)
		return wrong(r, "range '%.*s' ends before it begins",
			quoted(part, (size_t)(r->at - part)), part);
	for (unsigned i = low; i <= high; i += step)
		*bits |= UINT64_C(1) << i;
	return 0;
}

/* *ret_any: it begins with *, so it says nothing of its own, or only every so many. */
static int scan_field(struct reader *r, uint64_t *ret_bits, bool *ret_any)
{
	uint64_t bits = 0;

	*ret_any = *r->at == '*';
	for (;;) {
		int e = scan_part(r, &bits);

		if (e < 0)
			return e;
		if (*r->at != ',')
			break;
		r->at++;
	}
	*ret_bits = bits;
	return 0;
}

static int wrong_count(const char *how, char reterr_what[static CRON_WHAT_SIZE])
{
	snprintf(reterr_what, CRON_WHAT_SIZE,
		"%s; allowed: five: minute, hour, day of month, month, day of week", how);
	return -EINVAL;
}

static int parse_fields(
	const char *text, struct cron *ret_cron, char reterr_what[static CRON_WHAT_SIZE])
{
	struct reader r = {.at = text, .what = reterr_what};
	uint64_t bits[N_FIELDS];
	bool any[N_FIELDS];

	for (size_t i = 0; i < N_FIELDS; i++) {
		int e;

		r.at += strspn(r.at, BLANKS);
		r.field = &fields[i];
		if (*r.at == '\0')
			return wrong_count("too few fields", reterr_what);
		e = scan_field(&r, &bits[i], &any[i]);
		if (e < 0)
			return e;
	}
	if (r.at[strspn(r.at, BLANKS)] != '\0')
		return wrong_count("too many fields", reterr_what);
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

int cron_parse(const char *text, struct cron *ret_cron, char reterr_what[static CRON_WHAT_SIZE])
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
	snprintf(reterr_what, CRON_WHAT_SIZE,
		"with @ there are only @yearly, @annually, @monthly, @weekly, @daily, @midnight, "
		"@hourly");
	return -EINVAL;
}
