/*
 * Another main process than the one that was started: of a daemon that forks, whom its
 * pid-file names, or of a service that says so itself (MAINPID=). Neither is believed: it has to
 * be one of the service's processes, and alive; and the launcher has to take it.
 */
#pragma once

#include <sys/types.h>

struct service;
struct mainpid_search;

/*
 * Looks at the pid-file again and again, until the launcher has taken the process that it names,
 * which tells CORE_EVENT_MAINPID, or the search is cancelled. Twice does no harm.
 */
void mainpid_find(struct service *s);
/* The service says that this is its main process. The same follows, where it is true. */
void mainpid_adopt(struct service *s, pid_t pid);

/* The launcher does not take that process; error is an errno as wire/link.h has it. */
void mainpid_refused(struct service *s, pid_t pid, int error);
/* The launcher has taken one: nothing is looked for any more. */
void mainpid_found(struct service *s);
/* The generation is over. */
void mainpid_cancel(struct service *s);
