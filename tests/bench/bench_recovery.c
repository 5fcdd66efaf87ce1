/*
 * What the recovery area costs: nanoseconds for each event of a service that is written down,
 * with and without gathering the record from engine and core, and bytes for each service.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/usec.h"
#include "engine/service.h"

#define N_SERVICES 1000
#define N_COMMITS  2000000

static struct engine engine;
static struct service services[N_SERVICES];

static void fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	exit(EXIT_FAILURE);
}

static void prepare(const char *directory)
{
	static const struct spec_policy policy;
	int r = store_create(&engine.store, directory, N_SERVICES);

	if (r < 0)
		fail("store_create", r);
	engine.core = core_new(N_SERVICES, 0);
	if (!engine.core)
		fail("core_new", -ENOMEM);
	for (uint32_t i = 0; i < N_SERVICES; i++) {
		static const struct core_record record = {.state = CORE_STOPPED,
			.why = CORE_WHY_NEVER_STARTED,
			.deadline_usec = USEC_INFINITY,
			.due_usec = USEC_INFINITY,
			.blocker = CORE_NO_SERVICE};
		char name[16];

		snprintf(name, sizeof(name), "service-%u", i);
		services[i].engine = &engine;
		services[i].id = i;
		services[i].name = strdup(name);
		core_add(engine.core, i, &policy, &record, 1);
	}
}

static void report(const char *what, usec_t begin)
{
	double nsec = (double)(usec_now(CLOCK_MONOTONIC) - begin) * 1000 / N_COMMITS;

	printf("%-40s %8.0f ns\n", what, nsec);
}

int main(void)
{
	char directory[] = "/tmp/bench-recovery-XXXXXX";
	struct recovery_record record = {.name = "service-0"};
	usec_t begin;

	if (!mkdtemp(directory))
		fail("mkdtemp", -errno);
	engine.store = (struct store)STORE_INIT;
	prepare(directory);
	begin = usec_now(CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < N_COMMITS; i++)
		recovery_commit(&engine.store.area, i % N_SERVICES, &record);
	report("a record", begin);
	begin = usec_now(CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < N_COMMITS; i++)
		service_commit(&services[i % N_SERVICES], true, CORE_STOPPED, i);
	report("an event of a service, gathered", begin);
	begin = usec_now(CLOCK_MONOTONIC);
	for (uint32_t i = 0; i < N_COMMITS; i++)
		store_set(&engine.store, queue_seq, i);
	report("a number in the head", begin);
	printf("%-40s %8zu bytes\n", "the area of no service", recovery_size(0));
	printf("%-40s %8zu bytes\n", "each service", recovery_size(1) - recovery_size(0));
	store_fini(&engine.store, directory);
	return rmdir(directory) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
