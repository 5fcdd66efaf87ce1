/* Goes on as other programs, without a service noticing; or goes back to those before. */
#pragma once

#include <signal.h>

#include "launcher/table/state.h"

/* Performs UPGRADE: the two programs, which it takes (and -1 is left then), are tried first. */
void upgrade_begin(struct launcher *l, uint32_t op, int programs[2], bool lost_fds);

/* What a launcher finds that was handed over to it in an upgrade, or not in one. */
void upgrade_inherited(struct launcher *l, uint32_t op, int error);

/* A child has ended. True: it was a trial. */
bool upgrade_trial_ended(struct launcher *l, const siginfo_t *info);

/* The engine is up: so these programs are fit. */
void upgrade_recovered(struct launcher *l);

/* Nobody knows yet whether this engine is fit: it does not decide that all ends. */
bool upgrade_is_on_probation(const struct launcher *l);

/* What is due; when to call again. Where all goes well it executes the new launcher. */
usec_t upgrade_tick(struct launcher *l, usec_t now);
