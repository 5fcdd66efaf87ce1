/*
 * A history beside itself: once more with another origin of the clock, or with the loner alone.
 * After every operation the records are the same, but for what the difference is about.
 */
#include "twin.h"
#include "base/macro.h"

#define SHIFT (UINT64_C(0x123456789) * USEC_PER_MSEC)

/* The other services are not there, nor anything that happens to them. */
static void leave_alone(struct history *h)
{
	for (uint32_t i = 0; i < SIM_LONER; i++)
		h->config.services[i].used = false;
	h->config.n_links = h->config.n_pools = 0;
	for (unsigned k = 0; k < h->n_ops; k++) {
		if (h->ops[k].service != SIM_LONER)
			h->ops[k].cut = 0;
	}
}

static bool compare(struct world *w, const struct history *h, const struct twin_step *steps,
	struct twin_step *others, enum invariant invariant)
{
	struct world twin = {.told = NULL,
		.alone = invariant == INV_LONER,
		.shift = invariant == INV_CLOCK ? SHIFT : 0,
		.follow = invariant == INV_LONER ? steps : NULL,
		.steps = others};
	bool ok = world_run(&twin, h);

	for (unsigned k = 0; k < h->n_ops && !world_failed(w); k++) {
		w->n_op = k;
		if (!ok && twin.failure.n_op == k)
			break;
		HOLDS(w, invariant, SIM_LONER, steps[k].digest == others[k].digest);
	}
	HOLDS(w, invariant, SIM_LONER, ok);
	world_fini(&twin);
	return !world_failed(w);
}

bool twin_run(struct world *w, const struct history *h)
{
	struct twin_step steps[SIM_OPS], others[SIM_OPS];
	struct history alone;
	bool ok;

	w->steps = steps;
	ok = world_run(w, h);
	w->steps = NULL;
	if (!ok)
		return false;
	if (!h->config.loner || !h->config.services[SIM_LONER].used)
		return compare(w, h, steps, others, INV_CLOCK);
	alone = *h;
	leave_alone(&alone);
	return compare(w, &alone, steps, others, INV_LONER);
}
