/*
 * Users and groups. Name services may block for seconds, so they are asked while a
 * configuration is loaded and never after; the answers are kept in the sources, also
 * that there is no such user, so that conf_parse() sees just what conf_load() saw.
 *
 * Supplementary groups are kept as the user's bare memberships; the primary group is
 * added when an identity is put together, as `group` may have replaced it.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "conf/build.h"

#define MAX_ENTRY (1u << 20) /* bytes of one passwd or group entry */
#define NO_GROUP  ((gid_t)-1)

static bool is_number(const char *text, uint32_t *ret_id)
{
	uint64_t value;

	if (parse_u64(text, UINT32_MAX - 1, &value) < 0)
		return false;
	*ret_id = (uint32_t)value;
	return true;
}

/* getpwnam_r(3) lists these as ways to say that there is no such entry. */
static int lookup_error(int error)
{
	if (error == ENOENT || error == ESRCH || error == EBADF || error == EPERM)
		return 0;
	return -error;
}

/*
 * Asks for a user; *ret_entry points into *buffer, or is NULL where there is none. The
 * buffer has to outlive it. -ENOMEM, or the -errno of a name service that failed.
 */
static int ask_user(const char *key, struct passwd *entry, char **buffer, struct passwd **ret_entry)
{
	uint32_t id;
	bool by_number = is_number(key, &id);

	for (size_t size = 1024; size <= MAX_ENTRY; size *= 4) {
		int e;

		free(*buffer);
		*buffer = malloc(size);
		if (!*buffer)
			return -ENOMEM;
		*ret_entry = NULL;
		e = by_number ? getpwuid_r(id, entry, *buffer, size, ret_entry)
			      : getpwnam_r(key, entry, *buffer, size, ret_entry);
		if (e != ERANGE)
			return lookup_error(e);
	}
	return -E2BIG;
}

static int ask_group(const char *key, struct group *entry, char **buffer, struct group **ret_entry)
{
	uint32_t id;
	bool by_number = is_number(key, &id);

	for (size_t size = 4096; size <= MAX_ENTRY; size *= 4) {
		int e;

		free(*buffer);
		*buffer = malloc(size);
		if (!*buffer)
			return -ENOMEM;
		*ret_entry = NULL;
		e = by_number ? getgrgid_r(id, entry, *buffer, size, ret_entry)
			      : getgrnam_r(key, entry, *buffer, size, ret_entry);
		if (e != ERANGE)
			return lookup_error(e);
	}
	return -E2BIG;
}

static int ask_memberships(struct source_user *u)
{
	int n = 64;

	for (;;) {
		gid_t *bigger = reallocarray(u->groups, (size_t)n, sizeof(gid_t));
		int room = n;

		if (!bigger)
			return -ENOMEM;
		u->groups = bigger;
		/* it wants to add a primary group; this one is taken out again */
		if (getgrouplist(u->name, NO_GROUP, u->groups, &n) >= 0)
			break;
		n = MAX_OF(n, room * 2);
		if (n > SOURCE_MAX_GROUPS)
			return -E2BIG;
	}
	for (int i = 0; i < n; i++) {
		if (u->groups[i] != NO_GROUP)
			u->groups[u->n_groups++] = u->groups[i];
	}
	return 0;
}

static int fill_user(struct source_user *u, const struct passwd *entry)
{
	u->found = true;
	if (!entry)
		return 0;
	u->has_entry = true;
	u->uid = entry->pw_uid;
	u->gid = entry->pw_gid;
	u->name = strdup(entry->pw_name);
	u->home = strdup(entry->pw_dir ? entry->pw_dir : "/");
	u->shell = strdup(entry->pw_shell ? entry->pw_shell : "");
	if (!u->name || !u->home || !u->shell)
		return -ENOMEM;
	return ask_memberships(u);
}

/* A number needs no entry. */
static int fetch_user(struct conf_sources *s, const char *key)
{
	struct source_user *u = calloc(1, sizeof(*u));
	_cleanup_free_
	char *buffer = NULL;
	struct passwd entry, *found = NULL;
	int r;

	if (!u)
		return -ENOMEM;
	u->key = strdup(key);
	r = u->key ? ask_user(key, &entry, &buffer, &found) : -ENOMEM;
	if (r == 0 && (found || is_number(key, &u->uid)))
		r = fill_user(u, found);
	if (r < 0) {
		source_user_free(u);
		return r;
	}
	return source_add_user(s, u);
}

