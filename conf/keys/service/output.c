/*
 * The log section. Its format is about targets, so it comes when these are known: setters are
 * called in the order of enum service_key.
 */
#include "conf/keys/service/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/keys/convert.h"
#include "conf/keys/service/target.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

#define MAX_KEEP       1000
#define MAX_RATE_LINES 1000000000
#define MAX_RATE_BYTES (UINT64_C(1) << 40) /* a second, so that a burst of it can be counted */
#define MIN_BURST      (10 * USEC_PER_MSEC)
#define MAX_BURST      USEC_PER_HOUR
#define MAX_SUFFIX     16 /* that rotated files may have, see engine/logs/file/rotate.h */

static int set_target(struct making *m, const struct value *v, struct spec_target *target)
{
	struct spec_target t;
	int r = target_parse(m, v, v->strings[0], &t);

	if (r < 0)
		return r == -EINVAL ? 0 : r;
	free(target->address);
	*target = t;
	return 0;
}

static int set_stderr(struct making *m, const struct value *v)
{
	if (v->strings[0][0] == '\0')
		return 0;
	m->s->split_stderr = true;
	return set_target(m, v, &m->s->log->error);
}

static int set_also(struct making *m, const struct value *v)
{
	struct spec_log *l = m->s->log;

	if (v->n > SPEC_MAX_ALSO) {
		value_error(m->b->errors, v, "more than %d targets", SPEC_MAX_ALSO);
		return 0;
	}
	l->also = calloc(v->n + 1, sizeof(*l->also));
	if (!l->also)
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++) {
		struct spec_target *t = &l->also[l->n_also];
		int r = target_parse(m, v, v->strings[i], t);

		if (r < 0 && r != -EINVAL)
			return r;
		if (r == 0 && t->sink == SPEC_SINK_NONE)
			value_error(m->b->errors, v, "'none' adds nothing; allowed: {} for none");
		else if (r == 0)
			l->n_also++;
	}
	return 0;
}

static const char *format_name(unsigned value)
{
	return spec_format_to_string((enum spec_format)value);
}

static const char *timestamps_name(unsigned value)
{
	return spec_timestamps_to_string((enum spec_timestamps)value);
}

static const char *every_name(unsigned value)
{
	return spec_every_to_string((enum spec_every)value);
}

static const char *overflow_name(unsigned value)
{
	return spec_overflow_to_string((enum spec_overflow)value);
}

/* One of the words of an enum, by the function that names them. */
static bool choose(struct making *m, const struct value *v, const char *(*name_of)(unsigned value),
	unsigned n, unsigned *ret)
{
	const char *names[8];
	size_t choice;

	for (unsigned i = 0; i < n; i++)
		names[i] = name_of(i);
	if (!convert_choice(m->b->errors, v, names, n, &choice))
		return false;
	*ret = (unsigned)choice;
	return true;
}

static void give_format(struct spec_target *t, enum spec_format format)
{
	if (!t->has_format && (t->sink == SPEC_SINK_FILE || t->sink == SPEC_SINK_INHERIT))
		t->format = format;
}

static void set_format(struct making *m, const struct value *v)
{
	struct spec_log *l = m->s->log;
	unsigned choice;

	if (!choose(m, v, format_name, SPEC_FORMAT_MAX, &choice))
		return;
	l->format = (enum spec_format)choice;
	give_format(&l->file, l->format);
	give_format(&l->error, l->format);
	for (size_t i = 0; i < l->n_also; i++)
		give_format(&l->also[i], l->format);
}

static void set_timestamps(struct making *m, const struct value *v)
{
	unsigned choice;

	if (choose(m, v, timestamps_name, SPEC_TIMESTAMPS_MAX, &choice))
		m->s->log->timestamps = (enum spec_timestamps)choice;
}

