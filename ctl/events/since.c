/*
 * strptime() takes the date and the time of day; all that may follow is read by hand, since it
 * would let pass too much.
 */
#include "ctl/events/since.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

/* ".5": digits after the sixth count for nothing. */
static bool take_fraction(const char **text, usec_t *ret_usec)
{
	usec_t unit = USEC_PER_SEC;

	*ret_usec = 0;
	if (**text != '.')
		return true;
	(*text)++;
	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		unit /= 10;
		*ret_usec += (usec_t)(**text - '0') * unit;
	}
	return true;
}

/* "+01:00": seconds east of Greenwich. */
static bool take_offset(const char *text, long *ret_seconds)
{
	int sign = *text == '-' ? -1 : 1, digits[4];

	if (strlen(text) != 6 || text[3] != ':')
		return false;
	for (int i = 0; i < 4; i++) {
		char c = text[1 + i + (i > 1)];

		if (!isdigit((unsigned char)c))
			return false;
		digits[i] = c - '0';
	}
	*ret_seconds =
		sign * ((digits[0] * 10L + digits[1]) * 3600 + (digits[2] * 10L + digits[3]) * 60);
	return digits[0] * 10 + digits[1] < 24 && digits[2] < 6;
}

static int parse_time(const char *text, usec_t *ret_realtime)
{
	static const char *const forms[] = {
		"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
	const char *rest = NULL;
	struct tm tm;
	usec_t fraction;
	long offset = 0;
	time_t seconds;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]) && !rest; i++) {
		tm = (struct tm){.tm_isdst = -1};
		rest = strptime(text, forms[i], &tm);
	}
	if (!rest || !isdigit((unsigned char)*text) || !take_fraction(&rest, &fraction))
		return -EINVAL;
	if (*rest == '\0')
		seconds = mktime(&tm);
	else if (strcmp(rest, "Z") == 0 || take_offset(rest, &offset))
		seconds = timegm(&tm) - offset;
	else
		return -EINVAL;
	if (seconds < 0)
		return -EINVAL;
	*ret_realtime = (usec_t)seconds * USEC_PER_SEC + fraction;
	return 0;
}

int since_parse(const char *text, usec_t now, struct since *ret_since)
{
	struct since since = {0};
	usec_t span;

	if (*text == '@') {
		since.by_number = true;
		if (parse_u64(text + 1, UINT64_C(1) << 53, &since.after) < 0)
			return -EINVAL;
	} else if (parse_duration(text, &span) == 0) {
		since.realtime_usec = usec_sub(now, span);
	} else if (parse_time(text, &since.realtime_usec) < 0) {
		return -EINVAL;
	}
	*ret_since = since;
	return 0;
}
