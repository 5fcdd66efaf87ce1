/*
 * The loop, the signals, and the beginning and end of a life. Starting: the launcher tells
 * all it knows (SYNCED ends that), what the last engine left half done is done, then
 * services are started, or go on. Ending: everything is stopped in reverse order, the
 * traces are removed, and the launcher is told the exit status.
 */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/events/history.h"
#include "engine/control/passed.h"
#include "engine/control/request.h"
#include "engine/control/rolling.h"
#include "engine/essential.h"
#include "engine/reload/apply.h"
#include "engine/reload/config.h"
#include "engine/reload/links.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/status/publish.h"
#include "engine/status/systemd.h"
#include "engine/streams/stream_sinks.h"
#include "engine/takeover/foster.h"

#define FAREWELL_WAIT_USEC (5 * USEC_PER_MSEC)
#define FAREWELL_TRIES	   40 /* a cgroup stays busy for a moment after its last process */

/* --- signals --- */

void engine_reopen_logs(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++) {
		for (unsigned k = 0; k < e->services[i]->n_streams; k++)
			stream_sinks_reopen(&e->services[i]->streams[k]);
	}
	log_info("log files reopened");
}

void engine_signal(struct engine *e, int signo, int pid, unsigned uid)
{
	bool again = (e->store.head.flags & RECOVERY_SIGNALLED) != 0;

	event_signal(e, signo, pid, uid);
	switch (signo) {
	case SIGTERM:
	case SIGINT:
		log_info("signal %s from pid %d, uid %u: stopping everything%s",
			sigabbrev_np(signo), pid, uid, again ? " at once" : "");
		engine_shutdown(e, again);
		break;
	case SIGQUIT:
		log_info("signal QUIT from pid %d, uid %u: killing everything", pid, uid);
		engine_shutdown(e, true);
		break;
	case SIGUSR1:
		publish_snapshot(e);
		break;
	case SIGUSR2:
		engine_reopen_logs(e);
		break;
	case SIGHUP:
		log_info("signal HUP from pid %d, uid %u: reloading the configuration", pid, uid);
		reload_apply(e, NULL, false, false, 0);
		break;
	default:
		break;
	}
	event_forget_cause(e);
}

void engine_signal_seen(struct engine *e, int signo)
{
	if (signo == SIGTERM || signo == SIGINT)
		store_set(&e->store, flags, e->store.head.flags | RECOVERY_SIGNALLED);
}

/*
 * Signals sent to the engine itself. What would end it is left to supervisord, who is told
 * as well where a whole group is meant; the rest works here, too.
 */
