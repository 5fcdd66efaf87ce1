/*
 * Clients: what they ask for, what that means by the manual for who may run and who has to, and
 * whether each of them gets exactly one answer. A client whose engine has died asks again with
 * the same id, as supctl does.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/macro.h"
#include "world.h"

/* All that a service needs: by requires and wants, and what these need. Bits of services. */
static unsigned needs(const struct world *w, uint32_t i)
{
	unsigned found = 1U << i, before = 0;

	while (found != before) {
		before = found;
		for (unsigned k = 0; k < w->config.n_links; k++) {
			const struct core_link *l = &w->config.links[k];

			if (l->kinds & (CORE_LINK_REQUIRES | CORE_LINK_WANTS) &&
				found >> l->from & 1)
				found |= 1U << l->to;
		}
	}
	return found;
}

/* A start also reaches what it needs; all that conflicts with any of these has to go. */
static void note_start(struct world *w, uint32_t i, bool yields)
{
	unsigned needed = needs(w, i);

	for (EACH_PLACE(w, k)) {
		struct place *p = &w->places[k];

		if (!(needed >> k & 1))
			continue;
		p->may_run = true;
		p->pulled |= k != i;
		if (k != i && record_of(w, k)->state != CORE_BACKOFF)
			p->n_starts = 0; /* what it comes up with is a new story, or it is up */
		p->knows_starts &= k == i;
	}
	for (unsigned k = 0; yields && k < w->config.n_links; k++) {
		const struct core_link *l = &w->config.links[k];

		if (!(l->kinds & CORE_LINK_CONFLICTS))
			continue;
		if (needed >> l->from & 1)
			w->places[l->to].must_run = false;
		if (needed >> l->to & 1)
			w->places[l->from].must_run = false;
	}
	if (yields)
		w->places[i].must_run = true;
}

/* Follows what a request means, from the manual: who is wanted, whose past is forgotten. */
static void note_request(struct world *w, uint32_t i, enum core_event_type type)
{
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	bool is_up = r->state == CORE_STARTING || r->state == CORE_RUNNING;

	switch (type) {
	case CORE_EVENT_START:
	case CORE_EVENT_RESTART:
		if (w->shutting_down)
			break;
		note_start(w, i, true);
		p->after_end = false;
		p->knows_starts |= !is_up;
		if (!is_up)
			p->n_starts = 0;
		else if (type == CORE_EVENT_RESTART && r->ready &&
			 policy_of(w, i)->stable_after_usec > 0 &&
			 usec_sub(w->now, p->exec_at) >= policy_of(w, i)->stable_after_usec)
			p->n_starts = 0;
		break;
	case CORE_EVENT_AUTOSTART:
	case CORE_EVENT_UNBLOCK:
		if (!w->shutting_down)
			note_start(w, i, false);
		break;
	case CORE_EVENT_KILL:
		p->kill_allowed = true;
		p->may_run = p->must_run = false;
		break;
	case CORE_EVENT_STOP:
		p->may_run = p->must_run = false;
		break;
	case CORE_EVENT_RESET:
		p->n_starts = 0;
		p->knows_starts = true;
		if (r->state == CORE_FAILED)
			p->may_run = p->must_run = false;
		break;
	default:
		break;
	}
}

/*
 * The engine has died before the service's own record was committed: as if nobody had asked, so
 * nobody knows what of it is true until the client has asked again.
 */
static void unsure(struct world *w, uint32_t i, const struct place before[static SIM_SERVICES])
{
	if (w->committed >> i & 1)
		return;
	for (uint32_t k = 0; k < SIM_SERVICES; k++) {
		w->places[k].may_run |= before[k].may_run;
		w->places[k].must_run = false;
	}
	w->places[i].after_end = before[i].after_end;
	w->places[i].pulled = true;
	for (uint32_t k = 0; k < SIM_SERVICES; k++)
		w->places[k].knows_starts = false;
}

static struct request *remember(struct world *w, const struct core_event *e)
{
	for (unsigned k = 0; k < REQUESTS_EACH; k++) {
		struct request *q = &w->requests[e->service * REQUESTS_EACH + k];

		if (q->pending)
			continue;
		*q = (struct request){.pending = true,
			.connected = true,
			.service = e->service,
			.type = e->type,
			.op = e->op,
			.before = record_of(w, e->service)->generation,
			.asked_at = w->n_op};
		return q;
	}
	return NULL;
}

void ask_event(struct world *w, const struct core_event *e)
{
	struct place before[SIM_SERVICES];

	if (w->cut > 0)
		memcpy(before, w->places, sizeof(before));
	note_request(w, e->service, e->type);
	w->asked = e->service;
	step(w, e);
	w->asked = SIM_SERVICES;
	if (w->dying)
		unsure(w, e->service, before);
}

static bool is_acting(enum core_event_type type)
{
	return type == CORE_EVENT_START || type == CORE_EVENT_RESTART || type == CORE_EVENT_STOP ||
	       type == CORE_EVENT_KILL || type == CORE_EVENT_RESET;
}

