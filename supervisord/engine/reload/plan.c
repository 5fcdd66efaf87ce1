/*
 * The difference between two configurations is conf/diff/diff.c's; what follows from it for a
 * service depends on how that is now, and is apply.c's to say. Here the two are put together.
 */
#include "engine/reload/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/diff/diff.h"
#include "engine/control/status.h"
#include "engine/reload/apply.h"
#include "engine/service.h"
#include "engine/services.h"

static const char *effect_name(enum diff_effect effect)
{
	return effect == DIFF_RESTART ? "restart" : "live";
}

static json_t *value(const char *text, bool hidden)
{
	return text && !hidden ? status_text(text) : json_null();
}

static json_t *keys(const struct diff_keys *d, bool with_environment)
{
	json_t *array = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_key *k = &d->keys[i];
		bool hidden = k->secret && !with_environment;

		json_array_append_new(
			array, json_pack("{s:o,s:o,s:o,s:s}", "key", status_text(k->key), "before",
				       value(k->before, hidden), "after", value(k->after, hidden),
				       "effect", effect_name(k->effect)));
	}
	return array;
}

static json_t *name_of(const struct spec_service *s, unsigned instance)
{
	char name[SPEC_INSTANCE_NAME_MAX];

	return json_string(spec_instance_name(s, instance, name));
}

/* The instance of `after` that has this one's name. */
static bool has_instance(
	const struct spec_service *after, const struct spec_service *before, unsigned instance)
{
	return after && strcmp(after->name, before->name) == 0 &&
	       after->has_instances == before->has_instances && instance <= after->n_instances;
}

struct effects {
	json_t *starts, *stops, *restarts, *later, *stale;
};

/* Where it would have to be started again, and nobody wants that. */
static json_t *left_alone(const struct service *s, const struct effects *to)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return r->pid > 0 || r->state == CORE_STARTING ? to->stale : to->later;
}

static void judge_instance(struct engine *e, const struct spec_service *after, unsigned instance,
	bool no_restart, const struct effects *to)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	struct service *s = services_find(e, spec_instance_name(after, instance, name));

	if (!s || s->removed) {
		json_array_append_new(after->policy->autostart ? to->starts : to->later,
			name_of(after, instance));
		return;
	}
	switch (apply_step(s, after)) {
	case APPLY_RESTART:
		json_array_append_new(
			no_restart ? left_alone(s, to) : to->restarts, name_of(after, instance));
		break;
	case APPLY_LATER:
		json_array_append_new(to->later, name_of(after, instance));
		break;
	case APPLY_NOTHING:
	case APPLY_LIVE:
		break;
	}
}

static const char *change_name(const struct diff_pair *p)
{
	if (!p->before)
		return "added";
	if (!p->after)
		return "removed";
	return strcmp(p->before->name, p->after->name) == 0 ? "changed" : "renamed";
}

static json_t *change(struct engine *e, const struct diff_pair *p, const struct diff_keys *d,
	const struct plan_options *options)
{
	const struct spec_service *named = p->after ? p->after : p->before;
	const struct effects to = {
		json_array(), json_array(), json_array(), json_array(), json_array()};
	bool renamed = p->before && p->after && strcmp(p->before->name, p->after->name) != 0;

	for (unsigned i = 1; p->after && i <= p->after->n_instances; i++)
		judge_instance(e, p->after, i, options->no_restart, &to);
	for (unsigned i = 1; p->before && i <= p->before->n_instances; i++) {
		if (!has_instance(p->after, p->before, i))
			json_array_append_new(to.stops, name_of(p->before, i));
	}
	return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "name", named->name, "change",
		change_name(p), "was", renamed ? json_string(p->before->name) : json_null(),
		"starts", to.starts, "stops", to.stops, "restarts", to.restarts, "later", to.later,
		"stale", to.stale, "keys", keys(d, options->with_environment));
}

