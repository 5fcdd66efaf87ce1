/*
 * A number of instances that an operator has chosen: kept beside the texts, in force as long
 * as they say what they said then.
 */
#include "fixture.h"

#include "base/cleanup.h"
#include "base/macro.h"
#include "conf/diff/diff.h"
#include "conf/text/source.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

static const struct spec_service *find(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_services; i++) {
		if (strcmp(spec->services[i].name, name) == 0)
			return &spec->services[i];
	}
	fail_msg("no service %s", name);
	return NULL;
}

/* The sources of the fixture's last text, parsed again; NULL with errors filled in. */
static struct spec *parse_again(struct fixture *f)
{
	struct spec *spec = NULL;

	conf_errors_fini(&f->errors);
	if (conf_parse(f->sources, &f->context, &spec, &f->errors) < 0)
		assert_true(f->errors.n > 0);
	return spec;
}

static void take(struct fixture *f, struct spec *spec)
{
	assert_non_null(spec);
	spec_free(f->spec);
	f->spec = spec;
}

static void scale(struct fixture *f, const char *name, unsigned n)
{
	assert_int_equal(conf_sources_scale(f->sources, find(f->spec, name), n), 0);
}

/* Another text takes the place of the one in force, as a reload does it. */
static void reload(struct fixture *f, const char *text)
{
	struct spec *before = f->spec;

	f->spec = NULL;
	good(f, text);
	assert_int_equal(conf_sources_scale_as(f->sources, before), 0);
	spec_free(before);
	take(f, parse_again(f));
}

static void assert_scaled(const struct fixture *f, const char *name, unsigned n, unsigned from)
{
	const struct spec_service *s = find(f->spec, name);

	assert_int_equal(s->n_instances, n);
	assert_int_equal(s->n_configured, from);
	assert_int_equal(spec_is_scaled(s), n != from);
}

static void a_number_stands_in_for_that_of_the_files(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 3 }\nservice b { command = x }\n");
	assert_scaled(f, "a", 3, 3);
	assert_scaled(f, "b", 1, 1);
	scale(f, "a", 5);
	take(f, parse_again(f));
	assert_scaled(f, "a", 5, 3);
	scale(f, "a", 0);
	take(f, parse_again(f));
	assert_scaled(f, "a", 0, 3);
	scale(f, "a", 3);
	take(f, parse_again(f));
	assert_scaled(f, "a", 3, 3);
}

static void it_stays_until_the_files_say_another_one(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 3 }\n");
	scale(f, "a", 5);
	take(f, parse_again(f));
	reload(f, "service a { command = y instances = 3 }\nservice b { command = x }\n");
	assert_scaled(f, "a", 5, 3);
	reload(f, "service a { command = y instances = 4 }\n");
	assert_scaled(f, "a", 4, 4);
	/* what was taken back does not come again */
	reload(f, "service a { command = y instances = 3 }\n");
	assert_scaled(f, "a", 3, 3);
}

static void it_goes_with_its_definition_and_with_its_instances(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 3 }\n");
	scale(f, "a", 5);
	take(f, parse_again(f));
	reload(f, "service a { command = x }\n");
	assert_scaled(f, "a", 1, 1);
	good(f, "service a { command = x instances = 3 }\n");
	scale(f, "a", 5);
	take(f, parse_again(f));
	reload(f, "service b { command = x instances = 3 }\n");
	assert_scaled(f, "b", 3, 3);
}

static void defaults_may_give_the_number(void **state)
{
	struct fixture *f = *state;

	good(f, "defaults { instances = 2 }\nservice a { command = x }\nservice b { command = x "
		"}\n");
	scale(f, "b", 4);
	take(f, parse_again(f));
	assert_scaled(f, "a", 2, 2);
	assert_scaled(f, "b", 4, 2);
}

