/*
 * What the core asks for is right at the moment when it does: a spawn, a hook, a signal.
 */
#include <signal.h>

#include "base/macro.h"
#include "world.h"

/* One that was killed does no harm any more, even if it takes a while to end. */
bool check_hook_runs(const struct world *w, uint32_t i, uint64_t generation)
{
	static const enum spec_hook waited_for[] = {
		SPEC_HOOK_PRE_START, SPEC_HOOK_PRE_STOP, SPEC_HOOK_STOP, SPEC_HOOK_POST_STOP};

	for (size_t k = 0; k < ELEMENTSOF(waited_for); k++) {
		const struct hook_run *h = &w->places[i].hooks[waited_for[k]];

		if (h->running && !h->cancelled && h->generation <= generation)
			return true;
	}
	return false;
}

void check_spawn(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	const struct hook_run *pre_start = &p->hooks[SPEC_HOOK_PRE_START];
	bool has_pre_start = (policy_of(w, i)->hooks & 1U << SPEC_HOOK_PRE_START) != 0;
	bool begun = r->generation != p->seen.generation;

	HOLDS(w, INV_TREE_GONE_FIRST, i, !tree_exists(p) && !is_end_untold(p));
	HOLDS(w, INV_GENERATIONS_GROW, i, r->generation > p->generation);
	HOLDS(w, INV_WANTED, i, p->may_run);
	HOLDS(w, INV_SHUTDOWN, i, !w->shutting_down);
	/* or stopped again in the same step, by a configuration that is at odds with itself */
	HOLDS(w, INV_RECORD, i,
		r->phase == CORE_PHASE_EXEC || (begun && r->state == CORE_STOPPING));
	if (pre_start->generation == r->generation)
		HOLDS(w, INV_HOOK_ORDER, i,
			!pre_start->running && !pre_start->to_tell && pre_start->ok);
	else
		HOLDS(w, INV_HOOK_ORDER, i, !has_pre_start || (!p->steady && !begun));
	HOLDS(w, INV_HOOK_ORDER, i, !check_hook_runs(w, i, r->generation));
}

/* --- its turn to stop --- */

static bool hangs(const struct core_record *r)
{
	return r->cause == CORE_CAUSE_WATCHDOG || r->cause == CORE_CAUSE_TRIGGER;
}

/* Past talking to, or nobody is waited for any more. */
static bool is_exempt(const struct world *w, const struct core_record *r)
{
	return r->main_ended || w->hurried || (w->shutting_down && w->now > w->patience) ||
	       (r->why == CORE_WHY_CAUSE && (r->cause == CORE_CAUSE_START_TIMEOUT || hangs(r)));
}

/* Those that require it are gone, and those after it that were on their way down. */
static void check_users(struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];
		const struct core_record *r = record_of(w, l->from);

		if (l->to != i || l->kinds & CORE_LINK_CONFLICTS || !is_used(w, l->from))
			continue;
		if (l->kinds & CORE_LINK_REQUIRES)
			HOLDS(w, INV_STOP_ORDER, i, !is_live(r));
		HOLDS(w, INV_STOP_ORDER, i,
			r->state != CORE_STOPPING ||
				w->places[l->from].seen.state != CORE_STOPPING);
		if (w->places[i].by_shutdown || w->places[i].seen.state != CORE_STOPPING)
			HOLDS(w, INV_SHUTDOWN, i,
				record_of(w, i)->why != CORE_WHY_SHUTDOWN || w->asked == i ||
					!is_live(r));
	}
}

static bool has_live_users(const struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (l->to == i && !(l->kinds & CORE_LINK_CONFLICTS) && is_used(w, l->from) &&
			is_live(record_of(w, l->from)))
			return true;
	}
	return false;
}

/*
 * In a shutdown: what was ready before another one was started stops after that one, unless that
 * one itself has to wait for others by configuration.
 */
static void check_wave(struct world *w, uint32_t i)
{
	const struct place *p = &w->places[i];
	bool by_shutdown = p->by_shutdown || (p->seen.state != CORE_STOPPING && w->asked != i &&
						     record_of(w, i)->why == CORE_WHY_SHUTDOWN);

	if (!w->shutting_down || !by_shutdown || p->ready_nth == 0)
		return;
	for (EACH_PLACE(w, k)) {
		if (k != i && is_live(record_of(w, k)) && !has_live_users(w, k))
			HOLDS(w, INV_SHUTDOWN, i, w->places[k].begun_nth < p->ready_nth);
	}
}

static void check_turn(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	if (p->stop_begun && p->seen.generation == record_of(w, i)->generation)
		return;
	p->stop_begun = true;
	p->stop_step = w->n_step;
	if (is_exempt(w, record_of(w, i)))
		return;
	check_users(w, i);
	check_wave(w, i);
}

