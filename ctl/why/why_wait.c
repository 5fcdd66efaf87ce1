/*
 * When others are the reason: whom it waits for and why that one is not there, down to the root,
 * and what is still in the way of a stop.
 */
#include "ctl/output/render_json.h"
#include "ctl/why/why_internal.h"

#define MAX_COMMAND 60 /* bytes */

/* "which is in backoff: its process exited with status 1; it starts again in 4s" */
static void say_state_of(struct tale *t, json_t *cause)
{
	const char *state = render_string(cause, "state"), *reason = render_string(cause, "reason");
	json_t *end = json_object_get(cause, "end");
	bool backoff = is_word(state, "backoff");
	bool ended = backoff || is_word(state, "failed") || is_word(state, "exited");

	if (is_word(state, "exited"))
		say(t, "has exited");
	else if (is_word(state, "failed"))
		say(t, "has failed");
	else
		say(t, "is %s%s", backoff ? "in " : "", state);
	if (ended && json_is_object(end) && is_word(render_string(cause, "cause"), "none")) {
		say(t, ": its process ");
		say_end(t, end);
	} else if (ended && *reason != '\0') {
		say(t, ": %s", reason);
	} else if (is_word(state, "starting")) {
		say(t, " and not ready yet");
	}
	if (backoff && json_is_object(json_object_get(cause, "deadline"))) {
		say(t, "; it starts again ");
		say_when(t, json_object_get(cause, "deadline"));
	}
}

/* Another one that waits itself: whom for is the next sentence. */
static void tell_link(struct tale *t, const char *name, const char *why, json_t *cause, bool stuck)
{
	const char *other = render_string(cause, "name");

	if (is_word(why, "conflict"))
		say(t, "%s conflicts with %s, which ", name, other);
	else if (is_word(why, "predecessor"))
		say(t, "%s takes the place of %s, which has to end first and ", name, other);
	else
		say(t, "%s %s %s, which ", name, stuck ? "requires" : "waits for", other);
	say_state_of(t, cause);
	stop_here(t);
}

void tell_causes(struct tale *t)
{
	json_t *causes = json_object_get(t->facts, "causes");
	bool stuck = json_is_true(json_object_get(t->facts, "stuck"));
	const char *name = "It", *why = t->why;
	size_t n = MIN_OF(json_array_size(causes), (size_t)WHY_MAX_ITEMS);

	for (size_t i = 0; i < n; i++) {
		json_t *cause = json_array_get(causes, i);

		tell_link(t, name, why, cause, stuck);
		name = render_string(cause, "name");
		why = render_string(cause, "why");
		stuck = json_is_true(json_object_get(cause, "stuck"));
	}
}

/* The last of them, which nobody brings about: what to do. */
static void tell_way_out(struct tale *t)
{
	json_t *causes = json_object_get(t->facts, "causes");
	json_t *root = json_array_get(causes, json_array_size(causes) - 1);
	const char *name = render_string(root, "name");

	if (!json_is_true(json_object_get(t->facts, "stuck"))) {
		tell(t, "It starts by itself as soon as that is over");
		return;
	}
	if (is_word(t->why, "conflict") && json_array_size(causes) == 1)
		tell(t, "Nothing is going to stop %s; to stop it: supctl stop %s", name, name);
	else if (*name != '\0')
		tell(t, "Nothing is going to start %s by itself; to start both: supctl start %s",
			name, t->name);
	tell(t, "As soon as that is over, it starts by itself");
}

/* "of the 2 slots of pool 'db': a and b have them" */
static void say_holders(struct tale *t, json_t *line)
{
	json_t *holders = json_object_get(line, "holders");
	int64_t used = render_integer(line, "used", 0);

	if (used <= 0)
		return;
	say(t, ": ");
	say_names(t, holders, used);
}

static void tell_place(struct tale *t, json_t *line)
{
	int64_t place = render_integer(line, "place", 0);
	int64_t waiting = render_integer(line, "waiting", 0);

	if (place > 0)
		tell(t,
			"It is number %" PRIi64 " of %" PRIi64 " in that line: first come, first "
			"served",
			place, waiting);
}

static void tell_pool(struct tale *t)
{
	json_t *pool = json_object_get(t->facts, "pool");
	int64_t limit = render_integer(pool, "limit", 0);

	say(t, "It waits for a slot of the pool \"%s\", which has %" PRIi64 ", taken by others",
		render_string(pool, "name"), limit);
	say_holders(t, pool);
	stop_here(t);
	tell_place(t, pool);
	tell(t, "It starts by itself when one of them has ended");
}

static void tell_max_starting(struct tale *t)
{
	json_t *starting = json_object_get(t->facts, "starting");

	say(t, "As many services are starting as max-starting = %" PRIi64 " allows",
		render_integer(starting, "limit", 0));
	say_holders(t, starting);
	stop_here(t);
	tell_place(t, starting);
	tell(t, "It starts by itself when one of them is ready or has ended");
}

