/*
 * Three arrays of the same pointers. Changing them is in two steps, as every change of what
 * is in force: first all that can fail (memory, the recovery area), then what can't.
 *
 * A place whose service is gone keeps the generation that it had come to, so that the next
 * one to have it never asks the launcher for a generation which that has seen before.
 */
#include "engine/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/control/request.h"
#include "engine/reload/links.h"
#include "engine/service.h"
#include "engine/succession.h"

/* Services often end together: one look serves them all. */
#define SWEEP_USEC (10 * USEC_PER_MSEC)

struct service *services_by_id(const struct engine *e, uint32_t id)
{
	return id < e->n_ids ? e->by_id[id] : NULL;
}

struct service *services_find(const struct engine *e, const char *name)
{
	uint32_t low = 0, high = e->n_services;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct service *s = e->by_name[middle];
		int c = strcmp(name, s->name);

		if (c == 0)
			return s;
		if (c < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct service *const *)a)->name, (*(struct service *const *)b)->name);
}

static void sort_names(struct engine *e)
{
	memcpy(e->by_name, e->services, e->n_services * sizeof(struct service *));
	qsort(e->by_name, e->n_services, sizeof(struct service *), compare_names);
}

/* --- room --- */

static int grow(struct service ***array, uint32_t n_old, uint32_t n)
{
	struct service **bigger = reallocarray(*array, n ? n : 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	if (n > n_old)
		memset(bigger + n_old, 0, (n - n_old) * sizeof(*bigger));
	*array = bigger;
	return 0;
}

static int grow_generations(struct engine *e, uint32_t n)
{
	uint64_t *bigger = reallocarray(e->generations, n ? n : 1, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	if (n > e->n_ids)
		memset(bigger + e->n_ids, 0, (n - e->n_ids) * sizeof(*bigger));
	e->generations = bigger;
	return 0;
}

/* Places for n services in all. */
static int reserve(struct engine *e, uint32_t n)
{
	uint32_t n_ids;
	int r = grow(&e->services, e->n_services, n);

	if (r == 0)
		r = grow(&e->by_name, e->n_services, n);
	if (r < 0 || n <= e->n_ids)
		return r;
	/* By more than is needed, so that adding one by one does not cost as much each time. */
	n_ids = e->n_ids > 0 ? n + n / 4 : n;
	r = grow(&e->by_id, e->n_ids, n_ids);
	if (r == 0)
		r = grow_generations(e, n_ids);
	if (r == 0)
		r = core_grow(e->core, n_ids);
	if (r == 0 && n_ids > e->store.head.capacity)
		r = area_grow(e, n_ids);
	if (r == 0)
		e->n_ids = n_ids;
	return r;
}

/* --- adding --- */

void services_addition_fini(struct services_addition *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		service_free(a->services[i]);
	free(a->services);
	*a = (struct services_addition){0};
}

static uint32_t count_missing(const struct engine *e, const struct roster *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++)
		n += !services_find(e, r->entries[i].name);
	return n;
}

int services_prepare(struct engine *e, const struct roster *r, uint8_t config,
	struct services_addition *ret_addition)
{
	uint32_t id = 0, n = count_missing(e, r);
	struct services_addition a = {.services = calloc(n ? n : 1, sizeof(*a.services))};
	int result = a.services ? reserve(e, e->n_services + n) : -ENOMEM;

	for (uint32_t i = 0; i < r->n && result == 0; i++) {
		const struct roster_entry *x = &r->entries[i];

		if (services_find(e, x->name))
			continue;
		while (e->by_id[id])
			id++;
		result = service_new(e, id++, x->spec, x->instance, config, &a.services[a.n]);
		a.n += result == 0;
	}
	if (result < 0) {
		services_addition_fini(&a);
		return result;
	}
	*ret_addition = a;
	return 0;
}

static void enter(struct engine *e, struct service *s, const struct core_record *record)
{
	struct core_record fresh = {.state = CORE_STOPPED,
		.why = CORE_WHY_NEVER_STARTED,
		.since_usec = e->loop.now_usec,
		.deadline_usec = USEC_INFINITY,
		.blocker = CORE_NO_SERVICE,
		.due_usec = USEC_INFINITY};

	if (!record) {
		fresh.generation = service_last_generation(e, s->id);
		s->fresh = true;
	}
	core_add(e->core, s->id, s->spec->policy, record ? record : &fresh, e->loop.now_usec);
	if (s->next)
		core_set_next_policy(e->core, s->id, s->next->policy);
	s->begun = core_record(e->core, s->id)->generation;
	loop_timer_set(&e->loop, &s->timer, core_deadline(e->core, s->id));
	e->by_id[s->id] = s;
	s->board_place = e->n_services;
	e->services[e->n_services++] = s;
	input_follow(s);
	input_offer(s);
}

/* The roster's first, in its order; then the others, in theirs. There is room for all. */
static void order(struct engine *e, const struct roster *r)
{
	struct service **others = e->by_name; /* made anew afterwards */
	uint32_t n = 0, n_others = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];
		const struct roster_entry *x = roster_find(r, s->name);

		s->place = x ? (uint32_t)(x - r->entries) : UINT32_MAX;
		if (!x)
			others[n_others++] = s;
	}
	for (uint32_t i = 0; i < e->n_ids; i++) {
		struct service *s = e->by_id[i];

		if (!s || s->place == UINT32_MAX)
			continue;
		e->services[s->place] = s;
		n++;
	}
	memcpy(e->services + n, others, n_others * sizeof(struct service *));
	sort_names(e);
}

