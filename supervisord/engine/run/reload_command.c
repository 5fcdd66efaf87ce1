/*
 * Requests wait for the end of a run by its serial, which request_judge() compares with the
 * outcome that is kept of the last one.
 */
#include "engine/run/reload_command.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/control/request.h"
#include "engine/engine.h"
#include "engine/run/command.h"

static void on_done(
	struct service *s, enum command_kind kind _unused_, const struct command_result *r)
{
	struct reload_outcome *o = s->reload_outcome;

	if (!o) /* few services ever have one */
		o = s->reload_outcome = malloc(sizeof(*o));
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

int reload_command_start(struct service *s, uint64_t *ret_serial)
{
	struct command_request q = {.kind = COMMAND_RELOAD,
		.argv = s->spec->contact->reload_command,
		.timeout_usec = COMMAND_RELOAD_TIMEOUT_USEC};
	int r = command_start(s, &q);

	if (r == 0)
		*ret_serial = command_serial(s, COMMAND_RELOAD);
	return r;
}
