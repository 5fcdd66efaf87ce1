/*
 * The list of what must always hold: a name, which a failure tells, and a sentence.
 */
#include "check.h"

#include "world.h"

/* clang-format off */
static const struct {
	const char *name, *sentence;
} invariants[INV_MAX] = {
	[INV_UNDERSTOOD] = {"understood",
		"No event that can happen is one that the core takes for a bug."},
	[INV_ONE_GENERATION] = {"one-generation",
		"Of each service one generation lives at most, its whole tree counted."},
	[INV_TREE_GONE_FIRST] = {"tree-gone-first",
		"Nothing is spawned before the last generation's tree is gone and its end was told."},
	[INV_GENERATIONS_GROW] = {"generations-grow",
		"Generations are counted one by one, and only a start begins one."},
	[INV_STALE] = {"stale",
		"What is told twice, too late, or of an old generation, READY too, changes nothing."},
	[INV_ENDS_COUNTED] = {"ends-counted",
		"Each end is accounted once: the record tells the last one, restarts the automatic starts."},
	[INV_NO_SIGNAL_TO_REAPED] = {"no-signal-to-reaped",
		"A process that is known to be reaped gets no signal, only what is left of its tree."},
	[INV_NOTHING_ALIVE] = {"nothing-alive",
		"Nothing is alive of what is stopped, waiting, in backoff, exited or failed."},
	[INV_LIMIT] = {"limit",
		"Within restart-window there are at most restart-limit automatic starts."},
	[INV_POLICY] = {"policy",
		"What follows an end is what restart and success-codes say, after the delay that they ask."},
	[INV_HEALTH] = {"health",
		"So many failed checks in a row make a service unhealthy, and health.action is taken."},
	[INV_SCHEDULE] = {"schedule",
		"A run that is due starts, or is skipped, queued or starts anew, as overlap says."},
	[INV_WANTED] = {"wanted",
		"After a stop nothing is up without a start, of it or of what needs it."},
	[INV_LAST_WORD] = {"last-word",
		"After a start it is wanted, until somebody wants it down, or has started what conflicts."},
	[INV_START_ORDER] = {"start-order",
		"A start comes when all that it requires is there, and what it comes after is not coming."},
	[INV_STOP_ORDER] = {"stop-order",
		"What others require is told to stop when they are gone, but where it hangs, or in a hurry."},
	[INV_REQUIRED] = {"required",
		"What has lost something that it requires, and that has been there, is on its way down."},
	[INV_CONFLICT] = {"conflict",
		"Nothing is started beside what it conflicts with."},
	[INV_PLACES] = {"places",
		"No start exceeds max-starting, or the slots of its pool."},
	[INV_FAIR] = {"fair",
		"Who waits in a line is not overtaken."},
	[INV_NO_PLACE_FREE] = {"no-place-free",
		"No slot and no place is free while somebody waits for it."},
	[INV_CAUSE] = {"cause",
		"What waits names a cause, which is there."},
	[INV_KILL] = {"kill",
		"KILL comes after the stop timeout, or by request; it is for the whole tree."},
	[INV_DEADLINE] = {"deadline",
		"What is on its way has a deadline, or waits for another service, or was given none."},
	[INV_HOOK_ONCE] = {"hook-once",
		"A hook is asked for at most once in a generation, and only if there is one."},
	[INV_HOOK_ORDER] = {"hook-order",
		"pre-start is over before the spawn; post-stop comes when the tree is gone, and is over "
		"before the next start, as are all hooks of the last generation."},
	[INV_READY] = {"ready",
		"What runs has said that it is ready, in this generation, as its settings want it."},
	[INV_RECORD] = {"record",
		"A record is valid, makes sense by itself, and each change of it is committed."},
	[INV_REFUSED] = {"refused",
		"A reload that is refused leaves all as it is; one that is right is not refused."},
	[INV_ANSWER] = {"answer",
		"Each request is answered once, when its service changes, in the end, and truly."},
	[INV_ESSENTIAL] = {"essential",
		"All stop when an essential service has ended for good, and for nothing else."},
	[INV_SHUTDOWN] = {"shutdown",
		"In a shutdown nothing starts, and what others may need stops after them."},
	[INV_RECOVERY] = {"recovery",
		"A core made of what is on disk is as the last one was, and has nothing to do."},
	[INV_LONER] = {"loner",
		"What nothing connects with other services fares as if they were not there."},
	[INV_CLOCK] = {"clock",
		"It makes no difference where the clock began to count."},
	[INV_LIVENESS] = {"liveness",
		"When faults have stopped, all comes to what is wanted of it, and to rest."},
};
/* clang-format on */

const char *invariant_name(enum invariant i)
{
	return i < INV_MAX ? invariants[i].name : "none";
}

const char *invariant_sentence(enum invariant i)
{
	return i < INV_MAX ? invariants[i].sentence : "All is well.";
}

void check_failed(struct world *w, enum invariant i, uint32_t service, const char *what)
{
	if (world_failed(w))
		return;
	w->failure =
		(struct failure){.invariant = i, .what = what, .service = service, .n_op = w->n_op};
	tell(w, "service %u: '%s' does not hold: %s", service, invariant_name(i), what);
}
