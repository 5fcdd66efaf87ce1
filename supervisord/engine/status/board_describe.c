/*
 * From the core's record and from what the service and those who ask it have said. Numbers of the
 * core are those of the board, which is a contract: where one gets another order, this fails to
 * compile.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/status/board.h"
#include "wire/notify.h"

#define SAME(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), "the board's numbers")

SAME(CORE_STOPPED, SUPERVISORD_BOARD_STOPPED);
SAME(CORE_WAITING, SUPERVISORD_BOARD_WAITING);
SAME(CORE_STARTING, SUPERVISORD_BOARD_STARTING);
SAME(CORE_RUNNING, SUPERVISORD_BOARD_RUNNING);
SAME(CORE_STOPPING, SUPERVISORD_BOARD_STOPPING);
SAME(CORE_BACKOFF, SUPERVISORD_BOARD_BACKOFF);
SAME(CORE_EXITED, SUPERVISORD_BOARD_EXITED);
SAME(CORE_FAILED, SUPERVISORD_BOARD_FAILED);
SAME(CORE_STATE_MAX, SUPERVISORD_BOARD_STATES);
SAME(CORE_PHASE_NONE, SUPERVISORD_BOARD_PHASE_NONE);
SAME(CORE_PHASE_PRE_START, SUPERVISORD_BOARD_PHASE_PRE_START);
SAME(CORE_PHASE_EXEC, SUPERVISORD_BOARD_PHASE_EXEC);
SAME(CORE_PHASE_FORKED, SUPERVISORD_BOARD_PHASE_FORKED);
SAME(CORE_PHASE_READY, SUPERVISORD_BOARD_PHASE_READY);
SAME(CORE_PHASE_DEPENDENTS, SUPERVISORD_BOARD_PHASE_DEPENDENTS);
SAME(CORE_PHASE_PRE_STOP, SUPERVISORD_BOARD_PHASE_PRE_STOP);
SAME(CORE_PHASE_STOP_COMMAND, SUPERVISORD_BOARD_PHASE_STOP_COMMAND);
SAME(CORE_PHASE_SIGNAL, SUPERVISORD_BOARD_PHASE_SIGNAL);
SAME(CORE_PHASE_CANCELLED, SUPERVISORD_BOARD_PHASE_CANCELLED);
SAME(CORE_PHASE_POST_STOP, SUPERVISORD_BOARD_PHASE_POST_STOP);
SAME(CORE_PHASE_MAX, SUPERVISORD_BOARD_PHASES);
SAME(CORE_HEALTH_UNKNOWN + 1, SUPERVISORD_BOARD_HEALTH_UNKNOWN);
SAME(CORE_HEALTH_GOOD + 1, SUPERVISORD_BOARD_HEALTHY);
SAME(CORE_HEALTH_BAD + 1, SUPERVISORD_BOARD_UNHEALTHY);
SAME(CORE_HEALTH_MAX + 1, SUPERVISORD_BOARD_HEALTHS);
SAME(CORE_END_NONE, SUPERVISORD_BOARD_END_NONE);
SAME(CORE_END_EXITED, SUPERVISORD_BOARD_END_EXITED);
SAME(CORE_END_SIGNALLED, SUPERVISORD_BOARD_END_SIGNALLED);
SAME(CORE_END_DUMPED, SUPERVISORD_BOARD_END_DUMPED);
SAME(CORE_END_SPAWN_FAILED, SUPERVISORD_BOARD_END_SPAWN_FAILED);
SAME(CORE_END_UNKNOWN, SUPERVISORD_BOARD_END_UNKNOWN);
SAME(USEC_INFINITY, SUPERVISORD_BOARD_NEVER);

_Static_assert(
	sizeof((struct supervisord_board_slot){0}.name) >= SPEC_INSTANCE_NAME_MAX, "it fits");
_Static_assert(sizeof((struct supervisord_board_slot){0}.reason) >= CORE_REASON_SIZE, "it fits");
_Static_assert(
	sizeof((struct supervisord_board_slot){0}.status_text) >= NOTIFY_STATUS_SIZE, "it fits");

/* The next start that comes by itself: after an end, or by the schedule. */
static usec_t next_start(const struct core_record *r)
{
	return r->state == CORE_BACKOFF ? MIN_OF(r->deadline_usec, r->due_usec) : r->due_usec;
}

static void describe_blocker(const struct service *s, struct supervisord_board_slot *slot)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	const struct service *other = services_by_id(s->engine, r->blocker);
	const char *pool = service_definition(s)->links->pool, *name = NULL;

	if (r->state != CORE_WAITING)
		return;
	switch ((enum core_why)r->why) {
	case CORE_WHY_DEPENDENCY:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_SERVICE;
		name = other ? other->name : NULL;
		break;
	case CORE_WHY_CONFLICT:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_CONFLICT;
		name = other ? other->name : NULL;
		break;
	case CORE_WHY_POOL:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_POOL;
		name = pool;
		break;
	case CORE_WHY_SLOT:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_PLACE;
		break;
	case CORE_WHY_PREDECESSOR:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_PREDECESSOR;
		break;
	case CORE_WHY_SCHEDULE:
		slot->waiting_for = SUPERVISORD_BOARD_FOR_SCHEDULE;
		break;
	default:
		break;
	}
	snprintf(slot->blocker, sizeof(slot->blocker), "%s", name ? name : "");
}

static uint8_t flags_of(const struct service *s, const struct core_record *r)
{
	unsigned flags = 0;

	if (r->desired_up)
		flags |= SUPERVISORD_BOARD_DESIRED_UP;
	if (r->ready)
		flags |= SUPERVISORD_BOARD_READY;
	if (ready_doing(s) == READY_RELOADING)
		flags |= SUPERVISORD_BOARD_RELOADING;
	if (service_is_stale(s))
		flags |= SUPERVISORD_BOARD_STALE;
	return (uint8_t)flags;
}

static void copy(char *to, size_t size, const char *text)
{
	size_t n = strnlen(text, size - 1);

	memcpy(to, text, n);
	to[n] = '\0';
}

void board_describe(const struct service *s, struct supervisord_board_slot *ret_slot)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	bool asked = s->spec->contact->health->kind != SPEC_PROBE_NONE;
	char reason[CORE_REASON_SIZE];

	*ret_slot = (struct supervisord_board_slot){.place = s->board_place,
		.restarts = r->restarts,
		.state = r->state,
		.phase = r->phase,
		.health = asked ? (uint8_t)(r->health + 1) : 0,
		.end = r->end,
		.flags = flags_of(s, r),
		.pid = r->pid > 0 ? r->pid : 0,
		.end_status = r->end_status,
		.generation = r->generation,
		.since_realtime_usec = s->since_realtime_usec,
		.since_usec = r->since_usec,
		.started_realtime_usec = s->started_realtime_usec,
		.started_usec = r->started_usec,
		.next_start_usec = next_start(r)};
	describe_blocker(s, ret_slot);
	copy(ret_slot->name, sizeof(ret_slot->name), s->name);
	copy(ret_slot->status_text, sizeof(ret_slot->status_text), ready_status(s));
	service_reason(s, reason);
	utf8_clean(reason, strlen(reason), ret_slot->reason, sizeof(ret_slot->reason));
}
