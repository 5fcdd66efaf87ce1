/*
 * Facts as supervisord tells them, with ' for ", and what supctl why has to say of them.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "ctl/why/why.h"

#define MAX_FACTS 16384

/* What holds of all services here, unless a case says something else. */
static const char common[] =
	"{'now': '2026-11-25T06:36:53.000000Z', 'for_ms': 12000, 'started': "
	"'2026-11-25T06:36:00.000000Z', 'generation': 3, 'why': 'none', 'other': null, 'stuck': "
	"false, 'cause': 'none', 'previous_cause': 'none', 'sent': null, 'asked': null, "
	"'killed': false, 'main_ended': false, 'queued': false, 'end': null, 'ends': [], "
	"'hooks': [], 'logs': [], 'type': 'simple', 'program': '/bin/web', 'directory': '/srv', "
	"'user': null, 'autostart': true, 'hook_timeout_ms': 30000, 'watchdog_ms': null, "
	"'pending': null, 'deadline': null, 'run': null, 'schedule': null, 'health': null, "
	"'pool': null, 'starting': null, 'causes': [], 'dependents': null, 'survivors': null, "
	"'shutting_down': false, 'essential_end': null, 'chain': [], 'request': null,"
	"'readiness': {'on': 'exec', 'problem': null, 'timeout_ms': 30000},"
	"'stop': {'signal': 'TERM', 'timeout_ms': 10000, 'kill': 'tree', 'command': false},"
	"'restart': {'policy': 'on-failure', 'success_codes': [0], 'success': false, 'wanted': "
	"true, 'limit': 5, 'window_ms': 60000, 'used': 2, 'failures': 2, 'delay_ms': 4000, "
	"'max_delay_ms': 30000, 'stable_after_ms': 10000, 'stable_in_ms': null}}";

static inline json_t *parse(const char *text)
{
	char copy[MAX_FACTS];
	json_error_t error;
	json_t *value;

	assert_true(strlen(text) < sizeof(copy));
	strcpy(copy, text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	value = json_loads(copy, 0, &error);
	if (!value)
		fail_msg("%s in %s", error.text, text);
	return value;
}

/* What is given goes over what is common, also within objects. */
static inline json_t *make_facts(const char *state, const char *given)
{
	json_t *facts = parse(common), *over = parse(given);
	json_t *service = json_pack("{s:s,s:s,s:s,s:i,s:s}", "name", "web", "state", state, "since",
		"2026-11-25T06:36:41.000000Z", "restarts", 0, "desired", "up");

	json_object_set_new(facts, "service", service);
	assert_int_equal(0, json_object_update_recursive(facts, over));
	json_decref(over);
	return facts;
}

static inline const char *user_name(int64_t uid, char buffer[static WHY_USER_SIZE])
{
	if (uid != 1000)
		return NULL;
	strcpy(buffer, "alice");
	return buffer;
}

/* All sentences, each on a line. */
static inline char *told(json_t *facts)
{
	json_t *sentences = why_sentences(facts, user_name), *sentence;
	char *text;
	size_t n = 0, i;

	assert_non_null(sentences);
	text = calloc(json_array_size(sentences) + 1, 4096);
	json_array_foreach(sentences, i, sentence) n +=
		(size_t)sprintf(text + n, "%s\n", json_string_value(sentence));
	json_decref(sentences);
	return text;
}

struct example {
	const char *state, *facts;
	const char *head; /* what follows "web " in the first sentence; NULL: not looked at */
	const char *rest; /* all others, each on a line */
};

static inline void check(const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct example *x = &examples[i];
		json_t *facts = make_facts(x->state, x->facts);
		char *text = told(facts), *rest = strchr(text, '\n');

		assert_non_null(rest);
		*rest++ = '\0';
		if (x->head) {
			assert_memory_equal(text, "web ", 4);
			assert_string_equal(x->head, text + 4);
		}
		assert_string_equal(x->rest, rest);
		free(text);
		json_decref(facts);
	}
}

#define CHECK(examples) check(examples, ELEMENTSOF(examples))

/* More that several tables have in common. */
#define DEADLINE    "'deadline': {'time': '2026-11-25T06:37:05Z', 'in_ms': 12000}"
#define TERM	    "'end': {'kind': 'signalled', 'status': 15, 'signal': 'TERM'}, 'sent': 'TERM'"
#define BY_TERM	    "Its process was killed by signal 15 (TERM), which supervisord sent.\n"
#define BY_HAND	    "Nothing starts it by itself; to start it: supctl start web.\n"
#define ASKED(verb) "{'verb': '" verb "', 'uid': 1000, 'client_pid': 9}"
