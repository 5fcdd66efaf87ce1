/*
 * The kernel tells who connected; nothing that the peer says about itself counts. What
 * it tells is of the time of connect(), so a connection handed to another process keeps
 * the rights of the one that made it.
 *
 * Rights are judged for each request, not kept: replaced roles count at once.
 */
#include "engine/control/server/peer.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"

static int get_groups(int fd, gid_t **ret_groups, size_t *ret_n)
{
	_cleanup_free_
	gid_t *groups = NULL;
	socklen_t n = 16 * sizeof(gid_t);

	/* The second round has the size that the kernel asked for: they can't change. */
	for (int round = 0; round < 2; round++) {
		int r;

		free(groups);
		groups = malloc(n);
		if (!groups)
			return -ENOMEM;
		r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n);
		if (r == -ERANGE && n <= NGROUPS_MAX * sizeof(gid_t))
			continue;
		if (r < 0)
			return r;
		*ret_n = n / sizeof(gid_t);
		*ret_groups = *ret_n > 0 ? TAKE_PTR(groups) : NULL;
		return 0;
	}
	return -ERANGE;
}

int peer_get(int fd, struct peer *ret_peer)
{
	struct ucred cred = {0};
	socklen_t n = sizeof(cred);
	struct peer p = {0};
	int r = sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n);

	if (r < 0)
		return r;
	p.pid = cred.pid;
	p.uid = cred.uid;
	p.gid = cred.gid;
	r = get_groups(fd, &p.groups, &p.n_groups);
	if (r < 0)
		return r;
	*ret_peer = p;
	return 0;
}

void peer_fini(struct peer *p)
{
	free(p->groups);
	*p = (struct peer){0};
}

static bool is_configured(const struct spec_role *role)
{
	return role && (role->n_uids > 0 || role->n_gids > 0);
}

static bool in_group(const struct peer *p, gid_t gid)
{
	if (p->gid == gid)
		return true;
	for (size_t i = 0; i < p->n_groups; i++) {
		if (p->groups[i] == gid)
			return true;
	}
	return false;
}

static bool has_role(const struct peer *p, const struct spec_role *role)
{
	if (!role)
		return false;
	for (size_t i = 0; i < role->n_uids; i++) {
		if (role->uids[i] == p->uid)
			return true;
	}
	for (size_t i = 0; i < role->n_gids; i++) {
		if (in_group(p, role->gids[i]))
			return true;
	}
	return false;
}

enum peer_right peer_right(const struct peer *p, uid_t owner, const struct spec_role *operators,
	const struct spec_role *observers)
{
	if (p->uid == 0 || p->uid == owner)
		return PEER_RIGHT_OWN;
	if (!is_configured(operators) && !is_configured(observers))
		return PEER_RIGHT_OWN;
	if (has_role(p, operators))
		return PEER_RIGHT_ACT;
	return has_role(p, observers) ? PEER_RIGHT_OBSERVE : PEER_RIGHT_NONE;
}

const char *peer_right_to_string(enum peer_right r)
{
	static const char *const names[PEER_RIGHT_MAX] = {
		[PEER_RIGHT_NONE] = "nothing",
		[PEER_RIGHT_OBSERVE] = "observe",
		[PEER_RIGHT_ACT] = "act",
		[PEER_RIGHT_OWN] = "own",
	};

	return names[r];
}