static void on_signal(struct loop_source *source, uint32_t events)
{
	struct engine *e = CONTAINER_OF(source, struct engine, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (sys_read(source->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2)
			engine_signal(e, (int)info.ssi_signo, (int)info.ssi_pid, info.ssi_uid);
		else
			log_debug("signal %u is supervisord's to act on", info.ssi_signo);
	}
}

static int init_signals(struct engine *e)
{
	static const int handled[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t mask;
	int fd, r;

	sigemptyset(&mask);
	for (size_t i = 0; i < ELEMENTSOF(handled); i++)
		sigaddset(&mask, handled[i]);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	fd = sys_signalfd(-1, &mask);
	if (fd < 0)
		return fd;
	e->signals = (struct loop_source){.fd = -1, .dispatch = on_signal};
	r = loop_add(&e->loop, &e->signals, fd, EPOLLIN);
	if (r < 0)
		close_fd(fd);
	return r;
}

/* --- recovery --- */

/* The launcher has spoken of this generation, or it has ended: there is nothing to mend. */
static bool is_accounted(const struct service *s)
{
	const struct core_record *r = core_record(s->engine->core, s->id);

	return s->told_generation == r->generation || foster_is_under_way(s);
}

/* What the last engine had committed, and the launcher may not have heard of. */
static void redo(struct engine *e, struct service *s)
{
	const struct core_record *r = core_record(e->core, s->id);
	enum core_state state = (enum core_state)r->state;

	hooks_resume(s);
	if (state != CORE_STARTING && state != CORE_RUNNING && state != CORE_STOPPING)
		return;
	if (r->phase == CORE_PHASE_PRE_START || r->phase == CORE_PHASE_CANCELLED ||
		r->phase == CORE_PHASE_POST_STOP)
		return; /* there is no process: its hook is all there is */
	/*
	 * A spawn on its way: the launcher takes it as the one it has (maybe still in exec, and
	 * so not told of yet), or starts it now. Also where a stop has been asked for since:
	 * only what the launcher says has ended is known not to run.
	 */
	if (r->main_ended)
		tree_watch(s);
	if (r->main_ended && r->phase == CORE_PHASE_FORKED)
		mainpid_find(s);
	if (!r->main_ended && !is_accounted(s))
		uplink_tell(s, UPLINK_SPAWN);
	if (r->user_signo > 0) {
		/* The newest of all; those before it had been sent when it was asked for. */
		s->outbox.signo = r->user_signo;
		s->outbox.scope = SPEC_KILL_PROCESS;
		uplink_tell(s, UPLINK_SIGNAL);
	} else if (state == CORE_STOPPING && r->signal_op > 0) {
		bool tree = r->killed || r->main_ended;

		s->outbox.signo = r->signo;
		s->outbox.scope = (uint8_t)(tree ? SPEC_KILL_TREE : s->spec->policy->stop_kill);
		uplink_tell(s, UPLINK_SIGNAL);
	}
}

/* In the order of their dependencies, so that each finds what it comes after on its way. */
static void autostart(struct engine *e)
{
	uint32_t n = e->n_services;
	_cleanup_free_
	struct service **services = malloc((n ? n : 1) * sizeof(*services));

	if (!services) {
		log_error("no memory to start services");
		return;
	}
	memcpy(services, e->services, n * sizeof(*services));
	links_sort(e, services, n, false);
	for (uint32_t i = 0; i < n && !core_is_shutting_down(e->core); i++) {
		struct service *s = services[i];
		struct core_event event = {.type = CORE_EVENT_AUTOSTART, .service = s->id};

		s->fresh = false;
		/* An engine that died in the middle of this has started some of them. */
		if (core_record(e->core, s->id)->why != CORE_WHY_NEVER_STARTED)
			continue;
		if (s->spec->policy->autostart)
			engine_event(e, &event);
		else
			service_commit(s, false, 0, 0);
	}
}

void engine_synced(struct engine *e)
{
	const struct recovery_head *head = &e->store.head;
	int r;

	/* Whose a sender is can be told from here on: before what has ended is judged. */
	event_engine(e, e->adopting	? "going on with what a killed supervisord has left"
			: e->recovering ? "recovered"
					: "started");
	r = notify_listen(e);
	if (r < 0)
		log_error("cannot listen for notifications: %s", strerror(-r));
	area_mend_lock(e);
	notify_mend(e);
	foster_missing(e);
	engine_judge_ended(e);
	e->synced = true;
	schedules_recover(e);
	for (uint32_t i = 0; i < e->n_services; i++) {
		redo(e, e->services[i]);
		reload_command_resume(e->services[i]);
		ready_follow(e->services[i]);
	}
	if (head->flags & RECOVERY_SHUTTING_DOWN)
		engine_shutdown(e, (head->flags & RECOVERY_HURRY) != 0);
	else if (!(head->flags & RECOVERY_STARTED))
		autostart(e);
	else
		apply_finish(e, head->config_op[e->config], NULL);
	/* The last engine may have died before others had heard of a change. */
	engine_event(e, &(struct core_event){.type = CORE_EVENT_SETTLE});
	store_set(&e->store, flags, e->store.head.flags | RECOVERY_STARTED);
	board_tell_all(e);
	uplink_send_plain(e, LINK_RECOVERED, 0, 0);
	rollings_resume(e);
	reload_resume(e);
	if ((e->store.head.flags & RECOVERY_RENEW) && !core_is_shutting_down(e->core))
		reload_apply(e, NULL, false, false, 0);
	if (!core_is_shutting_down(e->core))
		systemd_ready(e);
	log_info("%s %u service%s, supervisord " SUPERVISORD_VERSION ", pid %d",
		e->recovering ? "recovered:" : "looking after", e->n_services,
		e->n_services == 1 ? "" : "s", (int)getppid());
}

/* --- the end --- */

static void leave(struct engine *e)
{
	_cleanup_free_
	char *control = NULL;
	int status = essential_exit_status(e);

	if (!passed_is(e, e->server.listener.fd) &&
		asprintf(&control, "%s/%s", e->spec->runtime_dir, CONTROL_SOCKET_NAME) >= 0)
		sys_unlinkat(AT_FDCWD, control, 0);
	board_close(e);
	upgrade_fini(e);
	server_fini(&e->server);
	history_fini(e);
	notify_fini(e);
	queue_remove(&e->queue);
	reload_fini(e);
	rollings_fini(e);
	services_fini(e);
	mains_fini(&e->tree.mains);
	schedules_fini(e);
	sink_set_fini(&e->sinks);
	pages_fini(e);
	area_fini(e);
	config_forget_saved(e->spec->runtime_dir);
	store_fini(&e->store, e->spec->runtime_dir);
	config_fini(e);
	systemd_fini(e);
	journal_file_close(&e->journal);
	log_info("everything is stopped");
	uplink_send_plain(e, LINK_EXIT, (uint32_t)status, 0);
	e->loop.quit = true;
}

static void on_farewell(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, farewell);
	bool hurry = (e->store.head.flags & RECOVERY_HURRY) != 0;

	if (!hooks_are_over(e, hurry)) {
		loop_timer_set(&e->loop, t, usec_add(e->loop.now_usec, FAREWELL_WAIT_USEC));
		return;
	}
	if (!tree_remove_cgroups(e) && ++e->farewell_tries < FAREWELL_TRIES) {
		loop_timer_set(&e->loop, t, usec_add(e->loop.now_usec, FAREWELL_WAIT_USEC));
		return;
	}
	if (e->farewell_tries == FAREWELL_TRIES)
		log_warning("cannot remove %s", e->tree.cgroup_path);
	leave(e);
}

/* From a timer, so that nobody on the way here still holds what is freed. */
void engine_leave(struct engine *e)
{
	if (e->leaving)
		return;
	e->leaving = true;
	e->farewell.dispatch = on_farewell;
	if (loop_timer_add(&e->loop, &e->farewell) == 0)
		loop_timer_set(&e->loop, &e->farewell, e->loop.now_usec);
	else
		e->loop.quit = true; /* the launcher starts another engine, which tries again */
}

void engine_shutdown(struct engine *e, bool hurry)
{
	store_set(&e->store, flags,
		e->store.head.flags | RECOVERY_SHUTTING_DOWN | (hurry ? RECOVERY_HURRY : 0u));
	area_stopping(e);
	event_supervisor(e, JOURNAL_SHUTDOWN, hurry ? "killing everything" : "stopping everything");
	core_shutdown(e->core, hurry, e->loop.now_usec);
	systemd_stopping(e);
	tree_hold(e);
	engine_perform(e);
	tree_release(e);
}

void engine_run(struct engine *e)
{
	int r = init_signals(e);

	if (r == 0)
		r = systemd_init(e);
	if (r == 0)
		r = uplink_listen(e);
	while (r == 0 && !e->loop.quit) {
		r = loop_once(&e->loop);
		/* What is started by that may fail before it is sent: no event would tell. */
		while (e->synced && e->n_ended > 0 && !e->loop.quit)
			engine_judge_ended(e);
		uplink_flush_late(e);
		board_flush(e);
	}
	if (r < 0)
		log_error("event loop: %s", strerror(-r));
}
