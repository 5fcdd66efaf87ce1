/*
 * Names are looked at as text, since the journal also knows services that are no more: only
 * groups need a service that is there.
 */
#include "engine/control/events/watcher.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/control/names.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"

void watcher_free(struct watcher *w)
{
	if (!w)
		return;
	json_decref(w->names);
	json_decref(w->groups);
	json_decref(w->globs);
	free(w);
}

/* Sorts what it named: 0, -ENOMEM, or -E2BIG for too many globs. */
static int take_patterns(struct watcher *w, const json_t *patterns)
{
	json_t *pattern;
	size_t i;

	if (json_array_size(patterns) == 0)
		return 0;
	w->names = json_object();
	w->groups = json_object();
	w->globs = json_array();
	json_array_foreach(patterns, i, pattern)
	{
		const char *text = json_string_value(pattern);
		int r;

		if (text[0] == '@')
			r = json_object_set_new(w->groups, text + 1, json_true());
		else if (names_is_glob(text))
			r = json_array_append(w->globs, pattern);
		else
			r = json_object_set_new(w->names, text, json_true());
		if (r < 0)
			return -ENOMEM;
	}
	return json_array_size(w->globs) > EVENTS_MAX_GLOBS ? -E2BIG : 0;
}

int watcher_new(const json_t *patterns, struct watcher **ret_watcher)
{
	struct watcher *w = calloc(1, sizeof(*w));
	int r = w ? take_patterns(w, patterns) : -ENOMEM;

	if (r < 0)
		watcher_free(w);
	else
		*ret_watcher = w;
	return r;
}

static bool is_in_group(const struct engine *e, const struct watcher *w, const char *service)
{
	const struct service *s;

	if (json_object_size(w->groups) == 0)
		return false;
	s = services_find(e, service);
	for (char **g = s ? service_definition(s)->links->groups : NULL; g && *g; g++) {
		if (json_object_get(w->groups, *g))
			return true;
	}
	return false;
}

bool watcher_hears(const struct engine *e, const struct watcher *w, const char *service)
{
	char definition[SPEC_INSTANCE_NAME_MAX + 1];
	const json_t *glob;
	size_t i;

	if (!w->names)
		return true;
	snprintf(definition, sizeof(definition), "%.*s", (int)strcspn(service, "@"), service);
	if (json_object_get(w->names, service) || json_object_get(w->names, definition))
		return true;
	json_array_foreach(w->globs, i, glob)
	{
		if (fnmatch(json_string_value(glob), service, 0) == 0)
			return true;
	}
	return is_in_group(e, w, service);
}
