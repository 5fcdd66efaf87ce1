/*
 * Descriptors come first: what was inherited is either known or closed, low numbers are reserved
 * for children, and only then is anything opened that has to stay. What was handed over is taken
 * up last, when everything that it needs is there.
 */
#include "launcher/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "launcher/engine/engine_process.h"
#include "launcher/handover/inherit.h"
#include "launcher/handover/passed.h"
#include "launcher/handover/upgrade.h"
#include "launcher/spawn/spawn.h"

static const int taken_signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};

/*
 * A container may lack /dev/null. Then there is a file that is empty and stays so: reading is
 * the same, and to write is refused instead of swallowed.
 */
static int open_null(int *ret_lack)
{
	int fd = open("/dev/null", O_RDWR), r;

	if (fd >= 0)
		return fd;
	*ret_lack = errno;
	fd = sys_memfd_create("null", MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	r = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	/* As 0, 1 or 2 it has to get to the engine. */
	return r < 0 || (r = sys_fcntl(fd, F_SETFD, 0)) < 0 ? r : fd;
}

/* The slow way where the call is missing. */
static void close_between(int first, int last)
{
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	for (int fd = first; fd <= MIN_OF(last, 65535); fd++)
		close(fd);
}

/*
 * 0, 1 and 2 must be something, and 3 is /dev/null: what is opened later lies above. Of what was
 * inherited beyond stdio only what is spared (ascending) is ours; the rest must not leak into
 * services. *ret_lack is the errno where something else had to do for /dev/null.
 */
static int init_fds(const int *spared, size_t n, int *ret_lack)
{
	int fd, first = SPAWN_NULL_FD + 1;

	do {
		fd = open_null(ret_lack);
		if (fd < 0)
			return fd;
	} while (fd < SPAWN_NULL_FD);
	if (fd != SPAWN_NULL_FD && dup3(fd, SPAWN_NULL_FD, O_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		close_between(first, spared[i] - 1);
		first = spared[i] + 1;
	}
	close_between(first, INT_MAX);
	return sys_fcntl(SPAWN_NULL_FD, F_SETFD, FD_CLOEXEC);
}

static void init_limits(uint64_t ret_nofile[static 2])
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	getrlimit(RLIMIT_NOFILE, &limit);
	ret_nofile[0] = limit.rlim_cur;
	ret_nofile[1] = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		ret_nofile[1] = ret_nofile[0];
}

static int init_signals(struct launcher *l)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l->signal_fd};
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ELEMENTSOF(taken_signals); i++) {
		signal(taken_signals[i], SIG_DFL); /* an ignored one would never arrive */
		sigaddset(&mask, taken_signals[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is an error, also of memory files */
	sigprocmask(SIG_SETMASK, &mask, NULL);
	l->signal_fd = sys_signalfd(-1, &mask);
	if (l->signal_fd < 0)
		return l->signal_fd;
	return sys_epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->signal_fd, &event);
}

/* Without it all works, but for what is lost when we are killed. */
static void init_notebook(struct launcher *l)
{
	int r = notebook_create(&l->table.notebook, &l->kept[LINK_KEEP_NOTEBOOK]);

	if (r < 0) {
		log_warning(
			"cannot make the notebook: %s; should supervisord be killed, it may not be "
			"learned how the last processes have ended",
			strerror(-r));
		return;
	}
	memcpy(l->table.notebook.head->nofile, l->spawner->nofile,
		sizeof(l->table.notebook.head->nofile));
}

/* What is inherited, or else passed in, is spared; the rest is closed, and low ones are reserved.
 */
static int init_descriptors(
	struct launcher *l, struct handover *h, bool inherited, const uint64_t nofile[static 2])
{
	int passed = inherited ? -ENOENT : passed_take(), lack = 0, r;
	_cleanup_free_
	int *spared = NULL;
	size_t n = 0;

	r = inherited ? inherit_fds(h, &spared, &n) : 0;
	if (r == 0)
		r = inherited ? init_fds(spared, n, &lack) : init_fds(&passed, passed >= 0, &lack);
	if (r < 0)
		return r;
	spawner_init(l->spawner, nofile);
	log_init("supervisord");
	if (lack > 0)
		log_warning("cannot open /dev/null: %s; services get an empty file that can't be "
			    "written instead",
			strerror(lack));
	if (passed >= 0)
		l->kept[LINK_KEEP_CONTROL] = passed;
	else
		passed_explain(passed);
	return 0;
}

static int init(struct launcher *l, struct handover *h, bool inherited)
{
	uint64_t nofile[2];
	int r;

	init_limits(nofile);
	if (h->head.nofile[1] > 0) /* those were raised before */
		memcpy(nofile, h->head.nofile, sizeof(nofile));
	l->retry_usec = USEC_INFINITY;
	for (int tag = 0; tag < LINK_KEEP_MAX; tag++)
		l->kept[tag] = -1;
	for (int i = 0; i < UPGRADE_PROGRAMS; i++)
		l->upgrade.programs[i] = -1;
	r = init_descriptors(l, h, inherited, nofile);
	if (r < 0)
		return r;
	l->epoll = l->spawner->epoll = sys_epoll_create();
	if (l->epoll < 0)
		return l->epoll;
	r = init_signals(l);
	if (r < 0)
		return r;
	table_init(&l->table);
	init_notebook(l);
	spawner_note_signals(l->spawner);
	prctl(PR_SET_NAME, "supervisord");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		log_warning(
			"cannot become a subreaper: %s; orphans of services are not reaped here",
			strerror(errno));
	r = inherited ? inherit_load(l, h) : 0;
	if (r == 0 && inherited)
		upgrade_inherited(l, h->head.upgrade_op, h->head.upgrade_error);
	return r;
}

/* The new launcher can't start: the one before can, and takes the same back. */
static void give_back(struct handover *h, int error, char *const *argv)
{
	int32_t *kept = h->head.kept;

	if (kept[LINK_KEEP_OLD_LAUNCHER] == 0)
		return;
	kept[LINK_KEEP_LAUNCHER] = kept[LINK_KEEP_OLD_LAUNCHER];
	kept[LINK_KEEP_ENGINE] = kept[LINK_KEEP_OLD_ENGINE];
	kept[LINK_KEEP_OLD_LAUNCHER] = kept[LINK_KEEP_OLD_ENGINE] = 0;
	h->head.upgrade_error = error;
	handover_exec(h, HANDOVER_VARIABLE, kept[LINK_KEEP_LAUNCHER], argv);
}

/* With services to look after, what is lacking for an engine is waited for. */
static int begin(struct launcher *l, const struct launcher_options *options, struct handover *h,
	bool inherited)
{
	int r = init(l, h, inherited);

	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	r = engine_process_init(l, options, inherited);
	if (r < 0) {
		log_error("cannot open the engine (%s): %s", options->engine_path, strerror(-r));
		return r;
	}
	r = inherited ? 0 : engine_process_start(l);
	if (r < 0)
		log_error("cannot start the engine: %s", strerror(-r));
	return r;
}

bool start(struct launcher *l, const struct launcher_options *options, int *ret_status)
{
	_cleanup_(handover_fini) struct handover h = HANDOVER_INIT;
	int r;

	r = handover_find(HANDOVER_TRIAL, &h);
	if (r != -ENOENT) {
		/* That it could be read, with all its descriptors, is enough. */
		if (r < 0)
			log_error("what is to be handed over can't be used: %s", strerror(-r));
		*ret_status = r < 0;
		return false;
	}
	r = handover_find(HANDOVER_VARIABLE, &h);
	if (r < 0 && r != -ENOENT)
		log_error("what was handed over to this supervisord can't be used: %s; starting "
			  "afresh",
			strerror(-r));
	r = begin(l, options, &h, r == 0);
	if (r == 0)
		return true;
	give_back(&h, -r, options->argv);
	*ret_status = 1;
	return false;
}
