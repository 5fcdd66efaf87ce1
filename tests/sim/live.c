/*
 * What the launcher, processes and hooks do by themselves. Of all that is possible for a service
 * at this moment, one thing happens; in calm times, all that is under way comes to its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#include "base/macro.h"
#include "world.h"

static void end_hook(struct world *w, uint32_t i, enum spec_hook hook)
{
	struct place *p = &w->places[i];
	struct hook_run *h = &p->hooks[hook];

	h->running = false;
	h->to_tell = true;
	tell(w, "    service %u: hook %s ends, %s", i, hook_name(hook), h->ok ? "well" : "badly");
	if (hook == SPEC_HOOK_STOP && h->ok && p->main_alive && p->generation == h->generation &&
		!p->stubborn && p->signalled == 0)
		p->signalled = SIGTERM; /* what the command has brought about */
}

/* --- what may happen --- */

enum deed {
	TELL_DUE,
	TELL_STARTED,
	TELL_ENDED,
	TELL_GONE,
	TELL_MAIN,
	EXEC,
	FAIL_TO_EXEC,
	FORK,
	DIE,
	EXIT,
	CRASH,
	BEAR, /* another process of the tree */
	BURY,
	SAY_READY,
	SAY_ALIVE,
	SAY_TRIGGER,
	SAY_EXTEND,
	SAY_MAIN,
	CHECK_GOOD,
	CHECK_BAD,
	HOOK, /* and those after it */
	DEED_MAX = HOOK + 2 * SPEC_HOOK_MAX
};

static void add(uint8_t deeds[static 2 * DEED_MAX], unsigned *n, unsigned deed, bool possible)
{
	if (possible)
		deeds[(*n)++] = (uint8_t)deed;
}

static bool is_checked(const struct world *w, uint32_t i)
{
	return policy_of(w, i)->health_failures > 0 && record_of(w, i)->state == CORE_RUNNING;
}

/* The launcher's news, in the order in which it tells them; the rest is heard by other ways. */
static void find_news(const struct world *w, uint32_t i, uint8_t *deeds, unsigned *n)
{
	const struct place *p = &w->places[i];

	add(deeds, n, TELL_DUE, p->tell_due);
	add(deeds, n, TELL_STARTED, p->tell_started);
	add(deeds, n, TELL_ENDED, p->tell_ended && !p->tell_started);
	add(deeds, n, TELL_GONE, p->watched != 0 && p->watched == p->generation && !tree_exists(p));
	add(deeds, n, TELL_MAIN,
		p->find_main != 0 && p->find_main == p->generation && p->n_others > 0 &&
			!p->main_alive && !p->tell_ended);
	for (unsigned k = 0; k < SPEC_HOOK_MAX; k++) {
		add(deeds, n, HOOK + k, p->hooks[k].running && !p->hooks[k].hangs);
		add(deeds, n, HOOK + k, p->hooks[k].running && p->hooks[k].cancelled);
		add(deeds, n, HOOK + SPEC_HOOK_MAX + k, p->hooks[k].to_tell);
	}
}

static void find_deeds(const struct world *w, uint32_t i, uint8_t *deeds, unsigned *n)
{
	const struct place *p = &w->places[i];
	bool heard = p->main_alive && (!p->tell_started || has_fault(w, FAULT_early));

	add(deeds, n, EXEC, p->asked);
	add(deeds, n, EXEC, p->asked);
	add(deeds, n, FAIL_TO_EXEC, p->asked && has_fault(w, FAULT_spawn));
	add(deeds, n, FORK, p->forks);
	add(deeds, n, FORK, p->forks);
	add(deeds, n, DIE, p->main_alive && p->signalled != 0);
	add(deeds, n, EXIT, p->main_alive && policy_of(w, i)->type == SPEC_TYPE_ONESHOT);
	add(deeds, n, EXIT, p->main_alive && has_fault(w, FAULT_exit));
	add(deeds, n, CRASH, p->main_alive && has_fault(w, FAULT_crash));
	add(deeds, n, BEAR, p->main_alive && p->n_others < 3 && has_fault(w, FAULT_children));
	add(deeds, n, BURY, p->n_others > 0);
	add(deeds, n, SAY_READY, heard && !p->silent);
	add(deeds, n, SAY_READY, heard && !p->silent && p->ready_told != p->generation);
	add(deeds, n, SAY_ALIVE, heard && !p->silent && policy_of(w, i)->watchdog_usec > 0);
	add(deeds, n, SAY_TRIGGER, heard && has_fault(w, FAULT_sick));
	add(deeds, n, SAY_EXTEND, heard && has_fault(w, FAULT_late));
	add(deeds, n, SAY_MAIN, heard && p->n_others > 0 && p->main_known && !p->forks);
	add(deeds, n, CHECK_GOOD, is_checked(w, i));
	add(deeds, n, CHECK_BAD, is_checked(w, i) && has_fault(w, FAULT_sick));
}

/* --- doing it --- */

/* One of the others is the main process from now on: found in the pid-file, or by its own word. */
static void adopt_main(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	if (p->main_alive)
		p->n_others++; /* the one that it was until now stays as one of them */
	p->n_others--;
	p->main_alive = p->adopted = p->main_known = true;
	p->find_main = 0;
	p->pid = (int32_t)(1000 * (i + 1)) + ++p->n_pids % 1000;
	tell_adopted(w, i);
}

static void exec_done(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];

	p->asked = false;
	p->main_alive = p->tell_started = true;
	p->forks = policy_of(w, i)->type == SPEC_TYPE_FORKING;
	p->exec_at = w->now;
}

