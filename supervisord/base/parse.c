/*
 * strtoull() takes signs, blanks and leftovers, so digits are counted here by
 * hand: what a person mistyped is refused, never half understood.
 */
#include "base/parse.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

/* Reads digits up to the first other character; -EINVAL where there is none. */
static int scan_digits(const char **text, unsigned base, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;

	for (; *p >= '0' && *p < (char)('0' + base); p++) {
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret_value = value;
	return 0;
}

int parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int r = scan_digits(&text, 10, &value);

	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	if (value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(
	const char *text, const struct unit *units, size_t n_units, uint64_t *ret_value)
{
	uint64_t value;
	int r = scan_digits(&text, 10, &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value) ||
			value > UINT64_MAX / 4)
			return -ERANGE;
		*ret_value = value;
		return 0;
	}
	return -EINVAL;
}

int parse_duration(const char *text, usec_t *ret_usec)
{
	static const struct unit units[] = {
		{"us", 1},
		{"ms", USEC_PER_MSEC},
		{"s", USEC_PER_SEC},
		{"min", USEC_PER_MINUTE},
		{"h", USEC_PER_HOUR},
		{"d", USEC_PER_DAY},
	};

	if (strcmp(text, "0") == 0) {
		*ret_usec = 0;
		return 0;
	}
	return parse_with_unit(text, units, ELEMENTSOF(units), ret_usec);
}

int parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1},
		{"K", UINT64_C(1) << 10},
		{"M", UINT64_C(1) << 20},
		{"G", UINT64_C(1) << 30},
	};

	return parse_with_unit(text, units, ELEMENTSOF(units), ret_bytes);
}

int parse_mode(const char *text, unsigned *ret_mode)
{
	uint64_t value;
	int r = scan_digits(&text, 8, &value);

	if (r < 0)
		return r;
	if (*text != '\0')
		return -EINVAL;
	if (value > 07777)
		return -ERANGE;
	*ret_mode = (unsigned)value;
	return 0;
}

int parse_signal(const char *text, int *ret_signo)
{
	uint64_t value;

	if (parse_u64(text, (uint64_t)SIGRTMAX, &value) == 0) {
		if (value == 0)
			return -EINVAL;
		*ret_signo = (int)value;
		return 0;
	}
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	for (int s = 1; s < SIGRTMIN; s++) {
		const char *name = sigabbrev_np(s);

		if (name && strcmp(name, text) == 0) {
			*ret_signo = s;
			return 0;
		}
	}
	if (strcmp(text, "RTMIN") == 0) {
		*ret_signo = SIGRTMIN;
		return 0;
	}
	if (strncmp(text, "RTMIN+", 6) == 0 &&
		parse_u64(text + 6, (uint64_t)(SIGRTMAX - SIGRTMIN), &value) == 0) {
		*ret_signo = SIGRTMIN + (int)value;
		return 0;
	}
	return -EINVAL;
}

const char *signal_name(int signo, char ret_text[static SIGNAL_NAME_SIZE])
{
	const char *name = signo > 0 && signo < SIGRTMIN ? sigabbrev_np(signo) : NULL;

	if (name)
		stpcpy(ret_text, name);
	else if (signo >= SIGRTMIN && signo <= SIGRTMAX)
		snprintf(ret_text, SIGNAL_NAME_SIZE, "RTMIN+%d", signo - SIGRTMIN);
	else
		snprintf(ret_text, SIGNAL_NAME_SIZE, "%d", signo);
	return ret_text;
}
