/*
 * Tables, pages and lines, as they go to a terminal and to a pipe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/decimal.h"
#include "ctl/output/render.h"
#include "ctl/queue.h"
#include "ctl/show.h"
#include "ctl/status/status.h"
#include "ctl/status/status_row.h"
#include "wire/board_json.h"

static const struct term to_pipe = {.is_utf8 = true};

static const char services_text[] =
	"[{\"name\":\"web\",\"state\":\"running\",\"pid\":1234,\"uptime_ms\":65000,\"restarts\":0,"
	"\"reason\":\"\"},"
	"{\"name\":\"worker@12\",\"state\":\"backoff\",\"pid\":null,\"uptime_ms\":null,"
	"\"restarts\":12,\"reason\":\"exited with code 1\",\"next_start_ms\":3200}]";

static int status_render(json_t *services, const struct term *term, struct buf *out)
{
	_cleanup_status_table_ struct status_table t = {0};
	json_t *service;
	size_t i;
	int r = status_table_init(&t, term);

	json_array_foreach(services, i, service)
	{
		struct status_row row;

		status_row_of_json(service, &row);
		if (r == 0)
			r = status_table_add(&t, &row);
	}
	return r < 0 ? r : table_render(&t.table, term, out);
}

static char *finish(struct buf *out)
{
	assert_int_equal(0, buf_append(out, SIZE_MAX, "", 1));
	return out->data;
}

static char *status_of(const char *services, const struct term *term, struct buf *out)
{
	json_t *array = json_loads(services, 0, NULL);

	assert_non_null(array);
	assert_int_equal(0, status_render(array, term, out));
	json_decref(array);
	return finish(out);
}

static void status_is_an_aligned_table_with_the_next_start(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_string_equal("NAME       STATE     PID  UPTIME   RESTARTS  REASON\n"
			    "web        running  1234  1min 5s         0\n"
			    "worker@12  backoff     -  -              12  exited with code 1; "
			    "starts again in 4s\n",
		status_of(services_text, &to_pipe, &out));
}

static void what_waits_for_its_schedule_tells_the_next_run(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_string_equal(
		"NAME  STATE    PID  UPTIME  RESTARTS  REASON\n"
		"a     waiting    -  -              0  waiting for its schedule; next run in 5min\n"
		"b     running    7  1s             0  next run in 300ms\n"
		"c     waiting    -  -              0  waiting for its schedule\n",
		status_of("[{\"name\":\"a\",\"state\":\"waiting\",\"reason\":\"waiting for its "
			  "schedule\",\"next_start_ms\":299001},"
			  "{\"name\":\"b\",\"state\":\"running\",\"reason\":\"\",\"pid\":7,"
			  "\"uptime_ms\":1000,\"next_start_ms\":300},"
			  "{\"name\":\"c\",\"state\":\"waiting\",\"reason\":\"waiting for its "
			  "schedule\",\"next_start_ms\":null}]",
			&to_pipe, &out));
}

/* What a server says is not believed to be sane. */
static void a_next_start_at_the_end_of_time_is_shown_all_the_same(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_non_null(
		strstr(status_of("[{\"name\":\"web\",\"next_start_ms\":9223372036854775807}]",
			       &to_pipe, &out),
			"next run in 106751991"));
}

static void a_terminal_gets_lines_that_fit(void **state)
{
	static const struct term narrow = {.is_terminal = true, .is_utf8 = true, .width = 52};
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_non_null(strstr(status_of(services_text, &narrow, &out),
		"worker@12  backoff     -  -              12  exited\xe2\x80\xa6\n"));
	/* Whatever the width, no line is longer. */
	for (size_t width = 1; width < 80; width++) {
		struct term t = {.is_terminal = true, .width = width};
		_cleanup_buf_ struct buf text = {0};

		for (char *line = strtok(status_of(services_text, &t, &text), "\n"); line;
			line = strtok(NULL, "\n"))
			assert_true(strlen(line) <= width);
	}
}

static void colours_are_for_terminals_and_change_no_column(void **state)
{
	static const struct term coloured = {
		.is_terminal = true, .is_utf8 = true, .colours = true, .width = 200};
	_cleanup_buf_ struct buf out = {0};
	const char *text = status_of(services_text, &coloured, &out);

	(void)state;
	assert_non_null(strstr(text, "web        \033[32mrunning\033[0m  1234"));
	assert_non_null(strstr(text, "worker@12  \033[33mbackoff\033[0m     -"));
}