static void do_hook(struct world *w, uint32_t i, unsigned k)
{
	struct hook_run *h = &w->places[i].hooks[k % SPEC_HOOK_MAX];

	if (k >= SPEC_HOOK_MAX)
		tell_hook(w, i, (enum spec_hook)(k - SPEC_HOOK_MAX));
	else if (h->cancelled && h->endures > 0 && !w->calm)
		h->endures--;
	else
		end_hook(w, i, (enum spec_hook)k);
}

static void crash(struct world *w, uint32_t i)
{
	static const enum core_end ends[] = {CORE_END_EXITED, CORE_END_SIGNALLED, CORE_END_DUMPED};

	end_main(w, i, ends[sim_below(&w->random, 3)], 1 + (int)sim_below(&w->random, 3));
}

/* What a process does; its parent or the engine hears of it later. */
static void do_deed(struct world *w, uint32_t i, unsigned deed)
{
	struct place *p = &w->places[i];

	switch (deed) {
	case EXEC:
		exec_done(w, i);
		break;
	case FAIL_TO_EXEC:
		end_main(w, i, CORE_END_SPAWN_FAILED, ENOENT);
		break;
	case FORK:
		p->n_others += rarely(w, has_fault(w, FAULT_children) ? 4 : UINT32_MAX) ? 0 : 1;
		end_main(w, i, CORE_END_EXITED, 0);
		break;
	case DIE:
		end_main(w, i, CORE_END_SIGNALLED, p->signalled);
		break;
	case EXIT:
		end_main(w, i, CORE_END_EXITED, 0);
		break;
	case CRASH:
		crash(w, i);
		break;
	case BEAR:
		p->n_others++;
		break;
	case BURY:
		if (p->endures == 0)
			p->n_others--;
		else
			p->endures--;
		break;
	default:
		do_hook(w, i, deed - HOOK);
		break;
	}
}

static void do_or_tell(struct world *w, uint32_t i, unsigned deed)
{
	switch (deed) {
	case TELL_DUE:
		tell_due(w, i);
		break;
	case TELL_STARTED:
		tell_started(w, i);
		break;
	case TELL_ENDED:
		tell_ended(w, i);
		break;
	case TELL_GONE:
		tell_gone(w, i);
		break;
	case TELL_MAIN:
	case SAY_MAIN:
		adopt_main(w, i);
		break;
	case SAY_READY:
		say(w, i, CORE_EVENT_READY, true);
		break;
	case SAY_ALIVE:
		say(w, i, CORE_EVENT_ALIVE, true);
		break;
	case SAY_TRIGGER:
		say(w, i, CORE_EVENT_TRIGGER, true);
		break;
	case SAY_EXTEND:
		say(w, i, CORE_EVENT_EXTEND, true);
		break;
	case CHECK_GOOD:
		say(w, i, CORE_EVENT_HEALTH, true);
		break;
	case CHECK_BAD:
		say(w, i, CORE_EVENT_HEALTH, false);
		break;
	default:
		do_deed(w, i, deed);
		break;
	}
}

/* News are told at once, unless they may be late. */
bool live(struct world *w, uint32_t i)
{
	uint8_t deeds[2 * DEED_MAX];
	unsigned n = 0;

	find_news(w, i, deeds, &n);
	if (n == 0 || has_fault(w, FAULT_late))
		find_deeds(w, i, deeds, &n);
	if (n > 0)
		do_or_tell(w, i, deeds[sim_below(&w->random, n)]);
	return n > 0;
}

/* --- calm --- */

/* What was killed and has survived until now does not any more. */
static bool let_die(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	const struct core_record *r = record_of(w, i);

	if (p->main_alive && p->signalled != 0) {
		end_main(w, i, CORE_END_SIGNALLED, p->signalled);
		return true;
	}
	if (r->state != CORE_STOPPING || (p->n_others == 0 && !p->main_alive))
		return false;
	if (r->killed && p->main_alive)
		end_main(w, i, CORE_END_SIGNALLED, SIGKILL);
	else if (!p->main_alive && r->signo != 0)
		p->n_others = 0;
	else
		return false;
	return true;
}

/* What does not need to be said twice has been said by then. */
static bool say_calmly(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	const struct core_record *r = record_of(w, i);

	if (p->asked)
		exec_done(w, i);
	else if (p->forks)
		do_deed(w, i, FORK);
	else if (p->main_alive && policy_of(w, i)->type == SPEC_TYPE_ONESHOT)
		end_main(w, i, CORE_END_EXITED, 0);
	else if (p->main_alive && r->state == CORE_STARTING && r->phase == CORE_PHASE_READY)
		say(w, i, CORE_EVENT_READY, true);
	else if (is_checked(w, i) && r->health != CORE_HEALTH_GOOD)
		say(w, i, CORE_EVENT_HEALTH, true);
	else
		return let_die(w, i);
	return true;
}

bool live_calmly(struct world *w, uint32_t i)
{
	struct place *p = &w->places[i];
	uint8_t deeds[2 * DEED_MAX];
	unsigned n = 0;

	for (unsigned k = 0; k < SPEC_HOOK_MAX; k++)
		p->hooks[k].hangs = false;
	p->silent = p->stubborn = false;
	p->endures = 0;
	find_news(w, i, deeds, &n);
	if (n == 0)
		return say_calmly(w, i);
	do_or_tell(w, i, deeds[0]);
	return true;
}
