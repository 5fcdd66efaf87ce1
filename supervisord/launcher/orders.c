/*
 * One handler per message. None of them waits, none trusts that what it is asked about
 * still exists, and none answers at once: they change the table, and the outbox tells.
 */
#include "launcher/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine/engine_process.h"
#include "launcher/engine/outbox.h"
#include "launcher/handover/upgrade.h"
#include "launcher/reap/adopt.h"
#include "launcher/reap/claim.h"
#include "launcher/reap/foster.h"
#include "launcher/reap/reap.h"
#include "launcher/reap/watch.h"
#include "launcher/spawn/deputy.h"
#include "launcher/spawn/spawn.h"

/* What came with a message. Handlers take the descriptor, or it is closed after them. */
struct order {
	struct link_message m;
	int fds[LINK_MAX_FDS];
	unsigned n_fds;
	bool lost_fds;
	size_t n_plan;
	char plan[LINK_MAX_PLAN];
};

static void order_spawn(struct launcher *l, struct order *o)
{
	struct service *s = table_find_service(&l->table, o->m.id);
	struct entry *e = table_find(&l->table, o->m.id, o->m.generation);
	struct spawn_request q = {.plan = o->plan,
		.n_plan = o->n_plan,
		.fds = o->fds,
		.n_fds = o->n_fds,
		.cgroup_dir = l->kept[LINK_KEEP_CGROUP]};
	enum link_stage stage = LINK_STAGE_RESOURCES;
	bool busy = s && table_is_busy(s), spare;
	int r = 0;

	if (e) {
		table_tell_again(&l->table, e);
		return;
	}
	if (s && o->m.generation <= s->newest) {
		log_debug("service %" PRIu32 ": generation %" PRIu64 " is over, not started again",
			o->m.id, o->m.generation);
		return;
	}
	e = table_add(&l->table, o->m.id, o->m.generation, &spare);
	if (!e) {
		log_error("service %" PRIu32 ": no memory to start it, nor to say so", o->m.id);
		return;
	}
	if (spare)
		r = -ENOMEM;
	else if (busy)
		r = -EBUSY;
	else if (o->lost_fds)
		r = -EMFILE;
	else
		r = spawn_begin(l->spawner, &l->table, e, &q, &stage);
	if (r < 0)
		reap_spawn_failed(l, e, -r, stage);
	else
		watch_begin(l, e);
}

static void order_adopt(struct launcher *l, struct order *o)
{
	struct entry *e = table_find(&l->table, o->m.id, o->m.generation);

	if (!e)
		log_debug("service %" PRIu32 ": generation %" PRIu64 " is over, nothing is adopted",
			o->m.id, o->m.generation);
	else if (o->lost_fds)
		claim_refuse(l, o->m.id, o->m.generation, o->m.pid, EMFILE);
	else
		adopt(l, e, o->m.pid, TAKE_FD(o->fds[0]));
}

static void order_foster(struct launcher *l, struct order *o)
{
	foster(l, &o->m, o->fds, o->n_fds, o->lost_fds);
}

static void order_upgrade(struct launcher *l, struct order *o)
{
	upgrade_begin(l, o->m.op, o->fds, o->lost_fds);
}

/* What the kernel refused, for want of CAP_KILL. */
static void kill_as_its_user(struct service *s, int pidfd, int signo, bool group)
{
	int r = -EPERM;

	if (s->uid != (uid_t)-1)
		r = deputy_kill(s->uid, pidfd, signo, group);
	if (r < 0 && !s->told_no_kill)
		log_warning(
			"cannot signal a process of service %" PRIu32 ": %s", s->id, strerror(-r));
	s->told_no_kill = r < 0;
}

void orders_kill(const struct entry *e, int signo, enum link_scope scope)
{
	_cleanup_close_
	int pidfd = -1;
	int r = -ESRCH;

	if (e->pid == 0)
		return;
	if (e->fostered) {
		if (foster_kill(e, signo, scope) == -EPERM)
			kill_as_its_user(e->service, e->pidfd, signo, scope == LINK_SCOPE_GROUP);
		return;
	}
	/* Right after clone it has no group of its own yet. */
	if (scope == LINK_SCOPE_GROUP)
		r = sys_kill(-e->pid, signo);
	if (r == -ESRCH)
		r = sys_kill(e->pid, signo);
	if (r != -EPERM)
		return;
	pidfd = sys_pidfd_open(e->pid);
	if (pidfd >= 0)
		kill_as_its_user(e->service, pidfd, signo, scope == LINK_SCOPE_GROUP);
}

