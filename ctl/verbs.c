/*
 * One entry a verb. The order is that of `supctl help`.
 */
#include "ctl/verbs.h"

#include <string.h>

#include "base/macro.h"
#include "wire/control.h"

#define METHOD(name) CONTROL_INTERFACE "." name

static const char names_text[] =
	"A NAME is a service (web), an instance (web@2), all instances of one definition\n"
	"(web), a glob ('we*') or a group (@front).\n";

static const char wait_text[] =
	"Waits until every service named has got there; one line tells about each.\n"
	"A NAME is a service (web), an instance (web@2), all instances of one definition\n"
	"(web), a glob ('we*') or a group (@front).\n"
	"\n"
	"  --no-wait    return as soon as supervisord has accepted the request\n";

static const char restart_text[] =
	"Waits until every service named has got there; one line tells about each.\n"
	"A NAME is a service (web), an instance (web@2), all instances of one definition\n"
	"(web), a glob ('we*') or a group (@front).\n"
	"\n"
	"  --no-wait    return as soon as supervisord has accepted the request\n"
	"  --rolling    one after the other: the next is stopped when the last one is ready\n"
	"               The first that does not get there ends it; the rest is left as it is.\n";

static const char scale_text[] =
	"Starts or stops instances of a service that has 'instances' in the configuration,\n"
	"until there are N. Their number stays so until a configuration is applied in which\n"
	"it is another one than now. Waits until every instance has got there.\n"
	"\n"
	"  --no-wait    return as soon as supervisord has accepted the request\n";

static const char reload_text[] =
	"Runs the reload.command of a service and waits for it, or sends its reload.signal (HUP).\n"
	"The service keeps its process. supervisord's own configuration is read by apply.\n"
	"A NAME is a service (web), an instance (web@2), all instances of one definition\n"
	"(web), a glob ('we*') or a group (@front).\n"
	"\n"
	"  --no-wait    return as soon as supervisord has accepted the request\n";

static const char logs_text[] =
	"Reads the log files themselves, the rotated and compressed ones too as far as they are\n"
	"needed, with your own rights; also where no supervisord runs. Several logs whose lines\n"
	"tell their time are shown in that order.\n"
	"\n"
	"  -f, --follow        wait for more, across rotation; Ctrl-C ends it\n"
	"  -n, --lines N       show the last N lines (10, or all with the next four), 0 for none\n"
	"      --since T       only what is no older: 10min, 2026-11-25T17:18:26Z, 2026-11-25,\n"
	"                      '2026-11-25 17:18' (local time)\n"
	"      --until T       only what is no younger\n"
	"      --run N         only the last run of each service (0), the one before it (-1), ...\n"
	"      --grep PATTERN  only lines that match (a regular expression of Perl's kind)\n"
	"  -i, --ignore-case   upper and lower case are the same to that\n"
	"      --stdout        only what was written to standard output\n"
	"      --stderr        only what was written to standard error\n"
	"      --raw           leave control characters as they are on a terminal\n"
	"  -c, --config FILE   ask no supervisord: the logs are where FILE puts them\n";

static const char why_text[] =
	"Tells in sentences what state a service is in and since when, what led there and who "
	"asked\n"
	"for it, which rule of its configuration applies, what happens next and when; and the "
	"last\n"
	"lines that it wrote, which are read from its log file with your own rights.\n"
	"\n"
	"  -n, --lines N    show the last N lines (10), 0 for none\n";

static const char events_text[] =
	"Shows what has happened to the services named, or to all, out of supervisord's journal,\n"
	"the oldest first. With -f what happens from now on, also after a --since, without a gap;\n"
	"it goes on when supervisord's engine is replaced, and says so.\n"
	"\n"
	"  -f, --follow       wait for what happens; Ctrl-C ends it\n"
	"      --since D      only what is no older: 10min, 2026-11-25T17:18:26Z,\n"
	"                     '2026-11-25 17:18' (local time), or @N: after event number N\n"
	"  -c, --config FILE  ask no supervisord: read the journal where FILE puts it\n"
	"\n"
	"Where no supervisord answers, the journal is read from its file.\n";

static const char note_text[] =
	"Puts a line of text, 1024 bytes at most, into the journal, with your uid: whoever "
	"follows\n"
	"events sees it at once.\n";

static const char for_text[] =
	"Waits until each service named is, or was for a moment since, in one of the states:\n"
	"stopped, waiting, starting, running, stopping, backoff, exited, failed. One line tells\n"
	"about each.\n"
	"\n"
	"      --for STATE[,STATE...]   what to wait for\n"
	"      --timeout D              wait so long at most (500ms, 10s, 5min, 1h), then fail\n";

