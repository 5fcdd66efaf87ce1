/*
 * From argv to a verb. Options are the same set before and after the verb; which of them
 * a verb takes, its table entry says. getopt_long() is told to hand over the operands in
 * order (the leading '-'), so that POSIXLY_CORRECT changes nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "ctl/cli.h"
#include "ctl/client/socket.h"
#include "ctl/complete.h"
#include "ctl/ctl.h"
#include "ctl/verbs.h"
#include "wire/control.h"

#define DEFAULT_LINES 10
#define MAX_LINES     UINT64_C(1000000000000)
#define MAX_RUNS      UINT64_C(1000000)

enum {
	OPTION_JSON = 256,
	OPTION_RAW,
	OPTION_PEEK,
	OPTION_NO_WAIT,
	OPTION_FOR,
	OPTION_TIMEOUT,
	OPTION_ROLLING,
	OPTION_NO_RESTART,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_RUN,
	OPTION_GREP,
	OPTION_STDOUT,
	OPTION_STDERR,
	OPTION_VERSION
};

static const char short_options[] = "-:s:hfn:ic:";

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, OPTION_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"follow", no_argument, NULL, 'f'},
	{"lines", required_argument, NULL, 'n'},
	{"raw", no_argument, NULL, OPTION_RAW},
	{"peek", no_argument, NULL, OPTION_PEEK},
	{"no-wait", no_argument, NULL, OPTION_NO_WAIT},
	{"for", required_argument, NULL, OPTION_FOR},
	{"timeout", required_argument, NULL, OPTION_TIMEOUT},
	{"rolling", no_argument, NULL, OPTION_ROLLING},
	{"no-restart", no_argument, NULL, OPTION_NO_RESTART},
	{"since", required_argument, NULL, OPTION_SINCE},
	{"until", required_argument, NULL, OPTION_UNTIL},
	{"run", required_argument, NULL, OPTION_RUN},
	{"grep", required_argument, NULL, OPTION_GREP},
	{"ignore-case", no_argument, NULL, 'i'},
	{"stdout", no_argument, NULL, OPTION_STDOUT},
	{"stderr", no_argument, NULL, OPTION_STDERR},
	{"config", required_argument, NULL, 'c'},
	{0},
};

/* Which option is whose, and what its value is, where it takes one. */
static const struct {
	unsigned option; /* 0: every verb takes it */
	const char *text;
	enum verb_takes value;
} verb_options[] = {
	{0, "--socket", VERB_TAKES_FILE},
	{VERB_FOLLOW, "--follow"},
	{VERB_LINES, "--lines", VERB_TAKES_NOTHING},
	{VERB_RAW, "--raw"},
	{VERB_PEEK, "--peek"},
	{VERB_NO_WAIT, "--no-wait"},
	{VERB_FOR, "--for", VERB_TAKES_STATE},
	{VERB_TIMEOUT, "--timeout", VERB_TAKES_NOTHING},
	{VERB_ROLLING, "--rolling"},
	{VERB_NO_RESTART, "--no-restart"},
	{VERB_SINCE, "--since", VERB_TAKES_NOTHING},
	{VERB_UNTIL, "--until", VERB_TAKES_NOTHING},
	{VERB_RUN, "--run", VERB_TAKES_NOTHING},
	{VERB_GREP, "--grep", VERB_TAKES_NOTHING},
	{VERB_IGNORE_CASE, "--ignore-case"},
	{VERB_STDOUT, "--stdout"},
	{VERB_STDERR, "--stderr"},
	{VERB_CONFIG, "--config", VERB_TAKES_FILE},
};

/* The options as understood, before the verb is known. */
struct parsed {
	const char *socket; /* borrowed; NULL: not given */
	char **operands; /* owned; the verb first */
	size_t n_operands;
};

static int bad_option(struct ctl *ctl, int argc, char **argv, int kind)
{
	/* After a short option, optopt names it, and optind may still be inside its word. */
	if (optopt > 0 && optopt < 256)
		ctl_error(ctl, "option -%c %s; see supctl --help", optopt,
			kind == ':' ? "needs a value" : "is not known");
	else
		ctl_error(ctl, "option %s %s; see supctl --help",
			optind > 0 && optind <= argc ? argv[optind - 1] : "",
			kind == ':'	? "needs a value"
			: optopt >= 256 ? "takes no value"
					: "is not known");
	return CTL_USAGE;
}

