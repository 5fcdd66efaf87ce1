/*
 * Everything that takes looking up happens here, before the link: the launcher only
 * carries out. The environment is supervisord's own (unless clear-environment), less what
 * was meant for supervisord alone, then the identity's, then the files', then the
 * configuration's, then ours; a later one of the same name wins.
 */
#include "engine/uplink/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sys.h"
#include "engine/privilege.h"
#include "engine/rlimits.h"
#include "engine/service.h"
#include "wire/plan.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct strings {
	char **items; /* NULL terminated, owned with what they point to */
	size_t n, size;
};

static void strings_fini(struct strings *l)
{
	spawn_environment_free(l->items);
}

void spawn_environment_free(char **environment)
{
	for (char **p = environment; p && *p; p++)
		free(*p);
	free(environment);
}

/* Takes text (freed on failure; NULL counts as lack of memory). */
static int strings_add(struct strings *l, char *text)
{
	_cleanup_free_
	char *owned = text;

	if (!owned)
		return -ENOMEM;
	if (l->n + 1 >= l->size) {
		size_t size = l->size ? 2 * l->size : 32;
		char **items = realloc(l->items, size * sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->items = items;
		l->size = size;
	}
	l->items[l->n++] = TAKE_PTR(owned);
	l->items[l->n] = NULL;
	return 0;
}

/* Most differ in the first letter already, and there are many to compare for each start. */
static bool is_name(const char *variable, const char *name, size_t n)
{
	return variable[0] == name[0] && strncmp(variable, name, n) == 0 && variable[n] == '=';
}

/* Adds "K=V" in place of an earlier one of that name. */
static int set_variable(struct strings *l, char *text)
{
	size_t key = text ? strcspn(text, "=") : 0;

	for (size_t i = 0; text && i < l->n; i++) {
		if (is_name(l->items[i], text, key)) {
			free(l->items[i]);
			l->items[i] = text;
			return 0;
		}
	}
	return strings_add(l, text);
}

/* Of items only; the list keeps its order. */
static void drop_variable(struct strings *l, const char *name)
{
	size_t key = strlen(name), kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (is_name(l->items[i], name, key))
			free(l->items[i]);
		else
			l->items[kept++] = l->items[i];
	}
	l->n = kept;
	if (l->items)
		l->items[kept] = NULL;
}

static int set_pair(struct strings *l, const char *name, const char *value)
{
	char *text = value ? malloc(strlen(name) + strlen(value) + 2) : NULL;

	if (!value)
		return 0;
	if (text)
		stpcpy(stpcpy(stpcpy(text, name), "="), value);
	return set_variable(l, text);
}

/* Variables that say something to supervisord and would mislead a service. */
static bool is_for_us(const char *variable)
{
	static const char *const ours[] = {
		"NOTIFY_SOCKET=", "WATCHDOG_USEC=", "WATCHDOG_PID=", "LISTEN_FDS=", "LISTEN_PID=",
		"LISTEN_FDNAMES=", "LISTEN_PIDFDID=", "INVOCATION_ID=", "SUPERVISOR_INVOCATION=",
		"SUPERVISOR_NAME=", "SUPERVISOR_INSTANCE=", "SUPERVISOR_FAULT=", "JOURNAL_STREAM=",
		"MAINPID=", "SUPERVISOR_HOOK=", "SUPERVISOR_STATE=", "SUPERVISOR_REASON=",
		"SUPERVISOR_RESTARTS=", "SUPERVISOR_EXIT_CODE=", "SUPERVISOR_EXIT_SIGNAL="};

	for (size_t i = 0; i < ELEMENTSOF(ours); i++) {
		if (variable[0] == ours[i][0] && strncmp(variable, ours[i], strlen(ours[i])) == 0)
			return true;
	}
	return false;
}

