/*
 * Datagrams to NOTIFY_SOCKET, made here and not with sd_notify(): that one waits, without an
 * end, while the receiver's queue is full (seen with libsystemd 252 and a receiver that does
 * not read), and no one may stop the loop. What does not fit is owed, and made from the
 * state of the moment when the receiver has room again, which epoll tells because the socket
 * is connected. So there is no queue and no polling, and nothing is armed while nothing
 * changes. Signs of life are not owed: the next one comes by itself.
 */
#include "engine/status/systemd.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/services.h"

/* Sent in this order. */
enum owed {
	OWED_RELOADING = 1 << 0,
	OWED_READY = 1 << 1,
	OWED_STOPPING = 1 << 2,
	OWED_STATUS = 1 << 3,
};

#define TEXT_SIZE (SYSTEMD_STATUS_SIZE + 128)

/* --- what there is to say --- */

/* In the order of what people want to know. */
static const struct {
	enum core_state state;
	const char *word;
} words[] = {
	{CORE_FAILED, "failed"},
	{CORE_BACKOFF, "to be started again"},
	{CORE_STARTING, "starting"},
	{CORE_WAITING, "waiting"},
	{CORE_STOPPING, "stopping"},
	{CORE_STOPPED, "stopped"},
	{CORE_EXITED, "exited"},
};

/* "12 of 14 services up, 1 failed, 1 exited". */
static void describe(const struct engine *e, char ret_text[static SYSTEMD_STATUS_SIZE])
{
	unsigned n[CORE_STATE_MAX] = {0};
	const char *plural = e->n_services == 1 ? "" : "s";
	uint32_t id;
	int used;

	for (uint32_t i = 0; i < e->n_services; i++)
		n[core_record(e->core, e->services[i]->id)->state]++;
	if (core_is_shutting_down(e->core)) {
		bool essential = core_essential_end(e->core, &id);

		snprintf(ret_text, SYSTEMD_STATUS_SIZE, "Stopping, %u of %u service%s left%s%s",
			n[CORE_STARTING] + n[CORE_RUNNING] + n[CORE_STOPPING], e->n_services,
			plural, essential ? ", after the end of " : "",
			essential ? services_by_id(e, id)->name : "");
		return;
	}
	used = snprintf(ret_text, SYSTEMD_STATUS_SIZE, "%u of %u service%s up", n[CORE_RUNNING],
		e->n_services, plural);
	for (size_t i = 0; i < ELEMENTSOF(words) && used < SYSTEMD_STATUS_SIZE; i++) {
		if (n[words[i].state] > 0)
			used += snprintf(ret_text + used, SYSTEMD_STATUS_SIZE - (size_t)used,
				", %u %s", n[words[i].state], words[i].word);
	}
}

static void compose(const struct engine *e, enum owed what, char ret_text[static TEXT_SIZE],
	char ret_status[static SYSTEMD_STATUS_SIZE])
{
	describe(e, ret_status);
	switch (what) {
	case OWED_RELOADING:
		snprintf(ret_text, TEXT_SIZE,
			"RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reloading the configuration",
			(unsigned long long)e->systemd.reloading_usec);
		strcpy(ret_status, ""); /* the next one is news in any case */
		break;
	case OWED_READY:
		snprintf(ret_text, TEXT_SIZE, "READY=1\nMAINPID=%d\nSTATUS=%s", (int)getppid(),
			ret_status);
		break;
	case OWED_STOPPING:
		snprintf(ret_text, TEXT_SIZE, "STOPPING=1\nSTATUS=%s", ret_status);
		break;
	case OWED_STATUS:
		snprintf(ret_text, TEXT_SIZE, "STATUS=%s", ret_status);
		break;
	}
}

/* --- sending --- */

static void disconnect(struct engine *e)
{
	loop_remove(&e->loop, &e->systemd.room);
	e->systemd.fd = close_fd(e->systemd.fd);
}

/* A path, or "@name" for an abstract socket; other kinds are for virtual machines. */
static int parse_address(const char *text, struct sockaddr_un *ret_address, socklen_t *ret_size)
{
	size_t n = strlen(text);

	if (text[0] != '/' && text[0] != '@')
		return -EAFNOSUPPORT;
	if (n < 2 || n >= sizeof(ret_address->sun_path))
		return -EINVAL;
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret_address->sun_path, text, n);
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (text[0] == '@')
		ret_address->sun_path[0] = '\0';
	else
		(*ret_size)++; /* a path has its NUL */
	return 0;
}

