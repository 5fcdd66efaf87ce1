/*
 * "The Nth call fails", for tests. Rules are read once from the environment;
 * each counts the calls it names. Never part of the programs as shipped.
 */
#include "base/sys_fault.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "base/sys.h"

#define MAX_RULES 8

static struct rule {
	char call[24];
	unsigned long nth, seen;
	int forever, error;
} rules[MAX_RULES];
static size_t n_rules;

#define KILL (-1)

static int errno_from_name(const char *name)
{
	if (strcmp(name, "KILL") == 0)
		return KILL;
	for (int e = 1; e < 134; e++) {
		const char *known = strerrorname_np(e);

		if (known && strcmp(known, name) == 0)
			return e;
	}
	fprintf(stderr, "SUPERVISOR_FAULT: unknown errno '%s'\n", name);
	abort();
}

static void add_rule(const char *who, const char *text)
{
	struct rule *r = &rules[n_rules];
	char rule_who[24], nth[24], error[24];
	char *end;

	if (sscanf(text, "%23[^:]:%23[^:]:%23[^:]:%23s", rule_who, r->call, nth, error) != 4 ||
		n_rules == MAX_RULES) {
		fprintf(stderr, "SUPERVISOR_FAULT: bad rule '%s'\n", text);
		abort();
	}
	if (strcmp(rule_who, "*") != 0 && strcmp(rule_who, who) != 0)
		return;
	r->nth = strtoul(nth, &end, 10);
	r->forever = *end == '+';
	r->error = errno_from_name(error);
	n_rules++;
}

void sys_faults_init(const char *who)
{
	const char *env = getenv("SUPERVISOR_FAULT");
	char *copy = env ? strdup(env) : NULL, *save = NULL;

	if (!copy)
		return;
	for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save))
		add_rule(who, t);
	free(copy);
}

int sys_fault(const char *call)
{
	int error = 0;

	for (size_t i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if (strcmp(r->call, "*") != 0 && strcmp(r->call, call) != 0)
			continue;
		r->seen++;
		if (r->seen == r->nth || (r->forever && r->seen > r->nth))
			error = r->error;
	}
	if (error == KILL)
		kill(getpid(), SIGKILL);
	return error;
}
