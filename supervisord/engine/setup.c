/*
 * Two ways to become the engine. The first one reads the files, takes the runtime directory
 * and makes everything, and gives the launcher what has to outlive it. A later one gets all
 * that back and works from it: no file is read again and nothing is made anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/control.h"
#include "engine/control/events/history.h"
#include "engine/control/methods.h"
#include "engine/control/passed.h"
#include "engine/control/rolling.h"
#include "engine/engine.h"
#include "engine/reload/config.h"
#include "engine/services.h"
#include "engine/status/publish.h"
#include "engine/streams/stream_sinks.h"
#include "engine/streams/streams.h"
#include "engine/takeover/adopt.h"
#include "engine/tree/cgroup.h"
#include "engine/tree/orphans.h"
#include "engine/tree/proc.h"

#define LOCK_WAIT_USEC	   (5 * USEC_PER_SEC)
#define LOCK_AGAIN_USEC	   (10 * USEC_PER_MSEC)
#define EXIT_CONFIGURATION 2 /* a contract: also for what is wrong with the command line */

static int fail(const char *what, int error)
{
	log_error("%s: %s", what, strerror(-error));
	return EXIT_FAILURE;
}

static int fail_path(const char *what, const char *path, int error)
{
	log_error("%s %s: %s", what, path,
		error == -EPERM ? "others than its owner can write to it, or its owner is neither "
				  "root nor us"
				: strerror(-error));
	return EXIT_FAILURE;
}

/* --- what a first engine makes --- */

/*
 * Only the runtime directory has to be there: on a read-only root, services still have to
 * run. A directory that others can write to is refused in any case.
 */
static int make_directories(struct engine *e)
{
	const struct {
		const char *path, *without;
		unsigned mode;
	} wanted[] = {
		{e->spec->runtime_dir, NULL, 0755},
		{e->spec->state_dir, "nothing is kept there", 0750},
		{e->spec->log_dir, "what services write to files there is dropped", 0750},
	};

	for (size_t i = 0; i < ELEMENTSOF(wanted); i++) {
		int r = store_make_directory(wanted[i].path, wanted[i].mode);

		if (r < 0 && (!wanted[i].without || r == -EPERM))
			return fail_path("cannot use the directory", wanted[i].path, r);
		if (r < 0)
			log_warning("cannot use the directory %s: %s; going on without it: %s",
				wanted[i].path, strerror(-r), wanted[i].without);
	}
	return 0;
}

/*
 * Ends what a supervisord that was killed with its engine left behind. Where its area is lost,
 * cgroups still tell what that is.
 */
static int clear_up(struct engine *e, int *ret_queue_id, uint64_t *ret_queue_seq)
{
	struct store left;
	int r = store_open_left(e->spec->runtime_dir, &left);

	if (r < 0 && (e->tree.cgroup_fd < 0 || e->tree.blind))
		return 0; /* it was said */
	if (r == 0) {
		*ret_queue_id = left.head.queue_id;
		*ret_queue_seq = left.head.queue_seq;
		e->event_seq = left.head.event_seq;
	}
	if (!e->tree.blind)
		r = orphans_end(&(struct orphans){&left, e->tree.cgroup_fd, NULL});
	else /* nothing is older than the first process of a pid namespace */
		r = getppid() == 1 ? 0 : -ENOENT;
	/* Cgroups that were killed as a whole take no new process: all start anew. */
	if (e->tree.cgroup_fd >= 0)
		cgroup_remove_below(e->tree.cgroup_fd);
	store_fini(&left, NULL);
	if (r < 0) {
		log_error("processes of an earlier supervisord can't be ended (%s); not starting "
			  "second instances beside them",
			strerror(-r));
		return EXIT_FAILURE;
	}
	return 0;
}

/* 1: of a supervisord that was killed; 0: a new one; or -1 with the exit status. */
static int find_area(struct engine *e, int *ret_queue_id, int *reterr_status)
{
	uint64_t seq = 0;
	uint32_t n = 0;
	int r = adopt_left(e);

	if (r > 0) {
		*ret_queue_id = e->store.head.queue_id;
		return 1;
	}
	*reterr_status = clear_up(e, ret_queue_id, &seq);
	if (*reterr_status != 0)
		return -1;
	for (size_t i = 0; i < e->spec->n_services; i++)
		n += e->spec->services[i].n_instances;
	r = store_create(&e->store, e->spec->runtime_dir, n);
	if (r < 0) {
		*reterr_status =
			fail_path("cannot make the recovery area in", e->spec->runtime_dir, r);
		return -1;
	}
	e->queue_seq = seq;
	store_set(&e->store, started_realtime_usec, usec_now(CLOCK_REALTIME));
	store_set(&e->store, launcher_pid, getppid());
	store_set(&e->store, queue_seq, seq);
	/* For an engine that takes over from us before there is a queue. */
	store_set(&e->store, queue_id, *ret_queue_id);
	return 0;
}