static int connect_socket(struct systemd *s)
{
	_cleanup_close_
	int fd = -1;
	struct sockaddr_un address;
	socklen_t size;
	int r = parse_address(s->path, &address, &size);

	if (r < 0)
		return r;
	fd = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = sys_connect(fd, (const struct sockaddr *)&address, size);
	if (r < 0)
		return r;
	s->fd = TAKE_FD(fd);
	return 0;
}

/* Connects (again) if need be: a receiver may have made its socket anew. */
static int send_text(struct engine *e, const char *text)
{
	struct systemd *s = &e->systemd;
	ssize_t n = -ENOTCONN;
	int r;

	if (s->fd >= 0)
		n = sys_send(s->fd, text, strlen(text), MSG_DONTWAIT);
	if (n >= 0 || n == -EAGAIN)
		return n < 0 ? (int)n : 0;
	disconnect(e);
	r = connect_socket(s);
	if (r < 0)
		return r;
	n = sys_send(s->fd, text, strlen(text), MSG_DONTWAIT);
	return n < 0 ? (int)n : 0;
}

static void complain(struct systemd *s, int error)
{
	if (error < 0 && !s->complained)
		log_warning("cannot tell systemd (%s) what happens: %s", s->path, strerror(-error));
	s->complained = error < 0;
}

/* 0, or -errno: still owed then, and tried again when there is room, or with the next news. */
static int send_one(struct engine *e, enum owed what)
{
	struct systemd *s = &e->systemd;
	char text[TEXT_SIZE], status[SYSTEMD_STATUS_SIZE];
	int r;

	compose(e, what, text, status);
	r = send_text(e, text);
	if (r == -EAGAIN && s->room.fd < 0)
		complain(s, loop_add(&e->loop, &s->room, s->fd, EPOLLOUT));
	else if (r != -EAGAIN)
		complain(s, r);
	if (r < 0)
		return r;
	s->owed &= ~(unsigned)(what | OWED_STATUS);
	s->status_usec = e->loop.now_usec;
	memcpy(s->status, status, sizeof(s->status));
	return 0;
}

static void flush(struct engine *e)
{
	struct systemd *s = &e->systemd;

	while (s->owed) {
		if (send_one(e, (enum owed)(s->owed & -s->owed)) < 0)
			return;
	}
	loop_remove(&e->loop, &s->room);
}

static void on_room(struct loop_source *source, uint32_t events _unused_)
{
	flush(CONTAINER_OF(source, struct engine, systemd.room));
}

static void owe(struct engine *e, unsigned what, unsigned instead_of)
{
	struct systemd *s = &e->systemd;

	if (!s->path)
		return;
	s->told = true;
	s->owed = (s->owed & ~instead_of) | what;
	flush(e);
}

/* --- turning points --- */

void systemd_ready(struct engine *e)
{
	owe(e, OWED_READY, 0);
}

void systemd_reloading(struct engine *e)
{
	e->systemd.n_reloads++;
	if (core_is_shutting_down(e->core))
		return;
	e->systemd.reloading_usec = usec_now(CLOCK_MONOTONIC);
	owe(e, OWED_RELOADING, OWED_READY);
}

/* READY would tell of the end of one that is only waiting for its turn, or of a shutdown's. */
void systemd_reloaded(struct engine *e)
{
	assert(e->systemd.n_reloads > 0);
	if (--e->systemd.n_reloads > 0 || core_is_shutting_down(e->core))
		return;
	owe(e, OWED_READY, 0);
}

void systemd_stopping(struct engine *e)
{
	owe(e, OWED_STOPPING, OWED_READY | OWED_RELOADING);
}

/* --- status --- */

static void on_status(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, systemd.status_timer);
	char status[SYSTEMD_STATUS_SIZE];

	describe(e, status);
	if (e->systemd.owed)
		flush(e);
	else if (strcmp(status, e->systemd.status) != 0)
		owe(e, OWED_STATUS, 0);
}

void systemd_changed(struct engine *e)
{
	struct systemd *s = &e->systemd;

	/* What waits for room will tell of this as well. */
	if (!s->told || s->room.fd >= 0 || s->status_timer.entry.pos != 0)
		return;
	loop_timer_set(&e->loop, &s->status_timer,
		MAX_OF(e->loop.now_usec, usec_add(s->status_usec, SYSTEMD_STATUS_USEC)));
}

/* --- watchdog --- */

