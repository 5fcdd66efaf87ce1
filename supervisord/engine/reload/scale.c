/*
 * Configurations have RECOVERY_CONFIGS places. Stale services may hold all but a few of them:
 * beside the one in force there has to be room for changes that come and go, or they would
 * wait for somebody who may never come to restart a stale one.
 */
#include "engine/reload/scale.h"

#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "engine/service.h"
#include "engine/services.h"

#define MAX_STALE_CONFIGS (RECOVERY_CONFIGS - 3)
#define MAX_NAMED	  3 /* services in a message */

const struct spec_service *scale_find(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_services; i++) {
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	}
	return NULL;
}

bool scale_check(
	const struct engine *e, struct server_call *call, const char *name, unsigned *ret_instances)
{
	const struct spec_service *spec = scale_find(e->spec, name);
	const struct service *s = services_find(e, name);

	if (spec && spec->has_instances) {
		*ret_instances = spec->n_instances;
		return true;
	}
	if (!call)
		return false;
	if (spec)
		server_error_message(call, CONTROL_ERROR_FAILED,
			"service '%s' has no instances; only what is configured with 'instances' "
			"can be scaled (%s:%u)",
			name, spec->place.file, spec->place.line);
	else if (s && s->spec->has_instances)
		server_error_message(call, CONTROL_ERROR_FAILED,
			"'%s' is one instance; to have more or fewer of them, scale '%s'", name,
			s->spec->name);
	else
		server_error(call, CONTROL_ERROR_NO_SUCH_SERVICE, json_pack("{s:s}", "name", name));
	return false;
}

/* --- stale services --- */

static bool makes_stale(const struct engine *e, const json_t *plan)
{
	const json_t *change, *name;
	size_t i, k;

	json_array_foreach(json_object_get(plan, "services"), i, change)
	{
		json_array_foreach(json_object_get(change, "stale"), k, name)
		{
			const struct service *s = services_find(e, json_string_value(name));

			if (s && !service_is_stale(s))
				return true;
		}
	}
	return false;
}

bool stale_is_too_much(
	const struct engine *e, const json_t *plan, char ret_reason[static STALE_REASON_SIZE])
{
	bool held[RECOVERY_CONFIGS] = {false};
	unsigned n = 0, named = 0;
	char names[MAX_NAMED * (SPEC_INSTANCE_NAME_MAX + 4)] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < e->n_services; i++) {
		const struct service *s = e->services[i];

		if (!service_is_stale(s) || held[s->config])
			continue;
		held[s->config] = true;
		n++;
		if (named++ < MAX_NAMED)
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s'%s'",
				used > 0 ? ", " : "", s->name);
	}
	if (n < MAX_STALE_CONFIGS || !makes_stale(e, plan))
		return false;
	snprintf(ret_reason, STALE_REASON_SIZE,
		"services still go by %u earlier configurations, which is as many as can be; "
		"restart some of them first, such as %s",
		n, names);
	return true;
}
