/*
 * A sentence is put together piece by piece and becomes a JSON string; whatever stands in it is
 * made harmless when it is written, not here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "ctl/output/moment.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/why/why_internal.h"

void say(struct tale *t, const char *format, ...)
{
	_cleanup_free_
	char *text = NULL;
	va_list args;
	int n;

	if (t->error < 0)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		text = NULL;
		t->error = -ENOMEM;
		return;
	}
	if (t->text.len + (size_t)n > WHY_MAX_SENTENCE) {
		static const char more[] = " ...";

		if (t->text.len >= WHY_MAX_SENTENCE)
			return;
		t->error = buf_append(&t->text, SIZE_MAX, text, WHY_MAX_SENTENCE - t->text.len);
		if (t->error == 0)
			t->error = buf_append(&t->text, SIZE_MAX, more, sizeof(more) - 1);
		return;
	}
	t->error = buf_append(&t->text, SIZE_MAX, text, (size_t)n);
}

/* What was cut may end within a character. */
static json_t *string_of(const struct buf *text)
{
	_cleanup_buf_ struct buf whole = {0};

	if (text_append_utf8(&whole, text->data, text->len) < 0)
		return NULL;
	return json_stringn(whole.data, whole.len);
}

void stop_here(struct tale *t)
{
	json_t *sentence;

	if (t->error < 0 || t->text.len == 0)
		return;
	if (!strchr(".!?:", t->text.data[t->text.len - 1]))
		t->error = buf_append(&t->text, SIZE_MAX, ".", 1);
	sentence = t->error == 0 ? string_of(&t->text) : NULL;
	t->text.len = 0;
	if (json_array_size(t->sentences) >= WHY_MAX_SENTENCES)
		json_decref(sentence);
	else if (json_array_append_new(t->sentences, sentence) < 0)
		t->error = -ENOMEM;
}

bool is_word(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

usec_t msec_of(json_t *object, const char *key)
{
	int64_t msec = render_integer(object, key, 0);

	return msec > 0 ? (usec_t)msec * USEC_PER_MSEC : 0;
}

bool has_msec(json_t *object, const char *key)
{
	return json_is_integer(json_object_get(object, key));
}

void say_msec(struct tale *t, int64_t msec)
{
	char span[USEC_SPAN_SIZE];

	say(t, "%s", usec_span(msec > 0 ? (usec_t)msec * USEC_PER_MSEC : 0, span));
}

static bool moment(struct tale *t, const char *time, char ret_text[static MOMENT_SIZE])
{
	usec_t realtime;

	if (moment_parse(time, &realtime) < 0)
		return false;
	moment_text(realtime, t->now, ret_text);
	return true;
}

void say_at(struct tale *t, const char *time)
{
	char text[MOMENT_SIZE];

	if (moment(t, time, text))
		say(t, " at %s", text);
}

bool say_when(struct tale *t, json_t *when)
{
	char text[MOMENT_SIZE];

	if (!json_is_object(when))
		return false;
	say(t, "in ");
	say_msec(t, render_integer(when, "in_ms", 0));
	if (moment(t, render_string(when, "time"), text))
		say(t, " (%s)", text);
	return true;
}

void say_names(struct tale *t, json_t *names, int64_t n)
{
	size_t told = MIN_OF(json_array_size(names), (size_t)WHY_MAX_ITEMS);
	int64_t rest = n - (int64_t)told;

	for (size_t i = 0; i < told; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		bool last = i + 1 == told && rest <= 0;

		say(t, "%s%s", i == 0 ? "" : last ? " and " : ", ", name ? name : "?");
	}
	if (rest > 0)
		say(t, "%s%" PRIi64 " more", told > 0 ? " and " : "", rest);
}
