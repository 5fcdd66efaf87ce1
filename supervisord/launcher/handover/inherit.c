/*
 * A launcher's memory written down, and taken up again. What is in flight goes along: a child that
 * has not executed yet tells how it went by its error pipe, whoever reads that. Its slot does not:
 * the launcher's half of it was memory, which the child has for itself by then.
 *
 * What is not written down is lost without harm: counts of the engine's early deaths, and what has
 * been logged once.
 */
#include "launcher/handover/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/reap/foster.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/spawn.h"

_Static_assert((int)HANDOVER_SIGNALS == (int)N_SIGNALS, "all signals have their room");
_Static_assert((int)HANDOVER_PIPES == (int)ENTRY_PIPES, "all pipes have their room");

/* In a handover 0 is none, with us it is -1. */
static int32_t put_fd(int fd)
{
	return fd < 0 ? 0 : fd;
}

static int get_fd(int32_t fd)
{
	return fd == 0 ? -1 : fd;
}

/* ---- save ---- */

static void count_service(struct service *s _unused_, void *n)
{
	++*(uint32_t *)n;
}

static void count_entry(struct service *s _unused_, struct entry *e _unused_, void *n)
{
	++*(uint32_t *)n;
}

static void save_service(struct service *s, void *handover)
{
	struct handover *h = handover;
	struct handover_service *to = &h->services[h->head.n_services++];
	const char *cgroup = table_cgroup(s);
	size_t n = cgroup ? strlen(cgroup) : 0;

	to->id = s->id;
	to->uid = s->uid;
	to->newest = s->newest;
	to->input = put_fd(s->input);
	if (n < sizeof(to->cgroup)) /* a longer one can't have been made */
		memcpy(to->cgroup, cgroup ? cgroup : "", n);
}

static void save_entry(struct service *s, struct entry *e, void *handover)
{
	struct handover *h = handover;
	struct handover_entry *to = &h->entries[h->head.n_entries++];
	bool ended = e->phase == ENTRY_ENDED;

	*to = (struct handover_entry){.id = s->id,
		.flags = (e->fostered ? HANDOVER_FOSTERED : 0U) |
			 (e->started ? HANDOVER_STARTED : 0U) | (ended ? HANDOVER_ENDED : 0U) |
			 (e->acked ? HANDOVER_ACKED : 0U) | (e->released ? HANDOVER_RELEASED : 0U),
		.generation = e->generation,
		.serial = ended ? e->note->serial : 0,
		.pid = e->pid,
		.told_pid = e->told_pid,
		.pidfd = e->fostered ? put_fd(e->pidfd) : 0,
		.last_op = e->last_op,
		.start = e->note->start,
		.exit = e->note->exit};
	for (int i = 0; i < ENTRY_PIPES; i++)
		to->pipes[i] = put_fd(e->read_fds[i]);
	if (e->phase == ENTRY_STARTING) {
		to->error_fd = e->spawn.error_fd;
		to->spawn_stage = e->spawn.failure.stage;
		to->spawn_error = e->spawn.failure.error;
	} else if (e->phase == ENTRY_LIVES) {
		to->successor = e->successor.pid;
		to->successor_fd = put_fd(e->successor.pidfd);
	}
}

int inherit_save(struct launcher *l, struct handover *ret)
{
	uint32_t n_services = 0, n_entries = 0;
	struct handover h;
	int r;

	table_each_service(&l->table, count_service, &n_services);
	table_each(&l->table, count_entry, &n_entries);
	r = handover_alloc(&h, n_services, n_entries);
	if (r < 0)
		return r;
	h.head.n_services = h.head.n_entries = 0;
	table_each_service(&l->table, save_service, &h);
	table_each(&l->table, save_entry, &h);
	h.head.last_serial = l->table.last_serial;
	h.head.nofile[0] = l->spawner->nofile[0];
	h.head.nofile[1] = l->spawner->nofile[1];
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		h.head.kept[tag] = put_fd(l->kept[tag]);
	h.head.kept[LINK_KEEP_NOTEBOOK] = 0; /* our own: the next has its own */
	for (int signo = 0; signo < N_SIGNALS; signo++)
		h.head.signals[signo] = (struct handover_signal){.count = l->signals[signo].count,
			.pid = l->signals[signo].pid,
			.uid = l->signals[signo].uid};
	*ret = h;
	return 0;
}

/* ---- descriptors ---- */

