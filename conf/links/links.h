/* What services say about each other, from instance to instance. Only links*.c use it. */
#pragma once

#include <stdint.h>

#include "conf/build.h"
#include "conf/values/map.h"

enum link_kind {
	LINK_REQUIRES,
	LINK_WANTS,
	LINK_AFTER,
	LINK_BEFORE,
	LINK_CONFLICTS,
	LINK_KIND_MAX
};

/* One name in one list: what stands in the configuration. Nodes are instances. */
struct said {
	uint32_t service; /* whose list it is */
	enum link_kind kind;
	uint32_t to, n_to; /* the nodes that are meant */
};

/* The node waits for another one. */
struct edge {
	uint32_t to;
	uint32_t said; /* which says so; LINK_BEFORE is said by the other one */
};

struct links {
	struct build *b;
	struct map names; /* of services -> index */
	struct map told; /* names in defaults that are told already */
	/*
	 * The first node of each service, and the end of the last. One with 0 instances has a node,
	 * too: it may get some while supervisord runs, by scale.
	 */
	uint32_t *first;
	uint32_t *service_of; /* of each node */
	uint32_t n_nodes;
	struct said *said;
	size_t n_said, said_size;
	size_t n_all; /* said, from instance to instance */
	uint32_t *offsets; /* of each node's edges, and their end */
	struct edge *edges;
};

/* The value in which it stands. */
const struct value *links_value(const struct links *l, const struct said *s);

/*
 * The nodes that a name in a value means, into to and n_to; own: it is the service's own value, not
 * that of defaults, whose names are told once, and have to stay. 1: there are none, which was told;
 * -ENOMEM.
 */
int links_resolve(
	struct links *l, const struct value *v, bool own, const char *link, struct said *ret_said);

/* conf/links/links_input.c: looks for the services whose output others read. 0 or -ENOMEM. */
int links_check_input(struct links *l);

/*
 * conf/links/links_order.c: tells circles of services that wait for each other. Then, where there
 * is none, services that need what conflicts. 0 or -ENOMEM.
 */
int links_check_order(const struct links *l);

/* conf/links/links_conflict.c: order is of all nodes, what a node waits for before it. */
int links_check_conflicts(const struct links *l, const uint32_t *order);

/*
 * The shortest way from one node to another one (which may be the same: then a circle) by edges
 * that are allowed. Appends "'a' requires 'b' (FILE:LINE), …" to text, and sets where the first of
 * them stands. 0; -ENOENT where there is none; -ENOMEM.
 */
int links_tell_way(const struct links *l, uint32_t from, uint32_t to,
	bool (*is_allowed)(const struct links *l, const struct edge *e), struct buf *text,
	struct spec_place *ret_first);

/* "web", or "web@2": as messages call a node. Returns ret_name. */
const char *links_name(
	const struct links *l, uint32_t node, char ret_name[static SPEC_INSTANCE_NAME_MAX]);
