/*
 * Asking a socket or a command, again and again until the answer is good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "engine/ready/ready_internal.h"
#include "engine/run/command.h"

/* A socket is asked soon again at first, since most are there within moments. */
static void attempt_again(struct readiness *r)
{
	struct loop *loop = &r->service->engine->loop;
	const struct spec_check *c = r->service->spec->contact->ready_check;
	usec_t delay = c->interval_usec;

	if (c->kind != SPEC_PROBE_COMMAND) {
		delay = MIN_OF(delay, r->delay_usec);
		r->delay_usec = MIN_OF(2 * r->delay_usec, USEC_PER_SEC);
	}
	loop_timer_set(loop, &r->timer, usec_add(loop->now_usec, delay));
}

static void on_probe(struct probe *p)
{
	struct readiness *r = p->userdata;

	if (p->outcome == PROBE_GOOD) {
		readiness_tell(r->service, r->generation);
		return;
	}
	snprintf(r->problem, sizeof(r->problem), "%s", p->text);
	attempt_again(r);
}

static int start_probe(struct readiness *r)
{
	const struct service *s = r->service;
	const struct spec_check *c = s->spec->contact->ready_check;
	_cleanup_free_
	char *address = spec_expand(c->address, s->spec, s->instance);
	int k;

	if (!address)
		return -ENOMEM;
	if (!r->probe) {
		r->probe = calloc(1, sizeof(*r->probe));
		k = r->probe ? probe_init(r->probe, &s->engine->loop, on_probe, r) : -ENOMEM;
		if (k < 0) {
			free(TAKE_PTR(r->probe));
			return k;
		}
	}
	probe_start(r->probe, c->kind, address, c->timeout_usec);
	return 0;
}

static void on_command(
	struct service *s, enum command_kind kind _unused_, const struct command_result *result)
{
	struct readiness *r = readiness_find(s);

	if (!r || !r->asking)
		return;
	if (result->cancelled || result->unknown || result->generation != r->generation) {
		attempt_again(r); /* another one was in the way, or nobody heard the answer */
		return;
	}
	if (result->ok) {
		readiness_tell(s, r->generation);
		return;
	}
	utf8_clean(result->text, strlen(result->text), r->problem, sizeof(r->problem));
	attempt_again(r);
}

static int start_command(struct readiness *r)
{
	const struct spec_check *c = r->service->spec->contact->ready_check;
	const struct command_request q = {.kind = COMMAND_READY,
		.argv = c->command,
		.timeout_usec = c->timeout_usec,
		.done = on_command};

	return command_start(r->service, &q);
}

void ready_attempt(struct readiness *r)
{
	int k = r->service->spec->contact->ready_check->kind == SPEC_PROBE_COMMAND
			? start_command(r)
			: start_probe(r);

	/* One that the last engine has begun, or that has to end first: its end is told, too. */
	if (k == 0 || k == -EBUSY)
		return;
	snprintf(r->problem, sizeof(r->problem), "cannot ask: %s", strerror(-k));
	attempt_again(r);
}

void ready_init(struct engine *e)
{
	command_set_handler(e, COMMAND_READY, &(struct command_handler){.done = on_command});
}

void ready_attempt_end(struct readiness *r)
{
	if (r->probe)
		probe_fini(r->probe);
	free(TAKE_PTR(r->probe));
	if (command_is_running(r->service, COMMAND_READY))
		command_kill(r->service, COMMAND_READY);
}
