/*
 * Who gets in. The socket is reachable by people who may not be friends, so whatever one
 * of them can pile up is bounded, and at a limit the oldest connection that asks for
 * nothing makes room: holding connections open shuts no one out. Those without any right
 * make room for those with one, whatever they are doing, and never the other way. Running out of
 * descriptors pauses accepting; the listening socket is level triggered and would
 * otherwise spin.
 *
 * A closed connection is freed from the work timer only, so that no function here or in a
 * method ever finds its connection gone under its feet.
 */
#include "engine/control/server/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/server/server_internal.h"

#define ACCEPTS_PER_ROUND 32

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* In the order in which they make room. */
enum rank {
	RANK_STRANGER, /* may do nothing */
	RANK_ROLE,
	RANK_OWN, /* root and the owner */
};

void server_settings_default(struct server_settings *ret_settings)
{
	*ret_settings = (struct server_settings){
		.owner = geteuid(),
		.max_clients = SERVER_MAX_CLIENTS,
		.max_clients_per_uid = SERVER_MAX_CLIENTS_PER_UID,
		.max_request_bytes = CONTROL_MAX_REQUEST,
		.max_output_bytes = SERVER_MAX_OUTPUT,
		.max_output_total_bytes = SERVER_MAX_OUTPUT_TOTAL,
		.max_input_total_bytes = SERVER_MAX_INPUT_TOTAL,
		.request_timeout_usec = SERVER_REQUEST_TIMEOUT,
		.output_timeout_usec = SERVER_OUTPUT_TIMEOUT,
		.accept_pause_usec = SERVER_ACCEPT_PAUSE,
		.log_window_usec = SERVER_LOG_WINDOW,
		.requests_per_round = SERVER_REQUESTS_PER_ROUND,
		.turn_usec = SERVER_TURN,
		.round_usec = SERVER_ROUND,
		.get_peer = peer_get,
	};
}

static enum rank rank_of(const struct server *s, const struct peer *p)
{
	if (p->uid == 0 || p->uid == s->settings.owner)
		return RANK_OWN;
	if (peer_right(p, s->settings.owner, s->operators, s->observers) == PEER_RIGHT_NONE)
		return RANK_STRANGER;
	return RANK_ROLE;
}

static void drop_for_another(struct server_conn *c)
{
	log_debug("control: the connection of uid %u pid %d makes room for another", c->peer.uid,
		c->peer.pid);
	server_conn_drop(c);
}

/* Drops the oldest connection of that rank; false where there is none. */
static bool drop_oldest(struct server *s, enum rank rank, bool busy)
{
	list_foreach (it, &s->conns) {
		struct server_conn *c = list_entry(it, struct server_conn, node);

		if (server_conn_is_busy(c) == busy && rank_of(s, &c->peer) == rank) {
			drop_for_another(c);
			return true;
		}
	}
	return false;
}

static bool drop_oldest_idle(struct server *s)
{
	return drop_oldest(s, RANK_STRANGER, false) || drop_oldest(s, RANK_ROLE, false) ||
	       drop_oldest(s, RANK_OWN, false);
}

/* False: the uid has as many connections as it may, and all are busy. */
static bool make_room_of_uid(struct server *s, uid_t uid)
{
	struct server_conn *oldest = NULL;
	unsigned n = 0;

	list_foreach (it, &s->conns) {
		struct server_conn *c = list_entry(it, struct server_conn, node);

		if (c->peer.uid != uid)
			continue;
		n++;
		if (!oldest && !server_conn_is_busy(c))
			oldest = c;
	}
	if (n < s->settings.max_clients_per_uid)
		return true;
	if (oldest)
		drop_for_another(oldest);
	return oldest;
}

/*
 * What a stranger is doing is never worth more than anyone's coming in. Where all others
 * are busy (long `more` calls), root and the owner still get in.
 */
static bool make_room(struct server *s, const struct peer *newcomer)
{
	enum rank rank = rank_of(s, newcomer);

	if (rank < RANK_OWN && !make_room_of_uid(s, newcomer->uid))
		return false;
	if (s->n_conns < s->settings.max_clients)
		return true;
	if (rank == RANK_STRANGER)
		return drop_oldest(s, RANK_STRANGER, false);
	return drop_oldest(s, RANK_STRANGER, false) || drop_oldest(s, RANK_STRANGER, true) ||
	       drop_oldest_idle(s) || (rank == RANK_OWN && drop_oldest(s, RANK_ROLE, true));
}

