/*
 * A datagram counts for the service that its sender belongs to, by the pid in its credentials,
 * which only root can invent. The main process may have any uid, since daemons that give up
 * root speak afterwards; any other member of the tree must have the service's, root's or ours,
 * so that those who a service lets in (ssh) can't speak for it.
 *
 * Generations need no mark in a message: processes of one are gone before the next is started,
 * and what a main process has sent is taken in before its end is noticed (notify_drain()); who
 * else has gone meanwhile can't be told from a stranger.
 *
 * A datagram is looked at, acted on, and only then taken out of the queue: an engine that dies
 * in between is followed by one that acts on it again, which changes nothing more.
 *
 * No descriptor is ever received. There is no room for one in what we pass to recvmsg(), so
 * the kernel closes what comes along: which is all that BARRIER=1 asks for, because it happens
 * when everything before it has been handled. A sender can make that close last (a socket that
 * lingers), and so stop our loop; a timer's signal cuts it short.
 */
#include "engine/ready/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/ready/ready.h"
#include "engine/service.h"
#include "engine/tree/owner.h"
#include "engine/uplink/uplink.h"
#include "wire/notify.h"

#define PER_ROUND    32 /* datagrams, so that others get their turn */
#define ROUND_USEC   (5 * USEC_PER_MSEC) /* and so much time */
#define DRAIN_MAX    1024 /* more than a socket's queue holds: net.unix.max_dgram_qlen */
#define DRAIN_USEC   (100 * USEC_PER_MSEC) /* also if all of that is hostile */
#define CLOSE_USEC   (5 * USEC_PER_MSEC) /* what came along may take so long to close */
#define SILENCE_USEC (10 * USEC_PER_SEC) /* between two lines about what is ignored */

/* --- what a service has said --- */

static void send_event(
	struct service *s, enum core_event_type type, uint64_t generation, usec_t span)
{
	struct core_event event = {
		.type = type, .service = s->id, .generation = generation, .span_usec = span};

	engine_event(s->engine, &event);
}

/* What changes nothing but what people are told. */
static void note(struct service *s, const struct notify_message *m)
{
	if (m->said & NOTIFY_STATUS)
		ready_note_status(s, m->status);
	if (m->said & NOTIFY_READY)
		ready_note_doing(s, READY_DOING_NOTHING);
	else if (m->said & NOTIFY_STOPPING)
		ready_note_doing(s, READY_STOPPING);
	else if (m->said & NOTIFY_RELOADING)
		ready_note_doing(s, READY_RELOADING);
}

static void handle(struct service *s, const struct notify_message *m)
{
	const struct spec_policy *p = s->spec->policy;
	uint64_t generation = core_record(s->engine->core, s->id)->generation;

	note(s, m);
	if (m->said & NOTIFY_MAINPID)
		mainpid_adopt(s, m->main_pid);
	if (m->said & NOTIFY_EXTEND)
		send_event(s, CORE_EVENT_EXTEND, generation, m->extend_usec);
	if ((m->said & NOTIFY_READY) && p->ready == SPEC_READY_NOTIFY)
		send_event(s, CORE_EVENT_READY, generation, 0);
	if ((m->said & NOTIFY_ALIVE) && p->watchdog_usec > 0)
		send_event(s, CORE_EVENT_ALIVE, generation, 0);
	if (m->said & NOTIFY_TRIGGER)
		send_event(s, CORE_EVENT_TRIGGER, generation, 0);
}

/* --- who has said it --- */

bool notify_is_for(const struct service *s)
{
	return s->spec->policy->ready == SPEC_READY_NOTIFY || s->spec->policy->watchdog_usec > 0;
}

static bool may_speak(const struct service *s, uid_t uid, enum tree_evidence evidence)
{
	const struct spec_identity *i = s->spec->process->identity;

	return evidence == TREE_EVIDENCE_MAIN || uid == 0 || uid == geteuid() ||
	       (i->set && uid == i->uid);
}

