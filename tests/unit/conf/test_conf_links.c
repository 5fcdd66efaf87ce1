/* What services say about each other: names, circles, and conflicts with what is needed. */
#include "fixture.h"

#include "base/buf.h"
#include "base/macro.h"
#include "base/usec.h"

/* The text must be refused with just this message; "~" in it stands for the directory. */
static void bad_exactly(struct fixture *f, const char *text, const char *message)
{
	_cleanup_buf_ struct buf expected = {0};

	for (; *message; message++) {
		if (*message == '~')
			assert_int_equal(buf_printf(&expected, "%s", f->directory), 0);
		else
			assert_int_equal(buf_append(&expected, SIZE_MAX, message, 1), 0);
	}
	assert_int_equal(buf_append(&expected, SIZE_MAX, "", 1), 0);
	assert_int_equal(load_text(f, text), -EINVAL);
	if (f->errors.n != 1)
		print_errors(f);
	assert_int_equal(f->errors.n, 1);
	assert_string_equal(f->errors.messages[0], expected.data);
}

static void names_of_services_and_instances_are_taken(void **state)
{
	struct fixture *f = *state;
	const struct spec_service *s;

	good(f, "service web { command = x requires = {db, \"cache@2\"} wants = {cache}\n"
		" after = \"cache@1\" before = {late} conflicts = {other} }\n"
		"service db { command = x }\nservice cache { command = x instances = 2 }\n"
		"service late { command = x }\nservice other { command = x }\n");
	s = f->spec->services;
	ASSERT_LIST(s->links->requires, "db", "cache@2");
	ASSERT_LIST(s->links->wants, "cache");
	ASSERT_LIST(s->links->after, "cache@1");
	ASSERT_LIST(s->links->before, "late");
	ASSERT_LIST(s->links->conflicts, "other");
}

static void names_that_nobody_has_are_refused(void **state)
{
	static const char *const keys[] = {"requires", "wants", "after", "before", "conflicts"};
	struct fixture *f = *state;
	char text[256], message[256];

	for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
		snprintf(text, sizeof(text),
			"service web { command = x\n%s = {\"databse\"} }\n"
			"service database { command = x }\n",
			keys[i]);
		snprintf(message, sizeof(message),
			"~/main.conf:2: '%s' in service 'web': there is no service 'databse'; did "
			"you mean 'database'?",
			keys[i]);
		bad_exactly(f, text, message);
	}
	bad_exactly(f, "service web { command = x\nrequires = {other} }",
		"~/main.conf:2: 'requires' in service 'web': there is no service 'other'");
	bad(f, "service web { command = x requires = {\"a b\"} }", 1,
		"'a b' is not the name of a service; allowed: such as web, or web@2");
	bad(f, "service web { command = x requires = {\"\"} }", 1, "is not the name of a service");
	bad(f, "service web { command = x requires = {\"@front\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {\"db@\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {\"db@0\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {\"db@01\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {\"db@10001\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {\"db@1@1\"} }", 1, "is not the name of");
	bad(f, "service web { command = x requires = {db, db} } service db { command = x }", 1,
		"'db' is given twice");
}

static void instances_that_are_not_there_are_refused(void **state)
{
	struct fixture *f = *state;

	bad_exactly(f, "service web { command = x after = {\"db@1\"} }\nservice db { command = x }",
		"~/main.conf:1: 'after' in service 'web': there is no 'db@1': service 'db' has no "
		"instances; allowed: db");
	bad_exactly(f,
		"service web { command = x after = {\"db@3\"} }\n"
		"service db { command = x instances = 2 }",
		"~/main.conf:1: 'after' in service 'web': there is no 'db@3'; allowed: db, or db@1 "
		"to db@2");
	bad(f,
		"service web { command = x after = {\"db@1\"} }\n"
		"service db { command = x instances = 0 }",
		1, "service 'db' has 0 instances");
	good(f, "service web { command = x after = {db, \"db@2\"} }\n"
		"service db { command = x instances = 2 }");
	good(f, "service web { command = x after = {db} }\n"
		"service db { command = x instances = 0 }");
}

