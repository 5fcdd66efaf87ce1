/*
 * What completion offers for which words: from the tables, and from a scripted server.
 */
#include "fake.h"

#include "ctl/cli.h"
#include "ctl/complete.h"
#include "ctl/verbs.h"

#define NAMES                                                                                \
	"{\"parameters\":{\"services\":[{\"name\":\"web@1\",\"state\":\"running\"},"         \
	"{\"name\":\"db\",\"state\":\"failed\"},{\"name\":\"web@2\",\"state\":\"stopped\"}," \
	"{\"name\":\"worker\",\"state\":\"running\"}],\"groups\":[\"front\"],"               \
	"\"scalable\":[\"web\",\"none\",7,\"n\\u00e4\"]}}"

/* The candidates for words, without a server where there is none among them. Owned by f. */
static void run_words(struct fake *f, usec_t patience, const char *const *words)
{
	char *copy[16];
	size_t n = 0, size;
	FILE *out;

	free(f->out);
	out = open_memstream(&f->out, &size);
	for (; words[n]; n++)
		copy[n] = (char *)words[n];
	assert_int_equal(0, complete(copy, n, patience, out));
	fclose(out);
}

#define assert_offers(expected, ...)                                 \
	do {                                                         \
		struct fake _f = {0};                                \
		run_words(&_f, DEADLINE_MSEC *USEC_PER_MSEC,         \
			((const char *const[]){__VA_ARGS__, NULL})); \
		assert_string_equal(expected, _f.out);               \
		free(_f.out);                                        \
	} while (0)

/* With a server that answers once; the words come behind -s SOCKET. */
static void run_asking(struct fake *f, const char *reply, const char *const *words)
{
	const char *all[16] = {"-s"}, *script[] = {ACCEPT, READ, reply, NULL};

	fake_start(f, script);
	all[1] = f->path;
	for (size_t n = 0; words[n]; n++)
		all[n + 2] = words[n];
	run_words(f, DEADLINE_MSEC * USEC_PER_MSEC, all);
	fake_finish(f);
}

#define assert_asks(expected, reply, ...)                                           \
	do {                                                                        \
		struct fake _f;                                                     \
		run_asking(&_f, reply, ((const char *const[]){__VA_ARGS__, NULL})); \
		assert_string_equal(expected, _f.out);                              \
		assert_non_null(strstr(_f.requests[0], ".Names\""));                \
		fake_free(&_f);                                                     \
	} while (0)

static void every_verb_and_option_says_what_it_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_verbs; i++) {
		if (verbs[i].takes == VERB_TAKES_UNSET || verbs[i].takes >= VERB_TAKES_MAX)
			fail_msg("verb %s does not say what it takes", verbs[i].name);
		if (verbs[i].max_args == 0 && verbs[i].takes != VERB_TAKES_NOTHING)
			fail_msg("verb %s takes no arguments, and says it does", verbs[i].name);
	}
	for (const struct option *o = cli_options(); o->name; o++) {
		enum verb_takes value;

		cli_option_owner(o->name, &value);
		if ((o->has_arg == no_argument) != (value == VERB_TAKES_UNSET))
			fail_msg("option --%s does not say what its value is", o->name);
	}
}

static void the_first_operand_is_a_verb(void **state)
{
	(void)state;
	assert_offers("status\tshow the state of services\nstart\tstart services\n", "sta");
	assert_offers("queue\tread the status message queue\n", "--json", "q");
	assert_offers("", "nosuch");
	assert_offers("", "nosuch", "");
	assert_offers("shutdown\tstop every service and end supervisord\n", "--", "shu");
	assert_offers("queue\tread the status message queue\n", "help", "q");
	assert_offers("", "help", "queue", "");
	assert_offers("", "version", "");
}

static void options_are_those_of_the_verb(void **state)
{
	(void)state;
	assert_offers(
		"--raw\tleave control characters as they are on a terminal\n", "logs", "--ra");
	assert_offers("--peek\tlook only, and leave them there\n", "queue", "--p");
	assert_offers("", "status", "--r");
	assert_offers("", "--r");
	assert_offers("--json\twrite JSON\n", "--j");
	assert_offers("-n\tshow the last N lines (10, or all with the next four), 0 for none\n",
		"logs", "-n");
	assert_offers("", "logs", "--", "-n");
	assert_offers("--rolling\tone after the other: the next is stopped when the last one is "
		      "ready\n",
		"restart", "web", "--r");
	assert_offers("", "start", "web", "--r");
	assert_offers(
		"--no-restart\tleave alone what would have to be restarted\n", "apply", "--no-r");
}

static void each_option_of_a_verb_is_described(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_verbs; i++) {
		struct fake f = {0};

		run_words(&f, 0, ARGS(verbs[i].name, "-"));
		for (char *line = f.out; *line != '\0'; line += strcspn(line, "\n") + 1) {
			if (strcspn(line, "\t") > strcspn(line, "\n"))
				fail_msg("%s: an option is not described: %s", verbs[i].name, line);
		}
		free(f.out);
	}
}

static void values_are_completed_as_what_they_are(void **state)
{
	(void)state;
	assert_offers(":files\n", "-s", "");
	assert_offers(":files\n", "--socket", "/r");
	assert_offers(":files\n", "--sock", "/r");
	assert_offers(":files\n", "status", "--socket=/r");
	assert_offers("", "logs", "-n", "");
	assert_offers("", "logs", "--lines=");
	assert_offers("", "--nosuch=");
	assert_offers("", "--json=");
}

