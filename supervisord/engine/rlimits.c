/*
 * A process gets its limits before its program is executed, from the launcher. They are changed
 * here, while the launcher's privileges are the engine's too (see privilege.c): prlimit() says at
 * once how it went, which over the link would take a message for each way.
 *
 * It takes a pid and no pidfd. The pid is the main process's as long as that is not reaped, which
 * is seen by its pidfd right before. What is started by the main process inherits from it; the
 * processes that it has started before keep what they have.
 */
#include "engine/rlimits.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/service.h"

unsigned rlimits_list(const struct spec_service *spec, struct plan_limit ret[static SPEC_LIMIT_MAX])
{
	unsigned n = 0;

	for (int resource = 0; resource < PLAN_MAX_LIMITS; resource++) {
		for (int kind = 0; kind < SPEC_LIMIT_MAX; kind++) {
			const struct spec_limit *l = spec_limit(spec, kind);

			if (l->set && spec_limit_resource((enum spec_limit_kind)kind) == resource)
				ret[n++] = (struct plan_limit){.resource = (uint32_t)resource,
					.soft = l->soft,
					.hard = l->hard};
		}
	}
	return n;
}

/* The main process is that one, and has not ended. */
static bool is_alive(const struct service *s, int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	struct stat st;

	if (s->pidfd_inode != 0 && (sys_fstat(pidfd, &st) < 0 || st.st_ino != s->pidfd_inode))
		return false;
	return poll(&p, 1, 0) == 0;
}

static int set(const struct service *s, pid_t pid, enum spec_limit_kind kind,
	const struct spec_limit *limit)
{
	struct rlimit l = {.rlim_cur = (rlim_t)limit->soft, .rlim_max = (rlim_t)limit->hard};
	int r = sys_prlimit(pid, spec_limit_resource(kind), &l);

	if (r == -ESRCH)
		return 0;
	if (r < 0)
		log_error("service '%s': cannot change its limit %s while it runs: %s", s->name,
			spec_limit_to_string(kind), strerror(-r));
	return r;
}

/* before NULL: all that are set. */
static int change(
	struct service *s, const struct spec_service *before, const struct spec_service *after)
{
	pid_t pid = core_record(s->engine->core, s->id)->pid;
	_cleanup_close_
	int pidfd = sys_pidfd_open(pid);
	int result = 0;

	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	for (int kind = 0; kind < SPEC_LIMIT_MAX; kind++) {
		const struct spec_limit *b = before ? spec_limit(before, kind) : NULL;
		const struct spec_limit *a = spec_limit(after, kind);
		int r;

		if (!a->set || (b && b->set && a->soft == b->soft && a->hard == b->hard))
			continue;
		if (!is_alive(s, pidfd))
			break;
		r = set(s, pid, (enum spec_limit_kind)kind, a);
		if (result == 0)
			result = r;
	}
	return result;
}

int rlimits_change(struct service *s, const struct spec_service *after)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	if (r->pid > 0 && !r->main_ended)
		return change(s, s->spec, after);
	/* Its process may be on its way, with the old ones. */
	s->rlimits_due = r->state == CORE_STARTING && r->phase == CORE_PHASE_EXEC;
	return 0;
}

void rlimits_started(struct service *s)
{
	if (s->rlimits_due)
		change(s, NULL, s->spec);
	s->rlimits_due = false;
}
