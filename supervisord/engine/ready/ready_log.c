/*
 * A line of its output. An expression is compiled once for a service, at the first start that
 * waits for it, and kept as long as it stays the same.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "engine/logs/last_line.h"
#include "engine/ready/ready_internal.h"
#include "engine/service.h"
#include "engine/streams/streams.h"

static void note_seen(struct readiness *r)
{
	struct loop *loop = &r->service->engine->loop;

	r->seen = true;
	loop_timer_set(loop, &r->timer, loop->now_usec);
}

/* From within a pump, and maybe from within the core's changes: only remembered. */
void ready_log_tap(struct pump *p, const char *data, size_t n)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);
	struct service *s = t->service;
	struct readiness *r = readiness_find(s);
	size_t skipped;
	int k;

	if (!r || !r->asking || !r->watch || watch_is_over(r->watch))
		return;
	/* What earlier generations wrote says nothing of this one. */
	skipped = (size_t)MIN_OF((uint64_t)n, stream_left(t));
	k = watch_take(r->watch, (unsigned)(t - s->streams), data + skipped, n - skipped);
	if (k == -E2BIG) {
		snprintf(r->problem, sizeof(r->problem),
			"its expression takes too long on too many lines");
		log_error("service '%s': not ready: %s; looking at no more of them", s->name,
			r->problem);
	}
	if (k != 1)
		return;
	/* Committed before the batch is: the next engine will not see it again. */
	*stream_seen_generation(t) = r->generation;
	service_commit_counters(s);
	note_seen(r);
}

static int compile(struct readiness *r)
{
	const struct service *s = r->service;
	_cleanup_free_
	char *regex = spec_expand(s->spec->contact->ready_regex, s->spec, s->instance);
	int k;

	if (!regex)
		return -ENOMEM;
	if (r->matcher && strcmp(regex, r->regex) == 0)
		return 0;
	matcher_free(TAKE_PTR(r->matcher));
	k = matcher_new(regex, &r->matcher, r->problem);
	if (k < 0)
		return k;
	free(r->regex);
	r->regex = TAKE_PTR(regex);
	return 0;
}

int ready_log_begin(struct readiness *r)
{
	int k = compile(r);

	if (k < 0)
		return k;
	r->watch = watch_new(r->service->n_streams, r->matcher);
	if (!r->watch)
		return -ENOMEM;
	return 0;
}

void ready_log_resume(struct readiness *r)
{
	const struct service *s = r ? r->service : NULL;
	char line[WATCH_LINE_MAX];

	for (unsigned i = 0; s && i < s->n_streams && r->watch && !r->seen; i++) {
		if (*stream_seen_generation(&s->streams[i]) == r->generation)
			note_seen(r);
		else if (stream_left(&s->streams[i]) == 0)
			(void)watch_take(r->watch, i, line,
				last_line_read(&s->streams[i].pump, line, sizeof(line)));
	}
}

void ready_log_end(struct readiness *r)
{
	watch_free(TAKE_PTR(r->watch));
}

void ready_log_free(struct readiness *r)
{
	matcher_free(r->matcher);
	free(r->regex);
}
