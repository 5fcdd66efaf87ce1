/*
 * The keys outside of services. Those of one value are applied as they are met; control,
 * queue and the directories' defaults come when all files are read, because they depend
 * on each other and on who runs us, not on the order in the files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/parse.h"
#include "conf/build.h"
#include "conf/keys/convert.h"
#include "conf/text/errors.h"
#include "conf/values/strv.h"

/* sun_path has 108 bytes; the names of sockets come after the directory. */
#define MAX_RUNTIME_DIR	 90
#define MAX_ROLE_MEMBERS 1000

static int set_directory(struct build *b, const struct value *v, char **directory)
{
	char *copy;
	size_t n;

	if (!convert_path(b->errors, v))
		return 0;
	copy = strdup(v->strings[0]);
	if (!copy)
		return -ENOMEM;
	for (n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	free(*directory);
	*directory = copy;
	return 0;
}

static int set_log_level(struct build *b, const struct value *v)
{
	const char *names[LOG_LEVEL_MAX];
	size_t level;

	for (int i = 0; i < LOG_LEVEL_MAX; i++)
		names[i] = log_level_to_string((enum log_level)i);
	if (convert_choice(b->errors, v, names, LOG_LEVEL_MAX, &level))
		b->spec->log_level = (int)level;
	return 0;
}

static int set_on_orphan(struct build *b, const struct value *v)
{
	const char *names[SPEC_ORPHAN_MAX];
	size_t choice;

	for (int i = 0; i < SPEC_ORPHAN_MAX; i++)
		names[i] = spec_orphan_to_string((enum spec_orphan)i);
	if (convert_choice(b->errors, v, names, SPEC_ORPHAN_MAX, &choice))
		b->spec->on_orphan = (enum spec_orphan)choice;
	return 0;
}

int global_apply(struct build *b, const struct section *s)
{
	const struct value *v = &s->values[0];

	if (s->n_values == 0)
		return 0; /* its value was refused */
	switch ((enum global_key)s->key->id) {
	case GLOBAL_RUNTIME_DIR:
		return set_directory(b, v, &b->spec->runtime_dir);
	case GLOBAL_STATE_DIR:
		return set_directory(b, v, &b->spec->state_dir);
	case GLOBAL_LOG_DIR:
		return set_directory(b, v, &b->spec->log_dir);
	case GLOBAL_LOG_LEVEL:
		return set_log_level(b, v);
	case GLOBAL_MAX_STARTING:
		convert_unsigned(b->errors, v, 0, SPEC_MAX_SERVICES, &b->spec->max_starting);
		return 0;
	case GLOBAL_ON_ORPHAN:
		return set_on_orphan(b, v);
	case GLOBAL_INCLUDE:
	case GLOBAL_CONTROL:
	case GLOBAL_QUEUE:
	case GLOBAL_POOL:
	case GLOBAL_DEFAULTS:
	case GLOBAL_SERVICE:
	case GLOBAL_CONTROL_MODE:
	case GLOBAL_CONTROL_GROUP:
	case GLOBAL_CONTROL_OPERATORS:
	case GLOBAL_CONTROL_OBSERVERS:
	case GLOBAL_QUEUE_KEY:
	case GLOBAL_QUEUE_MODE:
	case GLOBAL_QUEUE_GROUP:
	case GLOBAL_POOL_SLOTS:
	case GLOBAL_KEY_MAX:
		break;
	}
	return 0;
}

/* The XDG specification: a relative path in such a variable is to be ignored. */
static bool is_set(const char *directory)
{
	return directory && directory[0] == '/';
}

/* "A/B", or "A/C/B" for a home without the variable; NULL in *ret where neither is set. */
static int join(const char *xdg, const char *home, const char *below_home, const char *name,
	char **ret_path)
{
	int r;

	if (is_set(xdg))
		r = asprintf(ret_path, "%s/%s", xdg, name);
	else if (is_set(home) && below_home)
		r = asprintf(ret_path, "%s/%s/%s", home, below_home, name);
	else
		return 0;
	if (r < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int default_runtime_dir(struct build *b)
{
	struct spec *s = b->spec;
	struct spec_place main_file = {s->files[0], 0};
	int r;

	if (b->context->root) {
		s->runtime_dir = strdup("/run/supervisord");
		return s->runtime_dir ? 0 : -ENOMEM;
	}
	r = join(b->context->xdg_runtime_dir, NULL, NULL, "supervisord", &s->runtime_dir);
	if (r == 0 && !s->runtime_dir)
		conf_errors_add(b->errors, main_file,
			"XDG_RUNTIME_DIR is not set, so 'runtime-dir' must be given; "
			"allowed: an absolute path");
	return r;
}

static int default_state_dir(struct build *b)
{
	struct spec *s = b->spec;
	struct spec_place main_file = {s->files[0], 0};
	int r;

	if (b->context->root) {
		s->state_dir = strdup("/var/lib/supervisord");
		return s->state_dir ? 0 : -ENOMEM;
	}
	r = join(b->context->xdg_state_home, b->context->home, ".local/state", "supervisord",
		&s->state_dir);
	if (r == 0 && !s->state_dir)
		conf_errors_add(b->errors, main_file,
			"neither XDG_STATE_HOME nor HOME is set, so 'state-dir' must be given; "
			"allowed: an absolute path");
	return r;
}

static int default_directories(struct build *b)
{
	struct spec *s = b->spec;
	int r = 0;

	if (!s->runtime_dir && b->global_places[GLOBAL_RUNTIME_DIR].line == 0)
		r = default_runtime_dir(b);
	if (r == 0 && !s->state_dir && b->global_places[GLOBAL_STATE_DIR].line == 0)
		r = default_state_dir(b);
	if (r == 0 && !s->log_dir && b->context->root) {
		s->log_dir = strdup("/var/log/supervisord");
		r = s->log_dir ? 0 : -ENOMEM;
	} else if (r == 0 && !s->log_dir && s->state_dir) {
		r = join(s->state_dir, NULL, NULL, "log", &s->log_dir);
	}
	if (r == 0 && s->runtime_dir && strlen(s->runtime_dir) > MAX_RUNTIME_DIR) {
		struct spec_place place = b->global_places[GLOBAL_RUNTIME_DIR];

		if (place.line == 0)
			place.file = s->files[0];
		conf_errors_add(b->errors, place,
			"'runtime-dir' is too long for a socket in it; allowed: %d bytes",
			MAX_RUNTIME_DIR);
	}
	return r;
}

static int add_id(unsigned id, unsigned **list, size_t *n)
{
	unsigned *bigger = reallocarray(*list, *n + 1, sizeof(**list));

	if (!bigger)
		return -ENOMEM;
	*list = bigger;
	bigger[(*n)++] = id;
	return 0;
}

/* Has this class of the socket's permissions the right to connect? That is writing. */
static bool may_connect(const struct build *b, bool is_owner, bool in_group)
{
	mode_t bit = is_owner ? 0200 : in_group ? 0020 : 0002;

	return !b->spec->has_control_mode || (b->spec->control_mode & bit);
}

static gid_t socket_group(const struct build *b)
{
	return b->spec->has_control_group ? b->spec->control_group : b->sources->gid;
}

static void tell_shut_out(const struct build *b, const struct value *v, const char *who)
{
	value_error(b->errors, v,
		"control.mode %04o shuts out '%.80s'; allowed: no mode (then 0666), or one that "
		"lets "
		"all that are listed connect",
		(unsigned)b->spec->control_mode, who);
}

static bool is_member(const struct source_user *u, gid_t gid)
{
	if (u->has_entry && u->gid == gid)
		return true;
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return true;
	}
	return false;
}

static int add_user(
	struct build *b, const struct value *v, const char *name, struct spec_role *role)
{
	const struct source_user *u;
	int r = identity_user(b, v, name, &u);

	if (r < 0 || !u)
		return r;
	if (u->uid != 0 &&
		!may_connect(b, u->uid == b->sources->uid, is_member(u, socket_group(b))))
		tell_shut_out(b, v, name);
	return add_id(u->uid, &role->uids, &role->n_uids);
}

static int add_group(
	struct build *b, const struct value *v, const char *name, struct spec_role *role)
{
	const struct source_group *g;
	int r = identity_group(b, v, name + 1, &g);

	if (r < 0 || !g)
		return r;
	if (!may_connect(b, false, g->gid == socket_group(b)))
		tell_shut_out(b, v, name);
	return add_id(g->gid, &role->gids, &role->n_gids);
}

static int set_role(struct build *b, const struct value *v, struct spec_role *role)
{
	size_t n = 0;
	int r = 0;

	if (v->n > MAX_ROLE_MEMBERS) {
		value_error(b->errors, v, "more than %d users and groups", MAX_ROLE_MEMBERS);
		return 0;
	}
	for (size_t i = 0; i < v->n && r == 0; i++) {
		r = strv_take(&role->names, &n, strdup(v->strings[i]));
		if (r == 0)
			r = v->strings[i][0] == '@' ? add_group(b, v, v->strings[i], role)
						    : add_user(b, v, v->strings[i], role);
	}
	return r;
}

/* "" is the value that the default has: not set. */
static int set_group(struct build *b, const struct value *v, bool *has, char **name, gid_t *gid)
{
	const struct source_group *g;
	int r;

	if (v->strings[0][0] == '\0')
		return 0;
	*name = strdup(v->strings[0]);
	if (!*name)
		return -ENOMEM;
	r = identity_group(b, v, v->strings[0], &g);
	if (r == 0 && g) {
		*has = true;
		*gid = g->gid;
	}
	return r;
}

static int apply_control(struct build *b, const struct section *s)
{
	const struct value *v = section_find(s, GLOBAL_CONTROL_MODE);
	struct spec *spec = b->spec;
	int r = 0;

	if (v && v->strings[0][0] != '\0')
		spec->has_control_mode = convert_mode(b->errors, v, 0777, &spec->control_mode);
	v = section_find(s, GLOBAL_CONTROL_GROUP);
	if (v)
		r = set_group(b, v, &spec->has_control_group, &spec->control_group_name,
			&spec->control_group);
	v = section_find(s, GLOBAL_CONTROL_OPERATORS);
	if (r == 0 && v)
		r = set_role(b, v, &spec->operators);
	v = section_find(s, GLOBAL_CONTROL_OBSERVERS);
	if (r == 0 && v)
		r = set_role(b, v, &spec->observers);
	return r;
}

/* key_t is an int, and IPC_PRIVATE is 0: so 1 to 2^31-1, also in hexadecimal. */
static void set_queue_key(struct build *b, const struct value *v)
{
	const char *text = v->strings[0];
	int64_t key = 0;
	size_t n = 0;

	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X')) {
		convert_number(b->errors, v, text, 0, INT32_MAX, &b->spec->queue_key);
		return;
	}
	for (text += 2; n <= 8 && text[n]; n++) {
		const char *digits = "0123456789abcdef0123456789ABCDEF";
		const char *digit = strchr(digits, text[n]);

		if (!digit)
			break;
		key = key * 16 + (digit - digits) % 16;
	}
	if (n == 0 || text[n] != '\0' || key > INT32_MAX)
		value_error(b->errors, v, "'%.80s' is not allowed; allowed: 0x0 to 0x7fffffff",
			v->strings[0]);
	else
		b->spec->queue_key = key;
}

static int apply_queue(struct build *b, const struct section *s)
{
	const struct value *v = section_find(s, GLOBAL_QUEUE_KEY);

	if (v)
		set_queue_key(b, v);
	v = section_find(s, GLOBAL_QUEUE_MODE);
	if (v)
		convert_mode(b->errors, v, 0666, &b->spec->queue_mode);
	v = section_find(s, GLOBAL_QUEUE_GROUP);
	return v ? set_group(b, v, &b->spec->has_queue_group, &b->spec->queue_group_name,
			   &b->spec->queue_group)
		 : 0;
}

int global_finish(struct build *b)
{
	int r = default_directories(b);

	for (size_t i = 0; i < b->n_globals && r == 0; i++)
		r = b->globals[i].key->id == GLOBAL_CONTROL ? apply_control(b, &b->globals[i])
							    : apply_queue(b, &b->globals[i]);
	return r;
}
