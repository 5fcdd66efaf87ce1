/*
 * journald's native protocol: a datagram is a record, its fields "NAME=VALUE\n", or for any
 * bytes at all "NAME\n", the length as 64 bits little endian, VALUE, "\n"; MESSAGE goes in that
 * second form, so that nothing has to be looked for in it. A record too large for a datagram is
 * written to a memfd, sealed, and passed instead, with no data.
 *
 * Not by libsystemd: sd_journal_sendv() sends on a socket that blocks, and while journald is
 * stopped, or its disk hangs, it would wait inside sendmsg() with all services; it also takes a
 * missing journald for success.
 */
#include "engine/logs/outlet/journal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/sys.h"
#include "engine/logs/outlet/datagram.h"

static void print_head(
	const struct outlet *o _unused_, const struct log_origin *origin, struct message_head *ret)
{
	char pid[40] = "", instance[40] = "", invocation[64] = "";

	if (origin->pid > 0)
		snprintf(pid, sizeof(pid), "SYSLOG_PID=%d\n", (int)origin->pid);
	if (origin->instance > 0)
		snprintf(instance, sizeof(instance), "SUPERVISOR_INSTANCE=%u\n", origin->instance);
	if (origin->invocation[0])
		snprintf(invocation, sizeof(invocation), "INVOCATION_ID=%.32s\n",
			origin->invocation);
	ret->n = message_head_length(snprintf(ret->text, sizeof(ret->text),
		"SYSLOG_FACILITY=3\n"
		"SYSLOG_IDENTIFIER=%s\n"
		"%s"
		"SUPERVISOR_SERVICE=%s\n"
		"%s"
		"SUPERVISOR_STREAM=%s\n"
		"%s",
		origin->name, pid, origin->service, instance, origin->stream, invocation));
}

static void make_message(
	const struct message_head *head, const struct line *line, struct message *ret)
{
	static const char fields[PRIORITY_MAX + 1][20] = {
		"PRIORITY=0\nMESSAGE\n",
		"PRIORITY=1\nMESSAGE\n",
		"PRIORITY=2\nMESSAGE\n",
		"PRIORITY=3\nMESSAGE\n",
		"PRIORITY=4\nMESSAGE\n",
		"PRIORITY=5\nMESSAGE\n",
		"PRIORITY=6\nMESSAGE\n",
		"PRIORITY=7\nMESSAGE\n",
	};

	ret->length = htole64((uint64_t)(line->n_head + line->n_text));
	message_add(ret, head->text, head->n);
	message_add(ret, fields[line->priority], strlen(fields[0]));
	message_add(ret, &ret->length, sizeof(ret->length));
	message_add(ret, line->head, line->n_head);
	message_add(ret, line->text, line->n_text);
	message_add(ret, "\n", 1);
}

static int make_memfd(const struct message *m, int *ret_fd)
{
	_cleanup_close_
	int fd = sys_memfd_create("journal-record", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < m->n_iov; i++) {
		ssize_t r = sys_write(fd, m->iov[i].iov_base, m->iov[i].iov_len);

		if (r < 0)
			return (int)r;
		if ((size_t)r < m->iov[i].iov_len)
			return -ENOMEM;
	}
	*ret_fd = TAKE_FD(fd);
	return sys_fcntl(
		*ret_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

static int send_memfd(struct datagram *d, const struct message *m)
{
	_cleanup_close_
	int fd = -1;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr header = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	ssize_t r = make_memfd(m, &fd);

	if (r < 0)
		return (int)r;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	r = sys_sendmsg(d->fd, &header, MSG_DONTWAIT);
	return r < 0 ? (int)r : 0;
}

static const struct message_form form = {
	.max_line = JOURNAL_MAX_LINE,
	.head = print_head,
	.message = make_message,
};

static void journal_free(struct outlet *o)
{
	struct datagram *d = CONTAINER_OF(o, struct datagram, outlet);

	datagram_close(d);
	outlet_fini(o);
	free(d);
}

static const struct outlet_ops ops = {
	.take = datagram_take,
	.end = datagram_end,
	.free = journal_free,
};

int journal_new(struct outlet_set *set, const struct spec_target *target, struct outlet **ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_free_
	struct datagram *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	if (strlen(target->address) >= sizeof(address.sun_path))
		return -EINVAL;
	r = outlet_init(&d->outlet, set, &ops, target);
	if (r < 0)
		return r;
	memcpy(address.sun_path, target->address, strlen(target->address));
	memcpy(&d->address, &address, sizeof(address));
	d->n_address = sizeof(address);
	d->fd = -1;
	d->form = &form;
	d->send_large = send_memfd;
	*ret = &TAKE_PTR(d)->outlet;
	return 0;
}
