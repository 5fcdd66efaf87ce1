/* Where output goes to and input comes from. Targets change while a service runs, pipes do not. */
#include <string.h>

#include "base/macro.h"
#include "conf/diff/diff_values.h"
#include "conf/keys/service/target.h"
#include "conf/write.h"

static const struct spec_service *service(const void *owner)
{
	return owner;
}

static int write_target(const struct spec_target *t, bool quoted, struct buf *out)
{
	_cleanup_buf_ struct buf text = {0};
	int result = target_write(t, &text);

	if (result == 0)
		result = buf_append(&text, SIZE_MAX, "", 1);
	if (result < 0)
		return result;
	return quoted ? write_string(out, text.data) : write_word(out, text.data);
}

/* Output that nobody took is what another service reads now, or the other way around. */
static bool differs_in_reader(const struct spec_service *a, const struct spec_service *b)
{
	return a->feeds != b->feeds && spec_has_output(a) != spec_has_output(b) &&
	       a->log->file.sink == SPEC_SINK_NONE && b->log->file.sink == SPEC_SINK_NONE &&
	       a->log->n_also == b->log->n_also;
}

bool diff_same_log_file(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	return target_is_same(&service(a)->log->file, &service(b)->log->file) &&
	       !differs_in_reader(a, b);
}

int diff_write_log_file(
	const struct diff_rule *r _unused_, const void *owner, const void *other, struct buf *out)
{
	const struct spec_target *t = &service(owner)->log->file;
	int result = write_target(t, t->sink == SPEC_SINK_FILE, out);

	if (result == 0 && service(owner)->feeds && differs_in_reader(owner, other))
		result = buf_printf(out, " # another service reads it");
	return result;
}

bool diff_same_log_stderr(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	return service(a)->split_stderr == service(b)->split_stderr &&
	       (!service(a)->split_stderr ||
		       target_is_same(&service(a)->log->error, &service(b)->log->error));
}

int diff_write_log_stderr(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	const struct spec_target *t = &service(owner)->log->error;

	return service(owner)->split_stderr ? write_target(t, t->sink == SPEC_SINK_FILE, out) : 0;
}

bool diff_same_also(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	const struct spec_log *x = service(a)->log, *y = service(b)->log;

	if (x->n_also != y->n_also)
		return false;
	for (size_t i = 0; i < x->n_also; i++) {
		if (!target_is_same(&x->also[i], &y->also[i]))
			return false;
	}
	return true;
}

int diff_write_also(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	const struct spec_log *l = service(owner)->log;
	int result = buf_printf(out, "{");

	for (size_t i = 0; i < l->n_also && result == 0; i++) {
		if (i > 0)
			result = buf_printf(out, ", ");
		if (result == 0)
			result = write_target(&l->also[i], true, out);
	}
	return result < 0 ? result : buf_printf(out, "}");
}

enum diff_effect diff_output_effect(
	const struct diff_rule *r _unused_, const void *before, const void *after)
{
	return spec_has_output(before) == spec_has_output(after) ? DIFF_LIVE : DIFF_RESTART;
}

enum diff_effect diff_log_stderr_effect(
	const struct diff_rule *r _unused_, const void *before, const void *after)
{
	return service(before)->split_stderr == service(after)->split_stderr ? DIFF_LIVE
									     : DIFF_RESTART;
}

/* The filters that a word stands for, see output.c. */
static const char *filter_name(char *const *words)
{
	static const struct {
		const char *name, *words[4];
	} known[] = {{"gzip", {"gzip", "-c"}}, {"zstd", {"zstd", "-q", "-c"}}};

	for (size_t i = 0; i < ELEMENTSOF(known); i++) {
		size_t n = 0;

		while (words[n] && known[i].words[n] && strcmp(words[n], known[i].words[n]) == 0)
			n++;
		if (!words[n] && !known[i].words[n])
			return known[i].name;
	}
	return NULL;
}

int diff_write_compress(
	const struct diff_rule *r, const void *owner, const void *other _unused_, struct buf *out)
{
	char **words = *(char **const *)diff_member(r, owner);
	const char *name = words ? filter_name(words) : "none";

	return name ? write_word(out, name) : write_command(out, words);
}

int diff_write_count(
	const struct diff_rule *r, const void *owner, const void *other _unused_, struct buf *out)
{
	return write_number(out, (int64_t) * (const uint64_t *)diff_member(r, owner));
}

bool diff_same_input(const struct diff_rule *r _unused_, const void *a, const void *b)
{
	return service(a)->stdin_kind == service(b)->stdin_kind &&
	       diff_same_text(service(a)->stdin_name, service(b)->stdin_name);
}

int diff_write_input(const struct diff_rule *r _unused_, const void *owner,
	const void *other _unused_, struct buf *out)
{
	const struct spec_service *s = owner;
	const char *word = spec_stdin_to_string(s->stdin_kind);
	_cleanup_buf_ struct buf text = {0};
	int result;

	if (!s->stdin_name)
		return write_word(out, word);
	result = buf_printf(&text, "%s:%s", word, s->stdin_name);
	if (result == 0)
		result = buf_append(&text, SIZE_MAX, "", 1);
	return result < 0 ? result : write_word(out, text.data);
}