void services_take_in(struct engine *e, const struct roster *r, struct services_addition *a)
{
	tree_avoid_cgroups(e, a->services, a->n);
	for (uint32_t i = 0; i < a->n; i++)
		enter(e, a->services[i], NULL);
	a->n = 0; /* they are the engine's now */
	order(e, r);
}

/* --- after another engine --- */

static int restore(struct engine *e, uint32_t id, const struct roster rosters[RECOVERY_CONFIGS])
{
	const struct recovery_record *record = recovery_record(&e->store.area, id);
	const struct roster_entry *x = roster_find(&rosters[record->config], record->name), *next;
	struct core_record core;
	struct core_past past;
	struct service *s;
	int r;

	if (!x) {
		log_error("bug: service '%s' is in no configuration that was kept; it is not "
			  "looked after any more",
			record->name);
		return 0;
	}
	r = service_new(e, id, x->spec, x->instance, record->config, &s);
	if (r < 0)
		return r;
	/*
	 * Its end may be judged before apply_finish() gets to it: what is started then is what is
	 * in force, since the stop may well have been for that.
	 */
	next = record->config == e->config ? NULL : roster_find(&rosters[e->config], s->name);
	if (next) {
		service_adopt_later(s, next->spec, e->config);
		s->undecided = true;
	}
	if (service_restore(s, &core, &past)) {
		/* the last engine may not have come to take that back */
		s->removed = record->config != e->config && core.why == CORE_WHY_REMOVED &&
			     !core.desired_up && roster_find(&rosters[e->config], s->name);
		/* whatever its process was sent off with */
		s->rlimits_due = core.state == CORE_STARTING && core.phase == CORE_PHASE_EXEC;
		enter(e, s, &core);
		core_recall(e->core, id, &past);
		return 0;
	}
	log_error("bug: what was kept of service '%s' makes no sense", s->name);
	tree_avoid_cgroups(e, &s, 1);
	enter(e, s, NULL);
	return 0;
}

static int restore_all(struct engine *e)
{
	uint32_t capacity = e->store.head.capacity;
	struct roster rosters[RECOVERY_CONFIGS] = {0};
	int r = reserve(e, capacity);

	for (unsigned i = 0; i < RECOVERY_CONFIGS && r == 0; i++) {
		if (e->configs[i].spec)
			r = roster_init(&rosters[i], e->configs[i].spec);
	}
	for (uint32_t id = 0; id < capacity && r == 0; id++) {
		const struct recovery_record *record = recovery_record(&e->store.area, id);

		e->generations[id] = record->generation;
		if (record->name[0] != '\0')
			r = restore(e, id, rosters);
	}
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++)
		roster_fini(&rosters[i]);
	if (r == 0)
		sort_names(e);
	return r;
}

