/*
 * Waiting with inotify. Each file is watched for growth (through its descriptor, so that it
 * is that very file), each directory for a new file under the log's name. Where a watch can't
 * be had, as the directory does not exist yet or a limit is reached, that reader looks once a
 * second, and all do while a log may be about to go to another file; nothing else ever looks by
 * the clock.
 */
#include "ctl/logs/follow/follow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/logs/where/sources.h"

#define LOOK_MSEC 1000

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void watch_directory(int inotify, struct reader *r)
{
	const char *path = r->source->path;
	size_t n = (size_t)(base_name(path) - path);
	_cleanup_free_
	char *directory = n > 0 ? strndup(path, n) : strdup(".");

	if (directory)
		r->watch_directory =
			inotify_add_watch(inotify, directory, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

static void watch_file(int inotify, struct reader *r)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->fd);
	r->watch_file = inotify_add_watch(inotify, path, IN_MODIFY);
	if (r->watch_file < 0)
		r->watch_file = inotify_add_watch(inotify, r->source->path, IN_MODIFY);
}

/* One round of a reader; the watch goes with the file. 0, or what reader_read() says. */
static int serve(int inotify, struct reader *r, const struct lines *l)
{
	int result;

	if (r->watch_directory < 0)
		watch_directory(inotify, r);
	/* The watch comes first: what is written after the reading rings. */
	if (r->fd >= 0 && r->watch_file < 0)
		watch_file(inotify, r);
	r->moved = false;
	result = reader_read(r, l);
	if (!r->moved)
		return result;
	if (r->watch_file >= 0)
		inotify_rm_watch(inotify, r->watch_file);
	watch_file(inotify, r);
	return result == 0 ? -EAGAIN : result;
}

/* Serves who is due: 0, -EAGAIN when somebody still is, -EPIPE. */
static int serve_all(int inotify, const struct lines *l, struct reader *readers, size_t n)
{
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		struct reader *r = &readers[i];
		int served;

		if (!r->is_due)
			continue;
		served = serve(inotify, r, l);
		if (served == -EPIPE || served == -ENOMEM)
			return served;
		r->is_due = served == -EAGAIN;
		if (r->is_due)
			result = -EAGAIN;
		else if (served < 0 && !r->error_told)
			ctl_error(l->ctl, "%s: cannot read %s: %s; trying again", r->source->label,
				r->source->path, strerror(-served));
		r->error_told = served < 0 && served != -EAGAIN;
	}
	return result;
}

static void take_event(const struct inotify_event *event, struct reader *readers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct reader *r = &readers[i];

		if (event->mask & IN_Q_OVERFLOW) {
			r->is_due = true;
		} else if (event->mask & IN_IGNORED) {
			/* The watched thing is gone, or we took the watch away ourselves. */
			if (event->wd == r->watch_directory)
				r->watch_directory = -1;
			if (event->wd == r->watch_file)
				r->watch_file = -1;
		} else if (event->wd == r->watch_file) {
			r->is_due = true;
		} else if (event->wd == r->watch_directory && event->len > 0 &&
			   strcmp(event->name, base_name(r->source->path)) == 0) {
			r->is_due = true;
		}
	}
}

static void take_events(int inotify, struct reader *readers, size_t n_readers, struct moved *m)
{
	char data[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(inotify, data, sizeof(data));

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(data + at);

		take_event(event, readers, n_readers);
		moved_event(m, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
}

/* Marks those that nothing would wake; true if there are any. */
static bool need_looking(const struct reader *r)
{
	return r->watch_directory < 0 || (r->fd >= 0 && r->watch_file < 0) || r->error_told;
}

/* What is in its file goes out before it goes on in another one. */
static void move(
	int inotify, const struct lines *l, struct reader *r, const char *path, usec_t since_usec)
{
	char *copy = strdup(path);
	int result;

	if (!copy)
		return; /* it is asked again */
	do
		result = serve(inotify, r, l);
	while (result == -EAGAIN);
	if (result == 0)
		(void)lines_end(l, r->source);
	if (r->watch_file >= 0)
		inotify_rm_watch(inotify, r->watch_file);
	reader_move(r, copy, since_usec);
}

static void look_where(int inotify, const struct lines *l, struct reader *readers, size_t n,
	struct moved *m, usec_t since_usec)
{
	json_t *services = moved_ask(m);

	for (size_t i = 0; services && i < n; i++) {
		const char *path = sources_find(services, readers[i].source);

		if (path && strcmp(path, readers[i].source->path) != 0)
			move(inotify, l, &readers[i], path, since_usec);
	}
	json_decref(services);
}

int follow(const struct lines *l, struct reader *readers, size_t n_readers, struct moved *m)
{
	const usec_t since_usec = usec_now(CLOCK_REALTIME);
	_cleanup_close_
	int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd fds[2] = {
		{.fd = inotify, .events = POLLIN},
		{.fd = fileno(l->ctl->out)}, /* only for POLLERR: who reads us has gone */
	};
	int r;

	for (size_t i = 0; i < n_readers; i++)
		readers[i].is_due = true;
	moved_watch(m, inotify);
	for (;;) {
		int timeout = -1;

		look_where(inotify, l, readers, n_readers, m, since_usec);
		r = serve_all(inotify, l, readers, n_readers);
		if (ctl_flush(l->ctl) < 0 || r == -EPIPE)
			return CTL_DONE;
		if (r == -ENOMEM) {
			ctl_error(l->ctl, "out of memory");
			return CTL_FAILED;
		}
		for (size_t i = 0; i < n_readers; i++)
			timeout = need_looking(&readers[i]) ? LOOK_MSEC : timeout;
		if (moved_is_awaited(m))
			timeout = LOOK_MSEC;
		if (r == -EAGAIN)
			timeout = 0;
		r = poll(fds, 2, timeout);
		if (r > 0 && (fds[1].revents & (POLLERR | POLLHUP)))
			return CTL_DONE;
		if (r > 0 && fds[0].revents)
			take_events(inotify, readers, n_readers, m);
		for (size_t i = 0; r == 0 && timeout > 0 && i < n_readers; i++)
			readers[i].is_due |= need_looking(&readers[i]);
	}
}
