/*
 * What only some services have, and mostly for a while: it hangs in a list of the service's, so
 * that all the others pay one pointer for all of it. Each kind belongs to one module, whose struct
 * begins with a struct part.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct service;

enum part_kind {
	PART_PIPES, /* streams/pipes.h: of the generation that is being started */
	PART_ADOPTION, /* uplink/uplink.h: what the launcher was asked, and has yet to answer */
	PART_TREE_WATCH, /* tree/tree.h: while its tree is waited for */
	PART_MAINPID_SEARCH, /* run/mainpid.c: while a pid-file is waited for */
	PART_INPUT, /* streams/input.h: the pipe that is its stdin */
	PART_READINESS, /* ready/ready_internal.h: something of it is asked or known */
	PART_HEALTH, /* ready/health.c: likewise */
	PART_EXITS, /* exits.h: a generation has ended */
	PART_HOOK_OUTCOMES, /* run/hooks.c: a hook has ended */
	PART_RELOAD_OUTCOME, /* run/reload_command.h: a reload command has ended */
	PART_ASKED, /* events/event.h: a request was about it */
	PART_ROLL, /* control/rolling.h: a rolling restart that it has its turn in */
	PART_SUCCESSORS, /* succession.h: others wait for its end */
	PART_PREDECESSOR, /* succession.h: it waits for the end of another one */
	PART_SCHEDULE, /* schedule.h: it runs by a schedule, or has done so */
	/* Of these a service may have several: */
	PART_COMMAND, /* run/command_internal.h: it is run for the service */
	PART_WAITER, /* control/request.h: a request waits for the service */
	PART_KIND_MAX
};

struct part {
	struct part *next;
	uint8_t kind; /* enum part_kind */
};

/* The service's part of that kind, or NULL. */
void *part_find(const struct service *s, enum part_kind kind);
/* Makes one, zeroed, where there is none; size is that of its struct. NULL for lack of memory. */
void *part_get(struct service *s, enum part_kind kind, size_t size);
/* Gives back what part_get() has made, if there is one; what it owns is the caller's to give back
 * first. */
void part_drop(struct service *s, enum part_kind kind);
/*
 * For those that may be several, and are allocated elsewhere: takes one in, out again, and finds
 * the next one of its kind.
 */
void part_attach(struct service *s, struct part *p, enum part_kind kind);
void part_detach(struct service *s, struct part *p);
void *part_next(const struct part *p);

/* All that part_get() has made, likewise. */
void part_drop_all(struct service *s);
