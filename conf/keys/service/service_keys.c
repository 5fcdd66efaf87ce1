/*
 * The table of functions that take over one key of a service each, and those of them which
 * fit into a few lines; the other ones have files of their own.
 *
 * A value that is refused leaves the default in place, so that the checks which follow
 * have something sound to look at and tell of nothing that isn't in the file.
 */
#include "conf/keys/service/service_keys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "conf/keys/convert.h"
#include "conf/keys/service/depend.h"
#include "conf/keys/service/health.h"
#include "conf/keys/service/input.h"
#include "conf/keys/service/limits.h"
#include "conf/keys/service/output.h"
#include "conf/keys/service/ready.h"
#include "conf/keys/service/turns.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

static int set_command(struct making *m, const struct value *v)
{
	size_t n;
	int r = making_words(m, v, &m->s->command, &n);

	if (r == 0 && n == 0)
		value_error(m->b->errors, v, "is empty; allowed: a program and its arguments");
	return r;
}

static int set_type(struct making *m, const struct value *v)
{
	const char *names[SPEC_TYPE_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_TYPE_MAX; i++)
		names[i] = spec_type_to_string((enum spec_type)i);
	if (convert_choice(m->b->errors, v, names, SPEC_TYPE_MAX, &choice))
		m->s->policy->type = (enum spec_type)choice;
	return 0;
}

/* An empty one takes back that of defaults. */
static int set_pid_file(struct making *m, const struct value *v)
{
	if (v->strings[0][0] == '\0' || !convert_path(m->b->errors, v))
		return 0;
	m->s->contact->pid_file = strdup(v->strings[0]);
	return m->s->contact->pid_file ? 0 : -ENOMEM;
}

static int set_autostart(struct making *m, const struct value *v)
{
	convert_bool(m->b->errors, v, &m->s->policy->autostart);
	return 0;
}

static int set_essential(struct making *m, const struct value *v)
{
	convert_bool(m->b->errors, v, &m->s->policy->essential);
	return 0;
}

static int set_instances(struct making *m, const struct value *v)
{
	const struct source_scale *x;

	m->s->has_instances =
		convert_unsigned(m->b->errors, v, 0, SPEC_MAX_INSTANCES, &m->s->n_instances);
	m->s->n_configured = m->s->n_instances;
	/* The name is missing where only defaults are looked at. */
	x = m->s->has_instances && m->s->name ? source_scale(m->b->sources, m->s->name) : NULL;
	if (x && x->configured == m->s->n_configured)
		m->s->n_instances = x->instances;
	return 0;
}

static int set_directory(struct making *m, const struct value *v)
{
	if (!convert_path(m->b->errors, v))
		return 0;
	free(m->s->process->directory);
	m->s->process->directory = strdup(v->strings[0]);
	return m->s->process->directory ? 0 : -ENOMEM;
}

static int set_umask(struct making *m, const struct value *v)
{
	convert_mode(m->b->errors, v, 0777, &m->s->process->umask);
	return 0;
}

static int set_nice(struct making *m, const struct value *v)
{
	int64_t number;

	if (convert_number(m->b->errors, v, v->strings[0], -20, 19, &number)) {
		m->s->process->nice = (int)number;
		m->s->process->has_nice = true;
	}
	return 0;
}

static int set_oom_score_adj(struct making *m, const struct value *v)
{
	int64_t number;

	if (convert_number(m->b->errors, v, v->strings[0], -1000, 1000, &number)) {
		m->s->process->oom_score_adj = (int)number;
		m->s->process->has_oom_score_adj = true;
	}
	return 0;
}

static int set_clear_environment(struct making *m, const struct value *v)
{
	convert_bool(m->b->errors, v, &m->s->process->clear_environment);
	return 0;
}

static bool contains(char *const *list, const char *text)
{
	for (; list && *list; list++) {
		if (strcmp(*list, text) == 0)
			return true;
	}
	return false;
}

