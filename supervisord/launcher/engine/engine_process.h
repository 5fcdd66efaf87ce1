/* Keeps an engine running: starts it, notices that it is gone or hangs, starts the next. */
#pragma once

#include <signal.h>

#include "launcher/table/state.h"

#define ENGINE_NAME "supervisord-engine"

/*
 * Opens both programs, unless they were handed over with all else: the engine's where the options
 * say; -errno where there is none.
 */
int engine_process_init(struct launcher *l, const struct launcher_options *options, bool inherited);

/* Starts one. -errno. */
int engine_process_start(struct launcher *l);

/* The link has ended or is of no use: there is no way back but another engine. */
void engine_process_lost_link(struct launcher *l, const char *why);

/*
 * It was reaped, and what it had sent is done: arranges for the next. -ENOEXEC where it
 * never could be executed at all.
 */
int engine_process_ended(struct launcher *l, const siginfo_t *info);

/* Does what is due, and says when the next thing is. */
usec_t engine_process_tick(struct launcher *l, usec_t now);

/* For a child that is to be another program: signals as any program expects them. */
void engine_process_reset_signals(void);
/* Our own arguments, for a program of that name. NULL: no memory. */
char **engine_process_argv(const struct launcher *l, const char *name);

/* SIGKILL to it, if there is one. */
void engine_process_kill(struct launcher *l);
