/*
 * What makes a hook run once, though engines may die: its generation on the link. For those
 * that the core waits for it is the generation of the service, in which each of them runs
 * once; for the other two it is the moment at which the state was entered, which the
 * record keeps. The launcher takes a repeated one as the run that it has, or had.
 *
 * A pre-start hook that fails has to be gone with all that it began before that is told: what
 * follows may be the next start. The others end with the service's processes, or are none.
 */
#include "engine/run/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/run/command.h"
#include "engine/service.h"

static enum command_kind kind_of(enum spec_hook hook)
{
	return (enum command_kind)(COMMAND_HOOK_PRE_START + (int)hook);
}

static enum spec_hook hook_of(enum command_kind kind)
{
	return (enum spec_hook)((int)kind - COMMAND_HOOK_PRE_START);
}

_Static_assert(COMMAND_HOOK_ON_FAILED - COMMAND_HOOK_PRE_START == (int)SPEC_HOOK_ON_FAILED,
	"hooks and the kinds of commands have one order");
_Static_assert(SPEC_HOOK_MAX <= 8, "a bit for each");

static bool is_awaited(enum spec_hook hook)
{
	return hook != SPEC_HOOK_POST_START && hook != SPEC_HOOK_ON_FAILED;
}

const char *hooks_title(enum spec_hook hook)
{
	static const char *const titles[SPEC_HOOK_MAX] = {
		[SPEC_HOOK_PRE_START] = "pre-start hook",
		[SPEC_HOOK_POST_START] = "post-start hook",
		[SPEC_HOOK_PRE_STOP] = "pre-stop hook",
		[SPEC_HOOK_STOP] = "stop command",
		[SPEC_HOOK_POST_STOP] = "post-stop hook",
		[SPEC_HOOK_ON_FAILED] = "on-failed hook",
	};

	return titles[hook];
}

struct hook_outcomes {
	struct part part;
	struct hook_outcome of[SPEC_HOOK_MAX];
};

const struct hook_outcome *hooks_outcome(const struct service *s, enum spec_hook hook)
{
	const struct hook_outcomes *all = part_find(s, PART_HOOK_OUTCOMES);

	return all && all->of[hook].realtime_usec > 0 ? &all->of[hook] : NULL;
}

pid_t hooks_pid(const struct service *s, enum spec_hook hook, usec_t *ret_since_usec)
{
	return command_pid(s, kind_of(hook), ret_since_usec);
}

/* --- the end of one --- */

static void note_outcome(struct service *s, enum spec_hook hook, const struct command_result *r)
{
	struct hook_outcomes *all = part_get(s, PART_HOOK_OUTCOMES, sizeof(*all));
	struct hook_outcome *o;

	if (!all)
		return;
	o = &all->of[hook];
	o->realtime_usec = usec_now(CLOCK_REALTIME);
	o->serial = r->serial;
	o->ok = r->ok;
	snprintf(o->how, sizeof(o->how), "%.*s", (int)r->n_how, r->text);
	memcpy(o->output, r->output, r->n_output);
	o->n_output = r->n_output;
}

static void tell_end(struct service *s, enum spec_hook hook, uint64_t generation, bool ok)
{
	struct core_event event = {.type = CORE_EVENT_HOOK,
		.service = s->id,
		.generation = generation,
		.hook = hook,
		.ok = ok};

	engine_event(s->engine, &event);
}

static void on_done(struct service *s, enum command_kind kind, const struct command_result *r)
{
	enum spec_hook hook = hook_of(kind);

	note_outcome(s, hook, r);
	event_hook(s, hook, r);
	if (!r->ok)
		log_warning("service '%s': %s %s", s->name, hooks_title(hook), r->text);
	if (is_awaited(hook))
		tell_end(s, hook, r->serial, r->ok);
}

/* What a pre-start hook that failed has left behind. */
static bool is_held(struct service *s, enum command_kind kind, const struct command_result *r)
{
	if (r->ok || r->serial != core_record(s->engine->core, s->id)->generation ||
		!tree_has_any(s->engine, s))
		return false;
	command_kill_tree(s, kind);
	return true;
}

/*
 * Later runs have greater serials. A run that was asked for again may be told of again, after we
 * have seen its end.
 */
static bool is_over(const struct service *s, enum command_kind kind, uint64_t serial)
{
	const struct hook_outcome *o = hooks_outcome(s, hook_of(kind));

	return o && serial <= o->serial;
}

/* --- what could not be begun --- */

