/*
 * Another configuration. First all that can fail, then it is in force, whatever happens to the
 * engine; then services are brought in line with it one by one, which the next engine does again
 * for those that the last one had not come to.
 */
#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "world.h"

/* --- in force, and not seen to --- */

static void stop_removed(struct world *w, uint32_t i)
{
	struct core_event e = {.type = CORE_EVENT_STOP, .service = i, .why = CORE_WHY_REMOVED};
	struct place *p = &w->places[i];

	if (p->removal_seen)
		return;
	p->removal_seen = true;
	tell(w, "service %u: stop, it is removed", i);
	p->may_run = p->must_run = false;
	w->asked = i;
	step(w, &e);
	if (!w->dying)
		w->asked = SIM_SERVICES;
}

static void start_added(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	struct core_event e = {.type = CORE_EVENT_AUTOSTART,
		.service = i,
		.why = p->blocked ? CORE_WHY_PREDECESSOR : CORE_WHY_NONE};

	tell(w, "service %u: start, it is new%s", i, p->blocked ? "; another one goes first" : "");
	if (policy_of(w, i)->autostart)
		ask_event(w, &e);
	if (!w->dying)
		p->fresh = false;
}

static void restart_changed(struct world *w, uint32_t i)
{
	struct core_event e = {.type = CORE_EVENT_RESTART, .service = i, .why = CORE_WHY_CHANGED};
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];

	if (r->desired_up && r->state != CORE_EXITED) {
		tell(w, "service %u: restart, it has changed", i);
		ask_event(w, &e);
	}
	if (!w->dying)
		p->changed = false;
}

/* Its turn has come, and that of what it needs. */
static void unblock(struct world *w, uint32_t i)
{
	struct core_event e = {.type = CORE_EVENT_UNBLOCK, .service = i};

	ask_event(w, &e);
}

void bring_in_line(struct world *w)
{
	uint32_t order[SIM_SERVICES], n = sort_places(w, order);

	for (uint32_t k = n; k-- > 0;) {
		if (w->places[order[k]].removed)
			stop_removed(w, order[k]);
	}
	for (uint32_t k = 0; k < n; k++) {
		struct place *p = &w->places[order[k]];

		w->random = random_for(w, order[k]);
		if (p->changed)
			restart_changed(w, order[k]);
		if (p->fresh)
			start_added(w, order[k]);
	}
	for (EACH_PLACE(w, i)) {
		if (record_of(w, i)->why == CORE_WHY_PREDECESSOR && !w->places[i].blocked)
			unblock(w, i);
	}
}

/* --- services that go --- */

/* Nobody that stays can depend on what the configuration does not have; it keeps its own links. */
static void drop_links(struct world *w)
{
	struct sim_config *c = &w->config;
	unsigned n = 0;

	for (unsigned k = 0; k < c->n_links; k++) {
		if (!w->places[c->links[k].to].removed || w->places[c->links[k].from].removed)
			c->links[n++] = c->links[k];
	}
	c->n_links = n;
}

/* Who gets its place is another one. */
static void drop_links_of(struct world *w, uint32_t i)
{
	struct sim_config *c = &w->config;
	unsigned n = 0;

	for (unsigned k = 0; k < c->n_links; k++) {
		if (c->links[k].from != i && c->links[k].to != i)
			c->links[n++] = c->links[k];
	}
	c->n_links = n;
}

static void release_successors(struct world *w, uint32_t i)
{
	for (EACH_PLACE(w, k)) {
		struct place *p = &w->places[k];

		if (!p->blocked || p->predecessor != i)
			continue;
		p->blocked = false;
		tell(w, "service %u: it waits no more", k);
		unblock(w, k);
	}
}

static bool is_awaited(const struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++) {
		if (w->requests[k].pending && w->requests[k].service == i)
			return true;
	}
	return false;
}

void sweep(struct world *w)
{
	for (EACH_PLACE(w, i)) {
		struct place *p = &w->places[i];

		if (w->dying || !p->removed || record_of(w, i)->state != CORE_STOPPED ||
			is_awaited(w, i))
			continue;
		tell(w, "service %u is removed", i);
		HOLDS(w, INV_NOTHING_ALIVE, i, !tree_exists(p));
		core_remove(w->core, i);
		*p = (struct place){
			.generation = p->generation, .ended = p->ended, .n_pids = p->n_pids};
		w->config.services[i].used = false;
		drop_links_of(w, i);
		release_successors(w, i);
	}
}

/* --- kinds of reloads --- */

/* What is live at once; or what the next generation goes by, where there is one now. */
static void change_policy(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	bool live = is_used(w, i) && is_live(record_of(w, i)), settings = rarely(w, 2);
	struct spec_policy policy = p->has_next ? p->next : *policy_of(w, i);

	if (!is_used(w, i) || p->removed)
		return;
	tell(w, "reload: another %s of service %u", settings ? "setting" : "definition", i);
	if (settings) {
		draw_settings(&w->random, &policy);
	} else {
		draw_policy(&w->random, w->config.loner, &policy);
		policy.essential = policy_of(w, i)->essential;
		p->changed = true;
	}
	if (live && (p->has_next || p->changed)) {
		p->changed = p->has_next = true;
		p->next = policy;
		core_set_next_policy(w->core, i, &p->next);
	} else {
		w->config.services[i].policy = policy;
		set_policy(w, i);
	}
}

