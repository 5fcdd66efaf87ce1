/*
 * A service is made of the values of its section and, key by key, those of defaults where
 * it has none of its own. service_keys.c says which function takes which key. Two things need
 * both sections at once and are done apart: the environment, which merges by name, and
 * the identity, for which user and group belong together.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/draft.h"
#include "conf/keys/service/health.h"
#include "conf/keys/service/making.h"
#include "conf/keys/service/output.h"
#include "conf/keys/service/ready.h"
#include "conf/keys/service/service_keys.h"
#include "conf/keys/service/turns.h"
#include "conf/text/errors.h"
#include "conf/text/text.h"
#include "conf/values/strv.h"

static int init_service(struct draft *d)
{
	struct spec_service *s = &d->service;

	draft_init(d);
	s->n_instances = s->n_configured = 1;
	s->process->umask = 022;
	s->contact->reload_signal = SIGHUP;
	d->policy = (struct spec_policy){
		.type = SPEC_TYPE_SIMPLE,
		.restart = SPEC_RESTART_ON_FAILURE,
		.success_codes = {1},
		.restart_delay_usec = 100 * USEC_PER_MSEC,
		.restart_max_delay_usec = 30 * USEC_PER_SEC,
		.restart_jitter_percent = 10,
		.restart_limit = 5,
		.restart_window_usec = 60 * USEC_PER_SEC,
		.stable_after_usec = 10 * USEC_PER_SEC,
		.stop_signal = SIGTERM,
		.stop_timeout_usec = 10 * USEC_PER_SEC,
		.stop_kill = SPEC_KILL_TREE,
		.autostart = true,
		.ready = SPEC_READY_EXEC,
		.ready_timeout_usec = SPEC_DEFAULT_READY_TIMEOUT,
		.health_failures = SPEC_DEFAULT_FAILURES,
		.health_action = SPEC_ACTION_RESTART,
		.overlap = SPEC_OVERLAP_SKIP,
		.hook_timeout_usec = 30 * USEC_PER_SEC,
	};
	d->ready_check.interval_usec = 500 * USEC_PER_MSEC;
	d->health.interval_usec = 10 * USEC_PER_SEC;
	d->health.timeout_usec = 2 * USEC_PER_SEC;
	d->log = (struct spec_log){
		.file = {.sink = SPEC_SINK_FILE, .address = strdup("%{name}.log")},
		.rotation = {.max_size_bytes = 50 << 20, .keep = 10},
		.rate.burst_usec = USEC_PER_SEC,
	};
	s->process->directory = strdup("/");
	return d->log.file.address && s->process->directory ? 0 : -ENOMEM;
}

/*
 * The text of a value that is used while loading. Placeholders mean the one name there
 * is; with instances there are several, and one load can't ask for each.
 */
static int load_time_text(struct making *m, const struct value *v, char **ret_text)
{
	const char *text = v->strings[0];

	if (m->s->has_instances && text_has_placeholder(text)) {
		value_error(m->b->errors, v,
			"with instances, %%{name} and %%{instance} are not available here");
		*ret_text = NULL;
		return 0;
	}
	*ret_text = spec_expand(text, m->s, 1);
	return *ret_text ? 0 : -ENOMEM;
}

/* "" is the value that the default has. */
static bool is_given(const struct value *v)
{
	return v && v->strings[0][0] != '\0';
}

static int keep_text(const struct value *v, char **ret_text)
{
	if (!is_given(v))
		return 0;
	*ret_text = strdup(v->strings[0]);
	return *ret_text ? 0 : -ENOMEM;
}

static int set_identity(struct making *m)
{
	const struct value *user_value = making_find(m, SERVICE_USER);
	const struct value *group_value = making_find(m, SERVICE_GROUP);
	_cleanup_free_
	char *user = NULL, *group = NULL;
	int r = 0;

	if (is_given(user_value))
		r = load_time_text(m, user_value, &user);
	if (r == 0 && is_given(group_value))
		r = load_time_text(m, group_value, &group);
	if (r == 0)
		r = keep_text(user_value, &m->s->process->identity->user);
	if (r == 0)
		r = keep_text(group_value, &m->s->process->identity->group);
	if (r < 0)
		return r;
	return identity_fill(m->b, user_value, user, group_value, group, m->s->process->identity);
}

