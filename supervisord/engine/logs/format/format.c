/*
 * Heads and markers are text made from numbers; lines are that, copied. What is put out for one
 * byte of the source is put out wholly or not at all, and the head of a line goes with its
 * first byte: so output ends where it can go on, whatever room there is.
 */
#include "engine/logs/format/format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "engine/logs/format/json.h"
#include "engine/logs/format/stamp.h"

#define NAME_WIDTH SPEC_INSTANCE_NAME_MAX

int format_utc_offset(usec_t realtime)
{
	return stamp_utc_offset(realtime);
}

/* --- what stands before the text --- */

/* All of it fits: names are short, and of letters that JSON takes as they are. */
_printf_(2, 3) static void add(struct format *f, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(f->head + f->n, FORMAT_HEAD_SIZE - f->n, format, args);
	va_end(args);
	if (n > 0)
		f->n = MIN_OF(f->n + (size_t)n, (size_t)FORMAT_HEAD_SIZE - 1);
}

static void add_stamp(struct format *f, enum spec_timestamps kind, usec_t realtime, int offset)
{
	struct stamp s;

	stamp_make(&s, kind, realtime, offset);
	memcpy(f->head + f->n, s.text, s.n);
	f->n += s.n;
}

static void add_prefix(struct format *f, const struct log_origin *o, const char *stream)
{
	add(f, "%.*s", NAME_WIDTH, o->name);
	if (o->pid > 0)
		add(f, "[%d]", (int)o->pid);
	add(f, " %.*s: ", NAME_WIDTH, stream);
}

/* {"time":"2026-11-23T06:36:53.123456Z","service":"web","instance":2 */
static void add_whose(struct format *f, usec_t realtime, const struct log_origin *o)
{
	add(f, "{\"time\":\"");
	add_stamp(f, SPEC_TIMESTAMPS_ISO, realtime, 0);
	f->n--; /* its blank */
	add(f, "\",\"service\":\"%.*s\"", NAME_WIDTH, o->service);
	if (o->instance > 0)
		add(f, ",\"instance\":%u", o->instance);
}

void format_make(struct format *f, const struct format_about *about)
{
	const struct log_origin *o = &about->origin;

	f->json = about->kind == SPEC_FORMAT_JSON;
	f->n = 0;
	if (f->json) {
		add_whose(f, about->realtime, o);
		if (o->pid > 0)
			add(f, ",\"pid\":%d", (int)o->pid);
		else
			add(f, ",\"pid\":null");
		add(f, ",\"stream\":\"%.*s\",\"message\":\"", NAME_WIDTH, o->stream);
		return;
	}
	add_stamp(f, about->timestamps, about->realtime, about->utc_offset_sec);
	if (about->kind == SPEC_FORMAT_PREFIX)
		add_prefix(f, o, o->stream);
}

size_t format_marker(const struct format_about *about, uint64_t bytes, uint64_t lines,
	const char *why, char ret_marker[static FORMAT_MARKER_SIZE])
{
	struct format f = {.json = about->kind == SPEC_FORMAT_JSON};
	struct format_state s = {0};
	char text[256];
	size_t taken;
	int n = snprintf(text, sizeof(text),
		"%s%" PRIu64 " bytes, %" PRIu64 " lines dropped (%.100s)\n",
		about->kind == SPEC_FORMAT_PREFIX ? "" : "supervisord: ", bytes, lines, why);

	if (f.json) {
		add_whose(&f, about->realtime, &about->origin);
		add(&f,
			",\"stream\":\"supervisord\",\"dropped_bytes\":%" PRIu64
			",\"dropped_lines\":%" PRIu64 ",\"message\":\"",
			bytes, lines);
	} else {
		add_stamp(&f, about->timestamps, about->realtime, about->utc_offset_sec);
		if (about->kind == SPEC_FORMAT_PREFIX)
			add_prefix(&f, &about->origin, "supervisord");
	}
	return format_lines(&f, &s, text, (size_t)n, ret_marker, FORMAT_MARKER_SIZE, &taken);
}

/* --- where a line stands --- */

static bool is_json(const struct format_state *s)
{
	return s->line != INTENT_LINE_START && (s->decoder & FORMAT_JSON);
}

bool format_is_ready(const struct format *f, const struct format_state *s)
{
	if (s->line == INTENT_LINE_START)
		return true;
	if (f->json || is_json(s))
		return f->json && is_json(s) && s->line == INTENT_LINE_OPEN;
	return s->line == INTENT_LINE_OPEN || format_is_identity(f);
}

size_t format_end_line(struct format_state *s, char ret_end[static FORMAT_END_SIZE])
{
	bool split = s->line == INTENT_LINE_CUT && !(s->decoder & FORMAT_TORN);
	unsigned held = s->decoder & FORMAT_HELD;
	size_t n = 0;

	if (s->line == INTENT_LINE_START)
		return 0;
	if (is_json(s)) {
		if ((s->decoder & FORMAT_TORN) || (held > 0 && !split))
			n = json_put_replacement(ret_end);
		memcpy(ret_end + n, "\"}", 2);
		n += 2;
	}
	ret_end[n++] = '\n';
	s->line = INTENT_LINE_START;
	s->decoder = split ? (uint8_t)held : 0;
	return n;
}

