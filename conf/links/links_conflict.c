/*
 * Services that conflict, and yet are needed by the same one (which may be one of the two):
 * that one can never run. Who needs what is a matter of requires and wants, through any number of
 * others, so reachability is what is asked for. It is found for 64 services at a time, which have
 * a bit each: one walk along the order collects what every node needs, one back hands that down,
 * so that a node knows what those need who need it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/links/links.h"
#include "conf/text/errors.h"

#define BITS 64

/* Conflicts by the node that is named: who names it, and in which list. */
struct conflict {
	uint32_t node, said;
};

struct search {
	const struct links *l;
	const uint32_t *order;
	uint64_t *needs; /* bits of those that the node needs, itself among them */
	uint64_t *along; /* bits of those that run whenever the node is needed by what needs it */
	uint32_t *offsets; /* into conflicts, by the node that is named */
	struct conflict *conflicts;
	bool *told; /* of each said */
};

static void search_fini(struct search *s)
{
	free(s->needs);
	free(s->along);
	free(s->offsets);
	free(s->conflicts);
	free(s->told);
}

static bool is_need(const struct links *l, const struct edge *e)
{
	enum link_kind kind = l->said[e->said].kind;

	return kind == LINK_REQUIRES || kind == LINK_WANTS;
}

/* Sorts conflicts by the node that is named, by counting. */
static int collect(struct search *s)
{
	const struct links *l = s->l;
	_cleanup_free_
	uint32_t *at = calloc((size_t)l->n_nodes + 1, sizeof(*at));
	uint32_t n = 0;

	s->offsets = calloc((size_t)l->n_nodes + 1, sizeof(*s->offsets));
	s->conflicts = calloc(l->n_all + 1, sizeof(*s->conflicts));
	if (!at || !s->offsets || !s->conflicts)
		return -ENOMEM;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < l->n_said; i++) {
			const struct said *said = &l->said[i];
			uint32_t from = l->first[said->service];
			uint32_t end = l->first[said->service + 1];

			if (said->kind != LINK_CONFLICTS)
				continue;
			for (uint32_t k = 0; k < said->n_to; k++) {
				if (pass == 0)
					at[said->to + k] += end - from;
				for (uint32_t f = from; pass == 1 && f < end; f++)
					s->conflicts[at[said->to + k]++] =
						(struct conflict){f, (uint32_t)i};
			}
		}
		for (uint32_t i = 0; pass == 0 && i <= l->n_nodes; i++) {
			uint32_t n_own = at[i];

			s->offsets[i] = at[i] = n;
			n += n_own;
		}
	}
	return 0;
}

/* Adds to each node the bits of what it needs. */
static void gather(const struct search *s, uint64_t *bits)
{
	const struct links *l = s->l;

	for (uint32_t i = 0; i < l->n_nodes; i++) {
		uint32_t node = s->order[i];

		for (uint32_t k = l->offsets[node]; k < l->offsets[node + 1]; k++) {
			if (is_need(l, &l->edges[k]))
				bits[node] |= bits[l->edges[k].to];
		}
	}
}

/* Adds to each node the bits of those who need it. */
static void hand_down(const struct search *s, uint64_t *bits)
{
	const struct links *l = s->l;

	for (uint32_t i = l->n_nodes; i > 0; i--) {
		uint32_t node = s->order[i - 1];

		for (uint32_t k = l->offsets[node]; k < l->offsets[node + 1]; k++) {
			if (is_need(l, &l->edges[k]))
				bits[l->edges[k].to] |= bits[node];
		}
	}
}

/* The first one in order that needs them both. It exists. */
static int find_needer(const struct search *s, uint32_t a, uint32_t b, uint32_t *ret_node)
{
	_cleanup_free_
	uint64_t *bits = calloc(s->l->n_nodes, sizeof(*bits));

	if (!bits)
		return -ENOMEM;
	bits[a] = 1;
	bits[b] = 2;
	gather(s, bits);
	for (uint32_t i = 0; i < s->l->n_nodes; i++) {
		if (bits[s->order[i]] != 3)
			continue;
		*ret_node = s->order[i];
		return 0;
	}
	return -ENOENT;
}

static int tell(const struct search *s, const struct conflict *c, uint32_t named)
{
	const struct links *l = s->l;
	const struct value *v = links_value(l, &l->said[c->said]);
	char names[3][SPEC_INSTANCE_NAME_MAX];
	_cleanup_buf_ struct buf text = {0};
	struct spec_place place;
	uint32_t needer = 0;
	int r = find_needer(s, c->node, named, &needer);

	if (r == 0 && needer != c->node)
		r = links_tell_way(l, needer, c->node, is_need, &text, &place);
	if (r == 0 && text.len > 0 && needer != named)
		r = buf_printf(&text, ", ");
	if (r == 0 && needer != named)
		r = links_tell_way(l, needer, named, is_need, &text, &place);
	if (r == 0)
		r = buf_append(&text, SIZE_MAX, "", 1);
	if (r < 0)
		return r;
	links_name(l, c->node, names[0]);
	links_name(l, named, names[1]);
	links_name(l, needer, names[2]);
	conf_errors_add(l->b->errors, v->place,
		"'conflicts' in %s: '%s' and '%s' never run together, but '%s' needs %s%s%s: %s",
		v->where, names[0], names[1], names[2],
		needer == c->node || needer == named ? "'" : "both",
		needer == c->node ? names[1]
		: needer == named ? names[0]
				  : "",
		needer == c->node || needer == named ? "'" : "", text.data);
	return 0;
}

/* Up to 64 nodes that are named. */
static int check_batch(struct search *s, const uint32_t *named, size_t n)
{
	uint32_t n_nodes = s->l->n_nodes;
	int r = 0;

	memset(s->needs, 0, n_nodes * sizeof(*s->needs));
	for (size_t i = 0; i < n; i++)
		s->needs[named[i]] |= UINT64_C(1) << i;
	gather(s, s->needs);
	memcpy(s->along, s->needs, n_nodes * sizeof(*s->along));
	hand_down(s, s->along);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = s->offsets[named[i]]; k < s->offsets[named[i] + 1] && r == 0;
			k++) {
			const struct conflict *c = &s->conflicts[k];

			if (!(s->along[c->node] >> i & 1) || s->told[c->said])
				continue;
			s->told[c->said] = true;
			if (s->l->b->errors->n < CONF_MAX_ERRORS)
				r = tell(s, c, named[i]);
			else
				s->l->b->errors->truncated = true;
		}
	}
	return r;
}

int links_check_conflicts(const struct links *l, const uint32_t *order)
{
	_cleanup_(search_fini) struct search s = {
		.l = l,
		.order = order,
		.needs = calloc((size_t)l->n_nodes + 1, sizeof(*s.needs)),
		.along = calloc((size_t)l->n_nodes + 1, sizeof(*s.along)),
		.told = calloc(l->n_said + 1, sizeof(*s.told)),
	};
	uint32_t named[BITS];
	size_t n = 0;
	int r = s.needs && s.along && s.told ? collect(&s) : -ENOMEM;

	for (uint32_t i = 0; i < l->n_nodes && r == 0; i++) {
		if (s.offsets[i] < s.offsets[i + 1])
			named[n++] = i;
		if (n == BITS) {
			r = check_batch(&s, named, n);
			n = 0;
		}
	}
	return r == 0 && n > 0 ? check_batch(&s, named, n) : r;
}
