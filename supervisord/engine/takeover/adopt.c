/*
 * A killed supervisord leaves processes and files: the recovery area, and beside it copies of the
 * configurations that services go by (reload/config.c). With these, starting is recovering: the
 * new launcher is one that knows nothing, so every process that should live is looked for and
 * given to it (foster.c), and once all is as it was, the files are read as after HUP, since that
 * is what whoever starts supervisord means.
 *
 * Commands beside services are ended: what they were for is begun again, or not wanted any more.
 */
#include "engine/takeover/adopt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/reload/config.h"
#include "engine/tree/orphans.h"

static const char *why_not(const struct engine *e, const struct store *left)
{
	if (e->spec->on_orphan == SPEC_ORPHAN_STOP)
		return "on-orphan is stop";
	if (e->tree.blind)
		return "there is no /proc to find them in";
	if (left->head.flags & RECOVERY_SHUTTING_DOWN)
		return "it was stopping everything";
	return NULL;
}

/* Serials are the launcher's, and this one counts from 1. */
static void forget_launcher(struct engine *e)
{
	for (uint32_t id = 0; id < e->store.head.capacity; id++) {
		struct recovery_record record = *recovery_record(&e->store.area, id);

		if (record.last_serial == 0 && record.event_serial == 0)
			continue;
		record.last_serial = record.event_serial = 0;
		recovery_commit(&e->store.area, id, &record);
	}
}

/* From here on it is an area in use, with all that has to be mended in it. */
static void take(struct engine *e)
{
	uint32_t flags = e->store.head.flags & (RECOVERY_STARTED | RECOVERY_FOSTERED);

	flags |= RECOVERY_FOSTERED | RECOVERY_MISSING | RECOVERY_RENEW;
	forget_launcher(e);
	store_set(&e->store, flags, flags);
	store_set(&e->store, launcher_pid, getppid());
	store_set(&e->store, started_realtime_usec, usec_now(CLOCK_REALTIME));
}

/* The configurations that were in force, instead of what the files say now. */
static int take_configs(struct engine *e)
{
	struct config now[RECOVERY_CONFIGS];
	const struct spec *spec = e->spec;
	int r;

	memcpy(now, e->configs, sizeof(now));
	config_init(e);
	r = config_take_saved(e, spec->runtime_dir);
	if (r < 0) {
		config_fini(e);
		memcpy(e->configs, now, sizeof(now));
		e->config = 0;
		e->spec = spec;
		return r;
	}
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++)
		config_free(&now[i]);
	return 0;
}

static const char *cgroups_of(const struct engine *e)
{
	return e->tree.cgroup_fd >= 0 ? strrchr(e->tree.cgroup_path, '/') + 1 : "";
}

int adopt_left(struct engine *e)
{
	struct store left, own = e->store;
	int r = store_open_left(e->spec->runtime_dir, &left);
	const char *why;

	if (r == -ENOENT || r == -ESTALE)
		return 0;
	if (r < 0) {
		log_warning("the recovery area in %s can't be used (%s); starting afresh",
			e->spec->runtime_dir, strerror(-r));
		return 0;
	}
	why = why_not(e, &left);
	if (!why) {
		e->store = left;
		e->store.lock_fd = own.lock_fd;
		r = take_configs(e);
		why = r < 0 ? "the configuration that it went by is lost" : NULL;
	}
	if (!why) {
		r = orphans_end(&(struct orphans){&e->store, e->tree.cgroup_fd, cgroups_of(e)});
		if (r < 0)
			log_error("commands that were run beside services can't be ended: %s",
				strerror(-r));
		take(e);
		log_info("going on with the services of a supervisord that was killed");
		return 1;
	}
	e->store = own;
	log_info("services of a supervisord that was killed are not gone on with: %s", why);
	store_fini(&left, NULL);
	return 0;
}
