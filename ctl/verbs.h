/*
 * The table of verbs. A new verb is a function and one entry; usage, help, the check of
 * options and arguments, and "did you mean" come from the table.
 */
#pragma once

#include <stddef.h>

#include "ctl/ctl.h"

enum verb_option {
	VERB_FOLLOW = 1 << 0,
	VERB_LINES = 1 << 1,
	VERB_RAW = 1 << 2,
	VERB_PEEK = 1 << 3,
	VERB_NO_WAIT = 1 << 4,
	VERB_FOR = 1 << 5,
	VERB_TIMEOUT = 1 << 6,
	VERB_ROLLING = 1 << 7,
	VERB_NO_RESTART = 1 << 8,
	VERB_SINCE = 1 << 9,
	VERB_UNTIL = 1 << 10,
	VERB_RUN = 1 << 11,
	VERB_GREP = 1 << 12,
	VERB_IGNORE_CASE = 1 << 13,
	VERB_STDOUT = 1 << 14,
	VERB_STDERR = 1 << 15,
	VERB_CONFIG = 1 << 16
};

/* What the arguments of a verb, or the value of an option, are: what completion offers. */
enum verb_takes {
	VERB_TAKES_UNSET, /* an entry that doesn't say; a test refuses it */
	VERB_TAKES_NOTHING, /* no argument, or what only the user can know */
	VERB_TAKES_NAMES, /* of services, instances, definitions and groups */
	VERB_TAKES_SERVICE, /* one service or instance, then nothing that can be known */
	VERB_TAKES_SIGNAL_NAMES, /* a signal, then names */
	VERB_TAKES_SCALABLE, /* what has instances, then a number */
	VERB_TAKES_STATE,
	VERB_TAKES_FILE,
	VERB_TAKES_VERB,
	VERB_TAKES_MAX
};

#define VERB_ANY_ARGS ((size_t)-1)

struct verb {
	const char *name;
	const char *usage; /* what follows the name */
	const char *summary;
	const char *details; /* for help VERB; "" for none */
	const char *method; /* of verbs that differ in nothing but the method they call */
	unsigned options; /* enum verb_option */
	size_t min_args, max_args;
	enum verb_takes takes;
	int (*run)(struct ctl *ctl); /* returns the exit status */
};

extern const struct verb verbs[];
extern const size_t n_verbs;

/* NULL where there is none. */
const struct verb *verb_find(const char *name);

/* The verb that was most likely meant; NULL where nothing is near. */
const struct verb *verb_guess(const char *name);

/* The text that describes the options of every verb. */
const char *help_options(void);

int verb_act(struct ctl *ctl);
int verb_plan(struct ctl *ctl);
int verb_apply(struct ctl *ctl);
int verb_check(struct ctl *ctl);
int verb_scale(struct ctl *ctl);
int verb_signal(struct ctl *ctl);
int verb_status(struct ctl *ctl);
int verb_show(struct ctl *ctl);
int verb_logs(struct ctl *ctl);
int verb_events(struct ctl *ctl);
int verb_wait(struct ctl *ctl);
int verb_why(struct ctl *ctl);
int verb_queue(struct ctl *ctl);
int verb_note(struct ctl *ctl);
int verb_reopen(struct ctl *ctl);
int verb_version(struct ctl *ctl);
int verb_upgrade(struct ctl *ctl);
int verb_shutdown(struct ctl *ctl);
int verb_help(struct ctl *ctl);
