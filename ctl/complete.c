/*
 * The words are read as getopt_long() would read them, but they are unfinished, and what is
 * wrong with them is not ours to tell: what makes no sense is skipped. Names come from one call
 * over one connection, which is not repeated and not waited for; whatever fails, there are
 * fewer candidates. A shell shows on the terminal what it gets, so nothing is printed that is
 * not plain.
 */
#include "ctl/complete.h"

#include <ctype.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "ctl/cli.h"
#include "ctl/client/client.h"
#include "ctl/client/socket.h"
#include "ctl/output/render_json.h"
#include "ctl/output/text.h"
#include "ctl/verbs.h"
#include "wire/control.h"

/* What stands on the line. Everything is borrowed. */
struct line {
	const char *word; /* to be completed; of --option=VALUE the value */
	const char *lead; /* what stands before it in the same argument: "--option=", or "" */
	int lead_size;
	const char *socket; /* NULL: not given */
	const struct verb *verb;
	char **arguments; /* operands behind the verb: pointers into the line's words */
	size_t n_arguments;
	bool has_verb; /* known or not */
	bool ended; /* by "--": no more options */
	const struct option *pending; /* the option whose value the word is */

	FILE *out;
	usec_t patience;
};

/* A long option, which may be abbreviated as long as it is clear; n bytes of a name. */
static const struct option *find_long(const char *name, size_t n)
{
	const struct option *found = NULL;

	for (const struct option *o = cli_options(); o->name; o++) {
		if (strncmp(o->name, name, n) != 0)
			continue;
		if (o->name[n] == '\0')
			return o;
		if (found)
			return NULL;
		found = o;
	}
	return found;
}

static const struct option *find_short(char letter)
{
	for (const struct option *o = cli_options(); o->name; o++) {
		if (o->val == letter)
			return o;
	}
	return NULL;
}

static void take_value(struct line *l, const struct option *option, const char *value)
{
	if (option->val == 's')
		l->socket = value;
}

static void take_long(struct line *l, const char *text)
{
	size_t n = strcspn(text, "=");
	const struct option *option = find_long(text, n);

	if (!option || option->has_arg == no_argument)
		return;
	if (text[n] == '=')
		take_value(l, option, text + n + 1);
	else
		l->pending = option;
}

/* "-fn5", "-s": letters, of which the last may have its value behind it. */
static void take_short(struct line *l, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		const struct option *option = find_short(*letters);

		if (!option || option->has_arg == no_argument)
			continue;
		if (letters[1] != '\0')
			take_value(l, option, letters + 1);
		else
			l->pending = option;
		return;
	}
}

static void take_operand(struct line *l, char **word)
{
	if (l->has_verb) {
		/* Operands close up behind the verb, so that they can be told by number. */
		l->arguments[l->n_arguments++] = *word;
		return;
	}
	l->has_verb = true;
	l->verb = verb_find(*word);
	l->arguments = word + 1;
}

/* A word before the one to be completed. */
static void take_word(struct line *l, char **word)
{
	const struct option *pending = l->pending;
	const char *text = *word;

	l->pending = NULL;
	if (pending)
		take_value(l, pending, text);
	else if (l->ended || text[0] != '-' || text[1] == '\0')
		take_operand(l, word);
	else if (strcmp(text, "--") == 0)
		l->ended = true;
	else if (text[1] == '-')
		take_long(l, text + 2);
	else
		take_short(l, text + 1);
}

/* --option=VALUE is completed behind the sign. */
static void split_word(struct line *l)
{
	size_t n = strcspn(l->word, "=");

	l->lead = "";
	if (l->pending || l->ended || strncmp(l->word, "--", 2) != 0 || l->word[n] != '=')
		return;
	l->pending = find_long(l->word + 2, n - 2);
	l->lead = l->word;
	l->lead_size = (int)n + 1;
	l->word += n + 1;
}

static bool begins(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* What a terminal, a shell and a list of lines can all bear. */
static bool is_plain(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (!isascii(*p) || (!isalnum(*p) && !strchr("._@+-", *p)))
			return false;
	}
	return *text != '\0';
}

