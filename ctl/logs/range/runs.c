/*
 * A start tells where in its logs that run begins; those of a service are kept in their order.
 */
#include "ctl/logs/range/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "ctl/events/journal_file.h"
#include "ctl/output/moment.h"
#include "ctl/output/render_json.h"
#include "wire/control.h"
#include "wire/journal.h"

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

static int on_start(json_t *event, void *userdata)
{
	return runs_add(userdata, event);
}

int runs_read(const char *path, struct runs_book *book)
{
	static const struct journal_range starts = {.kinds = UINT64_C(1) << JOURNAL_START};

	return journal_file_read(path, &starts, on_start, book);
}
