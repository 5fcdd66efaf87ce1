/*
 * The sources: texts of all files that take part, and what the names of users and
 * groups meant. Inside of conf/ only; others see load.h.
 */
#pragma once

#include "conf/load.h"
#include "conf/values/map.h"

#define SOURCE_MAX_FILE	    (4u << 20) /* bytes of one file */
#define SOURCE_MAX_TOTAL    (32u << 20) /* of all */
#define SOURCE_MAX_INCLUDES 1000 /* included files */
#define SOURCE_MAX_ENV	    20000 /* env-files */
#define SOURCE_MAX_NAMES    20000 /* users; groups */
#define SOURCE_MAX_GROUPS   65536 /* of one user: NGROUPS_MAX */
#define SOURCE_MAX_SCALES   SPEC_MAX_SERVICES
#define SOURCE_MAX_DEPTH    16 /* of includes in includes */
#define SOURCE_NO_PARENT    UINT32_MAX

/* A file of configuration, in the order of reading: each stands after its parent. */
struct source_file {
	char *path;
	char *text; /* NUL terminated; a NUL inside is refused later, with its line */
	size_t n;
	uint32_t parent; /* the file that includes it; SOURCE_NO_PARENT for the first */
	uint32_t include; /* by its include statement of that number, from 0 */
};

struct source_env {
	char *path;
	char *text; /* NULL: there was no such file, and the path began with a '-' */
	size_t n;
};

struct source_user {
	char *key; /* as written in the configuration */
	bool found;
	bool has_entry; /* false: only a number, gid and names are unknown */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* those that list the user as a member */
	size_t n_groups;
	char *name, *home, *shell; /* NULL without entry */
};

struct source_group {
	char *key;
	bool found;
	gid_t gid;
};

/* So many instances of a definition, while its files say `configured`. */
struct source_scale {
	char *name;
	uint32_t instances, configured;
};

struct conf_sources {
	uid_t uid; /* who supervisord was when they were read */
	gid_t gid;
	struct source_file *files;
	size_t n_files;
	struct source_env *envs;
	size_t n_envs;
	struct source_user **users;
	size_t n_users;
	struct source_group *groups;
	size_t n_groups;
	struct source_scale *scales;
	size_t n_scales;
	struct map env_map, user_map, group_map, scale_map;
	size_t total_bytes;
};

struct conf_sources *source_new(void);

/* One text as main file, nothing read or looked up. text need not end with NUL. */
int source_from_text(
	const char *path, const char *text, size_t n, struct conf_sources **ret_sources);

/*
 * Each takes over what its argument owns, also on failure: -ENOMEM, -EFBIG where the
 * limit of its kind or of the total is reached, -EEXIST.
 */
int source_add_file(struct conf_sources *s, struct source_file *f);
int source_add_env(struct conf_sources *s, struct source_env *e);
int source_add_user(struct conf_sources *s, struct source_user *u);
int source_add_group(struct conf_sources *s, struct source_group *g);
int source_add_scale(struct conf_sources *s, struct source_scale *x);

/* NULL where the sources don't know it. Valid until the next one is added. */
const struct source_env *source_env(const struct conf_sources *s, const char *path);
const struct source_user *source_user(const struct conf_sources *s, const char *key);
const struct source_group *source_group(const struct conf_sources *s, const char *key);
const struct source_scale *source_scale(const struct conf_sources *s, const char *name);

void source_user_free(struct source_user *u);

/* Which file it was, to know it again. */
struct source_identity {
	dev_t dev;
	ino_t ino;
};

/*
 * Reads a regular file of at most SOURCE_MAX_FILE bytes; the text is NUL terminated.
 * -errno; -EFBIG too large, -EISDIR a directory, -ENOTSUP no regular file.
 */
int source_read(
	const char *path, char **ret_text, size_t *ret_n, struct source_identity *ret_identity);

/* What a failure of source_read() or source_add_…() means, in words. */
const char *source_strerror(int error);
