/*
 * Three ways to clone, by what the plan and the machine allow:
 *   fast      shares memory and descriptors, on a stack of its own. Not for a change of
 *             ids (a process of that other user could meddle with our memory's other
 *             user) nor of oom_score_adj (the kernel applies it to all who share memory);
 *   safe      shares descriptors until its first act: those need a slot;
 *   plain     like fork, where no slot is free: any number of these may hang in exec.
 *
 * A slot is a few reserved descriptor numbers below SPAWN_PRIVATE_FD, always occupied (by
 * /dev/null while unused), so that nothing else ever gets such a number. A child gets a copy of
 * all below its highest: what most need is numbered before what few do. The launcher
 * gives up its copies in them as soon as the child reports a table of its own; only then
 * does the error pipe show its end at exec. The slot itself is free when the child has
 * left our memory: the kernel lets go of memory before it closes descriptors, at exec as
 * at exit, so the end of the pipe tells that too.
 */
#include "launcher/spawn/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/usec.h"

#define STACK_SIZE  (64u << 10) /* the lowest page of it is the guard */
#define PIDFS_MAGIC 0x50494446
#define MAX_SIGNO   64
#define PLAN_SEALS  (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static bool probe_pidfd_inode(void)
{
	_cleanup_close_
	int fd = sys_pidfd_open(getpid());
	struct statfs st;

	return fd >= 0 && fstatfs(fd, &st) == 0 && st.f_type == PIDFS_MAGIC;
}

static void init_stacks(struct spawner *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *stacks;

	if (!CHILD_CAN_SHARE_MEMORY ||
		sys_mmap(SPAWN_SLOTS * STACK_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0, &stacks) < 0)
		return;
	for (int i = 0; i < SPAWN_SLOTS; i++) {
		char *stack = (char *)stacks + (size_t)i * STACK_SIZE;

		if (mprotect(stack, page, PROT_NONE) == 0)
			s->slots[i].stack_top = stack + STACK_SIZE;
	}
}

