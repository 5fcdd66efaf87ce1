/*
 * The file is copied before it is looked at: one that is cut off meanwhile would end a process
 * that has it mapped.
 */
#include "ctl/logs/range/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ctl/output/moment.h"
#include "ctl/output/render_json.h"
#include "wire/control.h"
#include "wire/journal.h"

#define MAX_JOURNAL (64 << 20)

void runs_fini(struct runs_book *book)
{
	for (size_t i = 0; i < book->n; i++) {
		struct runs *runs = &book->services[i];

		for (size_t k = 0; k < runs->n; k++) {
			for (size_t m = 0; m < runs->items[k].n_logs; m++)
				free(runs->items[k].logs[m].path);
		}
		free(runs->items);
		free(runs->service);
	}
	free(book->services);
	*book = (struct runs_book){0};
}

const struct runs *runs_of(const struct runs_book *book, const char *service)
{
	for (size_t i = 0; i < book->n; i++) {
		if (strcmp(book->services[i].service, service) == 0)
			return &book->services[i];
	}
	return NULL;
}

const struct run_log *runs_log(const struct run *run, bool is_error)
{
	for (size_t i = 0; i < run->n_logs; i++) {
		if (run->logs[i].is_error == is_error)
			return &run->logs[i];
	}
	return NULL;
}

/* Room for one more of an array that doubles. */
static int grow(void **items, size_t n, size_t *size, size_t item_size)
{
	size_t wanted = *size ? *size * 2 : 8;
	void *larger;

	if (n < *size)
		return 0;
	larger = reallocarray(*items, wanted, item_size);
	if (!larger)
		return -ENOMEM;
	*items = larger;
	*size = wanted;
	return 0;
}

static struct runs *get(struct runs_book *book, const char *service)
{
	struct runs *runs = (struct runs *)runs_of(book, service);
	char *copy;

	if (runs)
		return runs;
	if (grow((void **)&book->services, book->n, &book->size, sizeof(*book->services)) < 0)
		return NULL;
	copy = strdup(service);
	if (!copy)
		return NULL;
	book->services[book->n] = (struct runs){.service = copy};
	return &book->services[book->n++];
}

static int add_log(struct run *run, json_t *log)
{
	struct run_log *l = &run->logs[run->n_logs];

	if (run->n_logs == ELEMENTSOF(run->logs) || !json_is_string(json_object_get(log, "path")))
		return 0;
	*l = (struct run_log){
		.is_error = strcmp(render_string(log, "stream"), "error") == 0,
		.path = strdup(render_string(log, "path")),
		.place = {.realtime = run->realtime,
			.device = (uint64_t)render_integer(log, "device", 0),
			.inode = (uint64_t)render_integer(log, "inode", 0),
			.offset = MAX_OF(render_integer(log, "offset", 0), (json_int_t)0)},
	};
	if (!l->path)
		return -ENOMEM;
	run->n_logs++;
	return 0;
}

int runs_add(struct runs_book *book, json_t *event)
{
	const char *service = render_string(event, "service");
	struct runs *runs;
	struct run *run;
	usec_t realtime;
	json_t *log;
	size_t i;
	int r = 0;

	if (strcmp(render_string(event, "type"), "start") != 0 || *service == '\0' ||
		moment_parse(render_string(event, "time"), &realtime) < 0)
		return 0;
	runs = get(book, service);
	if (!runs || grow((void **)&runs->items, runs->n, &runs->size, sizeof(*runs->items)) < 0)
		return -ENOMEM;
	run = &runs->items[runs->n++];
	*run = (struct run){.realtime = realtime};
	json_array_foreach(json_object_get(event, "logs"), i, log)
	{
		if (r == 0)
			r = add_log(run, log);
	}
	return r;
}

/* --- from supervisord --- */

static int on_event(json_t *parameters, void *userdata)
{
	return runs_add(userdata, json_object_get(parameters, "event"));
}

int runs_ask(struct ctl *ctl, json_t *names, struct runs_book *book)
{
	return ctl_call(ctl, CONTROL_INTERFACE ".Events",
		json_pack("{s:O,s:i,s:b}", "names", names, "after", 0, "follow", 0), CLIENT_MORE,
		on_event, book);
}

/* --- from the file --- */

/* The whole file in memory, with its size. */
static int read_file(const char *path, void **ret_memory, size_t *ret_size)
{
	_cleanup_close_
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_
	char *memory = NULL;
	struct stat st;
	size_t at = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_JOURNAL)
		return -EBADMSG;
	/* Aligned as the structs in it, as malloc() does for any. */
	memory = calloc(1, (size_t)st.st_size + 1);
	if (!memory)
		return -ENOMEM;
	while (at < (size_t)st.st_size &&
		(n = pread(fd, memory + at, (size_t)st.st_size - at, (off_t)at)) != 0) {
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	*ret_memory = TAKE_PTR(memory);
	*ret_size = at;
	return 0;
}

static int add_body(struct runs_book *book, const struct journal_entry *entry)
{
	json_t *event = json_loadb(entry->body, entry->length, 0, NULL);
	int r = event ? runs_add(book, event) : 0;

	json_decref(event);
	return r;
}

int runs_read(const char *path, struct runs_book *book)
{
	_cleanup_free_
	void *memory = NULL;
	_cleanup_free_
	struct journal_entry *entry = malloc(sizeof(*entry));
	struct journal_damage damage;
	struct journal_cursor cursor;
	struct journal journal;
	size_t size = 0;
	int r = entry ? read_file(path, &memory, &size) : -ENOMEM;

	if (r == 0)
		r = journal_open(&journal, memory, size, &damage);
	if (r < 0)
		return r;
	journal_seek_after(0, &cursor);
	cursor.kinds = UINT64_C(1) << JOURNAL_START;
	while ((r = journal_next(&journal, &cursor, entry)) != 0) {
		if (r > 0 && add_body(book, entry) < 0)
			return -ENOMEM;
	}
	return 0;
}
