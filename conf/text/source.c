/*
 * The bundle of everything that conf_parse() works from, and the reading of files into
 * it. Whatever goes in is bounded here, one by one and in total, because the bundle also
 * comes back from bytes that another process kept (source_bytes.c).
 *
 * Files are opened without blocking and must be regular: a FIFO in services.d must not
 * stop a supervisor that reloads.
 */
#include "conf/text/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct conf_sources *source_new(void)
{
	return calloc(1, sizeof(struct conf_sources));
}

static void file_fini(struct source_file *f)
{
	free(f->path);
	free(f->text);
	*f = (struct source_file){0};
}

static void env_fini(struct source_env *e)
{
	free(e->path);
	free(e->text);
	*e = (struct source_env){0};
}

void source_user_free(struct source_user *u)
{
	if (!u)
		return;
	free(u->key);
	free(u->groups);
	free(u->name);
	free(u->home);
	free(u->shell);
	free(u);
}

void conf_sources_free(struct conf_sources *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_files; i++)
		file_fini(&s->files[i]);
	for (size_t i = 0; i < s->n_envs; i++)
		env_fini(&s->envs[i]);
	for (size_t i = 0; i < s->n_users; i++)
		source_user_free(s->users[i]);
	for (size_t i = 0; i < s->n_groups; i++)
		free(s->groups[i].key);
	for (size_t i = 0; i < s->n_scales; i++)
		free(s->scales[i].name);
	free(s->files);
	free(s->envs);
	free(s->users);
	free(s->groups);
	free(s->scales);
	map_fini(&s->env_map);
	map_fini(&s->user_map);
	map_fini(&s->group_map);
	map_fini(&s->scale_map);
	free(s);
}

/* Makes room for one more in an array that grows by doubling. */
static int make_room(void **array, size_t n, size_t item, size_t max)
{
	void *bigger;

	if (n >= max)
		return -EFBIG;
	if (n > 0 && (n & (n - 1)) != 0)
		return 0;
	bigger = realloc(*array, (n ? 2 * n : 1) * item);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	return 0;
}

static int add_bytes(struct conf_sources *s, size_t n)
{
	if (n > SOURCE_MAX_FILE || n > SOURCE_MAX_TOTAL - s->total_bytes)
		return -EFBIG;
	s->total_bytes += n;
	return 0;
}

int source_add_file(struct conf_sources *s, struct source_file *f)
{
	int r = make_room(
		(void **)&s->files, s->n_files, sizeof(*s->files), SOURCE_MAX_INCLUDES + 1);

	if (r == 0)
		r = add_bytes(s, f->n);
	if (r < 0) {
		file_fini(f);
		return r;
	}
	s->files[s->n_files++] = *f;
	*f = (struct source_file){0};
	return 0;
}

int source_add_env(struct conf_sources *s, struct source_env *e)
{
	int r = make_room((void **)&s->envs, s->n_envs, sizeof(*s->envs), SOURCE_MAX_ENV);

	if (r == 0)
		r = add_bytes(s, e->n);
	if (r == 0)
		r = map_put(&s->env_map, e->path, s->n_envs);
	if (r < 0) {
		env_fini(e);
		return r;
	}
	s->envs[s->n_envs++] = *e;
	*e = (struct source_env){0};
	return 0;
}

int source_add_user(struct conf_sources *s, struct source_user *u)
{
	int r = make_room((void **)&s->users, s->n_users, sizeof(*s->users), SOURCE_MAX_NAMES);

	if (r == 0)
		r = map_put(&s->user_map, u->key, s->n_users);
	if (r < 0) {
		source_user_free(u);
		return r;
	}
	s->users[s->n_users++] = u;
	return 0;
}

int source_add_group(struct conf_sources *s, struct source_group *g)
{
	int r = make_room((void **)&s->groups, s->n_groups, sizeof(*s->groups), SOURCE_MAX_NAMES);

	if (r == 0)
		r = map_put(&s->group_map, g->key, s->n_groups);
	if (r < 0) {
		free(TAKE_PTR(g->key));
		return r;
	}
	s->groups[s->n_groups++] = *g;
	*g = (struct source_group){0};
	return 0;
}

