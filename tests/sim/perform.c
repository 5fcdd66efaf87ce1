/*
 * What the engine does with a change, in its order: the record goes to disk, then it is done. The
 * launcher, processes and hooks do here what they are asked for; each may be in the middle of it
 * when the engine dies, and then the next one asks for it again.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/macro.h"
#include "world.h"

/* --- spawning --- */

static void spawn(struct world *w, uint32_t i, uint64_t generation)
{
	struct place *p = &w->places[i];

	p->generation = generation;
	p->asked = true;
	p->main_alive = p->adopted = p->forks = p->forked = p->tell_started = p->tell_ended = false;
	p->n_others = 0;
	p->stubborn = has_fault(w, FAULT_stubborn) && rarely(w, 3);
	p->silent = has_fault(w, FAULT_silent) && rarely(w, 3);
	p->endures = 0;
	p->signalled = 0;
	p->pid = (int32_t)(1000 * (i + 1)) + ++p->n_pids % 1000;
	tell(w, "    service %u: spawn generation %" PRIu64, i, generation);
}

/* --- signals --- */

static bool dies_of(struct world *w, struct place *p, int signo)
{
	if (signo != SIGKILL)
		return !p->stubborn;
	if (p->endures > 0)
		return --p->endures == 0;
	if (has_fault(w, FAULT_unkillable) && rarely(w, 3))
		p->endures = 1 + sim_below(&w->random, 4);
	return p->endures == 0;
}

static void send_signal(struct world *w, uint32_t i, int signo, enum spec_kill scope)
{
	struct place *p = &w->places[i];

	tell(w, "    service %u: signal %d to its %s", i, signo, spec_kill_to_string(scope));
	if (p->generation != record_of(w, i)->generation)
		return; /* it is still to be spawned, by an engine that goes on from here */
	if (signo == SIGUSR1 || !dies_of(w, p, signo)) /* what operators send harms nobody here */
		return;
	if (scope == SPEC_KILL_TREE && (signo == SIGKILL || !rarely(w, 4)))
		p->n_others = 0;
	if (scope == SPEC_KILL_GROUP)
		p->n_others /= 2;
	if (p->asked || (p->main_alive && (signo == SIGKILL || rarely(w, 2))))
		end_main(w, i, CORE_END_SIGNALLED, signo);
	else if (p->main_alive)
		p->signalled = signo;
}

/* --- hooks --- */

const char *hook_name(enum spec_hook hook)
{
	static const char *const names[SPEC_HOOK_MAX] = {
		"pre-start", "post-start", "pre-stop", "stop", "post-stop", "on-failed"};

	return hook < SPEC_HOOK_MAX ? names[hook] : "?";
}

static void run_hook(struct world *w, uint32_t i, enum spec_hook hook, uint64_t generation)
{
	struct hook_run *h = &w->places[i].hooks[hook];

	*h = (struct hook_run){.generation = generation,
		.running = true,
		.hangs = has_fault(w, FAULT_hooks) && rarely(w, 3),
		.ok = !(has_fault(w, FAULT_hooks) && rarely(w, 3))};
	tell(w, "    service %u: run hook %s of generation %" PRIu64, i, hook_name(hook),
		generation);
}

static void cancel_hook(struct world *w, uint32_t i, enum spec_hook hook)
{
	struct hook_run *h = &w->places[i].hooks[hook];

	tell(w, "    service %u: kill hook %s", i, hook_name(hook));
	if (!h->running)
		return;
	h->cancelled = true;
	h->ok = false;
	if (has_fault(w, FAULT_unkillable) && rarely(w, 3))
		h->endures = 1 + sim_below(&w->random, 4);
}

/* --- all of a change --- */

void set_policy(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	p->steady = false;
	p->n_starts = 0; /* another limit, of another window */
	p->knows_starts = false;
	core_set_policy(w->core, i, policy_of(w, i));
}

/* What waits for the next generation goes by when that begins, or when there is none. */
static void adopt_next(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	const struct core_record *r = record_of(w, i);

	if (!p->has_next || (is_live(r) && r->generation == p->seen.generation))
		return;
	p->has_next = p->changed = false;
	w->adopted = true;
	w->config.services[i].policy = p->next;
	p->n_starts = 0;
	p->knows_starts = false;
	core_set_policy(w->core, i, policy_of(w, i));
}

static const char *error_text(int error)
{
	return strerrorname_np(error);
}

static const char *name_of(const void *userdata, uint32_t service)
{
	static const char *const names[] = {"0", "1", "2", "3", "4", "5", "6"};

	(void)userdata;
	return service < ELEMENTSOF(names) ? names[service] : "";
}

_Static_assert(SIM_SERVICES == 7, "each has a name");

