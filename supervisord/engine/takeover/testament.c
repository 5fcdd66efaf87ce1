/*
 * What the dead launcher had told was judged and committed before. What it had not told is in its
 * notebook (noted.c): which processes it had started last, and how those have ended that it had
 * reaped; of others their pidfds say it. Their pipes we have from before they were asked for. A
 * spawn that is not noted was not begun, and is asked for again. Without a notebook, processes
 * under way are looked for (missing.c).
 *
 * An end that is noted keeps its serial, so that it is counted once, whoever had been told; others
 * get new ones, which are greater than any.
 */
#include "engine/takeover/testament.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/run/command_handover.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/streams/streams.h"
#include "engine/takeover/pidfd.h"
#include "engine/takeover/reopen.h"

static struct handover_entry *add_entry(struct testament *t, uint32_t id, uint64_t generation)
{
	struct handover_entry *x = &t->h.entries[t->n_entries++];

	x->id = id;
	x->generation = generation;
	return x;
}

static int32_t fd_or_none(int fd)
{
	return fd > STDERR_FILENO ? fd : 0;
}

static void add_end(struct testament *t, struct handover_entry *x, pid_t pid)
{
	x->flags |= HANDOVER_ENDED;
	x->told_pid = pid;
	x->serial = ++t->h.head.last_serial;
}

/*
 * A process that lives, as far as we know: by the pidfd that we have, or by another one. Who is
 * gone without one has ended in a way that nobody knows.
 */
static void add_process(struct testament *t, struct handover_entry *x, pid_t pid, int pidfd)
{
	if (pidfd < 0) {
		pidfd = pidfd_open(pid, x->start.pidfd_inode);
		if (pidfd >= 0)
			t->opened[t->n_opened++] = pidfd;
	}
	x->flags |= HANDOVER_STARTED;
	if (pidfd == -ESRCH) {
		add_end(t, x, pid);
		x->exit = (struct link_exit){.code = LINK_EXIT_UNKNOWN,
			.monotonic_usec = usec_now(CLOCK_MONOTONIC),
			.realtime_usec = usec_now(CLOCK_REALTIME)};
		return;
	}
	if (pidfd < 0) {
		*x = (struct handover_entry){0};
		t->n_entries--; /* the next engine looks for it */
		t->incomplete = true;
		return;
	}
	x->flags |= HANDOVER_FOSTERED;
	x->pid = x->told_pid = pid;
	x->pidfd = pidfd;
}

static void add_streams(const struct service *s, struct handover_entry *x)
{
	for (unsigned k = 0; k < s->n_streams; k++)
		x->pipes[k] = fd_or_none(s->streams[k].fd);
	x->pipes[2] = fd_or_none(ready_pipe_fd(s));
}

static struct link_exit exit_of(const struct core_record *r)
{
	static const int codes[CORE_END_MAX] = {[CORE_END_EXITED] = CLD_EXITED,
		[CORE_END_SIGNALLED] = CLD_KILLED,
		[CORE_END_DUMPED] = CLD_DUMPED,
		[CORE_END_UNKNOWN] = LINK_EXIT_UNKNOWN};
	int code = r->end < CORE_END_MAX ? codes[r->end] : LINK_EXIT_UNKNOWN;

	return (struct link_exit){.code = code,
		.status = code == LINK_EXIT_UNKNOWN ? 0 : r->end_status,
		.monotonic_usec = r->ended_usec};
}

/*
 * Its main process has ended, and been counted: others may write into its pipes still, or something
 * is left in them.
 */
static void add_rest(struct testament *t, struct service *s, uint64_t generation)
{
	const struct core_record *r = core_record(t->e->core, s->id);
	struct handover_entry *x = add_entry(t, s->id, generation);

	x->flags = HANDOVER_STARTED | HANDOVER_ACKED;
	x->exit = exit_of(r);
	x->start = (struct link_started){
		.monotonic_usec = r->started_usec, .realtime_usec = s->started_realtime_usec};
	add_streams(s, x);
	add_end(t, x, MAX_OF(s->main_pid, 1));
}

/* One whose process is gone: nobody but the notebook knows. */
static struct handover_entry *add_noted_end(struct testament *t, const struct notebook_slot *slot)
{
	struct handover_entry *x = add_entry(t, slot->id, slot->generation);
	uint64_t serial;

	x->exit = noted_end(slot, &serial);
	x->start = slot->start;
	x->start.flags = LINK_STARTED_FOSTERED;
	if (x->start.monotonic_usec == 0) {
		x->start.monotonic_usec = x->exit.monotonic_usec;
		x->start.realtime_usec = x->exit.realtime_usec;
	}
	x->flags = HANDOVER_ENDED | (x->exit.error ? 0U : HANDOVER_STARTED);
	x->told_pid = x->exit.error ? 0 : slot->pid;
	x->serial = serial > 0 ? serial : ++t->h.head.last_serial;
	return x;
}

