/*
 * How runs end, for people: a signal is told with who sent it, as far as that is known, and a
 * program that could not be executed with what is to be done about it.
 */
#include <errno.h>

#include "ctl/output/render_json.h"
#include "ctl/why/why_internal.h"

/* --- what came from the process --- */

/* What the kernel says by these. */
static const char *crash_text(const char *signal)
{
	static const struct {
		const char *signal, *text;
	} all[] = {
		{"SEGV", "it used memory that is not its own"},
		{"BUS", "it used memory that is not there"},
		{"ILL", "it came to an instruction that the processor does not know"},
		{"FPE", "it divided by zero, or the like"},
		{"ABRT", "it has given up by itself (abort), or a watchdog has"},
		{"TRAP", "it ran into a breakpoint or a check of its own"},
		{"SYS", "it made a system call that is forbidden to it"},
		{"PIPE", "it wrote to somebody who did not read any more"},
		{"XCPU", "it has used up its limit of processor time"},
		{"XFSZ", "it wrote a file larger than its limit"},
	};

	for (size_t i = 0; i < ELEMENTSOF(all); i++) {
		if (is_word(signal, all[i].signal))
			return all[i].text;
	}
	return NULL;
}

static bool is_signal(const char *kind)
{
	return is_word(kind, "signalled") || is_word(kind, "dumped");
}

static void say_how(struct tale *t, json_t *end)
{
	const char *kind = render_string(end, "kind");
	int64_t status = render_integer(end, "status", 0);

	if (is_word(kind, "exited"))
		say(t, "exited with status %" PRIi64, status);
	else if (is_signal(kind))
		say(t, "was killed by signal %" PRIi64 " (%s)", status,
			render_string(end, "signal"));
	else if (is_word(kind, "not_started"))
		say(t, "could not be started: %s: %s", render_string(end, "problem"),
			render_string(end, "error"));
	else
		say(t, "ended, and nobody saw how");
}

void say_end(struct tale *t, json_t *end)
{
	say_how(t, end);
	if (is_word(render_string(end, "kind"), "dumped"))
		say(t, " and left a core dump");
}

/* In the journal's words, who sent the signal that ended it; "" where that has none. */
static const char *sender_of(struct tale *t)
{
	json_t *chain = json_object_get(t->facts, "chain");

	for (size_t i = json_array_size(chain); i > 0; i--) {
		json_t *event = json_array_get(chain, i - 1);

		if (is_word(render_string(event, "type"), "exit"))
			return render_string(event, "by");
	}
	return "";
}

static void say_sender(struct tale *t, const char *signal)
{
	const char *by = sender_of(t), *crash = crash_text(signal);
	bool ours = is_word(render_string(t->facts, "sent"), signal) ||
		    (json_is_true(json_object_get(t->facts, "killed")) && is_word(signal, "KILL"));

	if (is_word(by, "oom-killer"))
		say(t, ", which the kernel sent: the machine, or its cgroup, was out of memory");
	else if (is_word(render_string(t->facts, "asked"), signal))
		say(t, ", which an operator sent through supervisord");
	else if (ours)
		say(t, ", which supervisord sent");
	else if (is_word(signal, "KILL"))
		say(t, ", which supervisord did not send: perhaps the kernel did, out of memory "
		       "(see dmesg)");
	else if (crash)
		say(t, ": %s", crash);
	else
		say(t, ", which supervisord did not send");
}

/* "only 0 counts as success" */
static void say_success_codes(struct tale *t)
{
	json_t *codes = json_object_get(json_object_get(t->facts, "restart"), "success_codes");
	size_t n = json_array_size(codes);

	if (n == 0 || n > WHY_MAX_ITEMS) {
		say(t, "%s", n == 0 ? "no status counts" : "that one does not count");
	} else {
		say(t, "only ");
		for (size_t i = 0; i < n; i++)
			say(t, "%s%" JSON_INTEGER_FORMAT,
				i == 0	     ? ""
				: i + 1 == n ? " and "
					     : ", ",
				json_integer_value(json_array_get(codes, i)));
		say(t, n == 1 ? " counts" : " count");
	}
	say(t, " as success");
}

/* --- what could not be started, and what to do about it --- */

