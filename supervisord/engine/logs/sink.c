/*
 * A sink chooses the writer, counts, and owns the one piece of policy: a file that can't be
 * written is reported once, left alone for a second with all that comes dropped, and tried
 * again when data comes after that. The first batch that goes through ends it, with one line
 * that tells what was lost, and a line of that in the file. How a batch gets into a file is in
 * sink_file.c.
 */
#include "engine/logs/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lines.h"
#include "engine/logs/sink_internal.h"

/* There are thousands of sinks; a buffer or a spare field would multiply. */
_Static_assert(sizeof(struct sink) <= 136, "struct sink has grown");

static const char *name_of(const struct logfile *f)
{
	return CONTAINER_OF(f, const struct sink, file)->name;
}

static bool is_mid_line(const struct logfile *f)
{
	return CONTAINER_OF(f, const struct sink, file)->at.line == INTENT_LINE_OPEN;
}

static const struct upkeep_owner owner = {name_of, is_mid_line};

void sink_set_init(struct sink_set *set, struct loop *loop, const char *log_dir, unsigned max_open,
	int inherit_fd)
{
	logfile_set_init(&set->files, log_dir, max_open, loop, &owner);
	outlet_set_init(&set->outlets, loop, inherit_fd);
	set->formatted = NULL;
	set->describe = NULL;
	set->writable = NULL;
}

void sink_set_fini(struct sink_set *set)
{
	assert(set->files.n_open == 0);
	logfile_set_fini(&set->files);
	outlet_set_fini(&set->outlets);
	free(TAKE_PTR(set->formatted));
}

static bool is_outlet(unsigned kind)
{
	return kind != SPEC_SINK_FILE && kind != SPEC_SINK_NONE;
}

static int set_target(struct sink *s, const struct spec_target *target, const char *path)
{
	char *copy = NULL;
	int r;

	if (target->sink == SPEC_SINK_FILE) {
		copy = strdup(path);
		if (!copy)
			return -ENOMEM;
		logfile_init(&s->file);
		s->file.path = copy;
	} else if (is_outlet(target->sink)) {
		r = sink_join(s, target, path);
		if (r < 0)
			return r;
	}
	s->kind = (uint8_t)target->sink;
	return 0;
}

static void drop_target(struct sink *s)
{
	if (s->kind == SPEC_SINK_FILE)
		logfile_fini(&s->set->files, &s->file);
	else if (is_outlet(s->kind))
		sink_leave(s);
	s->kind = SPEC_SINK_NONE;
}

static void set_log(struct sink *s, const struct spec_log *log)
{
	s->log = log;
	if (s->kind == SPEC_SINK_FILE)
		logfile_set_rotation(&s->set->files, &s->file, &log->rotation);
}

int sink_init(struct sink *s, struct sink_set *set, const char *name, const struct spec_log *log,
	const struct spec_target *target, const char *path)
{
	int r;

	*s = (struct sink){.set = set, .name = name, .log = log, .kind = SPEC_SINK_NONE};
	r = set_target(s, target, path);
	if (r < 0)
		return r;
	s->format = (uint8_t)target->format;
	set_log(s, log);
	return 0;
}

void sink_fini(struct sink *s)
{
	if (s->set)
		drop_target(s);
}

static int change_target(
	struct sink *s, const struct spec_target *target, const char *path, usec_t now)
{
	struct sink old;
	int r;

	sink_end(s, now);
	sink_close(s); /* so that no list leads here */
	old = *s;
	r = set_target(s, target, path);
	if (r < 0) {
		*s = old;
		return r;
	}
	drop_target(&old);
	sink_forget_lost(s);
	s->at = (struct format_state){0};
	return 0;
}

bool sink_has_target(const struct sink *s, const struct spec_target *target, const char *path)
{
	if (target->sink != s->kind)
		return false;
	if (s->kind == SPEC_SINK_FILE)
		return path && strcmp(path, s->file.path) == 0;
	return s->kind == SPEC_SINK_NONE || sink_goes_to(s, target, path);
}

int sink_configure(struct sink *s, const struct spec_log *log, const struct spec_target *target,
	const char *path, usec_t now)
{
	int r = 0;

	if (target->sink == SPEC_SINK_FILE && !path)
		r = -ENOMEM;
	else if (!sink_has_target(s, target, path))
		r = change_target(s, target, path, now);
	if (r == 0)
		s->format = (uint8_t)target->format;
	set_log(s, log);
	return r;
}

void sink_describe(const struct sink *s, struct log_origin *ret)
{
	*ret = (struct log_origin){
		.name = s->name, .service = s->name, .invocation = "", .stream = "stdout"};
	if (s->set->describe)
		s->set->describe(s, ret);
}

void sink_count_written(struct sink *s, const char *data, size_t n)
{
	s->counters.bytes += n;
	s->counters.lines += lines_count(data, n);
}

void sink_count_dropped(struct sink *s, const char *data, size_t n, unsigned why)
{
	size_t lines = lines_count(data, n);

	if (s->lost_bytes == 0)
		s->lost_why = (uint8_t)why;
	s->counters.dropped_bytes += n;
	s->counters.dropped_lines += lines;
	s->lost_bytes += n;
	s->lost_lines += lines;
}

void sink_forget_lost(struct sink *s)
{
	s->lost_bytes = s->lost_lines = 0;
	s->lost_why = 0;
}

