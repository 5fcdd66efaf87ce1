/*
 * The process that reads configuration files: what it brings back, and that nobody waits for
 * one that is stopped or killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/reload/loader.h"

#define PATIENCE (20 * USEC_PER_SEC)

struct fixture {
	struct loop loop;
	struct loader loader;
	struct loop_timer patience;
	struct conf_context context;
	char path[64];
	bool done;
	int result, memfd;
	char errors[1024];
};

static void on_done(struct loader *l, int result, int memfd, struct conf_errors *errors)
{
	struct fixture *f = CONTAINER_OF(l, struct fixture, loader);

	f->done = true;
	f->result = result;
	f->memfd = memfd;
	for (size_t i = 0; i < errors->n; i++) {
		size_t n = strlen(f->errors);

		snprintf(f->errors + n, sizeof(f->errors) - n, "%s\n", errors->messages[i]);
	}
}

static void on_patience(struct loop_timer *t _unused_)
{
	fail_msg("nothing has come of it");
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	strcpy(f->path, "/tmp/test-loader-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	conf_context_init(&f->context);
	assert_int_equal(loop_init(&f->loop), 0);
	f->loop.now_usec = usec_now(CLOCK_MONOTONIC);
	f->loader.done = on_done;
	assert_int_equal(loader_init(&f->loader, &f->loop), 0);
	f->patience.dispatch = on_patience;
	assert_int_equal(loop_timer_add(&f->loop, &f->patience), 0);
	loop_timer_set(&f->loop, &f->patience, usec_add(f->loop.now_usec, PATIENCE));
	f->memfd = -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loader_fini(&f->loader);
	loop_timer_remove(&f->loop, &f->patience);
	loop_fini(&f->loop);
	close_fd(f->memfd);
	unlink(f->path);
	free(f);
	return 0;
}

static void write_file(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void load(struct fixture *f)
{
	assert_int_equal(loader_start(&f->loader, f->path, &f->context), 0);
}

static void wait_for_it(struct fixture *f)
{
	while (!f->done)
		assert_int_equal(loop_once(&f->loop), 0);
}

static void what_it_brings_back_is_the_configuration_and_can_not_be_changed(void **state)
{
	struct fixture *f = *state;
	struct conf_sources *sources = NULL;
	struct conf_errors errors = {0};
	struct spec *spec = NULL;
	struct stat st;
	void *bytes;

	write_file(f, "service \"web\" { command = \"/bin/true\" }\n");
	load(f);
	wait_for_it(f);
	assert_int_equal(f->result, 0);
	assert_int_equal(fstat(f->memfd, &st), 0);
	assert_int_equal(write(f->memfd, "x", 1), -1);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f->memfd, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_int_equal(conf_sources_read(bytes, (size_t)st.st_size, &sources), 0);
	assert_int_equal(conf_parse(sources, &f->context, &spec, &errors), 0);
	assert_int_equal(spec->n_services, 1);
	assert_string_equal(spec->services[0].name, "web");
	spec_free(spec);
	conf_sources_free(sources);
	conf_errors_fini(&errors);
	munmap(bytes, (size_t)st.st_size);
}

static void all_errors_come_back_with_their_places(void **state)
{
	struct fixture *f = *state;

	write_file(f, "bogus = 1\nservice \"web\" { }\n");
	load(f);
	wait_for_it(f);
	assert_int_equal(f->result, -EINVAL);
	assert_int_equal(f->memfd, -1);
	assert_non_null(strstr(f->errors, ":1: unknown key 'bogus'"));
	assert_non_null(strstr(f->errors, ":2: "));
}

static void a_file_that_is_not_there_is_an_error_with_its_name(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	load(f);
	wait_for_it(f);
	assert_int_equal(f->result, -EINVAL);
	assert_non_null(strstr(f->errors, f->path));
	assert_non_null(strstr(f->errors, strerror(ENOENT)));
}

static void one_that_was_killed_is_an_error(void **state)
{
	struct fixture *f = *state;

	write_file(f, "service \"web\" { command = \"/bin/true\" }\n");
	load(f);
	assert_int_equal(kill(f->loader.pid, SIGKILL), 0);
	wait_for_it(f);
	/* it may have been faster */
	assert_true(f->result == -EIO || f->result == 0);
}

/* Stopped before it could end, it stands for one whose file system hangs. */
static void one_that_hangs_is_given_up_and_the_next_one_works(void **state)
{
	struct fixture *f = *state;

	for (int tries = 0; f->result != -ETIMEDOUT; tries++) {
		assert_true(tries < 100);
		f->done = false;
		f->memfd = close_fd(f->memfd);
		f->loader.timeout_usec = 20 * USEC_PER_MSEC;
		load(f);
		kill(f->loader.pid, SIGSTOP);
		wait_for_it(f);
	}
	f->loader.timeout_usec = PATIENCE;
	while (loader_start(&f->loader, f->path, &f->context) == -EBUSY)
		assert_int_equal(loop_once(&f->loop), 0);
	f->done = false;
	wait_for_it(f);
	assert_int_equal(f->result, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_it_brings_back_is_the_configuration_and_can_not_be_changed),
		TEST(all_errors_come_back_with_their_places),
		TEST(a_file_that_is_not_there_is_an_error_with_its_name),
		TEST(one_that_was_killed_is_an_error),
		TEST(one_that_hangs_is_given_up_and_the_next_one_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
