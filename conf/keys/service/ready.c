/*
 * The section `ready`. ready.on is one word that says what is waited for and where; the other
 * keys go with some of its forms only. What defaults say for another form is no mistake in a
 * service, and is dropped; what the service itself says is one.
 */
#include "conf/keys/service/ready.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "conf/keys/convert.h"
#include "conf/values/address.h"
#include "conf/values/regex.h"
#include "conf/values/strv.h"

#define MIN_INTERVAL	(10 * USEC_PER_MSEC)
#define CONNECT_TIMEOUT (2 * USEC_PER_SEC) /* of one attempt; there will be others */

/* What follows "WORD:" in the text, or NULL where it is of another form. */
static const char *after_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	return strncmp(text, word, n) == 0 && text[n] == ':' ? text + n + 1 : NULL;
}

static const char *check_tcp(const char *text)
{
	struct address a;

	return address_parse_tcp(text, &a);
}

static int set_address(struct making *m, const struct value *v, enum spec_ready ready,
	enum spec_probe kind, const char *text, const char *(*check)(const char *text))
{
	int r = making_check_text(m, v, text, check);

	if (r < 0)
		return r == -EINVAL ? 0 : r;
	m->s->contact->ready_check->address = strdup(text);
	m->s->contact->ready_check->kind = kind;
	m->s->policy->ready = ready;
	return m->s->contact->ready_check->address ? 0 : -ENOMEM;
}

static int set_fd(struct making *m, const struct value *v, const char *text)
{
	uint64_t fd;

	if (parse_u64(text, SPEC_MAX_READY_FD, &fd) < 0 || fd < SPEC_MIN_READY_FD) {
		value_error(m->b->errors, v, "'%.80s' is not allowed; allowed: fd:%d to fd:%d",
			v->strings[0], SPEC_MIN_READY_FD, SPEC_MAX_READY_FD);
		return 0;
	}
	m->s->policy->ready = SPEC_READY_FD;
	m->s->contact->ready_fd = (int)fd;
	return 0;
}

/* As the first instance has it: a name changes nothing about an expression's form. */
static int set_log(struct making *m, const struct value *v, const char *text)
{
	_cleanup_free_
	char *expanded = spec_expand(text, m->s, 1);
	char what[REGEX_WHAT_SIZE];
	struct pcre2_real_code_8 *code;
	size_t offset;
	int r;

	if (!expanded)
		return -ENOMEM;
	if (text[0] == '\0') {
		value_error(m->b->errors, v, "is empty behind 'log:'; allowed: log:REGEX");
		return 0;
	}
	r = regex_compile(expanded, &code, &offset, what);
	if (r == -EINVAL) {
		value_error(m->b->errors, v, "'%.256s' is no regular expression: %s, at byte %zu",
			expanded, what, offset);
		return 0;
	}
	if (r < 0)
		return r;
	regex_free(code);
	m->s->policy->ready = SPEC_READY_LOG;
	m->s->contact->ready_regex = strdup(text);
	return m->s->contact->ready_regex ? 0 : -ENOMEM;
}

static int set_on(struct making *m, const struct value *v)
{
	static const enum spec_ready words[] = {
		SPEC_READY_EXEC, SPEC_READY_NOTIFY, SPEC_READY_COMMAND};
	const char *text = v->strings[0], *rest;

	for (size_t i = 0; i < ELEMENTSOF(words); i++) {
		if (strcmp(text, spec_ready_to_string(words[i])) == 0) {
			m->s->policy->ready = words[i];
			return 0;
		}
	}
	if ((rest = after_word(text, "fd")))
		return set_fd(m, v, rest);
	if ((rest = after_word(text, "tcp")))
		return set_address(m, v, SPEC_READY_TCP, SPEC_PROBE_TCP, rest, check_tcp);
	if ((rest = after_word(text, "unix")))
		return set_address(
			m, v, SPEC_READY_UNIX, SPEC_PROBE_UNIX, rest, address_check_unix);
	if ((rest = after_word(text, "log")))
		return set_log(m, v, rest);
	value_error(m->b->errors, v,
		"'%.80s' is not allowed; allowed: exec, notify, fd:N, tcp:HOST:PORT, unix:PATH, "
		"command, log:REGEX",
		text);
	return 0;
}

static void set_timeout(struct making *m, const struct value *v)
{
	usec_t *timeout = &m->s->policy->ready_timeout_usec;

	if (convert_duration(m->b->errors, v, timeout) && *timeout == 0)
		*timeout = USEC_INFINITY;
}

int ready_set(struct making *m, const struct value *v)
{
	size_t n;

	switch (v->key->id) {
	case SERVICE_READY_ON:
		return set_on(m, v);
	case SERVICE_READY_TIMEOUT:
		set_timeout(m, v);
		return 0;
	case SERVICE_READY_COMMAND:
		return making_words(m, v, &m->s->contact->ready_check->command, &n);
	default: /* SERVICE_READY_INTERVAL */
		convert_span(
			m->b->errors, v, MIN_INTERVAL, &m->s->contact->ready_check->interval_usec);
		return 0;
	}
}

static bool is_own(const struct making *m, enum service_key key)
{
	return making_is_own(m, making_find(m, key));
}

static void check_command(struct making *m)
{
	struct spec_check *c = m->s->contact->ready_check;
	bool given = c->command && c->command[0];

	if (m->s->policy->ready == SPEC_READY_COMMAND) {
		c->kind = SPEC_PROBE_COMMAND;
		if (!given)
			making_tell(m, "ready.on", "command needs 'ready.command'");
		return;
	}
	if (given && is_own(m, SERVICE_READY_COMMAND))
		making_tell(m, "ready.command", "is of use only with ready.on = command");
	strv_free(c->command);
	c->command = NULL;
}

/* It is ready when it has ended well, and may take its time. */
static void check_oneshot(struct making *m)
{
	struct spec_service *s = m->s;
	struct spec_check *c = s->contact->ready_check;

	if (!is_own(m, SERVICE_READY_TIMEOUT))
		s->policy->ready_timeout_usec = USEC_INFINITY;
	if (s->policy->ready == SPEC_READY_EXEC)
		return;
	if (is_own(m, SERVICE_READY_ON))
		making_tell(
			m, "ready.on", "a oneshot is ready when it has ended well; allowed: exec");
	s->policy->ready = SPEC_READY_EXEC;
	s->contact->ready_fd = 0;
	free(s->contact->ready_regex);
	s->contact->ready_regex = NULL;
	free(c->address);
	strv_free(c->command);
	*c = (struct spec_check){.interval_usec = c->interval_usec};
}

void ready_check(struct making *m)
{
	struct spec_check *c = m->s->contact->ready_check;

	check_command(m);
	if (c->kind == SPEC_PROBE_NONE && is_own(m, SERVICE_READY_INTERVAL))
		making_tell(m, "ready.interval",
			"is of use only with ready.on = tcp:…, unix:… or command");
	if (m->s->policy->type == SPEC_TYPE_ONESHOT)
		check_oneshot(m);
	/* a command may wait by itself, others are tried again */
	c->timeout_usec = c->kind == SPEC_PROBE_COMMAND ? USEC_INFINITY : CONNECT_TIMEOUT;
}
