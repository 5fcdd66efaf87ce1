/*
 * The decision is written down before the service's own record says that it has ended: an
 * engine that dies in between is followed by one that is told of that end again, and finds
 * the decision made. So the exit status is that of the first end, however many engines it
 * takes to stop everything.
 */
#include "engine/essential.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"

/* What shells use for a command that is not there, and for one that can't be executed. */
#define EXIT_NOT_FOUND	    127
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_SIGNAL_BASE    128

static int status_of_failed_spawn(const struct core_record *r)
{
	if (r->stage != LINK_STAGE_EXEC)
		return EXIT_FAILURE;
	return r->end_status == ENOENT || r->end_status == ENOTDIR ? EXIT_NOT_FOUND
								   : EXIT_NOT_EXECUTABLE;
}

static int status_of(const struct core_record *r)
{
	switch ((enum core_end)r->end) {
	case CORE_END_EXITED:
		return r->end_status;
	case CORE_END_SIGNALLED:
	case CORE_END_DUMPED:
		return EXIT_SIGNAL_BASE + r->end_status;
	case CORE_END_SPAWN_FAILED:
		return status_of_failed_spawn(r);
	case CORE_END_UNKNOWN:
	case CORE_END_NONE:
	case CORE_END_MAX:
		break;
	}
	return EXIT_FAILURE;
}

static void begin_shutdown(struct engine *e, const struct service *s)
{
	int status = status_of(core_record(e->core, s->id));
	char reason[CORE_REASON_SIZE];

	store_set(&e->store, exit_status, status);
	store_set(&e->store, flags,
		e->store.head.flags | RECOVERY_ESSENTIAL | RECOVERY_SHUTTING_DOWN);
	log_write(status == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		"service '%s' is essential and has ended for good (%s): stopping everything, to "
		"exit with %d",
		s->name, service_reason(s, reason), status);
	engine_shutdown(e, false);
}

void essential_perform(struct engine *e)
{
	uint32_t id;

	/* A shutdown that the last engine had begun has its reason already. */
	if (core_essential_end(e->core, &id) && !(e->store.head.flags & RECOVERY_SHUTTING_DOWN))
		begin_shutdown(e, services_by_id(e, id));
	else
		engine_perform(e);
}

int essential_exit_status(const struct engine *e)
{
	const struct recovery_head *head = &e->store.head;

	return head->flags & RECOVERY_ESSENTIAL ? head->exit_status : EXIT_SUCCESS;
}
