/*
 * note, reopen, version, upgrade and shutdown.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "ctl/output/render.h"
#include "ctl/output/render_json.h"
#include "ctl/verbs.h"
#include "wire/control.h"

/* Words are joined as echo does it, so that a remark needs no quotes. */
static int join_words(const struct ctl *ctl, struct buf *text)
{
	int r = 0;

	for (size_t i = 0; i < ctl->n_args && r == 0; i++)
		r = buf_printf(text, "%s%s", i > 0 ? " " : "", ctl->args[i]);
	return r;
}

int verb_note(struct ctl *ctl)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *note, *reply = NULL;
	int status;

	if (join_words(ctl, &text) < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	note = json_stringn(text.data ? text.data : "", text.len);
	if (!note) {
		ctl_error(ctl, "a note is text in UTF-8");
		return CTL_USAGE;
	}
	/* Twice would be twice. */
	status = ctl_call_once(ctl, CONTROL_INTERFACE ".Note", json_pack("{s:o}", "text", note),
		CLIENT_ONCE, &reply);
	if (status == 0 && ctl->json)
		ctl_write_json(ctl, json_incref(reply));
	json_decref(reply);
	return status;
}

int verb_reopen(struct ctl *ctl)
{
	/* Doing it twice is doing it once: it may be repeated. */
	return ctl_call(ctl, CONTROL_INTERFACE ".Reopen", json_object(), 0, NULL, NULL);
}

static int get_version(struct ctl *ctl, json_t **ret_reply)
{
	return ctl_call_once(ctl, CONTROL_INTERFACE ".Version", json_object(), 0, ret_reply);
}

int verb_version(struct ctl *ctl)
{
	_cleanup_table_ struct table t = {
		.n_columns = 2, .text_flags = term_text_flags(&ctl->term)};
	_cleanup_buf_ struct buf text = {0};
	json_t *reply = NULL;
	char pids[64];
	int status;

	/* Our own version is known whatever becomes of the call. */
	if (!ctl->json)
		fprintf(ctl->out, "supctl %s\n", SUPERVISORD_VERSION);
	status = get_version(ctl, &reply);
	if (status != 0)
		return status;
	if (ctl->json) {
		json_object_set_new(reply, "supctl", json_string(SUPERVISORD_VERSION));
		return ctl_write_json(ctl, reply) < 0 ? CTL_FAILED : CTL_DONE;
	}
	snprintf(pids, sizeof(pids), "%" PRIi64 ", engine %" PRIi64,
		render_integer(reply, "pid", 0), render_integer(reply, "engine_pid", 0));
	if (table_add(&t, "supervisord", "") < 0 ||
		table_add(&t, render_string(reply, "version"), "") < 0 ||
		table_add(&t, "pid", "") < 0 || table_add(&t, pids, "") < 0 ||
		table_add(&t, "started", "") < 0 ||
		table_add(&t, render_string(reply, "started"), "") < 0 ||
		table_add(&t, "configuration", "") < 0 ||
		table_add(&t, render_string(reply, "configuration"), "") < 0 ||
		table_render(&t, &ctl->term, &text) < 0) {
		ctl_error(ctl, "out of memory");
		status = CTL_FAILED;
	}
	ctl_write(ctl, &text);
	json_decref(reply);
	return status;
}

/* Who answers in the end is another engine than the one that was asked: its version is the news. */
int verb_upgrade(struct ctl *ctl)
{
	json_t *before = NULL, *reply = NULL, *parameters = json_object();
	char id[CLIENT_ID_SIZE];
	const char *old, *new;
	int status = get_version(ctl, &before);

	if (status == 0 && client_make_id(id) < 0) {
		ctl_error(ctl, "cannot get random bytes");
		status = CTL_FAILED;
	}
	if (status != 0) {
		json_decref(parameters);
		json_decref(before);
		return status;
	}
	json_object_set_new(parameters, "id", json_string(id));
	status = ctl_call_once(ctl, CONTROL_INTERFACE ".Upgrade", parameters, CLIENT_WAITS, &reply);
	old = render_string(before, "version");
	new = status == 0 ? render_string(reply, "version") : "";
	if (status == 0 && ctl->json) {
		json_object_set_new(reply, "previous", json_string(old));
		status = ctl_write_json(ctl, json_incref(reply)) < 0 ? CTL_FAILED : CTL_DONE;
	} else if (status == 0) {
		fprintf(ctl->out, "supervisord %s was replaced by %s\n", old, new);
	}
	json_decref(before);
	json_decref(reply);
	return status;
}

/*
 * The reply only says that it was accepted; done is done when nobody listens any more. The
 * pid tells our supervisord from one that is started in its place. Where the socket outlives
 * it, asking again would start another one: then it is done when the process has ended.
 */
int verb_shutdown(struct ctl *ctl)
{
	static const char method[] = CONTROL_INTERFACE ".Shutdown";
	json_t *reply = NULL, *parameters, *error = NULL;
	_cleanup_close_
	int pidfd = -1;
	json_int_t pid;
	bool passed;
	int r = get_version(ctl, &reply);

	if (r != 0)
		return r;
	pid = render_integer(reply, "pid", 0);
	passed = json_is_true(json_object_get(reply, "socket_passed"));
	json_decref(reply);
	if (passed)
		pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	parameters = json_object();
	r = client_call(&ctl->client, method, parameters, 0, NULL, NULL, &error);
	json_decref(parameters);
	/* It was there a moment ago, and went without a reply: that is what was asked for. */
	if (r == -ECONNRESET)
		return CTL_DONE;
	if (r != 0)
		return ctl_explain(ctl, method, r, error);
	if (passed && !ctl->no_wait)
		client_wait_ended(&ctl->client, pidfd);
	else if (!ctl->no_wait)
		client_wait_gone(&ctl->client, pid);
	return CTL_DONE;
}