static bool is_alive(pid_t pid)
{
	struct proc_stat p;

	return proc_stat_get(pid, &p) == 0 && !proc_is_dead(&p);
}

/*
 * The lock of a supervisord that was killed has not gone while a process that it was starting has
 * not come to its program: that is a copy, with all descriptors.
 */
static int lock_runtime(struct engine *e, int *ret_holder)
{
	usec_t end = usec_add(usec_now(CLOCK_MONOTONIC), LOCK_WAIT_USEC);
	bool told = false;
	int r;

	while ((r = store_lock(&e->store, e->spec->runtime_dir, ret_holder)) == -EBUSY) {
		if (is_alive(*ret_holder) || usec_now(CLOCK_MONOTONIC) >= end)
			break;
		if (!told && *ret_holder > 0)
			log_info("supervisord (pid %d) has ended, but something of it still holds "
				 "%s; waiting for that",
				*ret_holder, e->spec->runtime_dir);
		told = told || *ret_holder > 0;
		usleep(LOCK_AGAIN_USEC);
	}
	return r;
}

static int take_runtime(struct engine *e, int *ret_queue_id)
{
	int holder = 0, status = 0, r;

	/* Kept, if an engine before us died before it had made the recovery area. */
	e->store.lock_fd = uplink_take_kept(e, LINK_KEEP_LOCK);
	r = e->store.lock_fd >= 0 ? 0 : lock_runtime(e, &holder);
	if (r == -EBUSY) {
		log_error("another supervisord (pid %d) runs in %s", holder, e->spec->runtime_dir);
		return EXIT_FAILURE;
	}
	if (r < 0)
		return fail_path("cannot lock", e->spec->runtime_dir, r);
	/* Before anything else: should we die, nobody slips in before the next engine. */
	r = uplink_keep(e, LINK_KEEP_LOCK, e->store.lock_fd);
	if (r < 0)
		return fail("cannot give the launcher the lock", r);
	tree_init(e, -1);
	r = find_area(e, ret_queue_id, &status);
	if (r < 0)
		return status;
	e->adopting = e->recovering = r > 0;
	if (e->adopting)
		e->event_seq = e->store.head.event_seq;
	journal_file_open(e);
	store_set(&e->store, event_seq, e->event_seq);
	return 0;
}

/* The first configuration has the first place. */
static int read_files(struct engine *e, int *ret_text)
{
	struct conf_sources *sources = NULL;
	int r = config_load_files(e, &sources, &e->configs[0].spec);

	if (r != 0)
		return r;
	e->spec = e->configs[0].spec;
	r = config_write(sources);
	conf_sources_free(sources);
	if (r < 0)
		return fail("cannot keep the configuration", r);
	*ret_text = r;
	return 0;
}

static int listen_for_control(struct engine *e, int *fd)
{
	*fd = control_open(e);
	return *fd < 0 ? fail_path(
				 "cannot listen for control requests in", e->spec->runtime_dir, *fd)
		       : 0;
}

/* Kept, if an engine before us died before it had made the recovery area. */
static int take_notify(struct engine *e)
{
	int fd = uplink_take_kept(e, LINK_KEEP_NOTIFY), r = 0;

	if (fd < 0) {
		fd = notify_open(e->spec->runtime_dir);
		if (fd < 0)
			return fail_path(
				"cannot listen for notifications in", e->spec->runtime_dir, fd);
		r = uplink_keep(e, LINK_KEEP_NOTIFY, fd);
	}
	notify_init(e, fd);
	return r < 0 ? fail("cannot give the launcher the notification socket", r) : 0;
}

/* --- what both need --- */

static int open_queue_of(struct engine *e, const struct spec *spec, int recorded_id)
{
	return queue_open(&e->queue, spec->queue_key, spec->runtime_dir, spec->queue_mode,
		spec->has_queue_group, spec->queue_group, recorded_id);
}

