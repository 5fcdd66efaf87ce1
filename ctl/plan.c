/*
 * plan and apply. A plan looks like a diff: a line for each service, below it the keys that
 * differ, and at the end the sum. Nothing is cut to the width of the terminal, as values
 * are there to be read whole and copied.
 *
 * Lines go into a struct page, which keeps the first error, so that what says something
 * is not buried under checks.
 */
#include "ctl/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/act.h"
#include "ctl/output/render.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"

#define MAX_NAMES 6 /* so many instances are named on a line */

struct page {
	const struct term *term;
	struct buf *out;
	int error;
};

static void page_raw(struct page *p, const char *text)
{
	if (p->error == 0)
		p->error = buf_append(p->out, SIZE_MAX, text, strlen(text));
}

/* Text that others wrote, in at least so many columns. */
static void page_text(struct page *p, const char *text, size_t width)
{
	size_t start = p->out->len, used;

	if (p->error == 0)
		p->error = text_append_safe(p->out, text, strlen(text), term_text_flags(p->term));
	if (p->error < 0 || width == 0)
		return;
	used = p->out->len > start ? text_width(p->out->data + start, p->out->len - start) : 0;
	if (used < width)
		p->error = buf_printf(p->out, "%*s", (int)(width - used), "");
}

static void page_colour(struct page *p, const char *colour)
{
	if (p->term->colours)
		page_raw(p, colour);
}

/* Columns that the widest member takes once it is harmless. */
static size_t widest(const struct page *p, json_t *array, const char *member)
{
	_cleanup_buf_ struct buf text = {0};
	size_t width = 0, i;
	json_t *item;

	json_array_foreach(array, i, item)
	{
		const char *name = render_string(item, member);

		text.len = 0;
		if (text_append_safe(&text, name, strlen(name), term_text_flags(p->term)) == 0 &&
			text.len > 0)
			width = MAX_OF(width, text_width(text.data, text.len));
	}
	return width;
}

static size_t count(json_t *change, const char *list)
{
	return json_array_size(json_object_get(change, list));
}

/* No instance is started, stopped or left for later: running ones take all of it over. */
static bool is_live(json_t *change)
{
	return count(change, "restarts") + count(change, "starts") + count(change, "stops") +
		       count(change, "later") + count(change, "stale") ==
	       0;
}

/* " web@1 web@2 … and 3 more"; nothing for the one instance that has the service's name. */
static void add_names(struct page *p, json_t *change, const char *list, bool always)
{
	json_t *names = json_object_get(change, list), *item;
	size_t n = json_array_size(names), i;
	const char *first = json_string_value(json_array_get(names, 0));

	if (!always && n == 1 && first && strcmp(first, render_string(change, "name")) == 0)
		return;
	json_array_foreach(names, i, item)
	{
		const char *name = json_string_value(item);
		char more[48];

		if (i == MAX_NAMES && n > MAX_NAMES + 1) {
			snprintf(more, sizeof(more), " and %zu more", n - i);
			page_raw(p, more);
			return;
		}
		page_raw(p, " ");
		page_text(p, name ? name : "", 0);
	}
}

/* "restart; start web@4": what happens to instances, in the order of weight. */
static void add_actions(struct page *p, json_t *change, bool is_renamed)
{
	static const struct {
		const char *list, *word;
	} actions[] = {
		{"stops", "stop and remove"},
		{"restarts", "restart"},
		{"starts", "start"},
		{"later", "at the next start"},
		{"stale", "leave stale"},
	};
	const char *between = "";

	for (size_t i = 0; i < ELEMENTSOF(actions); i++) {
		if (count(change, actions[i].list) == 0)
			continue;
		page_raw(p, between);
		/* The old name is gone anyway: that is what renaming means. */
		page_raw(p, is_renamed && i == 0 ? "stop" : actions[i].word);
		add_names(p, change, actions[i].list, is_renamed);
		between = is_renamed ? ", " : "; ";
	}
}

