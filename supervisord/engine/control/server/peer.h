/*
 * Who is at the other end of the control socket, and what that peer may do.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "conf/spec.h"

struct peer {
	pid_t pid; /* 0 where it lives in a pid namespace that is not ours to see */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned; supplementary groups */
	size_t n_groups;
};

/* Each includes those before it. */
enum peer_right {
	PEER_RIGHT_NONE,
	PEER_RIGHT_OBSERVE,
	PEER_RIGHT_ACT,
	PEER_RIGHT_OWN, /* what concerns supervisord itself: Shutdown, environment values */
	PEER_RIGHT_MAX
};

/* The kernel's word (SO_PEERCRED, SO_PEERGROUPS) as of connect(); peer_fini() it. -errno. */
int peer_get(int fd, struct peer *ret_peer);
void peer_fini(struct peer *p);

/*
 * Root and owner own. With roles (borrowed, NULL for none), operators act, observers
 * observe and all others may nothing; without any, whoever could connect owns.
 */
enum peer_right peer_right(const struct peer *p, uid_t owner, const struct spec_role *operators,
	const struct spec_role *observers);

/* "observe", "act": the right to … */
const char *peer_right_to_string(enum peer_right r);