static void admit(struct server *s, int accepted)
{
	static const char full[] = "{\"error\":\"" CONTROL_ERROR_LIMIT
				   "\",\"parameters\":{\"message\":\"too many connections\"}}";
	_cleanup_close_
	int fd = accepted;
	_cleanup_(peer_fini) struct peer peer = {0};
	int r = s->settings.get_peer(fd, &peer);

	if (r < 0) {
		log_warning("control: cannot tell who has connected: %s; connection closed",
			strerror(-r));
		return;
	}
	if (!make_room(s, &peer)) {
		log_debug(
			"control: too many connections; refused uid %u pid %d", peer.uid, peer.pid);
		sys_send(fd, full, sizeof(full), MSG_DONTWAIT);
		return;
	}
	r = server_conn_new(s, fd, &peer);
	if (r < 0) {
		log_warning("control: cannot serve uid %u pid %d: %s; connection closed", peer.uid,
			peer.pid, strerror(-r));
		return;
	}
	TAKE_FD(fd);
}

static void pause_accepting(struct server *s, int error)
{
	char span[USEC_SPAN_SIZE];

	if (!s->starved)
		log_warning("control: cannot accept connections: %s; trying again every %s",
			strerror(error), usec_span(s->settings.accept_pause_usec, span));
	s->starved = true;
	loop_modify(s->loop, &s->listener, 0);
	loop_timer_set(
		s->loop, &s->pause, usec_add(s->loop->now_usec, s->settings.accept_pause_usec));
}

static void pause_over(struct loop_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, pause);

	loop_modify(s->loop, &s->listener, EPOLLIN);
}

static void listener_ready(struct loop_source *source, uint32_t events _unused_)
{
	struct server *s = CONTAINER_OF(source, struct server, listener);

	for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
		int fd = sys_accept4(source->fd, SOCK_NONBLOCK);

		/*
		 * The kernel wants a descriptor before it looks whether anyone is there, so
		 * only the first of a round tells that room is needed for someone.
		 */
		if (fd == -EMFILE || fd == -ENFILE) {
			if (i > 0)
				return;
			if (drop_oldest_idle(s))
				fd = sys_accept4(source->fd, SOCK_NONBLOCK);
		}
		if (fd == -EAGAIN)
			return;
		if (fd == -ECONNABORTED)
			continue;
		if (fd < 0) {
			pause_accepting(s, -fd);
			return;
		}
		s->starved = false;
		admit(s, fd);
	}
}

bool server_round_is_over(const struct server *s)
{
	usec_t spent = usec_sub(usec_now(CLOCK_MONOTONIC), s->loop->now_usec);

	return spent >= s->settings.round_usec;
}

void server_make_ready(struct server *s, struct server_conn *c)
{
	/* Root and the owner first: whatever others have piled up, they can step in. */
	if (rank_of(s, &c->peer) == RANK_OWN)
		list_append(s->ready.next, &c->ready);
	else
		list_append(&s->ready, &c->ready);
	server_schedule(s);
}

static void work(struct loop_timer *t)
{
	struct server *s = CONTAINER_OF(t, struct server, work);
	struct list ready;
	struct server_conn *c;

	/* Those that become ready meanwhile wait for the next round. */
	list_init(&ready);
	while ((c = list_first(&s->ready, struct server_conn, ready))) {
		list_remove(&c->ready);
		list_append(&ready, &c->ready);
	}
	while ((c = list_first(&ready, struct server_conn, ready))) {
		list_remove(&c->ready);
		server_conn_run(c);
		if (server_round_is_over(s))
			break;
	}
	/* Whose turn did not come is first in the next round. */
	while (!list_empty(&ready)) {
		c = list_entry(ready.prev, struct server_conn, ready);
		list_remove(&c->ready);
		list_append(s->ready.next, &c->ready);
		server_schedule(s);
	}
	while ((c = list_first(&s->doomed, struct server_conn, node)))
		server_conn_free(c);
}

void server_schedule(struct server *s)
{
	/*
	 * Not before the next round: descriptors, and so other clients, come first. One that
	 * is set stays, or something new in every round would put it off for ever.
	 */
	if (s->work.entry.pos == 0)
		loop_timer_set(s->loop, &s->work, usec_add(s->loop->now_usec, 1));
}

void server_refused(struct server *s, const struct peer *peer, const char *method)
{
	if (server_log_refused(&s->log, peer, method) && s->service->refused)
		s->service->refused(s->service->userdata, peer, method);
}

void server_shed_output(struct server *s)
{
	struct server_conn *most = NULL;

	list_foreach (it, &s->conns) {
		struct server_conn *c = list_entry(it, struct server_conn, node);

		if (!most || c->out.len - c->sent > most->out.len - most->sent)
			most = c;
	}
	if (!most)
		return;
	server_log_closed(&s->log, &most->peer, "does not read its replies and there are too many");
	server_conn_drop(most);
}

void server_shed_input(struct server *s)
{
	struct server_conn *most = NULL;

	list_foreach (it, &s->conns) {
		struct server_conn *c = list_entry(it, struct server_conn, node);
		enum rank rank = rank_of(s, &c->peer);
		enum rank worst = most ? rank_of(s, &most->peer) : RANK_OWN;

		if (c->in.len > 0 &&
			(!most || rank < worst || (rank == worst && c->in.len > most->in.len)))
			most = c;
	}
	if (!most)
		return;
	server_log_closed(
		&s->log, &most->peer, "has not finished its request and there are too many");
	server_conn_drop(most);
}

