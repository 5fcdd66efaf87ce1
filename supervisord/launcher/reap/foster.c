/*
 * How such a process has ended is asked of whoever may know: the kernel, where it is a child of
 * ours after all; the pidfd, once its new parent has reaped it (Linux 6.15); /proc, until then.
 * A parent may never reap it, and /proc may not be ours to read: so it is asked a few times, and
 * then the end is told as unknown. The pidfd is what proves that a pid is still that process's.
 */
#include "launcher/reap/foster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/sys.h"
#include "launcher/reap/claim.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/spawn.h"

#define MAX_TRIES  50 /* a second */
#define RETRY_USEC (20 * USEC_PER_MSEC)

/* ---- how it ended ---- */

/* The one text that the launcher reads: field 52 of /proc/PID/stat, while it is a zombie. */
static int parse_stat(char *text, int *ret_status)
{
	const int state = 3, exit_code = 52;
	char *at = strrchr(text, ')');
	uint64_t status;

	if (!at || strncmp(at, ") Z ", 4) != 0)
		return -ENODATA;
	at += 2;
	for (int field = state; field < exit_code; field++) {
		at = strchr(at, ' ');
		if (!at)
			return -ENODATA;
		at++;
	}
	at[strcspn(at, " \n")] = '\0';
	if (parse_u64(at, 0xffff, &status) < 0)
		return -ENODATA;
	*ret_status = (int)status;
	return 0;
}

/* Who may not look sees 0 there; what /proc/PID/exe says then is the same everywhere. */
static bool may_look(pid_t pid)
{
	char path[32], target[8];

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return readlink(path, target, sizeof(target)) >= 0 || errno != EACCES;
}

static int read_zombie(pid_t pid, int *ret_status)
{
	_cleanup_close_
	int fd = -1;
	char path[32], text[1024];
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	n = sys_read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	r = parse_stat(text, ret_status);
	return r == 0 && *ret_status == 0 && !may_look(pid) ? -EACCES : r;
}

static struct link_exit from_status(int status)
{
	siginfo_t info = {.si_code = LINK_EXIT_UNKNOWN};

	if (WIFEXITED(status)) {
		info.si_code = CLD_EXITED;
		info.si_status = WEXITSTATUS(status);
	} else if (WIFSIGNALED(status)) {
		info.si_code = WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
		info.si_status = WTERMSIG(status);
	}
	return watch_exit(&info, &(struct rusage){0});
}

static bool is_reaped(const struct entry *e)
{
	return sys_pidfd_send_signal(e->pidfd, 0) == -ESRCH;
}

/* 0; -EBUSY: it is alive; -EAGAIN: perhaps later; -ENODATA: nobody knows. */
static int learn(const struct entry *e, struct link_exit *ret)
{
	siginfo_t info = {0};
	struct rusage usage;
	int status, r;

	r = sys_waitid(P_PIDFD, (id_t)e->pidfd, &info, WEXITED | WNOHANG, &usage);
	if (r == 0 && info.si_pid == 0)
		return -EBUSY;
	if (r == 0) {
		*ret = watch_exit(&info, &usage);
		return 0;
	}
	r = read_zombie(e->pid, &status);
	/* In this order: until it is reaped, nobody else has its pid. */
	if (!is_reaped(e)) {
		if (r < 0)
			return -EAGAIN;
	} else if (sys_pidfd_exit_status(e->pidfd, &status) < 0) {
		return -ENODATA;
	}
	*ret = from_status(status);
	return 0;
}

void foster_ended(struct launcher *l, struct entry *e)
{
	struct link_exit end = from_status(-1);
	int r = learn(e, &end);

	if (r == -EBUSY)
		return;
	if (r == -EAGAIN && e->n_tries < MAX_TRIES) {
		e->n_tries++;
		/* It stays readable: nothing to wait for but time. */
		sys_epoll_ctl(l->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
		if (l->n_dying == 0)
			l->dying_usec = usec_now(CLOCK_MONOTONIC) + RETRY_USEC;
		l->n_dying += !e->dying;
		e->dying = true;
		return;
	}
	foster_drop(l, e);
	table_ended(&l->table, e, &end);
}

static void ask_dying(struct service *s _unused_, struct entry *e, void *launcher)
{
	if (e->dying)
		foster_ended(launcher, e);
}

/* So rare that all are gone through rather than kept in a list. */
usec_t foster_tick(struct launcher *l, usec_t now)
{
	if (l->n_dying > 0 && now >= l->dying_usec) {
		l->dying_usec = now + RETRY_USEC;
		table_each(&l->table, ask_dying, l);
	}
	return l->n_dying == 0 ? USEC_INFINITY : l->dying_usec;
}

/* ---- taking one ---- */

int foster_watch(struct launcher *l, struct entry *e, int pidfd, struct link_started *start)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
	int r = sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, pidfd, &event);

	if (r < 0)
		return r;
	foster_drop(l, e);
	e->pidfd = pidfd;
	e->fostered = true;
	start->flags |= LINK_STARTED_FOSTERED;
	start->pidfd_inode = spawn_pidfd_inode(l->spawner, pidfd);
	return 0;
}