/* It was told as started, and not as ended. */
static void add_main(struct testament *t, struct service *s)
{
	const struct core_record *r = core_record(t->e->core, s->id);
	const struct notebook_slot *slot = noted_find(&t->missing.noted, s->id, r->generation);
	bool ended = slot && noted_has_end(slot) && slot->serial > s->last_serial;
	struct handover_entry *x =
		ended ? add_noted_end(t, slot) : add_entry(t, s->id, r->generation);

	if (ended) {
		add_streams(s, x);
		return;
	}
	x->start = (struct link_started){.monotonic_usec = r->started_usec,
		.realtime_usec = s->started_realtime_usec,
		.pidfd_inode = s->pidfd_inode};
	/* At least once, where nobody knows whether the last signal was sent. */
	x->last_op = r->signal_op > 0 ? r->signal_op - 1 : 0;
	add_streams(s, x);
	add_process(t, x, r->pid > 0 ? r->pid : s->main_pid, s->pidfd);
}

/* With a repeated SPAWN come pipes that nobody uses: they have no writer, and nothing in them. */
static bool is_in_use(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return fd >= 0 && (poll(&p, 1, 0) <= 0 || (p.revents & POLLIN) || !(p.revents & POLLHUP));
}

/* Its pipes, as they were made for it. False: its process has others. */
static bool add_pipes(struct handover_entry *x, const struct pipes *p)
{
	bool used = false;

	if (p->generation != x->generation)
		return false;
	for (unsigned k = 0; k < PLAN_PIPE_MAX; k++)
		used |= is_in_use(p->read[k]);
	for (unsigned k = 0; used && k < PLAN_PIPE_MAX; k++)
		x->pipes[k] = fd_or_none(p->read[k]);
	return used;
}

/* They are opened from where the process has them. */
static void add_reopened(struct testament *t, struct handover_entry *x, const struct find_target *f)
{
	bool main = f->kind == COMMAND_KIND_MAX;
	bool known = main && core_record(t->e->core, f->service->id)->pid == f->pid;
	int pipes[HANDOVER_PIPES];

	reopen_pipes(f->service, f->pid, main, known, pipes);
	for (unsigned k = 0; k < HANDOVER_PIPES; k++) {
		x->pipes[k] = fd_or_none(pipes[k]);
		if (pipes[k] >= 0)
			t->opened[t->n_opened++] = pipes[k];
	}
}

/* One that was found. */
static void add_found(struct testament *t, const struct find_target *f, const struct pipes *made)
{
	struct handover_entry *x = add_entry(t, missing_id_of(f->service, f->kind), f->generation);

	log_info("service '%s': pid %d was being started when the launcher died", f->service->name,
		(int)f->pid);
	x->start = (struct link_started){.monotonic_usec = t->e->loop.now_usec,
		.realtime_usec = usec_now(CLOCK_REALTIME),
		.pidfd_inode = pidfd_inode(f->pidfd)};
	if (!add_pipes(x, made))
		add_reopened(t, x, f);
	add_process(t, x, f->pid, f->pidfd);
}

static void add_untold_end(struct testament *t, struct service *s, const struct notebook_slot *slot,
	const struct pipes *made)
{
	struct handover_entry *x = add_noted_end(t, slot);

	/* With a SPAWN that has yet to be repeated, its pipes are those that were left to it, if
	 * any. */
	if (!add_pipes(x, made) && x->id == s->id && (x->flags & HANDOVER_STARTED))
		add_streams(s, x);
}

/* The launcher had cloned it, or tried to, and has told nothing. */
static void add_untold(struct testament *t, struct service *s, enum command_kind kind,
	uint64_t generation, const struct pipes *made)
{
	const struct notebook_slot *slot =
		noted_find(&t->missing.noted, missing_id_of(s, kind), generation);
	const struct find_target *f = missing_found(&t->missing, s, kind, generation);

	if (f && f->pid > 0)
		add_found(t, f, made);
	else if (slot && !(f && f->proven) && (slot->pid > 0 || noted_has_end(slot)))
		add_untold_end(t, s, slot, made);
	else if (!slot && kind == COMMAND_KIND_MAX)
		service_drain_untold(s);
}

static void add_command(struct testament *t, struct service *s, const struct command_situation *c)
{
	uint32_t id = link_command_id(s->id, c->kind);
	const struct notebook_slot *slot = noted_find(&t->missing.noted, id, c->generation);
	struct handover_entry *x;

	if (c->stage == COMMAND_UNDER_WAY) {
		add_untold(t, s, c->kind, c->generation, c->pipes);
		return;
	}
	if (c->stage == COMMAND_RUNS && slot && noted_has_end(slot)) {
		x = add_noted_end(t, slot);
		x->pipes[0] = fd_or_none(c->output);
		return;
	}
	x = add_entry(t, id, c->generation);
	x->start = (struct link_started){
		.monotonic_usec = c->began_usec, .pidfd_inode = pidfd_inode(c->pidfd)};
	x->pipes[0] = fd_or_none(c->output);
	if (c->stage == COMMAND_RUNS) {
		add_process(t, x, c->pid, c->pidfd);
		return;
	}
	x->flags = HANDOVER_STARTED;
	x->exit = c->end;
	add_end(t, x, c->end.error ? 0 : c->pid);
}

