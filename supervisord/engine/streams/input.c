/*
 * A single descriptor is both ends of a pipe, opened anew for each who has it, since one may not
 * block and the others must. So the pipe is there, and what is in it, as long as any of these
 * lives: the launcher, which keeps one from before the first byte on; the engine, which writes; the
 * service's process, by which the next supervisord finds it again when both were killed.
 *
 * The writers' streams have a sink for it (stream_sinks_join()), whose outlet looks here for the
 * pipe.
 */
#include "engine/streams/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/logs/outlet/service_pipe.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/streams/stream_sinks.h"
#include "engine/takeover/reopen.h"

/*
 * An ordinary user has 64 MiB for all pipes: half of it for these. What is refused, or more than so
 * many, has the size that pipes have.
 */
#define PIPE_SIZE (1 << 20)
#define MAX_LARGE 32

static bool is_wanted(const struct service *s)
{
	return s->spec->stdin_kind == SPEC_STDIN_SERVICE;
}

static bool is_from(const struct input *i, const struct service *s)
{
	return strcmp(i->from, s->name) == 0 || strcmp(i->from, s->spec->name) == 0;
}

/* Another descriptor of the same pipe, for both ends. */
static int open_anew(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys_openat(AT_FDCWD, path, O_RDWR | flags, 0);
}

static int make_pipe(const struct engine *e)
{
	int fds[2], r, n = 0;

	r = sys_pipe2(fds, O_NONBLOCK);
	if (r < 0)
		return r;
	list_foreach (it, &e->inputs.all)
		n++;
	if (n < MAX_LARGE)
		(void)sys_fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	r = open_anew(fds[1], O_NONBLOCK);
	close_fd(fds[0]);
	close_fd(fds[1]);
	return r;
}

/* --- what others have kept --- */

int input_note_kept(struct engine *e, uint32_t id, int fd)
{
	struct inputs *all = &e->inputs;
	struct input_kept *more = reallocarray(all->kept, all->n_kept + 1, sizeof(*more));

	if (!more) {
		close_fd(fd);
		return -ENOMEM;
	}
	all->kept = more;
	all->kept[all->n_kept++] = (struct input_kept){id, fd};
	return 0;
}

static int take_kept(struct engine *e, uint32_t id)
{
	for (size_t i = 0; i < e->inputs.n_kept; i++) {
		if (e->inputs.kept[i].id == id)
			return TAKE_FD(e->inputs.kept[i].fd);
	}
	return -1;
}

void input_drop_kept(struct engine *e)
{
	for (size_t i = 0; i < e->inputs.n_kept; i++)
		close_fd(e->inputs.kept[i].fd);
	free(TAKE_PTR(e->inputs.kept));
	e->inputs.n_kept = 0;
}

/* The one that there is already, or -1. */
static int find_pipe(struct service *s)
{
	_cleanup_close_
	int kept = take_kept(s->engine, s->id), fd = -1;

	if (kept < 0 && input_inode(s) > 0 && s->main_pid > 0) {
		kept = reopen_input(s->main_pid, input_inode(s));
		if (kept < 0)
			log_warning(
				"service '%s': its stdin is a new pipe; what was in the old one is "
				"lost",
				s->name);
	}
	if (kept < 0)
		return -1;
	fd = open_anew(kept, O_NONBLOCK);
	if (fd < 0)
		log_error(
			"service '%s': what was in its stdin is lost: %s", s->name, strerror(-fd));
	return fd < 0 ? -1 : TAKE_FD(fd);
}

/* With a pipe. */
static struct input *input_of(const struct service *s)
{
	struct input *i = part_find(s, PART_INPUT);

	return i && i->fd >= 0 ? i : NULL;
}

static struct input *obtain(struct service *s)
{
	struct input *i = part_get(s, PART_INPUT, sizeof(*i));

	if (!i || i->service)
		return i;
	i->service = s;
	i->fd = -1;
	list_init(&i->node);
	return i;
}

bool input_is_there(const struct service *s)
{
	return input_of(s) != NULL;
}

uint64_t input_inode(const struct service *s)
{
	const struct input *i = part_find(s, PART_INPUT);

	return i ? i->inode : 0;
}

