/*
 * Which services the lists of services mean, and a graph of that: a node for each instance, as
 * "web" may come between "db@1" and "db@2" without any contradiction. What it takes is linear in
 * the number of links from instance to instance, and that is bounded.
 */
#include "conf/links/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"

#define SUGGESTION_DISTANCE 2

static const struct {
	enum service_key key;
	size_t offset; /* of the list */
} lists[LINK_KIND_MAX] = {
	[LINK_REQUIRES] = {SERVICE_REQUIRES, offsetof(struct spec_links, requires)},
	[LINK_WANTS] = {SERVICE_WANTS, offsetof(struct spec_links, wants)},
	[LINK_AFTER] = {SERVICE_AFTER, offsetof(struct spec_links, after)},
	[LINK_BEFORE] = {SERVICE_BEFORE, offsetof(struct spec_links, before)},
	[LINK_CONFLICTS] = {SERVICE_CONFLICTS, offsetof(struct spec_links, conflicts)},
};

static const struct spec_service *service(const struct links *l, size_t i)
{
	return &l->b->spec->services[i];
}

/* Services stand in the order of their sections. */
static const struct value *find_value(
	const struct links *l, size_t service, enum link_kind kind, bool *ret_own)
{
	const struct value *own = section_find(&l->b->services[service], lists[kind].key);

	*ret_own = own;
	return own ? own : section_find(&l->b->defaults, lists[kind].key);
}

const struct value *links_value(const struct links *l, const struct said *s)
{
	bool own;

	return find_value(l, s->service, s->kind, &own);
}

const char *links_name(
	const struct links *l, uint32_t node, char ret_name[static SPEC_INSTANCE_NAME_MAX])
{
	uint32_t s = l->service_of[node];

	return spec_instance_name(service(l, s), node - l->first[s] + 1, ret_name);
}

static void links_fini(struct links *l)
{
	map_fini(&l->names);
	map_fini(&l->told);
	free(l->first);
	free(l->service_of);
	free(l->said);
	free(l->offsets);
	free(l->edges);
}

static int number_nodes(struct links *l)
{
	const struct spec *spec = l->b->spec;
	int r = 0;

	l->first = calloc(spec->n_services + 1, sizeof(*l->first));
	if (!l->first)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_services && r == 0; i++) {
		l->first[i] = l->n_nodes;
		l->n_nodes += MAX_OF(spec->services[i].n_instances, 1U);
		r = map_put(&l->names, spec->services[i].name, i);
	}
	l->first[spec->n_services] = l->n_nodes;
	l->service_of = calloc((size_t)l->n_nodes + 1, sizeof(*l->service_of));
	if (!l->service_of)
		return -ENOMEM;
	for (size_t i = 0; i < spec->n_services && r == 0; i++) {
		for (uint32_t k = l->first[i]; k < l->first[i + 1]; k++)
			l->service_of[k] = (uint32_t)i;
	}
	return r;
}

static uint32_t n_nodes_of(const struct links *l, size_t service)
{
	return l->first[service + 1] - l->first[service];
}

static const char *suggestion(const struct links *l, const char *link)
{
	unsigned best = SUGGESTION_DISTANCE + 1;
	const char *found = NULL;

	if (l->b->errors->n >= CONF_MAX_ERRORS)
		return NULL; /* nobody will read it */
	for (size_t i = 0; i < l->b->spec->n_services; i++) {
		const char *name = service(l, i)->name;
		unsigned d = text_distance(link, strlen(link), name, SUGGESTION_DISTANCE);

		if (d < best) {
			best = d;
			found = name;
		}
	}
	return found;
}

/* In defaults the same name is found again in each service that has them. */
static int tell_unknown(struct links *l, const struct value *v, bool own, const char *link)
{
	const char *near;
	int r = own ? 0 : map_put(&l->told, link, 0);

	if (r < 0)
		return r == -EEXIST ? 0 : r;
	near = suggestion(l, link);
	if (near)
		value_error(l->b->errors, v, "there is no service '%.80s'; did you mean '%s'?",
			link, near);
	else
		value_error(l->b->errors, v, "there is no service '%.80s'", link);
	return 0;
}

/* There is the service, but not this instance of it. */
static void tell_no_instance(
	struct links *l, const struct value *v, const struct spec_service *s, const char *link)
{
	const char *scaled = spec_is_scaled(s) ? " (supctl scale has changed their number)" : "";

	if (!s->has_instances)
		value_error(l->b->errors, v,
			"there is no '%.80s': service '%s' has no instances; allowed: %s", link,
			s->name, s->name);
	else if (s->n_instances == 0)
		value_error(l->b->errors, v, "there is no '%.80s': service '%s' has 0 instances%s",
			link, s->name, scaled);
	else
		value_error(l->b->errors, v, "there is no '%.80s'; allowed: %s, or %s@1 to %s@%u%s",
			link, s->name, s->name, s->name, s->n_instances, scaled);
}

int links_resolve(
	struct links *l, const struct value *v, bool own, const char *link, struct said *ret_said)
{
	const char *at = strchr(link, '@');
	char name[SPEC_NAME_MAX + 1];
	uint64_t instance = 0;
	size_t i, n = at ? (size_t)(at - link) : strlen(link);

