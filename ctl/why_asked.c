/*
 * Who wanted it: from the journal's events about the service (chain, the oldest first) with the
 * user who asked; where they have been overwritten, from the reason that the service's record
 * keeps.
 */
#include "ctl/why_internal.h"

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

/* "Start" is the method that supctl start calls. */
static void say_verb(struct tale *t, const char *verb)
{
	if (*verb == '\0')
		return;
	say(t, " with supctl %c%s", *verb >= 'A' && *verb <= 'Z' ? *verb - 'A' + 'a' : *verb,
		verb + 1);
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++) {
		if (is_word(word, *words))
			return true;
	}
	return false;
}

/* The newest change to its state for one of these reasons; NULL. */
static json_t *find_change(struct tale *t, const char *const *whys)
{
	json_t *chain = json_object_get(t->facts, "chain");

	for (size_t i = json_array_size(chain); i > 0; i--) {
		json_t *event = json_array_get(chain, i - 1);

		if (is_word(render_string(event, "type"), "state") &&
			is_word(render_string(event, "service"), t->name) &&
			is_one_of(render_string(event, "why"), whys))
			return event;
	}
	return NULL;
}

/* Who asked, by an event: the request in the course of which it happened, or the last one. */
static json_t *asker_of(json_t *event)
{
	json_t *cause = json_object_get(event, "cause"), *asked = json_object_get(event, "asked");

	return has_msec(cause, "uid") ? cause : has_msec(asked, "uid") ? asked : NULL;
}

/* "It was DONE by alice (uid 1000) with supctl start at 06:30:12", or less. */
static void tell_request(struct tale *t, const char *done, json_t *event)
{
	json_t *asker = asker_of(event);
	const char *verb = render_string(asker, "verb");

	if (!asker) {
		say(t, "It was %s by request", done);
		say_at(t, render_string(event, "time"));
		stop_here(t);
		return;
	}
	say(t, "It was %s by ", done);
	say_user(t, asker);
	say_verb(t, verb);
	say_at(t, render_string(event, "time"));
	stop_here(t);
}

/* Who has asked for what has set another service in motion. */
static void say_on_behalf(struct tale *t, json_t *event)
{
	json_t *asker = asker_of(event);

	if (!asker)
		return;
	say(t, ": ");
	say_user(t, asker);
	say(t, " asked for that");
	say_verb(t, render_string(asker, "verb"));
}

/* --- the way up --- */

static void tell_up(struct tale *t, const char *why, json_t *event)
{
	const char *time = render_string(event, "time");
	const char *blocker = render_string(event, "blocker");
	const char *other = *blocker != '\0' ? blocker : t->other;

	if (is_word(why, "autostart")) {
		say(t, "supervisord started it by itself");
		say_at(t, time);
		say(t, ", as autostart = true wants");
	} else if (is_word(why, "needed")) {
		say(t, "It was started");
		say_at(t, time);
		say(t, " because %s needs it", *other != '\0' ? other : "another service");
		say_on_behalf(t, event);
	} else if (is_word(why, "schedule")) {
		say(t, "Its schedule started this run");
		say_at(t, time);
	} else if (is_word(why, "changed")) {
		say(t, "It was started again");
		say_at(t, time);
		say(t, " because its configuration had changed");
		say_on_behalf(t, event);
	} else if (is_word(why, "operator") || is_word(why, "restart")) {
		tell_request(t, is_word(why, "restart") ? "restarted" : "started", event);
		return;
	}
	stop_here(t);
}

static void tell_wanted_up(struct tale *t)
{
	static const char *const whys[] = {
		"operator", "autostart", "needed", "schedule", "changed", "restart", NULL};
	json_t *event = find_change(t, whys);
	const char *why = render_string(event, "why");

	/* a service that was stopped and has come back: the request itself is older */
	tell_up(t, event && *why != '\0' ? why : t->why, event);
}

/* --- the way down --- */

static void say_shutdown(struct tale *t)
{
	json_t *chain = json_object_get(t->facts, "chain");
	const char *essential = render_string(t->facts, "essential_end");

	say(t, "supervisord is shutting down");
	if (*essential != '\0')
		say(t, ", since %s, which is essential, has ended", essential);
	for (size_t i = json_array_size(chain); i > 0; i--) {
		json_t *event = json_array_get(chain, i - 1);
		json_t *asker = asker_of(event);
		const char *signal = render_string(asker, "signal");

		if (!is_word(render_string(event, "type"), "shutdown") || !asker)
			continue;
		say(t, ": ");
		say_user(t, asker);
		if (*signal != '\0')
			say(t, " sent it %s", signal);
		else
			say(t, " asked for that");
		break;
	}
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

static void tell_wanted_down(struct tale *t)
{
	const char *whys[] = {t->why, NULL};
	bool now = is_word(t->state, "stopping");
	json_t *event = find_change(t, whys);

	if (is_word(t->why, "never-started")) {
		tell_never_started(t);
	} else if (is_word(t->why, "operator")) {
		bool reset = is_word(render_string(asker_of(event), "verb"), "Reset");

		tell_request(
			t, reset ? "forgiven its failures, and set to stopped," : "stopped", event);
	} else if (is_word(t->why, "restart")) {
		tell_request(t, "told to restart", event);
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
