/* Keeps an engine running: starts it, notices that it is gone or hangs, starts the next. */
#pragma once

#include <signal.h>

#include "launcher/launcher.h"
#include "launcher/state.h"

/* Opens the program where the options say; -errno where there is none. */
int engine_process_init(struct launcher *l, const struct launcher_options *options);

/* Starts one. -errno. */
int engine_process_start(struct launcher *l);

/* The link has ended or is of no use: there is no way back but another engine. */
void engine_process_lost_link(struct launcher *l, const char *why);

/*
 * It was reaped. Performs what it had sent and arranges for the next. -ENOEXEC where it
 * never could be executed at all.
 */
int engine_process_ended(struct launcher *l, const siginfo_t *info);

/* Does what is due, and says when the next thing is. */
usec_t engine_process_tick(struct launcher *l, usec_t now);

/* SIGKILL to it, if there is one. */
void engine_process_kill(struct launcher *l);
