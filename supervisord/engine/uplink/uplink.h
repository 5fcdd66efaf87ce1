/*
 * The engine's end of the link to the launcher. What a service has to tell is a set of
 * marks, sent when the link takes them, so nothing is queued and nothing blocks: the
 * message itself is made from the service's present state at that moment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/loop.h"
#include "engine/part.h"
#include "wire/link.h"

struct engine;
struct service;

/*
 * In the order in which they are sent for one service: what somebody waits for comes first. What
 * is acknowledged and released has gone already, and is not in the way of the next generation.
 */
enum uplink_mark {
	UPLINK_SPAWN = 1 << 0,
	UPLINK_ACK = 1 << 1,
	UPLINK_RELEASE = 1 << 2,
	UPLINK_REFETCH = 1 << 3,
	UPLINK_SIGNAL = 1 << 4,
};

struct uplink_outbox {
	struct service *next; /* in line */
	uint64_t ack_generation, ack_serial;
	uint64_t release_generation;
	uint8_t marks; /* enum uplink_mark */
	bool in_line;
	uint8_t signo;
	uint8_t scope; /* enum spec_kill */
};

/* Until it is answered, an end is not judged: it may be that of the process before. */
struct uplink_adoption {
	struct part part;
	uint64_t generation;
	pid_t pid; /* 0: it could not even be asked */
	bool ended; /* EXITED has come meanwhile */
};

struct uplink {
	struct loop_source source;
	struct loop_timer refetch;
	usec_t full_usec; /* when there was more to tell than the link took, last; 0: never */
	struct loop_timer patience; /* at its end the launcher is listened to, orders or not */
	bool told_lack; /* of descriptors */
	struct service *head, *tail; /* of the line of those who have something to tell */
	bool late; /* all that is in there can wait for the end of the round */
	int kept[LINK_KEEP_MAX]; /* from the launcher, until taken; -1 */
	int mirror[LINK_KEEP_MAX]; /* owned: copies of all that the launcher keeps; -1 */
	uint64_t nofile[2]; /* what services are started with; 0: not told */
	int image_fd; /* owned: the launcher's program; -1: not passed on */
	char launcher_name[256]; /* that it was started by */
	uint64_t launcher_command; /* proc_command_hash() of it */
	bool gone; /* its end of the link is closed */
	struct link_message first; /* the first message that is no KEPT */
	int first_fds[LINK_MAX_FDS];
	unsigned n_first_fds;
	bool has_first, first_lost;
};

/*
 * Says hello and waits for what the launcher kept for us (bounded). 0, also where the launcher has
 * died since; -EPIPE where it had not told all of it; -ENOTSOCK where
 * LINK_FD is no link: the engine was started by hand; -errno.
 */
int uplink_init(struct engine *e);
/* Is that what sending says when the launcher is gone? */
bool uplink_is_gone(int error);
/* The launcher is gone: what it had sent may still be there to be read. */
bool uplink_is_broken(void);
/* Puts the link into the loop and handles what came with the hello. 0 or -errno. */
int uplink_listen(struct engine *e);

/* A kept descriptor, to be owned by the caller; -1. */
int uplink_take_kept(struct engine *e, enum link_keep tag);
/*
 * Gives the launcher a descriptor to keep. Waits, bounded. Where it is gone, whoever takes its
 * place is given it. 0 or -errno.
 */
int uplink_keep(struct engine *e, enum link_keep tag, int fd);

/*
 * Sets marks; they go out at once where they can, but for UPLINK_ACK and UPLINK_RELEASE, for which
 * nobody waits: with what is told next, or at the end of the round.
 */
void uplink_tell(struct service *s, unsigned marks);

/* Sends what services and commands have to tell, as far as the link takes it. */
void uplink_flush(struct engine *e);

/*
 * When the launcher was last seen to be behind with what it is told: now, where there is more than
 * the link takes, or no launcher; 0: never.
 */
usec_t uplink_behind_usec(const struct engine *e);

/* At the end of a round of the loop: sends what was left for it, unless more follows at once. */
void uplink_flush_late(struct engine *e);

/* The service is no more; nothing of it may be left to tell. False: not just now. */
bool uplink_remove(struct service *s);
/*
 * Sends without waiting. 0; -EAGAIN: it can't be sent now, nor will it be if the launcher is gone,
 * which its end of the link tells; or what else link_send() says.
 */
int uplink_post(struct link_message *m, const int *fds, unsigned n_fds);
/* The same with a plan in the packet, of LINK_MAX_PLAN bytes at most. */
int uplink_post_plan(
	struct link_message *m, const void *plan, size_t size, const int *fds, unsigned n_fds);
/* Sends, and waits a moment where the link is full: for what has no mark. 0 or -errno. */
int uplink_send(struct engine *e, struct link_message *m, const int *fds, unsigned n_fds);
/* Small messages that must get through; wait a moment (bounded) if they have to. */
void uplink_send_plain(struct engine *e, enum link_type type, uint32_t value, int signo);
/* Signals one process of a service that was identified by the caller. 0 or -errno. */
int uplink_kill_pidfd(struct service *s, int pidfd, int signo);
/* Kills all of a service's cgroup. 0 or -errno. */
int uplink_kill_cgroup(struct engine *e, struct service *s);

/*
 * Asks for another main process of the current generation, which has been started. The pidfd
 * stays the caller's, who has made sure that the process is one of the service's. The answer
 * is CORE_EVENT_MAINPID or mainpid_refused(). Asking again, or for another one in
 * between, does no harm: the last one counts. 0 or -errno.
 */
int uplink_adopt(struct service *s, pid_t pid, int pidfd);
