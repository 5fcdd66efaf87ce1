/*
 * Names of users and groups are compared as written and by what they meant when each
 * configuration was loaded: an account that got another uid is a change, too.
 */
#include "conf/diff/diff_values.h"

#include "base/macro.h"
#include "conf/write.h"

#define MAX_IDS 32 /* so many are shown */

/* " 1 2 3", with an ellipsis for those that are too many to show. */
static int write_ids(struct buf *out, const unsigned *ids, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < MIN_OF(n, (size_t)MAX_IDS) && r == 0; i++)
		r = buf_printf(out, " %u", ids[i]);
	if (r == 0 && n > MAX_IDS)
		r = buf_printf(out, " and %zu more", n - MAX_IDS);
	return r;
}

static const struct spec_identity *identity_of(const void *owner)
{
	return ((const struct spec_service *)owner)->process->identity;
}

/* Do both run as the same one? Without ids to set, both stay who supervisord is. */
static bool same_ids(const struct spec_identity *a, const struct spec_identity *b)
{
	if (!a->set || !b->set)
		return a->set == b->set;
	return a->uid == b->uid && a->gid == b->gid && a->n_groups == b->n_groups &&
	       diff_same_bytes(a->groups, b->groups, a->n_groups * sizeof(gid_t)) &&
	       diff_same_text(a->user_name, b->user_name) && diff_same_text(a->home, b->home) &&
	       diff_same_text(a->shell, b->shell);
}

/* The names are the same, but mean others: told once, at the key that is given. */
static bool means_others(const struct spec_identity *a, const struct spec_identity *b)
{
	return diff_same_text(a->user, b->user) && diff_same_text(a->group, b->group) &&
	       !same_ids(a, b);
}

bool diff_same_user(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_identity *x = identity_of(a), *y = identity_of(b);

	(void)r;
	return diff_same_text(x->user, y->user) && !(x->user && means_others(x, y));
}

bool diff_same_group(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_identity *x = identity_of(a), *y = identity_of(b);

	(void)r;
	return diff_same_text(x->group, y->group) && !(!x->user && means_others(x, y));
}

static int write_home(const char *what, const char *text, struct buf *out)
{
	int r = text ? buf_printf(out, ", %s ", what) : 0;

	return r == 0 && text ? write_string(out, text) : r;
}

static int write_identity(const struct spec_identity *i, struct buf *out)
{
	int r = 0;

	if (!i->set)
		return buf_printf(out, " # as supervisord");
	r = buf_printf(out, " # uid %u, gid %u, groups", (unsigned)i->uid, (unsigned)i->gid);
	if (r == 0)
		r = write_ids(out, i->groups, i->n_groups);
	if (r == 0)
		r = write_home("name", i->user_name, out);
	if (r == 0)
		r = write_home("home", i->home, out);
	return r < 0 ? r : write_home("shell", i->shell, out);
}

int diff_write_user(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_identity *i = identity_of(owner);
	int result = i->user ? write_string(out, i->user) : 0;

	(void)r;
	if (result == 0 && i->user && diff_same_text(i->user, identity_of(other)->user))
		result = write_identity(i, out);
	return result;
}

int diff_write_group(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_identity *i = identity_of(owner);
	int result = i->group ? write_string(out, i->group) : 0;

	(void)r;
	if (result == 0 && i->group && !i->user &&
		diff_same_text(i->group, identity_of(other)->group))
		result = write_identity(i, out);
	return result;
}

bool diff_same_role(const struct diff_rule *r, const void *a, const void *b)
{
	const struct spec_role *x = diff_member(r, a), *y = diff_member(r, b);

	return diff_same_texts(x->names, y->names) && x->n_uids == y->n_uids &&
	       x->n_gids == y->n_gids &&
	       diff_same_bytes(x->uids, y->uids, x->n_uids * sizeof(uid_t)) &&
	       diff_same_bytes(x->gids, y->gids, x->n_gids * sizeof(gid_t));
}

int diff_write_role(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	const struct spec_role *role = diff_member(r, owner), *against = diff_member(r, other);
	int result = write_list(out, role->names);

	if (result < 0 || !diff_same_texts(role->names, against->names) || !role->names)
		return result;
	result = buf_printf(out, " # uids");
	if (result == 0)
		result = write_ids(out, role->uids, role->n_uids);
	if (result == 0)
		result = buf_printf(out, ", gids");
	return result < 0 ? result : write_ids(out, role->gids, role->n_gids);
}

/* The socket's group, or the queue's. */
struct named_group {
	const char *name;
	gid_t gid;
};

static struct named_group group_of(const struct diff_rule *r, const void *owner)
{
	const struct spec *s = owner;

	if (r->offset == offsetof(struct spec, control_group))
		return (struct named_group){s->control_group_name, s->control_group};
	return (struct named_group){s->queue_group_name, s->queue_group};
}

bool diff_same_named_group(const struct diff_rule *r, const void *a, const void *b)
{
	struct named_group x = group_of(r, a), y = group_of(r, b);

	return diff_same_text(x.name, y.name) && (!x.name || x.gid == y.gid);
}

int diff_write_named_group(
	const struct diff_rule *r, const void *owner, const void *other, struct buf *out)
{
	struct named_group g = group_of(r, owner), against = group_of(r, other);
	int result = g.name ? write_string(out, g.name) : 0;

	if (result == 0 && g.name && diff_same_text(g.name, against.name))
		result = buf_printf(out, " # gid %u", (unsigned)g.gid);
	return result;
}
