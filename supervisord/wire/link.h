/*
 * The link: what launcher and engine tell each other over a SOCK_SEQPACKET
 * socketpair. One message is one struct link_message, always of the same size;
 * descriptors ride along as SCM_RIGHTS. Both ends are built from one source tree
 * and re-executed from descriptors opened at start, so the version only ever
 * differs across an upgrade; a peer of another version is refused by name.
 *
 * A service is known here by a number (its slot in the recovery area) and a
 * generation that grows with every spawn. (id, generation) is the key of
 * everything: a repeated SPAWN is answered with the child that exists, an older
 * generation is refused.
 *
 * Engine to launcher:
 *   HELLO      first message; the launcher answers with KEPT for each kept
 *              descriptor, STARTED/EXITED for each entry of its table, SIGNALLED for
 *              what is pending, then SYNCED.
 *   RECOVERED  the engine is up: its next death no longer counts as an early one.
 *   SPAWN      id, generation, and a plan (wire/plan.h): behind the message in the same packet,
 *              or where that has no room for it in a sealed memfd, the first of the descriptors.
 *              fds: of each pipe that the plan says (enum plan_pipe, in that order) the end that
 *              we read and the process's. The
 *              engine makes them, and keeps the first of each: what a process writes is not lost
 *              when the launcher dies before it has told of it. Those of a repeated SPAWN are
 *              closed: STARTED tells which are in use.
 *   ADOPT      id, generation, pid; fd: its pidfd: from now on that process is the main process
 *              of this generation, which has been STARTED and is not RELEASEd. Whoever was it
 *              before is an orphan like any other; an end of that one which is not acknowledged
 *              is not told any more. Answered with STARTED or REFUSED; asked again, the same.
 *   KILL       id, generation, signo, scope: to the main process or the process group that it
 *              leads, while that child is not reaped. op: a number that grows per generation; one
 *              that was performed already is not performed again.
 *   KILL_TREE  id: SIGKILL to all of the service's cgroup (cgroup.kill), by its name.
 *   KILL_PIDFD id, signo; fd: the pidfd of a process of that service, which the engine has
 *              identified.
 *   ACK        id, generation, serial: this exit is counted; forget it. value: 1 where a RELEASE
 *              of this generation is meant as well.
 *   RELEASE    id, generation: drop the kept read ends of this generation's pipes, and of those
 *              of earlier ones.
 *   REFETCH    id, generation: tell STARTED again (the descriptors did not arrive).
 *   KEEP       tag; fd: keep this descriptor for the next engine (replaces the old one).
 *              LINK_KEEP_INPUT with an id: a pipe, both of its ends in one descriptor, that this
 *              service's processes get as their stdin if their plan says so; until REMOVE, or
 *              until a process is started whose plan doesn't.
 *   REMOVE     id: this service is no more, nor are its commands: remove its cgroup.
 *   SEEN       signo: this SIGNALLED has arrived.
 *   PONG       answers PING.
 *   EXIT       code: end with this exit status; there are no children any more.
 *   FOSTER     id, generation, pid, started; fds: its pidfd, then the read ends that are known
 *              of its pipes (with LINK_STARTED_READY_FD the one for readiness last): take this
 *              process, which need not be a child of ours, as that generation's main one.
 *              Answered with STARTED, and once the pidfd says that it has ended, with EXITED;
 *              or with REFUSED, and then this generation is not known here. Asked again, the
 *              same. A process that has ended already is STARTED and EXITED. ADOPT
 *              then takes other processes that are no children of ours for this generation.
 *   UPGRADE    op; fds: the new launcher's and the new engine's program, O_PATH: go on as
 *              these, see wire/handover.h. Answered with UPGRADED, by whichever launcher goes
 *              on then. Asked again with the same op, the same.
 *
 * Launcher to engine:
 *   KEPT       tag; fd. LINK_KEEP_INPUT: id.
 *   STARTED    id, generation, pid, started; fds: n_fds read ends (stdout, stderr, the pipe for
 *              readiness). pid is the present main process.
 *   EXITED     id, generation, serial, pid, exit. Comes after STARTED of the same
 *              generation, or alone where the exec failed (exit.error != 0, pid 0).
 *   REFUSED    id, generation, pid, value: an errno. That ADOPT has changed nothing:
 *              ESRCH   that process is reaped, or the generation was never started;
 *              ECHILD  it is no child of the launcher. If it has become one (its parent's
 *                      end makes it one) when the main process ends, it takes over, and
 *                      STARTED tells so in the place of EXITED;
 *              EBUSY   it is somebody else's main process;
 *              other   it can't be told: ask again.
 *              That FOSTER: EBUSY (the service, or the process, has another), EINVAL (the pidfd
 *              is not that process's), or what was lacking (EMFILE, ENOMEM): ask again.
 *   SIGNALLED  signo, sender_pid, sender_uid: a signal sent to supervisord.
 *   SYNCED     everything that the launcher knew at HELLO has been told; limits.
 *   PING
 *   UPGRADED   op, value: how the last upgrade went: 0, or an errno for which the old programs go
 *              on: ENOEXEC (a program did not pass its trial), ETIMEDOUT (nor did it end, or the
 * new engine did not recover in time), ECANCELED (the new engine died again and again), EBUSY
 * (another one is being tried, or supervisord ends), or that of a system call. Told when it is
 * known, and to every later engine after SYNCED.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_VERSION  5
#define LINK_MAX_FDS  7 /* SPAWN with three pipes and a memfd */
#define LINK_MAX_PLAN (16u << 10) /* bytes of a plan in the packet: some of them fit on the way */