static int add_inherited(struct strings *l, const struct spec_service *spec)
{
	if (spec->process->clear_environment)
		return set_pair(l, "PATH", DEFAULT_PATH);
	for (char **p = environ; *p; p++) {
		int r = is_for_us(*p) ? 0 : strings_add(l, strdup(*p));

		if (r < 0)
			return r;
	}
	return getenv("PATH") ? 0 : set_pair(l, "PATH", DEFAULT_PATH);
}

static int add_identity(struct strings *l, const struct spec_identity *i)
{
	int r;

	if (!i->set)
		return 0;
	r = set_pair(l, "USER", i->user_name);
	if (r == 0)
		r = set_pair(l, "LOGNAME", i->user_name);
	if (r == 0)
		r = set_pair(l, "HOME", i->home);
	if (r == 0)
		r = set_pair(l, "SHELL", i->shell);
	return r;
}

static int add_ours(struct strings *l, const struct service *s)
{
	char invocation[SERVICE_INVOCATION_SIZE], instance[16] = "";
	int r;

	service_invocation(s, invocation);
	if (s->spec->has_instances)
		snprintf(instance, sizeof(instance), "%u", s->instance);
	r = set_pair(l, "SUPERVISOR_NAME", s->name);
	if (r == 0)
		r = set_pair(l, "SUPERVISOR_INSTANCE", instance);
	if (r == 0)
		r = set_pair(l, "SUPERVISOR_INVOCATION", invocation);
	if (r == 0)
		r = set_pair(l, "INVOCATION_ID", invocation);
	return r;
}