static void a_service_cannot_name_itself_but_defaults_may(void **state)
{
	struct fixture *f = *state;

	bad(f, "service web { command = x requires = {web} }", 1,
		"'requires' in service 'web': 'web' is this service itself");
	bad(f, "service web { command = x instances = 2 after = {\"web@1\"} }", 1,
		"'web@1' is this service itself");
	good(f, "defaults { requires = {db, \"c@2\"} }\nservice web { command = x }\n"
		"service db { command = x requires = {} }\n"
		"service c { command = x instances = 2 requires = {} }\n");
	ASSERT_LIST(f->spec->services[0].links->requires, "db", "c@2");
	/* db itself is skipped, c is not: and then nothing waits in a circle */
	good(f, "defaults { after = {db} }\nservice web { command = x }\nservice db { command = x "
		"}");
	ASSERT_LIST(f->spec->services[0].links->after, "db");
	ASSERT_LIST(f->spec->services[1].links->after);
	/* "db" is not the beginning of "db2" */
	good(f, "defaults { after = {db} }\nservice db2 { command = x }\nservice db { command = x "
		"}");
	ASSERT_LIST(f->spec->services[0].links->after, "db");
}

static void what_runs_by_a_schedule_cannot_be_required(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x wants = job after = job }\n"
		"service job { command = x schedule { every = 1h } }\n");
	bad_exactly(f,
		"service a { command = x requires = job }\n"
		"service job { command = x schedule { every = 1h } }\n",
		"~/main.conf:1: 'requires' in service 'a': 'job' runs by a schedule, and is not "
		"there "
		"between its runs; allowed: wants, after");
}

static void an_unknown_name_in_defaults_is_told_once(void **state)
{
	bad(*state,
		"defaults {\nwants = {databse} }\nservice a { command = x }\n"
		"service b { command = x }\nservice database { command = x }\n",
		2, "'wants' in defaults: there is no service 'databse'; did you mean 'database'?");
}

static void a_circle_is_told_with_every_link_and_where_it_stands(void **state)
{
	struct fixture *f = *state;

	bad_exactly(f,
		"service a { command = x\n requires = {b} }\nservice b { command = x\n wants = {a} "
		"}\n",
		"~/main.conf:2: services wait for each other in a circle: 'a' requires 'b' "
		"(~/main.conf:2), 'b' wants 'a' (~/main.conf:4)");
	write_file(f, "b.inc", "\nservice b { command = x\n\n after = {c} }\n");
	bad_exactly(f,
		"service a { command = x\n requires = {b} }\ninclude(\"b.inc\")\n"
		"service c { command = x wants = {d} }\nservice d { command = x }\n"
		"service e { command = x\n after = {d} before = {a} }\n"
		"service f { command = x before = {c} after = {a} }\n",
		"~/main.conf:2: services wait for each other in a circle: 'a' requires 'b' "
		"(~/main.conf:2), 'b' is after 'c' (~/b.inc:4), 'f' is before 'c' (~/main.conf:8), "
		"'f' is after 'a' (~/main.conf:8)");
	/* by a list in defaults */
	bad_exactly(f,
		"defaults {\n after = {b} }\nservice a { command = x }\n"
		"service b { command = x wants = {a} }\n",
		"~/main.conf:2: services wait for each other in a circle: 'a' is after 'b' "
		"(~/main.conf:2), 'b' wants 'a' (~/main.conf:4)");
}

static void each_knot_is_told_by_one_circle(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load_text(f, "service a { command = x after = {b, c} }\n"
				      "service b { command = x after = {c, a} }\n"
				      "service c { command = x after = {a, b} }\n"
				      "service d { command = x after = {e, a} }\n"
				      "service e { command = x after = {d} }\n"),
		-EINVAL);
	assert_int_equal(f->errors.n, 2);
	assert_told(f, "main.conf", 1, "in a circle: 'a' is after 'b' (");
	assert_told(f, "main.conf", 4, "in a circle: 'd' is after 'e' (");
}

