/*
 * A main process that is a child of ours is watched by its pidfd, which the loop's epoll reports
 * once it has ended, at the same cost however many there are. Only for whom none can be had, and
 * for orphans, all children are searched: here is when, in reap.c how.
 */
#include "launcher/reap/watch.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "launcher/spawn/spawn.h"

#define SEARCH_SHORT_USEC 20 /* those are not worth waiting */
#define SEARCH_MAX_REST	  USEC_PER_SEC /* one during which we did not run says nothing */

static uint64_t to_usec(struct timeval t)
{
	return (usec_t)t.tv_sec * USEC_PER_SEC + (usec_t)t.tv_usec;
}

struct link_exit watch_exit(const siginfo_t *info, const struct rusage *usage)
{
	return (struct link_exit){.code = info->si_code,
		.status = info->si_status,
		.user_usec = to_usec(usage->ru_utime),
		.system_usec = to_usec(usage->ru_stime),
		.max_rss_kib = (uint64_t)usage->ru_maxrss,
		.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};
}

/* ---- searches ---- */

usec_t watch_rest(const struct launcher *l, unsigned times)
{
	if (l->reap_search_took < SEARCH_SHORT_USEC)
		return 0;
	return MIN_OF(times * l->reap_search_took, SEARCH_MAX_REST);
}

void watch_search_in(struct launcher *l, usec_t wait)
{
	usec_t due = wait == 0 ? 0 : usec_now(CLOCK_MONOTONIC) + wait;

	l->reap_search_usec = l->reap ? MIN_OF(l->reap_search_usec, due) : due;
	l->reap = true;
}

/* ---- pidfds ---- */

/* Entries are aligned, and what an entry's error pipe tells has its address itself. */
#define WATCH_TAG ((uintptr_t)1)

static int watch(struct launcher *l, struct entry *e)
{
	struct epoll_event event = {
		.events = EPOLLIN, .data.ptr = (void *)((uintptr_t)e | WATCH_TAG)};
	_cleanup_close_
	int fd = TAKE_FD(e->pidfd);
	int r;

	if (fd < 0)
		fd = sys_pidfd_open(e->pid);
	if (fd < 0)
		return fd;
	if (!spawner_has_room(l->spawner, fd + SPAWN_SPARE_WATCHES))
		return -EMFILE;
	r = sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
	if (r == 0)
		e->pidfd = TAKE_FD(fd);
	return r;
}

/* It may have ended already. */
void watch_go_without(struct launcher *l, struct entry *e)
{
	e->unwatched = true;
	l->n_unwatched++;
	watch_search_in(l, watch_rest(l, WATCH_SEARCH_REST));
}

void watch_begin(struct launcher *l, struct entry *e)
{
	if (watch(l, e) < 0)
		watch_go_without(l, e);
}

void watch_end(struct launcher *l, struct entry *e)
{
	l->n_unwatched -= e->unwatched;
	e->unwatched = false;
	if (e->pidfd < 0 || e->fostered)
		return;
	/* Explicitly: a child that has not executed yet may hold a copy, and keep it alive. */
	sys_epoll_ctl(l->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
	e->pidfd = close_fd(e->pidfd);
}

struct entry *watch_entry(void *data)
{
	uintptr_t address = (uintptr_t)data;

	return address & WATCH_TAG ? (struct entry *)(address & ~WATCH_TAG) : NULL;
}
