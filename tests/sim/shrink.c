/*
 * The shortest history that fails in the same way: operations are left out, ever fewer at once
 * (delta debugging), then services, links, faults, pools, and settings that are not plain. Each
 * attempt is a run of its own; what still breaks the same invariant stays. Again, until nothing
 * can be left out any more.
 */
#include "shrink.h"

#include <string.h>

#include "base/macro.h"
#include "twin.h"

struct shrinking {
	struct history best;
	struct history trial;
	enum invariant invariant;
	unsigned n_runs;
};

static bool still_fails(struct shrinking *s)
{
	struct world w = {0};
	bool fails;

	s->n_runs++;
	fails = !twin_run(&w, &s->trial) && w.failure.invariant == s->invariant;
	world_fini(&w);
	if (fails)
		s->best = s->trial;
	return fails;
}

static void drop_ops(struct history *h, unsigned at, unsigned n)
{
	memmove(h->ops + at, h->ops + at + n, (h->n_ops - at - n) * sizeof(h->ops[0]));
	h->n_ops -= n;
}

static bool shrink_ops(struct shrinking *s)
{
	bool any = false;

	for (unsigned n = MAX_OF(s->best.n_ops / 2, 1U); n > 0; n /= 2) {
		for (unsigned at = 0; at + n <= s->best.n_ops;) {
			s->trial = s->best;
			drop_ops(&s->trial, at, n);
			if (still_fails(s))
				any = true;
			else
				at += n;
		}
	}
	for (unsigned k = 0; k < s->best.n_ops; k++) {
		s->trial = s->best;
		if (s->trial.ops[k].cut == 0)
			continue;
		s->trial.ops[k].cut = 0;
		any |= still_fails(s);
	}
	return any;
}

static bool shrink_links(struct shrinking *s)
{
	bool any = false;

	for (unsigned k = 0; k < s->best.config.n_links;) {
		struct sim_config *c = &s->trial.config;

		s->trial = s->best;
		memmove(c->links + k, c->links + k + 1, (--c->n_links - k) * sizeof(c->links[0]));
		if (still_fails(s))
			any = true;
		else
			k++;
	}
	return any;
}

static bool shrink_services(struct shrinking *s)
{
	bool any = false;

	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		s->trial = s->best;
		if (!s->trial.config.services[i].used)
			continue;
		s->trial.config.services[i].used = false;
		any |= still_fails(s);
	}
	return any;
}

static bool shrink_settings(struct shrinking *s)
{
	bool any = false;

	for (uint32_t i = 0; i < SIM_SERVICES; i++) {
		struct spec_policy *policy = &s->trial.config.services[i].policy;

		if (!s->best.config.services[i].used)
			continue;
		for (unsigned n = 0;; n++) {
			s->trial = s->best;
			if (!policy_plain(policy, n))
				break;
			if (memcmp(policy, &s->best.config.services[i].policy, sizeof(*policy)))
				any |= still_fails(s);
		}
		for (unsigned hook = 0; hook < SPEC_HOOK_MAX; hook++) {
			s->trial = s->best;
			policy->hooks &= ~(1U << hook);
			if (policy->hooks != s->best.config.services[i].policy.hooks)
				any |= still_fails(s);
		}
		s->trial = s->best;
		s->trial.config.services[i].pool = CORE_NO_POOL;
		if (s->best.config.services[i].pool != CORE_NO_POOL)
			any |= still_fails(s);
	}
	return any;
}

static bool shrink_rest(struct shrinking *s)
{
	bool any = false;

	for (unsigned f = 0; f < FAULT_MAX; f++) {
		s->trial = s->best;
		s->trial.faults &= ~(1U << f);
		if (s->trial.faults != s->best.faults)
			any |= still_fails(s);
	}
	s->trial = s->best;
	s->trial.config.max_starting = 0;
	if (s->best.config.max_starting > 0)
		any |= still_fails(s);
	s->trial = s->best;
	s->trial.clock = 1000 * USEC_PER_SEC;
	if (s->best.clock != s->trial.clock)
		any |= still_fails(s);
	s->trial = s->best;
	s->trial.config.loner = false;
	if (s->best.config.loner)
		any |= still_fails(s);
	return any;
}

unsigned shrink(struct history *h, enum invariant invariant)
{
	struct shrinking s = {.best = *h, .invariant = invariant};
	bool any;

	do {
		any = shrink_ops(&s);
		any |= shrink_services(&s);
		any |= shrink_links(&s);
		any |= shrink_settings(&s);
		any |= shrink_rest(&s);
	} while (any);
	*h = s.best;
	return s.n_runs;
}