/*
 * An engine that died while it put a configuration in force may not have come to the queue:
 * then that still has the mode of the one before.
 */
static int open_queue_as_it_was(struct engine *e, int recorded_id)
{
	const struct spec *spec = e->spec;

	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		if (i != e->config && e->configs[i].spec &&
			open_queue_of(e, e->configs[i].spec, recorded_id) == 0)
			return queue_set_access(&e->queue, spec->queue_mode, spec->has_queue_group,
				spec->queue_group);
	}
	return open_queue_of(e, spec, recorded_id);
}

static void record_queue(struct status_queue *q, int id)
{
	struct engine *e = CONTAINER_OF(q, struct engine, queue);

	store_set(&e->store, queue_key, (uint32_t)q->key);
	store_set(&e->store, queue_id, id);
}

static void open_queue(struct engine *e, int recorded_id)
{
	int r;

	e->queue.record = record_queue;
	r = open_queue_of(e, e->spec, recorded_id);
	if (r == -EEXIST && recorded_id != -1)
		r = open_queue_as_it_was(e, recorded_id);
	if (r < 0)
		log_error("%s; going on without a status queue", queue_problem(&e->queue));
	if (e->queue.id < 0)
		store_set(&e->store, queue_id, -1);
}

static unsigned max_open_logs(void)
{
	struct rlimit limit;
	rlim_t n;

	/* One in eight: the rest is for pipes, clients and what the future brings. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return 256;
	n = MIN_OF(limit.rlim_cur / 8, 1024u);
	return n < 4 ? 4 : (unsigned)n;
}

static int make_services(struct engine *e)
{
	int r;

	sink_set_init(&e->sinks, &e->loop, e->spec->log_dir, max_open_logs(), STDOUT_FILENO);
	e->sinks.describe = stream_sinks_describe;
	e->sinks.writable = stream_sinks_writable;
	r = pump_set_init(&e->pumps, &e->loop, streams_pipe_ended);
	if (r == 0)
		streams_init(e);
	input_init(e);
	command_init(e);
	reload_command_init(e);
	ready_init(e);
	health_init(e);
	if (r == 0)
		r = hooks_init(e);
	if (r == 0)
		r = schedules_init(e);
	if (r == 0)
		r = services_init(e);
	if (r == 0)
		r = history_init(e);
	if (r == 0)
		r = rollings_init(e);
	if (r == 0)
		r = reload_init(e);
	if (r < 0)
		return fail("cannot set up the services", r);
	area_begin(e);
	input_drop_kept(e);
	streams_recover(e);
	return 0;
}

static int start_server(struct engine *e, int fd)
{
	static struct server_service service;
	int r = server_init(&e->server, &e->loop, methods_service(e, &service), NULL);

	if (r < 0)
		return fail("cannot set up the control server", r);
	control_set_roles(e);
	r = server_adopt(&e->server, fd);
	if (r < 0)
		return fail("cannot accept control connections", r);
	/* The engine before us may have died with a new configuration half in force. */
	if (e->recovering)
		control_configure(e);
	return 0;
}

/* That of the files, or those that an adopted area goes by. */
static int keep_configs(struct engine *e, int *text)
{
	int r;

	if (e->adopting)
		return config_keep_saved(e);
	r = config_keep(e, 0, *text);
	e->configs[0].text = TAKE_FD(*text);
	return r;
}

static int init_first(struct engine *e)
{
	_cleanup_close_
	int text = -1;
	int queue_id = -1, control = uplink_take_kept(e, LINK_KEEP_CONTROL);
	int r = read_files(e, &text);

	if (r != 0)
		return r;
	log_set_level((enum log_level)e->spec->log_level);
	r = make_directories(e);
	if (r == 0)
		r = take_runtime(e, &queue_id);
	if (r == 0)
		control = passed_judge(e, control);
	if (r == 0 && control < 0)
		r = listen_for_control(e, &control);
	if (r == 0)
		r = take_notify(e);
	if (r != 0)
		return r;
	r = keep_configs(e, &text);
	if (r == 0)
		r = uplink_keep(e, LINK_KEEP_CONTROL, control);
	if (r == 0 && e->tree.cgroup_fd >= 0)
		r = uplink_keep(e, LINK_KEEP_CGROUP, e->tree.cgroup_fd);
	/* The recovery area comes last: where there is one, the rest is there as well. */
	if (r == 0)
		r = e->store.unsaved ? area_save(e)
				     : uplink_keep(e, LINK_KEEP_RECOVERY, e->store.file_fd);
	if (r < 0)
		return fail("cannot give the launcher what it has to keep", r);
	open_queue(e, queue_id);
	r = make_services(e);
	if (r != 0)
		return r;
	if (e->recovering) {
		event_recover(e);
		publish_pending(e);
	}
	return start_server(e, control);
}