static void it_is_kept_with_the_texts(void **state)
{
	struct fixture *f = *state;
	_cleanup_buf_ struct buf bytes = {0};
	struct conf_sources *again;
	struct spec *spec;
	struct conf_errors errors;

	good(f, "service a { command = x instances = 3 }\nservice b { command = x instances = 1 "
		"}\n");
	scale(f, "a", 5);
	scale(f, "b", 0);
	assert_int_equal(conf_sources_write(f->sources, &bytes), 0);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(conf_sources_read(bytes.data, n, &again), -EBADMSG);
	assert_int_equal(conf_sources_read(bytes.data, bytes.len, &again), 0);
	assert_int_equal(conf_parse(again, &f->context, &spec, &errors), 0);
	assert_int_equal(find(spec, "a")->n_instances, 5);
	assert_int_equal(find(spec, "b")->n_instances, 0);
	spec_free(spec);
	conf_sources_free(again);
	/* the number at the end: what the files said of b */
	bytes.data[bytes.len - 1] = 1;
	assert_int_equal(conf_sources_read(bytes.data, bytes.len, &again), -EBADMSG);
}

static void what_the_number_breaks_is_told(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 3 }\n"
		"service b { command = x requires = \"a@3\" }\n");
	scale(f, "a", 2);
	assert_null(parse_again(f));
	assert_told(f, "main.conf", 2,
		"there is no 'a@3'; allowed: a, or a@1 to a@2 (supctl scale has changed");
	good(f, "service a { command = x instances = 1 log { file = \"one.log\" } }\n");
	scale(f, "a", 2);
	assert_null(parse_again(f));
	assert_told(f, "main.conf", 1, "several instances would write one file");
	good(f, "service a { command = x instances = 1 }\n"
		"service b { command = x instances = 10000 }\n"
		"service c { command = x instances = 9998 }\n");
	scale(f, "a", 2);
	take(f, parse_again(f));
	scale(f, "a", 3);
	assert_null(parse_again(f));
	assert_told(f, "main.conf", 0, "more than 20000 services");
}

static void a_difference_tells_where_the_number_comes_from(void **state)
{
	struct fixture *f = *state;
	_cleanup_diff_keys_ struct diff_keys keys = {0};
	struct spec *before;

	good(f, "service a { command = x instances = 3 }\n");
	scale(f, "a", 5);
	take(f, parse_again(f));
	before = f->spec;
	f->spec = NULL;
	good(f, "service a { command = x instances = 4 }\n");
	assert_int_equal(diff_service(&before->services[0], &f->spec->services[0], &keys), 0);
	assert_int_equal(keys.n, 1);
	assert_string_equal(keys.keys[0].key, "instances");
	assert_string_equal(keys.keys[0].before, "5 # scaled from 3");
	assert_string_equal(keys.keys[0].after, "4");
	assert_int_equal(keys.keys[0].effect, DIFF_LIVE);
	spec_free(before);
}

static void a_scaled_definition_is_known_under_another_name(void **state)
{
	struct fixture *f = *state;
	struct diff_pair *pairs;
	struct spec *before;
	size_t n;

	good(f, "service a { command = x instances = 3 }\n");
	scale(f, "a", 5);
	take(f, parse_again(f));
	before = f->spec;
	f->spec = NULL;
	good(f, "service b { command = x instances = 3 }\n");
	assert_int_equal(diff_match(before, f->spec, &pairs, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(pairs[0].before->name, "a");
	assert_string_equal(pairs[0].after->name, "b");
	free(pairs);
	spec_free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_number_stands_in_for_that_of_the_files),
		TEST(it_stays_until_the_files_say_another_one),
		TEST(it_goes_with_its_definition_and_with_its_instances),
		TEST(defaults_may_give_the_number),
		TEST(it_is_kept_with_the_texts),
		TEST(what_the_number_breaks_is_told),
		TEST(a_difference_tells_where_the_number_comes_from),
		TEST(a_scaled_definition_is_known_under_another_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
