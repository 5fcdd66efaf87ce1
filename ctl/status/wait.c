/*
 * wait: until each service has been seen in a state, or can't get there. The status board will
 * mostly do for that (wait_board.c); this is what is done where it won't.
 *
 * One call tells all: first every service as it is, then each change, in one stream without a
 * gap. Where there is one all the same (an engine died, we were too slow), or the
 * configuration is another, the stream begins anew with what is then; who is waited for was
 * decided by the first one.
 */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/act.h"
#include "ctl/output/render_json.h"
#include "ctl/status/status.h"
#include "ctl/status/wait.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define METHOD CONTROL_INTERFACE ".Events"

static const char states_text[] =
	"stopped, waiting, starting, running, stopping, backoff, exited, failed";

unsigned wait_state_bit(const char *name, size_t n)
{
	for (unsigned i = 0; i < SUPERVISORD_BOARD_STATES; i++) {
		const char *state = supervisord_board_state_name(i);

		if (strlen(state) == n && strncmp(state, name, n) == 0)
			return 1u << i;
	}
	return 0;
}

/* "exited,failed"; false after telling what is wrong. */
static bool parse_states(struct ctl *ctl, unsigned *ret_states)
{
	const char *text = ctl->states;
	unsigned states = 0;

	if (!text) {
		ctl_error(ctl, "wait: for what? usage: supctl wait %s", ctl->verb->usage);
		return false;
	}
	for (;;) {
		size_t n = strcspn(text, ",");
		unsigned bit = wait_state_bit(text, n);

		if (bit == 0) {
			ctl_error(ctl, "--for %s: '%.*s' is not a state; these are: %s",
				ctl->states, (int)n, text, states_text);
			return false;
		}
		states |= bit;
		if (text[n] == '\0')
			break;
		text += n + 1;
	}
	*ret_states = states;
	return true;
}

static int tell(struct wait *w, json_t *event, bool ok, const char *message)
{
	json_t *pid = json_object_get(event, "pid");
	json_t *result = json_pack("{s:s,s:b,s:s,s:o,s:s}", "name", render_string(event, "service"),
		"ok", ok, "state", render_string(event, "state"), "pid",
		pid ? json_incref(pid) : json_null(), "message", message);
	int r = result ? 0 : -ENOMEM;

	progress_clear(&w->progress);
	w->failed |= !ok;
	if (w->results)
		r = json_array_append(w->results, result) < 0 ? -ENOMEM : r;
	else if (result)
		r = act_tell(w->ctl, result, NULL);
	json_decref(result);
	return r;
}

int wait_arrived(struct wait *w, json_t *event)
{
	json_object_set_new(w->services, render_string(event, "service"), json_null());
	w->n_left--;
	w->progress.n_done++;
	return tell(w, event, true, render_string(event, "reason"));
}

int wait_gone(struct wait *w, json_t *event)
{
	tell(w, event, false, "does not exist any more");
	return WAIT_DECIDED;
}

int wait_seen_last(struct wait *w, json_t *event)
{
	char message[64];

	if (json_is_null(json_object_get(w->services, render_string(event, "service"))))
		return 0;
	snprintf(message, sizeof(message), "was %s when last seen", render_string(event, "state"));
	return tell(w, event, false, message);
}

/* A service as it is or has become. */
static int note(struct wait *w, json_t *event)
{
	const char *name = render_string(event, "service");
	const char *state = render_string(event, "state");
	json_t *last = json_object_get(w->services, name);

	if (!last || json_is_null(last))
		return 0;
	if (!(wait_state_bit(state, strlen(state)) & w->states))
		return json_object_set(w->services, name, event) < 0 ? -ENOMEM : 0;
	return wait_arrived(w, event);
}

static int take_snapshot(struct wait *w, json_t *event)
{
	const char *name = render_string(event, "service");

	if (!w->known && !json_object_get(w->services, name)) {
		if (json_object_set(w->services, name, event) < 0)
			return -ENOMEM;
		w->n_left++;
	}
	json_object_set_new(w->present, name, json_true());
	return note(w, event);
}

/* The snapshot is complete. */
static int take_live(struct wait *w)
{
	const char *name;
	json_t *event;

	w->known = true;
	json_object_foreach(w->services, name, event)
	{
		if (json_is_null(event) || json_object_get(w->present, name))
			continue;
		return wait_gone(w, event);
	}
	w->ctl->client.until_usec = w->deadline;
	return w->n_left > 0 && usec_now(CLOCK_MONOTONIC) >= w->deadline ? -ETIME : 0;
}

