/*
 * From a batch to an outlet. What that takes is written, though it may still be on its way there:
 * the rest of a line, or what waits in a buffer. What it doesn't take is dropped; or, for a sink
 * that blocks, it was offered before anything was taken from the service, and no more is taken
 * than every such sink has by then. Then a sink may be ahead of the batches that come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/sink_internal.h"

#define CALM_SEC 10

static void on_writable(struct outlet_writer *w)
{
	struct sink *s = CONTAINER_OF(w, struct sink_outlet, writer)->sink;

	if (s->set->writable)
		s->set->writable(s);
}

static struct spec_target with_address(const struct spec_target *target, const char *address)
{
	struct spec_target full = *target;

	if (address)
		full.address = (char *)address;
	return full;
}

int sink_join(struct sink *s, const struct spec_target *target, const char *address)
{
	struct spec_target full = with_address(target, address);
	_cleanup_free_
	struct sink_outlet *out = calloc(1, sizeof(*out));
	int r = out ? outlet_join(&s->set->outlets, &out->writer, &full) : -ENOMEM;

	if (r < 0)
		return r;
	out->sink = s;
	s->out = TAKE_PTR(out);
	return 0;
}

void sink_leave(struct sink *s)
{
	outlet_leave(&s->out->writer);
	free(TAKE_PTR(s->out));
}

bool sink_goes_to(const struct sink *s, const struct spec_target *target, const char *address)
{
	struct spec_target full = with_address(target, address);

	return outlet_goes_to(&s->out->writer, &full);
}

/* What was in the middle of a line, and counted as written. */
static void end_line(struct sink *s, const struct log_origin *origin, usec_t now)
{
	size_t lost = outlet_end(&s->out->writer, origin, now);

	s->counters.bytes -= MIN_OF(s->counters.bytes, (uint64_t)lost);
	s->counters.dropped_bytes += lost;
	if (lost > 0 && s->lost_bytes == 0)
		s->lost_why = SINK_WHY_SLOW;
	s->lost_bytes += lost;
}

/* A line about what was dropped. False: there is no room for it yet. */
static bool tell_lost(struct sink *s, const struct log_origin *origin, usec_t now)
{
	struct format_about about = {.kind = SPEC_FORMAT_PLAIN, .origin = *origin};
	char text[1 + FORMAT_MARKER_SIZE] = "\n";
	struct log_origin own = *origin;
	/* Who gets bytes and no lines gets the end of a line that was cut, too. */
	size_t from = s->kind == SPEC_SINK_SERVICE && s->at.line == INTENT_LINE_CUT ? 0 : 1;
	size_t n;

	if (s->lost_bytes == 0)
		return true;
	end_line(s, origin, now);
	own.stream = "supervisord";
	if (s->kind == SPEC_SINK_INHERIT)
		about.kind = (enum spec_format)s->out->writer.format;
	if (about.kind == SPEC_FORMAT_JSON)
		about.realtime = usec_now(CLOCK_REALTIME);
	n = 1 + format_marker(&about, s->lost_bytes, s->lost_lines, sink_lost_why(s), text + 1);
	if (outlet_take(&s->out->writer, &own, text + from, n - from, now) == 0)
		return false;
	s->at.line = INTENT_LINE_START;
	sink_forget_lost(s);
	return true;
}

static size_t take(struct sink *s, const char *data, size_t n, usec_t now)
{
	struct log_origin origin;
	size_t taken;

	if (n == 0)
		return 0;
	s->out->writer.writable = sink_blocks(s) ? on_writable : NULL;
	sink_describe(s, &origin);
	if (!tell_lost(s, &origin, now))
		return 0;
	taken = outlet_take(&s->out->writer, &origin, data, n, now);
	if (taken > 0)
		s->at.line = data[taken - 1] == '\n' ? INTENT_LINE_START : INTENT_LINE_OPEN;
	return taken;
}

size_t sink_offer(struct sink *s, const void *data, size_t n, usec_t now)
{
	size_t done = MIN_OF(n, (size_t)s->out->ahead);

	s->out->ahead += (uint32_t)take(s, (const char *)data + done, n - done, now);
	return MIN_OF(n, (size_t)s->out->ahead);
}

/* What it has taken already, of these. */
size_t sink_pass_over(struct sink *s, const char *data, size_t n)
{
	size_t done;

	if (s->kind == SPEC_SINK_FILE || s->kind == SPEC_SINK_NONE)
		return 0;
	done = MIN_OF(n, (size_t)s->out->ahead);
	s->out->ahead -= (uint32_t)done;
	sink_count_written(s, data, done);
	return done;
}

/* A reader that is slow time and again is one trouble, not many; failures the outlet tells. */
static void drop(struct sink *s, const char *data, size_t n, usec_t now)
{
	const struct outlet *o = s->out->writer.outlet;
	uint32_t sec = (uint32_t)(now / USEC_PER_SEC);
	char name[OUTLET_NAME_SIZE];

	if (n == 0)
		return;
	if (o->error < 0) {
		sink_refuse(s, data, n, (unsigned)-o->error);
		return;
	}
	if (sec >= s->out->calm_sec)
		log_warning("service '%s': %s is too slow; dropping what it doesn't take", s->name,
			outlet_name(o, name));
	s->out->calm_sec = sec + CALM_SEC;
	sink_refuse(s, data, n, SINK_WHY_SLOW);
}

void sink_write_outlet(struct sink *s, const char *data, size_t n, usec_t now)
{
	size_t done = sink_pass_over(s, data, n);
	size_t taken = take(s, data + done, n - done, now);

	sink_count_written(s, data + done, taken);
	done += taken;
	drop(s, data + done, n - done, now);
}

void sink_write_again(struct sink *s, const void *data, size_t n, usec_t now)
{
	if (s->kind == SPEC_SINK_FILE || !sink_blocks(s)) {
		sink_write(s, data, n, now);
		return;
	}
	/* What goes through a pipe is there: but others had it in a buffer, maybe. */
	if (s->kind != SPEC_SINK_SERVICE)
		(void)take(s, data, n, now);
	sink_count_written(s, data, n);
}

void sink_end_outlet(struct sink *s, usec_t now)
{
	struct log_origin origin;

	if (s->out->writer.partial.len == 0 && s->lost_bytes == 0)
		return;
	sink_describe(s, &origin);
	end_line(s, &origin, now);
	(void)tell_lost(s, &origin, now);
}

void sink_settle_outlet(struct sink *s, usec_t now)
{
	struct log_origin origin;

	sink_describe(s, &origin);
	(void)tell_lost(s, &origin, now);
}
