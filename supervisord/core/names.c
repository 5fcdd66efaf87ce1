/*
 * States and events by name, and a service's situation in words. Text is made from the
 * record alone, so a new engine says the same as the one before it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
	[CORE_EVENT_DEADLINE] = "deadline",
	[CORE_EVENT_SLOT] = "slot",
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

static void put(char text[static CORE_REASON_SIZE], const char *format, ...) _printf_(2, 3);

static void put(char text[static CORE_REASON_SIZE], const char *format, ...)
{
	size_t n = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + n, CORE_REASON_SIZE - n, format, args);
	va_end(args);
}

const char *core_end_to_text(enum core_end end, int status, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE])
{
	char name[SIGNAL_NAME_SIZE];

	ret_text[0] = '\0';
	switch (end) {
	case CORE_END_EXITED:
		put(ret_text, "exited with code %d", status);
		break;
	case CORE_END_SIGNALLED:
		put(ret_text, "killed by signal %s", signal_name(status, name));
		break;
	case CORE_END_DUMPED:
		put(ret_text, "killed by signal %s (core dumped)", signal_name(status, name));
		break;
	case CORE_END_SPAWN_FAILED:
		put(ret_text, "%s%s%s", stage_text, stage_text[0] ? ": " : "", error_text(status));
		break;
	case CORE_END_NONE:
	case CORE_END_MAX:
		break;
	}
	return ret_text;
}

static void put_end(const struct core_record *r, const char *stage_text,
	const char *(*error_text)(int), char text[static CORE_REASON_SIZE])
{
	char end[CORE_REASON_SIZE];

	put(text, "%s",
		core_end_to_text(
			(enum core_end)r->end, (int)r->end_status, stage_text, error_text, end));
}

static void put_stopping(const struct core_slot *s, char text[static CORE_REASON_SIZE])
{
	const struct core_record *r = &s->record;
	char name[SIGNAL_NAME_SIZE], span[USEC_SPAN_SIZE];

	if (r->killed && r->main_ended)
		put(text, "; KILL sent to the rest of its processes");
	else if (r->killed)
		put(text, "; KILL sent");
	else if (r->main_ended)
		put(text, "; waiting for the rest of its processes, KILL after %s",
			usec_span(s->policy->stop_timeout_usec, span));
	else
		put(text, "; %s sent, KILL after %s", signal_name(r->signo, name),
			usec_span(s->policy->stop_timeout_usec, span));
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
	case CORE_WHY_PREDECESSOR:
		return "waiting for the end of the service whose place it takes";
	case CORE_WHY_NEVER_STARTED:
		return "not started yet";
	case CORE_WHY_SLOT:
		return "waiting: as many services as max-starting allows are starting";
	case CORE_WHY_NONE:
	case CORE_WHY_AUTOSTART:
	case CORE_WHY_ENDED:
	case CORE_WHY_LEFTOVERS:
	case CORE_WHY_GAVE_UP:
	case CORE_WHY_MAX:
		break;
	}
	return "";
}

const char *core_reason(const struct core *c, uint32_t service, const char *stage_text,
	const char *(*error_text)(int), char ret_text[static CORE_REASON_SIZE])
{
	const struct core_slot *s = &c->slots[service];
	const struct core_record *r = &s->record;
	enum core_why why = (enum core_why)r->why;
	char span[USEC_SPAN_SIZE];

	ret_text[0] = '\0';
	switch ((enum core_state)r->state) {
	case CORE_STOPPED:
	case CORE_WAITING:
		put(ret_text, "%s", asked_for(why));
		break;
	case CORE_STARTING:
	case CORE_RUNNING:
		if (why == CORE_WHY_ENDED) {
			put(ret_text, "restarted: ");
			put_end(r, stage_text, error_text, ret_text);
		}
		break;
	case CORE_STOPPING:
		put(ret_text, "%s", asked_for(why));
		if (why == CORE_WHY_LEFTOVERS)
			put_end(r, stage_text, error_text, ret_text);
		put_stopping(s, ret_text);
		break;
	case CORE_BACKOFF:
	case CORE_EXITED:
		put_end(r, stage_text, error_text, ret_text);
		break;
	case CORE_FAILED:
		put_end(r, stage_text, error_text, ret_text);
		if (why == CORE_WHY_GAVE_UP)
			put(ret_text, "; gave up after %u automatic restart%s in %s",
				s->policy->restart_limit, s->policy->restart_limit == 1 ? "" : "s",
				usec_span(s->policy->restart_window_usec, span));
		break;
	case CORE_STATE_MAX:
		break;
	}
	return ret_text;
}
