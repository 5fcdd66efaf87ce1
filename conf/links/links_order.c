/*
 * Circles. Services that wait for each other form strongly connected components, found by
 * Tarjan's algorithm with a stack of its own: as deep as there are services, so no recursion.
 * For each component one circle is told, the shortest one through its first service.
 *
 * The same walk yields an order in which everything comes after what it waits for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/links/links.h"
#include "conf/text/errors.h"

#define NONE	 UINT32_MAX
#define MAX_TOLD 24 /* links of a circle; of a longer one its middle is left out */

struct tarjan {
	const struct links *l;
	uint32_t *seen; /* when the walk came to the node, from 1; 0: not yet */
	uint32_t *low; /* the earliest one that it leads back to */
	uint32_t *next; /* the edge to look at next */
	uint32_t *component; /* the node that the walk came to first; NONE: not known yet */
	uint32_t *stack, n_stack; /* nodes without a component */
	uint32_t *path, n_path; /* from where the walk began to where it is */
	uint32_t *order, n_order;
	uint32_t n_seen;
	bool has_circle;
};

static void tarjan_fini(struct tarjan *t)
{
	free(t->seen);
	free(t->low);
	free(t->next);
	free(t->component);
	free(t->stack);
	free(t->path);
	free(t->order);
}

static int tarjan_init(struct tarjan *t, const struct links *l)
{
	size_t n = (size_t)l->n_nodes + 1;

	*t = (struct tarjan){
		.l = l,
		.seen = calloc(n, sizeof(uint32_t)),
		.low = calloc(n, sizeof(uint32_t)),
		.next = calloc(n, sizeof(uint32_t)),
		.component = calloc(n, sizeof(uint32_t)),
		.stack = calloc(n, sizeof(uint32_t)),
		.path = calloc(n, sizeof(uint32_t)),
		.order = calloc(n, sizeof(uint32_t)),
	};
	if (!t->seen || !t->low || !t->next || !t->component || !t->stack || !t->path || !t->order)
		return -ENOMEM;
	memset(t->component, 0xff, n * sizeof(uint32_t));
	return 0;
}

static void enter(struct tarjan *t, uint32_t node)
{
	t->seen[node] = t->low[node] = ++t->n_seen;
	t->next[node] = t->l->offsets[node];
	t->stack[t->n_stack++] = node;
	t->path[t->n_path++] = node;
}

/* All edges of the node have been looked at. */
static void leave(struct tarjan *t, uint32_t node)
{
	uint32_t member;

	t->n_path--;
	if (t->n_path > 0) {
		uint32_t *low = &t->low[t->path[t->n_path - 1]];

		*low = MIN_OF(*low, t->low[node]);
	}
	if (t->low[node] != t->seen[node])
		return;
	do {
		member = t->stack[--t->n_stack];
		t->component[member] = node;
		t->order[t->n_order++] = member;
		t->has_circle = t->has_circle || member != node;
	} while (member != node);
}

static void walk_from(struct tarjan *t, uint32_t start)
{
	enter(t, start);
	while (t->n_path > 0) {
		uint32_t node = t->path[t->n_path - 1], to;

		if (t->next[node] == t->l->offsets[node + 1]) {
			leave(t, node);
			continue;
		}
		to = t->l->edges[t->next[node]++].to;
		if (t->seen[to] == 0)
			enter(t, to);
		else if (t->component[to] == NONE)
			t->low[node] = MIN_OF(t->low[node], t->seen[to]);
	}
}

static int tell_link(const struct links *l, struct buf *text, uint32_t from, const struct edge *e,
	const char *comma)
{
	static const char *const verbs[LINK_KIND_MAX] = {
		[LINK_REQUIRES] = "requires",
		[LINK_WANTS] = "wants",
		[LINK_AFTER] = "is after",
		[LINK_BEFORE] = "is before",
		[LINK_CONFLICTS] = "conflicts with",
	};
	const struct said *s = &l->said[e->said];
	struct spec_place place = links_value(l, s)->place;
	char names[2][SPEC_INSTANCE_NAME_MAX];
	bool turned = s->kind == LINK_BEFORE;

	return buf_printf(text, "%s'%s' %s '%s' (%.256s:%u)", comma,
		links_name(l, turned ? e->to : from, names[0]), verbs[s->kind],
		links_name(l, turned ? from : e->to, names[1]), place.file, place.line);
}