static const char queue_text[] =
	"Takes the messages off the queue, the urgent ones first, and shows them. A queue has\n"
	"one reader: what is taken here, no other program gets.\n"
	"\n"
	"      --peek       look only, and leave them there\n"
	"  -f, --follow     wait for more; Ctrl-C ends it\n";

static const char plan_text[] =
	"Reads the configuration again and shows what apply would do, without doing it:\n"
	"~ changed, + added, - removed, > renamed. A service is restarted only where a key has\n"
	"changed that a running process can't take over.\n"
	"\n"
	"  --no-restart  show what apply --no-restart would do\n";

static const char apply_text[] =
	"Reads the configuration again and puts it in force: services whose definition has not\n"
	"changed are not touched. If anything is wrong in it, nothing changes. Waits until every\n"
	"service has got there; one line tells about each.\n"
	"\n"
	"  --no-restart  leave alone what would have to be restarted\n"
	"                Such a service is shown as stale until somebody restarts it.\n"
	"  --no-wait     return as soon as supervisord has accepted the request\n";

static const char check_text[] =
	"Asks no supervisord. A file of somebody else is checked as root would run it.\n";

const struct verb verbs[] = {
	{
		.name = "status",
		.usage = "[NAME...]",
		.summary = "show the state of services",
		.details = names_text,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_status,
	},
	{
		.name = "start",
		.usage = "NAME... [--no-wait]",
		.summary = "start services",
		.details = wait_text,
		.method = METHOD("Start"),
		.options = VERB_NO_WAIT,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_act,
	},
	{
		.name = "stop",
		.usage = "NAME... [--no-wait]",
		.summary = "stop services, with all their processes",
		.details = wait_text,
		.method = METHOD("Stop"),
		.options = VERB_NO_WAIT,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_act,
	},
	{
		.name = "restart",
		.usage = "NAME... [--rolling] [--no-wait]",
		.summary = "stop services and start them again",
		.details = restart_text,
		.method = METHOD("Restart"),
		.options = VERB_NO_WAIT | VERB_ROLLING,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_act,
	},
	{
		.name = "scale",
		.usage = "NAME N [--no-wait]",
		.summary = "change the number of instances",
		.details = scale_text,
		.method = METHOD("Scale"),
		.options = VERB_NO_WAIT,
		.min_args = 2,
		.max_args = 2,
		.takes = VERB_TAKES_SCALABLE,
		.run = verb_scale,
	},
	{
		.name = "reload",
		.usage = "NAME... [--no-wait]",
		.summary = "make services read their configuration again",
		.details = reload_text,
		.method = METHOD("Reload"),
		.options = VERB_NO_WAIT,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_act,
	},
	{
		.name = "reset",
		.usage = "NAME...",
		.summary = "forget past failures and restarts",
		.details = names_text,
		.method = METHOD("Reset"),
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_act,
	},
	{
		.name = "signal",
		.usage = "SIGNAL NAME...",
		.summary = "send a signal to the main process of services",
		.details = names_text,
		.method = METHOD("Signal"),
		.min_args = 2,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_SIGNAL_NAMES,
		.run = verb_signal,
	},
	{
		.name = "show",
		.usage = "NAME",
		.summary = "show all that is known about a service",
		.details = "",
		.min_args = 1,
		.max_args = 1,
		.takes = VERB_TAKES_SERVICE,
		.run = verb_show,
	},
	{
		.name = "why",
		.usage = "[-n N] NAME...",
		.summary = "explain the state of services",
		.details = why_text,
		.options = VERB_LINES,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_why,
	},
	{
		.name = "logs",
		.usage = "[-f] [-n N] [OPTION...] NAME...",
		.summary = "show what services wrote",
		.details = logs_text,
		.options = VERB_FOLLOW | VERB_LINES | VERB_RAW | VERB_SINCE | VERB_UNTIL |
			   VERB_RUN | VERB_GREP | VERB_IGNORE_CASE | VERB_STDOUT | VERB_STDERR |
			   VERB_CONFIG,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_logs,
	},
	{
		.name = "events",
		.usage = "[-f] [--since D] [-c FILE] [NAME...]",
		.summary = "show what has happened, or happens",
		.details = events_text,
		.options = VERB_FOLLOW | VERB_SINCE | VERB_CONFIG,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_events,
	},
	{
		.name = "note",
		.usage = "TEXT",
		.summary = "put a remark among the events",
		.details = note_text,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NOTHING,
		.run = verb_note,
	},
	{
		.name = "wait",
		.usage = "NAME... --for STATE [--timeout D]",
		.summary = "wait until services are in a state",
		.details = for_text,
		.options = VERB_FOR | VERB_TIMEOUT,
		.min_args = 1,
		.max_args = VERB_ANY_ARGS,
		.takes = VERB_TAKES_NAMES,
		.run = verb_wait,
	},
	{
		.name = "queue",
		.usage = "[--peek] [-f]",
		.summary = "read the status message queue",
		.details = queue_text,
		.options = VERB_PEEK | VERB_FOLLOW,
		.takes = VERB_TAKES_NOTHING,
		.run = verb_queue,
	},
	{
		.name = "plan",
		.usage = "[--no-restart]",
		.summary = "show what a changed configuration would do",
		.details = plan_text,
		.method = METHOD("Plan"),
		.options = VERB_NO_RESTART,
		.takes = VERB_TAKES_NOTHING,
		.run = verb_plan,
	},
	{
		.name = "apply",
		.usage = "[--no-restart] [--no-wait]",
		.summary = "put a changed configuration in force",
		.details = apply_text,
		.method = METHOD("Apply"),
		.options = VERB_NO_WAIT | VERB_NO_RESTART,
		.takes = VERB_TAKES_NOTHING,
		.run = verb_apply,
	},
	{
		.name = "check",
		.usage = "FILE",
		.summary = "check a configuration file",
		.details = check_text,
		.min_args = 1,
		.max_args = 1,
		.takes = VERB_TAKES_FILE,
		.run = verb_check,
	},
	{
		.name = "reopen",
		.usage = "",
		.summary = "open the log files anew, after they were renamed",
		.details = "",
		.takes = VERB_TAKES_NOTHING,
		.run = verb_reopen,
	},
	{
		.name = "version",
		.usage = "",
		.summary = "show the versions of supctl and of supervisord",
		.details = "",
		.takes = VERB_TAKES_NOTHING,
		.run = verb_version,
	},
	{
		.name = "upgrade",
		.usage = "",
		.summary = "go on as the programs that are on disk now",
		.details = "Replaces supervisord by the programs that lie where it was started "
			   "from. Every\n"
			   "service goes on as it is. Should the new ones not be fit, the old ones "
			   "stay in\n"
			   "charge, the reason is told, and the exit status is 1.\n",
		.takes = VERB_TAKES_NOTHING,
		.run = verb_upgrade,
	},
	{
		.name = "shutdown",
		.usage = "[--no-wait]",
		.summary = "stop every service and end supervisord",
		.details =
			"Waits until supervisord is gone.\n"
			"\n"
			"  --no-wait    return as soon as supervisord has accepted the request\n",
		.options = VERB_NO_WAIT,
		.takes = VERB_TAKES_NOTHING,
		.run = verb_shutdown,
	},
	{
		.name = "help",
		.usage = "[VERB]",
		.summary = "show this, or more about a verb",
		.details = "",
		.max_args = 1,
		.takes = VERB_TAKES_VERB,
		.run = verb_help,
	},
};