static void tell_change(struct world *w, const struct core_change *c)
{
	const struct core_words words = {.stage_text = "cannot execute",
		.error_text = error_text,
		.name = name_of,
		.pool = name_of};
	const struct core_record *r = record_of(w, c->service);
	char reason[CORE_REASON_SIZE], state[STATE_TEXT_SIZE];

	if (w->told && c->todo & CORE_DO_PUBLISH)
		tell(w, "    service %u: %s -> %s, %s%s", c->service,
			core_state_to_string(c->previous), state_text(r, state),
			core_reason(w->core, c->service, &words, reason),
			r->desired_up ? "" : "; not wanted");
}

static void act(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	struct place *p = &w->places[i];
	uint64_t generation = record_of(w, i)->generation;

	if (c->todo & CORE_DO_SPAWN)
		spawn(w, i, generation);
	if (c->todo & CORE_DO_CANCEL_HOOK && c->hook != c->cancel)
		cancel_hook(w, i, c->cancel);
	if (c->todo & CORE_DO_HOOK)
		run_hook(w, i, c->hook, generation);
	if (c->todo & CORE_DO_CANCEL_HOOK && c->hook == c->cancel)
		cancel_hook(w, i, c->cancel);
	if (c->todo & CORE_DO_SIGNAL)
		send_signal(w, i, c->signo, c->scope);
	if (c->todo & CORE_DO_WATCH_TREE)
		p->watched = generation;
	if (c->todo & CORE_DO_FIND_MAIN)
		p->find_main = generation;
	if (c->todo & CORE_DO_SCHEDULE)
		p->tell_due = true;
}

bool perform(struct world *w, const struct core_change *c)
{
	uint32_t i = c->service;
	struct place *p = &w->places[i];

	tell_change(w, c);
	adopt_next(w, i);
	HOLDS(w, INV_RECORD, i, c->todo & CORE_DO_COMMIT);
	if (c->todo & CORE_DO_SPAWN)
		check_spawn(w, c);
	if (c->todo & CORE_DO_HOOK)
		check_hook(w, c);
	if (c->todo & CORE_DO_SIGNAL)
		check_signal(w, c);
	p->disk = *record_of(w, i);
	p->disk_past = *past_of(w, i);
	w->committed |= 1U << i;
	if (w->cut > 0 && ++w->n_performed == w->cut) {
		tell(w, "the engine dies, when this is committed and not done");
		return false;
	}
	act(w, c);
	judge_requests(w, i);
	return !world_failed(w);
}

/* --- once more --- */

/*
 * A hook that is waited for: the run that there is goes on, or its end is told again; if there was
 * none, it begins. One that was to be killed before it began has ended.
 */
static void redo_hook(struct world *w, uint32_t i, enum spec_hook hook)
{
	const struct core_record *r = record_of(w, i);
	struct hook_run *h = &w->places[i].hooks[hook];
	bool cancelled = r->phase == CORE_PHASE_CANCELLED;

	if (h->generation == r->generation && h->running && cancelled)
		cancel_hook(w, i, hook);
	else if (h->generation == r->generation && !h->running)
		h->to_tell = true;
	else if (h->generation != r->generation && cancelled)
		*h = (struct hook_run){.generation = r->generation, .to_tell = true};
	else if (h->generation != r->generation)
		run_hook(w, i, hook, r->generation);
}

/* Hooks that nobody waits for any more: the last engine may have been about to kill them. */
void kill_stray_hooks(struct world *w, uint32_t i)
{
	enum spec_hook hook = core_phase_hook((enum core_phase)record_of(w, i)->phase);

	for (unsigned k = 0; k < SPEC_HOOK_MAX; k++) {
		const struct hook_run *h = &w->places[i].hooks[k];

		if (k != hook && h->running && !h->cancelled)
			cancel_hook(w, i, (enum spec_hook)k);
	}
}

/* The newest signal of all; those before it had been sent when it was asked for. */
static void redo_signal(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	bool tree = r->killed || r->main_ended || r->why == CORE_WHY_LEFTOVERS;

	if (r->user_signo > 0)
		send_signal(w, i, r->user_signo, SPEC_KILL_PROCESS);
	else if (r->state == CORE_STOPPING && r->signal_op > 0)
		send_signal(w, i, r->signo, tree ? SPEC_KILL_TREE : policy_of(w, i)->stop_kill);
}

void redo(struct world *w, uint32_t i)
{
	const struct core_record *r = record_of(w, i);
	struct place *p = &w->places[i];
	enum core_phase phase = (enum core_phase)r->phase;

	w->random = random_for(w, i);
	if (!is_live(r))
		return;
	if (core_phase_hook(phase) != SPEC_HOOK_MAX)
		redo_hook(w, i, core_phase_hook(phase));
	if (phase == CORE_PHASE_PRE_START || phase == CORE_PHASE_CANCELLED ||
		phase == CORE_PHASE_POST_STOP)
		return; /* there is no process yet, or none any more */
	if (r->main_ended)
		p->watched = r->generation;
	else if (p->generation != r->generation) /* else it is the one that the launcher has */
		spawn(w, i, r->generation);
	if (phase == CORE_PHASE_FORKED && r->main_ended)
		p->find_main = r->generation;
	redo_signal(w, i);
}
