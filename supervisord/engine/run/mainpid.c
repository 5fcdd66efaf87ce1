/*
 * A pid is tied down by a pidfd first and judged then: the process is one of the service's
 * (engine/tree has the say), and only after that the pidfd is asked whether it lives, so that what
 * was judged is what the pidfd means.
 *
 * What is wrong is told once per generation and cause: a daemon may take its time to write the
 * file, and one that says nonsense may say it for ever.
 */
#include "engine/run/mainpid.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/run/pidfile.h"
#include "engine/service.h"

#define LOOK_MIN_USEC (10 * USEC_PER_MSEC)
#define LOOK_MAX_USEC (500 * USEC_PER_MSEC)

/* Bits of service.mainpid_told. */
enum cause {
	CAUSE_NONE = 0,
	CAUSE_FILE = 1 << 0, /* the pid-file itself */
	CAUSE_OURS = 1 << 1,
	CAUSE_COMMAND = 1 << 2,
	CAUSE_DEAD = 1 << 3,
	CAUSE_STRANGER = 1 << 4,
	CAUSE_LATER = 1 << 5,
	CAUSE_REFUSED = 1 << 6
};

struct mainpid_search {
	struct part part;
	struct service *service;
	struct loop_timer timer;
	usec_t wait_usec;
	enum cause last; /* of the last look */
	char missing[PIDFILE_WHY_SIZE]; /* why there is nothing to be read */
};

static bool is_new(struct service *s, enum cause cause)
{
	bool told = (s->mainpid_told & cause) != 0;

	s->mainpid_told |= (uint8_t)cause;
	return !told;
}

/* --- whether it is one --- */