static int set_groups(struct making *m, const struct value *v)
{
	size_t n = 0;

	if (v->n > SERVICE_MAX_LIST) {
		value_error(m->b->errors, v, "more than %d groups", SERVICE_MAX_LIST);
		return 0;
	}
	for (size_t i = 0; i < v->n; i++) {
		const char *name = v->strings[i];
		int r;

		if (!text_is_name(name)) {
			value_error(m->b->errors, v,
				"'%.80s' is not a name; allowed: 1 to %d letters, digits, '.', '_' "
				"and '-', the first a letter or digit",
				name, SPEC_NAME_MAX);
			continue;
		}
		if (contains(m->s->links->groups, name)) {
			value_error(m->b->errors, v, "'%.80s' is given twice", name);
			continue;
		}
		r = strv_take(&m->s->links->groups, &n, strdup(name));
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_restart(struct making *m, const struct value *v)
{
	const char *names[SPEC_RESTART_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_RESTART_MAX; i++)
		names[i] = spec_restart_to_string((enum spec_restart)i);
	if (convert_choice(m->b->errors, v, names, SPEC_RESTART_MAX, &choice))
		m->s->policy->restart = (enum spec_restart)choice;
	return 0;
}

static int set_success_codes(struct making *m, const struct value *v)
{
	uint64_t *words = m->s->policy->success_codes;

	memset(words, 0, sizeof(m->s->policy->success_codes));
	for (size_t i = 0; i < v->n; i++) {
		int64_t code;

		if (convert_number(m->b->errors, v, v->strings[i], 0, 255, &code))
			words[code / 64] |= UINT64_C(1) << (code % 64);
	}
	return 0;
}

static int set_restart_delay(struct making *m, const struct value *v)
{
	convert_duration(m->b->errors, v, &m->s->policy->restart_delay_usec);
	return 0;
}

static int set_restart_max_delay(struct making *m, const struct value *v)
{
	convert_duration(m->b->errors, v, &m->s->policy->restart_max_delay_usec);
	return 0;
}

static int set_restart_jitter(struct making *m, const struct value *v)
{
	convert_unsigned(m->b->errors, v, 0, 100, &m->s->policy->restart_jitter_percent);
	return 0;
}

static int set_restart_limit(struct making *m, const struct value *v)
{
	convert_unsigned(m->b->errors, v, 0, SPEC_MAX_RESTART_LIMIT, &m->s->policy->restart_limit);
	return 0;
}

static int set_restart_window(struct making *m, const struct value *v)
{
	convert_duration(m->b->errors, v, &m->s->policy->restart_window_usec);
	return 0;
}

static int set_stable_after(struct making *m, const struct value *v)
{
	convert_duration(m->b->errors, v, &m->s->policy->stable_after_usec);
	return 0;
}

static int set_stop_signal(struct making *m, const struct value *v)
{
	convert_signal(m->b->errors, v, &m->s->policy->stop_signal);
	return 0;
}

static int set_stop_timeout(struct making *m, const struct value *v)
{
	convert_duration(m->b->errors, v, &m->s->policy->stop_timeout_usec);
	return 0;
}

static int set_stop_kill(struct making *m, const struct value *v)
{
	const char *names[SPEC_KILL_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_KILL_MAX; i++)
		names[i] = spec_kill_to_string((enum spec_kill)i);
	if (convert_choice(m->b->errors, v, names, SPEC_KILL_MAX, &choice))
		m->s->policy->stop_kill = (enum spec_kill)choice;
	return 0;
}

static int set_reload_signal(struct making *m, const struct value *v)
{
	convert_signal(m->b->errors, v, &m->s->contact->reload_signal);
	return 0;
}

/* An empty one takes back that of defaults. */
static int set_reload_command(struct making *m, const struct value *v)
{
	size_t n;

	return making_words(m, v, &m->s->contact->reload_command, &n);
}

/* Keys without a function are sections, or need more than themselves: see service.c. */
static int (*const setters[SERVICE_KEY_MAX])(struct making *m, const struct value *v) = {
	[SERVICE_COMMAND] = set_command,
	[SERVICE_TYPE] = set_type,
	[SERVICE_PID_FILE] = set_pid_file,
	[SERVICE_AUTOSTART] = set_autostart,
	[SERVICE_ESSENTIAL] = set_essential,
	[SERVICE_INSTANCES] = set_instances,
	[SERVICE_DIRECTORY] = set_directory,
	[SERVICE_UMASK] = set_umask,
	[SERVICE_NICE] = set_nice,
	[SERVICE_OOM_SCORE_ADJ] = set_oom_score_adj,
	[SERVICE_CLEAR_ENVIRONMENT] = set_clear_environment,
	[SERVICE_REQUIRES] = depend_set_links,
	[SERVICE_WANTS] = depend_set_links,
	[SERVICE_AFTER] = depend_set_links,
	[SERVICE_BEFORE] = depend_set_links,
	[SERVICE_CONFLICTS] = depend_set_links,
	[SERVICE_GROUPS] = set_groups,
	[SERVICE_POOL] = depend_set_pool,
	[SERVICE_RESTART] = set_restart,
	[SERVICE_SUCCESS_CODES] = set_success_codes,
	[SERVICE_RESTART_DELAY] = set_restart_delay,
	[SERVICE_RESTART_MAX_DELAY] = set_restart_max_delay,
	[SERVICE_RESTART_JITTER] = set_restart_jitter,
	[SERVICE_RESTART_LIMIT] = set_restart_limit,
	[SERVICE_RESTART_WINDOW] = set_restart_window,
	[SERVICE_STABLE_AFTER] = set_stable_after,
	[SERVICE_READY_ON] = ready_set,
	[SERVICE_READY_TIMEOUT] = ready_set,
	[SERVICE_READY_COMMAND] = ready_set,
	[SERVICE_READY_INTERVAL] = ready_set,
	[SERVICE_HEALTH_COMMAND] = health_set,
	[SERVICE_HEALTH_TCP] = health_set,
	[SERVICE_HEALTH_UNIX] = health_set,
	[SERVICE_HEALTH_HTTP] = health_set,
	[SERVICE_HEALTH_INTERVAL] = health_set,
	[SERVICE_HEALTH_TIMEOUT] = health_set,
	[SERVICE_HEALTH_FAILURES] = health_set,
	[SERVICE_HEALTH_GRACE] = health_set,
	[SERVICE_HEALTH_ACTION] = health_set,
	[SERVICE_WATCHDOG] = health_set,
	[SERVICE_STOP_SIGNAL] = set_stop_signal,
	[SERVICE_STOP_TIMEOUT] = set_stop_timeout,
	[SERVICE_STOP_COMMAND] = turns_set_hook,
	[SERVICE_STOP_KILL] = set_stop_kill,
	[SERVICE_RELOAD_SIGNAL] = set_reload_signal,
	[SERVICE_RELOAD_COMMAND] = set_reload_command,
	[SERVICE_HOOKS_PRE_START] = turns_set_hook,
	[SERVICE_HOOKS_POST_START] = turns_set_hook,
	[SERVICE_HOOKS_PRE_STOP] = turns_set_hook,
	[SERVICE_HOOKS_POST_STOP] = turns_set_hook,
	[SERVICE_HOOKS_ON_FAILED] = turns_set_hook,
	[SERVICE_HOOKS_TIMEOUT] = turns_set_hook_timeout,
	[SERVICE_STDIN] = input_set,
	[SERVICE_LOG_FILE] = output_set,
	[SERVICE_LOG_STDERR] = output_set,
	[SERVICE_LOG_ALSO] = output_set,
	[SERVICE_LOG_FORMAT] = output_set,
	[SERVICE_LOG_TIMESTAMPS] = output_set,
	[SERVICE_LOG_MAX_SIZE] = output_set,
	[SERVICE_LOG_ROTATE] = output_set,
	[SERVICE_LOG_KEEP] = output_set,
	[SERVICE_LOG_KEEP_AGE] = output_set,
	[SERVICE_LOG_KEEP_SIZE] = output_set,
	[SERVICE_LOG_COMPRESS] = output_set,
	[SERVICE_LOG_OVERFLOW] = output_set,
	[SERVICE_LOG_RATE_LINES] = output_set,
	[SERVICE_LOG_RATE_BYTES] = output_set,
	[SERVICE_LOG_RATE_BURST] = output_set,
	[SERVICE_SCHEDULE_EVERY] = turns_set_schedule,
	[SERVICE_SCHEDULE_CRON] = turns_set_schedule,
	[SERVICE_SCHEDULE_OVERLAP] = turns_set_schedule,
	[SERVICE_SCHEDULE_JITTER] = turns_set_schedule,
	[SERVICE_LIMITS_NOFILE] = limits_set,
	[SERVICE_LIMITS_CORE] = limits_set,
	[SERVICE_LIMITS_AS] = limits_set,
	[SERVICE_LIMITS_NPROC] = limits_set,
	[SERVICE_LIMITS_STACK] = limits_set,
	[SERVICE_LIMITS_CPU] = limits_set,
	[SERVICE_LIMITS_FSIZE] = limits_set,
	[SERVICE_LIMITS_MEMLOCK] = limits_set,
	[SERVICE_LIMITS_DATA] = limits_set,
};

int service_set(struct making *m, enum service_key key, const struct value *v)
{
	return setters[key] ? setters[key](m, v) : 0;
}