static int set_lines(struct ctl *ctl, const char *value)
{
	if (parse_u64(value, MAX_LINES, &ctl->n_lines) < 0) {
		ctl_error(ctl, "-n %s: not a number of lines", value);
		return CTL_USAGE;
	}
	ctl->given |= VERB_LINES;
	return 0;
}

static int set_timeout(struct ctl *ctl, const char *value)
{
	if (parse_duration(value, &ctl->timeout_usec) < 0) {
		ctl_error(ctl, "--timeout %s: not a duration; 500ms, 10s, 5min, 1h and 2d are",
			value);
		return CTL_USAGE;
	}
	ctl->given |= VERB_TIMEOUT;
	return 0;
}

static int set_time(struct ctl *ctl, unsigned option, const char *value)
{
	struct since *time = option == VERB_SINCE ? &ctl->since : &ctl->until;

	if (since_parse(value, usec_now(CLOCK_REALTIME), time) < 0) {
		ctl_error(ctl,
			"--%s %s: not a time; 10min, 2026-11-25T17:18:26Z, '2026-11-25 17:18' "
			"and @1234 are",
			option == VERB_SINCE ? "since" : "until", value);
		return CTL_USAGE;
	}
	ctl->given |= option;
	return 0;
}

/* "0", or how many before that: "-1". */
static int set_run(struct ctl *ctl, const char *value)
{
	bool back = *value == '-';

	if (parse_u64(value + back, MAX_RUNS, &ctl->run_back) < 0 || (!back && ctl->run_back > 0)) {
		ctl_error(ctl, "--run %s: 0 is the last run, -1 the one before", value);
		return CTL_USAGE;
	}
	ctl->given |= VERB_RUN;
	return 0;
}

static int set_socket(struct ctl *ctl, struct parsed *parsed, const char *value)
{
	if (*value == '\0') {
		ctl_error(ctl, "--socket needs a path");
		return CTL_USAGE;
	}
	parsed->socket = value;
	return 0;
}

/* Options with a value: 0, an exit status, or -1 where it is none of them. */
static int take_value(struct ctl *ctl, struct parsed *parsed, int option)
{
	switch (option) {
	case 1:
		parsed->operands[parsed->n_operands++] = optarg;
		return 0;
	case 's':
		return set_socket(ctl, parsed, optarg);
	case 'n':
		return set_lines(ctl, optarg);
	case 'c':
		ctl->config = optarg;
		ctl->given |= VERB_CONFIG;
		return 0;
	case OPTION_TIMEOUT:
		return set_timeout(ctl, optarg);
	case OPTION_SINCE:
		return set_time(ctl, VERB_SINCE, optarg);
	case OPTION_UNTIL:
		return set_time(ctl, VERB_UNTIL, optarg);
	case OPTION_RUN:
		return set_run(ctl, optarg);
	case OPTION_GREP:
		ctl->pattern = optarg;
		ctl->given |= VERB_GREP;
		return 0;
	case OPTION_FOR:
		ctl->states = optarg;
		ctl->given |= VERB_FOR;
		return 0;
	default:
		return -1;
	}
}

/* Options that are given or not; those whose place is in the given ones alone. */
static unsigned take_flag(struct ctl *ctl, int option)
{
	switch (option) {
	case 'f':
		ctl->follow = true;
		return VERB_FOLLOW;
	case OPTION_RAW:
		ctl->raw = true;
		return VERB_RAW;
	case OPTION_PEEK:
		ctl->peek = true;
		return VERB_PEEK;
	case OPTION_ROLLING:
		ctl->rolling = true;
		return VERB_ROLLING;
	case OPTION_NO_RESTART:
		ctl->no_restart = true;
		return VERB_NO_RESTART;
	case 'i':
		return VERB_IGNORE_CASE;
	case OPTION_STDOUT:
		return VERB_STDOUT;
	case OPTION_STDERR:
		return VERB_STDERR;
	case 'h':
		ctl->help = true;
		return 0;
	case OPTION_JSON:
		ctl->json = true;
		return 0;
	case OPTION_VERSION:
		ctl->version = true;
		return 0;
	default: /* OPTION_NO_WAIT: the table has no other */
		ctl->no_wait = true;
		return VERB_NO_WAIT;
	}
}

static int take_option(struct ctl *ctl, struct parsed *parsed, int option)
{
	int r = take_value(ctl, parsed, option);

	if (r >= 0)
		return r;
	ctl->given |= take_flag(ctl, option);
	return 0;
}

