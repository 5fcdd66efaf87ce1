/*
 * Who wanted it: from the journal's events about the service (chain, the oldest first) with the
 * user who asked; where they have been overwritten, from the reason that the service's record
 * keeps.
 */
#include "ctl/output/render_json.h"
#include "ctl/why/why_internal.h"

/* "alice (uid 1000)", or "somebody" */
static void say_user(struct tale *t, json_t *asker)
{
	char buffer[WHY_USER_SIZE];
	int64_t uid = render_integer(asker, "uid", -1);
	const char *name = uid >= 0 && t->user ? t->user(uid, buffer) : NULL;

	if (uid < 0)
		say(t, "somebody");
	else if (name)
		say(t, "%s (uid %" PRIi64 ")", name, uid);
	else
		say(t, "uid %" PRIi64, uid);
}

/* By which request, or signal to supervisord. */
static void say_verb(struct tale *t, json_t *asker)
{
	const char *verb = render_string(asker, "verb"), *signal = render_string(asker, "signal");

	if (*verb != '\0')
		say(t, " with supctl %s", verb);
	else if (*signal != '\0')
		say(t, " with SIG%s", signal);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (is_word(word, *words))
			return true;
	}
	return false;
}

static bool is_change(struct tale *t, json_t *event)
{
	return is_word(render_string(event, "type"), "state") &&
	       is_word(render_string(event, "service"), t->name);
}

/* The newest change to its state, among the first n events, for which is_it() holds; NULL. */
static json_t *find_change(struct tale *t, size_t *n, bool (*is_it)(struct tale *t, json_t *event))
{
	json_t *chain = json_object_get(t->facts, "chain");

	for (size_t i = MIN_OF(*n, json_array_size(chain)); i > 0; i--) {
		json_t *event = json_array_get(chain, i - 1);

		if (is_change(t, event) && is_it(t, event)) {
			*n = i - 1;
			return event;
		}
	}
	return NULL;
}

/* Numbers of events begin with 1. */
static int64_t seq_of(json_t *object)
{
	return render_integer(object, "seq", 0);
}

static json_t *event_with(struct tale *t, int64_t seq)
{
	json_t *event;
	size_t i;

	json_array_foreach(json_object_get(t->facts, "chain"), i, event)
	{
		if (seq > 0 && seq_of(event) == seq)
			return event;
	}
	return NULL;
}

/*
 * Who asked, by an event: in the course of which request or signal it happened, at one remove or
 * more, or else who wanted something of the service last.
 */
static json_t *asker_of(struct tale *t, json_t *event)
{
	json_t *asked = json_object_get(event, "asked");

	for (unsigned n = 0; n < WHY_MAX_ITEMS && event; n++) {
		json_t *cause = json_object_get(event, "cause");

		if (has_msec(cause, "uid"))
			return cause;
		event = event_with(t, seq_of(cause));
	}
	return has_msec(asked, "uid") ? asked : NULL;
}

/* "It was DONE by alice (uid 1000) with supctl start at 06:30:12" */
static void tell_request(struct tale *t, const char *done, json_t *asker, json_t *event)
{
	say(t, "It was %s by ", done);
	if (asker)
		say_user(t, asker);
	else
		say(t, "request");
	say_verb(t, asker);
	say_at(t, render_string(event, "time"));
	stop_here(t);
}

/* Who has asked for what has set another service in motion. */
static void say_on_behalf(struct tale *t, json_t *event)
{
	json_t *asker = asker_of(t, event);

	if (!asker)
		return;
	say(t, ": ");
	say_user(t, asker);
	say(t, " asked for that");
	say_verb(t, asker);
}

/* The last request that wanted something of it, if it was one of these. */
static json_t *last_request(struct tale *t, const char *const *verbs)
{
	json_t *request = json_object_get(t->facts, "request");

	return is_one_of(render_string(request, "verb"), verbs) ? request : NULL;
}

/* --- the way up --- */

static bool is_rest(const char *state)
{
	return is_word(state, "stopped") || is_word(state, "exited") || is_word(state, "failed");
}

/* Somebody did not wait for the end of its delay. */
static bool is_hurried(json_t *event)
{
	static const char *const verbs[] = {"start", "restart", "apply", NULL};
	json_t *cause = json_object_get(event, "cause");

	return is_word(render_string(event, "previous"), "backoff") && has_msec(cause, "uid") &&
	       (is_one_of(render_string(cause, "verb"), verbs) ||
		       is_word(render_string(cause, "signal"), "HUP"));
}

