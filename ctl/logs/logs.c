/*
 * logs: supervisord tells where the files are, and they are read here, so that a reader of
 * a gigabyte costs the supervisor nothing. What is wanted of each is found first, with as little
 * reading as that takes; then the lines go out, in order of time where they tell it, else one log
 * after the other; then, with --follow, all go on together.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/logs/follow/follow.h"
#include "ctl/logs/range/select.h"
#include "ctl/logs/show/cursor.h"
#include "ctl/logs/where/sources.h"
#include "ctl/logs/where/where.h"
#include "ctl/output/render.h"
#include "ctl/verbs.h"

#define MANY	    64 /* so many logs at once are read in smaller pieces */
#define LARGE_CHUNK 65536
#define SMALL_CHUNK 8192

/* One log, while it is read. */
struct part {
	struct reader reader;
	struct range range;
	bool has_times;
	bool ready; /* it can be shown, and followed */
};

struct logs {
	struct lines lines;
	struct sources sources;
	struct where where;
	struct runs_book runs;
	struct matcher *matcher; /* owned */
	struct part *parts; /* owned; one for each source */
	int status;
};

static void logs_fini(struct logs *l)
{
	for (size_t i = 0; l->parts && i < l->sources.n; i++) {
		close_fd(l->parts[i].reader.fd);
		range_fini(&l->parts[i].range);
	}
	free(l->parts);
	sources_fini(&l->sources);
	where_fini(&l->where);
	runs_fini(&l->runs);
	matcher_free(l->matcher);
}

static void note_failure(struct logs *l, int error)
{
	if (error == -EACCES || error == -EPERM)
		l->status = CTL_NOT_PERMITTED;
	else if (l->status == CTL_DONE)
		l->status = CTL_FAILED;
}

static void tell(struct logs *l, const struct source *s, int error)
{
	ctl_error(l->lines.ctl, "%s: cannot read %s: %s", s->label, s->path, input_strerror(error));
	note_failure(l, error);
}

/* A piece of a log that can't be read; what was removed by its age meanwhile is no news. */
static void on_error(const struct source *s, const struct piece *p, int error, void *userdata)
{
	struct logs *l = userdata;

	if (p->file.stamp[0] == '\0')
		tell(l, s, error);
	else if (error != -ENOENT) {
		ctl_error(l->lines.ctl, "%s: cannot read %s.%s%s: %s; it is left out", s->label,
			s->path, p->file.stamp, p->file.suffix, input_strerror(error));
		note_failure(l, error);
	}
}

/* --- what was asked for --- */

static int check_usage(struct ctl *ctl)
{
	unsigned given = ctl->given;
	const char *wrong = NULL;

	if (((given & VERB_SINCE) && ctl->since.by_number) ||
		((given & VERB_UNTIL) && ctl->until.by_number))
		wrong = "logs have no event numbers: --since and --until take times";
	else if ((given & VERB_FOLLOW) && (given & VERB_UNTIL))
		wrong = "--follow and --until exclude each other";
	else if ((given & VERB_FOLLOW) && ctl->run_back > 0)
		wrong = "only the last run can be followed: --run 0";
	else if ((given & VERB_STDOUT) && (given & VERB_STDERR))
		wrong = "--stdout and --stderr exclude each other";
	else if ((given & VERB_IGNORE_CASE) && !(given & VERB_GREP))
		wrong = "--ignore-case needs --grep";
	else if ((given & VERB_SINCE) && (given & VERB_UNTIL) &&
		 ctl->since.realtime_usec > ctl->until.realtime_usec)
		wrong = "--since is later than --until";
	if (!wrong)
		return 0;
	ctl_error(ctl, "logs: %s", wrong);
	return CTL_USAGE;
}

static int make_matcher(struct logs *l)
{
	struct ctl *ctl = l->lines.ctl;
	_cleanup_free_
	char *pattern = NULL;
	char what[REGEX_WHAT_SIZE];
	int r;

	if (!ctl->pattern)
		return 0;
	if (asprintf(&pattern, "%s%s", ctl->given & VERB_IGNORE_CASE ? "(?i)" : "", ctl->pattern) <
		0) {
		pattern = NULL;
		return CTL_FAILED;
	}
	r = matcher_new(pattern, &l->matcher, what);
	if (r == 0) {
		l->lines.matcher = l->matcher;
		return 0;
	}
	ctl_error(ctl, "--grep %s: %s", ctl->pattern, r == -EINVAL ? what : strerror(-r));
	return r == -EINVAL ? CTL_USAGE : CTL_FAILED;
}

/* Ten lines, unless something else says which. Who follows a pattern waits for what comes. */
static uint64_t wanted_lines(const struct ctl *ctl)
{
	unsigned chosen = VERB_SINCE | VERB_UNTIL | VERB_RUN | (ctl->follow ? 0 : VERB_GREP);

	return (ctl->given & chosen) && !(ctl->given & VERB_LINES) ? UINT64_MAX : ctl->n_lines;
}