/*
 * An id is the number of a service, or with LINK_ID_COMMAND set that of a command which is run
 * for it beside its process, one at a time of each kind. The launcher takes it as any other
 * service.
 */
#define LINK_ID_COMMAND	  (UINT32_C(1) << 31)
#define LINK_ID_BITS	  20 /* of a service's number; those of the kind follow */
#define LINK_COMMAND_BITS 4
#define LINK_COMMANDS	  (1u << LINK_COMMAND_BITS) /* kinds of commands there can be */

static inline uint32_t link_command_id(uint32_t service, unsigned kind)
{
	return LINK_ID_COMMAND | (uint32_t)kind << LINK_ID_BITS | service;
}

static inline uint32_t link_service_of(uint32_t id)
{
	return id & ((UINT32_C(1) << LINK_ID_BITS) - 1);
}

/* At least LINK_COMMANDS: of no kind that there is. */
static inline unsigned link_command_of(uint32_t id)
{
	return (id & ~LINK_ID_COMMAND) >> LINK_ID_BITS;
}

/*
 * The engine finds its end of the link at this descriptor; and at the next one the launcher's
 * program (O_PATH, or nothing), for when that dies before it has told anything.
 */
#define LINK_FD	      3
#define LINK_IMAGE_FD 4

enum link_type {
	LINK_HELLO = 1,
	LINK_RECOVERED,
	LINK_SPAWN,
	LINK_ADOPT,
	LINK_KILL,
	LINK_KILL_TREE,
	LINK_KILL_PIDFD,
	LINK_ACK,
	LINK_RELEASE,
	LINK_REFETCH,
	LINK_KEEP,
	LINK_REMOVE,
	LINK_SEEN,
	LINK_PONG,
	LINK_EXIT,
	LINK_KEPT,
	LINK_STARTED,
	LINK_EXITED,
	LINK_REFUSED,
	LINK_SIGNALLED,
	LINK_SYNCED,
	LINK_PING,
	LINK_FOSTER,
	LINK_UPGRADE,
	LINK_UPGRADED,
	LINK_TYPE_MAX
};

/* Descriptors that the launcher keeps across the engine's deaths. */
enum link_keep {
	LINK_KEEP_LOCK,
	LINK_KEEP_RECOVERY,
	LINK_KEEP_CONTROL, /* the listening control socket */
	LINK_KEEP_CGROUP, /* directory under which services get their cgroups */
	/* memfds, up to CONFIG_LAST: the text in force, and those that services still go by */
	LINK_KEEP_CONFIG,
	LINK_KEEP_CONFIG_LAST = LINK_KEEP_CONFIG + 7, /* RECOVERY_CONFIGS of them */
	LINK_KEEP_NOTIFY, /* the socket that services speak to */
	LINK_KEEP_HOLD_READ, /* both ends of the log pump's holding pipe */
	LINK_KEEP_HOLD_WRITE,
	LINK_KEEP_INPUT, /* one for each service that has such a stdin */
	/*
	 * O_PATH of the programs, by the launcher itself. An engine that executes LAUNCHER when
	 * that is dead passes on all that it was told as KEPT, also what it does not know.
	 */
	LINK_KEEP_LAUNCHER = 16,
	LINK_KEEP_ENGINE,
	LINK_KEEP_OLD_LAUNCHER, /* during an upgrade which may have to be taken back */
	LINK_KEEP_OLD_ENGINE,
	/*
	 * See wire/notebook.h; each launcher's own. The greatest tag: told last, so whoever has it
	 * has all that is kept.
	 */
	LINK_KEEP_NOTEBOOK = 31,
	LINK_KEEP_MAX
};

enum link_scope { LINK_SCOPE_PROCESS, LINK_SCOPE_GROUP, LINK_SCOPE_MAX };
/* With the scope: CONT follows, so that who was stopped can act on the signal. */
#define LINK_SCOPE_CONTINUE 0x100u

/* Where a spawn that failed got to; told with the errno. */
enum link_stage {
	LINK_STAGE_NONE,
	LINK_STAGE_PLAN, /* the plan is malformed, or its pipes are no such */
	LINK_STAGE_RESOURCES, /* descriptors, memory */
	LINK_STAGE_CGROUP,
	LINK_STAGE_FORK,
	LINK_STAGE_STDIO,
	LINK_STAGE_PRIORITY, /* nice, oom-score-adj */
	LINK_STAGE_GROUP,
	LINK_STAGE_USER,
	LINK_STAGE_DIRECTORY,
	LINK_STAGE_EXEC,
	/* Recovery areas hold these numbers: new ones come last. */
	LINK_STAGE_LIMITS, /* resource limits */
	LINK_STAGE_STDIN, /* its stdin: a file, */
	LINK_STAGE_STDIN_FIFO, /* or a FIFO; EEXIST: something else has that name */
	LINK_STAGE_MAX
};