/* The variables of one section's `environment`; one given twice in it is a mistake. */
static int add_environment(struct making *m, const struct section *section, char ***list, size_t *n)
{
	const struct value *v = section ? section_find(section, SERVICE_ENVIRONMENT) : NULL;
	char **seen = NULL;
	size_t n_seen = 0;
	int r = 0;

	if (v && v->n > SERVICE_MAX_LIST) {
		value_error(m->b->errors, v, "more than %d variables", SERVICE_MAX_LIST);
		return 0;
	}
	for (size_t i = 0; v && i < v->n && r == 0; i++) {
		const char *text = v->strings[i];

		if (text[0] == '=' || !strchr(text, '=')) {
			value_error(m->b->errors, v, "'%.80s' is not allowed; allowed: NAME=VALUE",
				text);
			continue;
		}
		if (env_has(seen, text))
			value_error(m->b->errors, v, "'%.*s' is given twice",
				(int)MIN_OF(strcspn(text, "="), (size_t)80), text);
		else
			r = strv_take(&seen, &n_seen, strdup(text));
		if (r == 0)
			r = env_set(list, n, strdup(text));
	}
	strv_free(seen);
	return r;
}

static int add_env_file(struct making *m, const struct section *section, char ***list, size_t *n)
{
	const struct value *v = section ? section_find(section, SERVICE_ENV_FILE) : NULL;
	_cleanup_free_
	char *path = NULL;
	int r;

	if (!v || v->strings[0][0] == '\0')
		return 0;
	r = load_time_text(m, v, &path);
	if (r < 0 || !path)
		return r;
	return env_file(m->b, v, path, list, n);
}

/* What `environment` sets is taken out of the files' list, so that no name is in both. */
static void drop_overridden(char **list, char *const *environment)
{
	size_t kept = 0, i;

	for (i = 0; list && list[i]; i++) {
		if (env_has(environment, list[i]))
			free(list[i]);
		else
			list[kept++] = list[i];
	}
	if (list)
		list[kept] = NULL;
}

static int set_environment(struct making *m)
{
	const struct value *own_file = m->own ? section_find(m->own, SERVICE_ENV_FILE) : NULL;
	size_t n = 0, n_file = 0;
	int r = 0;

	/* env-file = "" in a service: none, that of defaults neither */
	if (!own_file || own_file->strings[0][0] != '\0')
		r = add_env_file(m, m->defaults, &m->s->process->file_environment, &n_file);
	if (r == 0)
		r = add_env_file(m, m->own, &m->s->process->file_environment, &n_file);
	if (r == 0)
		r = add_environment(m, m->defaults, &m->s->environment, &n);
	if (r == 0)
		r = add_environment(m, m->own, &m->s->environment, &n);
	drop_overridden(m->s->process->file_environment, m->s->environment);
	return r;
}

static int list_origins(const struct section *section, struct spec_origin **ret)
{
	struct spec_origin *origins = calloc(section->n_values + 1, sizeof(*origins));

	if (!origins)
		return -ENOMEM;
	for (size_t i = 0; i < section->n_values; i++) {
		const struct value *v = &section->values[i];

		origins[i] = (struct spec_origin){v->key->path, v->place};
	}
	*ret = origins;
	return 0;
}

static int set_origins(struct making *m)
{
	m->s->defaults = &m->b->spec->defaults;
	if (!m->own)
		return 0;
	m->s->n_origins = (uint32_t)m->own->n_values;
	return list_origins(m->own, &m->s->origins);
}

static void check_restart(const struct making *m)
{
	const struct spec_policy *p = m->s->policy;

	if (p->type == SPEC_TYPE_ONESHOT && p->restart == SPEC_RESTART_ALWAYS)
		making_tell(m, "restart",
			"always cannot go with type oneshot; allowed: on-failure, on-abnormal, "
			"never");
	if (p->restart_delay_usec > p->restart_max_delay_usec) {
		bool max_given = making_find(m, SERVICE_RESTART_MAX_DELAY);
		char delay[USEC_SPAN_SIZE], max[USEC_SPAN_SIZE];

		making_tell(m, max_given ? "restart-max-delay" : "restart-delay",
			"restart-delay (%s) is longer than restart-max-delay (%s)",
			usec_span(p->restart_delay_usec, delay),
			usec_span(p->restart_max_delay_usec, max));
	}
	if (p->restart_limit > 0 && p->restart_window_usec == 0)
		making_tell(m, "restart-window",
			"0 would never count a restart; allowed: more than 0, or restart-limit = "
			"0");
}

