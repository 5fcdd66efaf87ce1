/*
 * A hash table with open addressing. Nothing is taken out of it: whoever is found there is asked
 * whether it still has that pid, and when too much is out of date the table is made anew. Without
 * memory for one, all services are asked.
 */
#include "engine/tree/mains.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"

#define NOBODY	 UINT32_MAX
#define MIN_SIZE 64

static pid_t main_of(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return s->main_pid > 0 || r->main_ended ? s->main_pid : r->pid;
}

/* Where that pid is, or would be: pids grow, so that neighbours get neighbouring places. */
static uint32_t *place_of(const struct engine *e, const struct mains *m, pid_t pid)
{
	uint32_t at = (uint32_t)pid & (m->size - 1);

	for (; m->places[at] != NOBODY; at = (at + 1) & (m->size - 1)) {
		const struct service *s = services_by_id(e, m->places[at]);

		if (s && main_of(s) == pid)
			break;
	}
	return &m->places[at];
}

static void put(const struct service *s)
{
	struct mains *m = &s->engine->tree.mains;
	uint32_t *place = place_of(s->engine, m, main_of(s));

	m->n_used += *place == NOBODY;
	*place = s->id;
}

/* At most a quarter is in use then, so that it lasts for as many changes. */
static void build(struct engine *e)
{
	struct mains *m = &e->tree.mains;
	uint32_t size = MIN_SIZE;

	while (size / 4 < e->n_services)
		size *= 2;
	mains_fini(m);
	m->places = malloc(size * sizeof(*m->places));
	if (!m->places)
		return;
	memset(m->places, 0xff, size * sizeof(*m->places)); /* NOBODY */
	m->size = size;
	for (uint32_t i = 0; i < e->n_services; i++) {
		if (main_of(e->services[i]) > 0)
			put(e->services[i]);
	}
}

struct service *mains_find(struct engine *e, pid_t pid)
{
	struct mains *m = &e->tree.mains;

	if (pid <= 0)
		return NULL;
	if (!m->places)
		build(e);
	if (m->places)
		return services_by_id(e, *place_of(e, m, pid));
	for (uint32_t i = 0; i < e->n_services; i++) {
		if (main_of(e->services[i]) == pid)
			return e->services[i];
	}
	return NULL;
}

void mains_changed(struct service *s)
{
	struct mains *m = &s->engine->tree.mains;

	if (!m->places)
		return;
	if (m->n_used >= m->size / 2)
		build(s->engine);
	else if (main_of(s) > 0)
		put(s);
}

void mains_fini(struct mains *m)
{
	free(m->places);
	*m = (struct mains){0};
}
