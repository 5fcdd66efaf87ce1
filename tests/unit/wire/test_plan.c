/*
 * The spawn plan: what is encoded is what is opened, and no malformed plan gets through.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "wire/plan.h"

static const char *const argv_of_example[] = {"web", "--port", "80", "", NULL};
static const char *const envp_of_example[] = {"A=1", "PATH=/bin", NULL};
static const uint32_t groups_of_example[] = {4, 24, 27};

static const struct plan_limit limits_of_example[] = {
	{.resource = 4, .soft = 0, .hard = 0}, {.resource = 7, .soft = 1024, .hard = UINT64_MAX}};

static struct plan example(void)
{
	return (struct plan){
		.flags = PLAN_SET_IDS | PLAN_SET_NICE | PLAN_SPLIT_STDERR | PLAN_READY_FD |
			 PLAN_STDIN_FILE,
		.uid = 1000,
		.gid = 100,
		.groups = groups_of_example,
		.n_groups = 3,
		.umask = 022,
		.nice = -5,
		.oom_score_adj = 300,
		.ready_fd = 7,
		.limits = limits_of_example,
		.n_limits = 2,
		.path = "/usr/bin/web",
		.directory = "/srv",
		.cgroup = "web@1",
		.stdin_path = "/srv/input",
		.argv = argv_of_example,
		.envp = envp_of_example,
	};
}

static void what_is_encoded_is_what_is_opened(void **state _unused_)
{
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
	assert_int_equal(v.head->flags, p.flags);
	assert_int_equal(v.head->uid, 1000);
	assert_int_equal(v.head->gid, 100);
	assert_int_equal(v.head->umask, 022);
	assert_int_equal(v.head->nice, -5);
	assert_int_equal(v.head->oom_score_adj, 300);
	assert_int_equal(v.head->ready_fd, 7);
	assert_int_equal(v.head->n_groups, 3);
	assert_int_equal(v.head->n_limits, 2);
	assert_memory_equal(v.limits, limits_of_example, sizeof(limits_of_example));
	assert_memory_equal(v.groups, groups_of_example, sizeof(groups_of_example));
	assert_string_equal(v.path, "/usr/bin/web");
	assert_string_equal(v.directory, "/srv");
	assert_string_equal(v.cgroup, "web@1");
	assert_string_equal(v.stdin_path, "/srv/input");
	for (int i = 0; argv_of_example[i]; i++)
		assert_string_equal(v.argv[i], argv_of_example[i]);
	assert_null(v.argv[4]);
	for (int i = 0; envp_of_example[i]; i++)
		assert_string_equal(v.envp[i], envp_of_example[i]);
	assert_null(v.envp[2]);
}

static void what_is_not_given_is_empty(void **state _unused_)
{
	static const char *const argv[] = {"x", NULL}, *const envp[] = {NULL};
	struct plan p = {.path = "/x", .argv = argv, .envp = envp};
	_cleanup_free_
	void *data = NULL;
	struct plan_view v;
	size_t size;

	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
	assert_string_equal(v.directory, "");
	assert_string_equal(v.cgroup, "");
	assert_string_equal(v.stdin_path, "");
	assert_null(v.envp[0]);
}

static void what_is_too_big_is_refused_by_the_encoder(void **state _unused_)
{
	static uint32_t groups[PLAN_MAX_GROUPS + 1];
	_cleanup_free_
	char *big = malloc(PLAN_MAX_SIZE + 1);
	_cleanup_free_
	const char **many = calloc(PLAN_MAX_ARGS + 2, sizeof(*many));
	const char *argv[] = {"x", NULL, NULL};
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	p.groups = groups;
	p.n_groups = PLAN_MAX_GROUPS + 1;
	assert_int_equal(plan_encode(&p, &data, &size), -E2BIG);
	p.n_groups = PLAN_MAX_GROUPS;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
	free(TAKE_PTR(data));

	memset(big, 'x', PLAN_MAX_SIZE);
	big[PLAN_MAX_SIZE] = '\0';
	argv[1] = big;
	p.argv = argv;
	assert_int_equal(plan_encode(&p, &data, &size), -E2BIG);
	big[PLAN_MAX_SIZE - 8192] = '\0';
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
	free(TAKE_PTR(data));

	for (size_t i = 0; i <= PLAN_MAX_ARGS; i++)
		many[i] = "x";
	p.argv = many;
	assert_int_equal(plan_encode(&p, &data, &size), -E2BIG);
	many[PLAN_MAX_ARGS] = NULL;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
}

/* Encodes the example, puts a word over one of the head's, and opens the result. */
static int open_with(size_t offset, uint32_t word)
{
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	assert_int_equal(plan_encode(&p, &data, &size), 0);
	memcpy((char *)data + offset, &word, sizeof(word));
	return plan_open(data, size, &v);
}

