/*
 * The control socket as the configuration wants it: where it is, who may connect, and the
 * roles of those who do.
 */
#pragma once

#include "engine/engine.h"

/* Makes the socket and listens. The fd, or -errno. */
int control_open(const struct engine *e);
/*
 * Which mode and group let just those read a file that may connect and look; some of those may be
 * left out, where a file mode can't say it.
 */
void control_readers(const struct engine *e, mode_t *ret_mode, gid_t *ret_group);
/* Gives the server the roles of the configuration in force. */
void control_set_roles(struct engine *e);
/* Where somebody has removed the socket's name, makes another one; what happens is told in the log.
 */
void control_mend(struct engine *e);
/* Takes mode, group and roles from the configuration in force; a failure is told in the log. */
void control_configure(struct engine *e);
