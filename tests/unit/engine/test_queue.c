/*
 * The status queue: whose it is, what is dropped when it is full, and what happens when it
 * goes away. Each test has a key of its own, from a temporary directory.
 */
#include "bench.h"

#include <errno.h>
#include <sys/wait.h>

#include "engine/status/queue.h"

#define NOBODY 65534

struct fixture {
	struct bench bench;
	struct status_queue queue;
	key_t key;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	bench_init(&f->bench);
	f->key = ftok(f->bench.dir, 'S');
	assert_true(f->key != -1);
	assert_int_equal(msgget(f->key, 0), -1); /* ftok() may collide; not likely twice */
	f->queue.id = -1;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int id = msgget(f->key, 0);

	if (id >= 0)
		msgctl(id, IPC_RMID, NULL);
	bench_fini(&f->bench);
	free(f);
	return 0;
}

static int open_queue(struct fixture *f, int recorded_id)
{
	return queue_open(&f->queue, 0, f->bench.dir, 0640, false, 0, recorded_id);
}

/* A body of n bytes that begins with a digit. */
static int publish(struct fixture *f, enum queue_type type, unsigned digit, size_t n)
{
	char body[QUEUE_MAX_BODY + 1];

	memset(body, '.', sizeof(body));
	body[0] = (char)('0' + digit);
	return queue_publish(&f->queue, type, body, n);
}

/* As a reader does: the first digit, or -1 where there is nothing; *ret_type if wanted. */
static int receive(const struct fixture *f, long which, long *ret_type, size_t *ret_n)
{
	struct queue_buffer b;
	ssize_t n = msgrcv(msgget(f->key, 0), &b, sizeof(b.body), which, IPC_NOWAIT);

	if (n < 0)
		return -1;
	if (ret_type)
		*ret_type = b.type;
	if (ret_n)
		*ret_n = (size_t)n;
	return b.body[0] - '0';
}

static struct msqid_ds look(const struct fixture *f)
{
	struct msqid_ds ds;

	assert_int_equal(msgctl(f->queue.id, IPC_STAT, &ds), 0);
	return ds;
}

/* Fills the queue with large messages of a type, numbered from 0; how many fitted. */
static unsigned fill(struct fixture *f, long type)
{
	struct queue_buffer b = {.type = type};
	unsigned n = 0;

	memset(b.body, '.', sizeof(b.body));
	do
		b.body[0] = (char)('0' + n);
	while (msgsnd(f->queue.id, &b, sizeof(b.body), IPC_NOWAIT) == 0 && ++n);
	assert_int_equal(errno, EAGAIN);
	return n;
}

static unsigned count_type(const struct fixture *f, long type)
{
	unsigned n = 0;

	while (receive(f, type, NULL, NULL) >= 0)
		n++;
	return n;
}

static void a_reader_gets_the_urgent_first(void **state)
{
	struct fixture *f = *state;
	long type;
	size_t n;

	assert_int_equal(open_queue(f, -1), 0);
	assert_null(queue_problem(&f->queue));
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 1, 10), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 2, 20), 0);
	assert_int_equal(publish(f, QUEUE_ALERT, 3, QUEUE_MAX_BODY), 0);
	assert_int_equal(receive(f, -3, &type, &n), 3);
	assert_int_equal(type, QUEUE_ALERT);
	assert_int_equal(n, QUEUE_MAX_BODY);
	assert_int_equal(receive(f, -3, &type, &n), 2);
	assert_int_equal(type, QUEUE_CHANGE);
	assert_int_equal(n, 20);
	assert_int_equal(receive(f, -3, &type, &n), 1);
	assert_int_equal(type, QUEUE_SNAPSHOT);
	assert_int_equal(receive(f, -3, &type, &n), -1);
}

static void mode_and_group_are_as_configured(void **state)
{
	struct fixture *f = *state;
	gid_t group = geteuid() == 0 ? NOBODY : getegid();

	assert_int_equal(queue_open(&f->queue, f->key, NULL, 0660, true, group, -1), 0);
	assert_int_equal(msgget(f->key, 0), f->queue.id);
	assert_int_equal(look(f).msg_perm.mode & 0777, 0660);
	assert_int_equal(look(f).msg_perm.gid, group);
	assert_int_equal(look(f).msg_perm.uid, geteuid());
	assert_int_equal(queue_set_access(&f->queue, 0600, false, 0), 0);
	assert_int_equal(look(f).msg_perm.mode & 0777, 0600);
	assert_int_equal(look(f).msg_perm.gid, getegid());
}

static void one_that_an_engine_died_over_making_is_taken(void **state)
{
	struct fixture *f = *state;
	int id = msgget(f->key, IPC_CREAT | IPC_EXCL | 0600);

	assert_int_equal(open_queue(f, -1), -EEXIST);
	assert_int_equal(open_queue(f, QUEUE_BEING_MADE), 0);
	assert_int_equal(f->queue.id, id);
	assert_int_equal(look(f).msg_perm.mode & 0777, 0640);
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), 0);
}