static void what_only_looks_like_a_circle_is_none(void **state)
{
	struct fixture *f = *state;

	/* between two instances */
	good(f, "service db { command = x instances = 2 }\n"
		"service web { command = x after = {\"db@1\"} before = {\"db@2\"} }\n");
	/* a diamond, and both ways of saying the same */
	good(f, "service a { command = x requires = {b, c} after = {b} }\n"
		"service b { command = x wants = {d} before = {a} }\n"
		"service c { command = x requires = {d} }\nservice d { command = x }\n");
	/* a conflict waits for nobody */
	good(f, "service a { command = x after = {b} }\n"
		"service b { command = x conflicts = {a} }\n");
}

static void a_circle_through_instances_is_told_by_their_names(void **state)
{
	struct fixture *f = *state;

	bad_exactly(f,
		"service db { command = x instances = 2 }\n"
		"service web { command = x after = {db}\n before = {\"db@2\"} }\n",
		"~/main.conf:3: services wait for each other in a circle: 'web' is before 'db@2' "
		"(~/main.conf:3), 'web' is after 'db@2' (~/main.conf:2)");
	/* they may get some while supervisord runs */
	bad(f,
		"service db { command = x instances = 0 after = {web} }\n"
		"service web { command = x instances = 0 after = {db} }\n",
		1, "services wait for each other in a circle: 'db@1' is after 'web@1'");
}

/* n services, each with this list of the next one; the last one with that of the first. */
static void chain(struct buf *text, size_t n, const char *key, bool closed)
{
	text->len = 0;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(
			buf_printf(text, "service s%zu { command = x log { file = none } ", i), 0);
		if (i + 1 < n || closed)
			assert_int_equal(buf_printf(text, "%s = {s%zu} ", key, (i + 1) % n), 0);
		assert_int_equal(buf_printf(text, "}\n"), 0);
	}
	assert_int_equal(buf_append(text, SIZE_MAX, "", 1), 0);
}

static void a_long_circle_is_told_without_its_middle(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct fixture *f = *state;

	chain(&text, 24, "after", true);
	bad(f, text.data, 1, "'s11' is after 's12' (");
	assert_null(strstr(f->errors.messages[0], "more"));
	chain(&text, 25, "after", true);
	bad(f, text.data, 1, "'s11' is after 's12' (");
	assert_non_null(strstr(f->errors.messages[0], ", … 1 more …, 's13' is after 's14' ("));
	assert_non_null(strstr(f->errors.messages[0], ", 's24' is after 's0' ("));
}

static void conflicts_with_what_is_needed_are_refused(void **state)
{
	struct fixture *f = *state;

	bad_exactly(f,
		"service a { command = x requires = {b}\n conflicts = {b} }\nservice b { command = "
		"x }",
		"~/main.conf:2: 'conflicts' in service 'a': 'a' and 'b' never run together, but "
		"'a' "
		"needs 'b': 'a' requires 'b' (~/main.conf:1)");
	bad_exactly(f,
		"service a { command = x requires = {b} }\nservice b { command = x\n wants = {c} "
		"}\n"
		"service c { command = x\n conflicts = {a} }",
		"~/main.conf:5: 'conflicts' in service 'c': 'c' and 'a' never run together, but "
		"'a' "
		"needs 'c': 'a' requires 'b' (~/main.conf:1), 'b' wants 'c' (~/main.conf:3)");
	bad_exactly(f,
		"service a { command = x\n conflicts = {b} }\nservice b { command = x }\n"
		"service all { command = x\n requires = {c}\n wants = {b} }\n"
		"service c { command = x requires = {a} }",
		"~/main.conf:2: 'conflicts' in service 'a': 'a' and 'b' never run together, but "
		"'all' needs both: 'all' requires 'c' (~/main.conf:5), 'c' requires 'a' "
		"(~/main.conf:7), 'all' wants 'b' (~/main.conf:6)");
}