static void on_later(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, hooks.timer);

	for (uint32_t id = 0; id < e->n_ids; id++) {
		struct service *s = e->by_id[id];

		for (unsigned h = 0; s && (s->hooks_unable | s->hooks_absent) && h < SPEC_HOOK_MAX;
			h++) {
			unsigned bit = 1u << h, due = (s->hooks_unable | s->hooks_absent) & bit;
			bool ok = (s->hooks_absent & bit) != 0;

			s->hooks_unable &= (uint8_t)~bit;
			s->hooks_absent &= (uint8_t)~bit;
			if (due)
				tell_end(s, (enum spec_hook)h, core_record(e->core, id)->generation,
					ok);
		}
	}
}

/* Who asks is in the middle of what it does: its answer comes in a moment. */
static void tell_later(struct service *s, uint8_t *bits, enum spec_hook hook)
{
	struct engine *e = s->engine;

	*bits |= (uint8_t)(1u << hook);
	loop_timer_set(&e->loop, &e->hooks.timer, e->loop.now_usec);
}

/* --- beginning --- */

static int start(struct service *s, enum spec_hook hook, uint64_t generation, usec_t timeout)
{
	struct command_request q = {.kind = kind_of(hook),
		.argv = s->spec->contact->hooks[hook],
		.generation = generation,
		.timeout_usec = timeout};
	int r = command_start(s, &q);

	if (r == -EBUSY)
		log_warning("service '%s': its %s of an earlier time has not ended; not beginning "
			    "another one",
			s->name, hooks_title(hook));
	else if (r < 0)
		log_error("service '%s': cannot begin its %s: %s", s->name, hooks_title(hook),
			strerror(-r));
	return r;
}

static bool has_command(const struct service *s, enum spec_hook hook)
{
	return s->spec->contact->hooks[hook] && s->spec->contact->hooks[hook][0];
}

void hooks_run(struct service *s, enum spec_hook hook)
{
	uint64_t generation = core_record(s->engine->core, s->id)->generation;

	if (command_serial(s, kind_of(hook)) == generation)
		return;
	if (!has_command(s, hook))
		tell_later(s, &s->hooks_absent, hook);
	else if (start(s, hook, generation, USEC_INFINITY) < 0)
		tell_later(s, &s->hooks_unable, hook);
}

void hooks_cancel(struct service *s, enum spec_hook hook)
{
	if (command_is_running(s, kind_of(hook)))
		command_kill(s, kind_of(hook));
	else
		tell_later(s, &s->hooks_unable, hook);
}

void hooks_resume(struct service *s)
{
	enum core_phase phase = (enum core_phase)core_record(s->engine->core, s->id)->phase;
	enum spec_hook hook = core_phase_hook(phase);

	/* one that was given up, by an engine that did not come to kill it */
	for (unsigned h = 0; h < SPEC_HOOK_MAX; h++) {
		if (h != (unsigned)hook && is_awaited((enum spec_hook)h))
			command_kill(s, kind_of((enum spec_hook)h));
	}
	if (phase == CORE_PHASE_CANCELLED)
		hooks_cancel(s, hook);
	else if (hook != SPEC_HOOK_MAX)
		hooks_run(s, hook);
}

void hooks_changed(struct service *s, enum core_state previous)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct hook_outcome *o;
	enum spec_hook hook;

	if (r->state == previous)
		return;
	if (r->state == CORE_RUNNING)
		hook = SPEC_HOOK_POST_START;
	else if (r->state == CORE_FAILED)
		hook = SPEC_HOOK_ON_FAILED;
	else
		return;
	o = hooks_outcome(s, hook);
	if (!has_command(s, hook) || command_serial(s, kind_of(hook)) == r->since_usec ||
		(o && o->serial == r->since_usec))
		return;
	start(s, hook, r->since_usec, s->spec->policy->hook_timeout_usec);
}

/* --- all of them --- */

bool hooks_are_over(struct engine *e, bool hurry)
{
	if (e->commands.n_alive == 0)
		return true;
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];

		for (unsigned kind = 0; kind < COMMAND_KIND_MAX; kind++) {
			if (hurry || kind != COMMAND_HOOK_ON_FAILED)
				command_kill(s, (enum command_kind)kind);
		}
	}
	return e->commands.n_alive == 0;
}

int hooks_init(struct engine *e)
{
	for (unsigned h = 0; h < SPEC_HOOK_MAX; h++) {
		struct command_handler handler = {.done = on_done,
			.is_over = is_over,
			.is_held = h == SPEC_HOOK_PRE_START ? is_held : NULL};

		command_set_handler(e, kind_of((enum spec_hook)h), &handler);
	}
	e->hooks.timer.dispatch = on_later;
	return loop_timer_add(&e->loop, &e->hooks.timer);
}
