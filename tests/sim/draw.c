/*
 * Random histories. Each run draws first what may happen in it at all, and how often (swarm
 * testing): where everything may always happen, nothing ever gets far, since some fault ends
 * each service before it comes to anything rare.
 */
#include <signal.h>
#include <string.h>

#include "base/macro.h"
#include "history.h"

#define SEC  USEC_PER_SEC
#define MSEC USEC_PER_MSEC

#define PICK(random, ...)                                                      \
	({                                                                     \
		static const usec_t _choices[] = {__VA_ARGS__};                \
		_choices[sim_below((random), (uint32_t)ELEMENTSOF(_choices))]; \
	})

struct spec_policy plain_policy(void)
{
	return (struct spec_policy){
		.type = SPEC_TYPE_SIMPLE,
		.restart = SPEC_RESTART_NEVER,
		.success_codes = {1},
		.restart_delay_usec = 100 * MSEC,
		.restart_max_delay_usec = 30 * SEC,
		.restart_limit = 5,
		.restart_window_usec = 60 * SEC,
		.stable_after_usec = 10 * SEC,
		.stop_signal = SIGTERM,
		.stop_timeout_usec = 10 * SEC,
		.ready = SPEC_READY_EXEC,
		.ready_timeout_usec = USEC_INFINITY,
		.hook_timeout_usec = 30 * SEC,
	};
}

static void draw_restart(uint64_t *random, struct spec_policy *p)
{
	p->restart = (enum spec_restart)sim_below(random, SPEC_RESTART_MAX);
	if (sim_rarely(random, 2))
		p->restart = SPEC_RESTART_ALWAYS;
	/* A oneshot that is always started again never comes to rest. */
	if (p->type == SPEC_TYPE_ONESHOT && p->restart == SPEC_RESTART_ALWAYS)
		p->restart = SPEC_RESTART_ON_FAILURE;
	p->success_codes[0] = sim_rarely(random, 4) ? 3 : 1;
	p->restart_delay_usec = PICK(random, 0, 100 * MSEC, 200 * MSEC, SEC);
	p->restart_max_delay_usec = (1 + sim_below(random, 20)) * SEC;
	p->restart_jitter_percent = sim_below(random, 101);
	p->restart_limit = sim_below(random, 5);
	p->restart_window_usec = sim_below(random, 60) * SEC;
	p->stable_after_usec = PICK(random, 0, SEC, 10 * SEC);
}

static void draw_readiness(uint64_t *random, struct spec_policy *p)
{
	p->ready_timeout_usec = PICK(random, SEC, 3 * SEC, 30 * SEC, USEC_INFINITY);
	if (p->type == SPEC_TYPE_ONESHOT)
		return;
	if (sim_rarely(random, 2))
		p->ready = (enum spec_ready)sim_below(random, SPEC_READY_MAX);
	if (sim_rarely(random, 4))
		p->watchdog_usec = PICK(random, 300 * MSEC, 5 * SEC);
	if (sim_rarely(random, 3)) {
		p->health_failures = 1 + sim_below(random, 3);
		p->health_action = (enum spec_action)sim_below(random, SPEC_ACTION_MAX);
	}
}

void draw_settings(uint64_t *random, struct spec_policy *p)
{
	draw_restart(random, p);
	draw_readiness(random, p);
	p->stop_timeout_usec = sim_below(random, 10) * SEC;
	p->stop_kill = (enum spec_kill)sim_below(random, SPEC_KILL_MAX);
	p->hooks = sim_rarely(random, 2) ? sim_below(random, 1U << SPEC_HOOK_MAX) : 0;
	p->hook_timeout_usec = PICK(random, SEC, 5 * SEC, 30 * SEC);
}

void draw_policy(uint64_t *random, bool loner, struct spec_policy *ret_policy)
{
	struct spec_policy p = plain_policy();
	uint32_t kind = sim_below(random, 20);

	if (kind < 5)
		p.type = SPEC_TYPE_ONESHOT;
	else if (kind < 8)
		p.type = SPEC_TYPE_FORKING;
	draw_settings(random, &p);
	p.autostart = !sim_rarely(random, 3);
	p.scheduled = sim_rarely(random, p.type == SPEC_TYPE_ONESHOT ? 3 : 10);
	p.overlap = (enum spec_overlap)sim_below(random, SPEC_OVERLAP_MAX);
	p.essential = !loner && sim_rarely(random, 25);
	*ret_policy = p;
}

/* --- links --- */

static unsigned draw_link_kind(uint64_t *random)
{
	uint32_t kind = sim_below(random, 20);

	if (kind < 9)
		return CORE_LINK_REQUIRES;
	if (kind < 13)
		return CORE_LINK_WANTS;
	return kind < 17 ? CORE_LINK_AFTER : CORE_LINK_CONFLICTS;
}

