/*
 * The rule of the configuration that decides, named by its key so that it can be looked up, with
 * how far it is used up; and what follows, with its time.
 */
#include "ctl/output/render_json.h"
#include "ctl/why/why_internal.h"

/* --- after an end --- */

/* The end of the sentence: how many automatic starts there may be. */
static void say_limit(struct tale *t, json_t *restart)
{
	int64_t limit = render_integer(restart, "limit", 0);
	int64_t used = MIN_OF(render_integer(restart, "used", 0), limit);

	if (limit <= 0) {
		say(t, ", and restart-limit = 0 never gives up");
		return;
	}
	say(t, ": automatic start %" PRIi64 " of %" PRIi64 " that restart-limit allows within ",
		used < limit ? used + 1 : limit, limit);
	say_msec(t, render_integer(restart, "window_ms", 0));
}

static void tell_gave_up(struct tale *t, json_t *restart)
{
	int64_t limit = render_integer(restart, "limit", 0);

	say(t,
		"restart = \"%s\" would start it again, but it was started automatically %" PRIi64
		" time%s within ",
		render_string(restart, "policy"), limit, limit == 1 ? "" : "s");
	say_msec(t, render_integer(restart, "window_ms", 0));
	tell(t, " (restart-window), and restart-limit allows no more");
}

static const char *why_not(const char *policy)
{
	if (is_word(policy, "on-failure"))
		return "starts it again only after a failure";
	if (is_word(policy, "on-abnormal"))
		return "starts it again only after a signal, a crash or a timeout";
	return "does not start it again";
}

void tell_restart_rule(struct tale *t)
{
	json_t *restart = json_object_get(t->facts, "restart");
	const char *policy = render_string(restart, "policy");
	bool unhealthy = is_word(render_string(t->facts, "cause"), "unhealthy");

	if (*policy == '\0')
		return;
	if (is_word(t->why, "gave-up")) {
		tell_gave_up(t, restart);
	} else if (json_is_true(json_object_get(restart, "wanted"))) {
		say(t,
			unhealthy ? "health.action = \"restart\" starts it again"
				  : "restart = \"%s\" starts it again",
			policy);
		say_limit(t, restart);
		stop_here(t);
	} else if (unhealthy) {
		tell(t, "health.action = \"%s\" leaves it at that",
			render_string(json_object_get(t->facts, "health"), "action"));
	} else {
		tell(t, "restart = \"%s\" %s", policy, why_not(policy));
	}
}

void tell_next_start(struct tale *t)
{
	json_t *restart = json_object_get(t->facts, "restart");
	int64_t delay = render_integer(restart, "delay_ms", 0);
	int64_t max = render_integer(restart, "max_delay_ms", 0);
	json_t *deadline = json_object_get(t->facts, "deadline");

	if (!json_is_object(deadline))
		return;
	say(t, "It starts again ");
	say_when(t, deadline);
	if (delay > 0 && max > 0) {
		say(t, "; should it fail then, the next wait is ");
		say_msec(t, delay < max / 2 ? delay * 2 : max);
		if (delay < max / 2) {
			say(t, ", and never more than ");
			say_msec(t, max);
		}
	}
	stop_here(t);
}

void tell_by_hand(struct tale *t)
{
	if (json_is_true(json_object_get(t->facts, "shutting_down")))
		tell(t, "Nothing starts any more: supervisord is shutting down");
	else
		tell(t, "Nothing starts it by itself; to start it: supctl start %s", t->name);
}

/* --- schedule --- */

void tell_schedule(struct tale *t)
{
	json_t *schedule = json_object_get(t->facts, "schedule");
	json_t *run = json_object_get(t->facts, "run");
	const char *overlap = render_string(schedule, "overlap");

	if (!json_is_object(schedule))
		return;
	if (has_msec(schedule, "every_ms")) {
		say(t, "Its schedule is every ");
		say_msec(t, render_integer(schedule, "every_ms", 0));
	} else {
		say(t, "Its schedule is \"%s\"", render_string(schedule, "cron"));
	}
	say(t, json_is_object(run) ? ": the next run is due " : ": no run is planned");
	say_when(t, run);
	stop_here(t);
	if (json_is_true(json_object_get(t->facts, "queued")))
		tell(t, "A run was due meanwhile (overlap = \"queue\"), and follows this one at "
			"once");
	else if (is_word(t->state, "running") || is_word(t->state, "starting"))
		tell(t, "If it still runs then, overlap = \"%s\" %s", overlap,
			is_word(overlap, "queue")  ? "starts the next run when this one has ended"
			: is_word(overlap, "kill") ? "ends it for the next run"
						   : "leaves that run out");
}

