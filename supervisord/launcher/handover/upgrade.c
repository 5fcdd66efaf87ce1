/*
 * An upgrade, step by step, and none of them waits:
 *   trial      both new programs are started beside the old ones, to look at a handover;
 *   leave      the engine is killed, what it had sent is done, and this process executes the new
 *              launcher, which takes the handover and starts the new engine;
 *   probation  that engine has to recover. If it can't, the same is done with the old programs,
 *              which are kept until then.
 * Whoever is killed meanwhile leaves what it would leave at any other time: a living engine takes
 * over from its launcher, and without one the next start finds all in the recovery area.
 */
#include "launcher/handover/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine/engine_process.h"
#include "launcher/handover/inherit.h"

#define MAX_EARLY_DEATHS 3

static const char *const names[UPGRADE_PROGRAMS] = {
	[UPGRADE_LAUNCHER] = "launcher", [UPGRADE_ENGINE] = "engine"};
static const enum link_keep tags[UPGRADE_PROGRAMS] = {
	[UPGRADE_LAUNCHER] = LINK_KEEP_LAUNCHER, [UPGRADE_ENGINE] = LINK_KEEP_ENGINE};
static const enum link_keep old_tags[UPGRADE_PROGRAMS] = {
	[UPGRADE_LAUNCHER] = LINK_KEEP_OLD_LAUNCHER, [UPGRADE_ENGINE] = LINK_KEEP_OLD_ENGINE};

static void stop(struct upgrade *u)
{
	for (int i = 0; i < UPGRADE_PROGRAMS; i++) {
		if (u->trials[i] > 0)
			sys_kill(u->trials[i], SIGKILL); /* reaped as any orphan */
		u->trials[i] = 0;
		u->programs[i] = close_fd(u->programs[i]);
	}
	u->stage = UPGRADE_NOT;
}

static void tell(struct launcher *l, uint32_t op, int error)
{
	l->upgrade.known = l->upgrade.tell = true;
	l->upgrade.known_op = op;
	l->upgrade.known_error = error;
}

static void fail(struct launcher *l, int error)
{
	log_error("no upgrade: %s; going on as before", strerror(error));
	stop(&l->upgrade);
	tell(l, l->upgrade.op, error);
}

/* ---- trial ---- */

_noreturn_ static void run_trial(struct launcher *l, int i)
{
	struct handover h;
	char *const *argv;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	engine_process_reset_signals();
	argv = i == UPGRADE_ENGINE ? engine_process_argv(l, ENGINE_NAME) : l->engine.argv;
	r = argv ? inherit_save(l, &h) : -ENOMEM;
	if (r == 0) {
		h.head.kept[LINK_KEEP_LOCK] = 0; /* is nobody's to hold but ours */
		r = handover_exec(&h, HANDOVER_TRIAL, l->upgrade.programs[i], argv);
	}
	log_error("cannot try the new %s: %s", names[i], strerror(-r));
	_exit(EXIT_FAILURE);
}

static int start_trial(struct launcher *l, int i)
{
	pid_t pid = sys_fork();

	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		run_trial(l, i);
	l->upgrade.trials[i] = pid;
	return 0;
}

void upgrade_begin(struct launcher *l, uint32_t op, int programs[2], bool lost_fds)
{
	struct upgrade *u = &l->upgrade;
	int r = lost_fds ? -EMFILE : 0;

	if (u->stage != UPGRADE_NOT && u->op == op)
		return;
	if (u->known && u->known_op == op) {
		u->tell = true;
		return;
	}
	if (u->stage != UPGRADE_NOT || l->exiting || l->ending != ENDING_NOT) {
		tell(l, op, EBUSY);
		return;
	}
	u->op = op;
	u->error = 0;
	if (r == 0 && (l->kept[LINK_KEEP_LAUNCHER] < 0 || l->kept[LINK_KEEP_ENGINE] < 0))
		r = -ENOENT; /* there would be no way back */
	for (int i = 0; i < UPGRADE_PROGRAMS && r == 0; i++) {
		u->programs[i] = TAKE_FD(programs[i]);
		r = start_trial(l, i);
	}
	if (r < 0) {
		fail(l, -r);
		return;
	}
	u->stage = UPGRADE_TRIAL;
	u->due_usec = usec_now(CLOCK_MONOTONIC) + UPGRADE_TRIAL_USEC;
}

/* ---- leaving ---- */

