/*
 * The link's messages have one fixed size, so that coding is copying (only a plan may stand behind
 * one, which is somebody else's to decode); what this file adds is distrust. A message that comes
 * in is looked at once, by a table that says for each type how many descriptors it has and what its
 * fields may hold; past that point the programs rely on it.
 *
 * Nothing here waits. Descriptors that come with a refused message are closed here, and
 * nowhere else.
 */
#include "wire/link.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

#define MAX_SIGNO 64
#define MAX_ERRNO 4095

/* What the fields of a type hold, beyond its descriptors. */
enum field {
	FIELD_GENERATION = 1 << 0,
	FIELD_SERIAL = 1 << 1,
	FIELD_PID = 1 << 2,
	FIELD_SIGNO = 1 << 3,
	FIELD_TAG = 1 << 4,
	FIELD_SCOPE = 1 << 5,
	FIELD_CODE = 1 << 6,
	FIELD_EXIT = 1 << 7,
	FIELD_ERROR = 1 << 8,
	FIELD_STARTED = 1 << 9,
	FIELD_OUTCOME = 1 << 10, /* an errno or 0 */
	FIELD_PLAN = 1 << 11, /* a plan, which counts as a descriptor, and then pairs of them */
	FIELD_BOOLEAN = 1 << 12
};

static const struct type_info {
	const char *name;
	unsigned min_fds, max_fds;
	unsigned fields; /* enum field */
} types[LINK_TYPE_MAX] = {
	[LINK_HELLO] = {"HELLO", 0, 0, 0},
	[LINK_RECOVERED] = {"RECOVERED", 0, 0, 0},
	[LINK_SPAWN] = {"SPAWN", 1, LINK_MAX_FDS, FIELD_GENERATION | FIELD_PLAN},
	[LINK_ADOPT] = {"ADOPT", 1, 1, FIELD_GENERATION | FIELD_PID},
	[LINK_KILL] = {"KILL", 0, 0, FIELD_GENERATION | FIELD_SIGNO | FIELD_SCOPE},
	[LINK_KILL_TREE] = {"KILL_TREE", 0, 0, 0},
	[LINK_KILL_PIDFD] = {"KILL_PIDFD", 1, 1, FIELD_SIGNO},
	[LINK_ACK] = {"ACK", 0, 0, FIELD_GENERATION | FIELD_SERIAL | FIELD_BOOLEAN},
	[LINK_RELEASE] = {"RELEASE", 0, 0, FIELD_GENERATION},
	[LINK_REFETCH] = {"REFETCH", 0, 0, FIELD_GENERATION},
	[LINK_KEEP] = {"KEEP", 1, 1, FIELD_TAG},
	[LINK_REMOVE] = {"REMOVE", 0, 0, 0},
	[LINK_SEEN] = {"SEEN", 0, 0, FIELD_SIGNO},
	[LINK_PONG] = {"PONG", 0, 0, 0},
	[LINK_EXIT] = {"EXIT", 0, 0, FIELD_CODE},
	[LINK_KEPT] = {"KEPT", 1, 1, FIELD_TAG},
	[LINK_STARTED] = {"STARTED", 0, 2, FIELD_GENERATION | FIELD_PID | FIELD_STARTED},
	[LINK_EXITED] = {"EXITED", 0, 0, FIELD_GENERATION | FIELD_SERIAL | FIELD_EXIT},
	[LINK_REFUSED] = {"REFUSED", 0, 0, FIELD_GENERATION | FIELD_PID | FIELD_ERROR},
	[LINK_SIGNALLED] = {"SIGNALLED", 0, 0, FIELD_SIGNO},
	[LINK_SYNCED] = {"SYNCED", 0, 0, 0},
	[LINK_PING] = {"PING", 0, 0, 0},
	[LINK_FOSTER] = {"FOSTER", 1, 3, FIELD_GENERATION | FIELD_PID | FIELD_STARTED},
	[LINK_UPGRADE] = {"UPGRADE", 2, 2, 0},
	[LINK_UPGRADED] = {"UPGRADED", 0, 0, FIELD_OUTCOME},
};