static void what_a_service_says_cannot_command_the_terminal(void **state)
{
	static const struct term dumb = {.is_terminal = true, .width = 200};
	_cleanup_buf_ struct buf out = {0};
	const char *text = status_of("[{\"name\":\"a\\u001b[2J\",\"state\":\"x\\u009b\","
				     "\"reason\":\"\\r\\u0007\\n\\u202e\xc3\xa9\"}]",
		&dumb, &out);

	(void)state;
	for (const char *p = text; *p != '\0'; p++)
		assert_true(*p == '\n' || (*p >= 0x20 && *p < 0x7f));
}

static void missing_and_wrong_fields_are_survived(void **state)
{
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_string_equal("NAME  STATE  PID  UPTIME  RESTARTS  REASON\n"
			    "               -  -              0\n",
		status_of("[{\"name\":7,\"pid\":\"x\",\"reason\":[]}]", &to_pipe, &out));
}

static void status_remarks_on_what_lives(void **state)
{
	static const struct {
		const char *service, *want;
	} cases[] = {
		{"{\"name\":\"a\",\"state\":\"running\",\"pid\":7,\"health\":\"unhealthy\","
		 "\"reloading\":true,\"status_text\":\"3 of 7\",\"reason\":\"r\"}",
			"r; unhealthy; reloading; 3 of 7\n"},
		{"{\"name\":\"a\",\"state\":\"running\",\"pid\":7,\"health\":\"healthy\","
		 "\"reloading\":false,\"status_text\":\"ok\\u001b\",\"reason\":\"\"}",
			" ok?\n"},
		{"{\"name\":\"a\",\"state\":\"stopped\",\"pid\":null,\"health\":\"unhealthy\","
		 "\"reloading\":true,\"status_text\":\"x\",\"reason\":\"by request\"}",
			"  by request\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_buf_ struct buf out = {0};
		json_t *service = json_loads(cases[i].service, 0, NULL);
		json_t *services = json_pack("[o]", service);
		const char *text;

		assert_int_equal(0, status_render(services, &to_pipe, &out));
		text = finish(&out);
		assert_string_equal(cases[i].want, text + strlen(text) - strlen(cases[i].want));
		json_decref(services);
	}
}

/* Slots of every kind, among them what no engine of ours would write. */
static size_t make_slots(struct supervisord_board_slot *slots)
{
	static const char *const texts[] = {"", "plain", "two\nlines\tand a tab",
		"\xe6\x97\xa5\xe6\x9c\xac wide", "e\xcc\x81 combined", "\033[31mred",
		"cut \xe6\x97", "\xff\xfe no UTF-8 \x01\x7f", "\xe2\x80\xae turned"};
	static const uint64_t starts[] = {0, 1000, 5000000, 3600000000, 400000000000};
	size_t n = 0;

	for (unsigned state = 0; state <= SUPERVISORD_BOARD_STATES; state++) {
		for (unsigned i = 0; i < 2 * ELEMENTSOF(texts); i++) {
			struct supervisord_board_slot *s = &slots[n++];

			*s = (struct supervisord_board_slot){
				.state = (uint8_t)state,
				.health = (uint8_t)(i % 5),
				.flags = (uint8_t)(i * 3),
				.pid = i % 3 == 0   ? 0
				       : i % 7 == 0 ? -1
						    : (int32_t)(i * 7919),
				.restarts = i % 4 == 0 ? UINT32_MAX : i,
				.started_usec = starts[i % ELEMENTSOF(starts)],
				.next_start_usec = i % 4 == 1 ? SUPERVISORD_BOARD_NEVER
						   : i % 4 == 2
							   ? SUPERVISORD_BOARD_NEVER - 1
							   : UINT64_C(500000000000) + i * 700000,
			};
			snprintf(s->name, sizeof(s->name), "%s%u", texts[i % ELEMENTSOF(texts)], i);
			snprintf(s->reason, sizeof(s->reason), "%s",
				texts[(i + state) % ELEMENTSOF(texts)]);
			snprintf(s->status_text, sizeof(s->status_text), "%s",
				texts[(i + 2 * state) % ELEMENTSOF(texts)]);
		}
	}
	return n;
}

static void a_slot_and_its_object_give_the_same_line(void **state)
{
	static const struct term terms[] = {
		{.is_utf8 = true},
		{.is_terminal = true, .is_utf8 = true, .colours = true, .width = 40},
		{.is_terminal = true, .is_utf8 = false, .colours = true, .width = 60},
		{.is_terminal = true, .is_utf8 = false, .width = 9},
	};
	static struct supervisord_board_slot slots[200];
	const usec_t now = 499999000000;
	size_t n = make_slots(slots);

	(void)state;
	for (size_t k = 0; k < ELEMENTSOF(terms); k++) {
		_cleanup_buf_ struct buf by_slot = {0}, by_object = {0};
		_cleanup_status_table_ struct status_table t = {0};
		struct status_row_texts clean;
		struct status_row row;
		json_t *services = json_array();

		assert_int_equal(0, status_table_init(&t, &terms[k]));
		for (size_t i = 0; i < n; i++) {
			status_row_of_slot(&slots[i], now, &clean, &row);
			assert_int_equal(0, status_table_add(&t, &row));
			json_array_append_new(services, board_json(&slots[i], now));
		}
		assert_int_equal(n, json_array_size(services));
		assert_int_equal(0, table_render(&t.table, &terms[k], &by_slot));
		assert_int_equal(0, status_render(services, &terms[k], &by_object));
		assert_string_equal(finish(&by_object), finish(&by_slot));
		json_decref(services);
	}
}

static void append_piece(const struct buf *piece, void *userdata)
{
	assert_true(piece->len < 20000);
	assert_int_equal(0, buf_append(userdata, SIZE_MAX, piece->data, piece->len));
}

static void a_long_table_is_the_same_in_pieces(void **state)
{
	_cleanup_buf_ struct buf whole = {0}, pieces = {0};
	_cleanup_table_ struct table t = {.n_columns = 2, .right = 1};
	char number[DECIMAL_SIZE];

	(void)state;
	assert_int_equal(0, table_reserve(&t, 10));
	for (int i = 0; i < 20000; i++)
		assert_int_equal(
			0, table_add(&t, decimal(i % 13 * 1000, number), i % 3 ? "" : RENDER_RED));
	assert_int_equal(0, table_render(&t, &to_pipe, &whole));
	assert_int_equal(0, table_write(&t, &to_pipe, append_piece, &pieces));
	assert_string_equal(finish(&whole), finish(&pieces));
	table_cut(&t, 2);
	whole.len = 0;
	assert_int_equal(0, table_render(&t, &to_pipe, &whole));
	assert_string_equal("0  1000\n", finish(&whole));
}

static void numbers_are_as_printf_has_them(void **state)
{
	static const int64_t numbers[] = {0, 7, 10, -1, -10, INT64_MAX, INT64_MIN};
	char want[32], got[DECIMAL_SIZE];

	(void)state;
	for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
		snprintf(want, sizeof(want), "%" PRIi64, numbers[i]);
		assert_string_equal(want, decimal(numbers[i], got));
	}
}

