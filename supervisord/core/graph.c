/*
 * Who depends on whom, as arrays that are made once for each configuration: the links of each
 * service down to what it depends on, and up to those that depend on it, the rank that follows
 * from them, and the pools. What changes with states is kept as counters, so that "may it stop
 * now?" costs the same for a service that thousands depend on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/state.h"

void core_graph_free(struct core_graph *g)
{
	if (!g)
		return;
	free(g->down);
	free(g->edges);
	free(g->rank);
	free(g->pool_of);
	free(g->pools);
	free(g->users);
	free(g->walks);
	free(g);
}

static struct core_graph *allocate(uint32_t n, size_t n_links, uint32_t n_pools)
{
	struct core_graph *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->n = n;
	g->n_pools = n_pools;
	g->down = calloc(2 * ((size_t)n + 1), sizeof(*g->down));
	/* a link has two ends; one that orders and conflicts at once counts twice */
	g->edges = calloc(n_links > 0 ? 4 * n_links : 1, sizeof(*g->edges));
	g->rank = calloc(2 * ((size_t)n + 1), sizeof(*g->rank));
	g->pool_of = calloc(n > 0 ? n : 1, sizeof(*g->pool_of));
	g->pools = calloc(n_pools > 0 ? n_pools : 1, sizeof(*g->pools));
	g->users = calloc(n > 0 ? n : 1, sizeof(*g->users));
	g->walks = calloc(n > 0 ? n : 1, sizeof(*g->walks));
	if (!g->down || !g->edges || !g->rank || !g->pool_of || !g->pools || !g->users ||
		!g->walks) {
		core_graph_free(g);
		return NULL;
	}
	g->up = g->down + n + 1;
	g->by_rank = g->rank + n + 1;
	return g;
}

/* A conflict is down at both of its ends. */
static void each_end(const struct core_link *l,
	void (*f)(struct core_graph *g, uint32_t *offsets, uint32_t at, struct core_edge e),
	struct core_graph *g)
{
	unsigned order = l->kinds & ~(unsigned)CORE_LINK_CONFLICTS;

	if (is_ordering(order)) {
		f(g, g->down, l->from, (struct core_edge){l->to, order});
		f(g, g->up, l->to, (struct core_edge){l->from, order});
	}
	if (l->kinds & CORE_LINK_CONFLICTS) {
		f(g, g->down, l->from, (struct core_edge){l->to, CORE_LINK_CONFLICTS});
		f(g, g->down, l->to, (struct core_edge){l->from, CORE_LINK_CONFLICTS});
	}
}

static void count(struct core_graph *g, uint32_t *offsets, uint32_t at, struct core_edge e)
{
	(void)g;
	(void)e;
	offsets[at]++;
}

/* Offsets point behind each service's edges here, and at them when all are in. */
static void put(struct core_graph *g, uint32_t *offsets, uint32_t at, struct core_edge e)
{
	g->edges[--offsets[at]] = e;
}

static void fill(struct core_graph *g, const struct core_link *links, size_t n_links)
{
	uint32_t sum = 0;

	for (size_t k = 0; k < n_links; k++)
		each_end(&links[k], count, g);
	for (uint32_t i = 0; i <= g->n; i++)
		g->down[i] = sum += i < g->n ? g->down[i] : 0;
	for (uint32_t i = 0; i <= g->n; i++)
		g->up[i] = sum += i < g->n ? g->up[i] : 0;
	for (size_t k = n_links; k-- > 0;)
		each_end(&links[k], put, g);
}

/*
 * Ranks in the order in which services can be started, those that depend on nobody first.
 * Each is taken once all it depends on are, so what is left over goes round in a circle.
 */
static int set_ranks(struct core_graph *g)
{
	uint32_t *missing = calloc((size_t)g->n + 1, sizeof(*missing));
	uint32_t *order = g->by_rank;
	uint32_t n_taken = 0, n_found = 0;

	if (!missing)
		return -ENOMEM;
	for (uint32_t i = 0; i < g->n; i++) {
		graph_foreach (g, down, i, e)
			missing[i] += is_ordering(e->kinds);
		if (missing[i] == 0)
			order[n_found++] = i;
	}
	for (; n_taken < n_found; n_taken++) {
		g->rank[order[n_taken]] = n_taken;
		graph_foreach (g, up, order[n_taken], e) {
			if (--missing[e->other] == 0)
				order[n_found++] = e->other;
		}
	}
	free(missing);
	return n_found == g->n ? 0 : -ELOOP;
}