static const char *const stage_names[LINK_STAGE_MAX] = {
	[LINK_STAGE_NONE] = "cannot start",
	[LINK_STAGE_PLAN] = "cannot read how to start it",
	[LINK_STAGE_RESOURCES] = "cannot get what starting it takes",
	[LINK_STAGE_CGROUP] = "cannot place it in its cgroup",
	[LINK_STAGE_FORK] = "cannot fork",
	[LINK_STAGE_STDIO] = "cannot connect its stdin, stdout and stderr",
	[LINK_STAGE_PRIORITY] = "cannot set its nice or oom-score-adj",
	[LINK_STAGE_GROUP] = "cannot change to its groups",
	[LINK_STAGE_USER] = "cannot change to its user",
	[LINK_STAGE_DIRECTORY] = "cannot change to its directory",
	[LINK_STAGE_EXEC] = "cannot execute",
	[LINK_STAGE_LIMITS] = "cannot set its resource limits",
	[LINK_STAGE_STDIN] = "cannot open the file that is to be its stdin",
	[LINK_STAGE_STDIN_FIFO] = "cannot make or open the FIFO that is to be its stdin",
};

bool link_exit_is_valid(const struct link_exit *e, int32_t pid)
{
	if (e->error != 0)
		return e->error > 0 && e->error <= MAX_ERRNO && e->stage > LINK_STAGE_NONE &&
		       e->stage < LINK_STAGE_MAX && pid == 0;
	if (e->stage != LINK_STAGE_NONE || pid <= 0)
		return false;
	if (e->code == LINK_EXIT_UNKNOWN)
		return e->status == 0;
	if (e->code == CLD_EXITED)
		return e->status >= 0 && e->status <= 255;
	return (e->code == CLD_KILLED || e->code == CLD_DUMPED) && e->status > 0 &&
	       e->status <= MAX_SIGNO;
}

static bool fields_are_valid(const struct link_message *m, unsigned fields)
{
	if ((fields & FIELD_GENERATION) && m->generation == 0)
		return false;
	if ((fields & FIELD_SERIAL) && m->serial == 0)
		return false;
	if ((fields & FIELD_PID) && m->pid <= 0)
		return false;
	if ((fields & FIELD_SIGNO) && (m->signo < 1 || m->signo > MAX_SIGNO))
		return false;
	if ((fields & FIELD_TAG) && m->value >= LINK_KEEP_MAX)
		return false;
	if ((fields & FIELD_SCOPE) && (m->value & ~LINK_SCOPE_CONTINUE) >= LINK_SCOPE_MAX)
		return false;
	if ((fields & FIELD_CODE) && m->value > 255)
		return false;
	if ((fields & FIELD_BOOLEAN) && m->value > 1)
		return false;
	if ((fields & FIELD_ERROR) && (m->value == 0 || m->value > MAX_ERRNO))
		return false;
	if ((fields & FIELD_OUTCOME) && m->value > MAX_ERRNO)
		return false;
	if ((fields & FIELD_STARTED) && (m->started.flags & ~(uint32_t)LINK_STARTED_FLAGS_ALL))
		return false;
	return !(fields & FIELD_EXIT) || link_exit_is_valid(&m->exit, m->pid);
}

static int check(const void *data, size_t n)
{
	struct link_message m;

	/* The version stands first, so that another version's size does not matter. */
	if (n < sizeof(m.version))
		return -EPROTO;
	memcpy(&m.version, data, sizeof(m.version));
	if (m.version != LINK_VERSION)
		return -EPROTONOSUPPORT;
	if (n != sizeof(m))
		return -EPROTO;
	memcpy(&m, data, sizeof(m));
	if (m.type >= LINK_TYPE_MAX || !types[m.type].name)
		return -EPROTO;
	return fields_are_valid(&m, types[m.type].fields) ? 0 : -EPROTO;
}

static bool n_fds_is_valid(const struct link_message *m, unsigned n_fds)
{
	unsigned n_ready = (types[m->type].fields & FIELD_STARTED) &&
			   (m->started.flags & LINK_STARTED_READY_FD) != 0;

	if ((types[m->type].fields & FIELD_PLAN) && n_fds % 2 == 0)
		return false;
	return n_fds >= types[m->type].min_fds + n_ready &&
	       n_fds <= types[m->type].max_fds + n_ready;
}

int link_check(const void *data, size_t n, unsigned n_fds)
{
	struct link_message m;
	int r = check(data, n);

	if (r < 0)
		return r;
	memcpy(&m, data, sizeof(m));
	return n_fds_is_valid(&m, n_fds) ? 0 : -EPROTO;
}

static int send_packet(
	int fd, struct link_message *m, struct iovec iov[static 2], const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * LINK_MAX_FDS)];
	} control;
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = iov[1].iov_len > 0 ? 2 : 1};
	ssize_t r;

	if (n_fds > LINK_MAX_FDS)
		return -EINVAL;
	m->version = LINK_VERSION;
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	r = sys_sendmsg(fd, &msg, MSG_DONTWAIT);
	return r < 0 ? (int)r : 0;
}

