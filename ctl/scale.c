/*
 * scale: another number of instances. What was changed comes first, then each instance that
 * is started or stopped for it, as it gets there.
 */
#include <inttypes.h>

#include "base/parse.h"
#include "ctl/act.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"

struct scale {
	struct act act;
	json_t *scaled; /* owned; NULL until it came */
};

/* "web: 5 instances, were 3" */
static int write_scaled(struct ctl *ctl, json_t *scaled)
{
	_cleanup_buf_ struct buf line = {0}, safe = {0};
	int64_t n = render_integer(scaled, "instances", 0), was = render_integer(scaled, "was", 0);
	int r = buf_printf(&line, "%s: %" PRIi64 " instance%s, ", render_string(scaled, "name"), n,
		n == 1 ? "" : "s");

	if (r == 0)
		r = n == was ? buf_printf(&line, "as before")
			     : buf_printf(&line, "%s %" PRIi64, was == 1 ? "was" : "were", was);
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

/* After a break, a server does not tell again what was changed. */
static int on_reply(json_t *parameters, void *userdata)
{
	struct scale *s = userdata;
	json_t *scaled = json_object_get(parameters, "scaled");
	int r = 0;

	if (json_is_object(scaled) && !s->scaled) {
		s->scaled = json_incref(scaled);
		progress_clear(&s->act.progress);
		if (!s->act.results)
			r = write_scaled(s->act.ctl, scaled);
	}
	return r < 0 ? r : act_take(&s->act, parameters);
}

static int call(struct scale *s, json_t *parameters)
{
	struct ctl *ctl = s->act.ctl;
	unsigned flags = act_add_wait(&s->act, parameters);
	int status = act_add_id(&s->act, parameters);

	if (status == 0)
		status = act_call(&s->act, json_incref(parameters), flags, on_reply, s);
	/* What has happened is told even where the rest can't be. */
	if (ctl->json && (status == 0 || s->scaled) &&
		ctl_write_json(ctl, json_pack("{s:O?,s:O}", "scaled", s->scaled, "results",
					    s->act.results)) < 0)
		status = CTL_FAILED;
	return status == 0 && s->act.failed ? CTL_FAILED : status;
}

int verb_scale(struct ctl *ctl)
{
	json_t *name, *parameters;
	struct scale s = {0};
	uint64_t n;
	int status;

	if (parse_u64(ctl->args[1], INT32_MAX, &n) < 0) {
		ctl_error(ctl, "'%s' is not a number of instances", ctl->args[1]);
		return CTL_USAGE;
	}
	name = json_string(ctl->args[0]);
	if (!name) {
		ctl_error(ctl, "'%s' is not a name", ctl->args[0]);
		return CTL_USAGE;
	}
	act_init(&s.act, ctl);
	parameters = json_pack("{s:o,s:I}", "name", name, "instances", (json_int_t)n);
	status = call(&s, parameters);
	json_decref(parameters);
	json_decref(s.scaled);
	act_fini(&s.act);
	return status;
}
