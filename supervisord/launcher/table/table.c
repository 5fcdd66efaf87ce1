/*
 * Two hash tables of fixed size (by pid, by service) with chains, and lists through the
 * entries. Invariants:
 *   - an entry is found by pid exactly while its process is not reaped, or while it is not
 *     known how one that is no child of ours has ended: by then another may have that pid;
 *   - table.exits is sorted by serial, since serials are given on appending;
 *   - an entry goes when its exit is acknowledged and it is released, which is for the engine
 *     to say once the generation is over: until then another process of it may be adopted.
 */
#include "launcher/table/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define POOL_CHUNK   32
#define POOL_RESERVE 16

struct pool_item {
	struct pool_item *next;
};

static void pool_put(struct pool *p, void *item)
{
	struct pool_item *i = item;

	i->next = p->free;
	p->free = i;
	p->n_free++;
}

static void *pool_get(struct pool *p, bool *spare)
{
	struct pool_item *item;

	if (p->n_free <= POOL_RESERVE) {
		char *chunk = calloc(POOL_CHUNK, p->item_size);

		for (size_t i = 0; chunk && i < POOL_CHUNK; i++)
			pool_put(p, chunk + i * p->item_size);
		if (!chunk)
			*spare = true;
	}
	item = p->free;
	if (!item)
		return NULL;
	p->free = item->next;
	p->n_free--;
	return memset(item, 0, p->item_size);
}

void table_init(struct table *t)
{
	bool spare = false;

	t->entries.item_size = sizeof(struct entry);
	t->services.item_size = sizeof(struct service);
	t->notes.item_size = sizeof(struct notebook_slot);
	fifo_init(&t->inputs);
	fifo_init(&t->starts);
	list_init(&t->exits);
	t->next_exit = &t->exits;
	/* fill the reserves */
	pool_put(&t->entries, pool_get(&t->entries, &spare));
	pool_put(&t->services, pool_get(&t->services, &spare));
	pool_put(&t->notes, pool_get(&t->notes, &spare));
}

static struct entry **pid_bucket(struct table *t, pid_t pid)
{
	return &t->by_pid[(uint32_t)pid % TABLE_BUCKETS];
}

static struct service **id_bucket(struct table *t, uint32_t id)
{
	return &t->by_id[id % TABLE_BUCKETS];
}