static bool is_same(const struct diff_pair *p)
{
	return p->before && p->after && strcmp(p->before->name, p->after->name) == 0 &&
	       p->before->has_instances == p->after->has_instances &&
	       p->before->n_instances == p->after->n_instances &&
	       diff_service_effect(p->before, p->after) == DIFF_NONE;
}

/* An instance whose process goes by an older definition; NULL for none. */
static const struct service *find_stale(const struct engine *e, const struct spec_service *spec)
{
	char name[SPEC_INSTANCE_NAME_MAX];

	for (unsigned i = 1; spec && i <= spec->n_instances; i++) {
		const struct service *s = services_find(e, spec_instance_name(spec, i, name));

		if (s && !s->removed && service_is_stale(s))
			return s;
	}
	return NULL;
}

/* Held against what runs, where that is older than what is in force. */
static int compare(const struct diff_pair *p, const struct service *stale, struct diff_keys *ret)
{
	struct spec_service before;

	if (!p->before || !p->after)
		return 0;
	before = stale ? *stale->spec : *p->before; /* nothing of it is changed or freed */
	before.has_instances = p->before->has_instances;
	before.n_instances = p->before->n_instances;
	before.n_configured = p->before->n_configured;
	return diff_service(&before, p->after, ret);
}

static json_t *changes(
	struct engine *e, const struct spec *spec, const struct plan_options *options)
{
	_cleanup_free_
	struct diff_pair *pairs = NULL;
	json_t *array = json_array();
	size_t n = 0;

	if (diff_match(e->spec, spec, &pairs, &n) < 0) {
		json_decref(array);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		_cleanup_diff_keys_ struct diff_keys d = {0};
		const struct diff_pair *p = &pairs[i];
		const struct service *stale = find_stale(e, p->after);

		if (is_same(p) && !stale)
			continue;
		if (compare(p, stale, &d) < 0) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, change(e, p, &d, options));
	}
	return array;
}

/* Where the number of instances is an operator's, and not that of the files. */
static json_t *scaled(const struct spec *spec)
{
	json_t *array = json_array();

	for (size_t i = 0; i < spec->n_services; i++) {
		const struct spec_service *s = &spec->services[i];

		if (spec_is_scaled(s))
			json_array_append_new(array,
				json_pack("{s:s,s:i,s:i}", "name", s->name, "instances",
					(int)s->n_instances, "configured", (int)s->n_configured));
	}
	return array;
}

json_t *plan_make(struct engine *e, const struct spec *spec, const struct plan_options *options)
{
	_cleanup_diff_keys_ struct diff_keys global = {0};
	json_t *services = changes(e, spec, options);

	if (!services || diff_global(e->spec, spec, &global) < 0) {
		json_decref(services);
		return NULL;
	}
	return json_pack("{s:o,s:b,s:o,s:o,s:o}", "configuration", status_text(spec->files[0]),
		"changed", global.n > 0 || json_array_size(services) > 0, "global",
		keys(&global, options->with_environment), "services", services, "scaled",
		scaled(spec));
}

json_t *plan_pending(const struct service *s, bool with_environment)
{
	_cleanup_diff_keys_ struct diff_keys d = {0};
	const struct diff_pair pair = {s->next, s->next};

	if (s->next && compare(&pair, s, &d) < 0)
		return NULL;
	return keys(&d, with_environment);
}

json_t *plan_refusals(const struct engine *e, const struct spec *spec)
{
	_cleanup_diff_keys_ struct diff_keys global = {0};
	json_t *errors = NULL;

	if (diff_global(e->spec, spec, &global) < 0)
		return json_pack("[s]", "out of memory");
	for (size_t i = 0; i < global.n; i++) {
		const struct diff_key *k = &global.keys[i];
		char text[1024];

		if (k->effect != DIFF_REFUSED)
			continue;
		snprintf(text, sizeof(text),
			"%s:%u: %s can't change while supervisord runs (%s is in force); it takes "
			"another start of supervisord",
			k->place.file, k->place.line, k->key, k->before ? k->before : "nothing");
		if (!errors)
			errors = json_array();
		json_array_append_new(errors, status_text(text));
	}
	return errors;
}