static void one_that_was_used_is_not_one_that_was_being_made(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_queue(f, -1), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), 0);
	assert_int_equal(receive(f, -3, NULL, NULL), 1);
	assert_int_equal(open_queue(f, QUEUE_BEING_MADE), -EEXIST);
}

static int recorded[8];
static unsigned n_recorded;

/* What is there when it is told is what the next engine finds, should this one die. */
static void note_record(struct status_queue *q, int id)
{
	bool there = msgget(q->key, 0) >= 0;

	assert_true(n_recorded < ELEMENTSOF(recorded));
	assert_int_equal(there, id != QUEUE_BEING_MADE);
	recorded[n_recorded++] = id;
}

static void a_queue_is_recorded_before_it_is_made_and_before_it_is_used(void **state)
{
	struct fixture *f = *state;
	int id;

	n_recorded = 0;
	f->queue.record = note_record;
	assert_int_equal(open_queue(f, -1), 0);
	id = f->queue.id;
	assert_int_equal(n_recorded, 2);
	assert_int_equal(recorded[0], QUEUE_BEING_MADE);
	assert_int_equal(recorded[1], id);
	assert_int_equal(open_queue(f, id), 0); /* by the next engine */
	assert_int_equal(n_recorded, 3);
	assert_int_equal(recorded[2], id);
	msgctl(id, IPC_RMID, NULL);
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), 0);
	assert_int_equal(n_recorded, 5);
	assert_int_equal(recorded[3], QUEUE_BEING_MADE);
	assert_int_equal(recorded[4], f->queue.id);
	assert_int_equal(look(f).msg_qnum, 1);
}

static void the_queue_is_gone_after_remove(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_queue(f, -1), 0);
	queue_remove(&f->queue);
	assert_int_equal(msgget(f->key, 0), -1);
	assert_int_equal(publish(f, QUEUE_ALERT, 1, 10), -ENXIO);
	queue_remove(&f->queue);
}

static void the_recorded_queue_is_taken_over_with_its_messages(void **state)
{
	struct fixture *f = *state;
	int id;

	assert_int_equal(open_queue(f, -1), 0);
	id = f->queue.id;
	assert_int_equal(publish(f, QUEUE_CHANGE, 7, 10), 0);
	assert_int_equal(open_queue(f, id), 0);
	assert_int_equal(f->queue.id, id);
	assert_int_equal(receive(f, -3, NULL, NULL), 7);
}

static void a_recorded_queue_that_is_gone_is_made_anew(void **state)
{
	struct fixture *f = *state;
	int id;

	assert_int_equal(open_queue(f, -1), 0);
	id = f->queue.id;
	queue_remove(&f->queue);
	assert_int_equal(open_queue(f, id), 0);
	assert_true(f->queue.id >= 0 && f->queue.id != id);
}

static void assert_refused(struct fixture *f, int recorded_id, const char *why)
{
	char text[64];

	assert_int_equal(open_queue(f, recorded_id), -EEXIST);
	assert_int_equal(f->queue.id, -1);
	snprintf(text, sizeof(text), "message queue 0x%08x ", (unsigned)f->key);
	assert_non_null(strstr(queue_problem(&f->queue), text));
	assert_non_null(strstr(queue_problem(&f->queue), why));
	assert_int_equal(publish(f, QUEUE_ALERT, 1, 10), -ENXIO);
	queue_remove(&f->queue);
	assert_true(msgget(f->key, 0) >= 0); /* not ours to remove */
	assert_int_equal(receive(f, 0, NULL, NULL), -1);
}

static void a_queue_that_was_not_recorded_is_refused(void **state)
{
	struct fixture *f = *state;
	int id = msgget(f->key, IPC_CREAT | IPC_EXCL | 0640);

	assert_true(id >= 0);
	assert_refused(f, -1, "is not the one we made");
	assert_refused(f, id + 1, "is not the one we made");
}

static void a_queue_whose_mode_was_changed_is_refused(void **state)
{
	struct fixture *f = *state;
	int id = msgget(f->key, IPC_CREAT | IPC_EXCL | 0666);

	assert_true(id >= 0);
	assert_refused(f, id, "has mode 0666 instead of 0640");
}

/* Plants a queue from a process of another user. */
static void plant(const struct fixture *f, int mode)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		_exit(msgget(f->key, IPC_CREAT | IPC_EXCL | mode) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_queue_planted_by_another_user_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	plant(f, 0666);
	assert_refused(f, msgget(f->key, 0), "belongs to uid 65534");
}

