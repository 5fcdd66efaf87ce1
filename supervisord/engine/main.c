/*
 * supervisord-engine: see engine.h. Started by the launcher, which waits for its word on
 * how to end.
 */
#include <malloc.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/takeover/gone.h"
#include "engine/upgrade/trial.h"

/*
 * Blocks from this size on are mapped by themselves: they go back to the kernel when they are
 * freed, and what was never written to takes no memory. Unless it is set, malloc() raises it with
 * each such block that is freed.
 */
#define LARGE_BLOCK (128 << 10)

static struct engine engine;

int main(int argc, char **argv)
{
	struct conf_context context;
	int status;

	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	log_init("supervisord");
	sys_faults_init("engine");
	conf_context_init(&context);
	status = trial_run(&context);
	if (status >= 0)
		return status;
	status = engine_init(&engine, argc, argv);
	/* Nobody is left to try again, and what was kept is not all there. */
	if (status != 0 && uplink_is_broken())
		gone_afresh(&engine);
	if (status != 0 || engine.leaving) {
		/* A first engine that can't start ends supervisord; a later one is tried again. */
		if (!engine.recovering || engine.adopting)
			uplink_send_plain(&engine, LINK_EXIT, (uint32_t)status, 0);
		return status;
	}
	engine_run(&engine);
	return EXIT_SUCCESS;
}