static int parse(struct ctl *ctl, int argc, char **argv, struct parsed *parsed)
{
	int option, r;

	parsed->operands = calloc((size_t)argc + 1, sizeof(char *));
	if (!parsed->operands) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	opterr = 0;
	optind = 0; /* begins anew, also after an earlier run in the same process */
	while ((option = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return bad_option(ctl, argc, argv, option);
		r = take_option(ctl, parsed, option);
		if (r != 0)
			return r;
	}
	while (optind < argc)
		parsed->operands[parsed->n_operands++] = argv[optind++];
	return 0;
}

const struct option *cli_options(void)
{
	return long_options;
}

unsigned cli_option_owner(const char *name, enum verb_takes *ret_value)
{
	for (size_t i = 0; i < ELEMENTSOF(verb_options); i++) {
		if (strcmp(verb_options[i].text + 2, name) != 0)
			continue;
		*ret_value = verb_options[i].value;
		return verb_options[i].option;
	}
	*ret_value = VERB_TAKES_UNSET;
	return 0;
}

static int unknown_verb(struct ctl *ctl, const char *name)
{
	const struct verb *guess = verb_guess(name);

	if (guess)
		ctl_error(ctl, "unknown verb '%s'; did you mean '%s'?", name, guess->name);
	else
		ctl_error(ctl, "unknown verb '%s'; see supctl help", name);
	return CTL_USAGE;
}

/* What stands on the command line against what the verb takes. */
static int check(struct ctl *ctl)
{
	const struct verb *verb = ctl->verb;

	for (size_t i = 0; i < ELEMENTSOF(verb_options); i++) {
		if (!(ctl->given & ~verb->options & verb_options[i].option))
			continue;
		ctl_error(ctl, "%s does not take %s; usage: supctl %s %s", verb->name,
			verb_options[i].text, verb->name, verb->usage);
		return CTL_USAGE;
	}
	if (ctl->n_args < verb->min_args || ctl->n_args > verb->max_args) {
		ctl_error(ctl, "%s: %s arguments; usage: supctl %s%s%s", verb->name,
			ctl->n_args < verb->min_args ? "too few" : "too many", verb->name,
			*verb->usage != '\0' ? " " : "", verb->usage);
		return CTL_USAGE;
	}
	return 0;
}

static int run_verb(struct ctl *ctl, const struct parsed *parsed)
{
	_cleanup_free_
	char *path = NULL;
	int r;

	if (ctl->version) {
		fprintf(ctl->out, "supctl %s\n", SUPERVISORD_VERSION);
		return CTL_DONE;
	}
	if (parsed->n_operands == 0) {
		if (ctl->help)
			return verb_help(ctl);
		ctl_error(ctl, "which verb? see supctl help");
		return CTL_USAGE;
	}
	ctl->verb = verb_find(parsed->operands[0]);
	if (!ctl->verb)
		return unknown_verb(ctl, parsed->operands[0]);
	ctl->args = parsed->operands + 1;
	ctl->n_args = parsed->n_operands - 1;
	if (ctl->help)
		return verb_help(ctl);
	r = check(ctl);
	if (r != 0)
		return r;
	path = socket_find(parsed->socket);
	if (!path || client_init(&ctl->client, path) < 0) {
		ctl_error(ctl, "out of memory");
		return CTL_FAILED;
	}
	return ctl->verb->run(ctl);
}

/* A reader that has seen enough (EPIPE) is no failure; a full disk is. */
static int finish(struct ctl *ctl, int status)
{
	int r = ctl_flush(ctl);

	if (r == 0 || r == -EPIPE || status != CTL_DONE)
		return status;
	ctl_error(ctl, "cannot write the output: %s", strerror(-r));
	return CTL_FAILED;
}

int ctl_run(int argc, char **argv, FILE *out, FILE *err)
{
	struct ctl ctl = {
		.out = out,
		.err = err,
		.n_lines = DEFAULT_LINES,
		.timeout_usec = USEC_INFINITY,
		.client.fd = -1,
	};
	struct parsed parsed = {0};
	int status;

	/* Not among the verbs, nor getopt's business: the words are unfinished. */
	if (argc > 1 && strcmp(argv[1], COMPLETE_VERB) == 0)
		return complete(argv + 2, (size_t)argc - 2, COMPLETE_PATIENCE_USEC, out);
	term_init(&ctl.term, out, err);
	status = parse(&ctl, argc, argv, &parsed);
	if (status == 0)
		status = run_verb(&ctl, &parsed);
	status = finish(&ctl, status);
	client_fini(&ctl.client);
	free(parsed.operands);
	return status;
}