/* n bytes of description, none for 0. */
static void offer_described(struct line *l, const char *text, const char *description, size_t n)
{
	_cleanup_buf_ struct buf safe = {0};

	if (!begins(text, l->word) || !is_plain(text) ||
		text_append_safe(&safe, description, n, 0) < 0)
		return;
	fprintf(l->out, "%.*s%s", l->lead_size, l->lead, text);
	if (safe.len > 0)
		fprintf(l->out, "\t%.*s", (int)safe.len, safe.data);
	fputc('\n', l->out);
}

static void offer(struct line *l, const char *text, const char *description)
{
	offer_described(l, text, description, strlen(description));
}

static void offer_verbs(struct line *l)
{
	for (size_t i = 0; i < n_verbs; i++)
		offer(l, verbs[i].name, verbs[i].summary);
}

/*
 * Where a text for people describes an option: the rest of the line behind the two blanks that
 * follow its name.
 */
static const char *find_description(const char *text, const char *option, size_t *ret_size)
{
	size_t n = strlen(option);

	for (const char *p = strstr(text, option); p; p = strstr(p + n, option)) {
		size_t line = strcspn(p, "\n");
		const char *gap = memmem(p, line, "  ", 2);

		if (p[n] != ' ' || !gap)
			continue;
		gap += strspn(gap, " ");
		*ret_size = (size_t)(p + line - gap);
		return gap;
	}
	*ret_size = 0;
	return "";
}

static void offer_options(struct line *l)
{
	for (const struct option *o = cli_options(); o->name; o++) {
		enum verb_takes value;
		unsigned owner = cli_option_owner(o->name, &value);
		char name[64], letter[] = {'-', (char)o->val, '\0'};
		const char *description;
		size_t n;

		if (owner && (!l->verb || !(l->verb->options & owner)))
			continue;
		snprintf(name, sizeof(name), "--%s", o->name);
		description = find_description(owner ? l->verb->details : help_options(), name, &n);
		offer_described(l, name, description, n);
		if (isalnum(o->val))
			offer_described(l, letter, description, n);
	}
}

static void offer_signals(struct line *l)
{
	char name[SIGNAL_NAME_SIZE], full[SIGNAL_NAME_SIZE + 3];

	for (int signo = 1; signo < SIGRTMIN; signo++) {
		const char *description = sigdescr_np(signo);

		if (!description || !sigabbrev_np(signo))
			continue;
		snprintf(full, sizeof(full), "SIG%s", signal_name(signo, name));
		/* Both ways of writing it are understood; the long one is for who begins so. */
		offer(l, begins(l->word, "SIG") ? full : full + 3, description);
	}
}

/* The states as the protocol names them: "state: (stopped, waiting, ...)". */
static void offer_states(struct line *l)
{
	static const char intro[] = "state: (";
	const char *p = strstr(control_interface_text, intro);

	if (!p)
		return;
	for (p += strlen(intro); *p != ')' && *p != '\0'; p += strspn(p, ", \n")) {
		char state[32];
		size_t n = strcspn(p, ",)");

		snprintf(state, sizeof(state), "%.*s", (int)n, p);
		offer(l, state, "");
		p += n;
	}
}

static bool is_typed(const struct line *l, const char *name)
{
	for (size_t i = 0; i < l->n_arguments; i++) {
		if (strcmp(l->arguments[i], name) == 0)
			return true;
	}
	return false;
}

static void offer_name(struct line *l, const char *name, const char *description)
{
	if (!is_typed(l, name))
		offer(l, name, description);
}

/* All instances of one definition go by its name. */
static void offer_definitions(struct line *l, json_t *services)
{
	json_t *counts = json_object(), *service, *count;
	const char *definition;
	size_t i;

	json_array_foreach(services, i, service)
	{
		const char *name = render_string(service, "name"), *at = strchr(name, '@');
		char text[128];

		if (!at || at - name >= (long)sizeof(text))
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)(at - name), name);
		json_object_set_new(
			counts, text, json_integer(render_integer(counts, text, 0) + 1));
	}
	json_object_foreach(counts, definition, count)
	{
		char text[64];

		snprintf(text, sizeof(text), "%lld instance%s",
			(long long)json_integer_value(count),
			json_integer_value(count) == 1 ? "" : "s");
		offer_name(l, definition, text);
	}
	json_decref(counts);
}

