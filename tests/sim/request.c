/*
 * Clients: what they ask for, and whether each of them gets exactly one answer. A client whose
 * engine has died asks again with the same id, as supctl does.
 */
#include <inttypes.h>
#include <signal.h>

#include "base/macro.h"
#include "world.h"

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