/* --- runs --- */

static int load_runs(struct logs *l, json_t *names)
{
	struct ctl *ctl = l->lines.ctl;
	int r;

	if (!l->where.journal)
		return runs_ask(ctl, names, &l->runs);
	r = runs_read(l->where.journal, &l->runs);
	if (r < 0)
		ctl_error(ctl, "cannot read the journal of events in %s: %s", l->where.journal,
			r == -EBADMSG ? "it is none" : strerror(-r));
	return r < 0 && (ctl->given & VERB_RUN) ? CTL_FAILED : 0;
}

/* A run that wrote to another file than there is now is looked for in that one. */
static void go_by_run(struct logs *l, struct source *source)
{
	struct select select = {.ctl = l->lines.ctl, .runs = &l->runs};
	const struct runs *runs = runs_of(&l->runs, source->name);
	const struct run_log *log;
	const struct run *next;

	if (!runs || runs->n <= select.ctl->run_back || select.ctl->run_back == 0)
		return;
	log = runs_log(select_run(&select, source, &next), source->is_error);
	if (log && strcmp(log->path, source->path) != 0) {
		char *path = strdup(log->path);

		if (!path)
			return;
		free(source->path);
		source->path = path;
	}
}

/* --- opening --- */

/* Opened files stay open: as many as there may be. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_part(struct logs *l, struct source *s, struct part *part)
{
	struct reader *reader = &part->reader;
	struct stat st = {0};
	int r;

	*reader = (struct reader){.source = s, .fd = -1, .watch_directory = -1, .watch_file = -1};
	r = reader_open(reader);
	if (r < 0 && r != -ENOENT) {
		tell(l, s, r);
		return 0;
	}
	if (reader->fd >= 0 && fstat(reader->fd, &st) < 0) {
		tell(l, s, -errno);
		return 0;
	}
	reader->offset = st.st_size;
	r = range_make(&part->range, s->path, reader->fd, st.st_size);
	if (r == -ENOMEM)
		return r;
	/* A directory that can't be listed hides old lines, nothing worse. */
	part->ready = true;
	if (l->sources.n > 1 || (l->lines.ctl->given & (VERB_SINCE | VERB_UNTIL | VERB_RUN)))
		part->has_times = range_has_times(&part->range);
	return 0;
}

static int open_all(struct logs *l)
{
	int r = 0;

	l->parts = calloc(l->sources.n, sizeof(*l->parts));
	if (!l->parts)
		return -ENOMEM;
	for (size_t i = 0; i < l->sources.n; i++)
		l->parts[i].reader.fd = l->parts[i].range.fd = -1;
	if (l->sources.n > 1)
		raise_file_limit();
	for (size_t i = 0; r == 0 && i < l->sources.n; i++)
		r = open_part(l, &l->sources.items[i], &l->parts[i]);
	return r;
}

/* Chooses of each log what is wanted. 0, an exit status, -ENOMEM. */
static int select_all(struct logs *l, json_t *names)
{
	struct select select = {
		.ctl = l->lines.ctl,
		.matcher = l->lines.ctl->follow && !(l->lines.ctl->given & VERB_LINES) ? NULL
										       : l->matcher,
		.n_lines = wanted_lines(l->lines.ctl),
		.runs = &l->runs,
	};
	bool needs_runs = false;
	int r = 0;

	if (!(select.ctl->given & VERB_RUN)) {
		for (size_t i = 0; i < l->sources.n; i++)
			needs_runs |= l->parts[i].ready &&
				      select_needs_runs(select.ctl, l->parts[i].has_times);
	}
	if (needs_runs)
		r = load_runs(l, names);
	for (size_t i = 0; r == 0 && i < l->sources.n; i++) {
		struct part *part = &l->parts[i];

		if (!part->ready)
			continue;
		r = select_range(&select, &l->sources.items[i], part->has_times, &part->range);
		if (r > 0) {
			part->ready = false;
			note_failure(l, -ENOENT);
			r = 0;
		}
	}
	return r;
}

/* --- showing --- */

static int show_one(struct logs *l, size_t i, const struct cursor_context *context)
{
	struct part *part = &l->parts[i];
	struct cursor cursor;
	int r;

	cursor_init(&cursor, &part->range, &l->sources.items[i], LARGE_CHUNK);
	r = cursor_show(&cursor, context);
	cursor_fini(&cursor);
	return r;
}

