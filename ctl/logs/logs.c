/*
 * logs: supervisord tells where the files are, and they are read here, so that a reader of
 * a gigabyte costs the supervisor nothing. The last lines of each come one after the other;
 * then, with --follow, all go on together.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/logs/follow.h"
#include "ctl/logs/tail.h"
#include "ctl/render.h"
#include "ctl/text.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define BLOCK_SIZE 65536

struct logs {
	struct lines lines;
	struct source *sources; /* owned */
	size_t n_sources, size;
	int status;
};

static void logs_fini(struct logs *l)
{
	for (size_t i = 0; i < l->n_sources; i++)
		source_fini(&l->sources[i]);
	free(l->sources);
}

static const char *pick_colour(size_t i)
{
	static const char *const colours[] = {
		"\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m", "\033[31m"};

	return colours[i % ELEMENTSOF(colours)];
}

static int add_source(struct logs *l, const char *name, bool is_error, const char *path)
{
	_cleanup_buf_ struct buf label = {0};
	struct source *s;
	unsigned flags = term_text_flags(&l->lines.ctl->term);

	if (l->n_sources == l->size) {
		size_t size = l->size ? l->size * 2 : 8;
		struct source *sources = reallocarray(l->sources, size, sizeof(*sources));

		if (!sources)
			return -ENOMEM;
		l->sources = sources;
		l->size = size;
	}
	if (text_append_safe(&label, name, strlen(name), flags) < 0 ||
		buf_printf(&label, "%s", is_error ? "/err" : "") < 0 ||
		buf_append(&label, SIZE_MAX, "", 1) < 0)
		return -ENOMEM;
	s = &l->sources[l->n_sources];
	*s = (struct source){
		.name = strdup(name),
		.label = TAKE_PTR(label.data),
		.path = strdup(path),
		.stream = is_error ? "error" : "output",
		.colour = l->lines.ctl->term.colours ? pick_colour(l->n_sources) : "",
	};
	label = (struct buf){0};
	l->n_sources++;
	return s->name && s->path ? 0 : -ENOMEM;
}

/* One of a service's logs: a source, or a word on why there is none. */
static int add_log(struct logs *l, const char *name, json_t *log)
{
	const char *sink = render_string(log, "sink"), *path = render_string(log, "path");
	bool is_error = strcmp(render_string(log, "stream"), "error") == 0;

	if (strcmp(sink, "file") == 0 && *path != '\0')
		return add_source(l, name, is_error, path);
	if (strcmp(sink, "inherit") == 0)
		ctl_error(l->lines.ctl,
			"%s%s: goes to supervisord's own output (log.file = inherit)", name,
			is_error ? "/err" : "");
	else
		ctl_error(l->lines.ctl, "%s%s: is not kept (log.file = %s)", name,
			is_error ? "/err" : "", *sink != '\0' ? sink : "unknown");
	return 0;
}

static int add_all(struct logs *l, json_t *services)
{
	json_t *service, *log;
	size_t i, j;
	int r = 0;

	json_array_foreach(services, i, service)
	{
		json_array_foreach(json_object_get(service, "logs"), j, log)
		{
			if (r == 0)
				r = add_log(l, render_string(service, "name"), log);
		}
	}
	for (i = 0; r == 0 && i < l->n_sources; i++) {
		size_t width = text_width(l->sources[i].label, strlen(l->sources[i].label));

		l->lines.label_width = MAX_OF(l->lines.label_width, width);
	}
	l->lines.prefixed = l->n_sources > 1 && !l->lines.ctl->json;
	return r;
}

static int copy(struct logs *l, struct source *s, int fd, off_t start, off_t end)
{
	_cleanup_free_
	char *block = malloc(BLOCK_SIZE);
	int r = block ? 0 : -ENOMEM;

	while (r == 0 && start < end && !ferror(l->lines.ctl->out)) {
		ssize_t n = pread(fd, block, (size_t)MIN_OF(end - start, (off_t)BLOCK_SIZE), start);

		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* it was truncated */
		r = lines_feed(&l->lines, s, block, (size_t)n);
		start += n;
	}
	return r;
}

/* The last lines of a source. The reader's file is at its end afterwards. */
static int show_tail(struct logs *l, struct reader *reader)
{
	struct source *s = reader->source;
	_cleanup_(tail_fini) struct tail tail = {0};
	struct stat st = {0};
	int r;

	if (reader->fd >= 0 && fstat(reader->fd, &st) < 0)
		return -errno;
	r = tail_open(s->path, reader->fd, st.st_size, l->lines.ctl->n_lines, &tail);
	for (size_t i = tail.n_older; r == 0 && i > 0; i--) {
		const struct tail_piece *piece = &tail.older[i - 1];

		r = copy(l, s, piece->fd, piece->start, piece->end);
	}
	if (r == 0 && reader->fd >= 0)
		r = copy(l, s, reader->fd, tail.start, st.st_size);
	reader->offset = st.st_size;
	if (r == 0 && !l->lines.ctl->follow)
		r = lines_end(&l->lines, s);
	return r;
}

static void tell(struct logs *l, const struct source *s, int error)
{
	ctl_error(l->lines.ctl, "%s: cannot read %s: %s", s->label, s->path,
		error == EINVAL ? "not a regular file" : strerror(error));
	if (error == EACCES || error == EPERM)
		l->status = CTL_NOT_PERMITTED;
	else if (l->status == CTL_DONE)
		l->status = CTL_FAILED;
}

/* Opens and shows a source: true if it can be followed. */
static bool begin(struct logs *l, struct source *s, struct reader *reader)
{
	int r;

	*reader = (struct reader){.source = s, .fd = -1, .watch_directory = -1, .watch_file = -1};
	r = reader_open(reader);
	if (r == 0 || r == -ENOENT)
		r = show_tail(l, reader);
	if (r < 0)
		tell(l, s, -r);
	return r == 0;
}

/* Followed files stay open: as many as there may be. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(struct logs *l)
{
	struct ctl *ctl = l->lines.ctl;
	_cleanup_free_
	struct reader *readers = calloc(l->n_sources, sizeof(*readers));
	size_t n = 0;
	int status;

	if (!readers) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	if (ctl->follow)
		raise_file_limit();
	for (size_t i = 0; i < l->n_sources && !ferror(ctl->out); i++) {
		if (begin(l, &l->sources[i], &readers[n]) && ctl->follow)
			n++;
		else
			readers[n].fd = close_fd(readers[n].fd);
	}
	if (ctl_flush(ctl) < 0 || n == 0)
		return l->status;
	status = follow(&l->lines, readers, n);
	for (size_t i = 0; i < n; i++)
		close_fd(readers[i].fd);
	return status;
}

int verb_logs(struct ctl *ctl)
{
	_cleanup_(logs_fini) struct logs l = {.lines.ctl = ctl};
	json_t *names = ctl_names(ctl, 0), *reply = NULL;
	int r;

	if (!names)
		return CTL_USAGE;
	r = ctl_call_once(
		ctl, CONTROL_INTERFACE ".Logs", json_pack("{s:o}", "names", names), 0, &reply);
	if (r != 0)
		return r;
	r = add_all(&l, json_object_get(reply, "services"));
	json_decref(reply);
	if (r < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	/* Nothing is waited for any more; and following must not hold a connection. */
	client_fini(&ctl->client);
	return l.n_sources > 0 ? run(&l) : CTL_FAILED;
}
