/*
 * What a service says of itself beside what the core has to know: kept for those who look, of
 * the present generation, and by this engine only.
 */
#include <stdio.h>

#include "engine/ready/ready_internal.h"

static bool is_live(const struct core_record *c)
{
	return c->state == CORE_STARTING || c->state == CORE_RUNNING || c->state == CORE_STOPPING;
}

/* What it says of itself, for its present generation; NULL for lack of memory. */
static struct readiness *get_said(struct service *s)
{
	struct readiness *r = readiness_get(s);
	uint64_t generation = core_record(s->engine->core, s->id)->generation;

	if (r && r->said_generation != generation) {
		r->said_generation = generation;
		r->doing = READY_DOING_NOTHING;
		r->status[0] = '\0';
	}
	return r;
}

static const struct readiness *find_said(const struct service *s)
{
	const struct readiness *r = readiness_find(s);
	const struct core_record *c = core_record(s->engine->core, s->id);

	return r && r->said_generation == c->generation && is_live(c) ? r : NULL;
}

void ready_note_status(struct service *s, const char *text)
{
	struct readiness *r = get_said(s);

	if (!r)
		return;
	snprintf(r->status, sizeof(r->status), "%s", text);
	board_tell(s);
}

void ready_note_doing(struct service *s, enum ready_doing doing)
{
	/* Most say READY=1 and nothing else, which takes no memory. */
	struct readiness *r =
		readiness_find(s) || doing != READY_DOING_NOTHING ? get_said(s) : NULL;

	if (!r)
		return;
	r->doing = doing;
	board_tell(s);
}

const char *ready_status(const struct service *s)
{
	const struct readiness *r = find_said(s);

	return r ? r->status : "";
}

enum ready_doing ready_doing(const struct service *s)
{
	const struct readiness *r = find_said(s);

	return r ? r->doing : READY_DOING_NOTHING;
}
