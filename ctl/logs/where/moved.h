/*
 * Where logs are by now: another configuration may name other files for services that are followed.
 */
#pragma once

#include <jansson.h>
#include <sys/inotify.h>

#include "base/usec.h"
#include "ctl/client/client.h"
#include "ctl/ctl.h"

struct moved {
	struct client client; /* without a connection, but for the moment of a question */
	json_t *names; /* borrowed; NULL: nobody is asked */
	char *directory; /* owned: supervisord's, where a configuration that is put in force is seen
			  */
	int watch; /* of inotify; -1 */
	unsigned n_asks; /* so often, at least, it is asked once more */
	usec_t next_usec; /* monotonic: when */
};

/* names: as the method Logs takes them, borrowed; NULL: nobody is there to be asked. -ENOMEM. */
int moved_init(struct moved *m, const struct ctl *ctl, json_t *names);
void moved_fini(struct moved *m);

void moved_watch(struct moved *m, int inotify);
void moved_event(struct moved *m, const struct inotify_event *event);
/* It is to be asked now, or about every second from now on. */
bool moved_is_awaited(const struct moved *m);
/* What the method Logs says of services, owned by the caller; NULL: nothing, or it isn't time. */
json_t *moved_ask(struct moved *m);
