/*
 * Two hash tables of fixed size (by pid, by service) with chains, and lists through the
 * entries. Invariants:
 *   - an entry is found by pid exactly while its process is not reaped, or while it is not
 *     known how one that is no child of ours has ended: by then another may have that pid;
 *   - table.exits is sorted by serial, since serials are given on appending;
 *   - an entry goes when its exit is acknowledged and it is released, which is for the engine
 *     to say once the generation is over: until then another process of it may be adopted.
 */
#include "launcher/table.h"

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
	list_init(&t->inputs);
	list_init(&t->starts);
	list_init(&t->refusals);
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

	if (!s)
		return NULL;
	list_foreach (it, &s->entries) {
		struct entry *e = list_entry(it, struct entry, in_service);

		if (e->generation == generation)
			return e;
	}
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
		if (e->pid == pid && e->pidfd < 0)
			return e;
	return NULL;
}

bool table_is_busy(const struct service *s)
{
	list_foreach (it, &s->entries)
		if (list_entry(it, struct entry, in_service)->pid != 0)
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
	list_init(&s->inputs);
	list_init(&s->entries);
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

	if (s->newest != 0 || s->cgroup || s->input >= 0 || !list_empty(&s->entries))
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pool_put(&t->services, s);
}

void table_keep_input(struct table *t, struct service *s, int fd)
{
	close_fd(s->input);
	s->input = fd;
	list_remove(&s->inputs); /* who has given it knows it */
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
	e->spawn.error_fd = e->spawn.slot = e->successor_fd = e->pidfd = e->child_fd = -1;
	list_append(&s->entries, &e->in_service);
	list_init(&e->starts);
	list_init(&e->refusals);
	list_init(&e->exits);
	list_init(&e->dying);
	*ret_spare = spare;
	return e;
}

void table_set_pid(struct table *t, struct entry *e, pid_t pid)
{
	struct entry **bucket = pid_bucket(t, pid);

	e->pid = e->told_pid = pid;
	e->next = *bucket;
	*bucket = e;
	t->n_alive++;
	notebook_set_pid(e->note, pid, &e->start);
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
	table_set_successor(e, 0, -1);
	e->released = true;
}

static void drop_if_done(struct table *t, struct entry *e)
{
	struct service *s = e->service;

	if (!e->acked || !e->released)
		return;
	list_remove(&e->in_service);
	list_remove(&e->starts);
	list_remove(&e->refusals);
	drop_note(t, e);
	pool_put(&t->entries, e);
	drop_service_if_done(t, s);
}

static void tell_start(struct table *t, struct entry *e)
{
	if (list_empty(&e->starts))
		list_append(&t->starts, &e->starts);
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

void table_adopt(struct table *t, struct entry *e, pid_t pid)
{
	table_clear_pid(t, e);
	unlist_exit(t, e);
	e->ended = e->acked = false;
	if (e->refused == pid)
		list_remove(&e->refusals); /* it was, until now */
	table_set_successor(e, 0, -1);
	table_set_pid(t, e, pid);
	table_started(t, e);
}

void table_refused(struct table *t, struct entry *e, pid_t pid, int error)
{
	e->refused = pid;
	e->refusal = error;
	if (list_empty(&e->refusals))
		list_append(&t->refusals, &e->refusals);
}

void table_set_successor(struct entry *e, pid_t pid, int pidfd)
{
	close_fd(e->successor_fd);
	e->successor = pid;
	e->successor_fd = pidfd;
}

void table_ended(struct table *t, struct entry *e, const struct link_exit *end)
{
	table_clear_pid(t, e);
	table_set_successor(e, 0, -1);
	e->ended = true;
	e->serial = ++t->last_serial;
	notebook_end(&t->notebook, e->note, end, e->serial);
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
	if (!e->ended || e->acked)
		return;
	if (t->next_exit == &t->exits ||
		list_entry(t->next_exit, struct entry, exits)->serial > e->serial)
		t->next_exit = &e->exits;
}

static void tell_input_of(struct service *s, void *table)
{
	if (s->input >= 0 && list_empty(&s->inputs))
		list_append(&((struct table *)table)->inputs, &s->inputs);
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
	while (!list_empty(&t->refusals)) /* who has asked is gone */
		table_told_refusal(t, table_next_refusal(t));
	t->next_exit = t->exits.next;
}

struct service *table_next_input(struct table *t)
{
	return list_first(&t->inputs, struct service, inputs);
}

void table_told_input(struct service *s)
{
	list_remove(&s->inputs);
}

struct entry *table_next_start(struct table *t)
{
	return list_first(&t->starts, struct entry, starts);
}

struct entry *table_next_refusal(struct table *t)
{
	return list_first(&t->refusals, struct entry, refusals);
}

struct entry *table_next_exit(struct table *t)
{
	return t->next_exit == &t->exits ? NULL : list_entry(t->next_exit, struct entry, exits);
}

void table_told_start(struct entry *e)
{
	list_remove(&e->starts);
}

void table_told_refusal(struct table *t, struct entry *e)
{
	list_remove(&e->refusals);
	drop_if_done(t, e);
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
	list_foreach_safe (it, &s->entries) {
		struct entry *e = list_entry(it, struct entry, in_service);

		if (e->generation > generation)
			continue;
		drop_fds(e);
		drop_if_done(t, e);
	}
}

void table_remove_service(struct table *t, struct service *s)
{
	s->newest = 0;
	list_foreach (it, &s->entries)
		s->newest = MAX_OF(s->newest, list_entry(it, struct entry, in_service)->generation);
	table_keep_input(t, s, -1);
}

void table_each(struct table *t, void (*f)(struct service *, struct entry *, void *), void *context)
{
	for (size_t i = 0; i < TABLE_BUCKETS; i++)
		for (struct service *s = t->by_id[i]; s; s = s->next)
			list_foreach (it, &s->entries)
				f(s, list_entry(it, struct entry, in_service), context);
}

void table_each_service(struct table *t, void (*f)(struct service *, void *), void *context)
{
	for (size_t i = 0; i < TABLE_BUCKETS; i++)
		for (struct service *s = t->by_id[i]; s; s = s->next)
			f(s, context);
}