static void show_tells_all_in_blocks(void **state)
{
	json_t *reply = json_loads(
		"{\"service\":{\"name\":\"web\",\"state\":\"failed\",\"desired\":\"up\",\"ready\":"
		"false,"
		"\"pid\":null,\"restarts\":5,\"exit_signal\":\"KILL\",\"reason\":\"gave up\"},"
		"\"definition\":{\"file\":\"/etc/s.conf\",\"line\":12},\"type\":\"simple\","
		"\"command\":[\"/bin/sh\",\"-c\",\"echo \\u001b; exit 1\"],\"generation\":6,"
		"\"environment\":[\"A=1\",\"B=2\"],\"processes\":[{\"pid\":10,\"parent\":9,"
		"\"command\":\"child\"},"
		"{\"pid\":9,\"parent\":1,\"command\":\"left\"}],"
		"\"exits\":[{\"time\":\"T1\",\"ran_ms\":1500,\"how\":\"killed by signal KILL\"},"
		"{\"time\":\"T0\",\"ran_ms\":20,\"how\":\"exited with code 1\"}],"
		"\"readiness\":{\"on\":\"tcp:127.0.0.1:80\",\"problem\":\"connection refused\"},"
		"\"probe\":{\"time\":\"T2\",\"ok\":false,\"forgiven\":true,\"message\":"
		"\"HTTP status 503\",\"output\":\"no\\u001b\\ndb\"},"
		"\"hooks\":[{\"hook\":\"pre-start\",\"time\":\"T2\",\"ok\":false,\"pid\":null,"
		"\"how\":\"exited with code 1\",\"output\":\"one\\n\\u001btwo\"},"
		"{\"hook\":\"stop\",\"time\":\"T3\",\"ok\":null,\"how\":\"runs\",\"pid\":11,"
		"\"output\":\"\"}],"
		"\"ids\":{\"uid\":33,\"gid\":34,\"groups\":[34,35]},\"pending\":\"changed\","
		"\"settings\":[{\"key\":\"umask\",\"value\":\"022\",\"file\":null,\"line\":null},"
		"{\"key\":\"stop.timeout\",\"value\":\"3s\",\"file\":\"/f\",\"line\":2}],"
		"\"logs\":[{\"stream\":\"output\",\"sink\":\"file\",\"path\":\"/l/web.log\","
		"\"bytes\":2048,\"lines\":3,\"dropped_bytes\":10,\"dropped_lines\":1}]}",
		0, NULL);
	static const char *const parts[] = {
		"name         web\n",
		"state        failed\n",
		"reason       gave up\n",
		"last ends    T1  killed by signal KILL after 1.5s\n",
		"             T0  exited with code 1 after 20ms\n",
		"hooks        pre-start hook exited with code 1, T2\n"
		"               one\n               ?two\n"
		"             stop command runs, T3 (pid 11)\n",
		"pending      its configuration has changed; the next start goes by it\n",
		"ready by     tcp:127.0.0.1:80; not yet: connection refused\n",
		"last probe   T2  bad: HTTP status 503 (forgiven, as it has just become ready)\n",
		"it said      no?\n             db\n",
		"ids          uid 33, gid 34, groups 34 35\n",
		"settings     stop.timeout = 3s\n",
		"defined in   /etc/s.conf:12\n",
		"command      /bin/sh -c 'echo ?; exit 1'\n",
		"log          /l/web.log; 2.0K in 3 lines; dropped 10 in 1 line\n",
		"processes    9 left\n               10 child\n",
		"environment  A=1\n             B=2\n",
	};
	_cleanup_buf_ struct buf out = {0};
	const char *text;

	(void)state;
	assert_non_null(reply);
	assert_int_equal(0, show_render(reply, &to_pipe, &out));
	text = finish(&out);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!strstr(text, parts[i]))
			fail_msg("'%s' is not in:\n%s", parts[i], text);
	}
	json_decref(reply);
}

