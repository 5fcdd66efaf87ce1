/*
 * What the files that make sentences share. Each function tells one thing, if there is anything to
 * tell, and calls nothing but those of the layer below.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"
#include "base/usec.h"
#include "ctl/output/render.h"
#include "ctl/why/why.h"

#define WHY_MAX_SENTENCES 128
#define WHY_MAX_SENTENCE  2048 /* bytes; what is longer is cut */
#define WHY_MAX_ITEMS	  16 /* of a list, in one sentence or after each other */

struct tale {
	json_t *facts, *service; /* borrowed */
	const char *name, *state, *phase, *why, *other; /* borrowed from them; never NULL */
	usec_t now; /* the engine's real clock */
	why_user_fn *user;
	json_t *sentences; /* owned */
	struct buf text; /* of the sentence at hand */
	int error; /* the first one; everything after it does nothing */
};

/* --- why_say.c: putting sentences together --- */

/* Goes on with the sentence at hand. */
void say(struct tale *t, const char *format, ...) _printf_(2, 3);
/* Ends it; nothing happens where there is none. */
void stop_here(struct tale *t);
/* A whole sentence. */
#define tell(t, ...)                   \
	do {                           \
		say((t), __VA_ARGS__); \
		stop_here(t);          \
	} while (0)

bool is_word(const char *a, const char *b);
/* A member of an object that is a string, "" otherwise; integers below 0 count as 0. */
usec_t msec_of(json_t *object, const char *key);
bool has_msec(json_t *object, const char *key);
/* "4s" */
void say_msec(struct tale *t, int64_t msec);
/* "at 06:36:53"; nothing where that is no time. */
void say_at(struct tale *t, const char *time);
/* "in 4s (06:36:53)" of a When; false, and nothing is said, where there is none. */
bool say_when(struct tale *t, json_t *when);
/* "a, b and c", of an array of strings, and how many more there are of n. */
void say_names(struct tale *t, json_t *names, int64_t n);

/* --- why_end.c: how a run ended, and why it failed --- */

/* "exited with status 3" */
void say_end(struct tale *t, json_t *end);
/* How the run that is over ended, with what that was worth. */
void tell_end(struct tale *t);
/* Why supervisord is ending it, or has. */
void tell_cause(struct tale *t, const char *cause);
/* The run before this one. */
void tell_previous_end(struct tale *t);
/* How a hook went, if it went wrong, or if it runs. */
void tell_hook(struct tale *t, const char *hook);

/* --- why_rule.c: what follows by policy, and when --- */

void tell_restart_rule(struct tale *t);
void tell_next_start(struct tale *t);
void tell_by_hand(struct tale *t);
void tell_schedule(struct tale *t);
void say_what_makes_ready(struct tale *t, const char *on);
void tell_readiness(struct tale *t);
void tell_health(struct tale *t);
void tell_running_rules(struct tale *t);
/* That it waits, or soon does, with what it writes. */
void tell_held_up(struct tale *t);

/* --- why_wait.c: others --- */

void tell_waiting(struct tale *t);
void tell_causes(struct tale *t);
void tell_stopping(struct tale *t);

/* --- why_asked.c: who wanted it --- */

void tell_asked(struct tale *t);
