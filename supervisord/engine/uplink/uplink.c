/*
 * What is sent at once, and what comes in, which becomes events. If the launcher is gone, all that
 * it had sent is read, and takeover/gone.c has the rest.
 */
#include "engine/uplink/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/rlimits.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/takeover/foster.h"
#include "engine/takeover/gone.h"
#include "engine/takeover/pidfd.h"
#include "engine/uplink/uplink_kept.h"
#include "engine/uplink/uplink_outbox.h"

#define SEND_WAIT_MSEC 1000
#define REFETCH_USEC   USEC_PER_SEC
#define MAX_PER_ROUND  256 /* messages, so that clients get their turn in a storm of exits */

bool uplink_is_gone(int r)
{
	return r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN;
}

int uplink_post(struct link_message *m, const int *fds, unsigned n_fds)
{
	int r = link_send(LINK_FD, m, fds, n_fds);

	/* Not an error of what is sent: whoever takes the launcher's place is asked again. */
	return uplink_is_gone(r) ? -EAGAIN : r;
}

int uplink_post_plan(
	struct link_message *m, const void *plan, size_t size, const int *fds, unsigned n_fds)
{
	int r = link_send_plan(LINK_FD, m, plan, size, fds, n_fds);

	return uplink_is_gone(r) ? -EAGAIN : r;
}

int uplink_send(struct engine *e, struct link_message *m, const int *fds, unsigned n_fds)
{
	struct pollfd p = {.fd = LINK_FD, .events = POLLOUT};
	int r;

	uplink_outbox_flush_late(e);
	r = link_send(LINK_FD, m, fds, n_fds);
	if (r == -EAGAIN && poll(&p, 1, SEND_WAIT_MSEC) > 0)
		r = link_send(LINK_FD, m, fds, n_fds);
	return r;
}

void uplink_send_plain(struct engine *e, enum link_type type, uint32_t value, int signo)
{
	struct link_message m = {
		.version = LINK_VERSION, .type = (uint16_t)type, .value = value, .signo = signo};
	int r = uplink_send(e, &m, NULL, 0);

	if (r < 0)
		log_warning(
			"cannot tell the launcher %s: %s", link_type_to_string(type), strerror(-r));
}

int uplink_kill_pidfd(struct service *s, int pidfd, int signo)
{
	struct link_message m = {
		.version = LINK_VERSION, .type = LINK_KILL_PIDFD, .id = s->id, .signo = signo};

	return uplink_send(s->engine, &m, &pidfd, 1);
}

int uplink_kill_cgroup(struct engine *e, struct service *s)
{
	struct link_message m = {.version = LINK_VERSION, .type = LINK_KILL_TREE, .id = s->id};

	return uplink_send(e, &m, NULL, 0);
}

int uplink_adopt(struct service *s, pid_t pid, int pidfd)
{
	struct link_message m = {.type = LINK_ADOPT,
		.id = s->id,
		.generation = core_record(s->engine->core, s->id)->generation,
		.pid = pid};
	struct uplink_adoption *a = part_get(s, PART_ADOPTION, sizeof(*a));
	int r = a ? uplink_send(s->engine, &m, &pidfd, 1) : -ENOMEM;

	if (r < 0)
		return r;
	a->ended &= a->generation == m.generation;
	a->generation = m.generation;
	a->pid = pid;
	return 0;
}

static void close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		fds[i] = close_fd(fds[i]);
}

/* Out of descriptors: the pipes are asked for once a second until they arrive. */
static void on_refetch(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, uplink.refetch);

	for (uint32_t i = 0; i < e->n_services; i++) {
		struct service *s = e->services[i];

		if (s->lacks_pipes)
			uplink_tell(s, UPLINK_REFETCH);
		s->lacks_pipes = false;
	}
}

static void ask_again_later(struct service *s)
{
	struct engine *e = s->engine;

	if (!e->uplink.told_lack)
		log_warning("service '%s': no descriptor left for its output; trying again every "
			    "second",
			s->name);
	e->uplink.told_lack = true;
	s->lacks_pipes = true;
	loop_timer_set(&e->loop, &e->uplink.refetch, usec_add(e->loop.now_usec, REFETCH_USEC));
}

static bool is_live(const struct core_record *r)
{
	return r->state == CORE_STARTING || r->state == CORE_RUNNING || r->state == CORE_STOPPING;
}

