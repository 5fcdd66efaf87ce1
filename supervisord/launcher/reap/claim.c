/*
 * The pidfd is what proves that a pid is not somebody else's by now: waitid() speaks of the
 * process that it was opened for.
 */
#include "launcher/reap/claim.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "launcher/spawn/spawn.h"

/* Where the kernel can tell: is it that process's pidfd? 0 or -errno. */
static int check_pid(const struct launcher *l, pid_t pid, int pidfd)
{
	_cleanup_close_
	int own = sys_pidfd_open(pid);

	if (own < 0)
		return own;
	return spawn_pidfd_inode(l->spawner, own) == spawn_pidfd_inode(l->spawner, pidfd) ? 0
											  : -EINVAL;
}

/* 0: it is that process, and nobody else's main one. */
static int identify(struct launcher *l, const struct entry *e, pid_t pid, int pidfd)
{
	const struct entry *other = table_find_pid(&l->table, pid);

	if (pid == l->engine.pid || (other && other != e))
		return -EBUSY;
	return check_pid(l, pid, pidfd);
}

int claim_check(struct launcher *l, const struct entry *e, pid_t pid, int pidfd)
{
	siginfo_t info = {0};
	int r = sys_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT, NULL);

	int wrong;

	if (r == -ECHILD && sys_pidfd_send_signal(pidfd, 0) == -ESRCH)
		return -ESRCH;
	if (r < 0 && r != -ECHILD)
		return r;
	wrong = identify(l, e, pid, pidfd);
	return wrong < 0 ? wrong : r;
}

void claim_refuse(struct launcher *l, uint32_t id, uint64_t generation, pid_t pid, int error)
{
	table_refused(&l->table,
		&(struct refusal){.id = id, .generation = generation, .pid = pid, .error = error});
}