void spawner_init(struct spawner *s, const uint64_t nofile[2])
{
	memset(s, 0, sizeof(*s));
	s->epoll = -1;
	s->nofile[0] = nofile[0];
	s->nofile[1] = nofile[1];
	s->max_fd = nofile[1] > SPAWN_SPARE_FDS ? nofile[1] - SPAWN_SPARE_FDS : 0;
	s->have_pidfd_inode = probe_pidfd_inode();
	init_stacks(s);
	/* The call must exist before a child depends on it; this closes nothing. */
	if (syscall(SYS_close_range, ~0U - 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		return;
	for (int fd = SPAWN_NULL_FD + 1; fd < SPAWN_PRIVATE_FD; fd++) {
		if (sys_dup3(SPAWN_NULL_FD, fd, O_CLOEXEC) < 0)
			return;
	}
	s->n_slots = SPAWN_SLOTS;
}

void spawner_note_signals(struct spawner *s)
{
	struct sigaction now;

	s->signals = 0;
	for (int signo = 1; signo <= MAX_SIGNO; signo++) {
		/* Those that libc keeps to itself have been inherited at most. */
		if (sigaction(signo, NULL, &now) < 0 || now.sa_handler != SIG_DFL)
			s->signals |= UINT64_C(1) << (signo - 1);
	}
}

/*
 * Pipes are numbered as a plan's; behind those come the one that a failure is told by, and what is
 * kept for its stdin: a copy, of which there is no other end.
 */
#define ERROR_PIPE ENTRY_PIPES
#define INPUT	   (ENTRY_PIPES + 1)
#define N_PIPES	   (ENTRY_PIPES + 2)
_Static_assert(ENTRY_PIPES == (int)PLAN_PIPE_MAX && ENTRY_READY_PIPE == (int)PLAN_PIPE_READY,
	"an entry keeps what a plan may have");
_Static_assert(N_PIPES == SPAWN_SLOT_FDS, "a slot has room for what a child may need");

/* The error pipe is not first: it must not be where the child moves it to. */
static int slot_fd(int slot, int i)
{
	static const int places[N_PIPES] = {
		[0] = 0, [ERROR_PIPE] = 1, [1] = 2, [ENTRY_READY_PIPE] = 3, [INPUT] = 4};

	return SPAWN_NULL_FD + 1 + places[i] * SPAWN_SLOTS + slot;
}

/* dup3 onto a descriptor that is open cannot fail but for EBUSY, which is a race with open(). */
static void vacate_slot_fds(struct spawner *s, int slot)
{
	struct slot *l = &s->slots[slot];

	for (int i = 0; i < SPAWN_SLOT_FDS; i++)
		if (l->occupied & 1u << i)
			sys_dup3(SPAWN_NULL_FD, slot_fd(slot, i), O_CLOEXEC);
	l->occupied = 0;
}

static void free_slot(struct spawner *s, int slot)
{
	struct slot *l = &s->slots[slot];

	free(l->plan);
	l->plan = NULL;
	l->busy = false;
	s->n_busy--;
	s->full_usec = 0; /* all may be busy for as long as they go from one to the next */
	s->stuck = false;
}

static int take_slot(struct spawner *s)
{
	for (int i = 0; i < s->n_slots; i++) {
		if (!s->slots[i].busy) {
			s->slots[i].busy = true;
			s->n_busy++;
			return i;
		}
	}
	return -1;
}

bool spawner_is_full(const struct spawner *s)
{
	return s->n_slots > 0 && s->n_busy == s->n_slots && !s->stuck;
}

usec_t spawner_tick(struct spawner *s, usec_t now)
{
	if (!spawner_is_full(s))
		return USEC_INFINITY;
	if (s->full_usec == 0)
		s->full_usec = now;
	if (now < s->full_usec + SPAWN_SLOT_WAIT_USEC)
		return s->full_usec + SPAWN_SLOT_WAIT_USEC;
	s->stuck = true;
	return USEC_INFINITY;
}

bool spawner_has_room(const struct spawner *s, int fd)
{
	return (uint64_t)fd < s->max_fd;
}

/* Of a memfd that can neither change nor shrink any more. */
static int read_plan(int fd, char **ret_plan, size_t *ret_size)
{
	_cleanup_free_
	char *plan = NULL;
	struct stat st;
	ssize_t n;
	int r;

	r = sys_fcntl(fd, F_GET_SEALS, 0);
	if (r < 0 || (r & PLAN_SEALS) != PLAN_SEALS)
		return -EBADMSG;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_size <= 0 || st.st_size > PLAN_MAX_SIZE)
		return -EBADMSG;
	plan = malloc((size_t)st.st_size);
	if (!plan)
		return -ENOMEM;
	n = sys_pread(fd, plan, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return n < 0 ? (int)n : -EBADMSG;
	*ret_size = (size_t)st.st_size;
	*ret_plan = TAKE_PTR(plan);
	return 0;
}

/* Of a memfd, or what came with the message: either way as memory of our own. */
static int take_plan(const struct spawn_request *q, char **ret_plan, struct plan_view *ret_view)
{
	_cleanup_free_
	char *plan = NULL;
	size_t size = q->n_plan;
	int r = 0;

	if (size == 0)
		r = read_plan(q->fds[0], &plan, &size);
	else if (!(plan = malloc(size)))
		r = -ENOMEM;
	else
		memcpy(plan, q->plan, size);
	if (r == 0)
		r = plan_open(plan, size, ret_view);
	if (r < 0)
		return r;
	*ret_plan = TAKE_PTR(plan);
	return 0;
}

/* What is written fits always, so that neither end has to block. */
static int make_error_pipe(const struct spawner *s, int *ret_read, int *ret_write)
{
	int fds[2], r;

	r = sys_pipe2(fds, O_NONBLOCK);
	if (r < 0)
		return r;
	if (!spawner_has_room(s, MAX_OF(fds[0], fds[1]))) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return -EMFILE;
	}
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

/* Both ends of one pipe, which the process may write to. 0, or -EBADMSG. */
static int check_pipe(int read_end, int write_end)
{
	struct stat in, out;

	if (sys_fstat(read_end, &in) < 0 || sys_fstat(write_end, &out) < 0 ||
		!S_ISFIFO(in.st_mode) || in.st_ino != out.st_ino || in.st_dev != out.st_dev)
		return -EBADMSG;
	if ((sys_fcntl(read_end, F_GETFL, 0) & O_ACCMODE) != O_RDONLY ||
		(sys_fcntl(write_end, F_GETFL, 0) & O_ACCMODE) == O_RDONLY)
		return -EBADMSG;
	return 0;
}

/* A directory for the cgroup, or -1: no service stays down for want of one. */
static int open_cgroup(struct spawner *s, struct service *service, int dir, const char *name)
{
	const char *last = table_cgroup(service);
	int r = -ENOENT;

	if (dir < 0 || !name[0])
		return -1;
	/* That of the last generation is there still. */
	if (last && strcmp(last, name) == 0)
		r = sys_openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r >= 0)
		return r;
	if ((!last || strcmp(last, name) != 0) && table_set_cgroup(service, name) < 0)
		return -1;
	r = sys_mkdirat(dir, name, 0755);
	if (r >= 0 || r == -EEXIST)
		r = sys_openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0 && !s->told_no_cgroup) {
		s->told_no_cgroup = true;
		log_warning(
			"cannot make cgroup '%s': %s; services run without", name, strerror(-r));
	}
	return r < 0 ? -1 : r;
}

