/*
 * Requests wait for the end of a run by its serial, which request_judge() compares with the
 * outcome that is kept of the last one.
 *
 * That a run is due is committed together with the request, before the launcher is told, and that
 * it has ended before that is acknowledged. So an engine that finds one due, and hears nothing of
 * it from the launcher, knows that it was never ordered.
 */
#include "engine/run/reload_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/control/request.h"
#include "engine/engine.h"
#include "engine/run/command.h"
#include "engine/service.h"

static void set_due(struct service *s, bool due)
{
	if (s->reload_due == due)
		return;
	s->reload_due = due;
	service_commit(s, false, 0, 0);
}

static void on_done(
	struct service *s, enum command_kind kind _unused_, const struct command_result *r)
{
	struct reload_outcome *o = part_get(s, PART_RELOAD_OUTCOME, sizeof(*o));

	set_due(s, false);
	if (!r->ok)
		log_warning("service '%s': reload command %s", s->name, r->text);
	if (o) {
		o->serial = r->serial;
		o->ok = r->ok;
		snprintf(o->text, sizeof(o->text), "reload command %s", r->text);
	}
	request_judge(s);
}

void reload_command_init(struct engine *e)
{
	command_set_handler(e, COMMAND_RELOAD, &(struct command_handler){.done = on_done});
}

/* What is due; where it can't be begun, it is not any more. */
static int begin(struct service *s, uint64_t *ret_serial)
{
	struct command_request q = {.kind = COMMAND_RELOAD,
		.argv = s->spec->contact->reload_command,
		.timeout_usec = COMMAND_RELOAD_TIMEOUT_USEC};
	int r = command_start(s, &q);

	if (r < 0)
		set_due(s, false);
	else
		*ret_serial = command_serial(s, COMMAND_RELOAD);
	return r;
}

int reload_command_start(struct service *s, uint64_t op, uint64_t *ret_serial)
{
	struct core_event event = {.type = CORE_EVENT_SIGNAL, .service = s->id, .op = op};

	if (command_is_running(s, COMMAND_RELOAD))
		return -EBUSY;
	s->reload_due = true; /* committed with what follows */
	engine_event(s->engine, &event);
	return begin(s, ret_serial);
}

void reload_command_resume(struct service *s)
{
	char *const *argv = s->spec->contact->reload_command;
	uint64_t serial;
	int r;

	if (!s->reload_due || command_is_running(s, COMMAND_RELOAD))
		return;
	if (!argv || !argv[0] || core_record(s->engine->core, s->id)->pid == 0) {
		set_due(s, false);
		return;
	}
	r = begin(s, &serial);
	if (r < 0)
		log_warning(
			"service '%s': cannot run its reload command: %s", s->name, strerror(-r));
}
