/*
 * The verbs that act. Each asks for a stream of replies and tells about each service as it
 * gets there. After a break the same request, with the same id, joins the first one; a
 * server may then tell again what it has told already, so names are told once.
 */
#include "ctl/act.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/parse.h"
#include "ctl/act.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"
#include "wire/control.h"

void act_init(struct act *act, struct ctl *ctl)
{
	*act = (struct act){
		.ctl = ctl,
		.told = json_object(),
		.results = ctl->json ? json_array() : NULL,
	};
}

void act_fini(struct act *act)
{
	json_decref(act->told);
	json_decref(act->results);
}

static int tell_success(struct ctl *ctl, json_t *result, const char *sent)
{
	_cleanup_buf_ struct buf line = {0}, safe = {0};
	const char *name = render_string(result, "name"), *state = render_string(result, "state");
	int64_t pid = render_integer(result, "pid", 0);
	int r = sent ? buf_printf(&line, "%s: %s sent", name, sent)
		     : buf_printf(&line, "%s: %s", name, state);

	if (r == 0 && pid > 0)
		r = buf_printf(&line, " (pid %" PRIi64 ")", pid);
	if (r == 0)
		r = text_append_safe(&safe, line.data, line.len, term_text_flags(&ctl->term));
	if (r == 0)
		r = buf_append(&safe, SIZE_MAX, "\n", 1);
	if (r < 0)
		return r;
	ctl_write(ctl, &safe);
	fflush(ctl->out);
	return 0;
}

int act_tell(struct ctl *ctl, json_t *result, const char *sent)
{
	const char *message = render_string(result, "message");

	if (json_is_true(json_object_get(result, "ok")))
		return tell_success(ctl, result, sent);
	if (*message != '\0')
		ctl_error(ctl, "%s: %s", render_string(result, "name"), message);
	else
		ctl_error(ctl, "%s: is %s", render_string(result, "name"),
			render_string(result, "state"));
	return 0;
}

int act_take(struct act *act, json_t *parameters)
{
	json_t *result;
	size_t i;
	int r = 0;

	progress_clear(&act->progress);
	json_array_foreach(json_object_get(parameters, "results"), i, result)
	{
		const char *name = render_string(result, "name");

		if (r < 0 || json_object_get(act->told, name))
			continue;
		json_object_set_new(act->told, name, json_true());
		act->progress.n_done++;
		act->failed |= !json_is_true(json_object_get(result, "ok"));
		if (act->results)
			json_array_append(act->results, result);
		else
			r = act_tell(act->ctl, result, act->sent);
	}
	return r;
}

int act_call(struct act *act, json_t *parameters, unsigned flags, client_reply_fn *on_reply,
	void *userdata)
{
	struct ctl *ctl = act->ctl;
	int status;

	progress_begin(&act->progress, ctl);
	status = ctl_call(
		ctl, ctl->verb->method, parameters, flags | CLIENT_MORE, on_reply, userdata);
	progress_end(&act->progress);
	return status;
}

int act_add_id(struct act *act, json_t *parameters)
{
	char id[CLIENT_ID_SIZE];

	if (client_make_id(id) < 0) {
		ctl_error(act->ctl, "cannot get random bytes");
		return CTL_FAILED;
	}
	json_object_set_new(parameters, "id", json_string(id));
	return 0;
}

unsigned act_add_wait(struct act *act, json_t *parameters)
{
	json_object_set_new(parameters, "wait", json_boolean(!act->ctl->no_wait));
	return act->ctl->no_wait ? 0 : CLIENT_WAITS;
}

static int on_results(json_t *parameters, void *userdata)
{
	return act_take(userdata, parameters);
}

/* parameters are stolen. */
static int run(struct act *act, json_t *parameters, unsigned flags)
{
	int status = act_call(act, parameters, flags, on_results, act);

	/* What has happened is told even where the rest can't be. */
	if (act->results && (status == 0 || json_array_size(act->results) > 0) &&
		ctl_write_json(act->ctl, json_incref(act->results)) < 0)
		status = CTL_FAILED;
	return status == 0 && act->failed ? CTL_FAILED : status;
}

int verb_act(struct ctl *ctl)
{
	json_t *names = ctl_names(ctl, 0), *parameters;
	_cleanup_act_ struct act act = {0};
	unsigned flags = 0;
	int status = 0;

	if (!names)
		return CTL_USAGE;
	act_init(&act, ctl);
	parameters = json_pack("{s:o}", "names", names);
	if (ctl->rolling)
		json_object_set_new(parameters, "rolling", json_true());
	/* reset happens at once and doing it twice is doing it once: no wait, no id */
	if (ctl->verb->options & VERB_NO_WAIT) {
		flags = act_add_wait(&act, parameters);
		status = act_add_id(&act, parameters);
	}
	if (status == 0)
		return run(&act, parameters, flags);
	json_decref(parameters);
	return status;
}

int verb_signal(struct ctl *ctl)
{
	char text[SIGNAL_NAME_SIZE * 2], name[SIGNAL_NAME_SIZE];
	_cleanup_act_ struct act act = {0};
	json_t *names, *parameters;
	size_t n = 0;
	int signo, status;

	for (const char *p = ctl->args[0]; *p != '\0' && n < sizeof(text) - 1; p++)
		text[n++] = (char)toupper((unsigned char)*p);
	text[n] = '\0';
	if (parse_signal(text, &signo) < 0) {
		ctl_error(
			ctl, "'%s' is not a signal; names (HUP) and numbers (1) are", ctl->args[0]);
		return CTL_USAGE;
	}
	names = ctl_names(ctl, 1);
	if (!names)
		return CTL_USAGE;
	act_init(&act, ctl);
	act.sent = signal_name(signo, name);
	parameters = json_pack("{s:o,s:s}", "names", names, "signal", act.sent);
	status = act_add_id(&act, parameters);
	if (status == 0)
		return run(&act, parameters, 0);
	json_decref(parameters);
	return status;
}
