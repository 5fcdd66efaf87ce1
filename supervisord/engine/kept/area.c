/*
 * What is in the area is in the engine's memory as well, but for the tails of a newer program,
 * so nothing is lost with it but what would be if the engine died in this very moment: that
 * lasts from the damage until inotify tells of it, or until the next touch.
 *
 * Where there is no room for a file in the runtime directory, one without a name serves: the
 * launcher keeps it for the next engine, and only the death of both would need the name.
 */
#include "engine/kept/area.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/control.h"
#include "engine/engine.h"
#include "engine/ready/notify.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/streams/streams.h"
#include "engine/uplink/uplink.h"

#define RETRY_USEC (10 * USEC_PER_SEC)
#define LOOK_USEC  USEC_PER_SEC

static void forget(struct area_watch *w, int *watch)
{
	if (*watch >= 0)
		inotify_rm_watch(w->source.fd, *watch);
	*watch = -1;
}

static void watch_file(struct engine *e)
{
	struct area_watch *w = &e->area;
	char path[32];

	forget(w, &w->watch);
	if (w->source.fd < 0 || w->stopping)
		return;
	/* By the descriptor: the name may be another file's. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e->store.file_fd);
	w->watch = sys_inotify_add_watch(w->source.fd, path, IN_MODIFY | IN_ATTRIB);
}

/* What cleans up temporary directories takes sockets, too. */
static void watch_names(struct engine *e)
{
	struct area_watch *w = &e->area;

	if (w->source.fd >= 0)
		w->names = sys_inotify_add_watch(
			w->source.fd, e->spec->runtime_dir, IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR);
}

int area_save(struct engine *e)
{
	const char *directory = e->spec->runtime_dir;
	int r = store_save(&e->store, directory);

	if (r < 0) {
		log_write(e->area.told ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
			"cannot make a file for the recovery area in %s: %s; without one it "
			"survives the engine's death, but not that of supervisord",
			directory, strerror(-r));
		e->area.told = true;
		r = store_save_nameless(&e->store);
		loop_timer_set(
			&e->loop, &e->area.retry, usec_add(usec_now(CLOCK_MONOTONIC), RETRY_USEC));
	}
	if (r < 0)
		return r;
	watch_file(e);
	if (store_is_damaged(&e->store)) /* before we began to watch: once more */
		loop_timer_set(&e->loop, &e->area.retry, usec_now(CLOCK_MONOTONIC));
	return uplink_keep(e, LINK_KEEP_RECOVERY, e->store.file_fd);
}

/* All that the services have in it. */
static void write_all(struct engine *e)
{
	for (uint32_t id = 0; id < e->n_ids; id++) {
		struct service *s = services_by_id(e, id);

		if (s && !s->fresh) { /* fresh: there is no record of it yet */
			service_commit(s, false, 0, 0);
			service_commit_counters(s);
		} else {
			service_commit_removal(e, id, service_last_generation(e, id));
		}
	}
	streams_commit(e);
}

static bool mend(struct engine *e)
{
	int r = store_renew(&e->store, e->n_ids);

	if (r == 0) {
		write_all(e);
		r = area_save(e);
	}
	if (r < 0) {
		log_error("the recovery area in %s was cut short or removed by somebody, and can't "
			  "be "
			  "written anew: %s; trying again",
			e->spec->runtime_dir, strerror(-r));
		loop_timer_set(
			&e->loop, &e->area.retry, usec_add(usec_now(CLOCK_MONOTONIC), RETRY_USEC));
	}
	return r == 0;
}

static void begin_mending(struct engine *e)
{
	if (!e->area.ready || e->area.mending)
		return;
	e->area.mending = true;
	if (mend(e))
		log_warning("the recovery area in %s was cut short or removed by somebody; it was "
			    "written anew",
			e->spec->runtime_dir);
	e->area.mending = false;
}

void area_check(struct engine *e)
{
	if (mapping_is_lost(&e->store.mapping))
		begin_mending(e);
}

/* One in memory alone has its timer. */
static void check(struct engine *e)
{
	if (!e->store.unsaved && store_is_damaged(&e->store))
		begin_mending(e);
}

void area_mend_lock(struct engine *e)
{
	const char *directory = e->spec->runtime_dir;
	int old = e->store.lock_fd, holder = 0, r;

	if (old < 0 || !store_lock_is_lost(&e->store, directory))
		return;
	r = store_lock(&e->store, directory, &holder);
	if (r == 0)
		r = uplink_keep(e, LINK_KEEP_LOCK, e->store.lock_fd);
	if (r < 0) {
		if (e->store.lock_fd != old)
			close_fd(e->store.lock_fd);
		e->store.lock_fd = old;
		log_error("the lock in %s was removed by somebody, and can't be made anew: %s; "
			  "nothing keeps another supervisord out",
			directory, r == -EBUSY ? "another supervisord has it" : strerror(-r));
		return;
	}
	close_fd(old);
	log_warning("the lock in %s was removed by somebody; it was made anew", directory);
}

/* Its own doing is among it: only the look at the file says. */
static void on_inotify(struct loop_source *source, uint32_t events)
{
	struct engine *e = CONTAINER_OF(source, struct engine, area.source);
	char buffer[4096] __attribute__((aligned(8)));

	(void)events;
	while (sys_read(source->fd, buffer, sizeof(buffer)) > 0)
		;
	check(e);
	if (e->area.stopping)
		return;
	area_mend_lock(e);
	control_mend(e);
	notify_mend(e);
}

static void on_retry(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, area.retry);

	e->area.mending = true;
	mend(e);
	e->area.mending = false;
	if (e->store.unsaved || e->store.nameless)
		return;
	e->area.told = false;
	log_info("the recovery area is in %s again", e->spec->runtime_dir);
}

