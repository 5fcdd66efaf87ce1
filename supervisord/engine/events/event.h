/*
 * Events: what has happened, made once as a body of bytes (wire/README.md has the fields), put
 * into the journal, and told to whoever follows. One function for each kind.
 *
 * Every event has a number of its own, one more than the last; the recovery area knows the last
 * one, so numbers go on after an engine's death, with a journal and without.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/usec.h"
#include "conf/spec.h"
#include "core/core.h"
#include "wire/journal.h"

struct command_result;
struct engine;
struct link_exit;
struct peer;
struct service;

/* What a request wants; the numbers stand in the recovery area: only append. */
enum event_verb {
	EVENT_VERB_NONE,
	EVENT_VERB_START,
	EVENT_VERB_STOP,
	EVENT_VERB_RESTART,
	EVENT_VERB_RESET,
	EVENT_VERB_SIGNAL,
	EVENT_VERB_RELOAD,
	EVENT_VERB_APPLY,
	EVENT_VERB_SCALE,
	EVENT_VERB_REOPEN,
	EVENT_VERB_SHUTDOWN,
	EVENT_VERB_UPGRADE,
	EVENT_VERB_MAX
};

const char *event_verb_to_string(enum event_verb v);

/* Who has asked for something, by which event. */
struct event_asked {
	uint64_t seq; /* 0: nobody */
	enum event_verb verb;
	uid_t uid;
	pid_t pid; /* 0: unknown */
};

/* The event in the course of which others come about. */
struct event_cause {
	uint64_t seq; /* 0: there is none */
	enum journal_kind kind;
	uint32_t service; /* CORE_NO_SERVICE: none */
	int signo; /* JOURNAL_SIGNAL */
	struct event_asked asked; /* JOURNAL_REQUEST, JOURNAL_SIGNAL: uid and pid */
};

/* What comes now has no cause that we know of (a clock, say), or one that is told in a moment. */
void event_forget_cause(struct engine *e);

/* By the last request that was about a service; which a service keeps, and its record. */
struct event_asked event_asked_of(const struct service *s);
void event_note_asked(struct service *s, const struct event_asked *asked);

/* The number that the next event gets. An event that is committed first is told under it. */
uint64_t event_take_seq(struct engine *e);

/*
 * What the last engine had committed, and maybe not told; and what it had told and maybe not
 * noted. Once services are restored, before any other event.
 */
void event_recover(struct engine *e);

/* --- services --- */

/*
 * seq: by event_take_seq(), and committed; queue_seq: the number on the message queue; reason: by
 * service_reason(), or NULL.
 */
void event_state(struct service *s, enum core_state previous, uint64_t seq, uint64_t queue_seq,
	const char *reason);
/* A process of this generation has been told of; once for each generation. */
void event_start(struct service *s, uint64_t generation, pid_t pid);
/* A generation's main process has ended; once for each serial, which is 0 for none. */
void event_exit(struct service *s, const struct core_event *end, uint64_t serial, pid_t pid,
	const struct link_exit *x);
/* text: to what, for people. queue_seq: 0 for none. */
void event_health(struct service *s, const char *text, uint64_t queue_seq);
void event_hook(struct service *s, enum spec_hook hook, const struct command_result *r);
/* A run was due, and this has become of it: "run", "skip", "queue", "kill". */
void event_schedule(struct service *s, const char *outcome, usec_t due_usec);
void event_removed(struct service *s);

/* --- requests --- */

#define EVENT_MAX_NAMES 32 /* of services that one event lists */

/*
 * A request was accepted, for these services (n: 0 for what is about supervisord). id: the
 * client's, or NULL. What follows is caused by it.
 */
void event_request(struct engine *e, const struct peer *peer, enum event_verb verb, const char *id,
	struct service *const *services, uint32_t n);
void event_refused(struct engine *e, const struct peer *peer, const char *method);

#define EVENT_MAX_NOTE 1024 /* bytes */
/* Returns its number. */
uint64_t event_note(struct engine *e, const struct peer *peer, const char *text);

/* --- supervisord itself --- */

/* A signal to supervisord; what follows is caused by it. */
void event_signal(struct engine *e, int signo, pid_t pid, uid_t uid);
/* This engine has begun to work. */
void event_engine(struct engine *e, const char *text);
/* Names of definitions that a new configuration has added, removed, changed; NULL or NULL-ended. */
struct event_changes {
	const char *const *added, *const *removed, *const *changed;
};
/* Another configuration is in force; what follows is caused by it. changes may be NULL. */
void event_reloaded(struct engine *e, enum journal_kind kind, const char *text,
	const struct event_changes *changes);
/* One was tried, and this has become of it. Told again by the same op, it is the same one. */
void event_upgrade(struct engine *e, uint32_t op, const char *text);
/* Whatever else: a kind, and a few words for people. */
void event_supervisor(struct engine *e, enum journal_kind kind, const char *text);