static int fetch_group(struct conf_sources *s, const char *key)
{
	struct source_group g = {.key = strdup(key)};
	_cleanup_free_
	char *buffer = NULL;
	struct group entry, *found = NULL;
	int r = g.key ? ask_group(key, &entry, &buffer, &found) : -ENOMEM;

	if (r < 0) {
		free(g.key);
		return r;
	}
	if (found) {
		g.gid = found->gr_gid;
		g.found = true;
	} else {
		g.found = is_number(key, &g.gid);
	}
	return source_add_group(s, &g);
}

/* Tells of a name service that failed; passes -ENOMEM on. */
static int tell_failure(struct build *b, const struct value *v, const char *text, int r)
{
	if (r < 0 && r != -ENOMEM) {
		value_error(b->errors, v, "cannot look up '%.80s': %s", text,
			r == -EFBIG ? "too many users and groups" : strerror(-r));
		return 0;
	}
	return r;
}

int identity_user(struct build *b, const struct value *v, const char *text,
	const struct source_user **ret_user)
{
	const struct source_user *u = source_user(b->sources, text);

	if (!u && b->fetch) {
		int r = fetch_user(b->fetch, text);

		if (r < 0) {
			*ret_user = NULL;
			return tell_failure(b, v, text, r);
		}
		u = source_user(b->sources, text);
	}
	if (u && !u->found)
		u = NULL;
	if (!u)
		value_error(b->errors, v, "unknown user '%.80s'; allowed: a user's name or number",
			text);
	*ret_user = u;
	return 0;
}

int identity_group(struct build *b, const struct value *v, const char *text,
	const struct source_group **ret_group)
{
	const struct source_group *g = source_group(b->sources, text);

	if (!g && b->fetch) {
		int r = fetch_group(b->fetch, text);

		if (r < 0) {
			*ret_group = NULL;
			return tell_failure(b, v, text, r);
		}
		g = source_group(b->sources, text);
	}
	if (g && !g->found)
		g = NULL;
	if (!g)
		value_error(b->errors, v,
			"unknown group '%.80s'; allowed: a group's name or number", text);
	*ret_group = g;
	return 0;
}

static int copy_names(const struct source_user *u, struct spec_identity *i)
{
	if (!u || !u->has_entry)
		return 0;
	i->user_name = strdup(u->name);
	i->home = strdup(u->home);
	i->shell = strdup(u->shell);
	return i->user_name && i->home && i->shell ? 0 : -ENOMEM;
}

/* The primary group first, then the memberships. */
static int copy_groups(const struct source_user *u, struct spec_identity *i)
{
	i->groups = calloc(u->n_groups + 1, sizeof(gid_t));
	if (!i->groups)
		return -ENOMEM;
	i->groups[i->n_groups++] = i->gid;
	for (size_t k = 0; k < u->n_groups; k++) {
		if (u->groups[k] != i->gid)
			i->groups[i->n_groups++] = u->groups[k];
	}
	return 0;
}

/* Who is not root can only stay who he is, and needs no ids set for that. */
static int stay(struct build *b, const struct value *user_value, const struct source_user *u,
	const struct value *group_value, const struct source_group *g, struct spec_identity *i)
{
	if (u && u->uid != b->sources->uid)
		value_error(b->errors, user_value,
			"only root can run a service as another user; allowed here: uid %u",
			(unsigned)b->sources->uid);
	if (g && g->gid != b->sources->gid)
		value_error(b->errors, group_value,
			"only root can run a service with another group; allowed here: gid %u",
			(unsigned)b->sources->gid);
	return copy_names(u, i);
}

static int change(struct build *b, const struct value *user_value, const struct source_user *u,
	const struct source_group *g, struct spec_identity *i)
{
	int r;

	if (!g && !u->has_entry) {
		value_error(b->errors, user_value,
			"uid %u has no passwd entry, so 'group' must be given too",
			(unsigned)u->uid);
		return 0;
	}
	i->set = true;
	i->uid = u->uid;
	i->gid = g ? g->gid : u->gid;
	r = copy_groups(u, i);
	return r < 0 ? r : copy_names(u, i);
}

int identity_fill(struct build *b, const struct value *user_value, const char *user,
	const struct value *group_value, const char *group, struct spec_identity *ret_identity)
{
	const struct source_user *u = NULL;
	const struct source_group *g = NULL;
	char own[16];
	int r;

	if (!user && !group)
		return 0;
	if (group) {
		r = identity_group(b, group_value, group, &g);
		if (r < 0)
			return r;
	}
	if (!user) {
		snprintf(own, sizeof(own), "%u", (unsigned)b->sources->uid);
		user = own;
		user_value = group_value;
	}
	r = identity_user(b, user_value, user, &u);
	if (r < 0)
		return r;
	if (!u || (group && !g))
		return 0; /* told */
	if (!b->context->root)
		return stay(b, user_value, u, group_value, g, ret_identity);
	return change(b, user_value, u, g, ret_identity);
}