static void set_rotate(struct making *m, const struct value *v)
{
	unsigned choice;

	if (choose(m, v, every_name, SPEC_EVERY_MAX, &choice))
		m->s->log->rotation.every = (enum spec_every)choice;
}

static void set_overflow(struct making *m, const struct value *v)
{
	struct spec_log *l = m->s->log;
	unsigned choice;

	if (!choose(m, v, overflow_name, SPEC_OVERFLOW_MAX, &choice))
		return;
	l->overflow = (enum spec_overflow)choice;
	l->has_overflow = true;
}

/*
 * What a compressed file's name ends with: for a program that isn't known the letters and digits
 * of its name, in lower case, as far as they go. False: there are none, or others.
 */
static bool make_suffix(const char *program, char ret_suffix[static MAX_SUFFIX + 1])
{
	static const struct {
		const char *program, *suffix;
	} known[] = {
		{"gzip", "gz"},
		{"pigz", "gz"},
		{"zstd", "zst"},
		{"zstdmt", "zst"},
		{"bzip2", "bz2"},
		{"lbzip2", "bz2"},
	};
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.";
	const char *slash = strrchr(program, '/'), *name = slash ? slash + 1 : program;
	size_t n = 0;

	if (strspn(name, harmless) < strlen(name))
		return false;
	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		if (strcmp(name, known[i].program) == 0)
			name = known[i].suffix;
	}
	for (; *name && n < MAX_SUFFIX; name++) {
		if (*name >= 'A' && *name <= 'Z')
			ret_suffix[n++] = (char)(*name - 'A' + 'a');
		else if ((*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9'))
			ret_suffix[n++] = *name;
	}
	ret_suffix[n] = '\0';
	return n > 0;
}

/* gzip and zstd alone are words for what makes filters of them. */
static int complete_compress(char ***words, size_t *n)
{
	const char *const gzip[] = {"-c", NULL}, *const zstd[] = {"-q", "-c", NULL};
	const char *const *more = NULL;
	int r = 0;

	if (*n == 1 && strcmp((*words)[0], "gzip") == 0)
		more = gzip;
	else if (*n == 1 && strcmp((*words)[0], "zstd") == 0)
		more = zstd;
	for (; more && *more && r == 0; more++)
		r = strv_take(words, n, strdup(*more));
	return r;
}

static int set_compress(struct making *m, const struct value *v)
{
	struct spec_rotation *rotation = &m->s->log->rotation;
	char **words = NULL;
	char suffix[MAX_SUFFIX + 1];
	size_t n;
	int r;

	if (v->n == 1 && strcmp(v->strings[0], "none") == 0)
		return 0;
	r = making_words(m, v, &words, &n);
	if (r < 0 || n == 0 || !words || words[0][0] == '\0') {
		strv_free(words); /* an empty one is none; what is wrong was told */
		return r;
	}
	if (!make_suffix(words[0], suffix)) {
		value_error(m->b->errors, v,
			"'%.80s' makes no name for a file; allowed: none, gzip, zstd, or a program "
			"called by letters, digits, '.', '_' and '-'",
			words[0]);
		strv_free(words);
		return 0;
	}
	r = complete_compress(&words, &n);
	if (r < 0 || asprintf(&rotation->suffix, ".%s", suffix) < 0) {
		rotation->suffix = NULL;
		strv_free(words);
		return -ENOMEM;
	}
	rotation->compress = words;
	return 0;
}

static void set_rate_lines(struct making *m, const struct value *v)
{
	int64_t number;

	if (convert_number(m->b->errors, v, v->strings[0], 0, MAX_RATE_LINES, &number))
		m->s->log->rate.lines = (uint64_t)number;
}

static void set_rate_bytes(struct making *m, const struct value *v)
{
	uint64_t bytes;

	if (!convert_size(m->b->errors, v, &bytes))
		return;
	if (bytes > MAX_RATE_BYTES)
		value_error(m->b->errors, v, "'%.80s' is not allowed; allowed: 0 to %" PRIu64 "G",
			v->strings[0], MAX_RATE_BYTES >> 30);
	else
		m->s->log->rate.bytes = bytes;
}

static void set_rate_burst(struct making *m, const struct value *v)
{
	usec_t burst;

	if (!convert_duration(m->b->errors, v, &burst))
		return;
	if (burst < MIN_BURST || burst > MAX_BURST)
		value_error(m->b->errors, v, "'%.80s' is not allowed; allowed: 10ms to 1h",
			v->strings[0]);
	else
		m->s->log->rate.burst_usec = burst;
}

int output_set(struct making *m, const struct value *v)
{
	struct conf_errors *errors = m->b->errors;
	struct spec_log *l = m->s->log;

	switch (v->key->id) {
	case SERVICE_LOG_FILE:
		return set_target(m, v, &l->file);
	case SERVICE_LOG_STDERR:
		return set_stderr(m, v);
	case SERVICE_LOG_ALSO:
		return set_also(m, v);
	case SERVICE_LOG_FORMAT:
		set_format(m, v);
		return 0;
	case SERVICE_LOG_TIMESTAMPS:
		set_timestamps(m, v);
		return 0;
	case SERVICE_LOG_MAX_SIZE:
		convert_size(errors, v, &l->rotation.max_size_bytes);
		return 0;
	case SERVICE_LOG_ROTATE:
		set_rotate(m, v);
		return 0;
	case SERVICE_LOG_KEEP:
		convert_unsigned(errors, v, 0, MAX_KEEP, &l->rotation.keep);
		return 0;
	case SERVICE_LOG_KEEP_AGE:
		convert_duration(errors, v, &l->rotation.keep_age_usec);
		return 0;
	case SERVICE_LOG_KEEP_SIZE:
		convert_size(errors, v, &l->rotation.keep_size_bytes);
		return 0;
	case SERVICE_LOG_COMPRESS:
		return set_compress(m, v);
	case SERVICE_LOG_OVERFLOW:
		set_overflow(m, v);
		return 0;
	case SERVICE_LOG_RATE_LINES:
		set_rate_lines(m, v);
		return 0;
	case SERVICE_LOG_RATE_BYTES:
		set_rate_bytes(m, v);
		return 0;
	default: /* SERVICE_LOG_RATE_BURST */
		set_rate_burst(m, v);
		return 0;
	}
}

static void check_name(const struct making *m, const char *key, const struct spec_target *t)
{
	if (t->sink == SPEC_SINK_FILE && t->address && m->s->n_instances > 1 &&
		!text_has_placeholder(t->address))
		making_tell(m, key,
			"several instances would write one file; "
			"it must contain %%{name} or %%{instance}");
}

/* Both streams go to what stands in log.also: there is no other use for it twice. */
static void check_twice(const struct making *m, const struct spec_target *t, const char *key,
	const struct spec_target *other)
{
	_cleanup_buf_ struct buf text = {0};

	/* files are compared by their paths, see check.c */
	if (t->sink == SPEC_SINK_FILE || !target_is_same(t, other))
		return;
	if (target_write(t, &text) == 0)
		making_tell(m, "log.also", "'%.*s' stands in %s already; allowed: each target once",
			(int)MIN_OF(text.len, (size_t)128), text.data, key);
}

void output_check(struct making *m)
{
	const struct spec_log *l = m->s->log;

	check_name(m, "log.file", &l->file);
	check_name(m, "log.stderr", &l->error);
	for (size_t i = 0; i < l->n_also; i++) {
		check_name(m, "log.also", &l->also[i]);
		check_twice(m, &l->also[i], "log.file", &l->file);
		if (m->s->split_stderr)
			check_twice(m, &l->also[i], "log.stderr", &l->error);
		for (size_t k = 0; k < i; k++)
			check_twice(m, &l->also[i], "log.also", &l->also[k]);
	}
}