static int show_merged(struct logs *l, size_t n, const struct cursor_context *context)
{
	_cleanup_free_
	struct cursor *cursors = calloc(n, sizeof(*cursors));
	size_t k = 0;
	int r;

	if (!cursors)
		return -ENOMEM;
	for (size_t i = 0; i < l->sources.n; i++) {
		if (l->parts[i].ready && l->parts[i].has_times)
			cursor_init(&cursors[k++], &l->parts[i].range, &l->sources.items[i],
				n > MANY ? SMALL_CHUNK : LARGE_CHUNK);
	}
	r = cursor_merge(cursors, n, context);
	for (size_t i = 0; i < n; i++)
		cursor_fini(&cursors[i]);
	return r;
}

/* A line that has not ended is shown unless more of it may come. */
static int end_lines(struct logs *l)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->sources.n; i++)
		r = lines_end(&l->lines, &l->sources.items[i]);
	return r;
}

static int show_all(struct logs *l)
{
	const struct cursor_context context = {&l->lines, on_error, l};
	size_t n_timed = 0;
	int r = 0;

	for (size_t i = 0; i < l->sources.n; i++)
		n_timed += l->parts[i].ready && l->parts[i].has_times;
	for (size_t i = 0; r == 0 && i < l->sources.n; i++) {
		if (!l->parts[i].ready || (n_timed > 1 && l->parts[i].has_times))
			continue;
		r = show_one(l, i, &context);
		if (r == 0 && !l->lines.ctl->follow)
			r = lines_end(&l->lines, &l->sources.items[i]);
	}
	if (r == 0 && n_timed > 1)
		r = show_merged(l, n_timed, &context);
	if (r == 0 && !l->lines.ctl->follow)
		r = end_lines(l);
	return r;
}

/* What --grep could not look at. */
static void tell_given_up(struct logs *l)
{
	for (size_t i = 0; i < l->sources.n; i++) {
		const struct source *s = &l->sources.items[i];

		if (s->n_given_up > 0)
			ctl_error(l->lines.ctl,
				"%s: %llu line%s left out: matching would have taken too long",
				s->label, (unsigned long long)s->n_given_up,
				s->n_given_up == 1 ? "" : "s");
	}
}

static int follow_all(struct logs *l, struct moved *m)
{
	_cleanup_free_
	struct reader *readers = calloc(l->sources.n, sizeof(*readers));
	size_t n = 0;
	int status;

	if (!readers)
		return -ENOMEM;
	for (size_t i = 0; i < l->sources.n; i++) {
		if (!l->parts[i].ready)
			continue;
		readers[n++] = l->parts[i].reader;
		l->parts[i].reader.fd = -1;
	}
	if (n == 0)
		return l->status;
	status = follow(&l->lines, readers, n, m);
	for (size_t i = 0; i < n; i++)
		close_fd(readers[i].fd);
	return status;
}

/* --- the verb --- */

/* 0, an exit status, or -ENOMEM. */
static int run(struct logs *l, json_t *names)
{
	_cleanup_(moved_fini) struct moved moved;
	struct ctl *ctl = l->lines.ctl;
	int r = moved_init(&moved, ctl, l->where.journal ? NULL : names);

	if (r < 0)
		return r;

	if (ctl->given & VERB_RUN)
		r = load_runs(l, names);
	for (size_t i = 0; r == 0 && (ctl->given & VERB_RUN) && i < l->sources.n; i++)
		go_by_run(l, &l->sources.items[i]);
	if (r == 0)
		r = open_all(l);
	if (r == 0)
		r = select_all(l, names);
	/* Nothing is waited for any more; and following must not hold a connection. */
	client_fini(&ctl->client);
	if (r == 0)
		r = show_all(l);
	if (r != 0)
		return r;
	tell_given_up(l);
	if (ctl_flush(ctl) < 0 || !ctl->follow)
		return l->status;
	return follow_all(l, &moved);
}

static int prepare(struct logs *l, json_t *names)
{
	int r = check_usage(l->lines.ctl);

	if (r == 0)
		r = make_matcher(l);
	if (r == 0)
		r = where_ask(l->lines.ctl, names, &l->where);
	if (r == 0)
		r = sources_add(&l->sources, l->lines.ctl, l->where.services);
	if (r != 0)
		return r;
	l->lines.label_width = sources_width(&l->sources);
	l->lines.prefixed = l->sources.n > 1 && !l->lines.ctl->json;
	return l->sources.n > 0 ? 0 : CTL_FAILED;
}

int verb_logs(struct ctl *ctl)
{
	_cleanup_(logs_fini) struct logs l = {.lines.ctl = ctl};
	json_t *names = ctl_names(ctl, 0);
	int r;

	if (!names)
		return CTL_USAGE;
	r = prepare(&l, names);
	if (r == 0)
		r = run(&l, names);
	json_decref(names);
	if (r >= 0)
		return r;
	ctl_error(ctl, "out of memory");
	return CTL_FAILED;
}
