/*
 * The engine: one struct that owns everything, passed down. Data flows one way: a
 * descriptor becomes ready, its module decodes it to an event, engine_event() gives that
 * to the core, and perform.c carries out what the core wants changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "conf/load.h"
#include "core/core.h"
#include "engine/control/events/events.h"
#include "engine/control/server/server.h"
#include "engine/events/event.h"
#include "engine/events/journal.h"
#include "engine/kept/area.h"
#include "engine/kept/pages.h"
#include "engine/kept/store.h"
#include "engine/logs/pump.h"
#include "engine/logs/sink.h"
#include "engine/loop.h"
#include "engine/options.h"
#include "engine/ready/health.h"
#include "engine/ready/notify.h"
#include "engine/ready/ready.h"
#include "engine/reload/reload.h"
#include "engine/run/command.h"
#include "engine/run/hooks.h"
#include "engine/run/mainpid.h"
#include "engine/run/reload_command.h"
#include "engine/schedule.h"
#include "engine/status/board.h"
#include "engine/status/queue.h"
#include "engine/status/systemd.h"
#include "engine/streams/input.h"
#include "engine/streams/pipes.h"
#include "engine/tree/tree.h"
#include "engine/upgrade/upgrade.h"
#include "engine/uplink/uplink.h"

struct engine;
struct health;
struct readiness;

/* One pipe of a service and where it goes. */
struct stream {
	struct service *service;
	struct pump pump;
	struct sink sink;
	int fd; /* the pipe's read end, owned; -1: none open */
	uint64_t seen_generation; /* the last one whose line for log:REGEX has come by here */
};

/* A configuration that services go by: the one in force, or one that they are leaving. */
struct config {
	struct spec *spec; /* owned; NULL: not in use */
	int text; /* owned: the sources of the one in force, in a memfd; else -1 */
	uint32_t n_users; /* services that go by it, now or from their next generation on */
};

/* How one of the last generations ended. */
struct service_exit {
	uint64_t realtime_msec; /* 0: there was none */
	uint32_t ran_msec;
	uint8_t end; /* enum core_end */
	uint8_t stage;
	int16_t status;
};
#define SERVICE_EXITS RECOVERY_EXITS

/*
 * One service or instance. Its id is that of core, link and recovery area. There are thousands of
 * them, so what few of them have is kept apart, and small members stand together at the end.
 */
struct service {
	struct engine *engine;
	const struct spec_service *spec; /* what its generation goes by; of configs[config] */
	const struct spec_service *next; /* what the next one will; NULL: the same */
	struct list successors; /* services that wait for its end, by their node predecessor */
	struct list predecessor;
	struct list waiters; /* items of requests that wait for it */
	struct list commands; /* that are run for it, see run/command.h */

	struct loop_timer timer; /* the core's deadline */
	struct schedule schedule;
	struct stream *streams; /* n_streams: 1, or 2 with a pipe for stderr */
	struct input *input; /* owned by input.c: the pipe that is its stdin; NULL: it has none */
	struct pipes pipes; /* of the generation that is being started, until that is told */
	struct uplink_outbox outbox; /* what the launcher has yet to be told */
	struct uplink_adoption adoption; /* what it was asked, and has yet to answer */
	struct tree_watch *watch; /* while its tree is waited for */
	struct mainpid_search *mainpid_search; /* while a pid-file is waited for */
	struct readiness *readiness; /* owned by ready/ready.c; NULL: nothing is asked or known */
	struct health *health; /* owned by ready/health.c; likewise */
	struct service_exit *exits; /* SERVICE_EXITS, newest first; NULL: none has ended */
	struct hook_outcome *hook_outcomes; /* of SPEC_HOOK_MAX hooks; NULL: none has ended */
	struct reload_outcome *reload_outcome; /* of the last one; NULL: none has ended */

	uint64_t last_serial; /* of the last exit counted */
	uint64_t told_generation; /* the last one that the launcher has spoken of */
	uint64_t left_generation; /* has gone; what waits in its pipes is not logged yet; 0: none */
	uint64_t begun; /* the generation that invocation is of */
	uint64_t foster_generation; /* whose process was given to the launcher; 0: none was */
	uint64_t cgroup_generation; /* names its cgroup, see tree_cgroup_name() */
	/* The real clock when the state was entered, and when the process was started. */
	usec_t since_realtime_usec, started_realtime_usec;
	uint64_t pidfd_inode;
	uint64_t pipe_inodes[RECOVERY_STREAMS]; /* of this generation's output */
	uint64_t input_inode; /* of its input, or of the one that the last engine had */
	uint64_t event_seq; /* of the last change of its state */
	uint64_t event_serial, event_generation; /* of the last end and start that were told */
	struct event_asked asked; /* by the last request that was about it */
	uint64_t roll_op; /* a rolling restart that it has its turn in; 0: none */