/* What stands for no action at all. */
static const char *without_action(const char *kind)
{
	if (strcmp(kind, "added") == 0)
		return "add";
	if (strcmp(kind, "removed") == 0)
		return "remove";
	return "live";
}

static void add_head(struct page *p, json_t *change, size_t width)
{
	static const struct {
		const char *kind, *mark, *colour;
	} marks[] = {
		{"added", "+", RENDER_GREEN},
		{"removed", "-", RENDER_RED},
		{"renamed", ">", RENDER_YELLOW},
		{"changed", "~", RENDER_YELLOW},
	};
	const char *kind = render_string(change, "change");
	bool is_renamed = strcmp(kind, "renamed") == 0;
	size_t i = 0;

	while (i + 1 < ELEMENTSOF(marks) && strcmp(marks[i].kind, kind) != 0)
		i++;
	page_colour(p, marks[i].colour);
	page_raw(p, marks[i].mark);
	page_colour(p, RENDER_RESET);
	page_raw(p, " ");
	page_text(p, render_string(change, "name"), width);
	page_raw(p, "  ");
	if (is_renamed) {
		page_raw(p, "renamed from ");
		page_text(p, render_string(change, "was"), 0);
		page_raw(p, is_live(change) ? "" : ": ");
	} else if (is_live(change)) {
		page_raw(p, without_action(kind));
	}
	add_actions(p, change, is_renamed);
	page_raw(p, "\n");
}

static void add_value(struct page *p, json_t *key, const char *member)
{
	const char *text = json_string_value(json_object_get(key, member));

	if (text)
		page_text(p, text, 0);
	else
		page_raw(p, "not given");
}

/* "stop.timeout 10s -> 5s (live)" */
static void add_key(
	struct page *p, json_t *key, const char *indent, size_t width, const char *remark)
{
	bool is_hidden = !json_is_string(json_object_get(key, "before")) &&
			 !json_is_string(json_object_get(key, "after"));

	page_raw(p, indent);
	page_text(p, render_string(key, "key"), width);
	page_raw(p, " ");
	if (is_hidden) {
		page_raw(p, "changed");
	} else {
		add_value(p, key, "before");
		page_raw(p, " -> ");
		add_value(p, key, "after");
	}
	if (*remark != '\0') {
		page_colour(p, RENDER_FAINT);
		page_raw(p, remark);
		page_colour(p, RENDER_RESET);
	}
	page_raw(p, "\n");
}

static bool has_effect(json_t *key, const char *effect)
{
	return strcmp(render_string(key, "effect"), effect) == 0;
}

static void add_change(struct page *p, json_t *change, size_t width)
{
	json_t *keys = json_object_get(change, "keys"), *key;
	size_t key_width = widest(p, keys, "key"), i;

	add_head(p, change, width);
	json_array_foreach(keys, i, key) add_key(p, key, "    ", key_width,
		has_effect(key, "live") && !is_live(change) ? " (live)" : "");
}

/* "= web  5 instances, scaled from 3" */
static void add_scaled(struct page *p, json_t *plan, size_t width)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(plan, "scaled"), i, item)
	{
		int64_t n = render_integer(item, "instances", 0);
		char text[96];

		page_raw(p, "= ");
		page_text(p, render_string(item, "name"), width);
		snprintf(text, sizeof(text), "  %" PRIi64 " instance%s, scaled from %" PRIi64 "\n",
			n, n == 1 ? "" : "s", render_integer(item, "configured", 0));
		page_raw(p, text);
	}
}

