/*
 * The first engine makes the holding pipe and gives the launcher both ends to keep; a later
 * one gets them back, with what the last one had in it. That is written before anything else
 * is read: by then services have their sinks and counters back, and those that wait for a line
 * look out for it again.
 */
#include "engine/streams.h"

#include <string.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"

static struct pump *find(struct pump_set *set, uint32_t id, unsigned stream)
{
	struct engine *e = CONTAINER_OF(set, struct engine, pumps);
	struct service *s = services_by_id(e, id);

	return s && stream < s->n_streams ? &s->streams[stream].pump : NULL;
}

static void account(struct pump *p)
{
	service_commit_counters(CONTAINER_OF(p, struct stream, pump)->service);
}

_Static_assert(RECOVERY_INTENT_SIZE >= INTENT_ROOM_SIZE, "the recovery area has room for it");

/* The area moves when it grows. */
static void *room(struct ledger *l)
{
	return recovery_intent(&CONTAINER_OF(l, struct engine, pumps.ledger)->store.area);
}

/* Both ends, or none: a single one is of no use to the next engine. */
static int keep(struct engine *e)
{
	int r = uplink_keep(e, LINK_KEEP_HOLD_READ, e->pumps.hold.read_fd);

	return r == 0 ? uplink_keep(e, LINK_KEEP_HOLD_WRITE, e->pumps.hold.write_fd) : r;
}

void streams_init(struct engine *e)
{
	static const struct pump_owner owner = {find, account};
	int read_fd = uplink_take_kept(e, LINK_KEEP_HOLD_READ);
	int write_fd = uplink_take_kept(e, LINK_KEEP_HOLD_WRITE);
	bool kept = read_fd >= 0 && write_fd >= 0;
	int r;

	r = pump_set_hold(&e->pumps, read_fd, write_fd, room, &e->sinks, &owner);
	if (r < 0 || kept)
		return;
	r = keep(e);
	if (r == 0)
		return;
	log_error("cannot give the launcher the holding pipe of the logs: %s; what services write "
		  "can be lost when the engine is killed",
		strerror(-r));
	e->pumps.ledger.room = NULL;
}

void streams_recover(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_services; i++)
		ready_resume(e->services[i]);
	pump_set_redo(&e->pumps);
}

void streams_commit(struct engine *e)
{
	if (e->pumps.ledger.room)
		ledger_commit(&e->pumps.ledger, (enum intent_phase)e->pumps.ledger.intent.phase);
}