struct service *table_find_service(struct table *t, uint32_t id)
{
	for (struct service *s = *id_bucket(t, id); s; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

struct entry *table_find(struct table *t, uint32_t id, uint64_t generation)
{
	struct service *s = table_find_service(t, id);

	for (struct entry *e = s ? s->entries : NULL; e; e = e->next_of_service)
		if (e->generation == generation)
			return e;
	return NULL;
}

struct entry *table_find_pid(struct table *t, pid_t pid)
{
	for (struct entry *e = *pid_bucket(t, pid); e; e = e->next)
		if (e->pid == pid)
			return e;
	return NULL;
}

struct entry *table_find_child(struct table *t, pid_t pid)
{
	for (struct entry *e = *pid_bucket(t, pid); e; e = e->next)
		if (e->pid == pid && !e->fostered)
			return e;
	return NULL;
}

bool table_is_busy(const struct service *s)
{
	for (const struct entry *e = s->entries; e; e = e->next_of_service)
		if (e->pid != 0)
			return true;
	return false;
}

static struct service *add_service(struct table *t, uint32_t id, bool *spare)
{
	struct service *s = pool_get(&t->services, spare), **bucket = id_bucket(t, id);

	if (!s)
		return NULL;
	s->id = id;
	s->input = -1;
	fifo_node_init(&s->inputs);
	s->next = *bucket;
	*bucket = s;
	return s;
}

struct service *table_add_service(struct table *t, uint32_t id)
{
	struct service *s = table_find_service(t, id);
	bool spare;

	return s ? s : add_service(t, id, &spare);
}

static void drop_service_if_done(struct table *t, struct service *s)
{
	struct service **at = id_bucket(t, s->id);

	if (s->newest != 0 || table_cgroup(s) || s->input >= 0 || s->entries)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pool_put(&t->services, s);
}

const char *table_cgroup(const struct service *s)
{
	if (s->cgroup_is_far)
		return s->cgroup.far;
	return s->cgroup.near[0] == '\0' ? NULL : s->cgroup.near;
}

int table_set_cgroup(struct service *s, const char *name)
{
	size_t size = name ? strlen(name) + 1 : 0;
	char *far = NULL;

	if (s->cgroup_is_far)
		free(s->cgroup.far);
	s->cgroup_is_far = false;
	s->cgroup.near[0] = '\0';
	if (size <= sizeof(s->cgroup.near)) {
		memcpy(s->cgroup.near, name ? name : "", MAX_OF(size, 1u));
		return 0;
	}
	far = strdup(name);
	if (!far)
		return -ENOMEM;
	s->cgroup.far = far;
	s->cgroup_is_far = true;
	return 0;
}

void table_keep_input(struct table *t, struct service *s, int fd)
{
	close_fd(s->input);
	s->input = fd;
	fifo_remove(&t->inputs, &s->inputs); /* who has given it knows it */
	drop_service_if_done(t, s);
}

static bool begin_note(
	struct table *t, struct entry *e, uint32_t id, uint64_t generation, bool *spare)
{
	e->note = notebook_begin(&t->notebook, id, generation);
	e->own_note = !e->note;
	if (e->own_note)
		e->note = pool_get(&t->notes, spare);
	if (!e->note)
		notebook_drop(&t->notebook, NULL);
	return e->note;
}

static void drop_note(struct table *t, struct entry *e)
{
	notebook_drop(&t->notebook, e->own_note ? NULL : e->note);
	if (e->own_note)
		pool_put(&t->notes, e->note);
}

static void append_to_service(struct service *s, struct entry *e)
{
	struct entry **at = &s->entries;

	while (*at)
		at = &(*at)->next_of_service;
	*at = e;
}

static void remove_from_service(struct service *s, struct entry *e)
{
	struct entry **at = &s->entries;

	while (*at != e)
		at = &(*at)->next_of_service;
	*at = e->next_of_service;
}

void table_set_living(struct entry *e)
{
	e->phase = ENTRY_LIVES;
	e->successor = (struct successor){.pidfd = -1};
}

void table_set_starting(struct entry *e, const struct spawn *spawn)
{
	table_set_successor(e, 0, -1);
	e->phase = ENTRY_STARTING;
	e->spawn = *spawn;
}

struct entry *table_add(struct table *t, uint32_t id, uint64_t generation, bool *ret_spare)
{
	struct service *s = table_find_service(t, id);
	bool spare = false;
	struct entry *e;

	if (!s)
		s = add_service(t, id, &spare);
	if (!s)
		return NULL;
	e = pool_get(&t->entries, &spare);
	if (!e || !begin_note(t, e, id, generation, &spare)) {
		if (e)
			pool_put(&t->entries, e);
		drop_service_if_done(t, s);
		return NULL;
	}
	e->service = s;
	e->generation = generation;
	s->newest = generation;
	for (int i = 0; i < ENTRY_PIPES; i++)
		e->read_fds[i] = -1;
	e->pidfd = -1;
	table_set_living(e);
	append_to_service(s, e);
	fifo_node_init(&e->starts);
	*ret_spare = spare;
	return e;
}

static void remove_entry(struct table *t, struct entry *e)
{
	struct service *s = e->service;

	remove_from_service(s, e);
	fifo_remove(&t->starts, &e->starts);
	drop_note(t, e);
	pool_put(&t->entries, e);
	drop_service_if_done(t, s);
}

void table_take_back(struct table *t, struct entry *e, uint64_t newest)
{
	e->service->newest = newest;
	remove_entry(t, e);
}

void table_set_pid(struct table *t, struct entry *e, pid_t pid, const struct link_started *start)
{
	struct entry **bucket = pid_bucket(t, pid);

	e->pid = e->told_pid = pid;
	e->next = *bucket;
	*bucket = e;
	t->n_alive++;
	notebook_set_pid(e->note, pid, start);
}

void table_clear_pid(struct table *t, struct entry *e)
{
	struct entry **at = pid_bucket(t, e->pid);

	if (e->pid == 0)
		return;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->pid = 0;
	t->n_alive--;
}

static void drop_fds(struct entry *e)
{
	for (int i = 0; i < ENTRY_PIPES; i++)
		e->read_fds[i] = close_fd(e->read_fds[i]);
	if (e->phase == ENTRY_LIVES)
		table_set_successor(e, 0, -1);
	e->released = true;
}

static void remove_refusal(struct table *t, unsigned i)
{
	t->n_refusals--;
	memmove(&t->refusals[i], &t->refusals[i + 1], (t->n_refusals - i) * sizeof(t->refusals[0]));
}

static struct refusal *find_refusal(struct table *t, uint32_t id, uint64_t generation)
{
	for (unsigned i = 0; i < t->n_refusals; i++)
		if (t->refusals[i].id == id && t->refusals[i].generation == generation)
			return &t->refusals[i];
	return NULL;
}

/* If it is this process's; 0: whoever's. */
static void drop_refusal(struct table *t, const struct entry *e, pid_t pid)
{
	const struct refusal *r = find_refusal(t, e->service->id, e->generation);

	if (r && (pid == 0 || pid == r->pid))
		remove_refusal(t, (unsigned)(r - t->refusals));
}

static void drop_if_done(struct table *t, struct entry *e)
{
	if (!e->acked || !e->released)
		return;
	drop_refusal(t, e, 0);
	remove_entry(t, e);
}

static void tell_start(struct table *t, struct entry *e)
{
	fifo_append(&t->starts, &e->starts);
}

void table_started(struct table *t, struct entry *e)
{
	e->started = true;
	tell_start(t, e);
}

static void unlist_exit(struct table *t, struct entry *e)
{
	if (t->next_exit == &e->exits)
		t->next_exit = e->exits.next;
	list_remove(&e->exits);
}

void table_adopt(struct table *t, struct entry *e, pid_t pid, const struct link_started *start)
{
	table_clear_pid(t, e);
	if (e->phase == ENTRY_ENDED) {
		unlist_exit(t, e);
		table_set_living(e);
	}
	e->acked = false;
	drop_refusal(t, e, pid); /* it was, until now */
	table_set_successor(e, 0, -1);
	table_set_pid(t, e, pid, start);
	table_started(t, e);
}

void table_refused(struct table *t, const struct refusal *r)
{
	struct refusal *before = find_refusal(t, r->id, r->generation);

	if (before)
		*before = *r;
	else if (t->n_refusals < TABLE_MAX_REFUSALS)
		t->refusals[t->n_refusals++] = *r;
}

bool table_is_full_of_refusals(const struct table *t)
{
	return t->n_refusals == TABLE_MAX_REFUSALS;
}

void table_drop_refusals(struct table *t)
{
	t->n_refusals = 0;
}

void table_set_successor(struct entry *e, pid_t pid, int pidfd)
{
	assert(e->phase == ENTRY_LIVES);
	close_fd(e->successor.pidfd);
	e->successor = (struct successor){pid, pidfd};
}

void table_ended(struct table *t, struct entry *e, const struct link_exit *end)
{
	table_clear_pid(t, e);
	if (e->phase == ENTRY_LIVES)
		table_set_successor(e, 0, -1);
	notebook_end(&t->notebook, e->note, end, ++t->last_serial);
	e->phase = ENTRY_ENDED;
	/* Of a process that never ran nobody wants the output, and it has no STARTED. */
	if (!e->started)
		drop_fds(e);
	list_append(&t->exits, &e->exits);
	if (t->next_exit == &t->exits)
		t->next_exit = &e->exits;
}

void table_tell_again(struct table *t, struct entry *e)
{
	if (e->started)
		tell_start(t, e);
	if (e->phase != ENTRY_ENDED || e->acked)
		return;
	if (t->next_exit == &t->exits ||
		list_entry(t->next_exit, struct entry, exits)->note->serial > e->note->serial)
		t->next_exit = &e->exits;
}

static void tell_input_of(struct service *s, void *table)
{
	if (s->input >= 0)
		fifo_append(&((struct table *)table)->inputs, &s->inputs);
}

static void tell_start_of(struct service *s _unused_, struct entry *e, void *table)
{
	if (e->started)
		tell_start(table, e);
}

void table_tell_all(struct table *t)
{
	table_each_service(t, tell_input_of, t);
	table_each(t, tell_start_of, t);
	table_drop_refusals(t);
	t->next_exit = t->exits.next;
}

struct service *table_next_input(struct table *t)
{
	return fifo_first(&t->inputs, struct service, inputs);
}

void table_told_input(struct table *t, struct service *s)
{
	fifo_remove(&t->inputs, &s->inputs);
}

struct entry *table_next_start(struct table *t)
{
	return fifo_first(&t->starts, struct entry, starts);
}

const struct refusal *table_next_refusal(const struct table *t)
{
	return t->n_refusals > 0 ? &t->refusals[0] : NULL;
}

struct entry *table_next_exit(struct table *t)
{
	return t->next_exit == &t->exits ? NULL : list_entry(t->next_exit, struct entry, exits);
}

void table_told_start(struct table *t, struct entry *e)
{
	fifo_remove(&t->starts, &e->starts);
}

void table_told_refusal(struct table *t)
{
	remove_refusal(t, 0);
}

void table_told_exit(struct table *t, struct entry *e)
{
	t->next_exit = e->exits.next;
}

void table_ack(struct table *t, struct entry *e)
{
	unlist_exit(t, e);
	e->acked = true;
	drop_if_done(t, e);
}

void table_release(struct table *t, struct service *s, uint64_t generation)
{
	struct entry *next;

	for (struct entry *e = s->entries; e; e = next) {
		next = e->next_of_service;
		if (e->generation > generation)
			continue;
		drop_fds(e);
		drop_if_done(t, e);
	}
}

void table_remove_service(struct table *t, struct service *s)
{
	s->newest = 0;
	for (const struct entry *e = s->entries; e; e = e->next_of_service)
		s->newest = MAX_OF(s->newest, e->generation);
	table_keep_input(t, s, -1);
}

void table_each(struct table *t, void (*f)(struct service *, struct entry *, void *), void *context)
{
	for (size_t i = 0; i < TABLE_BUCKETS; i++)
		for (struct service *s = t->by_id[i]; s; s = s->next)
			for (struct entry *e = s->entries; e; e = e->next_of_service)
				f(s, e, context);
}

void table_each_service(struct table *t, void (*f)(struct service *, void *), void *context)
{
	for (size_t i = 0; i < TABLE_BUCKETS; i++)
		for (struct service *s = t->by_id[i]; s; s = s->next)
			f(s, context);
}