static void signals_are_completed_by_either_name(void **state)
{
	(void)state;
	assert_offers("HUP\tHangup\n", "signal", "HU");
	assert_offers("SIGHUP\tHangup\n", "signal", "SIGHU");
	assert_offers("", "signal", "NOSUCH");
}

static void names_are_instances_definitions_and_groups(void **state)
{
	(void)state;
	assert_asks("web@1\trunning\ndb\tfailed\nweb@2\tstopped\nworker\trunning\n"
		    "web\t2 instances\n@front\tgroup\n",
		NAMES, "stop", "");
	assert_asks("web@1\trunning\nweb@2\tstopped\nworker\trunning\nweb\t2 instances\n", NAMES,
		"stop", "w");
	assert_asks("@front\tgroup\n", NAMES, "logs", "-fn", "5", "@");
	assert_asks("db\tfailed\n", NAMES, "signal", "HUP", "d");
}

static void a_name_is_not_offered_twice(void **state)
{
	(void)state;
	assert_asks(
		"web@2\tstopped\nweb\t2 instances\n", NAMES, "stop", "web@1", "--no-wait", "we");
}

static void one_service_is_an_exact_name_and_nothing_follows(void **state)
{
	(void)state;
	assert_asks("web@1\trunning\nweb@2\tstopped\n", NAMES, "show", "we");
	assert_offers("", "show", "web@1", "");
}

static void what_has_instances_can_be_scaled(void **state)
{
	(void)state;
	assert_asks("web\nnone\n", NAMES, "scale", "");
	assert_asks("web\n", NAMES, "scale", "w");
	assert_offers("", "scale", "web", "");
	assert_asks("", "{\"parameters\":{\"services\":[],\"groups\":[]}}", "scale", "");
}

static void what_is_not_plain_is_not_shown(void **state)
{
	(void)state;
	assert_asks("good\tbad\?[31m\?\?x\n",
		"{\"parameters\":{\"services\":[{\"name\":\"a\\u001b[31m\",\"state\":\"x\"},"
		"{\"name\":\"two words\",\"state\":\"x\"},{\"name\":\"\",\"state\":\"x\"},"
		"{\"name\":\"$(x)\",\"state\":\"x\"},{\"name\":7},null,{\"name\":\"n\\u00e4\"},"
		"{\"name\":\"good\",\"state\":\"bad\\u001b[31m\\u007f\\u0085x\"}],"
		"\"groups\":[\"a\\nb\",null]}}",
		"stop", "");
}

static void what_fails_is_silent(void **state)
{
	(void)state;
	assert_offers("", "-s", "/nonexistent/control", "stop", "");
	assert_asks("", "{\"error\":\"io.supctl.Control.PermissionDenied\",\"parameters\":{}}",
		"stop", "");
	assert_asks("", "no JSON", "stop", "");
	assert_asks("", "{\"parameters\":{\"services\":7,\"groups\":{}}}", "stop", "");
	assert_asks("", CLOSE, "stop", "");
	assert_offers("", NULL);
}

/* Through the front door, with the patience that people get. */
static void a_silent_server_is_not_waited_for(void **state)
{
	static const char *const script[] = {ACCEPT, READ, WAIT, NULL};
	usec_t start = usec_now(CLOCK_MONOTONIC), took;
	char *argv[] = {(char *)"supctl", (char *)COMPLETE_VERB, (char *)"-s", NULL,
		(char *)"status", (char *)"", NULL};
	size_t out_size, err_size;
	FILE *out, *err;
	struct fake f;

	(void)state;
	fake_start(&f, script);
	argv[3] = f.path;
	out = open_memstream(&f.out, &out_size);
	err = open_memstream(&f.err, &err_size);
	f.status = ctl_run(6, argv, out, err);
	fclose(out);
	fclose(err);
	took = usec_now(CLOCK_MONOTONIC) - start;
	fake_finish(&f);
	assert_int_equal(0, f.status);
	assert_string_equal("", f.out);
	assert_string_equal("", f.err);
	/* Far from both: its own patience and that of other calls. */
	assert_true(took >= COMPLETE_PATIENCE_USEC && took < CLIENT_REPLY_USEC / 2);
	assert_true(COMPLETE_PATIENCE_USEC <= 500 * USEC_PER_MSEC);
	fake_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_and_option_says_what_it_takes),
		cmocka_unit_test(the_first_operand_is_a_verb),
		cmocka_unit_test(options_are_those_of_the_verb),
		cmocka_unit_test(each_option_of_a_verb_is_described),
		cmocka_unit_test(values_are_completed_as_what_they_are),
		cmocka_unit_test(signals_are_completed_by_either_name),
		cmocka_unit_test(what_has_instances_can_be_scaled),
		cmocka_unit_test(names_are_instances_definitions_and_groups),
		cmocka_unit_test(a_name_is_not_offered_twice),
		cmocka_unit_test(one_service_is_an_exact_name_and_nothing_follows),
		cmocka_unit_test(what_is_not_plain_is_not_shown),
		cmocka_unit_test(what_fails_is_silent),
		cmocka_unit_test(a_silent_server_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
