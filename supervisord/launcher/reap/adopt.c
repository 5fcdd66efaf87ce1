/*
 * In general only a child of ours can be adopted: nobody else could reap it, so its exit status is
 * learned, and its pid stays its own until then. Descendants of services become our children when
 * their parents end, since we are their subreaper. Usually a program hands over while it is the
 * parent of the new one: that one is remembered, with its pidfd, and is looked at again when
 * the old one is reaped; by then the kernel has given it to us. But where the main process is no
 * child of ours itself (see foster.h), nor will those be that come after it: they are taken all
 * the same.
 */
#include "launcher/reap/adopt.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "launcher/reap/claim.h"
#include "launcher/reap/foster.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/spawn.h"

static void take_over(struct launcher *l, struct entry *e, pid_t pid, int pidfd)
{
	struct link_started start = e->note->start;

	foster_drop(l, e);
	watch_end(l, e);
	start.flags |= LINK_STARTED_ADOPTED;
	start.flags &= ~(uint32_t)LINK_STARTED_FOSTERED;
	start.pidfd_inode = spawn_pidfd_inode(l->spawner, pidfd);
	table_adopt(&l->table, e, pid, &start);
	watch_begin(l, e);
}

/* It is no child of ours, but nor was the one before. */
static int take_fostered(struct launcher *l, struct entry *e, pid_t pid, int *pidfd)
{
	struct link_started start = e->note->start;
	int r = spawner_has_room(l->spawner, *pidfd) ? foster_watch(l, e, *pidfd, &start) : -EMFILE;

	if (r < 0)
		return r;
	*pidfd = -1;
	start.flags |= LINK_STARTED_ADOPTED;
	table_adopt(&l->table, e, pid, &start);
	return 0;
}

void adopt(struct launcher *l, struct entry *e, pid_t pid, int pidfd)
{
	_cleanup_close_
	int owned = pidfd;
	int r = e->started && !e->released ? claim_check(l, e, pid, pidfd) : -ESRCH;

	if (r == 0)
		take_over(l, e, pid, pidfd);
	else if (r == -ECHILD && (e->note->start.flags & LINK_STARTED_FOSTERED))
		r = take_fostered(l, e, pid, &owned);
	if (r == 0)
		return;
	/* Adopted already, and reaped since: its end is what there is to say. */
	if (r == -ESRCH && e->phase == ENTRY_ENDED && pid == e->told_pid) {
		table_tell_again(&l->table, e);
		return;
	}
	if (r == -ECHILD && e->pid != 0 && !spawner_has_room(l->spawner, pidfd))
		r = -EMFILE;
	else if (r == -ECHILD && e->pid != 0)
		table_set_successor(e, pid, TAKE_FD(owned));
	claim_refuse(l, e->service->id, e->generation, pid, -r);
}

bool adopt_successor(struct launcher *l, struct entry *e)
{
	pid_t pid = e->successor.pid;
	_cleanup_close_
	int pidfd = e->phase == ENTRY_LIVES ? TAKE_FD(e->successor.pidfd) : -1;

	if (pidfd < 0 || claim_check(l, e, pid, pidfd) < 0)
		return false;
	take_over(l, e, pid, pidfd);
	return true;
}
