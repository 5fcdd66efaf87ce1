/*
 * Every step is one that may be done twice, since the next engine does all of them again:
 * a service that goes by an older configuration than the one in force has not been seen to,
 * one that the configuration does not name has not been stopped, one without a record has not
 * been started. How that was to be done stands beside the configuration (config_flags()).
 */
#include "engine/reload/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/diff/diff.h"
#include "engine/control/control.h"
#include "engine/reload/config.h"
#include "engine/reload/links.h"
#include "engine/reload/roster.h"
#include "engine/rlimits.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/streams/streams.h"
#include "engine/succession.h"

static bool is_live(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

enum apply_step apply_step(const struct service *s, const struct spec_service *spec)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	switch (diff_service_effect(s->spec, spec)) {
	case DIFF_NONE:
		/* the way back from a change that has not come into effect */
		return s->next ? APPLY_LIVE : APPLY_NOTHING;
	case DIFF_LIVE:
		return APPLY_LIVE;
	case DIFF_RESTART:
		if (!r->desired_up || r->state == CORE_EXITED)
			return APPLY_LATER;
		return APPLY_RESTART;
	case DIFF_REFUSED:
	case DIFF_EFFECT_MAX:
		break;
	}
	return APPLY_NOTHING;
}

/* At once, for a process that goes on as well. */
static void come_into_effect(
	struct service *s, const struct spec_service *spec, struct request_wishes *wishes)
{
	int r = rlimits_change(s, spec);

	if (r < 0)
		request_wish_failed(
			wishes, s, "its limits can't be changed before its next start", r);
	service_adopt(s, spec, s->engine->config);
}

/* What is under way goes on: nothing is stopped twice, and nothing is started beside it. */
static void migrate(struct service *s, const struct spec_service *spec, uint64_t op,
	struct request_wishes *wishes)
{
	struct engine *e = s->engine;
	enum apply_step step = apply_step(s, spec);
	struct core_event event = {
		.type = CORE_EVENT_RESTART, .service = s->id, .op = op, .why = CORE_WHY_CHANGED};

	/*
	 * The stop is the old definition's, so it comes before the new one does; where none is to
	 * follow, its process goes on by the old one as a whole.
	 */
	if (diff_service_effect(s->spec, spec) == DIFF_RESTART &&
		is_live(core_record(e->core, s->id)))
		service_adopt_later(s, spec, e->config);
	else
		come_into_effect(s, spec, wishes);
	if (step == APPLY_RESTART && !(config_flags(e) & RECOVERY_NO_RESTART)) {
		request_wish(wishes, s, CORE_EVENT_RESTART);
		engine_event(e, &event);
	}
	/* One that is wanted again is in line once it has been told so: see keep_after_all(). */
	if (!s->removed)
		service_commit(s, false, 0, 0);
}

static bool is_to_start(const struct service *s)
{
	return service_definition(s)->policy->autostart ||
	       (config_flags(s->engine) & RECOVERY_START_NEW);
}

static void start(struct service *s, uint64_t op, struct request_wishes *wishes)
{
	bool waits = succession_predecessor(s);
	struct core_event event = {.type = CORE_EVENT_AUTOSTART,
		.service = s->id,
		.op = op,
		.why = waits ? CORE_WHY_PREDECESSOR : CORE_WHY_NONE};

	s->fresh = false;
	if (is_to_start(s)) {
		request_wish(wishes, s, CORE_EVENT_AUTOSTART);
		engine_event(s->engine, &event);
	} else {
		service_commit(s, false, 0, 0);
	}
}

static void stop(struct service *s, uint64_t op, struct request_wishes *wishes)
{
	struct core_event event = {
		.type = CORE_EVENT_STOP, .service = s->id, .op = op, .why = CORE_WHY_REMOVED};

	s->removed = true;
	streams_give_up(s);
	succession_leave(s); /* what it has been waiting for does not matter now */
	request_wish(wishes, s, CORE_EVENT_STOP);
	engine_event(s->engine, &event);
	services_sweep_soon(s->engine);
}

/* One that was on its way out is wanted again. */
static void keep_after_all(struct service *s, uint64_t op, struct request_wishes *wishes)
{
	struct core_event event = {.type = CORE_EVENT_AUTOSTART, .service = s->id, .op = op};

	s->removed = false;
	/* It does not go, so nobody can wait for that: release_forgotten() comes to them. */
	while (succession_take(s))
		;
	if (is_to_start(s)) {
		request_wish(wishes, s, CORE_EVENT_AUTOSTART);
		engine_event(s->engine, &event);
	} else {
		service_commit(s, false, 0, 0);
	}
}

/* --- names that have changed --- */

/* The new one starts when the old one is gone: it wants the same port, or the same files. */
static int succeed(struct engine *e, const struct spec_service *before, unsigned old_instance,
	const struct spec_service *after, unsigned new_instance)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	struct service *old, *next;

	old = services_find(e, spec_instance_name(before, old_instance, name));
	next = services_find(e, spec_instance_name(after, new_instance, name));
	if (!old || !next || old == next || !old->removed || !next->fresh ||
		succession_predecessor(next))
		return 0;
	return succession_add(old, next);
}

