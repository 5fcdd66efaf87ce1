/*
 * Which events a name means is decided as supervisord does it (its control/events/), by the
 * configuration that it had. A name that neither that nor any event knows is a mistake, and told
 * before anything is shown.
 */
#include "ctl/events/past.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/spec.h"
#include "ctl/logs/where/where.h"
#include "ctl/output/render_json.h"
#include "wire/journal.h"

struct past {
	const struct spec *spec;
	json_t *names; /* borrowed */
	bool *known; /* which of them mean something */
	journal_file_fn *visit;
	void *userdata;
};

static const struct spec_service *find(const struct past *p, const char *definition)
{
	for (size_t i = 0; i < p->spec->n_services; i++) {
		if (strcmp(p->spec->services[i].name, definition) == 0)
			return &p->spec->services[i];
	}
	return NULL;
}

static bool means(const struct past *p, const char *name, const char *service)
{
	_cleanup_free_
	char *definition = strndup(service, strcspn(service, "@"));
	const struct spec_service *s;

	if (!definition)
		return false;
	if (strcmp(name, service) == 0 || strcmp(name, definition) == 0)
		return true;
	s = find(p, definition);
	return s ? where_means(s, service, name)
		 : strpbrk(name, "*?[") && fnmatch(name, service, 0) == 0;
}

/* Marks, too, which names that makes known. */
static bool is_heard(struct past *p, const char *service)
{
	bool heard = json_array_size(p->names) == 0;
	json_t *name;
	size_t i;

	json_array_foreach(p->names, i, name)
	{
		if (means(p, json_string_value(name), service))
			heard = p->known[i] = true;
	}
	return heard;
}

/* A request, or another event about no single service: it may list some of those that it is about.
 */
static bool lists_one(struct past *p, json_t *event)
{
	json_t *names = json_object_get(event, "names"), *name;
	int64_t n = render_integer(event, "n_services", 0);
	bool heard = false;
	size_t i;

	if (n == 0 || (size_t)n > json_array_size(names))
		return true;
	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		heard |= text && is_heard(p, text);
	}
	return heard;
}

static bool is_wanted(struct past *p, json_t *event)
{
	const char *service = json_string_value(json_object_get(event, "service"));

	return service ? is_heard(p, service) : lists_one(p, event);
}

static int learn(json_t *event, void *userdata)
{
	is_wanted(userdata, event);
	return 0;
}

static int on_event(json_t *event, void *userdata)
{
	struct past *p = userdata;

	return is_wanted(p, event) ? p->visit(event, p->userdata) : 0;
}

/* What was configured is known, too, without an event. */
static int check_names(struct ctl *ctl, struct past *p)
{
	for (size_t i = 0; i < p->spec->n_services; i++) {
		char name[SPEC_INSTANCE_NAME_MAX];

		for (unsigned k = 1; k <= p->spec->services[i].n_instances; k++)
			is_heard(p, spec_instance_name(&p->spec->services[i], k, name));
	}
	for (size_t i = 0; i < json_array_size(p->names); i++) {
		if (p->known[i])
			continue;
		ctl_no_such(ctl, json_string_value(json_array_get(p->names, i)));
		return CTL_NOTHING_THERE;
	}
	return 0;
}

static int read_journal(struct ctl *ctl, struct past *p, const struct journal_range *range)
{
	static const struct journal_range all;
	_cleanup_free_
	char *path = NULL;
	int r, status = 0;

	if (asprintf(&path, "%s/%s", p->spec->state_dir, JOURNAL_FILE_NAME) < 0) {
		path = NULL;
		return CTL_FAILED;
	}
	r = journal_file_read(path, &all, learn, p);
	if (r == 0)
		status = check_names(ctl, p);
	if (r == 0 && status == 0)
		r = journal_file_read(path, range, on_event, p);
	if (r == 0 || r == -ECANCELED) /* whoever reads us has gone */
		return status;
	ctl_error(ctl, "cannot read the journal of events in %s: %s", path,
		r == -EBADMSG ? "it is none" : strerror(-r));
	return CTL_FAILED;
}

int past_events(struct ctl *ctl, json_t *names, const struct journal_range *range,
	journal_file_fn *visit, void *userdata)
{
	struct past p = {.names = names, .visit = visit, .userdata = userdata};
	struct spec *spec = NULL;
	int r = where_load(ctl, &spec);

	if (r < 0)
		return CTL_NOTHING_THERE;
	p.spec = spec;
	p.known = calloc(json_array_size(names) + 1, sizeof(*p.known));
	r = p.known ? read_journal(ctl, &p, range) : CTL_FAILED;
	free(p.known);
	spec_free(spec);
	return r;
}