static long clone_once(struct clone_args *args, const struct child *c)
{
	long r;

	if (args->stack)
		return child_clone_vm(args, c);
	r = syscall(SYS_clone3, args, sizeof(*args));
	if (r == 0)
		child_run(c);
	return r < 0 ? -errno : r;
}

/* Without a cgroup, where it can't be entered; the old way, where clone3 is filtered out. */
static long clone_child(struct spawner *s, struct clone_args *args, const struct child *c)
{
	long r = clone_once(args, c);

	if (r < 0 && (args->flags & CLONE_INTO_CGROUP) && r != -EAGAIN && r != -ENOMEM) {
		if (!s->told_no_cgroup)
			log_warning("cannot start processes in their cgroup: %s; they run without",
				strerror((int)-r));
		s->told_no_cgroup = true;
		args->flags &= ~(uint64_t)CLONE_INTO_CGROUP;
		args->cgroup = 0;
		r = clone_once(args, c);
	}
	if (r == -ENOSYS || r == -EPERM) {
		if (!s->told_no_clone3)
			log_warning("clone3: %s; falling back to clone", strerror((int)-r));
		s->told_no_clone3 = true;
		r = syscall(SYS_clone,
			(args->flags & (CLONE_FILES | CLONE_PARENT_SETTID)) | SIGCHLD, 0,
			args->parent_tid, 0, 0);
		if (r == 0)
			child_run(c);
		r = r < 0 ? -errno : r;
	}
	return r;
}

/* The descriptors that a spawn takes and that must not stay behind when it fails. */
struct ends {
	int read[N_PIPES], write[N_PIPES];
};

static void close_ends(struct ends *p)
{
	for (int i = 0; i < N_PIPES; i++) {
		p->read[i] = close_fd(p->read[i]);
		p->write[i] = close_fd(p->write[i]);
	}
}

/* Those that came with the plan; what is not taken stays the caller's. */
static int take_pipes(const struct spawner *s, uint32_t flags, int *fds, unsigned n_fds,
	struct ends *p, enum link_stage *ret_stage)
{
	unsigned n = 0;

	*ret_stage = LINK_STAGE_PLAN;
	for (unsigned i = 0; i < ENTRY_PIPES; i++) {
		if (!plan_has_pipe(flags, (enum plan_pipe)i))
			continue;
		if (n + 2 > n_fds || check_pipe(fds[n], fds[n + 1]) < 0)
			return -EBADMSG;
		p->read[i] = TAKE_FD(fds[n++]);
		p->write[i] = TAKE_FD(fds[n++]);
	}
	if (n != n_fds)
		return -EBADMSG;
	*ret_stage = LINK_STAGE_RESOURCES;
	for (unsigned i = 0; i < ENTRY_PIPES; i++) {
		if (p->read[i] >= 0 && !spawner_has_room(s, MAX_OF(p->read[i], p->write[i])))
			return -EMFILE;
	}
	return make_error_pipe(s, &p->read[ERROR_PIPE], &p->write[ERROR_PIPE]);
}

