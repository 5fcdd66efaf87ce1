/*
 * The flat form of a plan is canonical: head, limits, groups, argv, envp, then the strings in a
 * fixed order, each right behind the one before it, nothing left over. So decoding is
 * one walk from start to end with a cursor, and no two parts can overlap, which matters
 * because plan_open() writes pointers over the offsets it has just read.
 *
 * The order of the strings: path, directory, cgroup, stdin, argv[], envp[].
 */
#include "wire/plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

_Static_assert(sizeof(struct plan_head) % 8 == 0, "what follows the head is aligned");
_Static_assert(sizeof(struct plan_limit) == 24, "it has no holes");

#define MAX_CGROUP_NAME 255

static uint64_t align8(uint64_t n)
{
	return (n + 7) & ~UINT64_C(7);
}

/* Counts a list and adds the sizes of its strings; -E2BIG. */
static int measure(const char *const *list, uint32_t *ret_n, uint64_t *size)
{
	uint32_t n = 0;

	for (; list[n]; n++) {
		if (n == PLAN_MAX_ARGS)
			return -E2BIG;
		*size += strlen(list[n]) + 1;
		if (*size > PLAN_MAX_SIZE)
			return -E2BIG;
	}
	*ret_n = n;
	return 0;
}

static uint32_t put_string(char *data, uint32_t *cursor, const char *s)
{
	uint32_t at = *cursor;
	size_t n = strlen(s) + 1;

	memcpy(data + at, s, n);
	*cursor += (uint32_t)n;
	return at;
}

static void put_list(
	char *data, uint32_t *cursor, uint32_t array, const char *const *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t at = put_string(data, cursor, list[i]);

		memcpy(data + array + 8 * (size_t)i, &at, sizeof(at));
	}
}

int plan_encode(const struct plan *p, void **ret_data, size_t *ret_size)
{
	struct plan_head h = {
		.magic = PLAN_MAGIC,
		.version = PLAN_VERSION,
		.flags = p->flags,
		.uid = p->uid,
		.gid = p->gid,
		.n_groups = p->n_groups,
		.umask = p->umask,
		.nice = p->nice,
		.oom_score_adj = p->oom_score_adj,
		.ready_fd = p->ready_fd,
		.n_limits = p->n_limits,
	};
	const char *cgroup = p->cgroup ? p->cgroup : "";
	const char *directory = p->directory ? p->directory : "";
	const char *input = p->stdin_path ? p->stdin_path : "";
	uint64_t strings = strlen(p->path) + strlen(directory) + strlen(cgroup) + strlen(input) + 4;
	uint64_t size;
	uint32_t cursor;
	char *data;
	int r;

	if (p->n_groups > PLAN_MAX_GROUPS || p->n_limits > PLAN_MAX_LIMITS)
		return -E2BIG;
	r = measure(p->argv, &h.n_argv, &strings);
	if (r < 0)
		return r;
	r = measure(p->envp, &h.n_envp, &strings);
	if (r < 0)
		return r;
	h.groups_offset = (uint32_t)(sizeof(h) + h.n_limits * sizeof(*p->limits));
	h.argv_offset = (uint32_t)align8(h.groups_offset + 4 * (uint64_t)h.n_groups);
	h.envp_offset = h.argv_offset + 8 * (h.n_argv + 1);
	cursor = h.envp_offset + 8 * (h.n_envp + 1);
	size = cursor + strings;
	if (size > PLAN_MAX_SIZE)
		return -E2BIG;
	h.size = (uint32_t)size;

	data = calloc(1, size);
	if (!data)
		return -ENOMEM;
	if (p->n_limits > 0)
		memcpy(data + sizeof(h), p->limits, h.n_limits * sizeof(*p->limits));
	if (p->n_groups > 0)
		memcpy(data + h.groups_offset, p->groups, 4 * (size_t)p->n_groups);
	h.path_offset = put_string(data, &cursor, p->path);
	h.directory_offset = put_string(data, &cursor, directory);
	h.cgroup_offset = put_string(data, &cursor, cgroup);
	h.stdin_offset = put_string(data, &cursor, input);
	put_list(data, &cursor, h.argv_offset, p->argv, h.n_argv);
	put_list(data, &cursor, h.envp_offset, p->envp, h.n_envp);
	memcpy(data, &h, sizeof(h));
	*ret_data = data;
	*ret_size = size;
	return 0;
}

static bool ready_fd_is_valid(const struct plan_head *h)
{
	if (h->flags & PLAN_READY_FD)
		return h->ready_fd >= PLAN_MIN_READY_FD && h->ready_fd <= PLAN_MAX_READY_FD;
	return h->ready_fd == 0;
}

/* One kind of it, if any, and a path where that is one. */
static bool stdin_is_valid(const struct plan_head *h, const char *path)
{
	uint32_t opened = h->flags & (PLAN_STDIN_FILE | PLAN_STDIN_FIFO);
	uint32_t any = h->flags & (PLAN_STDIN_FILE | PLAN_STDIN_FIFO | PLAN_STDIN_KEPT);

	return (any & (any - 1)) == 0 && (opened != 0) == (path[0] != '\0');
}