static bool is_alive(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

/* A pidfd of the caller's, or why not. -errno: it can't be told now. */
static int tie_down(struct service *s, pid_t pid, int *ret_pidfd, enum cause *reterr_cause)
{
	_cleanup_close_
	int pidfd = -1;

	*reterr_cause = CAUSE_OURS;
	if (pid <= 0 || pid == getpid() || pid == getppid())
		return -EPERM;
	*reterr_cause = CAUSE_COMMAND;
	if (command_has_pid(s, pid))
		return -EPERM;
	*reterr_cause = CAUSE_DEAD;
	pidfd = sys_pidfd_open(pid);
	if (pidfd == -EINVAL || pidfd == -ESRCH) /* EINVAL: a thread, not a process */
		return -ESRCH;
	*reterr_cause = CAUSE_REFUSED;
	if (pidfd < 0)
		return pidfd;
	*reterr_cause = CAUSE_STRANGER;
	if (!tree_holds(s->engine, s, pid))
		return -EPERM;
	*reterr_cause = CAUSE_DEAD;
	if (!is_alive(pidfd))
		return -ESRCH;
	*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}

static const char *describe(enum cause cause)
{
	switch (cause) {
	case CAUSE_OURS:
		return "is supervisord's own";
	case CAUSE_COMMAND:
		return "is that of a command that is run beside it";
	case CAUSE_DEAD:
		return "does not run";
	case CAUSE_STRANGER:
		return "is none of its processes";
	case CAUSE_NONE:
	case CAUSE_FILE:
	case CAUSE_LATER:
	case CAUSE_REFUSED:
		break;
	}
	return "can't be looked at now";
}

static bool is_under_way(const struct service *s, pid_t pid)
{
	const struct uplink_adoption *a = part_find(s, PART_ADOPTION);

	return a && a->pid == pid &&
	       a->generation == core_record(s->engine->core, s->id)->generation;
}

/* 0, or -errno with the cause. */
static int adopt(struct service *s, pid_t pid, enum cause *reterr_cause)
{
	_cleanup_close_
	int pidfd = -1;
	int r;

	if (is_under_way(s, pid))
		return 0;
	r = tie_down(s, pid, &pidfd, reterr_cause);
	if (r < 0)
		return r;
	*reterr_cause = CAUSE_REFUSED;
	return uplink_adopt(s, pid, pidfd);
}

void mainpid_adopt(struct service *s, pid_t pid)
{
	const struct core_record *r = core_record(s->engine->core, s->id);
	enum cause cause;

	if (r->pid == pid)
		return;
	if (adopt(s, pid, &cause) < 0 && is_new(s, cause))
		log_warning("service '%s' names process %d as its main one, which %s; ignored",
			s->name, (int)pid, describe(cause));
}

void mainpid_refused(struct service *s, pid_t pid, int error)
{
	if (error == ECHILD && is_new(s, CAUSE_LATER))
		log_info(
			"service '%s': its process %d becomes its main process when its parent has "
			"ended",
			s->name, (int)pid);
	else if (error != ECHILD && is_new(s, CAUSE_REFUSED))
		log_warning("service '%s': process %d can't be its main process: %s", s->name,
			(int)pid, strerror(error));
}

/* --- the pid-file --- */

static void complain(struct mainpid_search *m, const char *path, enum cause cause, const char *what)
{
	struct service *s = m->service;
	bool again = m->last == cause;

	m->last = cause;
	/* What is being written may look like anything, once. */
	if (again && is_new(s, cause))
		log_warning("service '%s': its pid-file %s %s; looking again until it names one of "
			    "its processes",
			s->name, path, what);
}

static void look(struct mainpid_search *m, const char *path)
{
	struct service *s = m->service;
	const struct spec_identity *i = s->spec->process->identity;
	char why[PIDFILE_WHY_SIZE], what[PIDFILE_WHY_SIZE];
	enum cause cause;
	pid_t pid;
	int r = pidfile_read(path, i->set ? i->uid : geteuid(), &pid, why);

	m->missing[0] = '\0';
	if (r == -ENOENT || r == -EAGAIN) {
		m->last = CAUSE_NONE;
		memcpy(m->missing, why, sizeof(why));
	} else if (r < 0) {
		complain(m, path, CAUSE_FILE, why);
	} else if (adopt(s, pid, &cause) < 0) {
		snprintf(what, sizeof(what), "names process %d, which %s", (int)pid,
			describe(cause));
		complain(m, path, cause, what);
	}
}

static void on_timer(struct loop_timer *t)
{
	struct mainpid_search *m = CONTAINER_OF(t, struct mainpid_search, timer);
	struct service *s = m->service;
	struct loop *loop = &s->engine->loop;
	_cleanup_free_
	char *path = spec_expand(s->spec->contact->pid_file, s->spec, s->instance);

	loop_timer_set(loop, t, usec_add(loop->now_usec, m->wait_usec));
	m->wait_usec = MIN_OF(2 * m->wait_usec, LOOK_MAX_USEC);
	if (path)
		look(m, path);
}

void mainpid_find(struct service *s)
{
	struct loop *loop = &s->engine->loop;
	struct mainpid_search *m;

	if (part_find(s, PART_MAINPID_SEARCH) || !s->spec->contact->pid_file)
		return;
	m = part_get(s, PART_MAINPID_SEARCH, sizeof(*m));
	if (!m || loop_timer_add(loop, &m->timer) < 0) {
		part_drop(s, PART_MAINPID_SEARCH);
		log_error("service '%s': no memory to look at its pid-file", s->name);
		return;
	}
	m->service = s;
	m->wait_usec = LOOK_MIN_USEC;
	m->timer.dispatch = on_timer;
	loop_timer_set(loop, &m->timer, loop->now_usec);
}

static void end_search(struct service *s)
{
	struct mainpid_search *m = part_find(s, PART_MAINPID_SEARCH);

	if (!m)
		return;
	loop_timer_remove(&s->engine->loop, &m->timer);
	part_drop(s, PART_MAINPID_SEARCH);
}

void mainpid_found(struct service *s)
{
	end_search(s);
	/* Where it comes too late, what is left is ended, and waited for still. */
	if (!core_record(s->engine->core, s->id)->main_ended)
		tree_unwatch(s);
}

void mainpid_cancel(struct service *s)
{
	const struct mainpid_search *m = part_find(s, PART_MAINPID_SEARCH);

	if (m && m->missing[0])
		log_warning("service '%s': its pid-file %s: %s", s->name,
			s->spec->contact->pid_file, m->missing);
	end_search(s);
	s->mainpid_told = 0;
}
