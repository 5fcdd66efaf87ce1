/*
 * Made when the command is asked for: what has happened until then is what it is about. The
 * last end is told also in the state after it; a service that runs may have ended before.
 */
#include "engine/run/environment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/uplink/spawn.h"

#define OURS 8 /* variables, at most */

const char *command_kind_to_string(enum command_kind kind)
{
	static const char *const names[COMMAND_KIND_MAX] = {
		[COMMAND_RELOAD] = "reload",
		[COMMAND_HOOK_PRE_START] = "pre-start",
		[COMMAND_HOOK_POST_START] = "post-start",
		[COMMAND_HOOK_PRE_STOP] = "pre-stop",
		[COMMAND_HOOK_STOP] = "stop",
		[COMMAND_HOOK_POST_STOP] = "post-stop",
		[COMMAND_HOOK_ON_FAILED] = "on-failed",
		[COMMAND_READY] = "ready",
		[COMMAND_HEALTH] = "health",
	};

	return names[kind];
}

struct variables {
	char **items; /* owned with what they point to; NULL terminated */
	size_t n;
};

static void variables_fini(struct variables *v)
{
	spawn_environment_free(v->items);
}

/* There is room. */
_printf_(2, 3) static int add(struct variables *v, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&v->items[v->n], format, ap);
	va_end(ap);
	if (n < 0) {
		v->items[v->n] = NULL;
		return -ENOMEM;
	}
	v->n++;
	return 0;
}

static int add_end(struct variables *v, const struct core_record *r)
{
	bool exited = r->end == CORE_END_EXITED;
	bool signalled = r->end == CORE_END_SIGNALLED || r->end == CORE_END_DUMPED;
	char code[16] = "", name[SIGNAL_NAME_SIZE] = "";
	int result;

	if (exited)
		snprintf(code, sizeof(code), "%d", (int)r->end_status);
	if (signalled)
		signal_name(r->end_status, name);
	result = add(v, "SUPERVISOR_EXIT_CODE=%s", code);
	return result < 0 ? result : add(v, "SUPERVISOR_EXIT_SIGNAL=%s", name);
}

int environment_make(
	const struct service *s, enum command_kind kind, char *const *more, char ***ret_environment)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	_cleanup_(variables_fini) struct variables v = {0};
	char reason[CORE_REASON_SIZE];
	size_t n_more = 0;
	int result;

	while (more && more[n_more])
		n_more++;
	v.items = calloc(OURS + n_more + 1, sizeof(char *));
	if (!v.items)
		return -ENOMEM;
	result = add(&v, "SUPERVISOR_HOOK=%s", command_kind_to_string(kind));
	if (result == 0)
		result = add(
			&v, "SUPERVISOR_STATE=%s", core_state_to_string((enum core_state)r->state));
	if (result == 0)
		result = add(&v, "SUPERVISOR_REASON=%s", service_reason(s, reason));
	if (result == 0)
		result = add(&v, "SUPERVISOR_RESTARTS=%u", (unsigned)r->restarts);
	if (result == 0)
		result = add_end(&v, r);
	if (result == 0 && r->pid > 0)
		result = add(&v, "MAINPID=%d", (int)r->pid);
	for (size_t i = 0; result == 0 && i < n_more; i++)
		result = add(&v, "%s", more[i]);
	if (result < 0)
		return result;
	*ret_environment = TAKE_PTR(v.items);
	return 0;
}
