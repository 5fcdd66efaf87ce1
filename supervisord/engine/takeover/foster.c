/*
 * A process is the one of the record if its pidfd's inode says so, which no other process ever
 * has; where the kernel has no such inodes, by the invocation in its environment or its cgroup. One
 * that had not been told of yet is looked for (find.c). Nobody is spawned before all of this is
 * sent: the launcher does what it is told in that order.
 */
#include "engine/takeover/foster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/takeover/find.h"
#include "engine/takeover/pidfd.h"
#include "engine/takeover/reopen.h"
#include "engine/tree/cgroup.h"

static bool is_missing(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return service_has_process(s) && !r->main_ended && s->told_generation != r->generation;
}

bool foster_is_under_way(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return s->fostered && s->begun == r->generation;
}

/* Nobody saw it, and nobody can be asked. */
static void note_unknown_end(struct service *s, pid_t pid)
{
	struct engine *e = s->engine;
	struct link_message m = {.type = LINK_EXITED,
		.id = s->id,
		.generation = core_record(e->core, s->id)->generation,
		.pid = pid,
		.exit = {.code = LINK_EXIT_UNKNOWN,
			.monotonic_usec = e->loop.now_usec,
			.realtime_usec = usec_now(CLOCK_REALTIME)}};

	s->fostered = false;
	engine_note_ended(e, s, &m);
}

/* Where the inode of the pidfd can't tell. */
static bool looks_like(const struct service *s, pid_t pid)
{
	char name[TREE_CGROUP_NAME_SIZE];
	struct proc_identity i;
	struct proc_stat stat;

	if (proc_stat_get(pid, &stat) == 0 && proc_is_dead(&stat))
		return true; /* nothing tells any more, but nobody else has had its pid */
	if (proc_identity_get(pid, &i) > 0)
		return memcmp(i.invocation, s->invocation, sizeof(i.invocation)) == 0 &&
		       i.hook[0] == '\0';
	return s->engine->tree.cgroup_fd >= 0 && cgroup_holds(pid, tree_cgroup_name(s, name)) > 0;
}

static int identify(const struct service *s, pid_t pid)
{
	_cleanup_close_
	int fd = pidfd_open(pid, s->pidfd_inode);

	if (fd < 0)
		return fd;
	if ((s->pidfd_inode == 0 || pidfd_inode(fd) == 0) && !looks_like(s, pid))
		return -ESRCH;
	return TAKE_FD(fd);
}

static int give(struct service *s, pid_t pid, int pidfd, bool known)
{
	struct engine *e = s->engine;
	const struct core_record *r = core_record(e->core, s->id);
	struct link_message m = {.type = LINK_FOSTER,
		.id = s->id,
		.generation = r->generation,
		.pid = pid,
		.started = {.monotonic_usec = known ? r->started_usec : e->loop.now_usec,
			.realtime_usec =
				known ? s->started_realtime_usec : usec_now(CLOCK_REALTIME)}};
	int pipes[REOPEN_PIPES], fds[LINK_MAX_FDS] = {pidfd}, result;
	unsigned n = 1;

	reopen_pipes(s, pid, true, known, pipes);
	for (unsigned k = 0; k < REOPEN_PIPES; k++) {
		if (pipes[k] >= 0)
			fds[n++] = pipes[k];
	}
	if (pipes[REOPEN_PIPES - 1] >= 0)
		m.started.flags |= LINK_STARTED_READY_FD;
	result = uplink_send(e, &m, fds, n);
	for (unsigned k = 1; k < n; k++)
		close_fd(fds[k]);
	if (result == 0)
		s->fostered = true;
	return result;
}

/* Whose pid was written down. 0; -errno: it is to be tried again. */
static int give_known(struct service *s, pid_t pid)
{
	_cleanup_close_
	int pidfd = identify(s, pid);

	if (pidfd == -ESRCH) {
		note_unknown_end(s, pid);
		return 0;
	}
	return pidfd < 0 ? pidfd : give(s, pid, pidfd, true);
}

/* Whose process had not been told of. 0 or -errno. */
static int give_found(struct engine *e, struct find_target *targets, size_t n)
{
	int r = find_processes(e, targets, n), result = 0;

	if (r < 0)
		log_warning("cannot make sure which processes were being started when supervisord "
			    "was killed: %s",
			strerror(-r));
	for (size_t i = 0; i < n; i++) {
		struct find_target *t = &targets[i];

		if (t->pid > 0) {
			log_info("service '%s': pid %d was being started when supervisord was "
				 "killed",
				t->service->name, (int)t->pid);
			r = give(t->service, t->pid, t->pidfd, false);
			result = r < 0 ? r : result;
		}
		close_fd(t->pidfd);
	}
	return result;
}

void foster_missing(struct engine *e)
{
	_cleanup_free_
	struct find_target *targets = NULL;
	size_t n = 0;
	int result = 0, r;

	if (!(e->store.head.flags & RECOVERY_MISSING))
		return;
	targets = calloc(e->n_services ? e->n_services : 1, sizeof(*targets));
	for (uint32_t i = 0; targets && i < e->n_services; i++) {
		struct service *s = e->services[i];
		pid_t pid = core_record(e->core, s->id)->pid;

		if (!is_missing(s))
			continue;
		if (pid <= 0) {
			targets[n++] = (struct find_target){
				.service = s, .kind = COMMAND_KIND_MAX, .pidfd = -1};
			continue;
		}
		r = give_known(s, pid);
		result = r < 0 ? r : result;
	}
	r = targets ? give_found(e, targets, n) : -ENOMEM;
	result = r < 0 ? r : result;
	if (result == 0) {
		store_set(&e->store, flags, e->store.head.flags & ~(uint32_t)RECOVERY_MISSING);
		return;
	}
	/* Nothing else to do than to begin again: who is not known might be started twice. */
	log_error("cannot go on with all services of a supervisord that was killed: %s",
		strerror(-result));
	e->loop.quit = true;
}

bool foster_refused(struct service *s, const struct link_message *m)
{
	if (!s->fostered || s->begun != m->generation)
		return false;
	log_error("service '%s': pid %d can't be gone on with: %s", s->name, (int)m->pid,
		strerror((int)m->value));
	if (m->value == EMFILE || m->value == ENOMEM) {
		/* For want of something: by another engine, in a moment. */
		store_set(&s->engine->store, flags, s->engine->store.head.flags | RECOVERY_MISSING);
		s->engine->loop.quit = true;
	} else {
		note_unknown_end(s, m->pid);
	}
	return true;
}