/* What is kept is still there for the next process, or goes where this one has no use for it. */
static int take_input(struct table *t, struct service *s, uint32_t flags, int *ret_fd)
{
	int r = -EMFILE; /* it could not be kept */

	if (!(flags & PLAN_STDIN_KEPT)) {
		table_keep_input(t, s, -1);
		return 0;
	}
	if (s->input >= 0)
		r = sys_dup_cloexec(s->input, SPAWN_PRIVATE_FD);
	if (r < 0)
		return r;
	*ret_fd = r;
	return 0;
}

static int move_into_slot(struct spawner *s, int slot, const struct ends *p)
{
	for (int i = 0; i < N_PIPES; i++) {
		int r = 0;

		if (p->write[i] >= 0)
			r = sys_dup3(p->write[i], slot_fd(slot, i), O_CLOEXEC);
		if (r < 0)
			return r;
		if (p->write[i] >= 0)
			s->slots[slot].occupied |= 1u << i;
	}
	return 0;
}

static void fill_child(const struct spawner *s, struct child *c, int slot, const struct ends *p)
{
	int fds[N_PIPES];

	c->private_fd = SPAWN_NULL_FD + 1;
	for (int i = 0; i < N_PIPES; i++) {
		fds[i] = slot >= 0 && p->write[i] >= 0 ? slot_fd(slot, i) : p->write[i];
		if (fds[i] >= (int)c->private_fd)
			c->private_fd = (unsigned)fds[i] + 1;
	}
	c->stdin_fd = fds[INPUT] >= 0 ? fds[INPUT] : SPAWN_NULL_FD;
	c->stdout_fd = fds[0] >= 0 ? fds[0] : SPAWN_NULL_FD;
	c->stderr_fd = fds[1] >= 0 ? fds[1] : c->stdout_fd;
	c->ready_fd = fds[ENTRY_READY_PIPE];
	c->error_fd = fds[ERROR_PIPE];
	c->shares_files = slot >= 0;
	c->nofile[0] = s->nofile[0];
	c->nofile[1] = s->nofile[1];
	c->signals = s->signals;
}

uint64_t spawn_pidfd_inode(const struct spawner *s, int pidfd)
{
	struct stat st;

	return s->have_pidfd_inode && sys_fstat(pidfd, &st) == 0 ? st.st_ino : 0;
}

static void note_start(const struct spawner *s, struct table *t, struct entry *e, pid_t pid)
{
	struct link_started start = {.monotonic_usec = usec_now(CLOCK_MONOTONIC),
		.realtime_usec = usec_now(CLOCK_REALTIME)};

	/* Not reaped by anyone but us: the pid is still that process. */
	e->pidfd = sys_pidfd_open(pid);
	if (e->pidfd >= 0)
		start.pidfd_inode = spawn_pidfd_inode(s, e->pidfd);
	table_set_pid(t, e, pid, &start);
}

static int start(struct spawner *s, struct table *t, struct entry *e, const struct child *c,
	struct slot *slot, int cgroup)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	long pid;

	/* By the kernel: before the child runs, and whatever is done to us. */
	args.flags |= CLONE_PARENT_SETTID;
	args.parent_tid = (uint64_t)(uintptr_t)&e->note->pid;
	if (slot)
		args.flags |= CLONE_FILES;
	if (slot && slot->stack_top && !(c->plan.head->flags & (PLAN_SET_IDS | PLAN_SET_OOM))) {
		args.flags |= CLONE_VM;
		args.stack = (uint64_t)(uintptr_t)(slot->stack_top - STACK_SIZE);
		args.stack_size = STACK_SIZE;
	}
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	pid = clone_child(s, &args, c);
	if (pid < 0)
		return (int)pid;
	note_start(s, t, e, (pid_t)pid);
	return 0;
}