void ask(struct world *w, uint32_t i, enum core_event_type type)
{
	struct core_event e = {.type = type,
		.service = i,
		.op = sim_draw(&w->random) | 1,
		.signo = type == CORE_EVENT_SIGNAL ? SIGUSR1 : 0};
	struct place *p = &w->places[i];
	struct request *q = NULL;

	/* Nobody starts what the configuration does not have any more. */
	if (p->removed && (type == CORE_EVENT_START || type == CORE_EVENT_RESTART ||
				  type == CORE_EVENT_AUTOSTART))
		return;
	if (is_acting(type))
		q = remember(w, &e);
	ask_event(w, &e);
	if (q && q->pending && !w->dying && !world_failed(w))
		judge_requests(w, i);
}

/* --- answers --- */

/* What an answer promises is so at that moment. */
static void check_answer(struct world *w, const struct request *q, enum core_outcome outcome)
{
	const struct core_record *r = record_of(w, q->service);
	const struct place *p = &w->places[q->service];

	if (outcome == CORE_NOT_DONE) {
		/* it is too early to give up on what is on its way */
		if (q->type == CORE_EVENT_START && !w->shutting_down && w->settled)
			HOLDS(w, INV_ANSWER, q->service,
				!r->desired_up || r->state == CORE_BACKOFF ||
					!check_is_coming(w, q->service));
		return;
	}
	switch (q->type) {
	case CORE_EVENT_START:
	case CORE_EVENT_RESTART:
		HOLDS(w, INV_ANSWER, q->service,
			r->state == CORE_RUNNING || r->state == CORE_EXITED ||
				(r->state == CORE_WAITING && r->why == CORE_WHY_SCHEDULE));
		HOLDS(w, INV_ANSWER, q->service,
			q->type == CORE_EVENT_START || r->generation > q->before ||
				r->why == CORE_WHY_SCHEDULE);
		break;
	case CORE_EVENT_STOP:
	case CORE_EVENT_KILL:
		HOLDS(w, INV_ANSWER, q->service, !tree_exists(p));
		break;
	default:
		break;
	}
}

/* As the engine does it: only for a service that has just changed. */
void judge_requests(struct world *w, uint32_t i)
{
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++) {
		struct request *q = &w->requests[k];
		enum core_outcome outcome;

		if (!q->pending || !q->connected || q->service != i)
			continue;
		outcome = core_judge(w->core, i, q->type, q->before);
		if (outcome == CORE_PENDING)
			continue;
		q->pending = false;
		tell(w, "  service %u: request %s is %s", i, core_event_to_string(q->type),
			outcome == CORE_DONE ? "done" : "not done");
		check_answer(w, q, outcome);
	}
}

/* The next engine: a client joins what it had begun, or begins it now. */
void ask_again(struct world *w)
{
	for (unsigned k = 0; k < WORLD_MAX_REQUESTS; k++) {
		struct request *q = &w->requests[k];
		const struct core_record *r;
		struct core_event e = {.type = q->type, .service = q->service, .op = q->op};

		if (!q->pending || world_failed(w))
			continue;
		q->connected = true;
		r = record_of(w, q->service);
		q->before = r->generation;
		if (core_remembers(w->core, q->service, q->op)) {
			/* what runs, or ran, is the new generation already */
			if (q->type == CORE_EVENT_RESTART && r->state != CORE_STOPPING &&
				r->generation > 0)
				q->before = r->generation - 1;
		} else {
			tell(w, "service %u: request %s, again", q->service,
				core_event_to_string(q->type));
			ask_event(w, &e);
		}
		judge_requests(w, q->service);
	}
}

/* --- the end of everything --- */

/* What an orderly stop may take, before KILL. */
static usec_t stop_time(const struct spec_policy *p)
{
	usec_t time = p->stop_timeout_usec;

	if (p->hooks & 1U << SPEC_HOOK_PRE_STOP)
		time += p->hook_timeout_usec;
	if (p->hooks & 1U << SPEC_HOOK_POST_STOP)
		time += p->hook_timeout_usec;
	return time;
}

void note_shutdown(struct world *w, uint32_t ended)
{
	usec_t longest = 0;

	w->shutting_down = true;
	for (EACH_PLACE(w, i)) {
		w->places[i].may_run = w->places[i].must_run = false;
		w->places[i].kill_allowed |= w->hurried;
		if (i != ended && is_live(&w->places[i].seen))
			longest = MAX_OF(longest, stop_time(policy_of(w, i)));
	}
	w->patience = w->now + longest;
}

void shut_down(struct world *w, bool hurry)
{
	if (w->config.loner)
		return; /* it would matter to the loner what others there are */
	tell(w, "shutdown%s", hurry ? ", in a hurry" : "");
	w->hurried |= hurry;
	note_shutdown(w, SIM_SERVICES);
	w->n_step++;
	core_shutdown(w->core, w->hurried, w->now);
	take_changes(w);
}