int link_send(int fd, struct link_message *m, const int *fds, unsigned n_fds)
{
	struct iovec iov[2] = {{.iov_base = m, .iov_len = sizeof(*m)}};

	return send_packet(fd, m, iov, fds, n_fds);
}

int link_send_plan(
	int fd, struct link_message *m, const void *plan, size_t n, const int *fds, unsigned n_fds)
{
	struct iovec iov[2] = {{.iov_base = m, .iov_len = sizeof(*m)},
		{.iov_base = (void *)(uintptr_t)plan, .iov_len = n}};

	if (n == 0 || n > LINK_MAX_PLAN)
		return -EINVAL;
	return send_packet(fd, m, iov, fds, n_fds);
}

/*
 * Takes what came in, as many as there is room for, and counts all of it: the kernel
 * may hand over more than a peer of ours would ever send.
 */
static unsigned take_fds(struct msghdr *msg, int ret_fds[static LINK_MAX_FDS])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n_here; i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < LINK_MAX_FDS)
				ret_fds[n] = fd;
			else
				close_fd(fd);
		}
	}
	return n;
}

static void drop_fds(int fds[static LINK_MAX_FDS])
{
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		fds[i] = close_fd(fds[i]);
}

/* Room for a plan is 0 bytes or LINK_MAX_PLAN. */
static int receive(int fd, struct link_message *ret_m, int ret_fds[static LINK_MAX_FDS],
	unsigned *ret_n_fds, bool *ret_lost_fds, struct iovec room, size_t *ret_n_plan)
{
	/* Room for one descriptor more than is allowed: too many is not the same as lost. */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * (LINK_MAX_FDS + 1))];
	} control;
	struct link_message m;
	struct iovec iov[2] = {{.iov_base = &m, .iov_len = sizeof(m)}, room};
	struct msghdr msg = {.msg_iov = iov,
		.msg_iovlen = room.iov_len > 0 ? 2 : 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	size_t n_plan;
	unsigned n_fds;
	bool lost;
	ssize_t n;
	int r;

	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		ret_fds[i] = -1;
	n = sys_recvmsg(fd, &msg, MSG_DONTWAIT);
	if (n < 0)
		return (int)n;
	n_fds = take_fds(&msg, ret_fds);
	lost = msg.msg_flags & MSG_CTRUNC;
	if (n == 0 && n_fds == 0 && !lost)
		return 0; /* an empty message is never sent */
	n_plan = (size_t)n > sizeof(m) ? (size_t)n - sizeof(m) : 0;

	if (msg.msg_flags & MSG_TRUNC)
		r = n >= (ssize_t)sizeof(m.version) && m.version != LINK_VERSION ? -EPROTONOSUPPORT
										 : -EMSGSIZE;
	else
		r = check(&m, (size_t)n - n_plan);
	if (r == 0 && n_plan > 0 && !(types[m.type].fields & FIELD_PLAN))
		r = -EPROTO;
	if (r == 0 && !lost && !n_fds_is_valid(&m, n_fds + (n_plan > 0)))
		r = -EPROTO;
	if (r < 0 || lost) {
		drop_fds(ret_fds);
		n_fds = 0;
	}
	if (r < 0)
		return r;
	*ret_m = m;
	*ret_n_fds = n_fds;
	*ret_lost_fds = lost;
	*ret_n_plan = n_plan;
	return 1;
}

int link_recv(int fd, struct link_message *ret_m, int ret_fds[static LINK_MAX_FDS],
	unsigned *ret_n_fds, bool *ret_lost_fds)
{
	size_t n_plan;

	return receive(fd, ret_m, ret_fds, ret_n_fds, ret_lost_fds, (struct iovec){0}, &n_plan);
}

int link_recv_plan(int fd, struct link_message *ret_m, int ret_fds[static LINK_MAX_FDS],
	unsigned *ret_n_fds, bool *ret_lost_fds, char ret_plan[static LINK_MAX_PLAN],
	size_t *ret_n_plan)
{
	struct iovec room = {.iov_base = ret_plan, .iov_len = LINK_MAX_PLAN};

	return receive(fd, ret_m, ret_fds, ret_n_fds, ret_lost_fds, room, ret_n_plan);
}

const char *link_type_to_string(enum link_type type)
{
	if ((unsigned)type >= LINK_TYPE_MAX || !types[type].name)
		return "?";
	return types[type].name;
}

const char *link_stage_to_string(enum link_stage stage)
{
	if ((unsigned)stage >= LINK_STAGE_MAX)
		return stage_names[LINK_STAGE_NONE];
	return stage_names[stage];
}
