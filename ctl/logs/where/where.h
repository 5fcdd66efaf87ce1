/*
 * Where the logs of services are: supervisord says so, or, where none answers, its configuration.
 */
#pragma once

#include <jansson.h>

#include "conf/spec.h"
#include "ctl/ctl.h"

struct where {
	json_t *services; /* owned: as the method Logs has them */
	char *journal; /* owned; where no supervisord answers, the file of the event journal */
};

void where_fini(struct where *w);

/* Where there is another way than to ask, one that is just starting is waited for so long. */
#define WHERE_REFUSED_USEC (100 * USEC_PER_MSEC)

/* Is a call's result that nobody is there, or nobody who answers? Not: we may not ask. */
bool where_is_silence(int result);

/*
 * What is known without a supervisord: the configuration that it had, or --config, or the default
 * one; which, or what failed, was told. 0 or -errno; spec_free().
 */
int where_load(struct ctl *ctl, struct spec **ret_spec);

/* Does a name, a glob or @group mean that instance of a service? */
bool where_means(const struct spec_service *s, const char *instance, const char *pattern);

/* The directory that the socket is in; owned by the caller. NULL for lack of memory. */
char *where_directory(const struct ctl *ctl);

/*
 * 0 or an exit status; what failed was told, and so was that no supervisord answers. names is
 * borrowed.
 */
int where_ask(struct ctl *ctl, json_t *names, struct where *ret_where);
