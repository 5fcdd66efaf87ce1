/*
 * With roles, everybody may connect and is judged by each request; without, the socket's mode
 * is all there is.
 */
#include "engine/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/control/passed.h"
#include "engine/uplink/uplink.h"

static bool has_roles(const struct spec *spec)
{
	return spec->operators.n_uids + spec->operators.n_gids + spec->observers.n_uids +
		       spec->observers.n_gids >
	       0;
}

static mode_t mode_of(const struct spec *spec)
{
	if (spec->has_control_mode)
		return spec->control_mode;
	if (has_roles(spec))
		return 0666;
	return spec->has_control_group ? 0660 : 0600;
}

static gid_t group_of(const struct spec *spec)
{
	return spec->has_control_group ? spec->control_group : (gid_t)-1;
}

static char *path_of(const struct engine *e)
{
	char *path;

	return asprintf(&path, "%s/%s", e->spec->runtime_dir, CONTROL_SOCKET_NAME) < 0 ? NULL
										       : path;
}

int control_open(const struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e);

	return path ? server_open(path, mode_of(e->spec), group_of(e->spec)) : -ENOMEM;
}

/* The group goes first: the mode must never be open to the group that was. */
static int set_access(const struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e);
	gid_t group = group_of(e->spec);
	struct stat st;
	int r = path ? sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) : -ENOMEM;

	if (r < 0)
		return r;
	if (group == (gid_t)-1)
		group = getegid();
	if (st.st_gid != group) {
		r = sys_fchmodat(AT_FDCWD, path, 0600);
		if (r == 0)
			r = sys_fchownat(AT_FDCWD, path, (uid_t)-1, group);
	}
	return r < 0 ? r : sys_fchmodat(AT_FDCWD, path, mode_of(e->spec));
}

static bool is_missing(const struct engine *e)
{
	_cleanup_free_
	char *path = path_of(e);
	struct stat st;

	return path && sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == -ENOENT;
}

void control_mend(struct engine *e)
{
	_cleanup_close_
	int fd = -1;
	int r;

	if (e->server.listener.fd < 0 || passed_is(e, e->server.listener.fd) || !is_missing(e))
		return;
	fd = control_open(e);
	r = fd < 0 ? fd : uplink_keep(e, LINK_KEEP_CONTROL, fd);
	if (r == 0)
		r = server_replace(&e->server, fd);
	if (r < 0) {
		log_error("the control socket in %s was removed by somebody, and can't be made "
			  "anew: %s; SIGHUP tries again",
			e->spec->runtime_dir, strerror(-r));
		return;
	}
	(void)TAKE_FD(fd);
	log_warning("the control socket in %s was removed by somebody; it was made anew",
		e->spec->runtime_dir);
}

/* A group all of whose members may look. */
static bool find_listed_group(const struct spec *spec, gid_t *ret_group)
{
	const struct spec_role *r =
		spec->observers.n_gids > 0 ? &spec->observers : &spec->operators;

	if (r->n_gids == 0)
		return false;
	*ret_group = r->gids[0];
	return true;
}

void control_readers(const struct engine *e, mode_t *ret_mode, gid_t *ret_group)
{
	const struct spec *spec = e->spec;
	mode_t socket = mode_of(spec);

	*ret_mode = 0600;
	*ret_group = getegid();
	if (passed_is(e, e->server.listener.fd))
		return; /* its mode is somebody else's to say */
	if (has_roles(spec)) {
		if (find_listed_group(spec, ret_group))
			*ret_mode |= 0040;
		return;
	}
	/* To connect is to write. */
	*ret_mode |= (socket & 0020 ? 0040 : 0) | (socket & 0002 ? 0004 : 0);
	if (spec->has_control_group)
		*ret_group = spec->control_group;
}

void control_set_roles(struct engine *e)
{
	const struct spec *spec = e->spec;

	if (has_roles(spec))
		server_set_roles(&e->server, &spec->operators, &spec->observers);
	else
		server_set_roles(&e->server, NULL, NULL);
}

void control_configure(struct engine *e)
{
	int r;

	control_mend(e);
	r = passed_is(e, e->server.listener.fd) ? 0 : set_access(e);
	if (r < 0)
		log_error("cannot change who may connect to the control socket: %s", strerror(-r));
	control_set_roles(e);
}