static void assert_shows(const char *schedule, const char *lines)
{
	_cleanup_buf_ struct buf out = {0};
	json_t *reply = json_pack("{s:{s:s},s:o}", "service", "name", "job", "schedule",
		json_loads(schedule, JSON_DECODE_ANY, NULL));
	const char *text;

	assert_non_null(reply);
	assert_int_equal(0, show_render(reply, &to_pipe, &out));
	text = finish(&out);
	if (*lines == '\0' ? strstr(text, "schedule") != NULL : !strstr(text, lines))
		fail_msg("not '%s' but:\n%s", lines, text);
	json_decref(reply);
}

static void show_tells_the_schedule_and_the_next_run(void **state)
{
	(void)state;
	assert_shows("{\"every_ms\":90000,\"cron\":null,\"jitter_ms\":0,\"overlap\":\"skip\","
		     "\"next_run\":\"2026-11-25T12:30:00.000000Z\"}",
		"schedule    every 1min 30s, overlap skip\n"
		"next run    2026-11-25T12:30:00.000000Z\n");
	assert_shows("{\"every_ms\":null,\"cron\":\"30 4 * * mon\",\"jitter_ms\":5000,"
		     "\"overlap\":\"kill\",\"next_run\":null}",
		"schedule    30 4 * * mon, jitter 5s, overlap kill\n"
		"next run    none\n");
	assert_shows("null", "");
	assert_shows("7", "");
}

/* The reply of Show has these members, and the page then these lines. */
static void assert_page(const char *members, const char *lines)
{
	_cleanup_buf_ struct buf out = {0}, text = {0};
	json_t *reply;

	assert_int_equal(0, buf_printf(&text, "{\"service\":{\"name\":\"job\"},%s}", members));
	reply = json_loadb(text.data, text.len, 0, NULL);
	assert_non_null(reply);
	assert_int_equal(0, show_render(reply, &to_pipe, &out));
	if (!strstr(finish(&out), lines))
		fail_msg("not '%s' but:\n%s", lines, out.data);
	json_decref(reply);
}

