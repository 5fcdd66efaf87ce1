/*
 * Only a child of ours can be adopted: nobody else could reap it, so its exit status is learned,
 * and its pid stays its own until then. Descendants of services become our children when their
 * parents end, since we are their subreaper. Usually a program hands over while it is the
 * parent of the new one: that one is remembered, with its pidfd, and is looked at again when
 * the old one is reaped; by then the kernel has given it to us.
 *
 * The pidfd is what proves that the pid is not somebody else's by now: waitid() speaks of the
 * process that it was opened for.
 */
#include "launcher/adopt.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/sys.h"

/* Where the kernel can tell: is it that process's pidfd? 0 or -errno. */
static int check_pid(const struct launcher *l, pid_t pid, int pidfd)
{
	_cleanup_close_
	int own = sys_pidfd_open(pid);

	if (own < 0)
		return own;
	return spawn_pidfd_inode(&l->spawner, own) == spawn_pidfd_inode(&l->spawner, pidfd)
		       ? 0
		       : -EINVAL;
}

/* 0: it is ours, and not reaped; or -errno as REFUSED has it. */
static int check(struct launcher *l, const struct entry *e, pid_t pid, int pidfd)
{
	siginfo_t info = {0};
	int r = sys_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
	const struct entry *other;

	if (r == -ECHILD)
		return sys_pidfd_send_signal(pidfd, 0) == -ESRCH ? -ESRCH : r;
	if (r < 0)
		return r;
	other = table_find_pid(&l->table, pid);
	if (pid == l->engine.pid || (other && other != e))
		return -EBUSY;
	return check_pid(l, pid, pidfd);
}

static void take_over(struct launcher *l, struct entry *e, pid_t pid, int pidfd)
{
	e->start.flags |= LINK_STARTED_ADOPTED;
	e->start.pidfd_inode = spawn_pidfd_inode(&l->spawner, pidfd);
	table_adopt(&l->table, e, pid);
}

void adopt(struct launcher *l, struct entry *e, pid_t pid, int pidfd)
{
	_cleanup_close_
	int owned = pidfd;
	int r = e->started && !e->released ? check(l, e, pid, pidfd) : -ESRCH;

	if (r == 0) {
		take_over(l, e, pid, pidfd);
		return;
	}
	/* Adopted already, and reaped since: its end is what there is to say. */
	if (r == -ESRCH && e->ended && pid == e->told_pid) {
		table_tell_again(&l->table, e);
		return;
	}
	if (r == -ECHILD && e->pid != 0 && (uint64_t)pidfd >= l->spawner.max_fd)
		r = -EMFILE; /* what is left is for starting an engine */
	else if (r == -ECHILD && e->pid != 0)
		table_set_successor(e, pid, TAKE_FD(owned));
	table_refused(&l->table, e, pid, -r);
}

bool adopt_successor(struct launcher *l, struct entry *e)
{
	pid_t pid = e->successor;
	_cleanup_close_
	int pidfd = TAKE_FD(e->successor_fd);

	if (pidfd < 0 || check(l, e, pid, pidfd) < 0)
		return false;
	take_over(l, e, pid, pidfd);
	return true;
}
