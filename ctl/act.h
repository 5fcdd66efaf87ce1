/*
 * What verbs share that ask for something to happen and tell about each service as it
 * gets there.
 */
#pragma once

#include <stdbool.h>

#include "ctl/ctl.h"
#include "ctl/output/progress.h"

struct act {
	struct ctl *ctl;
	const char *sent; /* the signal's name, or NULL */
	json_t *told; /* names -> true */
	json_t *results; /* with --json: an array for the end */
	struct progress progress;
	bool failed; /* a service did not get there */
};

#define _cleanup_act_ _cleanup_(act_fini)

void act_init(struct act *act, struct ctl *ctl);
void act_fini(struct act *act);

/*
 * Calls the verb's method for a stream of replies, with progress on a terminal. The
 * replies go to on_reply with its userdata; it hands them on to act_take(). parameters
 * are stolen. The exit status, in which failures of services are not counted yet.
 */
int act_call(struct act *act, json_t *parameters, unsigned flags, client_reply_fn *on_reply,
	void *userdata);

/* Tells "results" of a reply, or keeps them for --json; each name once. 0 or a -errno. */
int act_take(struct act *act, json_t *parameters);

/*
 * Adds to the parameters an id by which a repeated request joins the first one. 0, or an exit
 * status with the reason told.
 */
int act_add_id(struct act *act, json_t *parameters);
/* Adds whether to wait; returns the flags that the call then needs. */
unsigned act_add_wait(struct act *act, json_t *parameters);

/*
 * Tells about one result (name, ok, state, pid, message): on stdout and at once, or on stderr
 * where it is not ok. sent: the signal that was sent, or NULL. -ENOMEM.
 */
int act_tell(struct ctl *ctl, json_t *result, const char *sent);
