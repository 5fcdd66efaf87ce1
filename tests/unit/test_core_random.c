/*
 * Random histories against a small simulated world: a launcher that spawns late or fails,
 * processes that exit, crash or leave others behind, signals that are ignored, news that
 * come late and twice, an engine that dies and goes on from the records. After each event
 * everything that must always hold is looked at, from the outside; at the end of a history
 * the faults stop and all must come to rest.
 *
 * A failure prints its seed; CORE_RANDOM_SEED=N runs that history alone and tells it event
 * by event, CORE_RANDOM_HISTORIES=N runs more of them.
 */
#include "test_core_util.h"

#define N	      5
#define EVENTS	      200
#define HISTORIES     2000
#define MAX_STARTS    64
#define SETTLE_EVENTS 400

/* What the world knows of a service; the core is never asked for it. */
struct process {
	bool asked; /* to be spawned: STARTED not told yet */
	bool main_alive;
	unsigned n_others; /* of its tree, beside the main process */
	bool to_tell_ended, to_tell_gone, watched;
	bool stubborn; /* ignores anything but KILL */
	uint64_t generation;
	struct core_event ended; /* to tell, and to repeat */
	int32_t pid;
	/* for the checks */
	bool wanted_up, kill_allowed;
	bool was_running; /* it became ready, so a long run is a stable one */
	usec_t exec_at, stop_due;
	unsigned spawned_nth, ready_nth; /* by the world's count; 0: not ready */
	uint64_t starts_msec[MAX_STARTS]; /* automatic starts that count */
	unsigned n_starts;
};

struct world {
	struct rig rig;
	struct process p[N];
	unsigned max_starting;
	uint64_t seed, state;
	unsigned n_event, nth;
	uint32_t asked; /* the service that a request was for, in this step */
	bool hurried;
	usec_t patience; /* in a shutdown: when nobody is waited for any more */
	bool calm; /* no more faults */
	bool told;
};