static void conflicts_of_services_that_nobody_needs_together_are_none(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x conflicts = {b, c} requires = {d} }\n"
		"service b { command = x requires = {d} after = {a} }\n"
		"service c { command = x requires = {b} }\nservice d { command = x }\n"
		"service x { command = x requires = {a} }\nservice y { command = x requires = {c} "
		"}");
	/* with one instance, while another one is needed */
	good(f, "service db { command = x instances = 2 }\n"
		"service web { command = x requires = {\"db@1\"} conflicts = {\"db@2\"} }");
	bad(f,
		"service db { command = x instances = 2 }\n"
		"service web { command = x requires = {db} conflicts = {\"db@2\"} }",
		2, "'web' and 'db@2' never run together, but 'web' needs 'db@2'");
}

/* More than one batch of 64; only the last pair is wrong. */
static void any_number_of_conflicts_is_looked_at(void **state)
{
	_cleanup_buf_ struct buf text = {0};

	for (int i = 0; i < 200; i++)
		assert_int_equal(buf_printf(&text,
					 "service a%d { command = x conflicts = {b%d} }\n"
					 "service b%d { command = x }\n"
					 "service c%d { command = x requires = {%c%d} }\n",
					 i, i, i, i, i % 2 ? 'a' : 'b', i),
			0);
	assert_int_equal(buf_printf(&text, "service z { command = x wants = {a199, b199} }\n"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	bad(*state, text.data, 598, "'a199' and 'b199' never run together, but 'z' needs both");
}

/* Instances of one and of the other make this many links, all of them together. */
static void links_are_bounded_from_instance_to_instance(void **state)
{
	struct fixture *f = *state;

	good(f, "service a { command = x instances = 1000 requires = {b} }\n"
		"service b { command = x instances = 1000 }\n");
	bad(f,
		"service a { command = x instances = 1000 requires = {b} }\n"
		"service b { command = x instances = 1000 }\n"
		"service c { command = x\n after = {b} }\n",
		4, "'after' in service 'c': more than 1000000 dependencies in all services");
}

static void a_list_is_bounded(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct fixture *f = *state;

	for (int i = 0; i <= SPEC_MAX_LINKS; i++)
		assert_int_equal(buf_printf(&text, "service s%d { command = x }\n", i), 0);
	assert_int_equal(buf_printf(&text, "service web { command = x wants = {s0"), 0);
	for (int i = 1; i <= SPEC_MAX_LINKS; i++) {
		if (i == SPEC_MAX_LINKS) {
			size_t len = text.len;

			assert_int_equal(buf_printf(&text, "} }\n"), 0);
			assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
			good(f, text.data);
			text.len = len;
		}
		assert_int_equal(buf_printf(&text, ", s%d", i), 0);
	}
	assert_int_equal(buf_printf(&text, "} }\n"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	bad(f, text.data, SPEC_MAX_LINKS + 2, "'wants' in service 'web': more than 1000 services");
}

/* What defaults say is said by each of many services. */
static void names_in_all_lists_together_are_bounded(void **state)
{
	_cleanup_buf_ struct buf text = {0};
	struct fixture *f = *state;

	assert_int_equal(buf_printf(&text, "defaults { wants = {s0"), 0);
	for (int i = 1; i < SPEC_MAX_LINKS; i++)
		assert_int_equal(buf_printf(&text, ", s%d", i), 0);
	assert_int_equal(buf_printf(&text, "} }\n"), 0);
	for (int i = 0; i < SPEC_MAX_LINKS; i++)
		assert_int_equal(
			buf_printf(&text, "service s%d { command = x wants = {} }\n", i), 0);
	for (int i = 0; i < SPEC_MAX_ALL_LINKS / SPEC_MAX_LINKS; i++)
		assert_int_equal(buf_printf(&text, "service t%d { command = x }\n", i), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	good(f, text.data);
	text.len--;
	assert_int_equal(buf_printf(&text, "service u { command = x }\n"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	bad(f, text.data, 1, "'wants' in defaults: all such lists together hold more than 1000000");
}

/* As deep, and as many, as there can be: no recursion, nothing quadratic. */
static void as_many_services_as_there_can_be_are_checked(void **state)
{
	static const struct {
		const char *key;
		bool closed;
	} cases[] = {{"requires", false}, {"before", false}, {"after", true}};
	_cleanup_buf_ struct buf text = {0};
	struct fixture *f = *state;

	for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
		usec_t start;

		chain(&text, SPEC_MAX_SERVICES, cases[i].key, cases[i].closed);
		start = usec_now(CLOCK_MONOTONIC);
		if (cases[i].closed)
			bad(f, text.data, 1, "… 19976 more …");
		else
			good(f, text.data);
		print_message("20,000 in a chain of %s: %u us\n", cases[i].key,
			(unsigned)(usec_now(CLOCK_MONOTONIC) - start));
	}
}

static void as_many_conflicts_as_there_can_be_are_checked(void **state)
{
	enum { N = SPEC_MAX_SERVICES / 2 };
	_cleanup_buf_ struct buf text = {0};
	struct fixture *f = *state;
	usec_t start;

	/* each of a chain with another one that nobody needs */
	assert_int_equal(buf_printf(&text, "defaults { log { file = none } }\n"), 0);
	for (int i = 0; i < N; i++)
		assert_int_equal(
			buf_printf(&text,
				"service s%d { command = x conflicts = {t%d} wants = {%s%d} }\n"
				"service t%d { command = x }\n",
				i, i, i + 1 < N ? "s" : "t", i + 1 < N ? i + 1 : 0, i),
			0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	start = usec_now(CLOCK_MONOTONIC);
	bad(f, text.data, 2,
		"'s0' and 't0' never run together, but 's0' needs 't0': 's0' wants 's1' (");
	print_message("%d conflicts in a chain: %u us\n", N,
		(unsigned)(usec_now(CLOCK_MONOTONIC) - start));
	assert_non_null(strstr(f->errors.messages[0], ", … 9976 more …, 's9988' wants 's9989' ("));

	/* each of a chain with its end: more mistakes than are kept */
	text.len = 0;
	assert_int_equal(
		buf_printf(&text, "defaults { conflicts = {s%d} log { file = none } }\n", N - 1),
		0);
	for (int i = 0; i < N; i++)
		assert_int_equal(buf_printf(&text, "service s%d { command = x wants = {s%d} }\n", i,
					 MIN_OF(i + 1, N - 1)),
			0);
	text.len -= strlen("wants = {s9999} }\n");
	assert_int_equal(buf_printf(&text, "}\n"), 0);
	assert_int_equal(buf_append(&text, SIZE_MAX, "", 1), 0);
	assert_int_equal(load_text(f, text.data), -EINVAL);
	assert_told(f, "main.conf", 1, "'s0' and 's9999' never run together, but 's0' needs");
	assert_int_equal(f->errors.n, CONF_MAX_ERRORS);
	assert_true(f->errors.truncated);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(names_of_services_and_instances_are_taken),
		TEST(names_that_nobody_has_are_refused),
		TEST(instances_that_are_not_there_are_refused),
		TEST(a_service_cannot_name_itself_but_defaults_may),
		TEST(an_unknown_name_in_defaults_is_told_once),
		TEST(what_runs_by_a_schedule_cannot_be_required),
		TEST(a_circle_is_told_with_every_link_and_where_it_stands),
		TEST(each_knot_is_told_by_one_circle),
		TEST(what_only_looks_like_a_circle_is_none),
		TEST(a_circle_through_instances_is_told_by_their_names),
		TEST(a_long_circle_is_told_without_its_middle),
		TEST(conflicts_with_what_is_needed_are_refused),
		TEST(conflicts_of_services_that_nobody_needs_together_are_none),
		TEST(any_number_of_conflicts_is_looked_at),
		TEST(links_are_bounded_from_instance_to_instance),
		TEST(a_list_is_bounded),
		TEST(names_in_all_lists_together_are_bounded),
		TEST(as_many_services_as_there_can_be_are_checked),
		TEST(as_many_conflicts_as_there_can_be_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