/* One from defaults is of no meaning to services that are not forking. */
static void check_pid_file(const struct making *m)
{
	const struct value *v = making_find(m, SERVICE_PID_FILE);
	struct spec_service *s = m->s;

	if (s->policy->type == SPEC_TYPE_FORKING) {
		if (!v || v->strings[0][0] == '\0')
			making_tell(m, "type",
				"forking needs 'pid-file', which tells the main process");
		else if (s->contact->pid_file && s->n_instances > 1 &&
			 !text_has_placeholder(s->contact->pid_file))
			making_tell(m, "pid-file",
				"several instances would write one file; "
				"it must contain %%{name} or %%{instance}");
		return;
	}
	if (s->contact->pid_file && making_is_own(m, v))
		making_tell(m, "pid-file", "is of use only with type = forking");
	free(s->contact->pid_file);
	s->contact->pid_file = NULL;
}

/* What can be seen within one service, when all its keys are in. */
static void check_service(struct making *m)
{
	check_restart(m);
	check_pid_file(m);
	ready_check(m);
	health_check(m);
	turns_check(m);
	output_check(m);
}

static int apply_setters(struct making *m)
{
	int r = 0;

	for (int key = 0; key < SERVICE_KEY_MAX && r == 0; key++) {
		const struct value *v = making_find(m, (enum service_key)key);

		if (v)
			r = service_set(m, (enum service_key)key, v);
	}
	return r;
}

static int make(struct making *m)
{
	struct spec_service *s = m->s;
	int r = set_origins(m);

	if (r == 0)
		r = apply_setters(m);
	if (r == 0)
		r = set_environment(m);
	if (r == 0)
		r = set_identity(m);
	if (r == 0)
		check_service(m);
	strv_ensure(&s->command);
	strv_ensure(&s->contact->reload_command);
	strv_ensure(&s->links->groups);
	strv_ensure(&s->environment);
	strv_ensure(&s->process->file_environment);
	return r;
}

static int draft_service(struct build *b, const struct section *own, struct draft *d)
{
	struct making m = {.b = b,
		.s = &d->service,
		.own = own,
		.defaults = b->defaults.key ? &b->defaults : NULL};

	d->service.place = own->place;
	d->service.name = strdup(own->title);
	if (!d->service.name)
		return -ENOMEM;
	if (!text_is_name(own->title))
		conf_errors_add(b->errors, own->place,
			"'%.80s' cannot be the name of a service; allowed: 1 to %d letters, "
			"digits, '.', "
			"'_' and '-', the first a letter or digit",
			own->title, SPEC_NAME_MAX);
	if (!making_find(&m, SERVICE_COMMAND))
		conf_errors_add(
			b->errors, own->place, "service '%.80s' has no 'command'", own->title);
	return make(&m);
}

static int make_service(struct build *b, const struct section *own, struct spec_service *ret)
{
	struct draft d;
	int r = init_service(&d);

	if (r == 0)
		r = draft_service(b, own, &d);
	if (r == 0)
		r = draft_keep(&d, b->spec->share, ret);
	draft_fini(&d);
	return r;
}

/*
 * So that a mistake in defaults shows also where no service takes the value. What spans
 * several keys is not looked at: services may set the other one.
 */
static int try_defaults(struct build *b)
{
	struct draft d;
	struct making m = {.b = b, .s = &d.service, .defaults = &b->defaults};
	int r = init_service(&d);

	if (r == 0)
		r = apply_setters(&m);
	draft_fini(&d);
	return r;
}

int service_build_all(struct build *b)
{
	struct spec *spec = b->spec;

	if (b->defaults.key) {
		int r = try_defaults(b);

		spec->defaults.n = b->defaults.n_values;
		if (r == 0)
			r = list_origins(&b->defaults, &spec->defaults.origins);
		if (r < 0)
			return r;
	}
	spec->share = share_new();
	spec->services = calloc(b->n_services + 1, sizeof(*spec->services));
	if (!spec->share || !spec->services)
		return -ENOMEM;
	for (size_t i = 0; i < b->n_services; i++) {
		int r = make_service(b, &b->services[i], &spec->services[i]);

		if (r < 0)
			return r;
		spec->n_services++;
	}
	share_seal(spec->share);
	return 0;
}