static void on_watchdog(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, systemd.watchdog_timer);
	int r = send_text(e, "WATCHDOG=1");

	if (r != -EAGAIN)
		complain(&e->systemd, r);
	if (r == 0)
		flush(e);
	loop_timer_set(&e->loop, t, usec_add(e->loop.now_usec, e->systemd.watchdog_usec));
}

#ifdef HAVE_SYSTEMD
#define LIBSYSTEMD "libsystemd.so.0"

/*
 * Tells whoever makes packages of the library that no program is linked with: ELF package
 * metadata for dlopen(), https://uapi-group.org/specifications/specs/elf_dlopen_metadata/.
 */
#define DLOPEN_OWNER "FDO"
#define DLOPEN_TYPE  0x407c0c0a
#define DLOPEN_TEXT                                                                            \
	"[{\"feature\":\"watchdog\",\"description\":\"Signs of life for systemd's watchdog\"," \
	"\"priority\":\"recommended\",\"soname\":[\"" LIBSYSTEMD "\"]}]"

__attribute__((used, section(".note.dlopen"), aligned(4))) static const struct {
	uint32_t owner_size, text_size, type;
	char owner[sizeof(DLOPEN_OWNER)];
	char text[sizeof(DLOPEN_TEXT)];
} dlopen_note = {sizeof(DLOPEN_OWNER), sizeof(DLOPEN_TEXT), DLOPEN_TYPE, DLOPEN_OWNER, DLOPEN_TEXT};

/*
 * sd_watchdog_enabled(), from the library for as long as it takes to ask: that one and the five
 * that it brings are more than half of the engine's memory.
 */
static int ask_libsystemd(uint64_t *ret_usec)
{
	__typeof__(&sd_watchdog_enabled) ask;
	void *library = dlopen(LIBSYSTEMD, RTLD_NOW | RTLD_LOCAL);
	const char *error = NULL;
	int r = 0;

	ask = library ? (__typeof__(ask))dlsym(library, "sd_watchdog_enabled") : NULL;
	if (ask)
		r = ask(0, ret_usec);
	else
		error = dlerror();
	if (r < 0)
		error = "WATCHDOG_USEC is not understood";
	if (error)
		log_warning("%s; no signs of life are sent to systemd", error);
	if (library)
		dlclose(library);
	return r;
}
#endif

/*
 * Half of the interval that systemd asks for, or 0. WATCHDOG_PID names the main process, and
 * that is our parent, where libsystemd compares it with the caller; without one it doesn't.
 */
static usec_t watchdog_period(void)
{
#ifdef HAVE_SYSTEMD
	const char *of = getenv("WATCHDOG_PID");
	uint64_t pid, usec = 0;

	if (!getenv("WATCHDOG_USEC"))
		return 0;
	if (of && (parse_u64(of, INT32_MAX, &pid) < 0 || (pid_t)pid != getppid()))
		return 0;
	unsetenv("WATCHDOG_PID");
	return ask_libsystemd(&usec) > 0 ? MAX_OF(usec / 2, USEC_PER_MSEC) : 0;
#else
	return 0;
#endif
}

/* --- life --- */

static const char *find_socket(void)
{
#ifdef HAVE_SYSTEMD
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t size;

	if (!path || !path[0])
		return NULL;
	if (parse_address(path, &address, &size) == 0)
		return path;
	log_warning("NOTIFY_SOCKET '%s' is neither a path nor an abstract name that can be used; "
		    "systemd is told nothing",
		path);
#endif
	return NULL;
}

int systemd_init(struct engine *e)
{
	struct systemd *s = &e->systemd;
	int r;

	*s = (struct systemd){.fd = -1,
		.room = {.fd = -1, .dispatch = on_room},
		.status_timer.dispatch = on_status,
		.watchdog_timer.dispatch = on_watchdog};
	s->path = find_socket();
	if (!s->path)
		return 0;
	r = loop_timer_add(&e->loop, &s->status_timer);
	if (r == 0)
		r = loop_timer_add(&e->loop, &s->watchdog_timer);
	if (r < 0)
		return r;
	s->watchdog_usec = watchdog_period();
	if (s->watchdog_usec > 0)
		on_watchdog(&s->watchdog_timer);
	return 0;
}

void systemd_fini(struct engine *e)
{
	struct systemd *s = &e->systemd;

	if (!s->path)
		return;
	disconnect(e);
	s->path = NULL;
	s->told = false;
	loop_timer_remove(&e->loop, &s->status_timer);
	loop_timer_remove(&e->loop, &s->watchdog_timer);
}