int core_graph_new(uint32_t n_services, const struct core_link *links, size_t n_links,
	const uint32_t *pool_of, const uint32_t *slots, uint32_t n_pools,
	struct core_graph **ret_graph)
{
	struct core_graph *g = allocate(n_services, n_links, n_pools);
	int r;

	if (!g)
		return -ENOMEM;
	fill(g, links, n_links);
	for (uint32_t i = 0; i < n_services; i++)
		g->pool_of[i] = pool_of ? pool_of[i] : CORE_NO_POOL;
	for (uint32_t p = 0; p < n_pools; p++)
		g->pools[p] = (struct core_pool){slots[p], 0, {NO_SERVICE, NO_SERVICE}};
	r = set_ranks(g);
	if (r < 0) {
		core_graph_free(g);
		return r;
	}
	*ret_graph = g;
	return 0;
}

const struct core_users *graph_users(const struct core *c, uint32_t i)
{
	static const struct core_users nobody;

	return c->graph && i < c->graph->n ? &c->graph->users[i] : &nobody;
}

struct core_pool *graph_pool(const struct core *c, uint32_t i)
{
	struct core_graph *g = c->graph;

	return g && i < g->n && g->pool_of[i] != CORE_NO_POOL ? &g->pools[g->pool_of[i]] : NULL;
}

bool graph_holds_slot(enum core_state state, enum core_why why)
{
	return core_is_live_state(state) || (state == CORE_WAITING && why == CORE_WHY_SLOT);
}

void graph_count(struct core *c, uint32_t i, enum core_state from, enum core_state to)
{
	uint32_t live = (uint32_t)core_is_live_state(to) - (uint32_t)core_is_live_state(from);
	uint32_t stopping = (uint32_t)(to == CORE_STOPPING) - (uint32_t)(from == CORE_STOPPING);

	if (live == 0 && stopping == 0)
		return;
	graph_foreach (c->graph, down, i, e) {
		struct core_users *u = &c->graph->users[e->other];

		if (!is_ordering(e->kinds))
			continue;
		u->n_requiring += e->kinds & CORE_LINK_REQUIRES ? live : 0;
		u->n_after += live;
		u->n_stopping += stopping;
		if (u->n_after == 0)
			shutdown_freed(c, e->other);
	}
}

/* Those that wait in a line of the old graph, or of none, in the new one's, where they meet. */
static void move_line(struct core *c, struct core_list *from)
{
	while (from->first != NO_SERVICE) {
		uint32_t i = from->first;
		struct core_pool *pool = graph_pool(c, i);

		core_list_drop(c, from, i);
		core_list_insert(c, pool ? &pool->waiting : &c->unpooled, i);
	}
}

void core_set_graph(struct core *c, struct core_graph *g)
{
	struct core_graph *old = c->graph;
	struct core_list unpooled = c->unpooled;

	c->graph = g;
	c->unpooled = (struct core_list){NO_SERVICE, NO_SERVICE};
	for (uint32_t p = 0; old && p < old->n_pools; p++)
		move_line(c, &old->pools[p].waiting);
	move_line(c, &unpooled);
	if (g)
		memset(g->users, 0, g->n * sizeof(*g->users));
	for (uint32_t i = 0; i < c->n; i++) {
		const struct core_record *r = &c->slots[i].record;
		struct core_pool *pool = graph_pool(c, i);

		if (!c->slots[i].policy)
			continue;
		graph_count(c, i, CORE_STOPPED, (enum core_state)r->state);
		if (pool && graph_holds_slot((enum core_state)r->state, (enum core_why)r->why))
			pool->n_used++;
	}
	core_graph_free(old);
}

uint32_t core_rank(const struct core *c, uint32_t service)
{
	return c->graph && service < c->graph->n ? c->graph->rank[service] : 0;
}

bool core_link(
	const struct core *c, uint32_t service, bool up, uint32_t i, struct core_link *ret_link)
{
	const struct core_graph *g = c->graph;
	const struct core_edge *e = graph_begin(g, g ? (up ? g->up : g->down) : NULL, service);

	if (!e || i >= (uint32_t)(graph_end(g, up ? g->up : g->down, service) - e))
		return false;
	e += i;
	*ret_link = up ? (struct core_link){e->other, service, e->kinds}
		       : (struct core_link){service, e->other, e->kinds};
	return true;
}