static int move_up(int32_t *fd, void *context _unused_)
{
	int r;

	if (*fd >= SPAWN_PRIVATE_FD)
		return 0;
	r = sys_dup_cloexec(*fd, SPAWN_PRIVATE_FD);
	if (r < 0)
		return r;
	close(*fd);
	*fd = r;
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

struct fds {
	int *all;
	size_t n;
};

static int collect(int32_t *fd, void *fds)
{
	struct fds *f = fds;

	f->all[f->n++] = *fd;
	return 0;
}

int inherit_fds(struct handover *h, int **ret_fds, size_t *ret_n)
{
	struct fds f = {.all = calloc(handover_max_fds(h), sizeof(*f.all))};
	int r = f.all ? handover_each_fd(h, move_up, NULL) : -ENOMEM;

	if (r < 0) {
		free(f.all);
		return r;
	}
	handover_each_fd(h, collect, &f);
	qsort(f.all, f.n, sizeof(*f.all), compare_fds);
	*ret_fds = f.all;
	*ret_n = f.n;
	return 0;
}

/* ---- load ---- */

/* What is alive, and has no serial, comes last. */
static int compare_serials(const void *a, const void *b)
{
	const struct handover_entry *e = a, *f = b;

	return (e->serial - 1 > f->serial - 1) - (e->serial - 1 < f->serial - 1);
}

static int load_in_flight(struct launcher *l, struct entry *e, const struct handover_entry *from)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};

	table_set_starting(e, &(struct spawn){.error_fd = from->error_fd,
				      .failure = {from->spawn_stage, from->spawn_error},
				      .slot = -1});
	return sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, from->error_fd, &event);
}

/* Said to be ours to wait for; if it is not, its end would never be known. */
static void check_child(struct launcher *l, struct entry *e)
{
	const struct link_exit unknown = {.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};
	siginfo_t info;

	if (sys_waitid(P_PID, (id_t)e->pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == -ECHILD)
		table_ended(&l->table, e, &unknown);
}

static int load_living(struct launcher *l, struct entry *e, const struct handover_entry *from)
{
	struct link_started start = from->start;
	int r = 0;

	if (from->error_fd == 0 && (from->flags & HANDOVER_FOSTERED))
		r = foster_watch(l, e, from->pidfd, &start);
	if (r < 0)
		return r;
	table_set_pid(&l->table, e, from->pid, &start);
	if (from->error_fd > 0)
		return load_in_flight(l, e, from);
	if (!e->fostered)
		check_child(l, e);
	return 0;
}

static int load_entry(struct launcher *l, const struct handover_entry *from)
{
	bool spare;
	struct entry *e = table_add(&l->table, from->id, from->generation, &spare);

	if (!e)
		return -ENOMEM;
	e->last_op = from->last_op;
	e->started = from->flags & HANDOVER_STARTED;
	e->released = from->flags & HANDOVER_RELEASED;
	for (int i = 0; i < ENTRY_PIPES; i++)
		e->read_fds[i] = get_fd(from->pipes[i]);
	table_set_successor(e, from->successor, get_fd(from->successor_fd));
	if (!(from->flags & HANDOVER_ENDED))
		return load_living(l, e, from);
	e->told_pid = from->told_pid;
	notebook_set_pid(e->note, from->told_pid, &from->start);
	l->table.last_serial = from->serial - 1;
	table_ended(&l->table, e, &from->exit);
	if (from->flags & HANDOVER_ACKED)
		table_ack(&l->table, e);
	return 0;
}

static int load_service(struct launcher *l, const struct handover_service *from)
{
	struct service *s = table_add_service(&l->table, from->id);

	if (!s)
		return -ENOMEM;
	s->uid = from->uid;
	s->newest = from->newest;
	s->input = get_fd(from->input);
	return from->cgroup[0] == '\0' ? 0 : table_set_cgroup(s, from->cgroup);
}

static void watch_living(struct service *s _unused_, struct entry *e, void *launcher)
{
	if (e->pid > 0 && !e->fostered)
		watch_begin(launcher, e);
}

static int load_table(struct launcher *l, struct handover *h)
{
	const uint32_t n = h->head.n_entries;
	uint32_t i = 0;
	int r = 0;

	qsort(h->entries, n, sizeof(*h->entries), compare_serials);
	for (; i < n && h->entries[i].serial != 0 && r == 0; i++)
		r = load_entry(l, &h->entries[i]);
	l->table.last_serial = h->head.last_serial;
	for (; i < n && r == 0; i++)
		r = load_entry(l, &h->entries[i]);
	for (i = 0; i < h->head.n_services && r == 0; i++)
		r = load_service(l, &h->services[i]);
	if (r == 0) /* last, as it is what we can do without */
		table_each(&l->table, watch_living, l);
	return r;
}

int inherit_load(struct launcher *l, struct handover *h)
{
	const usec_t now = usec_now(CLOCK_MONOTONIC);

	for (int tag = 0; tag < LINK_KEEP_MAX; tag++) {
		if (tag == LINK_KEEP_NOTEBOOK)
			close_fd(get_fd(h->head.kept[tag])); /* we have our own */
		else
			l->kept[tag] = get_fd(h->head.kept[tag]);
	}
	for (int signo = 0; signo < N_SIGNALS; signo++)
		l->signals[signo] = (struct pending_signal){.count = h->head.signals[signo].count,
			.pid = h->head.signals[signo].pid,
			.uid = h->head.signals[signo].uid,
			.since_usec = now};
	l->reap = true;
	return load_table(l, h);
}