int server_init(struct server *s, struct loop *loop, const struct server_service *service,
	const struct server_settings *settings)
{
	int r;

	*s = (struct server){
		.loop = loop,
		.service = service,
		.listener = {.fd = -1, .dispatch = listener_ready},
		.pause.dispatch = pause_over,
		.work.dispatch = work,
	};
	if (settings)
		s->settings = *settings;
	else
		server_settings_default(&s->settings);
	list_init(&s->conns);
	list_init(&s->ready);
	list_init(&s->doomed);
	r = loop_timer_add(loop, &s->pause);
	if (r < 0)
		return r;
	r = loop_timer_add(loop, &s->work);
	if (r == 0) {
		r = server_log_init(&s->log, loop, s->settings.log_window_usec);
		if (r < 0)
			loop_timer_remove(loop, &s->work);
	}
	if (r < 0)
		loop_timer_remove(loop, &s->pause);
	return r;
}

void server_fini(struct server *s)
{
	struct server_conn *c;
	int fd = s->listener.fd;

	loop_remove(s->loop, &s->listener);
	close_fd(fd);
	/* What was queued in this last round, as the event that tells of the end. */
	list_foreach (it, &s->conns)
		server_conn_flush(list_entry(it, struct server_conn, node));
	while ((c = list_first(&s->conns, struct server_conn, node)))
		server_conn_drop(c);
	while ((c = list_first(&s->doomed, struct server_conn, node)))
		server_conn_free(c);
	server_log_fini(&s->log);
	loop_timer_remove(s->loop, &s->pause);
	loop_timer_remove(s->loop, &s->work);
}

/*
 * A client may attach descriptors to what it sends. We would never take one, but the last
 * close of a socket can be made to last (SO_LINGER), and it would be ours. Connections have
 * this from the listening socket. Kernels before 6.16 can't refuse: there it stays possible
 * for whoever may connect (supervisord(8) says so).
 */
static void refuse_descriptors(int fd)
{
	int pass = 0;

	sys_setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &pass, sizeof(pass));
}

int server_adopt(struct server *s, int fd)
{
	int flags = sys_fcntl(fd, F_GETFL, 0);

	assert(s->listener.fd < 0);
	refuse_descriptors(fd);
	if (flags < 0)
		return flags;
	flags = sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (flags < 0)
		return flags;
	return loop_add(s->loop, &s->listener, fd, EPOLLIN);
}

int server_replace(struct server *s, int fd)
{
	int old = s->listener.fd, r;

	loop_remove(s->loop, &s->listener);
	r = server_adopt(s, fd);
	if (r < 0) {
		int again = loop_add(s->loop, &s->listener, old, EPOLLIN);

		if (again < 0)
			close_fd(old);
		return r;
	}
	close_fd(old);
	return 0;
}

void server_set_roles(
	struct server *s, const struct spec_role *operators, const struct spec_role *observers)
{
	s->operators = operators;
	s->observers = observers;
}

/* 0 where path is free to be taken. */
static int check_stale(const struct sockaddr_un *address)
{
	_cleanup_close_
	int fd = -1;
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, address->sun_path, &st, AT_SYMLINK_NOFOLLOW);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = sys_connect(fd, (const struct sockaddr *)address, sizeof(*address));
	if (r == -ECONNREFUSED || r == -ENOENT)
		return 0;
	return r == 0 || r == -EAGAIN ? -EADDRINUSE : r;
}

/*
 * Under a name of its own first: no one finds the socket before its mode is right (bind()
 * applies the umask) and it listens, and the rename leaves no moment without a socket.
 */
int server_open(const char *path, mode_t mode, gid_t gid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX}, fresh = {.sun_family = AF_UNIX};
	_cleanup_close_
	int fd = -1;
	int r, n = snprintf(fresh.sun_path, sizeof(fresh.sun_path), "%s" SERVER_FRESH_SUFFIX, path);

	if (n < 0 || (size_t)n >= sizeof(fresh.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = check_stale(&address);
	if (r < 0)
		return r;
	r = sys_unlinkat(AT_FDCWD, fresh.sun_path, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	fd = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = sys_bind(fd, (const struct sockaddr *)&fresh, sizeof(fresh));
	if (r < 0)
		return r;
	refuse_descriptors(fd);
	r = gid == (gid_t)-1 ? 0 : sys_fchownat(AT_FDCWD, fresh.sun_path, (uid_t)-1, gid);
	if (r == 0)
		r = sys_fchmodat(AT_FDCWD, fresh.sun_path, mode);
	if (r == 0)
		r = sys_listen(fd, SOMAXCONN);
	if (r == 0)
		r = sys_renameat(AT_FDCWD, fresh.sun_path, path);
	if (r < 0) {
		sys_unlinkat(AT_FDCWD, fresh.sun_path, 0);
		return r;
	}
	return TAKE_FD(fd);
}
