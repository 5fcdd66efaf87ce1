/*
 * What the launcher keeps for the next engine comes first of all, after the hello. The engine holds
 * a copy of each: when the launcher is the one that dies, they come from here.
 */
#include "engine/uplink/uplink_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"

#define HELLO_WAIT_MSEC 10000

void uplink_kept_init(struct uplink *u)
{
	for (int i = 0; i < LINK_KEEP_MAX; i++)
		u->kept[i] = u->mirror[i] = -1;
	u->image_fd = -1;
}

/* A launcher that dies is followed by us, with all that it kept. */
static void mirror(struct uplink *u, uint32_t tag, int fd)
{
	close_fd(u->mirror[tag]);
	u->mirror[tag] = sys_dup_cloexec(fd, STDERR_FILENO + 1);
	if (u->mirror[tag] < 0)
		log_warning("cannot hold a copy of what the launcher keeps: %s",
			strerror(-u->mirror[tag]));
}

void uplink_kept_forget_old(struct uplink *u)
{
	u->mirror[LINK_KEEP_OLD_LAUNCHER] = close_fd(u->mirror[LINK_KEEP_OLD_LAUNCHER]);
	u->mirror[LINK_KEEP_OLD_ENGINE] = close_fd(u->mirror[LINK_KEEP_OLD_ENGINE]);
}

int uplink_keep(struct engine *e, enum link_keep tag, int fd)
{
	struct link_message m = {
		.version = LINK_VERSION, .type = LINK_KEEP, .value = (uint32_t)tag};
	int r;

	mirror(&e->uplink, tag, fd);
	r = uplink_send(e, &m, &fd, 1);
	return uplink_is_gone(r) && e->uplink.mirror[tag] >= 0 ? 0 : r;
}

int uplink_take_kept(struct engine *e, enum link_keep tag)
{
	return TAKE_FD(e->uplink.kept[tag]);
}

int uplink_kept_receive(struct uplink *u)
{
	struct pollfd p = {.fd = LINK_FD, .events = POLLIN};

	while (!u->has_first) {
		int r;

		if (poll(&p, 1, HELLO_WAIT_MSEC) <= 0)
			return -ETIMEDOUT;
		r = link_recv(LINK_FD, &u->first, u->first_fds, &u->n_first_fds, &u->first_lost);
		if (r == -EAGAIN || r == -ECONNRESET) /* what it had sent is still there */
			continue;
		if (r == 0) /* enough to take its place, or not */
			return u->kept[LINK_KEEP_NOTEBOOK] < 0 ? -EPIPE : 0;
		if (r < 0)
			return r;
		if (u->first.type == LINK_KEPT && u->first_lost)
			return -EMFILE;
		if (u->first.type != LINK_KEPT) {
			u->has_first = true;
			continue;
		}
		if (u->first.value == LINK_KEEP_INPUT) {
			r = input_note_kept(CONTAINER_OF(u, struct engine, uplink), u->first.id,
				u->first_fds[0]);
			if (r < 0)
				return r;
			continue;
		}
		u->kept[u->first.value] = u->first_fds[0];
		mirror(u, u->first.value, u->first_fds[0]);
	}
	return 0;
}

void uplink_kept_take_image(struct uplink *u)
{
	struct stat st;
	int flags = sys_fcntl(LINK_IMAGE_FD, F_GETFL, 0);

	if (flags < 0 || !(flags & O_PATH) || sys_fstat(LINK_IMAGE_FD, &st) < 0 ||
		!S_ISREG(st.st_mode) || sys_fcntl(LINK_IMAGE_FD, F_SETFD, FD_CLOEXEC) < 0)
		return;
	u->image_fd = LINK_IMAGE_FD;
}
