/*
 * The programs are found where the running ones were executed from. They are opened here, and are
 * not opened again: what is checked is what is tried, and what is tried is what is executed.
 *
 * Where it works the engine that is asked does not live to tell: the client asks the next one
 * with the same id, which the launcher, whichever is there then, takes as the same upgrade.
 */
#include "engine/upgrade/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"

#define DELETED " (deleted)"

/* --- the programs --- */

struct program {
	const char *what;
	char path[PATH_MAX];
	int fd; /* owned, O_PATH; -1 */
	char problem[PATH_MAX + 128];
};

static void program_fini(struct program *p)
{
	p->fd = close_fd(p->fd);
}

_printf_(2, 3) static int refuse(struct program *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->problem, sizeof(p->problem), format, args);
	va_end(args);
	return -EINVAL;
}

/* The path that a process was executed from, whatever lies there now. */
static int find(struct program *p, pid_t pid)
{
	char link[48];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, p->path, sizeof(p->path) - 1);
	if (n < 0)
		return refuse(p, "cannot tell where the %s is: %s", p->what, strerror(errno));
	p->path[n] = '\0';
	if ((size_t)n > strlen(DELETED) && strcmp(p->path + n - strlen(DELETED), DELETED) == 0)
		p->path[(size_t)n - strlen(DELETED)] = '\0';
	return 0;
}

/* Anything else would be run by some other program, which knows nothing of a trial. */
static int check_form(struct program *p, const struct stat *st)
{
	_cleanup_close_
	int fd = sys_openat(AT_FDCWD, p->path, O_RDONLY | O_NONBLOCK, 0);
	char magic[4];
	struct stat read;

	if (fd < 0)
		return refuse(p, "cannot read %s: %s", p->path, strerror(-fd));
	if (sys_fstat(fd, &read) < 0 || read.st_ino != st->st_ino || read.st_dev != st->st_dev)
		return refuse(p, "%s is being replaced just now", p->path);
	if (sys_read(fd, magic, sizeof(magic)) != (ssize_t)sizeof(magic) ||
		memcmp(magic, "\177ELF", sizeof(magic)) != 0)
		return refuse(p, "%s is no program", p->path);
	return 0;
}

static int open_program(struct program *p)
{
	struct stat st;

	p->fd = sys_openat(AT_FDCWD, p->path, O_PATH, 0);
	if (p->fd < 0 || sys_fstat(p->fd, &st) < 0)
		return refuse(p, "cannot open %s: %s", p->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(p, "%s is no regular file", p->path);
	if ((st.st_mode & 0111) == 0)
		return refuse(p, "%s is not executable", p->path);
	if ((st.st_mode & 022) != 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
		return refuse(p,
			"others than its owner can write to %s, or its owner is neither "
			"root nor us",
			p->path);
	return check_form(p, &st);
}

static int order(struct engine *e, uint32_t op, struct program *launcher, struct program *engine)
{
	struct link_message m = {.type = LINK_UPGRADE, .op = op};
	int fds[2], r = find(launcher, getppid());

	if (r == 0)
		r = open_program(launcher);
	if (r < 0) {
		memcpy(engine->problem, launcher->problem, sizeof(engine->problem));
		return r;
	}
	r = find(engine, getpid());
	if (r == 0)
		r = open_program(engine);
	if (r < 0)
		return r;
	fds[0] = launcher->fd;
	fds[1] = engine->fd;
	r = uplink_send(e, &m, fds, 2);
	return r < 0 ? refuse(engine, "cannot tell the launcher: %s", strerror(-r)) : 0;
}

/* --- answers --- */

static const char *explain(int error)
{
	switch (error) {
	case ENOEXEC:
		return "a new program did not pass its trial; supervisord's log says why";
	case ETIMEDOUT:
		return "the new programs were not up in time";
	case ECANCELED:
		return "the new engine died again and again";
	case EBUSY:
		return "another upgrade is under way, or supervisord ends";
	default:
		return strerror(error);
	}
}

static void answer(struct server_call *call, int error)
{
	if (error == 0)
		server_reply(call, json_pack("{s:s}", "version", SUPERVISORD_VERSION), false);
	else
		server_error_message(call, CONTROL_ERROR_FAILED,
			"no upgrade: %s; the old programs go on", explain(error));
}

static void on_cancelled(struct server_call *call)
{
	list_remove(&call->node);
}

void upgrade_over(struct engine *e, const struct link_message *m)
{
	struct upgrade *u = &e->upgrade;

	u->known = true;
	u->op = m->op;
	u->error = (int)m->value;
	event_upgrade(e, m->op,
		u->error == 0 ? "done, now version " SUPERVISORD_VERSION : explain(u->error));
	list_foreach_safe (node, &u->calls) {
		struct server_call *call = list_entry(node, struct server_call, node);

		if ((uint32_t)(uintptr_t)call->userdata != u->op)
			continue;
		list_remove(&call->node);
		call->cancelled = NULL;
		answer(call, u->error);
	}
}

void upgrade_ask(struct engine *e, struct server_call *call, uint64_t op)
{
	struct upgrade *u = &e->upgrade;
	struct program launcher = {.what = "launcher", .fd = -1};
	_cleanup_(program_fini) struct program engine = {.what = "engine", .fd = -1};
	uint32_t link_op = (uint32_t)(op ^ op >> 32);
	int r;

	if (link_op == 0)
		link_op = (uint32_t)usec_now(CLOCK_MONOTONIC) | 1;
	if (u->known && u->op == link_op) {
		answer(call, u->error);
		return;
	}
	r = order(e, link_op, &launcher, &engine);
	program_fini(&launcher);
	if (r < 0) {
		log_error("no upgrade: %s", engine.problem);
		server_error_message(call, CONTROL_ERROR_FAILED,
			"no upgrade: %s; the old programs go on", engine.problem);
		return;
	}
	call->userdata = (void *)(uintptr_t)link_op;
	call->cancelled = on_cancelled;
	list_append(&u->calls, &call->node);
}

void upgrade_init(struct engine *e)
{
	list_init(&e->upgrade.calls);
}

void upgrade_fini(struct engine *e)
{
	list_foreach_safe (node, &e->upgrade.calls) {
		struct server_call *call = list_entry(node, struct server_call, node);

		list_remove(&call->node);
		call->cancelled = NULL;
	}
}
