/*
 * MADV_DONTNEED on a shared mapping of a file only takes pages out of the page table: what was
 * written to them is the file's already, whoever is killed and when. Of memory that is no file's it
 * would throw the content away, so it is done to files alone (an area that is yet to be saved, and
 * what took the place of a lost page, are none).
 *
 * By a timer, which a burst arms once: while services are being started nothing is faulted in
 * again and again, and while nothing happens nothing wakes up. The heap gives back at the same time
 * what the burst has left of it.
 */
#include "engine/kept/pages.h"

#include <malloc.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "engine/engine.h"

static void let_go(void *memory, size_t size, const struct mapping *mapping)
{
	if (memory && !mapping_is_lost(mapping))
		(void)sys_madvise(memory, size, MADV_DONTNEED);
}

static void on_due(struct loop_timer *t)
{
	struct engine *e = CONTAINER_OF(t, struct engine, pages.due);

	e->pages.touched = false;
	if (!e->store.unsaved)
		let_go(e->store.area.head, e->store.area.size, &e->store.mapping);
	let_go(e->board.area.head, e->board.area.size, &e->board.mapping);
	journal_file_let_go(&e->journal);
	malloc_trim(0);
}

int pages_init(struct engine *e)
{
	int r = loop_timer_add(&e->loop, &e->pages.due);

	if (r < 0)
		return r;
	e->pages.due.dispatch = on_due;
	pages_touch(e);
	return 0;
}

void pages_fini(struct engine *e)
{
	loop_timer_remove(&e->loop, &e->pages.due);
	e->pages.due.dispatch = NULL;
}

void pages_touch(struct engine *e)
{
	if (e->pages.touched || !e->pages.due.dispatch)
		return;
	e->pages.touched = true;
	loop_timer_set(&e->loop, &e->pages.due, usec_add(e->loop.now_usec, PAGES_LET_GO_USEC));
}
