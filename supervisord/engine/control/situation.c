/*
 * Told from the core's record and the graph in force: that a service is stopped since another
 * one has failed is to be seen without reading the configuration.
 */
#include "engine/control/situation.h"

#include "engine/control/status.h"
#include "engine/reload/plan.h"
#include "engine/service.h"
#include "engine/services.h"

static json_t *kinds_of(unsigned kinds)
{
	static const struct {
		enum core_link_kind kind;
		const char *name;
	} all[] = {
		{CORE_LINK_REQUIRES, "requires"},
		{CORE_LINK_WANTS, "wants"},
		{CORE_LINK_AFTER, "after"},
		{CORE_LINK_CONFLICTS, "conflicts"},
	};
	json_t *names = json_array();

	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		if (kinds & all[i].kind)
			json_array_append_new(names, json_string(all[i].name));
	}
	return names;
}

static json_t *links(const struct service *s, bool up)
{
	struct engine *e = s->engine;
	json_t *array = json_array();
	struct core_link link;

	for (uint32_t i = 0; core_link(e->core, s->id, up, i, &link); i++) {
		const struct service *other = services_by_id(e, up ? link.from : link.to);
		const struct core_record *r = other ? core_record(e->core, other->id) : NULL;

		if (!other || json_array_size(array) >= SITUATION_MAX_LINKS)
			continue;
		json_array_append_new(
			array, json_pack("{s:s,s:o,s:s}", "name", other->name, "kinds",
				       kinds_of(link.kinds), "state",
				       core_state_to_string((enum core_state)r->state)));
	}
	return array;
}

json_t *situation_add_links(const struct service *s, bool with_environment, json_t *show)
{
	const char *pool = service_definition(s)->links->pool;
	json_t *part = json_pack("{s:o,s:o,s:s?,s:o}", "dependencies", links(s, false),
		"dependents", links(s, true), "pool", pool, "pending_keys",
		plan_pending(s, with_environment));

	if (show && (!part || json_object_update(show, part) < 0)) {
		json_decref(show);
		show = NULL;
	}
	json_decref(part);
	return show;
}
