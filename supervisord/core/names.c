/*
 * States and events by name, and a service's situation in words. Text is made from the
 * record alone, so a new engine says the same as the one before it.
 */
#include <stdarg.h>
#include <string.h>

#include "base/decimal.h"
#include "base/macro.h"
#include "base/parse.h"
#include "core/state.h"

static const char *const state_names[CORE_STATE_MAX] = {
	[CORE_STOPPED] = "stopped",
	[CORE_WAITING] = "waiting",
	[CORE_STARTING] = "starting",
	[CORE_RUNNING] = "running",
	[CORE_STOPPING] = "stopping",
	[CORE_BACKOFF] = "backoff",
	[CORE_EXITED] = "exited",
	[CORE_FAILED] = "failed",
};

static const char *const event_names[CORE_EVENT_MAX] = {
	[CORE_EVENT_START] = "start",
	[CORE_EVENT_AUTOSTART] = "autostart",
	[CORE_EVENT_STOP] = "stop",
	[CORE_EVENT_RESTART] = "restart",
	[CORE_EVENT_RESET] = "reset",
	[CORE_EVENT_KILL] = "kill",
	[CORE_EVENT_SIGNAL] = "signal",
	[CORE_EVENT_UNBLOCK] = "unblock",
	[CORE_EVENT_STARTED] = "started",
	[CORE_EVENT_ENDED] = "ended",
	[CORE_EVENT_GONE] = "gone",
	[CORE_EVENT_MAINPID] = "mainpid",
	[CORE_EVENT_HOOK] = "hook",
	[CORE_EVENT_READY] = "ready",
	[CORE_EVENT_ALIVE] = "alive",
	[CORE_EVENT_TRIGGER] = "trigger",
	[CORE_EVENT_EXTEND] = "extend",
	[CORE_EVENT_HEALTH] = "health",
	[CORE_EVENT_SCHEDULED] = "scheduled",
	[CORE_EVENT_DEADLINE] = "deadline",
	[CORE_EVENT_SETTLE] = "settle",
};

static const char *const phase_names[CORE_PHASE_MAX] = {
	[CORE_PHASE_NONE] = "",
	[CORE_PHASE_PRE_START] = "pre-start",
	[CORE_PHASE_EXEC] = "exec",
	[CORE_PHASE_FORKED] = "forked",
	[CORE_PHASE_READY] = "ready",
	[CORE_PHASE_DEPENDENTS] = "dependents",
	[CORE_PHASE_PRE_STOP] = "pre-stop",
	[CORE_PHASE_STOP_COMMAND] = "stop-command",
	[CORE_PHASE_SIGNAL] = "signal",
	[CORE_PHASE_CANCELLED] = "cancelled",
	[CORE_PHASE_POST_STOP] = "post-stop",
};

static const char *const health_names[CORE_HEALTH_MAX] = {
	[CORE_HEALTH_UNKNOWN] = "unknown",
	[CORE_HEALTH_GOOD] = "healthy",
	[CORE_HEALTH_BAD] = "unhealthy",
};

const char *core_state_to_string(enum core_state s)
{
	return state_names[s];
}

int core_state_from_string(const char *text, enum core_state *ret_state)
{
	for (int i = 0; i < CORE_STATE_MAX; i++) {
		if (strcmp(text, state_names[i]) == 0) {
			*ret_state = (enum core_state)i;
			return 0;
		}
	}
	return -1;
}

const char *core_event_to_string(enum core_event_type t)
{
	return event_names[t];
}

const char *core_phase_to_string(enum core_phase p)
{
	return phase_names[p];
}

const char *core_health_to_string(enum core_health h)
{
	return health_names[h];
}

/* Appends texts, as far as there is room; the last one is NULL. */
static void put_all(char text[static CORE_REASON_SIZE], ...) __attribute__((sentinel));

static void put_all(char text[static CORE_REASON_SIZE], ...)
{
	size_t n = strlen(text);
	const char *more;
	va_list args;

	va_start(args, text);
	while ((more = va_arg(args, const char *))) {
		size_t n_more = strnlen(more, CORE_REASON_SIZE - 1 - n);

		memcpy(text + n, more, n_more);
		n += n_more;
	}
	va_end(args);
	text[n] = '\0';
}

#define put(text, ...) put_all(text, __VA_ARGS__, (const char *)NULL)