/* --- on the way up --- */

void say_what_makes_ready(struct tale *t, const char *on)
{
	const char *rest = strchr(on, ':') ? strchr(on, ':') + 1 : "";

	if (is_word(on, "notify"))
		say(t, "it has to say READY=1 (sd_notify)");
	else if (strncmp(on, "fd:", 3) == 0)
		say(t, "it has to write a newline to its descriptor %s", rest);
	else if (strncmp(on, "tcp:", 4) == 0)
		say(t, "%s has to accept a connection", rest);
	else if (strncmp(on, "unix:", 5) == 0)
		say(t, "the socket %s has to accept a connection", rest);
	else if (strncmp(on, "command", 7) == 0)
		say(t, "its ready.command has to succeed");
	else if (strncmp(on, "log:", 4) == 0)
		say(t, "it has to write a line that matches %s", rest);
	else
		say(t, "ready.on = \"%s\"", on);
}

/* "; if that has not happened in 24s (06:37:17), …", from the deadline of the start. */
static void tell_patience(struct tale *t, const char *what)
{
	json_t *deadline = json_object_get(t->facts, "deadline");

	if (!json_is_object(deadline))
		return;
	say(t, "%s ", what);
	say_when(t, deadline);
	tell(t, ", it is ended, and counts as failed");
}

static void tell_pre_start(struct tale *t)
{
	tell(t, "Its program is executed once its pre-start hook has succeeded");
	tell_hook(t, "pre-start");
	tell_patience(t, "If that has not ended");
}

void tell_readiness(struct tale *t)
{
	json_t *readiness = json_object_get(t->facts, "readiness");
	const char *problem = render_string(readiness, "problem");

	if (is_word(t->phase, "pre-start")) {
		tell_pre_start(t);
		return;
	}
	if (is_word(t->phase, "exec")) {
		tell(t, "Its program is being executed; the launcher has not said yet how that "
			"went");
		return;
	}
	if (is_word(t->phase, "forked")) {
		tell(t, "Its first process has to end, and its pid-file to name the main process "
			"(type = \"forking\")");
	} else if (is_word(render_string(t->facts, "type"), "oneshot")) {
		tell(t, "It does its work now: a oneshot counts as done when it has ended well");
	} else {
		say(t, "It is not ready yet: ");
		say_what_makes_ready(t, render_string(readiness, "on"));
		if (*problem != '\0')
			say(t, "; so far: %s", problem);
		stop_here(t);
	}
	tell_patience(t, is_word(render_string(t->facts, "type"), "oneshot")
				 ? "If it has not ended"
				 : "If it is not ready");
}

/* --- while it runs --- */

static void tell_bad_health(struct tale *t, json_t *health, const char *message)
{
	const char *action = render_string(health, "action");

	say(t, "It is unhealthy: %" PRIi64 " checks in a row have failed",
		render_integer(health, "failures", 0));
	if (*message != '\0')
		say(t, ", the last one: %s", message);
	stop_here(t);
	if (is_word(action, "none"))
		tell(t, "health.action = \"none\" leaves it running");
}

