/*
 * supctl queue on a System V queue of the test's own.
 */
#include "fake.h"

#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>

#include "wire/queue.h"

static void publish(int id, long type, unsigned seq)
{
	const struct queue_message m = {
		.seq = seq,
		.service = "web",
		.state = "running",
		.previous = type == QUEUE_SNAPSHOT ? NULL : "starting",
		.pid = 7,
		.reason = "",
	};
	struct queue_buffer buffer = {.type = type};
	int n = queue_encode(&m, buffer.body);

	assert_true(n > 0);
	assert_int_equal(0, msgsnd(id, &buffer, (size_t)n, IPC_NOWAIT));
}

static int make_queue(void)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	assert_true(id >= 0);
	return id;
}

static size_t count(int id)
{
	struct msqid_ds ds;

	assert_int_equal(0, msgctl(id, IPC_STAT, &ds));
	return ds.msg_qnum;
}

static const char *reply_with(int id)
{
	static char reply[128];

	snprintf(reply, sizeof(reply), "{\"parameters\":{\"key\":1,\"id\":%d,\"message\":\"\"}}",
		id);
	return reply;
}

#define LINE(seq, type, states) \
	"1970-01-01T00:00:00.000000Z " seq " " type " web " states " (pid 7)\n"

static const char in_order[] =
	LINE("3", "alert", "starting -> running") LINE("2", "change", "starting -> running")
		LINE("4", "change", "starting -> running") LINE("1", "snapshot", "running");

static void fill(int id)
{
	publish(id, QUEUE_SNAPSHOT, 1);
	publish(id, QUEUE_CHANGE, 2);
	publish(id, QUEUE_ALERT, 3);
	publish(id, QUEUE_CHANGE, 4);
}

static void peeking_leaves_everything_and_shows_the_urgent_first(void **state)
{
	int id = make_queue();
	struct fake f;

	(void)state;
	fill(id);
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue", "--peek"));
	if (f.status == 1 && strstr(f.err, "MSG_COPY")) {
		fake_free(&f);
		msgctl(id, IPC_RMID, NULL);
		skip();
	}
	assert_int_equal(0, f.status);
	assert_string_equal(in_order, f.out);
	assert_int_equal(4, count(id));
	fake_free(&f);
	msgctl(id, IPC_RMID, NULL);
}

static void taking_empties_the_queue_in_the_same_order(void **state)
{
	int id = make_queue();
	struct fake f;

	(void)state;
	fill(id);
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue"));
	assert_int_equal(0, f.status);
	assert_string_equal(in_order, f.out);
	assert_int_equal(0, count(id));
	fake_free(&f);
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue"));
	assert_int_equal(0, f.status);
	assert_string_equal("", f.out);
	fake_free(&f);
	msgctl(id, IPC_RMID, NULL);
}

static void json_is_the_message_with_its_type(void **state)
{
	int id = make_queue();
	struct fake f;
	json_t *message;

	(void)state;
	publish(id, QUEUE_CHANGE, 9);
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue", "--json"));
	message = json_loads(f.out, 0, NULL);
	assert_int_equal(2, json_integer_value(json_object_get(message, "type")));
	assert_int_equal(9, json_integer_value(json_object_get(message, "seq")));
	json_decref(message);
	fake_free(&f);
	msgctl(id, IPC_RMID, NULL);
}

static void what_is_no_message_is_shown_rather_than_lost(void **state)
{
	int id = make_queue();
	struct fake f;
	struct queue_buffer buffer = {.type = 2, .body = "\033[2Jhello"};

	(void)state;
	assert_int_equal(0, msgsnd(id, &buffer, 9, IPC_NOWAIT));
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue"));
	assert_int_equal(0, f.status);
	assert_string_equal("not a status message: ?[2Jhello\n", f.out);
	fake_free(&f);
	msgctl(id, IPC_RMID, NULL);
}

static void a_queue_that_was_removed_is_four(void **state)
{
	int id = make_queue();
	struct fake f;

	(void)state;
	msgctl(id, IPC_RMID, NULL);
	run_with(&f, SCRIPT(ACCEPT, READ, reply_with(id)), ARGS("queue"));
	assert_int_equal(4, f.status);
	fake_free(&f);
}

static void following_shows_what_comes_and_an_interrupt_ends_it(void **state)
{
	int id = make_queue(), fds[2], status;
	char line[256] = "";
	struct fake f;
	pid_t pid;

	(void)state;
	assert_int_equal(0, pipe(fds));
	fake_start(&f, SCRIPT(ACCEPT, READ, reply_with(id)));
	pid = fork();
	if (pid == 0) {
		char *argv[] = {(char *)"supctl", (char *)"-s", f.path, (char *)"queue",
			(char *)"-f", NULL};

		close(fds[0]);
		_exit(ctl_run(5, argv, fdopen(fds[1], "w"), stderr));
	}
	close(fds[1]);
	fake_finish(&f);
	for (unsigned i = 0; i < 3; i++) {
		publish(id, QUEUE_CHANGE, i);
		assert_true(fake_poll(fds[0], POLLIN));
		assert_true(read(fds[0], line, sizeof(line) - 1) > 0);
		assert_int_equal('0' + (char)i, strchr(line, ' ')[1]);
	}
	assert_int_equal(0, kill(pid, SIGINT));
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(130, WEXITSTATUS(status));
	close(fds[0]);
	fake_free(&f);
	msgctl(id, IPC_RMID, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peeking_leaves_everything_and_shows_the_urgent_first),
		cmocka_unit_test(taking_empties_the_queue_in_the_same_order),
		cmocka_unit_test(json_is_the_message_with_its_type),
		cmocka_unit_test(what_is_no_message_is_shown_rather_than_lost),
		cmocka_unit_test(a_queue_that_was_removed_is_four),
		cmocka_unit_test(following_shows_what_comes_and_an_interrupt_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