/* Breadth first; by[n] is the edge by which node n was reached, from[n] where that begins. */
static bool find_way(const struct links *l, uint32_t start, uint32_t end, uint32_t *by,
	uint32_t *from, uint32_t *queue,
	bool (*is_allowed)(const struct links *l, const struct edge *e))
{
	uint32_t n = 0;

	memset(by, 0xff, l->n_nodes * sizeof(*by));
	queue[n++] = start;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t node = queue[i];

		for (uint32_t k = l->offsets[node]; k < l->offsets[node + 1]; k++) {
			uint32_t to = l->edges[k].to;

			if (by[to] != NONE || !is_allowed(l, &l->edges[k]))
				continue;
			by[to] = k;
			from[to] = node;
			if (to == end)
				return true;
			if (to != start)
				queue[n++] = to;
		}
	}
	return false;
}

int links_tell_way(const struct links *l, uint32_t from, uint32_t to,
	bool (*is_allowed)(const struct links *l, const struct edge *e), struct buf *text,
	struct spec_place *ret_first)
{
	_cleanup_free_
	uint32_t *by = calloc((size_t)l->n_nodes, sizeof(uint32_t));
	_cleanup_free_
	uint32_t *parent = calloc((size_t)l->n_nodes, sizeof(uint32_t));
	_cleanup_free_
	uint32_t *way = calloc((size_t)l->n_nodes + 1, sizeof(uint32_t));
	uint32_t n = 0, node = to;
	int r = 0;

	if (!by || !parent || !way)
		return -ENOMEM;
	if (!find_way(l, from, to, by, parent, way, is_allowed))
		return -ENOENT;
	do { /* backwards; the queue has done its work */
		way[n++] = node;
		node = parent[node];
	} while (node != from);
	*ret_first = links_value(l, &l->said[l->edges[by[way[n - 1]]].said])->place;
	for (uint32_t i = n; i > 0 && r == 0; i--) {
		uint32_t left = i - 1;

		if (n > MAX_TOLD && n - i == MAX_TOLD / 2) {
			r = buf_printf(text, ", … %u more …", n - MAX_TOLD);
			left = MAX_TOLD / 2 - 1;
			i = left + 1;
		}
		if (r == 0)
			r = tell_link(l, text, parent[way[left]], &l->edges[by[way[left]]],
				i == n ? "" : ", ");
	}
	return r;
}

static bool is_any(const struct links *l _unused_, const struct edge *e _unused_)
{
	return true;
}

static int tell_circle(const struct links *l, uint32_t node)
{
	_cleanup_buf_ struct buf text = {0};
	struct spec_place place;
	int r = links_tell_way(l, node, node, is_any, &text, &place);

	if (r == 0)
		r = buf_append(&text, SIZE_MAX, "", 1);
	if (r == 0)
		conf_errors_add(l->b->errors, place, "services wait for each other in a circle: %s",
			text.data);
	return r;
}

/* One circle of each component, in the order of the configuration. */
static int tell_circles(struct tarjan *t)
{
	bool *told;
	int r = 0;

	told = calloc((size_t)t->l->n_nodes + 1, sizeof(*told));
	if (!told)
		return -ENOMEM;
	/* the low mark has done its work: how many nodes a component has */
	memset(t->low, 0, t->l->n_nodes * sizeof(*t->low));
	for (uint32_t i = 0; i < t->l->n_nodes; i++)
		t->low[t->component[i]]++;
	for (uint32_t i = 0; i < t->l->n_nodes && r == 0; i++) {
		uint32_t c = t->component[i];

		if (t->low[c] == 1 || told[c])
			continue;
		told[c] = true;
		if (t->l->b->errors->n < CONF_MAX_ERRORS)
			r = tell_circle(t->l, i);
		else
			t->l->b->errors->truncated = true;
	}
	free(told);
	return r;
}

int links_check_order(const struct links *l)
{
	_cleanup_(tarjan_fini) struct tarjan t;
	int r = tarjan_init(&t, l);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < l->n_nodes; i++) {
		if (t.seen[i] == 0)
			walk_from(&t, i);
	}
	return t.has_circle ? tell_circles(&t) : links_check_conflicts(l, t.order);
}