static void a_planted_queue_that_may_not_be_looked_at_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	int id = msgget(f->key, IPC_CREAT | IPC_EXCL | 0600), status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_true(id >= 0);
	pid = fork();
	if (pid == 0) { /* not to be asserted in, or the tests go on twice */
		const char *text;

		if (setresuid(NOBODY, NOBODY, NOBODY) < 0)
			_exit(2);
		if (queue_open(&f->queue, f->key, NULL, 0640, false, 0, id) != -EEXIST)
			_exit(3);
		text = queue_problem(&f->queue);
		_exit(text && strstr(text, "belongs to uid 0; not using it") ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void a_queue_handed_to_us_by_its_maker_is_refused(void **state)
{
	struct fixture *f = *state;
	struct msqid_ds ds;

	if (geteuid() != 0)
		skip();
	plant(f, 0640);
	f->queue.id = msgget(f->key, 0);
	ds = look(f);
	ds.msg_perm.uid = 0;
	assert_int_equal(msgctl(f->queue.id, IPC_SET, &ds), 0);
	assert_refused(f, f->queue.id, "was made by uid 65534");
}

static void without_a_directory_there_is_no_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(queue_open(&f->queue, 0, "/nonexistent/dir", 0640, false, 0, -1), -ENOENT);
	assert_non_null(strstr(queue_problem(&f->queue), "/nonexistent/dir"));
	assert_int_equal(publish(f, QUEUE_ALERT, 1, 10), -ENXIO);
}

static void what_matters_least_makes_room_the_oldest_first(void **state)
{
	struct fixture *f = *state;
	unsigned n;

	assert_int_equal(open_queue(f, -1), 0);
	assert_int_equal(publish(f, QUEUE_ALERT, 0, QUEUE_MAX_BODY), 0);
	assert_int_equal(publish(f, QUEUE_ALERT, 1, QUEUE_MAX_BODY), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 0, QUEUE_MAX_BODY), 0);
	n = fill(f, QUEUE_SNAPSHOT);
	assert_true(n >= 3);
	for (unsigned i = 0; i < n; i++) /* all snapshots go, nothing else */
		assert_int_equal(publish(f, QUEUE_ALERT, 2, QUEUE_MAX_BODY), 0);
	assert_int_equal(look(f).msg_qnum, n + 3);
	assert_int_equal(receive(f, QUEUE_SNAPSHOT, NULL, NULL), -1);
	assert_int_equal(publish(f, QUEUE_ALERT, 3, QUEUE_MAX_BODY), 0); /* the change goes */
	assert_int_equal(receive(f, QUEUE_CHANGE, NULL, NULL), -1);
	assert_int_equal(publish(f, QUEUE_CHANGE, 4, QUEUE_MAX_BODY), 0); /* the oldest alert */
	assert_int_equal(receive(f, QUEUE_ALERT, NULL, NULL), 1);
	assert_int_equal(receive(f, QUEUE_CHANGE, NULL, NULL), 4);
}

static void the_oldest_snapshot_goes_first(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_queue(f, -1), 0);
	fill(f, QUEUE_SNAPSHOT);
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 9, QUEUE_MAX_BODY), 0);
	assert_int_equal(receive(f, -3, NULL, NULL), 1);
}

static void a_snapshot_pushes_out_no_alert(void **state)
{
	struct fixture *f = *state;
	unsigned n;

	assert_int_equal(open_queue(f, -1), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 0, QUEUE_MAX_BODY), 0);
	n = fill(f, QUEUE_ALERT);
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 9, QUEUE_MAX_BODY), 0); /* for the change */
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 9, QUEUE_MAX_BODY), 0); /* for the snapshot */
	assert_int_equal(receive(f, QUEUE_SNAPSHOT, NULL, NULL), 9);
	assert_int_equal(fill(f, QUEUE_ALERT), 1);
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 9, QUEUE_MAX_BODY), -ENOBUFS);
	assert_int_equal(look(f).msg_qnum, n + 1);
	assert_int_equal(count_type(f, QUEUE_ALERT), n + 1);
	assert_int_equal(bench_log_lines(&f->bench), 0);
}

static void many_small_messages_make_room_for_a_large_one(void **state)
{
	struct fixture *f = *state;
	unsigned long before;

	assert_int_equal(open_queue(f, -1), 0);
	for (unsigned i = 0; i < 4000; i++)
		assert_int_equal(publish(f, QUEUE_CHANGE, 1, 100), 0);
	before = look(f).msg_qnum;
	assert_int_equal(publish(f, QUEUE_ALERT, 2, QUEUE_MAX_BODY), 0);
	assert_true(look(f).msg_qnum < before && look(f).msg_qnum > before - 12);
	assert_int_equal(receive(f, QUEUE_ALERT, NULL, NULL), 2);
}

