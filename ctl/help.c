/*
 * help and --help, from the table of verbs.
 */
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/verbs.h"

static const char options_text[] =
	"\nOptions, before or after the verb:\n"
	"  -s, --socket PATH  the control socket of supervisord (or SUPCTL_SOCKET)\n"
	"      --json         write JSON\n"
	"  -h, --help         show help, also for a verb\n"
	"      --version      show the version of supctl\n"
	"\nExit status: 0 done; 1 failed; 2 wrong usage; 3 a named service is not up (status);\n"
	"4 no such service, or no supervisord; 5 not permitted.\n";

const char *help_options(void)
{
	return options_text;
}

static int help_verb(struct ctl *ctl, const struct verb *verb)
{
	fprintf(ctl->out, "usage: supctl %s%s%s\n\n%s\n", verb->name,
		*verb->usage != '\0' ? " " : "", verb->usage, verb->summary);
	if (*verb->details != '\0')
		fprintf(ctl->out, "\n%s", verb->details);
	return CTL_DONE;
}

static int help_all(struct ctl *ctl)
{
	fputs("usage: supctl [-s SOCKET] [--json] VERB ...\n\n", ctl->out);
	for (size_t i = 0; i < n_verbs; i++) {
		int written = fprintf(ctl->out, "  %s %s", verbs[i].name, verbs[i].usage);

		fprintf(ctl->out, "%*s%s\n", 44 - written, "", verbs[i].summary);
	}
	fputs(options_text, ctl->out);
	return CTL_DONE;
}

int verb_help(struct ctl *ctl)
{
	const struct verb *verb = ctl->verb;

	/* `supctl help logs` and `supctl logs --help` ask the same. */
	if (verb && verb->run == verb_help && !ctl->help && ctl->n_args == 1) {
		verb = verb_find(ctl->args[0]);
		if (!verb) {
			ctl_error(ctl, "unknown verb '%s'; see supctl help", ctl->args[0]);
			return CTL_USAGE;
		}
	} else if (verb && verb->run == verb_help && !ctl->help) {
		verb = NULL;
	}
	return verb ? help_verb(ctl, verb) : help_all(ctl);
}