/* --- signals --- */

static void check_request(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	const struct core_record *r = record_of(w, i);

	HOLDS(w, INV_NO_SIGNAL_TO_REAPED, i, is_live(r) && r->pid != 0 && w->places[i].main_known);
	HOLDS(w, INV_RECORD, i, r->user_signo == c->signo && c->scope == SPEC_KILL_PROCESS);
}

void check_signal(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	bool reaped = p->ended.generation == r->generation && !is_end_untold(p) && !p->main_known;

	if (w->event == CORE_EVENT_SIGNAL && w->asked == i && r->user_signo != 0) {
		check_request(w, c);
		return;
	}
	HOLDS(w, INV_RECORD, i, r->user_signo == 0 && r->signo == c->signo);
	HOLDS(w, INV_RECORD, i, r->state == CORE_STOPPING && r->phase == CORE_PHASE_SIGNAL);
	/* before an engine has done again what the last one had committed, it may not be there */
	HOLDS(w, INV_ONE_GENERATION, i,
		p->generation == r->generation || c->todo & CORE_DO_SPAWN || !w->settled);
	HOLDS(w, INV_NO_SIGNAL_TO_REAPED, i, !reaped || c->scope == SPEC_KILL_TREE);
	HOLDS(w, INV_NO_SIGNAL_TO_REAPED, i, !reaped || r->main_ended);
	if (c->signo == SIGKILL) {
		HOLDS(w, INV_KILL, i, c->scope == SPEC_KILL_TREE && r->killed);
		HOLDS(w, INV_KILL, i, p->kill_allowed || w->now >= p->kill_due);
		return;
	}
	HOLDS(w, INV_KILL, i,
		c->signo == policy_of(w, i)->stop_signal || (c->signo == SIGABRT && hangs(r)));
	check_turn(w, i);
	/* one that is begun in the same step has not been stopped before */
	if (p->kill_due == USEC_INFINITY || c->todo & CORE_DO_SPAWN)
		p->kill_due = w->now + policy_of(w, i)->stop_timeout_usec;
}

/* --- hooks --- */

void check_hook(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	const struct hook_run *h = &p->hooks[c->hook];
	/* begun and stopped again in this step, by a configuration that is at odds with itself */
	bool cancelled = r->phase == CORE_PHASE_CANCELLED && c->todo & CORE_DO_CANCEL_HOOK;

	HOLDS(w, INV_HOOK_ONCE, i, h->generation < r->generation);
	HOLDS(w, INV_HOOK_ONCE, i, !h->running || h->cancelled);
	HOLDS(w, INV_HOOK_ONCE, i, policy_of(w, i)->hooks & 1U << c->hook);
	switch (c->hook) {
	case SPEC_HOOK_PRE_START:
		HOLDS(w, INV_HOOK_ORDER, i, r->phase == CORE_PHASE_PRE_START || cancelled);
		HOLDS(w, INV_HOOK_ORDER, i, !tree_exists(p) && !is_end_untold(p));
		break;
	case SPEC_HOOK_PRE_STOP:
		HOLDS(w, INV_HOOK_ORDER, i, r->phase == CORE_PHASE_PRE_STOP && p->main_known);
		check_turn(w, i);
		break;
	case SPEC_HOOK_STOP:
		HOLDS(w, INV_HOOK_ORDER, i, r->phase == CORE_PHASE_STOP_COMMAND && p->main_known);
		check_turn(w, i);
		p->kill_due = w->now + policy_of(w, i)->stop_timeout_usec;
		break;
	case SPEC_HOOK_POST_STOP:
		HOLDS(w, INV_HOOK_ORDER, i, r->phase == CORE_PHASE_POST_STOP);
		HOLDS(w, INV_HOOK_ORDER, i, !tree_exists(p) && !is_end_untold(p));
		break;
	case SPEC_HOOK_POST_START:
		HOLDS(w, INV_HOOK_ORDER, i, r->state == CORE_RUNNING);
		break;
	case SPEC_HOOK_ON_FAILED:
		HOLDS(w, INV_HOOK_ORDER, i, r->state == CORE_FAILED);
		break;
	case SPEC_HOOK_MAX:
		break;
	}
}

void check_essential(struct world *w)
{
	uint32_t i = SIM_SERVICES;

	HOLDS(w, INV_ESSENTIAL, i, core_essential_end(w->core, &i) && i < SIM_SERVICES);
	if (world_failed(w))
		return;
	HOLDS(w, INV_ESSENTIAL, i, is_used(w, i) && policy_of(w, i)->essential);
	HOLDS(w, INV_ESSENTIAL, i,
		record_of(w, i)->state == CORE_EXITED || record_of(w, i)->state == CORE_FAILED);
	HOLDS(w, INV_ESSENTIAL, i, !record_of(w, i)->queued);
}