int input_restore(struct service *s, uint64_t inode)
{
	struct input *i = obtain(s);

	if (!i)
		return -ENOMEM;
	i->inode = inode;
	return 0;
}

int input_open(const struct service *s)
{
	const struct input *i = input_of(s);

	return i ? open_anew(i->fd, 0) : -1;
}

/* How: uplink_send() or uplink_post(). */
static int give(struct service *s, bool wait)
{
	struct link_message m = {
		.version = LINK_VERSION, .type = LINK_KEEP, .value = LINK_KEEP_INPUT, .id = s->id};
	_cleanup_close_
	int fd = input_open(s);

	if (fd < 0)
		return fd;
	return wait ? uplink_send(s->engine, &m, &fd, 1) : uplink_post(&m, &fd, 1);
}

static int make(struct service *s)
{
	struct input *i = obtain(s);
	struct stat st;
	int fd;

	if (!i)
		return -ENOMEM;
	fd = find_pipe(s);
	if (fd < 0)
		fd = make_pipe(s->engine);
	if (fd < 0)
		return fd;
	i->fd = fd;
	i->inode = sys_fstat(i->fd, &st) == 0 ? st.st_ino : 0;
	list_append(&s->engine->inputs.all, &i->node);
	return 0;
}

/* --- who writes --- */

static void part(struct input *i)
{
	struct engine *e = i->service->engine;

	for (uint32_t k = 0; k < e->n_services && i->from; k++)
		stream_sinks_part(&e->services[k]->streams[0], i->service->name);
	free(TAKE_PTR(i->from));
}

static int join(struct input *i, struct service *from)
{
	int r = 0;

	if (is_from(i, from))
		r = stream_sinks_join(&from->streams[0], i->service->name);
	if (r < 0)
		log_error("service '%s': cannot give its output to '%s': %s", from->name,
			i->service->name, strerror(-r));
	return r;
}

static int join_all(struct input *i)
{
	struct engine *e = i->service->engine;
	const struct spec_service *spec = i->service->spec;
	char *from = spec_expand(spec->stdin_name, spec, i->service->instance);
	int r = 0;

	if (!from)
		return -ENOMEM;
	if (i->from && strcmp(i->from, from) != 0)
		part(i);
	free(i->from);
	i->from = from;
	for (uint32_t k = 0; k < e->n_services; k++) {
		int one = join(i, e->services[k]);

		r = one < 0 ? one : r;
	}
	return r;
}

void input_offer(struct service *s)
{
	list_foreach (it, &s->engine->inputs.all)
		join(list_entry(it, struct input, node), s);
}

/* --- life --- */

void input_free(struct service *s)
{
	struct input *i = part_find(s, PART_INPUT);

	if (!i)
		return;
	part(i);
	list_remove(&i->node);
	close_fd(i->fd);
	part_drop(s, PART_INPUT);
}

static int ensure(struct service *s)
{
	int r = input_of(s) ? 0 : make(s);

	return r < 0 ? r : join_all(input_of(s));
}

void input_follow(struct service *s)
{
	int r;

	if (!is_wanted(s)) {
		input_free(s);
		return;
	}
	r = ensure(s);
	if (r == 0)
		r = give(s, true);
	/* A launcher that is gone is given it with all else. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		log_error("service '%s': its stdin can't be kept: %s", s->name, strerror(-r));
}

int input_prepare(struct service *s)
{
	int r = is_wanted(s) ? ensure(s) : 0;

	return r == 0 && input_of(s) ? give(s, false) : r;
}

/* Of the pipe that there is: whoever has joined parts before that goes. */
static int make_outlet(
	struct outlet_set *set, const struct spec_target *target, struct outlet **ret_outlet)
{
	struct engine *e = CONTAINER_OF(set, struct engine, sinks.outlets);

	list_foreach (it, &e->inputs.all) {
		const struct input *i = list_entry(it, struct input, node);

		if (strcmp(i->service->name, target->address) == 0)
			return service_pipe_new(set, target, i->fd, ret_outlet);
	}
	return -ENOENT;
}

void input_init(struct engine *e)
{
	list_init(&e->inputs.all);
	e->sinks.outlets.make_service = make_outlet;
}
