/*
 * It looks at all that an engine could stumble over when it recovers: the form of the recovery
 * area, and whether it takes every configuration that is in use. It changes nothing: what an
 * engine would mend in the area is mended in a copy. What services do meanwhile may show in that as
 * a record half written, which the copy mends as well.
 */
#include "engine/upgrade/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/reload/config.h"
#include "wire/handover.h"
#include "wire/recovery.h"

static int fail(const char *what, int error)
{
	log_error("trial of supervisord-engine " SUPERVISORD_VERSION ": %s: %s", what,
		strerror(-error));
	return EXIT_FAILURE;
}

/* Maps a copy of the area that stays ours, for good: this process is about to end. */
static int open_area(int fd, struct recovery *ret_area)
{
	struct stat st;
	void *copy;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return r;
	if (st.st_size < (off_t)sizeof(struct recovery_head) || st.st_size > UINT32_MAX)
		return -EBADMSG;
	r = sys_mmap((size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
		&copy);
	for (off_t at = 0; r == 0 && at < st.st_size;) {
		ssize_t n = sys_pread(fd, (char *)copy + at, (size_t)(st.st_size - at), at);

		if (n <= 0)
			r = n < 0 ? (int)n : -EBADMSG;
		at += n;
	}
	if (r < 0)
		return r;
	memcpy(ret_area, &(struct recovery){.head = copy, .size = (size_t)st.st_size},
		sizeof(*ret_area));
	r = recovery_open(ret_area, copy, (size_t)st.st_size, ret_area->head->boot_id);
	return r < 0 ? r : 0; /* an older one can be read */
}

static bool is_needed(const struct recovery *area, unsigned place)
{
	if (area->head->config == place)
		return true;
	for (uint32_t i = 0; i < area->head->capacity; i++) {
		const struct recovery_record *r = recovery_record(area, i);

		if (r->name[0] != '\0' && r->config == place)
			return true;
	}
	return false;
}

static int try_config(const struct conf_context *context, int fd)
{
	struct conf_errors errors = {0};
	struct conf_sources *sources = NULL;
	struct spec *spec = NULL;
	int r = fd > 0 ? config_read(fd, &sources) : -ENOENT;

	if (r == 0)
		r = conf_parse(sources, context, &spec, &errors);
	for (size_t i = 0; i < errors.n; i++)
		log_error("%s", errors.messages[i]);
	conf_sources_free(sources);
	conf_errors_fini(&errors);
	spec_free(spec);
	return r;
}

int trial_run(const struct conf_context *context)
{
	_cleanup_(handover_fini) struct handover h = HANDOVER_INIT;
	struct recovery area;
	int r = handover_find(HANDOVER_TRIAL, &h);

	if (r == -ENOENT)
		return -1;
	if (r < 0)
		return fail("cannot read what is handed over", r);
	r = h.head.kept[LINK_KEEP_RECOVERY] > 0 ? open_area(h.head.kept[LINK_KEEP_RECOVERY], &area)
						: -ENOENT;
	if (r < 0)
		return fail("cannot use the recovery area", r);
	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		if (!is_needed(&area, i))
			continue;
		r = try_config(context, h.head.kept[LINK_KEEP_CONFIG + i]);
		if (r < 0)
			return fail("cannot read a configuration that is in use", r);
	}
	return EXIT_SUCCESS;
}