static int link_successors(struct engine *e, const struct spec *before)
{
	_cleanup_free_
	struct diff_pair *pairs = NULL;
	size_t n;
	int r = diff_match(before, e->spec, &pairs, &n);

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct spec_service *b = pairs[i].before, *a = pairs[i].after;

		if (!a || !b || b->n_instances == 0)
			continue;
		if (strcmp(a->name, b->name) == 0 && a->has_instances == b->has_instances)
			continue;
		for (unsigned k = 1; k <= a->n_instances && r == 0; k++)
			r = succeed(e, b, MIN_OF(k, b->n_instances), a, k);
	}
	return r;
}

static void link_all_successors(struct engine *e)
{
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		if (i == e->config || !e->configs[i].spec)
			continue;
		/* Without, the new one is started beside the old one's stop: no harm to us. */
		if (link_successors(e, e->configs[i].spec) < 0)
			log_error("no memory to put services in order that were renamed");
	}
}

/* Waiting, and nobody is left to wait for: an engine died between the two. */
static void release_forgotten(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		struct core_event event = {.type = CORE_EVENT_UNBLOCK, .service = s->id};

		if (core_record(e->core, s->id)->why == CORE_WHY_PREDECESSOR &&
			!succession_predecessor(s))
			engine_event(e, &event);
	}
}

/* --- all of it --- */

/* All that are configured, in the order of their dependencies; place is where each stood. */
static struct service **in_order(struct engine *e, uint32_t n)
{
	struct service **services = malloc((n ? n : 1) * sizeof(*services));

	if (!services)
		return NULL;
	memcpy(services, e->services, n * sizeof(*services));
	links_sort(e, services, n, false);
	return services;
}

/* services[] has the roster's order, and those that it does not name after them. */
static void bring_in_line(struct engine *e, const struct roster *roster, struct service **services,
	uint64_t op, struct request_wishes *wishes)
{
	uint32_t n_removed = e->n_services - roster->n;
	struct service **removed = e->services + roster->n;

	links_sort(e, removed, n_removed, true);
	for (uint32_t i = 0; i < n_removed; i++) {
		if (!removed[i]->removed)
			stop(removed[i], op, wishes);
	}
	link_all_successors(e);
	for (uint32_t i = 0; i < roster->n; i++) {
		struct service *s = services[i];

		if (s->config != e->config &&
			(s->undecided || !s->next || s->next_config != e->config))
			migrate(s, roster_find(roster, s->name)->spec, op, wishes);
		if (s->removed)
			keep_after_all(s, op, wishes);
		if (s->fresh)
			start(s, op, wishes);
	}
	release_forgotten(e);
}

void apply_finish(struct engine *e, uint64_t op, struct request_wishes *wishes)
{
	_cleanup_roster_ struct roster roster = {0};
	_cleanup_free_
	struct service **services = NULL;
	int r = roster_init(&roster, e->spec);

	if (r == 0)
		services = in_order(e, roster.n);
	if (!services) {
		log_error("no memory to bring services in line with their configuration");
		return;
	}
	tree_hold(e);
	bring_in_line(e, &roster, services, op, wishes);
	/* Links, schedules and places to start may be others now; nothing else tells the core. */
	engine_event(e, &(struct core_event){.type = CORE_EVENT_SETTLE});
	tree_release(e);
}

/* What stands outside of services. */
static void configure(struct engine *e)
{
	const struct spec *spec = e->spec;

	log_set_level((enum log_level)spec->log_level);
	core_set_max_starting(e->core, spec->max_starting);
	e->sinks.files.log_dir = spec->log_dir;
	control_configure(e);
	area_mend_lock(e);
	notify_mend(e);
	if (e->queue.id >= 0 && queue_set_access(&e->queue, spec->queue_mode, spec->has_queue_group,
					spec->queue_group) < 0)
		log_error("%s", queue_problem(&e->queue));
}

/* All that can fail; the place's spec counts one user more than it has. */
static int prepare(struct engine *e, const struct roster *roster, uint8_t place,
	struct services_addition *addition, struct core_graph **ret_graph)
{
	const struct spec *spec = e->configs[place].spec;
	int r = 0;

	if (strcmp(spec->log_dir, e->spec->log_dir) != 0)
		r = store_make_directory(spec->log_dir, 0750);
	if (r == 0)
		r = services_prepare(e, roster, place, addition);
	if (r == 0)
		r = links_make(e, spec, roster, addition, ret_graph);
	if (r < 0)
		return r;
	r = config_keep(e, place, e->configs[place].text);
	if (r < 0)
		core_graph_free(*ret_graph);
	return r;
}

void apply_fini(struct apply *a)
{
	spec_free(a->spec);
	a->text = close_fd(a->text);
}

int apply_spec(struct engine *e, struct apply *a, struct request_wishes *wishes)
{
	_cleanup_roster_ struct roster roster = {0};
	struct services_addition addition = {0};
	struct core_graph *graph = NULL;
	int place = config_find_place(e), r;

	if (place < 0)
		return place;
	e->configs[place] =
		(struct config){.spec = TAKE_PTR(a->spec), .text = TAKE_FD(a->text), .n_users = 1};
	r = roster_init(&roster, e->configs[place].spec);
	if (r == 0)
		r = prepare(e, &roster, (uint8_t)place, &addition, &graph);
	if (r == 0) {
		config_enforce(e, (uint8_t)place, a->op, a->flags);
		services_take_in(e, &roster, &addition);
		core_set_graph(e->core, graph);
		configure(e);
		apply_finish(e, a->op, wishes);
		board_tell_all(e);
	}
	services_addition_fini(&addition);
	config_unref(e, (uint8_t)place);
	return r;
}
