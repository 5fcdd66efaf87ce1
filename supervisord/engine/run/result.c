/*
 * A command that was killed by us may have ended by itself at that moment: then what it said
 * counts, not what we did.
 */
#include "engine/run/result.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static void describe_failure(const struct link_exit *end, char *ret_text, size_t size)
{
	if (end->error == ECANCELED)
		snprintf(ret_text, size, "was not begun");
	else
		snprintf(ret_text, size, "%s: %s",
			link_stage_to_string((enum link_stage)end->stage), strerror(end->error));
}

static void describe_signal(const struct command_result *r, char *ret_text, size_t size)
{
	char name[SIGNAL_NAME_SIZE], span[USEC_SPAN_SIZE];

	if (r->timed_out)
		snprintf(ret_text, size, "took too long and was killed after %s",
			usec_span(r->ran_usec, span));
	else if (r->cancelled)
		snprintf(ret_text, size, "was killed after %s", usec_span(r->ran_usec, span));
	else
		snprintf(ret_text, size, "was ended by signal %s", signal_name(r->signo, name));
}

void result_describe(
	struct command_result *r, const struct link_exit *end, const struct output *output)
{
	bool exited = end->error == 0 && end->code == CLD_EXITED;
	bool unknown = end->error == 0 && end->code == LINK_EXIT_UNKNOWN;
	char how[RESULT_TEXT_SIZE - OUTPUT_LINE_SIZE - 2], line[OUTPUT_LINE_SIZE];

	r->error = end->error;
	r->code = exited ? end->status : -1;
	r->unknown = unknown;
	r->signo = end->error == 0 && !exited && !unknown ? end->status : 0;
	r->ok = exited && end->status == 0;
	r->timed_out &= r->signo == SIGKILL;
	r->cancelled &= r->signo == SIGKILL || r->error == ECANCELED;
	if (end->error)
		describe_failure(end, how, sizeof(how));
	else if (exited)
		snprintf(how, sizeof(how), "exited with code %d", r->code);
	else if (unknown)
		snprintf(how, sizeof(how), "ended while nobody could see how");
	else
		describe_signal(r, how, sizeof(how));
	r->n_how = strlen(how);
	output_last_line(output, line);
	snprintf(r->text, sizeof(r->text), "%s%s%s", how, line[0] ? ": " : "", line);
	memcpy(r->output, output->data, output->n);
	r->n_output = output->n;
}