static void begin_leave(struct launcher *l, int error)
{
	l->upgrade.stage = UPGRADE_LEAVE;
	l->upgrade.error = error;
	if (l->engine.pid > 0)
		engine_process_kill(l);
	else
		l->engine.start_usec = USEC_INFINITY;
}

bool upgrade_trial_ended(struct launcher *l, const siginfo_t *info)
{
	struct upgrade *u = &l->upgrade;

	for (int i = 0; i < UPGRADE_PROGRAMS; i++) {
		if (u->trials[i] != info->si_pid)
			continue;
		u->trials[i] = 0;
		if (info->si_code != CLD_EXITED || info->si_status != 0) {
			log_error("the new %s has not passed its trial", names[i]);
			fail(l, ENOEXEC);
		} else if (u->trials[!i] == 0) {
			begin_leave(l, 0);
		}
		return true;
	}
	return false;
}

/* Does not come back, or with -errno. */
static int leave(struct launcher *l)
{
	_cleanup_(handover_fini) struct handover h = HANDOVER_INIT;
	const struct upgrade *u = &l->upgrade;
	int r = inherit_save(l, &h);

	if (r < 0)
		return r;
	h.head.upgrade_op = u->op;
	h.head.upgrade_error = u->error;
	for (int i = 0; i < UPGRADE_PROGRAMS; i++) {
		h.head.kept[old_tags[i]] = u->error == 0 ? l->kept[tags[i]] : 0;
		h.head.kept[tags[i]] = u->programs[i];
	}
	return handover_exec(&h, HANDOVER_VARIABLE, u->programs[UPGRADE_LAUNCHER], l->engine.argv);
}

/* ---- probation ---- */

static void drop_old(struct launcher *l)
{
	for (int i = 0; i < UPGRADE_PROGRAMS; i++) {
		l->kept[old_tags[i]] = close_fd(l->kept[old_tags[i]]);
		l->tell_kept &= ~(UINT32_C(1) << old_tags[i]);
	}
}

void upgrade_inherited(struct launcher *l, uint32_t op, int error)
{
	struct upgrade *u = &l->upgrade;

	u->op = op;
	if (l->kept[LINK_KEEP_OLD_LAUNCHER] >= 0 && l->kept[LINK_KEEP_OLD_ENGINE] >= 0) {
		u->stage = UPGRADE_PROBATION;
		u->due_usec = usec_now(CLOCK_MONOTONIC) + UPGRADE_RECOVER_USEC;
	} else if (error != 0) {
		tell(l, op, error);
	}
}

void upgrade_recovered(struct launcher *l)
{
	if (!upgrade_is_on_probation(l))
		return;
	log_info("the new programs are in charge");
	drop_old(l);
	stop(&l->upgrade);
	tell(l, l->upgrade.op, 0);
}

bool upgrade_is_on_probation(const struct launcher *l)
{
	return l->upgrade.stage == UPGRADE_PROBATION;
}

static void go_back(struct launcher *l, int error)
{
	log_error("the new engine %s; going back to the programs before",
		error == ETIMEDOUT ? "has not recovered in time" : "dies before it is up");
	for (int i = 0; i < UPGRADE_PROGRAMS; i++)
		l->upgrade.programs[i] = TAKE_FD(l->kept[old_tags[i]]);
	drop_old(l);
	begin_leave(l, error);
}

/* ---- all of them ---- */

usec_t upgrade_tick(struct launcher *l, usec_t now)
{
	struct upgrade *u = &l->upgrade;

	if (u->stage == UPGRADE_NOT)
		return USEC_INFINITY;
	if (l->exiting || l->ending != ENDING_NOT) {
		stop(u);
		return USEC_INFINITY;
	}
	switch (u->stage) {
	case UPGRADE_NOT:
		break;
	case UPGRADE_TRIAL:
		if (now < u->due_usec)
			return u->due_usec;
		fail(l, ETIMEDOUT);
		break;
	case UPGRADE_LEAVE:
		if (l->engine.pid > 0)
			break; /* its end is on its way */
		fail(l, -leave(l));
		l->engine.start_usec = now;
		break;
	case UPGRADE_PROBATION:
		if (l->engine.n_early_deaths >= MAX_EARLY_DEATHS)
			go_back(l, ECANCELED);
		else if (now >= u->due_usec)
			go_back(l, ETIMEDOUT);
		else
			return u->due_usec;
		return now; /* it may be over already */
	}
	return USEC_INFINITY;
}