	uint32_t roll_place; /* its turn */
	uint32_t place; /* while services are put in order */
	uint32_t board_place; /* in the order of the configuration: of answers, and on the board */
	uint32_t oom_kills; /* in its cgroup, when its process was started */
	uint32_t id;
	unsigned instance; /* counts from 1; 1 also without instances */
	pid_t main_pid; /* of this or the last generation: also the id of its session */
	int pidfd; /* owned: of the main process that was told of last, until its end; -1 */
	uint8_t config, next_config;
	uint8_t n_streams;
	uint8_t hooks_unable,
		hooks_absent; /* bits: whose end has yet to be told, see run/hooks.c */
	uint8_t mainpid_told; /* bits: what was told of that in this generation */
	bool undecided; /* next was found so: the last engine may not have come to act on it */
	bool removed; /* not configured any more: it goes once its processes have gone */
	bool forgotten; /* it has gone; only those who waited for that are still told */
	bool fresh; /* without a record: autostart has not been thought of */
	bool rlimits_due; /* they have changed while the process was being started */
	bool lacks_pipes; /* they did not arrive for want of descriptors */
	bool cgroup_spent; /* was killed as a whole: not to be used again */
	bool reload_due; /* see run/reload_command.h */
	uint8_t invocation[16]; /* random, of the current generation */
	char *name; /* behind this */
};

/* Exits are judged in batches, so that one look at /proc serves them all. */
#define ENGINE_ENDED_BATCH 64

struct engine_ended {
	struct service *service;
	struct link_message message; /* serial 0: a spawn that failed on our side of the link */
};

struct engine {
	struct loop loop;
	struct options options;
	struct conf_context context;
	struct config configs[RECOVERY_CONFIGS];
	int saved[RECOVERY_CONFIGS]; /* owned: texts that the launcher has yet to be given; -1 */
	uint8_t config; /* which of them is in force */
	const struct spec *spec; /* the same, its content */

	int own_fds; /* owned: see pipes_make(); -1 */

	struct service **services; /* in the order of the configuration, then removed ones */
	struct service **by_name; /* the same ones, sorted */
	uint32_t n_services;
	struct service **by_id; /* NULL: not in use */
	uint64_t *generations; /* by id: what places that are not in use have come to */
	uint32_t n_ids;
	struct core *core;
	uint64_t random; /* what the next jitter comes from */

	struct store store;
	struct area_watch area;
	struct pages pages; /* of area, board and journal */
	struct board board;
	struct uplink uplink;
	struct sink_set sinks;
	char invocation[33]; /* hex digits, of whom the sinks have last described */
	struct pump_set pumps;
	struct inputs inputs;
	struct status_queue queue;
	struct server server;
	struct events events;
	struct journal_file journal;
	uint64_t event_seq; /* the last one that was given */
	struct event_cause cause; /* of what happens now */
	struct tree tree;
	struct systemd systemd;
	struct commands commands;
	struct hooks hooks;
	struct notify notify;
	struct health_set health;
	struct schedules schedules;
	struct loop_source signals;
	struct reload reload;
	struct upgrade upgrade;
	struct list rollings; /* see control/rolling.h */
	struct loop_timer sweep; /* removed services that have come to their end */
	char **arguments; /* our own, NULL at their end */
	struct loop_timer gone; /* while the launcher is, and can't be executed anew */
	usec_t gone_wait_usec;
	struct loop_timer farewell; /* while the last cgroups go */
	unsigned farewell_tries;

	struct engine_ended ended[ENGINE_ENDED_BATCH];
	unsigned n_ended;
	uint64_t queue_seq;
	bool recovering; /* an engine was here before us */
	bool adopting; /* with a launcher that was killed as well: ours is a new one */
	bool synced; /* the launcher has told all that it knew */
	bool leaving; /* everything is down; only the farewell is left */
};

/* Sets everything up, as a first engine or after another one. 0, or the exit status. */
int engine_init(struct engine *e, int argc, char **argv);
/* Runs until supervisord is to end. */
void engine_run(struct engine *e);

/* --- events, from whichever module decoded them --- */

/* Gives one event to the core and carries out what follows. */
void engine_event(struct engine *e, const struct core_event *event);
/* A generation has ended; judged with others of this round. */
void engine_note_ended(struct engine *e, struct service *s, const struct link_message *m);
/* Judges those that were noted. */
void engine_judge_ended(struct engine *e);
/* Carries out the changes that the core holds. */
void engine_perform(struct engine *e);
/* Everything is down: clears up and tells the launcher to end. */
void engine_leave(struct engine *e);
/* A signal to supervisord, told by the launcher. */
void engine_signal(struct engine *e, int signo, int pid, unsigned uid);
/* The launcher will not tell that one again: the next is another one. */
void engine_signal_seen(struct engine *e, int signo);
/* Opens all log files anew, after somebody has renamed them. */
void engine_reopen_logs(struct engine *e);
/* The launcher has told everything: mends what the last engine left half done. */
void engine_synced(struct engine *e);
/* Stops everything and then ends; a second time it hurries. */
void engine_shutdown(struct engine *e, bool hurry);
