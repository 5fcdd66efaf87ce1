/*
 * What has not been sent is no launcher's business, nor is what is over: the next engine begins
 * what is to be begun, as after any engine's death.
 */
#include "engine/run/command_handover.h"

#include "engine/run/command_internal.h"
#include "engine/service.h"

bool command_situation(const struct service *s, unsigned i, struct command_situation *ret)
{
	for (const struct command *c = part_find(s, PART_COMMAND); c; c = part_next(&c->part)) {
		if ((c->stage != STAGE_SENT && c->stage != STAGE_HELD) || i-- > 0)
			continue;
		*ret = (struct command_situation){.kind = c->kind,
			.stage = c->stage == STAGE_HELD ? COMMAND_ENDED
				 : c->pid > 0		? COMMAND_RUNS
							: COMMAND_UNDER_WAY,
			.generation = c->generation,
			.serial = c->serial,
			.pid = c->pid,
			.pidfd = c->pidfd,
			.output = c->source.fd,
			.pipes = &c->pipes,
			.began_usec = c->began_usec,
			.end = c->end};
		return true;
	}
	return false;
}