/* Without one, the next engine makes another one: what was in it is lost. */
static int32_t open_input(struct testament *t, const struct service *s)
{
	int fd = input_open(s);

	if (fd < 0)
		return 0;
	t->opened[t->n_opened++] = fd;
	return fd;
}

static void add_service(struct testament *t, uint32_t id, const struct service *s, uint64_t newest)
{
	struct handover_service *x = &t->h.services[t->h.head.n_services++];
	const struct spec_identity *i = s->spec->process->identity;

	x->id = id;
	if (id == s->id)
		x->input = open_input(t, s);
	x->uid = i->set && geteuid() == 0 ? i->uid : UINT32_MAX;
	x->newest = newest;
	tree_cgroup_name(s, x->cgroup);
}

/* Its process, and what was left by the one before, if no process has that. */
static void add_process_of(struct testament *t, struct service *s)
{
	const struct core_record *r = core_record(t->e->core, s->id);
	uint32_t n = t->n_entries;
	uint64_t newest = s->told_generation;

	if (missing_is_under_way(s))
		add_untold(t, s, COMMAND_KIND_MAX, r->generation, service_made_pipes(s));
	else if (service_has_process(s) && missing_is_told(s) && !r->main_ended)
		add_main(t, s);
	else if (service_has_process(s) && missing_is_told(s))
		add_rest(t, s, r->generation);
	if (t->n_entries > n)
		newest = r->generation;
	if (s->left_generation > 0 &&
		(t->n_entries == n || !(t->h.entries[n].flags & HANDOVER_STARTED)))
		add_rest(t, s, s->left_generation);
	/* What it was not asked to start yet, it is going to be asked to. */
	if (input_is_there(s) || t->n_entries > n)
		add_service(t, s->id, s, newest);
}

static void add_all_of(struct testament *t, struct service *s)
{
	struct command_situation c;

	add_process_of(t, s);
	for (unsigned k = 0; command_situation(s, k, &c); k++) {
		add_command(t, s, &c);
		if (t->n_entries > 0 &&
			t->h.entries[t->n_entries - 1].id == link_command_id(s->id, c.kind))
			add_service(t, link_command_id(s->id, c.kind), s, c.generation);
	}
}

/* See add_untold_commands(): more than one run of a kind may be among them. */
static void add_rest_of_commands(struct testament *t)
{
	for (size_t i = 0; i < t->missing.noted.n; i++) {
		const struct notebook_slot *slot = t->missing.noted.slots[i];
		struct service *s = services_by_id(t->e, link_service_of(slot->id));
		uint32_t n = t->n_entries, k = 0;

		if (!missing_is_untold_command(&t->missing, slot))
			continue;
		add_untold(t, s, (enum command_kind)link_command_of(slot->id), slot->generation,
			&(struct pipes){.generation = 0});
		while (k < t->h.head.n_services && t->h.services[k].id != slot->id)
			k++;
		if (t->n_entries > n && k == t->h.head.n_services)
			add_service(t, slot->id, s, slot->generation);
		else if (t->n_entries > n)
			t->h.services[k].newest = MAX_OF(t->h.services[k].newest, slot->generation);
	}
}

static void add_head(struct testament *t)
{
	struct engine *e = t->e;
	struct handover_head *head = &t->h.head;

	head->last_serial = e->commands.last_serial;
	for (uint32_t i = 0; i < e->n_services; i++)
		head->last_serial = MAX_OF(head->last_serial, e->services[i]->last_serial);
	head->last_serial = MAX_OF(head->last_serial, noted_last_serial(&t->missing.noted));
	memcpy(head->nofile, e->uplink.nofile, sizeof(head->nofile));
	if (head->nofile[1] == 0 && t->missing.noted.book.head)
		memcpy(head->nofile, t->missing.noted.book.head->nofile, sizeof(head->nofile));
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		head->kept[tag] = fd_or_none(e->uplink.mirror[tag]);
	head->kept[LINK_KEEP_NOTEBOOK] = 0; /* the next one has its own */
	if (reload_owes_signal(e))
		head->signals[SIGHUP] = (struct handover_signal){.count = 1, .pid = getpid()};
}

int testament_make(struct testament *t, struct engine *e)
{
	uint32_t n;
	int r = missing_init(&t->missing, e);

	if (r < 0)
		return r;
	t->e = e;
	t->incomplete = t->missing.incomplete;
	n = t->missing.n_max;
	t->opened = calloc((size_t)n * (2 + HANDOVER_PIPES) + 1, sizeof(*t->opened));
	r = t->opened ? handover_alloc(&t->h, n, n) : -ENOMEM;
	if (r < 0)
		return r;
	t->h.head.n_services = 0;
	add_head(t);
	for (uint32_t i = 0; i < e->n_services; i++)
		add_all_of(t, e->services[i]);
	add_rest_of_commands(t);
	t->h.head.n_entries = t->n_entries;
	return 0;
}

void testament_fini(struct testament *t)
{
	missing_fini(&t->missing);
	for (size_t i = 0; i < t->n_opened; i++)
		close_fd(t->opened[i]);
	free(t->opened);
	handover_fini(&t->h);
}
