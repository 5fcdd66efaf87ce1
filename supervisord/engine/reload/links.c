/*
 * A name means a service, or all instances of a definition. All names are sorted once: what
 * begins with "web@" then stands together, so each name in a list costs a bisection and as many
 * steps as it has instances.
 *
 * Services that are not configured any more keep their links among each other and to the rest,
 * so that they too are stopped in order. Nobody that stays needs them: the name of a definition
 * means the instances that it has from now on.
 */
#include "engine/reload/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct named {
	const char *name;
	uint32_t id;
	const struct spec_service *spec; /* whose links are its own */
	bool stays;
};

struct names {
	struct named *items; /* owned; sorted by name */
	uint32_t n;
};

struct links {
	struct core_link *items; /* owned */
	size_t n, room;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int names_init(struct names *names, const struct engine *e, const struct roster *roster,
	const struct services_addition *addition)
{
	uint32_t n_more = addition ? addition->n : 0;

	names->items = calloc(e->n_services + n_more + 1, sizeof(*names->items));
	if (!names->items)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->n_services + n_more; i++) {
		const struct service *s =
			i < e->n_services ? e->services[i] : addition->services[i - e->n_services];
		const struct roster_entry *x = roster_find(roster, s->name);

		names->items[names->n++] =
			(struct named){s->name, s->id, x ? x->spec : s->spec, x != NULL};
	}
	qsort(names->items, names->n, sizeof(*names->items), compare);
	return 0;
}