/* Of services that are not configured any more, but there, links and pools stay. */
static void change_graph(struct world *w)
{
	struct sim_config c = w->config;

	tell(w, "reload: other links, pools and limits");
	for (uint32_t i = 0; i < SIM_SERVICES; i++)
		c.services[i].used = is_used(w, i) && !w->places[i].removed;
	draw_graph(&w->random, &c);
	for (unsigned k = 0; k < w->config.n_links && c.n_links < SIM_LINKS; k++) {
		if (w->places[w->config.links[k].from].removed)
			c.links[c.n_links++] = w->config.links[k];
	}
	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		uint32_t pool = w->config.services[i].pool;

		c.services[i].used = is_used(w, i);
		if (w->places[i].removed)
			c.services[i].pool = pool < c.n_pools ? pool : CORE_NO_POOL;
	}
	w->config = c;
	if (!w->told)
		return;
	for (unsigned k = 0; k < c.n_links; k++)
		link_print(&c.links[k], w->told);
	for (EACH_PLACE(w, i)) {
		if (c.services[i].pool != CORE_NO_POOL)
			fprintf(w->told, "service %u is in pool %u of %u\n", i, c.services[i].pool,
				c.slots[c.services[i].pool]);
	}
	fprintf(w->told, "max-starting %u\n", c.max_starting);
}

/* Those that are being left may not agree about their order with what comes instead. */
static void enforce_graph(struct world *w)
{
	struct sim_config *c = &w->config;
	unsigned n = 0;

	if (set_graph(w))
		return;
	for (unsigned k = 0; k < c->n_links; k++) {
		if (!w->places[c->links[k].from].removed)
			c->links[n++] = c->links[k];
	}
	HOLDS(w, INV_REFUSED, SIM_SERVICES, n < c->n_links);
	c->n_links = n;
	HOLDS(w, INV_REFUSED, SIM_SERVICES, set_graph(w));
}

static void remove_service(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	if (!is_used(w, i) || p->removed)
		return;
	tell(w, "reload: service %u is removed", i);
	p->removed = true;
	p->fresh = p->changed = p->blocked = false;
	drop_links(w);
}

/* In the place of a removed one that is not gone yet, if there is one: it takes a while. */
static void find_predecessor(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	for (EACH_PLACE(w, k)) {
		if (!w->config.loner && w->places[k].removed && rarely(w, 2)) {
			p->blocked = true;
			p->predecessor = k;
		}
	}
}

static void add_service(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	struct core_record record = {.state = CORE_STOPPED,
		.why = CORE_WHY_NEVER_STARTED,
		.generation = p->generation,
		.since_usec = w->now,
		.deadline_usec = USEC_INFINITY,
		.blocker = CORE_NO_SERVICE,
		.due_usec = USEC_INFINITY};

	if (is_used(w, i) && !p->removed)
		return;
	if (is_used(w, i)) {
		tell(w, "reload: service %u is wanted again", i);
		p->removed = p->removal_seen = false;
		p->fresh = true;
		drop_links(w);
		for (EACH_PLACE(w, k))
			w->places[k].blocked &= w->places[k].predecessor != i;
		return;
	}
	tell(w, "reload: service %u is added", i);
	w->config.services[i].used = true;
	draw_policy(&w->random, w->config.loner, &w->config.services[i].policy);
	w->config.services[i].policy.essential = false;
	w->config.services[i].pool = CORE_NO_POOL;
	w->room = MAX_OF(w->room, i + 1 + sim_below(&w->random, 3));
	HOLDS(w, INV_REFUSED, i, core_grow(w->core, w->room) == 0);
	core_add(w->core, i, policy_of(w, i), &record, w->now);
	p->seen = p->disk = *record_of(w, i);
	p->disk_past = *past_of(w, i);
	p->fresh = true;
	find_predecessor(w, i);
}

/* A circle, said last: nothing of what is in force changes, nor does what follows. */
static void refuse(struct world *w)
{
	struct core_record before[SIM_SERVICES];
	struct core_link links[] = {
		{0, 1, CORE_LINK_AFTER}, {1, 2, CORE_LINK_REQUIRES}, {2, 0, CORE_LINK_WANTS}};
	struct core_graph *g = NULL;
	struct core_change c;
	usec_t deadlines[SIM_SERVICES];

	tell(w, "reload: refused");
	for (EACH_PLACE(w, i)) {
		before[i] = *record_of(w, i);
		deadlines[i] = core_deadline(w->core, i);
	}
	HOLDS(w, INV_REFUSED, SIM_SERVICES,
		core_graph_new(SIM_SERVICES, links, ELEMENTSOF(links), NULL, NULL, 0, &g) < 0);
	HOLDS(w, INV_REFUSED, SIM_SERVICES, !g && !core_next_change(w->core, &c));
	for (EACH_PLACE(w, i)) {
		HOLDS(w, INV_REFUSED, i, !record_difference(&before[i], record_of(w, i)));
		HOLDS(w, INV_REFUSED, i, deadlines[i] == core_deadline(w->core, i));
	}
}

void reload(struct world *w, const struct sim_op *op)
{
	if (w->shutting_down)
		return; /* the engine refuses it */
	switch (op->kind) {
	case OP_policy:
		change_policy(w, op->service);
		break;
	case OP_graph:
		change_graph(w);
		break;
	case OP_remove:
		remove_service(w, op->service);
		break;
	case OP_add:
		add_service(w, op->service);
		break;
	default:
		refuse(w);
		return;
	}
	enforce_graph(w);
	core_set_max_starting(w->core, w->config.max_starting);
	bring_in_line(w);
	settle_all(w);
}
