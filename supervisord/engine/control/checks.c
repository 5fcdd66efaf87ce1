/*
 * The last answers are told as they came, but for what is no text: whoever shows them to people
 * has to see to that.
 */
#include "engine/control/checks.h"

#include <stdlib.h>

#include "engine/control/status.h"

/* Takes both; NULL where one of them could not be made. */
static json_t *add(json_t *object, json_t *part)
{
	if (object && (!part || json_object_update(object, part) < 0)) {
		json_decref(object);
		object = NULL;
	}
	json_decref(part);
	return object;
}

/* What tells that it is ready, and why it is not so far. */
json_t *checks_readiness(const struct service *s)
{
	char *on = ready_describe(s);
	const char *problem = ready_problem(s);
	json_t *object = json_pack("{s:o,s:o}", "on", status_text(on ? on : ""), "problem",
		*problem ? status_text(problem) : json_null());

	free(on);
	return object;
}

json_t *checks_probe(const struct service *s)
{
	const struct health_outcome *o = health_last(s);
	char time[USEC_RFC3339_SIZE];

	if (!o)
		return json_null();
	usec_rfc3339(o->realtime_usec, time);
	return json_pack("{s:s,s:b,s:b,s:o,s:o}", "time", time, "ok", o->ok, "forgiven",
		o->forgiven, "message", status_text(o->text), "output",
		status_bytes(o->output, o->n_output));
}

json_t *checks_add_details(const struct service *s, json_t *show)
{
	return add(show,
		json_pack("{s:o,s:o}", "readiness", checks_readiness(s), "probe", checks_probe(s)));
}