static void on_started(
	struct service *s, const struct link_message *m, int *fds, unsigned n_fds, bool lost)
{
	struct engine *e = s->engine;
	const struct core_record *r = core_record(e->core, m->id);
	const struct uplink_adoption *adoption = part_find(s, PART_ADOPTION);
	bool adopted = (m->started.flags & LINK_STARTED_ADOPTED) != 0;
	struct core_event event = {.type = adopted ? CORE_EVENT_MAINPID : CORE_EVENT_STARTED,
		.service = m->id,
		.generation = m->generation,
		.pid = m->pid,
		.at_usec = m->started.monotonic_usec};

	/* Those that came are the same, or those of an earlier SPAWN; the launcher has a copy. */
	if (service_made_pipes(s)->generation == m->generation)
		service_drop_made_pipes(s);
	if (m->generation != r->generation || !is_live(r)) {
		if (n_fds > 0 && (m->started.flags & LINK_STARTED_READY_FD))
			close_fds(fds + --n_fds, 1);
		service_take_rest(s, m->generation, fds, n_fds);
		return;
	}
	if (adoption && m->pid == adoption->pid)
		part_drop(s, PART_ADOPTION);
	s->pidfd_inode = m->started.pidfd_inode;
	s->main_pid = m->pid;
	mains_changed(s);
	pidfd_take(&s->pidfd, m->pid, m->started.pidfd_inode);
	s->started_realtime_usec = m->started.realtime_usec;
	s->told_generation = m->generation;
	if (lost)
		ask_again_later(s);
	tree_verify(s, m->pid);
	if (n_fds > 0 && (m->started.flags & LINK_STARTED_READY_FD))
		service_take_ready_fd(s, fds[--n_fds]);
	service_take_pipes(s, fds, n_fds);
	event_start(s, m->generation, m->pid);
	engine_event(e, &event);
	rlimits_started(s);
	if (adopted)
		mainpid_found(s);
}

static struct uplink_adoption *find_adoption(const struct service *s, const struct link_message *m)
{
	struct uplink_adoption *a = part_find(s, PART_ADOPTION);

	return a && a->pid > 0 && a->generation == m->generation ? a : NULL;
}

static void on_refused(struct service *s, const struct link_message *m)
{
	const struct uplink_adoption *a;
	bool ended;

	if (foster_refused(s, m))
		return;
	a = find_adoption(s, m);
	if (!a || a->pid != m->pid)
		return; /* another one has been asked for since */
	ended = a->ended;
	part_drop(s, PART_ADOPTION);
	if (ended)
		uplink_tell(s, UPLINK_REFETCH); /* it was an end, and is told again */
	mainpid_refused(s, m->pid, (int)m->value);
}

static void on_exited(struct service *s, const struct link_message *m)
{
	struct uplink_adoption *a = find_adoption(s, m);

	if (a)
		a->ended = true; /* not acknowledged, so the launcher keeps it */
	else
		engine_note_ended(s->engine, s, m);
}

/*
 * Nobody's: of a service that was forgotten between the launcher's word and this engine. Its
 * processes were gone before that, so a living one is none that anybody wants.
 */
static void disown(struct engine *e, const struct link_message *m)
{
	struct link_message answer = {
		.version = LINK_VERSION, .id = m->id, .generation = m->generation};

	if (m->type == LINK_EXITED) {
		answer.type = LINK_ACK;
		answer.serial = m->serial;
		uplink_send(e, &answer, NULL, 0);
		return;
	}
	log_error("the launcher speaks of pid %d of an unknown service %u; killing it", m->pid,
		m->id);
	answer.type = LINK_RELEASE;
	uplink_send(e, &answer, NULL, 0);
	answer.type = LINK_KILL;
	answer.signo = SIGKILL;
	answer.op = UINT32_MAX;
	answer.value = LINK_SCOPE_GROUP;
	uplink_send(e, &answer, NULL, 0);
}

/* About a process: of a service, of a command, or of nobody. True: it is dealt with. */
static bool on_process(
	struct engine *e, struct service *s, const struct link_message *m, int *fds, unsigned n_fds)
{
	bool command = (m->id & LINK_ID_COMMAND) != 0;

	if (!s || (command && link_command_of(m->id) >= COMMAND_KIND_MAX))
		disown(e, m);
	else if (command)
		command_message(s, m, fds, n_fds);
	else
		return false;
	close_fds(fds, n_fds);
	return true;
}

static void on_message(
	struct engine *e, const struct link_message *m, int *fds, unsigned n_fds, bool lost)
{
	struct service *s = services_by_id(e, link_service_of(m->id));