#define CHECK(w, i, what)                                                              \
	do {                                                                           \
		if (!(what)) {                                                         \
			print_error("seed %lu, event %u, service %u: %s\n", (w)->seed, \
				(w)->n_event, (unsigned)(i), #what);                   \
			fail();                                                        \
		}                                                                      \
	} while (0)

/* splitmix64 */
static uint64_t draw(struct world *w)
{
	uint64_t z = (w->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)(draw(w) % n);
}

static bool is_live(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

/* Somebody of its tree is alive, or will be. */
static bool tree_exists(const struct process *p)
{
	return p->asked || p->main_alive || p->n_others > 0;
}

/* --- what the core wants done --- */

/* At most restart-limit automatic starts in any window, those counted that still count. */
static void check_limit(struct world *w, uint32_t i)
{
	const struct spec_policy *policy = &w->rig.policies[i];
	struct process *p = &w->p[i];
	uint64_t now = w->rig.now / USEC_PER_MSEC;
	unsigned n = 0;

	if (p->n_starts == MAX_STARTS)
		memmove(p->starts_msec, p->starts_msec + 1, --p->n_starts * sizeof(uint64_t));
	p->starts_msec[p->n_starts++] = now;
	for (unsigned k = 0; k < p->n_starts; k++)
		n += now - p->starts_msec[k] <= policy->restart_window_usec / USEC_PER_MSEC;
	CHECK(w, i, policy->restart_limit == 0 || n <= policy->restart_limit);
}

static void do_spawn(struct world *w, uint32_t i, const struct core_change *c)
{
	const struct core_record *r = rig_record(&w->rig, i);
	struct process *p = &w->p[i];

	CHECK(w, i, !tree_exists(p));
	CHECK(w, i, p->wanted_up);
	CHECK(w, i, !core_is_shutting_down(w->rig.core));
	CHECK(w, i, r->state == CORE_STARTING);
	CHECK(w, i, r->generation == p->generation + 1);
	/* What had to be told of the one before was told: else its end is lost. */
	CHECK(w, i, !p->to_tell_ended);
	if (r->why == CORE_WHY_ENDED)
		check_limit(w, i);
	else
		CHECK(w, i, c->previous != CORE_BACKOFF || r->restarts == 0);
	p->asked = true;
	p->watched = p->to_tell_gone = p->was_running = p->kill_allowed = false;
	p->stubborn = !w->calm && below(w, 4) == 0;
	p->generation = r->generation;
	p->pid = (int32_t)(1000 * (i + 1) + r->generation);
	p->exec_at = w->rig.now;
	p->spawned_nth = ++w->nth;
	p->ready_nth = 0;
}

static void end_main(struct world *w, uint32_t i, enum core_end end, int status)
{
	struct process *p = &w->p[i];

	p->main_alive = p->asked = false;
	p->to_tell_ended = true;
	p->ended = (struct core_event){.type = CORE_EVENT_ENDED,
		.service = i,
		.generation = p->generation,
		.end = end,
		.status = status,
		.at_usec = w->rig.now};
}

/*
 * In a shutdown nobody is stopped while something is alive that found it ready, until the
 * longest stop timeout of those then alive has passed.
 */
static void check_turn(struct world *w, uint32_t i)
{
	unsigned ready_nth = w->p[i].ready_nth;

	if (!core_is_shutting_down(w->rig.core) || w->hurried || w->asked == i || ready_nth == 0 ||
		w->rig.now > w->patience || rig_record(&w->rig, i)->main_ended)
		return;
	for (uint32_t k = 0; k < N; k++)
		CHECK(w, i, !is_live(rig_record(&w->rig, k)) || w->p[k].spawned_nth < ready_nth);
}

static void do_signal(struct world *w, uint32_t i, const struct core_change *c)
{
	const struct core_record *r = rig_record(&w->rig, i);
	struct process *p = &w->p[i];
	bool kills = c->signo == SIGKILL;

	if (c->signo == SIGUSR1) { /* an operator's: it harms nobody here */
		CHECK(w, i, is_live(r) && r->pid != 0 && r->user_signo == SIGUSR1);
		CHECK(w, i, c->scope == SPEC_KILL_PROCESS);
		return;
	}
	CHECK(w, i, r->user_signo == 0);
	CHECK(w, i, r->state == CORE_STOPPING);
	CHECK(w, i, !kills || p->kill_allowed || w->rig.now >= p->stop_due);
	CHECK(w, i, !kills || c->scope == SPEC_KILL_TREE);
	if (!kills)
		check_turn(w, i);
	if (!kills)
		p->stop_due = w->rig.now + w->rig.policies[i].stop_timeout_usec;
	if (p->stubborn && (!kills || (!w->calm && below(w, 4) == 0)))
		return;
	if (p->main_alive || p->asked)
		end_main(w, i, CORE_END_SIGNALLED, c->signo);
	if (c->scope == SPEC_KILL_TREE)
		p->n_others = 0;
}

static void perform(struct world *w)
{
	for (unsigned k = 0; k < w->rig.n_changes; k++) {
		const struct core_change *c = &w->rig.changes[k];
		uint32_t i = c->service;

		/* who no longer waits for its predecessor may wait for a place to start */
		if ((c->todo & CORE_DO_PUBLISH) && c->previous != CORE_WAITING)
			CHECK(w, i, c->previous != rig_record(&w->rig, i)->state);
		if (c->todo & CORE_DO_SPAWN)
			do_spawn(w, i, c);
		if (c->todo & CORE_DO_SIGNAL)
			do_signal(w, i, c);
		if (c->todo & CORE_DO_WATCH_TREE)
			w->p[i].watched = true;
	}
}

/* --- what must always hold --- */

static void check_service(struct world *w, uint32_t i)
{
	const struct core_record *r = rig_record(&w->rig, i);
	const struct process *p = &w->p[i];
	bool has_deadline = r->deadline_usec != USEC_INFINITY;

	CHECK(w, i, is_live(r) || !tree_exists(p));
	CHECK(w, i, !is_live(r) || r->generation == p->generation);
	CHECK(w, i, has_deadline == (r->state == CORE_STOPPING || r->state == CORE_BACKOFF));
	CHECK(w, i, r->pid == 0 || (is_live(r) && r->pid == p->pid));
	CHECK(w, i, r->ready == (r->state == CORE_RUNNING));
	CHECK(w, i, r->state != CORE_RUNNING || r->pid != 0);
	CHECK(w, i, core_record_is_valid(r));
	CHECK(w, i, r->n_starts <= SPEC_MAX_RESTART_LIMIT);
	if (r->state == CORE_WAITING || r->state == CORE_STARTING || r->state == CORE_RUNNING ||
		r->state == CORE_BACKOFF)
		CHECK(w, i, r->desired_up);
	if (r->state == CORE_STOPPED)
		CHECK(w, i, !r->desired_up);
	if (r->main_ended && r->state == CORE_STOPPING)
		CHECK(w, i, p->watched);
	/* Nothing outlives an essential service that has ended for good. */
	if (w->rig.policies[i].essential && (r->state == CORE_EXITED || r->state == CORE_FAILED))
		CHECK(w, i, core_is_shutting_down(w->rig.core));
	/* Whoever waits for an answer waits for something that will come. */
	if (core_judge(w->rig.core, i, CORE_EVENT_START, 0) == CORE_PENDING)
		CHECK(w, i, is_live(r) || r->state == CORE_WAITING);
	if (core_judge(w->rig.core, i, CORE_EVENT_STOP, 0) == CORE_PENDING)
		CHECK(w, i, r->state == CORE_STOPPING);
}

static void check(struct world *w)
{
	unsigned n_starting = 0, n_waiting = 0;

	for (uint32_t i = 0; i < N; i++) {
		check_service(w, i);
		n_starting += rig_record(&w->rig, i)->state == CORE_STARTING;
		n_waiting += rig_record(&w->rig, i)->state == CORE_WAITING &&
			     rig_record(&w->rig, i)->why != CORE_WHY_PREDECESSOR;
	}
	CHECK(w, N, w->max_starting == 0 || n_starting <= w->max_starting);
	/* No place stays free while somebody waits. */
	CHECK(w, N, n_waiting == 0 || n_starting == w->max_starting);
}

static usec_t longest_stop(const struct world *w)
{
	usec_t longest = 0;

	for (uint32_t i = 0; i < N; i++) {
		usec_t timeout = w->rig.policies[i].stop_timeout_usec;

		if (is_live(rig_record(&w->rig, i)) && timeout > longest)
			longest = timeout;
	}
	return longest;
}

/* The core shuts down by itself: only for an essential service, and only where that ended. */
static void note_essential_end(struct world *w, const struct core_event *e)
{
	const struct core_record *r = rig_record(&w->rig, e->service);
	uint32_t which = N;

	CHECK(w, e->service, core_essential_end(w->rig.core, &which) && which == e->service);
	CHECK(w, e->service, w->rig.policies[e->service].essential);
	CHECK(w, e->service, e->type == CORE_EVENT_ENDED || e->type == CORE_EVENT_GONE);
	CHECK(w, e->service, r->state == CORE_EXITED || r->state == CORE_FAILED);
	for (uint32_t i = 0; i < N; i++)
		w->p[i].wanted_up = false;
	w->patience = w->rig.now + longest_stop(w);
}

static void step(struct world *w, const struct core_event *e)
{
	bool understood, was_down = core_is_shutting_down(w->rig.core);

	if (w->told)
		print_message("%u: %s service %u, state %s, generation %lu of %lu\n", w->n_event,
			core_event_to_string(e->type), e->service,
			core_state_to_string(
				(enum core_state)rig_record(&w->rig, e->service)->state),
			e->generation, rig_record(&w->rig, e->service)->generation);
	understood = core_step(w->rig.core, e, w->rig.now, draw(w));
	CHECK(w, e->service, understood);
	if (!was_down && core_is_shutting_down(w->rig.core))
		note_essential_end(w, e);
	rig_take_changes(&w->rig);
	perform(w);
	check(w);
}

/* --- what happens --- */

/* Follows what a request means, from the manual: who is wanted up, whose past is forgotten. */
static void note_request(struct world *w, uint32_t i, enum core_event_type type)
{
	const struct core_record *r = rig_record(&w->rig, i);
	struct process *p = &w->p[i];
	bool is_up = r->state == CORE_STARTING || r->state == CORE_RUNNING;
	bool down = core_is_shutting_down(w->rig.core);

	switch (type) {
	case CORE_EVENT_START:
	case CORE_EVENT_RESTART:
		if (down)
			break;
		p->wanted_up = true;
		if (!is_up)
			p->n_starts = 0;
		else if (type == CORE_EVENT_RESTART && p->was_running &&
			 w->rig.policies[i].stable_after_usec > 0 &&
			 w->rig.now - p->exec_at >= w->rig.policies[i].stable_after_usec)
			p->n_starts = 0;
		break;
	case CORE_EVENT_AUTOSTART:
		if (!down)
			p->wanted_up = true;
		break;
	case CORE_EVENT_KILL:
		p->kill_allowed = true;
		p->wanted_up = false;
		break;
	case CORE_EVENT_STOP:
		p->wanted_up = false;
		break;
	case CORE_EVENT_RESET:
		p->n_starts = 0;
		if (r->state == CORE_FAILED)
			p->wanted_up = false;
		break;
	default:
		break;
	}
}

static void ask(struct world *w, uint32_t i, enum core_event_type type)
{
	struct core_event e = {.type = type, .service = i, .op = draw(w), .signo = SIGUSR1};

	if (type == CORE_EVENT_AUTOSTART && !w->calm && below(w, 3) == 0)
		e.why = CORE_WHY_PREDECESSOR; /* of another one, which UNBLOCK tells the end of */
	else if (type == CORE_EVENT_RESTART && below(w, 2) == 0)
		e.why = CORE_WHY_CHANGED;
	else if (type == CORE_EVENT_STOP && below(w, 2) == 0)
		e.why = CORE_WHY_REMOVED;
	note_request(w, i, type);
	w->asked = i;
	step(w, &e);
	w->asked = N;
}

static void tell_started(struct world *w, uint32_t i)
{
	struct process *p = &w->p[i];
	struct core_event e = {.type = CORE_EVENT_STARTED,
		.service = i,
		.generation = p->generation,
		.pid = p->pid,
		.at_usec = w->rig.now};

	p->asked = false;
	p->main_alive = true;
	p->exec_at = w->rig.now;
	p->was_running = w->rig.policies[i].type == SPEC_TYPE_SIMPLE &&
			 rig_record(&w->rig, i)->state == CORE_STARTING;
	if (p->was_running)
		p->ready_nth = ++w->nth;
	step(w, &e);
}

static void tell_ended(struct world *w, uint32_t i)
{
	const struct spec_policy *policy = &w->rig.policies[i];
	struct process *p = &w->p[i];
	bool by_itself = rig_record(&w->rig, i)->state == CORE_RUNNING;

	p->to_tell_ended = false;
	p->ended.survivors = p->n_others > 0 || (!w->calm && below(w, 6) == 0);
	if (by_itself && policy->stable_after_usec > 0 &&
		p->ended.at_usec - p->exec_at >= policy->stable_after_usec)
		p->n_starts = 0;
	step(w, &p->ended);
}

static void tell_gone(struct world *w, uint32_t i)
{
	struct core_event e = {
		.type = CORE_EVENT_GONE, .service = i, .generation = w->p[i].generation};

	w->p[i].watched = false;
	step(w, &e);
}

/* The launcher or a process of this service does something. */
static void live(struct world *w, uint32_t i)
{
	struct process *p = &w->p[i];
	enum core_end ends[] = {CORE_END_EXITED, CORE_END_SIGNALLED, CORE_END_DUMPED};

	if (p->to_tell_ended) {
		tell_ended(w, i);
	} else if (p->asked) {
		if (!w->calm && below(w, 5) == 0)
			end_main(w, i, CORE_END_SPAWN_FAILED, ENOENT);
		else
			tell_started(w, i);
	} else if (p->main_alive) {
		unsigned what = below(w, w->calm ? 2 : 4);

		if (w->calm && w->rig.policies[i].type == SPEC_TYPE_SIMPLE)
			return;
		if (what == 0)
			end_main(w, i, CORE_END_EXITED, 0);
		else if (what == 1)
			end_main(w, i, w->calm ? CORE_END_EXITED : ends[below(w, 3)],
				w->calm ? 0 : 1 + (int)below(w, 3));
		else if (what == 2)
			p->n_others++;
	} else if (p->n_others > 0) {
		if (w->calm || below(w, 2) == 0)
			p->n_others--;
	} else if (p->watched) {
		tell_gone(w, i);
	}
}

/* Something that the core has heard already, or that is of long ago. */
static void repeat(struct world *w, uint32_t i)
{
	struct process *p = &w->p[i];
	uint64_t age = below(w, 3);
	struct core_event e = {.service = i,
		.generation = p->generation > age ? p->generation - age : 0,
		.at_usec = w->rig.now,
		.pid = p->pid,
		.end = CORE_END_SIGNALLED,
		.status = SIGKILL};
	struct core_record before = *rig_record(&w->rig, i);

	if (below(w, 2) == 0) {
		e.type = CORE_EVENT_STARTED;
		if (age == 0 && p->asked)
			return; /* that would be news */
	} else if (below(w, 2) == 0) {
		if (p->ended.type != CORE_EVENT_ENDED || p->to_tell_ended)
			return;
		e = p->ended; /* the last one told, of this generation or the one before */
	} else {
		e.type = CORE_EVENT_GONE;
		if (e.generation == p->generation && p->watched)
			return;
	}
	if (e.type == CORE_EVENT_STARTED && age == 0 && before.pid == 0 && is_live(&before) &&
		!before.main_ended)
		return; /* STARTED was overtaken by the end: told in the right order only */
	/* Whatever makes the core look at the clock may end its patience in a shutdown. */
	if (core_is_shutting_down(w->rig.core) && w->rig.now > w->patience)
		return;
	step(w, &e);
	rig_same_record(&before, rig_record(&w->rig, i));
}

/* The engine dies between two events; the next one works from the records. */
static void restart_engine(struct world *w)
{
	struct core *old = w->rig.core;
	struct rig from = w->rig;

	if (w->told)
		print_message("%u: the engine dies\n", w->n_event);
	rig_restore(&w->rig, &from, w->max_starting);
	w->patience = w->rig.now + longest_stop(w); /* it starts anew with the engine */
	core_free(old);
	perform(w);
	check(w);
}

static void shut_down(struct world *w, bool hurry)
{
	if (w->told)
		print_message("%u: shutdown%s\n", w->n_event, hurry ? ", in a hurry" : "");
	for (uint32_t i = 0; i < N; i++) {
		w->p[i].wanted_up = false;
		w->p[i].kill_allowed |= hurry;
	}
	w->hurried |= hurry;
	w->patience = w->rig.now + longest_stop(w);
	core_shutdown(w->rig.core, hurry, w->rig.now);
	rig_take_changes(&w->rig);
	perform(w);
	check(w);
}

static void tell_deadlines(struct world *w)
{
	for (uint32_t i = 0; i < N; i++) {
		struct core_event e = {.type = CORE_EVENT_DEADLINE, .service = i};

		if (core_deadline(w->rig.core, i) <= w->rig.now)
			step(w, &e);
	}
}

static void pass_time(struct world *w)
{
	static const usec_t spans[] = {0, 1, 500, 50 * USEC_PER_MSEC, 400 * USEC_PER_MSEC,
		2 * USEC_PER_SEC, 11 * USEC_PER_SEC, 50 * USEC_PER_SEC};
	usec_t first = USEC_INFINITY;

	if (below(w, 3) == 0) { /* exactly to the next deadline */
		for (uint32_t i = 0; i < N; i++)
			first = MIN_OF(first, core_deadline(w->rig.core, i));
		if (first != USEC_INFINITY && first > w->rig.now)
			w->rig.now = first;
	} else {
		w->rig.now += spans[below(w, ELEMENTSOF(spans))];
	}
	tell_deadlines(w);
}

/* Another configuration, of what may change while a service lives. */
static void change_settings(struct world *w, uint32_t i)
{
	struct spec_policy *p = &w->rig.policies[i];

	p->stop_timeout_usec = below(w, 10) * USEC_PER_SEC;
	p->stop_kill = (enum spec_kill)below(w, SPEC_KILL_MAX);
	p->restart_delay_usec = below(w, 3) * 100 * USEC_PER_MSEC;
	p->restart_jitter_percent = below(w, 101);
	core_set_policy(w->rig.core, i, p);
}

/* The service goes, and another one gets its place, with the generation that it had come to. */
static void replace(struct world *w, uint32_t i)
{
	struct process *p = &w->p[i];
	struct core_record fresh = {.state = CORE_STOPPED,
		.why = CORE_WHY_NEVER_STARTED,
		.generation = p->generation,
		.since_usec = w->rig.now,
		.deadline_usec = USEC_INFINITY};

	if (rig_record(&w->rig, i)->state != CORE_STOPPED || tree_exists(p) || p->to_tell_ended)
		return;
	core_remove(w->rig.core, i);
	assert_int_equal(core_grow(w->rig.core, N + below(w, 3)), 0);
	core_add(w->rig.core, i, &w->rig.policies[i], &fresh, w->rig.now);
	*p = (struct process){.generation = p->generation, .ended = p->ended};
	check(w);
}

static void something_happens(struct world *w)
{
	static const enum core_event_type requests[] = {CORE_EVENT_START, CORE_EVENT_START,
		CORE_EVENT_AUTOSTART, CORE_EVENT_STOP, CORE_EVENT_RESTART, CORE_EVENT_RESET,
		CORE_EVENT_KILL, CORE_EVENT_SETTLE, CORE_EVENT_SIGNAL, CORE_EVENT_UNBLOCK};
	uint32_t i = below(w, N);
	unsigned what = below(w, 100);

	if (what < 20)
		ask(w, i, requests[below(w, ELEMENTSOF(requests))]);
	else if (what < 65)
		live(w, i);
	else if (what < 88)
		pass_time(w);
	else if (what < 94)
		repeat(w, i);
	else if (what < 96)
		change_settings(w, i);
	else if (what < 97)
		replace(w, i);
	else
		restart_engine(w);
}

static bool is_settled(const struct world *w, uint32_t i)
{
	const struct core_record *r = rig_record(&w->rig, i);

	if (w->p[i].wanted_up)
		return r->state == CORE_RUNNING || r->state == CORE_EXITED ||
		       r->state == CORE_FAILED;
	/* A shutdown leaves alone what had ended before. */
	return r->state == CORE_STOPPED ||
	       (core_is_shutting_down(w->rig.core) &&
		       (r->state == CORE_EXITED || r->state == CORE_FAILED));
}

/* No more faults: all that is wanted comes up, all else goes, and it stays so. */
static void settle(struct world *w)
{
	w->calm = true;
	for (unsigned k = 0; k < SETTLE_EVENTS; k++, w->n_event++) {
		for (uint32_t i = 0; i < N; i++) {
			live(w, i);
			ask(w, i, CORE_EVENT_UNBLOCK);
		}
		w->rig.now += 500 * USEC_PER_MSEC;
		tell_deadlines(w);
	}
	for (uint32_t i = 0; i < N; i++)
		CHECK(w, i, is_settled(w, i));
	if (core_is_shutting_down(w->rig.core))
		CHECK(w, N, core_is_down(w->rig.core));
}

static void choose_policy(struct world *w, struct spec_policy *p)
{
	static const usec_t stable[] = {0, USEC_PER_SEC, 10 * USEC_PER_SEC};

	*p = rig_policy();
	p->type = below(w, 4) == 0 ? SPEC_TYPE_ONESHOT : SPEC_TYPE_SIMPLE;
	p->restart = (enum spec_restart)below(w, SPEC_RESTART_MAX);
	if (below(w, 2) == 0)
		p->restart = SPEC_RESTART_ALWAYS;
	/* A oneshot that is always restarted is never settled. */
	if (p->type == SPEC_TYPE_ONESHOT && p->restart == SPEC_RESTART_ALWAYS)
		p->restart = SPEC_RESTART_ON_FAILURE;
	p->restart_limit = below(w, 5);
	p->restart_jitter_percent = below(w, 101);
	p->restart_max_delay_usec = (1 + below(w, 20)) * USEC_PER_SEC;
	p->restart_window_usec = below(w, 60) * USEC_PER_SEC;
	p->stable_after_usec = stable[below(w, ELEMENTSOF(stable))];
	p->stop_timeout_usec = below(w, 10) * USEC_PER_SEC;
	p->stop_kill = (enum spec_kill)below(w, SPEC_KILL_MAX);
	p->essential = below(w, 12) == 0;
}

static void run_history(uint64_t seed, bool told)
{
	struct world w = {.seed = seed,
		.state = seed * UINT64_C(0x2545F4914F6CDD1D),
		.asked = N,
		.told = told};
	bool ends_with_shutdown;

	w.max_starting = below(&w, 4);
	rig_init(&w.rig, N, w.max_starting);
	if (below(&w, 3) == 0) /* milliseconds wrap on the way */
		w.rig.now = (UINT64_C(1) << 32) * USEC_PER_MSEC - below(&w, 300) * USEC_PER_SEC;
	for (uint32_t i = 0; i < N; i++)
		choose_policy(&w, &w.rig.policies[i]);
	ends_with_shutdown = below(&w, 3) == 0;
	for (w.n_event = 0; w.n_event < EVENTS; w.n_event++) {
		if (ends_with_shutdown && w.n_event == EVENTS - 40)
			shut_down(&w, false);
		if (ends_with_shutdown && w.n_event == EVENTS - 20 && below(&w, 2) == 0)
			shut_down(&w, true);
		something_happens(&w);
	}
	settle(&w);
	rig_fini(&w.rig);
}

static void whatever_happens_the_promises_hold(void **state _unused_)
{
	const char *seed = getenv("CORE_RANDOM_SEED");
	const char *histories = getenv("CORE_RANDOM_HISTORIES");
	uint64_t n = histories ? strtoull(histories, NULL, 10) : HISTORIES;

	if (seed) {
		run_history(strtoull(seed, NULL, 10), true);
		return;
	}
	for (uint64_t i = 1; i <= n; i++)
		run_history(i, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_the_promises_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
