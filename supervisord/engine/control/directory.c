/*
 * Names and states only: a tenth of the bytes of List, and no look at a clock or at /proc.
 */
#include "engine/control/directory.h"

#include "engine/service.h"

/* Instances of one definition share its groups: an object's keys come once. */
static json_t *keys_of(json_t *object)
{
	json_t *keys = json_array(), *value;
	const char *key;

	json_object_foreach(object, key, value) json_array_append_new(keys, json_string(key));
	return keys;
}

json_t *directory(const struct engine *e)
{
	json_t *services = json_array(), *groups = json_object();
	json_t *scalable = json_array(), *reply;

	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];
		enum core_state state = (enum core_state)core_record(e->core, s->id)->state;

		json_array_append_new(services, json_pack("{s:s,s:s}", "name", s->name, "state",
							core_state_to_string(state)));
		for (char **g = service_definition(s)->links->groups; g && *g; g++)
			json_object_set_new(groups, *g, json_true());
	}
	for (size_t i = 0; i < e->spec->n_services; i++) {
		if (e->spec->services[i].has_instances)
			json_array_append_new(scalable, json_string(e->spec->services[i].name));
	}
	reply = json_pack("{s:o,s:o,s:o}", "services", services, "groups", keys_of(groups),
		"scalable", scalable);
	json_decref(groups);
	return reply;
}
