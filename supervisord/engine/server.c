/*
 * Who gets in. The socket is reachable by people who may not be friends, so whatever one
 * of them can pile up is bounded, and at a limit the oldest connection that asks for
 * nothing makes room: holding connections open shuts no one out. Running out of
 * descriptors pauses accepting; the listening socket is level triggered and would
 * otherwise spin.
 *
 * A closed connection is freed from the work timer only, so that no function here or in a
 * method ever finds its connection gone under its feet.
 */
#include "engine/server.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/server_internal.h"

#define ACCEPTS_PER_ROUND 32

void server_settings_default(struct server_settings *ret_settings)
{
	*ret_settings = (struct server_settings){
		.owner = geteuid(),
		.max_clients = SERVER_MAX_CLIENTS,
		.max_clients_per_uid = SERVER_MAX_CLIENTS_PER_UID,
		.max_request_bytes = CONTROL_MAX_REQUEST,
		.max_output_bytes = SERVER_MAX_OUTPUT,
		.max_output_total_bytes = SERVER_MAX_OUTPUT_TOTAL,
		.request_timeout_usec = SERVER_REQUEST_TIMEOUT,
		.output_timeout_usec = SERVER_OUTPUT_TIMEOUT,
		.accept_pause_usec = SERVER_ACCEPT_PAUSE,
		.requests_per_round = SERVER_REQUESTS_PER_ROUND,
		.get_peer = peer_get,
	};
}

static bool is_privileged(const struct server *s, const struct peer *p)
{
	return p->uid == 0 || p->uid == s->settings.owner;
}

/* The oldest connection that match() picks, or NULL. */
static struct server_conn *find_oldest(struct server *s,
	bool (*match)(const struct server_conn *c, const struct peer *newcomer),
	const struct peer *newcomer)
{
	list_foreach (it, &s->conns) {
		struct server_conn *c = list_entry(it, struct server_conn, node);

		if (match(c, newcomer))
			return c;
	}
	return NULL;
}

static bool match_same_uid(const struct server_conn *c, const struct peer *newcomer)
{
	return c->peer.uid == newcomer->uid && !server_conn_is_busy(c);
}

static bool match_stranger(const struct server_conn *c, const struct peer *newcomer _unused_)
{
	return !is_privileged(c->server, &c->peer) && !server_conn_is_busy(c);
}

static bool match_idle(const struct server_conn *c, const struct peer *newcomer _unused_)
{
	return !server_conn_is_busy(c);
}

static bool match_busy_stranger(const struct server_conn *c, const struct peer *newcomer)
{
	return is_privileged(c->server, newcomer) && !is_privileged(c->server, &c->peer);
}

static bool drop_oldest(struct server *s,
	bool (*match)(const struct server_conn *c, const struct peer *newcomer),
	const struct peer *newcomer)
{
	struct server_conn *c = find_oldest(s, match, newcomer);

	if (!c)
		return false;
	log_debug("control: the connection of uid %u pid %d makes room for another", c->peer.uid,
		c->peer.pid);
	server_conn_drop(c);
	return true;
}

static unsigned count_uid(const struct server *s, uid_t uid)
{
	unsigned n = 0;

	list_foreach (it, &s->conns)
		n += list_entry(it, struct server_conn, node)->peer.uid == uid;
	return n;
}

/*
 * Strangers go before root's and the owner's idle connections. Where all are busy (long
 * `more` calls), root and the owner still get in.
 */
static bool make_room(struct server *s, const struct peer *newcomer)
{
	if (!is_privileged(s, newcomer) &&
		count_uid(s, newcomer->uid) >= s->settings.max_clients_per_uid &&
		!drop_oldest(s, match_same_uid, newcomer))
		return false;
	if (s->n_conns < s->settings.max_clients)
		return true;
	return drop_oldest(s, match_stranger, newcomer) || drop_oldest(s, match_idle, newcomer) ||
	       drop_oldest(s, match_busy_stranger, newcomer);
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
			if (drop_oldest(s, match_idle, NULL))
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
	if (usec_sub(s->loop->now_usec, s->refused_since_usec) >= SERVER_REFUSED_WINDOW) {
		if (s->n_refused > SERVER_MAX_REFUSED_LINES)
			log_warning("control: refused %u further requests",
				s->n_refused - SERVER_MAX_REFUSED_LINES);
		s->refused_since_usec = s->loop->now_usec;
		s->n_refused = 0;
	}
	if (s->n_refused++ < SERVER_MAX_REFUSED_LINES)
		log_warning(
			"control: refused: uid %u pid %d may not %s", peer->uid, peer->pid, method);
	if (s->service->refused)
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
	log_info("control: uid %u pid %d does not read its replies and there are too many; "
		 "connection closed",
		most->peer.uid, most->peer.pid);
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
	loop_timer_remove(s->loop, &s->pause);
	loop_timer_remove(s->loop, &s->work);
}

int server_adopt(struct server *s, int fd)
{
	int flags = sys_fcntl(fd, F_GETFL, 0);

	assert(s->listener.fd < 0);
	if (flags < 0)
		return flags;
	flags = sys_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (flags < 0)
		return flags;
	return loop_add(s->loop, &s->listener, fd, EPOLLIN);
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