#define OPEN_WITH(field, word) open_with(offsetof(struct plan_head, field), (uint32_t)(word))

static void a_head_out_of_range_is_refused(void **state _unused_)
{
	assert_int_equal(OPEN_WITH(magic, PLAN_MAGIC), 0);
	assert_int_equal(OPEN_WITH(magic, 1), -EBADMSG);
	assert_int_equal(OPEN_WITH(version, PLAN_VERSION - 1), -EPROTONOSUPPORT);
	assert_int_equal(OPEN_WITH(size, 8), -EBADMSG);
	assert_int_equal(OPEN_WITH(flags, PLAN_FLAGS_ALL + 1), -EBADMSG);
	assert_int_equal(OPEN_WITH(uid, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(gid, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(umask, 01000), -EBADMSG);
	assert_int_equal(OPEN_WITH(nice, 20), -EBADMSG);
	assert_int_equal(OPEN_WITH(nice, -21), -EBADMSG);
	assert_int_equal(OPEN_WITH(oom_score_adj, 1001), -EBADMSG);
	assert_int_equal(OPEN_WITH(oom_score_adj, -1001), -EBADMSG);
	assert_int_equal(OPEN_WITH(ready_fd, 2), -EBADMSG);
	assert_int_equal(OPEN_WITH(ready_fd, 3), 0);
	assert_int_equal(OPEN_WITH(ready_fd, 1023), 0);
	assert_int_equal(OPEN_WITH(ready_fd, 1024), -EBADMSG);
	assert_int_equal(OPEN_WITH(flags, PLAN_SET_IDS), -EBADMSG); /* has a ready_fd */
	assert_int_equal(OPEN_WITH(n_limits, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_limits, 3), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_limits, PLAN_MAX_LIMITS + 1), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_limits, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_groups, PLAN_MAX_GROUPS + 1), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_groups, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_groups, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(groups_offset, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_argv, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_argv, 3), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_argv, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(n_envp, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(argv_offset, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(envp_offset, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(path_offset, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(directory_offset, 1 << 20), -EBADMSG);
	assert_int_equal(OPEN_WITH(cgroup_offset, -1), -EBADMSG);
	assert_int_equal(OPEN_WITH(stdin_offset, 0), -EBADMSG);
	assert_int_equal(OPEN_WITH(reserved, 1), -EBADMSG);
}

static int open_with_stdin(uint32_t flags, const char *path)
{
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	p.flags = PLAN_READY_FD | flags;
	p.stdin_path = path;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	return plan_open(data, size, &v);
}

static void stdin_is_one_thing_and_has_a_path_if_that_is_one(void **state _unused_)
{
	assert_int_equal(open_with_stdin(0, ""), 0);
	assert_int_equal(open_with_stdin(PLAN_STDIN_FILE, "/x"), 0);
	assert_int_equal(open_with_stdin(PLAN_STDIN_FIFO, "x"), 0);
	assert_int_equal(open_with_stdin(PLAN_STDIN_KEPT, NULL), 0);
	assert_int_equal(open_with_stdin(0, "/x"), -EBADMSG);
	assert_int_equal(open_with_stdin(PLAN_STDIN_FILE, ""), -EBADMSG);
	assert_int_equal(open_with_stdin(PLAN_STDIN_FIFO, ""), -EBADMSG);
	assert_int_equal(open_with_stdin(PLAN_STDIN_KEPT, "/x"), -EBADMSG);
	assert_int_equal(open_with_stdin(PLAN_STDIN_FILE | PLAN_STDIN_FIFO, "/x"), -EBADMSG);
	assert_int_equal(open_with_stdin(PLAN_STDIN_KEPT | PLAN_STDIN_FIFO, "/x"), -EBADMSG);
}

static void every_shortened_plan_is_refused(void **state _unused_)
{
	_cleanup_free_
	char *copy = NULL;
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	assert_int_equal(plan_encode(&p, &data, &size), 0);
	copy = malloc(size);
	for (size_t n = 0; n < size; n++) {
		uint32_t n32 = (uint32_t)n;

		memcpy(copy, data, size);
		assert_int_equal(plan_open(copy, n, &v), -EBADMSG);
		if (n < sizeof(struct plan_head))
			continue;
		memcpy(copy + offsetof(struct plan_head, size), &n32, sizeof(n32));
		assert_int_equal(plan_open(copy, n, &v), -EBADMSG);
	}
}

static void an_empty_path_and_bytes_left_over_are_refused(void **state _unused_)
{
	_cleanup_free_
	char *copy = NULL;
	_cleanup_free_
	void *data = NULL, *empty = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;
	uint32_t longer;

	assert_int_equal(plan_encode(&p, &data, &size), 0);
	copy = calloc(1, size + 1);
	memcpy(copy, data, size);
	longer = (uint32_t)size + 1;
	memcpy(copy + offsetof(struct plan_head, size), &longer, sizeof(longer));
	assert_int_equal(plan_open(copy, size + 1, &v), -EBADMSG);

	p.path = "";
	assert_int_equal(plan_encode(&p, &empty, &size), 0);
	assert_int_equal(plan_open(empty, size, &v), -EBADMSG);
}

static int open_with_limits(struct plan_limit first, struct plan_limit second)
{
	struct plan_limit limits[2] = {first, second};
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	p.limits = limits;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	return plan_open(data, size, &v);
}

static void limits_are_ascending_and_in_range(void **state _unused_)
{
	struct plan_limit good = {.resource = 3, .soft = 1, .hard = 2}, other = {.resource = 4},
			  bad;

	assert_int_equal(open_with_limits(good, other), 0);
	assert_int_equal(open_with_limits(other, good), -EBADMSG);
	assert_int_equal(open_with_limits(good, good), -EBADMSG);
	bad = good;
	bad.soft = 3;
	assert_int_equal(open_with_limits(bad, other), -EBADMSG);
	bad = good;
	bad.reserved = 1;
	assert_int_equal(open_with_limits(bad, other), -EBADMSG);
	bad = other;
	bad.resource = PLAN_MAX_LIMITS - 1;
	assert_int_equal(open_with_limits(good, bad), 0);
	bad.resource = PLAN_MAX_LIMITS;
	assert_int_equal(open_with_limits(good, bad), -EBADMSG);
}

static void as_many_limits_as_there_may_be_and_one_more(void **state _unused_)
{
	struct plan_limit limits[PLAN_MAX_LIMITS + 1] = {0};
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	for (uint32_t i = 0; i <= PLAN_MAX_LIMITS; i++)
		limits[i].resource = i;
	p.limits = limits;
	p.n_limits = PLAN_MAX_LIMITS + 1;
	assert_int_equal(plan_encode(&p, &data, &size), -E2BIG);
	p.n_limits = PLAN_MAX_LIMITS;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	assert_int_equal(plan_open(data, size, &v), 0);
	assert_int_equal(v.limits[PLAN_MAX_LIMITS - 1].resource, PLAN_MAX_LIMITS - 1);
	assert_string_equal(v.envp[1], "PATH=/bin");
}

static int open_with_cgroup(const char *name)
{
	_cleanup_free_
	void *data = NULL;
	struct plan p = example();
	struct plan_view v;
	size_t size;

	p.cgroup = name;
	assert_int_equal(plan_encode(&p, &data, &size), 0);
	return plan_open(data, size, &v);
}

static void a_cgroup_is_one_component(void **state _unused_)
{
	char name[257] = {0};

	assert_int_equal(open_with_cgroup("a..b"), 0);
	assert_int_equal(open_with_cgroup("."), -EBADMSG);
	assert_int_equal(open_with_cgroup(".."), -EBADMSG);
	assert_int_equal(open_with_cgroup("a/b"), -EBADMSG);
	assert_int_equal(open_with_cgroup("/"), -EBADMSG);
	memset(name, 'a', 255);
	assert_int_equal(open_with_cgroup(name), 0);
	name[255] = 'a';
	assert_int_equal(open_with_cgroup(name), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_what_is_opened),
		cmocka_unit_test(what_is_not_given_is_empty),
		cmocka_unit_test(what_is_too_big_is_refused_by_the_encoder),
		cmocka_unit_test(a_head_out_of_range_is_refused),
		cmocka_unit_test(stdin_is_one_thing_and_has_a_path_if_that_is_one),
		cmocka_unit_test(every_shortened_plan_is_refused),
		cmocka_unit_test(an_empty_path_and_bytes_left_over_are_refused),
		cmocka_unit_test(limits_are_ascending_and_in_range),
		cmocka_unit_test(as_many_limits_as_there_may_be_and_one_more),
		cmocka_unit_test(a_cgroup_is_one_component),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
