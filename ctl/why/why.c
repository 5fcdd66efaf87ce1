/*
 * why: each service that is meant is asked about by itself, so that no answer is long, and told in
 * a paragraph of its own. The last lines of its log are read here, with the rights of whoever
 * asks.
 */
#include "ctl/why/why.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ctl/output/render.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"
#include "ctl/why/why_log.h"
#include "wire/control.h"

#define INDENT	   "  "
#define LINE_MARK  "    | "
#define PASSWD_MAX 16384

static const char *user_name(int64_t uid, char buffer[static WHY_USER_SIZE])
{
	char memory[PASSWD_MAX];
	struct passwd entry, *found = NULL;

	if (uid < 0 || uid >= UINT32_MAX ||
		getpwuid_r((uid_t)uid, &entry, memory, sizeof(memory), &found) != 0 || !found)
		return NULL;
	snprintf(buffer, WHY_USER_SIZE, "%s", found->pw_name);
	return buffer;
}

/* --- text --- */

static int append_line(struct buf *out, const char *before, const char *colour, const char *text,
	const struct term *term, unsigned flags)
{
	int r = buf_printf(out, "%s%s", before, term->colours ? colour : "");

	if (r == 0)
		r = text_append_safe(out, text, strlen(text), flags | term_text_flags(term));
	return r < 0 ? r
		     : buf_printf(
			       out, "%s\n", term->colours && *colour != '\0' ? RENDER_RESET : "");
}

static int append_log(json_t *log, const struct term *term, struct buf *out)
{
	json_t *lines = json_object_get(log, "lines"), *line;
	const char *note = render_string(log, "note");
	size_t i;
	int r = 0;

	if (json_array_size(lines) > 0)
		r = append_line(out, INDENT, "", render_string(log, "title"), term, 0);
	json_array_foreach(lines, i, line)
	{
		const char *text = json_string_value(line);

		if (r == 0)
			r = append_line(out, LINE_MARK, RENDER_FAINT, text ? text : "", term,
				TEXT_TABS | TEXT_NO_SGR);
	}
	if (r == 0 && *note != '\0')
		r = append_line(out, INDENT, "", note, term, 0);
	return r;
}

int why_render(
	json_t *facts, json_t *sentences, json_t *logs, const struct term *term, struct buf *out)
{
	const char *state = render_string(json_object_get(facts, "service"), "state");
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(sentences, i, item)
	{
		const char *text = json_string_value(item);

		if (r == 0)
			r = append_line(out, i == 0 ? "" : INDENT,
				i == 0 ? render_state_colour(state) : "", text ? text : "", term,
				0);
	}
	json_array_foreach(logs, i, item)
	{
		if (r == 0)
			r = append_log(item, term, out);
	}
	return r;
}

/* --- the verb --- */

static int out_of_memory(struct ctl *ctl)
{
	ctl_error(ctl, "out of memory");
	return CTL_FAILED;
}

/* Tells about one service, or keeps what there is to tell in *told. */
static int explain(struct ctl *ctl, json_t *facts, bool first, json_t *told)
{
	_cleanup_buf_ struct buf out = {0};
	json_t *sentences = why_sentences(facts, user_name);
	json_t *logs = why_log_read(facts, ctl->n_lines);
	int r = sentences && logs ? 0 : -ENOMEM;

	if (r == 0 && told) {
		json_object_set(facts, "text", sentences);
		json_object_set(facts, "last_lines", logs);
		r = json_array_append(told, facts) < 0 ? -ENOMEM : 0;
	} else if (r == 0) {
		r = first ? 0 : buf_printf(&out, "\n");
		if (r == 0)
			r = why_render(facts, sentences, logs, &ctl->term, &out);
	}
	if (r == 0)
		ctl_write(ctl, &out);
	json_decref(sentences);
	json_decref(logs);
	return r < 0 ? out_of_memory(ctl) : CTL_DONE;
}

static int explain_all(struct ctl *ctl, json_t *services, json_t *told)
{
	int status = CTL_DONE;
	json_t *service;
	size_t i;

	json_array_foreach(services, i, service)
	{
		json_t *facts = NULL;
		int r = ctl_call_once(ctl, CONTROL_INTERFACE ".Why",
			json_pack("{s:s}", "name", render_string(service, "name")), 0, &facts);

		if (r == CTL_DONE)
			r = explain(ctl, facts, i == 0, told);
		json_decref(facts);
		/* one that was removed meanwhile does not keep the others from being told about */
		if (r != CTL_DONE && status == CTL_DONE)
			status = r;
		if (r != CTL_DONE && r != CTL_NOTHING_THERE)
			break;
		if (ctl_flush(ctl) < 0)
			break;
	}
	return status;
}

int verb_why(struct ctl *ctl)
{
	json_t *names = ctl_names(ctl, 0), *reply = NULL, *told = NULL;
	int status;

	if (!names)
		return CTL_USAGE;
	status = ctl_call_once(
		ctl, CONTROL_INTERFACE ".List", json_pack("{s:o}", "names", names), 0, &reply);
	if (status != CTL_DONE)
		return status;
	if (ctl->json)
		told = json_array();
	if (ctl->json && !told)
		status = out_of_memory(ctl);
	else
		status = explain_all(ctl, json_object_get(reply, "services"), told);
	if (told && ctl_write_json(ctl, told) < 0)
		status = CTL_FAILED;
	json_decref(reply);
	return status;
}
