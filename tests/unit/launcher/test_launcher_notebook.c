/*
 * The launcher is killed at every call that it makes while it starts a process, sees it end and
 * tells of it. What its notebook says then is compared with what has happened: whose process there
 * was comes to this test, which is the next subreaper, unless the launcher had reaped it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"
#include "launcher_fixture.h"
#include "wire/notebook.h"

#define MAX_CALLS 500 /* far more than there are */
#define STATUS	  3

static struct fixture f;
static char dir[64];
static char die[96], mark[96]; /* when to die; made by the program that is started */

struct outcome {
	bool killed; /* else it has come to its end, and the slot was given back */
	bool told_start, told_end;
	pid_t orphan; /* 0: none came to us */
	siginfo_t end; /* of that */
	bool ran;
};

static void begin(unsigned n)
{
	char fault[192], text[16];
	int fd;

	snprintf(fault, sizeof(fault), "launcher:any:@%s:KILL", die);
	setenv("SUPERVISOR_FAULT", fault, 1);
	fixture_start(&f);
	unsetenv("SUPERVISOR_FAULT");
	fixture_hello(&f);
	assert_true(f.notebook >= 0);
	/* whole at once, as the seam wants it */
	snprintf(fault, sizeof(fault), "%s.new", die);
	fd = open(fault, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	snprintf(text, sizeof(text), "%u", n);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(rename(fault, die), 0);
}

/* False: the launcher is gone. */
static bool send_it(struct link_message m, int fd)
{
	return link_send(f.link, &m, &fd, fd >= 0) == 0;
}

/* The next message of that type, whatever else there is; false: it is gone. */
static bool await(uint16_t type, struct outcome *o)
{
	struct pollfd p = {.fd = f.link, .events = POLLIN};
	bool lost;
	int r;

	for (;;) {
		assert_int_equal(poll(&p, 1, FIXTURE_DEADLINE_MSEC), 1);
		r = link_recv(f.link, &f.m, f.fds, &f.n_fds, &lost);
		if (r == 0)
			return false;
		if (r < 0) {
			assert_true(r == -EAGAIN || r == -ECONNRESET);
			continue;
		}
		for (unsigned i = 0; i < f.n_fds; i++)
			close(f.fds[i]);
		f.n_fds = 0;
		o->told_start |= f.m.type == LINK_STARTED;
		o->told_end |= f.m.type == LINK_EXITED;
		if (f.m.type == type)
			return true;
	}
}

static bool live(int plan, struct outcome *o)
{
	if (fixture_try_spawn(&f, 1, 1, plan) < 0 || !await(LINK_EXITED, o))
		return false;
	return send_it((struct link_message){.type = LINK_RELEASE, .id = 1, .generation = 1}, -1) &&
	       send_it(
		       (struct link_message){
			       .type = LINK_ACK, .id = 1, .generation = 1, .serial = f.m.serial},
		       -1) &&
	       send_it((struct link_message){.type = LINK_HELLO}, -1) && await(LINK_SYNCED, o);
}

/* All that comes to us ends by itself. */
static void collect(struct outcome *o)
{
	siginfo_t info;

	assert_int_equal(fixture_wait(&f), -SIGKILL);
	while (waitid(P_ALL, 0, &info, WEXITED) == 0) {
		if (info.si_pid == f.engine)
			continue;
		assert_int_equal(o->orphan, 0);
		o->orphan = info.si_pid;
		o->end = info;
	}
	assert_int_equal(errno, ECHILD);
	f.engine = 0;
	o->ran = access(mark, F_OK) == 0;
}

static struct outcome run(unsigned n, const struct plan *p)
{
	struct outcome o = {0};
	int plan = fixture_plan(p);

	begin(n);
	o.killed = !live(plan, &o);
	close(plan);
	for (unsigned i = 0; i < LINK_MAX_FDS; i++)
		f.fds[i] = -1;
	if (o.killed)
		collect(&o);
	return o;
}

static const struct notebook_slot *slot_of(const struct notebook *book)
{
	const struct notebook_slot *found = NULL;

	assert_int_equal(book->head->n_without, 0);
	for (uint32_t i = 0; i < book->head->n_used; i++) {
		if (book->slots[i].state == NOTEBOOK_FREE)
			continue;
		assert_null(found);
		assert_int_equal(book->slots[i].id, 1);
		assert_int_equal(book->slots[i].generation, 1);
		found = &book->slots[i];
	}
	return found;
}

static void check_end(const struct notebook_slot *slot, bool fails)
{
	struct link_exit end;

	assert_true(notebook_get_end(slot, &end));
	assert_int_equal(slot->serial, 1);
	if (fails) {
		assert_int_equal(end.error, ENOENT);
		assert_int_equal(end.stage, LINK_STAGE_EXEC);
		return;
	}
	assert_int_equal(end.error, 0);
	assert_int_equal(end.code, CLD_EXITED);
	assert_int_equal(end.status, STATUS);
	assert_true(end.max_rss_kib > 0);
}

/* What it says is what was. Returns what that is. */
static enum notebook_state compare(const struct outcome *o, bool fails)
{
	struct notebook book;
	const struct notebook_slot *slot;
	enum notebook_state state;

	assert_int_equal(notebook_open(&book, f.notebook), 0);
	slot = slot_of(&book);
	if (!o->killed) {
		assert_null(slot);
	} else if (!slot || (slot->state == NOTEBOOK_BEGUN && slot->pid == 0)) {
		/*
		 * It was never begun, or it was told and is done with: one that could not execute
		 * its program is before it is reaped.
		 */
		assert_true(o->orphan == 0 || (fails && o->told_end));
		assert_false(!o->told_end && (o->ran || o->told_start));
	} else if (slot->state == NOTEBOOK_BEGUN) {
		assert_int_equal(o->orphan, slot->pid); /* or how it ended would be lost */
		assert_int_equal(o->ran, !fails);
		assert_false(o->told_end);
		assert_int_equal(slot->failed_error, fails ? ENOENT : 0);
		assert_int_equal(slot->failed_stage, fails ? LINK_STAGE_EXEC : 0);
		if (!fails)
			assert_int_equal(o->end.si_status, STATUS);
	} else {
		check_end(slot, fails);
		assert_int_equal(o->ran, !fails);
		assert_true(o->orphan == 0 || o->orphan == slot->pid);
	}
	state = slot ? (enum notebook_state)slot->state : NOTEBOOK_FREE;
	notebook_close(&book);
	return state;
}

static void kill_at_every_call(const struct plan *p, bool fails)
{
	unsigned n, seen[NOTEBOOK_ENDED + 1] = {0};

	for (n = 1; n < MAX_CALLS; n++) {
		struct outcome o = run(n, p);

		seen[compare(&o, fails)]++;
		unlink(die);
		unlink(mark);
		fixture_stop(&f);
		while (waitpid(-1, NULL, 0) > 0) /* an engine whose launcher was not killed */
			;
		if (!o.killed)
			break;
	}
	assert_true(n > 10 && n < MAX_CALLS);
	for (size_t i = 0; i < ELEMENTSOF(seen); i++)
		assert_true(seen[i] > 0);
}

static struct plan marking_plan(void)
{
	static char script[256];

	snprintf(script, sizeof(script), "echo >%s; exit %d", mark, STATUS);
	return fixture_shell(script);
}

static void what_is_noted_is_what_was(void **state _unused_)
{
	struct plan p = marking_plan();

	kill_at_every_call(&p, false);
}

static void what_is_noted_is_what_was_without_shared_memory(void **state _unused_)
{
	struct plan p = marking_plan();

	p.flags |= PLAN_SET_OOM;
	p.oom_score_adj = 1000; /* everybody may be made more likely to be killed */
	kill_at_every_call(&p, false);
}

static void a_program_that_is_not_there_is_noted_as_such(void **state _unused_)
{
	struct plan p = fixture_shell("exit 0");

	p.path = "/nonexistent/program";
	kill_at_every_call(&p, true);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_noted_is_what_was),
		cmocka_unit_test(what_is_noted_is_what_was_without_shared_memory),
		cmocka_unit_test(a_program_that_is_not_there_is_noted_as_such),
	};

	int r;

	if (argc != 3)
		return 1;
	snprintf(dir, sizeof(dir), "/tmp/test-notebook-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(die, sizeof(die), "%s/die", dir);
	snprintf(mark, sizeof(mark), "%s/mark", dir);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fixture_programs(argv[1], argv[2]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return r;
}