/* The first name that is not before text, by its first length characters. */
static uint32_t find(const struct names *names, const char *text, size_t length)
{
	uint32_t low = 0, high = names->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strncmp(names->items[middle].name, text, length) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int add(struct links *links, uint32_t from, uint32_t to, unsigned kinds)
{
	if (from == to)
		return 0; /* by a list in defaults */
	if (links->n == links->room) {
		size_t room = links->room ? 2 * links->room : 64;
		struct core_link *items = reallocarray(links->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		links->items = items;
		links->room = room;
	}
	links->items[links->n++] = (struct core_link){from, to, kinds};
	return 0;
}

struct kind {
	unsigned kinds;
	bool reversed; /* the other one comes after this one */
};

static int add_target(
	struct links *links, const struct named *from, const struct named *to, const struct kind *k)
{
	unsigned kinds = k->kinds;

	if (from->spec == to->spec && from->stays == to->stays)
		return 0; /* instances of one definition don't wait for each other */
	if (from->stays && !to->stays && kinds == CORE_LINK_REQUIRES)
		kinds = CORE_LINK_AFTER;
	return k->reversed ? add(links, to->id, from->id, kinds)
			   : add(links, from->id, to->id, kinds);
}

static int add_name(const struct names *names, struct links *links, const struct named *from,
	const char *text, const struct kind *k)
{
	char prefix[SPEC_INSTANCE_NAME_MAX + 1];
	size_t length = strlen(text);
	uint32_t i = find(names, text, length + 1);
	int r = 0;

	if (i < names->n && strcmp(names->items[i].name, text) == 0) {
		r = add_target(links, from, &names->items[i], k);
		/* where it goes, the same name may mean instances now */
		if (r < 0 || names->items[i].stays || !from->stays)
			return r;
	}
	if (length >= SPEC_INSTANCE_NAME_MAX)
		return 0;
	memcpy(prefix, text, length);
	prefix[length++] = '@';
	for (i = find(names, prefix, length); i < names->n && r == 0; i++) {
		if (strncmp(names->items[i].name, prefix, length) != 0)
			break;
		r = add_target(links, from, &names->items[i], k);
	}
	return r;
}

static int add_list(const struct names *names, struct links *links, const struct named *from,
	char *const *list, struct kind k)
{
	int r = 0;

	for (; list && *list && r == 0; list++)
		r = add_name(names, links, from, *list, &k);
	return r;
}

static int add_links(const struct names *names, struct links *links, const struct named *from)
{
	const struct spec_service *s = from->spec;
	int r = add_list(
		names, links, from, s->links->requires, (struct kind){CORE_LINK_REQUIRES, false});

	if (r == 0)
		r = add_list(
			names, links, from, s->links->wants, (struct kind){CORE_LINK_WANTS, false});
	if (r == 0)
		r = add_list(
			names, links, from, s->links->after, (struct kind){CORE_LINK_AFTER, false});
	if (r == 0)
		r = add_list(
			names, links, from, s->links->before, (struct kind){CORE_LINK_AFTER, true});
	if (r == 0)
		r = add_list(names, links, from, s->links->conflicts,
			(struct kind){CORE_LINK_CONFLICTS, false});
	return r;
}

/* --- pools --- */

static uint32_t pool_of(const struct spec *spec, const struct spec_service *s)
{
	for (size_t p = 0; s->links->pool && p < spec->n_pools; p++) {
		if (strcmp(spec->pools[p].name, s->links->pool) == 0)
			return (uint32_t)p;
	}
	return CORE_NO_POOL;
}

/* In one array: each service's pool, then the slots of each pool. */
static uint32_t *make_pools(const struct engine *e, const struct spec *spec, const struct names *n)
{
	uint32_t *pools = calloc((size_t)e->n_ids + spec->n_pools + 1, sizeof(*pools));

	if (!pools)
		return NULL;
	for (uint32_t i = 0; i < e->n_ids; i++)
		pools[i] = CORE_NO_POOL;
	for (uint32_t i = 0; i < n->n; i++)
		pools[n->items[i].id] = pool_of(spec, n->items[i].spec);
	for (size_t p = 0; p < spec->n_pools; p++)
		pools[e->n_ids + p] = spec->pools[p].slots;
	return pools;
}

/* --- all of it --- */

static int make(const struct engine *e, const struct spec *spec, const struct names *names,
	bool all, struct core_graph **ret_graph)
{
	struct links links = {0};
	_cleanup_free_
	uint32_t *pools = make_pools(e, spec, names);
	int r = pools ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < names->n && r == 0; i++) {
		if (all || names->items[i].stays)
			r = add_links(names, &links, &names->items[i]);
	}
	if (r == 0 && links.n == 0 && spec->n_pools == 0)
		*ret_graph = NULL; /* nobody depends on anybody: that takes no memory */
	else if (r == 0)
		r = core_graph_new(e->n_ids, links.items, links.n, pools, pools + e->n_ids,
			(uint32_t)spec->n_pools, ret_graph);
	free(links.items);
	return r;
}

int links_make(const struct engine *e, const struct spec *spec, const struct roster *roster,
	const struct services_addition *addition, struct core_graph **ret_graph)
{
	struct names names = {0};
	int r = names_init(&names, e, roster, addition);

	if (r == 0)
		r = make(e, spec, &names, true, ret_graph);
	/* Services of several configurations that are being left may not agree about their order.
	 */
	if (r == -ELOOP)
		r = make(e, spec, &names, false, ret_graph);
	free(names.items);
	return r;
}

static int compare_ranks(const void *a, const void *b, void *context)
{
	const struct service *x = *(struct service *const *)a, *y = *(struct service *const *)b;
	const struct engine *e = context;
	uint32_t p = core_rank(e->core, x->id), q = core_rank(e->core, y->id);

	if (p != q)
		return p < q ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

void links_sort(const struct engine *e, struct service **services, uint32_t n, bool down)
{
	for (uint32_t i = 0; i < n; i++)
		services[i]->place = i;
	qsort_r(services, n, sizeof(services[0]), compare_ranks, (void *)e);
	for (uint32_t i = 0; down && i < n / 2; i++) {
		struct service *s = services[i];

		services[i] = services[n - 1 - i];
		services[n - 1 - i] = s;
	}
}