/* One line, and then none for a while: a stranger must not fill the log. */
static void ignore(struct engine *e, const struct ucred *sender, const char *why)
{
	struct notify *n = &e->notify;
	char more[48] = "";

	n->n_ignored++;
	if (n->told_usec > 0 && e->loop.now_usec < usec_add(n->told_usec, SILENCE_USEC))
		return;
	if (n->n_ignored > 1)
		snprintf(more, sizeof(more), "; and %u more before", n->n_ignored - 1);
	log_warning("a notification from pid %d, uid %u is ignored: %s%s", (int)sender->pid,
		(unsigned)sender->uid, why, more);
	n->told_usec = e->loop.now_usec;
	n->n_ignored = 0;
}

static void take(struct engine *e, const struct ucred *sender, const void *data, size_t n)
{
	enum tree_evidence evidence = TREE_EVIDENCE_NONE;
	struct notify_message m;
	struct service *s = NULL;

	if (notify_parse(data, n, &m) < 0) {
		ignore(e, sender, "it is malformed");
		return;
	}
	if ((m.said & ~(unsigned)NOTIFY_BARRIER) == 0)
		return; /* nothing for us; a barrier is through already */
	if (sender->pid > 0)
		s = tree_owner(e, sender->pid, &evidence);
	if (!s)
		ignore(e, sender, "its sender belongs to no service");
	else if (!notify_is_for(s))
		log_debug("service '%s': a notification, though nothing is asked for", s->name);
	else if (!may_speak(s, sender->uid, evidence))
		ignore(e, sender,
			"its sender is another user than the service, and not its main "
			"process");
	else
		handle(s, &m);
}

/* --- the socket --- */

static void on_alarm(int signo _unused_)
{
	/* that it comes is enough */
}

/* While this is on, nothing in the kernel that a signal can end lasts longer. */
static void limit_time(bool on)
{
	struct itimerval v = {0};

	if (on)
		v.it_interval.tv_usec = v.it_value.tv_usec = CLOSE_USEC;
	setitimer(ITIMER_REAL, &v, NULL);
}

/* The credentials that the kernel has put there; false: none. */
static bool get_sender(struct msghdr *msg, struct ucred *ret_sender)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		c->cmsg_len != CMSG_LEN(sizeof(struct ucred)))
		return false;
	memcpy(ret_sender, CMSG_DATA(c), sizeof(*ret_sender));
	return true;
}

/* Looks at the next datagram, which stays where it is. Its length or -errno. */
static ssize_t look(int fd, void *data, size_t n, struct ucred *ret_sender)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))]; /* and nothing else: see above */
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = n};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t r = sys_recvmsg(fd, &msg, MSG_DONTWAIT | MSG_PEEK);

	if (r >= 0 && !get_sender(&msg, ret_sender))
		*ret_sender = (struct ucred){.uid = (uid_t)-1};
	return r;
}

/* Takes out what was looked at; its descriptors are closed by that. */
static void discard(int fd)
{
	char byte;

	limit_time(true);
	sys_recv(fd, &byte, sizeof(byte), MSG_DONTWAIT);
	limit_time(false);
}

/* One datagram: 0, or -EAGAIN where there is none. */
static int receive(struct engine *e)
{
	char data[NOTIFY_MAX_BYTES + 1];
	struct ucred sender;
	ssize_t n = look(e->notify.fd, data, sizeof(data), &sender);

	if (n < 0)
		return (int)n;
	take(e, &sender, data, (size_t)n);
	discard(e->notify.fd);
	return 0;
}

static void receive_some(struct engine *e, unsigned max, usec_t span)
{
	usec_t end = usec_add(usec_now(CLOCK_MONOTONIC), span);
	int r = 0;

	if (e->notify.busy)
		return;
	e->notify.busy = true;
	for (unsigned i = 0; i < max && r == 0; i++) {
		r = receive(e);
		if (usec_now(CLOCK_MONOTONIC) > end)
			break;
	}
	e->notify.busy = false;
	if (r < 0 && r != -EAGAIN)
		log_error("cannot receive notifications: %s", strerror(-r));
}