static bool head_is_valid(const struct plan_head *h, size_t size)
{
	uint64_t groups = sizeof(*h) + (uint64_t)h->n_limits * sizeof(struct plan_limit);
	uint64_t argv = align8(groups + 4 * (uint64_t)h->n_groups);
	uint64_t envp = argv + 8 * ((uint64_t)h->n_argv + 1);
	uint64_t strings = envp + 8 * ((uint64_t)h->n_envp + 1);

	if (h->size != size || (h->flags & ~(uint32_t)PLAN_FLAGS_ALL))
		return false;
	if (h->n_limits > PLAN_MAX_LIMITS || h->n_groups > PLAN_MAX_GROUPS ||
		h->n_argv > PLAN_MAX_ARGS || h->n_envp > PLAN_MAX_ARGS || h->n_argv == 0)
		return false;
	if (h->groups_offset != groups || h->argv_offset != argv || h->envp_offset != envp)
		return false;
	/* -1 means "leave it as it is" to setresuid(): never let that through. */
	if ((h->flags & PLAN_SET_IDS) && (h->uid == UINT32_MAX || h->gid == UINT32_MAX))
		return false;
	if (h->umask > 0777 || h->nice < -20 || h->nice > 19)
		return false;
	if (h->oom_score_adj < -1000 || h->oom_score_adj > 1000)
		return false;
	return ready_fd_is_valid(h) && h->reserved == 0 && strings < size;
}

static bool limits_are_valid(const struct plan_limit *limits, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_limit *l = &limits[i];

		if (l->resource >= PLAN_MAX_LIMITS || l->reserved != 0 || l->soft > l->hard)
			return false;
		if (i > 0 && l->resource <= limits[i - 1].resource)
			return false;
	}
	return true;
}

/* The string that must start at the cursor; moves the cursor behind it. NULL: malformed. */
static char *take_string(char *data, size_t size, uint64_t *cursor, uint64_t offset)
{
	char *s = data + *cursor, *end;

	if (offset != *cursor || offset >= size)
		return NULL;
	end = memchr(s, '\0', size - *cursor);
	if (!end)
		return NULL;
	*cursor = (uint64_t)(end - data) + 1;
	return s;
}

/* Ascending, so that pointers shorter than an offset never overwrite one yet to be read. */
static char *const *take_list(char *data, size_t size, uint64_t *cursor, uint32_t array, uint32_t n)
{
	char *list = data + array;
	uint64_t offset;
	char *s = NULL;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(&offset, list + 8 * (size_t)i, sizeof(offset));
		s = take_string(data, size, cursor, offset);
		if (!s)
			return NULL;
		memcpy(list + sizeof(s) * i, &s, sizeof(s));
	}
	memcpy(&offset, list + 8 * (size_t)n, sizeof(offset));
	if (offset != 0)
		return NULL;
	s = NULL;
	memcpy(list + sizeof(s) * n, &s, sizeof(s));
	return (char *const *)(void *)list;
}

static bool cgroup_is_valid(const char *name)
{
	return !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strlen(name) <= MAX_CGROUP_NAME;
}

int plan_open(void *data, size_t size, struct plan_view *ret_view)
{
	struct plan_head *h = data;
	struct plan_view v = {.head = h};
	uint64_t cursor;

	if (size < sizeof(*h) || size > PLAN_MAX_SIZE || h->magic != PLAN_MAGIC)
		return -EBADMSG;
	if (h->version != PLAN_VERSION)
		return -EPROTONOSUPPORT;
	if (!head_is_valid(h, size))
		return -EBADMSG;
	v.limits = (const struct plan_limit *)(const void *)(h + 1);
	if (!limits_are_valid(v.limits, h->n_limits))
		return -EBADMSG;
	v.groups = (const uint32_t *)(const void *)((char *)data + h->groups_offset);
	for (uint32_t i = 0; i < h->n_groups; i++)
		if (v.groups[i] == UINT32_MAX)
			return -EBADMSG;
	if (h->n_groups % 2 && v.groups[h->n_groups] != 0)
		return -EBADMSG; /* the padding before argv */

	cursor = h->envp_offset + 8 * ((uint64_t)h->n_envp + 1);
	v.path = take_string(data, size, &cursor, h->path_offset);
	if (!v.path || v.path[0] == '\0')
		return -EBADMSG;
	v.directory = take_string(data, size, &cursor, h->directory_offset);
	if (!v.directory)
		return -EBADMSG;
	v.cgroup = take_string(data, size, &cursor, h->cgroup_offset);
	if (!v.cgroup || !cgroup_is_valid(v.cgroup))
		return -EBADMSG;
	v.stdin_path = take_string(data, size, &cursor, h->stdin_offset);
	if (!v.stdin_path || !stdin_is_valid(h, v.stdin_path))
		return -EBADMSG;
	v.argv = take_list(data, size, &cursor, h->argv_offset, h->n_argv);
	if (!v.argv)
		return -EBADMSG;
	v.envp = take_list(data, size, &cursor, h->envp_offset, h->n_envp);
	if (!v.envp || cursor != size)
		return -EBADMSG;
	*ret_view = v;
	return 0;
}