const char *core_end_to_text(enum core_end end, int status, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE])
{
	char name[SIGNAL_NAME_SIZE], number[DECIMAL_SIZE];

	ret_text[0] = '\0';
	switch (end) {
	case CORE_END_EXITED:
		put(ret_text, "exited with code ", decimal(status, number));
		break;
	case CORE_END_SIGNALLED:
		put(ret_text, "killed by signal ", signal_name(status, name));
		break;
	case CORE_END_DUMPED:
		put(ret_text, "killed by signal ", signal_name(status, name), " (core dumped)");
		break;
	case CORE_END_SPAWN_FAILED:
		put(ret_text, stage_text, stage_text[0] ? ": " : "", error_text(status));
		break;
	case CORE_END_UNKNOWN:
		put(ret_text, "ended while nobody could see how");
		break;
	case CORE_END_NONE:
	case CORE_END_MAX:
		break;
	}
	return ret_text;
}

/* What is being put into words, and where to. */
struct telling {
	const struct core_slot *slot;
	uint32_t service;
	enum core_state blocker_state; /* of the service that it waits for */
	const struct core_words *words;
	char *text;
};

static void put_end(const struct telling *t)
{
	const struct core_record *r = &t->slot->record;
	char end[CORE_REASON_SIZE];

	put(t->text, core_end_to_text((enum core_end)r->end, (int)r->end_status,
			     t->words->stage_text, t->words->error_text, end));
}

static const char *cause_text(
	const struct core_slot *s, enum core_cause cause, char span[static USEC_SPAN_SIZE])
{
	switch (cause) {
	case CORE_CAUSE_START_TIMEOUT:
		usec_span(s->policy->ready_timeout_usec, span);
		return s->policy->type == SPEC_TYPE_ONESHOT ? "did not end within "
							    : "was not ready within ";
	case CORE_CAUSE_WATCHDOG:
		usec_span(s->policy->watchdog_usec, span);
		return "gave no sign of life for ";
	case CORE_CAUSE_TRIGGER:
		return "said that it hangs";
	case CORE_CAUSE_UNHEALTHY:
		return "unhealthy";
	case CORE_CAUSE_PRE_START:
		return "its pre-start hook failed";
	case CORE_CAUSE_NO_MAIN:
		return "left no main process behind";
	case CORE_CAUSE_NONE:
	case CORE_CAUSE_MAX:
		break;
	}
	return "";
}

/* How a run ended: by a cause of ours, and then as its process made of that. */
static void put_how(const struct telling *t, enum core_cause cause)
{
	const struct core_record *r = &t->slot->record;
	char span[USEC_SPAN_SIZE] = "";
	const char *text = cause_text(t->slot, cause, span);

	put(t->text, text, span);
	if (r->state == CORE_STOPPING && !r->main_ended)
		return; /* the end that is known is that of the run before */
	if (cause != CORE_CAUSE_NONE && r->end != CORE_END_NONE)
		put(t->text, ", ");
	put_end(t);
}

static enum core_cause cause_of(const struct telling *t)
{
	return (enum core_cause)t->slot->record.cause;
}

static void put_after(const struct telling *t, const char *signal)
{
	char span[USEC_SPAN_SIZE];

	put(t->text, "; ", signal, ", KILL after ",
		usec_span(t->slot->policy->stop_timeout_usec, span));
}

static void put_signal(const struct telling *t)
{
	const struct core_record *r = &t->slot->record;
	char name[SIGNAL_NAME_SIZE], sent[CORE_REASON_SIZE] = "";

	if (r->killed && r->main_ended) {
		put(t->text, "; KILL sent to the rest of its processes");
	} else if (r->killed) {
		put(t->text, "; KILL sent");
	} else if (r->main_ended) {
		put_after(t, "waiting for the rest of its processes");
	} else if (r->signo == 0) {
		put_after(t, "its stop command has ended");
	} else {
		put(sent, signal_name(r->signo, name), " sent");
		put_after(t, sent);
	}
}

static void put_stopping(const struct telling *t)
{
	switch ((enum core_phase)t->slot->record.phase) {
	case CORE_PHASE_DEPENDENTS:
		put(t->text, "; waiting for services that need it to stop");
		break;
	case CORE_PHASE_PRE_STOP:
		put(t->text, "; its pre-stop hook runs");
		break;
	case CORE_PHASE_STOP_COMMAND:
		put_after(t, "its stop command runs");
		break;
	case CORE_PHASE_CANCELLED:
		put(t->text, "; ending its pre-start hook");
		break;
	case CORE_PHASE_POST_STOP:
		put(t->text, "; its post-stop hook runs");
		break;
	default:
		put_signal(t);
		break;
	}
}

static const char *name_of(const struct telling *t, uint32_t service)
{
	const char *name = service == NO_SERVICE ? "" : t->words->name(t->words->userdata, service);

	return name[0] ? name : "another service";
}

static void put_pool(const struct telling *t)
{
	const char *pool = t->words->pool(t->words->userdata, t->service);

	if (pool[0])
		put(t->text, "waiting for a slot of pool '", pool, "'");
	else
		put(t->text, "waiting for a slot of its pool");
}

