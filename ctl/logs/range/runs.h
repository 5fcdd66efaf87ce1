/*
 * Where the runs of services began in their logs, as the event journal has it: of supervisord,
 * or, where none answers, from the journal's file.
 */
#pragma once

#include "ctl/ctl.h"
#include "ctl/logs/range/range.h"

struct run_log {
	bool is_error;
	char *path; /* owned */
	struct range_place place;
};

struct run {
	usec_t realtime;
	struct run_log logs[2];
	size_t n_logs;
};

/* Of one service, oldest first. */
struct runs {
	char *service; /* owned */
	struct run *items; /* owned */
	size_t n, size;
};

struct runs_book {
	struct runs *services; /* owned */
	size_t n, size;
};

void runs_fini(struct runs_book *book);

/* Asks supervisord. 0 or an exit status; what failed was told. names is borrowed. */
int runs_ask(struct ctl *ctl, json_t *names, struct runs_book *book);

/* Reads the file. 0 or -errno; -EBADMSG where it is no journal. */
int runs_read(const char *path, struct runs_book *book);

/* An event as Events tells them; others than starts are passed over. -ENOMEM. */
int runs_add(struct runs_book *book, json_t *event);

/* NULL where none is known. */
const struct runs *runs_of(const struct runs_book *book, const char *service);

/* The log of a stream, where that had one of its own; NULL. */
const struct run_log *runs_log(const struct run *run, bool is_error);