static void drop_plan(struct slot *plain)
{
	free(plain->plan);
}

int spawn_begin(struct spawner *s, struct table *t, struct entry *e, const struct spawn_request *q,
	enum link_stage *ret_stage)
{
	_cleanup_(close_ends) struct ends p = {{-1, -1, -1, -1, -1}, {-1, -1, -1, -1, -1}};
	_cleanup_(drop_plan) struct slot plain = {0};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
	_cleanup_close_
	int cgroup = -1;
	unsigned n_memfds = q->n_plan == 0;
	struct slot *slot;
	int r, n;

	*ret_stage = LINK_STAGE_PLAN;
	r = take_plan(q, &plain.plan, &plain.child.plan);
	if (r < 0)
		return r;
	r = take_pipes(s, plain.child.plan.head->flags, q->fds + n_memfds, q->n_fds - n_memfds, &p,
		ret_stage);
	if (r == 0)
		r = take_input(t, e->service, plain.child.plan.head->flags, &p.write[INPUT]);
	if (r == 0)
		r = sys_epoll_ctl(s->epoll, EPOLL_CTL_ADD, p.read[ERROR_PIPE], &event);
	if (r < 0)
		return r;
	e->service->uid = plain.child.plan.head->flags & PLAN_SET_IDS ? plain.child.plan.head->uid
								      : (uid_t)-1;
	cgroup = open_cgroup(s, e->service, q->cgroup_dir, plain.child.plan.cgroup);

	n = take_slot(s);
	if (n >= 0 && move_into_slot(s, n, &p) < 0) {
		vacate_slot_fds(s, n);
		free_slot(s, n);
		n = -1;
	}
	slot = n >= 0 ? &s->slots[n] : NULL;
	if (slot) {
		slot->child = plain.child;
		slot->plan = TAKE_PTR(plain.plan);
	}
	fill_child(s, slot ? &slot->child : &plain.child, n, &p);
	(slot ? &slot->child : &plain.child)->note = e->note;
	*ret_stage = LINK_STAGE_FORK;
	r = start(s, t, e, slot ? &slot->child : &plain.child, slot, cgroup);
	if (r < 0) {
		sys_epoll_ctl(s->epoll, EPOLL_CTL_DEL, p.read[ERROR_PIPE], NULL);
		if (slot) {
			vacate_slot_fds(s, n);
			free_slot(s, n);
		}
		return r;
	}
	table_set_starting(e, &(struct spawn){TAKE_FD(p.read[ERROR_PIPE]), .slot = (int16_t)n});
	for (int i = 0; i < ENTRY_PIPES; i++)
		e->read_fds[i] = TAKE_FD(p.read[i]);
	return 0;
}

static void finish(struct spawner *s, struct spawn *spawn)
{
	/* Explicitly: a child that has not run yet may hold a copy, and keep it alive. */
	sys_epoll_ctl(s->epoll, EPOLL_CTL_DEL, spawn->error_fd, NULL);
	close_fd(spawn->error_fd);
	if (spawn->slot < 0)
		return;
	if (!spawn->unshared)
		vacate_slot_fds(s, spawn->slot);
	free_slot(s, spawn->slot);
}

bool spawn_progress(
	struct spawner *s, struct entry *e, bool reaped, struct spawn_report *ret_failure)
{
	struct spawn *spawn = &e->spawn;
	struct spawn_report report;
	ssize_t n;

	if (e->phase != ENTRY_STARTING)
		return false;
	while ((n = sys_read(spawn->error_fd, &report, sizeof(report))) == sizeof(report)) {
		if (report.stage != LINK_STAGE_NONE) {
			spawn->failure = report;
		} else if (spawn->slot >= 0) {
			spawn->unshared = true;
			vacate_slot_fds(s, spawn->slot);
		}
	}
	if (n != 0 && !reaped)
		return false; /* nothing more yet */
	*ret_failure = spawn->failure;
	finish(s, spawn);
	table_set_living(e);
	return true;
}