/* Where it is to speak to, and how often it has to: only for those that are listened to. */
static int add_notify(struct strings *l, const struct service *s)
{
	usec_t watchdog = s->spec->policy->watchdog_usec;
	_cleanup_free_
	char *path = NULL;
	char span[24];
	int r;

	if (!notify_is_for(s))
		return 0;
	if (asprintf(&path, "%s/" NOTIFY_SOCKET_NAME, s->engine->spec->runtime_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = set_pair(l, "NOTIFY_SOCKET", path);
	if (r < 0 || watchdog == 0)
		return r;
	snprintf(span, sizeof(span), "%llu", (unsigned long long)watchdog);
	return set_pair(l, "WATCHDOG_USEC", span);
}

int spawn_environment(const struct service *s, char ***ret_environment)
{
	__attribute__((cleanup(strings_fini))) struct strings l = {0};
	const struct spec_service *spec = s->spec;
	int r = add_inherited(&l, spec);

	if (r == 0)
		r = add_identity(&l, spec->process->identity);
	for (char **p = spec->process->file_environment; r == 0 && p && *p; p++)
		r = set_variable(&l, strdup(*p));
	for (char **p = spec->environment; r == 0 && p && *p; p++)
		r = set_variable(&l, spec_expand(*p, spec, s->instance));
	if (r == 0)
		r = add_ours(&l, s);
	if (r == 0)
		r = add_notify(&l, s);
	if (r < 0)
		return r;
	*ret_environment = TAKE_PTR(l.items);
	return 0;
}

int spawn_expand(const struct service *s, char *const *words, char ***ret_words)
{
	__attribute__((cleanup(strings_fini))) struct strings l = {0};

	for (char *const *p = words; *p; p++) {
		int r = strings_add(&l, spec_expand(*p, s->spec, s->instance));

		if (r < 0)
			return r;
	}
	*ret_words = TAKE_PTR(l.items);
	return 0;
}

int spawn_arguments(const struct service *s, char ***ret_arguments)
{
	return spawn_expand(s, s->spec->command, ret_arguments);
}

static const char *get_variable(char *const *environment, const char *name)
{
	size_t n = strlen(name);

	for (; *environment; environment++) {
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
			return *environment + n + 1;
	}
	return NULL;
}

/*
 * Where a command without a slash is, by the service's own PATH. One that is nowhere
 * becomes a path in the first directory, so that exec says ENOENT. The caller frees.
 */
static char *find_program(const char *program, char *const *environment)
{
	const char *path = get_variable(environment, "PATH");
	char *first = NULL;

	if (strchr(program, '/'))
		return strdup(program);
	if (!path || !*path)
		path = DEFAULT_PATH;
	while (*path) {
		int n = (int)strcspn(path, ":");
		char *candidate;

		/* An empty entry means the working directory to a shell; a daemon has none. */
		if (n > 0 && asprintf(&candidate, "%.*s/%s", n, path, program) >= 0) {
			struct stat st;

			if (stat(candidate, &st) == 0 && S_ISREG(st.st_mode) &&
				(st.st_mode & 0111)) {
				free(first);
				return candidate;
			}
			if (first)
				free(candidate);
			else
				first = candidate;
		}
		path += n;
		path += *path == ':';
	}
	return first;
}

static int make_memfd(const void *data, size_t n)
{
	_cleanup_close_
	int fd = sys_memfd_create("spawn-plan", MFD_ALLOW_SEALING);
	ssize_t w;
	int r;

	if (fd < 0)
		return fd;
	w = sys_write(fd, data, n);
	if (w < 0)
		return (int)w;
	if ((size_t)w != n)
		return -ENOSPC;
	r = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	if (r < 0)
		return r;
	return TAKE_FD(fd);
}

/*
 * pipes: PLAN_SPLIT_STDERR, PLAN_NO_PIPE, or 0 for one pipe; and PLAN_READY_FD, PLAN_STDIN_*.
 * cgroup: "" for none.
 */
static int encode(const struct service *s, char *const *argv, char *const *envp, unsigned pipes,
	const char *cgroup, void **ret_data, size_t *ret_size)
{
	const struct spec_service *spec = s->spec;
	_cleanup_free_
	char *path = find_program(argv[0], envp);
	_cleanup_free_
	char *directory = spec_expand(spec->process->directory, spec, s->instance);
	_cleanup_free_
	char *input = NULL;
	struct plan_limit limits[SPEC_LIMIT_MAX];
	struct plan plan = {
		.flags = pipes,
		.uid = spec->process->identity->uid,
		.gid = spec->process->identity->gid,
		.groups = spec->process->identity->groups,
		.n_groups = (uint32_t)spec->process->identity->n_groups,
		.umask = spec->process->umask,
		.nice = spec->process->nice,
		.oom_score_adj = spec->process->oom_score_adj,
		.ready_fd = pipes & PLAN_READY_FD ? (uint32_t)spec->contact->ready_fd : 0,
		.limits = limits,
		.n_limits = rlimits_list(spec, limits),
		.path = path,
		.directory = directory,
		.cgroup = cgroup,
		.argv = (const char *const *)argv,
		.envp = (const char *const *)envp,
	};

	if (pipes & (PLAN_STDIN_FILE | PLAN_STDIN_FIFO)) {
		plan.stdin_path = input = spec_expand(spec->stdin_name, spec, s->instance);
		if (!input)
			return -ENOMEM;
	}
	if (!path || !directory)
		return -ENOMEM;
	/* Who is not root can only be told to be who they are; setting that would need privilege.
	 */
	if (spec->process->identity->set && geteuid() == 0)
		plan.flags |= PLAN_SET_IDS;
	if (spec->process->has_nice && privilege_allows_nice(spec->process->nice))
		plan.flags |= PLAN_SET_NICE;
	if (spec->process->has_oom_score_adj &&
		privilege_allows_oom_score_adj(spec->process->oom_score_adj))
		plan.flags |= PLAN_SET_OOM;
	return plan_encode(&plan, ret_data, ret_size);
}

/* Those of the service's process in which something was left by the one before it. */
static void list_left(const struct service *s, int ret_fds[static PLAN_PIPE_MAX])
{
	for (unsigned i = 0; i < s->n_streams; i++)
		ret_fds[i] = s->streams[i].fd;
}

static int send_plan(struct service *s, char *const *argv, char *const *envp, unsigned pipes,
	const char *cgroup, struct link_message *m, struct pipes *ret_made)
{
	_cleanup_free_
	void *data = NULL;
	_cleanup_close_
	int plan = -1;
	_cleanup_(pipes_close) struct pipes made = {0};
	int fds[1 + 2 * PLAN_PIPE_MAX], left[PLAN_PIPE_MAX] = {-1, -1, -1};
	unsigned n_fds;
	size_t size;
	int r = encode(s, argv, envp, pipes, cgroup, &data, &size);

	if (r < 0)
		return r;
	if (size > LINK_MAX_PLAN) {
		plan = make_memfd(data, size);
		if (plan < 0)
			return plan;
	}
	if (m->id == s->id)
		list_left(s, left);
	r = pipes_make(s->engine->own_fds, pipes, m->generation, left, &made);
	if (r < 0)
		return r;
	m->version = LINK_VERSION;
	m->type = LINK_SPAWN;
	fds[0] = plan;
	n_fds = pipes_list(&made, fds + 1);
	r = plan >= 0 ? uplink_post(m, fds, 1 + n_fds)
		      : uplink_post_plan(m, data, size, fds + 1, n_fds);
	if (r < 0)
		return r;
	pipes_close_write(&made);
	/* Sent once already, it is those of the first time that the launcher has taken. */
	if (ret_made->generation == m->generation)
		return 0;
	pipes_close(ret_made);
	*ret_made = made;
	made = (struct pipes){0};
	return 0;
}

static unsigned pipes_of(const struct spec_service *spec)
{
	static const unsigned inputs[SPEC_STDIN_MAX] = {[SPEC_STDIN_FILE] = PLAN_STDIN_FILE,
		[SPEC_STDIN_FIFO] = PLAN_STDIN_FIFO,
		[SPEC_STDIN_SERVICE] = PLAN_STDIN_KEPT};
	unsigned flags = inputs[spec->stdin_kind];

	if (spec->policy->ready == SPEC_READY_FD)
		flags |= PLAN_READY_FD;
	if (spec->split_stderr)
		return flags | PLAN_SPLIT_STDERR;
	return spec_has_output(spec) ? flags : flags | PLAN_NO_PIPE;
}

int spawn_send(struct service *s)
{
	__attribute__((cleanup(strings_fini))) struct strings argv = {0}, envp = {0};
	struct link_message m = {
		.id = s->id, .generation = core_record(s->engine->core, s->id)->generation};
	char cgroup[TREE_CGROUP_NAME_SIZE];
	struct pipes *pipes = service_make_pipes(s);
	int r = pipes ? spawn_arguments(s, &argv.items) : -ENOMEM;

	if (r == 0)
		r = spawn_environment(s, &envp.items);
	if (r == 0)
		r = input_prepare(s);
	if (r == 0)
		r = send_plan(s, argv.items, envp.items, pipes_of(s->spec),
			tree_cgroup_name(s, cgroup), &m, pipes);
	if (pipes && pipes->generation == 0)
		service_drop_made_pipes(s);
	return r;
}

int spawn_send_command(struct service *s, const struct spawn_command *c, struct pipes *pipes)
{
	__attribute__((cleanup(strings_fini))) struct strings envp = {0};
	struct link_message m = {.id = c->id, .generation = c->generation};
	char cgroup[TREE_CGROUP_NAME_SIZE];
	int r = spawn_environment(s, &envp.items);

	while (r == 0 && envp.items[envp.n])
		envp.n++;
	envp.size = envp.n;
	/* Who checks or stops a daemon must not speak for it, as a tool of its own may do unasked.
	 */
	drop_variable(&envp, "NOTIFY_SOCKET");
	drop_variable(&envp, "WATCHDOG_USEC");
	for (char *const *p = c->environment; r == 0 && *p; p++)
		r = set_variable(&envp, strdup(*p));
	return r < 0 ? r
		     : send_plan(s, c->argv, envp.items, 0,
			       c->apart ? "" : tree_cgroup_name(s, cgroup), &m, pipes);
}