/* --- removing --- */

static bool is_over(const struct service *s)
{
	return s->removed && core_record(s->engine->core, s->id)->state == CORE_STOPPED;
}

/* The launcher has heard all there is to hear, and nothing runs for it. */
static bool is_told(const struct service *s)
{
	return !s->outbox.in_line && !part_find(s, PART_COMMAND) && !part_find(s, PART_TREE_WATCH);
}

/* False: the launcher can't be told just now. */
static bool forget(struct service *s)
{
	struct engine *e = s->engine;
	uint64_t generation = core_record(e->core, s->id)->generation;

	if (!uplink_remove(s))
		return false;
	log_info("service '%s': removed", s->name);
	event_removed(s);
	service_commit_removal(e, s->id, generation);
	s->forgotten = true;
	request_judge(s);
	core_remove(e->core, s->id);
	e->by_id[s->id] = NULL;
	return true;
}

static void release_successors(struct service *s)
{
	struct service *next;

	while ((next = succession_take(s))) {
		struct core_event event = {.type = CORE_EVENT_UNBLOCK, .service = next->id};

		engine_event(s->engine, &event);
	}
}

static void on_sweep(struct loop_timer *t)
{
	services_sweep(CONTAINER_OF(t, struct engine, sweep));
}

void services_sweep_soon(struct engine *e)
{
	if (e->sweep.entry.pos == 0)
		loop_timer_set(&e->loop, &e->sweep, usec_add(e->loop.now_usec, SWEEP_USEC));
}

/* How many the others are, which keep their order. */
static uint32_t put_forgotten_last(struct engine *e)
{
	struct service **forgotten = e->by_name; /* made anew afterwards */
	uint32_t n = 0, n_forgotten = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];

		if (s->forgotten)
			forgotten[n_forgotten++] = s;
		else
			e->services[n++] = s;
	}
	memcpy(e->services + n, forgotten, n_forgotten * sizeof(struct service *));
	return n;
}

void services_sweep(struct engine *e)
{
	uint32_t n = e->n_services;
	bool left = false;

	engine_judge_ended(e);
	for (uint32_t i = 0; i < n; i++) {
		struct service *s = e->services[i];

		if (!is_over(s))
			continue;
		command_kill_all(s);
		left |= !is_told(s) || !forget(s);
	}
	if (left)
		services_sweep_soon(e);
	e->n_services = put_forgotten_last(e);
	sort_names(e); /* before successors start, which looks for services */
	for (uint32_t i = e->n_services; i < n; i++) {
		release_successors(e->services[i]);
		service_free(e->services[i]);
	}
}

/* --- the beginning and the end --- */

int services_init(struct engine *e)
{
	_cleanup_roster_ struct roster roster = {0};
	struct services_addition addition = {0};
	struct core_graph *graph;
	int r;

	e->core = core_new(0, e->spec->max_starting);
	if (!e->core)
		return -ENOMEM;
	e->sweep.dispatch = on_sweep;
	r = loop_timer_add(&e->loop, &e->sweep);
	if (r < 0)
		return r;
	r = e->recovering ? restore_all(e) : 0;
	if (e->store.head.flags & RECOVERY_SHUTTING_DOWN)
		core_expect_shutdown(e->core);
	if (r == 0)
		r = roster_init(&roster, e->spec);
	if (r == 0)
		r = services_prepare(e, &roster, e->config, &addition);
	if (r == 0)
		r = links_make(e, e->spec, &roster, &addition, &graph);
	if (r == 0) {
		services_take_in(e, &roster, &addition);
		core_set_graph(e->core, graph);
	}
	services_addition_fini(&addition);
	return r;
}

void services_fini(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++)
		input_free(e->services[i]);
	for (uint32_t i = 0; i < e->n_services; i++)
		service_free(e->services[i]);
	free(e->services);
	free(e->by_name);
	free(e->by_id);
	free(e->generations);
	e->services = e->by_name = e->by_id = NULL;
	e->generations = NULL;
	e->n_services = e->n_ids = 0;
}