static void what_others_left_in_the_queue_makes_room(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_queue(f, -1), 0);
	fill(f, 99);
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 1, QUEUE_MAX_BODY), 0);
	assert_int_equal(receive(f, -3, NULL, NULL), 1);
}

static void a_message_too_long_drops_nothing(void **state)
{
	struct fixture *f = *state;
	struct msqid_ds ds;

	assert_int_equal(open_queue(f, -1), 0);
	assert_int_equal(publish(f, QUEUE_ALERT, 1, QUEUE_MAX_BODY + 1), -EMSGSIZE);
	ds = look(f);
	ds.msg_qbytes = 500;
	assert_int_equal(msgctl(f->queue.id, IPC_SET, &ds), 0);
	assert_int_equal(publish(f, QUEUE_SNAPSHOT, 1, 400), 0);
	assert_int_equal(publish(f, QUEUE_ALERT, 2, 501), -EMSGSIZE);
	assert_int_equal(look(f).msg_qnum, 1);
	assert_int_equal(publish(f, QUEUE_ALERT, 2, 500), 0);
	assert_int_equal(receive(f, -3, NULL, NULL), 2);
	assert_int_equal(receive(f, -3, NULL, NULL), -1);
}

static void a_queue_removed_by_others_is_made_anew(void **state)
{
	struct fixture *f = *state;
	int id;

	assert_int_equal(open_queue(f, -1), 0);
	id = f->queue.id;
	assert_int_equal(msgctl(id, IPC_RMID, NULL), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 5, 10), 0);
	assert_true(f->queue.id >= 0 && f->queue.id != id);
	assert_int_equal(publish(f, QUEUE_CHANGE, 6, 10), 0);
	assert_int_equal(receive(f, -3, NULL, NULL), 5);
	assert_int_equal(receive(f, -3, NULL, NULL), 6);
	assert_int_equal(look(f).msg_perm.mode & 0777, 0640);
	assert_int_equal(bench_logged(&f->bench, "was removed by somebody"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 1);
}

static void a_queue_replaced_by_others_is_refused_and_reported_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_queue(f, -1), 0);
	assert_int_equal(msgctl(f->queue.id, IPC_RMID, NULL), 0);
	assert_true(msgget(f->key, IPC_CREAT | IPC_EXCL | 0666) >= 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), -ENXIO);
	assert_int_equal(bench_logged(&f->bench, "is not the one we made; not using it"), 1);
	assert_int_equal(bench_log_lines(&f->bench), 2);
	assert_non_null(queue_problem(&f->queue));
	assert_int_equal(msgctl(msgget(f->key, 0), IPC_RMID, NULL), 0);
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), -ENXIO); /* not before a second */
	f->queue.retry_usec = 0;
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), 0);
	assert_int_equal(bench_logged(&f->bench, "6 messages were lost"), 1);
	assert_null(queue_problem(&f->queue));
}

static void where_the_system_refuses_supervision_goes_on(void **state)
{
	struct fixture *f = *state;

	inject("test:msgget:1:ENOSPC");
	assert_int_equal(open_queue(f, -1), -ENOSPC);
	assert_non_null(strstr(queue_problem(&f->queue), "No space left on device"));
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), -ENXIO);
	f->queue.retry_usec = 0;
	assert_int_equal(publish(f, QUEUE_CHANGE, 1, 10), 0);
	assert_int_equal(bench_log_lines(&f->bench), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reader_gets_the_urgent_first),
		TEST(mode_and_group_are_as_configured),
		TEST(one_that_an_engine_died_over_making_is_taken),
		TEST(one_that_was_used_is_not_one_that_was_being_made),
		TEST(a_queue_is_recorded_before_it_is_made_and_before_it_is_used),
		TEST(the_queue_is_gone_after_remove),
		TEST(the_recorded_queue_is_taken_over_with_its_messages),
		TEST(a_recorded_queue_that_is_gone_is_made_anew),
		TEST(a_queue_that_was_not_recorded_is_refused),
		TEST(a_queue_whose_mode_was_changed_is_refused),
		TEST(a_queue_planted_by_another_user_is_refused_by_name),
		TEST(a_planted_queue_that_may_not_be_looked_at_is_refused_by_name),
		TEST(a_queue_handed_to_us_by_its_maker_is_refused),
		TEST(without_a_directory_there_is_no_key),
		TEST(what_matters_least_makes_room_the_oldest_first),
		TEST(the_oldest_snapshot_goes_first),
		TEST(a_snapshot_pushes_out_no_alert),
		TEST(many_small_messages_make_room_for_a_large_one),
		TEST(what_others_left_in_the_queue_makes_room),
		TEST(a_message_too_long_drops_nothing),
		TEST(a_queue_removed_by_others_is_made_anew),
		TEST(a_queue_replaced_by_others_is_refused_and_reported_once),
		TEST(where_the_system_refuses_supervision_goes_on),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