/* It came from where nothing but a wish, or its schedule, brings it away. */
static bool is_begin(struct tale *t, json_t *event)
{
	const char *previous = render_string(event, "previous");
	const char *state = render_string(event, "state"), *why = render_string(event, "why");
	bool starting = is_word(state, "starting"), waiting = is_word(state, "waiting");

	(void)t;
	if (waiting && is_word(why, "schedule"))
		return false;
	return ((starting || waiting) && (is_rest(previous) || is_hurried(event))) ||
	       (starting && (is_word(previous, "stopping") || is_word(why, "schedule")));
}

static bool is_stop(struct tale *t, json_t *event)
{
	(void)t;
	return is_word(render_string(event, "state"), "stopping");
}

static void tell_autostart(struct tale *t, json_t *event)
{
	say(t, "supervisord started it by itself");
	say_at(t, render_string(event, "time"));
	say(t, ", as autostart = true wants");
	say_on_behalf(t, event);
	stop_here(t);
}

/* A service that is named in what was asked for; "" where all that were are others. */
static const char *other_named(struct tale *t, json_t *request)
{
	json_t *names = json_object_get(request, "names"), *name;
	const char *other = "";
	size_t i;

	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		if (text && is_word(text, t->name))
			return "";
		other = *other == '\0' && text ? text : other;
	}
	return other;
}

static void tell_needed(struct tale *t, const char *other, json_t *event)
{
	say(t, "It was started");
	say_at(t, render_string(event, "time"));
	say(t, " because %s needs it", *other != '\0' ? other : "another service");
	say_on_behalf(t, event);
	stop_here(t);
}

/* It has waited since, so why says for what, not who wanted it. */
static void tell_line_up(struct tale *t, json_t *event)
{
	json_t *cause = json_object_get(event, "cause");
	json_t *request = event_with(t, seq_of(cause));
	const char *other = other_named(t, request);

	if (!has_msec(cause, "uid") || is_word(render_string(cause, "verb"), "apply"))
		tell_autostart(t, event);
	else if (*other != '\0')
		tell_needed(t, other, event);
	else
		tell_request(t, "started", cause, event);
}

static void tell_begin(struct tale *t, json_t *event)
{
	const char *why = render_string(event, "why");

	if (is_word(why, "autostart")) {
		tell_autostart(t, event);
	} else if (is_word(why, "needed")) {
		tell_needed(t, render_string(event, "blocker"), event);
	} else if (is_word(why, "schedule")) {
		say(t, "Its schedule started this run");
		say_at(t, render_string(event, "time"));
		stop_here(t);
	} else if (is_word(why, "operator") || is_word(why, "restart")) {
		tell_request(t, "started", asker_of(t, event), event);
	} else {
		tell_line_up(t, event);
	}
}

/* It was up, and was started again straight after its stop: what that was for. */
static void tell_return(struct tale *t, json_t *stop, json_t *event)
{
	const char *why = render_string(stop, "why");
	json_t *asked = json_object_get(event, "asked");
	bool since = seq_of(asked) > seq_of(stop);

	if (since || is_word(why, "restart") || is_word(why, "operator")) {
		tell_request(t, since ? "started" : "restarted", since ? asked : asker_of(t, stop),
			since ? event : stop);
		return;
	}
	say(t, "It was started again");
	say_at(t, render_string(event, "time"));
	if (is_word(why, "changed")) {
		say(t, " because its configuration had changed");
		say_on_behalf(t, stop);
	} else if (is_word(why, "dependency")) {
		say(t, ", after %s, which it requires, was away", render_string(stop, "blocker"));
	} else if (is_word(why, "schedule")) {
		say(t, " because its next run was due");
	}
	stop_here(t);
}

/* The journal has lost it: what is known beside. */
static void tell_forgotten(struct tale *t)
{
	static const char *const verbs[] = {"start", "restart", "apply", "scale", NULL};
	json_t *request = last_request(t, verbs);

	if (is_word(t->why, "autostart"))
		tell_autostart(t, NULL);
	else if (is_word(t->why, "needed"))
		tell_needed(t, t->other, NULL);
	else if (is_word(t->why, "schedule"))
		tell(t, "Its schedule started this run");
	else if (request)
		tell_request(t, "started", request, event_with(t, seq_of(request)));
}

static bool is_loss(struct tale *t, json_t *event)
{
	return is_stop(t, event) && is_word(render_string(event, "why"), "dependency");
}

/* Since then it was down once for the sake of another one: the last time, and why that was. */
static void tell_loss(struct tale *t, size_t begin)
{
	size_t n = SIZE_MAX;
	json_t *event = find_change(t, &n, is_loss), *cause;

	if (!event || n < begin)
		return;
	say(t, "It was stopped");
	say_at(t, render_string(event, "time"));
	say(t, ", as %s, which it requires, was not there any more",
		render_string(event, "blocker"));
	cause = event_with(t, seq_of(json_object_get(event, "cause")));
	if (is_word(render_string(cause, "type"), "exit"))
		say(t, " (%s)", render_string(cause, "reason"));
	else
		say_on_behalf(t, event);
	stop_here(t);
}