static void order_kill(struct launcher *l, struct order *o)
{
	struct entry *e = table_find(&l->table, o->m.id, o->m.generation);
	enum link_scope scope = (enum link_scope)(o->m.value & ~LINK_SCOPE_CONTINUE);

	if (!e || o->m.op <= e->last_op)
		return;
	e->last_op = o->m.op;
	orders_kill(e, o->m.signo, scope);
	if (o->m.value & LINK_SCOPE_CONTINUE)
		orders_kill(e, SIGCONT, scope);
}

void orders_kill_tree(struct launcher *l, struct service *s)
{
	_cleanup_close_
	int fd = -1;
	const char *name = table_cgroup(s);
	char path[300];
	int r = -ENOENT;

	if (!name || l->kept[LINK_KEEP_CGROUP] < 0)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.kill", name);
	fd = sys_openat(l->kept[LINK_KEEP_CGROUP], path, O_WRONLY | O_NOFOLLOW, 0);
	r = fd < 0 ? fd : (int)sys_write(fd, "1", 1);
	if (r < 0 && r != -ENOENT && !l->told_no_cgroup_kill) {
		l->told_no_cgroup_kill = true;
		log_warning("cannot kill cgroup '%s': %s", name, strerror(-r));
	}
}

void orders_remove_cgroup(struct launcher *l, struct service *s)
{
	const char *name = table_cgroup(s);
	int r;

	if (!name || l->kept[LINK_KEEP_CGROUP] < 0)
		return;
	r = sys_unlinkat(l->kept[LINK_KEEP_CGROUP], name, AT_REMOVEDIR);
	if (r < 0 && r != -ENOENT)
		return; /* still in use: again when we end */
	table_set_cgroup(s, NULL);
}

static void order_kill_tree(struct launcher *l, struct order *o)
{
	struct service *s = table_find_service(&l->table, o->m.id);

	if (s)
		orders_kill_tree(l, s);
}

static void remove_service(struct launcher *l, uint32_t id)
{
	struct service *s = table_find_service(&l->table, id);

	if (!s)
		return;
	orders_remove_cgroup(l, s);
	table_remove_service(&l->table, s);
}

static void order_remove(struct launcher *l, struct order *o)
{
	for (unsigned kind = 0; kind < LINK_COMMANDS; kind++)
		remove_service(l, link_command_id(o->m.id, kind));
	remove_service(l, o->m.id);
}

static void order_kill_pidfd(struct launcher *l, struct order *o)
{
	struct service *s = table_find_service(&l->table, o->m.id);

	if (!o->lost_fds && sys_pidfd_send_signal(o->fds[0], o->m.signo) == -EPERM && s)
		kill_as_its_user(s, o->fds[0], o->m.signo, false);
}

static void order_release(struct launcher *l, struct order *o)
{
	struct service *s = table_find_service(&l->table, o->m.id);

	if (s)
		table_release(&l->table, s, o->m.generation);
}

static void order_ack(struct launcher *l, struct order *o)
{
	struct entry *e = table_find(&l->table, o->m.id, o->m.generation);

	if (e && e->phase == ENTRY_ENDED && !e->acked && e->note->serial == o->m.serial)
		table_ack(&l->table, e);
	if (o->m.value)
		order_release(l, o);
}

static void order_refetch(struct launcher *l, struct order *o)
{
	struct entry *e = table_find(&l->table, o->m.id, o->m.generation);

	if (e)
		table_tell_again(&l->table, e);
}

static void keep_input(struct launcher *l, uint32_t id, int *fd)
{
	struct service *s = table_add_service(&l->table, id);

	if (s && spawner_has_room(l->spawner, *fd))
		table_keep_input(&l->table, s, TAKE_FD(*fd));
	else
		log_error("service %" PRIu32 ": nothing left to keep its stdin by", id);
}