int source_add_scale(struct conf_sources *s, struct source_scale *x)
{
	int r = make_room((void **)&s->scales, s->n_scales, sizeof(*s->scales), SOURCE_MAX_SCALES);

	if (r == 0)
		r = map_put(&s->scale_map, x->name, s->n_scales);
	if (r < 0) {
		free(TAKE_PTR(x->name));
		return r;
	}
	s->scales[s->n_scales++] = *x;
	*x = (struct source_scale){0};
	return 0;
}

const struct source_env *source_env(const struct conf_sources *s, const char *path)
{
	size_t i;

	return map_get(&s->env_map, path, &i) ? &s->envs[i] : NULL;
}

const struct source_user *source_user(const struct conf_sources *s, const char *key)
{
	size_t i;

	return map_get(&s->user_map, key, &i) ? s->users[i] : NULL;
}

const struct source_group *source_group(const struct conf_sources *s, const char *key)
{
	size_t i;

	return map_get(&s->group_map, key, &i) ? &s->groups[i] : NULL;
}

const struct source_scale *source_scale(const struct conf_sources *s, const char *name)
{
	size_t i;

	return map_get(&s->scale_map, name, &i) ? &s->scales[i] : NULL;
}

/* One that stands there already is changed. */
static int set_scale(
	struct conf_sources *s, const char *name, unsigned instances, unsigned configured)
{
	struct source_scale x = {strdup(name), instances, configured};
	size_t i;

	if (!x.name)
		return -ENOMEM;
	if (!map_get(&s->scale_map, name, &i))
		return source_add_scale(s, &x);
	free(x.name);
	s->scales[i].instances = instances;
	s->scales[i].configured = configured;
	return 0;
}

int conf_sources_scale(struct conf_sources *s, const struct spec_service *service, unsigned n)
{
	return set_scale(s, service->name, n, service->n_configured);
}

int conf_sources_scale_as(struct conf_sources *s, const struct spec *spec)
{
	int r = 0;

	for (size_t i = 0; i < spec->n_services && r == 0; i++) {
		const struct spec_service *x = &spec->services[i];

		if (spec_is_scaled(x))
			r = set_scale(s, x->name, x->n_instances, x->n_configured);
	}
	return r;
}

int source_from_text(
	const char *path, const char *text, size_t n, struct conf_sources **ret_sources)
{
	struct conf_sources *s = source_new();
	struct source_file f = {
		.path = strdup(path),
		.text = malloc(n + 1),
		.n = n,
		.parent = SOURCE_NO_PARENT,
	};
	int r;

	if (!s || !f.path || !f.text) {
		file_fini(&f);
		conf_sources_free(s);
		return -ENOMEM;
	}
	memcpy(f.text, text, n);
	f.text[n] = '\0';
	r = source_add_file(s, &f);
	if (r < 0) {
		conf_sources_free(s);
		return r;
	}
	*ret_sources = s;
	return 0;
}

static int read_all(int fd, char **ret_text, size_t *ret_n)
{
	_cleanup_buf_ struct buf b = {0};

	for (;;) {
		ssize_t n;
		int r = buf_reserve(&b, 4096);

		if (r < 0)
			return r;
		n = read(fd, b.data + b.len, b.size - b.len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b.len += (size_t)n;
		if (b.len > SOURCE_MAX_FILE)
			return -EFBIG;
		if (n == 0)
			break;
	}
	b.data[b.len] = '\0';
	*ret_n = b.len;
	*ret_text = TAKE_PTR(b.data);
	return 0;
}

int source_read(
	const char *path, char **ret_text, size_t *ret_n, struct source_identity *ret_identity)
{
	_cleanup_close_
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -ENOTSUP;
	r = read_all(fd, ret_text, ret_n);
	if (r < 0)
		return r;
	*ret_identity = (struct source_identity){st.st_dev, st.st_ino};
	return 0;
}

const char *source_strerror(int error)
{
	switch (-error) {
	case EFBIG:
		return "too large; allowed: 4 MiB a file, 32 MiB in all, 1000 included files";
	case ENOTSUP:
		return "not a regular file";
	}
	return strerror(-error);
}
