/*
 * Whom the dead launcher had started, or was to start, without telling of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "engine/takeover/find.h"
#include "engine/takeover/noted.h"

struct missing {
	struct engine *e;
	struct noted noted; /* by the dead launcher */
	uint32_t n_max; /* no more generations there are, told or not */
	struct find_target *targets; /* owned, with their pidfds; those that live have a pid */
	size_t n_targets;
	bool incomplete; /* a process may be alive that is not among them */
};

/* Reads the notebook, and looks for those that it can't tell of. 0 or -ENOMEM. */
int missing_init(struct missing *ret, struct engine *e);
void missing_fini(struct missing *m);

/* What was said of its present generation: that it has begun; nothing, and it may have. */
bool missing_is_told(const struct service *s);
bool missing_is_under_way(const struct service *s);
/*
 * Commands that another engine has begun, and that this one has not been told of yet. Whose end it
 * was told is over.
 */
bool missing_is_untold_command(const struct missing *m, const struct notebook_slot *slot);

/* On the link; COMMAND_KIND_MAX: of its main process. */
uint32_t missing_id_of(const struct service *s, enum command_kind kind);
/* NULL: there is no such process. pid 0: it is another's; if proven, it could not be looked at. */
const struct find_target *missing_found(const struct missing *m, const struct service *s,
	enum command_kind kind, uint64_t generation);
