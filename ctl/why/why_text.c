/*
 * What is told of a service in which state, and in which order: what it is, what led there, who
 * wanted it, the rule that applies, what happens next.
 */
#include <errno.h>

#include "ctl/output/moment.h"
#include "ctl/output/render_json.h"
#include "ctl/why/why_internal.h"

static void say_since(struct tale *t)
{
	const char *since = render_string(t->service, "since");
	char text[MOMENT_SIZE];
	usec_t realtime;

	say(t, " for ");
	say_msec(t, render_integer(t->facts, "for_ms", 0));
	if (moment_parse(since, &realtime) == 0)
		say(t, ", since %s", moment_text(realtime, t->now, text));
}

static void say_ago(struct tale *t)
{
	const char *since = render_string(t->service, "since");
	char text[MOMENT_SIZE];
	usec_t realtime;

	say_msec(t, render_integer(t->facts, "for_ms", 0));
	say(t, " ago");
	if (moment_parse(since, &realtime) == 0)
		say(t, " (%s)", moment_text(realtime, t->now, text));
}

/* The first sentence. What a state means is said here, as not everybody knows our words. */
static void tell_state(struct tale *t)
{
	static const struct {
		const char *state, *meaning;
	} all[] = {
		{"starting", "it is not ready yet"},
		{"backoff", "it has ended, and will be started again"},
		{"stopping", "it is being ended, and is not gone yet"},
	};
	int64_t pid = render_integer(t->service, "pid", 0);

	if (is_word(t->state, "exited") || is_word(t->state, "failed")) {
		say(t, is_word(t->state, "failed") ? "%s failed " : "%s has exited ", t->name);
		say_ago(t);
		if (is_word(t->state, "exited"))
			say(t, ": it ended as it should");
		stop_here(t);
		return;
	}
	say(t, "%s has been %s%s", t->name, is_word(t->state, "backoff") ? "in " : "", t->state);
	say_since(t);
	if (pid > 0)
		say(t, " (pid %" PRIi64 ")", pid);
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		if (is_word(t->state, all[i].state))
			say(t, ": %s", all[i].meaning);
	}
	stop_here(t);
}

/* Those before the last one, where it was started again in between. */
static void tell_history(struct tale *t)
{
	json_t *ends = json_object_get(t->facts, "ends");
	bool lives = is_word(t->state, "running") || is_word(t->state, "starting");
	size_t n = MIN_OF(json_array_size(ends), (size_t)WHY_MAX_ITEMS), first = 1;

	if (render_integer(t->service, "restarts", 0) == 0 || n <= first || lives)
		return;
	say(t, "Before that it");
	for (size_t i = first; i < n; i++) {
		json_t *end = json_array_get(ends, i);

		say(t, "%s ", i == first ? "" : i + 1 == n ? ", and" : ",");
		say_end(t, end);
		say_at(t, render_string(end, "time"));
	}
	stop_here(t);
}

static void tell_stale(struct tale *t)
{
	bool stale = json_is_true(json_object_get(t->service, "stale"));
	bool changed = is_word(render_string(t->facts, "pending"), "changed");

	if (stale)
		tell(t,
			"It runs by an older configuration than the one in force; to start it by "
			"that: supctl restart %s",
			t->name);
	else if (changed)
		tell(t, "Its configuration has changed; the next start goes by that");
	else if (is_word(render_string(t->facts, "pending"), "removed") &&
		 !is_word(t->why, "removed"))
		tell(t, "It is not in the configuration any more, and is forgotten when it has "
			"ended");
}

static void tell_shutdown(struct tale *t)
{
	if (json_is_true(json_object_get(t->facts, "shutting_down")) &&
		!is_word(t->why, "shutdown"))
		tell(t, "supervisord is shutting down, and stops it in its turn");
}

/* --- by state --- */

static void tell_up(struct tale *t)
{
	bool automatic = is_word(t->why, "ended");

	if (automatic) {
		tell_previous_end(t);
		say(t, "restart = \"%s\" started it again",
			render_string(json_object_get(t->facts, "restart"), "policy"));
		say(t, ": that was automatic start %" PRIi64 " since an operator's start or reset",
			render_integer(t->service, "restarts", 0));
		stop_here(t);
	}
	tell_asked(t);
	if (is_word(t->state, "starting"))
		tell_readiness(t);
	else
		tell_running_rules(t);
	tell_held_up(t);
	tell_schedule(t);
	tell_stale(t);
	tell_shutdown(t);
}

static void tell_ended(struct tale *t)
{
	const char *cause = render_string(t->facts, "cause");

	tell_cause(t, cause);
	tell_end(t);
	tell_hook(t, "post-stop");
	tell_history(t);
	tell_asked(t);
	tell_restart_rule(t);
	if (is_word(t->state, "backoff"))
		tell_next_start(t);
	else
		tell_by_hand(t);
	if (is_word(t->state, "failed"))
		tell_hook(t, "on-failed");
	tell_stale(t);
}

static void tell_stopped(struct tale *t)
{
	tell_asked(t);
	tell_causes(t);
	tell_end(t);
	tell_hook(t, "post-stop");
	tell_by_hand(t);
	tell_stale(t);
}

static void tell_going_down(struct tale *t)
{
	tell_cause(t, render_string(t->facts, "cause"));
	if (json_is_true(json_object_get(t->facts, "main_ended")))
		tell_end(t);
	tell_asked(t);
	tell_stopping(t);
	tell_stale(t);
}

static void tell_wait(struct tale *t)
{
	tell_waiting(t);
	if (!is_word(t->why, "schedule"))
		tell_asked(t);
	tell_stale(t);
}

static void tell_all(struct tale *t)
{
	static const struct {
		const char *state;
		void (*by_state)(struct tale *t);
	} all[] = {
		{"stopped", tell_stopped},
		{"waiting", tell_wait},
		{"starting", tell_up},
		{"running", tell_up},
		{"stopping", tell_going_down},
		{"backoff", tell_ended},
		{"exited", tell_ended},
		{"failed", tell_ended},
	};

	tell_state(t);
	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		if (is_word(all[i].state, t->state))
			all[i].by_state(t);
	}
}

json_t *why_sentences(json_t *facts, why_user_fn *user)
{
	json_t *service = json_object_get(facts, "service");
	struct tale t = {
		.facts = facts,
		.service = service,
		.name = render_string(service, "name"),
		.state = render_string(service, "state"),
		.phase = render_string(service, "phase"),
		.why = render_string(facts, "why"),
		.other = render_string(facts, "other"),
		.user = user,
		.sentences = json_array(),
	};

	if (moment_parse(render_string(facts, "now"), &t.now) < 0)
		t.now = usec_now(CLOCK_REALTIME);
	if (!t.sentences)
		t.error = -ENOMEM;
	tell_all(&t);
	buf_fini(&t.text);
	if (t.error == 0)
		return t.sentences;
	json_decref(t.sentences);
	return NULL;
}
