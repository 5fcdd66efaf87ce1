/*
 * Points in time are told as the real clock showed them when they happened; durations are
 * monotonic, so a clock that is set does not change them.
 */
#include "wire/board_json.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/parse.h"
#include "wire/board_text.h"

const char *board_json_phase(unsigned phase)
{
	static const char *const names[SUPERVISORD_BOARD_PHASES] = {
		[SUPERVISORD_BOARD_PHASE_NONE] = "",
		[SUPERVISORD_BOARD_PHASE_PRE_START] = "pre-start",
		[SUPERVISORD_BOARD_PHASE_EXEC] = "exec",
		[SUPERVISORD_BOARD_PHASE_FORKED] = "forked",
		[SUPERVISORD_BOARD_PHASE_READY] = "ready",
		[SUPERVISORD_BOARD_PHASE_DEPENDENTS] = "dependents",
		[SUPERVISORD_BOARD_PHASE_PRE_STOP] = "pre-stop",
		[SUPERVISORD_BOARD_PHASE_STOP_COMMAND] = "stop-command",
		[SUPERVISORD_BOARD_PHASE_SIGNAL] = "signal",
		[SUPERVISORD_BOARD_PHASE_CANCELLED] = "cancelled",
		[SUPERVISORD_BOARD_PHASE_POST_STOP] = "post-stop",
	};

	return phase < ELEMENTSOF(names) ? names[phase] : "unknown";
}

const char *board_json_health(unsigned health)
{
	static const char *const names[SUPERVISORD_BOARD_HEALTHS] = {
		[SUPERVISORD_BOARD_HEALTH_UNKNOWN] = "unknown",
		[SUPERVISORD_BOARD_HEALTHY] = "healthy",
		[SUPERVISORD_BOARD_UNHEALTHY] = "unhealthy",
	};

	return health < ELEMENTSOF(names) ? names[health] : "unknown";
}

static const char *kind_of(unsigned waiting_for)
{
	static const char *const names[SUPERVISORD_BOARD_FORS] = {
		[SUPERVISORD_BOARD_FOR_SERVICE] = "service",
		[SUPERVISORD_BOARD_FOR_CONFLICT] = "conflict",
		[SUPERVISORD_BOARD_FOR_POOL] = "pool",
		[SUPERVISORD_BOARD_FOR_PLACE] = "place",
		[SUPERVISORD_BOARD_FOR_PREDECESSOR] = "predecessor",
		[SUPERVISORD_BOARD_FOR_SCHEDULE] = "schedule",
	};

	return waiting_for < ELEMENTSOF(names) ? names[waiting_for] : "unknown";
}

static json_t *integer_if(bool condition, int64_t value)
{
	return condition ? json_integer(value) : json_null();
}

static json_t *integer_or_null(int64_t value)
{
	return integer_if(value >= 0, value);
}

static json_t *flag(const struct supervisord_board_slot *slot, unsigned bit)
{
	return json_boolean(slot->flags & bit);
}

static json_t *text_of(const char *text)
{
	char clean[BOARD_TEXT_SIZE];

	return json_string(board_text(text, clean));
}

static json_t *text_or_null(const char *text)
{
	return *text ? text_of(text) : json_null();
}

static json_t *time_of(usec_t realtime)
{
	char text[USEC_RFC3339_SIZE];

	usec_rfc3339(realtime, text);
	return json_string(text);
}

static json_t *exit_signal(const struct supervisord_board_slot *slot)
{
	char name[SIGNAL_NAME_SIZE];

	if (slot->end != SUPERVISORD_BOARD_END_SIGNALLED &&
		slot->end != SUPERVISORD_BOARD_END_DUMPED)
		return json_null();
	return json_string(signal_name(slot->end_status, name));
}

static json_t *waiting_for(const struct supervisord_board_slot *slot)
{
	const char *kind = kind_of(slot->waiting_for);

	return kind ? json_pack("{s:s,s:o}", "kind", kind, "name", text_or_null(slot->blocker))
		    : json_null();
}

json_t *board_json(const struct supervisord_board_slot *slot, usec_t now_usec)
{
	const char *phase = board_json_phase(slot->phase),
		   *health = board_json_health(slot->health);

	return json_pack(
		"{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:I,s:o,s:o,s:o,s:o,s:s?,s:o,s:o,s:s?,s:o,s:o}",
		"name", text_of(slot->name), "state", supervisord_board_state_name(slot->state),
		"desired", slot->flags & SUPERVISORD_BOARD_DESIRED_UP ? "up" : "down", "ready",
		flag(slot, SUPERVISORD_BOARD_READY), "pid", integer_if(slot->pid > 0, slot->pid),
		"since", time_of(slot->since_realtime_usec), "uptime_ms",
		integer_or_null(board_text_uptime_msec(slot, now_usec)), "restarts",
		(json_int_t)slot->restarts, "exit_code",
		integer_if(slot->end == SUPERVISORD_BOARD_END_EXITED, slot->end_status),
		"exit_signal", exit_signal(slot), "reason", text_of(slot->reason), "next_start_ms",
		integer_or_null(board_text_next_start_msec(slot, now_usec)), "health", health,
		"status_text", text_or_null(slot->status_text), "reloading",
		flag(slot, SUPERVISORD_BOARD_RELOADING), "phase", *phase ? phase : NULL,
		"waiting_for", waiting_for(slot), "stale", flag(slot, SUPERVISORD_BOARD_STALE));
}