static void offer_groups(struct line *l, json_t *groups)
{
	json_t *group;
	size_t i;

	json_array_foreach(groups, i, group)
	{
		const char *name = json_string_value(group);
		char text[128];

		if (!name || strlen(name) + 2 > sizeof(text))
			continue;
		snprintf(text, sizeof(text), "@%s", name);
		offer_name(l, text, "group");
	}
}

static int on_names(json_t *parameters, void *userdata)
{
	*(json_t **)userdata = json_incref(parameters);
	return 0;
}

/* What supervisord has; NULL where it doesn't answer, or not to us. Owned by the caller. */
static json_t *ask_names(const struct line *l)
{
	_cleanup_free_
	char *path = socket_find(l->socket);
	json_t *parameters = NULL, *reply = NULL, *error = NULL;
	struct client client = {.fd = -1};

	if (path && client_init(&client, path) == 0) {
		client.reply_usec = l->patience;
		client.bridge_usec = client.refused_usec = 0;
		parameters = json_object();
	}
	if (parameters)
		client_call(&client, CONTROL_INTERFACE ".Names", parameters, 0, on_names, &reply,
			&error);
	json_decref(parameters);
	json_decref(error);
	client_fini(&client);
	return reply;
}

static void offer_scalable(struct line *l)
{
	json_t *reply = ask_names(l), *item;
	size_t i;

	json_array_foreach(json_object_get(reply, "scalable"), i, item)
	{
		const char *name = json_string_value(item);

		if (name)
			offer(l, name, "");
	}
	json_decref(reply);
}

static void offer_names(struct line *l, bool one)
{
	json_t *reply = ask_names(l), *services = json_object_get(reply, "services"), *service;
	size_t i;

	json_array_foreach(services, i, service)
		offer_name(l, render_string(service, "name"), render_string(service, "state"));
	if (!one) {
		offer_definitions(l, services);
		offer_groups(l, json_object_get(reply, "groups"));
	}
	json_decref(reply);
}

static void offer_kind(struct line *l, enum verb_takes kind)
{
	switch (kind) {
	case VERB_TAKES_NAMES:
		offer_names(l, false);
		break;
	case VERB_TAKES_SERVICE:
		if (l->n_arguments == 0)
			offer_names(l, true);
		break;
	case VERB_TAKES_SCALABLE:
		if (l->n_arguments == 0)
			offer_scalable(l);
		break;
	case VERB_TAKES_SIGNAL_NAMES:
		if (l->n_arguments == 0)
			offer_signals(l);
		else
			offer_names(l, false);
		break;
	case VERB_TAKES_STATE:
		offer_states(l);
		break;
	case VERB_TAKES_FILE:
		fputs(COMPLETE_FILES "\n", l->out);
		break;
	case VERB_TAKES_VERB:
		offer_verbs(l);
		break;
	case VERB_TAKES_UNSET:
	case VERB_TAKES_NOTHING:
	case VERB_TAKES_MAX:
		break;
	}
}

static void offer_value(struct line *l)
{
	enum verb_takes value;

	cli_option_owner(l->pending->name, &value);
	offer_kind(l, value);
}

int complete(char **words, size_t n_words, usec_t patience, FILE *out)
{
	struct line l = {.out = out, .patience = patience};

	if (n_words == 0)
		return 0;
	for (size_t i = 0; i + 1 < n_words; i++)
		take_word(&l, words + i);
	l.word = words[n_words - 1];
	split_word(&l);
	if (l.pending)
		offer_value(&l);
	else if (*l.lead != '\0')
		; /* a value, but of no option that we know */
	else if (!l.ended && l.word[0] == '-')
		offer_options(&l);
	else if (!l.has_verb)
		offer_verbs(&l);
	else if (l.verb && l.n_arguments < l.verb->max_args)
		offer_kind(&l, l.verb->takes);
	fflush(out);
	return 0;
}
