/*
 * The sources as bytes: the form in which the launcher keeps the configuration in force.
 *
 *     magic, version, uid, gid, then each list: its length, then its records
 *
 * Numbers are 32 bits in the machine's order (the bytes never leave it); a string is its
 * length and bytes; a missing string has the length 0xffffffff. The reader trusts
 * nothing: all that it takes goes through the limits of source_add_…(), an allocation is
 * never larger than the bytes that are left, and bytes left over are refused.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "conf/text/source.h"

#define MAGIC	   UINT32_C(0x666e6f63) /* "conf" */
#define VERSION	   2
#define NO_STRING  UINT32_MAX
#define MAX_STRING (SOURCE_MAX_FILE)

struct writer {
	struct buf b;
	int error;
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (w->error == 0)
		w->error = buf_append(&w->b, SIZE_MAX, data, n);
}

static void put_number(struct writer *w, uint32_t value)
{
	put(w, &value, sizeof(value));
}

static void put_bytes(struct writer *w, const char *data, size_t n)
{
	put_number(w, data ? (uint32_t)n : NO_STRING);
	if (data)
		put(w, data, n);
}

static void put_string(struct writer *w, const char *text)
{
	put_bytes(w, text, text ? strlen(text) : 0);
}

static void put_files(struct writer *w, const struct conf_sources *s)
{
	put_number(w, (uint32_t)s->n_files);
	for (size_t i = 0; i < s->n_files; i++) {
		const struct source_file *f = &s->files[i];

		put_string(w, f->path);
		put_bytes(w, f->text, f->n);
		put_number(w, f->parent);
		put_number(w, f->include);
	}
	put_number(w, (uint32_t)s->n_envs);
	for (size_t i = 0; i < s->n_envs; i++) {
		put_string(w, s->envs[i].path);
		put_bytes(w, s->envs[i].text, s->envs[i].n);
	}
}

static void put_names(struct writer *w, const struct conf_sources *s)
{
	put_number(w, (uint32_t)s->n_users);
	for (size_t i = 0; i < s->n_users; i++) {
		const struct source_user *u = s->users[i];

		put_string(w, u->key);
		put_number(w, u->found);
		put_number(w, u->has_entry);
		put_number(w, u->uid);
		put_number(w, u->gid);
		put_number(w, (uint32_t)u->n_groups);
		for (size_t k = 0; k < u->n_groups; k++)
			put_number(w, u->groups[k]);
		put_string(w, u->name);
		put_string(w, u->home);
		put_string(w, u->shell);
	}
	put_number(w, (uint32_t)s->n_groups);
	for (size_t i = 0; i < s->n_groups; i++) {
		put_string(w, s->groups[i].key);
		put_number(w, s->groups[i].found);
		put_number(w, s->groups[i].gid);
	}
}

static void put_scales(struct writer *w, const struct conf_sources *s)
{
	put_number(w, (uint32_t)s->n_scales);
	for (size_t i = 0; i < s->n_scales; i++) {
		put_string(w, s->scales[i].name);
		put_number(w, s->scales[i].instances);
		put_number(w, s->scales[i].configured);
	}
}

int conf_sources_write(const struct conf_sources *s, struct buf *ret_bytes)
{
	struct writer w = {0};

	put_number(&w, MAGIC);
	put_number(&w, VERSION);
	put_number(&w, s->uid);
	put_number(&w, s->gid);
	put_files(&w, s);
	put_names(&w, s);
	put_scales(&w, s);
	if (w.error < 0) {
		buf_fini(&w.b);
		return w.error;
	}
	*ret_bytes = w.b;
	return 0;
}

struct reader {
	const unsigned char *p;
	size_t left;
	int error; /* the first one; after it, everything read is empty */
};

static uint32_t get_number(struct reader *r)
{
	uint32_t value;

	if (r->error < 0)
		return 0;
	if (r->left < sizeof(value)) {
		r->error = -EBADMSG;
		return 0;
	}
	memcpy(&value, r->p, sizeof(value));
	r->p += sizeof(value);
	r->left -= sizeof(value);
	return value;
}

/* As a list's length: each record of it takes at least min bytes. */
static uint32_t get_count(struct reader *r, size_t min)
{
	uint32_t n = get_number(r);

	if (n > r->left / min) {
		r->error = -EBADMSG;
		return 0;
	}
	return n;
}

static bool get_bool(struct reader *r)
{
	uint32_t value = get_number(r);

	if (value > 1)
		r->error = -EBADMSG;
	return value == 1;
}

/* NULL for a missing string, and after an error. Owned by the caller. */
static char *get_bytes(struct reader *r, size_t *ret_n)
{
	uint32_t n = get_number(r);
	char *data;

	*ret_n = 0;
	if (r->error < 0 || n == NO_STRING)
		return NULL;
	if (n > r->left || n > MAX_STRING) {
		r->error = -EBADMSG;
		return NULL;
	}
	data = malloc((size_t)n + 1);
	if (!data) {
		r->error = -ENOMEM;
		return NULL;
	}
	memcpy(data, r->p, n);
	data[n] = '\0';
	r->p += n;
	r->left -= n;
	*ret_n = n;
	return data;
}