static int on_event(json_t *parameters, void *userdata)
{
	struct wait *w = userdata;
	json_t *event = json_object_get(parameters, "event");
	const char *type = render_string(event, "type");
	int r = 0;

	if (strcmp(type, "started") == 0 || strcmp(type, "recovered") == 0)
		json_object_clear(w->present);
	else if (strcmp(type, "snapshot") == 0)
		r = take_snapshot(w, event);
	else if (strcmp(type, "live") == 0)
		r = take_live(w);
	else if (strcmp(type, "state") == 0)
		r = note(w, event);
	else if (strcmp(type, "lost") == 0 || strcmp(type, "reloaded") == 0 ||
		 strcmp(type, "removed") == 0)
		r = WAIT_BEGIN_ANEW;
	else if (strcmp(type, "shutdown") == 0)
		w->ctl->client.ending = true;
	if (r < 0)
		return r;
	return w->known && w->n_left == 0 ? WAIT_DECIDED : 0;
}

/* Time is up: who is not there, and where it is instead. */
static void tell_rest(struct wait *w)
{
	char span[USEC_SPAN_SIZE];
	const char *name;
	json_t *event;

	usec_span(w->ctl->timeout_usec, span);
	json_object_foreach(w->services, name, event)
	{
		const char *reason = render_string(event, "reason");
		_cleanup_buf_ struct buf text = {0};

		if (json_is_null(event))
			continue;
		if (buf_printf(&text, "is %s after %s, not %s%s%s", render_string(event, "state"),
			    span, w->ctl->states, *reason != '\0' ? ": " : "", reason) == 0 &&
			buf_append(&text, SIZE_MAX, "", 1) == 0)
			tell(w, event, false, text.data);
	}
}

/* How it ended, as an exit status. */
static int conclude(struct wait *w, int result, json_t *error)
{
	const char *what = json_string_value(json_object_get(error, "error"));

	if (result == WAIT_DECIDED)
		return w->failed ? CTL_FAILED : CTL_DONE;
	if (result == -ETIME && w->known) {
		tell_rest(w);
		return CTL_FAILED;
	}
	if (result == -ETIME)
		result = -ETIMEDOUT;
	if (result == 0)
		result = -EBADMSG; /* such a stream has no end of its own */
	if (w->known && what && strcmp(what, CONTROL_ERROR_NO_SUCH_SERVICE) == 0) {
		ctl_error(w->ctl, "%s: does not exist any more",
			render_string(json_object_get(error, "parameters"), "name"));
		json_decref(error);
		return CTL_FAILED;
	}
	if (status_is_nobody(result) && wait_tell_last(w))
		return CTL_NOTHING_THERE;
	return ctl_explain(w->ctl, METHOD, result, error);
}

/* What is told of each, as it comes. */
static int wait_by_events(struct wait *w, json_t *names, json_t **ret_error)
{
	struct client *client = &w->ctl->client;
	json_t *parameters = json_pack("{s:O,s:b}", "names", names, "snapshot", true);
	usec_t now = usec_now(CLOCK_MONOTONIC);
	int r;

	/* A first look is had even with a timeout of nothing. */
	client->until_usec =
		w->known ? w->deadline : MAX_OF(w->deadline, usec_add(now, client->reply_usec));
	do {
		r = parameters ? client_call(client, METHOD, parameters, CLIENT_MORE | CLIENT_WAITS,
					 on_event, w, ret_error)
			       : -ENOMEM;
	} while (r == WAIT_BEGIN_ANEW);
	json_decref(parameters);
	return r;
}

static int run(struct wait *w, json_t *names)
{
	json_t *error = NULL;
	int r, status;

	w->deadline = usec_add(usec_now(CLOCK_MONOTONIC), w->ctl->timeout_usec);
	progress_begin(&w->progress, w->ctl);
	r = wait_by_board(w);
	if (r == -EAGAIN)
		r = wait_by_events(w, names, &error);
	progress_end(&w->progress);
	status = conclude(w, r, error);
	if (w->results && (w->known || json_array_size(w->results) > 0) &&
		ctl_write_json(w->ctl, json_incref(w->results)) < 0)
		status = CTL_FAILED;
	return status;
}

int verb_wait(struct ctl *ctl)
{
	struct wait w = {.ctl = ctl};
	json_t *names;
	int status;

	if (!parse_states(ctl, &w.states))
		return CTL_USAGE;
	names = ctl_names(ctl, 0);
	if (!names)
		return CTL_USAGE;
	w.services = json_object();
	w.present = json_object();
	w.results = ctl->json ? json_array() : NULL;
	status = run(&w, names);
	json_decref(names);
	json_decref(w.services);
	json_decref(w.present);
	json_decref(w.results);
	return status;
}
