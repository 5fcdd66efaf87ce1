/*
 * The first engine makes the holding pipe and gives the launcher both ends to keep; a later
 * one gets them back, with what the last one had in it. That is written before anything else
 * is read: by then services have their sinks and counters back, and those that wait for a line
 * look out for it again.
 */
#include "engine/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "engine/engine.h"
#include "engine/service.h"
#include "engine/services.h"
#include "engine/stream_sinks.h"

/* --- a service's streams --- */

void streams_free(struct service *s)
{
	for (unsigned k = 0; k < s->n_streams; k++) {
		struct stream *t = &s->streams[k];

		if (t->fd >= 0) {
			pump_stop(&t->pump);
			t->fd = close_fd(t->fd);
		}
		stream_sinks_free(t);
	}
	free(s->streams);
	s->streams = NULL;
	s->n_streams = 0;
}

static void on_pipe_ended(struct pump *p)
{
	struct stream *t = CONTAINER_OF(p, struct stream, pump);

	pump_end_output(p);
	service_commit_counters(t->service);
	pump_stop(&t->pump);
	t->fd = close_fd(t->fd);
}

int streams_new(struct service *s)
{
	unsigned n = s->spec->split_stderr ? 2 : 1;

	s->streams = calloc(n, sizeof(*s->streams));
	if (!s->streams)
		return -ENOMEM;
	while (s->n_streams < n) {
		struct stream *t = &s->streams[s->n_streams];
		int r;

		t->service = s;
		t->fd = -1;
		pump_init(
			&t->pump, &s->engine->pumps, &t->sink, s->id, s->n_streams, on_pipe_ended);
		s->n_streams++;
		r = stream_sinks_init(t);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Another number of pipes: only between two generations, with none open. */
static void renew_streams(struct service *s)
{
	struct stream *old = s->streams;
	uint8_t n_old = s->n_streams;

	s->streams = NULL;
	s->n_streams = 0;
	if (streams_new(s) < 0) {
		streams_free(s);
		s->streams = old; /* what comes through a pipe too many is read by nobody */
		s->n_streams = n_old;
		log_error("service '%s': no memory for its logs", s->name);
		return;
	}
	s->streams[0].sink.counters = old[0].sink.counters;
	s->streams[0].sink.at = old[0].sink.at;
	s->streams[0].pump.through = old[0].pump.through;
	stream_sinks_move_consumers(&old[0], &s->streams[0]);
	for (unsigned i = 0; i < n_old; i++)
		stream_sinks_free(&old[i]);
	free(old);
}

void streams_configure(struct service *s)
{
	if (s->n_streams != (s->spec->split_stderr ? 2 : 1))
		renew_streams(s);
	else
		for (unsigned i = 0; i < s->n_streams; i++)
			stream_sinks_configure(&s->streams[i]);
	service_commit_counters(s);
}

void service_take_pipes(struct service *s, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++) {
		struct stream *t = i < s->n_streams ? &s->streams[i] : NULL;
		struct stat st;
		int r;

		/* Told again after the engine's restart or a REFETCH: the one we have will do. */
		if (!t || t->fd >= 0 || fds[i] < 0) {
			fds[i] = close_fd(fds[i]);
			continue;
		}
		r = pump_start(&t->pump, fds[i]);
		if (r < 0) {
			log_error(
				"service '%s': cannot watch its output: %s", s->name, strerror(-r));
			fds[i] = close_fd(fds[i]);
			continue;
		}
		t->fd = TAKE_FD(fds[i]);
		s->pipe_inodes[i] = sys_fstat(t->fd, &st) == 0 ? st.st_ino : 0;
	}
	ready_attach(s);
}

void service_drain_untold(struct service *s)
{
	struct pipes *p = &s->pipes;

	if (p->generation == 0 || p->generation != core_record(s->engine->core, s->id)->generation)
		return;
	service_take_pipes(s, p->read, MIN_OF((unsigned)s->n_streams, (unsigned)PLAN_PIPE_READY));
	service_drain(s);
}

void service_drain(struct service *s)
{
	for (unsigned i = 0; i < s->n_streams; i++) {
		struct stream *t = &s->streams[i];

		if (t->fd >= 0 && pump_drain(&t->pump, PUMP_DRAIN_MAX) == PUMP_ENDED)
			on_pipe_ended(&t->pump);
	}
	service_commit_counters(s);
}

void service_close_pipes(struct service *s)
{
	service_drain(s);
	pipes_close(&s->pipes); /* its process was never told of */
	for (unsigned i = 0; i < s->n_streams; i++) {
		if (s->streams[i].fd >= 0)
			on_pipe_ended(&s->streams[i].pump);
	}
	if (s->told_generation == 0)
		return; /* its spawn never got to the launcher */
	/* Not the core's: a restart has gone on to the next generation already. */
	s->outbox.release_generation = s->told_generation;
	uplink_tell(s, UPLINK_RELEASE);
}

/* --- what the pumps have in common --- */

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
