/*
 * A launcher is what keeps descriptors, starts processes and sees them end; an engine that lives
 * while the launcher dies has all of the first, and its program, as a descriptor. So it writes down
 * what the dead one knew (wire/handover.h) and executes that program; whatever an engine has to
 * know is in the recovery area, and is read by the one that the new launcher starts: recovery is
 * one path, whoever was killed.
 *
 * If the program can't be executed, services and their logs go on, and it is tried again.
 */
#include "engine/takeover/gone.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/takeover/testament.h"

#define RETRY_MIN_USEC USEC_PER_SEC
#define RETRY_MAX_USEC (30 * USEC_PER_SEC)
#define MAX_ARGUMENTS  1024 /* far more than there are options */

/* With its arguments, and signals as any program expects them. */
static void name_as_launcher(struct engine *e, char *ret_arguments[static MAX_ARGUMENTS + 1])
{
	size_t n = 0;

	for (; e->arguments[n] && n < MAX_ARGUMENTS; n++)
		ret_arguments[n] = e->arguments[n];
	ret_arguments[n] = NULL;
	ret_arguments[0] = e->uplink.launcher_name;
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

static int become(struct engine *e, struct testament *t)
{
	char *arguments[MAX_ARGUMENTS + 1];

	if (e->uplink.mirror[LINK_KEEP_LAUNCHER] < 0)
		return -ENOENT;
	name_as_launcher(e, arguments);
	return handover_exec(
		&t->h, HANDOVER_VARIABLE, e->uplink.mirror[LINK_KEEP_LAUNCHER], arguments);
}

static void try(struct engine *e)
{
	_cleanup_(testament_fini) struct testament t = TESTAMENT_INIT;
	int r;

	store_set(&e->store, flags, e->store.head.flags | RECOVERY_FOSTERED);
	r = testament_make(&t, e);
	if (r == 0 && t.incomplete)
		store_set(&e->store, flags, e->store.head.flags | RECOVERY_MISSING);
	if (r == 0)
		r = become(e, &t);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	log_error("the launcher is gone, and cannot be executed anew: %s; services run on and are "
		  "logged, but none is started or ended until that works or supervisord is "
		  "started again",
		strerror(-r));
}

static void on_retry(struct loop_timer *timer)
{
	struct engine *e = CONTAINER_OF(timer, struct engine, gone);

	try(e);
	loop_timer_set(&e->loop, timer, usec_add(e->loop.now_usec, e->gone_wait_usec));
	e->gone_wait_usec = MIN_OF(2 * e->gone_wait_usec, RETRY_MAX_USEC);
}

void gone_afresh(struct engine *e)
{
	char *arguments[MAX_ARGUMENTS + 1];
	int r = e->uplink.image_fd < 0 ? -ENOENT : 0;

	log_error("the launcher is gone before this engine was up; starting afresh in its place, "
		  "pid %d",
		(int)getpid());
	if (r == 0) {
		name_as_launcher(e, arguments);
		r = sys_execveat(e->uplink.image_fd, arguments, environ);
	}
	log_error(
		"the launcher can't be executed anew: %s; services run on, and are gone on with by "
		"the next supervisord",
		strerror(-r));
}

void gone_begin(struct engine *e)
{
	log_error("the launcher is gone; going on in its place, pid %d", (int)getpid());
	event_supervisor(e, JOURNAL_LAUNCHER, "it has died; this engine goes on in its place");
	/* What it has told is judged, as far as that goes without one. */
	while (e->n_ended > 0)
		engine_judge_ended(e);
	try(e);
	e->gone.dispatch = on_retry;
	e->gone_wait_usec = RETRY_MIN_USEC;
	if (loop_timer_add(&e->loop, &e->gone) == 0)
		on_retry(&e->gone);
	else
		e->loop.quit = true;
}