/* What an older program has left is ours to change once the launcher keeps our form of it. */
static int save_store(struct engine *e)
{
	int r;

	if (!e->store.unsaved)
		return 0;
	r = area_save(e);
	if (r < 0)
		return fail_path("cannot make a new recovery area in", e->spec->runtime_dir, r);
	log_info("the recovery area of an older supervisord was taken over");
	return 0;
}

static int init_again(struct engine *e, int recovery_fd)
{
	int r = store_take(&e->store, recovery_fd);

	if (r < 0)
		return fail("cannot use the recovery area", r);
	e->store.lock_fd = uplink_take_kept(e, LINK_KEEP_LOCK);
	if (e->store.head.launcher_pid != getppid()) {
		store_set(&e->store, launcher_pid, getppid());
		store_note_holder(&e->store);
	}
	r = config_take_kept(e);
	if (r < 0)
		return EXIT_FAILURE;
	log_set_level((enum log_level)e->spec->log_level);
	r = save_store(e);
	if (r != 0)
		return r;
	tree_init(e, uplink_take_kept(e, LINK_KEEP_CGROUP));
	open_queue(e, e->store.head.queue_id);
	r = make_services(e);
	if (r != 0)
		return r;
	r = take_notify(e);
	if (r != 0)
		return r;
	journal_file_open(e);
	event_recover(e);
	publish_pending(e);
	return start_server(e, uplink_take_kept(e, LINK_KEEP_CONTROL));
}

/* What needs no supervisor: the exit status, or -1 to go on. */
static int answer_options(struct engine *e)
{
	if (e->options.help) {
		fputs(options_help, stdout);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (e->options.version) {
		puts("supervisord " SUPERVISORD_VERSION);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	if (e->options.check)
		return config_load_files(e, NULL, &e->configs[0].spec);
	return -1;
}

int engine_init(struct engine *e, int argc, char **argv)
{
	int recovery_fd, r;

	prctl(PR_SET_NAME, "supervisord-eng");
	umask(022); /* the modes of directories and logs are a contract, whoever starts us */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of a call, nothing more */
	memset(e, 0, sizeof(*e));
	e->store = (struct store)STORE_INIT;
	e->arguments = argv;
	e->tree.cgroup_fd = -1;
	e->own_fds = pipes_open_own_fds();
	/* Without entropy, at boot, other machines may draw the same. */
	if (getrandom(&e->random, sizeof(e->random), GRND_NONBLOCK) < 0)
		e->random = usec_now(CLOCK_REALTIME);
	config_init(e);
	events_init(e);
	journal_file_init(&e->journal);
	event_forget_cause(e);
	upgrade_init(e);
	notify_init(e, -1);
	board_init(e);
	r = uplink_init(e);
	if (r == -EPIPE)
		return EXIT_FAILURE;
	if (r < 0) {
		fprintf(stderr, "supervisord-engine is started by supervisord, not by hand (%s)\n",
			strerror(-r));
		exit(EXIT_FAILURE); /* there is nobody to tell an exit status to */
	}
	/* Before anything fails: only a first engine may end supervisord by that. */
	recovery_fd = uplink_take_kept(e, LINK_KEEP_RECOVERY);
	e->recovering = recovery_fd >= 0;
	conf_context_init(&e->context);
	if (options_parse(&e->options, argc, argv) < 0)
		return EXIT_CONFIGURATION;
	r = answer_options(e);
	if (r >= 0) {
		e->leaving = true;
		return r;
	}
	r = loop_init(&e->loop);
	if (r < 0)
		return fail("cannot set up the event loop", r);
	r = area_init(e);
	if (r == 0)
		r = pages_init(e);
	if (r < 0)
		return fail("cannot watch over the recovery area", r);
	r = recovery_fd >= 0 ? init_again(e, recovery_fd) : init_first(e);
	if (r == 0)
		board_open(e);
	return r;
}