static void on_readable(struct loop_source *source, uint32_t events _unused_)
{
	receive_some(CONTAINER_OF(source, struct engine, notify.source), PER_ROUND, ROUND_USEC);
}

void notify_drain(struct engine *e)
{
	struct pollfd p = {.fd = e->notify.source.fd, .events = POLLIN};

	if (p.fd >= 0 && poll(&p, 1, 0) > 0)
		receive_some(e, DRAIN_MAX, DRAIN_USEC);
}

/* Nothing but a socket that an earlier supervisord has left is replaced. */
static int check_stale(const char *path)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return S_ISSOCK(st.st_mode) ? sys_unlinkat(AT_FDCWD, path, 0) : -EEXIST;
}

int notify_open(const char *runtime_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_
	int fd = -1;
	int on = 1, r;
	int n = snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/" NOTIFY_SOCKET_NAME, runtime_dir);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	r = check_stale(address.sun_path);
	if (r < 0)
		return r;
	fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	/* Before there is a name to send to: so everything comes with its sender. */
	r = sys_setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	if (r == 0)
		r = sys_bind(fd, (const struct sockaddr *)&address, sizeof(address));
	if (r < 0)
		return r;
	r = sys_fchmodat(AT_FDCWD, address.sun_path, 0666);
	if (r < 0) {
		sys_unlinkat(AT_FDCWD, address.sun_path, 0);
		return r;
	}
	return TAKE_FD(fd);
}

void notify_init(struct engine *e, int fd)
{
	e->notify = (struct notify){.fd = fd};
	e->notify.source = (struct loop_source){.fd = -1, .dispatch = on_readable};
}

int notify_listen(struct engine *e)
{
	const struct sigaction action = {.sa_handler = on_alarm};

	if (e->notify.fd < 0 || e->notify.source.fd >= 0)
		return 0;
	sigaction(SIGALRM, &action, NULL); /* without SA_RESTART */
	return loop_add(&e->loop, &e->notify.source, e->notify.fd, EPOLLIN);
}

static bool is_missing(const struct engine *e)
{
	_cleanup_free_
	char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/" NOTIFY_SOCKET_NAME, e->spec->runtime_dir) < 0) {
		path = NULL;
		return false;
	}
	return sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT;
}

void notify_mend(struct engine *e)
{
	struct notify *n = &e->notify;
	bool listening = n->source.fd >= 0;
	int fd, r;

	if (n->fd < 0 || !is_missing(e))
		return;
	fd = notify_open(e->spec->runtime_dir);
	r = fd < 0 ? fd : uplink_keep(e, LINK_KEEP_NOTIFY, fd);
	if (r < 0) {
		close_fd(fd);
		log_error("the notification socket in %s was removed by somebody, and can't be "
			  "made anew: %s; SIGHUP tries again",
			e->spec->runtime_dir, strerror(-r));
		return;
	}
	if (listening) { /* what has been said already is heard */
		on_readable(&n->source, EPOLLIN);
		loop_remove(&e->loop, &n->source);
	}
	close_fd(n->fd);
	n->fd = fd;
	r = listening ? notify_listen(e) : 0;
	if (r < 0)
		log_error("cannot listen for notifications: %s", strerror(-r));
	log_warning("the notification socket in %s was removed by somebody; it was made anew",
		e->spec->runtime_dir);
}

void notify_fini(struct engine *e)
{
	_cleanup_free_
	char *path = NULL;

	if (e->notify.fd < 0)
		return;
	loop_remove(&e->loop, &e->notify.source);
	e->notify.fd = close_fd(e->notify.fd);
	if (asprintf(&path, "%s/" NOTIFY_SOCKET_NAME, e->spec->runtime_dir) >= 0)
		sys_unlinkat(AT_FDCWD, path, 0);
	else
		path = NULL;
}
