/*
 * Where the logs of services are: supervisord says so, or, where none answers, its configuration.
 */
#pragma once

#include <jansson.h>

#include "ctl/ctl.h"

struct where {
	json_t *services; /* owned: as the method Logs has them */
	char *journal; /* owned; where no supervisord answers, the file of the event journal */
};

void where_fini(struct where *w);

/* The directory that the socket is in; owned by the caller. NULL for lack of memory. */
char *where_directory(const struct ctl *ctl);

/*
 * 0 or an exit status; what failed was told, and so was that no supervisord answers. names is
 * borrowed.
 */
int where_ask(struct ctl *ctl, json_t *names, struct where *ret_where);