static const char *asked_for(enum core_why why)
{
	switch (why) {
	case CORE_WHY_OPERATOR:
		return "by request";
	case CORE_WHY_SHUTDOWN:
		return "supervisord is shutting down";
	case CORE_WHY_RESTART:
		return "restart by request";
	case CORE_WHY_CHANGED:
		return "its configuration has changed";
	case CORE_WHY_REMOVED:
		return "removed from the configuration";
	case CORE_WHY_NEVER_STARTED:
		return "not started yet";
	case CORE_WHY_SCHEDULE:
		return "its next run is due";
	default:
		return "";
	}
}

/* Why it was stopped, or is being stopped. */
static void put_why(const struct telling *t)
{
	const struct core_record *r = &t->slot->record;

	switch ((enum core_why)r->why) {
	case CORE_WHY_DEPENDENCY:
		put(t->text, "'", name_of(t, r->blocker), "', which it requires, is not there");
		break;
	case CORE_WHY_CONFLICT:
		put(t->text, "conflicts with '", name_of(t, r->blocker), "'");
		break;
	case CORE_WHY_LEFTOVERS:
	case CORE_WHY_CAUSE:
		put_how(t, cause_of(t));
		break;
	default:
		put(t->text, asked_for((enum core_why)r->why));
		break;
	}
}

static void put_waiting(const struct telling *t)
{
	const struct core_record *r = &t->slot->record;

	switch ((enum core_why)r->why) {
	case CORE_WHY_DEPENDENCY:
		if (t->slot->stuck)
			put(t->text, "requires '", name_of(t, r->blocker), "', which is ",
				core_state_to_string(t->blocker_state));
		else
			put(t->text, "waiting for '", name_of(t, r->blocker), "'");
		break;
	case CORE_WHY_CONFLICT:
		put(t->text, "waiting for the end of '", name_of(t, r->blocker),
			"', with which it conflicts");
		break;
	case CORE_WHY_POOL:
		put_pool(t);
		break;
	case CORE_WHY_SLOT:
		put(t->text, "waiting: as many services as max-starting allows are starting");
		break;
	case CORE_WHY_PREDECESSOR:
		put(t->text, "waiting for the end of the service whose place it takes");
		break;
	case CORE_WHY_SCHEDULE:
		put(t->text, "waiting for its schedule");
		if (r->end != CORE_END_NONE) {
			put(t->text, "; last run: ");
			put_how(t, cause_of(t));
		}
		break;
	default:
		break;
	}
}

static void put_starting(const struct telling *t)
{
	const struct core_record *r = &t->slot->record;

	if (r->why == CORE_WHY_ENDED) {
		put(t->text, "restarted: ");
		put_how(t, (enum core_cause)r->last_cause);
	} else if (r->why == CORE_WHY_NEEDED && r->blocker != NO_SERVICE) {
		put(t->text, "needed by '", name_of(t, r->blocker), "'");
	}
	if (r->state != CORE_STARTING)
		return;
	if (r->phase == CORE_PHASE_PRE_START)
		put(t->text, t->text[0] ? "; " : "", "its pre-start hook runs");
	else if (r->phase == CORE_PHASE_FORKED)
		put(t->text, t->text[0] ? "; " : "", "waiting for its main process");
}

const char *core_reason(const struct core *c, uint32_t service, const struct core_words *words,
	char ret_text[static CORE_REASON_SIZE])
{
	const struct core_slot *s = &c->slots[service];
	uint32_t blocker = s->record.blocker;
	const struct telling t = {s, service,
		blocker < c->n ? (enum core_state)c->slots[blocker].record.state : CORE_STOPPED,
		words, ret_text};
	char span[USEC_SPAN_SIZE], number[DECIMAL_SIZE];

	ret_text[0] = '\0';
	switch ((enum core_state)s->record.state) {
	case CORE_STOPPED:
		put_why(&t);
		break;
	case CORE_WAITING:
		put_waiting(&t);
		break;
	case CORE_STARTING:
	case CORE_RUNNING:
		put_starting(&t);
		break;
	case CORE_STOPPING:
		put_why(&t);
		put_stopping(&t);
		break;
	case CORE_BACKOFF:
	case CORE_EXITED:
		put_how(&t, cause_of(&t));
		break;
	case CORE_FAILED:
		put_how(&t, cause_of(&t));
		if (s->record.why == CORE_WHY_GAVE_UP)
			put(ret_text, "; gave up after ", decimal(s->policy->restart_limit, number),
				" automatic restart", s->policy->restart_limit == 1 ? "" : "s",
				" in ", usec_span(s->policy->restart_window_usec, span));
		break;
	case CORE_STATE_MAX:
		break;
	}
	return ret_text;
}