static void show_tells_what_a_service_needs_and_who_needs_it(void **state)
{
	(void)state;
	assert_page("\"dependencies\":[{\"name\":\"db\",\"kinds\":[\"requires\",\"after\"],"
		    "\"state\":\"running\"},{\"name\":\"x\\u001b[31m\",\"kinds\":[\"conflicts\"],"
		    "\"state\":\"stopped\"}],\"dependents\":[{\"name\":\"web\",\"kinds\":7},null]",
		"depends on  db (requires, after; running)\n"
		"            x?[31m (conflicts; stopped)\n"
		"needed by   web (; )\n");
}

static void show_tells_what_a_restart_would_change(void **state)
{
	(void)state;
	assert_page("\"pending\":\"changed\",\"pending_keys\":[{\"key\":\"nice\",\"before\":\"1\","
		    "\"after\":\"2\"},{\"key\":\"environment A\",\"before\":null,\"after\":null},"
		    "{\"key\":\"user\",\"before\":null,\"after\":\"\\\"www\\\"\"}]",
		"pending     its configuration has changed; the next start goes by it\n"
		"              nice 1 -> 2\n"
		"              environment A changed\n"
		"              user not given -> \"www\"\n");
}

static void status_tells_what_is_stale(void **state)
{
	json_t *services = json_pack("[{s:s,s:s,s:i,s:s,s:b}]", "name", "web", "state", "running",
		"pid", 7, "reason", "needed by 'x'", "stale", 1);
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(0, status_render(services, &to_pipe, &out));
	assert_non_null(strstr(finish(&out), "  needed by 'x'; stale\n"));
	json_decref(services);
}

static void a_queue_message_is_one_line(void **state)
{
	json_t *message = json_loads("{\"v\":1,\"seq\":12,\"time\":\"2026-11-23T06:36:53.123456Z\","
				     "\"service\":\"web\",\"state\":\"failed\",\"previous\":"
				     "\"running\",\"pid\":null,\"reason\":\"exited\\nwith 1\"}",
		0, NULL);
	_cleanup_buf_ struct buf out = {0};

	(void)state;
	assert_int_equal(0, queue_render(QUEUE_ALERT, message, 0, &out));
	assert_string_equal("2026-11-23T06:36:53.123456Z 12 alert web running -> failed exited "
			    "with 1\n",
		finish(&out));
	json_decref(message);
}

static void bytes_are_rounded_down_with_a_unit(void **state)
{
	char text[RENDER_BYTES_SIZE];

	(void)state;
	assert_string_equal("0", render_bytes(0, text));
	assert_string_equal("1023", render_bytes(1023, text));
	assert_string_equal("1.0K", render_bytes(1024, text));
	assert_string_equal("1.5M", render_bytes(3 << 19, text));
	assert_string_equal("15.9E", render_bytes(UINT64_MAX, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_an_aligned_table_with_the_next_start),
		cmocka_unit_test(what_waits_for_its_schedule_tells_the_next_run),
		cmocka_unit_test(a_next_start_at_the_end_of_time_is_shown_all_the_same),
		cmocka_unit_test(a_terminal_gets_lines_that_fit),
		cmocka_unit_test(colours_are_for_terminals_and_change_no_column),
		cmocka_unit_test(what_a_service_says_cannot_command_the_terminal),
		cmocka_unit_test(missing_and_wrong_fields_are_survived),
		cmocka_unit_test(status_remarks_on_what_lives),
		cmocka_unit_test(a_slot_and_its_object_give_the_same_line),
		cmocka_unit_test(a_long_table_is_the_same_in_pieces),
		cmocka_unit_test(numbers_are_as_printf_has_them),
		cmocka_unit_test(show_tells_all_in_blocks),
		cmocka_unit_test(show_tells_the_schedule_and_the_next_run),
		cmocka_unit_test(show_tells_what_a_service_needs_and_who_needs_it),
		cmocka_unit_test(show_tells_what_a_restart_would_change),
		cmocka_unit_test(status_tells_what_is_stale),
		cmocka_unit_test(a_queue_message_is_one_line),
		cmocka_unit_test(bytes_are_rounded_down_with_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