/* Who depends on whom goes down a random order of all, so there is no circle. */
static void draw_links(uint64_t *random, struct sim_config *c)
{
	static const uint32_t densities[] = {0, 15, 30, 60};
	uint32_t order[SIM_SERVICES], n = 0;
	uint32_t density = densities[sim_below(random, ELEMENTSOF(densities))];

	c->n_links = 0;
	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		uint32_t place = sim_below(random, n + 1);

		if (!c->services[i].used || (c->loner && i == SIM_LONER))
			continue;
		memmove(order + place + 1, order + place, (n - place) * sizeof(order[0]));
		order[place] = i;
		n++;
	}
	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = a + 1; b < n && c->n_links < SIM_LINKS; b++) {
			if (sim_below(random, 100) < density)
				c->links[c->n_links++] = (struct core_link){
					order[a], order[b], draw_link_kind(random)};
		}
	}
}

void draw_graph(uint64_t *random, struct sim_config *c)
{
	draw_links(random, c);
	c->n_pools = sim_below(random, SIM_POOLS + 1);
	for (unsigned i = 0; i < c->n_pools; i++)
		c->slots[i] = 1 + sim_below(random, 2);
	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		bool pooled = c->n_pools > 0 && sim_rarely(random, 3);

		c->services[i].pool = CORE_NO_POOL;
		if (pooled && !(c->loner && i == SIM_LONER))
			c->services[i].pool = sim_below(random, c->n_pools);
	}
	c->max_starting = c->loner || !sim_rarely(random, 3) ? 0 : 1 + sim_below(random, 3);
}

/* --- operations --- */

/* How often each kind is drawn; 0 where a run does without it. */
static void draw_weights(uint64_t *random, uint32_t weights[static OP_MAX])
{
	static const uint32_t requests[] = {0, 8, 16, 32};

	memset(weights, 0, OP_MAX * sizeof(weights[0]));
	for (unsigned k = OP_start; k <= OP_signal; k++)
		weights[k] = requests[sim_below(random, ELEMENTSOF(requests))];
	weights[OP_start] += 16;
	weights[OP_live] = 500 + 100 * sim_below(random, 4);
	weights[OP_time] = 150 + 100 * sim_below(random, 3);
	weights[OP_stale] = sim_rarely(random, 2) ? 60 : 0;
	weights[OP_die] = sim_rarely(random, 2) ? 20 : 0;
	for (unsigned k = OP_policy; k <= OP_add; k++)
		weights[k] = sim_rarely(random, 3) ? 10 : 0;
	weights[OP_add] = weights[OP_remove];
}

static enum sim_operation draw_kind(uint64_t *random, const uint32_t weights[static OP_MAX])
{
	uint32_t total = 0, place;
	unsigned k = 0;

	for (unsigned i = 0; i < OP_MAX; i++)
		total += weights[i];
	place = sim_below(random, total);
	while (place >= weights[k])
		place -= weights[k++];
	return (enum sim_operation)k;
}

static void draw_ops(uint64_t *random, struct history *h)
{
	uint32_t weights[OP_MAX], used[SIM_SERVICES], n_used = 0;
	uint32_t end = h->config.loner || !sim_rarely(random, 3) ? SIM_OPS : 120;

	draw_weights(random, weights);
	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		if (h->config.services[i].used)
			used[n_used++] = i;
	}
	for (h->n_ops = 0; h->n_ops < SIM_OPS; h->n_ops++) {
		struct sim_op *op = &h->ops[h->n_ops];

		op->kind = draw_kind(random, weights);
		op->random = sim_draw(random);
		op->service = used[sim_below(random, n_used)];
		op->cut = 0;
		if (h->faults & FAULT_torn && sim_rarely(random, 20))
			op->cut = 1 + sim_below(random, 4);
		if (op->kind == OP_add &&
			!h->config.loner) /* also in places that were never used */
			op->service = sim_below(random, SIM_SERVICES);
		if (h->n_ops >= end && sim_rarely(random, 20))
			op->kind = sim_rarely(random, 3) ? OP_hurry : OP_shutdown;
	}
}

void draw_history(uint64_t seed, struct history *h)
{
	uint64_t state = seed * UINT64_C(0x2545F4914F6CDD1D), *random = &state;
	uint32_t n = 1 + sim_below(random, SIM_SERVICES - 1);

	h->seed = seed;
	h->faults = (unsigned)sim_draw(random) & ((1U << FAULT_MAX) - 1);
	if (sim_rarely(random, 4)) /* half of them are many: fewer come further */
		h->faults &= (unsigned)sim_draw(random);
	h->clock = (1 + sim_below(random, 1000)) * SEC;
	if (sim_rarely(random, 3)) /* milliseconds of 32 bits wrap on the way */
		h->clock = (UINT64_C(1) << 32) * MSEC - sim_below(random, 300) * SEC;
	h->config = (struct sim_config){.loner = sim_rarely(random, 4)};
	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		struct sim_service *s = &h->config.services[i];

		s->used = i == SIM_LONER ? h->config.loner : i < n;
		s->pool = CORE_NO_POOL;
		draw_policy(random, i == SIM_LONER && h->config.loner, &s->policy);
		if (h->config.loner)
			s->policy.essential = false; /* it would end the loner, too */
	}
	draw_graph(random, &h->config);
	draw_ops(random, h);
}