size_t format_end(
	const struct format *f, struct format_state *s, char ret_end[static FORMAT_END_SIZE])
{
	return format_is_ready(f, s) ? 0 : format_end_line(s, ret_end);
}

void format_pass(struct format_state *s, const char *data, size_t n)
{
	if (n == 0)
		return;
	s->line = data[n - 1] == '\n' ? INTENT_LINE_START : INTENT_LINE_OPEN;
	s->decoder = 0;
}

void format_follow(struct format_state *s, const char *data, size_t n)
{
	unsigned held = json_held(s, data, n);

	format_pass(s, data, n);
	s->decoder = (uint8_t)held;
}

struct format_state format_restore(uint8_t line, const uint8_t held[static 3])
{
	struct format_state s = {.line = line < INTENT_LINE_MAX ? line : INTENT_LINE_START};

	for (unsigned i = 0; i < 3 && held[i] != 0; i++) {
		s.held[i] = held[i];
		s.decoder++;
	}
	return s;
}

void format_cut(struct format_state *s)
{
	if (s->line == INTENT_LINE_OPEN)
		s->line = INTENT_LINE_CUT;
	if (s->decoder & FORMAT_HELD)
		s->decoder |= FORMAT_TORN;
	s->decoder &= s->line == INTENT_LINE_START ? 0 : FORMAT_JSON | FORMAT_TORN;
}

void format_split(struct format_state *s)
{
	if (s->line == INTENT_LINE_OPEN)
		s->line = INTENT_LINE_CUT;
}

void format_leave(enum spec_format kind, struct format_state *s)
{
	if (s->line != INTENT_LINE_CUT && kind != SPEC_FORMAT_JSON && !is_json(s))
		return;
	s->line = INTENT_LINE_START;
	s->decoder &= s->decoder & FORMAT_TORN ? 0 : FORMAT_HELD;
}

/* --- lines --- */

static size_t plain_lines(const struct format *f, struct format_state *s, const char *data,
	size_t n, char *out, size_t size, size_t *ret_taken)
{
	bool at_start = s->line == INTENT_LINE_START;
	size_t taken = 0, used = 0;

	while (taken < n) {
		size_t head = at_start ? f->n : 0, k;
		const char *newline;

		if (size - used <= head)
			break;
		newline = memchr(data + taken, '\n', n - taken);
		k = newline ? (size_t)(newline + 1 - (data + taken)) : n - taken;
		at_start = newline && k <= size - used - head;
		k = MIN_OF(k, size - used - head);
		memcpy(out + used, f->head, head);
		memcpy(out + used + head, data + taken, k);
		used += head + k;
		taken += k;
	}
	format_pass(s, data, taken);
	*ret_taken = taken;
	return used;
}

/* Of one line, or the rest of one; n counts its newline, if it has one. 0: there is no room. */
static size_t json_line(struct format_state *s, const char *data, size_t n, char *out, size_t size,
	size_t *ret_taken)
{
	bool newline = data[n - 1] == '\n';
	size_t taken, used = json_text(s, data, n - newline, out, size, &taken), k;
	char end[FORMAT_END_SIZE];
	struct format_state ended = *s;

	if (newline && taken == n - 1) {
		k = format_end_line(&ended, end);
		if (k <= size - used) {
			memcpy(out + used, end, k);
			used += k;
			taken++;
			*s = ended;
		}
	}
	*ret_taken = taken;
	return used;
}

static size_t json_lines(const struct format *f, struct format_state *s, const char *data, size_t n,
	char *out, size_t size, size_t *ret_taken)
{
	size_t taken = 0, used = 0;

	while (taken < n) {
		const char *newline = memchr(data + taken, '\n', n - taken);
		size_t length = newline ? (size_t)(newline + 1 - (data + taken)) : n - taken;
		size_t head = s->line == INTENT_LINE_START ? f->n : 0, k, done;
		struct format_state next = *s;

		if (size - used < head)
			break;
		next.line = INTENT_LINE_OPEN;
		next.decoder |= FORMAT_JSON;
		k = json_line(
			&next, data + taken, length, out + used + head, size - used - head, &done);
		if (k == 0 && done == 0)
			break;
		memcpy(out + used, f->head, head);
		used += head + k;
		taken += done;
		*s = next;
		if (done < length)
			break;
	}
	*ret_taken = taken;
	return used;
}

size_t format_lines(const struct format *f, struct format_state *s, const char *data, size_t n,
	char *out, size_t size, size_t *ret_taken)
{
	return (f->json ? json_lines : plain_lines)(f, s, data, n, out, size, ret_taken);
}
