/*
 * What an explanation of a service's situation is made of, beside its record: the names of the
 * reasons, and what follows from the record by policy and graph. Nothing here is in words for
 * people, and nothing changes anything.
 */
#include "base/macro.h"
#include "core/state.h"

static const char *const why_names[CORE_WHY_MAX] = {
	[CORE_WHY_NONE] = "none",
	[CORE_WHY_NEVER_STARTED] = "never-started",
	[CORE_WHY_OPERATOR] = "operator",
	[CORE_WHY_AUTOSTART] = "autostart",
	[CORE_WHY_SHUTDOWN] = "shutdown",
	[CORE_WHY_ENDED] = "ended",
	[CORE_WHY_LEFTOVERS] = "leftovers",
	[CORE_WHY_GAVE_UP] = "gave-up",
	[CORE_WHY_SLOT] = "max-starting",
	[CORE_WHY_RESTART] = "restart",
	[CORE_WHY_CHANGED] = "changed",
	[CORE_WHY_REMOVED] = "removed",
	[CORE_WHY_PREDECESSOR] = "predecessor",
	[CORE_WHY_NEEDED] = "needed",
	[CORE_WHY_DEPENDENCY] = "dependency",
	[CORE_WHY_CONFLICT] = "conflict",
	[CORE_WHY_POOL] = "pool",
	[CORE_WHY_SCHEDULE] = "schedule",
	[CORE_WHY_CAUSE] = "cause",
};

static const char *const cause_names[CORE_CAUSE_MAX] = {
	[CORE_CAUSE_NONE] = "none",
	[CORE_CAUSE_START_TIMEOUT] = "start-timeout",
	[CORE_CAUSE_WATCHDOG] = "watchdog",
	[CORE_CAUSE_UNHEALTHY] = "unhealthy",
	[CORE_CAUSE_PRE_START] = "pre-start",
	[CORE_CAUSE_NO_MAIN] = "no-main",
	[CORE_CAUSE_TRIGGER] = "trigger",
};

static const char *const then_names[CORE_THEN_MAX] = {
	[CORE_THEN_STOPPED] = "stopped",
	[CORE_THEN_START] = "start",
	[CORE_THEN_BACKOFF] = "backoff",
	[CORE_THEN_EXITED] = "exited",
	[CORE_THEN_FAILED] = "failed",
};

const char *core_why_to_string(enum core_why w)
{
	return why_names[w];
}

const char *core_cause_to_string(enum core_cause c)
{
	return cause_names[c];
}

const char *core_then_to_string(enum core_then t)
{
	return then_names[t];
}

bool core_is_stuck(const struct core *c, uint32_t service)
{
	return c->slots[service].record.state == CORE_WAITING && c->slots[service].stuck;
}

bool core_holds_slot(const struct core *c, uint32_t service)
{
	const struct core_record *r = &c->slots[service].record;

	return graph_holds_slot((enum core_state)r->state, (enum core_why)r->why);
}

void core_restart_facts(
	const struct core *c, uint32_t service, usec_t now, struct core_restart_facts *ret_facts)
{
	const struct core_slot *s = &c->slots[service];

	*ret_facts = (struct core_restart_facts){
		.success = restart_is_success(s->policy, &s->record),
		.wanted = restart_is_wanted(s->policy, &s->record),
		.n_counted = restart_count_in_window(s->policy, &c->pasts[service], now),
		.delay_usec = restart_pause(s->policy, &s->record, 0),
	};
}