/* "1 to restart, 2 to start" */
static void add_sum(struct page *p, json_t *services)
{
	static const struct {
		const char *list, *text;
	} sums[] = {
		{"restarts", "to restart"},
		{"starts", "to start"},
		{"stops", "to stop"},
		{"later", "at the next start"},
		{"stale", "left stale"},
	};
	const char *between = "";

	for (size_t i = 0; i < ELEMENTSOF(sums); i++) {
		size_t n = 0, k;
		json_t *change;
		char text[64];

		json_array_foreach(services, k, change) n += count(change, sums[i].list);
		if (n == 0)
			continue;
		snprintf(text, sizeof(text), "%s%zu %s", between, n, sums[i].text);
		page_raw(p, text);
		between = ", ";
	}
	page_raw(p, *between != '\0' ? "\n" : "no service to restart, start or stop\n");
}

int plan_render(json_t *plan, const struct term *term, struct buf *out)
{
	struct page p = {.term = term, .out = out};
	json_t *global = json_object_get(plan, "global"), *item;
	json_t *services = json_object_get(plan, "services");
	size_t width = widest(&p, services, "name"), i;

	if (!json_is_true(json_object_get(plan, "changed"))) {
		page_raw(&p, "nothing to do: what is in force is what the files say\n");
		add_scaled(&p, plan, 0);
		return p.error;
	}
	json_array_foreach(services, i, item) add_change(&p, item, width);
	add_scaled(&p, plan, width);
	width = widest(&p, global, "key");
	json_array_foreach(global, i, item) add_key(&p, item, "", width,
		has_effect(item, "restart") ? " (when supervisord starts again)" : "");
	add_sum(&p, services);
	return p.error;
}

static int write_plan(struct ctl *ctl, json_t *plan)
{
	_cleanup_buf_ struct buf text = {0};

	if (plan_render(plan, &ctl->term, &text) < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	ctl_write(ctl, &text);
	fflush(ctl->out);
	return CTL_DONE;
}

static json_t *make_parameters(const struct ctl *ctl)
{
	json_t *parameters = json_object();

	if (ctl->no_restart)
		json_object_set_new(parameters, "restart", json_false());
	return parameters;
}

int verb_plan(struct ctl *ctl)
{
	json_t *reply = NULL, *plan;
	int status = ctl_call_once(ctl, ctl->verb->method, make_parameters(ctl), 0, &reply);

	if (status != 0)
		return status;
	plan = json_object_get(reply, "plan");
	if (!ctl->json)
		status = write_plan(ctl, plan);
	else if (ctl_write_json(ctl, json_incref(plan)) < 0)
		status = CTL_FAILED;
	json_decref(reply);
	return status;
}

struct apply {
	struct act act;
	json_t *plan; /* owned; NULL until it came */
};

/* After a break, a server may send the plan again, or not at all. */
static int on_reply(json_t *parameters, void *userdata)
{
	struct apply *a = userdata;
	json_t *plan = json_object_get(parameters, "plan");

	if (json_is_object(plan) && !a->plan) {
		a->plan = json_incref(plan);
		progress_clear(&a->act.progress);
		if (!a->act.results && write_plan(a->act.ctl, plan) != CTL_DONE)
			return -ENOMEM;
	}
	return act_take(&a->act, parameters);
}

static int write_json(struct apply *a)
{
	json_t *plan = a->plan ? json_incref(a->plan) : json_null();

	return ctl_write_json(
		a->act.ctl, json_pack("{s:o,s:O}", "plan", plan, "results", a->act.results));
}

int verb_apply(struct ctl *ctl)
{
	json_t *parameters = make_parameters(ctl);
	struct apply a = {0};
	unsigned flags;
	int status;

	act_init(&a.act, ctl);
	flags = act_add_wait(&a.act, parameters);
	status = act_add_id(&a.act, parameters);
	if (status == 0)
		status = act_call(&a.act, json_incref(parameters), flags, on_reply, &a);
	/* What has happened is told even where the rest can't be. */
	if (ctl->json && (status == 0 || a.plan) && write_json(&a) < 0)
		status = CTL_FAILED;
	if (status == 0 && a.act.failed)
		status = CTL_FAILED;
	json_decref(parameters);
	json_decref(a.plan);
	act_fini(&a.act);
	return status;
}