static void tell_wanted_up(struct tale *t)
{
	size_t n = SIZE_MAX, begin;
	json_t *event = find_change(t, &n, is_begin);
	json_t *stop;

	begin = event ? n + 1 : 0;
	stop = is_word(render_string(event, "previous"), "stopping") ? find_change(t, &n, is_stop)
								     : NULL;
	if (stop)
		tell_return(t, stop, event);
	else if (event)
		tell_begin(t, event);
	else
		tell_forgotten(t);
	if (!stop)
		tell_loss(t, begin);
}

/* --- the way down --- */

static void say_shutdown(struct tale *t)
{
	json_t *chain = json_object_get(t->facts, "chain"), *asker = NULL;
	const char *essential = render_string(t->facts, "essential_end");
	const char *signal;

	say(t, "supervisord is shutting down");
	if (*essential != '\0') {
		say(t, ", since %s, which is essential, has ended", essential);
		return;
	}
	for (size_t i = json_array_size(chain); i > 0 && !asker; i--) {
		json_t *event = json_array_get(chain, i - 1);

		if (is_word(render_string(event, "type"), "shutdown"))
			asker = asker_of(t, event);
	}
	if (!asker)
		return;
	signal = render_string(asker, "signal");
	say(t, ": ");
	say_user(t, asker);
	if (*signal != '\0') {
		say(t, " sent it %s", signal);
		return;
	}
	say(t, " asked for that");
	say_verb(t, asker);
}

static void tell_never_started(struct tale *t)
{
	bool autostart = json_is_true(json_object_get(t->facts, "autostart"));

	tell(t, "It has not been started since supervisord came up%s",
		autostart ? "" : ", as autostart = false wants");
}

static void tell_conflict(struct tale *t)
{
	bool never = !json_is_string(json_object_get(t->facts, "started"));
	const char *other = *t->other != '\0' ? t->other : "another service";

	tell(t,
		never ? "It was not started, as it conflicts with %s, which is up or on its way"
		      : "It was stopped in favour of %s, with which it conflicts",
		other);
}

/* The change for the reason that holds now. */
static bool is_for_this(struct tale *t, json_t *event)
{
	return is_word(render_string(event, "why"), t->why);
}

static void tell_stopped_by_request(struct tale *t, json_t *event)
{
	static const char *const verbs[] = {"stop", "reset", NULL};
	json_t *asker = asker_of(t, event);
	const char *verb;

	if (!asker) {
		asker = last_request(t, verbs);
		event = event ? event : event_with(t, seq_of(asker));
	}
	verb = render_string(asker, "verb");
	tell_request(t,
		is_word(verb, "reset") ? "forgiven its failures, and set to stopped," : "stopped",
		asker, event);
}

static void tell_wanted_down(struct tale *t)
{
	bool now = is_word(t->state, "stopping");
	size_t n = SIZE_MAX;
	json_t *event = find_change(t, &n, is_for_this);

	if (is_word(t->why, "never-started")) {
		tell_never_started(t);
	} else if (is_word(t->why, "operator")) {
		tell_stopped_by_request(t, event);
	} else if (is_word(t->why, "restart")) {
		tell_request(t, "told to restart", asker_of(t, event), event);
	} else if (is_word(t->why, "shutdown")) {
		say_shutdown(t);
	} else if (is_word(t->why, "conflict")) {
		tell_conflict(t);
	} else if (is_word(t->why, "removed")) {
		say(t, "It is not in the configuration any more");
		say_on_behalf(t, event);
	} else if (is_word(t->why, "changed")) {
		say(t, "Its configuration has changed, so it is restarted");
		say_on_behalf(t, event);
	} else if (is_word(t->why, "schedule")) {
		tell(t, "Its next run is due, and overlap = \"kill\" ends this one for it");
	} else if (is_word(t->why, "dependency")) {
		tell(t, "%s, which it requires, is not there any more, so it %s",
			*t->other != '\0' ? t->other : "A service",
			now ? "is being stopped" : "was stopped");
	}
	stop_here(t);
}

void tell_asked(struct tale *t)
{
	bool stopping = is_word(t->state, "stopping");
	bool by_itself = is_word(t->why, "leftovers") || is_word(t->why, "cause");

	if (is_word(t->state, "stopped") || (stopping && !by_itself))
		tell_wanted_down(t);
	else
		tell_wanted_up(t);
}