/* In the place of waitid()'s code: it has ended, and how can't be learned any more. */
#define LINK_EXIT_UNKNOWN 0

/* How a generation ended. With error == 0, code and status are those of waitid(). */
struct link_exit {
	int32_t code; /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; LINK_EXIT_UNKNOWN, status 0 */
	int32_t status; /* exit status or signal */
	int32_t error; /* errno of a spawn that failed; then stage says where */
	int32_t stage; /* enum link_stage */
	uint64_t user_usec, system_usec, max_rss_kib;
	uint64_t monotonic_usec, realtime_usec; /* when it was reaped */
};

enum link_started_flags {
	LINK_STARTED_ADOPTED = 1 << 0, /* pid has become the main process by an ADOPT */
	LINK_STARTED_READY_FD = 1 << 1, /* the last descriptor is that of the pipe for readiness */
	LINK_STARTED_FOSTERED = 1 << 2, /* pid is no child of the launcher's */
	LINK_STARTED_FLAGS_ALL = (1 << 3) - 1
};

struct link_started {
	uint64_t monotonic_usec, realtime_usec; /* when the generation was forked */
	uint64_t pidfd_inode; /* of pid; 0 where pidfds have no inode of their own */
	uint32_t flags; /* enum link_started_flags */
	uint32_t reserved;
};

struct link_synced {
	uint64_t nofile[2]; /* RLIMIT_NOFILE that services are started with, soft and hard */
};

struct link_message {
	uint16_t version; /* LINK_VERSION */
	uint16_t type; /* enum link_type */
	uint32_t id;
	uint64_t generation;
	uint64_t serial; /* EXITED, ACK */
	int32_t pid; /* ADOPT, FOSTER, STARTED, EXITED, REFUSED; SIGNALLED: the sender's */
	int32_t signo; /* KILL, KILL_PIDFD, SIGNALLED, SEEN */
	uint32_t op; /* KILL, UPGRADE, UPGRADED */
	/*
	 * KEEP, KEPT: tag; KILL: scope, maybe with LINK_SCOPE_CONTINUE; EXIT: code; SIGNALLED:
	 * sender's uid; REFUSED, UPGRADED: errno; ACK: 1 for a RELEASE, too
	 */
	uint32_t value;
	union {
		struct link_exit exit;
		struct link_started started;
		struct link_synced synced;
		uint8_t reserved[96];
	};
};

_Static_assert(sizeof(struct link_message) == 136, "the link's messages have one size");

/*
 * Checks a message that came in: size, version, type, the ranges of what its type
 * uses, and that it came with as many descriptors as its type has.
 * 0, -EPROTO, or -EPROTONOSUPPORT for another version.
 */
int link_check(const void *data, size_t n, unsigned n_fds);

/*
 * Sends one message with up to LINK_MAX_FDS borrowed descriptors, without waiting.
 * 0, -EAGAIN where the peer is slow, -EPIPE or -ECONNRESET where it is gone, -errno.
 */
int link_send(int fd, struct link_message *m, const int *fds, unsigned n_fds);

/* A SPAWN with its plan, of 1 to LINK_MAX_PLAN bytes, in the packet. Else as link_send(). */
int link_send_plan(
	int fd, struct link_message *m, const void *plan, size_t n, const int *fds, unsigned n_fds);

/*
 * Receives one message without waiting. The caller owns ret_fds[0 .. *ret_n_fds);
 * unused ones are -1. 1: a message; 0: the peer has closed; -EAGAIN: nothing there;
 * -EMSGSIZE, -EPROTO, -EPROTONOSUPPORT: refused, its descriptors are closed.
 * *ret_lost_fds tells that descriptors could not be received (EMFILE): the message is
 * still delivered then, without them.
 */
int link_recv(int fd, struct link_message *ret_m, int ret_fds[static LINK_MAX_FDS],
	unsigned *ret_n_fds, bool *ret_lost_fds);

/*
 * The same where a SPAWN may come with its plan in the packet, which link_recv() refuses:
 * *ret_n_plan bytes of it, 0 for none.
 */
int link_recv_plan(int fd, struct link_message *ret_m, int ret_fds[static LINK_MAX_FDS],
	unsigned *ret_n_fds, bool *ret_lost_fds, char ret_plan[static LINK_MAX_PLAN],
	size_t *ret_n_plan);

/* What an EXITED of this pid may say. */
bool link_exit_is_valid(const struct link_exit *e, int32_t pid);

const char *link_type_to_string(enum link_type type);
/* "cannot execute", "cannot change to its directory": reads on with ": strerror". */
const char *link_stage_to_string(enum link_stage stage);
