/*
 * Each way of asking ends in one event to the core, which carries the generation that was asked:
 * what comes late changes nothing. A new engine asks again where the last one was asking.
 *
 * The deadline is not kept here: it is the core's (ready.timeout), and ends what goes on here
 * by ready_end().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/ready/ready_internal.h"

#define FIRST_DELAY_USEC (10 * USEC_PER_MSEC) /* it doubles with each attempt */

static const struct core_record *record_of(const struct service *s)
{
	return core_record(s->engine->core, s->id);
}

void readiness_tell(struct service *s, uint64_t generation)
{
	struct core_event event = {
		.type = CORE_EVENT_READY, .service = s->id, .generation = generation};

	engine_event(s->engine, &event);
}

static void on_timer(struct loop_timer *t)
{
	struct readiness *r = CONTAINER_OF(t, struct readiness, timer);

	if (r->seen)
		readiness_tell(r->service, r->generation);
	else
		ready_attempt(r);
}

struct readiness *readiness_find(const struct service *s)
{
	return part_find(s, PART_READINESS);
}

struct readiness *readiness_get(struct service *s)
{
	struct readiness *r = readiness_find(s);

	if (r)
		return r;
	r = part_get(s, PART_READINESS, sizeof(*r));
	if (!r || loop_timer_add(&s->engine->loop, &r->timer) < 0) {
		part_drop(s, PART_READINESS);
		return NULL;
	}
	r->service = s;
	r->timer.dispatch = on_timer;
	ready_pipe_init(r);
	return r;
}

static int start(struct readiness *r)
{
	struct loop *loop = &r->service->engine->loop;

	switch (r->service->spec->policy->ready) {
	case SPEC_READY_TCP:
	case SPEC_READY_UNIX:
	case SPEC_READY_COMMAND:
		r->delay_usec = FIRST_DELAY_USEC;
		loop_timer_set(loop, &r->timer, loop->now_usec);
		return 0;
	case SPEC_READY_LOG:
		return ready_log_begin(r);
	case SPEC_READY_EXEC: /* nothing to ask */
	case SPEC_READY_NOTIFY: /* notify.c hears */
	case SPEC_READY_FD: /* and the pipe is listened to since it came */
	case SPEC_READY_MAX:
		break;
	}
	return 0;
}

/* What nobody has to be asked for takes no memory. */
static bool is_asked(const struct service *s)
{
	const struct spec_policy *p = s->spec->policy;

	return p->type != SPEC_TYPE_ONESHOT && p->ready != SPEC_READY_EXEC &&
	       p->ready != SPEC_READY_NOTIFY;
}

void ready_begin(struct service *s)
{
	uint64_t generation = record_of(s)->generation;
	struct readiness *r = readiness_find(s);
	int k = -ENOMEM;

	if (r && r->asking && r->generation == generation)
		return;
	ready_end(s);
	if (!is_asked(s))
		return;
	r = readiness_get(s);
	if (r) {
		r->asking = true;
		r->on = (uint8_t)s->spec->policy->ready;
		r->generation = generation;
		if (r->pipe_generation != generation)
			r->problem[0] = '\0';
		k = start(r);
	}
	if (k < 0)
		log_error("service '%s': cannot find out when it is ready: %s", s->name,
			k == -EINVAL ? r->problem : strerror(-k));
}

void ready_end(struct service *s)
{
	struct readiness *r = readiness_find(s);

	if (!r)
		return;
	if (r->pipe_generation != record_of(s)->generation || r->asking)
		ready_pipe_close(r);
	if (!r->asking)
		return;
	r->asking = r->seen = false;
	loop_timer_set(&s->engine->loop, &r->timer, USEC_INFINITY);
	ready_attempt_end(r);
	ready_log_end(r);
}

static bool is_waited_for(const struct service *s)
{
	const struct core_record *c = record_of(s);

	return c->state == CORE_STARTING && c->phase == CORE_PHASE_READY;
}

void ready_resume(struct service *s)
{
	if (is_waited_for(s) && s->spec->policy->ready == SPEC_READY_LOG) {
		ready_begin(s);
		ready_log_resume(readiness_find(s));
	}
}

void ready_follow(struct service *s)
{
	const struct core_record *c = record_of(s);

	if (is_waited_for(s))
		ready_begin(s);
	else
		ready_end(s);
	if (c->state == CORE_RUNNING)
		health_begin(s);
	else
		health_end(s);
}

void ready_settle(struct service *s)
{
	struct readiness *r = readiness_find(s);

	if (!r)
		return;
	if (!ready_pipe_settle(r) && r->seen)
		readiness_tell(s, r->generation);
}

void ready_configure(struct service *s)
{
	const struct readiness *r = readiness_find(s);

	/* Settings are looked at with each attempt, but for an expression. */
	if (!r || !r->asking || r->seen ||
		(r->on == s->spec->policy->ready && r->on != SPEC_READY_LOG))
		return;
	ready_end(s);
	ready_begin(s);
}

void ready_free(struct service *s)
{
	struct readiness *r = readiness_find(s);

	if (!r)
		return;
	ready_end(s);
	ready_pipe_close(r);
	ready_log_free(r);
	loop_timer_remove(&s->engine->loop, &r->timer);
	part_drop(s, PART_READINESS);
}

const char *ready_problem(const struct service *s)
{
	const struct readiness *r = readiness_find(s);

	return r && r->asking ? r->problem : "";
}

char *ready_describe(const struct service *s)
{
	const struct spec_service *spec = s->spec;
	const char *word = spec_ready_to_string(spec->policy->ready), *rest = NULL;
	_cleanup_free_
	char *text = NULL;
	char *all;
	int n;

	if (spec->policy->ready == SPEC_READY_FD)
		return asprintf(&all, "%s:%d", word, spec->contact->ready_fd) < 0 ? NULL : all;
	if (spec->policy->ready == SPEC_READY_LOG)
		rest = spec->contact->ready_regex;
	else if (spec->policy->ready == SPEC_READY_TCP || spec->policy->ready == SPEC_READY_UNIX)
		rest = spec->contact->ready_check->address;
	if (!rest)
		return strdup(word);
	text = spec_expand(rest, spec, s->instance);
	n = text ? asprintf(&all, "%s:%s", word, text) : -1;
	return n < 0 ? NULL : all;
}
