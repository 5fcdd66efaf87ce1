/*
 * An engine's life: the first one starts what is to be started; a later one goes on from what is
 * on disk. The launcher tells it all that it knows, then it does again what the last one may not
 * have done, and looks at everything. What its clients asked for, they ask for again.
 */
#include <inttypes.h>

#include "base/macro.h"
#include "world.h"

static uint32_t n_places(const struct world *w)
{
	uint32_t n = SIM_SERVICES;

	while (n > 0 && !is_used(w, n - 1))
		n--;
	return n;
}

bool set_graph(struct world *w)
{
	const struct sim_config *c = &w->config;
	uint32_t pool_of[SIM_MAX_ROOM];
	struct core_link links[SIM_LINKS];
	struct core_graph *g = NULL;
	unsigned n_links = 0;

	for (uint32_t i = 0; i < SIM_MAX_ROOM; i++)
		pool_of[i] = i < SIM_SERVICES && is_used(w, i) ? c->services[i].pool : CORE_NO_POOL;
	for (unsigned k = 0; k < c->n_links; k++) {
		const struct core_link *l = &c->links[k];

		if (is_used(w, l->from) && is_used(w, l->to))
			links[n_links++] = *l;
	}
	if (core_graph_new(w->room, links, n_links, pool_of, c->slots, c->n_pools, &g) < 0)
		return false;
	core_set_graph(w->core, g);
	w->settled = false;
	check_note_coming(w);
	return true;
}

void settle_all(struct world *w)
{
	struct core_event e = {.type = CORE_EVENT_SETTLE};

	w->settled = true;
	w->adopted = false;
	step(w, &e);
}

uint32_t sort_places(const struct world *w, uint32_t order[static SIM_SERVICES])
{
	uint32_t n = 0;

	for (EACH_PLACE(w, i)) {
		uint32_t k = n++;

		for (; k > 0 && core_rank(w->core, order[k - 1]) > core_rank(w->core, i); k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	return n;
}

static void autostart(struct world *w)
{
	uint32_t order[SIM_SERVICES], n = sort_places(w, order);

	for (uint32_t k = 0; k < n && !w->shutting_down; k++) {
		uint32_t i = order[k];
		struct place *p = &w->places[i];

		p->fresh = false;
		w->random = random_for(w, i);
		/* An engine that died in the middle of this has started some of them. */
		if (record_of(w, i)->why == CORE_WHY_NEVER_STARTED && policy_of(w, i)->autostart)
			ask(w, i, CORE_EVENT_AUTOSTART);
	}
	w->started = !w->dying;
}

/* Of what was not alive when it was committed, nothing is under way. */
static void add_all(struct world *w, struct core *core, bool recovering)
{
	for (EACH_PLACE(w, i)) {
		struct place *p = &w->places[i];

		HOLDS(w, INV_RECORD, i,
			!recovering || (core_record_is_valid(&p->disk) &&
					       core_past_is_valid(&p->disk_past)));
		core_add(core, i, policy_of(w, i), recovering ? &p->disk : NULL, w->now);
		if (recovering)
			core_recall(core, i, &p->disk_past);
		if (p->has_next)
			core_set_next_policy(core, i, &p->next);
	}
}

void engine_begin(struct world *w)
{
	w->room = n_places(w);
	w->core = core_new(w->room, w->config.max_starting);
	add_all(w, w->core, false);
	for (EACH_PLACE(w, i))
		w->places[i].seen = w->places[i].disk = *record_of(w, i);
	HOLDS(w, INV_REFUSED, SIM_SERVICES, set_graph(w));
	autostart(w);
	settle_all(w);
}

/* --- after another one --- */

/* The launcher may have died as well, and another one not have seen how a process ended. */
static void lose_ends(struct world *w)
{
	for (EACH_PLACE(w, i)) {
		struct core_event *e = &w->places[i].ended;

		w->random = random_for(w, i);
		if (!w->places[i].tell_ended || e->end == CORE_END_SPAWN_FAILED || !rarely(w, 3))
			continue;
		e->end = CORE_END_UNKNOWN;
		e->status = 0;
		tell(w, "    service %u: how it ended is not known any more", i);
	}
}

/* Starts go before exits; what was acknowledged is not told again. */
static void launcher_tells(struct world *w)
{
	for (EACH_PLACE(w, i)) {
		struct place *p = &w->places[i];

		w->random = random_for(w, i);
		if (p->adopted && p->main_alive)
			tell_adopted(w, i);
		else if (p->tell_started || (p->main_alive && !p->adopted))
			tell_started(w, i);
	}
	for (EACH_PLACE(w, i)) {
		w->random = random_for(w, i);
		kill_stray_hooks(w, i);
		if (w->places[i].tell_ended)
			tell_ended(w, i);
	}
}

/*
 * What is on disk is the truth: a core made of it is the one that was, and finds nothing to do.
 * Only where nothing is half done or untold, which would be.
 */
void check_recovery(struct world *w)
{
	struct core_event e = {.type = CORE_EVENT_SETTLE};
	struct core *old = w->core, *core = core_new(w->room, w->config.max_starting);
	struct core_change c;

	if (w->shutting_down || w->committed != 0) {
		core_free(core);
		return;
	}
	add_all(w, core, true);
	w->core = core;
	set_graph(w);
	w->settled = true;
	core_step(core, &e, w->now, 0);
	while (core_next_change(core, &c))
		HOLDS(w, INV_RECOVERY, c.service,
			!(c.todo & ~(unsigned)(CORE_DO_COMMIT | CORE_DO_SCHEDULE)));
	for (EACH_PLACE(w, i)) {
		const char *field =
			record_look_difference(core_record(old, i), core_record(core, i));

		if (!field)
			field = past_difference(core_past(old, i), core_past(core, i));
		if (field)
			tell(w, "service %u: %s differs after the engine's death", i, field);
		HOLDS(w, INV_RECOVERY, i, !field);
	}
	w->core = old;
	core_free(core);
}

/* What only the last engine knew. */
static void forget(struct world *w)
{
	for (EACH_PLACE(w, i)) {
		struct place *p = &w->places[i];

		p->watched = p->find_main = 0;
		p->tell_due = p->removal_seen = false;
		p->changed |= p->has_next;
		check_transition(w, i, &p->disk);
	}
	w->event = CORE_EVENT_MAX;
	w->asked = SIM_SERVICES;
}

void engine_restart(struct world *w)
{
	w->dying = false;
	w->cut = 0;
	if (world_failed(w))
		return;
	tell(w, "the next engine starts");
	check_recovery(w);
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++)
		w->requests[k].connected = false;
	forget(w);
	core_free(w->core);
	w->room = n_places(w);
	w->core = core_new(w->room, w->config.max_starting);
	add_all(w, w->core, true);
	HOLDS(w, INV_REFUSED, SIM_SERVICES, set_graph(w));
	if (w->shutting_down)
		core_expect_shutdown(w->core);
	lose_ends(w);
	launcher_tells(w);
	for (EACH_PLACE(w, i))
		redo(w, i);
	if (w->shutting_down)
		shut_down(w, w->hurried);
	else if (!w->started)
		autostart(w);
	else
		bring_in_line(w);
	settle_all(w);
	ask_again(w);
}
