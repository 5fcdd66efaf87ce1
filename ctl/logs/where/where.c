/*
 * A supervisord that was killed leaves the configuration in force beside its socket; one that has
 * ended well leaves nothing, and then its configuration file is what there is. Names are resolved
 * here as the server does it.
 */
#include "ctl/logs/where/where.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "conf/load.h"
#include "ctl/output/text.h"
#include "wire/control.h"
#include "wire/journal.h"
#include "wire/recovery.h"

#define ROOT_RUNTIME_DIR   "/run/supervisord"
#define ROOT_CONFIGURATION "/etc/supervisord/supervisord.conf"
#define MAX_SAVED	   (64 << 20)

void where_fini(struct where *w)
{
	json_decref(w->services);
	free(w->journal);
	*w = (struct where){0};
}

/* --- the logs of a spec --- */

static json_t *pack_sink(const struct spec *spec, const struct spec_service *s, unsigned instance,
	const struct spec_target *target)
{
	_cleanup_free_
	char *address = target->address ? spec_expand(target->address, s, instance) : NULL;
	_cleanup_buf_ struct buf text = {0};
	int r = 0;

	if (!target->address)
		return json_pack("{s:s,s:n}", "kind", spec_sink_to_string(target->sink), "address");
	if (address && target->sink == SPEC_SINK_FILE && address[0] != '/')
		r = buf_printf(&text, "%s/", spec->log_dir);
	if (!address || r < 0 || text_append_utf8(&text, address, strlen(address)) < 0)
		return NULL;
	return json_pack("{s:s,s:o}", "kind", spec_sink_to_string(target->sink), "address",
		json_stringn(text.data, text.len));
}

/* A stream: its own sink, and the further ones of both. */
static json_t *pack_stream(const struct spec *spec, const struct spec_service *s, unsigned instance,
	const struct spec_target *target, const char *stream)
{
	json_t *sinks = json_array();

	json_array_append_new(sinks, pack_sink(spec, s, instance, target));
	for (size_t i = 0; i < s->log->n_also; i++)
		json_array_append_new(sinks, pack_sink(spec, s, instance, &s->log->also[i]));
	return json_pack("{s:s,s:o}", "stream", stream, "sinks", sinks);
}

static json_t *pack_service(
	const struct spec *spec, const struct spec_service *s, unsigned instance)
{
	char name[SPEC_INSTANCE_NAME_MAX];
	json_t *logs = json_array();

	json_array_append_new(logs, pack_stream(spec, s, instance, &s->log->file, "output"));
	if (s->split_stderr)
		json_array_append_new(
			logs, pack_stream(spec, s, instance, &s->log->error, "error"));
	return json_pack("{s:s,s:o}", "name", spec_instance_name(s, instance, name), "logs", logs);
}

/* --- names --- */

bool where_means(const struct spec_service *s, const char *instance, const char *pattern)
{
	if (pattern[0] == '@') {
		for (char **g = s->links->groups; g && *g; g++) {
			if (strcmp(*g, pattern + 1) == 0)
				return true;
		}
		return false;
	}
	return strcmp(s->name, pattern) == 0 || strcmp(instance, pattern) == 0 ||
	       (strpbrk(pattern, "*?[") && fnmatch(pattern, instance, 0) == 0);
}

/* Whether any of the names means it; those that mean anything are marked. */
static bool is_named(const struct spec_service *s, const char *instance, json_t *names, bool *used)
{
	bool found = false;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (!where_means(s, instance, json_string_value(name)))
			continue;
		found = used[i] = true;
	}
	return found;
}

static int pick(struct ctl *ctl, const struct spec *spec, json_t *names, json_t *services)
{
	_cleanup_free_
	bool *used = calloc(json_array_size(names) + 1, sizeof(*used));
	int status = 0;

	if (!used)
		return CTL_FAILED;
	for (size_t i = 0; i < spec->n_services; i++) {
		const struct spec_service *s = &spec->services[i];

		for (unsigned k = 1; k <= s->n_instances; k++) {
			char name[SPEC_INSTANCE_NAME_MAX];

			if (is_named(s, spec_instance_name(s, k, name), names, used))
				json_array_append_new(services, pack_service(spec, s, k));
		}
	}
	for (size_t i = 0; i < json_array_size(names); i++) {
		if (used[i])
			continue;
		ctl_no_such(ctl, json_string_value(json_array_get(names, i)));
		status = CTL_NOTHING_THERE;
	}
	return status;
}

/* --- the configuration in force --- */

static int read_saved(int fd, off_t size, const struct conf_context *context, struct spec **ret)
{
	_cleanup_free_
	char *data = malloc((size_t)size + 1);
	struct conf_sources *sources = NULL;
	struct conf_errors errors = {0};
	size_t at = 0;
	ssize_t n;
	int r;

	if (!data)
		return -ENOMEM;
	while (at < (size_t)size && (n = pread(fd, data + at, (size_t)size - at, (off_t)at)) > 0)
		at += (size_t)n;
	r = conf_sources_read(data, at, &sources);
	if (r == 0)
		r = conf_parse(sources, context, ret, &errors);
	conf_errors_fini(&errors);
	conf_sources_free(sources);
	return r;
}