const size_t n_verbs = ELEMENTSOF(verbs);

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < n_verbs; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

#define MAX_NAME 16

/* Edits (insert, remove, replace, swap neighbours) from a to b; both at most MAX_NAME. */
static size_t distance(const char *a, const char *b)
{
	size_t d[MAX_NAME + 1][MAX_NAME + 1];
	size_t n = strlen(a), m = strlen(b);

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN_OF(best, d[i - 1][j] + 1);
			best = MIN_OF(best, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN_OF(best, d[i - 2][j - 2] + 1);
			d[i][j] = best;
		}
	}
	return d[n][m];
}

/* What the words of Supervisor, systemd, runit and pm2 are called here. */
static const char *translate(const char *name)
{
	static const char *const words[][2] = {
		{"reread", "plan"},
		{"update", "apply"},
		{"daemon-reload", "apply"},
		{"list", "status"},
		{"ls", "status"},
		{"is-active", "status"},
		{"pid", "show"},
		{"describe", "show"},
		{"up", "start"},
		{"down", "stop"},
		{"kill", "signal"},
		{"tail", "logs"},
	};

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (strcmp(words[i][0], name) == 0)
			return words[i][1];
	}
	return name;
}

const struct verb *verb_guess(const char *name)
{
	const struct verb *best = NULL;
	size_t best_distance = 3; /* more edits than two are another word */
	const char *translated = translate(name);
	size_t length = strlen(name);

	if (translated != name)
		return verb_find(translated);
	if (length < 2 || length > MAX_NAME)
		return NULL;
	for (size_t i = 0; i < n_verbs; i++) {
		bool begins = strncmp(verbs[i].name, name, length) == 0;
		size_t n = begins ? 1 : distance(name, verbs[i].name);

		if (n < best_distance && n < length) {
			best = &verbs[i];
			best_distance = n;
		}
	}
	return best;
}
