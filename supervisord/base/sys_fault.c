/*
 * "The Nth call fails", for tests. Rules are read once from the environment;
 * each counts the calls it names. Never part of the programs as shipped.
 */
#include "base/sys_fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
	char file[PATH_MAX]; /* that nth comes from; "": it has */
	unsigned long nth, seen;
	int forever, kill, error;
} rules[MAX_RULES];
static size_t n_rules;

static int errno_from_name(const char *name)
{
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
	char rule_who[24], nth[PATH_MAX], error[24];
	char *end;

	/* 4095: PATH_MAX - 1 */
	if (sscanf(text, "%23[^:]:%23[^:]:%4095[^:]:%23s", rule_who, r->call, nth, error) != 4 ||
		n_rules == MAX_RULES) {
		fprintf(stderr, "SUPERVISOR_FAULT: bad rule '%s'\n", text);
		abort();
	}
	if (strcmp(rule_who, "*") != 0 && strcmp(rule_who, who) != 0)
		return;
	if (nth[0] == '@') {
		strcpy(r->file, nth + 1);
	} else {
		r->nth = strtoul(nth, &end, 10);
		r->forever = *end == '+';
	}
	r->kill = strcmp(error, "KILL") == 0;
	r->error = r->kill ? 0 : errno_from_name(error);
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

/* Whether the rule holds by now. */
static int is_armed(struct rule *r)
{
	char text[24] = "", *end;
	int fd;

	if (!r->file[0])
		return 1;
	fd = open(r->file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	/* Whoever makes it renames it into place, so that it is whole. With a '!' it stays for
	 * others. */
	if (read(fd, text, sizeof(text) - 1) > 0 && (strchr(text, '!') || unlink(r->file) == 0)) {
		r->nth = strtoul(text, &end, 10);
		r->forever = *end == '+';
		r->file[0] = '\0';
	}
	close(fd);
	return !r->file[0];
}

int sys_fault(const char *call)
{
	int saved_errno = errno;
	int error = 0;

	for (size_t i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if ((strcmp(r->call, call) != 0 && strcmp(r->call, "any") != 0) || !is_armed(r))
			continue;
		r->seen++;
		if (r->seen != r->nth && !(r->forever && r->seen > r->nth))
			continue;
		if (r->kill)
			kill(getpid(), SIGKILL);
		error = r->error;
	}
	errno = saved_errno;
	return error;
}