const char *sink_lost_why(const struct sink *s)
{
	switch (s->lost_why) {
	case SINK_WHY_RATE:
		return "rate limit";
	case SINK_WHY_SLOW:
		return "too slow";
	case SINK_WHY_LEFT:
		return "its end was not waited for";
	default:
		return logfile_strerror(-(int)s->lost_why);
	}
}

bool sink_blocks(const struct sink *s)
{
	if (s->kind == SPEC_SINK_NONE)
		return false;
	if (s->kind == SPEC_SINK_SERVICE && !s->log->has_overflow)
		return true;
	return s->log->overflow == SPEC_OVERFLOW_BLOCK;
}

void sink_refuse(struct sink *s, const void *data, size_t n, unsigned why)
{
	if (n == 0)
		return;
	sink_count_dropped(s, data, n, why);
	sink_cut_line(s);
}

void sink_cut_line(struct sink *s)
{
	format_cut(&s->at);
}

static void tell_counters(const struct sink *s, struct intent *i)
{
	i->bytes = s->counters.bytes;
	i->lines = s->counters.lines;
	i->dropped_bytes = s->counters.dropped_bytes;
	i->dropped_lines = s->counters.dropped_lines;
}

void sink_tell(const struct sink *s, struct intent *i)
{
	if (i->sink == 0)
		tell_counters(s, i);
	i->line = s->at.line;
	i->decoder = s->at.decoder;
	memcpy(i->held, s->at.held, sizeof(i->held));
	i->lost_bytes = s->lost_bytes;
	i->lost_lines = s->lost_lines;
	i->lost_why = s->lost_why;
}

void sink_write(struct sink *s, const void *data, size_t n, usec_t now)
{
	sink_write_noted(s, data, n, now, NULL);
}

void sink_write_noted(struct sink *s, const void *data, size_t n, usec_t now, struct ledger *ledger)
{
	if (n == 0)
		return;
	switch ((enum spec_sink)s->kind) {
	case SPEC_SINK_FILE:
		sink_write_file(s, data, n, now, ledger);
		break;
	case SPEC_SINK_INHERIT:
	case SPEC_SINK_JOURNAL:
	case SPEC_SINK_SYSLOG:
	case SPEC_SINK_SERVICE:
		sink_write_outlet(s, data, n, now);
		break;
	case SPEC_SINK_NONE:
		sink_count_written(s, data, n);
		break;
	case SPEC_SINK_MAX:
		break;
	}
}

void sink_follow(struct sink *s, const struct format_state *through)
{
	bool json = s->format == SPEC_FORMAT_JSON;

	s->at = *through;
	if (json && s->at.line != INTENT_LINE_START)
		s->at.decoder |= FORMAT_JSON;
	else if (!json)
		s->at.decoder = 0;
	/* Those that share a file leave it at a line's beginning. */
	if (s->shared && format_has_head((enum spec_format)s->format, s->log->timestamps)) {
		s->at.line = INTENT_LINE_START;
		s->at.decoder &= s->at.decoder & FORMAT_TORN ? 0 : FORMAT_HELD;
	}
}

void sink_resume(struct sink *s, const struct ledger *ledger)
{
	const struct intent *i = &ledger->intent;

	if (i->sink == 0)
		s->counters = (struct log_counters){
			i->bytes, i->lines, i->dropped_bytes, i->dropped_lines};
	s->at = (struct format_state){i->line, i->decoder, {i->held[0], i->held[1], i->held[2]}};
	s->lost_bytes = i->lost_bytes;
	s->lost_lines = i->lost_lines;
	s->lost_why = i->lost_why;
}

void sink_redo(struct sink *s, const void *data, size_t n, usec_t now, struct ledger *ledger)
{
	const struct intent *i = &ledger->intent;
	size_t done = MIN_OF((uint64_t)n, i->done);

	sink_resume(s, ledger);
	if (s->kind == SPEC_SINK_FILE && (i->phase == INTENT_WRITE || i->phase == INTENT_ROTATE))
		sink_redo_file(s, data, n, now, ledger);
	else
		sink_write_noted(s, (const char *)data + done, n - done, now, NULL);
}

void sink_end_noted(struct sink *s, usec_t now, struct ledger *ledger)
{
	bool is_open_json = s->format == SPEC_FORMAT_JSON && s->at.line != INTENT_LINE_START;

	sink_cut_line(s);
	if (s->kind == SPEC_SINK_FILE && (s->lost_bytes > 0 || is_open_json))
		sink_write_file(s, NULL, 0, now, ledger);
}

void sink_end(struct sink *s, usec_t now)
{
	sink_end_noted(s, now, NULL);
	if (is_outlet(s->kind))
		sink_end_outlet(s, now);
}

void sink_settle(struct sink *s, usec_t now, struct ledger *ledger)
{
	if (s->lost_bytes == 0)
		return;
	if (s->kind == SPEC_SINK_FILE)
		sink_write_file(s, NULL, 0, now, ledger);
	else if (is_outlet(s->kind))
		sink_settle_outlet(s, now);
}

void sink_reopen(struct sink *s, usec_t now)
{
	int r;

	if (s->kind != SPEC_SINK_FILE || (!logfile_is_open(&s->file) && !s->file.broken))
		return;
	logfile_close(&s->set->files, &s->file);
	s->file.rotate_failed = false;
	s->file.retry_usec = 0;
	r = sink_open_file(s);
	if (r < 0)
		sink_set_broken(s, r, now);
}

void sink_close(struct sink *s)
{
	if (s->kind == SPEC_SINK_FILE)
		logfile_close(&s->set->files, &s->file);
}
