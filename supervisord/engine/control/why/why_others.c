/*
 * Who stands in a service's way, and who is in the way of that one: followed to the root, for as
 * long as each waits for another one. Lists are cut at a number of names; how many there are is
 * told beside them.
 */
#include <string.h>

#include "engine/control/status.h"
#include "engine/control/why/why_internal.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/succession.h"

static const struct core_record *record_of(const struct service *s)
{
	return core_record(s->engine->core, s->id);
}

/* --- pools, and places to start --- */

/* Some of those that share a limited number of something. */
struct line {
	json_t *holders; /* names of those that have it */
	int n_holders, n_waiting;
	int place; /* of the service in line, from 1; 0: it does not stand in it */
};

static void note_holder(struct line *l, const struct service *s)
{
	if (l->n_holders++ < WHY_MAX_NAMES)
		json_array_append_new(l->holders, json_string(s->name));
}

/* `other` waits in the line that `s` may stand in. */
static void note_waiting(struct line *l, const struct service *s, const struct service *other)
{
	l->n_waiting++;
	if (l->place > 0 && record_of(other)->start_order < record_of(s)->start_order)
		l->place++;
}

static json_t *pack_line(const struct line *l, const char *name, uint32_t limit)
{
	return json_pack("{s:s?,s:I,s:i,s:o,s:i,s:o}", "name", name, "limit", (json_int_t)limit,
		"used", l->n_holders, "holders", l->holders, "waiting", l->n_waiting, "place",
		l->place > 0 ? json_integer(l->place) : json_null());
}

static bool waits(const struct service *s, enum core_why why)
{
	const struct core_record *r = record_of(s);

	return r->state == CORE_WAITING && r->why == why;
}

static uint32_t slots_of(const struct spec *spec, const char *pool)
{
	for (size_t i = 0; i < spec->n_pools; i++) {
		if (strcmp(spec->pools[i].name, pool) == 0)
			return spec->pools[i].slots;
	}
	return 0;
}

json_t *why_pool(const struct service *s)
{
	const struct engine *e = s->engine;
	const char *pool = service_definition(s)->links->pool;
	struct line l = {.place = waits(s, CORE_WHY_POOL)};

	if (!pool)
		return json_null();
	l.holders = json_array();
	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *other = e->services[i];
		const char *its = service_definition(other)->links->pool;

		if (!its || strcmp(its, pool) != 0)
			continue;
		if (core_holds_slot(e->core, other->id))
			note_holder(&l, other);
		else if (waits(other, CORE_WHY_POOL))
			note_waiting(&l, s, other);
	}
	return pack_line(&l, pool, slots_of(e->spec, pool));
}

json_t *why_starting(const struct service *s)
{
	const struct engine *e = s->engine;
	struct line l = {.place = waits(s, CORE_WHY_SLOT)};

	if (e->spec->max_starting == 0)
		return json_null();
	l.holders = json_array();
	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *other = e->services[i];

		if (record_of(other)->state == CORE_STARTING)
			note_holder(&l, other);
		else if (waits(other, CORE_WHY_SLOT))
			note_waiting(&l, s, other);
	}
	return pack_line(&l, NULL, e->spec->max_starting);
}

/* --- the way to the root --- */

/* Whom a service is waiting for, or was stopped for; NULL. */
static const struct service *cause_of(const struct service *s)
{
	const struct core_record *r = record_of(s);
	bool down =
		r->state == CORE_WAITING || r->state == CORE_STOPPING || r->state == CORE_STOPPED;

	if (waits(s, CORE_WHY_PREDECESSOR))
		return succession_predecessor(s);
	if (!down || r->blocker == CORE_NO_SERVICE ||
		(r->why != CORE_WHY_DEPENDENCY && r->why != CORE_WHY_CONFLICT))
		return NULL;
	return services_by_id(s->engine, r->blocker);
}

static json_t *pack_cause(const struct service *s, const struct why_now *now)
{
	const struct core_record *r = record_of(s);
	const char *phase = core_phase_to_string((enum core_phase)r->phase);
	bool lives = r->state == CORE_STARTING || r->state == CORE_RUNNING;
	char reason[CORE_REASON_SIZE];

	return json_pack("{s:s,s:s,s:s,s:s?,s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:s}", "name", s->name,
		"state", core_state_to_string((enum core_state)r->state), "desired",
		r->desired_up ? "up" : "down", "phase", phase[0] ? phase : NULL, "why",
		core_why_to_string((enum core_why)r->why), "cause",
		core_cause_to_string((enum core_cause)r->cause), "stuck",
		core_is_stuck(s->engine->core, s->id), "end", lives ? json_null() : why_end(s),
		"for_ms", why_msec(usec_sub(now->monotonic_usec, r->since_usec)), "deadline",
		why_when(now, r->deadline_usec), "reason", status_text(service_reason(s, reason)),
		"type", spec_type_to_string(s->spec->policy->type));
}

json_t *why_causes(const struct service *s, const struct why_now *now)
{
	const struct service *seen[WHY_MAX_DEPTH + 1] = {s};
	json_t *causes = json_array();

	for (unsigned n = 1; n <= WHY_MAX_DEPTH; n++) {
		const struct service *next = cause_of(seen[n - 1]);

		for (unsigned i = 0; next && i < n; i++)
			next = seen[i] == next ? NULL : next;
		if (!next)
			break;
		seen[n] = next;
		json_array_append_new(causes, pack_cause(next, now));
	}
	return causes;
}

json_t *why_dependents(const struct service *s)
{
	const struct core_record *r = record_of(s);
	struct core_link link;
	json_t *names;

	if (r->state != CORE_STOPPING || r->phase != CORE_PHASE_DEPENDENTS)
		return json_null();
	names = json_array();
	for (uint32_t i = 0; core_link(s->engine->core, s->id, true, i, &link); i++) {
		const struct service *other = services_by_id(s->engine, link.from);
		enum core_state state =
			other ? (enum core_state)record_of(other)->state : CORE_STOPPED;

		if ((state == CORE_STARTING || state == CORE_RUNNING || state == CORE_STOPPING) &&
			(link.kinds & ~(unsigned)CORE_LINK_CONFLICTS) != 0 &&
			json_array_size(names) < WHY_MAX_NAMES)
			json_array_append_new(names, json_string(other->name));
	}
	return names;
}
