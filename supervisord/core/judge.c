/*
 * What has become of a request: told from the state alone, so that whoever asks again is told the
 * same, also by another engine.
 */
#include "core/state.h"

static enum core_outcome judge_up(const struct core_slot *s)
{
	const struct core_record *r = &s->record;

	switch ((enum core_state)r->state) {
	case CORE_RUNNING:
	case CORE_EXITED:
		return CORE_DONE;
	case CORE_STARTING:
		return CORE_PENDING;
	case CORE_WAITING:
		if (r->why == CORE_WHY_SCHEDULE)
			return CORE_DONE;
		return s->stuck ? CORE_NOT_DONE : CORE_PENDING;
	case CORE_STOPPING:
		return r->desired_up ? CORE_PENDING : CORE_NOT_DONE;
	case CORE_STOPPED:
	case CORE_BACKOFF:
	case CORE_FAILED:
	case CORE_STATE_MAX:
		break;
	}
	return CORE_NOT_DONE;
}

enum core_outcome core_judge(
	const struct core *c, uint32_t service, enum core_event_type request, uint64_t before)
{
	const struct core_record *r = core_record(c, service);

	switch (request) {
	case CORE_EVENT_START:
	case CORE_EVENT_AUTOSTART:
		return c->ending ? CORE_NOT_DONE : judge_up(&c->slots[service]);
	case CORE_EVENT_RESTART:
		if (c->ending)
			return CORE_NOT_DONE;
		if (r->generation > before)
			return judge_up(&c->slots[service]);
		if (r->state == CORE_WAITING && r->why == CORE_WHY_SCHEDULE)
			return CORE_DONE; /* by an engine that did not see it run */
		if (!r->desired_up || (r->state != CORE_STOPPING && r->state != CORE_WAITING))
			return CORE_NOT_DONE;
		return c->slots[service].stuck ? CORE_NOT_DONE : CORE_PENDING;
	case CORE_EVENT_STOP:
	case CORE_EVENT_KILL:
		if (r->desired_up)
			return CORE_NOT_DONE;
		return core_is_live(r) ? CORE_PENDING : CORE_DONE;
	case CORE_EVENT_RESET:
		return CORE_DONE;
	default:
		break; /* nobody asks for it */
	}
	return CORE_NOT_DONE;
}