	if (n >= sizeof(name))
		return 1; /* told in depend.c */
	memcpy(name, link, n);
	name[n] = '\0';
	if (!map_get(&l->names, name, &i)) {
		int r = tell_unknown(l, v, own, link);

		return r < 0 ? r : 1;
	}
	ret_said->to = l->first[i];
	ret_said->n_to = n_nodes_of(l, i);
	if (!at)
		return 0;
	if (!service(l, i)->has_instances || parse_u64(at + 1, UINT32_MAX, &instance) < 0 ||
		instance < 1 || instance > service(l, i)->n_instances) {
		tell_no_instance(l, v, service(l, i), link);
		return 1;
	}
	ret_said->to += (uint32_t)instance - 1;
	ret_said->n_to = 1;
	return 0;
}

/* 1: too many, which was told. */
static int add_said(struct links *l, const struct value *v, const struct said *s)
{
	l->n_all += (size_t)s->n_to * n_nodes_of(l, s->service);
	if (l->n_all > SPEC_MAX_ALL_LINKS) {
		value_error(l->b->errors, v,
			"more than %d dependencies in all services, from instance to instance",
			SPEC_MAX_ALL_LINKS);
		return 1;
	}
	if (l->n_said == l->said_size) {
		size_t size = l->said_size ? l->said_size * 2 : 64;
		struct said *bigger = reallocarray(l->said, size, sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		l->said = bigger;
		l->said_size = size;
	}
	l->said[l->n_said++] = *s;
	return 0;
}

/* What runs at its times is not there in between, so what requires it would never be either. */
static void check_required(const struct links *l, const struct value *v, const struct said *s)
{
	char name[SPEC_INSTANCE_NAME_MAX];

	if (s->kind == LINK_REQUIRES && service(l, l->service_of[s->to])->policy->scheduled)
		value_error(l->b->errors, v,
			"'%.80s' runs by a schedule, and is not there between its runs; allowed: "
			"wants, after",
			links_name(l, s->to, name));
}

/* 1: what follows is not worth a look. */
static int read_list(struct links *l, size_t i, enum link_kind kind)
{
	char *const *list =
		*(char **const *)((const char *)service(l, i)->links + lists[kind].offset);
	bool own;
	const struct value *v = find_value(l, i, kind, &own);

	for (; list && *list; list++) {
		struct said s = {.service = (uint32_t)i, .kind = kind};
		int r = links_resolve(l, v, own, *list, &s);

		if (r == 0) {
			check_required(l, v, &s);
			r = add_said(l, v, &s);
		} else if (r > 0)
			r = 0;
		if (r != 0)
			return r;
	}
	return 0;
}

static int read_lists(struct links *l)
{
	for (size_t i = 0; i < l->b->spec->n_services; i++) {
		for (int kind = 0; kind < LINK_KIND_MAX; kind++) {
			int r = read_list(l, i, (enum link_kind)kind);

			if (r != 0)
				return r;
		}
	}
	return 0;
}

/* Of all edges that one name makes: counts them, or puts them where they belong. */
static void put_edges(struct links *l, uint32_t said, uint32_t *at, bool only_count)
{
	const struct said *s = &l->said[said];
	uint32_t self = l->first[s->service];
	uint32_t n_self = n_nodes_of(l, s->service);
	bool turned = s->kind == LINK_BEFORE;
	uint32_t from = turned ? s->to : self, n_from = turned ? s->n_to : n_self;
	uint32_t to = turned ? self : s->to, n_to = turned ? n_self : s->n_to;

	if (s->kind == LINK_CONFLICTS)
		return;
	for (uint32_t i = 0; i < n_from; i++) {
		if (only_count) {
			at[from + i] += n_to;
			continue;
		}
		for (uint32_t k = 0; k < n_to; k++)
			l->edges[at[from + i]++] = (struct edge){to + k, said};
	}
}

static int make_edges(struct links *l)
{
	_cleanup_free_
	uint32_t *at = calloc((size_t)l->n_nodes + 1, sizeof(*at));
	uint32_t n = 0;

	l->offsets = calloc((size_t)l->n_nodes + 1, sizeof(*l->offsets));
	l->edges = calloc(l->n_all + 1, sizeof(*l->edges));
	if (!at || !l->offsets || !l->edges)
		return -ENOMEM;
	for (size_t i = 0; i < l->n_said; i++)
		put_edges(l, (uint32_t)i, at, true);
	for (uint32_t i = 0; i <= l->n_nodes; i++) {
		uint32_t n_own = at[i];

		l->offsets[i] = at[i] = n;
		n += n_own;
	}
	for (size_t i = 0; i < l->n_said; i++)
		put_edges(l, (uint32_t)i, at, false);
	return 0;
}

int links_check(struct build *b)
{
	_cleanup_(links_fini) struct links l = {.b = b};
	int r = number_nodes(&l);

	if (r == 0)
		r = links_check_input(&l);
	if (r == 0)
		r = read_lists(&l);
	if (r > 0 || (r == 0 && l.n_said == 0))
		return 0;
	if (r == 0)
		r = make_edges(&l);
	return r < 0 ? r : links_check_order(&l);
}
