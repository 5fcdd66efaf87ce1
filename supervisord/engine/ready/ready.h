/*
 * Finding out that a service is ready, by whichever way its ready.on names, and keeping what it
 * says of itself meanwhile. A service that needs neither has nothing of this.
 */
#pragma once

#include <stdbool.h>

struct engine;
struct pump;
struct service;

/* Before the launcher is listened to. */
void ready_init(struct engine *e);

/* Begins and ends all questions, about health too, as its state asks for: after any change. */
void ready_follow(struct service *s);

/* Its generation has started and is to become ready: asks, until it is told. May be repeated. */
void ready_begin(struct service *s);
/*
 * After another engine, before any output is read: looks out for the line, where it is one that
 * tells, as the last engine did.
 */
void ready_resume(struct service *s);
/* It is ready, or will not be any more. */
void ready_end(struct service *s);
/*
 * Takes the read end (owned from now on) of the pipe by which its generation tells that it is
 * ready. The launcher keeps another copy until the generation is over, and gives it to each
 * engine; what one engine has read from the pipe, no other will.
 */
void service_take_ready_fd(struct service *s, int fd);
/* That one, while it is read from; -1. */
int ready_pipe_fd(const struct service *s);
/* For struct pump_set: what comes through a pipe of a service may be the line that is waited for.
 */
void ready_log_tap(struct pump *p, const char *data, size_t n);
/* Takes in what it has said until now, before its end is judged. May give an event to the core. */
void ready_settle(struct service *s);
/* It goes by other settings from now on. */
void ready_configure(struct service *s);
void ready_free(struct service *s);

/* --- what it says of itself, by notify.c --- */

enum ready_doing { READY_DOING_NOTHING, READY_RELOADING, READY_STOPPING };

void ready_note_status(struct service *s, const char *text);
void ready_note_doing(struct service *s, enum ready_doing doing);
/* Of its present generation: "" and READY_DOING_NOTHING where it has said nothing. */
const char *ready_status(const struct service *s);
enum ready_doing ready_doing(const struct service *s);

/* ready.on with %{} replaced, "tcp:127.0.0.1:80", to be freed; NULL for lack of memory. */
char *ready_describe(const struct service *s);
/* While it is asked: why it isn't ready so far, in words; "" where that is not known. */
const char *ready_problem(const struct service *s);