void foster_drop(struct launcher *l, struct entry *e)
{
	if (!e->fostered)
		return;
	/* Explicitly: the engine may have the same one open, and that keeps it alive. */
	sys_epoll_ctl(l->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
	e->pidfd = close_fd(e->pidfd);
	l->n_dying -= e->dying;
	e->fostered = e->dying = false;
	e->n_tries = 0;
}

/* Whom to become, where it can't be signalled otherwise. */
static uid_t user_of(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0 || st.st_uid == geteuid())
		return (uid_t)-1;
	return st.st_uid;
}

/* fds[0] is the pidfd, the others are pipes. */
static int take(
	struct launcher *l, struct entry *e, const struct link_message *m, int *fds, unsigned n_fds)
{
	bool ready = m->started.flags & LINK_STARTED_READY_FD;
	struct link_started start = m->started;
	int r;

	for (unsigned i = 0; i < n_fds; i++)
		if (!spawner_has_room(l->spawner, fds[i]))
			return -EMFILE;
	r = claim_check(l, e, m->pid, fds[0]);
	if (r < 0 && r != -ECHILD && r != -ESRCH)
		return r;
	start.flags &= ~(uint32_t)(LINK_STARTED_READY_FD | LINK_STARTED_FOSTERED);
	start.pidfd_inode = spawn_pidfd_inode(l->spawner, fds[0]);
	if (r < 0) {
		r = foster_watch(l, e, fds[0], &start);
		if (r < 0)
			return r;
		fds[0] = -1;
	}
	if (ready)
		e->read_fds[ENTRY_READY_PIPE] = TAKE_FD(fds[--n_fds]);
	for (unsigned i = 1; i < n_fds; i++)
		e->read_fds[i - 1] = TAKE_FD(fds[i]);
	e->service->uid = user_of(m->pid);
	table_set_pid(&l->table, e, m->pid, &start);
	if (!e->fostered)
		watch_begin(l, e);
	table_started(&l->table, e);
	return 0;
}

void foster(struct launcher *l, const struct link_message *m, int fds[static LINK_MAX_FDS],
	unsigned n_fds, bool lost_fds)
{
	struct service *s = table_find_service(&l->table, m->id);
	struct entry *e = table_find(&l->table, m->id, m->generation);
	uint64_t newest = s ? s->newest : 0;
	bool busy = s && table_is_busy(s), spare;
	int r;

	if (e && e->told_pid == m->pid) {
		table_tell_again(&l->table, e);
		return;
	}
	if (e) {
		claim_refuse(l, m->id, m->generation, m->pid, EBUSY);
		return;
	}
	if (m->generation < newest) {
		log_debug("service %" PRIu32 ": generation %" PRIu64 " is over, nothing is taken",
			m->id, m->generation);
		return;
	}
	e = busy ? NULL : table_add(&l->table, m->id, m->generation, &spare);
	if (busy)
		r = -EBUSY;
	else if (!e || spare)
		r = -ENOMEM;
	else
		r = lost_fds ? -EMFILE : take(l, e, m, fds, n_fds);
	if (r == 0)
		return;
	if (e)
		table_take_back(&l->table, e, newest);
	claim_refuse(l, m->id, m->generation, m->pid, -r);
}

/* ---- signals ---- */

int foster_kill(const struct entry *e, int signo, enum link_scope scope)
{
	int r = -ESRCH;

	if (scope == LINK_SCOPE_GROUP)
		r = sys_pidfd_send_signal_group(e->pidfd, signo);
	if (r == -EINVAL && !is_reaped(e))
		r = sys_kill(-e->pid, signo);
	if (r == -EINVAL || r == -ESRCH)
		r = sys_pidfd_send_signal(e->pidfd, signo);
	return r;
}