static void say_exec_failure(struct tale *t, int64_t error)
{
	const char *program = render_string(t->facts, "program");
	const char *user = render_string(t->facts, "user");
	bool path = strchr(program, '/') != NULL;

	if (error == ENOENT && path)
		say(t,
			"%s does not exist, or is a script whose interpreter (its first line) does "
			"not",
			program);
	else if (error == ENOENT)
		say(t, "there is no program %s in any directory of PATH", program);
	else if (error == EACCES || error == EPERM)
		say(t,
			"%s may not be executed by %s%s: look at its mode, and at those of the "
			"directories above it",
			program, *user != '\0' ? "the user " : "supervisord's user", user);
	else if (error == ENOEXEC)
		say(t,
			"%s is nothing that this kernel can run: a script needs #! and its "
			"interpreter as its first line",
			program);
	else
		say(t, "%s cannot be executed", program);
}

static void say_directory_failure(struct tale *t, int64_t error)
{
	const char *directory = render_string(t->facts, "directory");

	if (error == ENOENT)
		say(t, "its directory %s does not exist: make it, or change \"directory\"",
			directory);
	else if (error == ENOTDIR)
		say(t, "%s, its \"directory\", is none", directory);
	else
		say(t, "it cannot go to its directory %s", directory);
}

static void say_stdin_failure(struct tale *t, int64_t error)
{
	const char *input = render_string(t->facts, "stdin"), *path = strchr(input, ':');
	const char *user = render_string(t->facts, "user");
	bool fifo = strncmp(input, "fifo:", strlen("fifo:")) == 0;

	path = path ? path + 1 : input;
	if (error == ENOENT)
		say(t,
			fifo ? "the directory of the FIFO %s, its \"stdin\", does not exist"
			     : "the file %s, its \"stdin\", does not exist",
			path);
	else if (error == EACCES || error == EPERM)
		say(t, "%s, its \"stdin\", may not be %s by %s%s", path,
			fifo ? "made or opened" : "read",
			*user != '\0' ? "the user " : "supervisord's user", user);
	else if (error == EEXIST && fifo)
		say(t, "%s, its \"stdin\", is there and no FIFO", path);
	else
		say(t, "%s, its \"stdin\", cannot be opened", path);
}

static void say_identity_failure(struct tale *t, int64_t error)
{
	const char *user = render_string(t->facts, "user");

	say(t, "it cannot become %s%s", *user != '\0' ? "the user " : "its user and groups", user);
	if (error == EPERM)
		say(t, ": only a supervisord that runs as root can do that");
}

/* EAGAIN of the user: RLIMIT_NPROC. */
static void say_start_failure(struct tale *t, json_t *end)
{
	const char *stage = render_string(end, "stage");
	int64_t error = render_integer(end, "status", 0);

	if (is_word(stage, "exec"))
		say_exec_failure(t, error);
	else if (is_word(stage, "directory"))
		say_directory_failure(t, error);
	else if (is_word(stage, "stdin"))
		say_stdin_failure(t, error);
	else if (is_word(stage, "user") || is_word(stage, "group"))
		say_identity_failure(t, error);
	else if (is_word(stage, "resources") && (error == EMFILE || error == ENFILE))
		say(t, "supervisord has no file descriptors left for it: raise its limit of open "
		       "files");
	else if (is_word(stage, "fork") || error == ENOMEM)
		say(t, "no new process can be made: the machine is short of memory, or at a limit "
		       "of "
		       "processes");
	else
		say(t, "supervisord %s", render_string(end, "problem"));
	say(t, " (%s)", render_string(end, "error"));
}

/* --- whole sentences --- */

static void say_ran(struct tale *t, json_t *end)
{
	if (!has_msec(end, "ran_ms"))
		return;
	say(t, "ran for ");
	say_msec(t, render_integer(end, "ran_ms", 0));
	say(t, " and ");
}

void tell_end(struct tale *t)
{
	json_t *end = json_object_get(t->facts, "end");
	json_t *restart = json_object_get(t->facts, "restart");
	const char *kind = render_string(end, "kind");
	bool success = json_is_true(json_object_get(restart, "success"));

	if (!json_is_object(end))
		return;
	if (is_word(kind, "not_started")) {
		say(t, "It could not be started: ");
		say_start_failure(t, end);
		stop_here(t);
		return;
	}
	say(t, "Its process ");
	say_ran(t, end);
	say_how(t, end);
	if (is_signal(kind)) {
		say_sender(t, render_string(end, "signal"));
		say(t, is_word(kind, "dumped") ? "; it left a core dump" : "");
	} else if (is_word(kind, "exited") && success) {
		say(t, ", which counts as success");
	} else if (is_word(kind, "exited") && is_word(render_string(t->facts, "cause"), "none")) {
		say(t, "; ");
		say_success_codes(t);
	} else if (is_word(kind, "unknown")) {
		say(t, ": it was no child of supervisord any more, which had been killed itself");
	}
	stop_here(t);
}