/* The newest of those that a supervisord which was killed has left. 0 or -errno. */
static int load_saved(const char *directory, const struct conf_context *context, struct spec **ret)
{
	_cleanup_close_
	int newest = -1;
	struct stat best = {0}, st;

	for (unsigned i = 0; i < RECOVERY_CONFIGS; i++) {
		_cleanup_free_
		char *path = NULL;
		_cleanup_close_
		int fd = -1;

		if (asprintf(&path, "%s/configuration.%u", directory, i) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_SAVED)
			continue;
		if (newest >= 0 && (st.st_mtim.tv_sec < best.st_mtim.tv_sec ||
					   (st.st_mtim.tv_sec == best.st_mtim.tv_sec &&
						   st.st_mtim.tv_nsec <= best.st_mtim.tv_nsec)))
			continue;
		close_fd(newest);
		newest = TAKE_FD(fd);
		best = st;
	}
	if (newest < 0)
		return -ENOENT;
	return read_saved(newest, best.st_size, context, ret);
}

char *where_directory(const struct ctl *ctl)
{
	const char *slash = strrchr(ctl->client.path, '/');

	return slash ? strndup(ctl->client.path, (size_t)(slash - ctl->client.path)) : strdup(".");
}

/* Whoever owns that directory has run it; where somebody else's home is, is not known here. */
static struct conf_context context_of(const char *directory)
{
	struct conf_context context;
	struct stat st;

	conf_context_init(&context);
	if (stat(directory, &st) == 0 && st.st_uid != geteuid())
		context = (struct conf_context){.root = st.st_uid == 0};
	return context;
}

static bool is_same_directory(const char *a, const char *b)
{
	struct stat x, y;

	return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
					    x.st_ino == y.st_ino);
}

/* Of the given directory, if that is known. */
static int load_file(struct ctl *ctl, const char *path, const struct conf_context *context,
	const char *directory, struct spec **ret_spec)
{
	struct conf_errors errors = {0};
	struct spec *spec = NULL;
	int r = conf_load(path, context, NULL, &spec, &errors);

	if (r < 0)
		ctl_error(ctl, "cannot go by %s: %s", path,
			errors.n > 0 ? errors.messages[0] : strerror(-r));
	conf_errors_fini(&errors);
	if (r == 0 && directory && !is_same_directory(spec->runtime_dir, directory)) {
		ctl_error(ctl, "%s is not the configuration of that one: its runtime-dir is %s",
			path, spec->runtime_dir);
		spec_free(spec);
		return -ENOENT;
	}
	if (r == 0)
		*ret_spec = spec;
	return r;
}

/* The file that one of that directory reads if nothing else is said, or the given one. */
static int load_default(struct ctl *ctl, const char *directory, struct spec **ret_spec)
{
	struct conf_context context;
	_cleanup_free_
	char *path = NULL;
	struct stat st;

	conf_context_init(&context);
	if (ctl->config)
		context.root |= stat(ctl->config, &st) == 0 && st.st_uid != geteuid();
	else
		context.root |= strcmp(directory, ROOT_RUNTIME_DIR) == 0 &&
				access(ROOT_CONFIGURATION, F_OK) == 0;
	path = ctl->config ? strdup(ctl->config) : conf_default_path(&context);
	if (!path)
		return -ENOMEM;
	if (!ctl->config)
		ctl_error(ctl, "no supervisord answers on %s; going by %s", ctl->client.path, path);
	/* The socket that is there for all is asked when one's own supervisord has ended, too. */
	if (ctl->config || (!context.root && strcmp(directory, ROOT_RUNTIME_DIR) == 0))
		directory = NULL;
	return load_file(ctl, path, &context, directory, ret_spec);
}

int where_load(struct ctl *ctl, struct spec **ret_spec)
{
	_cleanup_free_
	char *directory = where_directory(ctl);
	struct conf_context context;

	if (!directory)
		return -ENOMEM;
	context = context_of(directory);
	if (ctl->config || load_saved(directory, &context, ret_spec) < 0)
		return load_default(ctl, directory, ret_spec);
	ctl_error(ctl, "no supervisord answers on %s; going by the configuration that it had",
		ctl->client.path);
	return 0;
}

static int use_configuration(struct ctl *ctl, json_t *names, struct where *w)
{
	struct spec *spec = NULL;
	int r = where_load(ctl, &spec);

	if (r < 0)
		return CTL_NOTHING_THERE;
	w->services = json_array();
	r = w->services ? pick(ctl, spec, names, w->services) : CTL_FAILED;
	if (asprintf(&w->journal, "%s/%s", spec->state_dir, JOURNAL_FILE_NAME) < 0) {
		w->journal = NULL;
		r = CTL_FAILED;
	}
	spec_free(spec);
	return r;
}

/* --- supervisord --- */

static int keep_services(json_t *parameters, void *userdata)
{
	*(json_t **)userdata = json_incref(json_object_get(parameters, "services"));
	return 0;
}

bool where_is_silence(int result)
{
	switch (result) {
	case -ENOENT:
	case -ENOTDIR:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int where_ask(struct ctl *ctl, json_t *names, struct where *ret_where)
{
	static const char method[] = CONTROL_INTERFACE ".Logs";
	json_t *parameters, *error = NULL;
	int r = -ENOENT;

	*ret_where = (struct where){0};
	if (!ctl->config) {
		/* There is another way, so one that is just starting is not waited for. */
		ctl->client.refused_usec = WHERE_REFUSED_USEC;
		parameters = json_pack("{s:O}", "names", names);
		r = parameters ? client_call(&ctl->client, method, parameters, 0, keep_services,
					 &ret_where->services, &error)
			       : -ENOMEM;
		json_decref(parameters);
	}
	return where_is_silence(r) ? use_configuration(ctl, names, ret_where)
				   : ctl_explain(ctl, method, r, error);
}