void tell_waiting(struct tale *t)
{
	if (is_word(t->why, "pool")) {
		tell_pool(t);
	} else if (is_word(t->why, "max-starting")) {
		tell_max_starting(t);
	} else if (is_word(t->why, "schedule")) {
		tell_schedule(t);
		tell_end(t);
	} else {
		tell_causes(t);
		tell_way_out(t);
	}
}

/* --- a stop under way --- */

static void say_kill_follows(struct tale *t)
{
	json_t *deadline = json_object_get(t->facts, "deadline");

	if (!json_is_object(deadline))
		return;
	say(t, "; whatever is left ");
	say_when(t, deadline);
	say(t, " gets KILL (stop.timeout = ");
	say_msec(t, render_integer(json_object_get(t->facts, "stop"), "timeout_ms", 0));
	say(t, ")");
}

static void tell_signal_phase(struct tale *t)
{
	const char *sent = render_string(t->facts, "sent");
	bool main_ended = json_is_true(json_object_get(t->facts, "main_ended"));

	if (json_is_true(json_object_get(t->facts, "killed"))) {
		tell(t, "KILL was sent to all that is left of it, and is repeated until nothing "
			"is; "
			"a process that stays now hangs in the kernel, as on a dead disk or NFS");
		return;
	}
	if (main_ended)
		say(t, "Its main process has ended; others that it started are still there");
	else if (*sent != '\0')
		say(t, "supervisord has sent it %s and waits for its end", sent);
	else
		say(t, "Its stop command has ended, and its process is expected to end now");
	say_kill_follows(t);
	stop_here(t);
}

static void tell_stop_phase(struct tale *t)
{
	json_t *dependents = json_object_get(t->facts, "dependents");

	if (is_word(t->phase, "dependents")) {
		say(t, "It is stopped when those have ended that need it: ");
		say_names(t, dependents, (int64_t)json_array_size(dependents));
		stop_here(t);
	} else if (is_word(t->phase, "pre-stop")) {
		tell(t, "Its pre-stop hook has to end first");
		tell_hook(t, "pre-stop");
	} else if (is_word(t->phase, "stop-command")) {
		say(t, "Its stop command runs, in place of a signal");
		say_kill_follows(t);
		stop_here(t);
		tell_hook(t, "stop");
	} else if (is_word(t->phase, "cancelled")) {
		tell(t, "Its program was not started yet; its pre-start hook is being ended");
	} else if (is_word(t->phase, "post-stop")) {
		tell(t, "All of its processes have ended; its post-stop hook runs");
		tell_hook(t, "post-stop");
	} else {
		tell_signal_phase(t);
	}
}

/* The beginning of a command line on one line, as it is often a script. */
static void say_command(struct tale *t, const char *command)
{
	char text[MAX_COMMAND + 1];
	size_t n = 0;

	for (; *command != '\0' && n < MAX_COMMAND; command++) {
		bool blank = (unsigned char)*command <= ' ';

		if (!blank || (n > 0 && text[n - 1] != ' '))
			text[n++] = blank ? ' ' : *command;
	}
	text[n] = '\0';
	say(t, "%s%s", text, *command != '\0' ? " ..." : "");
}

static void tell_survivors(struct tale *t)
{
	json_t *survivors = json_object_get(t->facts, "survivors");
	size_t n = json_array_size(survivors), told = MIN_OF(n, (size_t)WHY_MAX_ITEMS);

	/* before that nothing was asked to go, and commands of ours may be among them */
	if (n == 0 || !is_word(t->phase, "signal"))
		return;
	say(t, "Still there: ");
	for (size_t i = 0; i < told; i++) {
		json_t *process = json_array_get(survivors, i);

		say(t, "%spid %" PRIi64 " (", i > 0 ? ", " : "", render_integer(process, "pid", 0));
		say_command(t, render_string(process, "command"));
		say(t, ")");
	}
	if (n > told)
		say(t, " and %zu more", n - told);
	stop_here(t);
}

static void tell_then(struct tale *t)
{
	const char *then = render_string(t->facts, "then");

	if (is_word(then, "start"))
		tell(t, "Then it starts again");
	else if (is_word(then, "backoff"))
		tell_restart_rule(t);
	else if (is_word(then, "failed"))
		tell(t, "Then it has failed, and nothing starts it by itself");
	else if (is_word(then, "exited"))
		tell(t, "Then it has exited, as it should");
	else if (is_word(then, "stopped"))
		tell(t, "Then it is stopped, and stays so");
}

void tell_stopping(struct tale *t)
{
	tell_stop_phase(t);
	tell_survivors(t);
	tell_then(t);
}