void tell_health(struct tale *t)
{
	json_t *health = json_object_get(t->facts, "health");
	json_t *probe = json_object_get(health, "probe");
	const char *how = render_string(t->service, "health");
	bool failed = json_is_false(json_object_get(probe, "ok"));
	const char *message = failed ? render_string(probe, "message") : "";
	int64_t failures = render_integer(health, "failures", 0);

	if (!json_is_object(health))
		return;
	if (is_word(how, "unhealthy")) {
		tell_bad_health(t, health, message);
	} else if (failures > 0) {
		tell(t,
			"%" PRIi64 " check%s of its health %s failed in a row%s%s; "
			"health.failures = %" PRIi64 " of them, and health.action = \"%s\" follows",
			failures, failures == 1 ? "" : "s", failures == 1 ? "has" : "have",
			*message != '\0' ? ": " : "", message, render_integer(health, "limit", 0),
			render_string(health, "action"));
	} else if (failed && json_is_true(json_object_get(probe, "forgiven"))) {
		say(t,
			"The last check of its health failed%s%s, which does not count within "
			"health.grace (",
			*message != '\0' ? ": " : "", message);
		say_msec(t, render_integer(health, "grace_ms", 0));
		tell(t, ") of its being ready");
	} else if (is_word(how, "healthy")) {
		tell(t, "It is healthy: the last check of its health was good");
	} else {
		tell(t, "Its health has not been checked yet");
	}
}

static void tell_stability(struct tale *t)
{
	json_t *restart = json_object_get(t->facts, "restart");
	int64_t failures = render_integer(restart, "failures", 0);

	if (!has_msec(restart, "stable_in_ms") || failures <= 0)
		return;
	if (render_integer(restart, "stable_in_ms", 0) == 0) {
		tell(t, "It has run long enough (stable-after) for the failures before to be "
			"forgotten when it ends");
		return;
	}
	say(t, "It is not stable yet: if it runs for another ");
	say_msec(t, render_integer(restart, "stable_in_ms", 0));
	if (render_integer(restart, "limit", 0) == 0) {
		tell(t, ", the failures before are forgotten (stable-after)");
		return;
	}
	tell(t,
		", the failures before are forgotten (stable-after); until then %" PRIi64
		" of %" PRIi64 " automatic starts are used up",
		render_integer(restart, "used", 0), render_integer(restart, "limit", 0));
}

static void tell_watchdog(struct tale *t)
{
	json_t *deadline = json_object_get(t->facts, "deadline");

	if (!has_msec(t->facts, "watchdog_ms") || !json_is_object(deadline))
		return;
	say(t, "Its next sign of life (watchdog) has to come ");
	say_when(t, deadline);
	stop_here(t);
}

void tell_running_rules(struct tale *t)
{
	int64_t restarts = render_integer(t->service, "restarts", 0);
	const char *said = render_string(t->service, "status_text");

	if (restarts > 0 && !is_word(t->why, "ended"))
		tell(t,
			"It was started again automatically %" PRIi64 " time%s since an operator's "
			"start or reset",
			restarts, restarts == 1 ? "" : "s");
	tell_stability(t);
	if (*said != '\0')
		tell(t, "It says of itself: %s", said);
	if (json_is_true(json_object_get(t->service, "reloading")))
		tell(t, "It says that it is reloading its configuration");
	tell_health(t);
	tell_watchdog(t);
	tell_hook(t, "post-start");
}

static void tell_held_up_by(struct tale *t, json_t *log, const char *kind)
{
	json_t *sinks = json_object_get(log, "sinks"), *sink;
	const char *address = "";
	size_t i;

	json_array_foreach(sinks, i, sink)
	{
		if (is_word(render_string(sink, "kind"), kind) && *address == '\0')
			address = render_string(sink, "address");
	}
	if (is_word(kind, "service"))
		tell(t,
			"%s reads what it writes more slowly than it comes; when the pipe is full, "
			"it waits (log.overflow)",
			address);
	else
		tell(t,
			"%s%s%s has no room for what it writes; when its pipe is full, it waits "
			"(log.overflow)",
			kind, *address != '\0' ? " " : "", address);
}

void tell_held_up(struct tale *t)
{
	json_t *log;
	size_t i;

	json_array_foreach(json_object_get(t->facts, "logs"), i, log)
	{
		const char *kind = render_string(log, "waits_for");

		if (is_word(kind, "rate"))
			tell(t, "It writes more than log.rate-lines or log.rate-bytes allow; when "
				"its pipe is full, it waits (log.overflow)");
		else if (*kind != '\0')
			tell_held_up_by(t, log, kind);
	}
}