static char *get_string(struct reader *r)
{
	size_t n;
	char *text = get_bytes(r, &n);

	if (text && strlen(text) != n)
		r->error = -EBADMSG;
	return text;
}

/* One that can't be missing. */
static char *get_key(struct reader *r)
{
	char *text = get_string(r);

	if (!text && r->error == 0)
		r->error = -EBADMSG;
	return text;
}

static void take(struct reader *r, int error)
{
	if (r->error == 0 && error < 0)
		r->error = error == -ENOMEM ? -ENOMEM : -EBADMSG;
}

static void get_files(struct reader *r, struct conf_sources *s)
{
	uint32_t n = get_count(r, 16);

	for (uint32_t i = 0; i < n && r->error == 0; i++) {
		struct source_file f = {.path = get_key(r)};

		f.text = get_bytes(r, &f.n);
		f.parent = get_number(r);
		f.include = get_number(r);
		if (!f.text || (i == 0 ? f.parent != SOURCE_NO_PARENT : f.parent >= i))
			take(r, -EBADMSG);
		if (r->error < 0) {
			free(f.path);
			free(f.text);
			return;
		}
		take(r, source_add_file(s, &f));
	}
	if (n == 0)
		take(r, -EBADMSG);
}

static void get_envs(struct reader *r, struct conf_sources *s)
{
	uint32_t n = get_count(r, 8);

	for (uint32_t i = 0; i < n && r->error == 0; i++) {
		struct source_env e = {.path = get_key(r)};

		e.text = get_bytes(r, &e.n);
		if (r->error < 0) {
			free(e.path);
			free(e.text);
			return;
		}
		take(r, source_add_env(s, &e));
	}
}

static void get_member_groups(struct reader *r, struct source_user *u)
{
	uint32_t n = get_count(r, sizeof(uint32_t));

	if (n > SOURCE_MAX_GROUPS)
		take(r, -EBADMSG);
	if (n == 0 || r->error < 0)
		return;
	u->groups = calloc(n, sizeof(gid_t));
	if (!u->groups) {
		r->error = -ENOMEM;
		return;
	}
	for (; u->n_groups < n; u->n_groups++)
		u->groups[u->n_groups] = get_number(r);
}

static void get_user(struct reader *r, struct conf_sources *s)
{
	struct source_user *u = calloc(1, sizeof(*u));

	if (!u) {
		r->error = -ENOMEM;
		return;
	}
	u->key = get_key(r);
	u->found = get_bool(r);
	u->has_entry = get_bool(r);
	u->uid = get_number(r);
	u->gid = get_number(r);
	get_member_groups(r, u);
	u->name = get_string(r);
	u->home = get_string(r);
	u->shell = get_string(r);
	if (u->has_entry && (!u->name || !u->home || !u->shell))
		take(r, -EBADMSG);
	if (r->error < 0)
		source_user_free(u);
	else
		take(r, source_add_user(s, u));
}

static void get_names(struct reader *r, struct conf_sources *s)
{
	uint32_t n = get_count(r, 36);

	for (uint32_t i = 0; i < n && r->error == 0; i++)
		get_user(r, s);
	n = get_count(r, 12);
	for (uint32_t i = 0; i < n && r->error == 0; i++) {
		struct source_group g = {.key = get_key(r)};

		g.found = get_bool(r);
		g.gid = get_number(r);
		if (r->error < 0)
			free(g.key);
		else
			take(r, source_add_group(s, &g));
	}
}

static void get_scales(struct reader *r, struct conf_sources *s)
{
	uint32_t n = get_count(r, 12);

	for (uint32_t i = 0; i < n && r->error == 0; i++) {
		struct source_scale x = {.name = get_key(r)};

		x.instances = get_number(r);
		x.configured = get_number(r);
		if (x.instances > SPEC_MAX_INSTANCES || x.configured > SPEC_MAX_INSTANCES)
			take(r, -EBADMSG);
		if (r->error < 0)
			free(x.name);
		else
			take(r, source_add_scale(s, &x));
	}
}

int conf_sources_read(const void *data, size_t n, struct conf_sources **ret_sources)
{
	struct reader r = {.p = data, .left = n};
	struct conf_sources *s = source_new();

	if (!s)
		return -ENOMEM;
	if (get_number(&r) != MAGIC || get_number(&r) != VERSION)
		take(&r, -EBADMSG);
	s->uid = get_number(&r);
	s->gid = get_number(&r);
	get_files(&r, s);
	get_envs(&r, s);
	get_names(&r, s);
	get_scales(&r, s);
	if (r.left > 0)
		take(&r, -EBADMSG);
	if (r.error < 0) {
		conf_sources_free(s);
		return r.error;
	}
	*ret_sources = s;
	return 0;
}