static void tell_start_timeout(struct tale *t)
{
	const char *type = render_string(t->facts, "type");
	bool oneshot = is_word(type, "oneshot"), forking = is_word(type, "forking");
	json_t *readiness = json_object_get(t->facts, "readiness");
	const char *on = render_string(readiness, "on");
	bool exec = is_word(on, "exec") || *on == '\0';

	say(t, oneshot ? "It did not end within " : "It did not become ready within ");
	say_msec(t, render_integer(readiness, "timeout_ms", 0));
	tell(t, " (ready.timeout) of its start, so supervisord ended it");
	if (oneshot || (exec && !forking))
		return;
	say(t, "To be ready, ");
	if (exec)
		say(t, "its first process has to end, and its pid-file to name the main process");
	else
		say_what_makes_ready(t, on);
	stop_here(t);
}

static void tell_unhealthy(struct tale *t)
{
	json_t *health = json_object_get(t->facts, "health");
	json_t *probe = json_object_get(health, "probe");
	const char *message = render_string(probe, "message");
	int64_t limit = render_integer(health, "limit", 0);

	say(t, "%" PRIi64 " check%s of its health failed%s", limit, limit == 1 ? "" : "s",
		limit == 1 ? "" : " in a row");
	if (json_is_false(json_object_get(probe, "ok")) && *message != '\0')
		say(t, " (the last one: %s)", message);
	tell(t, ", so supervisord ended it");
}

void tell_cause(struct tale *t, const char *cause)
{
	if (is_word(cause, "start-timeout")) {
		tell_start_timeout(t);
	} else if (is_word(cause, "watchdog")) {
		say(t, "It gave no sign of life for ");
		say_msec(t, render_integer(t->facts, "watchdog_ms", 0));
		tell(t, " (watchdog), so supervisord ended it with ABRT");
	} else if (is_word(cause, "trigger")) {
		tell(t, "It told supervisord itself that it hangs (WATCHDOG=trigger), and was "
			"ended "
			"with ABRT");
	} else if (is_word(cause, "unhealthy")) {
		tell_unhealthy(t);
	} else if (is_word(cause, "pre-start")) {
		tell(t, "Its pre-start hook failed, so its program was not started");
		tell_hook(t, "pre-start");
	} else if (is_word(cause, "no-main")) {
		tell(t, "Its first process ended and left no main process behind, which type = "
			"\"forking\" needs");
	}
}

void tell_previous_end(struct tale *t)
{
	json_t *end = json_array_get(json_object_get(t->facts, "ends"), 0);
	const char *cause = render_string(t->facts, "previous_cause");

	if (is_word(cause, "start-timeout"))
		say(t, "The run before did not become ready in time");
	else if (is_word(cause, "watchdog") || is_word(cause, "trigger"))
		say(t, "The run before hung");
	else if (is_word(cause, "unhealthy"))
		say(t, "The run before was unhealthy");
	else if (is_word(cause, "pre-start"))
		say(t, "The start before came to nothing: its pre-start hook failed");
	else if (json_is_object(end))
		say(t, "The run before ");
	if (json_is_object(end) && (is_word(cause, "none") || *cause == '\0')) {
		say_ran(t, end);
		say_end(t, end);
		say_at(t, render_string(end, "time"));
	}
	stop_here(t);
}

static json_t *find_hook(struct tale *t, const char *name)
{
	json_t *hook;
	size_t i;

	json_array_foreach(json_object_get(t->facts, "hooks"), i, hook)
	{
		if (is_word(render_string(hook, "hook"), name))
			return hook;
	}
	return NULL;
}

/* With the last line that it wrote. */
static void tell_failed_hook(struct tale *t, json_t *hook, const char *name, const char *kind)
{
	const char *output = render_string(hook, "output"), *line = output;
	size_t n = strlen(output);

	while (n > 0 && output[n - 1] == '\n')
		n--;
	for (size_t i = 0; i < n; i++)
		line = output[i] == '\n' ? output + i + 1 : line;
	say(t, "Its %s %s %s", name, kind, render_string(hook, "how"));
	if (n > 0)
		say(t, ": %.*s", (int)(output + n - line), line);
	stop_here(t);
}

void tell_hook(struct tale *t, const char *name)
{
	json_t *hook = find_hook(t, name);
	json_t *ok = json_object_get(hook, "ok");
	const char *kind = is_word(name, "stop") ? "command" : "hook";

	if (json_is_null(ok) && render_integer(hook, "pid", 0) > 0)
		tell(t, "Its %s %s runs (pid %" PRIi64 ")", name, kind,
			render_integer(hook, "pid", 0));
	else if (json_is_false(ok))
		tell_failed_hook(t, hook, name, kind);
}