static void on_look(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, area.look);

	check(e);
	loop_timer_set(&e->loop, t, usec_add(usec_now(CLOCK_MONOTONIC), LOOK_USEC));
}

/* The kernel takes some 14 ms to let go of a watch, and whoever closes inotify waits for that. */
void area_stopping(struct engine *e)
{
	if (e->area.stopping)
		return;
	e->area.stopping = true;
	forget(&e->area, &e->area.watch);
	forget(&e->area, &e->area.names);
	on_look(&e->area.look);
}

int area_init(struct engine *e)
{
	struct area_watch *w = &e->area;
	int fd = sys_inotify_init(IN_NONBLOCK);
	int r = mapping_init();

	w->watch = w->names = -1;
	w->source = (struct loop_source){.fd = -1, .dispatch = on_inotify};
	w->retry.dispatch = on_retry;
	if (r == 0)
		r = loop_timer_add(&e->loop, &w->retry);
	w->look.dispatch = on_look;
	if (r == 0)
		r = loop_timer_add(&e->loop, &w->look);
	if (fd >= 0 && loop_add(&e->loop, &w->source, fd, EPOLLIN) < 0)
		close_fd(fd);
	return r;
}

void area_begin(struct engine *e)
{
	watch_file(e);
	watch_names(e);
	e->area.ready = true;
	if (e->store.nameless)
		loop_timer_set(
			&e->loop, &e->area.retry, usec_add(usec_now(CLOCK_MONOTONIC), RETRY_USEC));
	check(e);
}

/* A file that was cut short would become longer again, with zeros in it that nobody notices. */
int area_grow(struct engine *e, uint32_t capacity)
{
	check(e);
	return store_grow(&e->store, capacity);
}

void area_fini(struct engine *e)
{
	e->area.ready = false;
	if (e->area.source.fd >= 0) {
		int fd = e->area.source.fd;

		loop_remove(&e->loop, &e->area.source);
		close_fd(fd);
	}
	loop_timer_remove(&e->loop, &e->area.retry);
	loop_timer_remove(&e->loop, &e->area.look);
}