static void order_keep(struct launcher *l, struct order *o)
{
	if (o->lost_fds) {
		log_error("no descriptor left to keep one for the next engine");
		return;
	}
	if (o->m.value == LINK_KEEP_INPUT) {
		keep_input(l, o->m.id, &o->fds[0]);
		return;
	}
	close_fd(l->kept[o->m.value]);
	l->kept[o->m.value] = TAKE_FD(o->fds[0]);
}

static void order_seen(struct launcher *l, struct order *o)
{
	struct pending_signal *p;

	if (o->m.signo >= N_SIGNALS)
		return;
	p = &l->signals[o->m.signo];
	if (p->count > 0 && p->told)
		p->count--;
	p->told = false;
	p->since_usec = usec_now(CLOCK_MONOTONIC);
}

static void order_hello(struct launcher *l, struct order *o _unused_)
{
	l->engine.hello = l->engine.ever_hello = true;
	outbox_start(l);
}

static void order_recovered(struct launcher *l, struct order *o _unused_)
{
	l->engine.recovered = true;
	l->engine.n_early_deaths = 0;
	upgrade_recovered(l);
}

static void order_pong(struct launcher *l _unused_, struct order *o _unused_)
{
	/* that anything came at all is what counts */
}

static void order_exit(struct launcher *l, struct order *o)
{
	if (upgrade_is_on_probation(l)) {
		log_error("the new engine wants to end with status %u, and has not recovered",
			o->m.value);
		engine_process_kill(l);
		return;
	}
	l->exiting = true;
	l->exit_status = (int)o->m.value;
	l->exiting_usec = usec_now(CLOCK_MONOTONIC) + ENGINE_EXIT_USEC;
}

static void (*const handlers[LINK_TYPE_MAX])(struct launcher *, struct order *) = {
	[LINK_HELLO] = order_hello,
	[LINK_RECOVERED] = order_recovered,
	[LINK_SPAWN] = order_spawn,
	[LINK_ADOPT] = order_adopt,
	[LINK_KILL] = order_kill,
	[LINK_KILL_TREE] = order_kill_tree,
	[LINK_KILL_PIDFD] = order_kill_pidfd,
	[LINK_ACK] = order_ack,
	[LINK_RELEASE] = order_release,
	[LINK_REFETCH] = order_refetch,
	[LINK_KEEP] = order_keep,
	[LINK_REMOVE] = order_remove,
	[LINK_SEEN] = order_seen,
	[LINK_PONG] = order_pong,
	[LINK_EXIT] = order_exit,
	[LINK_FOSTER] = order_foster,
	[LINK_UPGRADE] = order_upgrade,
};

static void perform(struct launcher *l, struct order *o)
{
	if (handlers[o->m.type])
		handlers[o->m.type](l, o);
	else
		log_error("engine sent %s, which is not for us; ignored",
			link_type_to_string((enum link_type)o->m.type));
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		close_fd(o->fds[i]);
}

int orders_read(struct launcher *l, unsigned max)
{
	for (unsigned i = 0; i < max; i++) {
		struct order o;
		int r = link_recv_plan(
			l->engine.link, &o.m, o.fds, &o.n_fds, &o.lost_fds, o.plan, &o.n_plan);

		if (r == 0 || r == -ECONNRESET)
			return -EPIPE;
		if (r == -EAGAIN)
			return 0;
		if (r == -EPROTONOSUPPORT)
			return r;
		l->engine.heard_usec = usec_now(CLOCK_MONOTONIC);
		if (l->engine.abort_usec == 0)
			l->engine.ping_usec = 0;
		if (r == 1) {
			perform(l, &o);
			continue;
		}
		log_error("cannot read what the engine sent: %s", strerror(-r));
		if (r != -EPROTO && r != -EMSGSIZE)
			return -EIO; /* for lack of something: it is still there */
	}
	return 1;
}

/* What it had sent is done before anything is told to the next. */
static void drain(struct launcher *l)
{
	unsigned patience = 1000; /* with reads that fail for a lack of something */
	int r = 1;

	while (l->engine.link >= 0 && (r == 1 || (r == -EIO && patience-- > 0)))
		r = orders_read(l, 1024);
}

int orders_engine_ended(struct launcher *l, const siginfo_t *info)
{
	l->engine.pid = 0;
	if (l->ending == ENDING_NOT)
		drain(l);
	outbox_close(l);
	return engine_process_ended(l, info);
}