	if ((m->type == LINK_STARTED || m->type == LINK_EXITED) && on_process(e, s, m, fds, n_fds))
		return;
	switch (m->type) {
	case LINK_STARTED:
		on_started(s, m, fds, n_fds, lost);
		return;
	case LINK_EXITED:
		on_exited(s, m);
		return;
	case LINK_REFUSED:
		if (s)
			on_refused(s, m);
		return;
	case LINK_SIGNALLED:
		/* Heard twice by two engines it does no harm, and lost between them it would. */
		engine_signal(e, m->signo, m->pid, m->value);
		if (m->signo != SIGHUP) /* seen when the reload is over */
			uplink_send_plain(e, LINK_SEEN, 0, m->signo);
		engine_signal_seen(e, m->signo);
		return;
	case LINK_SYNCED:
		memcpy(e->uplink.nofile, m->synced.nofile, sizeof(e->uplink.nofile));
		engine_synced(e);
		return;
	case LINK_UPGRADED:
		if (m->value == 0)
			uplink_kept_forget_old(&e->uplink);
		upgrade_over(e, m);
		return;
	case LINK_PING:
		uplink_send_plain(e, LINK_PONG, 0, 0);
		return;
	default:
		log_error("the launcher sent an unexpected %s", link_type_to_string(m->type));
		close_fds(fds, n_fds);
		return;
	}
}

static void on_gone(struct engine *e)
{
	loop_remove(&e->loop, &e->uplink.source);
	e->uplink.gone = true;
	gone_begin(e);
}

static void read_link(struct engine *e)
{
	for (int i = 0; i < MAX_PER_ROUND; i++) {
		struct link_message m;
		int fds[LINK_MAX_FDS];
		unsigned n_fds;
		bool lost = false;
		int r = link_recv(LINK_FD, &m, fds, &n_fds, &lost);

		if (r == -EAGAIN)
			break;
		if (r == 0) {
			on_gone(e);
			return;
		}
		if (r == -ECONNRESET) /* told once, before what is there to be read still */
			continue;
		if (r < 0) {
			log_error("bad message from the launcher: %s", strerror(-r));
			continue;
		}
		on_message(e, &m, fds, n_fds, lost);
		event_forget_cause(e);
	}
}

static void on_link(struct loop_source *source, uint32_t events)
{
	struct engine *e = CONTAINER_OF(source, struct engine, uplink.source);

	if (events & ~(uint32_t)EPOLLOUT) {
		log_hold();
		read_link(e);
		log_release();
	}
	if (events & EPOLLOUT && !e->uplink.gone)
		uplink_flush(e);
}

bool uplink_is_broken(void)
{
	struct pollfd p = {.fd = LINK_FD, .events = POLLOUT};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

/* Of one that is alive: a dead one's children have another parent. */
static void take_names(struct uplink *u)
{
	proc_command_name(getppid(), u->launcher_name, sizeof(u->launcher_name));
	u->launcher_command = proc_command_hash(getppid());
	if (!uplink_is_broken())
		return;
	snprintf(u->launcher_name, sizeof(u->launcher_name), "supervisord");
	u->launcher_command = 0;
}

int uplink_init(struct engine *e)
{
	struct uplink *u = &e->uplink;
	struct link_message hello = {.version = LINK_VERSION, .type = LINK_HELLO};
	int type;
	socklen_t n = sizeof(type);
	int r;

	u->source = (struct loop_source){.fd = -1, .dispatch = on_link};
	uplink_kept_init(u);
	if (getsockopt(LINK_FD, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_SEQPACKET)
		return -ENOTSOCK;
	uplink_kept_take_image(u);
	take_names(u);
	r = sys_fcntl(LINK_FD, F_SETFD, FD_CLOEXEC);
	if (r < 0)
		return r;
	r = uplink_send(e, &hello, NULL, 0);
	if (r < 0)
		return uplink_is_gone(r) ? -EPIPE : r;
	return uplink_kept_receive(u);
}

int uplink_listen(struct engine *e)
{
	struct uplink *u = &e->uplink;
	int r = loop_timer_add(&e->loop, &u->refetch);

	u->refetch.dispatch = on_refetch;
	if (r == 0)
		r = uplink_outbox_init(e);
	if (r == 0)
		r = loop_add(&e->loop, &u->source, LINK_FD, EPOLLIN);

	if (r < 0)
		return r;
	if (u->has_first)
		on_message(e, &u->first, u->first_fds, u->n_first_fds, u->first_lost);
	u->has_first = false;
	uplink_flush(e);
	return 0;
}
